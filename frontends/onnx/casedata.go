package onnx

import (
	"io"
	"os"
	"path/filepath"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// ValueKind says which field of a Value counts.
type ValueKind uint8

const (
	NoValue       ValueKind = iota // an empty optional
	TensorValue                    // Tensor
	SparseValue                    // Sparse
	SequenceValue                  // Elems
	MapValue                       // Keys, Elems
)

// Value is a value of any ONNX type, as case data (input_0.pb) has it. A full optional is its
// element.
type Value struct {
	Name   string
	Kind   ValueKind
	Tensor Payload
	Sparse *Sparse
	Keys   *Payload // rank 1, of strings or i64
	Elems  []Value
}

// ReadTensorPB reads the TensorProto at path. Its data is in memory: nothing is to be closed.
//
// Errors: as Open's and File.Tensor's.
func ReadTensorPB(path string) (Payload, error) {
	v, err := ReadValuePB(path, nil)
	return v.Tensor, err
}

// ReadValuePB reads a value whose type the model declares as typ: nothing in the file tells a
// tensor from a sequence or an optional. A nil typ is a tensor.
//
// Errors: as Open's and File.Tensor's; Unsupported for an opaque typ.
func ReadValuePB(path string, typ *pb.TypeProto) (Value, error) {
	data, err := readRegular(path)
	if err != nil {
		return Value{}, Locate(openError(err), Error{File: path})
	}
	f := fromBytes(path, data)
	f.dir = filepath.Dir(path)
	defer f.Close()
	v, err := f.value(typ)
	if err != nil {
		return Value{}, Locate(err, Error{File: path})
	}
	f.detach(&v)
	return v, nil
}

// DecodeTensor decodes a TensorProto; name stands for the file in messages.
//
// Errors: as FromBytes's and File.Tensor's.
func DecodeTensor(name string, data []byte) (Payload, error) {
	v, err := decodeValue(name, data, (*File).rootTensor)
	return v.Tensor, err
}

// DecodeSequence decodes a SequenceProto.
//
// Errors: as DecodeTensor's, and Invalid if elem_type and the elements disagree.
func DecodeSequence(name string, data []byte) (Value, error) {
	return decodeValue(name, data, (*File).rootSequence)
}

// DecodeOptional decodes an OptionalProto.
//
// Errors: as DecodeSequence's.
func DecodeOptional(name string, data []byte) (Value, error) {
	return decodeValue(name, data, (*File).rootOptional)
}

func decodeValue(name string, data []byte, decode func(*File) (Value, error)) (Value, error) {
	v, err := decode(fromBytes(name, data))
	if err != nil {
		return Value{}, Locate(err, Error{File: name})
	}
	return v, nil
}

func readRegular(path string) ([]byte, error) {
	file, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if err := regular(st.Mode()); err != nil {
		return nil, err
	}
	return io.ReadAll(file)
}

// detach copies what views an external file, which is closed when the value is read.
func (f *File) detach(v *Value) {
	parts := []*Payload{&v.Tensor}
	if v.Sparse != nil {
		parts = append(parts, &v.Sparse.Values, &v.Sparse.Indices)
	}
	for _, p := range parts {
		if p.Map != nil && p.Map != f.main {
			p.Bytes = append([]byte{}, p.Data()...)
			p.Map, p.Off, p.Len = nil, 0, 0
		}
	}
	for i := range v.Elems {
		f.detach(&v.Elems[i])
	}
}

func (f *File) value(typ *pb.TypeProto) (Value, error) {
	switch typ.GetValue().(type) {
	case nil, *pb.TypeProto_TensorType:
		return f.rootTensor()
	case *pb.TypeProto_SequenceType:
		return f.rootSequence()
	case *pb.TypeProto_OptionalType:
		return f.rootOptional()
	case *pb.TypeProto_MapType:
		return f.rootMap()
	}
	return Value{}, errf(Unsupported, "", "case data of this type has no file format")
}

func (f *File) rootTensor() (Value, error) {
	t := new(pb.TensorProto)
	if err := unmarshal(f.main.Data, onnxWire().tensor, t); err != nil {
		return Value{}, err
	}
	return f.tensorValue(t)
}

func (f *File) rootSequence() (Value, error) {
	s := new(pb.SequenceProto)
	if err := unmarshal(f.main.Data, onnxWire().sequence, s); err != nil {
		return Value{}, err
	}
	return f.sequence(s)
}

func (f *File) rootOptional() (Value, error) {
	o := new(pb.OptionalProto)
	if err := unmarshal(f.main.Data, onnxWire().optional, o); err != nil {
		return Value{}, err
	}
	return f.optional(o)
}

func (f *File) rootMap() (Value, error) {
	m := new(pb.MapProto)
	if err := unmarshal(f.main.Data, onnxWire().mapping, m); err != nil {
		return Value{}, err
	}
	return f.mapValue(m)
}

func (f *File) tensorValue(t *pb.TensorProto) (Value, error) {
	p, err := f.Tensor(t)
	return Value{Name: t.GetName(), Kind: TensorValue, Tensor: p}, err
}

func (f *File) sparseValue(t *pb.SparseTensorProto) (Value, error) {
	s, err := f.Sparse(t)
	return Value{Name: t.GetValues().GetName(), Kind: SparseValue, Sparse: &s}, err
}

func (f *File) sequence(s *pb.SequenceProto) (Value, error) {
	v := Value{Name: s.GetName(), Kind: SequenceValue}
	n := map[pb.SequenceProto_DataType]int{
		pb.SequenceProto_TENSOR: len(s.GetTensorValues()), pb.SequenceProto_SPARSE_TENSOR: len(s.GetSparseTensorValues()),
		pb.SequenceProto_SEQUENCE: len(s.GetSequenceValues()), pb.SequenceProto_MAP: len(s.GetMapValues()),
		pb.SequenceProto_OPTIONAL: len(s.GetOptionalValues()),
	}
	elem := pb.SequenceProto_DataType(s.GetElemType())
	for t, count := range n {
		if count > 0 && t != elem {
			return v, errf(Invalid, remedyExport, "sequence %q of %s holds a %s", v.Name, elem, t)
		}
	}
	var err error
	switch elem {
	case pb.SequenceProto_TENSOR:
		v.Elems, err = each(s.GetTensorValues(), f.tensorValue)
	case pb.SequenceProto_SPARSE_TENSOR:
		v.Elems, err = each(s.GetSparseTensorValues(), f.sparseValue)
	case pb.SequenceProto_SEQUENCE:
		v.Elems, err = each(s.GetSequenceValues(), f.sequence)
	case pb.SequenceProto_MAP:
		v.Elems, err = each(s.GetMapValues(), f.mapValue)
	case pb.SequenceProto_OPTIONAL:
		v.Elems, err = each(s.GetOptionalValues(), f.optional)
	}
	return v, err
}

func each[T any](list []T, decode func(T) (Value, error)) ([]Value, error) {
	vs := make([]Value, 0, len(list))
	for _, t := range list {
		v, err := decode(t)
		if err != nil {
			return nil, err
		}
		vs = append(vs, v)
	}
	return vs, nil
}

func (f *File) mapValue(m *pb.MapProto) (Value, error) {
	v := Value{Name: m.GetName(), Kind: MapValue}
	values, err := f.sequence(m.GetValues())
	if err != nil {
		return v, err
	}
	v.Elems = values.Elems
	n := int64(len(v.Elems))
	// The file keeps all integer keys as i64, whatever their type.
	v.Keys = &Payload{DType: DType(m.GetKeyType()), Dims: []int64{n}}
	isString := v.Keys.DType == DType(pb.TensorProto_STRING)
	have, other := len(m.Keys), len(m.StringKeys)
	if isString {
		have, other = other, have
	}
	switch {
	case other > 0:
		return v, errf(Invalid, remedyExport, "map %q with keys of %s has keys of another type", v.Name, v.Keys.DType)
	case int64(have) != n:
		return v, errf(Invalid, remedyExport, "map %q has %d keys and %d values", v.Name, have, n)
	case isString:
		v.Keys.Strings = stringsOf(m.StringKeys)
	default:
		v.Keys.DType, v.Keys.Bytes = DType(pb.TensorProto_INT64), littleEndian(m.Keys)
	}
	return v, nil
}

// optional gives the element under the optional's name, if it is there.
func (f *File) optional(o *pb.OptionalProto) (Value, error) {
	v, err := Value{}, error(nil)
	switch {
	case o.TensorValue != nil:
		v, err = f.tensorValue(o.TensorValue)
	case o.SparseTensorValue != nil:
		v, err = f.sparseValue(o.SparseTensorValue)
	case o.SequenceValue != nil:
		v, err = f.sequence(o.SequenceValue)
	case o.MapValue != nil:
		v, err = f.mapValue(o.MapValue)
	case o.OptionalValue != nil:
		v, err = f.optional(o.OptionalValue)
	}
	if o.GetName() != "" {
		v.Name = o.GetName()
	}
	return v, err
}
