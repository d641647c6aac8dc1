package export

import (
	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// dtypes are ONNX's numbers of the IR's dtypes.
var dtypes = func() (out [ir.NumDTypes]int32) {
	for n := range pb.TensorProto_DataType_name {
		if d, err := ir.ParseDType(onnx.DType(n).String()); err == nil {
			out[d] = n
		}
	}
	return out
}()

// sizes say how much of a shape is declared.
type sizes uint8

const (
	allSizes   sizes = iota
	knownSizes       // numbers only: in the body of an op others may change from one iteration to the next
	noSizes
)

func port(name string, t ir.Type, with sizes) *pb.ValueInfoProto {
	return &pb.ValueInfoProto{Name: new(name), Type: typeProto(t, with)}
}

func typeProto(t ir.Type, with sizes) *pb.TypeProto {
	held := with
	if with == knownSizes {
		held = noSizes
	}
	switch t.Kind {
	case ir.SequenceType:
		return &pb.TypeProto{Value: &pb.TypeProto_SequenceType{SequenceType: &pb.TypeProto_Sequence{ElemType: typeProto(*t.Elem, held)}}}
	case ir.OptionalType:
		return &pb.TypeProto{Value: &pb.TypeProto_OptionalType{OptionalType: &pb.TypeProto_Optional{ElemType: typeProto(*t.Elem, held)}}}
	case ir.MapType:
		m := &pb.TypeProto_Map{KeyType: new(dtypes[t.DType]), ValueType: typeProto(*t.Elem, held)}
		return &pb.TypeProto{Value: &pb.TypeProto_MapType{MapType: m}}
	}
	tensor := &pb.TypeProto_Tensor{ElemType: new(dtypes[t.DType])}
	if with != noSizes && t.Ranks == ir.OneRank {
		tensor.Shape = new(pb.TensorShapeProto)
		for _, d := range t.Shape {
			if with == knownSizes && !d.IsConst() {
				d = ir.Unknown
			}
			tensor.Shape.Dim = append(tensor.Shape.Dim, dimProto(d))
		}
	}
	return &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: tensor}}
}

// dimProto is a size: a number, the name of a symbol, or the text of an expression.
func dimProto(d ir.Dim) *pb.TensorShapeProto_Dimension {
	p := new(pb.TensorShapeProto_Dimension)
	n, known := d.Value()
	switch {
	case known:
		p.Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: n}
	case d.Op() == ir.DimSym:
		p.Value = &pb.TensorShapeProto_Dimension_DimParam{DimParam: d.Name()}
	case d != ir.Unknown:
		p.Value = &pb.TensorShapeProto_Dimension_DimParam{DimParam: d.String()}
	}
	return p
}
