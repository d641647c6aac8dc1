package grad_test

import (
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
)

// edgeCases are those of rank 0 and of no elements that the other families lack.
func edgeCases() []gradCase {
	return slices.Concat(elementwiseEdges(), reduceEdges(), shapeEdges(), indexEdges(), productEdges(), normEdges(), sequenceEdges(), controlEdges())
}

func elementwiseEdges() []gradCase {
	var cs []gradCase
	for _, shape := range [][]int{{}, {0, 3}} {
		add := func(k ir.Kind, a ir.Attrs, in ...*ir.Tensor) { cs = append(cs, of(k, a, in...).twice()) }
		in := func(lo, hi float64) *ir.Tensor { return between(lo, hi, shape...) }
		for _, k := range []ir.Kind{ir.Sqrt, ir.Rsqrt, ir.Reciprocal, ir.Log, ir.Abs, ir.Relu, ir.HardSwish, ir.Tan} {
			add(k, nil, in(0.5, 1))
		}
		for _, k := range []ir.Kind{ir.Asin, ir.Acos, ir.Atanh} {
			add(k, nil, in(-0.5, 0.5))
		}
		add(ir.Acosh, nil, in(1.5, 2))
		for _, approximate := range []string{"", "tanh", "sigmoid"} {
			add(ir.Gelu, &ir.GeluAttrs{Approximate: approximate}, in(-1, 1))
			add(ir.GLU, &ir.GLUAttrs{Activation: "gelu", Approximate: approximate}, in(-1, 1), in(-1, 1))
		}
		add(ir.LeakyRelu, &ir.AlphaAttrs{Alpha: 0.2}, in(-1, -0.1))
		add(ir.Elu, &ir.AlphaAttrs{Alpha: 1.5}, in(-1, -0.1))
		add(ir.HardSigmoid, &ir.AlphaAttrs{Alpha: 0.2, Beta: 0.5}, in(-1, 1))
		add(ir.Cast, &ir.CastAttrs{To: ir.F64}, in(-1, 1))
		for _, right := range [][]int{shape, {1}} {
			for _, k := range []ir.Kind{ir.Pow, ir.Min, ir.Max} {
				add(k, nil, in(0.5, 1), between(1.5, 2, right...))
			}
			add(ir.Mod, &ir.ModAttrs{Fmod: true}, in(3.1, 3.3), between(1.1, 1.2, right...))
			add(ir.Mod, &ir.ModAttrs{}, in(-3.3, -3.1), between(1.1, 1.2, right...))
		}
		yes := &ir.Tensor{DType: ir.Bool, Shape: []int{}, Data: []byte{1}}
		add(ir.GLU, &ir.GLUAttrs{Activation: "silu"}, in(-1, 1), in(-1, 1))
		add(ir.Where, nil, yes, normal(shape...), normal())
	}
	return cs
}

func reduceEdges() []gradCase {
	var cs []gradCase
	for _, k := range []ir.Kind{ir.ReduceSum, ir.ReduceMean, ir.ReduceMax, ir.ReduceMin, ir.ReduceProd} {
		cs = append(cs, of(k, &ir.ReduceAttrs{Axes: []int64{1}}, normal(0, 3)).twice())
	}
	for _, k := range []ir.Kind{ir.ReduceSum, ir.ReduceProd} {
		cs = append(cs, of(k, &ir.ReduceAttrs{Axes: []int64{0}}, normal(0, 3)).twice())
	}
	return append(cs, of(ir.CumSum, &ir.CumAttrs{Axis: 1}, normal(2, 0)), of(ir.CumProd, &ir.CumAttrs{Axis: 1}, normal(2, 0)))
}

