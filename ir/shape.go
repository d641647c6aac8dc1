package ir

import (
	"math"
	"slices"
)

// inferShapeOf: the sizes of a tensor as i64.
func inferShapeOf(c *Infer) {
	x := c.arg(0)
	sym := []Dim(x.Shape())
	c.result(TensorOf(I64, Size(int64(x.Rank()))), sym)
}

// inferDims: dims_c1 known expressions, dims_c2 one value for a scalar.
func inferDims(c *Infer) {
	a := c.op.Attrs.(*DimsAttrs)
	if slices.Contains(a.Values, Unknown) {
		c.fail(AttrError, "dims_c1", "dims of an unknown size")
		return
	}
	if a.Scalar && len(a.Values) != 1 {
		c.fail(AttrError, "dims_c2", "a scalar of %d values", len(a.Values))
		return
	}
	shape := Shape{Size(int64(len(a.Values)))}
	if a.Scalar {
		shape = nil
	}
	c.result(TensorOf(I64, shape...), a.Values)
}

// intVector checks that operand i is a 1-D i64 tensor of known length, and gives its elements.
func (c *Infer) intVector(label string, i int, what string) []Dim {
	v := c.arg(i)
	if v.DType() != I64 || v.Rank() != 1 {
		c.fail(DTypeError, label, "%s is %s, wants a 1-D i64 tensor", what, v.Type)
		return nil
	}
	n, ok := v.Shape()[0].Value()
	if !ok {
		c.needs(i, label, "the length of "+what)
		return nil
	}
	if v.Sym != nil {
		return v.Sym
	}
	if n > MaxSym {
		c.fail(ShapeError, label, "%s has %d elements", what, n)
		return nil
	}
	return slices.Repeat([]Dim{Unknown}, int(n))
}

// inferReshape: reshape_c1 the target, reshape_c2 one -1 at most and no other negative size, reshape_c3 the
// same number of elements, reshape_c4 a 0 that copies needs an axis to copy.
func inferReshape(c *Infer) {
	x, a := c.arg(0), c.op.Attrs.(*ReshapeAttrs)
	target := c.intVector("reshape_c1", 1, "the target shape")
	if c.err != nil {
		return
	}
	shape := make(Shape, len(target))
	rest, unknown, infer := Size(1), 0, -1
	for i, t := range target {
		n, known := t.Value()
		switch {
		case known && n == 0 && !a.AllowZero:
			if i >= x.Rank() {
				c.fail(ShapeError, "reshape_c4", "0 at position %d of the target copies no axis of %s", i, x.Type)
				return
			}
			t = x.Shape()[i]
		case known && n == -1:
			if infer >= 0 {
				c.fail(ShapeError, "reshape_c2", "more than one -1 in the target shape %s", Shape(target))
				return
			}
			infer = i
			continue
		case known && n < 0:
			c.fail(ShapeError, "reshape_c2", "size %d in the target shape", n)
			return
		case t == Unknown:
			unknown++
		}
		shape[i] = t
		if t != Unknown {
			rest = rest.Mul(t)
		}
	}
	c.resolveReshape(shape, rest, unknown, infer)
	if c.err == nil {
		c.result(TensorOf(x.DType(), shape...), x.Sym)
	}
}

// resolveReshape finds the size of the -1, or of a single unknown, from the number of elements.
func (c *Infer) resolveReshape(shape Shape, rest Dim, unknown, infer int) {
	r := c.region()
	total, rest := r.Reduce(c.arg(0).Shape().NumElements()), r.Reduce(rest)
	switch {
	case unknown > 0 && infer >= 0:
		shape[infer] = Unknown
	case infer >= 0 && rest.Is(0):
		if !c.assume(EQ, total, rest) {
			c.fail(ShapeError, "reshape_c3", "cannot reshape %s to %s", c.arg(0).Type, shape)
		}
		shape[infer] = Size(0)
	case infer >= 0:
		if !c.assume(Divides, rest, total) {
			shape[infer] = Size(-1)
			c.fail(ShapeError, "reshape_c3", "cannot reshape %s to %s", c.arg(0).Type, shape)
			return
		}
		shape[infer] = total.FloorDiv(rest)
	case unknown == 1:
		if q, ok := total.ExactDiv(rest); ok {
			shape[slices.Index(shape, Unknown)] = q
		}
	case unknown == 0 && (tooLarge(shape) || !c.assume(EQ, total, rest)):
		c.fail(ShapeError, "reshape_c3", "cannot reshape %s to %s", c.arg(0).Type, shape)
	}
}

