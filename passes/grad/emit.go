package grad

import (
	"github.com/emilyc/emily/ir"
)

// What rules are written with.

// f is a kind of one operand without attributes.
func (t *tape) f(k ir.Kind, x *ir.Value) *ir.Value { return t.b.Op(k, nil, x) }

func (t *tape) square(x *ir.Value) *ir.Value { return t.b.Mul(x, x) }

// number is a scalar constant, made once.
func (t *tape) number(d ir.DType, v float64) *ir.Value {
	n := number{d, v}
	if t.numbers[n] == nil {
		t.numbers[n] = t.b.Float(d, v)
	}
	return t.numbers[n]
}

// scaled is x·c.
func (t *tape) scaled(x *ir.Value, c float64) *ir.Value {
	if c == 1 {
		return x
	}
	return t.b.Mul(x, t.numberLike(x, c))
}

// shifted is x + c.
func (t *tape) shifted(x *ir.Value, c float64) *ir.Value { return t.b.Add(x, t.numberLike(x, c)) }

// from is c - x.
func (t *tape) from(c float64, x *ir.Value) *ir.Value { return t.b.Sub(t.numberLike(x, c), x) }

// numberLike is a scalar of x's dtype.
func (t *tape) numberLike(x *ir.Value, c float64) *ir.Value {
	if t.b.Err() != nil {
		return x
	}
	return t.number(x.DType(), c)
}

// where is d where cond holds, and 0 elsewhere.
func (t *tape) where(cond, d *ir.Value) *ir.Value {
	return t.b.Op(ir.Where, nil, cond, d, t.numberLike(d, 0))
}

// unless is 0 where cond holds, and d elsewhere.
func (t *tape) unless(cond, d *ir.Value) *ir.Value {
	return t.b.Op(ir.Where, nil, cond, t.numberLike(d, 0), d)
}

func (t *tape) less(x, y *ir.Value) *ir.Value  { return t.b.Op(ir.Less, nil, x, y) }
func (t *tape) equal(x, y *ir.Value) *ir.Value { return t.b.Op(ir.Equal, nil, x, y) }

// positive is 0 < x.
func (t *tape) positive(x *ir.Value) *ir.Value { return t.less(t.numberLike(x, 0), x) }

func (t *tape) cast(x *ir.Value, d ir.DType) *ir.Value {
	if t.b.Err() != nil || x.DType() == d {
		return x
	}
	return t.b.Op(ir.Cast, &ir.CastAttrs{To: d}, x)
}

// wide is x in at least 32 bits, in which sums of narrow floats are made.
func (t *tape) wide(x *ir.Value) *ir.Value {
	if d := x.DType(); d == ir.F16 || d == ir.BF16 {
		return t.cast(x, ir.F32)
	}
	return x
}

// sum is over axes, which keep size 1 where keep is set.
func (t *tape) sum(x *ir.Value, axes []int64, keep bool) *ir.Value {
	if len(axes) == 0 {
		return x
	}
	return t.b.Op(ir.ReduceSum, &ir.ReduceAttrs{Axes: axes, KeepDims: keep}, x)
}

// mean is over axes, which keep size 1.
func (t *tape) mean(x *ir.Value, axes []int64) *ir.Value {
	return t.b.Op(ir.ReduceMean, &ir.ReduceAttrs{Axes: axes, KeepDims: true}, x)
}

// shape is x's shape as an operand: a constant where it is known.
func (t *tape) shape(x *ir.Value) *ir.Value {
	if _, static := x.Shape().Static(); static {
		return t.b.Dims(x.Shape()...)
	}
	return t.b.Op(ir.ShapeOf, nil, x)
}

// size is the size of axis i of x as a scalar.
func (t *tape) size(x *ir.Value, axis int64) *ir.Value {
	if t.b.Err() != nil {
		return x
	}
	if n, known := x.Shape()[axis].Value(); known {
		return t.b.Const(ir.Scalar(n))
	}
	return t.b.Op(ir.Gather, &ir.AxisAttrs{}, t.b.Op(ir.ShapeOf, nil, x), t.b.Const(ir.Scalar(axis)))
}

// full has the type of x and one value throughout.
func (t *tape) full(x *ir.Value, v float64) *ir.Value {
	if t.b.Err() != nil {
		return x
	}
	if x.Rank() == 0 {
		return t.numberLike(x, v)
	}
	return t.expand(t.numberLike(x, v), t.shape(x))
}

func (t *tape) expand(x, shape *ir.Value) *ir.Value { return t.b.Op(ir.Expand, nil, x, shape) }

func (t *tape) reshape(x, shape *ir.Value) *ir.Value {
	return t.b.Op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, x, shape)
}

// flat is x in one axis.
func (t *tape) flat(x *ir.Value) *ir.Value {
	return t.b.Op(ir.Reshape, &ir.ReshapeAttrs{}, x, t.b.Ints(-1))
}

func (t *tape) unsqueeze(x *ir.Value, axes ...int64) *ir.Value {
	if len(axes) == 0 {
		return x
	}
	return t.b.Op(ir.Unsqueeze, &ir.AxesAttrs{Axes: axes}, x)
}

func (t *tape) transpose(x *ir.Value, perm ...int64) *ir.Value {
	for i, p := range perm {
		if p != int64(i) {
			return t.b.Op(ir.Transpose, &ir.PermAttrs{Perm: perm}, x)
		}
	}
	return x
}

// matrixT exchanges the last two axes.
func (t *tape) matrixT(x *ir.Value) *ir.Value {
	perm := ir.Axes(0, x.Rank())
	if n := len(perm); n >= 2 {
		perm[n-2], perm[n-1] = perm[n-1], perm[n-2]
	}
	return t.transpose(x, perm...)
}

// count is 0, 1, … n - 1 for a scalar n.
func (t *tape) count(n *ir.Value) *ir.Value {
	return t.b.Op(ir.Range, nil, t.b.Const(ir.Scalar(int64(0))), n, t.b.Const(ir.Scalar(int64(1))))
}

// gather takes the slices of x along an axis.
func (t *tape) gather(x, indices *ir.Value, axis int64) *ir.Value {
	return t.b.Op(ir.Gather, &ir.AxisAttrs{Axis: axis}, x, indices)
}

// along is a vector as a tensor of that rank, along an axis.
func (t *tape) along(v *ir.Value, axis int64, rank int) *ir.Value {
	axes := []int64{}
	for _, a := range ir.Axes(0, rank) {
		if a != axis {
			axes = append(axes, a)
		}
	}
	return t.unsqueeze(v, axes...)
}