func shapeEdges() []gradCase {
	none := ints([]int{0})
	cs := []gradCase{
		of(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, normal(0, 6), ints([]int{2}, 6, 0)),
		of(ir.Reshape, &ir.ReshapeAttrs{}, normal(), ints([]int{2}, 1, 1)),
		of(ir.Reshape, &ir.ReshapeAttrs{}, normal(1, 1), none),
		of(ir.Transpose, &ir.PermAttrs{Perm: []int64{1, 0}}, normal(0, 3)),
		of(ir.Transpose, &ir.PermAttrs{Perm: []int64{}}, normal()),
		of(ir.Expand, nil, normal(0, 1), ints([]int{2}, 0, 4)),
		of(ir.Expand, nil, normal(1), ints([]int{2}, 0, 1)),
		of(ir.Expand, nil, normal(3, 1), ints([]int{2}, 3, 0)),
		of(ir.Unsqueeze, &ir.AxesAttrs{Axes: []int64{0}}, normal()),
		of(ir.Unsqueeze, &ir.AxesAttrs{Axes: []int64{1}}, normal(0)),
		of(ir.Squeeze, &ir.AxesAttrs{Axes: []int64{}}, normal()),
		of(ir.Squeeze, &ir.AxesAttrs{Axes: []int64{0}}, normal(1)),
		of(ir.Squeeze, &ir.AxesAttrs{Axes: []int64{0}}, normal(1, 0)),
		of(ir.Concat, &ir.AxisAttrs{}, normal(0, 3), normal(2, 3)),
		of(ir.Slice, &ir.SliceAttrs{Axes: []int64{0}, Steps: []int64{1}}, normal(0, 3), ints([]int{1}, 0), ints([]int{1}, 5)),
		of(ir.Slice, &ir.SliceAttrs{Axes: []int64{}, Steps: []int64{}}, normal(), none, none),
		of(ir.Split, &ir.SplitAttrs{Axis: 1, Sizes: []ir.Dim{ir.Size(1), ir.Size(3)}}, normal(0, 4)),
		of(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: []int64{}}, normal(), none, nil),
		of(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: []int64{0}}, normal(0, 3), ints([]int{2}, 1, 2), nil),
		of(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: []int64{0}}, normal(0, 3), ints([]int{2}, 1, 2), normal()),
		of(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: []int64{0}}, normal(2, 3), ints([]int{2}, -1, -1), nil).called("pad that cuts all"),
		of(ir.Pad, &ir.PadAttrs{Mode: "edge", Axes: []int64{1}}, normal(0, 3), ints([]int{2}, 1, 2), nil).called("pad edge"),
		of(ir.Tile, nil, normal(), none),
		of(ir.Tile, nil, normal(0, 3), ints([]int{2}, 2, 2)),
		of(ir.Range, nil, ir.Scalar(2.0), ir.Scalar(1.0), ir.Scalar(0.7)),
		of(ir.Trilu, &ir.TriluAttrs{Upper: true}, normal(0, 3, 4), nil),
		of(ir.Trilu, &ir.TriluAttrs{}, normal(2, 0, 4), nil),
	}
	cs[slices.IndexFunc(cs, func(c gradCase) bool { return c.name == ir.Split.String() })].static = true
	return cs
}

func indexEdges() []gradCase {
	none := ints([]int{0})
	cs := []gradCase{
		of(ir.Gather, &ir.AxisAttrs{}, normal(3, 0), ints([]int{2}, 0, 2)),
		of(ir.Gather, &ir.AxisAttrs{Axis: 1}, normal(0, 3), ints([]int{2}, 0, 2)),
		of(ir.Gather, &ir.AxisAttrs{}, normal(0, 3), none),
		of(ir.Gather, &ir.AxisAttrs{}, normal(3), ir.Scalar(int64(-1))),
		of(ir.GatherElements, &ir.AxisAttrs{}, normal(3, 2), ints([]int{0, 2})),
		of(ir.GatherElements, &ir.AxisAttrs{}, normal(0, 2), ints([]int{0, 2})),
		of(ir.GatherND, &ir.GatherNDAttrs{}, normal(3, 2), ints([]int{0, 1})),
		of(ir.GatherND, &ir.GatherNDAttrs{}, normal(3), ints([]int{1}, 1)),
		of(ir.GatherND, &ir.GatherNDAttrs{}, normal(3, 0), ints([]int{2, 1}, 0, 1)),
		of(ir.TopK, &ir.TopKAttrs{Axis: 0}, apart(3, 4), ir.Scalar(int64(0))),
		of(ir.TopK, &ir.TopKAttrs{Axis: 0}, apart(3, 0), ir.Scalar(int64(2))),
		of(ir.TopK, &ir.TopKAttrs{Axis: 1}, apart(0, 4), ir.Scalar(int64(2))),
		of(ir.Unique, &ir.UniqueAttrs{Flat: true}, normal()),
		of(ir.Unique, &ir.UniqueAttrs{Flat: true}, normal(0)),
		of(ir.Unique, &ir.UniqueAttrs{Axis: 1, Sorted: true}, normal(0, 3)),
	}
	for _, reduction := range []string{"none", "add", "mul", "max", "min"} {
		a := &ir.ScatterAttrs{Reduction: reduction}
		cs = append(cs,
			of(ir.ScatterElements, a, normal(3, 2), ints([]int{0, 2}), normal(0, 2)).called("scatter_elements "+reduction),
			of(ir.ScatterND, a, normal(3, 2), ints([]int{0, 1}), normal(0, 2)).called("scatter_nd "+reduction),
			of(ir.ScatterND, a, normal(3, 0), ints([]int{1, 1}, 1), normal(1, 0)).called("scatter_nd "+reduction),
			of(ir.ScatterND, a, between(1, 2, 3), ints([]int{1}, 1), between(3, 4)).called("scatter_nd of a scalar "+reduction))
	}
	return cs
}

