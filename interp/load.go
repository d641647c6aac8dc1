package interp

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// number is the Go type that arithmetic on a dtype is done in: float64 for floats, int64 for integers and
// bools, uint64 for u64, where only division, order and conversion differ from int64.
type number interface{ float64 | int64 | uint64 }

// chunk is how many elements go through a stage of an elementwise kernel at a time: few enough for the L1 cache.
const chunk = 1024

// load widens elements of t from position at on into dst, whose type must be the one for t's dtype.
func load[N number](dst []N, t *ir.Tensor, at int) {
	switch dst := any(dst).(type) {
	case []float64:
		loadFloats(dst, t, at)
	case []int64:
		loadInts(dst, t, at)
	case []uint64:
		copy(dst, ir.View[uint64](t)[at:])
	}
}

// store narrows src into elements of t from position at on, rounding once; integers wrap.
func store[N number](t *ir.Tensor, at int, src []N) {
	switch src := any(src).(type) {
	case []float64:
		storeFloats(t, at, src)
	case []int64:
		storeInts(t, at, src)
	case []uint64:
		copy(ir.View[uint64](t)[at:], src)
	}
}

func loadFloats(dst []float64, t *ir.Tensor, at int) {
	switch t.DType {
	case ir.F64:
		copy(dst, ir.View[float64](t)[at:])
	case ir.F32:
		widenFloats(dst, ir.View[float32](t)[at:at+len(dst)])
	case ir.F16:
		for i, b := range ir.View[uint16](t)[at : at+len(dst)] {
			dst[i] = float64(halfToFloat(b))
		}
	case ir.BF16:
		for i, b := range ir.View[uint16](t)[at : at+len(dst)] {
			dst[i] = float64(math.Float32frombits(uint32(b) << 16))
		}
	default:
		table := &smallFloats[t.DType]
		for i, b := range t.Data[at : at+len(dst)] {
			dst[i] = table[b]
		}
	}
}

func storeFloats(t *ir.Tensor, at int, src []float64) {
	switch t.DType {
	case ir.F64:
		copy(ir.View[float64](t)[at:], src)
	case ir.F32:
		narrowFloats(ir.View[float32](t)[at:at+len(src)], src)
	case ir.F16, ir.BF16:
		dst := ir.View[uint16](t)[at : at+len(src)]
		for i, v := range src {
			dst[i] = narrow16(t.DType, v)
		}
	default:
		dst := t.Data[at : at+len(src)]
		for i, v := range src {
			dst[i] = byte(ir.EncodeFloat(t.DType, v, false))
		}
	}
}

// smallFloats are the values of the floats of at most 8 bits.
var smallFloats = func() (tables [ir.NumDTypes][256]float64) {
	for _, d := range []ir.DType{ir.F8E4M3FN, ir.F8E4M3FNUZ, ir.F8E5M2, ir.F8E5M2FNUZ, ir.F8E8M0, ir.F6E2M3, ir.F6E3M2, ir.F4E2M1} {
		for b := range tables[d] {
			tables[d][b] = ir.DecodeFloat(d, uint16(b)&(1<<d.Bits()-1))
		}
	}
	return tables
}()

// halfToFloat is the value of a binary16: its exponent and mantissa moved to binary32's place are the value times
// 2⁻¹¹², subnormals included.
func halfToFloat(h uint16) float32 {
	sign, mag := uint32(h&0x8000)<<16, uint32(h&0x7fff)<<13
	if mag >= 0x7c00<<13 {
		return math.Float32frombits(sign | 0x7f800000 | mag)
	}
	return math.Float32frombits(sign | math.Float32bits(math.Float32frombits(mag)*0x1p112))
}

// narrow16 is ir.EncodeFloat for f16 and bf16, quick for normal results: rounding is an addition on the bits.
func narrow16(d ir.DType, v float64) uint16 {
	man, bias := uint(10), uint64(15)
	if d == ir.BF16 {
		man, bias = 7, 127
	}
	bits := math.Float64bits(v)
	mag, shift := bits&^(1<<63), 52-man
	if mag < (1023-bias+1)<<52 || mag >= (1023+bias)<<52 { // 0, subnormal, near overflow, infinite or NaN
		if mag == 0 {
			return uint16(bits >> 48)
		}
		return ir.EncodeFloat(d, v, false)
	}
	mag -= (1023 - bias) << 52
	mag += 1<<(shift-1) - 1 + mag>>shift&1
	return uint16(bits>>63<<15 | mag>>shift)
}

func loadInts(dst []int64, t *ir.Tensor, at int) {
	switch t.DType {
	case ir.I64, ir.U64:
		copy(dst, ir.View[int64](t)[at:])
	case ir.I32:
		widenInts(dst, ir.View[int32](t)[at:])
	case ir.U32:
		widenInts(dst, ir.View[uint32](t)[at:])
	case ir.I16:
		widenInts(dst, ir.View[int16](t)[at:])
	case ir.U16:
		widenInts(dst, ir.View[uint16](t)[at:])
	case ir.I8, ir.I4, ir.I2:
		widenInts(dst, ir.View[int8](t)[at:])
	case ir.Bool:
		for i, b := range t.Data[at : at+len(dst)] {
			dst[i] = 0
			if b != 0 {
				dst[i] = 1
			}
		}
	default:
		widenInts(dst, t.Data[at:])
	}
}

func widenInts[E int32 | uint32 | int16 | uint16 | int8 | uint8](dst []int64, src []E) {
	for i, v := range src[:len(dst)] {
		dst[i] = int64(v)
	}
}

func storeInts(t *ir.Tensor, at int, src []int64) {
	switch t.DType {
	case ir.I64, ir.U64:
		copy(ir.View[int64](t)[at:], src)
	case ir.I32, ir.U32:
		wrapInts(ir.View[int32](t)[at:], src)
	case ir.I16, ir.U16:
		wrapInts(ir.View[int16](t)[at:], src)
	case ir.I8, ir.U8, ir.Bool:
		wrapInts(ir.View[int8](t)[at:], src)
	default:
		wrapSmall(t, at, src)
	}
}

func wrapInts[E int32 | int16 | int8](dst []E, src []int64) {
	for i, v := range src {
		dst[i] = E(v)
	}
}

// wrapSmall wraps to the width of a sub-byte integer, and extends its sign into the byte that holds it.
func wrapSmall(t *ir.Tensor, at int, src []int64) {
	dst, unused := t.Data[at:at+len(src)], uint(8-t.DType.Bits())
	for i, v := range src {
		if b := byte(v) << unused; t.DType.Category() == ir.Signed {
			dst[i] = byte(int8(b) >> unused)
		} else {
			dst[i] = b >> unused
		}
	}
}

// floats are all elements of t as float64.
func floats(t *ir.Tensor) []float64 {
	out := make([]float64, t.Len())
	loadFloats(out, t, 0)
	return out
}

// ints are all elements of an integer or bool tensor as int64.
func ints(t *ir.Tensor) []int64 {
	out := make([]int64, t.Len())
	loadInts(out, t, 0)
	return out
}

// isU64 reports whether arithmetic on d needs uint64.
func isU64(d ir.DType) bool { return d == ir.U64 }
