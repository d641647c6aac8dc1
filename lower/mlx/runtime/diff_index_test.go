package runtime_test

import (
	"math"

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
	return append(cs, selectCases()...)
}

// selectCases: what is chosen by value, with results whose sizes only the run knows.
func selectCases() []diffCase {
	var cs []diffCase
	add := func(k ir.Kind, a ir.Attrs, in ...*ir.Tensor) { cs = append(cs, op(k, a, in...)) }
	odd := tensorOf(ir.F32, []float64{math.NaN(), 0, 3, math.Inf(1), 3, math.Inf(-1), 0, math.NaN(), -1, 3, 0, 1}, 3, 4)
	tensors := []*ir.Tensor{odd, random(ir.F32, 0, 3), random(ir.F32, 1, 1), random(ir.F32, 3, 0)}
	for _, d := range []ir.DType{ir.F16, ir.BF16, ir.I8, ir.U8, ir.I32, ir.I64, ir.U64} {
		tensors = append(tensors, tensorOf(d, []float64{1, 2, 1, 0, 0, 2, 1, 2, 1, 7, 7, 0}, 3, 4))
	}
	for _, x := range tensors {
		for axis := range int64(2) {
			for _, flag := range []bool{false, true} {
				for k := range min(x.Shape[axis], 3) + 1 {
					add(ir.TopK, &ir.TopKAttrs{Axis: axis, Smallest: flag}, x, scalar(ir.I64, float64(k)))
				}
				add(ir.Unique, &ir.UniqueAttrs{Axis: axis, Sorted: flag}, x)
			}
		}
		add(ir.Unique, &ir.UniqueAttrs{Flat: true}, x)
		add(ir.Unique, &ir.UniqueAttrs{Flat: true, Sorted: true}, x)
		add(ir.NonZero, nil, x)
	}
	bools := tensorOf(ir.Bool, []float64{1, 0, 0, 1}, 2, 2)
	add(ir.Unique, &ir.UniqueAttrs{Flat: true, Sorted: true}, bools)
	for _, x := range []*ir.Tensor{random(ir.F32, 4, 0), random(ir.F32, 0, 4)} {
		rows := x.Shape[1] // of which there are as many as there are indices
		index := ir.NewTensor(ir.I64, 4-rows, 1)
		for _, how := range []string{"none", "add"} {
			add(ir.ScatterND, &ir.ScatterAttrs{Reduction: how}, x, index, random(ir.F32, 4-rows, rows))
		}
	}
	wide := make([]float64, 4*3*40)
	for i := range wide {
		wide[i] = float64(i % 40 * (i / 40 % 3 % 2)) // slices on axis 1: the first and the last are equal
	}
	for axis := range int64(3) {
		add(ir.Unique, &ir.UniqueAttrs{Axis: axis, Sorted: axis == 0}, tensorOf(ir.F32, wide, 4, 3, 40))
		add(ir.Unique, &ir.UniqueAttrs{Axis: axis, Sorted: axis == 1}, tensorOf(ir.Bool, wide, 4, 3, 40))
	}
	add(ir.NonZero, nil, bools)
	add(ir.NonZero, nil, scalar(ir.F32, 2))
	add(ir.NonZero, nil, random(ir.F32, 2, 3, 4))
	return cs
}
