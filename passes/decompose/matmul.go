package decompose

import "github.com/emilyc/emily/ir"

// linear is x × w + b.
func linear(p *parts, op *ir.Op) *ir.Value {
	return p.Add(p.Op(ir.MatMul, nil, p.arg(op, 0), p.arg(op, 1)), p.arg(op, 2))
}
