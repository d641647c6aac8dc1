package interp

import (
	"math"
	"sync/atomic"

	"github.com/emilyc/emily/ir"
)

// mapper changes a chunk of elements in place.
type mapper[N number] func(x []N)

// evalStopGradient gives its operand: what it means is for passes/grad.
func evalStopGradient(_ *Env, _ *ir.Op, args []ir.Datum) ([]ir.Datum, error) { return args[:1], nil }

// each makes a mapper of a function that costs more than its call.
func each(f func(float64) float64) mapper[float64] {
	return func(x []float64) {
		for i, v := range x {
			x[i] = f(v)
		}
	}
}

// floatMaps are the float kinds without attributes.
var floatMaps = [ir.NumKinds]mapper[float64]{
	ir.Abs: each(math.Abs), ir.Neg: mapNeg[float64], ir.Sign: each(sign),
	ir.Ceil: each(math.Ceil), ir.Floor: each(math.Floor), ir.Round: each(math.RoundToEven),
	ir.Sqrt: each(math.Sqrt), ir.Rsqrt: each(rsqrt), ir.Reciprocal: each(reciprocal),
	ir.Exp: each(math.Exp), ir.Log: each(math.Log),
	ir.Sin: each(math.Sin), ir.Cos: each(math.Cos), ir.Tan: each(math.Tan),
	ir.Asin: each(math.Asin), ir.Acos: each(math.Acos), ir.Atan: each(math.Atan),
	ir.Sinh: each(math.Sinh), ir.Cosh: each(math.Cosh), ir.Tanh: each(math.Tanh),
	ir.Asinh: each(math.Asinh), ir.Acosh: each(math.Acosh), ir.Atanh: each(math.Atanh),
	ir.Erf: each(math.Erf), ir.Sigmoid: each(sigmoid), ir.Relu: mapRelu[float64], ir.Softplus: each(softplus),
	ir.Silu: each(silu), ir.HardSwish: each(hardSwish),
	ir.Mish: each(func(v float64) float64 { return v * math.Tanh(softplus(v)) }),
}

// intMaps are the kinds on integers; u64 differs from i64 in abs, sign and relu only, where it is no smaller than 0.
var intMaps = [ir.NumKinds]mapper[int64]{
	ir.Abs: mapAbs, ir.Neg: mapNeg[int64], ir.Sign: mapSign[int64], ir.Relu: mapRelu[int64],
	ir.BitNot: mapNot, ir.Not: func(x []int64) {
		for i, v := range x {
			x[i] = 1 - v
		}
	},
}

var uintMaps = [ir.NumKinds]mapper[uint64]{
	ir.Abs: func([]uint64) {}, ir.Relu: func([]uint64) {}, ir.Neg: mapNeg[uint64], ir.Sign: mapSign[uint64],
	ir.BitNot: func(x []uint64) {
		for i, v := range x {
			x[i] = ^v
		}
	},
}

func mapNeg[N number](x []N) {
	for i, v := range x {
		x[i] = -v
	}
}

func mapRelu[N number](x []N) {
	for i, v := range x {
		x[i] = max(v, 0)
	}
}

func mapAbs(x []int64) {
	for i, v := range x {
		if v < 0 {
			x[i] = -v
		}
	}
}

func mapNot(x []int64) {
	for i, v := range x {
		x[i] = ^v
	}
}

func mapSign[N int64 | uint64](x []N) {
	var zero, one N = 0, 1
	for i, v := range x {
		switch {
		case v > zero:
			x[i] = one
		case v < zero:
			x[i] = -one
		}
	}
}

func sign(v float64) float64 {
	switch {
	case v > 0:
		return 1
	case v < 0:
		return -1
	}
	return v // 0 and NaN
}

func rsqrt(v float64) float64      { return 1 / math.Sqrt(v) }
func reciprocal(v float64) float64 { return 1 / v }

func sigmoid(v float64) float64 {
	if v >= 0 {
		return 1 / (1 + math.Exp(-v))
	}
	e := math.Exp(v)
	return e / (1 + e)
}

func softplus(v float64) float64 { return max(v, 0) + math.Log1p(math.Exp(-math.Abs(v))) }

func hardSwish(v float64) float64 { return v * max(0, min(1, v/6+0.5)) }

func silu(v float64) float64 { return v * sigmoid(v) }

