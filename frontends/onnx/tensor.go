package onnx

import (
	"math"
	"math/bits"
	"slices"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// Payload is the value of a tensor: where its bytes are, or its strings.
//
// Bytes are in the layout of raw_data: row-major, little-endian, elements of less than a byte
// packed from the low bits up, complex numbers as (real, imaginary). They are not aligned to
// their element type and must not be written to.
type Payload struct {
	DType DType
	Dims  []int64 // empty for a scalar

	// A view of Map.Data[Off:Off+Len] if Map is set; else Bytes, or Strings for that dtype.
	Map      *Mapping
	Off, Len int64
	Bytes    []byte
	Strings  []string
}

// Data gives the bytes, wherever they are; nil for strings.
func (p Payload) Data() []byte {
	if p.Map != nil {
		return p.Map.Data[p.Off : p.Off+p.Len : p.Off+p.Len]
	}
	return p.Bytes
}

// NumElements is the product of the dims.
func (p Payload) NumElements() int64 {
	n := int64(1)
	for _, d := range p.Dims {
		n *= d
	}
	return n
}

// Tensor finds the value of t, a message of this file: a view of it or of an external file where
// the bytes are as they should be, converted bytes where they are in a typed field.
//
// Errors: *Error with file and tensor name. Invalid for dtype, dims and data that do not fit
// together; Missing for absent data; External for what is wrong with an external file;
// Unsupported for segments.
func (f *File) Tensor(t *pb.TensorProto) (Payload, error) {
	p, err := f.tensor(t)
	if err != nil {
		return Payload{}, Locate(err, Error{File: f.Path, Tensor: t.GetName()})
	}
	return p, nil
}

func (f *File) tensor(t *pb.TensorProto) (Payload, error) {
	if t == nil {
		return Payload{}, errf(Missing, remedyExport, "tensor is absent")
	}
	p := Payload{DType: DType(t.GetDataType()), Dims: t.Dims}
	info := p.DType.info()
	if info == nil {
		return p, dtypeError(p.DType)
	}
	if t.Segment != nil {
		return p, errf(Unsupported, "store the tensor in one piece", "data is split into segments")
	}
	n, size, err := extent(info, p)
	if err != nil {
		return p, err
	}
	typed, err := typedField(t, info)
	if err != nil {
		return p, err
	}
	if t.GetDataLocation() == pb.TensorProto_EXTERNAL {
		return f.outside(t, p, typed, size)
	}
	empty := t.RawData != nil && typed == noStorage && info.field != stringData
	if len(t.RawData) > 0 || empty {
		return f.raw(t, p, typed, size)
	}
	return convert(t, p, info, typed, n)
}

func dtypeError(d DType) error {
	if d == 0 {
		return errf(Invalid, remedyExport, "dtype is undefined")
	}
	return errf(Unsupported, "export with a dtype of ONNX 1.23 or older", "unknown dtype %d", int32(d))
}

// extent gives the number of elements and their bytes in raw_data. Zeros among the dims do not
// excuse the others: strides are their products too.
func extent(info *dtypeInfo, p Payload) (elems, size int64, err error) {
	n, zero := uint64(1), false
	for i, d := range p.Dims {
		if d < 0 {
			return 0, 0, errf(Invalid, remedyExport, "dim %d of %s is negative", i, shapeString(p.DType, p.Dims))
		}
		if d == 0 {
			zero = true
			continue
		}
		hi, lo := bits.Mul64(n, uint64(d))
		// A string's header takes more memory than any other element.
		if hi != 0 || lo > math.MaxInt64/uint64(max(info.bits, 128)) {
			return 0, 0, errf(Invalid, remedyExport, "dims of %s overflow: more elements than memory can hold", shapeString(p.DType, p.Dims))
		}
		n = lo
	}
	if zero {
		return 0, 0, nil
	}
	return int64(n), (int64(n)*int64(info.bits) + 7) / 8, nil
}

// typedField finds the typed field with data, which must be the dtype's and the only one.
func typedField(t *pb.TensorProto, info *dtypeInfo) (storage, error) {
	lens := fieldLens(t)
	found := noStorage
	for s, n := range lens {
		if n == 0 {
			continue
		}
		if found != noStorage {
			return 0, errf(Invalid, remedyExport, "has both %s and %s", storageNames[found], storageNames[s])
		}
		found = storage(s)
	}
	if found != noStorage && found != info.field {
		return 0, errf(Invalid, remedyExport, "%s elements are in %s, must be in %s", info.name, storageNames[found], storageNames[info.field])
	}
	return found, nil
}

func fieldLens(t *pb.TensorProto) [numStorage]int {
	return [numStorage]int{
		floatData: len(t.FloatData), int32Data: len(t.Int32Data), int64Data: len(t.Int64Data),
		doubleData: len(t.DoubleData), uint64Data: len(t.Uint64Data), stringData: len(t.StringData),
	}
}

// outside is a tensor whose data is in another file.
func (f *File) outside(t *pb.TensorProto, p Payload, typed storage, size int64) (Payload, error) {
	switch {
	case p.DType == DType(pb.TensorProto_STRING):
		return p, errf(Invalid, remedyExport, "strings cannot be external data")
	case len(t.RawData) > 0:
		return p, errf(Invalid, remedyExport, "has both raw data and external data")
	case typed != noStorage:
		return p, errf(Invalid, remedyExport, "has both %s and external data", storageNames[typed])
	}
	p, err := f.externalData(t, p, size)
	if err != nil {
		return p, err
	}
	return normalBools(p), nil
}

// raw is a tensor whose data is in raw_data.
func (f *File) raw(t *pb.TensorProto, p Payload, typed storage, size int64) (Payload, error) {
	switch {
	case typed != noStorage:
		return p, errf(Invalid, remedyExport, "has both raw data and %s", storageNames[typed])
	case p.DType == DType(pb.TensorProto_STRING):
		return p, errf(Invalid, remedyExport, "strings are in raw_data, must be in string_data")
	case int64(len(t.RawData)) != size:
		return p, errf(Invalid, remedyExport, "raw data has %d bytes, shape %s needs %d",
			len(t.RawData), shapeString(p.DType, p.Dims), size)
	}
	if off, ok := f.offset(t.RawData); ok {
		p.Map, p.Off, p.Len = f.main, off, size
	} else {
		p.Bytes = t.RawData
	}
	return normalBools(p), nil
}

// normalBools makes every true a 1, as kernels expect. Some writers store other numbers.
func normalBools(p Payload) Payload {
	if p.DType != DType(pb.TensorProto_BOOL) || !slices.ContainsFunc(p.Data(), func(b byte) bool { return b > 1 }) {
		return p
	}
	data := slices.Clone(p.Data())
	for i, b := range data {
		if b != 0 {
			data[i] = 1
		}
	}
	p.Map, p.Off, p.Len, p.Bytes = nil, 0, 0, data
	return p
}

// Sparse is a tensor of which only some elements are stored, the others being zero.
type Sparse struct {
	Dims    []int64 // of the dense tensor
	Values  Payload // [nnz]
	Indices Payload // i64: [nnz] linear, or [nnz, rank]
}

// Sparse finds the value of t, a message of this file. It checks shapes, not the indices.
//
// Errors: as Tensor's, and Invalid for shapes that do not fit together.
func (f *File) Sparse(t *pb.SparseTensorProto) (Sparse, error) {
	values, err := f.Tensor(t.GetValues())
	if err != nil {
		return Sparse{}, err
	}
	indices, err := f.Tensor(t.GetIndices())
	if err != nil {
		return Sparse{}, err
	}
	s := Sparse{Dims: t.GetDims(), Values: values, Indices: indices}
	if err := s.check(); err != nil {
		return Sparse{}, Locate(err, Error{File: f.Path, Tensor: t.GetValues().GetName()})
	}
	return s, nil
}

func (s *Sparse) check() error {
	dense := Payload{DType: s.Values.DType, Dims: s.Dims}
	if _, _, err := extent(dense.DType.info(), dense); err != nil {
		return err
	}
	if len(s.Values.Dims) != 1 {
		return errf(Invalid, remedyExport, "sparse values are %s, must be of rank 1", shapeString(s.Values.DType, s.Values.Dims))
	}
	nnz, at := s.Values.Dims[0], s.Indices.Dims
	linear := len(at) == 1 && at[0] == nnz
	coords := len(at) == 2 && at[0] == nnz && at[1] == int64(len(s.Dims))
	if s.Indices.DType != DType(pb.TensorProto_INT64) || !linear && !coords {
		return errf(Invalid, remedyExport, "sparse indices are %s, must be i64[%d] or i64[%d,%d]",
			shapeString(s.Indices.DType, at), nnz, nnz, len(s.Dims))
	}
	return nil
}
