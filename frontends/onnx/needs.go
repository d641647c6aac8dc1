package onnx

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emilyc/emily/ir"
)

// NeedsValue is the cause of an *Error where something must be known when the model is compiled, and is computed from
// inputs or from their sizes. Importing again with Options.Values for those inputs and Options.Dims for those sizes
// mends it.
type NeedsValue struct {
	What   string   // that must be known
	Inputs []string // graph inputs whose values it is computed from
	Sizes  []string // symbols in the types of inputs that it is computed from
}

func (e *NeedsValue) Error() string { return e.What }

// needs says which inputs and sizes v is computed from.
func (n *Node) needs(v *ir.Value, what string) error {
	inputs, sizes := n.s.im.sources(v)
	return needing(inputs, sizes, what)
}

// needsSize says which sizes of inputs d is computed from.
func (n *Node) needsSize(d ir.Dim, format string, args ...any) {
	var sizes []string
	im := n.s.im
	d.Symbols(func(s ir.Dim) {
		if im.declares(s) && !slices.Contains(sizes, s.Name()) {
			sizes = append(sizes, s.Name())
		}
	})
	n.b.Fail(needing(nil, sizes, fmt.Sprintf(format, args...)))
}

func needing(inputs, sizes []string, what string) error {
	var parts []string
	if len(sizes) > 0 {
		parts = append(parts, "the size of "+ir.NameList(sizes))
	}
	if len(inputs) > 0 {
		parts = append(parts, "a value to "+ir.NameList(inputs))
	}
	remedy := "make it a constant"
	if parts != nil {
		remedy = "bind " + strings.Join(parts, " and ")
	}
	return &Error{Kind: Unsupported, Remedy: remedy, Err: &NeedsValue{What: what, Inputs: inputs, Sizes: sizes}}
}

// sources are the names of the inputs and sizes that v is computed from, in the order in which they are found.
func (im *importer) sources(v *ir.Value) (inputs, sizes []string) {
	seen := map[*ir.Value]bool{}
	todo := []*ir.Value{v}
	for len(todo) > 0 {
		v := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if v == nil || seen[v] {
			continue
		}
		seen[v] = true
		if names, ok := im.sizesOf(v); ok {
			for _, name := range names {
				if !slices.Contains(sizes, name) {
					sizes = append(sizes, name)
				}
			}
			continue
		}
		switch {
		case v.Def == nil && v.Region == im.fn.Body:
			inputs = append(inputs, v.Name)
		case v.Def == nil:
			todo = append(todo, im.origin[v])
		default:
			todo = append(todo, v.Def.Args...)
		}
	}
	return inputs, sizes
}

// sizesOf are the sizes of inputs that v is known to be computed from, and from nothing else.
func (im *importer) sizesOf(v *ir.Value) (names []string, ok bool) {
	dims, ok := v.KnownDims()
	for _, d := range dims {
		d.Symbols(func(s ir.Dim) {
			names = append(names, s.Name())
			ok = ok && im.declares(s)
		})
	}
	return names, ok
}

// maxFold bounds the elements of what is computed at compile time, and the ops that it takes.
const maxFold = 1 << 12

// settled is v, or a constant of its value where Options.Eval can compute it and ir did not follow it.
func (n *Node) settled(v *ir.Value) *ir.Value {
	im := n.s.im
	if im.opts.Eval == nil || !n.ok() || v == nil || v.Def == nil || v.Def.Kind == ir.Const {
		return v
	}
	if _, ok := v.KnownDims(); ok {
		return v
	}
	e := evaluator{im: im, memo: map[*ir.Value]*ir.Tensor{}}
	t, err := e.tensor(v)
	if err != nil {
		return v
	}
	return n.b.Const(t)
}

// evaluator computes values that depend on constants and known sizes only.
type evaluator struct {
	im    *importer
	memo  map[*ir.Value]*ir.Tensor
	steps int
}

func (e *evaluator) tensor(v *ir.Value) (*ir.Tensor, error) {
	if t := e.memo[v]; t != nil {
		return t, nil
	}
	if e.steps++; e.steps > maxFold {
		return nil, fmt.Errorf("too many ops")
	}
	t, err := e.compute(v)
	if err != nil {
		return nil, err
	}
	e.memo[v] = t
	return t, nil
}

func (e *evaluator) compute(v *ir.Value) (*ir.Tensor, error) {
	if ints, ok := v.KnownInts(); ok {
		if t := intTensor(v.Type, ints); t != nil {
			return t, nil
		}
	}
	op := v.Def
	n, known := v.Type.Shape.NumElements().Value()
	if op == nil || !v.Type.IsTensor() || len(op.Regions) > 0 || known && n > maxFold {
		return nil, fmt.Errorf("not known")
	}
	if op.Kind == ir.Const {
		return op.Attrs.(*ir.ConstAttrs).Tensor()
	}
	args := make([]ir.Datum, len(op.Args))
	for i, a := range op.Args {
		if a == nil {
			continue
		}
		t, err := e.tensor(a)
		if err != nil {
			return nil, err
		}
		args[i] = t
	}
	out, err := e.im.opts.Eval(op, args)
	if err != nil {
		return nil, err
	}
	t, ok := out[v.Index].(*ir.Tensor)
	if !ok || t.Len() > maxFold {
		return nil, fmt.Errorf("not known")
	}
	return t, nil
}
