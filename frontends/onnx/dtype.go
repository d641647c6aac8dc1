package onnx

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// DType is ONNX's number of an element type (TensorProto.DataType).
type DType int32

// storage names the typed field that holds a dtype's elements when raw_data does not.
type storage uint8

const (
	noStorage storage = iota
	floatData
	int32Data
	int64Data
	doubleData
	uint64Data
	stringData
	numStorage
)

var storageNames = [numStorage]string{"", "float_data", "int32_data", "int64_data", "double_data", "uint64_data", "string_data"}

type dtypeInfo struct {
	name  string
	bits  int // per element in raw_data; 0 for strings
	field storage
}

// dtypes is the table of the specification (TensorProto in onnx.proto).
var dtypes = [...]dtypeInfo{
	pb.TensorProto_FLOAT:          {"f32", 32, floatData},
	pb.TensorProto_UINT8:          {"u8", 8, int32Data},
	pb.TensorProto_INT8:           {"i8", 8, int32Data},
	pb.TensorProto_UINT16:         {"u16", 16, int32Data},
	pb.TensorProto_INT16:          {"i16", 16, int32Data},
	pb.TensorProto_INT32:          {"i32", 32, int32Data},
	pb.TensorProto_INT64:          {"i64", 64, int64Data},
	pb.TensorProto_STRING:         {"string", 0, stringData},
	pb.TensorProto_BOOL:           {"bool", 8, int32Data},
	pb.TensorProto_FLOAT16:        {"f16", 16, int32Data},
	pb.TensorProto_DOUBLE:         {"f64", 64, doubleData},
	pb.TensorProto_UINT32:         {"u32", 32, uint64Data},
	pb.TensorProto_UINT64:         {"u64", 64, uint64Data},
	pb.TensorProto_COMPLEX64:      {"c64", 64, floatData},
	pb.TensorProto_COMPLEX128:     {"c128", 128, doubleData},
	pb.TensorProto_BFLOAT16:       {"bf16", 16, int32Data},
	pb.TensorProto_FLOAT8E4M3FN:   {"f8e4m3fn", 8, int32Data},
	pb.TensorProto_FLOAT8E4M3FNUZ: {"f8e4m3fnuz", 8, int32Data},
	pb.TensorProto_FLOAT8E5M2:     {"f8e5m2", 8, int32Data},
	pb.TensorProto_FLOAT8E5M2FNUZ: {"f8e5m2fnuz", 8, int32Data},
	pb.TensorProto_UINT4:          {"u4", 4, int32Data},
	pb.TensorProto_INT4:           {"i4", 4, int32Data},
	pb.TensorProto_FLOAT4E2M1:     {"f4e2m1", 4, int32Data},
	pb.TensorProto_FLOAT8E8M0:     {"f8e8m0", 8, int32Data},
	pb.TensorProto_UINT2:          {"u2", 2, int32Data},
	pb.TensorProto_INT2:           {"i2", 2, int32Data},
	pb.TensorProto_FLOAT6E2M3:     {"f6e2m3", 6, int32Data},
	pb.TensorProto_FLOAT6E3M2:     {"f6e3m2", 6, int32Data},
}

func (d DType) info() *dtypeInfo {
	if d > 0 && int(d) < len(dtypes) {
		return &dtypes[d]
	}
	return nil
}

// Bits is the size of an element in raw_data, 0 for strings and unknown dtypes.
func (d DType) Bits() int {
	if i := d.info(); i != nil {
		return i.bits
	}
	return 0
}

// String gives the IR's name ("f32"), or the number of an unknown dtype.
func (d DType) String() string {
	if i := d.info(); i != nil {
		return i.name
	}
	return fmt.Sprintf("dtype %d", int32(d))
}

// shapeString prints a type as the IR does, a long shape in part.
func shapeString(d DType, dims []int64) string {
	const most = 8
	var b strings.Builder
	b.WriteString(d.String() + "[")
	for i, n := range dims {
		if i == most {
			fmt.Fprintf(&b, ",… rank %d", len(dims))
			break
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.FormatInt(n, 10))
	}
	b.WriteByte(']')
	return b.String()
}