// tooLarge reports whether the product of known sizes overflows.
func tooLarge(s Shape) bool {
	_, known := s.Static()
	return known && s.NumElements() == Unknown
}

// inferTranspose: transpose_c1 a permutation.
func inferTranspose(c *Infer) {
	x, perm := c.arg(0), c.op.Attrs.(*PermAttrs).Perm
	shape := make(Shape, len(perm))
	seen := make([]bool, len(perm))
	for i, p := range perm {
		if len(perm) != x.Rank() || p < 0 || p >= int64(len(perm)) || seen[p] {
			c.fail(AttrError, "transpose_c1", "perm %v is no permutation of the axes of %s", perm, x.Type)
			return
		}
		seen[p] = true
		shape[i] = x.Shape()[p]
	}
	if len(perm) != x.Rank() {
		c.fail(AttrError, "transpose_c1", "perm %v is no permutation of the axes of %s", perm, x.Type)
		return
	}
	c.result(TensorOf(x.DType(), shape...), transposeSym(x, perm))
}

func transposeSym(x *Value, perm []int64) []Dim {
	from, static := x.Shape().Static()
	if x.Sym == nil || !static {
		return nil
	}
	shape, strides := make([]int, len(perm)), make([]int, len(perm))
	for i, p := range perm {
		shape[i], strides[i] = from[p], product(from[p+1:])
	}
	return stridedSym(x.Sym, 0, shape, strides)
}

// stridedSym are the elements of a strided view.
func stridedSym(sym []Dim, offset int, shape, strides []int) []Dim {
	out := make([]Dim, product(shape))
	for i := range out {
		at, rest := offset, i
		for k := len(shape) - 1; k >= 0; k-- {
			at += rest % shape[k] * strides[k]
			rest /= shape[k]
		}
		out[i] = sym[at]
	}
	return out
}

func product(sizes []int) int {
	n := 1
	for _, s := range sizes {
		n *= s
	}
	return n
}

// inferExpand: broadcast in both directions. expand_c1 the target, expand_c2 shapes that broadcast.
func inferExpand(c *Infer) {
	x := c.arg(0)
	target := c.intVector("expand_c1", 1, "the target shape")
	if c.err != nil {
		return
	}
	n := max(x.Rank(), len(target))
	shape := make(Shape, n)
	for i := range shape {
		d, t := Size(1), Size(1)
		if k := i - (n - x.Rank()); k >= 0 {
			d = x.Shape()[k]
		}
		if k := i - (n - len(target)); k >= 0 {
			t = target[k]
		}
		switch {
		case t != Unknown:
			if lo, _ := t.Bounds(); t.IsConst() && lo < 0 {
				c.fail(ShapeError, "expand_c2", "size %s in the target shape", t)
				return
			}
			shape[i] = c.broadcastDim("expand_c2", d, t)
		default: // a size that may be 1 takes the target's
			shape[i] = Unknown
			if lo, _ := d.Bounds(); lo > 1 || d.Is(0) {
				shape[i] = d
			}
		}
	}
	var sym []Dim
	if s := TensorOf(x.DType(), shape...); !slices.Contains(shape, Unknown) {
		sym = broadcastSym(x, s.Shape)
	}
	c.result(TensorOf(x.DType(), shape...), sym)
}

