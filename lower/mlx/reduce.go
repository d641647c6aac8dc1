package mlx

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// reduction is the rule of a reduce kind. It keeps channels last where the axes of the result stay in order.
func reduction(f func(l *lowering, op *ir.Op, x Reg, axes []int64) Reg) Rule {
	return Rule{Lower: func(l *lowering, op *ir.Op) { l.reduce(op, f) }}
}

func (l *lowering) reduce(op *ir.Op, f func(l *lowering, op *ir.Op, x Reg, axes []int64) Reg) {
	a, x := op.Attrs.(*ir.ReduceAttrs), op.Args[0]
	h := l.homes[x]
	if h != nil && h.regs[channelsFirst] == Absent && (a.KeepDims || spatial(a.Axes, x.Rank())) {
		l.layout = channelsLast
	}
	r := l.reg
	if l.layout == channelsLast {
		r = l.last
	}
	axes := make([]int64, len(a.Axes))
	for i, axis := range a.Axes {
		axes[i] = l.axis(axis, x.Rank())
	}
	slices.Sort(axes)
	y := r(x)
	if len(axes) > 0 {
		y = f(l, op, y, axes)
	}
	if !a.KeepDims { // [N, C] in either layout
		l.layout = channelsFirst
	}
	l.set(op, y)
}

// spatial reports whether axes are all but the first two, as in global pooling.
func spatial(axes []int64, rank int) bool {
	return len(axes) == rank-2 && axes[0] == 2
}

// accumulator is the dtype to add elements of dtype d in.
func accumulator(d ir.DType) ir.DType {
	if isHalf(d) {
		return ir.F32
	}
	return d
}

// lowerSum: mx.sum and mx.prod widen integers below 32 bits, ONNX does not.
func lowerSum(l *lowering, op *ir.Op, x Reg, axes []int64) Reg {
	call := Sum
	if op.Kind == ir.ReduceProd {
		call = Prod
	}
	d := op.Result().DType()
	acc := accumulator(d)
	r := l.b.Call(call, l.cast(x, d, acc), axes, op.Attrs.(*ir.ReduceAttrs).KeepDims)
	if d.IsInt() && d.Bits() < 32 {
		return l.b.Call(AsType, r, d)
	}
	return l.cast(r, acc, d)
}

// lowerMean: of integers it is the truncated quotient.
func lowerMean(l *lowering, op *ir.Op, x Reg, axes []int64) Reg {
	d, keep := op.Result().DType(), op.Attrs.(*ir.ReduceAttrs).KeepDims
	if d.IsFloat() {
		acc := accumulator(d)
		return l.cast(l.b.Call(Mean, l.cast(x, d, acc), axes, keep), acc, d)
	}
	sum := l.b.Call(Sum, l.cast(x, d, ir.I64), axes, keep)
	n := ir.Size(1)
	for _, axis := range op.Attrs.(*ir.ReduceAttrs).Axes {
		n = n.Mul(op.Args[0].Shape()[axis])
	}
	count := l.b.Call(DimScalar, n.Max(ir.Size(1)), ir.I64)
	return l.cast(l.truncDiv(sum, count, ir.I64), ir.I64, d)
}

// lowerMax: mx.max and mx.min.
func lowerMax(l *lowering, op *ir.Op, x Reg, axes []int64) Reg {
	call := Max
	if op.Kind == ir.ReduceMin {
		call = Min
	}
	return l.b.Call(call, x, axes, op.Attrs.(*ir.ReduceAttrs).KeepDims)
}

// extreme is the greatest or least value of d.
func (l *lowering) extreme(d ir.DType, greatest bool) Reg {
	switch {
	case d.IsFloat() && greatest:
		return l.b.Scalar(d, inf)
	case d.IsFloat():
		return l.b.Scalar(d, -inf)
	case d == ir.Bool:
		return l.b.Scalar(d, map[bool]float64{true: 1}[greatest])
	}
	low, high := int64(0), int64(-1) // all bits: the greatest unsigned integer
	if d.Category() == ir.Signed {
		low = -1 << (d.Bits() - 1)
		high = -(low + 1)
	}
	if greatest {
		return l.b.Int(d, high)
	}
	return l.b.Int(d, low)
}

// lowerArg: mx.argmax gives u32, takes the first of equal elements and passes over NaN; the last one is the first
// from the other end.
func lowerArg(l *lowering, op *ir.Op) {
	call := ArgMax
	if op.Kind == ir.ArgMin {
		call = ArgMin
	}
	a, v := op.Attrs.(*ir.ArgAttrs), op.Args[0]
	x := l.reg(v)
	if v.DType().IsFloat() {
		x = l.nansFirst(x, v.DType(), a.Axis, call)
	}
	if a.Last {
		x = l.reverse(x, v.Shape(), a.Axis)
	}
	r := l.b.Call(AsType, l.b.Call(call, x, a.Axis, a.KeepDims), ir.I64)
	if a.Last {
		end := l.b.Call(DimScalar, v.Shape()[a.Axis].Sub(ir.Size(1)), ir.I64)
		r = l.b.Call(Subtract, end, r)
	}
	l.set(op, r)
}

// nansFirst makes rows with NaN ones where only the NaN are extreme, as NumPy and the ir count them.
func (l *lowering) nansFirst(x Reg, d ir.DType, axis int64, call CallID) Reg {
	nan := l.b.Call(IsNaN, x)
	mark := l.b.Call(AsType, nan, d)
	if call == ArgMin {
		mark = l.b.Call(Negative, mark)
	}
	return l.b.Call(Where, l.b.Call(Any, nan, []int64{axis}, true), mark, x)
}

// reverse is x[…, ::-1, …].
func (l *lowering) reverse(x Reg, shape ir.Shape, axis int64) Reg {
	s := wholeSlice(shape)
	n := shape[axis]
	s.start[axis], s.stop[axis], s.step[axis] = n.Sub(ir.Size(1)), ir.Size(-1).Sub(n), -1
	return l.slice(x, s)
}

// lowerCum: mx.cumsum and mx.cumprod.
func lowerCum(l *lowering, op *ir.Op) {
	a, v := op.Attrs.(*ir.CumAttrs), op.Args[0]
	d, call := v.DType(), CumSum
	if op.Kind == ir.CumProd {
		call = CumProd
	}
	acc := accumulator(d)
	r := l.b.Call(call, l.cast(l.reg(v), d, acc), a.Axis, a.Reverse, !a.Exclusive)
	l.set(op, l.cast(r, acc, d))
}
