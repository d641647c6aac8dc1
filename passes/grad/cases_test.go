package grad_test

import (
	"github.com/emilyc/emily/ir"
)

var families = []func() []gradCase{elementwiseCases, reduceCases, shapeCases, indexCases, matmulCases, convCases, normCases, attentionCases, sequenceCases, controlCases, edgeCases, composedCases}

func elementwiseCases() []gradCase {
	var cs []gradCase
	add := func(c gradCase) { cs = append(cs, c.twice()) }
	wide := []ir.Kind{ir.Neg, ir.Exp, ir.Sin, ir.Cos, ir.Sinh, ir.Cosh, ir.Tanh, ir.Asinh, ir.Atan, ir.Erf, ir.Sigmoid, ir.Softplus, ir.Silu, ir.Mish}
	for _, k := range wide {
		add(of(k, nil, normal(2, 3)))
		add(of(k, nil, normal()))
		add(of(k, nil, normal(0, 3)))
	}
	for _, k := range []ir.Kind{ir.Sqrt, ir.Rsqrt, ir.Reciprocal, ir.Log, ir.Abs, ir.Relu, ir.HardSwish} {
		add(of(k, nil, between(0.5, 2, 2, 3)))
	}
	add(of(ir.Abs, nil, between(-2, -0.5, 4)))
	add(of(ir.Relu, nil, f64s(-1, 2, -3, 0.5)))
	add(of(ir.HardSwish, nil, f64s(-4, -2, 0.5, 2.5, 3.5)))
	for _, k := range []ir.Kind{ir.Asin, ir.Acos, ir.Atanh} {
		add(of(k, nil, between(-0.7, 0.7, 2, 3)))
	}
	add(of(ir.Tan, nil, between(-1, 1, 2, 3)))
	add(of(ir.Acosh, nil, between(1.5, 3, 2, 3)))
	for _, approximate := range []string{"", "tanh", "sigmoid"} {
		add(of(ir.Gelu, &ir.GeluAttrs{Approximate: approximate}, normal(2, 3)))
		add(of(ir.GLU, &ir.GLUAttrs{Activation: "gelu", Approximate: approximate}, normal(2, 3), normal(2, 3)))
	}
	add(of(ir.GLU, &ir.GLUAttrs{Activation: "silu"}, normal(2, 3), normal(2, 3)))
	add(of(ir.GLU, &ir.GLUAttrs{Activation: "silu"}, normal(2, 1), normal(3)))
	add(of(ir.LeakyRelu, &ir.AlphaAttrs{Alpha: 0.2}, f64s(-1, 2, -3, 0.5)))
	add(of(ir.Elu, &ir.AlphaAttrs{Alpha: 1.5}, f64s(-1, 2, -3, 0.5)))
	add(of(ir.HardSigmoid, &ir.AlphaAttrs{Alpha: 0.2, Beta: 0.5}, f64s(-4, -1, 1, 4)))
	add(of(ir.Cast, &ir.CastAttrs{To: ir.F64}, normal(3)))
	for _, k := range []ir.Kind{ir.Add, ir.Sub, ir.Mul, ir.Div} {
		for _, s := range [][2][]int{{{2, 3}, {2, 3}}, {{2, 3}, {3}}, {{3}, {2, 3}}, {{2, 1}, {1, 3}}, {{}, {2, 3}}, {{2, 1, 3}, {4, 1}}, {{}, {}}, {{0, 3}, {1, 3}}} {
			add(of(k, nil, normal(s[0]...), between(0.5, 2, s[1]...)))
		}
	}
	add(of(ir.Pow, nil, between(0.5, 2, 2, 3), normal(3)))
	add(of(ir.Pow, nil, between(0.5, 2, 3), ints([]int{3}, 3, 1, -2)))
	for _, e := range []float64{0, 1, 2, 3, 0.5, -1.5} {
		c := gradCase{name: "pow by a constant", in: []*ir.Tensor{between(0.5, 2, 3)}, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			return b.Ops(ir.Pow, nil, nil, x[0], b.Float(ir.F64, e))
		}}
		add(c)
	}
	for _, fmod := range []bool{false, true} {
		add(of(ir.Mod, &ir.ModAttrs{Fmod: fmod}, f64s(3.3, -3.3, 3.3, 0.4), f64s(1.2, 1.2, -1.2, 7)))
	}
	for _, k := range []ir.Kind{ir.Min, ir.Max} {
		add(of(k, nil, f64s(1, 2.2, 3), f64s(2)))
		add(of(k, nil, f64s(1, 2.5, 3), f64s(2, 2, 2.1)))
	}
	for _, k := range []ir.Kind{ir.Min, ir.Max} {
		for first := range 2 {
			add(gradCase{name: k.String() + " with a constant", in: []*ir.Tensor{f64s(1, 2.2, 3)}, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				args := []*ir.Value{x[0], x[0]}
				args[first] = b.Float(ir.F64, 2)
				return b.Ops(k, nil, nil, args...)
			}})
		}
	}
	yes := &ir.Tensor{DType: ir.Bool, Shape: []int{3}, Data: []byte{1, 0, 1}}
	add(of(ir.Where, nil, yes, normal(2, 3), normal()))
	add(of(ir.Where, nil, yes, normal(1), normal(2, 1)))
	return cs
}

