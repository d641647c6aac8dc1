package onnx

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// dtypeCase is a tensor of n elements in its typed field and in raw_data's bytes.
type dtypeCase struct {
	dtype pb.TensorProto_DataType
	n     int64
	typed *pb.TensorProto
	raw   []byte
}

func int32s(v ...int32) *pb.TensorProto { return &pb.TensorProto{Int32Data: v} }

// The values are chosen so that sign, order and padding show.
var dtypeCases = []*dtypeCase{
	{pb.TensorProto_FLOAT, 2, &pb.TensorProto{FloatData: []float32{1, -2}}, []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}},
	{pb.TensorProto_DOUBLE, 1, &pb.TensorProto{DoubleData: []float64{-2}}, []byte{0, 0, 0, 0, 0, 0, 0, 0xc0}},
	{pb.TensorProto_COMPLEX64, 1, &pb.TensorProto{FloatData: []float32{1, -2}}, []byte{0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0}},
	{pb.TensorProto_COMPLEX128, 1, &pb.TensorProto{DoubleData: []float64{1, -2}}, []byte{0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0, 0, 0, 0, 0, 0, 0, 0xc0}},
	{pb.TensorProto_FLOAT16, 2, int32s(0x3c00, 0xc000), []byte{0, 0x3c, 0, 0xc0}},
	{pb.TensorProto_BFLOAT16, 2, int32s(0x3f80, 0xc000), []byte{0x80, 0x3f, 0, 0xc0}},
	{pb.TensorProto_FLOAT8E4M3FN, 2, int32s(0x38, 0xc0), []byte{0x38, 0xc0}},
	{pb.TensorProto_FLOAT8E4M3FNUZ, 2, int32s(0x40, 0x80), []byte{0x40, 0x80}},
	{pb.TensorProto_FLOAT8E5M2, 2, int32s(0x3c, 0xc0), []byte{0x3c, 0xc0}},
	{pb.TensorProto_FLOAT8E5M2FNUZ, 2, int32s(0x40, 0x80), []byte{0x40, 0x80}},
	{pb.TensorProto_FLOAT8E8M0, 2, int32s(127, 255), []byte{127, 255}},
	{pb.TensorProto_FLOAT4E2M1, 3, int32s(0x42, 0x0f), []byte{0x42, 0x0f}},
	{pb.TensorProto_FLOAT6E2M3, 5, int32s(0x3f, 0x01, 0x20, 0x15, 0x2a), []byte{0x7f, 0x00, 0x56, 0x2a}},
	{pb.TensorProto_FLOAT6E3M2, 3, int32s(0x21, 0x3e, 0x03), []byte{0xa1, 0x3f, 0x00}},
	{pb.TensorProto_INT2, 5, int32s(0xe4, 0x03), []byte{0xe4, 0x03}},
	{pb.TensorProto_UINT2, 4, int32s(0xe4), []byte{0xe4}},
	{pb.TensorProto_INT4, 3, int32s(0x78, 0x0f), []byte{0x78, 0x0f}},
	{pb.TensorProto_UINT4, 4, int32s(0x10, 0xf2), []byte{0x10, 0xf2}},
	{pb.TensorProto_INT8, 2, int32s(-128, 127), []byte{0x80, 0x7f}},
	{pb.TensorProto_UINT8, 2, int32s(0, 255), []byte{0, 255}},
	{pb.TensorProto_INT16, 2, int32s(-32768, 32767), []byte{0, 0x80, 0xff, 0x7f}},
	{pb.TensorProto_UINT16, 2, int32s(0, 65534), []byte{0, 0, 0xfe, 0xff}},
	{pb.TensorProto_INT32, 2, int32s(-2, math.MaxInt32), []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}},
	{pb.TensorProto_UINT32, 1, &pb.TensorProto{Uint64Data: []uint64{math.MaxUint32 - 1}}, []byte{0xfe, 0xff, 0xff, 0xff}},
	{pb.TensorProto_INT64, 1, &pb.TensorProto{Int64Data: []int64{-2}}, []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	{pb.TensorProto_UINT64, 1, &pb.TensorProto{Uint64Data: []uint64{math.MaxUint64 - 1}}, []byte{0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	{pb.TensorProto_BOOL, 3, int32s(0, 1, 1), []byte{0, 1, 1}},
}

// proto is the case as a tensor, in one of its forms.
func (c *dtypeCase) proto(raw bool) *pb.TensorProto {
	t := tensorOf("w", c.dtype, c.n)
	if raw {
		t.RawData = c.raw
		return t
	}
	t.FloatData, t.DoubleData = c.typed.FloatData, c.typed.DoubleData
	t.Int32Data, t.Int64Data, t.Uint64Data = c.typed.Int32Data, c.typed.Int64Data, c.typed.Uint64Data
	return t
}

func TestTensorForms(t *testing.T) {
	covered := map[pb.TensorProto_DataType]bool{pb.TensorProto_UNDEFINED: true, pb.TensorProto_STRING: true}
	for _, c := range dtypeCases {
		covered[c.dtype] = true
		t.Run(c.dtype.String(), func(t *testing.T) {
			for _, raw := range []bool{true, false} {
				f, tp := decoded(t, c.proto(raw))
				got, err := f.Tensor(tp)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(c.raw, got.Data()); diff != "" {
					t.Errorf("raw %v (-want +got):\n%s", raw, diff)
				}
				if got.DType != DType(c.dtype) || !cmp.Equal(got.Dims, []int64{c.n}) || got.NumElements() != c.n {
					t.Errorf("got %s, want %s", shapeString(got.DType, got.Dims), shapeString(DType(c.dtype), []int64{c.n}))
				}
				if raw && (got.Map != f.Mapping() || &got.Data()[0] != &tp.RawData[0]) {
					t.Error("raw data was copied, want a view of the file")
				}
			}
		})
	}
	for n, name := range pb.TensorProto_DataType_name {
		if !covered[pb.TensorProto_DataType(n)] {
			t.Errorf("dtype %s has no case", name)
		}
	}
}

func TestTensorStrings(t *testing.T) {
	tp := tensorOf("s", pb.TensorProto_STRING, 2, 2)
	tp.StringData = [][]byte{[]byte("a"), nil, []byte("é"), []byte("\xff\x00")}
	f, tp := decoded(t, tp)
	got, err := f.Tensor(tp)
	if err != nil {
		t.Fatal(err)
	}
	want := Payload{DType: 8, Dims: []int64{2, 2}, Strings: []string{"a", "", "é", "\xff\x00"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTensorEdges(t *testing.T) {
	f32, boolean, i8, f16, str := pb.TensorProto_FLOAT, pb.TensorProto_BOOL, pb.TensorProto_INT8, pb.TensorProto_FLOAT16, pb.TensorProto_STRING
	ints := func(d pb.TensorProto_DataType, n int64, v ...int32) *pb.TensorProto {
		tp := tensorOf("w", d, n)
		tp.Int32Data = v
		return tp
	}
	emptyRaw := tensorOf("w", f32, 1)
	emptyRaw.RawData, emptyRaw.FloatData = []byte{}, []float32{1}
	for _, tc := range []struct {
		name string
		t    *pb.TensorProto
		want []byte
	}{
		{"scalar", withRaw(tensorOf("w", f32), 1, 2, 3, 4), []byte{1, 2, 3, 4}},
		{"no elements, no data", tensorOf("w", f32, 3, 0), nil},
		{"no elements, empty raw data", withRaw(tensorOf("w", f32, 0), []byte{}...), nil},
		{"no strings", tensorOf("w", str, 0), nil},
		{"empty raw data beside values", emptyRaw, []byte{0, 0, 0x80, 0x3f}},
		{"bools of other numbers", withRaw(tensorOf("w", boolean, 3), 0, 2, 255), []byte{0, 1, 1}},
		{"bools of other numbers in a field", ints(boolean, 3, 0, -1, 256), []byte{0, 1, 1}},
		{"sign-extended bits", ints(f16, 1, -0x4000), []byte{0, 0xc0}},
		{"i8", ints(i8, 1, -1), []byte{0xff}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, tp := decoded(t, tc.t)
			got, err := f.Tensor(tp)
			if err != nil {
				t.Fatal(err)
			}
			if string(got.Data()) != string(tc.want) {
				t.Errorf("got % x, want % x", got.Data(), tc.want)
			}
		})
	}
}

func TestTensorInvalid(t *testing.T) {
	f32, i64, u8, str := pb.TensorProto_FLOAT, pb.TensorProto_INT64, pb.TensorProto_UINT8, pb.TensorProto_STRING
	set := func(tp *pb.TensorProto, edit func(*pb.TensorProto)) *pb.TensorProto { edit(tp); return tp }
	floats := func(n int) func(*pb.TensorProto) {
		return func(tp *pb.TensorProto) { tp.FloatData = make([]float32, n) }
	}
	ints := func(v ...int32) func(*pb.TensorProto) { return func(tp *pb.TensorProto) { tp.Int32Data = v } }
	for _, tc := range []struct {
		name  string
		t     *pb.TensorProto
		kind  ErrorKind
		parts []string
	}{
		{"undefined dtype", withRaw(tensorOf("w", 0, 1), 0), Invalid, []string{"dtype is undefined"}},
		{"unknown dtype", withRaw(tensorOf("w", 99, 1), 0), Unsupported, []string{"unknown dtype 99"}},
		{"negative dtype", withRaw(tensorOf("w", -1, 1), 0), Unsupported, []string{"unknown dtype -1"}},
		{"negative dim", tensorOf("w", f32, 2, -3), Invalid, []string{"dim 1 of f32[2,-3] is negative"}},
		{"negative dim beside zero", tensorOf("w", f32, 0, -3), Invalid, []string{"negative"}},
		{"overflow of elements", tensorOf("w", f32, 1<<32, 1<<32), Invalid, []string{"dims of f32[4294967296,4294967296] overflow"}},
		{"overflow of bytes", tensorOf("w", f32, 1<<62), Invalid, []string{"overflow"}},
		{"overflow of strings", tensorOf("w", str, 1<<62), Invalid, []string{"overflow"}},
		{"overflow beside zero", tensorOf("w", f32, 1<<62, 0, 1<<62), Invalid, []string{"overflow"}},
		{"huge dims without data", tensorOf("w", f32, 1<<20, 1<<20), Missing, []string{"has no data, shape f32[1048576,1048576]"}},
		{"huge dims, little data", set(tensorOf("w", f32, 1<<40), floats(1)), Invalid, []string{"float_data has 1 values, shape f32[1099511627776] needs 1099511627776"}},
		{"raw data too short", withRaw(tensorOf("w", f32, 2, 3), make([]byte, 12)...), Invalid, []string{"raw data has 12 bytes, shape f32[2,3] needs 24; export the model again"}},
		{"raw data too long", withRaw(tensorOf("w", f32, 1), make([]byte, 5)...), Invalid, []string{"raw data has 5 bytes, shape f32[1] needs 4"}},
		{"raw data empty", withRaw(tensorOf("w", f32, 1), []byte{}...), Invalid, []string{"raw data has 0 bytes, shape f32[1] needs 4"}},
		{"raw data of no elements", withRaw(tensorOf("w", f32, 0), 1), Invalid, []string{"raw data has 1 bytes, shape f32[0] needs 0"}},
		{"nibbles too long", withRaw(tensorOf("w", pb.TensorProto_INT4, 3), 1, 2, 3), Invalid, []string{"raw data has 3 bytes, shape i4[3] needs 2"}},
		{"raw and typed", withRaw(set(tensorOf("w", f32, 1), floats(1)), 0, 0, 0, 0), Invalid, []string{"has both raw data and float_data"}},
		{"two typed", set(set(tensorOf("w", f32, 1), floats(1)), ints(1)), Invalid, []string{"has both float_data and int32_data"}},
		{"wrong field", set(tensorOf("w", f32, 1), ints(1)), Invalid, []string{"f32 elements are in int32_data, must be in float_data"}},
		{"wrong field of i64", set(tensorOf("w", i64, 1), ints(1)), Invalid, []string{"must be in int64_data"}},
		{"too few values", set(tensorOf("w", u8, 3), ints(1, 2)), Invalid, []string{"int32_data has 2 values, shape u8[3] needs 3"}},
		{"too many values", set(tensorOf("w", f32), floats(2)), Invalid, []string{"float_data has 2 values, shape f32[] needs 1"}},
		{"half a complex", set(tensorOf("w", pb.TensorProto_COMPLEX64, 2), floats(3)), Invalid, []string{"shape c64[2] needs 4"}},
		{"too few nibble bytes", set(tensorOf("w", pb.TensorProto_INT4, 3), ints(1)), Invalid, []string{"needs 2"}},
		{"u8 out of range", set(tensorOf("w", u8, 2), ints(1, -1)), Invalid, []string{"int32_data[1] is -1, out of range for u8"}},
		{"i8 out of range", set(tensorOf("w", pb.TensorProto_INT8, 1), ints(128)), Invalid, []string{"is 128, out of range for i8"}},
		{"f16 out of range", set(tensorOf("w", pb.TensorProto_FLOAT16, 1), ints(1<<16)), Invalid, []string{"out of range for f16"}},
		{"u32 out of range", set(tensorOf("w", pb.TensorProto_UINT32, 1), func(t *pb.TensorProto) { t.Uint64Data = []uint64{1 << 32} }), Invalid, []string{"uint64_data[0] is 4294967296, out of range for u32"}},
		{"strings in raw data", withRaw(tensorOf("w", str, 1), 'a'), Invalid, []string{"strings are in raw_data"}},
		{"strings missing", tensorOf("w", str, 1), Missing, []string{"has no data, shape string[1]"}},
		{"segment", set(tensorOf("w", f32, 1), func(t *pb.TensorProto) { t.Segment = &pb.TensorProto_Segment{} }), Unsupported, []string{"segments"}},
		{"many dims", tensorOf("w", f32, make([]int64, 1000)...), 0, nil},
		{"many dims without data", tensorOf("w", f32, ones(1000)...), Missing, []string{"rank 1000"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, tp := decoded(t, tc.t)
			bounded(t, func() {
				_, err := f.Tensor(tp)
				if tc.kind == 0 {
					if err != nil {
						t.Error(err)
					}
					return
				}
				wantError(t, err, tc.kind, append(tc.parts, `model.onnx: tensor "w": `)...)
			})
		})
	}
}

func ones(n int) []int64 {
	s := make([]int64, n)
	for i := range s {
		s[i] = 1
	}
	return s
}

func TestSparse(t *testing.T) {
	i64 := func(v []int64, dims ...int64) *pb.TensorProto {
		tp := tensorOf("", pb.TensorProto_INT64, dims...)
		tp.Int64Data = v
		return tp
	}
	vals := func() *pb.TensorProto {
		tp := tensorOf("w", pb.TensorProto_FLOAT, 2)
		tp.FloatData = []float32{1, 2}
		return tp
	}
	f, err := FromBytes("model.onnx", marshal(t, modelOf()))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		t    *pb.SparseTensorProto
		fail string
	}{
		{"linear", &pb.SparseTensorProto{Dims: []int64{3, 4}, Values: vals(), Indices: i64([]int64{1, 5}, 2)}, ""},
		{"coordinates", &pb.SparseTensorProto{Dims: []int64{3, 4}, Values: vals(), Indices: i64([]int64{0, 1, 1, 1}, 2, 2)}, ""},
		{"wrong rank", &pb.SparseTensorProto{Dims: []int64{3}, Values: vals(), Indices: i64([]int64{0, 1, 1, 1}, 2, 2)}, "sparse indices are i64[2,2], must be i64[2] or i64[2,1]"},
		{"scalar values", &pb.SparseTensorProto{Dims: []int64{3}, Values: i64([]int64{1}), Indices: i64([]int64{0}, 1)}, "must be of rank 1"},
		{"no values", &pb.SparseTensorProto{Dims: []int64{3}}, "tensor is absent"},
		{"dims overflow", &pb.SparseTensorProto{Dims: []int64{1 << 40, 1 << 40}, Values: vals(), Indices: i64([]int64{1, 5}, 2)}, "overflow"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := f.Sparse(tc.t)
			if (err != nil) != (tc.fail != "") {
				t.Fatalf("got %v, want %q", err, tc.fail)
			}
			if err != nil {
				wantError(t, err, err.(*Error).Kind, tc.fail)
			} else if !cmp.Equal(got.Dims, tc.t.Dims) {
				t.Errorf("dims %v, want %v", got.Dims, tc.t.Dims)
			}
		})
	}
}
