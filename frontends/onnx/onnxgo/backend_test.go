package onnxgo

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	upstream "github.com/owulveryck/onnx-go"
	"gonum.org/v1/gonum/graph"
	gorgonia "gorgonia.org/tensor"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// loaded is a model that onnx-go has decoded into a backend.
func loaded(t *testing.T, g *pb.GraphProto, opts ...Option) (*Backend, *upstream.Model) {
	t.Helper()
	b := New(opts...)
	t.Cleanup(func() { b.Close() })
	m := upstream.NewModel(b)
	if err := m.UnmarshalBinary(wire(t, g)); err != nil {
		t.Fatal(err)
	}
	return b, m
}

// run sets the inputs that are not nil, and runs.
func run(b *Backend, m *upstream.Model, inputs ...gorgonia.Tensor) ([]gorgonia.Tensor, error) {
	for i, in := range inputs {
		if in == nil {
			continue
		}
		if err := m.SetInput(i, in); err != nil {
			return nil, err
		}
	}
	if err := b.Run(); err != nil {
		return nil, err
	}
	return m.GetOutputTensors()
}

func dense[E any](elems []E, shape ...int) *gorgonia.Dense {
	return gorgonia.New(gorgonia.WithShape(shape...), gorgonia.WithBacking(elems))
}

func TestRun(t *testing.T) {
	for _, c := range []struct {
		name  string
		graph *pb.GraphProto
		in    []gorgonia.Tensor
		want  []*gorgonia.Dense
	}{
		{"one tensor twice",
			graphOf(values("x f32[2]"), values("y f32[2]"), op("Mul", "x,x", "y")),
			[]gorgonia.Tensor{dense([]float32{2, 3}, 2)}, []*gorgonia.Dense{dense([]float32{4, 9}, 2)}},
		{"order of operands",
			graphOf(values("a f32[2]", "b f32[2]"), values("y f32[2]"), op("Sub", "b,a", "y")),
			[]gorgonia.Tensor{dense([]float32{2, 3}, 2), dense([]float32{7, 9}, 2)}, []*gorgonia.Dense{dense([]float32{5, 6}, 2)}},
		{"initializer",
			withInit(graphOf(values("x f32[2]"), values("y f32[2]"), op("Add", "x,w", "y")), floats("w", 10, 20)),
			[]gorgonia.Tensor{dense([]float32{2, 3}, 2)}, []*gorgonia.Dense{dense([]float32{12, 23}, 2)}},
		{"initializer that is an input",
			withInit(graphOf(values("x f32[2]", "w f32[2]"), values("y f32[2]"), op("Add", "x,w", "y")), floats("w", 10, 20)),
			[]gorgonia.Tensor{dense([]float32{2, 3}, 2)}, []*gorgonia.Dense{dense([]float32{12, 23}, 2)}},
		{"initializer with a value_info",
			withInfo(withInit(graphOf(values("x f32[2]"), values("y f32[2]"), op("Add", "x,w", "y")), floats("w", 10, 20)), "w f32[2]"),
			[]gorgonia.Tensor{dense([]float32{2, 3}, 2)}, []*gorgonia.Dense{dense([]float32{12, 23}, 2)}},
		{"initializer as an output",
			withInit(graphOf(values("x f32[2]"), values("y f32[2]", "w f32[2]"), op("Add", "x,w", "y")), floats("w", 10, 20)),
			[]gorgonia.Tensor{dense([]float32{2, 3}, 2)}, []*gorgonia.Dense{dense([]float32{12, 23}, 2), dense([]float32{10, 20}, 2)}},
		{"input as an output",
			graphOf(values("x f32[2]"), values("y f32[2]", "x f32[2]"), op("Neg", "x", "y")),
			[]gorgonia.Tensor{dense([]float32{2, 3}, 2)}, []*gorgonia.Dense{dense([]float32{-2, -3}, 2), dense([]float32{2, 3}, 2)}},
		{"result that an output is computed from",
			graphOf(values("x f32[2]"), values("y f32[2]", "h f32[2]"), op("Neg", "x", "h"), op("Abs", "h", "y")),
			[]gorgonia.Tensor{dense([]float32{2, 3}, 2)}, []*gorgonia.Dense{dense([]float32{2, 3}, 2), dense([]float32{-2, -3}, 2)}},
		{"node without operands",
			graphOf(values("x f32[2]"), values("y f32[2]"), op("Constant", "", "c", attr("value", floats("", 1, 2))),
				op("Constant", "", "d", attr("value", floats("", 5, 5))), op("Add", "x,c", "h"), op("Add", "h,d", "y")),
			[]gorgonia.Tensor{dense([]float32{2, 3}, 2)}, []*gorgonia.Dense{dense([]float32{8, 10}, 2)}},
		{"absent operand",
			withInit(graphOf(values("x f32[2]"), values("y f32[2]"), op("Clip", "x,,hi", "y")), scalar("hi", 2.5)),
			[]gorgonia.Tensor{dense([]float32{2, 3}, 2)}, []*gorgonia.Dense{dense([]float32{2, 2.5}, 2)}},
		{"absent output",
			graphOf(values("x f32[4]"), values("b f32[2]"), op("Split", "x", ",b", attr("split", []int64{2, 2}))),
			[]gorgonia.Tensor{dense([]float32{1, 2, 3, 4}, 4)}, []*gorgonia.Dense{dense([]float32{3, 4}, 2)}},
		{"several outputs",
			graphOf(values("x f32[4]"), values("b f32[3]", "a f32[1]"), op("Split", "x", "a,b", attr("split", []int64{1, 3}))),
			[]gorgonia.Tensor{dense([]float32{1, 2, 3, 4}, 4)}, []*gorgonia.Dense{dense([]float32{2, 3, 4}, 3), dense([]float32{1}, 1)}},
		{"symbolic dims",
			graphOf(values("x f32[n,2]"), values("y f32[n,2]"), op("Neg", "x", "y")),
			[]gorgonia.Tensor{dense([]float32{1, 2, 3, 4, 5, 6}, 3, 2)}, []*gorgonia.Dense{dense([]float32{-1, -2, -3, -4, -5, -6}, 3, 2)}},
		{"scalar",
			graphOf(values("x f32[2]"), values("n i64[]"), op("Size", "x", "n")),
			[]gorgonia.Tensor{dense([]float32{1, 2}, 2)}, []*gorgonia.Dense{gorgonia.New(gorgonia.FromScalar(int64(2)))}},
		{"floats for integers",
			graphOf(values("x i64[3]"), values("y i64[3]"), op("Add", "x,x", "y")),
			[]gorgonia.Tensor{dense([]float32{-1, 0, 1 << 30}, 3)}, []*gorgonia.Dense{dense([]int64{-2, 0, 1 << 31}, 3)}},
		{"shape from an input",
			graphOf(values("x f32[4]", "s i64[2]"), values("y f32[a,b]"), op("Reshape", "x,s", "y")),
			[]gorgonia.Tensor{dense([]float32{1, 2, 3, 4}, 4), dense([]int64{2, -1}, 2)}, []*gorgonia.Dense{dense([]float32{1, 2, 3, 4}, 2, 2)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, m := loaded(t, c.graph)
			got, err := run(b, m, c.in...)
			if err != nil {
				t.Fatal(err)
			}
			if len(got) != len(c.want) {
				t.Fatalf("%d outputs, want %d", len(got), len(c.want))
			}
			for i := range got {
				same(t, got[i], c.want[i])
			}
		})
	}
}

