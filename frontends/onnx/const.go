package onnx

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// initializer makes a constant of an initializer in s.region. Its location is its name.
func (s *scope) initializer(name string, t stored) *ir.Value {
	user := s.b.Loc
	defer func() { s.b.Loc = user }()
	s.b.Loc = s.im.module.AddLoc(ir.Loc{File: s.im.base, Node: strings.Clone(name)})
	if t.sparse != nil {
		return s.sparse(t.sparse)
	}
	return s.tensor(t.dense)
}

// tensor makes a constant that views the tensor's bytes.
func (s *scope) tensor(t *pb.TensorProto) *ir.Value {
	p, err := s.im.file.Tensor(t)
	if err != nil {
		return s.b.Fail(err)
	}
	v, err := s.payload(p)
	if err != nil {
		return s.b.Fail(Locate(err, Error{Tensor: t.GetName()}))
	}
	return v
}

// element makes a scalar constant of a tensor of one element.
func (s *scope) element(t *pb.TensorProto) *ir.Value {
	p, err := s.im.file.Tensor(t)
	if err == nil && p.NumElements() != 1 {
		err = errf(Invalid, "give a tensor of one element", "value of %d elements", p.NumElements())
	}
	if err != nil {
		return s.b.Fail(err)
	}
	p.Dims = nil
	v, err := s.payload(p)
	if err != nil {
		return s.b.Fail(err)
	}
	return v
}

func (s *scope) payload(p Payload) (*ir.Value, error) {
	d, err := irDType(p.DType)
	if err != nil {
		return nil, err
	}
	a := &ir.ConstAttrs{Type: ir.Type{Kind: ir.TensorType, DType: d, Shape: ir.StaticShape(p.Dims...)}}
	if p.Map != nil {
		a.Blob, a.Off, a.Len = s.im.blob(p.Map), p.Off, p.Len
	} else {
		a.Inline, a.Strings = p.Bytes, p.Strings
	}
	v := s.b.Op(ir.Const, a)
	return v, s.b.Err()
}

// blob is the module's blob over a mapping.
func (im *importer) blob(m *Mapping) *ir.Blob {
	if b := im.blobs[m]; b != nil {
		return b
	}
	b := &ir.Blob{Name: im.blobName(filepath.Base(m.Path)), Path: m.Path, Data: m.Data}
	if im.file.dir == "" {
		b.Path = "" // decoded from memory
	}
	im.blobs[m] = b
	im.module.Blobs = append(im.module.Blobs, b)
	return b
}

// blobName is base, or base with a number where another blob has that name.
func (im *importer) blobName(base string) string {
	name := base
	for i := 2; im.module.Blob(name) != nil; i++ {
		name = base + "." + strconv.Itoa(i)
	}
	return name
}

// sparse scatters the stored elements into zeros when the model runs: what they are scattered into may be much
// larger than the file.
func (s *scope) sparse(t *pb.SparseTensorProto) *ir.Value {
	fail := func(err error) *ir.Value {
		return s.b.Fail(Locate(err, Error{Tensor: t.GetValues().GetName()}))
	}
	sp, err := s.im.file.Sparse(t)
	if err != nil {
		return fail(err)
	}
	values, err := s.payload(sp.Values)
	if err != nil {
		return fail(err)
	}
	indices, err := s.payload(sp.Indices)
	if err != nil {
		return fail(err)
	}
	if !values.DType().IsNumeric() && values.DType() != ir.Bool {
		return fail(errf(Unsupported, "store the tensor dense", "sparse tensor of %s", values.DType()))
	}
	shape := ir.StaticShape(sp.Dims...)
	flat := indices.Rank() == 1
	target := shape
	if flat {
		target = ir.Shape{shape.NumElements()}
	}
	zero := s.b.Const(ir.FloatScalar(values.DType(), 0))
	v := s.b.Op(ir.Expand, nil, zero, s.b.Dims(target...))
	if !flat {
		return s.b.Op(ir.ScatterND, &ir.ScatterAttrs{Reduction: "none"}, v, indices, values)
	}
	v = s.b.Op(ir.ScatterElements, &ir.ScatterAttrs{Reduction: "none"}, v, indices, values)
	return s.b.Op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, v, s.b.Dims(shape...))
}

// intTensor is a tensor of t's type with these elements; nil where t's dtype is not i64, i32 or bool, or its shape not known.
func intTensor(t ir.Type, ints []int64) *ir.Tensor {
	shape, ok := t.Shape.Static()
	if n, err := ir.NumElements(shape); !ok || err != nil || n != len(ints) {
		return nil
	}
	out := &ir.Tensor{}
	switch t.DType {
	case ir.I64:
		out = ir.TensorFrom(slices.Clone(ints), len(ints))
	case ir.I32:
		out = ir.TensorFrom(convertInts[int32](ints), len(ints))
	case ir.Bool:
		out = ir.TensorFrom(convertInts[uint8](ints), len(ints))
		out.DType = ir.Bool
	default:
		return nil
	}
	out.Shape = shape
	return out
}

func convertInts[E int32 | uint8](ints []int64) []E {
	out := make([]E, len(ints))
	for i, n := range ints {
		out[i] = E(n)
	}
	return out
}
