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
	add(diffCase{name: "shape-arithmetic", in: []*ir.Tensor{x}, build: func(b *ir.Builder, v []*ir.Value) []*ir.Value {
		s := b.Op(ir.ShapeOf, nil, v[0])
		n := b.Op(ir.Gather, &ir.AxisAttrs{}, s, b.Const(ir.Scalar(int64(1))))
		two := b.Op(ir.Concat, &ir.AxisAttrs{}, b.Op(ir.Unsqueeze, &ir.AxesAttrs{Axes: []int64{0}}, n), b.Ints(-1))
		return []*ir.Value{s, n, b.Op(ir.Reshape, &ir.ReshapeAttrs{}, v[0], two), b.Op(ir.Cast, &ir.CastAttrs{To: ir.F32}, s)}
	}})
	return cs
}

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
	add(ir.Gather, &ir.AxisAttrs{Axis: 1}, x, ints(0, 2, 1, -3))
	return cs
}

// outOfRange are errors, never values.
func matmulCases() []diffCase {
	var cs []diffCase
	for _, d := range append(append([]ir.DType{}, floatTypes...), intTypes...) {
		for _, s := range [][2][]int{{{3, 4}, {4, 2}}, {{4}, {4, 2}}, {{3, 4}, {4}}, {{4}, {4}}, {{2, 3, 4}, {4, 5}}, {{2, 1, 3, 4}, {5, 4, 2}}, {{2, 0}, {0, 3}}, {{0, 4}, {4, 2}}} {
			cs = append(cs, op(ir.MatMul, nil, random(d, s[0]...), random(d, s[1]...)))
		}
		if d.IsInt() {
			cs = append(cs, op(ir.MatMul, nil, tensorOf(d, values(edges(d))[:6], 2, 3), tensorOf(d, values(edges(d))[2:8], 3, 2)))
		}
	}
	return append(cs, diffCase{name: "transposed-weight", in: []*ir.Tensor{random(ir.F32, 2, 3, 4), random(ir.F32, 5, 4)},
		build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			return b.Ops(ir.MatMul, nil, nil, x[0], b.Op(ir.Transpose, &ir.PermAttrs{Perm: []int64{1, 0}}, x[1]))
		}})
}