// gelus are the forms of gelu by their approximation.
var gelus = map[string]func(float64) float64{
	"": gelu, "tanh": geluTanh, "sigmoid": func(v float64) float64 { return v * sigmoid(1.702*v) },
}

// gelu is x × Φ(x); erfc keeps the lower tail exact.
func gelu(v float64) float64 { return 0.5 * v * math.Erfc(-v/math.Sqrt2) }

func geluTanh(v float64) float64 {
	return 0.5 * v * (1 + math.Tanh(math.Sqrt(2/math.Pi)*(v+0.044715*v*v*v)))
}

// mapped runs the mapper for x's dtype over x.
func mapped(e *Env, op *ir.Op, x *ir.Tensor, f mapper[float64], g mapper[int64], h mapper[uint64]) ([]ir.Datum, error) {
	out, err := e.newTensor(op, x.DType, cloneShape(x.Shape))
	if err != nil {
		return nil, err
	}
	switch {
	case x.DType.IsFloat() && f != nil:
		apply(out, x, f)
	case isU64(x.DType) && h != nil:
		apply(out, x, h)
	case !x.DType.IsFloat() && g != nil:
		apply(out, x, g)
	default:
		return nil, opError(op, ir.DTypeError, "unary_c1", "%s of %s", op.Kind, x.DType)
	}
	return []ir.Datum{out}, nil
}

func apply[N number](out, x *ir.Tensor, f mapper[N]) {
	parallel(x.Len(), chunk, func(lo, hi int) {
		buf := make([]N, min(chunk, hi-lo))
		for ; lo < hi; lo += chunk {
			b := buf[:min(chunk, hi-lo)]
			load(b, x, lo)
			f(b)
			store(out, lo, b)
		}
	})
}

// evalUnary: the kinds without attributes.
func evalUnary(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	return mapped(e, op, tensor(args, 0), floatMaps[op.Kind], intMaps[op.Kind], uintMaps[op.Kind])
}

func evalGelu(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	return mapped(e, op, tensor(args, 0), each(gelus[op.Attrs.(*ir.GeluAttrs).Approximate]), nil, nil)
}

// evalGLU: the activation is not rounded.
func evalGLU(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	a := op.Attrs.(*ir.GLUAttrs)
	f := gelus[a.Approximate]
	if a.Activation == "silu" {
		f = silu
	}
	return zipped(e, op, args, func(dst, gate, up []float64) {
		for i, v := range gate {
			dst[i] = f(v) * up[i]
		}
	})
}

// evalAlpha: leaky_relu, elu and hard_sigmoid.
func evalAlpha(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	a := op.Attrs.(*ir.AlphaAttrs)
	f := map[ir.Kind]func(float64) float64{
		ir.LeakyRelu: func(v float64) float64 {
			if v < 0 {
				return a.Alpha * v
			}
			return v
		},
		ir.Elu: func(v float64) float64 {
			if v < 0 {
				return a.Alpha * math.Expm1(v)
			}
			return v
		},
		ir.HardSigmoid: func(v float64) float64 { return max(0, min(1, a.Alpha*v+a.Beta)) },
	}[op.Kind]
	return mapped(e, op, tensor(args, 0), each(f), nil, nil)
}

// evalIsNaN and evalIsInf give bools.
func evalIsNaN(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	return tested(e, op, tensor(args, 0), func(v float64) bool { return v != v })
}

func evalIsInf(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	a := op.Attrs.(*ir.IsInfAttrs)
	return tested(e, op, tensor(args, 0), func(v float64) bool {
		return a.Positive && math.IsInf(v, 1) || a.Negative && math.IsInf(v, -1)
	})
}

func tested(e *Env, op *ir.Op, x *ir.Tensor, f func(float64) bool) ([]ir.Datum, error) {
	out, err := e.newTensor(op, ir.Bool, cloneShape(x.Shape))
	if err != nil {
		return nil, err
	}
	to := ir.View[bool](out)
	parallel(x.Len(), chunk, func(lo, hi int) {
		buf := make([]float64, min(chunk, hi-lo))
		for ; lo < hi; lo += chunk {
			b := buf[:min(chunk, hi-lo)]
			loadFloats(b, x, lo)
			for i, v := range b {
				to[lo+i] = f(v)
			}
		}
	})
	return []ir.Datum{out}, nil
}

