package schema

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// parse reads an operator's paragraph. The table is ours, and a test reads all of it: a mistake in it is a panic.
func parse(domain, op, text string) []*Schema {
	var list []*Schema
	var s *Schema
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch word {
		case "version":
			since, deprecated := strings.CutSuffix(rest, " deprecated")
			s = &Schema{Domain: domain, Op: op, Since: parseInt(since), Deprecated: deprecated}
			list = append(list, s)
		case "in":
			s.Inputs = append(s.Inputs, parseParam(rest))
		case "out":
			s.Outputs = append(s.Outputs, parseParam(rest))
		case "attr":
			s.Attrs = append(s.Attrs, parseAttr(rest))
		case "type":
			words := strings.Fields(rest)
			s.Vars = append(s.Vars, TypeVar{Name: words[0], Types: words[1:]})
		default:
			panic(corrupt(op, line))
		}
	}
	for _, s := range list {
		s.resolve()
	}
	return list
}

func corrupt(op, line string) string { return fmt.Sprintf("schemas.txt: %s: %q", op, line) }

// parseParam reads "NAME TYPE [optional | variadic N [mixed]]".
func parseParam(text string) Param {
	words := strings.Fields(text)
	p := Param{Name: words[0], Var: words[1]}
	if len(words) > 2 {
		p.Option = Optional
	}
	if len(words) > 3 {
		p.Option, p.Least, p.Mixed = Variadic, int(parseInt(words[3])), len(words) > 4
	}
	return p
}

// resolve gives params the types of their variables; what is no variable is a type.
func (s *Schema) resolve() {
	for _, list := range [][]Param{s.Inputs, s.Outputs} {
		for i := range list {
			p := &list[i]
			v := slices.IndexFunc(s.Vars, func(v TypeVar) bool { return v.Name == p.Var })
			if v < 0 {
				p.Var, p.Types = "", []string{p.Var}
				continue
			}
			p.Types = s.Vars[v].Types
		}
	}
}

// parseAttr reads "NAME TYPE [required | = DEFAULT]".
func parseAttr(text string) Attr {
	head, def, given := strings.Cut(text, " = ")
	words := strings.Fields(head)
	t, ok := pb.AttributeProto_AttributeType_value[words[1]]
	if !ok {
		panic(corrupt(words[0], text))
	}
	a := Attr{Name: words[0], Type: pb.AttributeProto_AttributeType(t), Required: len(words) > 2}
	if given {
		a.Default = parseDefault(a.Type, def)
	}
	return a
}

func parseDefault(t pb.AttributeProto_AttributeType, text string) any {
	switch t {
	case pb.AttributeProto_INT:
		return parseInt(text)
	case pb.AttributeProto_FLOAT:
		return parseFloat(text)
	case pb.AttributeProto_STRING:
		return unquote(text)
	case pb.AttributeProto_INTS:
		return each(text, parseInt)
	case pb.AttributeProto_FLOATS:
		return each(text, parseFloat)
	case pb.AttributeProto_STRINGS:
		return each(text, unquote)
	}
	panic(corrupt(t.String(), text))
}

func each[E any](text string, one func(string) E) []E {
	var list []E
	for _, w := range strings.Fields(text) {
		list = append(list, one(w))
	}
	return list
}

func parseInt(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

func parseFloat(text string) float32 {
	f, err := strconv.ParseFloat(text, 32)
	if err != nil {
		panic(err)
	}
	return float32(f)
}

func unquote(text string) string {
	s, err := strconv.Unquote(text)
	if err != nil {
		panic(err)
	}
	return s
}