// inferUnsqueeze: unsqueeze_c1 sorted, distinct axes of the result.
func inferUnsqueeze(c *Infer) {
	x, axes := c.arg(0), c.op.Attrs.(*AxesAttrs).Axes
	if len(axes) > MaxRank || !c.axes("unsqueeze_c1", axes, x.Rank()+len(axes)) {
		c.fail(AttrError, "unsqueeze_c1", "%d axes", len(axes))
		return
	}
	var shape Shape
	rest := x.Shape()
	for i := range x.Rank() + len(axes) {
		if slices.Contains(axes, int64(i)) {
			shape = append(shape, Size(1))
			continue
		}
		shape, rest = append(shape, rest[0]), rest[1:]
	}
	c.result(TensorOf(x.DType(), shape...), x.Sym)
}

// inferSqueeze: squeeze_c1 sorted, distinct axes, squeeze_c2 of size 1.
func inferSqueeze(c *Infer) {
	x, axes := c.arg(0), c.op.Attrs.(*AxesAttrs).Axes
	if !c.axes("squeeze_c1", axes, x.Rank()) {
		return
	}
	for _, a := range axes {
		c.same("squeeze_c2", x.Shape()[a], Size(1), "squeezed size and 1")
	}
	c.result(TensorOf(x.DType(), reducedShape(x.Shape(), axes, false)...), x.Sym)
}

// inferConcat: concat_c1 equal dtypes, concat_c2 equal ranks and the axis, concat_c3 equal other sizes.
func inferConcat(c *Infer) {
	first, axis := c.arg(0), c.op.Attrs.(*AxisAttrs).Axis
	if !c.axis("concat_c2", axis, first.Rank()) {
		return
	}
	shape := slices.Clone(first.Shape())
	var sym []Dim
	known := first.Rank() == 1
	for i, x := range c.op.Args {
		if x.DType() != first.DType() {
			c.fail(DTypeError, "concat_c1", "operand dtypes differ: %s", c.operands())
			return
		}
		if x.Rank() != first.Rank() {
			c.fail(ShapeError, "concat_c2", "ranks differ: %s", c.operands())
			return
		}
		if i > 0 {
			for k, d := range x.Shape() {
				if int64(k) == axis {
					shape[k] = shape[k].Add(d)
					continue
				}
				c.same("concat_c3", shape[k], d, "sizes outside the axis")
			}
		}
		n, static := x.Shape()[0].Value()
		switch {
		case !known || !static || n > MaxSym:
			known = false
		case x.Sym != nil:
			sym = append(sym, x.Sym...)
		default:
			sym = append(sym, slices.Repeat([]Dim{Unknown}, int(n))...)
		}
	}
	if !known {
		sym = nil
	}
	c.result(TensorOf(first.DType(), shape...), sym)
}

// inferSlice: slice_c1 the bounds, slice_c2 axes and steps. Bounds count from the end where they are negative and
// are clamped, as in ONNX Slice.
func inferSlice(c *Infer) {
	x, a := c.arg(0), c.op.Attrs.(*SliceAttrs)
	starts, ends := c.intVector("slice_c1", 1, "starts"), c.intVector("slice_c1", 2, "ends")
	if c.err != nil {
		return
	}
	if len(starts) != len(a.Axes) || len(ends) != len(a.Axes) || len(a.Steps) != len(a.Axes) || slices.Contains(a.Steps, 0) {
		c.fail(AttrError, "slice_c2", "%d starts, %d ends, axes %v, steps %v", len(starts), len(ends), a.Axes, a.Steps)
		return
	}
	shape := slices.Clone(x.Shape())
	seen := map[int64]bool{}
	for i, axis := range a.Axes {
		if !c.axis("slice_c2", axis, x.Rank()) {
			return
		}
		if seen[axis] {
			c.fail(AttrError, "slice_c2", "axis %d twice", axis)
			return
		}
		seen[axis] = true
		shape[axis] = SliceSize(shape[axis], starts[i], ends[i], a.Steps[i])
	}
	c.result(TensorOf(x.DType(), shape...), c.sliceSym(a, starts, ends))
}

