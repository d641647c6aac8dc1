package mlx

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// smallFloat describes a float of 8 bits or fewer, which MLX does not have: its mantissa's bits and its exponent's bias.
type smallFloat struct{ mantissa, bias int }

var smallFloats = map[ir.DType]smallFloat{
	ir.F8E4M3FN: {3, 7}, ir.F8E4M3FNUZ: {3, 8}, ir.F8E5M2: {2, 15}, ir.F8E5M2FNUZ: {2, 16},
	ir.F6E2M3: {3, 1}, ir.F6E3M2: {2, 3}, ir.F4E2M1: {1, 1},
}

// limitCast: f32 holds what f8e8m0 is rounded from, but for wide integers. Where those are not exact in f32, they are too large for
// the other small floats however they are rounded.
func limitCast(op *ir.Op, _ Options) string {
	from, to := op.Args[0].DType(), op.Attrs.(*ir.CastAttrs).To
	if to == ir.F8E8M0 && from.IsInt() && from.Bits() > 16 {
		return "MLX does not round " + from.String() + " to " + to.String()
	}
	return ""
}

func lowerCast(l *lowering, op *ir.Op) {
	a, from := op.Attrs.(*ir.CastAttrs), op.Args[0].DType()
	r := l.arg(op, 0)
	_, small := smallFloats[a.To]
	switch {
	case from == a.To || !small && a.To != ir.F8E8M0:
		l.set(op, l.castValue(r, from, a.To))
		return
	case from == ir.F64:
		r = l.oddFloat32(r)
	default:
		r = l.castValue(r, from, ir.F32)
	}
	if small {
		l.set(op, l.encode(r, a.To, a.Saturate))
		return
	}
	l.set(op, l.encodeScale(r, a.Round))
}

// oddFloat32 rounds f64 to odd, so that the result can be rounded again as if it were exact: to zero, with the last bit set where
// that lost something.
func (l *lowering) oddFloat32(x Reg) Reg {
	y := l.b.Call(AsType, x, ir.F32)
	back := l.b.Call(AsType, y, ir.F64)
	over := l.b.Call(AsType, l.b.Call(Greater, l.b.Call(Abs, back), l.b.Call(Abs, x)), ir.U32)
	lost := l.b.Call(AsType, l.b.Call(NotEqual, back, x), ir.U32)
	bits := l.b.Call(Subtract, l.b.Call(View, y, ir.U32), over)
	return l.b.Call(View, l.b.Call(BitwiseOr, bits, lost), ir.F32)
}

// encodeScale rounds f32 to f8e8m0, which is an exponent: on the bits, whose upper ones are that of the magnitude. Below its least
// normal number f32 has no exponents, and f8e8m0 two values, of which the lower one stands for 0 too. Other numbers below 0 are NaN.
func (l *lowering) encodeScale(x Reg, round string) Reg {
	u := func(v uint32) Reg { return l.b.Int(ir.U32, int64(v)) }
	bits := l.b.Call(View, x, ir.U32)
	m := l.b.Call(BitwiseAnd, bits, u(1<<31-1))
	carry, second := uint32(1<<22), uint32(3<<21) // to nearest
	switch round {
	case "up":
		carry, second = 1<<23-1, 1<<22+1
	case "down":
		carry, second = 0, 1<<23
	}
	code := l.b.Call(Minimum, l.b.Call(RightShift, l.b.Call(Add, m, u(carry)), u(23)), u(0xfe))
	low := l.b.Call(AsType, l.b.Call(GreaterEqual, m, u(second)), ir.U32)
	code = l.b.Call(Where, l.b.Call(Less, m, u(1<<23)), low, code)
	none := l.b.Call(LogicalOr, l.b.Call(Greater, bits, u(1<<31)), l.b.Call(Greater, m, u(0xff<<23)))
	return l.b.Call(AsType, l.b.Call(Where, none, u(0xff), code), ir.U8)
}

// lowerBitCast: a view. Of less than a byte, the bits that are not the element's follow its sign.
func lowerBitCast(l *lowering, op *ir.Op) {
	r, to := l.arg(op, 0), op.Attrs.(*ir.BitCastAttrs).To
	s, _ := Storage(to)
	switch {
	case to == ir.Bool:
		r = l.b.Call(AsType, l.b.Call(View, r, ir.U8), to)
	case to.Bits() < 8:
		r = l.wrap(l.b.Call(View, r, s), to)
	default:
		r = l.b.Call(View, r, s)
	}
	l.set(op, r)
}

