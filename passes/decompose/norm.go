package decompose

import "github.com/emilyc/emily/ir"

// softmax is e / sum(e) with e = exp(x - max(x)).
func softmax(p *parts, op *ir.Op) *ir.Value {
	axis := op.Attrs.(*ir.AxisAttrs).Axis
	e := p.Op(ir.Exp, nil, p.belowMax(p.arg(op, 0), axis))
	return p.Div(e, p.reduce(ir.ReduceSum, e, axis))
}

// logSoftmax is d - log(sum(exp(d))) with d = x - max(x).
func logSoftmax(p *parts, op *ir.Op) *ir.Value {
	axis := op.Attrs.(*ir.AxisAttrs).Axis
	d := p.belowMax(p.arg(op, 0), axis)
	return p.Sub(d, p.Op(ir.Log, nil, p.reduce(ir.ReduceSum, p.Op(ir.Exp, nil, d), axis)))
}

func (p *parts) belowMax(x *ir.Value, axis int64) *ir.Value {
	return p.Sub(x, p.reduce(ir.ReduceMax, x, axis))
}

// layerNorm is the rms norm of x - mean(x), times scale, plus bias.
func layerNorm(p *parts, op *ir.Op) *ir.Value {
	x, a := p.arg(op, 0), op.Attrs.(*ir.NormAttrs)
	centred := p.Sub(x, p.reduce(ir.ReduceMean, x, ir.Axes(int(a.Axis), x.Rank())...))
	return p.scaled(op, p.normalised(centred, a))
}

// rmsNorm is x / √(mean(x²) + ε), times scale.
func rmsNorm(p *parts, op *ir.Op) *ir.Value {
	return p.scaled(op, p.normalised(p.arg(op, 0), op.Attrs.(*ir.NormAttrs)))
}

func (p *parts) normalised(x *ir.Value, a *ir.NormAttrs) *ir.Value {
	square := p.reduce(ir.ReduceMean, p.Mul(x, x), ir.Axes(int(a.Axis), x.Rank())...)
	return p.Div(x, p.Op(ir.Sqrt, nil, p.Add(square, p.number(a.Epsilon))))
}

// scaled is v times operand 1 of op, plus operand 2, where they are there.
func (p *parts) scaled(op *ir.Op, v *ir.Value) *ir.Value {
	if scale := p.arg(op, 1); scale != nil {
		v = p.Mul(v, scale)
	}
	if bias := p.arg(op, 2); bias != nil {
		v = p.Add(v, bias)
	}
	return v
}

// batchNorm is (x - mean) / √(variance + ε) · scale + bias, for each channel.
func batchNorm(p *parts, op *ir.Op) *ir.Value {
	x := p.arg(op, 0)
	channel := func(i int) *ir.Value {
		v := p.arg(op, i)
		if x.Rank() <= 2 {
			return v
		}
		return p.Op(ir.Unsqueeze, &ir.AxesAttrs{Axes: ir.Axes(1, x.Rank()-1)}, v)
	}
	deviation := p.Op(ir.Sqrt, nil, p.Add(channel(4), p.number(op.Attrs.(*ir.NormAttrs).Epsilon)))
	return p.Add(p.Mul(p.Div(p.Sub(x, channel(3)), deviation), channel(1)), channel(2))
}
