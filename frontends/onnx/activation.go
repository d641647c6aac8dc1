package onnx

import (
	"math"
	"strings"

	"github.com/emilyc/emily/ir"
)

// Elementwise operators that a network is made of. Those without a kind of their own are composed as their
// definition in ONNX says.
var activationRows = []row{
	{"", "Relu", since(1, 6, 13, 14), unaryOp(ir.Relu)},
	{"", "Sigmoid", since(1, 6, 13), unaryOp(ir.Sigmoid)},
	{"", "Softplus", since(1, 22), unaryOp(ir.Softplus)},
	{"", "HardSwish", since(14, 22), unaryOp(ir.HardSwish)},
	{"", "Gelu", since(20), importGelu},
	{"", "LeakyRelu", since(1, 6, 16), importLeakyRelu},
	{"", "Elu", since(1, 6, 22), importElu},
	{"", "Celu", since(12, 28), importCelu},
	{"", "Selu", since(1), selu(1.67320001125335693359375, 1.05069994926452636718750)},
	{"", "Selu", since(6, 22), selu(1.67326319217681884765625, 1.05070102214813232421875)},
	{"", "HardSigmoid", since(1, 6, 22), importHardSigmoid},
	{"", "ThresholdedRelu", since(10, 22), importThresholdedRelu},
	{"", "Swish", since(24), importSwish},
	{"", "SwiGLU", since(28), importSwiGLU},
	{"", "Mish", since(18, 22), unaryOp(ir.Mish)},
	{"", "Softsign", since(1, 22), importSoftsign},
	{"", "Shrink", since(9), importShrink},
	{"", "PRelu", since(1, 6), importPRelu6},
	{"", "PRelu", since(7, 9, 16), importPRelu},
	{"", "Dropout", since(1, 6, 7, 10), importDropout10},
	{"", "Dropout", since(12, 13, 22), importDropout},
}

func importGelu(n *Node) []*ir.Value {
	a := n.String("approximate", "none")
	if a != "none" && a != "tanh" {
		return one(n.fail(Invalid, "give none or tanh", "approximate %q", clip(a)))
	}
	return one(n.op(ir.Gelu, &ir.GeluAttrs{Approximate: strings.TrimSuffix(a, "none")}, n.in[0]))
}

func (n *Node) alpha(def float32) *ir.AlphaAttrs {
	return &ir.AlphaAttrs{Alpha: float64(n.Float("alpha", def))}
}

func importLeakyRelu(n *Node) []*ir.Value { return one(n.op(ir.LeakyRelu, n.alpha(0.01), n.in[0])) }

func importElu(n *Node) []*ir.Value { return one(n.op(ir.Elu, n.alpha(1), n.in[0])) }

// importCelu: max(0, x) + min(0, alpha × (exp(x / alpha) - 1)).
func importCelu(n *Node) []*ir.Value {
	x, alpha := n.in[0], float64(n.Float("alpha", 1))
	if alpha == 0 {
		return one(n.fail(Invalid, "give another alpha", "alpha is 0"))
	}
	d := x.DType()
	e := n.op(ir.Exp, nil, n.op(ir.Div, nil, x, n.number(d, alpha)))
	below := n.op(ir.Mul, nil, n.number(d, alpha), n.op(ir.Sub, nil, e, n.number(d, 1)))
	return one(n.op(ir.Add, nil, n.op(ir.Relu, nil, x), n.op(ir.Min, nil, n.number(d, 0), below)))
}

// selu: gamma × elu(x); Selu-1 has rounder defaults.
func selu(alpha, gamma float32) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value {
		e := n.op(ir.Elu, n.alpha(alpha), n.in[0])
		return one(n.op(ir.Mul, nil, e, n.number(n.in[0].DType(), float64(n.Float("gamma", gamma)))))
	}
}

func importHardSigmoid(n *Node) []*ir.Value {
	a := n.alpha(0.2)
	a.Beta = float64(n.Float("beta", 0.5))
	return one(n.op(ir.HardSigmoid, a, n.in[0]))
}

// importThresholdedRelu: x where x > alpha, else 0.
func importThresholdedRelu(n *Node) []*ir.Value {
	x := n.in[0]
	over := n.op(ir.Less, nil, n.number(x.DType(), float64(n.Float("alpha", 1))), x)
	return one(n.op(ir.Where, nil, over, x, n.number(x.DType(), 0)))
}

func importSwish(n *Node) []*ir.Value { return one(n.swish(n.in[0], n.Float("alpha", 1))) }

// importSwiGLU: swish(A) × B.
func importSwiGLU(n *Node) []*ir.Value {
	return one(n.op(ir.Mul, nil, n.swish(n.in[0], n.Float("alpha", 1)), n.in[1]))
}

