package onnxgo

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	gorgonia "gorgonia.org/tensor"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

func TestOpset(t *testing.T) {
	soft := graphOf(values("x f32[1,2,2]"), values("y f32[1,2,2]"), op("Softmax", "x", "y", attr("axis", 1)))
	for _, c := range []struct {
		name  string
		graph *pb.GraphProto
		opts  []Option
		want  int
	}{
		{"usual", graphOf(values("x f32[2]"), values("y f32[2]"), op("Neg", "x", "y")), nil, 10},
		{"Add-6 has broadcast", graphOf(values("x f32[2]"), values("y f32[2]"), op("Add", "x,x", "y", attr("broadcast", 1))), nil, 6},
		{"Slice-1 has attributes", graphOf(values("x f32[2]"), values("y f32[1]"), op("Slice", "x", "y", attr("starts", []int64{0}), attr("ends", []int64{1}))), nil, 9},
		{"Slice-10 has operands", withInit(graphOf(values("x f32[2]"), values("y f32[1]"), op("Slice", "x,s,e", "y")), ints("s", 0), ints("e", 1)), nil, 10},
		{"Clip-11 has operands", withInit(graphOf(values("x f32[2]"), values("y f32[2]"), op("Clip", "x,lo", "y")), scalar("lo", 0)), nil, 11},
		{"ReduceSum-13 has operands", withInit(graphOf(values("x f32[2]"), values("y f32[1]"), op("ReduceSum", "x,a", "y")), ints("a", 0)), nil, 13},
		{"HardSwish came with 14", graphOf(values("x f32[2]"), values("y f32[2]"), op("HardSwish", "x", "y")), nil, 14},
		{"Softmax was legal before", soft, nil, 10},
		{"unless told", soft, []Option{WithOpset(13)}, 13},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, m := loaded(t, c.graph, c.opts...)
			if err := m.SetInput(0, gorgonia.New(gorgonia.Of(gorgonia.Float32), gorgonia.WithShape(m.GetInputTensors()[0].Shape()...))); err != nil {
				t.Fatal(err)
			}
			module, err := b.Module()
			if err != nil {
				t.Fatal(err)
			}
			got := 0
			for _, l := range module.Locs {
				got = max(got, l.Opset)
			}
			if got != c.want {
				t.Errorf("opset %d, want %d", got, c.want)
			}
		})
	}
}

// Opsets in which an operator means the same are tried once, those in which one is deprecated are not.
func TestCandidates(t *testing.T) {
	for _, c := range []struct {
		name  string
		graph *pb.GraphProto
		want  []int64
	}{
		{"Neg came with 1, 6 and 13", graphOf(values("x f32[2]"), values("y f32[2]"), op("Neg", "x", "y")), []int64{10, 5, 13}},
		{"Scatter went with 11", graphOf(values("x f32[2]", "i i64[2]"), values("y f32[2]"), op("Scatter", "x,i,x", "y")), []int64{10}},
		{"HardSwish came with 14", graphOf(values("x f32[2]"), values("y f32[2]"), op("HardSwish", "x", "y")), []int64{14, 22}},
		{"Gelu was com.microsoft's before 20", graphOf(values("x f32[2]"), values("y f32[2]"), op("Gelu", "x", "y")), []int64{10, 20}},
	} {
		b, _ := loaded(t, c.graph)
		if d := cmp.Diff(c.want, b.candidates()); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
	}
}
