package export_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/export"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

func parse(t *testing.T, text string) *ir.Module {
	t.Helper()
	m, err := ir.Parse(text, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func exported(t *testing.T, text string) *pb.GraphProto {
	t.Helper()
	m, err := export.Export(parse(t, "module \"m\"\n"+text), export.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m.Proto.Graph
}

func operators(g *pb.GraphProto) string {
	var ops []string
	for _, n := range g.Node {
		ops = append(ops, n.GetOpType())
	}
	return strings.Join(ops, " ")
}

// TestOperators: which operators ops become; conformance's lane "onnx" shows that they mean the same.
func TestOperators(t *testing.T) {
	attention := func(args, attrs string) string {
		return `func @main(%q: f32[b, 4, l, 8], %k: f32[b, 2, s, 8], %v: f32[b, 2, s, 8], %m: bool[b, 1, l, s], %f: f32[b, 1, l, s], %r: f32[b, 1, l, 1], %z: f32[4]) -> (y: f32[b, 4, l, 8]) {
  %0 = attention %q, %k, %v` + args + ` {scale = 0.5` + attrs + `} : f32[b, 4, l, 8]
  yield %0
}`
	}
	rope := func(operands, attrs string) string {
		return `func @main(%x: f32[b, 4, l, 8], %at: i64[], %f: f32[4], %c: f32[b, 1, l, 2], %h: f32[b, 4, l, 2]) -> (y: f32[b, 4, l, 8]) {
  %0 = rope %x, ` + operands + attrs + ` : f32[b, 4, l, 8]
  yield %0
}`
	}
	norm := func(op, operands string) string {
		return `func @main(%x: f32[n, 3, 5], %s: f32[5], %c: f32[3, 1]) -> (y: f32[n, 3, 5]) {
  %0 = ` + op + ` %x, ` + operands + ` {axis = 2, epsilon = 1e-05} : f32[n, 3, 5]
  yield %0
}`
	}
	repeated := "Shape Concat Unsqueeze Expand Concat Reshape"
	for _, test := range []struct{ name, text, want string }{
		{"attention", attention("", ""), "Attention"},
		{"attention, mask", attention(", %m", `, empty = "zero"`), "Attention"},
		{"attention, mask, mean", attention(", %m", `, empty = "mean"`), "Where Attention"},
		{"attention, float mask", attention(", %f", `, empty = "zero"`), "Attention"},
		{"layer_norm", norm("layer_norm", "%s, %s"), "LayerNormalization"},
		{"layer_norm without scale", norm("layer_norm", "none, %s"), "LayerNormalization"},
		{"layer_norm, channels", norm("layer_norm", "%c, %c"), "LayerNormalization Mul Add"},
		{"layer_norm, bias", norm("layer_norm", "%s, %c"), "LayerNormalization Add"},
		{"rms_norm", norm("rms_norm", "%s"), "RMSNormalization"},
		{"rms_norm, channels", norm("rms_norm", "%c"), "RMSNormalization Mul"},
		{"rope", rope("%c, %c", ""), "Squeeze RotaryEmbedding"},
		{"rope, angles by head", rope("%h, %h", ""), "Slice Slice Mul Mul Sub Mul Mul Add Slice Concat"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := operators(exported(t, test.text)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
	for _, test := range []struct{ name, text string }{
		{"attention, sinks", attention(", none, %z", "")},
		{"attention, causal over a cache", attention("", ", causal = true")},
		{"attention, NaN", attention(", %m", "")},
		{"attention, short mask", attention(", %r", `, empty = "zero"`)},
	} {
		got := operators(exported(t, test.text))
		if strings.Contains(got, "Attention") || !strings.Contains(got, "Softmax") || !strings.Contains(got, strings.Fields(repeated)[2]) {
			t.Errorf("%s: got %s, want primitives", test.name, got)
		}
	}
}

// TestSizes runs expressions over sizes, exported and imported again, beside the interpreter's.
func TestSizes(t *testing.T) {
	const text = `module "sizes"
func @main(%x: f32[n, m], %k: i64[2]) -> (y: i64[9], z: i64[], w: i64[2]) {
  %0 = dims {values = [n, 7, m, n*n*m - 3*n + 4, floordiv(n + 5, 3), floordiv(n - m, 3), mod(n - m, 4), min(n, m), max(2*n, m)]} : i64[9]
  %1 = dims {values = [n - m], scalar = true} : i64[]
  %2 = cast %k {to = f32} : f32[2]
  %3 = nonzero %2 : i64[1, u0]
  %4 = dims {values = [u0, 2*u0]} : i64[2]
  yield %0, %1, %4
}`
	m := parse(t, text)
	again := reimported(t, m)
	for _, size := range [][2]int{{1, 1}, {4, 9}, {9, 4}, {0, 3}, {7, 0}} {
		in := []ir.Datum{ir.NewTensor(ir.F32, size[0], size[1]), ir.TensorFrom([]int64{0, int64(size[0])}, 2)}
		if diff := cmp.Diff(run(t, m, in), run(t, again, in)); diff != "" {
			t.Errorf("n = %d, m = %d: (-want +got)\n%s", size[0], size[1], diff)
		}
	}
}

func reimported(t *testing.T, m *ir.Module) *ir.Module {
	t.Helper()
	model, err := export.Export(m, export.Options{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := model.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	f, err := onnx.FromBytes("again.onnx", data)
	if err != nil {
		t.Fatal(err)
	}
	again, err := onnx.Import(f, onnx.Options{Eval: interp.EvalOp})
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// run gives the results of m, which are tensors.
func run(t *testing.T, m *ir.Module, in []ir.Datum) []*ir.Tensor {
	t.Helper()
	results, err := interp.Run(context.Background(), m.Main(), in)
	if err != nil {
		t.Fatal(err)
	}
	var out []*ir.Tensor
	for _, r := range results {
		out = append(out, r.(*ir.Tensor))
	}
	return out
}

// TestChannelsLast: ONNX has channels second; whoever has them last gets transposes.
func TestChannelsLast(t *testing.T) {
	m := parse(t, `module "nhwc"
func @main(%x: f32[n, h, 5, 2], %w: f32[3, 2, 2, 2], %b: f32[3]) -> (c: f32[n, max(0, h - 1), 4, 3], m: f32[n, max(0, h - 1), 4, 2], a: f32[n, max(0, h - 1), 4, 2]) {
  %0 = conv %x, %w, %b {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1, nhwc = true} : f32[n, max(0, h - 1), 4, 3]
  %1, %2 = max_pool %x {kernel = [2, 2], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], nhwc = true} : f32[n, max(0, h - 1), 4, 2], i64[n, max(0, h - 1), 4, 2]
  %3 = average_pool %x {kernel = [2, 2], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], nhwc = true} : f32[n, max(0, h - 1), 4, 2]
  yield %0, %1, %3
}`)
	random := rand.New(rand.NewPCG(1, 2))
	var in []ir.Datum
	for _, shape := range [][]int{{2, 4, 5, 2}, {3, 2, 2, 2}, {3}} {
		x := ir.NewTensor(ir.F32, shape...)
		for i := range ir.View[float32](x) {
			ir.View[float32](x)[i] = random.Float32()
		}
		in = append(in, x)
	}
	if diff := cmp.Diff(run(t, m, in), run(t, reimported(t, m), in)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestNames: inputs and outputs keep their names, nodes those that they come from, with what passes replaced.
func TestNames(t *testing.T) {
	const text = `func @main(%a: f32[n], %b: f32[n]) -> (a: f32[n], sum: f32[n], same: f32[n], c: f32[2]) {
  %0 = add %a, %b : f32[n] loc("/add", "Add", 17, from = [loc("/x", "Sub", 17), loc("/y", "Neg", 17)])
  %1 = const [1.0, 2.0] : f32[2] loc("weight", "", 0)
  yield %a, %0, %0, %1
}`
	g := exported(t, text)
	var got []string
	for _, n := range g.Node {
		line := n.GetName() + ": " + n.GetOpType() + " " + strings.Join(n.Input, ",") + " -> " + strings.Join(n.Output, ",")
		for _, p := range n.MetadataProps {
			line += " " + p.GetKey() + "=" + p.GetValue()
		}
		got = append(got, line)
	}
	want := []string{"/add: Add a,b -> sum emily.from=/x, /y", "yield: Identity sum -> same", "yield_1: Identity weight -> c"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	var outputs []string
	for _, o := range g.Output {
		outputs = append(outputs, o.GetName())
	}
	if !slices.Equal(outputs, []string{"a", "sum", "same", "c"}) {
		t.Errorf("outputs %q", outputs)
	}
	if g = exported(t, strings.Replace(text, "yield %a", "yield %b", 1)); g.Output[0].GetName() == "a" || len(g.Node) != 4 {
		t.Errorf("output %q of %s: it has the name of an input that it is not", g.Output[0].GetName(), operators(g))
	}
}

// TestDataFile: large constants go to the data file, once and aligned, when there are many bytes of them.
func TestDataFile(t *testing.T) {
	weight := ir.NewTensor(ir.F32, 300000)
	for i := range weight.Data {
		weight.Data[i] = byte(i % 251)
	}
	small := ir.TensorFrom([]float32{1, 2}, 2)
	build := func(w *ir.Tensor) *ir.Module {
		m := ir.NewModule("m")
		f := m.NewFunc("main")
		b := ir.NewBuilder(f.Body)
		blob := &ir.Blob{Name: "w", Data: append([]byte{7}, w.Data...)}
		m.Blobs = append(m.Blobs, blob)
		a := &ir.ConstAttrs{Type: w.Type(), Blob: blob, Off: 1, Len: int64(len(w.Data))}
		same := *a
		b.Yield(b.Op(ir.Const, a), b.Op(ir.Const, &same), b.Const(small))
		f.Outputs = []string{"x", "y", "z"}
		if err := b.Err(); err != nil {
			t.Fatal(err)
		}
		return m
	}
	model, err := export.Export(build(weight), export.Options{Data: "m.onnx.data"})
	if err != nil {
		t.Fatal(err)
	}
	var data bytes.Buffer
	if err := model.WriteData(&data); err != nil {
		t.Fatal(err)
	}
	if !model.HasData() || !bytes.Equal(data.Bytes(), weight.Data) {
		t.Errorf("%d bytes of data, want %d", data.Len(), len(weight.Data))
	}
	inits := model.Proto.Graph.Initializer
	if len(inits) != 2 || len(inits[0].ExternalData) != 3 || len(inits[1].RawData) != 8 {
		t.Errorf("initializers %v", inits)
	}
	for _, o := range []struct {
		w    *ir.Tensor
		name string
	}{{weight, ""}, {small, "m.onnx.data"}} {
		model, err := export.Export(build(o.w), export.Options{Data: o.name})
		if err != nil {
			t.Fatal(err)
		}
		if model.HasData() {
			t.Errorf("%s with data file %q has a data file", o.w.Type(), o.name)
		}
	}
}

func TestErrors(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"assert", `func @main(%x: f32[n], %ok: bool[n]) -> (y: f32[n]) {
  %0 = assert %x, %ok {message = "no"} : f32[n] loc("check", "Check", 1)
  yield %0
}`, `m: node "check" (Check, opset 1): ONNX cannot express assert: no operator raises an error of its own`},
		{"maps", `func @main(%k: i64[c], %v: f32[n, c]) -> (y: seq<map<i64, f32[]>>) {
  %0 = zip_maps %k, %v : seq<map<i64, f32[]>>
  yield %0
}`, "maps with computed keys"},
		{"a symbol of nothing", `func @main(%x: f32[n*m]) -> (y: i64[1]) {
  %0 = dims {values = [n]} : i64[1]
  yield %0
}`, "no value before it has the size n"},
		{"in a branch", `func @main(%c: bool[], %x: f32[n], %ok: bool[n]) -> (y: f32[n]) {
  %0 = if %c, %x, %ok : f32[n] region(%1: f32[n], %2: bool[n]) {
    yield %1
  } region(%3: f32[n], %4: bool[n]) {
    %5 = assert %3, %4 {message = "no"} : f32[n]
    yield %5
  }
  yield %0
}`, "cannot express assert"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := export.Export(parse(t, "module \"m\"\n"+test.text), export.Options{})
			var is *export.Error
			if !errors.As(err, &is) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}
