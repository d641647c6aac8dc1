package simplify

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

var reductions = []ir.Kind{ir.ReduceSum, ir.ReduceMean, ir.ReduceMax, ir.ReduceMin, ir.ReduceProd}

var reduceRules = []rewrite.Rule{
	{Name: "squeeze-of-reduce", Doc: "squeeze of the axes that a reduction kept: the reduction without keepdims",
		Kinds: []ir.Kind{ir.Squeeze}, Rewrite: squeezeOfReduce},
	{Name: "unsqueeze-of-reduce", Doc: "unsqueeze of the axes that a reduction dropped: the reduction with keepdims",
		Kinds: []ir.Kind{ir.Unsqueeze}, Rewrite: unsqueezeOfReduce},
	{Name: "reshape-of-reduce", Doc: "reshape that drops the axes that a reduction kept, or restores those that it dropped: the reduction in that shape",
		Kinds: []ir.Kind{ir.Reshape}, Rewrite: reshapeOfReduce},
	{Name: "extreme-of-nothing", Doc: "reduce_max and reduce_min over no axes: x", Kinds: []ir.Kind{ir.ReduceMax, ir.ReduceMin}, Rewrite: extremeOfNothing},
}

func squeezeOfReduce(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value { return keepDims(rw, op, true) }

func unsqueezeOfReduce(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value { return keepDims(rw, op, false) }

// keepDims turns keepdims round in a reduction that only op uses, and that is over op's axes.
func keepDims(rw *rewrite.Rewriter, op *ir.Op, kept bool) []*ir.Value {
	r := rewrite.Def(op.Args[0], reductions...)
	if r == nil || !op.Args[0].HasOneUse() {
		return nil
	}
	a := r.Attrs.(*ir.ReduceAttrs)
	if a.KeepDims != kept || !slices.Equal(a.Axes, op.Attrs.(*ir.AxesAttrs).Axes) {
		return nil
	}
	return rewrite.One(turnKeepDims(rw, r))
}

func reshapeOfReduce(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	r := rewrite.Def(op.Args[0], reductions...)
	if r == nil || !op.Args[0].HasOneUse() {
		return nil
	}
	return when(rw, op, turnKeepDims(rw, r))
}

// turnKeepDims is r with keepdims turned round.
func turnKeepDims(rw *rewrite.Rewriter, r *ir.Op) *ir.Value {
	a := ir.CloneAttrs(r.Attrs.(*ir.ReduceAttrs))
	a.KeepDims = !a.KeepDims
	return rw.Op(r.Kind, a, r.Args...)
}

func extremeOfNothing(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	if len(op.Attrs.(*ir.ReduceAttrs).Axes) > 0 {
		return nil
	}
	return when(rw, op, op.Args[0])
}
