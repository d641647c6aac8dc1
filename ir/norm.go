package ir

// inferSoftmax: softmax_c1 a float, softmax_c2 the axis.
func inferSoftmax(c *Infer) {
	x, a := c.arg(0), c.op.Attrs.(*AxisAttrs)
	if c.dtype("softmax_c1", 0, x.DType().IsFloat(), "a float") && c.axis("softmax_c2", a.Axis, x.Rank()) {
		c.tensor(x.DType(), x.Shape())
	}
}

// inferLayerNorm: layer_norm and rms_norm. norm_c1 floats, norm_c2 the axis, norm_c3 scale and bias broadcast to x.
func inferLayerNorm(c *Infer) {
	x, a := c.arg(0), c.op.Attrs.(*NormAttrs)
	if !c.dtype("norm_c1", 0, x.DType().IsFloat(), "a float") || !c.axis("norm_c2", a.Axis, x.Rank()) {
		return
	}
	for i := 1; i < len(c.op.Args); i++ {
		p := c.arg(i)
		if p == nil {
			continue
		}
		if !c.dtype("norm_c1", i, p.DType() == x.DType(), x.DType().String()) {
			return
		}
		c.broadcastsTo("norm_c3", p, x.Shape(), "x and of its scale or bias")
	}
	c.tensor(x.DType(), x.Shape())
}

// inferBatchNorm: x[N, C, …], then scale, bias, mean and variance of [C]. norm_c1 floats, batch_norm_c1 rank,
// batch_norm_c2 sizes.
func inferBatchNorm(c *Infer) {
	x := c.arg(0)
	if !c.dtype("norm_c1", 0, x.DType().IsFloat(), "a float") {
		return
	}
	channels := Size(1)
	if x.Rank() > 1 {
		channels = x.Shape()[1]
	}
	for i := 1; i < 5; i++ {
		p := c.arg(i)
		if !p.DType().IsFloat() || p.Rank() != 1 {
			c.fail(ShapeError, "batch_norm_c1", "scale, bias, mean and variance are 1-D floats: %s", c.operands())
			return
		}
		c.same("batch_norm_c2", p.Shape()[0], channels, "channels")
	}
	c.tensor(x.DType(), x.Shape())
}
