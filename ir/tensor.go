package ir

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unsafe"
)

// Tensor is a dense value: row-major elements of one dtype. Elements lie in Data, little-endian, Size bytes
// each; sub-byte dtypes take one byte an element (constants pack them, see Const); strings lie in Strings.
type Tensor struct {
	DType   DType
	Shape   []int
	Data    []byte
	Strings []string
}

// Datum is a run-time value: *Tensor, *Sequence, *Optional or *Map.
type Datum interface {
	// Type is the static type of the value.
	Type() Type
}

// Sequence is a list of values of one type.
type Sequence struct {
	Elem  Type
	Items []Datum
}

// Optional is a value or, with a nil Item, the absence of one.
type Optional struct {
	Elem Type
	Item Datum
}

// Map is a list of key and value pairs, in insertion order; Keys is a 1-D tensor of strings or integers.
type Map struct {
	Keys   *Tensor
	Values Datum // a 1-D tensor, or a sequence
}

// Type is the tensor's dtype and shape.
func (t *Tensor) Type() Type {
	s := make(Shape, len(t.Shape))
	for i, n := range t.Shape {
		s[i] = Size(int64(n))
	}
	return Type{Kind: TensorType, DType: t.DType, Shape: s}
}

// Type is seq<Elem>.
func (s *Sequence) Type() Type { return SequenceOf(s.Elem) }

// Type is optional<Elem>.
func (o *Optional) Type() Type { return OptionalOf(o.Elem) }

// Type is map<key, elem>.
func (m *Map) Type() Type {
	v := m.Values.Type()
	if v.Kind == SequenceType {
		return MapOf(m.Keys.DType, *v.Elem)
	}
	return MapOf(m.Keys.DType, TensorOf(v.DType))
}

// KeyOrder is the places of a map's keys, in ascending order: that of integers, or of strings by their bytes.
func KeyOrder(keys *Tensor) []int {
	at := make([]int, keys.Len())
	for i := range at {
		at[i] = i
	}
	if keys.DType == String {
		slices.SortStableFunc(at, func(a, b int) int { return strings.Compare(keys.Strings[a], keys.Strings[b]) })
		return at
	}
	ints := keys.Ints()
	if keys.DType == U64 {
		slices.SortStableFunc(at, func(a, b int) int { return cmp.Compare(uint64(ints[a]), uint64(ints[b])) })
		return at
	}
	slices.SortStableFunc(at, func(a, b int) int { return cmp.Compare(ints[a], ints[b]) })
	return at
}

// MaxElements bounds a tensor's size, so that a lying shape is an error and not an allocation.
const MaxElements = 1 << 40

// NumElements is the product of shape, and an error when a dim is negative or the product passes MaxElements.
func NumElements(shape []int) (int, error) {
	n, zero := 1, false
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("negative size in shape %v", shape)
		}
		if d == 0 {
			zero = true
			continue
		}
		if n > MaxElements/d {
			return 0, fmt.Errorf("shape %v is too large", shape)
		}
		n *= d
	}
	if zero {
		return 0, nil
	}
	return n, nil
}

// NewTensor makes a tensor of zeros (or empty strings). It panics on a shape that NumElements refuses:
// sizes from outside are checked where they enter.
func NewTensor(d DType, shape ...int) *Tensor {
	n, err := NumElements(shape)
	if err != nil {
		panic(err)
	}
	t := &Tensor{DType: d, Shape: shape}
	if d == String {
		t.Strings = make([]string, n)
		return t
	}
	t.Data = make([]byte, n*d.Size())
	return t
}

// Len is the number of elements.
func (t *Tensor) Len() int {
	n := 1
	for _, d := range t.Shape {
		n *= d
	}
	return n
}

// Element is a Go type that a tensor's Data can be seen as. f16, bf16 and the 8-bit floats are seen as their
// bits; bool as bytes of 0 and 1.
type Element interface {
	~float32 | ~float64 | ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~bool | ~complex64 | ~complex128
}

// View is the elements of t as a slice of E over the same memory. It panics when E's width is not the dtype's.
func View[E Element](t *Tensor) []E {
	var e E
	if size := int(unsafe.Sizeof(e)); size != t.DType.Size() {
		panic(fmt.Sprintf("view of %s as elements of %d bytes", t.DType, size))
	}
	if len(t.Data) == 0 {
		return nil
	}
	return unsafe.Slice((*E)(unsafe.Pointer(unsafe.SliceData(t.Data))), len(t.Data)/t.DType.Size())
}

