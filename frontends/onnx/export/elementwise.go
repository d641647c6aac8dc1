package export

import (
	"slices"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// castTo is a value as a dtype.
func (g *graph) castTo(d ir.DType, x string) string {
	return g.one("Cast", []string{x}, intAttr("to", int64(dtypes[d])))
}

// exportNeg: ONNX negates no unsigned integers.
func exportNeg(g *graph, op *ir.Op) {
	if x := op.Args[0]; x.DType().Category() == ir.Unsigned {
		g.emit("Sub", []string{g.numberOf(x, 0), g.arg(0)})
		return
	}
	g.emit("Neg", g.args())
}

// exportRelu: an unsigned integer is its own.
func exportRelu(g *graph, op *ir.Op) {
	if op.Args[0].DType().Category() == ir.Unsigned {
		g.identity(g.arg(0))
		return
	}
	g.emit("Relu", g.args())
}

func exportRsqrt(g *graph, _ *ir.Op) {
	g.emit("Reciprocal", []string{g.one("Sqrt", g.args())})
}

func exportIsInf(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.IsInfAttrs)
	g.emit("IsInf", g.args(), boolAttr("detect_negative", a.Negative), boolAttr("detect_positive", a.Positive))
}

// exportActivation: gelu and silu.
func exportActivation(g *graph, op *ir.Op) {
	name, ins, attrs := g.activation(op.Kind, op.Attrs)
	g.emit(name, ins, attrs...)
}

// exportGLU: the activation of the gate, times the other operand.
func exportGLU(g *graph, op *ir.Op) {
	name, ins, attrs := g.activation(op.Attrs.(*ir.GLUAttrs).Gate())
	g.emit("Mul", []string{g.one(name, ins, attrs...), g.arg(1)})
}

// activation is the last node of gelu or silu of the first operand. There is no operator for gelu by sigmoid, and onnxruntime
// lacks Swish-24.
func (g *graph) activation(k ir.Kind, a ir.Attrs) (name string, ins []string, attrs []*pb.AttributeProto) {
	x, form, inner := g.arg(0), "sigmoid", g.arg(0)
	if k == ir.Gelu {
		form = a.(*ir.GeluAttrs).Approximate
		if form == "sigmoid" {
			inner = g.one("Mul", []string{x, g.numberOf(g.op.Args[0], 1.702)})
		}
	}
	switch form {
	case "sigmoid":
		return "Mul", []string{x, g.one("Sigmoid", []string{inner})}, nil
	case "":
		form = "none"
	}
	return "Gelu", []string{x}, []*pb.AttributeProto{stringAttr("approximate", form)}
}

func alpha(name string) Rule {
	return func(g *graph, op *ir.Op) { g.emit(name, g.args(), floatAttr("alpha", op.Attrs.(*ir.AlphaAttrs).Alpha)) }
}

func exportHardSigmoid(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.AlphaAttrs)
	g.emit("HardSigmoid", g.args(), floatAttr("alpha", a.Alpha), floatAttr("beta", a.Beta))
}

func exportCast(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.CastAttrs)
	attrs := []*pb.AttributeProto{intAttr("to", int64(dtypes[a.To])), nil, nil}
	if bits := a.To.Bits(); a.To.IsFloat() && bits <= 8 {
		attrs[1] = boolAttr("saturate", a.Saturate)
	}
	if a.Round != "" {
		attrs[2] = stringAttr("round_mode", a.Round)
	}
	g.emit("Cast", g.args(), attrs...)
}

func exportBitCast(g *graph, op *ir.Op) {
	g.emit("BitCast", g.args(), intAttr("to", int64(dtypes[op.Attrs.(*ir.BitCastAttrs).To])))
}

func exportMod(g *graph, op *ir.Op) {
	g.emit("Mod", g.args(), boolAttr("fmod", op.Attrs.(*ir.ModAttrs).Fmod))
}

// unsigned are the dtypes that BitShift takes, for integers of the same width.
var unsigned = map[ir.DType]ir.DType{ir.I8: ir.U8, ir.I16: ir.U16, ir.I32: ir.U32, ir.I64: ir.U64}

// shift is BitShift, of signed integers by way of unsigned ones.
func shift(direction string) Rule {
	return func(g *graph, op *ir.Op) {
		ins := slices.Clone(g.args())
		d := op.Result().DType()
		to, signed := unsigned[d]
		if !signed {
			g.emit("BitShift", ins, stringAttr("direction", direction))
			return
		}
		for i, x := range ins {
			ins[i] = g.castTo(to, x)
		}
		y := g.one("BitShift", ins, stringAttr("direction", direction))
		g.emit("Cast", []string{y}, intAttr("to", int64(dtypes[d])))
	}
}
