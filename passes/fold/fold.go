// Package fold evaluates, at compile time, ops whose operands are all small constants.
package fold

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// MaxBytes bounds an operand and a result. Weights are larger: they are never read at compile time.
const MaxBytes = 64 << 10

// Rules are the rules of the pass. They are as exact as the evaluator that the context gives.
var Rules = []rewrite.Rule{
	{Name: "constant-operands", Doc: "an op on small constants: its value", Rewrite: fold, Refines: true},
}

// Run applies Rules. Without an evaluator it does nothing.
func Run(m *ir.Module, c *rewrite.Context) error {
	if c.Eval == nil {
		return nil
	}
	return rewrite.Apply(m, c, Rules)
}

func fold(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	if !foldable(op) {
		return nil
	}
	args := make([]ir.Datum, len(op.Args))
	for i, a := range op.Args {
		if a == nil {
			continue
		}
		t, err := a.Def.Attrs.(*ir.ConstAttrs).Tensor()
		if err != nil {
			return nil
		}
		args[i] = t
	}
	results, err := rw.Eval(op, args)
	if err != nil || len(results) != len(op.Results) { // an error stays one of the run, if it gets there
		return nil
	}
	out := make([]*ir.Value, len(results))
	for i, r := range results {
		t, ok := r.(*ir.Tensor)
		if !ok || bytes(t.Type()) > MaxBytes {
			return nil
		}
		out[i] = rw.Const(t)
	}
	return out
}

func foldable(op *ir.Op) bool {
	return len(op.Args) > 0 && len(op.Results) > 0 && len(op.Regions) == 0 && rewrite.Removable(op) && bounded(op) &&
		!slices.ContainsFunc(op.Args, func(v *ir.Value) bool { return v != nil && !small(v) }) &&
		!slices.ContainsFunc(op.Results, tooLarge)
}

// bounded reports whether the size of op's results is known before it is evaluated, or follows from its operands'.
func bounded(op *ir.Op) bool {
	_, static := op.Result().Type.Shape.NumElements().Value()
	return static || op.Kind != ir.Range
}

// small reports whether v is a constant that may be read.
func small(v *ir.Value) bool {
	return v.Def != nil && v.Def.Kind == ir.Const && v.Type.IsTensor() && bytes(v.Type) <= MaxBytes
}

// tooLarge reports whether v is known to be too large for a constant; sizes that are not known yet are seen after.
func tooLarge(v *ir.Value) bool {
	if !v.Type.IsTensor() {
		return true
	}
	lo, _ := v.Type.Shape.NumElements().Bounds()
	return lo > MaxBytes || bytes(v.Type) > MaxBytes
}

// bytes is the size of a tensor of static type, 0 for others. A string counts as 16.
func bytes(t ir.Type) int64 {
	n, ok := t.Shape.NumElements().Value()
	if !ok || n > MaxBytes {
		return n
	}
	if t.DType == ir.String {
		return n * 16
	}
	return n * int64(t.DType.Size())
}
