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
	out, err := ir.ParseDType(d.String())
	if err != nil {
		return ir.Invalid, errf(Unsupported, "export with another dtype", "dtype %s is not done", d)
	}
	return out, nil
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

// checkDeclared compares an inferred type with a declared one. What is declared symbolically says
// nothing; a known size that differs from a known size is a lie somewhere.
func (s *scope) checkDeclared(info *pb.ValueInfoProto, v *ir.Value) error {
	tt := info.GetType().GetTensorType()
	if tt == nil || v == nil || !v.Type.IsTensor() {
		return nil
	}
	lie := func(declared string) error {
		return Locate(errf(Invalid, "correct the declared type or leave it out", "declared as %s, but it is %s", declared, v.Type), Error{Tensor: info.GetName()})
	}
	if e := DType(tt.GetElemType()); e != 0 && e.String() != v.DType().String() {
		return lie(e.String())
	}
	if tt.Shape == nil {
		return nil
	}
	if n := len(tt.Shape.Dim); n != v.Rank() {
		return lie(fmt.Sprintf("a tensor of rank %d", n))
	}
	for i, p := range tt.Shape.Dim {
		p, ok := p.GetValue().(*pb.TensorShapeProto_Dimension_DimValue)
		if !ok {
			continue
		}
		if n, known := v.Shape()[i].Value(); known && n != p.DimValue {
			return lie(fmt.Sprintf("of size %d on axis %d", p.DimValue, i))
		}
	}
	return nil
}
