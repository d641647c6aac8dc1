package runtime_test

import (
	"math"

	"github.com/emilyc/emily/ir"
)

func shapeCases() []diffCase {
	var cs []diffCase
	add := func(c diffCase) { cs = append(cs, c) }
	dynamic := func(k ir.Kind, a ir.Attrs, in ...*ir.Tensor) { add(op(k, a, in...)) }
	x := random(ir.F32, 2, 3, 4)
	for _, to := range [][]float64{{6, 4}, {-1}, {0, -1}, {2, 2, -1}, {0, 0, 2, 2}} {
		dynamic(ir.Reshape, &ir.ReshapeAttrs{}, x, ints(to...))
	}
	dynamic(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, random(ir.F32, 2, 0), ints(0, 5))
	dynamic(ir.Reshape, &ir.ReshapeAttrs{}, random(ir.F32, 1, 1), tensorOf(ir.I64, nil, 0))
	for _, perm := range [][]int64{{0, 1, 2}, {2, 0, 1}, {1, 0, 2}} {
		add(op(ir.Transpose, &ir.PermAttrs{Perm: perm}, x))
	}
	dynamic(ir.Expand, nil, random(ir.I32, 3, 1), ints(2, 1, 6))
	dynamic(ir.Expand, nil, random(ir.I32, 3, 1), ints(1, 1))
	dynamic(ir.Expand, nil, random(ir.I32, 3, 2), ints(2, 3, 2))
	dynamic(ir.Expand, nil, scalar(ir.Bool, 1), ints(2, 0))
	add(op(ir.Unsqueeze, &ir.AxesAttrs{Axes: []int64{0, 2}}, x))
	add(op(ir.Squeeze, &ir.AxesAttrs{Axes: []int64{0, 2}}, random(ir.F32, 1, 3, 1)))
	for _, d := range []ir.DType{ir.F32, ir.I64, ir.Bool, ir.U8, ir.F16, ir.F8E4M3FN, ir.I4} {
		add(op(ir.Concat, &ir.AxisAttrs{Axis: 1}, random(ir.U8, 2, 1), random(ir.U8, 2, 0), random(ir.U8, 2, 3)))
		y := ir.NewTensor(d, 3, 2)
		add(op(ir.Concat, &ir.AxisAttrs{Axis: 0}, y, y))
		add(op(ir.Transpose, &ir.PermAttrs{Perm: []int64{1, 0}}, y))
		dynamic(ir.Tile, nil, y, ints(2, 3))
		dynamic(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: []int64{0, 1}}, y, ints(1, 0, 2, 3))
	}
	for _, s := range []struct{ start, end, step float64 }{
		{0, 5, 1}, {1, -1, 1}, {-3, 100, 2}, {4, 0, -1}, {-1, -100, -2}, {100, 1, -1}, {5, 2, 1}, {2, 5, -1},
		{-100, 3, 1}, {math.MaxInt64, math.MinInt64, -1}, {0, math.MaxInt64, 1}, {-100, -200, -1},
	} {
		dynamic(ir.Slice, &ir.SliceAttrs{Axes: []int64{1}, Steps: []int64{int64(s.step)}}, random(ir.F32, 2, 6), ints(s.start), ints(s.end))
	}
	dynamic(ir.Slice, &ir.SliceAttrs{Axes: []int64{2, 0}, Steps: []int64{1, -1}}, x, ints(1, -1), ints(3, -9))
	for _, sizes := range [][]int64{{1, 2, 3}, {6}, {0, 6, 0}} {
		a := &ir.SplitAttrs{Axis: 1}
		for _, n := range sizes {
			a.Sizes = append(a.Sizes, ir.Size(n))
		}
		add(op(ir.Split, a, random(ir.F32, 2, 6)))
	}
	for _, mode := range []string{"constant", "reflect", "edge", "wrap"} {
		for _, p := range [][]float64{{1, 2, 2, 1}, {0, 0, 0, 0}, {-1, 2, 1, -2}, {2, 0, 0, 0}, {7, 9, 8, 6}} {
			dynamic(ir.Pad, &ir.PadAttrs{Mode: mode, Axes: []int64{0, 1}}, random(ir.F32, 3, 4), ints(p...))
			dynamic(ir.Pad, &ir.PadAttrs{Mode: mode, Axes: []int64{1, 0}}, random(ir.I64, 3, 4), ints(p...), scalar(ir.I64, 9))
		}
	}
	for _, d := range []ir.DType{ir.I64, ir.I32, ir.F32, ir.F64, ir.F16} {
		for _, r := range [][3]float64{{0, 5, 1}, {5, 0, -2}, {3, 3, 1}, {3, 2, 1}, {-4, 9, 3}} {
			dynamic(ir.Range, nil, scalar(d, r[0]), scalar(d, r[1]), scalar(d, r[2]))
		}
	}
	dynamic(ir.Range, nil, scalar(ir.F32, 0), scalar(ir.F32, 1), scalar(ir.F32, 0.1))
	for _, upper := range []bool{false, true} {
		for _, k := range []float64{0, 1, -1, 9, -9} {
			dynamic(ir.Trilu, &ir.TriluAttrs{Upper: upper}, random(ir.I32, 2, 3, 4), scalar(ir.I64, k))
		}
		add(op(ir.Trilu, &ir.TriluAttrs{Upper: upper}, random(ir.Bool, 3, 3)))
	}
	one := scalar(ir.F32, 3)
	none := tensorOf(ir.I64, nil, 0)
	add(op(ir.Transpose, &ir.PermAttrs{}, one))
	add(op(ir.ReduceSum, &ir.ReduceAttrs{}, one))
	add(op(ir.Squeeze, &ir.AxesAttrs{}, one))
	add(op(ir.ShapeOf, nil, one))
	add(op(ir.ShapeOf, nil, random(ir.F32, 2, 0)))
	dynamic(ir.Tile, nil, one, none)
	dynamic(ir.Expand, nil, one, none)
	dynamic(ir.Reshape, &ir.ReshapeAttrs{}, one, none)
	dynamic(ir.Reshape, &ir.ReshapeAttrs{}, one, ints(1, -1))
	dynamic(ir.Pad, &ir.PadAttrs{Mode: "constant"}, one, none)
	dynamic(ir.Slice, &ir.SliceAttrs{}, one, none, none)
	dynamic(ir.Tile, nil, random(ir.I32, 2, 3), ints(0, 2))
	dynamic(ir.Slice, &ir.SliceAttrs{Axes: []int64{0}, Steps: []int64{1}}, random(ir.F32, 0, 3), ints(0), ints(5))
	add(op(ir.Concat, &ir.AxisAttrs{}, random(ir.F32, 2)))
	add(op(ir.Split, &ir.SplitAttrs{Sizes: []ir.Dim{ir.Size(0), ir.Size(0)}}, random(ir.F32, 0, 3)))
	add(op(ir.Trilu, &ir.TriluAttrs{}, random(ir.F32, 0, 3)))
	add(diffCase{name: "shape-arithmetic", in: []*ir.Tensor{x}, build: func(b *ir.Builder, v []*ir.Value) []*ir.Value {
		s := b.Op(ir.ShapeOf, nil, v[0])
		n := b.Op(ir.Gather, &ir.AxisAttrs{}, s, b.Const(ir.Scalar(int64(1))))
		two := b.Op(ir.Concat, &ir.AxisAttrs{}, b.Op(ir.Unsqueeze, &ir.AxesAttrs{Axes: []int64{0}}, n), b.Ints(-1))
		return []*ir.Value{s, n, b.Op(ir.Reshape, &ir.ReshapeAttrs{}, v[0], two), b.Op(ir.Cast, &ir.CastAttrs{To: ir.F32}, s)}
	}})
	return cs
}
