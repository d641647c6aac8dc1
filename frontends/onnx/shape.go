package onnx

import (
	"fmt"
	"math"

	"github.com/emilyc/emily/ir"
)

var shapeRows = []row{
	{"", "Shape", since(1, 13), unaryOp(ir.ShapeOf)},
	{"", "Shape", since(15, 19, 21, 23, 24, 25), importShape},
	{"", "Size", since(1, 13, 19, 21, 23, 24, 25), importSize},
	{"", "ConstantOfShape", since(9, 20, 21, 23, 24, 25), importConstantOfShape},
	{"", "Reshape", since(1), importReshape1},
	{"", "Reshape", since(5, 13, 14, 19, 21, 23, 24, 25), importReshape},
	{"", "Flatten", since(1, 9, 11, 13, 21, 23, 24, 25), importFlatten},
	{"", "Transpose", since(1, 13, 21, 23, 24, 25), importTranspose},
	{"", "Expand", since(8, 13), importExpand},
	{"", "Unsqueeze", since(1, 11, 13, 21, 23, 24, 25), importUnsqueeze},
	{"", "Squeeze", since(1, 11, 13, 21, 23, 24, 25), importSqueeze},
	{"", "Concat", since(1, 4, 11, 13), importConcat},
	{"", "Slice", since(1), importSlice1},
	{"", "Slice", since(10, 11, 13), importSlice},
	{"", "Split", since(1, 2, 11, 13, 18), importSplit},
	{"", "Pad", since(1, 2), importPad2},
	{"", "Pad", since(11, 13, 18, 19, 21, 23, 24, 25), importPad},
	{"", "Tile", since(1), importTile1},
	{"", "Tile", since(6, 13), importTile},
	{"", "Range", since(11, 27), importRange},
	{"", "Trilu", since(14), importTrilu},
	{"", "EyeLike", since(9, 22), importEyeLike},
	{"", "DepthToSpace", since(1, 11, 13, 28), importDepthToSpace},
	{"", "SpaceToDepth", since(1, 13, 28), importSpaceToDepth},
}

// importShape: since opset 15 of the axes from start to end, clamped.
func importShape(n *Node) []*ir.Value {
	rank := int64(n.in[0].Rank())
	clamp := func(a int64) int64 {
		if a < 0 {
			a += rank
		}
		return min(max(a, 0), rank)
	}
	from, to := clamp(n.Int("start", 0)), clamp(n.Int("end", rank))
	shape := n.op(ir.ShapeOf, nil, n.in[0])
	if from == 0 && to == rank {
		return one(shape)
	}
	return one(n.slice(shape, n.b.Ints(from), n.b.Ints(max(from, to)), []int64{0}, []int64{1}))
}

// importSize: the product of the sizes, as a scalar.
func importSize(n *Node) []*ir.Value {
	return one(n.op(ir.ReduceProd, &ir.ReduceAttrs{Axes: []int64{0}}, n.op(ir.ShapeOf, nil, n.in[0])))
}

func importConstantOfShape(n *Node) []*ir.Value {
	shape := n.vector(n.in[0])
	if !n.Has("value") {
		return one(n.op(ir.Expand, nil, n.number(ir.F32, 0), shape))
	}
	return one(n.op(ir.Expand, nil, n.s.element(n.Tensor("value")), shape))
}

// importReshape1: Reshape-1 has its target as an attribute.
func importReshape1(n *Node) []*ir.Value {
	return one(n.op(ir.Reshape, &ir.ReshapeAttrs{}, n.in[0], n.b.Ints(n.Ints("shape")...)))
}

func importReshape(n *Node) []*ir.Value {
	a := &ir.ReshapeAttrs{}
	if n.since >= 14 {
		a.AllowZero = n.Int("allowzero", 0) != 0
	}
	return one(n.op(ir.Reshape, a, n.in[0], n.vector(n.in[1])))
}

// importFlatten: a matrix of the axes before and from axis on.
func importFlatten(n *Node) []*ir.Value {
	x, axis := n.in[0], n.Int("axis", 1)
	if axis != int64(x.Rank()) {
		axis = n.normalAxis(axis, x.Rank())
	}
	return one(n.matrix(x, int(axis)))
}