// dtypeOf maps Go's element types to their natural dtype.
func dtypeOf[E Element]() DType {
	switch any(*new(E)).(type) {
	case float32:
		return F32
	case float64:
		return F64
	case int8:
		return I8
	case int16:
		return I16
	case int32:
		return I32
	case int64:
		return I64
	case uint8:
		return U8
	case uint16:
		return U16
	case uint32:
		return U32
	case uint64:
		return U64
	case bool:
		return Bool
	case complex64:
		return C64
	case complex128:
		return C128
	}
	return Invalid
}

// TensorFrom makes a tensor over the elements, without a copy; shape nil means 1-D.
// It panics when the shape does not hold them.
func TensorFrom[E Element](elems []E, shape ...int) *Tensor {
	if shape == nil {
		shape = []int{len(elems)}
	}
	d := dtypeOf[E]()
	t := &Tensor{DType: d, Shape: shape}
	if n, err := NumElements(shape); err != nil || n != len(elems) {
		panic(fmt.Sprintf("shape %v does not hold %d elements", shape, len(elems)))
	}
	if len(elems) > 0 {
		t.Data = unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(elems))), len(elems)*d.Size())
	}
	return t
}

// Scalar makes a rank-0 tensor.
func Scalar[E Element](v E) *Tensor {
	t := TensorFrom([]E{v})
	t.Shape = []int{}
	return t
}

// Ints are the elements of an integer or bool tensor, widened; u64 past the range of int64 wraps.
func (t *Tensor) Ints() []int64 {
	out := make([]int64, t.Len())
	switch t.DType {
	case I64, U64:
		copy(out, View[int64](t))
	case I32:
		widen(out, View[int32](t))
	case U32:
		widen(out, View[uint32](t))
	case I16:
		widen(out, View[int16](t))
	case U16:
		widen(out, View[uint16](t))
	case I8, I4, I2:
		widen(out, View[int8](t))
	case U8, U4, U2, Bool:
		widen(out, View[uint8](t))
	default:
		panic("Ints of a " + t.DType.String() + " tensor")
	}
	return out
}

func widen[E int32 | uint32 | int16 | uint16 | int8 | uint8](out []int64, in []E) {
	for i, v := range in {
		out[i] = int64(v)
	}
}

// Floats are the elements of a float tensor in float64, which holds them all exactly.
func (t *Tensor) Floats() []float64 {
	out := make([]float64, t.Len())
	switch {
	case t.DType == F64:
		copy(out, View[float64](t))
	case t.DType == F32:
		for i, v := range View[float32](t) {
			out[i] = float64(v)
		}
	case t.DType.IsFloat() && t.DType.Bits() == 16:
		for i, v := range View[uint16](t) {
			out[i] = DecodeFloat(t.DType, v)
		}
	case t.DType.IsFloat():
		for i, v := range t.Data {
			out[i] = DecodeFloat(t.DType, uint16(v))
		}
	default:
		panic("Floats of a " + t.DType.String() + " tensor")
	}
	return out
}

// Unpack makes a tensor from the packed little-endian form that constants have: a view of data where the
// dtype is at least a byte wide, a copy with one byte an element below that (low bits first, signed
// integers sign-extended; the last byte may be padded).
func Unpack(d DType, shape []int, data []byte) (*Tensor, error) {
	n, err := NumElements(shape)
	if err != nil {
		return nil, err
	}
	if want := PackedSize(d, n); len(data) != want {
		return nil, fmt.Errorf("%d bytes of data, %s%v needs %d", len(data), d, shape, want)
	}
	t := &Tensor{DType: d, Shape: shape, Data: data}
	bits := d.Bits()
	if bits >= 8 {
		return t, nil
	}
	t.Data = make([]byte, n)
	mask := byte(1)<<bits - 1
	for i := range t.Data {
		at, low := i*bits/8, i*bits%8
		v := data[at] >> low & mask
		if low+bits > 8 {
			v |= data[at+1] << (8 - low) & mask
		}
		if d.Category() == Signed && v>>(bits-1) == 1 {
			v |= ^mask
		}
		t.Data[i] = v
	}
	return t, nil
}

// Pack is the inverse of Unpack: the packed little-endian bytes.
func (t *Tensor) Pack() []byte {
	bits := t.DType.Bits()
	if bits >= 8 || t.DType == String {
		return t.Data
	}
	out := make([]byte, PackedSize(t.DType, len(t.Data)))
	mask := byte(1)<<bits - 1
	for i, v := range t.Data {
		at, low := i*bits/8, i*bits%8
		out[at] |= v & mask << low
		if low+bits > 8 {
			out[at+1] |= v & mask >> (8 - low)
		}
	}
	return out
}

// PackedSize is the number of bytes that n packed elements take.
func PackedSize(d DType, n int) int {
	if n > math.MaxInt/128 {
		return math.MaxInt
	}
	return (n*d.Bits() + 7) / 8
}
