// Package shapes replaces what is known of sizes at compile time by constants and dims: the chains of
// Shape, Gather, Mul, Concat … that exporters write end as one op that says which sizes they compute.
package shapes

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// Rules are the rules of the pass. They are exact.
var Rules = []rewrite.Rule{
	{Name: "known-value", Doc: "an integer or bool tensor whose elements are all known: const, or dims", Rewrite: knownValue},
}

// Run makes sizes constants where facts do, and applies Rules.
func Run(m *ir.Module, c *rewrite.Context) error {
	constantSizes(m, c)
	return rewrite.Apply(m, c, Rules)
}

func knownValue(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	if op.Kind == ir.Const || len(op.Results) == 0 {
		return nil
	}
	out := make([]*ir.Value, len(op.Results))
	for _, v := range op.Results {
		if !known(rw, v) || op.Kind == ir.Dims && !constant(v.Sym) {
			return nil
		}
	}
	for i, v := range op.Results {
		out[i] = build(rw, v)
	}
	return out
}

// known reports whether all elements of v can be written down where it is defined.
func known(rw *rewrite.Rewriter, v *ir.Value) bool {
	dims, ok := v.KnownDims()
	shape, static := v.Shape().Static()
	if n, err := ir.NumElements(shape); !ok || !static || err != nil || n != len(dims) {
		return false
	}
	return constant(dims) || v.DType() == ir.I64 && v.Rank() <= 1 && rw.Defined(dims...)
}

func build(rw *rewrite.Rewriter, v *ir.Value) *ir.Value {
	if constant(v.Sym) {
		return rw.Const(tensor(v))
	}
	return rw.Op(ir.Dims, &ir.DimsAttrs{Values: v.Sym, Scalar: v.Rank() == 0})
}

func constant(dims []ir.Dim) bool {
	return !slices.ContainsFunc(dims, func(d ir.Dim) bool { return !d.IsConst() })
}

// tensor is the value of v, whose elements are known integers.
func tensor(v *ir.Value) *ir.Tensor {
	shape, _ := v.Shape().Static()
	t := ir.NewTensor(v.DType(), shape...)
	size := v.DType().Size()
	for i, d := range v.Sym {
		n, _ := d.Value()
		for k := range size {
			t.Data[i*size+k] = byte(uint64(n) >> (8 * k))
		}
	}
	return t
}
