package fuse

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

var normRules = []rewrite.Rule{
	fusion("layer_norm", "layer-norm", "(x - mean(x)) / √(variance + ε): layer_norm", layerNorm, ir.Mul, ir.Div),
	fusion("rms_norm", "rms-norm", "x / √(mean(x²) + ε): rms_norm", rmsNorm, ir.Mul, ir.Div),
	fusion("layer_norm", "centred-rms-norm", "rms_norm of x - mean(x): layer_norm", centredRMSNorm, ir.RMSNorm),
	fusion("layer_norm", "norm-scale", "layer_norm or rms_norm without a scale, times w over the normalised axes: with it", normScale, ir.Mul),
	fusion("layer_norm", "norm-bias", "layer_norm without a bias, plus b over the normalised axes: with it", normBias, ir.Add),
	fusion("layer_norm", "norm-between-casts", "a norm or softmax in f32 of what is f16 or bf16 before and after: in that dtype", normBetweenCasts, ir.Cast),
}

// mean is the mean over the last axes, which stay as axes of size 1; it is named, for its axes to be looked up.
func mean(name string, p pat) pat {
	return named(name, where(op(ir.ReduceMean, p), "is not over the last axes, kept", overLast))
}

// overLast reports whether o reduces its last axes, at least one, and keeps them.
func overLast(_ *match, o *ir.Op) bool {
	a := o.Attrs.(*ir.ReduceAttrs)
	return a.KeepDims && len(a.Axes) > 0 && a.Axes[0] == int64(o.Args[0].Rank()-len(a.Axes))
}

// normalised is x / √(mean(x²) + ε).
var normalised = times(1,
	to{-0.5, op(ir.Add, mean("square", times(1, to{2, is("x")})), constant("epsilon"))},
	to{1, is("x")})

var centred = op(ir.Sub, is("centre of"), mean("mean", is("centre of")))

// centredBySquares is centred over its deviation, with the variance as mean(x²) - mean(x)².
var centredBySquares = times(1,
	to{-0.5, op(ir.Add, op(ir.Sub, mean("square", times(1, to{2, is("centre of")})), times(1, to{2, mean("mean", is("centre of"))})), constant("epsilon"))},
	to{1, op(ir.Sub, is("centre of"), is("mean"))})

func layerNorm(m *match, o *ir.Op) *ir.Value {
	if !m.find(centredBySquares, o.Result()) && !(m.find(normalised, o.Result()) && m.find(centred, m.get("x"))) {
		return nil
	}
	square, mean := m.get("square"), m.get("mean")
	if !ir.EqualAttrs(square.Def.Attrs, mean.Def.Attrs) {
		m.no(square, "is over other axes than the mean")
		return nil
	}
	return m.Op(ir.LayerNorm, m.normAttrs(), m.get("centre of"), nil, nil)
}

func rmsNorm(m *match, o *ir.Op) *ir.Value {
	if !m.find(normalised, o.Result()) {
		return nil
	}
	return m.Op(ir.RMSNorm, m.normAttrs(), m.get("x"), nil)
}

// centredRMSNorm is layerNorm where the casts of halves lay between the two steps.
func centredRMSNorm(m *match, o *ir.Op) *ir.Value {
	if !m.find(centred, o.Args[0]) {
		return nil
	}
	a := o.Attrs.(*ir.NormAttrs)
	if mean := m.get("mean"); mean.Def.Attrs.(*ir.ReduceAttrs).Axes[0] != a.Axis {
		m.no(mean, "is over other axes than the norm")
		return nil
	}
	return m.Op(ir.LayerNorm, a, m.get("centre of"), o.Args[1], nil)
}

func (m *match) normAttrs() *ir.NormAttrs {
	return &ir.NormAttrs{Axis: m.get("square").Def.Attrs.(*ir.ReduceAttrs).Axes[0], Epsilon: m.scalar("epsilon")}
}

