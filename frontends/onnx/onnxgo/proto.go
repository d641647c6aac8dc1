package onnxgo

import (
	"fmt"
	"maps"
	"slices"

	gorgonia "gorgonia.org/tensor"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

// attributes are what onnx-go makes of a node's attributes, as messages again, ordered by name.
func attributes(m map[string]interface{}) ([]*pb.AttributeProto, error) {
	var out []*pb.AttributeProto
	for _, name := range slices.Sorted(maps.Keys(m)) {
		a, err := attribute(m[name])
		if err != nil {
			return nil, &onnx.Error{Kind: onnx.Unsupported, Msg: fmt.Sprintf("attribute %q", name), Err: err, Remedy: "load the model with emily.Load"}
		}
		a.Name = &name
		out = append(out, a)
	}
	return out, nil
}

func attribute(v interface{}) (*pb.AttributeProto, error) {
	switch v := v.(type) {
	case float32:
		return &pb.AttributeProto{Type: pb.AttributeProto_FLOAT.Enum(), F: &v}, nil
	case int64:
		return &pb.AttributeProto{Type: pb.AttributeProto_INT.Enum(), I: &v}, nil
	case string:
		return &pb.AttributeProto{Type: pb.AttributeProto_STRING.Enum(), S: []byte(v)}, nil
	case []float32:
		return &pb.AttributeProto{Type: pb.AttributeProto_FLOATS.Enum(), Floats: v}, nil
	case []int64:
		return &pb.AttributeProto{Type: pb.AttributeProto_INTS.Enum(), Ints: v}, nil
	case []string:
		return &pb.AttributeProto{Type: pb.AttributeProto_STRINGS.Enum(), Strings: byteSlices(v)}, nil
	case *gorgonia.Dense:
		t, err := interp.FromGorgonia(v)
		if err != nil {
			return nil, err
		}
		return &pb.AttributeProto{Type: pb.AttributeProto_TENSOR.Enum(), T: tensorProto("", t)}, nil
	case struct{}:
		return nil, fmt.Errorf("it has no type, and so onnx-go gives no value")
	}
	return nil, fmt.Errorf("a value of %T", v)
}

func byteSlices(list []string) [][]byte {
	out := make([][]byte, len(list))
	for i, s := range list {
		out[i] = []byte(s)
	}
	return out
}

// tensorProto is t as a message over the same memory.
func tensorProto(name string, t *ir.Tensor) *pb.TensorProto {
	p := &pb.TensorProto{Name: &name, DataType: number(t.DType)}
	for _, n := range t.Shape {
		p.Dims = append(p.Dims, int64(n))
	}
	if t.DType == ir.String {
		p.StringData = byteSlices(t.Strings)
		return p
	}
	p.RawData = t.Data
	return p
}

// inputProto declares an input of t's type.
func inputProto(name string, t *ir.Tensor) *pb.ValueInfoProto {
	shape := &pb.TensorShapeProto{}
	for _, n := range t.Shape {
		shape.Dim = append(shape.Dim, &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimValue{DimValue: int64(n)}})
	}
	return valueProto(name, &pb.TypeProto_Tensor{ElemType: number(t.DType), Shape: shape})
}

// outputProto declares an output: its dtype alone, since onnx-go drops symbolic sizes from its shape.
func outputProto(v *value) (*pb.ValueInfoProto, error) {
	if v.declared == nil {
		return &pb.ValueInfoProto{Name: &v.name}, nil
	}
	d, err := dtypeOf(v.declared)
	return valueProto(v.name, &pb.TypeProto_Tensor{ElemType: number(d)}), err
}

func valueProto(name string, t *pb.TypeProto_Tensor) *pb.ValueInfoProto {
	return &pb.ValueInfoProto{Name: &name, Type: &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: t}}}
}

// numbers are ONNX's numbers of the dtypes.
var numbers = func() (table [ir.NumDTypes]int32) {
	for n := range pb.TensorProto_DataType_name {
		if d, err := ir.ParseDType(onnx.DType(n).String()); err == nil {
			table[d] = n
		}
	}
	return table
}()

func number(d ir.DType) *int32 { return &numbers[d] }
