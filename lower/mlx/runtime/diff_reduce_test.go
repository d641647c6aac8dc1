package runtime_test

import (
	"math"

	"github.com/emilyc/emily/ir"
)

func reduceCases() []diffCase {
	var cs []diffCase
	add := func(c diffCase) { cs = append(cs, c) }
	kinds := []ir.Kind{ir.ReduceSum, ir.ReduceMean, ir.ReduceMax, ir.ReduceMin, ir.ReduceProd}
	for _, d := range append(append([]ir.DType{}, floatTypes...), intTypes...) {
		for _, k := range kinds {
			for _, axes := range [][]int64{{0}, {1}, {2}, {0, 1}, {1, 2}, {0, 1, 2}, {}} {
				for _, keep := range []bool{false, true} {
					add(op(k, &ir.ReduceAttrs{Axes: axes, KeepDims: keep}, random(d, 2, 3, 4)))
				}
			}
		}
		for _, axis := range []int64{0, 1} {
			for i := range 4 {
				a := &ir.ArgAttrs{Axis: axis, KeepDims: i&1 == 1, Last: i&2 == 2}
				add(op(ir.ArgMax, a, random(d, 3, 7)))
				add(op(ir.ArgMin, a, random(d, 3, 7)))
				add(op(ir.CumSum, &ir.CumAttrs{Axis: axis, Exclusive: i&1 == 1, Reverse: i&2 == 2}, random(d, 3, 7)))
				add(op(ir.CumProd, &ir.CumAttrs{Axis: axis, Exclusive: i&1 == 1, Reverse: i&2 == 2}, random(d, 3, 7)))
			}
		}
	}
	nan := tensorOf(ir.F32, []float64{1, math.NaN(), 3, math.Inf(1), math.Inf(-1), 0, math.NaN(), math.NaN(), 2}, 3, 3)
	for _, k := range kinds {
		add(op(k, &ir.ReduceAttrs{Axes: []int64{1}}, nan))
		add(op(k, &ir.ReduceAttrs{Axes: []int64{0}, KeepDims: true}, nan))
	}
	for _, last := range []bool{false, true} {
		add(op(ir.ArgMax, &ir.ArgAttrs{Axis: 1, Last: last}, nan))
		add(op(ir.ArgMin, &ir.ArgAttrs{Axis: 0, Last: last}, nan))
	}
	add(op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{1}}, random(ir.F32, 2, 0)))
	for _, k := range kinds {
		add(op(k, &ir.ReduceAttrs{Axes: []int64{0, 2}}, random(ir.F32, 0, 3, 2)))
	}
	for _, d := range []ir.DType{ir.F32, ir.F16, ir.I8, ir.U16, ir.I64, ir.Bool} {
		add(op(ir.ReduceMax, &ir.ReduceAttrs{Axes: []int64{1}}, random(d, 2, 0)))
		add(op(ir.ReduceMin, &ir.ReduceAttrs{Axes: []int64{0}, KeepDims: true}, random(d, 0, 3)))
	}
	for _, axis := range []int64{0, 1} { // of an empty axis an error, else empty
		add(op(ir.ArgMax, &ir.ArgAttrs{Axis: axis}, random(ir.F32, 3, 0)))
		add(op(ir.ArgMin, &ir.ArgAttrs{Axis: axis, KeepDims: true, Last: true}, random(ir.I32, 0, 3)))
	}
	add(op(ir.ReduceMax, &ir.ReduceAttrs{Axes: []int64{1}}, random(ir.Bool, 2, 3)))
	add(op(ir.ReduceMin, &ir.ReduceAttrs{Axes: []int64{1}}, random(ir.Bool, 2, 3)))
	tenths := ir.NewTensor(ir.F32, 1, 300_000)
	for i := range ir.View[float32](tenths) {
		ir.View[float32](tenths)[i] = 0.1
	}
	add(op(ir.ReduceMean, &ir.ReduceAttrs{Axes: []int64{1}}, tenths))
	add(op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{0, 1}}, tenths))
	add(op(ir.CumSum, &ir.CumAttrs{Axis: 1, Reverse: true}, tenths))
	ones := tensorOf(ir.BF16, make([]float64, 600), 600)
	for i := range ones.Data {
		ones.Data[i] = []byte{0x80, 0x3f}[i%2]
	}
	add(op(ir.CumSum, &ir.CumAttrs{}, ones))
	return cs
}
