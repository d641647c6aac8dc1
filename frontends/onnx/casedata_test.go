package onnx

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

var ignoreViews = cmpopts.IgnoreFields(Payload{}, "Map", "Off", "Len", "Bytes")

func i64Tensor(name string, v ...int64) *pb.TensorProto {
	tp := tensorOf(name, pb.TensorProto_INT64, int64(len(v)))
	tp.Int64Data = v
	return tp
}

func sequenceOf(name string, t ...*pb.TensorProto) *pb.SequenceProto {
	return &pb.SequenceProto{Name: &name, ElemType: ptr(int32(pb.SequenceProto_TENSOR)), TensorValues: t}
}

func mapOf(key pb.TensorProto_DataType, keys []int64, strings [][]byte) *pb.MapProto {
	return &pb.MapProto{Name: ptr("m"), KeyType: ptr(int32(key)), Keys: keys, StringKeys: strings,
		Values: sequenceOf("v", i64Tensor("a", 1), i64Tensor("b", 2))}
}

// tensorValueOf is what i64Tensor decodes to.
func tensorValueOf(name string, n int64) Value {
	return Value{Name: name, Kind: TensorValue, Tensor: Payload{DType: 7, Dims: []int64{n}}}
}

func TestCaseData(t *testing.T) {
	sequence := func(e pb.SequenceProto_DataType) *pb.SequenceProto {
		return &pb.SequenceProto{Name: ptr("s"), ElemType: ptr(int32(e))}
	}
	ofMaps, nested, optionals := sequence(pb.SequenceProto_MAP), sequence(pb.SequenceProto_SEQUENCE), sequence(pb.SequenceProto_OPTIONAL)
	ofMaps.MapValues = []*pb.MapProto{mapOf(pb.TensorProto_STRING, nil, [][]byte{[]byte("x"), []byte("y")}), mapOf(pb.TensorProto_INT32, []int64{3, 4}, nil)}
	nested.SequenceValues = []*pb.SequenceProto{sequenceOf("i", i64Tensor("a", 1)), sequenceOf("j")}
	optionals.OptionalValues = []*pb.OptionalProto{{}}
	values := []Value{tensorValueOf("a", 1), tensorValueOf("b", 1)}
	opt := func(typ pb.OptionalProto_DataType) *pb.OptionalProto {
		return &pb.OptionalProto{Name: ptr("o"), ElemType: ptr(int32(typ))}
	}
	full, inner := opt(pb.OptionalProto_TENSOR), opt(pb.OptionalProto_SEQUENCE)
	full.TensorValue, inner.SequenceValue = i64Tensor("t", 1, 2), sequenceOf("s", i64Tensor("a", 1))
	for _, tc := range []struct {
		name string
		m    marshaler
		want Value
	}{
		{"tensors", sequenceOf("s", i64Tensor("a", 1), i64Tensor("b", 1, 2)), Value{Name: "s", Kind: SequenceValue, Elems: []Value{tensorValueOf("a", 1), tensorValueOf("b", 2)}}},
		{"empty sequence", sequenceOf("s"), Value{Name: "s", Kind: SequenceValue}},
		{"untyped empty sequence", &pb.SequenceProto{Name: ptr("s")}, Value{Name: "s", Kind: SequenceValue}},
		{"sequences", nested, Value{Name: "s", Kind: SequenceValue, Elems: []Value{{Name: "i", Kind: SequenceValue, Elems: values[:1]}, {Name: "j", Kind: SequenceValue}}}},
		{"optionals", optionals, Value{Name: "s", Kind: SequenceValue, Elems: []Value{{}}}},
		{"maps", ofMaps, Value{Name: "s", Kind: SequenceValue, Elems: []Value{
			{Name: "m", Kind: MapValue, Keys: &Payload{DType: 8, Dims: []int64{2}, Strings: []string{"x", "y"}}, Elems: values},
			{Name: "m", Kind: MapValue, Keys: &Payload{DType: 7, Dims: []int64{2}}, Elems: values}}}},
		{"empty optional", opt(pb.OptionalProto_TENSOR), Value{Name: "o"}},
		{"optional tensor", full, tensorValueOf("o", 2)},
		{"optional sequence", inner, Value{Name: "o", Kind: SequenceValue, Elems: values[:1]}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			decode, typ := DecodeSequence, &pb.TypeProto{Value: &pb.TypeProto_SequenceType{}}
			if _, ok := tc.m.(*pb.OptionalProto); ok {
				decode, typ = DecodeOptional, &pb.TypeProto{Value: &pb.TypeProto_OptionalType{}}
			}
			data := marshal(t, tc.m)
			got, err := decode("input_0.pb", data)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got, ignoreViews, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			got, err = ReadValuePB(writeFile(t, t.TempDir(), "input_0.pb", data), typ)
			if diff := cmp.Diff(tc.want, got, ignoreViews, cmpopts.EquateEmpty()); diff != "" || err != nil {
				t.Errorf("from a file: %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestCaseDataInvalid(t *testing.T) {
	wrong := sequenceOf("s", i64Tensor("a", 1))
	wrong.ElemType = ptr(int32(pb.SequenceProto_MAP))
	seq := func(m *pb.MapProto) []byte {
		return marshal(t, &pb.SequenceProto{ElemType: ptr(int32(pb.SequenceProto_MAP)), MapValues: []*pb.MapProto{m}})
	}
	sequence := func(b []byte) error { _, err := DecodeSequence("input_0.pb", b); return err }
	optional := func(b []byte) error { _, err := DecodeOptional("input_0.pb", b); return err }
	tensor := func(b []byte) error { _, err := DecodeTensor("input_0.pb", b); return err }
	for _, tc := range []struct {
		name   string
		decode func([]byte) error
		data   []byte
		kind   ErrorKind
		part   string
	}{
		{"wrong element", sequence, marshal(t, wrong), Invalid, `sequence "s" of MAP holds a TENSOR`},
		{"keys missing", sequence, seq(mapOf(pb.TensorProto_INT64, []int64{1}, nil)), Invalid, "has 1 keys and 2 values"},
		{"keys of another type", sequence, seq(mapOf(pb.TensorProto_STRING, []int64{1, 2}, nil)), Invalid, "keys of another type"},
		{"map without values", sequence, seq(&pb.MapProto{Name: ptr("m"), Keys: []int64{1}}), Invalid, "has 1 keys and 0 values"},
		{"bad tensor", sequence, marshal(t, sequenceOf("s", tensorOf("t", 1, 3))), Missing, `tensor "t": has no data`},
		{"bad tensor alone", tensor, marshal(t, tensorOf("t", 1, 3)), Missing, `tensor "t": has no data`},
		{"10,000 sequences", sequence, nest(nil, 10_000, 5), TooDeep, "SequenceProto nests"},
		{"10,000 maps", sequence, nest(nil, 10_000, 6, 5), TooDeep, "nests"},
		{"10,000 optionals", optional, nest(nil, 10_000, 7), TooDeep, "OptionalProto nests"},
		{"truncated", tensor, []byte{0x4a, 9, 0}, Truncated, "TensorProto.raw_data"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bounded(t, func() { wantError(t, tc.decode(tc.data), tc.kind, tc.part, "input_0.pb: ") })
		})
	}
	_, err := ReadTensorPB("no/such/input_0.pb")
	wantError(t, err, Missing, "input_0.pb")
	path := writeFile(t, t.TempDir(), "input_0.pb", nil)
	if _, err := ReadValuePB(path, &pb.TypeProto{Value: &pb.TypeProto_OpaqueType{}}); err == nil {
		t.Error("opaque type: no error")
	}
}

// TestCaseDataExternal reads a tensor whose bytes are in another file, closed again afterwards.
func TestCaseDataExternal(t *testing.T) {
	dir := externalDir(t)
	p, err := ReadTensorPB(writeFile(t, dir, "input_0.pb", marshal(t, externalTensor("location", "weights.bin"))))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]byte{0, 1, 2, 3, 4, 5, 6, 7}, p.Data()); diff != "" || p.Map != nil {
		t.Errorf("map %v (-want +got):\n%s", p.Map, diff)
	}
}