func reduceCases() []gradCase {
	var cs []gradCase
	add := func(c gradCase) { cs = append(cs, c.twice()) }
	for _, k := range []ir.Kind{ir.ReduceSum, ir.ReduceMean, ir.ReduceMax, ir.ReduceMin, ir.ReduceProd} {
		for _, keep := range []bool{false, true} {
			for _, axes := range [][]int64{{}, {0}, {1}, {0, 2}, {1, 2}, {0, 1, 2}} {
				add(of(k, &ir.ReduceAttrs{Axes: axes, KeepDims: keep}, apart(2, 3, 2)))
			}
		}
		add(of(k, &ir.ReduceAttrs{Axes: []int64{0}}, normal(3, 0)))
		add(of(k, &ir.ReduceAttrs{Axes: []int64{}}, normal()))
	}
	add(of(ir.ReduceProd, &ir.ReduceAttrs{Axes: []int64{0}}, f64s(2, 0, 3)).called("reduce_prod with a zero"))
	add(of(ir.ReduceProd, &ir.ReduceAttrs{Axes: []int64{0}}, f64s(0, 2, 0)).called("reduce_prod with two zeros"))
	for _, k := range []ir.Kind{ir.CumSum, ir.CumProd} {
		for _, exclusive := range []bool{false, true} {
			for _, reverse := range []bool{false, true} {
				for axis := range int64(2) {
					add(of(k, &ir.CumAttrs{Axis: axis, Exclusive: exclusive, Reverse: reverse}, normal(2, 3)))
				}
				add(of(k, &ir.CumAttrs{Exclusive: exclusive, Reverse: reverse}, f64s(2, 0, 3, 0, 1)).called("cum with zeros"))
				add(of(k, &ir.CumAttrs{Exclusive: exclusive, Reverse: reverse}, normal(0, 2)))
			}
		}
	}
	return cs
}