// castValue is ONNX's Cast by MLX's astype, a C cast: integers wrap, floats truncate.
func (l *lowering) castValue(r Reg, from, to ir.DType) Reg {
	if s, _ := Storage(from); s != from && from != to {
		r, from = l.decode(r, from)
	}
	switch {
	case from == to:
		return r
	case to == ir.U32 && from.IsFloat(): // through i64, as x86-64 does it, and so wherever a float is too large
		return l.b.Call(AsType, l.b.Call(AsType, r, ir.I64), to)
	case to.IsInt() && to.Bits() < 8:
		return l.wrap(l.cast(l.cast(r, from, ir.I32), ir.I32, to), to)
	}
	return l.b.Call(AsType, r, to)
}

// decode gives the values of a dtype that MLX stores as bits: small floats by a table of all of them.
func (l *lowering) decode(r Reg, d ir.DType) (Reg, ir.DType) {
	if d.IsInt() {
		s, _ := Storage(d)
		return r, s
	}
	values := make([]float32, 1<<d.Bits())
	for i := range values {
		values[i] = float32(ir.DecodeFloat(d, uint16(i)))
	}
	return l.b.Call(Take, l.b.Tensor(ir.TensorFrom(values)), r, 0), ir.F32
}

// wrap keeps the low bits of integers of less than a byte, and their sign.
func (l *lowering) wrap(r Reg, d ir.DType) Reg {
	s, _ := Storage(d)
	if d.Category() == ir.Unsigned {
		return l.b.Call(BitwiseAnd, r, l.b.Int(s, 1<<d.Bits()-1))
	}
	n := l.b.Int(s, int64(8-d.Bits()))
	return l.b.Call(RightShift, l.b.Call(LeftShift, r, n), n)
}

// encode rounds f32 to a small float, as ir.EncodeFloat does: to nearest, ties to even, on the bits of the magnitude.
// Where the result is subnormal its bits are a multiple of the least one.
func (l *lowering) encode(x Reg, d ir.DType, saturate bool) Reg {
	f := smallFloats[d]
	u := func(v uint32) Reg { return l.b.Int(ir.U32, int64(v)) }
	bits := l.b.Call(View, x, ir.U32)
	magnitude := l.b.Call(BitwiseAnd, bits, u(1<<31-1))

	shift := u(uint32(23 - f.mantissa))
	odd := l.b.Call(BitwiseAnd, l.b.Call(RightShift, magnitude, shift), u(1))
	carry := l.b.Call(Add, odd, u(1<<(22-f.mantissa)-1))
	normal := l.b.Call(RightShift, l.b.Call(Add, magnitude, carry), shift)
	normal = l.b.Call(Subtract, normal, u(uint32(127-f.bias)<<f.mantissa))
	least := math.Ldexp(1, 1-f.bias)
	scaled := l.b.Call(Multiply, l.b.Call(Abs, x), l.b.Scalar(ir.F32, math.Ldexp(1, f.bias-1+f.mantissa)))
	isSmall := l.b.Call(Less, l.b.Call(Abs, x), l.b.Scalar(ir.F32, least))
	code := l.b.Call(Where, isSmall, l.b.Call(AsType, l.b.Call(Round, scaled), ir.U32), normal)

	return l.special(x, bits, code, d, saturate)
}

// special finishes encode: what is too large, NaN, and the sign, which NaN and 0 lack in the fnuz kinds. Those below 8 bits have no
// NaN: they get a zero of the other sign, as ml_dtypes has it.
func (l *lowering) special(x, bits, code Reg, d ir.DType, saturate bool) Reg {
	constant := func(v float64, saturate bool) Reg { return l.b.Int(ir.U32, int64(ir.EncodeFloat(d, v, saturate))) }
	zero, signBit := l.b.Int(ir.U32, 0), l.b.Int(ir.U32, 1<<(d.Bits()-1))
	sign := l.b.Call(BitwiseAnd, l.b.Call(RightShift, bits, l.b.Int(ir.U32, int64(32-d.Bits()))), signBit)
	over := l.b.Call(Greater, code, constant(math.Inf(1), true))
	code = l.b.Call(Where, over, constant(math.Inf(1), saturate), code)

	isNaN, nan := l.b.Call(IsNaN, x), constant(math.NaN(), saturate)
	switch {
	case d.Bits() < 8:
		nan = zero
		sign = l.b.Call(Where, isNaN, l.b.Call(BitwiseXor, sign, signBit), sign)
	case ir.EncodeFloat(d, math.Copysign(0, -1), false) == 0: // the code of -0 is that of NaN
		bare := l.b.Call(LogicalOr, l.b.Call(Equal, code, zero), l.b.Call(Equal, code, signBit))
		sign = l.b.Call(Where, l.b.Call(LogicalOr, bare, isNaN), zero, sign)
	}
	code = l.b.Call(Where, isNaN, nan, code)
	return l.b.Call(AsType, l.b.Call(BitwiseOr, code, sign), ir.U8)
}