func convCases() []diffCase {
	var cs []diffCase
	conv := func(x, w, b *ir.Tensor, a ir.ConvAttrs) {
		n := len(x.Shape) - 2
		fill := func(list []int64, v int64, n int) []int64 {
			for len(list) < n {
				list = append(list, v)
			}
			return list
		}
		a.Strides, a.Dilations, a.Pads = fill(a.Strides, 1, n), fill(a.Dilations, 1, n), fill(a.Pads, 0, 2*n)
		a.Groups = max(a.Groups, 1)
		if b == nil {
			cs = append(cs, op(ir.Conv, &a, x, w))
			return
		}
		cs = append(cs, op(ir.Conv, &a, x, w, b))
	}
	for _, d := range floatTypes {
		x, w, b := random(d, 2, 4, 7, 8), random(d, 6, 4, 3, 3), random(d, 6)
		conv(x, w, b, ir.ConvAttrs{})
		conv(x, w, nil, ir.ConvAttrs{Strides: []int64{2, 1}, Pads: []int64{1, 0, 2, 1}})
		conv(x, w, b, ir.ConvAttrs{Dilations: []int64{2, 1}, Pads: []int64{1, 1, 1, 1}})
		conv(x, random(d, 6, 2, 3, 3), b, ir.ConvAttrs{Groups: 2})
		conv(x, random(d, 4, 1, 3, 3), nil, ir.ConvAttrs{Groups: 4, Pads: []int64{1, 1, 1, 1}})
		conv(x, random(d, 8, 1, 3, 2), nil, ir.ConvAttrs{Groups: 4})
		conv(x, random(d, 6, 4, 1, 1), b, ir.ConvAttrs{})
		conv(random(d, 2, 3, 9), random(d, 4, 3, 4), random(d, 4), ir.ConvAttrs{Strides: []int64{2}, Pads: []int64{1, 2}})
		conv(random(d, 2, 4, 9), random(d, 4, 2, 4), random(d, 4), ir.ConvAttrs{Groups: 2})
		conv(random(d, 1, 2, 4, 5, 6), random(d, 3, 2, 2, 3, 2), random(d, 3), ir.ConvAttrs{Pads: []int64{1, 0, 1, 0, 1, 1}, Strides: []int64{1, 2, 1}})
		conv(random(d, 1, 4, 4, 5, 6), random(d, 6, 2, 2, 3, 2), random(d, 6), ir.ConvAttrs{Groups: 2})
		conv(random(d, 2, 7, 8, 4), random(d, 6, 3, 3, 4), b, ir.ConvAttrs{NHWC: true, Pads: []int64{1, 0, 0, 1}})
		conv(random(d, 1, 4, 5, 6, 4), random(d, 6, 2, 3, 2, 2), nil, ir.ConvAttrs{NHWC: true, Groups: 2})
	}
	pool := func(k ir.Kind, x *ir.Tensor, a ir.PoolAttrs) {
		n := len(a.Kernel)
		for len(a.Strides) < n {
			a.Strides = append(a.Strides, 1)
		}
		for len(a.Dilations) < n {
			a.Dilations = append(a.Dilations, 1)
		}
		for len(a.Pads) < 2*n {
			a.Pads = append(a.Pads, 0)
		}
		cs = append(cs, op(k, &a, x))
		if k == ir.MaxPool { // without the indices
			c := op(k, &a, x)
			build := c.build
			c.build = func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				if out := build(b, x); len(out) > 0 {
					return out[:1]
				}
				return nil
			}
			cs = append(cs, c)
		}
	}
	pools := []ir.PoolAttrs{
		{Kernel: []int64{2, 2}, Strides: []int64{2, 2}},
		{Kernel: []int64{3, 3}, Strides: []int64{2, 2}, Pads: []int64{1, 1, 1, 1}},
		{Kernel: []int64{3, 2}, Strides: []int64{2, 3}, Pads: []int64{1, 0, 0, 1}, CeilMode: true},
		{Kernel: []int64{3, 2}, Dilations: []int64{2, 1}, Pads: []int64{1, 1, 2, 0}},
		{Kernel: []int64{7, 9}},
		{Kernel: []int64{1, 1}, Strides: []int64{3, 2}},
		{Kernel: []int64{2, 2}, Strides: []int64{3, 3}, CeilMode: true},
	}
	for _, a := range pools {
		for _, d := range []ir.DType{ir.F32, ir.F16, ir.F64} {
			pool(ir.MaxPool, random(d, 2, 3, 7, 9), a)
			pool(ir.AveragePool, random(d, 2, 3, 7, 9), a)
			a.CountIncludePad = true
			pool(ir.AveragePool, random(d, 2, 3, 7, 9), a)
			a.CountIncludePad = false
		}
		pool(ir.MaxPool, random(ir.I8, 2, 3, 7, 9), a)
		pool(ir.MaxPool, random(ir.U8, 1, 2, 7, 9), a)
		a.ColumnMajor = true
		pool(ir.MaxPool, random(ir.F32, 2, 3, 7, 9), a)
		a.ColumnMajor, a.NHWC = false, true
		pool(ir.MaxPool, random(ir.F32, 2, 7, 9, 3), a)
		pool(ir.AveragePool, random(ir.F32, 2, 7, 9, 3), a)
	}
	pool(ir.MaxPool, random(ir.F32, 2, 3, 9), ir.PoolAttrs{Kernel: []int64{3}, Strides: []int64{2}})
	pool(ir.MaxPool, random(ir.F32, 1, 2, 4, 5, 6), ir.PoolAttrs{Kernel: []int64{2, 3, 2}})
	pool(ir.AveragePool, random(ir.F32, 1, 2, 4, 5, 6), ir.PoolAttrs{Kernel: []int64{2, 3, 2}, Pads: []int64{1, 1, 1, 1, 1, 1}})
	pool(ir.AveragePool, random(ir.F32, 1, 2, 100), ir.PoolAttrs{Kernel: []int64{40}, Strides: []int64{7}, Dilations: []int64{2}})
	return append(cs, layoutCases()...)
}