func shapeCases() []gradCase {
	var cs []gradCase
	add := func(c gradCase) { cs = append(cs, c) }
	add(of(ir.Reshape, &ir.ReshapeAttrs{}, normal(2, 6), ints([]int{3}, 3, -1, 2)))
	add(of(ir.Transpose, &ir.PermAttrs{Perm: []int64{2, 0, 1}}, normal(2, 3, 4)))
	add(of(ir.Expand, nil, normal(3, 1), ints([]int{3}, 2, 1, 4)))
	add(of(ir.Expand, nil, normal(3), ints([]int{2}, 2, 3)))
	add(of(ir.Expand, nil, normal(), ints([]int{2}, 2, 3)))
	add(of(ir.Unsqueeze, &ir.AxesAttrs{Axes: []int64{0, 2}}, normal(3, 2)))
	add(of(ir.Squeeze, &ir.AxesAttrs{Axes: []int64{0, 2}}, normal(1, 3, 1)))
	add(of(ir.Concat, &ir.AxisAttrs{Axis: 1}, normal(2, 3), normal(2, 1), normal(2, 0), normal(2, 4)))
	for _, s := range []struct {
		start, end []int64
		axes, step []int64
	}{
		{[]int64{1}, []int64{4}, []int64{0}, []int64{1}},
		{[]int64{0, 1}, []int64{1 << 40, -1}, []int64{0, 1}, []int64{2, 1}},
		{[]int64{-1, 5}, []int64{-1 << 40, 0}, []int64{0, 1}, []int64{-1, -2}},
		{[]int64{4}, []int64{1}, []int64{0}, []int64{-1}},
		{[]int64{0}, []int64{5}, []int64{1}, []int64{1000}},
		{[]int64{3}, []int64{3}, []int64{0}, []int64{1}},
	} {
		n := []int{len(s.start)}
		add(of(ir.Slice, &ir.SliceAttrs{Axes: s.axes, Steps: s.step}, normal(5, 6), ints(n, s.start...), ints(n, s.end...)))
	}
	split := of(ir.Split, &ir.SplitAttrs{Axis: 1, Sizes: []ir.Dim{ir.Size(1), ir.Size(0), ir.Size(3)}}, normal(2, 4))
	split.static = true
	add(split)
	for _, mode := range []string{"constant", "reflect", "edge", "wrap"} {
		add(of(ir.Pad, &ir.PadAttrs{Mode: mode, Axes: []int64{0, 1}}, normal(3, 4), ints([]int{4}, 1, 2, 2, 0), nil).called("pad " + mode))
		add(of(ir.Pad, &ir.PadAttrs{Mode: mode, Axes: []int64{1}}, normal(3, 4), ints([]int{2}, -1, 2), nil).called("pad and cut " + mode))
	}
	add(of(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: []int64{0, 1}}, normal(3, 4), ints([]int{4}, 1, -2, 2, 0), normal()))
	add(of(ir.Tile, nil, normal(2, 3), ints([]int{2}, 3, 2)))
	add(of(ir.Tile, nil, normal(2, 3), ints([]int{2}, 0, 2)))
	add(of(ir.Range, nil, ir.Scalar(0.5), ir.Scalar(3.1), ir.Scalar(0.7)))
	add(of(ir.Trilu, &ir.TriluAttrs{Upper: true}, normal(2, 3, 4), ir.Scalar(int64(1))))
	add(of(ir.Trilu, &ir.TriluAttrs{}, normal(3, 3), nil))
	return cs
}

func indexCases() []gradCase {
	var cs []gradCase
	add := func(c gradCase) { cs = append(cs, c) }
	for axis := range int64(3) {
		add(of(ir.Gather, &ir.AxisAttrs{Axis: axis}, normal(3, 4, 3), ints([]int{2, 2}, 0, 2, -1, 2)))
	}
	add(of(ir.Gather, &ir.AxisAttrs{}, normal(3, 2), ir.Scalar(int64(-2))))
	add(of(ir.Gather, &ir.AxisAttrs{}, normal(3, 2), ints([]int{0})))
	add(of(ir.GatherElements, &ir.AxisAttrs{Axis: 1}, normal(2, 3), ints([]int{2, 2}, 0, 0, -1, 1)))
	add(of(ir.GatherElements, &ir.AxisAttrs{Axis: 0}, normal(3, 4), ints([]int{2, 2}, 0, 0, -1, 1)))
	add(of(ir.GatherND, &ir.GatherNDAttrs{}, normal(3, 4, 2), ints([]int{3, 2}, 0, 1, 2, 3, 0, 1)))
	add(of(ir.GatherND, &ir.GatherNDAttrs{BatchDims: 1}, normal(3, 4, 2), ints([]int{3, 2, 1}, 0, 1, 2, 3, 1, 1)))
	add(of(ir.GatherND, &ir.GatherNDAttrs{BatchDims: 2}, normal(2, 3, 4), ints([]int{2, 3, 1}, 0, 1, 2, -1, 1, 1)))
	for _, reduction := range []string{"none", "add", "mul", "max", "min"} {
		elements := func(x, u *ir.Tensor) {
			add(of(ir.ScatterElements, &ir.ScatterAttrs{Axis: 1, Reduction: reduction}, x, ints([]int{2, 3}, 0, 2, 0, 1, 1, -1), u).called("scatter_elements " + reduction))
		}
		slices := func(x, u *ir.Tensor) {
			add(of(ir.ScatterND, &ir.ScatterAttrs{Reduction: reduction}, x, ints([]int{3, 1}, 2, 0, 2), u).called("scatter_nd " + reduction))
		}
		if reduction == "max" || reduction == "min" {
			both := apart(2, 7)
			elements(part(both, 0, 4), part(both, 4, 7))
			rows := apart(7, 2)
			slices(&ir.Tensor{DType: ir.F64, Shape: []int{4, 2}, Data: rows.Data[:64]}, &ir.Tensor{DType: ir.F64, Shape: []int{3, 2}, Data: rows.Data[64:]})
			continue
		}
		elements(normal(2, 4), normal(2, 3))
		slices(normal(4, 2), normal(3, 2))
	}
	add(of(ir.ScatterElements, &ir.ScatterAttrs{Reduction: "mul"}, f64s(2, 3), ints([]int{3}, 0, 0, 1), f64s(0, 2, 3)).called("scatter with a zero"))
	add(of(ir.ScatterElements, &ir.ScatterAttrs{Reduction: "mul"}, f64s(0, 3), ints([]int{3}, 0, 0, 1), f64s(0, 2, 0)).called("scatter with zeros"))
	for axis := range int64(2) {
		for _, smallest := range []bool{false, true} {
			add(of(ir.TopK, &ir.TopKAttrs{Axis: axis, Smallest: smallest}, apart(3, 4), ir.Scalar(int64(2))))
		}
	}
	add(of(ir.Unique, &ir.UniqueAttrs{Axis: 1, Sorted: true}, apart(2, 3)))
	add(of(ir.Unique, &ir.UniqueAttrs{Flat: true}, apart(2, 3)))
	return cs
}

