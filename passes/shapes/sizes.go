package shapes

import (
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// constantSizes writes sizes that facts make constant as constants, in types and attributes. Types of parameters stay: inputs
// are checked against them.
func constantSizes(m *ir.Module, c *rewrite.Context) {
	for _, f := range m.Funcs {
		if op := firstToMend(f); op == nil || !c.Step("constant-size", op) {
			continue
		}
		f.Body.Walk(func(op *ir.Op) { mend(op) })
	}
}

// firstToMend is the first op whose result types speak of a symbol that is a constant.
func firstToMend(f *ir.Func) *ir.Op {
	var first *ir.Op
	f.Body.Walk(func(op *ir.Op) {
		for _, v := range op.Results {
			if _, changed := constants(op.Region, v.Type.Shape); changed && first == nil {
				first = op
			}
		}
	})
	return first
}

func mend(op *ir.Op) {
	for _, v := range op.Results {
		v.Type.Shape, _ = constants(op.Region, v.Type.Shape)
		v.Sym, _ = constants(op.Region, v.Sym)
	}
	switch a := op.Attrs.(type) {
	case *ir.DimsAttrs:
		if dims, ok := constants(op.Region, a.Values); ok {
			op.Attrs = &ir.DimsAttrs{Values: dims, Scalar: a.Scalar}
		}
	case *ir.SplitAttrs:
		if dims, ok := constants(op.Region, a.Sizes); ok {
			op.Attrs = &ir.SplitAttrs{Axis: a.Axis, Sizes: dims}
		}
	}
}

// constants replaces symbols in dims that are constants in r, and reports whether there were any.
func constants(r *ir.Region, dims []ir.Dim) ([]ir.Dim, bool) {
	var out []ir.Dim
	for i, d := range dims {
		if d.IsConst() {
			continue
		}
		e := d.Subst(func(a ir.Dim) (ir.Dim, bool) {
			n := r.Reduce(a)
			return n, n.IsConst()
		})
		if e == d || e == ir.Unknown {
			continue
		}
		if out == nil {
			out = append(out, dims...)
		}
		out[i] = e
	}
	if out == nil {
		return dims, false
	}
	return out, true
}
