package runtime_test

import (
	"math"

	"github.com/emilyc/emily/ir"
)

func normCases() []diffCase {
	var cs []diffCase
	add := func(k ir.Kind, a ir.Attrs, in ...*ir.Tensor) { cs = append(cs, op(k, a, in...)) }
	for _, d := range floatTypes {
		x := random(d, 2, 3, 8)
		for _, axis := range []int64{0, 1, 2} {
			add(ir.Softmax, &ir.AxisAttrs{Axis: axis}, x)
			add(ir.LogSoftmax, &ir.AxisAttrs{Axis: axis}, x)
			a := &ir.NormAttrs{Axis: axis, Epsilon: 1e-5}
			shape := x.Shape[axis:]
			add(ir.LayerNorm, a, x, random(d, shape...), random(d, shape...))
			add(ir.LayerNorm, a, x, random(d, shape...))
			add(ir.LayerNorm, a, x, nil, random(d, shape...))
			add(ir.LayerNorm, a, x, nil)
			add(ir.LayerNorm, a, x, random(d, 8), random(d, 1))
			add(ir.LayerNorm, a, x, random(d, 3, 1))
			add(ir.RMSNorm, a, x, random(d, shape...))
			add(ir.RMSNorm, a, x, nil)
			add(ir.RMSNorm, a, x, random(d, 8))
		}
		variance := tensorOf(d, []float64{1, 2, 0.5})
		add(ir.BatchNorm, &ir.NormAttrs{Epsilon: 1e-5}, x, random(d, 3), random(d, 3), random(d, 3), variance)
		add(ir.BatchNorm, &ir.NormAttrs{Epsilon: 1e-3}, random(d, 4, 3), random(d, 3), random(d, 3), random(d, 3), variance)
	}
	for _, shape := range [][]int{{0, 3}, {3, 0}} {
		x := random(ir.F32, shape...)
		add(ir.Softmax, &ir.AxisAttrs{Axis: 1}, x)
		add(ir.LogSoftmax, &ir.AxisAttrs{Axis: 1}, x)
		add(ir.LayerNorm, &ir.NormAttrs{Axis: 1, Epsilon: 1e-5}, x, random(ir.F32, shape[1]))
		add(ir.RMSNorm, &ir.NormAttrs{Axis: 1, Epsilon: 1e-5}, x, random(ir.F32, shape[1]))
	}
	masked := tensorOf(ir.F32, []float64{math.Inf(-1), 1, math.Inf(-1), 2, 3, math.Inf(-1)}, 2, 3)
	add(ir.Softmax, &ir.AxisAttrs{Axis: 1}, masked)
	add(ir.LogSoftmax, &ir.AxisAttrs{Axis: 1}, masked)
	return cs
}
