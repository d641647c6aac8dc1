package onnx

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// selectRows choose elements by their values, or by places that operands give.
var selectRows = []row{
	{"", "TopK", since(1, 10, 11, 24), importTopK},
	{"", "NonZero", since(9, 13), unaryOp(ir.NonZero)},
	{"", "Compress", since(9, 11, 28), importCompress},
	{"", "Unique", since(11, 28), importUnique},
	{"", "ReverseSequence", since(10, 28), importReverseSequence},
	{"", "TensorScatter", since(24), importTensorScatter},
	{"", "MaxUnpool", since(9, 11, 22), importMaxUnpool},
	{"", "NonMaxSuppression", since(10, 11), importNonMaxSuppression},
}

// importTopK: always sorted, which sorted = 0 allows too. TopK-1 has k as an attribute.
func importTopK(n *Node) []*ir.Value {
	x := n.in[0]
	a := &ir.TopKAttrs{Axis: n.axis("axis", -1, x.Rank())}
	if n.since >= 11 {
		n.Int("sorted", 1)
		a.Smallest = n.Int("largest", 1) == 0
	}
	var k *ir.Value
	if n.since == 1 {
		k = n.b.Const(ir.Scalar(n.Int("k", 0)))
	} else {
		k = n.scalar(n.in[1])
	}
	return n.b.Ops(ir.TopK, a, nil, x, k)
}

// importCompress gathers at the places where the condition is true.
func importCompress(n *Node) []*ir.Value {
	x, condition, axis := n.in[0], n.in[1], int64(0)
	if n.Has("axis") {
		axis = n.axis("axis", 0, x.Rank())
	} else {
		x = n.reshape(x, x.Shape().NumElements())
	}
	if condition.Rank() != 1 {
		return one(n.fail(Invalid, "give a vector", "a condition %s", condition.Type))
	}
	places := n.squeeze(n.op(ir.NonZero, nil, condition), 0)
	return one(n.op(ir.Gather, &ir.AxisAttrs{Axis: axis}, x, places))
}

func importUnique(n *Node) []*ir.Value {
	a := &ir.UniqueAttrs{Flat: !n.Has("axis"), Sorted: n.Int("sorted", 1) != 0}
	if !a.Flat {
		a.Axis = n.axis("axis", 0, n.in[0].Rank())
	}
	return n.b.Ops(ir.Unique, a, nil, n.in[0])
}

// importReverseSequence: of batch element b, place t holds what was at lens[b] - 1 - t, for t < lens[b].
func importReverseSequence(n *Node) []*ir.Value {
	x, lens := n.in[0], n.in[1]
	time, batch := n.Int("time_axis", 0), n.Int("batch_axis", 1)
	if x.Rank() < 2 || time+batch != 1 || time*batch != 0 || lens.Rank() != 1 {
		return one(n.fail(Invalid, "give time_axis 0 and batch_axis 1, or the other way round, and a length for each batch element",
			"time_axis %d and batch_axis %d of %s, lengths %s", time, batch, x.Type, lens.Type))
	}
	if !n.ok() {
		return nil
	}
	t := n.unsqueeze(n.count(n.dim(x.Shape()[time])), batch)
	lens = n.unsqueeze(n.cast(lens, ir.I64), time)
	mirrored := n.op(ir.Sub, nil, n.op(ir.Sub, nil, lens, n.b.Const(ir.Scalar(int64(1)))), t)
	places := n.op(ir.Where, nil, n.op(ir.Less, nil, t, lens), mirrored, t)
	of := n.unsqueeze(n.count(n.dim(x.Shape()[batch])), time)
	of = n.op(ir.Expand, nil, of, n.op(ir.ShapeOf, nil, places))
	pair := []*ir.Value{n.unsqueeze(places, 2), n.unsqueeze(of, 2)}
	if time == 1 {
		slices.Reverse(pair)
	}
	return one(n.op(ir.GatherND, &ir.GatherNDAttrs{}, x, n.op(ir.Concat, &ir.AxisAttrs{Axis: 2}, pair...)))
}

