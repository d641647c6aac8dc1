package ir

import "fmt"

// DType is the element type of a tensor. The set is ONNX's TensorProto.DataType, without UNDEFINED.
type DType uint8

// The dtypes, spelled in the text form as their String.
const (
	Invalid DType = iota
	F64
	F32
	F16
	BF16
	F8E4M3FN
	F8E4M3FNUZ
	F8E5M2
	F8E5M2FNUZ
	F8E8M0
	F6E2M3
	F6E3M2
	F4E2M1
	I2
	I4
	I8
	I16
	I32
	I64
	U2
	U4
	U8
	U16
	U32
	U64
	Bool
	String
	C64
	C128
	NumDTypes
)

type dtypeInfo struct {
	name string
	bits int
	cat  Category
}

// Category groups dtypes by arithmetic.
type Category uint8

// The categories. A Float covers every floating-point width.
const (
	OtherCategory Category = iota
	Float
	Signed
	Unsigned
	BoolCategory
	StringCategory
	Complex
)

var dtypes = [NumDTypes]dtypeInfo{
	Invalid: {"invalid", 0, OtherCategory},
	F64:     {"f64", 64, Float}, F32: {"f32", 32, Float}, F16: {"f16", 16, Float}, BF16: {"bf16", 16, Float},
	F8E4M3FN: {"f8e4m3fn", 8, Float}, F8E4M3FNUZ: {"f8e4m3fnuz", 8, Float},
	F8E5M2: {"f8e5m2", 8, Float}, F8E5M2FNUZ: {"f8e5m2fnuz", 8, Float},
	F8E8M0: {"f8e8m0", 8, Float}, F6E2M3: {"f6e2m3", 6, Float}, F6E3M2: {"f6e3m2", 6, Float}, F4E2M1: {"f4e2m1", 4, Float},
	I2: {"i2", 2, Signed}, I4: {"i4", 4, Signed}, I8: {"i8", 8, Signed}, I16: {"i16", 16, Signed},
	I32: {"i32", 32, Signed}, I64: {"i64", 64, Signed},
	U2: {"u2", 2, Unsigned}, U4: {"u4", 4, Unsigned}, U8: {"u8", 8, Unsigned}, U16: {"u16", 16, Unsigned},
	U32: {"u32", 32, Unsigned}, U64: {"u64", 64, Unsigned},
	Bool: {"bool", 8, BoolCategory}, String: {"string", 0, StringCategory},
	C64: {"c64", 64, Complex}, C128: {"c128", 128, Complex},
}

func (d DType) String() string {
	if d >= NumDTypes {
		return fmt.Sprintf("dtype(%d)", uint8(d))
	}
	return dtypes[d].name
}

// Bits is the width of one element; sub-byte elements are packed in constants, low bits first. Strings have 0.
func (d DType) Bits() int { return dtypes[d].bits }

// Size is the width in bytes of one element in a Tensor, where sub-byte elements take a whole byte.
func (d DType) Size() int { return (dtypes[d].bits + 7) / 8 }

// Category tells how arithmetic on d works.
func (d DType) Category() Category { return dtypes[d].cat }

// IsFloat reports whether d is a floating-point dtype of any width.
func (d DType) IsFloat() bool { return dtypes[d].cat == Float }

// IsInt reports whether d is a signed or unsigned integer dtype.
func (d DType) IsInt() bool { return dtypes[d].cat == Signed || dtypes[d].cat == Unsigned }

// IsNumeric reports whether d is an integer or floating-point dtype.
func (d DType) IsNumeric() bool { return d.IsInt() || d.IsFloat() }

// holds reports whether n is a value of the integer or bool dtype d.
func (d DType) holds(n int64) bool {
	bits := d.Bits()
	switch d.Category() {
	case Signed:
		return n>>(bits-1) == 0 || n>>(bits-1) == -1
	case Unsigned:
		return n >= 0 && (bits == 64 || n>>bits == 0)
	case BoolCategory:
		return n == 0 || n == 1
	}
	return false
}

var dtypeByName = func() map[string]DType {
	m := make(map[string]DType, NumDTypes)
	for d := Invalid + 1; d < NumDTypes; d++ {
		m[d.String()] = d
	}
	return m
}()

// ParseDType is the inverse of DType.String.
func ParseDType(s string) (DType, error) {
	if d, ok := dtypeByName[s]; ok {
		return d, nil
	}
	return Invalid, fmt.Errorf("unknown dtype %q", s)
}
