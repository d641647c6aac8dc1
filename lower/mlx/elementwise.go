package mlx

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// unary is the rule of a kind that is one MLX call.
func unary(c CallID) Rule {
	return anyLayout(func(l *lowering, op *ir.Op) { l.set(op, l.b.Call(c, l.arg(op, 0))) })
}

// binary is the rule of a kind that is one MLX call.
func binary(c CallID) Rule {
	return anyLayout(func(l *lowering, op *ir.Op) { l.set(op, l.b.Call(c, l.arg(op, 0), l.arg(op, 1))) })
}

// lowerConst: a view of the blob, or a literal.
func lowerConst(l *lowering, op *ir.Op) {
	a := op.Attrs.(*ir.ConstAttrs)
	shape, ok := a.Type.Shape.Static()
	if !ok {
		l.b.Errorf("constant of symbolic type %s", a.Type)
		return
	}
	if a.Blob != nil {
		l.set(op, l.b.Blob(a.Blob, a.Off, a.Type.DType, shape))
		return
	}
	t, err := a.Tensor()
	if err != nil {
		l.b.Errorf("%w", err)
		return
	}
	l.set(op, l.b.Tensor(t))
}

// lowerExp: mx.exp computes f64 in f32, which overflows early: exp(x) is exp(x/16) to the 16th.
func lowerExp(l *lowering, op *ir.Op) {
	x := l.arg(op, 0)
	if op.Result().DType() != ir.F64 {
		l.set(op, l.b.Call(Exp, x))
		return
	}
	r := l.b.Call(Exp, l.b.Call(Multiply, x, l.b.Scalar(ir.F64, 1.0/16)))
	for range 4 {
		r = l.b.Call(Square, r)
	}
	l.set(op, r)
}

// lowerSign: mx.sign gives 0 for NaN.
func lowerSign(l *lowering, op *ir.Op) {
	x := l.arg(op, 0)
	r := l.b.Call(Sign, x)
	if op.Result().DType().IsFloat() {
		r = l.b.Call(Where, l.b.Call(IsNaN, x), x, r)
	}
	l.set(op, r)
}

func lowerIsInf(l *lowering, op *ir.Op) {
	a, x := op.Attrs.(*ir.IsInfAttrs), l.arg(op, 0)
	switch {
	case a.Positive && a.Negative:
		l.set(op, l.b.Call(IsInf, x))
	case a.Positive:
		l.set(op, l.b.Call(IsPosInf, x))
	case a.Negative:
		l.set(op, l.b.Call(IsNegInf, x))
	default:
		l.set(op, l.b.Call(NotEqual, l.b.Call(AsType, x, ir.Bool), l.b.Call(AsType, x, ir.Bool)))
	}
}

// lowerRelu: mx.maximum keeps NaN, as Relu does.
func lowerRelu(l *lowering, op *ir.Op) {
	l.set(op, l.b.Call(Maximum, l.arg(op, 0), l.b.Scalar(op.Result().DType(), 0)))
}

// lowerSoftplus: log(exp(x) + exp(0)) by mx.logaddexp.
func lowerSoftplus(l *lowering, op *ir.Op) {
	l.set(op, l.inFloat32(l.arg(op, 0), op.Result().DType(), func(x Reg, d ir.DType) Reg {
		return l.b.Call(LogAddExp, x, l.b.Scalar(d, 0))
	}))
}

// lowerGate: gelu and silu.
func lowerGate(l *lowering, op *ir.Op) {
	m := l.gate(op)
	l.setMultiple(op, m.r, m.factor)
}

// lowerGLU: the factor of the gate is left to the user of the product.
func lowerGLU(l *lowering, op *ir.Op) {
	m := l.gate(op)
	l.setMultiple(op, l.b.Call(Multiply, m.r, l.arg(op, 1)), m.factor)
}

