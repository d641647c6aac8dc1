package grad_test

import (
	"fmt"
	"testing"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

// composedCases are operators of ONNX that the importer composes of kinds.
func composedCases() []gradCase {
	// recurrent has gates of 3 units over 4 features.
	recurrent := func(op string, gates, directions int, attrs []*pb.AttributeProto, more ...*ir.Tensor) gradCase {
		in := []*ir.Tensor{normal(3, 2, 4), normal(directions, gates*3, 4), normal(directions, gates*3, 3), normal(directions, 2*gates*3)}
		c := node(op, 2, append(attrs, intAttr("hidden_size", 3)), append(in, more...)...)
		c.known = []int{1, 2, 3, 5, 6, 7}
		return c
	}
	scales := ir.TensorFrom([]float32{1, 1, 1.5, 2})
	labels := ints([]int{4}, 0, 2, 1, 2)
	grid := ir.TensorFrom([]float64{-0.83, 0.21, 0.35, -0.57, 0.11, 0.77, -0.29, -0.91, 0.63, 0.43, -0.47, 0.05}, 1, 2, 3, 2)
	return []gradCase{
		recurrent("LSTM", 4, 2, []*pb.AttributeProto{textAttr("direction", "bidirectional")}),
		recurrent("LSTM", 4, 1, []*pb.AttributeProto{textAttr("direction", "reverse")}, ir.TensorFrom([]int32{3, 1}), normal(1, 2, 3), normal(1, 2, 3), normal(1, 9)),
		recurrent("GRU", 3, 2, []*pb.AttributeProto{textAttr("direction", "bidirectional")}),
		recurrent("GRU", 3, 1, []*pb.AttributeProto{intAttr("linear_before_reset", 1)}, nil, normal(1, 2, 3)),
		recurrent("RNN", 1, 1, nil, nil, normal(1, 2, 3)),
		node("Einsum", 1, []*pb.AttributeProto{textAttr("equation", "...ij,...kj->...ik")}, normal(2, 3, 4), normal(2, 5, 4)),
		node("Einsum", 1, []*pb.AttributeProto{textAttr("equation", "bii,bi,k->kb")}, normal(2, 3, 3), normal(2, 3), normal(4)),
		node("Resize", 1, []*pb.AttributeProto{textAttr("mode", "linear")}, normal(1, 2, 4, 3), nil, scales),
		node("Resize", 1, []*pb.AttributeProto{textAttr("mode", "cubic")}, normal(1, 2, 4, 3), nil, scales),
		node("Resize", 1, []*pb.AttributeProto{textAttr("mode", "nearest")}, normal(1, 2, 4, 3), nil, scales),
		node("GridSample", 1, []*pb.AttributeProto{textAttr("mode", "linear")}, normal(1, 2, 4, 3), grid),
		node("GridSample", 1, []*pb.AttributeProto{textAttr("mode", "cubic"), textAttr("padding_mode", "border")}, normal(1, 2, 4, 3), grid),
		node("ConvTranspose", 1, []*pb.AttributeProto{intsAttr("strides", 2), intsAttr("output_padding", 1), intsAttr("pads", 1, 0)}, normal(2, 3, 4), normal(3, 2, 3), normal(2)),
		node("ConvTranspose", 1, []*pb.AttributeProto{intAttr("group", 2), intsAttr("dilations", 2, 1)}, normal(1, 4, 3, 2), normal(4, 1, 2, 3)),
		node("SoftmaxCrossEntropyLoss", 1, []*pb.AttributeProto{intAttr("ignore_index", 1)}, normal(4, 3), labels, between(0.5, 2, 3)),
		node("NegativeLogLikelihoodLoss", 1, []*pb.AttributeProto{textAttr("reduction", "sum")}, normal(4, 3), labels),
		node("GroupNormalization", 1, []*pb.AttributeProto{intAttr("num_groups", 2)}, normal(2, 4, 3), normal(4), normal(4)),
		node("LRN", 1, []*pb.AttributeProto{intAttr("size", 3)}, normal(2, 4, 3)),
	}

}

// sized are the operands whose sizes the importer must know.
var sized = map[string][]int{"Resize": {0}, "GridSample": {1}, "ConvTranspose": {1}, "GroupNormalization": {0, 1, 2}}

// node is a case of a node. Operands that are no f64 are initializers.
func node(op string, outputs int, attrs []*pb.AttributeProto, in ...*ir.Tensor) gradCase {
	n := &pb.NodeProto{OpType: &op, Name: new("node"), Attribute: attrs}
	for i, v := range in {
		name := ""
		if v != nil {
			name = fmt.Sprintf("x%d", i)
		}
		n.Input = append(n.Input, name)
	}
	for i := range outputs {
		n.Output = append(n.Output, fmt.Sprintf("y%d", i))
	}
	return gradCase{name: op, in: in, node: n, known: sized[op]}
}

// imported is the module of a case of a node.
func (c gradCase) imported(t *testing.T, symbolic bool) (*ir.Module, []*ir.Tensor) {
	t.Helper()
	g := &pb.GraphProto{Name: new("case"), Node: []*pb.NodeProto{c.node}}
	var in []*ir.Tensor
	types := c.types(symbolic)
	for i, v := range c.in {
		switch name := fmt.Sprintf("x%d", i); {
		case v == nil:
		case v.DType == ir.F64:
			g.Input = append(g.Input, &pb.ValueInfoProto{Name: &name, Type: declared(types[i])})
			in = append(in, v)
		default:
			p := &pb.TensorProto{Name: &name, DataType: new(int32(elementTypes[v.DType])), RawData: v.Data}
			for _, n := range v.Shape {
				p.Dims = append(p.Dims, int64(n))
			}
			g.Initializer = append(g.Initializer, p)
		}
	}
	for _, name := range c.node.Output {
		g.Output = append(g.Output, &pb.ValueInfoProto{Name: &name})
	}
	data, err := (&pb.ModelProto{IrVersion: new(int64(10)), Graph: g, OpsetImport: []*pb.OperatorSetIdProto{{Version: new(int64(22))}}}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	f, err := onnx.FromBytes("grad.onnx", data)
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Import(f, onnx.Options{Eval: interp.EvalOp})
	if err != nil {
		t.Fatal(err)
	}
	return m, in
}

var elementTypes = map[ir.DType]pb.TensorProto_DataType{ir.F32: pb.TensorProto_FLOAT, ir.F64: pb.TensorProto_DOUBLE, ir.I32: pb.TensorProto_INT32, ir.I64: pb.TensorProto_INT64}

func declared(typ ir.Type) *pb.TypeProto {
	shape := &pb.TensorShapeProto{}
	for _, d := range typ.Shape {
		p := &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimParam{DimParam: d.String()}}
		if n, known := d.Value(); known {
			p.Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: n}
		}
		shape.Dim = append(shape.Dim, p)
	}
	return &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: &pb.TypeProto_Tensor{ElemType: new(int32(elementTypes[typ.DType])), Shape: shape}}}
}

func intAttr(name string, v int64) *pb.AttributeProto {
	return &pb.AttributeProto{Name: &name, Type: new(pb.AttributeProto_INT), I: &v}
}

func intsAttr(name string, v ...int64) *pb.AttributeProto {
	return &pb.AttributeProto{Name: &name, Type: new(pb.AttributeProto_INTS), Ints: v}
}

func textAttr(name, v string) *pb.AttributeProto {
	return &pb.AttributeProto{Name: &name, Type: new(pb.AttributeProto_STRING), S: []byte(v)}
}