func same(t *testing.T, got, want gorgonia.Tensor) {
	t.Helper()
	if got == nil {
		t.Fatal("no tensor")
	}
	if d := cmp.Diff([]int(want.Shape()), []int(got.Shape())); d != "" {
		t.Errorf("shape (-want +got):\n%s", d)
	}
	if d := cmp.Diff(want.Data(), got.Data()); d != "" {
		t.Errorf("elements (-want +got):\n%s", d)
	}
}

func TestErrors(t *testing.T) {
	two := dense([]float32{2, 3}, 2)
	add := graphOf(values("x f32[2]", "b f32[2]"), values("y f32[2]"), op("Add", "x,b", "y"))
	whole := graphOf(values("x i8[2]"), values("y i8[2]"), op("Add", "x,x", "y"))
	for _, c := range []struct {
		name  string
		graph *pb.GraphProto
		in    []gorgonia.Tensor
		kind  onnx.ErrorKind
		says  string
	}{
		{"input not set", add, []gorgonia.Tensor{two}, onnx.Missing, `model: tensor "b": the input is not set; call SetInput(1, …)`},
		{"wrong dtype", add, []gorgonia.Tensor{dense([]int64{1, 2}, 2)}, onnx.Invalid, `tensor "x": i64[2] is set, f32 is declared`},
		{"wrong shape", add, []gorgonia.Tensor{dense([]float32{1, 2, 3}, 3)}, onnx.Invalid, `tensor "x": f32[3] is set, the sizes declared are (2)`},
		{"no whole number", whole, []gorgonia.Tensor{dense([]float32{1, 2.5}, 2)}, onnx.Invalid, `f32[2] is set, i8 is declared`},
		{"no such integer", whole, []gorgonia.Tensor{dense([]float32{1, 128}, 2)}, onnx.Invalid, `f32[2] is set, i8 is declared`},
		{"wrong arity", graphOf(values("x f32[2]"), values("y f32[2]"), op("Add", "x", "y")), []gorgonia.Tensor{two}, onnx.Invalid, `node "y" (Add`},
		{"the furthest opset's error",
			withInit(graphOf(values("x f32[2]"), values("y f32[2]"), op("ReduceSum", "x,axes", "h"), op("Add", "h", "y")), ints("axes", 0)),
			[]gorgonia.Tensor{two}, onnx.Invalid, `node "y" (Add, opset 13)`},
		{"empty output",
			graphOf(values("x f32[2]"), values("y f32[n]"), op("Slice", "x", "y", attr("starts", []int64{1}), attr("ends", []int64{1}))), []gorgonia.Tensor{two}, onnx.Unsupported, `tensor "y": gorgonia has no tensor of f32[0]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, m := loaded(t, c.graph)
			_, err := run(b, m, c.in...)
			var e *onnx.Error
			if !errors.As(err, &e) {
				t.Fatalf("got %v (%T), want *onnx.Error", err, err)
			}
			if e.Kind != c.kind || e.Remedy == "" || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v (%v), want %v with a remedy that says %q", err, e.Kind, c.kind, c.says)
			}
		})
	}
}

func TestUnknownOperator(t *testing.T) {
	err := upstream.NewModel(New()).UnmarshalBinary(wire(t, graphOf(values("x f32[2]"), values("y f32[2]"), op("Frobnicate", "x", "y"))))
	var e *upstream.ErrNotImplemented
	if !errors.As(err, &e) || e.Operator != "Frobnicate" {
		t.Errorf("got %v, want onnx-go's ErrNotImplemented", err)
	}
}

// A program is used again for inputs of the same types, as long as what is constant in it is the same.
func TestCompileOnce(t *testing.T) {
	compiles := 0
	counting := WithCompiler(func(ctx context.Context, m *ir.Module) (Program, error) {
		compiles++
		return interpret(ctx, m)
	})
	b, m := loaded(t, graphOf(values("x f32[n,2]", "axes i64[1]"), values("y f32[a,b]"), op("ReduceSum", "x,axes", "y")), counting)
	four := dense([]float32{1, 2, 3, 4}, 2, 2)
	for _, step := range []struct {
		x    gorgonia.Tensor
		axis int64
		want gorgonia.Tensor
		made int
	}{
		{four, 0, dense([]float32{4, 6}, 1, 2), 1},
		{dense([]float32{5, 6, 7, 8}, 2, 2), 0, dense([]float32{12, 14}, 1, 2), 1},
		{four, 1, dense([]float32{3, 7}, 2, 1), 2},
		{dense([]float32{1, 2}, 1, 2), 1, dense([]float32{3}, 1, 1), 3},
	} {
		got, err := run(b, m, step.x, dense([]int64{step.axis}, 1))
		if err != nil {
			t.Fatal(err)
		}
		same(t, got[0], step.want)
		if compiles != step.made {
			t.Errorf("compiled %d times, want %d", compiles, step.made)
		}
	}
}

// What a run returns does not share memory with inputs and initializers.
func TestOutputsAreTheCallers(t *testing.T) {
	b, m := loaded(t, graphOf(values("x f32[2]"), values("y f32[2]"), op("Identity", "x", "y")))
	x := []float32{1, 2}
	got, err := run(b, m, dense(x, 2))
	if err != nil {
		t.Fatal(err)
	}
	got[0].Data().([]float32)[0] = 9
	if x[0] != 1 {
		t.Error("writing to an output changes the input")
	}
}

func TestWithOutputs(t *testing.T) {
	g := withInfo(graphOf(values("x f32[2]"), values("y f32[2]"), op("Neg", "x", "h"), op("Abs", "h", "y")), "h f32[2]")
	for _, c := range []struct {
		opts []Option
		want []string
	}{
		{nil, []string{"h", "y"}},
		{[]Option{WithOutputs("y")}, []string{"y"}},
	} {
		b, m := loaded(t, g, c.opts...)
		if err := m.SetInput(0, dense([]float32{1, 2}, 2)); err != nil {
			t.Fatal(err)
		}
		module, err := b.Module()
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, module.Main().Outputs); d != "" {
			t.Errorf("outputs (-want +got):\n%s", d)
		}
	}
	b, m := loaded(t, g, WithOutputs("nothing"))
	if _, err := run(b, m, dense([]float32{1, 2}, 2)); err == nil || !strings.Contains(err.Error(), `"nothing": no node produces it`) {
		t.Errorf("got %v", err)
	}
}

func TestNoTensorBeforeRun(t *testing.T) {
	_, m := loaded(t, graphOf(values("x f32[2]"), values("y f32[2]"), op("Neg", "x", "y")))
	got, err := m.GetOutputTensors()
	if err != nil || len(got) != 1 || got[0] != nil {
		t.Errorf("got %v, %v", got, err)
	}
	if in := m.GetInputTensors(); len(in) != 1 || in[0] == nil || in[0].Dtype() != gorgonia.Float32 {
		t.Errorf("the type declared: got %v", in)
	}
}

func TestGraph(t *testing.T) {
	b, _ := loaded(t, graphOf(values("a f32[2]", "b f32[2]"), values("y f32[2]"), op("Sub", "b,a", "h"), op("Mul", "h,h", "y")))
	id := map[string]int64{}
	for it := b.Nodes(); it.Next(); {
		id[it.Node().(upstream.Namer).GetName()] = it.Node().ID()
	}
	if d := cmp.Diff(map[string]int64{"a": 0, "b": 1, "y": 2, "h": 3}, id); d != "" {
		t.Errorf("IDs (-want +got):\n%s", d)
	}
	names := func(it graph.Nodes) (out []string) {
		for it.Next() {
			out = append(out, it.Node().(upstream.Namer).GetName())
		}
		return out
	}
	for _, c := range []struct {
		what      string
		got, want []string
	}{
		{"From(h)", names(b.From(id["h"])), []string{"b", "a"}},
		{"From(y)", names(b.From(id["y"])), []string{"h"}},
		{"From(99)", names(b.From(99)), nil},
		{"To(h)", names(b.To(id["h"])), []string{"y"}},
		{"To(-1)", names(b.To(-1)), nil},
	} {
		if d := cmp.Diff(c.want, c.got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, d)
		}
	}
	if e, ok := b.Edge(id["h"], id["a"]).(graph.WeightedEdge); !ok || e.Weight() != 1 || e.ReversedEdge().From().ID() != id["a"] {
		t.Errorf("Edge(h, a) = %v", e)
	}
	if b.Edge(id["a"], id["h"]) != nil || !b.HasEdgeBetween(id["a"], id["h"]) || b.HasEdgeFromTo(id["a"], id["h"]) {
		t.Error("edges go from results to operands")
	}
	if b.Node(99) != nil || b.Node(-1) != nil {
		t.Error("nodes that are not there")
	}
}

// Methods that return no error keep it for Run.
func TestMisuse(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(b *Backend)
		says string
	}{
		{"weight", func(b *Backend) { b.SetWeightedEdge(b.NewWeightedEdge(b.Node(1), b.Node(0), 0.5)) }, "an edge weighs 0.5"},
		{"huge weight", func(b *Backend) { b.SetWeightedEdge(b.NewWeightedEdge(b.Node(1), b.Node(0), 1e18)) }, "an edge weighs 1e+18"},
		{"edge to nothing", func(b *Backend) { b.SetWeightedEdge(b.NewWeightedEdge(b.Node(1), nil, 0)) }, "a node of another graph"},
		{"another's node", func(b *Backend) { b.AddNode(New().NewNode()) }, "a node of another graph"},
		{"node twice", func(b *Backend) { b.AddNode(b.Node(0)) }, "node 0 is added out of order"},
		{"second model", func(b *Backend) {
			_ = b.Node(0).(upstream.DataCarrier).SetTensor(dense([]float32{1, 2}, 2))
			b.NewNode()
		}, "make a backend for each model"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, m := loaded(t, graphOf(values("x f32[2]"), values("y f32[2]"), op("Neg", "x", "y")))
			c.do(b)
			if _, err := run(b, m, dense([]float32{1, 2}, 2)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error that says %q", err, c.says)
			}
		})
	}
}

func TestSetTensor(t *testing.T) {
	b, _ := loaded(t, graphOf(values("x f32[2]"), values("y f32[2]"), op("Neg", "x", "y")))
	for _, c := range []struct {
		id   int64
		t    gorgonia.Tensor
		says string
	}{
		{0, nil, "a tensor of <nil>"},
		{0, (*gorgonia.Dense)(nil), "give a dense tensor"},
		{0, gorgonia.CSRFromCoord(gorgonia.Shape{2, 2}, []int{0}, []int{0}, []float32{1}), "give a dense tensor"},
		{1, dense([]float32{1, 2}, 2), `tensor "y": a node of the model produces it`},
	} {
		err := b.Node(c.id).(upstream.DataCarrier).SetTensor(c.t)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("node %d, %v: got %v, want an error that says %q", c.id, c.t, err, c.says)
		}
	}
}

func TestCancelled(t *testing.T) {
	b, m := loaded(t, graphOf(values("x f32[2]"), values("y f32[2]"), op("Neg", "x", "y")))
	if err := m.SetInput(0, dense([]float32{1, 2}, 2)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.RunContext(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
