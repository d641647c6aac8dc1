package decompose

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// gelu is x · (1 + erf(x/√2)) / 2, x · (1 + tanh(√(2/π) · (x + 0.044715x³))) / 2, or x · sigmoid(1.702x).
func gelu(p *parts, op *ir.Op) *ir.Value {
	x := p.arg(op, 0)
	var f *ir.Value
	switch op.Attrs.(*ir.GeluAttrs).Approximate {
	case "sigmoid":
		return p.Mul(x, p.Op(ir.Sigmoid, nil, p.Mul(x, p.number(1.702))))
	case "tanh":
		cube := p.Mul(p.Mul(x, x), x)
		inner := p.Add(x, p.Mul(cube, p.number(0.044715)))
		f = p.Op(ir.Tanh, nil, p.Mul(inner, p.number(math.Sqrt(2/math.Pi))))
	default:
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

// glu is the activation of the gate, times the other operand.
func glu(p *parts, op *ir.Op) *ir.Value {
	k, a := op.Attrs.(*ir.GLUAttrs).Gate()
	return p.Mul(p.Op(k, a, p.arg(op, 0)), p.arg(op, 1))
}
