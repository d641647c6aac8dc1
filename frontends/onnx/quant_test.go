package onnx

import (
	"strings"
	"testing"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// TestQuantErrors: what does not fit is said, with a remedy.
func TestQuantErrors(t *testing.T) {
	x, scale := value("x", "f32", 4, 6), value("s", "f32", 4, 2)
	quantize := func(attrs ...*pb.AttributeProto) *pb.NodeProto { return node("QuantizeLinear", "x,s", "y", attrs...) }
	for _, c := range []struct {
		name  string
		opset int64
		node  *pb.NodeProto
		in    []*pb.ValueInfoProto
		want  string
	}{
		{"axis", 13, quantize(attr("axis", 2)), values(x, value("s", "f32", 4)), "axis 2"},
		{"rank of a scale", 13, quantize(), values(x, value("s", "f32", 1, 2, 3)), "scale or zero point"},
		{"blocks", 21, quantize(attr("block_size", 4)), values(x, value("s", "f32", 4, 3)), "blocks of 4 along axis 1"},
		{"negative blocks", 21, quantize(attr("block_size", -1)), values(x, scale), "blocks of -1"},
		{"dtype", 21, quantize(attr("output_dtype", 7)), values(x, scale), "quantized to i64"},
		{"precision", 23, quantize(attr("precision", 6)), values(x, scale), "precision is i32"},
		{"two dtypes", 21, node("QuantizeLinear", "x,s,z", "y", attr("output_dtype", 3)), values(x, scale, value("z", "u8", 4, 2)), "output_dtype is i8"},
		{"rank of a weight", 10, node("ConvInteger", "x,s", "y"), values(value("x", "u8", 1, 4, 6), value("s", "u8", 4, 2)), "convolution of"},
		{"width", 26, node("BitCast", "x", "y", attr("to", 11)), values(x), "bit_cast from f32 to f64"},
		{"too many", 1, node("TopK", "x", "v,i", attr("k", 7)), values(x), "the top 7 of 6"},
		{"mode", 24, node("TensorScatter", "x,x", "y", attr("mode", "ring")), values(x), `mode "ring"`},
		{"batch axis", 24, node("TensorScatter", "x,x", "y", attr("axis", 0)), values(x), "along axis 0"},
		{"axes", 10, node("ReverseSequence", "x,s", "y", attr("time_axis", 1)), values(x, value("s", "i64", 6)), "time_axis 1 and batch_axis 1"},
		{"kernel", 11, node("MaxUnpool", "x,s", "y", attr("kernel_shape", []int64{2})), values(x, value("s", "i64", 4, 6)), "kernel [2]"},
		{"boxes", 11, node("NonMaxSuppression", "x,x", "y"), values(x), "boxes f32[4, 6]"},
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
