package grad

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// unary is the rule of y = f(x) whose cotangent f computes from x, y and the cotangent d of y.
func unary(f func(t *tape, x, y, d *ir.Value) *ir.Value) Rule {
	return func(t *tape) {
		t.give(0, func() *ir.Value { return f(t, t.x(0), t.op.Result(), t.d(0)) })
	}
}

// factor is the rule of y = f(x) whose derivative f computes.
func factor(f func(t *tape, x, y *ir.Value) *ir.Value) Rule {
	return unary(func(t *tape, x, y, d *ir.Value) *ir.Value { return t.b.Mul(d, f(t, x, y)) })
}

var (
	gradAbs  = factor(func(t *tape, x, _ *ir.Value) *ir.Value { return t.f(ir.Sign, x) })
	gradNeg  = unary(func(t *tape, _, _, d *ir.Value) *ir.Value { return t.f(ir.Neg, d) })
	gradSqrt = unary(func(t *tape, _, y, d *ir.Value) *ir.Value { return t.b.Div(t.scaled(d, 0.5), y) })

	gradRsqrt      = factor(func(t *tape, x, y *ir.Value) *ir.Value { return t.scaled(t.b.Div(y, x), -0.5) })
	gradReciprocal = unary(func(t *tape, _, y, d *ir.Value) *ir.Value { return t.b.Mul(t.f(ir.Neg, d), t.square(y)) })

	gradExp = factor(func(_ *tape, _, y *ir.Value) *ir.Value { return y })
	gradLog = unary(func(t *tape, x, _, d *ir.Value) *ir.Value { return t.b.Div(d, x) })

	gradSin = factor(func(t *tape, x, _ *ir.Value) *ir.Value { return t.f(ir.Cos, x) })
	gradCos = unary(func(t *tape, x, _, d *ir.Value) *ir.Value { return t.b.Mul(t.f(ir.Neg, d), t.f(ir.Sin, x)) })
	gradTan = factor(func(t *tape, _, y *ir.Value) *ir.Value { return t.shifted(t.square(y), 1) })

	gradAsin = factor(func(t *tape, x, _ *ir.Value) *ir.Value { return t.f(ir.Rsqrt, t.oneMinusSquare(x)) })
	gradAcos = unary(func(t *tape, x, _, d *ir.Value) *ir.Value {
		return t.b.Mul(t.f(ir.Neg, d), t.f(ir.Rsqrt, t.oneMinusSquare(x)))
	})
	gradAtan = unary(func(t *tape, x, _, d *ir.Value) *ir.Value { return t.b.Div(d, t.shifted(t.square(x), 1)) })

	gradSinh = factor(func(t *tape, x, _ *ir.Value) *ir.Value { return t.f(ir.Cosh, x) })
	gradCosh = factor(func(t *tape, x, _ *ir.Value) *ir.Value { return t.f(ir.Sinh, x) })
	gradTanh = factor(func(t *tape, _, y *ir.Value) *ir.Value { return t.from(1, t.square(y)) })

	gradAsinh = factor(func(t *tape, x, _ *ir.Value) *ir.Value { return t.f(ir.Rsqrt, t.shifted(t.square(x), 1)) })
	gradAcosh = factor(func(t *tape, x, _ *ir.Value) *ir.Value {
		return t.f(ir.Rsqrt, t.b.Mul(t.shifted(x, -1), t.shifted(x, 1)))
	})
	gradAtanh = unary(func(t *tape, x, _, d *ir.Value) *ir.Value { return t.b.Div(d, t.oneMinusSquare(x)) })

	gradErf = factor(func(t *tape, x, _ *ir.Value) *ir.Value {
		return t.scaled(t.f(ir.Exp, t.f(ir.Neg, t.square(x))), 2/math.Sqrt(math.Pi))
	})
)

// oneMinusSquare is 1 - x², exact near ±1.
func (t *tape) oneMinusSquare(x *ir.Value) *ir.Value { return t.b.Mul(t.from(1, x), t.shifted(x, 1)) }

