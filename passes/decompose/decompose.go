// Package decompose takes composites apart into the primitives that define them. It is their oracle, what other passes that
// know primitives alone can build on, and the inverse of passes/fuse.
//
// Halves are computed in f32 and rounded once, as composites are; other results differ by the rounding of each part.
package decompose

import (
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// Definitions is what every composite is made of.
var Definitions = [ir.NumKinds]func(*parts, *ir.Op) *ir.Value{
	ir.Gelu: gelu, ir.Silu: silu, ir.Mish: mish, ir.GLU: glu,
	ir.Linear:  linear,
	ir.Softmax: softmax, ir.LogSoftmax: logSoftmax,
	ir.LayerNorm: layerNorm, ir.RMSNorm: rmsNorm, ir.BatchNorm: batchNorm,
	ir.Attention: attention, ir.Rope: rope,
}

// Rules is the one rule of the pass.
var Rules = []rewrite.Rule{{Name: "composite", Doc: "a composite: the primitives that define it", Kinds: composites(), Rewrite: decompose}}

// Run applies Rules.
func Run(m *ir.Module, c *rewrite.Context) error { return rewrite.Apply(m, c, Rules) }

func composites() []ir.Kind {
	var out []ir.Kind
	for k := range ir.NumKinds {
		if k.Is(ir.Composite) {
			out = append(out, k)
		}
	}
	return out
}

func decompose(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	d := op.Result().DType()
	p := &parts{rw, d}
	if d == ir.F16 || d == ir.BF16 {
		p.d = ir.F32
	}
	return rewrite.One(p.cast(Definitions[op.Kind](p, op), d))
}

// parts makes primitives on floats of one dtype.
type parts struct {
	*rewrite.Rewriter
	d ir.DType
}

func (p *parts) cast(v *ir.Value, d ir.DType) *ir.Value {
	if v.DType() == d {
		return v
	}
	return p.Op(ir.Cast, &ir.CastAttrs{To: d}, v)
}

// arg is operand i in the dtype that is computed in, nil where it is absent.
func (p *parts) arg(op *ir.Op, i int) *ir.Value {
	if op.Arg(i) == nil {
		return nil
	}
	return p.cast(op.Arg(i), p.d)
}

func (p *parts) number(v float64) *ir.Value { return p.Float(p.d, v) }

// reduce reduces the axes, which stay with size 1.
func (p *parts) reduce(k ir.Kind, v *ir.Value, axes ...int64) *ir.Value {
	return p.Op(k, &ir.ReduceAttrs{Axes: axes, KeepDims: true}, v)
}
