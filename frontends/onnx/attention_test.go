package onnx

import (
	"strings"
	"testing"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// TestAttentionErrors: what does not fit is said, not computed.
func TestAttentionErrors(t *testing.T) {
	qkv := func(q, k, v *pb.ValueInfoProto) []*pb.ValueInfoProto { return values(q, k, v) }
	four := qkv(value("q", "f32", 1, 4, 3, 8), value("k", "f32", 1, 2, 5, 8), value("v", "f32", 1, 2, 5, 8))
	three := qkv(value("q", "f32", 1, 3, 32), value("k", "f32", 1, 5, 16), value("v", "f32", 1, 5, 16))
	for _, c := range []struct {
		name  string
		opset int64
		node  *pb.NodeProto
		in    []*pb.ValueInfoProto
		want  string
	}{
		{"ranks", 23, node("Attention", "q,k,v", "y"), qkv(four[0], three[1], four[2]), "attention of f32[1, 4, 3, 8], f32[1, 5, 16]"},
		{"no heads", 23, node("Attention", "q,k,v", "y"), three, "0 heads in f32[1, 3, 32]"},
		{"heads", 23, node("Attention", "q,k,v", "y"), qkv(value("q", "f32", 1, 3, 3, 8), four[1], four[2]), "3 heads of queries for 2 of keys"},
		{"value heads", 23, node("Attention", "q,k,v", "y"), qkv(four[0], four[1], value("v", "f32", 1, 1, 5, 8)), "attention of keys"},
		{"heads of rank 4", 25, node("Attention", "q,k,v", "y", attr("q_num_heads", 4)), four, "operands of rank 4"},
		{"mode", 23, node("Attention", "q,k,v", "y", attr("qk_matmul_output_mode", 4)), four, "qk_matmul_output_mode is 4"},
		{"precision", 23, node("Attention", "q,k,v", "y", attr("softmax_precision", 7)), four, "softmax_precision is i64"},
		{"half a past", 23, node("Attention", "q,k,v,,k", "y"), four, "one of past_key and past_value is absent"},
		{"window", 25, node("Attention", "q,k,v", "y", attr("left_window_size", -2)), four, "windows of -2 and -1"},
		{"odd rotation", 23, node("RotaryEmbedding", "q,k,v", "y", attr("rotary_embedding_dim", 3)), qkv(four[0], value("k", "f32", 1, 3, 4), value("v", "f32", 1, 3, 4)), "3 elements rotated"},
		{"rule", 27, node("LinearAttention", "q,k,v", "y,s", attr("q_num_heads", 4), attr("kv_num_heads", 2), attr("update_rule", "x")), three, `update_rule "x"`},
		{"no decay", 27, node("LinearAttention", "q,k,v", "y,s", attr("q_num_heads", 4), attr("kv_num_heads", 2)), three, "decay and beta do not fit"},
		{"activation", 27, node("CausalConvWithState", "q,k", "y,s", attr("activation", "relu")), qkv(value("q", "f32", 1, 3, 9), value("k", "f32", 3, 1, 2), three[2]), `activation "relu"`},
		{"terms", 12, node("Einsum", "q,k", "y", attr("equation", "ij->i")), four, "has 1 terms, there are 2 operands"},
		{"term", 12, node("Einsum", "q", "y", attr("equation", "i1kl")), four, `term "i1kl"`},
		{"rank of a term", 12, node("Einsum", "q", "y", attr("equation", "ij")), four, "for an operand of rank 4"},
		{"new letter", 12, node("Einsum", "q", "y", attr("equation", "ijkl->z")), four, `output "z"`},
		{"sizes of a letter", 12, node("Einsum", "q,k", "y", attr("equation", "ijkl,ijkl->")), four, "inner sizes differ"},
		{"diagonal", 12, node("Einsum", "q", "y", attr("equation", "iikl")), four, "sizes differ: 1 and 4"},
		{"axis of parts", 17, node("DFT", "q", "y", attr("axis", 2)), qkv(value("q", "f32", 1, 4, 2), four[1], four[2]), "that of the real and imaginary parts"},
		{"no parts", 20, node("DFT", "q", "y"), four, "signal of f32[1, 4, 3, 8]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			outs := untyped("")[:0]
			for _, name := range c.node.Output {
				outs = append(outs, untyped(name)...)
			}
			_, err := Import(modelFile(t, c.opset, graph(c.in, outs, c.node)), Options{})
			e, ok := err.(*Error)
			if !ok || !strings.Contains(err.Error(), c.want) || e.Remedy == "" {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}
