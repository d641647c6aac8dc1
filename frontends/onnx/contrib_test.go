package onnx

import (
	"strings"
	"testing"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// contribFile is a model of one com.microsoft node.
func contribFile(t *testing.T, n *pb.NodeProto, in []*pb.ValueInfoProto) *File {
	t.Helper()
	var outs []*pb.ValueInfoProto
	for _, name := range n.Output {
		outs = append(outs, untyped(name)...)
	}
	return modelFile(t, 17, graph(in, outs, of(microsoft, n)))
}

// Sizes of batches and sequences may be symbols.
func TestContribSymbolic(t *testing.T) {
	packing := values(value("o", "i32", "b", "s"), value("e", "i32", "b+1"))
	experts := values(value("x", "f32", "t", 8), value("r", "f32", "t", 4), value("a", "f32", 4, 6, 8), value("c", "f32", 4, 8, 6))
	for _, c := range []struct {
		name string
		node *pb.NodeProto
		in   []*pb.ValueInfoProto
	}{
		{"QLinearAdd", node("QLinearAdd", "a,s,z,b,s,z,s,z", "y"), values(value("a", "u8", "n", 4), value("b", "u8", 4), value("s", "f32"), value("z", "u8"))},
		{"QLinearConcat", node("QLinearConcat", "s,z,a,s,z,b,s,z", "y", attr("axis", 1)), values(value("a", "u8", "n", "k"), value("b", "u8", "n", 4), value("s", "f32"), value("z", "u8"))},
		{"QLinearGlobalAveragePool", node("QLinearGlobalAveragePool", "x,s,z,s,z", "y"), values(value("x", "u8", "n", 3, "h", "w"), value("s", "f32"), value("z", "u8"))},
		{"DynamicQuantizeMatMul", node("DynamicQuantizeMatMul", "a,b,s", "y"), values(value("a", "f32", "b", "n", 4), value("b", "i8", 4, 5), value("s", "f32"))},
		{"MatMulNBits", node("MatMulNBits", "a,b,s", "y", attr("K", 32), attr("N", 5), attr("block_size", 16)), values(value("a", "f16", "b", "n", 32), value("b", "u8", 5, 2, 8), value("s", "f16", 10))},
		{"QAttention", node("QAttention", "x,w,b,s,s,m,z", "y", attr("num_heads", 2)), values(value("x", "u8", "b", "s", 8), value("w", "u8", 8, 24), value("b", "f32", 24), value("s", "f32"), value("m", "i32", "b", "s"), value("z", "u8"))},
		{"PackedAttention", node("PackedAttention", "x,w,b,o,e", "y", attr("num_heads", 2)), append(values(value("x", "f32", "t", 8), value("w", "f32", 8, 24), value("b", "f32", 24)), packing...)},
		{"PackedMultiHeadAttention", node("PackedMultiHeadAttention", "q,q,q,,o,e", "y", attr("num_heads", 2)), append(values(value("q", "f16", "t", 8)), packing...)},
		{"MoE", node("MoE", "x,r,a,,c", "y", attr("k", 2)), experts},
		{"QEmbedLayerNormalization", node("QEmbedLayerNormalization", "i,,w,p,,g,g,,s,s,,s,s,z,z,,z,z", "y,m"), values(value("i", "i32", "b", "s"), value("w", "u8", 9, 4), value("p", "u8", 5, 4), value("g", "u8", 4), value("s", "f32"), value("z", "u8"))},
		{"NhwcConv", node("NhwcConv", "x,w", "y", attr("strides", []int64{2, 2})), values(value("x", "f32", "n", "h", "w", 2), value("w", "f32", 3, 2, 3, 3))},
		{"Inverse", node("Inverse", "x", "y"), values(value("x", "f16", "n", "m", 3, 3))},
	} {
		t.Run(c.name, func(t *testing.T) { imported(t, contribFile(t, c.node, c.in), Options{}) })
	}
}

// What does not fit is said, not computed.
func TestContribErrors(t *testing.T) {
	bits := values(value("a", "f32", 3, 32), value("b", "u8", 5, 2, 8), value("s", "f32", 5, 2))
	short := values(bits[0], value("b", "u8", 5, 1, 8), bits[2])
	fewer := values(bits[0], bits[1], value("s", "f32", 5))
	image := values(value("x", "f32", 1, 2, 5, 5), value("w", "f32", 3, 2, 3, 3))
	experts := values(value("x", "f32", 5, 8), value("r", "f32", 5, 4), value("a", "f32", 4, 6, 8), value("c", "f32", 4, 8, 6))
	few := values(value("x", "f32", 5, 8), value("r", "f32", 5, 4), value("a", "u8", 4, 6, 4), value("c", "u8", 4, 8, 3), value("s", "f32", 4, 6))
	size := func(block int) []*pb.AttributeProto {
		return []*pb.AttributeProto{attr("K", 32), attr("N", 5), attr("block_size", block)}
	}
	with := func(more *pb.AttributeProto) []*pb.AttributeProto { return append(size(16), more) }
	for _, c := range []struct {
		name string
		node *pb.NodeProto
		in   []*pb.ValueInfoProto
		want string
	}{
		{"no blocks", node("MatMulNBits", "a,b,s", "y", size(0)...), bits, "blocks of 0"},
		{"bits", node("MatMulNBits", "a,b,s", "y", with(attr("bits", 3))...), bits, "3 bits"},
		{"prepacked", node("MatMulNBits", "a,b,s", "y", with(attr("weight_prepacked", 1))...), bits, "weight_prepacked"},
		{"weight", node("MatMulNBits", "a,b,s", "y", size(16)...), short, "32 numbers of 4 bits"},
		{"scales", node("MatMulNBits", "a,b,s", "y", size(16)...), fewer, "for rows of 2 blocks"},
		{"activation", node("FusedConv", "x,w", "y", attr("activation", "Erf")), image, `activation "Erf"`},
		{"parameters", node("FusedConv", "x,w", "y", attr("activation", "Clip"), attr("activation_params", []float32{1})), image, "Clip with 1 parameters"},
		{"not square", node("Inverse", "x", "y"), values(value("x", "f32", 2, 3)), "inverse of f32[2, 3]"},
		{"unknown order", node("Inverse", "x", "y"), values(value("x", "f32", "n", 3)), "inverse of f32[n, 3]"},
		{"vector", node("Inverse", "x", "y"), values(value("x", "f32", 3)), "inverse of f32[3]"},
		{"large", node("Inverse", "x", "y"), values(value("x", "f32", 65, 65)), "inverse of f32[65, 65]"},
		{"k", node("MoE", "x,r,a,,c", "y", attr("k", 5)), experts, "k = 5"},
		{"mixer", node("MoE", "x,r,a,,c", "y", attr("use_sparse_mixer", 1)), experts, "use_sparse_mixer"},
		{"no gate", node("MoE", "x,r,a,,c", "y", attr("activation_type", "swiglu")), experts, "swiglu_fusion = 0"},
		{"kind", node("MoE", "x,r,a,,c", "y", attr("activation_type", "tanh")), experts, `activation_type "tanh"`},
		{"ranks", node("MoE", "x,r,r,,c", "y"), experts, "mixture of experts"},
		{"quantised", node("QMoE", "x,r,a,s,,c,s", "y", attr("quant_type", "fp4")), few, "quant_type"},
		{"row scales", node("QMoE", "x,r,a,s,,c,s", "y"), few, "sizes to broadcast differ"},
		{"packing", node("PackedMultiHeadAttention", "q,q,q,,e,e", "y", attr("num_heads", 2)), values(value("q", "f32", 8, 8), value("e", "i32", 4)), "offsets i32[4]"},
		{"triples", node("QLinearConcat", "s,z,a,s", "y", attr("axis", 0)), values(value("a", "u8", 2), value("s", "f32"), value("z", "u8")), "4 operands"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Import(contribFile(t, c.node, c.in), Options{})
			e, ok := err.(*Error)
			if !ok || !strings.Contains(err.Error(), c.want) || e.Remedy == "" {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
