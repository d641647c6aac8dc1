package emily_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/emilyc/emily/passes"
	"github.com/google/go-cmp/cmp"
)

const distilbert = "conformance/testdata/zoo/distilbert/model.onnx"

func load(t *testing.T, path string, opts ...emily.LoadOption) *emily.Model {
	t.Helper()
	m, err := emily.Load(path, opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

func compile(t *testing.T, m *emily.Model, opts ...emily.CompileOption) *emily.Executable {
	t.Helper()
	e, err := m.Compile(t.Context(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e
}

// tokens are inputs for distilbert.
func tokens(ids ...int64) map[string]ir.Datum {
	mask := make([]int64, len(ids))
	for i := range mask {
		mask[i] = 1
	}
	return map[string]ir.Datum{
		"input_ids": ir.TensorFrom(ids, 1, len(ids)), "attention_mask": ir.TensorFrom(mask, 1, len(mask)),
	}
}

func TestPorts(t *testing.T) {
	m := load(t, distilbert)
	var got []string
	for _, p := range append(m.Inputs(), m.Outputs()...) {
		got = append(got, p.Name+" "+p.Type.String())
	}
	want := []string{"input_ids i64[s10, s12]", "attention_mask i64[s86, s12]", "last_hidden_state f32[s10, s12, 64]"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestInputErrors(t *testing.T) {
	e := compile(t, load(t, distilbert), emily.WithBackend(emily.Interpreter))
	ids, mask := ir.TensorFrom([]int64{1, 2}, 1, 2), ir.TensorFrom([]int64{1, 1}, 1, 2)
	for _, test := range []struct {
		name   string
		inputs map[string]ir.Datum
		want   []string // in the message
		kind   ir.ErrorKind
	}{
		{"missing", map[string]ir.Datum{"input_ids": ids}, []string{`input "attention_mask" (i64[s86, s12]) is missing`}, ir.Malformed},
		{"nil", map[string]ir.Datum{"input_ids": ids, "attention_mask": (*ir.Tensor)(nil)}, []string{`"attention_mask"`, "missing"}, ir.Malformed},
		{"unknown", map[string]ir.Datum{"input_ids": ids, "attention_mask": mask, "x": ids}, []string{`no input "x"`, `"input_ids", "attention_mask"`}, ir.Malformed},
		{
			"dtype", map[string]ir.Datum{"input_ids": ir.TensorFrom([]int32{1, 2}, 1, 2), "attention_mask": mask},
			[]string{`input "input_ids" is i32[1, 2], wants i64[s10, s12]`, "convert it to i64"}, ir.DTypeError,
		},
		{"rank", map[string]ir.Datum{"input_ids": ir.TensorFrom([]int64{1, 2}), "attention_mask": mask}, []string{"i64[2], wants i64[s10, s12]", "2 axes"}, ir.ShapeError},
		{
			"sizes", map[string]ir.Datum{"input_ids": ids, "attention_mask": ir.TensorFrom([]int64{1, 1, 1}, 1, 3)},
			[]string{`input "attention_mask"`, "axis 1 has size 3", `s12 is 2 in input "input_ids"`}, ir.ShapeError,
		},
		{"short data", map[string]ir.Datum{"input_ids": &ir.Tensor{DType: ir.I64, Shape: []int{1, 2}, Data: make([]byte, 8)}, "attention_mask": mask}, []string{"holds 8 bytes", "needs 16"}, ir.ShapeError},
		{"sequence", map[string]ir.Datum{"input_ids": &ir.Sequence{Elem: ids.Type()}, "attention_mask": mask}, []string{"is seq<", "wants i64[s10, s12]"}, ir.DTypeError},
		{"huge", map[string]ir.Datum{"input_ids": &ir.Tensor{DType: ir.I64, Shape: []int{1 << 40, 1 << 40}}, "attention_mask": mask}, []string{"too large"}, ir.ShapeError},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := e.Run(t.Context(), test.inputs)
			var ie *ir.Error
			if !errors.As(err, &ie) || ie.Kind != test.kind {
				t.Fatalf("error %v, of kind %v", err, test.kind)
			}
			for _, w := range append(test.want, "model.onnx") {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q lacks %q", err, w)
				}
			}
		})
	}
	if _, err := e.RunOrdered(t.Context(), []ir.Datum{ids}); err == nil || !strings.Contains(err.Error(), "1 inputs, wants 2") {
		t.Errorf("wrong count: %v", err)
	}
}

func TestWithDims(t *testing.T) {
	m := load(t, distilbert, emily.WithDims(map[string]int64{"s10": 2, "input_ids.1": 3}))
	if d := cmp.Diff("i64[2, 3]", m.Inputs()[0].Type.String()); d != "" {
		t.Error(d)
	}
	if _, err := emily.Load(distilbert, emily.WithDims(map[string]int64{"nope": 1})); err == nil || !strings.Contains(err.Error(), `"nope"`) {
		t.Errorf("unknown dimension: %v", err)
	}
}

// Every form of a model gives the same outputs, bit for bit.
func TestForms(t *testing.T) {
	m := load(t, distilbert)
	want, err := compile(t, m, emily.WithBackend(emily.Interpreter)).Run(t.Context(), tokens(1, 2, 3))
	if err != nil {
		t.Fatal(err)
	}
	module, err := m.Module()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := passes.Run(module, passes.Default, passes.Options{Eval: interp.EvalOp}); err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(t.TempDir(), "m.safetensors")
	if err := emily.WriteBundle(module, bundle); err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "m.eir")
	for _, b := range module.Blobs {
		b.Path, _ = filepath.Abs(b.Path)
	}
	if err := os.WriteFile(text, []byte(module.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{bundle, text} {
		got, err := compile(t, load(t, path), emily.WithBackend(emily.Interpreter)).Run(t.Context(), tokens(1, 2, 3))
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", path, d)
		}
	}
}

// Results and errors outlive the model.
func TestClose(t *testing.T) {
	m, err := emily.Load(distilbert)
	if err != nil {
		t.Fatal(err)
	}
	module, err := m.Module()
	if err != nil {
		t.Fatal(err)
	}
	f := module.Main()
	f.Body.Terminator().SetArg(0, f.Body.Ops[0].Result()) // a weight as the output
	for i, op := range f.Body.Ops {
		if op.Kind == ir.Const {
			f.Body.Terminator().SetArg(0, f.Body.Ops[i].Result())
			break
		}
	}
	weights, err := emily.FromModule(module)
	if err != nil {
		t.Fatal(err)
	}
	e := compile(t, weights, emily.WithBackend(emily.Interpreter), emily.WithPipeline())
	out, err := e.RunOrdered(t.Context(), []ir.Datum{tokens(1)["input_ids"], tokens(1)["attention_mask"]})
	if err != nil {
		t.Fatal(err)
	}
	_, wrong := e.RunOrdered(t.Context(), nil)
	e.Close()
	if _, err := e.RunOrdered(t.Context(), nil); !errors.Is(err, emily.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	sum := byte(0)
	for _, b := range out[0].(*ir.Tensor).Data {
		sum ^= b
	}
	t.Log(sum, wrong)
	if _, err := m.Compile(t.Context()); !errors.Is(err, emily.ErrClosed) {
		t.Errorf("Compile after Close: %v", err)
	}
}

// A result never shares memory with an input.
func TestResultsAreOwn(t *testing.T) {
	m := ir.NewModule("identity")
	f := m.NewFunc("main")
	x := f.Body.AddParam("x", ir.TensorOf(ir.F32, ir.Sym("n")))
	ir.NewBuilder(f.Body).Yield(x)
	f.Outputs = []string{"y"}
	model, err := emily.FromModule(m)
	if err != nil {
		t.Fatal(err)
	}
	in := []float32{1, 2}
	out, err := compile(t, model, emily.WithBackend(emily.Interpreter)).Run(t.Context(), map[string]ir.Datum{"x": ir.TensorFrom(in)})
	if err != nil {
		t.Fatal(err)
	}
	in[0] = 5
	if d := cmp.Diff([]float32{1, 2}, ir.View[float32](out["y"].(*ir.Tensor))); d != "" {
		t.Error(d)
	}
}

func TestCancelled(t *testing.T) {
	m := load(t, distilbert)
	e := compile(t, m, emily.WithBackend(emily.Interpreter))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Run(ctx, tokens(1, 2)); !errors.Is(err, context.Canceled) {
		t.Errorf("Run: %v", err)
	}
	if _, err := m.Compile(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Compile: %v", err)
	}
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, test := range []struct{ name, path, want string }{
		{"missing", filepath.Join(dir, "no.onnx"), "check the path"},
		{"folder", dir, "name the model file in it"},
		{"empty", write("empty.onnx", ""), "empty"},
		{"noise", write("noise.onnx", "\xff\xfe\x00\x01noise"), "noise.onnx"},
		{"text", write("bad.eir", "module \"m\"\nfunc nonsense"), "bad.eir"},
		{"no function", write("none.eir", "module \"m\"\n"), "no function"},
		{"lost weights", write("lost.eir", "module \"m\"\nblob @w = file \"gone.bin\" 4\n"), "gone.bin"},
		{"bundle cut", write("cut.safetensors", "\xff\x00\x00\x00\x00\x00\x00\x00{\"a\":"), "header ends past"},
		{"bundle of tensors", write("tensors.safetensors", "\x02\x00\x00\x00\x00\x00\x00\x00{}"), "no program"},
		{"bundle of noise", write("json.safetensors", "\x02\x00\x00\x00\x00\x00\x00\x00{x"), "bad header"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := emily.Load(test.path)
			if err == nil {
				m.Close()
				t.Fatal("loaded")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("%q lacks %q", err, test.want)
			}
		})
	}
}

// reshapeModel is y = Reshape(x, MatMul(shape, [2, 1]))-like: a target that is computed from the value of an input.
func reshapeModel(t *testing.T) string {
	t.Helper()
	tensor := func(elem pb.TensorProto_DataType, dims ...int64) *pb.TypeProto {
		shape := &pb.TensorShapeProto{}
		for _, d := range dims {
			dim := &pb.TensorShapeProto_Dimension{}
			if d > 0 {
				dim.Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: d}
			}
			shape.Dim = append(shape.Dim, dim)
		}
		return &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: &pb.TypeProto_Tensor{ElemType: ptr(int32(elem)), Shape: shape}}}
	}
	info := func(name string, t *pb.TypeProto) *pb.ValueInfoProto { return &pb.ValueInfoProto{Name: &name, Type: t} }
	m := &pb.ModelProto{
		IrVersion:   ptr(int64(8)),
		OpsetImport: []*pb.OperatorSetIdProto{{Version: ptr(int64(18))}},
		Graph: &pb.GraphProto{
			Name: ptr("g"),
			Input: []*pb.ValueInfoProto{
				info("x", tensor(pb.TensorProto_FLOAT, -1)), info("axes", tensor(pb.TensorProto_INT64, 1)),
			},
			Output: []*pb.ValueInfoProto{info("y", &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: &pb.TypeProto_Tensor{ElemType: ptr(int32(1))}}})},
			Node: []*pb.NodeProto{{
				Name: ptr("n"), OpType: ptr("Unsqueeze"), Input: []string{"x", "axes"}, Output: []string{"y"},
			}},
		},
	}
	data, err := m.MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "model.onnx")
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func ptr[T any](v T) *T { return &v }

