package grad

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// gradSoftmax: y·(d - Σ d·y).
func gradSoftmax(t *tape) {
	axes := []int64{t.op.Attrs.(*ir.AxisAttrs).Axis}
	t.give(0, func() *ir.Value {
		y, d := t.wide(t.op.Result()), t.wide(t.d(0))
		return t.cast(t.b.Mul(y, t.b.Sub(d, t.sum(t.b.Mul(d, y), axes, true))), t.x(0).DType())
	})
}

// gradLogSoftmax: d - eʸ·Σ d.
func gradLogSoftmax(t *tape) {
	axes := []int64{t.op.Attrs.(*ir.AxisAttrs).Axis}
	t.give(0, func() *ir.Value {
		y, d := t.wide(t.op.Result()), t.wide(t.d(0))
		return t.cast(t.b.Sub(d, t.b.Mul(t.f(ir.Exp, y), t.sum(d, axes, true))), t.x(0).DType())
	})
}

// gradLayerNorm: with x̂ = (x - mean)·r, r = 1/√(variance + ε) and g = d·scale, it is r·(g - mean(g) - x̂·mean(g·x̂)) for x,
// Σ d·x̂ for the scale and Σ d for the bias. rms_norm has no means but that of g·x̂.
func gradLayerNorm(t *tape) {
	a, x, d := t.op.Attrs.(*ir.NormAttrs), t.wide(t.x(0)), t.wide(t.d(0))
	axes := ir.Axes(int(a.Axis), x.Rank())
	centred := x
	if t.op.Kind == ir.LayerNorm {
		centred = t.b.Sub(x, t.mean(x, axes))
	}
	r := t.f(ir.Rsqrt, t.shifted(t.mean(t.square(centred), axes), a.Epsilon))
	unit := t.b.Mul(centred, r)
	t.give(0, func() *ir.Value {
		g := d
		if s := t.x(1); s != nil {
			g = t.b.Mul(d, t.wide(s))
		}
		inner := t.b.Sub(g, t.b.Mul(unit, t.mean(t.b.Mul(g, unit), axes)))
		if t.op.Kind == ir.LayerNorm {
			inner = t.b.Sub(inner, t.mean(g, axes))
		}
		return t.cast(t.b.Mul(r, inner), t.x(0).DType())
	})
	narrow := func(i int, v *ir.Value) *ir.Value {
		return t.cast(t.unbroadcast(v, t.x(i)), t.x(i).DType())
	}
	t.give(1, func() *ir.Value { return narrow(1, t.b.Mul(d, unit)) })
	t.give(2, func() *ir.Value { return narrow(2, d) })
}

// gradBatchNorm: y = (x - mean)·r·scale + bias with r = 1/√(variance + ε), all but x for each channel.
func gradBatchNorm(t *tape) {
	x, d := t.wide(t.x(0)), t.wide(t.d(0))
	shape := slices.Repeat([]ir.Dim{ir.Size(1)}, max(x.Rank(), 1))
	axes := []int64{}
	for _, axis := range ir.Axes(0, x.Rank()) {
		if axis != 1 {
			axes = append(axes, axis)
		}
	}
	channel := func(i int) *ir.Value {
		v := t.cast(t.x(i), x.DType())
		if x.Rank() > 1 {
			shape[1] = x.Shape()[1]
		}
		return t.reshape(v, t.b.Dims(shape...))
	}
	scale, centred := channel(1), t.b.Sub(x, channel(3))
	r := t.f(ir.Rsqrt, t.shifted(channel(4), t.op.Attrs.(*ir.NormAttrs).Epsilon))
	total := func(i int, v *ir.Value) *ir.Value {
		return t.cast(t.reshape(t.sum(v, axes, true), t.shape(t.x(i))), t.x(i).DType())
	}
	t.give(0, func() *ir.Value { return t.cast(t.b.Mul(d, t.b.Mul(scale, r)), t.x(0).DType()) })
	t.give(1, func() *ir.Value { return total(1, t.b.Mul(d, t.b.Mul(centred, r))) })
	t.give(2, func() *ir.Value { return total(2, d) })
	t.give(3, func() *ir.Value { return total(3, t.b.Mul(t.f(ir.Neg, d), t.b.Mul(scale, r))) })
	t.give(4, func() *ir.Value {
		slope := t.scaled(t.b.Mul(scale, t.b.Mul(r, t.square(r))), -0.5)
		return total(4, t.b.Mul(d, t.b.Mul(centred, slope)))
	})
}