var (
	gradSigmoid  = factor(func(t *tape, _, y *ir.Value) *ir.Value { return t.b.Mul(y, t.from(1, y)) })
	gradSoftplus = factor(func(t *tape, x, _ *ir.Value) *ir.Value { return t.f(ir.Sigmoid, x) })
	gradSilu     = factor(func(t *tape, x, _ *ir.Value) *ir.Value {
		_, slope := t.sigmoidShare(x, 1)
		return slope
	})
	gradMish = factor(func(t *tape, x, _ *ir.Value) *ir.Value {
		h := t.f(ir.Tanh, t.f(ir.Softplus, x))
		return t.b.Add(h, t.b.Mul(t.b.Mul(x, t.f(ir.Sigmoid, x)), t.from(1, t.square(h))))
	})
	gradGelu = factor(func(t *tape, x, _ *ir.Value) *ir.Value {
		_, slope := t.geluShare(x, t.op.Attrs.(*ir.GeluAttrs).Approximate)
		return slope
	})

	gradRelu      = unary(func(t *tape, x, _, d *ir.Value) *ir.Value { return t.where(t.positive(x), d) })
	gradLeakyRelu = unary(func(t *tape, x, _, d *ir.Value) *ir.Value {
		return t.b.Op(ir.Where, nil, t.positive(x), d, t.scaled(d, t.op.Attrs.(*ir.AlphaAttrs).Alpha))
	})
	gradElu = unary(func(t *tape, x, _, d *ir.Value) *ir.Value {
		low := t.b.Op(ir.Min, nil, x, t.numberLike(x, 0)) // what is not taken must not overflow
		slope := t.scaled(t.f(ir.Exp, low), t.op.Attrs.(*ir.AlphaAttrs).Alpha)
		return t.b.Op(ir.Where, nil, t.positive(x), d, t.b.Mul(d, slope))
	})
	gradHardSigmoid = unary(func(t *tape, _, y, d *ir.Value) *ir.Value {
		return t.where(t.inside(y, 0, 1), t.scaled(d, t.op.Attrs.(*ir.AlphaAttrs).Alpha))
	})
	gradHardSwish = unary(func(t *tape, x, _, d *ir.Value) *ir.Value {
		inner := t.b.Mul(d, t.shifted(t.scaled(x, 1.0/3), 0.5))
		return t.b.Op(ir.Where, nil, t.inside(x, -3, 3), inner, t.where(t.positive(x), d))
	})
)

// sigmoidShare is f = sigmoid(c·x), and the derivative of x·f.
func (t *tape) sigmoidShare(x *ir.Value, c float64) (f, slope *ir.Value) {
	z := t.scaled(x, c)
	f = t.f(ir.Sigmoid, z)
	return f, t.b.Mul(f, t.shifted(t.b.Mul(z, t.from(1, f)), 1))
}

// geluShare is the f of gelu's x·f, and its derivative.
func (t *tape) geluShare(x *ir.Value, approximate string) (f, slope *ir.Value) {
	switch approximate {
	case "sigmoid":
		return t.sigmoidShare(x, 1.702)
	case "tanh":
		return t.tanhShare(x)
	}
	f = t.scaled(t.shifted(t.f(ir.Erf, t.scaled(x, math.Sqrt2/2)), 1), 0.5)
	density := t.scaled(t.f(ir.Exp, t.scaled(t.square(x), -0.5)), 1/math.Sqrt(2*math.Pi))
	return f, t.b.Add(f, t.b.Mul(x, density))
}

// tanhShare is f = (1 + tanh(c·(x + 0.044715·x³)))/2, and the derivative of x·f.
func (t *tape) tanhShare(x *ir.Value) (f, slope *ir.Value) {
	const a = 0.044715
	c := math.Sqrt(2 / math.Pi)
	square := t.square(x)
	h := t.f(ir.Tanh, t.scaled(t.b.Mul(x, t.shifted(t.scaled(square, a), 1)), c))
	inner := t.scaled(t.shifted(t.scaled(square, 3*a), 1), c)
	f = t.scaled(t.shifted(h, 1), 0.5)
	return f, t.b.Add(f, t.b.Mul(t.scaled(x, 0.5), t.b.Mul(t.from(1, t.square(h)), inner)))
}

// gradGLU computes the activation of the gate once more, so that it need not be kept.
func gradGLU(t *tape) {
	gate, a := t.x(0), t.op.Attrs.(*ir.GLUAttrs)
	var f, slope *ir.Value
	if a.Activation == "silu" {
		f, slope = t.sigmoidShare(gate, 1)
	} else {
		f, slope = t.geluShare(gate, a.Approximate)
	}
	t.give(0, func() *ir.Value { return t.b.Mul(t.b.Mul(t.d(0), t.x(1)), slope) })
	t.give(1, func() *ir.Value { return t.b.Mul(t.d(0), t.b.Mul(gate, f)) })
}

// inside is lo < x < hi.
func (t *tape) inside(x *ir.Value, lo, hi float64) *ir.Value {
	return t.b.Op(ir.And, nil, t.less(t.numberLike(x, lo), x), t.less(x, t.numberLike(x, hi)))
}

// gradCast: the cotangent in the operand's dtype.
func gradCast(t *tape) {
	t.give(0, func() *ir.Value { return t.cast(t.d(0), t.x(0).DType()) })
}

