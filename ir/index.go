package ir

import "slices"

// indices checks the dtype of an index operand.
func (c *Infer) indices(label string, i int) bool {
	d := c.arg(i).DType()
	return c.dtype(label, i, d == I64 || d == I32, "i64 or i32 indices")
}

// inferGather: takes slices along an axis; negative indices count from the end. gather_c1 indices, gather_c2 the
// axis, gather_c3 known indices in range.
func inferGather(c *Infer) {
	x, idx, axis := c.arg(0), c.arg(1), c.op.Attrs.(*AxisAttrs).Axis
	if !c.axis("gather_c2", axis, x.Rank()) || !c.indices("gather_c1", 1) {
		return
	}
	if n, ok := x.Shape()[axis].Value(); ok {
		for _, s := range idx.Sym {
			if lo, hi := s.Bounds(); s != Unknown && (lo >= n || hi < -n) {
				c.fail(ValueError, "gather_c3", "index %s into an axis of size %d", s, n)
				return
			}
		}
	}
	shape := slices.Concat(x.Shape()[:axis], idx.Shape(), x.Shape()[axis+1:])
	var sym []Dim
	if x.Sym != nil && x.Rank() == 1 && idx.Sym != nil {
		for _, s := range idx.Sym {
			k, ok := s.Value()
			if k < 0 {
				k += int64(len(x.Sym))
			}
			if !ok || k < 0 || k >= int64(len(x.Sym)) {
				sym = append(sym, Unknown)
				continue
			}
			sym = append(sym, x.Sym[k])
		}
	}
	c.result(TensorOf(x.DType(), shape...), sym)
}

// inferGatherElements: gather_elements_c1 indices, gather_elements_c2 the axis and equal ranks.
func inferGatherElements(c *Infer) {
	x, idx, axis := c.arg(0), c.arg(1), c.op.Attrs.(*AxisAttrs).Axis
	if !c.axis("gather_elements_c2", axis, x.Rank()) || !c.indices("gather_elements_c1", 1) {
		return
	}
	if x.Rank() != idx.Rank() {
		c.fail(ShapeError, "gather_elements_c2", "ranks differ: %s", c.operands())
		return
	}
	c.tensor(x.DType(), idx.Shape())
}

// inferGatherND: gather_nd_c1 i64 indices, gather_nd_c2 ranks and batch axes, gather_nd_c3 equal batch sizes.
func inferGatherND(c *Infer) {
	x, idx, batch := c.arg(0), c.arg(1), c.op.Attrs.(*GatherNDAttrs).BatchDims
	if !c.indices("gather_nd_c1", 1) {
		return
	}
	if idx.Rank() == 0 || x.Rank() == 0 || batch < 0 || batch >= int64(min(x.Rank(), idx.Rank())) {
		c.fail(ShapeError, "gather_nd_c2", "%d batch axes of %s", batch, c.operands())
		return
	}
	b := int(batch)
	depth, ok := idx.Shape()[idx.Rank()-1].Value()
	if !ok || depth > int64(x.Rank()-b) {
		c.fail(ShapeError, "gather_nd_c2", "index tuples of %s into %s", idx.Shape()[idx.Rank()-1], x.Type)
		return
	}
	for i := range b {
		c.same("gather_nd_c3", x.Shape()[i], idx.Shape()[i], "batch sizes")
	}
	c.tensor(x.DType(), slices.Concat(idx.Shape()[:idx.Rank()-1], x.Shape()[b+int(depth):]))
}

func (c *Infer) reduction(label string) bool {
	r := c.op.Attrs.(*ScatterAttrs).Reduction
	if !slices.Contains([]string{"none", "add", "mul", "max", "min"}, r) {
		c.fail(AttrError, label, "reduction %q", r)
		return false
	}
	return true
}

// inferScatterElements: x, indices, updates. scatter_elements_c1 indices, scatter_elements_c2 the axis and equal
// ranks, scatter_elements_c3 updates shaped as indices, scatter_elements_c4 equal dtypes and a known reduction.
func inferScatterElements(c *Infer) {
	x, idx, upd, axis := c.arg(0), c.arg(1), c.arg(2), c.op.Attrs.(*ScatterAttrs).Axis
	if !c.axis("scatter_elements_c2", axis, x.Rank()) || !c.indices("scatter_elements_c1", 1) || !c.reduction("scatter_elements_c4") {
		return
	}
	if x.Rank() != idx.Rank() || idx.Rank() != upd.Rank() {
		c.fail(ShapeError, "scatter_elements_c2", "ranks differ: %s", c.operands())
		return
	}
	if x.DType() != upd.DType() {
		c.fail(DTypeError, "scatter_elements_c4", "dtypes differ: %s", c.operands())
		return
	}
	for i := range idx.Shape() {
		c.same("scatter_elements_c3", idx.Shape()[i], upd.Shape()[i], "sizes of indices and updates")
	}
	c.tensor(x.DType(), x.Shape())
}