func (c *Infer) sliceSym(a *SliceAttrs, starts, ends []Dim) []Dim {
	x := c.arg(0)
	shape, static := x.Shape().Static()
	if x.Sym == nil || !static {
		return nil
	}
	offset, strides := 0, make([]int, len(shape))
	for i := range shape {
		strides[i] = product(shape[i+1:])
	}
	for i, axis := range a.Axes {
		n := Size(int64(shape[axis]))
		from, ok1 := SliceBound(n, starts[i], a.Steps[i], false).Value()
		count, ok2 := SliceSize(n, starts[i], ends[i], a.Steps[i]).Value()
		if !ok1 || !ok2 {
			return nil
		}
		shape[axis] = int(count)
		offset += int(from) * strides[axis]
		if count > 1 {
			strides[axis] *= int(a.Steps[i])
		}
	}
	return stridedSym(x.Sym, offset, shape, strides)
}

// SliceBound is a start or an end as ONNX Slice clamps it, for an axis of size n; Unknown where its sign is.
func SliceBound(n, bound Dim, step int64, end bool) Dim {
	if bound == Unknown || n == Unknown {
		return Unknown
	}
	low, high := Size(0), n
	if step < 0 {
		high = n.Sub(Size(1))
		if end {
			low = Size(-1)
		}
	}
	lo, hi := bound.Bounds()
	if v, ok := bound.Value(); ok && !n.IsConst() { // no axis is longer than 2³¹-1
		if v >= math.MaxInt32 {
			return high
		}
		if v <= math.MinInt32 {
			return low.Min(high)
		}
	}
	switch {
	case lo >= 0:
		return bound.Min(high)
	case hi < 0:
		return n.Add(bound).Max(low).Min(high)
	}
	return Unknown
}

// SliceSize is the number of elements that ONNX Slice takes of an axis of size n.
func SliceSize(n, start, end Dim, step int64) Dim {
	s, e := SliceBound(n, start, step, false), SliceBound(n, end, step, true)
	if s == Unknown || e == Unknown {
		return Unknown
	}
	if step > 0 {
		return e.Sub(s).CeilDiv(Size(step)).Max(Size(0))
	}
	if step == math.MinInt64 { // has no positive counterpart; as good on an axis of a possible length
		step++
	}
	return s.Sub(e).CeilDiv(Size(-step)).Max(Size(0))
}

// inferSplit: split_c1 the axis, split_c2 sizes that are not negative and add up to the axis.
func inferSplit(c *Infer) {
	x, a := c.arg(0), c.op.Attrs.(*SplitAttrs)
	if !c.axis("split_c1", a.Axis, x.Rank()) {
		return
	}
	total := Size(0)
	for _, s := range a.Sizes {
		if n, ok := s.Value(); s == Unknown || ok && n < 0 {
			c.fail(AttrError, "split_c2", "split sizes %s", Shape(a.Sizes))
			return
		}
		total = total.Add(s)
	}
	c.same("split_c2", total, x.Shape()[a.Axis], "sum of the split sizes and the axis")
	if c.err != nil {
		return
	}
	rest := x.Sym // what the results so far have left
	if x.Rank() != 1 {
		rest = nil
	}
	for _, s := range a.Sizes {
		shape := slices.Clone(x.Shape())
		shape[a.Axis] = s
		var sym []Dim
		if n, ok := c.region().Reduce(s).Value(); ok && n >= 0 && n <= int64(len(rest)) {
			sym, rest = rest[:n], rest[n:]
		} else {
			rest = nil
		}
		c.result(TensorOf(x.DType(), shape...), sym)
	}
}