// part is columns lo to hi of a matrix.
func part(x *ir.Tensor, lo, hi int) *ir.Tensor {
	out := ir.NewTensor(ir.F64, x.Shape[0], hi-lo)
	for i := range x.Shape[0] {
		copy(floats(out)[i*(hi-lo):], floats(x)[i*x.Shape[1]+lo:i*x.Shape[1]+hi])
	}
	return out
}

func matmulCases() []gradCase {
	var cs []gradCase
	for _, s := range [][2][]int{
		{{2, 3}, {3, 4}}, {{3}, {3}}, {{3}, {3, 4}}, {{2, 3}, {3}}, {{5, 2, 3}, {3, 4}}, {{2, 3}, {5, 3, 4}}, {{3}, {5, 3, 2}}, {{5, 2, 3}, {3}},
		{{5, 1, 2, 3}, {6, 3, 4}}, {{2, 0}, {0, 3}}, {{0, 2}, {2, 3}},
	} {
		cs = append(cs, of(ir.MatMul, nil, normal(s[0]...), normal(s[1]...)).twice())
	}
	for _, shape := range [][]int{{1, 1}, {2, 2}, {3, 3}, {2, 4, 4}} {
		cs = append(cs, of(ir.Det, nil, normal(shape...)).twice())
	}
	singular := between(0, 0, 3, 3)
	copy(floats(singular), []float64{1, 2, 3, 2, 4, 6, 1, 0, 1})
	empty := of(ir.Det, nil, normal(2, 0, 0))
	empty.static = true
	for _, shape := range [][]int{{2, 3}, {4, 2, 3}} {
		for _, bias := range [][]int{{}, {4}, {1}} {
			cs = append(cs, of(ir.Linear, nil, normal(shape...), normal(3, 4), normal(bias...)).twice())
		}
	}
	return append(cs, of(ir.Det, nil, singular).called("det of a singular matrix"), empty)
}