func gradAdd(t *tape) {
	t.give(0, func() *ir.Value { return t.d(0) })
	t.give(1, func() *ir.Value { return t.d(0) })
}

func gradSub(t *tape) {
	t.give(0, func() *ir.Value { return t.d(0) })
	t.give(1, func() *ir.Value { return t.f(ir.Neg, t.d(0)) })
}

func gradMul(t *tape) {
	t.give(0, func() *ir.Value { return t.b.Mul(t.d(0), t.x(1)) })
	t.give(1, func() *ir.Value { return t.b.Mul(t.d(0), t.x(0)) })
}

func gradDiv(t *tape) {
	d := t.b.Div(t.d(0), t.x(1))
	t.give(0, func() *ir.Value { return d })
	t.give(1, func() *ir.Value { return t.b.Mul(t.f(ir.Neg, d), t.op.Result()) })
}

// gradPow: b·aᵇ⁻¹, 0 where b is 0; and y·ln a, 0 where a is 0. Of a negative base the exponent's is NaN.
func gradPow(t *tape) {
	a, b, y, d := t.x(0), t.x(1), t.op.Result(), t.d(0)
	t.give(0, func() *ir.Value {
		if c, ok := floatOf(b); ok {
			return t.b.Mul(d, t.powerSlope(a, c))
		}
		e := t.cast(b, a.DType())
		slope := t.b.Mul(e, t.b.Op(ir.Pow, nil, a, t.shifted(e, -1)))
		return t.b.Mul(d, t.unless(t.equal(e, t.numberLike(e, 0)), slope))
	})
	t.give(1, func() *ir.Value {
		zero := t.equal(a, t.numberLike(a, 0))
		safe := t.b.Op(ir.Where, nil, zero, t.numberLike(a, 1), a)
		return t.cast(t.b.Mul(d, t.b.Mul(y, t.f(ir.Log, safe))), b.DType())
	})
}

// powerSlope is c·aᶜ⁻¹, without a power for small exponents.
func (t *tape) powerSlope(a *ir.Value, c float64) *ir.Value {
	switch c {
	case 0, 1:
		return t.numberLike(a, c)
	case 2:
		return t.scaled(a, 2)
	case 3:
		return t.scaled(t.square(a), 3)
	case 0.5:
		return t.scaled(t.f(ir.Rsqrt, a), 0.5)
	}
	return t.scaled(t.b.Op(ir.Pow, nil, a, t.numberLike(a, c-1)), c)
}

// floatOf is the value of a constant of one element and rank 0.
func floatOf(v *ir.Value) (float64, bool) {
	if v.Def == nil || v.Def.Kind != ir.Const || v.Rank() != 0 {
		return 0, false
	}
	t, err := v.Def.Attrs.(*ir.ConstAttrs).Tensor()
	switch {
	case err != nil:
		return 0, false
	case v.DType().IsFloat():
		return t.Floats()[0], true
	case v.DType().IsInt():
		return float64(t.Ints()[0]), true
	}
	return 0, false
}

// gradMod: y = a - q·b with a whole q, whose derivative is 0.
func gradMod(t *tape) {
	t.give(0, func() *ir.Value { return t.d(0) })
	t.give(1, func() *ir.Value {
		q := t.f(ir.Round, t.b.Div(t.b.Sub(t.x(0), t.op.Result()), t.x(1)))
		return t.b.Mul(t.f(ir.Neg, t.d(0)), q)
	})
}

// gradExtreme: to the operand that wins; equal operands get half each, or all of it where the other has no cotangent, as in PyTorch's clamp.
func gradExtreme(t *tape) {
	d, a, b := t.d(0), t.x(0), t.x(1)
	if !t.wants(0) || !t.wants(1) {
		beaten := func(x, y *ir.Value) *ir.Value { // x by y
			if t.op.Kind == ir.Min {
				return t.less(y, x)
			}
			return t.less(x, y)
		}
		t.give(0, func() *ir.Value { return t.unless(beaten(a, b), d) })
		t.give(1, func() *ir.Value { return t.unless(beaten(b, a), d) })
		return
	}
	tie := func() *ir.Value { return t.where(t.equal(a, b), t.scaled(d, 0.5)) }
	first, second := t.less(b, a), t.less(a, b)
	if t.op.Kind == ir.Min {
		first, second = second, first
	}
	t.give(0, func() *ir.Value { return t.b.Op(ir.Where, nil, first, d, tie()) })
	t.give(1, func() *ir.Value { return t.b.Op(ir.Where, nil, second, d, tie()) })
}

func gradWhere(t *tape) {
	t.give(1, func() *ir.Value { return t.where(t.x(0), t.d(0)) })
	t.give(2, func() *ir.Value { return t.unless(t.x(0), t.d(0)) })
}
