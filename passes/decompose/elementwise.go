package decompose

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// gelu is x · (1 + erf(x/√2)) / 2, or x · (1 + tanh(√(2/π) · (x + 0.044715x³))) / 2.
func gelu(p *parts, op *ir.Op) *ir.Value {
	x := p.arg(op, 0)
	var f *ir.Value
	if op.Attrs.(*ir.GeluAttrs).Tanh {
		cube := p.Mul(p.Mul(x, x), x)
		inner := p.Add(x, p.Mul(cube, p.number(0.044715)))
		f = p.Op(ir.Tanh, nil, p.Mul(inner, p.number(math.Sqrt(2/math.Pi))))
	} else {
		f = p.Op(ir.Erf, nil, p.Div(x, p.number(math.Sqrt2)))
	}
	return p.Mul(p.Mul(x, p.number(0.5)), p.Add(f, p.number(1)))
}

// silu is x · sigmoid(x).
func silu(p *parts, op *ir.Op) *ir.Value {
	x := p.arg(op, 0)
	return p.Mul(x, p.Op(ir.Sigmoid, nil, x))
}

// mish is x · tanh(softplus(x)).
func mish(p *parts, op *ir.Op) *ir.Value {
	x := p.arg(op, 0)
	return p.Mul(x, p.Op(ir.Tanh, nil, p.Op(ir.Softplus, nil, x)))
}
