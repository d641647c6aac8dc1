package ir

import (
	"fmt"
	"math"
)

// A format describes a binary floating-point dtype of at most 16 bits.
type format struct {
	exp, man, bias int
	inf            bool   // the top exponent holds infinities and NaNs, as in IEEE 754
	nan            uint16 // the NaN that Encode makes; 0 with noNaN
	noNaN          bool
	unsignedZero   bool // the fnuz kinds: no -0
}

var formats = [NumDTypes]format{
	F16:        {exp: 5, man: 10, bias: 15, inf: true, nan: 0x7e00},
	BF16:       {exp: 8, man: 7, bias: 127, inf: true, nan: 0x7fc0},
	F8E4M3FN:   {exp: 4, man: 3, bias: 7, nan: 0x7f},
	F8E4M3FNUZ: {exp: 4, man: 3, bias: 8, nan: 0x80, unsignedZero: true},
	F8E5M2:     {exp: 5, man: 2, bias: 15, inf: true, nan: 0x7e},
	F8E5M2FNUZ: {exp: 5, man: 2, bias: 16, nan: 0x80, unsignedZero: true},
	F6E2M3:     {exp: 2, man: 3, bias: 1, noNaN: true},
	F6E3M2:     {exp: 3, man: 2, bias: 3, noNaN: true},
	F4E2M1:     {exp: 2, man: 1, bias: 1, noNaN: true},
}

func (f format) sign() uint16 { return 1 << (f.exp + f.man) }

// largest is the bits of the greatest finite value.
func (f format) largest() uint16 {
	all := f.sign() - 1
	switch {
	case f.inf:
		return all - 1<<f.man
	case f.noNaN || f.unsignedZero:
		return all
	}
	return all - 1
}

// DecodeFloat is the value of the low bits of b as dtype d, a float of at most 16 bits: IEEE binary16, bfloat16, the
// OCP 8-bit, 6-bit and 4-bit formats, and ONNX's fnuz kinds.
func DecodeFloat(d DType, b uint16) float64 {
	if d == F8E8M0 {
		if b&0xff == 0xff {
			return math.NaN()
		}
		return math.Ldexp(1, int(b&0xff)-127)
	}
	f := formats[d]
	neg := b&f.sign() != 0
	mag := b & (f.sign() - 1)
	e, m := int(mag>>f.man), int(mag&(1<<f.man-1))
	var v float64
	switch {
	case f.unsignedZero && neg && mag == 0:
		return math.NaN()
	case f.inf && e == 1<<f.exp-1:
		if m != 0 {
			return math.NaN()
		}
		v = math.Inf(1)
	case !f.inf && !f.noNaN && !f.unsignedZero && mag == f.sign()-1:
		return math.NaN()
	case e == 0:
		v = math.Ldexp(float64(m), 1-f.bias-f.man)
	default:
		v = math.Ldexp(float64(m|1<<f.man), e-f.bias-f.man)
	}
	if neg {
		v = math.Copysign(v, -1)
	}
	return v
}

// EncodeFloat rounds v to dtype d, to nearest and ties to even. What is too large becomes an infinity (NaN where
// there is none) or, with saturate, the largest finite value, as ONNX Cast describes; the floats below 8 bits
// always saturate.
func EncodeFloat(d DType, v float64, saturate bool) uint16 {
	if d == F8E8M0 {
		return encodeE8M0(v)
	}
	f := formats[d]
	var sign uint16
	if math.Signbit(v) {
		sign = f.sign()
	}
	if math.IsNaN(v) {
		if f.noNaN { // as ml_dtypes and ONNX's test data have it: a zero
			return sign ^ f.sign()
		}
		if f.unsignedZero {
			return f.nan
		}
		return sign | f.nan
	}
	mag := f.round(math.Abs(v))
	if mag > int64(f.largest()) {
		switch {
		case saturate || f.noNaN:
			mag = int64(f.largest())
		case f.inf:
			mag = int64(f.sign() - 1<<f.man)
		case f.unsignedZero:
			return f.nan
		default:
			mag = int64(f.nan)
		}
	}
	if mag == 0 && f.unsignedZero {
		return 0
	}
	return sign | uint16(mag)
}

// round is the bits of |v| as if the exponent range had no top.
func (f format) round(v float64) int64 {
	if math.IsInf(v, 1) {
		return math.MaxInt64
	}
	if v == 0 {
		return 0
	}
	_, e := math.Frexp(v) // v = x × 2^e with x in [½, 1)
	e = max(e-1, 1-f.bias)
	m := int64(math.RoundToEven(math.Ldexp(v, f.man-e)))
	if m < 1<<f.man {
		return m // subnormal
	}
	return m + int64(e+f.bias-1)<<f.man
}

// encodeE8M0 rounds to the nearest power of two, ties up, and saturates; negative values and NaN are NaN.
func encodeE8M0(v float64) uint16 {
	if math.IsNaN(v) || v < 0 {
		return 0xff
	}
	if v == 0 {
		return 0
	}
	if math.IsInf(v, 1) {
		return 0xfe
	}
	x, e := math.Frexp(v)
	if x >= 0.75 {
		e++
	}
	return uint16(min(max(e-1+127, 0), 0xfe))
}

// FloatScalar is v as a rank-0 tensor of dtype d: truncated for an integer dtype, true for v ≠ 0, the real part of a
// complex number.
func FloatScalar(d DType, v float64) *Tensor {
	t := NewTensor(d)
	t.Shape = []int{}
	switch {
	case d == F64:
		View[float64](t)[0] = v
	case d == F32:
		View[float32](t)[0] = float32(v)
	case d == C64:
		View[complex64](t)[0] = complex(float32(v), 0)
	case d == C128:
		View[complex128](t)[0] = complex(v, 0)
	case d == Bool:
		if v != 0 {
			t.Data[0] = 1
		}
	case d.IsFloat() && d.Bits() == 16:
		View[uint16](t)[0] = EncodeFloat(d, v, false)
	case d.IsFloat():
		t.Data[0] = byte(EncodeFloat(d, v, true))
	case d.IsInt():
		u := uint64(int64(v))
		if d.Category() == Unsigned && v >= 1<<63 {
			u = uint64(v)
		}
		for i := range t.Data {
			t.Data[i] = byte(u >> (8 * i))
		}
	default:
		panic(fmt.Sprintf("FloatScalar of %s", d))
	}
	return t
}