// inferPad: pad_c1 the amounts, all begins then all ends of Axes; pad_c2 axes and mode; pad_c3 the value's dtype.
// Negative amounts cut.
func inferPad(c *Infer) {
	x, value, a := c.arg(0), c.arg(2), c.op.Attrs.(*PadAttrs)
	pads := c.intVector("pad_c1", 1, "pads")
	if c.err != nil {
		return
	}
	if len(pads) != 2*len(a.Axes) || !slices.Contains([]string{"constant", "reflect", "edge", "wrap"}, a.Mode) {
		c.fail(AttrError, "pad_c2", "%d pads for axes %v, mode %q", len(pads), a.Axes, a.Mode)
		return
	}
	if value != nil && (value.DType() != x.DType() || value.Rank() != 0) {
		c.fail(DTypeError, "pad_c3", "pad value %s for %s", value.Type, x.Type)
		return
	}
	shape := slices.Clone(x.Shape())
	for i, axis := range a.Axes {
		if !c.axis("pad_c2", axis, x.Rank()) {
			return
		}
		if slices.Contains(a.Axes[:i], axis) {
			c.fail(AttrError, "pad_c2", "axis %d twice", axis)
			return
		}
		shape[axis] = shape[axis].Add(pads[i]).Add(pads[i+len(a.Axes)])
		if n, ok := shape[axis].Value(); ok && n < 0 {
			c.fail(ShapeError, "pad_c1", "padding %s by %s leaves a negative size", x.Type, Shape(pads))
			return
		}
	}
	c.tensor(x.DType(), shape)
}

// inferTile: tile_c1 a repeat for each axis.
func inferTile(c *Infer) {
	x := c.arg(0)
	reps := c.intVector("tile_c1", 1, "repeats")
	if c.err != nil {
		return
	}
	if len(reps) != x.Rank() {
		c.fail(ShapeError, "tile_c1", "%d repeats for %s", len(reps), x.Type)
		return
	}
	shape := make(Shape, len(reps))
	for i, r := range reps {
		if n, ok := r.Value(); ok && n < 0 {
			c.fail(ValueError, "tile_c1", "repeat %d", n)
			return
		}
		shape[i] = x.Shape()[i].Mul(r)
	}
	c.tensor(x.DType(), shape)
}

// inferRange: start, limit and delta are scalars of one numeric dtype (range_c1); delta is not 0 (range_c2).
func inferRange(c *Infer) {
	d := c.arg(0).DType()
	for i := range 3 {
		if a := c.arg(i); a.DType() != d || !d.IsNumeric() || a.Rank() != 0 {
			c.fail(DTypeError, "range_c1", "range of %s", c.operands())
			return
		}
	}
	size, sym := c.rangeSym()
	c.result(TensorOf(d, size), sym)
}

func (c *Infer) rangeSym() (Dim, []Dim) {
	var v [3]Dim
	for i := range v {
		v[i] = Unknown
		if s := c.arg(i).Sym; s != nil {
			v[i] = s[0]
		}
	}
	delta, ok := v[2].Value()
	if !ok || v[0] == Unknown || v[1] == Unknown {
		return Unknown, nil
	}
	if delta == 0 {
		c.fail(ValueError, "range_c2", "range with delta 0")
		return Unknown, nil
	}
	size := v[1].Sub(v[0])
	if delta < 0 {
		size, delta = v[0].Sub(v[1]), -delta
	}
	size = size.CeilDiv(Size(delta)).Max(Size(0))
	n, ok := size.Value()
	if !ok || n > MaxSym {
		return size, nil
	}
	sym := make([]Dim, n)
	for i := range sym {
		sym[i] = v[0].Add(v[2].Mul(Size(int64(i))))
	}
	return size, sym
}

// inferTrilu: a triangle of the last two axes; k is an i64 scalar. trilu_c1 rank, trilu_c2 k.
func inferTrilu(c *Infer) {
	x, k := c.arg(0), c.arg(1)
	if x.Rank() < 2 {
		c.fail(ShapeError, "trilu_c1", "trilu of %s", x.Type)
		return
	}
	if k != nil && (k.DType() != I64 || k.Rank() != 0) {
		c.fail(DTypeError, "trilu_c2", "k is %s, wants a scalar i64", k.Type)
		return
	}
	c.tensor(x.DType(), x.Shape())
}
