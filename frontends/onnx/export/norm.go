package export

import (
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// normalized are the axes that layer_norm and rms_norm work on.
func normalized(op *ir.Op) ir.Shape { return op.Args[0].Shape()[op.Attrs.(*ir.NormAttrs).Axis:] }

// fits reports whether a scale or bias has the shape of the normalised axes, as ONNX demands; others are applied by nodes of their own.
func fits(op *ir.Op, v *ir.Value) bool {
	return ir.TensorOf(v.DType(), v.Shape()...).Equal(ir.TensorOf(v.DType(), normalized(op)...))
}

// ones are a scale that changes nothing.
func (g *graph) ones(d ir.DType, shape ir.Shape) string {
	if n, static := shape.NumElements().Value(); static && n <= 1<<16 {
		t := ir.NewTensor(d, int(n))
		one := ir.FloatScalar(d, 1).Data
		for i := range int(n) {
			copy(t.Data[i*len(one):], one)
		}
		t.Shape, _ = shape.Static()
		return g.value(t)
	}
	return g.one("Expand", []string{g.number(d, 1), g.vector(shape...)})
}

// normAttrs ask for sums in at least single precision.
func normAttrs(op *ir.Op) []*pb.AttributeProto {
	a, d := op.Attrs.(*ir.NormAttrs), ir.F32
	if op.Result().DType() == ir.F64 {
		d = ir.F64
	}
	return []*pb.AttributeProto{intAttr("axis", a.Axis), floatAttr("epsilon", a.Epsilon), intAttr("stash_type", int64(dtypes[d]))}
}

func exportLayerNorm(g *graph, op *ir.Op) { g.norm(op, "LayerNormalization") }

func exportRMSNorm(g *graph, op *ir.Op) { g.norm(op, "RMSNormalization") }

// norm emits a normalisation, and nodes that scale and shift where its own operands would not do.
func (g *graph) norm(op *ir.Op, name string) {
	scale, bias := op.Arg(1), op.Arg(2)
	ins := []string{g.arg(0), g.arg(1), g.arg(2)}
	after := scale != nil && !fits(op, scale)
	if scale == nil || after {
		ins[1] = g.ones(op.Result().DType(), normalized(op))
	}
	shift := bias != nil && (after || !fits(op, bias))
	if shift {
		ins[2] = ""
	}
	switch {
	case !after && !shift:
		g.emit(name, ins, normAttrs(op)...)
	case !shift:
		g.emit("Mul", []string{g.one(name, ins, normAttrs(op)...), g.arg(1)})
	case !after:
		g.emit("Add", []string{g.one(name, ins, normAttrs(op)...), g.arg(2)})
	default:
		y := g.one("Mul", []string{g.one(name, ins, normAttrs(op)...), g.arg(1)})
		g.emit("Add", []string{y, g.arg(2)})
	}
}

func exportBatchNorm(g *graph, op *ir.Op) {
	g.emit("BatchNormalization", g.args(), floatAttr("epsilon", op.Attrs.(*ir.NormAttrs).Epsilon))
}