func convCases() []gradCase {
	var cs []gradCase
	conv := func(x, w, b *ir.Tensor, strides, pads, dilations []int64, groups int64) {
		c := of(ir.Conv, &ir.ConvAttrs{Strides: strides, Pads: pads, Dilations: dilations, Groups: groups}, x, w, b)
		c.known = []int{1, 2}
		cs = append(cs, c)
	}
	conv(normal(2, 3, 7), normal(4, 3, 2), normal(4), []int64{1}, []int64{0, 0}, []int64{1}, 1)
	conv(normal(2, 4, 9), normal(6, 2, 3), nil, []int64{2}, []int64{2, 1}, []int64{2}, 2)
	conv(normal(1, 2, 5, 6), normal(3, 2, 2, 3), normal(3), []int64{2, 1}, []int64{1, 0, 0, 2}, []int64{1, 2}, 1)
	conv(normal(2, 4, 5, 5), normal(4, 1, 3, 3), normal(4), []int64{2, 2}, []int64{1, 1, 1, 1}, []int64{1, 1}, 4)
	conv(normal(2, 2, 8), normal(2, 2, 2), nil, []int64{3}, []int64{3, 0}, []int64{1}, 1)
	conv(normal(1, 2, 3, 4, 3), normal(2, 2, 2, 2, 2), nil, []int64{1, 2, 1}, []int64{0, 1, 0, 0, 0, 1}, []int64{1, 1, 1}, 1)
	conv(normal(1, 2, 3), normal(2, 2, 1), nil, []int64{1}, []int64{0, 0}, []int64{1}, 1)
	conv(normal(2, 2, 5, 7), normal(3, 2, 2, 2), nil, []int64{2, 3}, []int64{0, 1, 1, 0}, []int64{1, 1}, 1)
	conv(normal(1, 3, 4, 5), normal(2, 3, 1, 1), normal(2), []int64{2, 2}, []int64{0, 0, 0, 0}, []int64{1, 1}, 1)
	conv(normal(1, 2, 7), normal(2, 2, 3), nil, []int64{2}, []int64{1, 1}, []int64{2}, 1)
	conv(normal(2, 3, 6, 5), normal(3, 1, 3, 2), nil, []int64{1, 2}, []int64{1, 0, 1, 1}, []int64{2, 1}, 3)
	conv(normal(2, 6, 5), normal(9, 2, 3), nil, []int64{1}, []int64{1, 1}, []int64{1}, 3)
	last := of(ir.Conv, &ir.ConvAttrs{Strides: []int64{2, 1}, Pads: []int64{1, 0, 0, 1}, Dilations: []int64{1, 1}, Groups: 2, NHWC: true}, normal(2, 5, 6, 4), normal(6, 2, 3, 2), normal(6))
	last.static = true
	empty := of(ir.Conv, &ir.ConvAttrs{Strides: []int64{1}, Pads: []int64{0, 0}, Dilations: []int64{1}, Groups: 1}, normal(0, 2, 5), normal(3, 2, 2), nil)
	empty.static = true
	cs = append(cs, last, empty)
	for _, k := range []ir.Kind{ir.MaxPool, ir.AveragePool} {
		pool := func(a ir.PoolAttrs, x *ir.Tensor) { cs = append(cs, of(k, &a, x)) }
		pool(ir.PoolAttrs{Kernel: []int64{2}, Strides: []int64{2}, Pads: []int64{0, 0}, Dilations: []int64{1}}, apart(2, 3, 7))
		pool(ir.PoolAttrs{Kernel: []int64{3, 2}, Strides: []int64{1, 2}, Pads: []int64{1, 0, 1, 1}, Dilations: []int64{1, 1}}, apart(1, 2, 4, 5))
		pool(ir.PoolAttrs{Kernel: []int64{3, 2}, Strides: []int64{2, 2}, Pads: []int64{1, 0, 1, 1}, Dilations: []int64{1, 2}, CeilMode: true}, apart(1, 2, 6, 5))
		pool(ir.PoolAttrs{Kernel: []int64{3}, Strides: []int64{2}, Pads: []int64{1, 1}, Dilations: []int64{1}, CeilMode: true, CountIncludePad: true}, apart(1, 2, 6))
		pool(ir.PoolAttrs{Kernel: []int64{3}, Strides: []int64{2}, Pads: []int64{1, 1}, Dilations: []int64{1}, CountIncludePad: true}, apart(1, 2, 6))
		pool(ir.PoolAttrs{Kernel: []int64{2, 2}, Strides: []int64{2, 1}, Pads: []int64{0, 0, 0, 0}, Dilations: []int64{1, 1}, NHWC: true}, apart(2, 4, 5, 3))
	}
	cs = append(cs, of(ir.MaxPool, &ir.PoolAttrs{Kernel: []int64{2, 2}, Strides: []int64{2, 1}, Pads: []int64{0, 0, 0, 0}, Dilations: []int64{1, 1}, ColumnMajor: true}, apart(2, 3, 4, 5)))
	return cs
}

