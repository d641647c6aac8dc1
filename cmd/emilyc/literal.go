package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/emilyc/emily/ir"
)

// literalDatum reads a value of any type: a tensor as nested lists, a sequence as the list of its elements, an optional as its element or
// null, a map as an object, {"a": 1, "b": 2}.
func literalDatum(text string, t ir.Type) (ir.Datum, error) {
	switch t.Kind {
	case ir.SequenceType:
		return literalSequence(text, t)
	case ir.OptionalType:
		if text == "null" {
			return &ir.Optional{Elem: *t.Elem}, nil
		}
		item, err := literalDatum(text, *t.Elem)
		return &ir.Optional{Elem: *t.Elem, Item: item}, err
	case ir.MapType:
		return literalMap(text, t)
	}
	return literal(text, t.DType)
}

func literalSequence(text string, t ir.Type) (ir.Datum, error) {
	var items []json.RawMessage
	if err := json.Unmarshal([]byte(text), &items); err != nil {
		return nil, fmt.Errorf("%q is neither a .pb file, random, nor a list of elements for %s", text, t)
	}
	s := &ir.Sequence{Elem: *t.Elem}
	for _, raw := range items {
		item, err := literalDatum(string(raw), *t.Elem)
		if err != nil {
			return nil, err
		}
		s.Items = append(s.Items, item)
	}
	return s, nil
}

func literalMap(text string, t ir.Type) (ir.Datum, error) {
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &object); err != nil || object == nil {
		return nil, fmt.Errorf("%q is neither a .pb file, random, nor an object such as {\"1\": 2.5} for %s", text, t)
	}
	names := make([]string, 0, len(object))
	for k := range object {
		names = append(names, k)
	}
	slices.Sort(names)
	keys, values := ir.NewTensor(t.DType, len(names)), ir.NewTensor(t.Elem.DType, len(names))
	at, elems := literalParser{dtype: t.DType, t: keys}, literalParser{dtype: t.Elem.DType, t: values}
	for _, k := range names {
		var key, elem any = k, nil
		if t.DType != ir.String {
			key = json.Number(k)
		}
		if err := at.element(key); err != nil {
			return nil, fmt.Errorf("key %s: %w", strconv.Quote(k), err)
		}
		if err := decodeNumbers(object[k], &elem); err != nil {
			return nil, err
		}
		if err := elems.element(elem); err != nil {
			return nil, err
		}
	}
	return &ir.Map{Keys: keys, Values: values}, nil
}
