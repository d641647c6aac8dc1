package onnx

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

const (
	modelGraph, graphNode, graphInput, nodeAttr, attrGraph             = 7, 1, 11, 5, 6
	valueType, typeSequence, typeOptional, typeMap, elemType, mapValue = 2, 4, 9, 5, 1, 2
)

func graphs(depth int) []byte {
	return wireBytes(modelGraph, nest(nil, depth-1, graphNode, nodeAttr, attrGraph))
}

func types(depth int) []byte {
	inner := nest(nil, depth-1, typeSequence, elemType)
	return wireBytes(modelGraph, wireBytes(graphInput, wireBytes(valueType, inner)))
}

func TestNesting(t *testing.T) {
	for _, tc := range []struct {
		name  string
		data  []byte
		deep  bool
		parts []string
	}{
		{"one graph", graphs(1), false, nil},
		{"graphs at the limit", graphs(MaxDepth), false, nil},
		{"graphs over the limit", graphs(MaxDepth + 1), true, []string{"GraphProto nests more than 128 deep", "flatten"}},
		{"10,000 graphs", graphs(10_000), true, []string{"GraphProto"}},
		{"1,000,000 graphs", graphs(1_000_000), true, []string{"GraphProto"}},
		{"types at the limit", types(MaxDepth), false, nil},
		{"10,000 sequence types", types(10_000), true, []string{"TypeProto"}},
		{"10,000 optional types", wireBytes(modelGraph, wireBytes(graphInput, wireBytes(valueType, nest(nil, 10_000, typeOptional, elemType)))), true, []string{"TypeProto"}},
		{"10,000 map types", wireBytes(modelGraph, wireBytes(graphInput, wireBytes(valueType, nest(nil, 10_000, typeMap, mapValue)))), true, []string{"TypeProto"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bounded(t, func() {
				_, err := FromBytes("model.onnx", tc.data)
				if !tc.deep {
					if err != nil {
						t.Fatal(err)
					}
					return
				}
				wantError(t, err, TooDeep, append(tc.parts, "model.onnx: byte ")...)
			})
		})
	}
}

func TestMalformed(t *testing.T) {
	tag := func(n protowire.Number, w protowire.Type) []byte { return protowire.AppendTag(nil, n, w) }
	graph := func(body ...[]byte) []byte { return wireBytes(modelGraph, slices.Concat(body...)) }
	tensor := func(num protowire.Number, body ...byte) []byte { return graph(wireBytes(5, wireBytes(num, body))) }
	for _, tc := range []struct {
		name  string
		data  []byte
		kind  ErrorKind
		parts []string
	}{
		{"empty", nil, Truncated, []string{"file is empty"}},
		{"no graph", wireBytes(2, []byte("pytorch")), Invalid, []string{"holds no graph"}},
		{"text", []byte("version https://git-lfs.github.com/spec/v1\noid sha256:00\n"), Malformed, []string{"git lfs pull"}},
		{"html", []byte("<!DOCTYPE html><html>"), Malformed, []string{"not an ONNX model: byte 0"}},
		{"zero tag", []byte{0, 0}, Malformed, []string{"byte 0: a field of ModelProto", "invalid field number"}},
		{"group", tag(3, protowire.StartGroupType), Malformed, []string{"byte 0", "wire type 3"}},
		{"unknown group", tag(99, protowire.StartGroupType), Malformed, []string{"wire type 3 in ModelProto"}},
		{"wrong wire type", append(tag(modelGraph, protowire.VarintType), 1), Malformed, []string{"byte 0: ModelProto.graph has wire type 0, want 2"}},
		{"length ends early", []byte{0x3a, 0x80}, Truncated, []string{"truncated", "at byte 2 inside ModelProto.graph"}},
		{"length past the file", []byte{0x3a, 0x64, 0}, Truncated, []string{"ModelProto.graph at byte 1 needs 100 bytes, the file has 1 left"}},
		{"huge length", append(tag(modelGraph, protowire.BytesType), protowire.AppendVarint(nil, 1<<63+5)...), Truncated, []string{"needs 9223372036854775813 bytes"}},
		{"length past the parent", append(graph([]byte{0x0a, 0x64}), 0x10, 0), Malformed, []string{"GraphProto.node needs 100 bytes, its GraphProto has 0 left"}},
		{"varint too long", append(tag(1, protowire.VarintType), bytes.Repeat([]byte{0xff}, 11)...), Malformed, []string{"ModelProto.ir_version", "overflow"}},
		{"fixed ends early", append(tag(99, protowire.Fixed64Type), 1, 2), Truncated, []string{"ModelProto field 99"}},
		{"packed float split", tensor(4, 0, 0, 0x80), Malformed, []string{"TensorProto.float_data ends inside an element"}},
		{"packed double split", tensor(10, 0, 0, 0, 0), Malformed, []string{"TensorProto.double_data ends inside an element"}},
		{"packed varint split", tensor(7, 1, 0x80), Malformed, []string{"TensorProto.int64_data ends inside an element"}},
		{"packed varint too long", tensor(7, append(bytes.Repeat([]byte{0xff}, 11), 0)...), Malformed, []string{"not an ONNX model"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bounded(t, func() {
				_, err := FromBytes("model.onnx", tc.data)
				wantError(t, err, tc.kind, append(tc.parts, "model.onnx: ")...)
			})
		})
	}
}

