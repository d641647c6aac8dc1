package fuse

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

var linearRules = []rewrite.Rule{
	fusion("linear", "linear", "x × w + b, where w is a weight matrix: linear", linear, ir.Add),
}

func linear(m *match, o *ir.Op) *ir.Value {
	for i, a := range o.Args {
		product, b := rewrite.Def(a, ir.MatMul), o.Args[1-i]
		if product == nil || !a.DType().IsFloat() {
			continue
		}
		m.meet(product)
		x, w := product.Args[0], product.Args[1]
		switch {
		case !isWeight(w, maxWeightOps) || w.Rank() != 2 || x.Rank() < 2:
			m.no(w, "is not a weight matrix that rows are multiplied by")
		case !a.HasOneUse():
			m.no(a, "is used elsewhere too")
		case !m.broadcasts(b, a.Shape()):
			m.no(b, "does not broadcast to %s", a.Type)
		default:
			return m.Op(ir.Linear, nil, x, w, b)
		}
	}
	return nil
}

// maxWeightOps bounds the ops between a constant and its use as a weight.
const maxWeightOps = 4

// isWeight reports whether v is a constant, an input, or made of those alone by few ops: not what a run computes step by step.
func isWeight(v *ir.Value, ops int) bool {
	if v == nil || v.Def == nil || v.Def.Kind == ir.Const {
		return true
	}
	return ops > 0 && len(v.Def.Regions) == 0 && !slices.ContainsFunc(v.Def.Args, func(a *ir.Value) bool { return !isWeight(a, ops-1) })
}

func areWeights(list []*ir.Value) bool {
	return !slices.ContainsFunc(list, func(v *ir.Value) bool { return !isWeight(v, maxWeightOps) })
}

// broadcasts reports whether v broadcasts to shape.
func (m *match) broadcasts(v *ir.Value, shape ir.Shape) bool {
	extra := len(shape) - v.Rank()
	if extra < 0 {
		return false
	}
	for i, d := range v.Shape() {
		if !d.Is(1) && !m.SameDim(d, shape[extra+i]) {
			return false
		}
	}
	return true
}
