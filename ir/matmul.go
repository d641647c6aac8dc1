package ir

import "slices"

// inferMatMul: NumPy's matmul. matmul_c1 equal numeric dtypes, matmul_c2 rank at least 1, matmul_c3 equal
// inner sizes, matmul_c4 batch sizes that broadcast.
func inferMatMul(c *Infer) {
	a, b := c.arg(0), c.arg(1)
	if a.DType() != b.DType() || !a.DType().IsNumeric() {
		c.fail(DTypeError, "matmul_c1", "matmul of %s", c.operands())
		return
	}
	if a.Rank() == 0 || b.Rank() == 0 {
		c.fail(ShapeError, "matmul_c2", "matmul of a scalar: %s", c.operands())
		return
	}
	sa, sb := a.Shape(), b.Shape()
	if len(sa) == 1 {
		sa = Shape{Size(1), sa[0]}
	}
	if len(sb) == 1 {
		sb = Shape{sb[0], Size(1)}
	}
	na, nb := len(sa), len(sb)
	c.same("matmul_c3", sa[na-1], sb[nb-2], "inner sizes")
	out := c.broadcast("matmul_c4", sa[:na-2], sb[:nb-2])
	if a.Rank() > 1 {
		out = append(out, sa[na-2])
	}
	if b.Rank() > 1 {
		out = append(out, sb[nb-1])
	}
	c.tensor(a.DType(), out)
}

// inferLinear: x[…, k] × w[k, n] + b. linear_c1 one float dtype, linear_c2 ranks, linear_c3 equal inner sizes, linear_c4 b broadcasts
// to the result.
func inferLinear(c *Infer) {
	x, w, b := c.arg(0), c.arg(1), c.arg(2)
	for i := range 3 {
		if !c.dtype("linear_c1", i, x.DType().IsFloat() && c.arg(i).DType() == x.DType(), "three of one float dtype") {
			return
		}
	}
	if x.Rank() < 2 || w.Rank() != 2 {
		c.fail(ShapeError, "linear_c2", "linear wants rows and a matrix: %s", c.operands())
		return
	}
	n := x.Rank() - 1
	c.same("linear_c3", x.Shape()[n], w.Shape()[0], "inner sizes")
	out := append(slices.Clone(x.Shape()[:n]), w.Shape()[1])
	c.broadcastsTo("linear_c4", b, out, "the result and b")
	c.tensor(x.DType(), out)
}

// broadcastsTo checks that p is of the last axes of shape, with their sizes or 1.
func (c *Infer) broadcastsTo(label string, p *Value, shape Shape, what string) {
	extra := len(shape) - p.Rank()
	if extra < 0 {
		c.fail(ShapeError, label, "sizes of %s differ: %s", what, c.operands())
		return
	}
	for i, d := range p.Shape() {
		if !d.Is(1) {
			c.same(label, shape[extra+i], d, "sizes of "+what)
		}
	}
}

// inferDet: det_c1 a float, det_c2 square matrices on the last two axes.
func inferDet(c *Infer) {
	x := c.arg(0)
	if !c.dtype("det_c1", 0, x.DType().IsFloat(), "a float") {
		return
	}
	n := x.Rank() - 2
	if n < 0 {
		c.fail(ShapeError, "det_c2", "det of %s", x.Type)
		return
	}
	c.same("det_c2", x.Shape()[n], x.Shape()[n+1], "sides of a square matrix")
	c.tensor(x.DType(), x.Shape()[:n])
}
