package onnx

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// typeOf is the IR type of a declared type. Dims without a name get the symbol "name.axis".
//
// Errors: Unsupported for a map to other than scalars, a tensor of unknown rank (unless in a sequence or an optional), and
// dtypes that the IR has not; Invalid for a negative dim.
func typeOf(t *pb.TypeProto, name string) (ir.Type, error) {
	tt := t.GetTensorType()
	if t.GetSequenceType() != nil || t.GetOptionalType() != nil {
		return heldType(t)
	}
	if m := t.GetMapType(); m != nil {
		return mapType(m)
	}
	if tt == nil {
		return ir.Type{}, errf(Unsupported, "export with tensors, sequences, optionals and maps only", "type %s is not done", typeForm(t))
	}
	d, err := irDType(DType(tt.GetElemType()))
	if err != nil {
		return ir.Type{}, err
	}
	if tt.Shape == nil {
		return ir.Type{}, errf(Unsupported, "declare its shape: every axis may have a symbol for its size", "the rank is unknown")
	}
	shape := make(ir.Shape, len(tt.Shape.Dim))
	for i, p := range tt.Shape.Dim {
		if shape[i], err = dimOf(p, fmt.Sprintf("%s.%d", name, i)); err != nil {
			return ir.Type{}, err
		}
	}
	return ir.TensorOf(d, shape...), nil
}

// TypeProto is t as ONNX declares types, without its sizes.
func TypeProto(t ir.Type) (*pb.TypeProto, error) {
	var elem *pb.TypeProto
	var err error
	if t.Elem != nil {
		if elem, err = TypeProto(*t.Elem); err != nil {
			return nil, err
		}
	}
	d := int32(numberOf(t.DType))
	switch t.Kind {
	case ir.TensorType:
		return &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: &pb.TypeProto_Tensor{ElemType: &d}}}, nil
	case ir.SequenceType:
		return &pb.TypeProto{Value: &pb.TypeProto_SequenceType{SequenceType: &pb.TypeProto_Sequence{ElemType: elem}}}, nil
	case ir.OptionalType:
		return &pb.TypeProto{Value: &pb.TypeProto_OptionalType{OptionalType: &pb.TypeProto_Optional{ElemType: elem}}}, nil
	case ir.MapType:
		return &pb.TypeProto{Value: &pb.TypeProto_MapType{MapType: &pb.TypeProto_Map{KeyType: &d, ValueType: elem}}}, nil
	}
	return nil, errf(Invalid, "", "no type")
}

// numberOf is ONNX's number of d; 0 for none.
func numberOf(d ir.DType) DType {
	for code := range dtypes {
		if dtypes[code].name == d.String() {
			return DType(code)
		}
	}
	return 0
}

func typeForm(t *pb.TypeProto) string {
	switch t.GetValue().(type) {
	case *pb.TypeProto_SequenceType:
		return "sequence"
	case *pb.TypeProto_OptionalType:
		return "optional"
	case *pb.TypeProto_SparseTensorType:
		return "sparse tensor"
	case nil:
		return "none"
	}
	return "opaque"
}

func irDType(d DType) (ir.DType, error) {
	if d.info() == nil {
		return ir.Invalid, dtypeError(d)
	}
	return ir.ParseDType(d.String())
}

// dimOf reads a dim; unnamed is the symbol for one without a size or a name.
func dimOf(p *pb.TensorShapeProto_Dimension, unnamed string) (ir.Dim, error) {
	switch v := p.GetValue().(type) {
	case *pb.TensorShapeProto_Dimension_DimValue:
		if v.DimValue < 0 {
			return ir.Dim{}, errf(Invalid, remedyExport, "dim %d is negative", v.DimValue)
		}
		return ir.Size(v.DimValue), nil
	case *pb.TensorShapeProto_Dimension_DimParam:
		if d, ok := paramDim(v.DimParam); ok {
			return d, nil
		}
	}
	return ir.Sym(unnamed), nil
}

// hyphenated matches names such as encoder-length, which are no subtraction.
var hyphenated = regexp.MustCompile(`[A-Za-z_]\w*-[A-Za-z_]`)

// paramDim reads a dim_param: an expression over names, as torch writes, or a name. Some exporters
// write ? or -1 for no name.
func paramDim(text string) (ir.Dim, bool) {
	if n, err := strconv.ParseInt(text, 10, 64); text == "" || text == "?" || err == nil && n < 0 {
		return ir.Dim{}, false
	}
	if len(text) > 1<<12 {
		return ir.Dim{}, false
	}
	text = strings.Clone(text) // symbols outlive the file
	if d, err := ir.ParseDim(text); err == nil && d != ir.Unknown && !hyphenated.MatchString(text) {
		if _, hi := d.Bounds(); hi >= 0 {
			return d, true
		}
	}
	return ir.Sym(text), true
}

// checkDeclared compares an inferred dtype with a declared one. Declared shapes of what is computed say nothing: exporters
// and people who edit sizes by hand leave wrong ones behind, which no result depends on.
func (s *scope) checkDeclared(info *pb.ValueInfoProto, v *ir.Value) error {
	tt := info.GetType().GetTensorType()
	if tt == nil || v == nil || !v.Type.IsTensor() {
		return nil
	}
	if e := DType(tt.GetElemType()); e != 0 && e.String() != v.DType().String() {
		return Locate(errf(Invalid, "correct the declared type or leave it out", "declared as %s, but it is %s", e, v.Type), Error{Tensor: info.GetName()})
	}
	return nil
}
