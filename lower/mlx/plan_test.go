package mlx_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var batch, seq = ir.Sym("batch"), ir.Sym("sequence")

func finish(t testing.TB, f func(b *mlx.Builder)) *mlx.Plan {
	t.Helper()
	p, err := tryFinish(f)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func tryFinish(f func(b *mlx.Builder)) (*mlx.Plan, error) {
	m := ir.NewModule("model.onnx")
	m.AddLoc(ir.Loc{File: "model.onnx", Node: "/attn/MatMul", OpType: "MatMul", Opset: 17})
	b := mlx.NewBuilder(m)
	f(b)
	return b.Finish()
}

var weights = &ir.Blob{Name: "w", Path: "/models/model.bin", Data: ir.NewTensor(ir.F32, 64).Data}

// example has all that the forms must show: weights, a setup program, dims, facts, effects, control flow.
func example(b *mlx.Builder) {
	x := b.Input("x", ir.TensorOf(ir.F32, batch, seq, ir.Size(4)))
	trip := b.Input("trip", ir.TensorOf(ir.I64))
	b.Facts(ir.Fact{Rel: ir.LE, A: seq, B: ir.Size(512), Loc: 1})
	b.At(1)
	w := b.Call(mlx.Transpose, b.Blob(weights, 16, ir.F32, []int{3, 4}), []int{1, 0})
	y := b.Call(mlx.MatMul, x, w)
	b.SetType(y, ir.TensorOf(ir.F32, batch, seq, ir.Size(3)))
	b.At(0)
	y = b.Call(mlx.Reshape, y, ir.Shape{batch.Mul(seq), ir.Size(3)})
	b.Call(mlx.Exp, y) // dead
	body := b.Sub("body", 4, func(p []mlx.Reg) []mlx.Reg {
		h := b.Call(mlx.Maximum, p[2], b.Scalar(ir.F32, 0))
		return []mlx.Reg{p[1], b.Call(mlx.Add, h, b.Call(mlx.DimScalar, seq.FloorDiv(ir.Size(2)), ir.F32))}
	})
	y = b.Call(mlx.Loop, trip, mlx.Absent, y, x, body, 1, 0)
	b.CallN(mlx.BindShape, 0, y, []ir.Dim{ir.Sym("n"), ir.Size(-1)})
	b.Output("y", ir.TensorOf(ir.F32, ir.Sym("n"), ir.Size(3)), b.Call(mlx.Slice, y, []int{0, 0}, ir.Shape{ir.Sym("n"), ir.Size(3)}, []int{1, 1}))
	b.Output("s", ir.TensorOf(ir.F32), b.Scalar(ir.F32, 0))
}

// listExample has lists as inputs and outputs.
func listExample(b *mlx.Builder) {
	list := ir.SequenceOf(ir.TensorOf(ir.F32, ir.Unknown, ir.Size(2)))
	any := ir.Type{Kind: ir.TensorType, DType: ir.I4, Ranks: ir.AnyRank}
	x, y := b.Input("x", list), b.Input("y", ir.OptionalOf(ir.SequenceOf(any)))
	b.Output("z", list, b.Call(mlx.ListErase, x, -1))
	b.Output("y", ir.OptionalOf(ir.SequenceOf(any)), y)
}

// stateExample has a state.
func stateExample(b *mlx.Builder) {
	past, next := ir.Sym("past"), ir.Sym("past").Add(seq)
	x := b.Input("x", ir.TensorOf(ir.F32, batch, seq))
	s := b.State(mlx.State{In: mlx.Port{Name: "past", Type: ir.TensorOf(ir.F32, batch, past)}, Out: mlx.Port{Name: "present", Type: ir.TensorOf(ir.F32, batch, next)}, Axis: 1})
	s = b.Call(mlx.Reserve, s, ir.Shape{batch, next}, 1, past, ir.F32)
	s = b.Call(mlx.SliceUpdate, s, x, []ir.Dim{ir.Size(0), past}, []ir.Dim{batch, next}, []int{1, 1})
	b.Output("y", ir.TensorOf(ir.F32, batch, next), b.Call(mlx.Slice, s, []int{0, 0}, []ir.Dim{batch, next}, []int{1, 1}))
	b.KeepState(s)
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

func TestText(t *testing.T) { golden(t, "example.plan", finish(t, example).String()) }

func TestPython(t *testing.T) {
	var b strings.Builder
	if err := finish(t, example).EmitPython(&b); err != nil {
		t.Fatal(err)
	}
	golden(t, "example.py", b.String())
}

func openWeights(name, path string) (*ir.Blob, error) {
	if name != weights.Name || path != weights.Path {
		return nil, fmt.Errorf("no blob %s %s", name, path)
	}
	return weights, nil
}

func TestRoundTrip(t *testing.T) {
	for _, f := range []func(*mlx.Builder){example, listExample, stateExample} {
		roundTrip(t, finish(t, f))
	}
}

func roundTrip(t *testing.T, p *mlx.Plan) {
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	q, err := mlx.Decode(data, openWeights)
	if err != nil {
		t.Fatal(err)
	}
	dims := cmp.Comparer(func(a, b ir.Dim) bool { return a == b })
	if d := cmp.Diff(p, q, dims, cmpopts.EquateEmpty()); d != "" {
		t.Errorf("decoded (-want +got):\n%s", d)
	}
	if d := cmp.Diff(p.String(), q.String()); d != "" {
		t.Errorf("text (-want +got):\n%s", d)
	}
}

// Damaged bytes give errors and no more.
func TestDecodeDamaged(t *testing.T) {
	data, err := finish(t, example).Encode()
	if err != nil {
		t.Fatal(err)
	}
	for i := range data {
		if _, err := mlx.Decode(data[:i], openWeights); err == nil {
			t.Fatalf("%d of %d bytes decode", i, len(data))
		}
		bad := append([]byte(nil), data...)
		bad[i] ^= 0x55
		mlx.Decode(bad, openWeights) // may decode: not all bytes matter
	}
}

func FuzzDecode(f *testing.F) {
	data, err := finish(f, example).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Fuzz(func(t *testing.T, data []byte) {
		if p, err := mlx.Decode(data, openWeights); err == nil {
			_ = p.String()
		}
	})
}

func TestBuilderErrors(t *testing.T) {
	for name, c := range map[string]struct {
		want string
		f    func(b *mlx.Builder)
	}{
		"operands": {"add: 1 operands, want 2 to 2", func(b *mlx.Builder) { b.Call(mlx.Add, b.Scalar(ir.F32, 1)) }},
		"params":   {"transpose: 0 parameters, want 1", func(b *mlx.Builder) { b.Call(mlx.Transpose, b.Scalar(ir.F32, 1)) }},
		"kind":     {"parameter axes: unexpected string", func(b *mlx.Builder) { b.Call(mlx.Transpose, b.Scalar(ir.F32, 1), "x") }},
		"unknown":  {"a size is not known", func(b *mlx.Builder) { b.Call(mlx.DimScalar, ir.Unknown, ir.I64) }},
		"dtype":    {"MLX has no dtype c128", func(b *mlx.Builder) { b.Call(mlx.Zeros, []int{1}, ir.C128) }},
		"results":  {"linalg_qr: 1 results, want 2", func(b *mlx.Builder) { b.CallN(mlx.QR, 1, b.Scalar(ir.F32, 1)) }},
		"register": {"register %7 is not of program main", func(b *mlx.Builder) { b.Call(mlx.Abs, mlx.Reg(7)) }},
		"strings":  {"MLX cannot hold seq<string[]>", func(b *mlx.Builder) { b.Input("s", ir.SequenceOf(ir.TensorOf(ir.String))) }},
		"map":      {"MLX cannot hold map<i64, f32[]>", func(b *mlx.Builder) { b.Input("s", ir.MapOf(ir.I64, ir.TensorOf(ir.F32))) }},
		"states": {"0 results, want 0 outputs and 1 states", func(b *mlx.Builder) {
			b.State(mlx.State{In: mlx.Port{Name: "p", Type: ir.TensorOf(ir.F32, seq)}, Out: mlx.Port{Type: ir.TensorOf(ir.F32, seq)}})
		}},
		"state": {`state "p": f32[4] has no symbol on axis 0`, func(b *mlx.Builder) {
			b.State(mlx.State{In: mlx.Port{Name: "p", Type: ir.TensorOf(ir.F32, ir.Size(4))}, Out: mlx.Port{Type: ir.TensorOf(ir.F32, seq)}})
		}},
		"input":     {"MLX cannot hold string[]", func(b *mlx.Builder) { b.Input("s", ir.TensorOf(ir.String)) }},
		"output":    {`output "y" has no register`, func(b *mlx.Builder) { b.Output("y", ir.TensorOf(ir.F32), mlx.Absent) }},
		"blob":      {"does not lie within @w", func(b *mlx.Builder) { b.Blob(weights, 200, ir.F32, []int{64}) }},
		"location":  {`node "/attn/MatMul"`, func(b *mlx.Builder) { b.At(1); b.Call(mlx.Abs) }},
		"region":    {"returns register %9", func(b *mlx.Builder) { b.Sub("r", 0, func([]mlx.Reg) []mlx.Reg { return []mlx.Reg{9} }) }},
		"first one": {"abs", func(b *mlx.Builder) { b.Call(mlx.Abs); b.Call(mlx.Exp) }},
	} {
		if _, err := tryFinish(c.f); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %s", name, err, c.want)
		}
	}
}

func TestConstantsAreShared(t *testing.T) {
	p := finish(t, func(b *mlx.Builder) {
		x := b.Input("x", ir.TensorOf(ir.F32, batch))
		for range 3 {
			x = b.Call(mlx.Add, x, b.Scalar(ir.F32, 1))
			x = b.Call(mlx.Add, x, b.Blob(weights, 0, ir.F32, []int{1}))
		}
		b.Output("y", ir.TensorOf(ir.F32, batch), x)
	})
	if len(p.Consts) != 2 {
		t.Errorf("%d constants, want 2", len(p.Consts))
	}
}

func TestBind(t *testing.T) {
	p := finish(t, func(b *mlx.Builder) {
		x := b.Input("x", ir.TensorOf(ir.F32, batch.Add(seq)))
		b.Input("a", ir.TensorOf(ir.F32, batch))
		b.Input("b", ir.TensorOf(ir.F32, seq))
		b.Facts(ir.Fact{Rel: ir.Divides, A: ir.Size(2), B: seq, Loc: 1})
		b.Output("y", ir.TensorOf(ir.F32, batch.Add(seq)), b.Call(mlx.Abs, x))
	})
	bind := mlx.NewBinder(p)
	for _, c := range []struct {
		x, a, b int
		want    string
	}{{7, 3, 4, ""}, {7, 3, 4, ""}, {6, 3, 4, "has size 6 on axis 0, want batch + sequence = 7"}, {6, 3, 3, "2 = 2 must divide sequence = 3"}} {
		syms, err := bind.Bind([]ir.Datum{ir.NewTensor(ir.F32, c.x), ir.NewTensor(ir.F32, c.a), ir.NewTensor(ir.F32, c.b)})
		switch {
		case c.want == "" && (err != nil || !cmp.Equal(syms, []int64{int64(c.a), int64(c.b)})):
			t.Errorf("%v: %v, %v", c, syms, err)
		case c.want != "":
			var e *ir.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v: %v", c, err)
			}
		}
	}
}