// A model whose types depend on the value of an input is compiled for each value.
func TestSpecialise(t *testing.T) {
	m := load(t, reshapeModel(t))
	if _, err := m.Module(); err == nil {
		t.Fatal("the import needs no value")
	}
	e := compile(t, m, emily.WithBackend(emily.Interpreter))
	x := ir.TensorFrom([]float32{1, 2, 3})
	for range 2 {
		for axis, want := range []string{"f32[1, 3]", "f32[3, 1]"} {
			out, err := e.Run(t.Context(), map[string]ir.Datum{"x": x, "axes": ir.TensorFrom([]int64{int64(axis)})})
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, out["y"].Type().String()); d != "" {
				t.Error(d)
			}
		}
	}
	for i := range 40 { // more than the cache holds; two values are right
		_, err := e.Run(t.Context(), map[string]ir.Datum{"x": x, "axes": ir.TensorFrom([]int64{int64(i)})})
		if (err == nil) != (i < 2) {
			t.Errorf("axis %d: %v", i, err)
		}
	}
}

// needMLX skips a test where `emilyc setup` has not been run.
func needMLX(t *testing.T) {
	t.Helper()
	var missing *runtime.SetupError
	m, err := emily.Load(distilbert)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	e, err := m.Compile(t.Context(), emily.WithBackend(emily.MLX))
	if errors.As(err, &missing) {
		t.Skipf("MLX is not set up: %v", missing)
	}
	if err != nil {
		t.Fatal(err)
	}
	e.Close()
}
