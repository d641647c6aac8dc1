package runtime_test

import (
	"maps"
	"slices"

	"github.com/emilyc/emily/ir"
)

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
	conv(random(ir.F32, 2, 2, 3, 4, 3, 5), random(ir.F32, 4, 1, 2, 2, 1, 3), random(ir.F32, 4), ir.ConvAttrs{Groups: 2, Strides: []int64{1, 2, 1, 1}, Pads: []int64{0, 1, 0, 0, 1, 0, 0, 2}})
	conv(random(ir.F32, 1, 257, 2, 2, 3), random(ir.F32, 257, 1, 1, 2, 2), nil, ir.ConvAttrs{Groups: 257})
	conv(random(ir.F64, 1, 0, 4, 4), random(ir.F64, 2, 0, 2, 2), nil, ir.ConvAttrs{})
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
	conv(random(ir.F32, 0, 4, 7, 8), random(ir.F32, 6, 4, 3, 3), random(ir.F32, 6), ir.ConvAttrs{})
	conv(random(ir.F32, 1, 4, 2, 2), random(ir.F32, 6, 4, 3, 3), random(ir.F32, 6), ir.ConvAttrs{})
	cs[len(cs)-1].static = true // MLX's own error where only the run knows that the weights do not fit
	pool(ir.MaxPool, random(ir.F32, 0, 2, 7, 9), pools[1])
	pool(ir.AveragePool, random(ir.F32, 0, 2, 7, 9), pools[1])
	pool(ir.MaxPool, random(ir.F32, 1, 2, 1, 1), pools[0])
	pool(ir.AveragePool, random(ir.F32, 1, 2, 1, 1), pools[0])
	pool(ir.MaxPool, random(ir.F32, 2, 3, 9), ir.PoolAttrs{Kernel: []int64{3}, Strides: []int64{2}})
	pool(ir.MaxPool, random(ir.F32, 1, 2, 4, 5, 6), ir.PoolAttrs{Kernel: []int64{2, 3, 2}})
	pool(ir.AveragePool, random(ir.F32, 1, 2, 4, 5, 6), ir.PoolAttrs{Kernel: []int64{2, 3, 2}, Pads: []int64{1, 1, 1, 1, 1, 1}})
	pool(ir.AveragePool, random(ir.F32, 1, 2, 100), ir.PoolAttrs{Kernel: []int64{40}, Strides: []int64{7}, Dilations: []int64{2}})
	return append(cs, layoutCases()...)
}

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
		"slice": func(b *ir.Builder, v *ir.Value) *ir.Value {
			a := &ir.SliceAttrs{Axes: []int64{1, 3}, Steps: []int64{1, -2}}
			s := b.Op(ir.Slice, a, v, b.Ints(1, 5), b.Ints(3, -100))
			return b.Op(ir.Concat, &ir.AxisAttrs{Axis: 1}, s, s)
		},
		"gather": func(b *ir.Builder, v *ir.Value) *ir.Value {
			v = b.Op(ir.Gather, &ir.AxisAttrs{Axis: 1}, v, b.Ints(3, 0, -1, 2))
			return b.Op(ir.Gather, &ir.AxisAttrs{Axis: 2}, v, b.Ints(0, 0, 4, 1))
		},
		"layer_norm": func(b *ir.Builder, v *ir.Value) *ir.Value {
			v = b.Op(ir.Transpose, &ir.PermAttrs{Perm: []int64{0, 2, 3, 1}}, v)
			v = b.Op(ir.LayerNorm, &ir.NormAttrs{Axis: 3, Epsilon: 1e-5}, v, b.Const(random(ir.F32, 4)), nil)
			return b.Op(ir.Transpose, &ir.PermAttrs{Perm: []int64{0, 3, 1, 2}}, v)
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
	for _, n := range slices.Sorted(maps.Keys(between)) {
		for _, e := range slices.Sorted(maps.Keys(ends)) {
			f, g := between[n], ends[e]
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
