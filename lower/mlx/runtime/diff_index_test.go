package runtime_test

import (
	"github.com/emilyc/emily/ir"
)

func indexCases() []diffCase {
	var cs []diffCase
	add := func(k ir.Kind, a ir.Attrs, in ...*ir.Tensor) {
		c := op(k, a, in...)
		c.static = k == ir.GatherND || k == ir.ScatterND // the length of index tuples must be known
		cs = append(cs, c)
	}
	for _, d := range []ir.DType{ir.F32, ir.I64, ir.Bool, ir.BF16, ir.U8} {
		x := random(d, 3, 4, 2)
		add(ir.Gather, &ir.AxisAttrs{Axis: 0}, x, ints(2, 0, -1))
		add(ir.Gather, &ir.AxisAttrs{Axis: 1}, x, tensorOf(ir.I32, []float64{0, 3, -4, 1}, 2, 2))
		add(ir.Gather, &ir.AxisAttrs{Axis: 2}, x, scalar(ir.I64, -1))
		add(ir.Gather, &ir.AxisAttrs{Axis: 2}, x, scalar(ir.I64, 0))
		add(ir.GatherElements, &ir.AxisAttrs{Axis: 1}, x, tensorOf(ir.I64, []float64{0, 1, -1, 2, 3, 3, 0, 0}, 2, 2, 2))
		add(ir.GatherElements, &ir.AxisAttrs{Axis: 0}, x, tensorOf(ir.I64, []float64{0, 1, -1, 2}, 2, 2, 1))
		add(ir.GatherND, &ir.GatherNDAttrs{}, x, tensorOf(ir.I64, []float64{0, 1, -1, 2}, 2, 2))
		add(ir.GatherND, &ir.GatherNDAttrs{}, x, tensorOf(ir.I64, []float64{0, 1, 1, -1, 2, 0}, 2, 3))
		add(ir.GatherND, &ir.GatherNDAttrs{BatchDims: 1}, x, tensorOf(ir.I64, []float64{0, 1, -1}, 3, 1))
		add(ir.GatherND, &ir.GatherNDAttrs{BatchDims: 1}, x, tensorOf(ir.I64, []float64{0, 1, -1, 1, 2, 0}, 3, 1, 2))
	}
	for _, d := range []ir.DType{ir.F32, ir.I64, ir.I32, ir.F16, ir.U8} {
		for _, r := range []string{"none", "add", "mul", "max", "min"} {
			x := random(d, 3, 4)
			idx := tensorOf(ir.I64, []float64{0, 2, -2, 1}, 2, 2)
			if r == "none" {
				idx = tensorOf(ir.I64, []float64{0, -1, 1, 2}, 2, 2)
			}
			add(ir.ScatterElements, &ir.ScatterAttrs{Axis: 0, Reduction: r}, x, idx, random(d, 2, 2))
			add(ir.ScatterElements, &ir.ScatterAttrs{Axis: 1, Reduction: r}, x, idx, random(d, 2, 2))
			add(ir.ScatterND, &ir.ScatterAttrs{Reduction: r}, x, tensorOf(ir.I64, []float64{0, -1}, 2, 1), random(d, 2, 4))
			add(ir.ScatterND, &ir.ScatterAttrs{Reduction: r}, x, tensorOf(ir.I64, []float64{0, 1, -1, 2, 1, 3}, 3, 2), random(d, 3))
			add(ir.ScatterND, &ir.ScatterAttrs{Reduction: r}, x, tensorOf(ir.I64, nil, 0, 2), random(d, 0))
		}
	}
	x := random(ir.F32, 3, 4)
	add(ir.Gather, &ir.AxisAttrs{}, x, tensorOf(ir.I64, nil, 0))
	add(ir.Gather, &ir.AxisAttrs{Axis: 1}, random(ir.F32, 0, 4), ints(1, 2))
	add(ir.Gather, &ir.AxisAttrs{}, random(ir.F32, 0, 4), tensorOf(ir.I64, nil, 0))
	add(ir.Gather, &ir.AxisAttrs{}, x, ints(3)) // out of range
	add(ir.GatherElements, &ir.AxisAttrs{}, x, tensorOf(ir.I64, []float64{0, 1, 2, -4}, 1, 4))
	add(ir.GatherND, &ir.GatherNDAttrs{}, x, tensorOf(ir.I64, []float64{0, 9}, 1, 2))
	add(ir.GatherND, &ir.GatherNDAttrs{}, x, tensorOf(ir.I64, nil, 2, 0))
	add(ir.ScatterND, &ir.ScatterAttrs{Reduction: "add"}, x, tensorOf(ir.I64, []float64{-4}, 1, 1), random(ir.F32, 1, 4))
	add(ir.ScatterElements, &ir.ScatterAttrs{Reduction: "none"}, x, tensorOf(ir.I64, []float64{7}, 1, 1), random(ir.F32, 1, 1))
	add(ir.ScatterElements, &ir.ScatterAttrs{Reduction: "none"}, x, tensorOf(ir.I64, nil, 0, 1), random(ir.F32, 0, 1))
	add(ir.Gather, &ir.AxisAttrs{Axis: 1}, x, ints(0, 2, 1, -3))
	return cs
}
