package fuse

import (
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

var convRules = []rewrite.Rule{
	fusion("batch_norm", "conv-batch-norm", "batch_norm of a convolution with constant weights: its weights scaled, its bias moved", convBatchNorm, ir.BatchNorm),
	fusion("batch_norm", "linear-batch-norm", "batch_norm of rows times a weight matrix: its columns scaled, its bias moved", linearBatchNorm, ir.BatchNorm),
	fusion("conv", "conv-scale", "a convolution with constant weights times a constant for each channel: its weights scaled", convScale, ir.Mul),
	fusion("conv", "conv-bias", "a convolution plus a constant for each channel: its bias", convBias, ir.Add),
}

// affine is v·gain + offset for each channel, both in the dtype in which weights are scaled.
type affine struct {
	gain, offset *ir.Value // offset may be nil
}

// wide is the dtype in which weights of d are scaled.
func wide(d ir.DType) ir.DType {
	if d == ir.F64 {
		return d
	}
	return ir.F32
}

func (m *match) cast(v *ir.Value, d ir.DType) *ir.Value {
	if v.DType() == d {
		return v
	}
	return m.Op(ir.Cast, &ir.CastAttrs{To: d}, v)
}

// normalisation is what the batch_norm o does.
func (m *match) normalisation(o *ir.Op) affine {
	d := wide(o.Args[0].DType())
	p := make([]*ir.Value, len(o.Args))
	for i := 1; i < len(p); i++ {
		p[i] = m.cast(o.Args[i], d)
	}
	epsilon := m.Float(d, o.Attrs.(*ir.NormAttrs).Epsilon)
	gain := m.Mul(p[1], m.Op(ir.Rsqrt, nil, m.Add(p[4], epsilon)))
	return affine{gain, m.Sub(p[2], m.Mul(p[3], gain))}
}

// scaled is the weights w with the gain along an axis.
func (m *match) scaled(w *ir.Value, a affine, axis int) *ir.Value {
	gain := a.gain
	if after := w.Rank() - axis - 1; after > 0 {
		gain = m.Op(ir.Unsqueeze, &ir.AxesAttrs{Axes: ir.Axes(1, after+1)}, gain)
	}
	return m.cast(m.Mul(m.cast(w, a.gain.DType()), gain), w.DType())
}

// moved is the bias b, which may be absent, after a.
func (m *match) moved(b *ir.Value, a affine, d ir.DType) *ir.Value {
	switch {
	case b == nil && a.offset == nil:
		return nil
	case b == nil:
		return m.cast(a.offset, d)
	}
	b = m.Mul(m.cast(b, a.gain.DType()), a.gain)
	if a.offset != nil {
		b = m.Add(b, a.offset)
	}
	return m.cast(b, d)
}

// constantOp is the op of the kind that makes v, and whose operands but the first do not change from run to run.
func (m *match) constantOp(v *ir.Value, k ir.Kind) *ir.Op {
	o := rewrite.Def(v, k)
	if o == nil {
		m.no(v, "want %s", k)
		return nil
	}
	m.meet(o)
	switch {
	case !v.HasOneUse():
		m.no(v, "is used elsewhere too")
		return nil
	case !areWeights(o.Args[1:]):
		m.no(v, "has weights that a run computes")
		return nil
	}
	return o
}

func convBatchNorm(m *match, o *ir.Op) *ir.Value {
	m.meet(o)
	conv := m.constantOp(o.Args[0], ir.Conv)
	switch {
	case conv == nil:
	case !areWeights(o.Args[1:]):
		m.no(o.Result(), "has parameters that a run computes")
	case conv.Attrs.(*ir.ConvAttrs).NHWC:
		m.no(o.Args[0], "has channels last")
	default:
		return m.affineConv(conv, m.normalisation(o))
	}
	return nil
}

func (m *match) affineConv(conv *ir.Op, a affine) *ir.Value {
	w := conv.Args[1]
	return m.Op(ir.Conv, conv.Attrs, conv.Args[0], m.scaled(w, a, 0), m.moved(conv.Arg(2), a, w.DType()))
}

// linearBatchNorm looks through a reshape that makes the rows one axis.
func linearBatchNorm(m *match, o *ir.Op) *ir.Value {
	m.meet(o)
	rows := o.Args[0]
	if r := rewrite.Def(rows, ir.Reshape); r != nil && rows.HasOneUse() && keepsColumns(m, r) {
		rows = r.Args[0]
	}
	if o.Args[0].Rank() != 2 || !areWeights(o.Args[1:]) {
		return nil
	}
	l := m.constantOp(rows, ir.Linear)
	if l == nil {
		l = m.constantOp(rows, ir.MatMul)
	}
	if l == nil || l.Args[0].Rank() < 2 || l.Args[1].Rank() != 2 {
		return nil
	}
	b := l.Arg(2)
	if b != nil && (b.Rank() != 1 || !m.SameDim(b.Shape()[0], l.Args[1].Shape()[1])) {
		m.no(b, "is no bias of the columns")
		return nil
	}
	a := m.normalisation(o)
	v := m.Op(ir.Linear, nil, l.Args[0], m.scaled(l.Args[1], a, 1), m.moved(b, a, l.Args[1].DType()))
	if rows == o.Args[0] {
		return v
	}
	r := o.Args[0].Def
	return m.Op(ir.Reshape, r.Attrs, v, r.Args[1])
}

// keepsColumns reports whether a reshape keeps the last axis.
func keepsColumns(m *match, r *ir.Op) bool {
	x, y := r.Args[0].Shape(), r.Result().Shape()
	return len(x) > 0 && len(y) > 0 && m.SameDim(x[len(x)-1], y[len(y)-1])
}

// perChannel is v, a weight that broadcasts along the channels of x only, as a vector; nil where it is none.
func (m *match) perChannel(v, x *ir.Value) *ir.Value {
	at := v.Rank() - (x.Rank() - 1) // of the channels
	if at < 0 || !isWeight(v, maxWeightOps) || !m.SameDim(v.Shape()[at], x.Shape()[1]) {
		return nil
	}
	var axes []int64
	for i, d := range v.Shape() {
		if i != at {
			axes = append(axes, int64(i))
			if !d.Is(1) {
				return nil
			}
		}
	}
	if axes == nil {
		return v
	}
	return m.Op(ir.Squeeze, &ir.AxesAttrs{Axes: axes}, v)
}

func convScale(m *match, o *ir.Op) *ir.Value {
	return m.onConv(o, func(conv *ir.Op, v *ir.Value) *ir.Value {
		return m.affineConv(conv, affine{gain: m.cast(v, wide(v.DType()))})
	})
}

func convBias(m *match, o *ir.Op) *ir.Value {
	return m.onConv(o, func(conv *ir.Op, v *ir.Value) *ir.Value {
		if b := conv.Arg(2); b != nil {
			v = m.Add(b, v)
		}
		return m.Op(ir.Conv, conv.Attrs, conv.Args[0], conv.Args[1], v)
	})
}

// onConv makes one of a convolution and what a constant for each channel does to it.
func (m *match) onConv(o *ir.Op, f func(conv *ir.Op, v *ir.Value) *ir.Value) *ir.Value {
	for i, a := range o.Args {
		if rewrite.Def(a, ir.Conv) == nil {
			continue
		}
		conv := m.constantOp(a, ir.Conv)
		if conv == nil || conv.Attrs.(*ir.ConvAttrs).NHWC {
			continue
		}
		if v := m.perChannel(o.Args[1-i], a); v != nil {
			return f(conv, v)
		}
	}
	return nil
}