func productEdges() []gradCase {
	conv := func(strides int64, x, w, b *ir.Tensor, name string) gradCase {
		c := of(ir.Conv, &ir.ConvAttrs{Strides: []int64{strides}, Pads: []int64{0, 0}, Dilations: []int64{1}, Groups: 1}, x, w, b).called(name)
		c.known = []int{1}
		return c
	}
	cs := []gradCase{
		of(ir.Linear, nil, normal(0, 3), normal(3, 4), normal(4)).twice(),
		of(ir.Linear, nil, normal(2, 0), normal(0, 4), normal(4)).twice(),
		of(ir.Linear, nil, normal(2, 3), normal(3, 4), normal()).twice(),
		conv(1, normal(1, 2, 1), normal(3, 2, 2), nil, "conv without windows"),
		conv(2, normal(0, 2, 5), normal(3, 2, 2), normal(3), "conv of nothing, strided"),
	}
	for _, k := range []ir.Kind{ir.MaxPool, ir.AveragePool} {
		cs = append(cs, of(k, &ir.PoolAttrs{Kernel: []int64{2}, Strides: []int64{2}, Pads: []int64{0, 0}, Dilations: []int64{1}}, normal(0, 3, 7)))
	}
	return cs
}

func normEdges() []gradCase {
	cs := []gradCase{
		of(ir.LogSoftmax, &ir.AxisAttrs{Axis: 1}, normal(0, 3)).twice(),
		of(ir.Softmax, &ir.AxisAttrs{Axis: 0}, normal(0, 3)).twice(),
		of(ir.RMSNorm, &ir.NormAttrs{Axis: 1, Epsilon: 1e-5}, normal(0, 3), normal(3)).twice(),
		of(ir.LayerNorm, &ir.NormAttrs{Axis: 1, Epsilon: 1e-5}, normal(2, 0), nil, nil),
		of(ir.LayerNorm, &ir.NormAttrs{Axis: 1, Epsilon: 1e-5}, normal(2, 3), normal(), normal()).twice(),
		of(ir.RMSNorm, &ir.NormAttrs{Axis: 1, Epsilon: 1e-5}, normal(2, 3), normal()).twice(),
		of(ir.BatchNorm, &ir.NormAttrs{Epsilon: 1e-5}, normal(0, 3, 4), normal(3), normal(3), normal(3), between(0.5, 2, 3)).twice(),
		of(ir.Rope, &ir.RopeAttrs{}, normal(0, 3, 4, 6), normal(4, 3), normal(4, 3)),
	}
	cs[len(cs)-1].known = []int{0, 1, 2}
	for _, n := range [][3]int{{0, 3, 4}, {2, 0, 4}, {2, 3, 0}} {
		for _, empty := range []string{"", "zero"} {
			a := &ir.AttentionAttrs{Scale: 0.7, Empty: empty}
			cs = append(cs, of(ir.Attention, a, normal(n[0], 2, n[1], 5), normal(n[0], 2, n[2], 5), normal(n[0], 2, n[2], 7), nil, nil).called(fmt.Sprintf("attention %v %s", n, empty)))
		}
	}
	return cs
}