// normScale: operand 1 is the scale of both norms.
func normScale(m *match, o *ir.Op) *ir.Value { return m.giveParameter(o, 1, "scale") }

func normBias(m *match, o *ir.Op) *ir.Value { return m.giveParameter(o, 2, "bias") }

// giveParameter makes the other operand of o the norm's operand i, where the norm has none yet. A bias comes after a scale.
func (m *match) giveParameter(o *ir.Op, i int, what string) *ir.Value {
	for k, a := range o.Args {
		norm := rewrite.Def(a, ir.LayerNorm, ir.RMSNorm)
		if norm == nil || i >= len(norm.Args) {
			continue
		}
		m.meet(norm)
		other := o.Args[1-k]
		fits, free := m.fitsNorm(norm, other), norm.Args[i] == nil && norm.Arg(2) == nil
		switch {
		case fits && !free:
			m.no(a, "has a %s or a bias already", what)
		case !fits && free:
			m.no(other, "is no %s of the sizes that are normalised", what)
		case fits && !m.isAbsorbed(norm, o.Kind):
			m.no(a, "is used without the %s too", what)
		case fits:
			args := slices.Clone(norm.Args)
			args[i] = m.parameter(norm, other)
			return m.Op(norm.Kind, norm.Attrs, args...)
		}
	}
	return nil
}

// maxNormUses bounds the uses of a norm that are looked at.
const maxNormUses = 4

// isAbsorbed reports whether each use of the norm gives it a parameter: then as many norms, each with its own, are all that is left.
func (m *match) isAbsorbed(norm *ir.Op, k ir.Kind) bool {
	uses := norm.Result().Uses()
	return len(uses) <= maxNormUses && !slices.ContainsFunc(uses, func(u ir.Use) bool {
		return u.Op.Kind != k || !m.fitsNorm(norm, u.Op.Args[1-u.Index])
	})
}

// fitsNorm reports whether v has the shape of the axes that norm is over, perhaps after axes of size 1.
func (m *match) fitsNorm(norm *ir.Op, v *ir.Value) bool {
	want := norm.Args[0].Shape()[norm.Attrs.(*ir.NormAttrs).Axis:]
	extra := v.Rank() - len(want)
	return v != norm.Result() && extra >= 0 && slices.EqualFunc(v.Shape()[extra:], want, m.SameDim) &&
		!slices.ContainsFunc(v.Shape()[:extra], func(d ir.Dim) bool { return !d.Is(1) })
}

// parameter is v, which fits the norm, without the axes of size 1 before those.
func (m *match) parameter(norm *ir.Op, v *ir.Value) *ir.Value {
	extra := v.Rank() - (norm.Args[0].Rank() - int(norm.Attrs.(*ir.NormAttrs).Axis))
	if extra == 0 {
		return v
	}
	return m.Op(ir.Squeeze, &ir.AxesAttrs{Axes: ir.Axes(0, extra)}, v)
}

// normBetweenCasts: the kernels compute in f32 whatever the dtype. Parameters must have been of the narrow dtype too.
func normBetweenCasts(m *match, o *ir.Op) *ir.Value {
	norm := rewrite.Def(o.Args[0], ir.LayerNorm, ir.RMSNorm, ir.Softmax, ir.LogSoftmax)
	d := o.Result().DType()
	if norm == nil || d != ir.F16 && d != ir.BF16 {
		return nil
	}
	m.meet(norm)
	if !m.sole(o.Args[0]) {
		return nil
	}
	args := make([]*ir.Value, len(norm.Args))
	for i, a := range norm.Args {
		if a == nil {
			continue
		}
		cast := rewrite.Def(a, ir.Cast)
		if cast == nil || cast.Args[0].DType() != d {
			m.no(a, "is no cast from %s", d)
			return nil
		}
		args[i] = cast.Args[0]
	}
	return m.Op(norm.Kind, norm.Attrs, args...)
}