// gate is the activation of op's first operand: x · sigmoid(s·x) as mlx.nn.silu and gelu_fast_approx, or x · (1 + f) / 2 as mlx.nn.gelu
// and gelu_approx, computed from z = s·x. The tails of 1 + f cancel, so that halves are computed in f32.
func (l *lowering) gate(op *ir.Op) multiple {
	d, s := op.Result().DType(), gateScale(op)
	form := map[string]func(Reg, ir.DType) Reg{"": l.geluErf, "tanh": l.geluTanh}[approximation(op)]
	m, taken := l.multiples[op.Args[0]]
	switch taken = taken && m.factor == 1/s; {
	case form == nil && taken:
		return multiple{l.b.Call(Multiply, m.r, l.b.Call(Sigmoid, m.r)), 1 / s}
	case form == nil:
		x := l.arg(op, 0)
		return multiple{l.b.Call(Multiply, x, l.b.Call(Sigmoid, l.scaled(x, d, s))), 1}
	case taken:
		return multiple{form(m.r, d), 0.5 / s}
	case !isHalf(d):
		return multiple{form(l.scaled(l.arg(op, 0), d, s), d), 0.5 / s}
	}
	return multiple{l.inFloat32(l.arg(op, 0), d, func(x Reg, d ir.DType) Reg {
		return l.scaled(form(l.scaled(x, d, s), d), d, 0.5/s)
	}), 1}
}

func (l *lowering) scaled(r Reg, d ir.DType, factor float64) Reg {
	if factor == 1 {
		return r
	}
	return l.b.Call(Multiply, r, l.b.Scalar(d, factor))
}

// geluErf is z · (1 + erf(z)).
func (l *lowering) geluErf(z Reg, d ir.DType) Reg {
	return l.b.Call(Multiply, z, l.b.Call(Add, l.b.Call(Erf, z), l.b.Scalar(d, 1)))
}

// geluTanh is z · (1 + tanh(z + 0.044715 · (π/2) · z³)).
func (l *lowering) geluTanh(z Reg, d ir.DType) Reg {
	cube := l.b.Call(Multiply, l.b.Call(Square, z), z)
	inner := l.b.Call(Add, z, l.b.Call(Multiply, cube, l.b.Scalar(d, 0.044715*math.Pi/2)))
	return l.b.Call(Multiply, z, l.b.Call(Add, l.b.Call(Tanh, inner), l.b.Scalar(d, 1)))
}

// lowerLeakyRelu: max(x, αx) is the same for slopes up to 1, and one call less.
func lowerLeakyRelu(l *lowering, op *ir.Op) {
	x, d, alpha := l.arg(op, 0), op.Result().DType(), op.Attrs.(*ir.AlphaAttrs).Alpha
	scaled := l.b.Call(Multiply, x, l.b.Scalar(d, alpha))
	if 0 < alpha && alpha <= 1 {
		l.set(op, l.b.Call(Maximum, x, scaled))
		return
	}
	l.set(op, l.b.Call(Where, l.b.Call(Less, x, l.b.Scalar(d, 0)), scaled, x))
}

// lowerElu: as mlx.nn.elu, with expm1.
func lowerElu(l *lowering, op *ir.Op) {
	x, d, alpha := l.arg(op, 0), op.Result().DType(), op.Attrs.(*ir.AlphaAttrs).Alpha
	low := l.b.Call(Expm1, x)
	if alpha != 1 {
		low = l.b.Call(Multiply, low, l.b.Scalar(d, alpha))
	}
	l.set(op, l.b.Call(Where, l.b.Call(Less, x, l.b.Scalar(d, 0)), low, x))
}

func lowerHardSigmoid(l *lowering, op *ir.Op) {
	a := op.Attrs.(*ir.AlphaAttrs)
	l.set(op, l.ramp(l.arg(op, 0), op.Result().DType(), a.Alpha, a.Beta))
}

func lowerHardSwish(l *lowering, op *ir.Op) {
	x := l.arg(op, 0)
	l.set(op, l.b.Call(Multiply, x, l.ramp(x, op.Result().DType(), 1.0/6, 0.5)))
}

// lowerMish: as mlx.nn.mish.
func lowerMish(l *lowering, op *ir.Op) {
	l.set(op, l.inFloat32(l.arg(op, 0), op.Result().DType(), func(x Reg, d ir.DType) Reg {
		return l.b.Call(Multiply, x, l.b.Call(Tanh, l.b.Call(LogAddExp, x, l.b.Scalar(d, 0))))
	}))
}

