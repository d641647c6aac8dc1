package conformance

import (
	"fmt"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// DataSet is recorded inputs, by name, and the outputs that they give, in order.
type DataSet struct {
	Name   string
	Inputs map[string]ir.Datum
	Want   []ir.Datum
}

// readDataSet reads the inputs and outputs in dir with the types that model's graph declares. Files belong to the graph's
// inputs, in order, without those that are initializers.
func readDataSet(model *pb.ModelProto, dir string) (*DataSet, error) {
	inputs, err := dataFiles(dir, "input")
	if err != nil {
		return nil, err
	}
	outputs, err := dataFiles(dir, "output")
	if err != nil {
		return nil, err
	}
	free := freeInputs(model.Graph)
	if len(inputs) > len(free) {
		return nil, fmt.Errorf("%s: %d inputs for a model with %d", dir, len(inputs), len(free))
	}
	if len(outputs) > len(model.Graph.Output) {
		return nil, fmt.Errorf("%s: %d outputs for a model with %d", dir, len(outputs), len(model.Graph.Output))
	}
	set := &DataSet{Name: dir, Inputs: map[string]ir.Datum{}}
	for i, path := range inputs {
		d, err := readDatum(path, free[i].Type)
		if err != nil {
			return nil, err
		}
		set.Inputs[free[i].GetName()] = d
	}
	for i, path := range outputs {
		d, err := readDatum(path, model.Graph.Output[i].Type)
		if err != nil {
			return nil, err
		}
		set.Want = append(set.Want, d)
	}
	return set, nil
}

func freeInputs(g *pb.GraphProto) []*pb.ValueInfoProto {
	stored := map[string]bool{}
	for _, t := range g.Initializer {
		stored[t.GetName()] = true
	}
	var free []*pb.ValueInfoProto
	for _, in := range g.Input {
		if !stored[in.GetName()] {
			free = append(free, in)
		}
	}
	return free
}

// ReadDatum reads a value of type t from a file in ONNX's format, such as input_0.pb.
func ReadDatum(path string, t ir.Type) (ir.Datum, error) {
	typ, err := onnx.TypeProto(t)
	if err != nil {
		return nil, err
	}
	return readDatum(path, typ)
}

func readDatum(path string, typ *pb.TypeProto) (ir.Datum, error) {
	v, err := onnx.ReadValuePB(path, typ)
	if err != nil {
		return nil, err
	}
	t, err := typeOf(typ)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	d, err := datumOf(v, t)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return d, nil
}

// typeOf is the form of a declared type; the shape of a tensor does not matter here.
func typeOf(t *pb.TypeProto) (ir.Type, error) {
	switch v := t.GetValue().(type) {
	case *pb.TypeProto_SequenceType:
		elem, err := typeOf(v.SequenceType.GetElemType())
		return ir.SequenceOf(elem), err
	case *pb.TypeProto_OptionalType:
		elem, err := typeOf(v.OptionalType.GetElemType())
		return ir.OptionalOf(elem), err
	case *pb.TypeProto_MapType:
		elem, err := typeOf(v.MapType.GetValueType())
		if err != nil {
			return ir.Type{}, err
		}
		key, err := dtypeOf(onnx.DType(v.MapType.GetKeyType()))
		return ir.MapOf(key, elem), err
	case *pb.TypeProto_TensorType:
		d, err := dtypeOf(onnx.DType(v.TensorType.GetElemType()))
		return ir.TensorOf(d), err
	}
	return ir.Type{}, fmt.Errorf("a declared type that is no tensor, sequence, optional or map")
}

func dtypeOf(d onnx.DType) (ir.DType, error) { return ir.ParseDType(d.String()) }

// datumOf is v as a value of type t.
func datumOf(v onnx.Value, t ir.Type) (ir.Datum, error) {
	switch t.Kind {
	case ir.TensorType:
		if v.Kind == onnx.TensorValue {
			return tensorOf(v.Tensor)
		}
	case ir.OptionalType:
		if v.Kind == onnx.NoValue {
			return &ir.Optional{Elem: *t.Elem}, nil
		}
		item, err := datumOf(v, *t.Elem)
		return &ir.Optional{Elem: *t.Elem, Item: item}, err
	case ir.SequenceType:
		s := &ir.Sequence{Elem: *t.Elem}
		for _, e := range v.Elems {
			item, err := datumOf(e, *t.Elem)
			if err != nil {
				return nil, err
			}
			s.Items = append(s.Items, item)
		}
		return s, nil
	case ir.MapType:
		return mapOf(v, t)
	}
	return nil, fmt.Errorf("the file holds no %s", t)
}

// mapOf is a map with its values as a list, or as one tensor where they are scalars.
func mapOf(v onnx.Value, t ir.Type) (ir.Datum, error) {
	if v.Keys == nil {
		return nil, fmt.Errorf("the file holds no map")
	}
	keys, err := tensorOf(*v.Keys)
	if err != nil {
		return nil, err
	}
	values := &ir.Sequence{Elem: *t.Elem}
	for _, e := range v.Elems {
		item, err := datumOf(e, *t.Elem)
		if err != nil {
			return nil, err
		}
		values.Items = append(values.Items, item)
	}
	if t.Elem.IsTensor() {
		return scalarMap(keys, values)
	}
	return &ir.Map{Keys: keys, Values: values}, nil
}

func scalarMap(keys *ir.Tensor, values *ir.Sequence) (ir.Datum, error) {
	all := &ir.Tensor{DType: values.Elem.DType, Shape: []int{len(values.Items)}}
	for _, item := range values.Items {
		e := item.(*ir.Tensor)
		if e.Len() != 1 || e.DType != all.DType {
			return nil, fmt.Errorf("a map to %s, wants scalars of %s", e.Type(), all.DType)
		}
		all.Data, all.Strings = append(all.Data, e.Data...), append(all.Strings, e.Strings...)
	}
	return &ir.Map{Keys: keys, Values: all}, nil
}

func tensorOf(p onnx.Payload) (*ir.Tensor, error) {
	d, err := dtypeOf(p.DType)
	if err != nil {
		return nil, err
	}
	shape := make([]int, len(p.Dims))
	for i, n := range p.Dims {
		shape[i] = int(n)
	}
	if d == ir.String {
		return &ir.Tensor{DType: d, Shape: shape, Strings: p.Strings}, nil
	}
	return ir.Unpack(d, shape, p.Data())
}
