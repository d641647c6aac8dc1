package ir

import "slices"

// inferConv: x[N, C, …] and w[O, C/groups, …] (NHWC: x[N, …, C], w[O, …, C/groups]) and an optional b[O].
// conv_c1 equal float dtypes, conv_c2 ranks, conv_c3 attributes for each spatial axis, conv_c4 channels,
// conv_c5 bias.
func inferConv(c *Infer) {
	x, w, b, a := c.arg(0), c.arg(1), c.arg(2), c.op.Attrs.(*ConvAttrs)
	n := x.Rank() - 2
	if x.DType() != w.DType() || !x.DType().IsFloat() || b != nil && b.DType() != x.DType() {
		c.fail(DTypeError, "conv_c1", "conv of %s", c.operands())
		return
	}
	if n < 1 || w.Rank() != x.Rank() {
		c.fail(ShapeError, "conv_c2", "conv ranks: %s", c.operands())
		return
	}
	if !c.window("conv_c3", n, a.Strides, a.Pads, a.Dilations) || a.Groups < 1 {
		c.fail(AttrError, "conv_c3", "conv attributes for %d spatial axes", n)
		return
	}
	first, channel := 2, 1
	if a.NHWC {
		first, channel = 1, n+1
	}
	c.same("conv_c4", x.Shape()[channel], w.Shape()[channel].Mul(Size(a.Groups)), "channels")
	out := w.Shape()[0]
	if c.err == nil && !c.assume(Divides, Size(a.Groups), out) {
		c.fail(ShapeError, "conv_c4", "%s output channels in %d groups", out, a.Groups)
	}
	if b != nil {
		if b.Rank() != 1 {
			c.fail(ShapeError, "conv_c5", "bias of rank %d", b.Rank())
			return
		}
		c.same("conv_c5", b.Shape()[0], out, "bias and channels")
	}
	shape := make(Shape, n+2)
	shape[0], shape[channel] = x.Shape()[0], out
	for i := range n {
		k := w.Shape()[first+i].Sub(Size(1)).Mul(Size(a.Dilations[i])).Add(Size(1))
		shape[first+i] = windows(x.Shape()[first+i].Add(Size(a.Pads[i])).Add(Size(a.Pads[n+i])), k, a.Strides[i])
	}
	c.tensor(x.DType(), shape)
}

// window checks the attributes of a sliding window over n axes.
func (c *Infer) window(label string, n int, strides, pads, dilations []int64) bool {
	ok := len(strides) == n && len(dilations) == n && len(pads) == 2*n
	for i := 0; ok && i < n; i++ {
		ok = strides[i] >= 1 && dilations[i] >= 1 && pads[i] >= 0 && pads[n+i] >= 0
	}
	if !ok {
		c.fail(AttrError, label, "strides %v, pads %v, dilations %v for %d spatial axes", strides, pads, dilations, n)
	}
	return ok
}

// windows is the number of places of a window of size k over n elements.
func windows(n, k Dim, stride int64) Dim {
	return n.Sub(k).FloorDiv(Size(stride)).Add(Size(1)).Max(Size(0))
}

// poolShape: pool_c1 a number, pool_c2 rank, pool_c3 attributes for each spatial axis.
func (c *Infer) poolShape() Shape {
	x, a := c.arg(0), c.op.Attrs.(*PoolAttrs)
	n := x.Rank() - 2
	if !c.dtype("pool_c1", 0, x.DType().IsNumeric(), "a number") {
		return nil
	}
	if n < 1 {
		c.fail(ShapeError, "pool_c2", "pooling of %s", c.operands())
		return nil
	}
	if len(a.Kernel) != n || slices.Min(a.Kernel) < 1 || !c.window("pool_c3", n, a.Strides, a.Pads, a.Dilations) {
		c.fail(AttrError, "pool_c3", "kernel %v for %d spatial axes", a.Kernel, n)
		return nil
	}
	first := 2
	if a.NHWC {
		first = 1
	}
	shape := append(Shape(nil), x.Shape()...)
	for i := range n {
		shape[first+i] = c.pooled(shape[first+i], i, a)
	}
	return shape
}

// pooled is the output size on spatial axis i; ceil mode drops a window that would start in the end padding.
func (c *Infer) pooled(size Dim, i int, a *PoolAttrs) Dim {
	n := len(a.Kernel)
	k := Size(a.Kernel[i] - 1).Mul(Size(a.Dilations[i])).Add(Size(1))
	padded := size.Add(Size(a.Pads[i])).Add(Size(a.Pads[n+i]))
	if !a.CeilMode {
		return windows(padded, k, a.Strides[i])
	}
	s := Size(a.Strides[i])
	out := padded.Sub(k).CeilDiv(s).Add(Size(1))
	last := size.Add(Size(a.Pads[i])).CeilDiv(s) // windows that start before the end padding
	return out.Min(last).Max(Size(0))
}

// inferMaxPool gives the maxima and, as a second result, their i64 indices into the flattened operand.
func inferMaxPool(c *Infer) {
	if shape := c.poolShape(); c.err == nil {
		c.tensor(c.arg(0).DType(), shape)
		c.tensor(I64, shape)
	}
}

func inferAveragePool(c *Infer) {
	if shape := c.poolShape(); c.err == nil && c.dtype("pool_c1", 0, c.arg(0).DType().IsFloat(), "a float") {
		c.tensor(c.arg(0).DType(), shape)
	}
}