func normCases() []gradCase {
	var cs []gradCase
	add := func(k ir.Kind, a ir.Attrs, in ...*ir.Tensor) { cs = append(cs, of(k, a, in...).twice()) }
	for axis := range int64(2) {
		add(ir.Softmax, &ir.AxisAttrs{Axis: axis}, normal(2, 3))
		add(ir.LogSoftmax, &ir.AxisAttrs{Axis: axis}, normal(2, 3))
		a := &ir.NormAttrs{Axis: axis, Epsilon: 1e-5}
		shape := []int{2, 3}[axis:]
		add(ir.LayerNorm, a, normal(2, 3), normal(shape...), normal(shape...))
		add(ir.LayerNorm, a, normal(2, 3), nil, normal(3))
		add(ir.LayerNorm, a, normal(2, 3), normal(1), nil)
		add(ir.LayerNorm, a, normal(2, 3), nil)
		add(ir.RMSNorm, a, normal(2, 3), normal(shape...))
		add(ir.RMSNorm, a, normal(2, 3), nil)
	}
	add(ir.Softmax, &ir.AxisAttrs{}, normal(0, 3))
	add(ir.LayerNorm, &ir.NormAttrs{Axis: 1, Epsilon: 1e-5}, normal(0, 3), normal(3), normal(3))
	add(ir.BatchNorm, &ir.NormAttrs{Epsilon: 1e-5}, normal(2, 3, 4), normal(3), normal(3), normal(3), between(0.5, 2, 3))
	add(ir.BatchNorm, &ir.NormAttrs{Epsilon: 1e-5}, normal(4, 3), normal(3), normal(3), normal(3), between(0.5, 2, 3))
	return cs
}

func attentionCases() []gradCase {
	var cs []gradCase
	attention := func(kvs int, a ir.AttentionAttrs, mask, sinks *ir.Tensor) {
		a.Scale = 0.7
		c := of(ir.Attention, &a, normal(2, 4, 3, 5), normal(2, kvs, 6, 5), normal(2, kvs, 6, 7), mask, sinks)
		c.known = []int{0, 1, 2, 3, 4} // a fact of how heads divide would be one of the random sizes
		cs = append(cs, c)
	}
	seen := &ir.Tensor{DType: ir.Bool, Shape: []int{3, 6}, Data: []byte{1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1}}
	for _, kvs := range []int{4, 2, 1} {
		attention(kvs, ir.AttentionAttrs{}, nil, nil)
		attention(kvs, ir.AttentionAttrs{Causal: true}, normal(2, 1, 3, 6), nil)
		attention(kvs, ir.AttentionAttrs{Empty: "zero"}, seen, nil)
		attention(kvs, ir.AttentionAttrs{Empty: "mean"}, seen, nil)
		attention(kvs, ir.AttentionAttrs{Causal: true}, seen, normal(4))
	}
	for _, interleaved := range []bool{false, true} {
		a := &ir.RopeAttrs{Interleaved: interleaved}
		x := normal(2, 3, 4, 7)
		for _, in := range [][2]*ir.Tensor{
			{normal(4, 3), normal(4, 3)}, {normal(2, 1, 4, 2), normal(2, 1, 4, 2)},
			{ir.Scalar(int64(5)), normal(3)}, {ints([]int{2}, 1, 7), normal(3)},
		} {
			c := of(ir.Rope, a, x, in[0], in[1])
			c.known = []int{0, 1, 2}
			cs = append(cs, c)
		}
	}
	return cs
}

func controlCases() []gradCase {
	cs := []gradCase{of(ir.Depends, nil, normal(2, 3), normal(4)), of(ir.Assert, &ir.AssertAttrs{Message: "never"}, normal(3), &ir.Tensor{DType: ir.Bool, Shape: []int{}, Data: []byte{1}})}
	for _, yes := range []byte{0, 1} {
		cond := &ir.Tensor{DType: ir.Bool, Shape: []int{}, Data: []byte{yes}}
		cs = append(cs, gradCase{name: "if", in: []*ir.Tensor{cond, normal(2, 3), normal(3)}, second: true, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			return b.Ops(ir.If, nil, []*ir.Region{
				region(b, x[1:], func(in *ir.Builder, p []*ir.Value) []*ir.Value {
					return []*ir.Value{in.Op(ir.Mul, nil, p[0], p[1]), p[1]}
				}),
				region(b, x[1:], func(in *ir.Builder, p []*ir.Value) []*ir.Value {
					return []*ir.Value{in.Op(ir.Sin, nil, p[0]), in.Op(ir.Exp, nil, p[1])}
				}),
			}, x...)
		}})
	}
	return append(cs, scanCases()...)
}

