package onnx

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

var sampleRows = []row{
	{"", "GridSample", since(16, 20, 22), importGridSample},
	{"", "DeformConv", since(19, 22), importDeformConv},
	{"", "RoiAlign", since(10, 16, 22), importRoiAlign},
	{"", "MaxRoiPool", since(1, 22), importMaxRoiPool},
}

// taps are the elements that points take, along an axis or over several: R rows of P points, with t taps each.
type taps struct {
	index  *ir.Value // i64[R, P, t], in bounds
	weight *ir.Value // float[R, P, t]; nil for 1
	inside *ir.Value // bool[R, P, t]: whether there is such an element, 0 where there is none; nil where all are
}

// sampling is how points become taps.
type sampling struct {
	mode    string // nearest, linear or cubic
	padding string // zeros, border or reflection
	corners bool   // reflection turns at the centres of the outer elements, not at their edges
}

// importGridSample: x[N, C, …] at the points of grid[N, …, axes], whose coordinates run from -1 to 1, the last axis first.
func importGridSample(n *Node) []*ir.Value {
	x, grid := n.in[0], n.in[1]
	s := sampling{n.String("mode", "linear"), n.String("padding_mode", "zeros"), n.Int("align_corners", 0) != 0}
	switch s.mode {
	case "bilinear":
		s.mode = "linear"
	case "bicubic":
		s.mode = "cubic"
	}
	axes := x.Rank() - 2
	switch {
	case !n.ok():
		return nil
	case axes < 1 || grid.Rank() != x.Rank() || !size(grid, grid.Rank()-1).Is(int64(axes)):
		return one(n.fail(Invalid, "give x[N, C, …] and grid[N, …, axes]", "x of %s, grid of %s", x.Type, grid.Type))
	case !slices.Contains([]string{"nearest", "linear", "cubic"}, s.mode):
		return one(n.fail(Invalid, "give linear, nearest or cubic", "mode %q", clip(s.mode)))
	case !slices.Contains([]string{"zeros", "border", "reflection"}, s.padding):
		return one(n.fail(Invalid, "give zeros, border or reflection", "padding_mode %q", clip(s.padding)))
	}
	n.sameSize(size(x, 0), size(grid, 0))
	points := n.reshape(n.wide(grid), size(x, 0), ir.Shape(grid.Shape()[1:axes+1]).NumElements(), ir.Size(int64(axes)))
	work := func(x *ir.Value) *ir.Value {
		var all taps
		for i := range axes {
			at := n.denormal(n.at(points, 2, axes-1-i), size(x, 2+i), s.corners)
			all = n.cross(all, n.axisTaps(s, at, size(x, 2+i), x.DType()), size(x, 2+i))
		}
		y := n.tapped(x, n.rowStarts(x), all)
		if s.mode == "nearest" {
			y = n.squeeze(y, 2)
		} else {
			y = n.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{2}}, y)
		}
		return n.reshape(n.transpose(y, 0, 2, 1), append([]ir.Dim{size(x, 0), size(x, 1)}, grid.Shape()[1:axes+1]...)...)
	}
	if s.mode == "nearest" {
		return one(work(x))
	}
	return one(n.inFloat(x, work))
}

// wide is x in f32, or f64.
func (n *Node) wide(x *ir.Value) *ir.Value {
	if x.DType() == ir.F64 {
		return x
	}
	return n.cast(x, ir.F32)
}

// affine is x × a + b.
func (n *Node) affine(x *ir.Value, a, b float64) *ir.Value {
	if a != 1 {
		x = n.op(ir.Mul, nil, x, n.number(x.DType(), a))
	}
	if b != 0 {
		x = n.op(ir.Add, nil, x, n.number(x.DType(), b))
	}
	return x
}

// sizeLike is a size, plus more, as a scalar of x's dtype.
func (n *Node) sizeLike(d ir.Dim, more int64, x *ir.Value) *ir.Value {
	return n.cast(n.dim(d.Add(ir.Size(more))), x.DType())
}

// denormal turns -1 … 1 into places on an axis of that size: -½ … size - ½, or with corners 0 … size - 1.
func (n *Node) denormal(x *ir.Value, d ir.Dim, corners bool) *ir.Value {
	x = n.affine(x, 1, 1)
	if corners {
		return n.op(ir.Mul, nil, n.affine(x, 0.5, 0), n.sizeLike(d, -1, x))
	}
	return n.affine(n.affine(n.op(ir.Mul, nil, x, n.sizeLike(d, 0, x)), 1, -1), 0.5, 0)
}

