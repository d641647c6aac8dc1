package fuse

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

var normRules = []rewrite.Rule{
	fusion("layer_norm", "layer-norm", "(x - mean(x)) / √(variance + ε): layer_norm", layerNorm, ir.Mul, ir.Div),
	fusion("layer_norm", "channel-norm", "(x - mean(x)) / √(variance + ε) over an axis that is not the last: layer_norm between transposes", channelNorm, ir.Mul, ir.Div),
	fusion("rms_norm", "rms-norm", "x / √(mean(x²) + ε): rms_norm", rmsNorm, ir.Mul, ir.Div),
	fusion("layer_norm", "centred-rms-norm", "rms_norm of x - mean(x): layer_norm", centredRMSNorm, ir.RMSNorm),
	fusion("layer_norm", "norm-by-ones", "layer_norm or rms_norm whose scale is 1 throughout, or whose bias is 0: without it", normByOnes, ir.LayerNorm, ir.RMSNorm),
	fusion("layer_norm", "norm-scale", "layer_norm or rms_norm without a scale, times w over the normalised axes: with it", normScale, ir.Mul),
	fusion("layer_norm", "norm-bias", "layer_norm without a bias, plus b over the normalised axes: with it", normBias, ir.Add),
	fusion("layer_norm", "norm-between-casts", "a norm or softmax in f32 of what is f16 or bf16 before and after: in that dtype", normBetweenCasts, ir.Cast),
	fusion("layer_norm", "skip-between-casts", "a sum in f32 of what is f16 or bf16 before and after: in that dtype", skipBetweenCasts, ir.Cast),
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

// normForms are the ways to write a norm, by the means that they take.
type normForms struct {
	normalised       pat // x / √(mean(x²) + ε)
	centred          pat // x - mean(x)
	centredBySquares pat // centred over its deviation, with the variance as mean(x²) - mean(x)²
}

func formsOf(mean func(string, pat) pat) normForms {
	return normForms{
		normalised: times(1,
			to{-0.5, op(ir.Add, mean("square", times(1, to{2, is("x")})), constant("epsilon"))},
			to{1, is("x")}),
		centred: op(ir.Sub, is("centre of"), mean("mean", is("centre of"))),
		centredBySquares: times(1,
			to{-0.5, op(ir.Add, op(ir.Sub, mean("square", times(1, to{2, is("centre of")})), times(1, to{2, mean("mean", is("centre of"))})), constant("epsilon"))},
			to{1, op(ir.Sub, is("centre of"), is("mean"))}),
	}
}

var (
	overLastAxes = formsOf(mean)
	overOneAxis  = formsOf(func(name string, p pat) pat { return along(name, ir.ReduceMean, p) })
)

func layerNorm(m *match, o *ir.Op) *ir.Value {
	if !m.isLayerNorm(o, overLastAxes) {
		return nil
	}
	return m.Op(ir.LayerNorm, m.normAttrs(), m.get("centre of"), nil, nil)
}

func (m *match) isLayerNorm(o *ir.Op, forms normForms) bool {
	if !m.find(forms.centredBySquares, o.Result()) && !(m.find(forms.normalised, o.Result()) && m.find(forms.centred, m.get("x"))) {
		return false
	}
	square, mean := m.get("square"), m.get("mean")
	return ir.EqualAttrs(square.Def.Attrs, mean.Def.Attrs) || m.no(square, "is over other axes than the mean")
}

// channelNorm moves the axis to the end and back.
func channelNorm(m *match, o *ir.Op) *ir.Value {
	if !m.isLayerNorm(o, overOneAxis) {
		return nil
	}
	a, x := m.normAttrs(), m.get("centre of")
	last := int64(x.Rank() - 1)
	if a.Axis == last {
		return nil
	}
	there, back := ir.Axes(0, x.Rank()), ir.Axes(0, x.Rank())
	there = append(slices.Delete(there, int(a.Axis), int(a.Axis)+1), a.Axis)
	for i, axis := range there {
		back[axis] = int64(i)
	}
	a.Axis = last
	y := m.Op(ir.LayerNorm, a, m.transposed(x, there), nil, nil)
	return m.Op(ir.Transpose, &ir.PermAttrs{Perm: back}, y)
}

func rmsNorm(m *match, o *ir.Op) *ir.Value {
	if !m.find(overLastAxes.normalised, o.Result()) {
		return nil
	}
	return m.Op(ir.RMSNorm, m.normAttrs(), m.get("x"), nil)
}

// centredRMSNorm is layerNorm where the casts of halves lay between the two steps.
func centredRMSNorm(m *match, o *ir.Op) *ir.Value {
	if !m.find(overLastAxes.centred, o.Args[0]) {
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

// normByOnes: a norm's operator of ONNX must have a scale.
func normByOnes(m *match, o *ir.Op) *ir.Value {
	args := slices.Clone(o.Args)
	for i, neutral := range []float64{1, 0} {
		if x, ok := rewrite.Splat(o.Arg(1 + i)); ok && x == neutral {
			args[1+i] = nil
		}
	}
	if slices.Equal(args, o.Args) {
		return nil
	}
	return m.Op(o.Kind, o.Attrs, args...)
}

// normScale: operand 1 is the scale of both norms.
func normScale(m *match, o *ir.Op) *ir.Value { return m.giveParameter(o, 1, "scale") }

func normBias(m *match, o *ir.Op) *ir.Value { return m.giveParameter(o, 2, "bias") }

// giveParameter makes the other operand of o the norm's operand i, where the norm has none yet. A bias comes after a scale. A transpose of
// the norm stays behind it.
func (m *match) giveParameter(o *ir.Op, i int, what string) *ir.Value {
	for k, a := range o.Args {
		other, moved := o.Args[1-k], rewrite.Def(a, ir.Transpose)
		if moved != nil {
			a = moved.Args[0]
		}
		norm := rewrite.Def(a, ir.LayerNorm, ir.RMSNorm)
		if norm == nil || i >= len(norm.Args) {
			continue
		}
		m.meet(norm)
		p, alone := other, m.isAbsorbed(norm, o.Kind)
		if moved != nil {
			p, alone = m.channels(moved, other), a.HasOneUse() && moved.Result().HasOneUse()
		}
		fits, free := m.fitsNorm(norm, p), norm.Args[i] == nil && norm.Arg(2) == nil
		switch {
		case fits && !free:
			m.no(a, "has a %s or a bias already", what)
		case !fits && free:
			m.no(other, "is no %s of the sizes that are normalised", what)
		case fits && !alone:
			m.no(a, "is used without the %s too", what)
		case fits:
			return m.withParameter(norm, i, p, moved)
		}
	}
	return nil
}

// withParameter is the norm with p as its operand i, transposed as it was.
func (m *match) withParameter(norm *ir.Op, i int, p *ir.Value, moved *ir.Op) *ir.Value {
	args := slices.Clone(norm.Args)
	args[i] = m.parameter(norm, p)
	y := m.Op(norm.Kind, norm.Attrs, args...)
	if moved != nil {
		y = m.Op(ir.Transpose, moved.Attrs, y)
	}
	return y
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

// channels is v, which has a number for each element of the axis that moved was the last before, as [C]; nil where it varies along others.
func (m *match) channels(moved *ir.Op, v *ir.Value) *ir.Value {
	perm := moved.Attrs.(*ir.PermAttrs).Perm
	rank := len(perm)
	n := ir.Unknown
	for i, d := range v.Shape() {
		k := rank - v.Rank() + i
		if k >= 0 && perm[k] == int64(rank-1) {
			n = d
		} else if !d.Is(1) {
			return nil
		}
	}
	if n == ir.Unknown {
		return nil
	}
	return m.reshaped(v, n)
}

// fitsNorm reports whether v has the shape of the axes that norm is over, perhaps after axes of size 1.
func (m *match) fitsNorm(norm *ir.Op, v *ir.Value) bool {
	if v == nil || v == norm.Result() {
		return false
	}
	want := norm.Args[0].Shape()[norm.Attrs.(*ir.NormAttrs).Axis:]
	extra := v.Rank() - len(want)
	return extra >= 0 && slices.EqualFunc(v.Shape()[extra:], want, m.SameDim) &&
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

// normBetweenCasts: the kernels compute in f32 whatever the dtype.
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
	m.key = norm
	sums := maxSkips
	if norm.Kind == ir.Softmax || norm.Kind == ir.LogSoftmax {
		sums = 0 // exp would make more of the sum's rounding
	}
	args := make([]*ir.Value, len(norm.Args))
	for i, a := range norm.Args {
		if a == nil {
			continue
		}
		if args[i] = m.narrow(a, d, sums); args[i] == nil {
			m.no(a, "is of %s, and no more than %s before", a.DType(), d)
			return nil
		}
	}
	return m.Op(norm.Kind, norm.Attrs, args...)
}

// skipBetweenCasts is the sum of a residual and its branch, which a norm has taken in f32.
func skipBetweenCasts(m *match, o *ir.Op) *ir.Value {
	sum := rewrite.Def(o.Args[0], ir.Add)
	d := o.Result().DType()
	if sum == nil || d != ir.F16 && d != ir.BF16 {
		return nil
	}
	return m.narrow(sum.Result(), d, maxSkips)
}

// maxSkips is how many sums of halves are taken for one: of a residual, its branch and a bias.
const maxSkips = 2

// narrow is v, in f32, as the half d that it was cast from, or as a sum of such ones; nil where it holds more.
func (m *match) narrow(v *ir.Value, d ir.DType, sums int) *ir.Value {
	if v.DType() != ir.F32 || v.Def == nil {
		return nil
	}
	switch o := v.Def; o.Kind {
	case ir.Cast:
		if o.Args[0].DType() == d {
			return o.Args[0]
		}
	case ir.Const:
		a := o.Attrs.(*ir.ConstAttrs)
		if len(a.Bytes()) > maxParameter {
			return nil
		}
		if t, err := a.Tensor(); err == nil {
			return m.exactly(t, d)
		}
	case ir.Add:
		if sums == 0 {
			return nil
		}
		a, b := m.narrow(o.Args[0], d, sums-1), m.narrow(o.Args[1], d, sums-1)
		if a != nil && b != nil {
			return m.Add(a, b)
		}
	}
	return nil
}

// maxParameter is the size in bytes of a norm's parameter that is read: folding has cast those.
const maxParameter = 64 << 10

// exactly is a tensor of f32 as d, nil where that rounds an element.
func (m *match) exactly(t *ir.Tensor, d ir.DType) *ir.Value {
	out := ir.NewTensor(d, t.Shape...)
	for i, x := range ir.View[float32](t) {
		v := ir.EncodeFloat(d, float64(x), false)
		if ir.DecodeFloat(d, v) != float64(x) {
			return nil
		}
		ir.View[uint16](out)[i] = v
	}
	return m.Const(out)
}