// importTensorScatter writes updates along an axis, in each batch element from the place on that write_indices says.
func importTensorScatter(n *Node) []*ir.Value {
	past, update, at := n.in[0], n.in[1], n.arg(2)
	axis := n.axis("axis", -2, past.Rank())
	mode := n.String("mode", "linear")
	if mode != "linear" && mode != "circular" {
		return one(n.fail(Invalid, "give linear or circular", "mode %q", clip(mode)))
	}
	if !n.ok() {
		return nil
	}
	if axis == 0 || update.Rank() != past.Rank() || at != nil && at.Rank() != 1 {
		return one(n.fail(Invalid, "give a cache and updates of equal rank, an axis after the batch axis, and a vector of places",
			"updates %s along axis %d of %s", update.Type, axis, past.Type))
	}
	places := n.count(n.dim(update.Shape()[axis]))
	if after := past.Rank() - 1 - int(axis); after > 0 {
		places = n.unsqueeze(places, ir.Axes(1, 1+after)...)
	}
	if at != nil {
		places = n.op(ir.Add, nil, places, n.unsqueeze(at, ir.Axes(1, past.Rank())...))
	}
	if mode == "circular" {
		places = n.op(ir.Mod, &ir.ModAttrs{}, places, n.dim(past.Shape()[axis]))
	}
	places = n.op(ir.Expand, nil, places, n.op(ir.ShapeOf, nil, update))
	return one(n.op(ir.ScatterElements, &ir.ScatterAttrs{Axis: axis, Reduction: "none"}, past, places, update))
}

// importMaxUnpool: indices are places in the flat result of the size that the attributes give; where output_shape is larger,
// zeros follow.
func importMaxUnpool(n *Node) []*ir.Value {
	x, places := n.in[0], n.in[1]
	kernel := n.Ints("kernel_shape")
	axes := max(x.Rank()-2, 0)
	strides, pads := n.Ints("strides", repeated(1, axes)...), n.Ints("pads", repeated(0, 2*axes)...)
	if axes < 1 || len(kernel) != axes || len(strides) != axes || len(pads) != 2*axes {
		return one(n.fail(Invalid, "give a value for each spatial axis (pads: two)", "kernel %v, strides %v, pads %v for %s", kernel, strides, pads, x.Type))
	}
	if !n.ok() {
		return nil
	}
	shape := slices.Clone(x.Shape())
	for i := range axes {
		steps := shape[2+i].Sub(ir.Size(1)).Mul(ir.Size(strides[i]))
		shape[2+i] = steps.Add(ir.Size(kernel[i] - pads[i] - pads[axes+i]))
	}
	flat := func(v *ir.Value) *ir.Value { return n.reshape(v, v.Shape().NumElements()) }
	zeros := n.op(ir.Expand, nil, n.number(x.DType(), 0), n.b.Dims(shape.NumElements()))
	y := n.op(ir.ScatterElements, &ir.ScatterAttrs{Reduction: "none"}, zeros, flat(places), flat(x))
	y = n.reshape(y, shape...)
	if n.arg(2) == nil {
		return one(y)
	}
	want := n.dims(n.in[2], "output_shape")
	if len(want) != len(shape) {
		return one(n.fail(Invalid, "give a size for each axis", "output_shape %v for %s", want, x.Type))
	}
	more := slices.Repeat([]ir.Dim{ir.Size(0)}, len(want))
	for i, d := range want {
		more = append(more, d.Sub(shape[i]))
		if k, known := more[len(want)+i].Value(); known && k < 0 {
			return one(n.fail(Invalid, "give a larger output_shape", "output_shape %v, the attributes give %v", want, shape))
		}
	}
	return one(n.op(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: allAxes(x)}, y, n.b.Dims(more...), nil))
}
