package ir

// inferAttention: q[B, H, L, D], k[B, K, S, D], v[B, K, S, E] give [B, H, L, E]. attention_c1 equal float dtypes, attention_c2 ranks,
// attention_c3 sizes that agree, attention_c4 heads, attention_c5 the mask, attention_c6 the sinks, attention_c7 what an
// empty row gives.
func inferAttention(c *Infer) {
	q, k, v, a := c.arg(0), c.arg(1), c.arg(2), c.op.Attrs.(*AttentionAttrs)
	for i := range 3 {
		if d := c.arg(i).DType(); !c.dtype("attention_c1", i, d == q.DType() && d.IsFloat(), "three of one float dtype") {
			return
		}
		if c.arg(i).Rank() != 4 {
			c.fail(ShapeError, "attention_c2", "attention is of rank 4: %s", c.operands())
			return
		}
	}
	c.same("attention_c3", q.Shape()[0], k.Shape()[0], "batch sizes")
	c.same("attention_c3", q.Shape()[0], v.Shape()[0], "batch sizes")
	c.same("attention_c3", q.Shape()[3], k.Shape()[3], "sizes of a head")
	c.same("attention_c3", k.Shape()[2], v.Shape()[2], "numbers of keys and values")
	c.same("attention_c4", k.Shape()[1], v.Shape()[1], "heads of keys and values")
	if c.err == nil && !c.assume(Divides, k.Shape()[1], q.Shape()[1]) {
		c.fail(ShapeError, "attention_c4", "%s heads of queries do not share %s heads of keys: %s", q.Shape()[1], k.Shape()[1], c.operands())
	}
	c.attentionMask(Shape{q.Shape()[0], q.Shape()[1], q.Shape()[2], k.Shape()[2]})
	c.attentionSinks(q)
	if !c.emptyRows(a.Empty) {
		c.fail(AttrError, "attention_c7", "empty is %q", a.Empty)
	}
	c.tensor(q.DType(), Shape{q.Shape()[0], q.Shape()[1], q.Shape()[2], v.Shape()[3]})
}

// emptyRows reports whether the operands allow that choice.
func (c *Infer) emptyRows(empty string) bool {
	mask := c.arg(3)
	switch empty {
	case "":
		return true
	case "zero":
		return c.arg(4) == nil
	case "mean":
		return c.arg(4) == nil && (mask == nil || mask.DType() == Bool)
	}
	return false
}

// attentionMask checks that the mask broadcasts to the scores.
func (c *Infer) attentionMask(scores Shape) {
	mask := c.arg(3)
	if mask == nil || c.err != nil {
		return
	}
	if !c.dtype("attention_c5", 3, mask.DType() == Bool || mask.DType() == c.arg(0).DType(), "bool, or the queries' dtype") {
		return
	}
	if mask.Rank() == 0 || mask.Rank() > 4 {
		c.fail(ShapeError, "attention_c5", "the mask does not broadcast to the scores: %s", c.operands())
		return
	}
	for i, d := range mask.Shape() {
		if !d.Is(1) {
			c.same("attention_c5", d, scores[4-mask.Rank()+i], "sizes of mask and scores")
		}
	}
}

func (c *Infer) attentionSinks(q *Value) {
	sinks := c.arg(4)
	if sinks == nil || c.err != nil || !c.dtype("attention_c6", 4, sinks.DType() == q.DType(), q.DType().String()) {
		return
	}
	if sinks.Rank() != 1 {
		c.fail(ShapeError, "attention_c6", "sinks of rank %d", sinks.Rank())
		return
	}
	c.same("attention_c6", sinks.Shape()[0], q.Shape()[1], "sinks and heads of queries")
}

// inferRope: x[B, H, L, D] with an integer offset, [] or [B], and frequencies [n], or with cosines and sines that broadcast
// to [B, H, L, n]. rope_c1 dtypes, rope_c2 ranks, rope_c3 sizes that agree, rope_c4 2n ≤ D.
func inferRope(c *Infer) {
	x, a, b := c.arg(0), c.arg(1), c.arg(2)
	if !c.dtype("rope_c1", 0, x.DType().IsFloat(), "a float") {
		return
	}
	if x.Rank() != 4 {
		c.fail(ShapeError, "rope_c2", "rope of rank %d", x.Rank())
		return
	}
	computed := a.DType().IsInt()
	if computed && !c.dtype("rope_c1", 2, b.DType().IsFloat(), "a float") {
		return
	}
	for i := 1; i < 3 && !computed; i++ {
		if !c.dtype("rope_c1", i, c.arg(i).DType() == x.DType(), "cosines and sines of "+x.DType().String()+", or an integer offset and frequencies") {
			return
		}
	}
	switch {
	case computed && (a.Rank() > 1 || b.Rank() != 1):
		c.fail(ShapeError, "rope_c2", "an offset is a scalar or has one axis, frequencies have one: %s", c.operands())
		return
	case !computed && (a.Rank() == 0 || a.Rank() > 4 || a.Rank() != b.Rank()):
		c.fail(ShapeError, "rope_c2", "cosines and sines have equal ranks of 1 to 4: %s", c.operands())
		return
	}
	if computed && a.Rank() == 1 {
		c.same("rope_c3", a.Shape()[0], x.Shape()[0], "offsets and batch")
	}
	if !computed {
		c.ropeTables(x.Shape(), a.Shape(), b.Shape())
	}
	if n := b.Shape()[b.Rank()-1]; c.err == nil && !c.assume(LE, n.Mul(Size(2)), x.Shape()[3]) {
		c.fail(ShapeError, "rope_c4", "%s angles rotate more than a head: %s", n, c.operands())
	}
	c.tensor(x.DType(), x.Shape())
}

func (c *Infer) ropeTables(x, cos, sin Shape) {
	for i, d := range cos {
		c.same("rope_c3", d, sin[i], "cosines and sines")
		if k := 4 - len(cos) + i; k < 3 && !d.Is(1) {
			c.same("rope_c3", d, x[k], "sizes of x and of its cosines")
		}
	}
}