// axisTaps are those of points at[R, P] along an axis of size d, which must have elements.
func (n *Node) axisTaps(s sampling, at *ir.Value, d ir.Dim, weights ir.DType) taps {
	if !n.ok() {
		return taps{}
	}
	if !n.b.Region().Assume(ir.Fact{Rel: ir.LE, A: ir.Size(1), B: d, Loc: n.b.Loc}) {
		n.fail(Invalid, "give an operand with elements", "sampling an axis of size %s", d)
		return taps{}
	}
	if s.mode == "nearest" {
		at = n.op(ir.Round, nil, at)
	}
	at = n.unsqueeze(n.turnedBack(s, at, d), 2)
	offsets := map[string][]float64{"nearest": {0}, "linear": {0, 1}, "cubic": {-1, 0, 1, 2}}[s.mode]
	place := n.op(ir.Add, nil, n.op(ir.Floor, nil, at), n.floats(offsets, []int{len(offsets)}, at.DType()))
	t := taps{}
	switch s.mode {
	case "linear":
		t.weight = n.cast(n.less1(n.distance(at, place)), weights)
	case "cubic":
		t.weight = n.cast(n.cubicWeight(n.distance(at, place)), weights)
	}
	switch s.padding {
	case "zeros":
		t.inside = n.within(place, n.number(at.DType(), 0), n.sizeLike(d, -1, at))
	case "reflection":
		place = n.reflected(s, place, d)
	}
	last := n.dim(d.Sub(ir.Size(1)))
	zero := n.b.Const(ir.Scalar(int64(0)))
	t.index = n.op(ir.Max, nil, n.op(ir.Min, nil, n.cast(place, ir.I64), last), zero)
	return t
}

func (n *Node) distance(a, b *ir.Value) *ir.Value {
	return n.op(ir.Abs, nil, n.op(ir.Sub, nil, a, b))
}

// within reports lo ≤ x ≤ hi.
func (n *Node) within(x, lo, hi *ir.Value) *ir.Value {
	return n.op(ir.And, nil, n.op(ir.LessEqual, nil, lo, x), n.op(ir.LessEqual, nil, x, hi))
}

// turnedBack moves points that are outside: to the border, or by reflection.
func (n *Node) turnedBack(s sampling, at *ir.Value, d ir.Dim) *ir.Value {
	if s.padding == "zeros" {
		return at
	}
	lo, hi := n.borders(s, at, d)
	moved := n.reflected(s, at, d)
	if s.padding == "border" {
		moved = n.op(ir.Max, nil, n.op(ir.Min, nil, at, n.sizeLike(d, -1, at)), n.number(at.DType(), 0))
	}
	return n.op(ir.Where, nil, n.within(at, lo, hi), at, moved)
}

func (n *Node) borders(s sampling, x *ir.Value, d ir.Dim) (lo, hi *ir.Value) {
	if s.corners {
		return n.number(x.DType(), 0), n.sizeLike(d, -1, x)
	}
	return n.number(x.DType(), -0.5), n.affine(n.sizeLike(d, 0, x), 1, -0.5)
}

// reflected folds the line at both borders, as often as needed.
func (n *Node) reflected(s sampling, x *ir.Value, d ir.Dim) *ir.Value {
	lo, hi := n.borders(s, x, d)
	span := n.op(ir.Sub, nil, hi, lo)
	if s.corners {
		span = n.op(ir.Max, nil, span, n.number(x.DType(), 1)) // of an axis of size 1
	}
	far := n.distance(x, lo)
	turns := n.op(ir.Floor, nil, n.op(ir.Div, nil, far, span))
	rest := n.op(ir.Sub, nil, far, n.op(ir.Mul, nil, turns, span))
	half := n.affine(turns, 0.5, 0)
	even := n.op(ir.Equal, nil, half, n.op(ir.Floor, nil, half))
	return n.op(ir.Where, nil, even, n.op(ir.Add, nil, lo, rest), n.op(ir.Sub, nil, hi, rest))
}

// cubicWeight is the cubic convolution kernel with a = -¾ at distance t < 2.
func (n *Node) cubicWeight(t *ir.Value) *ir.Value {
	const a = -0.75
	horner := func(first float64, rest ...float64) *ir.Value {
		y := n.affine(t, first, rest[0])
		for _, c := range rest[1:] {
			y = n.affine(n.op(ir.Mul, nil, y, t), 1, c)
		}
		return y
	}
	near, far := horner(a+2, -(a+3), 0, 1), horner(a, -5*a, 8*a, -4*a)
	return n.op(ir.Where, nil, n.op(ir.LessEqual, nil, t, n.number(t.DType(), 1)), near, far)
}

// cross combines the taps over outer axes with those of one more axis, of size d.
func (n *Node) cross(a, b taps, d ir.Dim) taps {
	if a.index == nil || !n.ok() {
		return b
	}
	s, each := a.index.Shape(), size(b.index, 2)
	join := func(k ir.Kind, a, b *ir.Value) *ir.Value {
		if a == nil || b == nil {
			return nil
		}
		return n.reshape(n.op(k, nil, n.unsqueeze(a, 3), n.unsqueeze(b, 2)), s[0], s[1], s[2].Mul(each))
	}
	return taps{
		index:  join(ir.Add, n.op(ir.Mul, nil, a.index, n.dim(d)), b.index),
		weight: join(ir.Mul, a.weight, b.weight),
		inside: join(ir.And, a.inside, b.inside),
	}
}

// rowStarts is where each of x's batch begins among all places, i64[N, 1, 1].
func (n *Node) rowStarts(x *ir.Value) *ir.Value {
	return n.startsOf(n.count(n.dim(size(x, 0))), x)
}