// matrix is x as two axes: those before axis, and those from axis on.
func (n *Node) matrix(x *ir.Value, axis int) *ir.Value {
	if !n.ok() || axis > x.Rank() {
		return x
	}
	before, after := x.Shape()[:axis].NumElements(), x.Shape()[axis:].NumElements()
	if before == ir.Unknown && after == ir.Unknown {
		return n.fail(Unsupported, "bind some of its sizes", "the sizes of %s are too complex to multiply", x.Type)
	}
	return n.reshape(x, before, after)
}

func importTranspose(n *Node) []*ir.Value {
	x := n.in[0]
	perm := n.Ints("perm")
	if perm == nil {
		for i := x.Rank() - 1; i >= 0; i-- {
			perm = append(perm, int64(i))
		}
	}
	return one(n.transpose(x, perm...))
}

func (n *Node) transpose(x *ir.Value, perm ...int64) *ir.Value {
	return n.op(ir.Transpose, &ir.PermAttrs{Perm: perm}, x)
}

func importExpand(n *Node) []*ir.Value {
	return one(n.op(ir.Expand, nil, n.in[0], n.vector(n.in[1])))
}

// givenAxes are the axes of attribute or operand axes; given is false where there is neither.
func (n *Node) givenAxes() (axes []int64, given bool) {
	if n.since < 13 {
		return n.Ints("axes"), n.Has("axes")
	}
	v := n.arg(1)
	if v == nil {
		return nil, false
	}
	return n.ints(v, "the axes"), true
}

func importUnsqueeze(n *Node) []*ir.Value {
	list, given := n.givenAxes()
	if !given {
		return one(n.fail(Missing, remedyExport, "the axes are absent"))
	}
	axes := n.axes(list, n.in[0].Rank()+len(list))
	if !n.ok() {
		return nil
	}
	return one(n.unsqueeze(n.in[0], axes...))
}

// importSqueeze: without axes, all of size 1, which have to be known then.
func importSqueeze(n *Node) []*ir.Value {
	x := n.in[0]
	list, given := n.givenAxes()
	if !n.ok() {
		return nil
	}
	if !given {
		list = n.unitAxes(x)
	}
	axes := n.axes(list, x.Rank())
	return one(n.squeeze(x, axes...))
}

// unitAxes are the axes of size 1; all sizes have to be known.
func (n *Node) unitAxes(x *ir.Value) []int64 {
	var axes []int64
	for i, d := range x.Shape() {
		switch {
		case d.Is(1):
			axes = append(axes, int64(i))
		case d.IsConst():
		case n.s.im.declares(d):
			n.needsSize(d, "squeeze without axes of %s: whether %s is 1 is not known", x.Type, d)
			return nil
		default:
			n.b.Fail(n.needs(x, fmt.Sprintf("squeeze without axes of %s: the size %s must be known when the model is compiled", x.Type, d)))
			return nil
		}
	}
	return axes
}

// importConcat: Concat-1 has a default axis.
func importConcat(n *Node) []*ir.Value {
	return one(n.op(ir.Concat, &ir.AxisAttrs{Axis: n.axis("axis", 1, n.in[0].Rank())}, n.in...))
}

func (n *Node) slice(x, starts, ends *ir.Value, axes, steps []int64) *ir.Value {
	return n.op(ir.Slice, &ir.SliceAttrs{Axes: axes, Steps: steps}, x, starts, ends)
}

func importSlice1(n *Node) []*ir.Value {
	starts, ends := n.Ints("starts"), n.Ints("ends")
	axes := n.sliceAxes(n.Ints("axes"), n.Has("axes"), len(starts))
	return one(n.slice(n.in[0], n.b.Ints(starts...), n.b.Ints(ends...), axes, repeated(1, len(axes))))
}

// sliceAxes are the first axes where none are given.
func (n *Node) sliceAxes(list []int64, given bool, count int) []int64 {
	if !given {
		return ir.Axes(0, count)
	}
	out := make([]int64, len(list))
	for i, a := range list {
		out[i] = n.normalAxis(a, n.in[0].Rank())
	}
	return out
}

func repeated(k int64, count int) []int64 {
	list := make([]int64, count)
	for i := range list {
		list[i] = k
	}
	return list
}