// layoutCases are chains of convolutions and what stands between them, where values stay channels last.
func layoutCases() []diffCase {
	conv := &ir.ConvAttrs{Strides: []int64{1, 1}, Pads: []int64{1, 1, 1, 1}, Dilations: []int64{1, 1}, Groups: 1}
	pool := &ir.PoolAttrs{Kernel: []int64{2, 2}, Strides: []int64{2, 2}, Pads: []int64{0, 0, 0, 0}, Dilations: []int64{1, 1}}
	between := map[string]func(b *ir.Builder, v *ir.Value) *ir.Value{
		"relu":     func(b *ir.Builder, v *ir.Value) *ir.Value { return b.Op(ir.Relu, nil, v) },
		"residual": func(b *ir.Builder, v *ir.Value) *ir.Value { return b.Op(ir.Add, nil, v, b.Op(ir.Tanh, nil, v)) },
		"scale": func(b *ir.Builder, v *ir.Value) *ir.Value {
			return b.Op(ir.Mul, nil, v, b.Const(random(ir.F32, 4, 1, 1)))
		},
		"rows": func(b *ir.Builder, v *ir.Value) *ir.Value { return b.Op(ir.Add, nil, v, b.Const(random(ir.F32, 6))) },
		"batch_norm": func(b *ir.Builder, v *ir.Value) *ir.Value {
			variance := b.Const(floats(1, 2, 0.5, 3))
			return b.Op(ir.BatchNorm, &ir.NormAttrs{Epsilon: 1e-5}, v, b.Const(random(ir.F32, 4)), b.Const(random(ir.F32, 4)), b.Const(random(ir.F32, 4)), variance)
		},
		"concat": func(b *ir.Builder, v *ir.Value) *ir.Value {
			c := b.Op(ir.Concat, &ir.AxisAttrs{Axis: 1}, v, v)
			return b.Ops(ir.Split, &ir.SplitAttrs{Axis: 1, Sizes: []ir.Dim{ir.Size(2), ir.Size(4), ir.Size(2)}}, nil, c)[1]
		},
		"squeeze-excite": func(b *ir.Builder, v *ir.Value) *ir.Value {
			m := b.Op(ir.ReduceMean, &ir.ReduceAttrs{Axes: []int64{2, 3}, KeepDims: true}, v)
			return b.Op(ir.Mul, nil, v, b.Op(ir.Sigmoid, nil, m))
		},
		"pad": func(b *ir.Builder, v *ir.Value) *ir.Value {
			return b.Op(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: []int64{1, 3}}, v, b.Ints(1, 1, -1, 2))
		},
		"reflect": func(b *ir.Builder, v *ir.Value) *ir.Value {
			return b.Op(ir.Pad, &ir.PadAttrs{Mode: "reflect", Axes: []int64{2, 3}}, v, b.Ints(1, 1, 1, 2))
		},
		"softmax": func(b *ir.Builder, v *ir.Value) *ir.Value { return b.Op(ir.Softmax, &ir.AxisAttrs{Axis: 1}, v) },
		"where": func(b *ir.Builder, v *ir.Value) *ir.Value {
			return b.Op(ir.Where, nil, b.Op(ir.Less, nil, v, b.Float(ir.F32, 0.5)), v, b.Float(ir.F32, 7))
		},
		"average": func(b *ir.Builder, v *ir.Value) *ir.Value {
			a := *pool
			a.Pads = []int64{1, 0, 0, 1}
			return b.Op(ir.AveragePool, &a, v)
		},
		"max": func(b *ir.Builder, v *ir.Value) *ir.Value { return b.Op(ir.MaxPool, pool, v) },
		"cast": func(b *ir.Builder, v *ir.Value) *ir.Value {
			return b.Op(ir.Cast, &ir.CastAttrs{To: ir.F32}, b.Op(ir.Cast, &ir.CastAttrs{To: ir.I32}, v))
		},
	}
	ends := map[string]func(b *ir.Builder, v *ir.Value) []*ir.Value{
		"conv": func(b *ir.Builder, v *ir.Value) []*ir.Value {
			return b.Ops(ir.Conv, conv, nil, v, b.Const(random(ir.F32, 4, 4, 3, 3)))
		},
		"self": func(b *ir.Builder, v *ir.Value) []*ir.Value { return []*ir.Value{v} },
		"global": func(b *ir.Builder, v *ir.Value) []*ir.Value {
			return b.Ops(ir.ReduceMean, &ir.ReduceAttrs{Axes: []int64{2, 3}}, nil, v)
		},
		"sum": func(b *ir.Builder, v *ir.Value) []*ir.Value {
			return b.Ops(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{1}}, nil, v)
		},
		"tokens": func(b *ir.Builder, v *ir.Value) []*ir.Value {
			r := b.Op(ir.Reshape, &ir.ReshapeAttrs{}, v, b.Ints(0, 0, -1))
			return b.Ops(ir.Transpose, &ir.PermAttrs{Perm: []int64{0, 2, 1}}, nil, r)
		},
		"flatten": func(b *ir.Builder, v *ir.Value) []*ir.Value {
			return b.Ops(ir.Reshape, &ir.ReshapeAttrs{}, nil, v, b.Ints(0, -1))
		},
		"nhwc": func(b *ir.Builder, v *ir.Value) []*ir.Value {
			return b.Ops(ir.Transpose, &ir.PermAttrs{Perm: []int64{0, 2, 3, 1}}, nil, v)
		},
		"split": func(b *ir.Builder, v *ir.Value) []*ir.Value {
			return []*ir.Value{v, b.Op(ir.Transpose, &ir.PermAttrs{Perm: []int64{1, 0, 3, 2}}, v)}
		},
	}
	var cs []diffCase
	for n, f := range between {
		for e, g := range ends {
			cs = append(cs, diffCase{name: n + "-" + e, in: []*ir.Tensor{random(ir.F32, 2, 3, 5, 6)}, static: true,
				build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
					rngReset()
					v := b.Op(ir.Conv, conv, x[0], b.Const(random(ir.F32, 4, 3, 3, 3)), b.Const(random(ir.F32, 4)))
					return g(b, f(b, v))
				}})
		}
	}
	return cs
}

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
	masked := tensorOf(ir.F32, []float64{math.Inf(-1), 1, math.Inf(-1), 2, 3, math.Inf(-1)}, 2, 3)
	add(ir.Softmax, &ir.AxisAttrs{Axis: 1}, masked)
	add(ir.LogSoftmax, &ir.AxisAttrs{Axis: 1}, masked)
	return cs
}