// inferScatterND: x, indices, updates. scatter_nd_c1 indices, scatter_nd_c2 ranks, scatter_nd_c3 the updates'
// shape, scatter_nd_c4 equal dtypes and a known reduction.
func inferScatterND(c *Infer) {
	x, idx, upd := c.arg(0), c.arg(1), c.arg(2)
	if !c.indices("scatter_nd_c1", 1) || !c.reduction("scatter_nd_c4") {
		return
	}
	if idx.Rank() == 0 || x.Rank() == 0 {
		c.fail(ShapeError, "scatter_nd_c2", "scatter_nd of %s", c.operands())
		return
	}
	if x.DType() != upd.DType() {
		c.fail(DTypeError, "scatter_nd_c4", "dtypes differ: %s", c.operands())
		return
	}
	depth, ok := idx.Shape()[idx.Rank()-1].Value()
	if !ok || depth > int64(x.Rank()) {
		c.fail(ShapeError, "scatter_nd_c2", "index tuples of %s into %s", idx.Shape()[idx.Rank()-1], x.Type)
		return
	}
	want := slices.Concat(idx.Shape()[:idx.Rank()-1], x.Shape()[depth:])
	if len(want) != upd.Rank() {
		c.fail(ShapeError, "scatter_nd_c3", "updates %s, want %s", upd.Type, want)
		return
	}
	for i := range want {
		c.same("scatter_nd_c3", want[i], upd.Shape()[i], "sizes of updates")
	}
	c.tensor(x.DType(), x.Shape())
}

// inferTopK: x and how many. topk_c1 numbers, topk_c2 the axis, topk_c3 an i64 scalar of at least 0, topk_c4 at most
// the size of the axis.
func inferTopK(c *Infer) {
	x, k, a := c.arg(0), c.arg(1), c.op.Attrs.(*TopKAttrs)
	if !c.dtype("topk_c1", 0, x.DType().IsNumeric(), "numbers") || !c.axis("topk_c2", a.Axis, x.Rank()) {
		return
	}
	if !c.dtype("topk_c3", 1, k.DType() == I64 && k.Rank() == 0, "an i64 scalar") {
		return
	}
	shape := slices.Clone(x.Shape())
	shape[a.Axis] = Unknown
	if k.Sym != nil {
		shape[a.Axis] = k.Sym[0]
	}
	if n, ok := shape[a.Axis].Value(); ok && n < 0 {
		c.fail(ValueError, "topk_c3", "the top %d of %s", n, x.Type)
		return
	}
	c.tensor(x.DType(), shape)
	if c.err != nil {
		return
	}
	shape[a.Axis] = c.results[0].Type.Shape[a.Axis]
	if !c.assume(LE, shape[a.Axis], x.Shape()[a.Axis]) {
		c.fail(ShapeError, "topk_c4", "the top %s of %s elements", shape[a.Axis], x.Shape()[a.Axis])
		return
	}
	c.tensor(I64, shape)
}

// inferNonZero: an index for each axis of x, of as many elements as are not zero.
func inferNonZero(c *Infer) {
	c.tensor(I64, Shape{Size(int64(c.arg(0).Rank())), Unknown})
}

// inferUnique: unique_c1 the axis. The results are the distinct slices of x (of x as one row, without an axis), where each is
// first, which one each slice of x is, and how many there are of each.
func inferUnique(c *Infer) {
	x, a := c.arg(0), c.op.Attrs.(*UniqueAttrs)
	shape, axis, n := Shape{Unknown}, int64(0), x.Shape().NumElements()
	if !a.Flat {
		if !c.axis("unique_c1", a.Axis, x.Rank()) {
			return
		}
		shape, axis, n = slices.Clone(x.Shape()), a.Axis, x.Shape()[a.Axis]
		shape[axis] = Unknown
	} else if a.Axis != 0 {
		c.fail(AttrError, "unique_c1", "axis %d of a flat tensor", a.Axis)
		return
	}
	c.tensor(x.DType(), shape)
	if c.err != nil {
		return
	}
	count := c.results[0].Type.Shape[axis]
	c.tensor(I64, Shape{count})
	c.tensor(I64, Shape{n})
	c.tensor(I64, Shape{count})
}
