package interp

import (
	"math"
	"strconv"
	"strings"

	"github.com/emilyc/emily/ir"
)

// castMode is how a conversion to 8-bit floats treats what is too large, and f8e8m0 what lies between powers of two.
type castMode struct {
	saturate bool
	round    string
}

// evalCast: ONNX Cast. Floats truncate to integers; what an integer cannot hold is as in C on x86-64, which is NumPy's
// answer: the least i32 or i64, whose low bits narrower integers get. Integers wrap. NaN is true.
func evalCast(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	a := op.Attrs.(*ir.CastAttrs)
	return one(convert(e, op, tensor(args, 0), a.To, castMode{a.Saturate, a.Round}))
}

// evalBitCast reads the bits as another dtype; of a bool's byte, whether it is 0. ONNX BitCast.
func evalBitCast(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, to := tensor(args, 0), op.Attrs.(*ir.BitCastAttrs).To
	out, err := e.newTensor(op, to, cloneShape(x.Shape))
	if err != nil {
		return nil, err
	}
	switch copy(out.Data, x.Data); {
	case to == ir.Bool:
		for i, b := range out.Data {
			out.Data[i] = min(b, 1)
		}
	case to.Bits() < 8: // the bits that are not the element's follow its sign
		for i, b := range out.Data {
			wrapSmall(out, i, []int64{int64(b)})
		}
	}
	return []ir.Datum{out}, nil
}

func convert(e *Env, op *ir.Op, x *ir.Tensor, to ir.DType, mode castMode) (*ir.Tensor, error) {
	if x.DType == to {
		return x, nil
	}
	out, err := e.newTensor(op, to, cloneShape(x.Shape))
	if err != nil {
		return nil, err
	}
	from := x.DType
	switch {
	case from == ir.String:
		return out, fromStrings(op, out, x, mode)
	case to == ir.String:
		toStrings(out, x)
	case from == ir.C64 && to == ir.C128:
		dst := ir.View[complex128](out)
		for i, v := range ir.View[complex64](x) {
			dst[i] = complex128(v)
		}
	case from == ir.C128 && to == ir.C64:
		dst := ir.View[complex64](out)
		for i, v := range ir.View[complex128](x) {
			dst[i] = complex64(v)
		}
	case from.Category() == ir.Complex || to.Category() == ir.Complex:
		return nil, opError(op, ir.DTypeError, "cast_c2", "cast from %s to %s", from, to)
	case from.IsFloat():
		convertChunks[float64](out, x, mode)
	case isU64(from):
		convertChunks[uint64](out, x, mode)
	default:
		convertChunks[int64](out, x, mode)
	}
	return out, nil
}

func convertChunks[N number](out, x *ir.Tensor, mode castMode) {
	parallel(x.Len(), chunk, func(lo, hi int) {
		buf := make([]N, min(chunk, hi-lo))
		for ; lo < hi; lo += chunk {
			b := buf[:min(chunk, hi-lo)]
			load(b, x, lo)
			switch b := any(b).(type) {
			case []float64:
				storeCast(out, lo, b, mode)
			case []int64:
				storeIntCast(out, lo, b, func(v int64) (uint64, bool) { return absolute(v), v < 0 }, mode)
			case []uint64:
				storeIntCast(out, lo, b, func(v uint64) (uint64, bool) { return v, false }, mode)
			}
		}
	})
}

func absolute(v int64) uint64 {
	if v < 0 {
		return -uint64(v)
	}
	return uint64(v)
}

// storeCast converts floats to t's dtype.
func storeCast(t *ir.Tensor, at int, src []float64, mode castMode) {
	switch d := t.DType; {
	case d == ir.F8E8M0:
		for i, v := range src {
			t.Data[at+i] = encodeScale(v, mode)
		}
	case d.IsFloat() && d.Bits() <= 8:
		for i, v := range src {
			t.Data[at+i] = byte(ir.EncodeFloat(d, v, mode.saturate))
		}
	case d.IsFloat():
		storeFloats(t, at, src)
	case d == ir.Bool:
		for i, v := range src {
			t.Data[at+i] = 0
			if v != 0 {
				t.Data[at+i] = 1
			}
		}
	default:
		ints := make([]int64, len(src))
		for i, v := range src {
			ints[i] = truncate(d, v)
		}
		storeInts(t, at, ints)
	}
}

// truncate is v as an integer whose low bits are those of dtype d.
func truncate(d ir.DType, v float64) int64 {
	switch {
	case d == ir.U64 && v >= 1<<63:
		if v >= 1<<64 {
			return 0
		}
		return int64(uint64(v))
	case d == ir.I64 || d == ir.U64 || d == ir.U32:
		if v >= -(1<<63) && v < 1<<63 {
			return int64(v)
		}
		return math.MinInt64
	case v > -(1<<31)-1 && v < 1<<31:
		return int64(v)
	}
	return math.MinInt32
}

