package onnx

import (
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

var elementwiseRows = []row{
	{"", "Abs", since(1, 6, 13), unaryOp(ir.Abs)},
	{"", "Neg", since(1, 6, 13), unaryOp(ir.Neg)},
	{"", "Sign", since(9, 13), unaryOp(ir.Sign)},
	{"", "Ceil", since(1, 6, 13), unaryOp(ir.Ceil)},
	{"", "Floor", since(1, 6, 13), unaryOp(ir.Floor)},
	{"", "Round", since(11, 22), unaryOp(ir.Round)},
	{"", "Sqrt", since(1, 6, 13), unaryOp(ir.Sqrt)},
	{"", "Reciprocal", since(1, 6, 13), unaryOp(ir.Reciprocal)},
	{"", "Exp", since(1, 6, 13), unaryOp(ir.Exp)},
	{"", "Log", since(1, 6, 13), unaryOp(ir.Log)},
	{"", "Sin", since(7, 22), unaryOp(ir.Sin)},
	{"", "Cos", since(7, 22), unaryOp(ir.Cos)},
	{"", "Tan", since(7, 22), unaryOp(ir.Tan)},
	{"", "Asin", since(7, 22), unaryOp(ir.Asin)},
	{"", "Acos", since(7, 22), unaryOp(ir.Acos)},
	{"", "Atan", since(7, 22), unaryOp(ir.Atan)},
	{"", "Sinh", since(9, 22), unaryOp(ir.Sinh)},
	{"", "Cosh", since(9, 22), unaryOp(ir.Cosh)},
	{"", "Tanh", since(1, 6, 13), unaryOp(ir.Tanh)},
	{"", "Asinh", since(9, 22), unaryOp(ir.Asinh)},
	{"", "Acosh", since(9, 22), unaryOp(ir.Acosh)},
	{"", "Atanh", since(9, 22), unaryOp(ir.Atanh)},
	{"", "Erf", since(9, 13), importErf},
	{"", "Not", since(1), unaryOp(ir.Not)},
	{"", "BitwiseNot", since(18), unaryOp(ir.BitNot)},
	{"", "IsNaN", since(9, 13, 20), unaryOp(ir.IsNaN)},
	{"", "IsInf", since(10, 20), importIsInf},

	{"", "Cast", since(1), importCast1},
	{"", "Cast", since(6, 9, 13, 19, 21, 23, 24, 25, 28), importCast},
	{"", "BitCast", since(26), importBitCast},
	{"", "CastLike", since(15, 19, 21, 23, 24, 25), importCastLike},

	{"", "Add", since(1, 6), aligned(ir.Add)},
	{"", "Add", since(7, 13, 14), binaryOp(ir.Add)},
	{"", "Sub", since(1, 6), aligned(ir.Sub)},
	{"", "Sub", since(7, 13, 14), binaryOp(ir.Sub)},
	{"", "Mul", since(1, 6), aligned(ir.Mul)},
	{"", "Mul", since(7, 13, 14), binaryOp(ir.Mul)},
	{"", "Div", since(1, 6), aligned(ir.Div)},
	{"", "Div", since(7, 13, 14), binaryOp(ir.Div)},
	{"", "Pow", since(1), aligned(ir.Pow)},
	{"", "Pow", since(7, 12, 13, 15), binaryOp(ir.Pow)},
	{"", "Mod", since(10, 13, 28), importMod},
	{"", "And", since(1), aligned(ir.And)},
	{"", "And", since(7), binaryOp(ir.And)},
	{"", "Or", since(1), aligned(ir.Or)},
	{"", "Or", since(7), binaryOp(ir.Or)},
	{"", "Xor", since(1), aligned(ir.Xor)},
	{"", "Xor", since(7), binaryOp(ir.Xor)},
	{"", "Equal", since(1), aligned(ir.Equal)},
	{"", "Equal", since(7, 11, 13, 19), binaryOp(ir.Equal)},
	{"", "Less", since(1), aligned(ir.Less)},
	{"", "Less", since(7, 9, 13), binaryOp(ir.Less)},
	{"", "LessOrEqual", since(12, 16), binaryOp(ir.LessEqual)},
	{"", "Greater", since(1), swappedAligned(ir.Less)},
	{"", "Greater", since(7, 9, 13), swapped(ir.Less)},
	{"", "GreaterOrEqual", since(12, 16), swapped(ir.LessEqual)},
	{"", "BitwiseAnd", since(18), binaryOp(ir.BitAnd)},
	{"", "BitwiseOr", since(18), binaryOp(ir.BitOr)},
	{"", "BitwiseXor", since(18), binaryOp(ir.BitXor)},
	{"", "BitShift", since(11, 28), importBitShift},

	{"", "Max", since(1, 6, 8, 12, 13), variadic(ir.Max)},
	{"", "Min", since(1, 6, 8, 12, 13), variadic(ir.Min)},
	{"", "Sum", since(1, 6, 8, 13), variadic(ir.Add)},
	{"", "Mean", since(1, 6, 8, 13), importMean},
	{"", "Where", since(9, 16), importWhere},
	{"", "Clip", since(1, 6), importClip6},
	{"", "Clip", since(11, 12, 13), importClip},
}

func unaryOp(k ir.Kind) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value { return one(n.op(k, nil, n.in[0])) }
}

// binaryOp: operators of opset 7 and newer broadcast as NumPy does.
func binaryOp(k ir.Kind) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value { return one(n.op(k, nil, n.in[0], n.in[1])) }
}

// aligned operators, before opset 7, broadcast the second operand only, and only where they are told to: its axes
// match those of the first from attribute axis on, or the last ones.
func aligned(k ir.Kind) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value { return one(n.op(k, nil, n.in[0], n.align(n.in[0], n.in[1]))) }
}