func sequenceEdges() []gradCase {
	var cs []gradCase
	for _, shape := range [][]int{{}, {0, 2}} {
		cs = append(cs, gradCase{name: "lists", in: []*ir.Tensor{normal(shape...), normal(shape...)}, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			place := func(i int64) *ir.Value { return b.Const(ir.Scalar(i)) }
			list := b.Op(ir.MakeSequence, &ir.SequenceAttrs{}, x[0], x[1], x[0])
			list = b.Op(ir.SequenceErase, nil, b.Op(ir.SequenceInsert, nil, list, x[1], place(1)), place(0))
			some := b.Op(ir.OptionalGet, nil, b.Op(ir.MakeOptional, &ir.SequenceAttrs{}, b.Op(ir.SequenceAt, nil, list, place(-1))))
			return []*ir.Value{b.Op(ir.Sin, nil, some), b.Op(ir.ConcatFromSequence, &ir.ConcatFromSequenceAttrs{Stack: true}, list)}
		}})
	}
	for _, shape := range [][]int{{3}, {2, 0}} {
		cs = append(cs, gradCase{name: "split_to_sequence", in: []*ir.Tensor{normal(shape...)}, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			list := b.Op(ir.SplitToSequence, &ir.SplitToSequenceAttrs{Squeeze: true}, x[0], nil)
			return []*ir.Value{b.Op(ir.Sin, nil, b.Op(ir.SequenceAt, nil, list, b.Const(ir.Scalar(int64(1)))))}
		}})
	}
	return cs
}

func controlEdges() []gradCase {
	yes := &ir.Tensor{DType: ir.Bool, Shape: []int{}, Data: []byte{1}}
	var cs []gradCase
	for _, shape := range [][]int{{}, {0, 2}} {
		step := func(in *ir.Builder, h, x *ir.Value) *ir.Value { return in.Op(ir.Sin, nil, in.Op(ir.Mul, nil, h, x)) }
		cs = append(cs,
			of(ir.Depends, nil, normal(shape...), normal()),
			of(ir.Assert, &ir.AssertAttrs{Message: "never"}, normal(shape...), yes),
			gradCase{name: "if", in: []*ir.Tensor{yes, normal(shape...), normal(shape...)}, second: true, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				branch := func(in *ir.Builder, p []*ir.Value) []*ir.Value { return []*ir.Value{step(in, p[0], p[1])} }
				return b.Ops(ir.If, nil, []*ir.Region{region(b, x[1:], branch), region(b, x[1:], branch)}, x...)
			}},
			gradCase{name: "loop", in: []*ir.Tensor{ir.Scalar(int64(3)), normal(shape...), normal(shape...)}, second: true, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				iter, cond := &ir.Value{Type: ir.TensorOf(ir.I64)}, &ir.Value{Type: ir.TensorOf(ir.Bool)}
				r := region(b, []*ir.Value{iter, cond, x[1], x[2]}, func(in *ir.Builder, p []*ir.Value) []*ir.Value {
					return []*ir.Value{p[1], step(in, p[2], p[3]), in.Op(ir.Exp, nil, p[2])}
				})
				return b.Ops(ir.Loop, &ir.LoopAttrs{Carried: 1}, []*ir.Region{r}, x[0], nil, x[1], x[2])
			}})
		for _, steps := range []int{0, 3} {
			cs = append(cs, gradCase{name: "scan", in: []*ir.Tensor{normal(shape...), normal(append([]int{steps}, shape...)...)}, second: true, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				r := region(b, []*ir.Value{x[0], typed(x[1], 0)}, func(in *ir.Builder, p []*ir.Value) []*ir.Value {
					h := step(in, p[0], p[1])
					return []*ir.Value{h, in.Op(ir.Exp, nil, h)}
				})
				return b.Ops(ir.Scan, &ir.ScanAttrs{Carried: 1, InputAxes: []int64{0}, InputReverse: []int64{0}, OutputAxes: []int64{0}, OutputRev: []int64{0}}, []*ir.Region{r}, x...)
			}})
		}
	}
	return cs
}
