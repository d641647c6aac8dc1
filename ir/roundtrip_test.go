package ir

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRoundTrip holds that printing what was parsed gives the text again, also of a clone.
func TestRoundTrip(t *testing.T) {
	seen := map[Kind]bool{}
	for _, f := range archive(t, "kinds.txtar") {
		t.Run(f.Name, func(t *testing.T) {
			text := string(f.Data)
			m := parse(t, text)
			if diff := cmp.Diff(text, m.String()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(text, m.Clone().String()); diff != "" {
				t.Errorf("clone: %s", diff)
			}
			if err := Verify(m.Clone()); err != nil {
				t.Errorf("clone: %v", err)
			}
			for _, fn := range m.Funcs {
				fn.Body.Walk(func(op *Op) { seen[op.Kind] = true })
			}
		})
	}
	for k := NoKind + 1; k < NumKinds; k++ {
		if !seen[k] {
			t.Errorf("no text of %s", k)
		}
	}
}

// TestRoundTripConstants holds that constants of every dtype keep their bytes, small ones and large.
func TestRoundTripConstants(t *testing.T) {
	for d := Invalid + 1; d < NumDTypes; d++ {
		for _, n := range []int{0, 1, 3, inlineElements, inlineElements + 1} {
			m, f, b := newFunc()
			x := b.Const(sample(d, n))
			b.Yield(x)
			f.Outputs = []string{"x"}
			checkRoundTrip(t, m, b)
			back := parse(t, m.String()).Main().Body.Ops[0].Attrs.(*ConstAttrs)
			want := x.Def.Attrs.(*ConstAttrs)
			if diff := cmp.Diff([]any{string(want.Inline), len(want.Strings), strings.Join(want.Strings, ",")},
				[]any{string(back.Inline), len(back.Strings), strings.Join(back.Strings, ",")}); diff != "" {
				t.Errorf("%s of %d: %s", d, n, diff)
			}
		}
	}
}

// sample is a tensor of n elements with every bit pattern that fits, NaNs with payloads and -0 among them.
func sample(d DType, n int) *Tensor {
	t := NewTensor(d, n)
	for i := range t.Strings {
		t.Strings[i] = strings.Repeat("\"é\n\x00", i%3) + strconv.Itoa(i)
	}
	for i := range t.Data {
		t.Data[i] = byte(i*37 + i/3)
	}
	for i := range t.Data {
		switch bits := d.Bits(); {
		case d == Bool:
			t.Data[i] &= 1
		case bits < 8 && d.Category() == Signed:
			t.Data[i] = byte(int8(t.Data[i]<<(8-bits)) >> (8 - bits))
		case bits < 8:
			t.Data[i] &= 1<<bits - 1
		}
	}
	if d == F32 && n > 2 {
		copy(View[float32](t), []float32{float32(math.Copysign(0, -1)), float32(math.Inf(-1)), math.Float32frombits(0x7fc00123)})
	}
	return t
}

func newFunc() (*Module, *Func, *Builder) {
	m := NewModule("t.onnx")
	f := m.NewFunc("main")
	return m, f, NewBuilder(f.Body)
}

func checkRoundTrip(t *testing.T, m *Module, b *Builder) {
	t.Helper()
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	if err := Verify(m); err != nil {
		t.Fatal(err)
	}
	text := m.String()
	if diff := cmp.Diff(text, parse(t, text).String()); diff != "" {
		t.Error(diff)
	}
}

// TestRoundTripNames holds that any string can name an input, an output, a symbol, a node or a file.
func TestRoundTripNames(t *testing.T) {
	names := []string{"", "x", "x.0", "1", "a b", `"`, "\\", "é", "\x00\xff", "none", "min", "u7", "loc(", " loc(", ", ", ")", "//", "a]", "%", "region", strings.Repeat("n", 500)}
	m, f, b := newFunc()
	for _, n := range names {
		x := f.Body.AddParam(n, TensorOf(F32, Sym(n), Sym(n).Add(Size(1)).Mul(Sym("k"))))
		b.Loc = m.AddLoc(Loc{File: n, Node: n, OpType: n, Domain: n, Opset: 7, From: []LocID{LocID(len(m.Locs) - 1)}})
		b.Op(Abs, nil, x)
		f.Body.AddFact(Fact{Rel: LE, A: Sym(n), B: Sym("k"), Loc: b.Loc})
		f.Outputs = append(f.Outputs, n)
	}
	var results []*Value
	for _, op := range f.Body.Ops {
		results = append(results, op.Result())
	}
	f.Name = "é \""
	b.Yield(results...)
	checkRoundTrip(t, m, b)
	back := parse(t, m.String())
	for i, p := range back.Main().Inputs() {
		if p.Name != names[i] || back.Main().Outputs[i] != names[i] || p.Type.Shape[0] != Sym(names[i]) {
			t.Errorf("%q reads back as input %q of %s and output %q", names[i], p.Name, p.Type, back.Main().Outputs[i])
		}
	}
}

// TestRoundTripBlobs holds that a constant in a file stays a view of it, found through ParseOptions.
func TestRoundTripBlobs(t *testing.T) {
	m, f, b := newFunc()
	file := &Blob{Name: "model.onnx.data", Path: "dir/model.onnx.data", Data: []byte{9, 9, 0, 0, 128, 63}}
	m.Blobs = []*Blob{file, {Name: "inline", Data: []byte{1, 2}}}
	x := b.Op(Const, &ConstAttrs{Type: TensorOf(F32, Size(1)), Blob: file, Off: 2, Len: 4})
	y := b.Op(Const, &ConstAttrs{Type: TensorOf(U8), Blob: m.Blobs[1], Off: 1, Len: 1})
	b.Yield(x, y)
	f.Outputs = []string{"x", "y"}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	text := m.String()
	got, err := Parse(text, ParseOptions{Blob: func(name, path string, size int64) (*Blob, error) {
		if name != file.Name || path != file.Path || size != 6 {
			t.Errorf("asked for %q in %q of %d bytes", name, path, size)
		}
		return file, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(text, got.String()); diff != "" {
		t.Error(diff)
	}
	v, err := got.Main().Results()[0].Def.Attrs.(*ConstAttrs).Tensor()
	if err != nil || View[float32](v)[0] != 1 || &v.Data[0] != &file.Data[2] {
		t.Errorf("constant is %v, %v", v, err)
	}
	wantError(t, parseError(text), "text_c1", "malformed")
	_, err = Parse(text, ParseOptions{Blob: func(string, string, int64) (*Blob, error) { return nil, errors.New("gone") }})
	wantError(t, err, "text_c1", "malformed")
}

// TestParseKeepsFreshSymbols holds that a parsed function makes no symbol that its text has.
func TestParseKeepsFreshSymbols(t *testing.T) {
	m := parse(t, "module \"t\"\nfunc @f(%x: f32[u3, uu9], %n: i64[]) -> (y: f32[u11]) {\n"+
		"%0 = const [0.0] : f32[1]\n%2 = const [1] : i64[]\n%3 = cast %2 {to = f32} : f32[]\n%1 = range %3, %3, %3 : f32[u11]\nyield %1\n}")
	if d := m.Main().Fresh(); d != Sym("u12") {
		t.Errorf("fresh symbol %s", d)
	}
}

// TestCaptureElements holds that a region sees the elements of what it captures, in a parsed text too.
func TestCaptureElements(t *testing.T) {
	m := parse(t, `module "t"
func @f(%x: f32[a, b], %c: bool[]) -> (y: f32[b, a]) {
  %0 = dims {values = [b, a]} : i64[2]
  %1 = if %c, %x, %0 : f32[b, a] region(%2: f32[a, b], %3: i64[2]) {
    %4 = reshape %2, %3 : f32[b, a]
    yield %4
  } region(%5: f32[a, b], %6: i64[2]) {
    %7 = transpose %5 {perm = [1, 0]} : f32[b, a]
    yield %7
  }
  yield %1
}
`)
	if d, ok := m.Main().Body.Ops[1].Regions[0].Params[1].KnownDims(); !ok || d[0] != Sym("b") {
		t.Errorf("captured elements %v", d)
	}
}
