package onnx

import "github.com/emilyc/emily/ir"

var matmulRows = []row{
	{"", "MatMul", since(1, 9, 13), binaryOp(ir.MatMul)},
	{"", "Det", since(11, 22), unaryOp(ir.Det)},
	{"", "Gemm", since(1, 6), importGemm6},
	{"", "Gemm", since(7, 9, 11, 13), importGemm},
}

// importGemm6: up to opset 6, C has the result's shape unless attribute broadcast is set.
func importGemm6(n *Node) []*ir.Value {
	if c := n.in[2]; n.Int("broadcast", 0) == 0 && c.Rank() != 2 {
		return one(n.fail(Invalid, "set attribute broadcast, or import opset 7", "C is %s, must be a matrix", c.Type))
	}
	return importGemm(n)
}

// importGemm: alpha × A' × B' + beta × C, where A' is A or its transpose.
func importGemm(n *Node) []*ir.Value {
	y := n.op(ir.MatMul, nil, n.gemmOperand(0, "transA"), n.gemmOperand(1, "transB"))
	y = n.scaled(y, "alpha")
	c, beta := n.arg(2), n.Float("beta", 1)
	if c == nil || beta == 0 || !n.ok() {
		return one(y)
	}
	if c.Rank() > 2 {
		return one(n.fail(Invalid, "give C as a matrix", "C is %s, which does not broadcast to %s", c.Type, y.Type))
	}
	return one(n.op(ir.Add, nil, y, n.scaled(c, "beta")))
}

func (n *Node) gemmOperand(i int, trans string) *ir.Value {
	x := n.in[i]
	if x.Rank() != 2 {
		return n.fail(Invalid, "give a matrix", "operand %d is %s, must be of rank 2", i, x.Type)
	}
	if n.Int(trans, 0) == 0 {
		return x
	}
	return n.transpose(x, 1, 0)
}

// scaled is x times a float attribute; times 1 is x.
func (n *Node) scaled(x *ir.Value, factor string) *ir.Value {
	f := float64(n.Float(factor, 1))
	if f == 1 || !n.ok() {
		return x
	}
	if x.DType().IsInt() && f != float64(int64(f)) {
		return n.fail(Invalid, "cast to a float first", "%s is %g for operands of %s", factor, f, x.DType())
	}
	return n.op(ir.Mul, nil, x, n.number(x.DType(), f))
}