// zipper combines two chunks into dst, which may be one of them.
type zipper[N number] func(dst, a, b []N)

var floatZips = [ir.NumKinds]zipper[float64]{
	ir.Add: zipAdd[float64], ir.Sub: zipSub[float64], ir.Mul: zipMul[float64], ir.Div: zipDiv[float64],
	ir.Min: zipMin[float64], ir.Max: zipMax[float64], ir.Pow: zipPow,
}

var intZips = [ir.NumKinds]zipper[int64]{
	ir.Add: zipAdd[int64], ir.Sub: zipSub[int64], ir.Mul: zipMul[int64], ir.Div: zipDiv[int64],
	ir.Min: zipMin[int64], ir.Max: zipMax[int64],
	ir.And: zipAnd[int64], ir.Or: zipOr[int64], ir.Xor: zipXor[int64],
	ir.BitAnd: zipAnd[int64], ir.BitOr: zipOr[int64], ir.BitXor: zipXor[int64],
}

var uintZips = [ir.NumKinds]zipper[uint64]{
	ir.Add: zipAdd[uint64], ir.Sub: zipSub[uint64], ir.Mul: zipMul[uint64], ir.Div: zipDiv[uint64],
	ir.Min: zipMin[uint64], ir.Max: zipMax[uint64],
	ir.BitAnd: zipAnd[uint64], ir.BitOr: zipOr[uint64], ir.BitXor: zipXor[uint64],
}

func zipAdd[N number](dst, a, b []N) {
	b = b[:len(a)]
	for i, v := range a {
		dst[i] = v + b[i]
	}
}

func zipSub[N number](dst, a, b []N) {
	b = b[:len(a)]
	for i, v := range a {
		dst[i] = v - b[i]
	}
}

func zipMul[N number](dst, a, b []N) {
	b = b[:len(a)]
	for i, v := range a {
		dst[i] = v * b[i]
	}
}

func zipDiv[N number](dst, a, b []N) {
	b = b[:len(a)]
	for i, v := range a {
		dst[i] = v / b[i]
	}
}

// zipMin and zipMax propagate NaN, as Go's min and max and NumPy's minimum and maximum do.
func zipMin[N number](dst, a, b []N) {
	b = b[:len(a)]
	for i, v := range a {
		dst[i] = min(v, b[i])
	}
}

func zipMax[N number](dst, a, b []N) {
	b = b[:len(a)]
	for i, v := range a {
		dst[i] = max(v, b[i])
	}
}

func zipAnd[N int64 | uint64](dst, a, b []N) {
	for i, v := range a {
		dst[i] = v & b[i]
	}
}

func zipOr[N int64 | uint64](dst, a, b []N) {
	for i, v := range a {
		dst[i] = v | b[i]
	}
}

func zipXor[N int64 | uint64](dst, a, b []N) {
	for i, v := range a {
		dst[i] = v ^ b[i]
	}
}

func zipPow(dst, a, b []float64) {
	for i, v := range a {
		dst[i] = math.Pow(v, b[i])
	}
}

// zipped runs a zipper over two operands broadcast to each other; the result has the first one's dtype.
func zipped[N number](e *Env, op *ir.Op, args []ir.Datum, f zipper[N]) ([]ir.Datum, error) {
	a, b := tensor(args, 0), tensor(args, 1)
	if f == nil {
		return nil, opError(op, ir.DTypeError, "binary_c3", "%s of %s", op.Kind, a.DType)
	}
	out, err := e.newBroadcast(op, a.DType, a, b)
	if err != nil {
		return nil, err
	}
	zipChunks(out.Shape, a, b, func(x, y []N, lo int) {
		f(x, x, y)
		store(out, lo, x)
	})
	return []ir.Datum{out}, nil
}

// zipChunks calls f with matching chunks of a and b broadcast to shape, from all cores.
func zipChunks[N number](shape []int, a, b *ir.Tensor, f func(x, y []N, lo int)) {
	ra, rb := newReader(a, shape), newReader(b, shape)
	n, _ := ir.NumElements(shape)
	parallel(n, chunk, func(lo, hi int) {
		buf := make([]N, 2*min(chunk, hi-lo))
		for ; lo < hi; lo += chunk {
			k := min(chunk, hi-lo)
			x, y := buf[:k], buf[len(buf)/2:][:k]
			read(ra, x, lo)
			read(rb, y, lo)
			f(x, y, lo)
		}
	})
}