func controlCases() []diffCase {
	branch := func(then, other func(b *ir.Builder, x *ir.Value) *ir.Value) func(b *ir.Builder, x []*ir.Value) []*ir.Value {
		return func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			regions := []*ir.Region{b.Region().NewRegion(), b.Region().NewRegion()}
			for i, f := range []func(b *ir.Builder, x *ir.Value) *ir.Value{then, other} {
				p := regions[i].AddParam("", x[0].Type)
				c := ir.NewBuilder(regions[i])
				c.Yield(f(c, p))
				if c.Err() != nil {
					b.Fail(c.Err())
				}
			}
			return b.Ops(ir.If, nil, regions, x[1], x[0])
		}
	}
	neg := func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ir.Neg, nil, x) }
	same := func(b *ir.Builder, x *ir.Value) *ir.Value { return x }
	double := func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ir.Concat, &ir.AxisAttrs{}, x, x) }
	var cs []diffCase
	for _, cond := range []float64{0, 1} {
		in := []*ir.Tensor{random(ir.F32, 2, 3), scalar(ir.Bool, cond)}
		cs = append(cs, diffCase{name: "if", in: in, build: branch(neg, same)},
			diffCase{name: "if-shapes", in: in, build: branch(double, same)},
			diffCase{name: "if-then-use", in: in, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				y := branch(double, neg)(b, x)
				if y == nil {
					return nil
				}
				s := b.Op(ir.ShapeOf, nil, y[0])
				return []*ir.Value{y[0], s, b.Op(ir.Reshape, &ir.ReshapeAttrs{}, y[0], b.Ints(-1))}
			}})
	}
	loop := func(trip, cond *ir.Value, carried []*ir.Value, types []ir.Type, body func(b *ir.Builder, p []*ir.Value) []*ir.Value) func(b *ir.Builder) []*ir.Value {
		return func(b *ir.Builder) []*ir.Value {
			r := b.Region().NewRegion()
			p := []*ir.Value{r.AddParam("i", ir.TensorOf(ir.I64)), r.AddParam("cond", ir.TensorOf(ir.Bool))}
			for i := range carried {
				p = append(p, r.AddParam("", types[i]))
			}
			c := ir.NewBuilder(r)
			c.Yield(body(c, p)...)
			if c.Err() != nil {
				b.Fail(c.Err())
			}
			args := append([]*ir.Value{trip, cond}, carried...)
			return b.Ops(ir.Loop, &ir.LoopAttrs{Carried: int64(len(carried))}, []*ir.Region{r}, args...)
		}
	}
	for _, n := range []float64{0, 1, 5} {
		cs = append(cs, diffCase{name: "loop-scan", in: []*ir.Tensor{random(ir.F32, 3), scalar(ir.I64, n)},
			build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				return loop(x[1], nil, []*ir.Value{x[0]}, []ir.Type{x[0].Type}, func(c *ir.Builder, p []*ir.Value) []*ir.Value {
					y := c.Op(ir.Add, nil, p[2], c.Op(ir.Cast, &ir.CastAttrs{To: ir.F32}, p[0]))
					return []*ir.Value{p[1], y, c.Op(ir.Mul, nil, y, y)}
				})(b)
			}},
			diffCase{name: "loop-cond", in: []*ir.Tensor{random(ir.F32, 3), scalar(ir.Bool, 1), scalar(ir.I64, n)},
				build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
					return loop(nil, x[1], []*ir.Value{x[0], x[2]}, []ir.Type{x[0].Type, x[2].Type}, func(c *ir.Builder, p []*ir.Value) []*ir.Value {
						left := c.Op(ir.Sub, nil, p[3], c.Const(ir.Scalar(int64(1))))
						go_ := c.Op(ir.Less, nil, c.Const(ir.Scalar(int64(0))), left)
						return []*ir.Value{go_, c.Op(ir.Neg, nil, p[2]), left}
					})(b)
				}},
			diffCase{name: "loop-grows", in: []*ir.Tensor{random(ir.F32, 2), scalar(ir.I64, n)},
				build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
					grown := ir.TensorOf(ir.F32, ir.Sym("grown"))
					out := loop(x[1], nil, []*ir.Value{x[0]}, []ir.Type{grown}, func(c *ir.Builder, p []*ir.Value) []*ir.Value {
						y := c.Op(ir.Concat, &ir.AxisAttrs{}, p[2], c.Const(floats(9)))
						s := c.Op(ir.Reshape, &ir.ReshapeAttrs{}, y, c.Ints(-1, 1))
						return []*ir.Value{p[1], y, c.Op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{0, 1}}, s)}
					})(b)
					if out == nil {
						return nil
					}
					return append(out, b.Op(ir.ShapeOf, nil, out[0]))
				}})
	}
	for i := range 4 {
		rev := int64(i & 1)
		axis := int64(i >> 1)
		cs = append(cs, diffCase{name: "scan", in: []*ir.Tensor{random(ir.F32, 3), random(ir.F32, 3, 3)}, static: true,
			build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				r := b.Region().NewRegion()
				s, e := r.AddParam("s", x[0].Type), r.AddParam("e", ir.TensorOf(ir.F32, ir.Size(3)))
				c := ir.NewBuilder(r)
				y := c.Op(ir.Add, nil, s, e)
				c.Yield(y, c.Op(ir.Neg, nil, y))
				a := &ir.ScanAttrs{Carried: 1, InputAxes: []int64{axis}, InputReverse: []int64{rev}, OutputAxes: []int64{axis}, OutputRev: []int64{1 - rev}}
				return b.Ops(ir.Scan, a, []*ir.Region{r}, x...)
			}})
	}
	return cs
}