func chain(n int) func(b *mlx.Builder) {
	return func(b *mlx.Builder) {
		x := b.Input("x", ir.TensorOf(ir.F32, batch))
		for i := range n {
			x = b.Call(mlx.Add, x, b.Scalar(ir.F32, float64(i%7)))
			b.SetType(x, ir.TensorOf(ir.F32, batch))
		}
		b.Output("y", ir.TensorOf(ir.F32, batch), x)
	}
}

// Building and all forms take linear time.
func TestLongChain(t *testing.T) {
	start := time.Now()
	p := finish(t, chain(100_000))
	built := time.Since(start)
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	encoded := time.Since(start) - built
	if _, err := mlx.Decode(data, openWeights); err != nil {
		t.Fatal(err)
	}
	text := p.String()
	t.Logf("100,000 calls: built in %v, encoded in %v to %d bytes, all in %v, %d bytes of text", built, encoded, len(data), time.Since(start), len(text))
	if d := time.Since(start); d > 10*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestScalarRounding(t *testing.T) {
	for _, c := range []struct {
		d    ir.DType
		v    float64
		want []byte
	}{
		{ir.F16, 1, []byte{0x00, 0x3c}}, {ir.F16, 65519, []byte{0xff, 0x7b}}, {ir.F16, 65520, []byte{0x00, 0x7c}},
		{ir.F16, -5.960464477539063e-08, []byte{0x01, 0x80}}, {ir.F16, 2049, []byte{0x00, 0x68}}, {ir.F16, 0, []byte{0, 0}},
		{ir.F16, 6.1e-05, []byte{0xff, 0x03}}, {ir.F16, 2047.7, []byte{0x00, 0x68}},
		{ir.BF16, 1.00390625, []byte{0x80, 0x3f}}, {ir.BF16, 1.00390626, []byte{0x81, 0x3f}}, {ir.BF16, 3.4e38, []byte{0x80, 0x7f}},
		{ir.I8, -1, []byte{0xff}}, {ir.U64, 1 << 63, []byte{0, 0, 0, 0, 0, 0, 0, 0x80}}, {ir.Bool, 2, []byte{1}},
	} {
		p := finish(t, func(b *mlx.Builder) { b.Output("y", ir.TensorOf(c.d), b.Scalar(c.d, c.v)) })
		if d := cmp.Diff(c.want, p.Consts[0].Data); d != "" {
			t.Errorf("%s %v (-want +got):\n%s", c.d, c.v, d)
		}
	}
}