// evalBinary: arithmetic, logic and bits on equal dtypes.
func evalBinary(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	d := tensor(args, 0).DType
	switch {
	case d.IsFloat():
		return zipped(e, op, args, floatZips[op.Kind])
	case isU64(d):
		return zipped(e, op, args, uintZips[op.Kind])
	}
	return zipped(e, op, args, intZips[op.Kind])
}

// evalDiv: integers truncate, as ONNX Div does; their division by 0 is an error.
func evalDiv(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	if err := checkDivisor(op, args); err != nil {
		return nil, err
	}
	return evalBinary(e, op, args)
}

func checkDivisor(op *ir.Op, args []ir.Datum) error {
	a, b := tensor(args, 0), tensor(args, 1)
	if b.DType.IsFloat() || a.Len() == 0 {
		return nil
	}
	for i, v := range ints(b) {
		if v == 0 {
			return opError(op, ir.ValueError, "binary_c6", "%s: integer division by 0 at element %d of %s%v", op.Kind, i, b.DType, b.Shape)
		}
	}
	return nil
}

// evalMod: the result has the sign of the divisor, or with fmod that of the dividend. ONNX Mod.
func evalMod(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	if err := checkDivisor(op, args); err != nil {
		return nil, err
	}
	fmod := op.Attrs.(*ir.ModAttrs).Fmod
	switch d := tensor(args, 0).DType; {
	case d.IsFloat():
		return zipped(e, op, args, func(dst, a, b []float64) {
			for i, v := range a {
				dst[i] = floatMod(v, b[i], fmod)
			}
		})
	case isU64(d):
		return zipped(e, op, args, func(dst, a, b []uint64) {
			for i, v := range a {
				dst[i] = v % b[i]
			}
		})
	}
	return zipped(e, op, args, func(dst, a, b []int64) {
		for i, v := range a {
			m := v % b[i]
			if !fmod && m != 0 && (m < 0) != (b[i] < 0) {
				m += b[i]
			}
			dst[i] = m
		}
	})
}

func floatMod(a, b float64, fmod bool) float64 {
	m := math.Mod(a, b)
	switch {
	case fmod:
	case m == 0:
		m = math.Copysign(0, b)
	case (m < 0) != (b < 0):
		m += b
	}
	return m
}

// evalPow: the exponent may have another dtype than the base. Integers to integer powers are exact and wrap; to
// negative powers they truncate; to float powers they go through float64. ONNX Pow.
func evalPow(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	a, b := tensor(args, 0), tensor(args, 1)
	if a.DType.IsInt() && b.DType.IsInt() {
		return evalIntPow(e, op, a, b)
	}
	if a.DType == b.DType && a.DType.IsFloat() {
		return zipped(e, op, args, zipPow)
	}
	af, err := convert(e, op, a, ir.F64, castMode{})
	if err != nil {
		return nil, err
	}
	bf, err := convert(e, op, b, ir.F64, castMode{})
	if err != nil {
		return nil, err
	}
	r, err := zipped(e, op, []ir.Datum{af, bf}, zipPow)
	if err != nil {
		return nil, err
	}
	return one(convert(e, op, r[0].(*ir.Tensor), a.DType, castMode{}))
}

func evalIntPow(e *Env, op *ir.Op, a, b *ir.Tensor) ([]ir.Datum, error) {
	out, err := e.newBroadcast(op, a.DType, a, b)
	if err != nil {
		return nil, err
	}
	signed := b.DType.Category() == ir.Signed
	var bad atomic.Bool
	ra, rb := asInts(a), asInts(b)
	zipChunks(out.Shape, ra, rb, func(x, y []int64, lo int) {
		for i, v := range x {
			if v == 0 && signed && y[i] < 0 {
				bad.Store(true)
				return
			}
			x[i] = intPow(v, y[i], signed)
		}
		storeInts(out, lo, x)
	})
	if bad.Load() {
		return nil, opError(op, ir.ValueError, "pow_c2", "0 to a negative integer power")
	}
	return []ir.Datum{out}, nil
}

// asInts is t with u64 seen as the i64 of the same bits.
func asInts(t *ir.Tensor) *ir.Tensor {
	if !isU64(t.DType) {
		return t
	}
	return &ir.Tensor{DType: ir.I64, Shape: t.Shape, Data: t.Data}
}

