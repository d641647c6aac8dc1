package mlx

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// lowerSoftmax: mx.softmax, which adds halves in f32 where it is told to be precise.
func lowerSoftmax(l *lowering, op *ir.Op) {
	x, axis := op.Args[0], op.Attrs.(*ir.AxisAttrs).Axis
	l.set(op, l.b.Call(Softmax, l.arg(op, 0), []int64{l.axis(axis, x.Rank())}, isHalf(x.DType())))
}

// lowerLogSoftmax: x - logsumexp(x), as mlx.nn.log_softmax.
func lowerLogSoftmax(l *lowering, op *ir.Op) {
	x := op.Args[0]
	axis := []int64{l.axis(op.Attrs.(*ir.AxisAttrs).Axis, x.Rank())}
	l.set(op, l.inFloat32(l.arg(op, 0), x.DType(), func(r Reg, _ ir.DType) Reg {
		return l.b.Call(Subtract, r, l.b.Call(LogSumExp, r, axis, true))
	}))
}

// lowerLayerNorm: mx.fast.layer_norm, where scale and bias have the shape of the normalised axes; mean and variance
// otherwise.
func lowerLayerNorm(l *lowering, op *ir.Op) {
	a := op.Attrs.(*ir.NormAttrs)
	if l.isFast(op) {
		l.set(op, l.flattened(op, LayerNorm, 3))
		return
	}
	l.composeNorm(op, func(x Reg, d ir.DType, axes []int64) Reg {
		centred := l.b.Call(Subtract, x, l.b.Call(Mean, x, axes, true))
		return l.b.Call(Multiply, centred, l.invNorm(centred, d, axes, a.Epsilon))
	})
}

// lowerRMSNorm: mx.fast.rms_norm, or its parts.
func lowerRMSNorm(l *lowering, op *ir.Op) {
	a := op.Attrs.(*ir.NormAttrs)
	if l.isFast(op) {
		l.set(op, l.flattened(op, RMSNorm, 2))
		return
	}
	l.composeNorm(op, func(x Reg, d ir.DType, axes []int64) Reg {
		return l.b.Call(Multiply, x, l.invNorm(x, d, axes, a.Epsilon))
	})
}

// invNorm is 1/√(mean(x²) + ε).
func (l *lowering) invNorm(x Reg, d ir.DType, axes []int64, epsilon float64) Reg {
	square := l.b.Call(Mean, l.b.Call(Square, x), axes, true)
	return l.b.Call(Rsqrt, l.b.Call(Add, square, l.b.Scalar(d, epsilon)))
}

// isFast reports whether the operands are as mx.fast wants them. It computes in f32, which is too little for f64.
func (l *lowering) isFast(op *ir.Op) bool {
	x := op.Args[0]
	want := x.Shape()[op.Attrs.(*ir.NormAttrs).Axis:]
	for _, p := range op.Args[1:] {
		if p != nil && !slices.EqualFunc(p.Shape(), want, op.Region.SameDim) {
			return false
		}
	}
	return x.DType() != ir.F64
}

// flattened calls one of mx.fast's norms, which work on the last axis: several are made one.
func (l *lowering) flattened(op *ir.Op, call CallID, operands int) Reg {
	x, a := op.Args[0], op.Attrs.(*ir.NormAttrs)
	norm := x.Shape()[a.Axis:]
	flat := []ir.Dim{norm.NumElements()}
	in := make([]Reg, operands)
	in[0] = l.reshape(l.reg(x), x.Shape(), slices.Concat(x.Shape()[:a.Axis], flat))
	for i := 1; i < operands; i++ {
		in[i] = Absent
		if p := op.Arg(i); p != nil {
			in[i] = l.reshape(l.reg(p), norm, flat)
		}
	}
	r := l.b.Call(call, in, a.Epsilon)
	if len(norm) == 1 {
		return r
	}
	return l.b.Call(Reshape, r, x.Shape())
}

// composeNorm applies normalise over the axes from Axis on, then scale and bias.
func (l *lowering) composeNorm(op *ir.Op, normalise func(x Reg, d ir.DType, axes []int64) Reg) {
	x := op.Args[0]
	var axes []int64
	for i := op.Attrs.(*ir.NormAttrs).Axis; i < int64(x.Rank()); i++ {
		axes = append(axes, i)
	}
	l.set(op, l.inFloat32(l.reg(x), x.DType(), func(r Reg, d ir.DType) Reg {
		r = normalise(r, d, axes)
		for i, call := range []CallID{Multiply, Add} {
			if p := op.Arg(i + 1); p != nil {
				r = l.b.Call(call, r, l.cast(l.reg(p), p.DType(), d))
			}
		}
		return r
	}))
}

// lowerBatchNorm: x · s + o with s = scale/√(variance + ε) and o = bias - mean · s, which the setup program makes where they
// are constant.
func lowerBatchNorm(l *lowering, op *ir.Op) {
	x, eps := op.Args[0], op.Attrs.(*ir.NormAttrs).Epsilon
	d := x.DType()
	wide := d
	if isHalf(d) {
		wide = ir.F32
	}
	param := func(i int) Reg { return l.cast(l.reg(op.Args[i]), op.Args[i].DType(), wide) }
	scale := l.b.Call(Multiply, param(1), l.b.Call(Rsqrt, l.b.Call(Add, param(4), l.b.Scalar(wide, eps))))
	offset := l.b.Call(Subtract, param(2), l.b.Call(Multiply, param(3), scale))
	if n := x.Rank() - 2; n > 0 && l.layout == channelsFirst {
		axes := make([]int, n)
		for i := range axes {
			axes[i] = i + 1
		}
		scale, offset = l.b.Call(ExpandDims, scale, axes), l.b.Call(ExpandDims, offset, axes)
	}
	r := l.cast(l.arg(op, 0), d, wide)
	r = l.b.Call(Add, l.b.Call(Multiply, r, scale), offset)
	l.set(op, l.cast(r, wide, d))
}