// swapped makes a > b of b < a.
func swapped(k ir.Kind) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value { return one(n.op(k, nil, n.in[1], n.in[0])) }
}

func swappedAligned(k ir.Kind) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value { return one(n.op(k, nil, n.align(n.in[0], n.in[1]), n.in[0])) }
}

// align gives b axes of size 1 at its end, so that NumPy's broadcasting does what attributes axis and broadcast say.
func (n *Node) align(a, b *ir.Value) *ir.Value {
	broadcast, axis := n.Int("broadcast", 0) != 0, n.Int("axis", int64(a.Rank()-b.Rank()))
	if !broadcast {
		if a.Rank() != b.Rank() {
			return n.fail(Invalid, "set attribute broadcast, or import opset 7", "shapes differ: %s and %s", a.Type, b.Type)
		}
		return b
	}
	if axis < 0 {
		axis += int64(a.Rank())
	}
	pad := int64(a.Rank()-b.Rank()) - axis
	if axis < 0 || pad < 0 {
		if size := b.Shape().NumElements(); size.Is(1) { // one element goes anywhere
			return n.reshape(b)
		}
		return n.fail(Invalid, remedyExport, "%s does not fit into %s at axis %d", b.Type, a.Type, axis)
	}
	if pad == 0 {
		return b
	}
	return n.unsqueeze(b, ir.Axes(b.Rank(), b.Rank()+int(pad))...)
}

func variadic(k ir.Kind) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value { return one(n.fold(k)) }
}

// fold joins the operands from the left.
func (n *Node) fold(k ir.Kind) *ir.Value {
	acc := n.in[0]
	for _, x := range n.in[1:] {
		acc = n.op(k, nil, acc, x)
	}
	return acc
}

func importMean(n *Node) []*ir.Value {
	sum := n.fold(ir.Add)
	if len(n.in) == 1 || !n.ok() {
		return one(sum)
	}
	return one(n.op(ir.Div, nil, sum, n.number(sum.DType(), float64(len(n.in)))))
}

func importWhere(n *Node) []*ir.Value {
	return one(n.op(ir.Where, nil, n.in[0], n.in[1], n.in[2]))
}

func importIsInf(n *Node) []*ir.Value {
	return one(n.op(ir.IsInf, &ir.IsInfAttrs{
		Negative: n.Int("detect_negative", 1) != 0,
		Positive: n.Int("detect_positive", 1) != 0,
	}, n.in[0]))
}

func importMod(n *Node) []*ir.Value {
	return one(n.op(ir.Mod, &ir.ModAttrs{Fmod: n.Int("fmod", 0) != 0}, n.in[0], n.in[1]))
}

func importBitShift(n *Node) []*ir.Value {
	switch d := n.String("direction", ""); d {
	case "LEFT":
		return one(n.op(ir.ShiftLeft, nil, n.in[0], n.in[1]))
	case "RIGHT":
		return one(n.op(ir.ShiftRight, nil, n.in[0], n.in[1]))
	default:
		return one(n.fail(Invalid, "give LEFT or RIGHT", "direction %q", clip(d)))
	}
}

// importCast1: Cast-1 names the dtype in words.
func importCast1(n *Node) []*ir.Value {
	name := n.String("to", "")
	to, known := pb.TensorProto_DataType_value[name]
	if !known && n.ok() {
		return one(n.fail(Invalid, remedyExport, "cast to %q, which is no dtype", clip(name)))
	}
	return one(n.castTo(n.in[0], DType(to)))
}

func importCast(n *Node) []*ir.Value {
	return one(n.castTo(n.in[0], DType(n.Int("to", 1))))
}

// castTo is Cast with its attributes saturate and round_mode, which speak of 8-bit floats.
func (n *Node) castTo(x *ir.Value, to DType) *ir.Value {
	d, err := irDType(to)
	if err != nil {
		return n.b.Fail(err)
	}
	return n.castAttrs(x, d)
}

func (n *Node) castAttrs(x *ir.Value, d ir.DType) *ir.Value {
	a := &ir.CastAttrs{To: d}
	if n.since >= 19 {
		a.Saturate = n.Int("saturate", 1) != 0 && d.IsFloat() && d.Bits() == 8
	}
	if n.since >= 24 {
		if round := n.String("round_mode", "up"); d == ir.F8E8M0 {
			a.Round = round
		}
	}
	return n.op(ir.Cast, a, x)
}

func importBitCast(n *Node) []*ir.Value {
	d, err := irDType(DType(n.Int("to", 0)))
	if err != nil {
		return one(n.b.Fail(err))
	}
	return one(n.op(ir.BitCast, &ir.BitCastAttrs{To: d}, n.in[0]))
}

func importCastLike(n *Node) []*ir.Value { return one(n.castAttrs(n.in[0], n.in[1].DType())) }

// importClip6: Clip-1 and Clip-6 have their limits as attributes.
func importClip6(n *Node) []*ir.Value {
	x := n.in[0]
	if n.Has("min") {
		x = n.op(ir.Max, nil, x, n.number(n.in[0].DType(), float64(n.Float("min", 0))))
	}
	if n.Has("max") {
		x = n.op(ir.Min, nil, x, n.number(n.in[0].DType(), float64(n.Float("max", 0))))
	}
	return one(x)
}

// importClip: where min > max, all is max.
func importClip(n *Node) []*ir.Value {
	x := n.in[0]
	if lo := n.scalar(n.arg(1)); lo != nil {
		x = n.op(ir.Max, nil, x, lo)
	}
	if hi := n.scalar(n.arg(2)); hi != nil {
		x = n.op(ir.Min, nil, x, hi)
	}
	return one(x)
}
