package mlx

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// multiple is a value as a multiple of a register. A product takes the factor along for nothing, so that the value itself is
// made only for those who ask for it.
type multiple struct {
	r      Reg
	factor float64
}

// setMultiple gives op's first result as factor · r, where that is exact enough: MLX's factors are f32, and in halves r might overflow.
func (l *lowering) setMultiple(op *ir.Op, r Reg, factor float64) {
	v := op.Result()
	if factor == 1 || v.DType() != ir.F32 || l.freeFactors() || l.layout != channelsFirst {
		l.set(op, l.scaled(r, v.DType(), factor))
		return
	}
	l.b.SetType(r, v.Type)
	l.multiples[v] = multiple{r, factor}
}

// asMultiple is v as a multiple of a register, which may be v itself.
func (l *lowering) asMultiple(v *ir.Value) (r Reg, factor float64) {
	if m, ok := l.multiples[v]; ok && l.homes[v] == nil {
		return m.r, m.factor
	}
	return l.reg(v), 1
}

// freeFactors: inside a stretch a factor costs nothing, and as MLX's beta it would keep the sum out of the product's kernel.
func (l *lowering) freeFactors() bool { return l.opts.takes(l.opts.Tuning.Stretches, GPU) }

// wantedBy is the factor with which the only user of v would take it, 1 where it has none to wish for.
func (l *lowering) wantedBy(v *ir.Value) float64 {
	if v.DType() != ir.F32 || l.freeFactors() || !v.HasOneUse() || v.Uses()[0].Index != 0 {
		return 1
	}
	switch op := v.Uses()[0].Op; op.Kind {
	case ir.Gelu, ir.GLU:
		return gateScale(op)
	}
	return 1
}

// gateScale is the multiple s of its operand x that an activation is computed from: with z = s·x, gelu is z · (1 + f(z)) / 2s.
func gateScale(op *ir.Op) float64 {
	switch approximation(op) {
	case "":
		return math.Sqrt2 / 2
	case "tanh":
		return math.Sqrt(2 / math.Pi)
	case "sigmoid":
		return 1.702
	}
	return 1
}

// approximation is of the gelu that op computes of its first operand; "silu" where it computes that.
func approximation(op *ir.Op) string {
	a := op.Attrs
	if glu, ok := a.(*ir.GLUAttrs); ok {
		_, a = glu.Gate()
	}
	if gelu, ok := a.(*ir.GeluAttrs); ok {
		return gelu.Approximate
	}
	return "silu"
}