func importSlice(n *Node) []*ir.Value {
	starts, ends := n.vector(n.in[1]), n.vector(n.in[2])
	var list, steps []int64
	if v := n.arg(3); v != nil {
		list = n.ints(v, "the axes")
	}
	if v := n.arg(4); v != nil {
		steps = n.ints(v, "the steps")
	}
	if !n.ok() {
		return nil
	}
	count, ok := size(starts, 0).Value()
	if !ok && n.arg(3) == nil {
		return one(n.b.Fail(n.needs(starts, "the number of starts must be known when the model is compiled")))
	}
	axes := n.sliceAxes(list, n.arg(3) != nil, int(min(count, math.MaxInt16)))
	if steps == nil {
		steps = repeated(1, len(axes))
	}
	return one(n.slice(n.in[0], starts, ends, axes, steps))
}

// importSplit: the sizes come from an attribute up to opset 11, from an operand since 13 (and in Split-1, either); without
// them the axis is split into equal parts, since opset 18 with a smaller last one.
func importSplit(n *Node) []*ir.Value {
	x := n.in[0]
	a := &ir.SplitAttrs{Axis: n.axis("axis", 0, x.Rank())}
	count := n.outputs()
	if n.since >= 18 && n.Has("num_outputs") {
		if k := n.Int("num_outputs", 0); k != int64(count) || n.arg(1) != nil {
			n.fail(Invalid, remedyExport, "num_outputs is %d, but there are %d outputs, or sizes too", k, count)
		}
	}
	switch {
	case !n.ok():
	case n.arg(1) != nil:
		a.Sizes = n.dims(n.arg(1), "the sizes of the split")
	case n.since < 13 && n.Has("split"):
		for _, k := range n.Ints("split") {
			a.Sizes = append(a.Sizes, ir.Size(k))
		}
	default:
		a.Sizes = n.parts(size(x, int(a.Axis)), count)
	}
	if n.ok() && len(a.Sizes) != count {
		n.fail(Invalid, remedyExport, "%d sizes for %d outputs", len(a.Sizes), count)
	}
	return n.b.Ops(ir.Split, a, nil, x)
}

// parts splits a size into count parts.
func (n *Node) parts(d ir.Dim, count int) []ir.Dim {
	part := d.FloorDiv(ir.Size(int64(count)))
	last := part // a remainder is then a ShapeError
	if n.since >= 18 {
		part = d.CeilDiv(ir.Size(int64(count)))
		last = d.Sub(part.Mul(ir.Size(int64(count - 1))))
	}
	parts := make([]ir.Dim, count)
	for i := range parts {
		parts[i] = part
	}
	parts[count-1] = last
	return parts
}

// importPad2: Pad-1 and Pad-2 have everything as attributes.
func importPad2(n *Node) []*ir.Value {
	name := "pads"
	if n.since == 1 {
		name = "paddings"
	}
	x := n.in[0]
	return one(n.pad(x, n.b.Ints(n.Ints(name)...), n.number(x.DType(), float64(n.Float("value", 0))), allAxes(x)))
}

func importPad(n *Node) []*ir.Value {
	x := n.in[0]
	axes := allAxes(x)
	if v := n.arg(3); v != nil {
		axes = nil
		for _, a := range n.ints(v, "the axes") {
			axes = append(axes, n.normalAxis(a, x.Rank()))
		}
	}
	return one(n.pad(x, n.vector(n.in[1]), n.scalar(n.arg(2)), axes))
}

func (n *Node) pad(x, pads, value *ir.Value, axes []int64) *ir.Value {
	a := &ir.PadAttrs{Mode: n.String("mode", "constant"), Axes: axes}
	if a.Mode != "constant" {
		value = nil
	}
	return n.op(ir.Pad, a, x, pads, value)
}

// importTile1: Tile-1 repeats along one axis.
func importTile1(n *Node) []*ir.Value {
	x := n.in[0]
	tiles, axis := n.dims(n.in[1], "the number of tiles"), n.ints(n.in[2], "the axis")
	if !n.ok() {
		return nil
	}
	if len(tiles) != 1 || len(axis) != 1 {
		return one(n.fail(Invalid, remedyExport, "%d tiles and %d axes, must be one of each", len(tiles), len(axis)))
	}
	reps := make([]ir.Dim, x.Rank())
	for i := range reps {
		reps[i] = ir.Size(1)
	}
	if k := n.normalAxis(axis[0], x.Rank()); n.ok() {
		reps[k] = tiles[0]
	}
	return one(n.op(ir.Tile, nil, x, n.b.Dims(reps...)))
}

func importTile(n *Node) []*ir.Value {
	return one(n.op(ir.Tile, nil, n.in[0], n.vector(n.in[1])))
}