// ramp is αx + β clipped to [0, 1]; mx.clip keeps NaN.
func (l *lowering) ramp(x Reg, d ir.DType, alpha, beta float64) Reg {
	y := l.b.Call(Add, l.b.Call(Multiply, x, l.b.Scalar(d, alpha)), l.b.Scalar(d, beta))
	return l.b.Call(Clip, y, l.b.Scalar(d, 0), l.b.Scalar(d, 1))
}

// lowerDiv: integers truncate.
func lowerDiv(l *lowering, op *ir.Op) {
	a, b, d := l.arg(op, 0), l.arg(op, 1), op.Result().DType()
	if d.IsFloat() {
		l.set(op, l.b.Call(Divide, a, b))
		return
	}
	l.set(op, l.truncDiv(a, l.safeDivisor(a, b, op.Args[1], d), d))
}

// safeDivisor is b with 1 in place of what traps on a CPU: 0, and -1 under the least integer, for which dividing by 1
// gives the wrapped quotient and the same remainder.
func (l *lowering) safeDivisor(a, b Reg, divisor *ir.Value, d ir.DType) Reg {
	if harmless(divisor) {
		return b
	}
	bad := l.b.Call(Equal, b, l.b.Int(d, 0))
	l.assert(l.b.Call(LogicalNot, bad), "integer division by 0")
	if d.Category() == ir.Signed {
		least := l.b.Call(Equal, a, l.b.Int(d, -1<<(d.Bits()-1)))
		bad = l.b.Call(LogicalOr, bad, l.b.Call(LogicalAnd, least, l.b.Call(Equal, b, l.b.Int(d, -1))))
	}
	return l.b.Call(Where, bad, l.b.Int(d, 1), b)
}

// harmless reports whether v is known to hold neither 0 nor -1.
func harmless(v *ir.Value) bool {
	dims, ok := v.KnownDims()
	for _, d := range dims {
		lo, hi := d.Bounds()
		ok = ok && (lo > 0 || hi < -1)
	}
	return ok
}

// truncDiv: mx.floor_divide truncated integers up to MLX 0.32.1 and rounds down since; a remainder whose sign is
// not the dividend's tells that it rounded down.
func (l *lowering) truncDiv(a, b Reg, d ir.DType) Reg {
	q := l.b.Call(FloorDivide, a, b)
	if d.Category() != ir.Signed {
		return q
	}
	zero := l.b.Int(d, 0)
	r := l.b.Call(Subtract, a, l.b.Call(Multiply, q, b))
	signs := l.b.Call(NotEqual, l.b.Call(Less, r, zero), l.b.Call(Less, a, zero))
	down := l.b.Call(LogicalAnd, l.b.Call(NotEqual, r, zero), signs)
	return l.b.Call(Add, q, l.b.Call(AsType, down, d))
}

// lowerMod: mx.remainder has the sign of the divisor; fmod, which MLX lacks, is made of magnitudes for floats and of the
// truncated quotient for integers.
func lowerMod(l *lowering, op *ir.Op) {
	a, b, d := l.arg(op, 0), l.arg(op, 1), op.Result().DType()
	fmod := op.Attrs.(*ir.ModAttrs).Fmod
	switch {
	case d.IsFloat() && fmod:
		r := l.b.Call(Remainder, l.b.Call(Abs, a), l.b.Call(Abs, b))
		l.set(op, l.b.Call(Where, l.b.Call(Less, a, l.b.Scalar(d, 0)), l.b.Call(Negative, r), r))
	case d.IsFloat():
		l.set(op, l.b.Call(Remainder, a, b))
	case fmod && d.Category() == ir.Signed:
		b = l.safeDivisor(a, b, op.Args[1], d)
		l.set(op, l.b.Call(Subtract, a, l.b.Call(Multiply, l.truncDiv(a, b, d), b)))
	default:
		l.set(op, l.b.Call(Remainder, a, l.safeDivisor(a, b, op.Args[1], d)))
	}
}

func limitPow(op *ir.Op, opts Options) string {
	if a, b := op.Args[0].DType(), op.Args[1].DType(); opts.Device == GPU && a.IsInt() && b.IsFloat() {
		return "an integer to a float power needs float64, which is there on the CPU only"
	}
	return ""
}