// TestTruncated cuts a model at every byte. Some cuts are models too: between top-level fields.
func TestTruncated(t *testing.T) {
	m := modelOf(withRaw(tensorOf("w", pb.TensorProto_FLOAT, 2), 0, 0, 0, 0, 0, 0, 0, 0))
	m.Graph.Node = []*pb.NodeProto{{OpType: ptr("Relu"), Attribute: []*pb.AttributeProto{{Name: ptr("a"), Ints: []int64{1, 300}}}}}
	data := marshal(t, m)
	bounded(t, func() {
		for n := range data {
			_, err := FromBytes("model.onnx", data[:n])
			if err == nil {
				t.Errorf("%d of %d bytes: no error", n, len(data))
			}
		}
	})
}

func TestRandomBytes(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{1, 10, 1000, 1 << 20} {
		data := make([]byte, size)
		for range 20 {
			for i := range data {
				data[i] = byte(rng.Uint32())
			}
			bounded(t, func() {
				if _, err := FromBytes("model.onnx", data); err == nil {
					t.Errorf("%d random bytes: no error", size)
				}
			})
		}
	}
}

// TestAllocation feeds what costs the decoder most memory for a byte of file.
func TestAllocation(t *testing.T) {
	const n = 3 << 20
	repeat := func(unit ...byte) []byte { return bytes.Repeat(unit, n/len(unit)) }
	for _, tc := range []struct {
		name string
		data []byte
		fail bool
	}{
		{"empty nodes", wireBytes(modelGraph, repeat(0x0a, 0)), true},
		{"empty attributes", wireBytes(modelGraph, wireBytes(graphNode, repeat(0x2a, 0))), true},
		{"empty initializers", wireBytes(modelGraph, repeat(0x2a, 0)), true},
		{"empty functions", append(wireBytes(modelGraph, nil), repeat(0xca, 0x01, 0)...), true},
		{"merged graphs", repeat(0x3a, 0), true},
		{"empty names", wireBytes(modelGraph, wireBytes(graphNode, repeat(0x0a, 0))), false},
		{"packed ints", wireBytes(modelGraph, wireBytes(5, wireBytes(7, repeat(1)))), false},
		{"single ints", wireBytes(modelGraph, wireBytes(5, repeat(0x38, 1))), false},
		{"unknown fields", append(wireBytes(modelGraph, nil), wireBytes(99, repeat(0))...), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bounded(t, func() {
				_, err := FromBytes("model.onnx", tc.data)
				if tc.fail {
					wantError(t, err, TooLarge, "empty messages")
				} else if err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func BenchmarkScan(b *testing.B) {
	m := modelOf()
	for range 10_000 {
		m.Graph.Node = append(m.Graph.Node, &pb.NodeProto{Input: []string{"a", "b"}, Output: []string{"c"}, OpType: ptr("Add"),
			Attribute: []*pb.AttributeProto{{Name: ptr("axis"), Type: pb.AttributeProto_INT.Enum(), I: ptr(int64(1))}}})
	}
	data := marshal(b, m)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := scan(data, onnxWire().model); err != nil {
			b.Fatal(err)
		}
	}
}