// importRange: Range-27 has a stash_type, which says what f16 is computed in; it is computed exactly here.
func importRange(n *Node) []*ir.Value {
	if n.since >= 27 {
		n.Int("stash_type", 1)
	}
	var args [3]*ir.Value
	for i := range args {
		args[i] = n.scalar(n.settled(n.in[i]))
	}
	return one(n.op(ir.Range, nil, args[:]...))
}

func importTrilu(n *Node) []*ir.Value {
	return one(n.op(ir.Trilu, &ir.TriluAttrs{Upper: n.Int("upper", 1) != 0}, n.in[0], n.scalar(n.arg(1))))
}

// importEyeLike: ones where column = row + k.
func importEyeLike(n *Node) []*ir.Value {
	x := n.in[0]
	d := x.DType()
	if n.Has("dtype") {
		var err error
		if d, err = irDType(DType(n.Int("dtype", 0))); err != nil {
			return one(n.b.Fail(err))
		}
	}
	k := n.Int("k", 0)
	if x.Rank() != 2 {
		return one(n.fail(Invalid, "give a matrix", "operand of %s", x.Type))
	}
	shape := n.op(ir.ShapeOf, nil, x)
	rows := n.op(ir.Add, nil, n.upTo(shape, 0), n.b.Const(ir.Scalar(k)))
	eye := n.op(ir.Equal, nil, n.unsqueeze(rows, 1), n.unsqueeze(n.upTo(shape, 1), 0))
	return one(n.cast(eye, d))
}

// upTo counts 0, 1, … up to the size at index i of a shape.
func (n *Node) upTo(shape *ir.Value, i int64) *ir.Value {
	limit := n.op(ir.Gather, &ir.AxisAttrs{}, shape, n.b.Const(ir.Scalar(i)))
	return n.count(limit)
}

// count counts 0, 1, … up to limit, an i64 scalar.
func (n *Node) count(limit *ir.Value) *ir.Value {
	return n.op(ir.Range, nil, n.b.Const(ir.Scalar(int64(0))), limit, n.b.Const(ir.Scalar(int64(1))))
}

// importDepthToSpace: blocks of channels become blocks of pixels. CRD: the block's place is in the last part of the channels.
func importDepthToSpace(n *Node) []*ir.Value {
	x, b, crd := n.blocks(11)
	if !n.ok() {
		return nil
	}
	s, k := x.Shape(), ir.Size(b)
	depth, rest := s[1].ExactDiv(ir.Size(b * b))
	if !rest {
		return one(n.fail(Invalid, "give channels that blocksize² divides", "depth_to_space of %s with blocks of %d", x.Type, b))
	}
	if crd {
		x = n.reshape(x, s[0], depth, k, k, s[2], s[3])
		x = n.transpose(x, 0, 1, 4, 2, 5, 3)
	} else {
		x = n.reshape(x, s[0], k, k, depth, s[2], s[3])
		x = n.transpose(x, 0, 3, 4, 1, 5, 2)
	}
	return one(n.reshape(x, s[0], depth, s[2].Mul(k), s[3].Mul(k)))
}

// importSpaceToDepth is the inverse of DepthToSpace.
func importSpaceToDepth(n *Node) []*ir.Value {
	x, b, crd := n.blocks(28)
	if !n.ok() {
		return nil
	}
	s, k := x.Shape(), ir.Size(b)
	h, w := s[2].FloorDiv(k), s[3].FloorDiv(k)
	x = n.reshape(x, s[0], s[1], h, k, w, k)
	if crd {
		x = n.transpose(x, 0, 1, 3, 5, 2, 4)
	} else {
		x = n.transpose(x, 0, 3, 5, 1, 2, 4)
	}
	return one(n.reshape(x, s[0], s[1].Mul(ir.Size(b*b)), h, w))
}

// blocks reads what DepthToSpace and SpaceToDepth share; mode is known since the given version.
func (n *Node) blocks(modeSince int64) (x *ir.Value, size int64, crd bool) {
	x, size = n.in[0], n.Int("blocksize", 1)
	if n.since >= modeSince {
		mode := n.String("mode", "DCR")
		crd = mode == "CRD"
		if !crd && mode != "DCR" {
			n.fail(Invalid, "give DCR or CRD", "mode %q", clip(mode))
		}
	}
	if x.Rank() != 4 || size < 1 || size > math.MaxInt16 {
		n.fail(Invalid, "give a tensor [N, C, H, W]", "blocks of %d in %s", size, x.Type)
	}
	return x, size, crd
}
