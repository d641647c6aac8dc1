package ir

import "slices"

func inferReduce(c *Infer) {
	d := c.arg(0).DType()
	if c.dtype("reduce_c1", 0, d.IsNumeric(), "numbers") {
		c.reduce()
	}
}

// inferReduceOrder: max and min also order bools.
func inferReduceOrder(c *Infer) {
	d := c.arg(0).DType()
	if c.dtype("reduce_c1", 0, d.IsNumeric() || d == Bool, "numbers or bools") {
		c.reduce()
	}
}

func (c *Infer) reduce() {
	x, a := c.arg(0), c.op.Attrs.(*ReduceAttrs)
	if !c.axes("reduce_c2", a.Axes, x.Rank()) {
		return
	}
	c.result(TensorOf(x.DType(), reducedShape(x.Shape(), a.Axes, a.KeepDims)...), c.reduceSym(a))
}

// reduceSym follows products and sums of a whole 1-D tensor, as exporters compute element counts.
func (c *Infer) reduceSym(a *ReduceAttrs) []Dim {
	x := c.arg(0)
	if x.Sym == nil || x.Rank() != 1 || len(a.Axes) != 1 || len(x.Sym) == 0 {
		return nil
	}
	f := map[Kind]func(a, b Dim) Dim{ReduceProd: Dim.Mul, ReduceSum: Dim.Add, ReduceMax: Dim.Max, ReduceMin: Dim.Min}[c.op.Kind]
	if f == nil {
		return nil
	}
	d := x.Sym[0]
	for _, e := range x.Sym[1:] {
		d = f(d, e)
	}
	return []Dim{d}
}

func reducedShape(s Shape, axes []int64, keep bool) Shape {
	var out Shape
	for i, d := range s {
		switch {
		case !slices.Contains(axes, int64(i)):
			out = append(out, d)
		case keep:
			out = append(out, Size(1))
		}
	}
	return out
}

// inferArg: argmax and argmin give i64. arg_c1 numbers, arg_c2 the axis.
func inferArg(c *Infer) {
	x, a := c.arg(0), c.op.Attrs.(*ArgAttrs)
	if c.dtype("arg_c1", 0, x.DType().IsNumeric(), "numbers") && c.axis("arg_c2", a.Axis, x.Rank()) {
		c.tensor(I64, reducedShape(x.Shape(), []int64{a.Axis}, a.KeepDims))
	}
}

// inferCum: cum_c1 numbers, cum_c2 the axis.
func inferCum(c *Infer) {
	x, a := c.arg(0), c.op.Attrs.(*CumAttrs)
	if c.dtype("cum_c1", 0, x.DType().IsNumeric(), "numbers") && c.axis("cum_c2", a.Axis, x.Rank()) {
		c.tensor(x.DType(), x.Shape())
	}
}