// lowerPow: MLX would promote the operands, ONNX gives the base's dtype.
func lowerPow(l *lowering, op *ir.Op) {
	a, b := op.Args[0], op.Args[1]
	x, d, e := l.arg(op, 0), a.DType(), b.DType()
	switch v, known := constFloat(b); {
	case d.IsFloat() && known && v == 2:
		l.set(op, l.b.Call(Square, x))
	case d.IsFloat():
		l.set(op, l.b.Call(Power, x, l.cast(l.arg(op, 1), e, d)))
	case e.IsFloat():
		p := l.b.Call(Power, l.cast(x, d, ir.F64), l.cast(l.arg(op, 1), e, ir.F64))
		l.set(op, l.castValue(p, ir.F64, d))
	default:
		l.set(op, l.intPow(x, l.arg(op, 1), d, b))
	}
}

// intPow: integer powers wrap, so that i64 serves every dtype; a negative power is 0 but of 1 and -1, and of 0 an error.
func (l *lowering) intPow(x, e Reg, d ir.DType, exponent *ir.Value) Reg {
	if below(exponent, 128) {
		return l.b.Call(Power, x, l.cast(e, exponent.DType(), d))
	}
	base, e := l.cast(x, d, ir.I64), l.cast(e, exponent.DType(), ir.I64)
	if exponent.DType().Category() != ir.Signed {
		return l.cast(l.b.Call(Power, base, e), ir.I64, d)
	}
	zero, one := l.b.Int(ir.I64, 0), l.b.Int(ir.I64, 1)
	negative := l.b.Call(Less, e, zero)
	l.assert(l.b.Call(LogicalNot, l.b.Call(LogicalAnd, negative, l.b.Call(Equal, base, zero))), "0 to a negative integer power")
	unit := l.b.Call(Equal, l.b.Call(Abs, base), one)
	parity := l.b.Call(Power, base, l.b.Call(BitwiseAnd, e, one))
	r := l.b.Call(Where, negative, l.b.Call(Where, unit, parity, zero), l.b.Call(Power, base, l.b.Call(Maximum, e, zero)))
	return l.cast(r, ir.I64, d)
}

// constFloat is the value of a constant of one element.
func constFloat(v *ir.Value) (float64, bool) {
	if v == nil || v.Def == nil || v.Def.Kind != ir.Const || !v.Shape().NumElements().Is(1) {
		return 0, false
	}
	if n, ok := v.KnownInts(); ok {
		return float64(n[0]), true
	}
	t, err := v.Def.Attrs.(*ir.ConstAttrs).Tensor()
	if err != nil || !t.DType.IsFloat() {
		return 0, false
	}
	return t.Floats()[0], true
}

var unsignedOf = map[ir.DType]ir.DType{ir.I8: ir.U8, ir.I16: ir.U16, ir.I32: ir.U32, ir.I64: ir.U64}

// lowerShift: shifts are logical, and by the width or more give 0, which C leaves open.
func lowerShift(l *lowering, op *ir.Op) {
	a, b, d := l.arg(op, 0), l.arg(op, 1), op.Result().DType()
	u, signed := unsignedOf[d]
	if !signed {
		u = d
	} else {
		a, b = l.b.Call(View, a, u), l.b.Call(View, b, u)
	}
	call := LeftShift
	if op.Kind == ir.ShiftRight {
		call = RightShift
	}
	r := l.b.Call(call, a, b)
	if !below(op.Args[1], int64(d.Bits())) {
		width := l.b.Int(u, int64(d.Bits()))
		r = l.b.Call(Where, l.b.Call(Less, b, width), r, l.b.Int(u, 0))
	}
	if signed {
		r = l.b.Call(View, r, d)
	}
	l.set(op, r)
}

// below reports whether the integers of v are known to lie in [0, n).
func below(v *ir.Value, n int64) bool {
	dims, ok := v.KnownDims()
	for _, d := range dims {
		lo, hi := d.Bounds()
		ok = ok && lo >= 0 && hi < n
	}
	return ok
}

func lowerWhere(l *lowering, op *ir.Op) {
	l.set(op, l.b.Call(Where, l.arg(op, 0), l.arg(op, 1), l.arg(op, 2)))
}

// assert makes the run fail where r is not true everywhere.
func (l *lowering) assert(r Reg, what string) { l.b.Call(Assert, r, what) }
