package onnx

import (
	"encoding/binary"
	"math"
	"unsafe"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// convert turns the n elements of a typed field into a payload in raw_data's layout.
func convert(t *pb.TensorProto, p Payload, info *dtypeInfo, typed storage, n int64) (Payload, error) {
	have, want := int64(fieldLens(t)[info.field]), typedLen(info, p.DType, n)
	if typed == noStorage && want > 0 {
		return p, missingData(t, p)
	}
	if have != want {
		return p, errf(Invalid, remedyExport, "%s has %d values, shape %s needs %d",
			storageNames[info.field], have, shapeString(p.DType, p.Dims), want)
	}
	var err error
	switch info.field {
	case stringData:
		p.Strings = stringsOf(t.StringData)
	case floatData:
		p.Bytes = littleEndian(t.FloatData)
	case doubleData:
		p.Bytes = littleEndian(t.DoubleData)
	case int64Data:
		p.Bytes = littleEndian(t.Int64Data)
	case uint64Data:
		p.Bytes, err = fromUint64(t.Uint64Data, info)
	case int32Data:
		p.Bytes, err = fromInt32(t.Int32Data, info, p.DType)
	}
	return p, err
}

func missingData(t *pb.TensorProto, p Payload) error {
	remedy := remedyExport
	if len(t.ExternalData) > 0 {
		remedy = "export the model again, with data_location EXTERNAL"
	}
	return errf(Missing, remedy, "has no data, shape %s", shapeString(p.DType, p.Dims))
}

// typedLen is how many values of the typed field make n elements.
func typedLen(info *dtypeInfo, d DType, n int64) int64 {
	switch {
	case d == DType(pb.TensorProto_COMPLEX64), d == DType(pb.TensorProto_COMPLEX128):
		return 2 * n
	case info.bits == 4:
		return (n + 1) / 2 // packed bytes
	case info.bits == 2:
		return (n + 3) / 4
	}
	return n
}

func stringsOf(data [][]byte) []string {
	s := make([]string, len(data))
	for i, b := range data {
		s[i] = string(b)
	}
	return s
}

// littleEndian gives the bytes of s, without a copy where the machine stores them that way.
func littleEndian[T float32 | float64 | int32 | int64 | uint64](s []T) []byte {
	if binary.NativeEndian.Uint16([]byte{1, 0}) == 1 {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*int(unsafe.Sizeof(*new(T))))
	}
	b, err := binary.Append(nil, binary.LittleEndian, s)
	if err != nil {
		panic(err) // T is of fixed size
	}
	return b
}

func fromUint64(s []uint64, info *dtypeInfo) ([]byte, error) {
	if info.bits == 64 {
		return littleEndian(s), nil
	}
	b := make([]byte, 0, 4*len(s))
	for i, v := range s {
		if v > math.MaxUint32 {
			return nil, rangeError(uint64Data, i, v, info)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	}
	return b, nil
}

// fromInt32 narrows the values of int32_data. Bit patterns may come zero- or sign-extended;
// anything else outside the type's bits is an error.
func fromInt32(s []int32, info *dtypeInfo, d DType) ([]byte, error) {
	if info.bits == 32 {
		return littleEndian(s), nil
	}
	width := info.bits
	if width == 2 || width == 4 {
		width = 8 // a value is a packed byte
	}
	lo, hi := int32(-1)<<(width-1), int32(1)<<width-1
	switch d {
	case DType(pb.TensorProto_BOOL):
		return boolsFrom(s), nil
	case DType(pb.TensorProto_INT8), DType(pb.TensorProto_INT16):
		hi >>= 1 // a number, not a bit pattern
	case DType(pb.TensorProto_UINT8), DType(pb.TensorProto_UINT16):
		lo = 0
	}
	for i, v := range s {
		if v < lo || v > hi {
			return nil, rangeError(int32Data, i, v, info)
		}
	}
	switch width {
	case 6:
		return pack6(s), nil
	case 16:
		b := make([]byte, 0, 2*len(s))
		for _, v := range s {
			b = binary.LittleEndian.AppendUint16(b, uint16(v))
		}
		return b, nil
	}
	b := make([]byte, len(s))
	for i, v := range s {
		b[i] = byte(v)
	}
	return b, nil
}

func boolsFrom(s []int32) []byte {
	b := make([]byte, len(s))
	for i, v := range s {
		if v != 0 {
			b[i] = 1
		}
	}
	return b
}

// pack6 packs four elements into three bytes, from the low bits up.
func pack6(s []int32) []byte {
	b := make([]byte, (6*len(s)+7)/8)
	for i, v := range s {
		bit := 6 * i
		w := uint16(v&0x3f) << (bit % 8)
		b[bit/8] |= byte(w)
		if hi := byte(w >> 8); hi != 0 {
			b[bit/8+1] |= hi
		}
	}
	return b
}

func rangeError[T int32 | uint64](field storage, i int, v T, info *dtypeInfo) error {
	return errf(Invalid, remedyExport, "%s[%d] is %d, out of range for %s", storageNames[field], i, v, info.name)
}