// storeIntCast converts integers, given as size and sign.
func storeIntCast[N int64 | uint64](t *ir.Tensor, at int, src []N, parts func(N) (uint64, bool), mode castMode) {
	switch d := t.DType; {
	case d == ir.Bool:
		for i, v := range src {
			t.Data[at+i] = 0
			if v != 0 {
				t.Data[at+i] = 1
			}
		}
	case d.IsFloat():
		buf := make([]float64, len(src))
		for i, v := range src {
			n, neg := parts(v)
			if buf[i] = oddFloat(n, d == ir.F64); neg {
				buf[i] = -buf[i]
			}
		}
		storeCast(t, at, buf, mode)
	default:
		ints := make([]int64, len(src))
		for i, v := range src {
			ints[i] = int64(v)
		}
		storeInts(t, at, ints)
	}
}

// oddFloat is n as a float64. What does not fit is rounded to odd, unless it is final, so that rounding it again to a narrower
// dtype rounds n once.
func oddFloat(n uint64, final bool) float64 {
	if n < 1<<53 || final {
		return float64(n)
	}
	if low := n & (1<<11 - 1); low != 0 {
		n = n&^(1<<11-1) | 1<<11
	}
	return float64(n)
}

// encodeScale is EncodeFloat for f8e8m0 with a rounding mode.
func encodeScale(v float64, mode castMode) byte {
	b := byte(ir.EncodeFloat(ir.F8E8M0, v, mode.saturate))
	if b == 0xff || v == 0 || math.IsInf(v, 0) {
		return b
	}
	switch at := ir.DecodeFloat(ir.F8E8M0, uint16(b)); {
	case mode.round == "up" && at < v && b < 0xfe:
		b++
	case mode.round == "down" && at > v && b > 0:
		b--
	}
	return b
}

// toStrings writes numbers as NumPy's str does.
func toStrings(out, x *ir.Tensor) {
	switch d := x.DType; {
	case d == ir.Bool:
		for i, v := range ints(x) {
			out.Strings[i] = map[int64]string{0: "False", 1: "True"}[v]
		}
	case isU64(d):
		for i, v := range ir.View[uint64](x) {
			out.Strings[i] = strconv.FormatUint(v, 10)
		}
	case d.IsInt():
		for i, v := range ints(x) {
			out.Strings[i] = strconv.FormatInt(v, 10)
		}
	default:
		for i, v := range floats(x) {
			out.Strings[i] = formatFloat(v, d)
		}
	}
}

// formatFloat is the shortest text that reads back as v in dtype d, in NumPy's form: 1.0, 1e-05, nan.
func formatFloat(v float64, d ir.DType) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 0):
		return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(v, 'g', -1, 64)), "+")
	}
	s := shortest(v, d)
	plain := map[ir.DType]float64{ir.F64: 1e16, ir.F32: 1e6}[d]
	if a := math.Abs(v); a != 0 && (a < 1e-4 || a >= max(plain, 1e3)) {
		return s
	}
	f, _ := strconv.ParseFloat(s, 64)
	s = strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

func shortest(v float64, d ir.DType) string {
	switch {
	case d == ir.F64:
		return strconv.FormatFloat(v, 'e', -1, 64)
	case d == ir.F32:
		return strconv.FormatFloat(v, 'e', -1, 32)
	}
	for digits := 0; digits < 8; digits++ {
		s := strconv.FormatFloat(v, 'e', digits, 64)
		f, _ := strconv.ParseFloat(s, 64)
		if ir.EncodeFloat(d, f, false) == ir.EncodeFloat(d, v, false) {
			return s
		}
	}
	return strconv.FormatFloat(v, 'e', -1, 32)
}

// fromStrings reads numbers.
func fromStrings(op *ir.Op, out, x *ir.Tensor, mode castMode) error {
	for i, s := range x.Strings {
		s = strings.TrimSpace(s)
		if out.DType.IsInt() {
			if n, err := strconv.ParseInt(s, 10, 64); err == nil {
				storeInts(out, i, []int64{n})
				continue
			}
			if n, err := strconv.ParseUint(s, 10, 64); err == nil && isU64(out.DType) {
				storeInts(out, i, []int64{int64(n)})
				continue
			}
		}
		v, err := strconv.ParseFloat(s, 64)
		if out.DType == ir.F32 { // round once, from the decimal
			var f float64
			if f, err = strconv.ParseFloat(s, 32); err == nil {
				v = f
			}
		}
		if ne, ok := err.(*strconv.NumError); ok && ne.Err == strconv.ErrRange {
			err = nil
		}
		if b, isBool := map[string]float64{"true": 1, "false": 0}[strings.ToLower(s)]; isBool && out.DType == ir.Bool {
			v, err = b, nil
		}
		if err != nil {
			return opError(op, ir.ValueError, "cast_c3", "cast of %q to %s", s, out.DType)
		}
		storeCast(out, i, []float64{v}, mode)
	}
	return nil
}