// startsOf is where these of x's batch begin, i64[R, 1, 1].
func (n *Node) startsOf(batch, x *ir.Value) *ir.Value {
	if !n.ok() {
		return batch
	}
	return n.unsqueeze(n.op(ir.Mul, nil, batch, n.dim(x.Shape()[2:].NumElements())), 1, 2)
}

// tapped is [R, P, t, C]: the elements of x[N, C, …] that the taps name, times their weights.
func (n *Node) tapped(x, starts *ir.Value, t taps) *ir.Value {
	if !n.ok() {
		return x
	}
	places := x.Shape()[2:].NumElements()
	rows := n.transpose(n.reshape(x, size(x, 0), size(x, 1), places), 0, 2, 1)
	rows = n.reshape(rows, size(x, 0).Mul(places), size(x, 1))
	y := n.op(ir.Gather, &ir.AxisAttrs{}, rows, n.op(ir.Add, nil, starts, t.index))
	if t.inside != nil {
		y = n.op(ir.Where, nil, n.unsqueeze(t.inside, 3), y, n.number(y.DType(), 0))
	}
	if t.weight != nil {
		y = n.op(ir.Mul, nil, y, n.unsqueeze(t.weight, 3))
	}
	return y
}

// importDeformConv: a convolution whose kernel places are moved by offset[N, groups × K × 2, …], and weighed by mask[N, groups × K, …].
// The elements under them are the columns of a matrix product.
func importDeformConv(n *Node) []*ir.Value {
	x, w, offset, bias, mask := n.in[0], n.in[1], n.in[2], n.arg(3), n.arg(4)
	group, moved := n.Int("group", 1), n.Int("offset_group", 1)
	if x.Rank() != 4 || w.Rank() != 4 || offset.Rank() != 4 || mask != nil && mask.Rank() != 4 {
		return one(n.fail(Unsupported, "give two spatial axes", "deform_conv of %s and %s", x.Type, w.Type))
	}
	win := n.window(n.convKernel(w), true)
	if !n.ok() {
		return nil
	}
	each, even := size(x, 1).ExactDiv(ir.Size(max(moved, 1)))
	features, even2 := size(w, 0).ExactDiv(ir.Size(max(group, 1)))
	if min(moved, group) < 1 || !even || !even2 {
		return one(n.fail(Invalid, "give groups that divide the channels", "%d groups and %d groups of offsets for %s and %s", group, moved, x.Type, w.Type))
	}
	d := x.DType()
	x, w, offset = n.wide(x), n.wide(w), n.wide(offset)
	places := product(win.kernel)
	k, batch, high, wide := ir.Size(places), size(x, 0), size(offset, 2), size(offset, 3)
	rows, points := batch.Mul(ir.Size(moved)), high.Mul(wide)
	n.sameSize(size(offset, 1), k.Mul(ir.Size(2*moved)))
	offsets := n.reshape(offset, rows, k, ir.Size(2), high, wide)
	grouped := n.reshape(x, rows, each, size(x, 2), size(x, 3))
	var all taps
	for i := range 2 {
		at := n.op(ir.Add, nil, n.at(offsets, 2, i), n.kernelPlaces(win, i, size(offset, 2+i), offset.DType()))
		at = n.reshape(at, rows, k.Mul(points))
		all = n.cross(all, n.axisTaps(sampling{mode: "linear", padding: "zeros"}, at, size(x, 2+i), x.DType()), size(x, 2+i))
	}
	y := n.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{2}}, n.tapped(grouped, n.rowStarts(grouped), all))
	if mask != nil {
		y = n.op(ir.Mul, nil, y, n.reshape(n.wide(mask), rows, k.Mul(points), ir.Size(1)))
	}
	g := ir.Size(group)
	columns := n.reshape(n.transpose(y, 0, 2, 1), batch, g, size(w, 1).Mul(k), points)
	y = n.op(ir.MatMul, nil, n.reshape(w, g, features, size(w, 1).Mul(k)), columns)
	y = n.reshape(y, batch, size(w, 0), high, wide)
	if bias != nil {
		y = n.op(ir.Add, nil, y, n.unsqueeze(n.wide(bias), 1, 2))
	}
	return one(n.cast(y, d))
}

// kernelPlaces is, along spatial axis i of two, where the kernel's places lie at each of so many positions: [K, H, 1] or [K, 1, W].
func (n *Node) kernelPlaces(w window, i int, positions ir.Dim, d ir.DType) *ir.Value {
	at := n.affine(n.cast(n.count(n.dim(positions)), d), float64(w.strides[i]), -float64(w.pads[i]))
	var inner []float64
	for k := range product(w.kernel) {
		index := k % w.kernel[1]
		if i == 0 {
			index = k / w.kernel[1]
		}
		inner = append(inner, float64(index*w.dilations[i]))
	}
	return n.op(ir.Add, nil, n.unsqueeze(at, int64(1-i)), n.floats(inner, []int{len(inner), 1, 1}, d))
}
