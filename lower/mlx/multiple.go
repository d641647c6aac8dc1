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
	if v.DType() != ir.F32 || l.freeFactors() || l.layout != channelsFirst {
		l.set(op, l.b.Call(Multiply, r, l.b.Scalar(v.DType(), factor)))
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
func (l *lowering) freeFactors() bool { return l.opts.takes(l.opts.Tuning.Stretches) }

// wantedBy is the factor with which the only user of v would take it, 1 where it has none to wish for.
func (l *lowering) wantedBy(v *ir.Value) float64 {
	if v.DType() != ir.F32 || l.freeFactors() || !v.HasOneUse() || v.Uses()[0].Op.Kind != ir.Gelu {
		return 1
	}
	return geluScale(v.Uses()[0].Op)
}

// geluScale is the multiple s of its operand x that gelu is computed from: with z = s·x it is z · (1 + f(z)) / 2s.
func geluScale(op *ir.Op) float64 {
	if op.Attrs.(*ir.GeluAttrs).Tanh {
		return math.Sqrt(2 / math.Pi)
	}
	return math.Sqrt2 / 2
}
