package ir

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