// region makes a region whose parameters have the types of the values.
func region(b *ir.Builder, of []*ir.Value, body func(*ir.Builder, []*ir.Value) []*ir.Value) *ir.Region {
	r := b.Region().NewRegion()
	var params []*ir.Value
	for _, v := range of {
		params = append(params, r.AddParam("", v.Type))
	}
	in := ir.NewBuilder(r)
	in.Yield(body(in, params)...)
	if err := in.Err(); err != nil {
		b.Fail(err)
	}
	return r
}

// typed stands for a value of a type in region.
func typed(v *ir.Value, drop int) *ir.Value {
	shape := append(append(ir.Shape{}, v.Shape()[:drop]...), v.Shape()[drop+1:]...)
	return &ir.Value{Type: ir.TensorOf(v.DType(), shape...)}
}

// scanCases: h' = tanh(h·w + x), and what a loop makes of it.
func scanCases() []gradCase {
	var cs []gradCase
	cell := func(in *ir.Builder, h, x, w *ir.Value) *ir.Value {
		return in.Op(ir.Tanh, nil, in.Op(ir.Add, nil, in.Op(ir.MatMul, nil, h, w), x))
	}
	for way := range int64(2) {
		for axis := range int64(2) {
			shape := [][]int{{4, 3}, {3, 4}}[axis]
			a := &ir.ScanAttrs{Carried: 1, InputAxes: []int64{axis}, InputReverse: []int64{way}, OutputAxes: []int64{1 - axis, axis}, OutputRev: []int64{way, 1 - way}}
			cs = append(cs, gradCase{name: "scan", in: []*ir.Tensor{normal(3), normal(shape...), normal(3, 3)}, second: true, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				r := region(b, []*ir.Value{x[0], typed(x[1], int(axis)), x[2]}, func(in *ir.Builder, p []*ir.Value) []*ir.Value {
					h := cell(in, p[0], p[1], p[2])
					return []*ir.Value{h, in.Op(ir.Mul, nil, h, p[1]), p[1]}
				})
				return b.Ops(ir.Scan, a, []*ir.Region{r}, x...)
			}})
		}
	}
	cs = append(cs, gradCase{name: "scan over batches", in: []*ir.Tensor{normal(2, 3, 4), normal(5, 2, 3, 4), normal(4, 4)}, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
		r := region(b, []*ir.Value{x[0], typed(x[1], 0), x[2]}, func(in *ir.Builder, p []*ir.Value) []*ir.Value {
			h := in.Op(ir.Softmax, &ir.AxisAttrs{Axis: 2}, cell(in, p[0], p[1], p[2]))
			return []*ir.Value{h, in.Op(ir.ReduceMean, &ir.ReduceAttrs{Axes: []int64{1}}, in.Op(ir.Gather, &ir.AxisAttrs{Axis: 1}, h, in.Ints(0, 2, 0)))}
		})
		return b.Ops(ir.Scan, &ir.ScanAttrs{Carried: 1, InputAxes: []int64{0}, InputReverse: []int64{0}, OutputAxes: []int64{0}, OutputRev: []int64{0}}, []*ir.Region{r}, x...)
	}})
	for _, n := range []int64{0, 1, 4} {
		cs = append(cs, gradCase{name: "loop", in: []*ir.Tensor{ir.Scalar(n), normal(3), normal(3), normal(3, 3)}, second: true, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			iter, cond := &ir.Value{Type: ir.TensorOf(ir.I64)}, &ir.Value{Type: ir.TensorOf(ir.Bool)}
			r := region(b, []*ir.Value{iter, cond, x[1], x[2], x[3]}, func(in *ir.Builder, p []*ir.Value) []*ir.Value {
				k := in.Op(ir.Cast, &ir.CastAttrs{To: ir.F64}, p[0])
				h := cell(in, p[2], in.Op(ir.Mul, nil, p[3], k), p[4])
				return []*ir.Value{p[1], h, in.Op(ir.Neg, nil, h)}
			})
			return b.Ops(ir.Loop, &ir.LoopAttrs{Carried: 1}, []*ir.Region{r}, x[0], nil, x[1], x[2], x[3])
		}})
	}
	// A loop that its condition ends, over a value that is doubled until it is large.
	return append(cs, gradCase{name: "loop with a condition", in: []*ir.Tensor{ir.Scalar(int64(50)), between(1, 1.2, 1)}, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
		iter, cond := &ir.Value{Type: ir.TensorOf(ir.I64)}, &ir.Value{Type: ir.TensorOf(ir.Bool)}
		r := region(b, []*ir.Value{iter, cond, x[1]}, func(in *ir.Builder, p []*ir.Value) []*ir.Value {
			y := in.Op(ir.Mul, nil, p[2], in.Op(ir.Add, nil, p[2], p[2]))
			return []*ir.Value{in.Op(ir.Less, nil, y, in.Float(ir.F64, 100)), y}
		})
		yes := ir.NewTensor(ir.Bool)
		yes.Data[0] = 1
		return b.Ops(ir.Loop, &ir.LoopAttrs{Carried: 1}, []*ir.Region{r}, x[0], b.Const(yes), x[1])
	}})
}