func intPow(base, exp int64, signed bool) int64 {
	if signed && exp < 0 {
		switch {
		case base == 1, base == -1 && exp%2 == 0:
			return 1
		case base == -1:
			return -1
		}
		return 0
	}
	r := int64(1)
	for n := uint64(exp); n > 0; n >>= 1 {
		if n&1 == 1 {
			r *= base
		}
		base *= base
	}
	return r
}

// evalShift: logical shifts in the width of the dtype; by that width or more gives 0. ONNX BitShift.
func evalShift(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	a, b := tensor(args, 0), tensor(args, 1)
	bits := a.DType.Bits()
	mask := ^uint64(0) >> (64 - bits)
	left := op.Kind == ir.ShiftLeft
	out := []ir.Datum{asInts(a), asInts(b)}
	r, err := zipped(e, op, out, func(dst, x, y []int64) {
		for i, v := range x {
			u, n := uint64(v)&mask, uint64(y[i])&mask
			switch {
			case n >= uint64(bits):
				u = 0
			case left:
				u <<= n
			default:
				u >>= n
			}
			dst[i] = int64(u)
		}
	})
	if err == nil {
		r[0].(*ir.Tensor).DType = a.DType
	}
	return r, err
}

// evalCompare: equal, less and less_equal. Nothing equals NaN.
func evalCompare(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	a, b := tensor(args, 0), tensor(args, 1)
	out, err := e.newBroadcast(op, ir.Bool, a, b)
	if err != nil {
		return nil, err
	}
	switch d := a.DType; {
	case d == ir.String || d.Category() == ir.Complex:
		if op.Kind != ir.Equal {
			return nil, opError(op, ir.DTypeError, "binary_c3", "%s of %s", op.Kind, d)
		}
		return e.equalOther(op, out, a, b)
	case d.IsFloat():
		compare[float64](op.Kind, out, a, b)
	case isU64(d):
		compare[uint64](op.Kind, out, a, b)
	default:
		compare[int64](op.Kind, out, a, b)
	}
	return []ir.Datum{out}, nil
}

func compare[N number](k ir.Kind, out, a, b *ir.Tensor) {
	to := ir.View[bool](out)
	zipChunks(out.Shape, a, b, func(x, y []N, lo int) {
		to := to[lo:][:len(x)]
		switch k {
		case ir.Equal:
			for i, v := range x {
				to[i] = v == y[i]
			}
		case ir.Less:
			for i, v := range x {
				to[i] = v < y[i]
			}
		default:
			for i, v := range x {
				to[i] = v <= y[i]
			}
		}
	})
}

// equalOther compares strings and complex numbers.
func (e *Env) equalOther(op *ir.Op, out, a, b *ir.Tensor) ([]ir.Datum, error) {
	a, err := e.expand(op, a, out.Shape)
	if err != nil {
		return nil, err
	}
	if b, err = e.expand(op, b, out.Shape); err != nil {
		return nil, err
	}
	to := ir.View[bool](out)
	switch a.DType {
	case ir.String:
		equalSlices(to, a.Strings, b.Strings)
	case ir.C64:
		equalSlices(to, ir.View[complex64](a), ir.View[complex64](b))
	default:
		equalSlices(to, ir.View[complex128](a), ir.View[complex128](b))
	}
	return []ir.Datum{out}, nil
}

func equalSlices[E comparable](dst []bool, a, b []E) {
	for i := range dst {
		dst[i] = a[i] == b[i]
	}
}

// evalWhere takes elements of the second operand where the first is true, of the third elsewhere.
func evalWhere(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	cond, a, b := tensor(args, 0), tensor(args, 1), tensor(args, 2)
	shape, err := broadcastShapes(op, "where_c3", cond.Shape, a.Shape, b.Shape)
	if err != nil {
		return nil, err
	}
	if cond, err = e.expand(op, cond, shape); err != nil {
		return nil, err
	}
	if a, err = e.expand(op, a, shape); err != nil {
		return nil, err
	}
	out, err := e.newTensor(op, a.DType, shape)
	if err != nil {
		return nil, err
	}
	expandInto(out, b)
	selectWhere(out, a, cond.Data)
	return []ir.Datum{out}, nil
}
