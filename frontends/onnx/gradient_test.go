package onnx

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/grad"
)

func gradientNode(in, out, y string, xs []string, zs ...string) *pb.NodeProto {
	attrs := []*pb.AttributeProto{attr("xs", xs), attr("y", y)}
	if zs != nil {
		attrs = append(attrs, attr("zs", zs))
	}
	return of(trainingDomain, node("Gradient", in, out, attrs...))
}

// TestGradient: y = a²·b, so that ∂y/∂a = 2ab and ∂²y/∂a² = 2b.
func TestGradient(t *testing.T) {
	square := []*pb.NodeProto{node("Mul", "a,a", "s"), node("Mul", "s,b", "y")}
	in := values(value("a", "f32"), value("b", "f32"), value("c", "f32"))
	for _, c := range []struct {
		name  string
		nodes []*pb.NodeProto
		want  float32 // for a = 3, b = 5, c = 7
	}{
		{"of the graph's values", []*pb.NodeProto{gradientNode("a,b", "g,h", "y", []string{"a", "b"})}, 30},
		{"of other values", []*pb.NodeProto{gradientNode("c,b", "g,h", "y", []string{"a", "b"})}, 70},
		{"with what is held fixed", []*pb.NodeProto{gradientNode("a,c", "g", "y", []string{"a"}, "b")}, 42},
		{"of a gradient", []*pb.NodeProto{gradientNode("a,b", "f", "y", []string{"a"}, "b"), gradientNode("a,b", "g", "f", []string{"a"}, "b")}, 10},
		{"of an inner value", []*pb.NodeProto{gradientNode("s,b", "g", "y", []string{"s"}, "b")}, 5},
		{"of what it does not depend on", []*pb.NodeProto{gradientNode("c", "g", "y", []string{"c"})}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := modelFile(t, 17, graph(in, untyped("g"), append(square[:2:2], c.nodes...)...))
			m := imported(t, f, Options{Gradient: grad.Append})
			var args []ir.Datum
			for _, v := range []float32{3, 5, 7} {
				args = append(args, ir.Scalar(v))
			}
			out, err := interp.Run(context.Background(), m.Main(), args)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]float32{c.want}, ir.View[float32](out[0].(*ir.Tensor))); diff != "" {
				t.Errorf("-want +got:\n%s\n%s", diff, m)
			}
		})
	}
}

func TestGradientErrors(t *testing.T) {
	in := values(value("a", "f32", 2), value("b", "f32", 3), value("i", "i64", 2))
	for _, c := range []struct {
		name string
		node *pb.NodeProto
		kind ErrorKind
		want string
		hook bool
	}{
		{"without differentiation", gradientNode("a", "g", "y", []string{"a"}), Unsupported, "Options.Gradient", false},
		{"an unknown tensor", gradientNode("a", "g", "z", []string{"a"}), Missing, `"z" is not defined`, true},
		{"too few operands", gradientNode("a", "g", "y", []string{"a"}, "b"), Invalid, "1 operands for 2 tensors", true},
		{"another shape", gradientNode("b", "g", "y", []string{"a"}), Invalid, `f32[3] for tensor "a", which is f32[2]`, true},
		{"integers", gradientNode("i", "g", "y", []string{"i"}), Invalid, "i64[2]", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			opts := Options{}
			if c.hook {
				opts.Gradient = grad.Append
			}
			_, err := Import(modelFile(t, 17, graph(in, untyped("g"), node("Neg", "a", "y"), c.node)), opts)
			wantError(t, err, c.kind, "Gradient_g", c.want)
		})
	}
}