func sequenceCases() []gradCase {
	place := func(b *ir.Builder, i int64) *ir.Value { return b.Const(ir.Scalar(i)) }
	at := func(b *ir.Builder, list *ir.Value, i int64) *ir.Value {
		return b.Op(ir.SequenceAt, nil, list, place(b, i))
	}
	of := func(name string, build func(b *ir.Builder, x []*ir.Value) []*ir.Value, in ...*ir.Tensor) gradCase {
		return gradCase{name: name, in: in, build: build}
	}
	return []gradCase{
		of("make_sequence, sequence_at", func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			list := b.Op(ir.MakeSequence, &ir.SequenceAttrs{}, x...)
			return []*ir.Value{at(b, list, 1), b.Op(ir.Mul, nil, at(b, list, 0), at(b, list, -1))}
		}, normal(3), normal(3), normal(3)),
		of("sequence_insert, sequence_erase", func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			list := b.Op(ir.MakeSequence, &ir.SequenceAttrs{}, x[0], x[1])
			list = b.Op(ir.SequenceInsert, nil, list, x[2], place(b, -1))
			list = b.Op(ir.SequenceInsert, nil, list, b.Op(ir.Neg, nil, x[0]), nil)
			list = b.Op(ir.SequenceErase, nil, list, place(b, 2))
			first := b.Op(ir.ConcatFromSequence, &ir.ConcatFromSequenceAttrs{}, list)
			list = b.Op(ir.SequenceErase, nil, list, nil)
			return []*ir.Value{first, b.Op(ir.ConcatFromSequence, &ir.ConcatFromSequenceAttrs{Axis: 1, Stack: true}, list)}
		}, normal(3), normal(3), normal(3)),
		of("split_to_sequence", func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			list := b.Op(ir.SplitToSequence, &ir.SplitToSequenceAttrs{Axis: 1}, x[0], b.Ints(1, 4))
			return []*ir.Value{b.Op(ir.Sin, nil, at(b, list, 1)), at(b, b.Op(ir.SplitToSequence, &ir.SplitToSequenceAttrs{Squeeze: true}, x[0], nil), 1)}
		}, normal(3, 5)),
		of("make_optional, optional_get", func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			some := b.Op(ir.MakeOptional, &ir.SequenceAttrs{}, x[0])
			get := func() *ir.Value { return b.Op(ir.OptionalGet, nil, some) }
			return []*ir.Value{b.Op(ir.Mul, nil, get(), get())}
		}, normal(3)),
		of("a loop that fills a list", func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			iter, cond := &ir.Value{Type: ir.TensorOf(ir.I64)}, &ir.Value{Type: ir.TensorOf(ir.Bool)}
			list := b.Op(ir.MakeSequence, &ir.SequenceAttrs{Elem: ir.ElemOf(x[0].Type)})
			r := region(b, []*ir.Value{iter, cond, list, x[0]}, func(in *ir.Builder, p []*ir.Value) []*ir.Value {
				k := in.Op(ir.Cast, &ir.CastAttrs{To: ir.F64}, p[0])
				return []*ir.Value{p[1], in.Op(ir.SequenceInsert, nil, p[2], in.Op(ir.Sin, nil, in.Op(ir.Mul, nil, p[3], k)), nil)}
			})
			list = b.Ops(ir.Loop, &ir.LoopAttrs{Carried: 1}, []*ir.Region{r}, place(b, 3), nil, list, x[0])[0]
			return []*ir.Value{b.Op(ir.ConcatFromSequence, &ir.ConcatFromSequenceAttrs{}, list)}
		}, normal(3)),
	}
}
