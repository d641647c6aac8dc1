package conformance

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// Tolerance bounds the difference of two elements: |got − want| ≤ Abs + Rel·|want|.
type Tolerance struct{ Rel, Abs float64 }

// Tolerances are bounds by dtype. Dtypes without an entry compare exactly: integers, bools and strings always do.
type Tolerances map[ir.DType]Tolerance

// Golden holds for recorded outputs: ONNX's official runner has rtol 1e-3, atol 1e-7. Half floats have the
// rounding of each step on top: 2⁻¹¹ for f16 and 2⁻⁸ for bf16, of which these bounds allow about ten.
var Golden = Tolerances{
	ir.F64: {1e-3, 1e-7}, ir.F32: {1e-3, 1e-7}, ir.F16: {1e-2, 1e-7}, ir.BF16: {4e-2, 1e-7},
	ir.C64: {1e-3, 1e-7}, ir.C128: {1e-3, 1e-7},
}

// Lanes holds between a lane and the interpreter, on inputs without recorded outputs. The interpreter rounds
// each result once, the other lane after every step of a sum, so that elements near zero differ by the rounding
// of the larger terms that cancel in them: Abs is that, in units of the outputs' scale (see Scaled).
var Lanes = Tolerances{
	ir.F64: {1e-3, 1e-5}, ir.F32: {1e-3, 1e-5}, ir.F16: {1e-2, 1e-3}, ir.BF16: {4e-2, 1e-2},
	ir.C64: {1e-3, 1e-5}, ir.C128: {1e-3, 1e-5},
}

// Halves holds for f32 outputs of programs that compute in a half, by that dtype, in units of the outputs' scale. Abs is
// 2.56 roundings of numbers of that scale, 2⁻¹¹ and 2⁻⁸: a residual stream is rounded once for each layer that adds to it.
var Halves = Tolerances{ir.F16: {1e-2, 1.25e-3}, ir.BF16: {4e-2, 1e-2}}

// With returns t with the bounds of all floating-point dtypes replaced, where rel or abs is not negative.
func (t Tolerances) With(rel, abs float64) Tolerances {
	out := Tolerances{}
	for d, b := range t {
		if rel >= 0 {
			b.Rel = rel
		}
		if abs >= 0 {
			b.Abs = abs
		}
		out[d] = b
	}
	return out
}

// Scaled is t for comparing with want, an output computed by the oracle: the absolute bound is multiplied by the
// root of the mean square of want where that is more than 1. An element of an output is, in the end, a sum of
// terms of that size (a matrix product, a residual addition), so that the rounding of single precision leaves an
// absolute error in proportion to it however near to zero the sum comes out.
func Scaled(t Tolerances, want ir.Datum) Tolerances {
	x, ok := want.(*ir.Tensor)
	if !ok || !x.DType.IsFloat() || x.Len() == 0 {
		return t
	}
	sum, n := 0.0, 0
	at := floats(x)
	for i := range x.Len() {
		if v := at(i); !math.IsInf(v, 0) && !math.IsNaN(v) {
			sum += v * v
			n++
		}
	}
	b := t[x.DType]
	b.Abs *= max(1, math.Sqrt(sum/float64(max(1, n))))
	return Tolerances{x.DType: b}
}
