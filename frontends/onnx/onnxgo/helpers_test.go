package onnxgo

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// wire is the bytes of a model, which says that it imports opset 10: onnx-go does not look.
func wire(t testing.TB, g *pb.GraphProto) []byte {
	t.Helper()
	irVersion, opset, domain := int64(5), int64(10), ""
	data, err := (&pb.ModelProto{IrVersion: &irVersion, Graph: g,
		OpsetImport: []*pb.OperatorSetIdProto{{Domain: &domain, Version: &opset}}}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// values declares tensors, as in "x f32[2,n]".
func values(list ...string) []*pb.ValueInfoProto {
	var out []*pb.ValueInfoProto
	for _, text := range list {
		name, typ, _ := strings.Cut(text, " ")
		dtype, dims, _ := strings.Cut(strings.TrimSuffix(typ, "]"), "[")
		d, err := ir.ParseDType(dtype)
		if err != nil {
			panic(err)
		}
		shape := &pb.TensorShapeProto{}
		for _, dim := range strings.FieldsFunc(dims, func(r rune) bool { return r == ',' }) {
			p := &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimParam{DimParam: dim}}
			if n, err := strconv.ParseInt(dim, 10, 64); err == nil {
				p.Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: n}
			}
			shape.Dim = append(shape.Dim, p)
		}
		out = append(out, valueProto(name, &pb.TypeProto_Tensor{ElemType: number(d), Shape: shape}))
	}
	return out
}

func graphOf(in, out []*pb.ValueInfoProto, nodes ...*pb.NodeProto) *pb.GraphProto {
	name := "g"
	return &pb.GraphProto{Name: &name, Input: in, Output: out, Node: nodes}
}

func withInit(g *pb.GraphProto, inits ...*pb.TensorProto) *pb.GraphProto {
	g.Initializer = append(g.Initializer, inits...)
	return g
}

func withInfo(g *pb.GraphProto, infos ...string) *pb.GraphProto {
	g.ValueInfo = append(g.ValueInfo, values(infos...)...)
	return g
}

// op makes a node; operands and outputs are separated by commas.
func op(name, in, out string, attrs ...*pb.AttributeProto) *pb.NodeProto {
	p := &pb.NodeProto{OpType: &name, Output: strings.Split(out, ","), Attribute: attrs}
	if in != "" {
		p.Input = strings.Split(in, ",")
	}
	return p
}

func attr(name string, v any) *pb.AttributeProto {
	a := &pb.AttributeProto{Name: &name}
	switch v := v.(type) {
	case int:
		n := int64(v)
		a.Type, a.I = pb.AttributeProto_INT.Enum(), &n
	case []int64:
		a.Type, a.Ints = pb.AttributeProto_INTS.Enum(), v
	case *pb.TensorProto:
		a.Type, a.T = pb.AttributeProto_TENSOR.Enum(), v
	default:
		panic(fmt.Sprintf("attribute of %T", v))
	}
	return a
}

func floats(name string, v ...float32) *pb.TensorProto {
	return tensorProto(name, ir.TensorFrom(v))
}

func scalar(name string, v float32) *pb.TensorProto {
	return tensorProto(name, ir.Scalar(v))
}

func ints(name string, v ...int64) *pb.TensorProto {
	return tensorProto(name, ir.TensorFrom(v))
}
