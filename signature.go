package emily

import (
	"fmt"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// signature reads the declared inputs and outputs of a graph that cannot be imported yet. Types of outputs are
// unknown: they follow from the import.
func signature(f *onnx.File, bound map[string]*ir.Tensor) (in, out []Port, err error) {
	g := f.Model.Graph
	stored := map[string]bool{}
	for _, t := range g.Initializer {
		stored[t.GetName()] = true
	}
	for _, v := range g.Input {
		name := v.GetName()
		if stored[name] || bound[name] != nil {
			continue
		}
		t, err := declaredType(v.Type.GetTensorType(), name)
		if err != nil {
			return nil, nil, onnx.Locate(err, onnx.Error{File: f.Path, Tensor: name})
		}
		in = append(in, Port{name, t})
	}
	for _, v := range g.Output {
		out = append(out, Port{Name: v.GetName()})
	}
	return in, out, nil
}

func declaredType(t *pb.TypeProto_Tensor, name string) (ir.Type, error) {
	if t == nil || t.Shape == nil {
		return ir.Type{}, fmt.Errorf("wants a tensor of known rank")
	}
	d, err := ir.ParseDType(onnx.DType(t.GetElemType()).String())
	if err != nil {
		return ir.Type{}, err
	}
	shape := make(ir.Shape, len(t.Shape.Dim))
	for i, dim := range t.Shape.Dim {
		shape[i] = ir.Sym(fmt.Sprintf("%s.%d", name, i))
		switch v := dim.GetValue().(type) {
		case *pb.TensorShapeProto_Dimension_DimValue:
			shape[i] = ir.Size(v.DimValue)
		case *pb.TensorShapeProto_Dimension_DimParam:
			if v.DimParam != "" {
				shape[i] = ir.Sym(v.DimParam)
			}
		}
	}
	return ir.TensorOf(d, shape...), nil
}