// swish: x × sigmoid(alpha × x).
func (n *Node) swish(x *ir.Value, alpha float32) *ir.Value {
	switch alpha {
	case 1:
		return n.op(ir.Silu, nil, x)
	case 1.702:
		return n.op(ir.Gelu, &ir.GeluAttrs{Approximate: "sigmoid"}, x)
	}
	return n.op(ir.Mul, nil, x, n.op(ir.Sigmoid, nil, n.op(ir.Mul, nil, n.number(x.DType(), float64(alpha)), x)))
}

// importSoftsign: x / (1 + |x|).
func importSoftsign(n *Node) []*ir.Value {
	x := n.in[0]
	return one(n.op(ir.Div, nil, x, n.op(ir.Add, nil, n.number(x.DType(), 1), n.op(ir.Abs, nil, x))))
}

// importShrink: x + bias where x < -lambd, x - bias where x > lambd, else 0. Integers whose bounds or results are none are floats in it.
func importShrink(n *Node) []*ir.Value {
	x, lambd, bias := n.in[0], float64(n.Float("lambd", 0.5)), float64(n.Float("bias", 0))
	if d := x.DType(); d.IsInt() && (lambd < 0 || bias != math.Trunc(bias) || d.Category() == ir.Unsigned) {
		return one(n.cast(n.shrink(n.cast(x, ir.F64), lambd, bias), d))
	}
	return one(n.shrink(x, lambd, bias))
}

func (n *Node) shrink(x *ir.Value, lambd, bias float64) *ir.Value {
	d := x.DType()
	low := n.op(ir.Less, nil, x, n.number(d, -lambd))
	high := n.op(ir.Less, nil, n.number(d, lambd), x)
	b := n.number(d, bias)
	inner := n.op(ir.Where, nil, high, n.op(ir.Sub, nil, x, b), n.number(d, 0))
	return n.op(ir.Where, nil, low, n.op(ir.Add, nil, x, b), inner)
}

// importErf: of integers it is 0, or ±1 where it is 1 in f32, as in ONNX's reference.
func importErf(n *Node) []*ir.Value {
	x := n.in[0]
	d := x.DType()
	if !d.IsInt() {
		return one(n.op(ir.Erf, nil, x))
	}
	y := n.cast(n.op(ir.Less, nil, n.number(d, 3), x), d)
	if d.Category() == ir.Signed {
		y = n.op(ir.Sub, nil, y, n.cast(n.op(ir.Less, nil, x, n.number(d, -3)), d))
	}
	return one(y)
}

// importPRelu6: a slope for each channel, which is axis 1, or one for all.
func importPRelu6(n *Node) []*ir.Value {
	x, slope := n.in[0], n.in[1]
	if slope.Rank() == 1 && !size(slope, 0).Is(1) && x.Rank() > 2 {
		slope = n.unsqueeze(slope, ir.Axes(1, x.Rank()-1)...)
	}
	return one(n.prelu(x, slope))
}

func importPRelu(n *Node) []*ir.Value { return one(n.prelu(n.in[0], n.in[1])) }

// prelu: slope × x where x < 0.
func (n *Node) prelu(x, slope *ir.Value) *ir.Value {
	below := n.op(ir.Less, nil, x, n.number(x.DType(), 0))
	return n.op(ir.Where, nil, below, n.op(ir.Mul, nil, slope, x), x)
}

// importDropout10: up to opset 10 a node for inference, where it copies. Dropout-1 and 6 can be told to train.
func importDropout10(n *Node) []*ir.Value {
	n.Float("ratio", 0.5)
	mask := ir.Bool
	if n.since < 10 {
		mask = n.in[0].DType()
	}
	if n.since < 7 {
		n.Int("is_test", 0) // a model that is run is tested, whatever its exporter left here
	}
	return n.dropped(mask)
}

// dropped is the data as it is, and a mask of ones.
func (n *Node) dropped(mask ir.DType) []*ir.Value {
	if !n.wants(1) {
		return one(n.in[0])
	}
	return []*ir.Value{n.in[0], n.fill(n.ones(mask), n.in[0])}
}

func (n *Node) ones(d ir.DType) *ir.Value {
	if d == ir.Bool {
		return n.b.Const(ir.FloatScalar(ir.Bool, 1))
	}
	return n.number(d, 1)
}

// fill is a scalar in every place of like.
func (n *Node) fill(scalar, like *ir.Value) *ir.Value {
	return n.op(ir.Expand, nil, scalar, n.op(ir.ShapeOf, nil, like))
}
