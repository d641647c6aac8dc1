package interp

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/ir"
)

// TestKernelsAreComplete: the interpreter has no exemptions.
func TestKernelsAreComplete(t *testing.T) {
	for k := ir.NoKind + 1; k < ir.NumKinds; k++ {
		if Kernels[k] == nil {
			t.Errorf("%s has no kernel", k)
		}
	}
}

func parse(t testing.TB, text string) *ir.Func {
	t.Helper()
	m, err := ir.Parse("module \"test.onnx\"\n"+text, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m.Main()
}

// datums makes inputs of tensors.
func datums(ts ...*ir.Tensor) []ir.Datum {
	out := make([]ir.Datum, len(ts))
	for i, t := range ts {
		out[i] = t
	}
	return out
}

const attention = `func @main(%x: f32[batch, seq, 4], %mask: f32[b2, seq]) -> (y: f32[batch, seq, 4], n: i64[1]) {
  fact eq batch, b2
  %0 = transpose %x {perm = [0, 2, 1]} : f32[batch, 4, seq]
  %1 = matmul %x, %0 : f32[batch, seq, seq]
  %2 = unsqueeze %mask {axes = [1]} : f32[b2, 1, seq]
  %3 = add %1, %2 : f32[batch, seq, seq]
  %4 = softmax %3 {axis = 2} : f32[batch, seq, seq]
  %5 = matmul %4, %x : f32[batch, seq, 4]
  %6 = dims {values = [2*seq + 1]} : i64[1]
  yield %5, %6
}
`

func TestRun(t *testing.T) {
	f := parse(t, attention)
	x, mask := randomF32(2, 3, 4), ir.NewTensor(ir.F32, 2, 3)
	out, err := Run(t.Context(), f, datums(x, mask))
	if err != nil {
		t.Fatal(err)
	}
	if got := out[0].(*ir.Tensor).Shape; !cmp.Equal(got, []int{2, 3, 4}) {
		t.Errorf("shape %v", got)
	}
	if s := diff(i64(nil, 7), out[1].(*ir.Tensor), 0); s != "" {
		t.Error(s)
	}
}

func TestInputErrors(t *testing.T) {
	f := parse(t, attention)
	x, mask := randomF32(2, 3, 4), ir.NewTensor(ir.F32, 2, 3)
	for name, c := range map[string]struct {
		in   []ir.Datum
		kind ir.ErrorKind
		want string
	}{
		"count":  {datums(x), ir.Malformed, "1 inputs, main takes 2"},
		"nil":    {[]ir.Datum{x, nil}, ir.DTypeError, `input "mask": is missing`},
		"typed":  {datums(x, nil), ir.DTypeError, `input "mask": is missing`},
		"empty":  {[]ir.Datum{x, &ir.Map{}}, ir.DTypeError, `input "mask": is missing`},
		"form":   {[]ir.Datum{&ir.Sequence{Elem: ir.TensorOf(ir.F32)}, mask}, ir.DTypeError, `input "x": is seq<f32[]>, wants f32[batch, seq, 4]`},
		"dtype":  {datums(x, ir.NewTensor(ir.F16, 2, 3)), ir.DTypeError, `input "mask": is f16[2, 3], wants f32[b2, seq]`},
		"rank":   {datums(x, ir.NewTensor(ir.F32, 6)), ir.DTypeError, `input "mask": is f32[6], wants`},
		"size":   {datums(randomF32(2, 3, 5), mask), ir.ShapeError, `input "x" is f32[2 3 5], wants f32[batch, seq, 4]: axis 2 has to be 4`},
		"symbol": {datums(x, ir.NewTensor(ir.F32, 2, 7)), ir.ShapeError, `input "mask" has size 7 on axis 1, but seq is 3`},
		"fact":   {datums(x, ir.NewTensor(ir.F32, 3, 3)), ir.ShapeError, "batch = 2 has to equal b2 = 3"},
		"data":   {datums(x, &ir.Tensor{DType: ir.F32, Shape: []int{2, 3}}), ir.DTypeError, "holds 0 elements"},
	} {
		_, err := Run(t.Context(), f, c.in)
		var e *ir.Error
		if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "test.onnx") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestFactNamesNode: a violated fact is reported where inference relied on it.
func TestFactNamesNode(t *testing.T) {
	m := ir.NewModule("m.onnx")
	f := m.NewFunc("main")
	a := f.Body.AddParam("a", ir.TensorOf(ir.F32, ir.Sym("n")))
	b := f.Body.AddParam("b", ir.TensorOf(ir.F32, ir.Sym("k")))
	bd := ir.NewBuilder(f.Body)
	bd.Loc = m.AddLoc(ir.Loc{File: "m.onnx", Node: "/add", OpType: "Add", Opset: 13})
	bd.Yield(bd.Op(ir.Add, nil, a, b))
	_, err := Run(t.Context(), f, datums(f32(nil, 1, 2), f32(nil, 1, 2, 3)))
	if err == nil || !strings.Contains(err.Error(), `m.onnx: node "/add" (Add, opset 13): k = 3 has to equal n = 2`) &&
		!strings.Contains(err.Error(), `m.onnx: node "/add" (Add, opset 13): n = 2 has to equal k = 3`) {
		t.Error(err)
	}
}

// TestKernelErrors: what a kernel refuses names the node; nothing panics.
func TestKernelErrors(t *testing.T) {
	axis := func(a int64) *ir.AxisAttrs { return &ir.AxisAttrs{Axis: a} }
	large := int64(1) << 39
	for name, c := range map[string]struct {
		kind  ir.Kind
		attrs ir.Attrs
		args  []*ir.Tensor
		want  string
	}{
		"gather":          {ir.Gather, axis(0), []*ir.Tensor{f32([]int{2, 3}, 1, 2, 3, 4, 5, 6), i64([]int{1, 2}, 0, 2)}, "index 2 at position [0 1] into an axis of size 2 [gather_c3]"},
		"image":           {ir.DecodeImage, &ir.ImageAttrs{Format: "rgb"}, []*ir.Tensor{ir.TensorFrom([]uint8("GIF89a"), 6)}, "decode_image_c3"},
		"image_unknown":   {ir.DecodeImage, &ir.ImageAttrs{Format: "rgb"}, []*ir.Tensor{ir.TensorFrom([]uint8("hello"), 5)}, "decode_image_c3"},
		"image_short":     {ir.DecodeImage, &ir.ImageAttrs{Format: "rgb"}, []*ir.Tensor{ir.TensorFrom([]uint8("P6 9 9 255 ab"), 13)}, "decode_image_c3"},
		"image_large":     {ir.DecodeImage, &ir.ImageAttrs{Format: "rgb"}, []*ir.Tensor{ir.TensorFrom([]uint8("P6 65536 65536 255 "), 19)}, "pixels in 19 bytes"},
		"random_negative": {ir.RandomUniform, &ir.RandomAttrs{DType: ir.F32}, []*ir.Tensor{i64(nil, -1)}, "random_uniform_c1"},
		"gather_low":      {ir.Gather, axis(0), []*ir.Tensor{f32(nil, 1), i64(nil, -2)}, "index -2"},
		"gather_empty":    {ir.Gather, axis(0), []*ir.Tensor{f32([]int{0}), i64(nil, 0)}, "index 0"},
		"gather_elements": {ir.GatherElements, axis(0), []*ir.Tensor{f32(nil, 1), i64(nil, 1)}, "gather_elements_c3"},
		"gather_nd":       {ir.GatherND, &ir.GatherNDAttrs{}, []*ir.Tensor{f32(nil, 1), i64([]int{1, 1}, 5)}, "gather_nd_c4"},
		"scatter_nd":      {ir.ScatterND, &ir.ScatterAttrs{Reduction: "none"}, []*ir.Tensor{f32(nil, 1), i64([]int{1, 1}, -2), f32(nil, 1)}, "scatter_nd_c5"},
		"scatter_range":   {ir.ScatterElements, &ir.ScatterAttrs{Reduction: "none"}, []*ir.Tensor{f32(nil, 1), i64(nil, 1), f32(nil, 1)}, "scatter_elements_c5"},
		"scatter":         {ir.ScatterElements, &ir.ScatterAttrs{Reduction: "add"}, []*ir.Tensor{strs(nil, "a"), i64(nil, 0), strs(nil, "b")}, "scatter_c1"},
		"div":             {ir.Div, nil, []*ir.Tensor{i64(nil, 1), i64(nil, 0)}, "division by 0"},
		"mod":             {ir.Mod, &ir.ModAttrs{}, []*ir.Tensor{i64(nil, 1), i64(nil, 0)}, "binary_c6"},
		"pow":             {ir.Pow, nil, []*ir.Tensor{i64(nil, 0), i64(nil, -1)}, "pow_c2"},
		"cast":            {ir.Cast, &ir.CastAttrs{To: ir.F32}, []*ir.Tensor{strs(nil, "x")}, "cast_c3"},
		"reshape":         {ir.Reshape, &ir.ReshapeAttrs{}, []*ir.Tensor{f32(nil, 1, 2, 3), i64(nil, 2, -1)}, "reshape_c3"},
		"reshape_twice":   {ir.Reshape, &ir.ReshapeAttrs{}, []*ir.Tensor{f32(nil, 1, 2, 3), i64(nil, -1, -1)}, "reshape_c2"},
		"reshape_copy":    {ir.Reshape, &ir.ReshapeAttrs{}, []*ir.Tensor{f32(nil, 1, 2, 3), i64(nil, 3, 0)}, "reshape_c4"},
		"expand":          {ir.Expand, nil, []*ir.Tensor{f32(nil, 1, 2), i64(nil, 3)}, "expand_c2"},
		"expand_large":    {ir.Expand, nil, []*ir.Tensor{f32(nil, 1), i64(nil, large)}, "past the limit"},
		"expand_larger":   {ir.Expand, nil, []*ir.Tensor{f32(nil, 1), i64(nil, large, large)}, "too large"},
		"expand_negative": {ir.Expand, nil, []*ir.Tensor{f32(nil, 1), i64(nil, -1)}, "expand_c2"},
		"tile_large":      {ir.Tile, nil, []*ir.Tensor{f32(nil, 1, 2), i64(nil, large)}, "past the limit"},
		"range_large":     {ir.Range, nil, []*ir.Tensor{ir.Scalar[int64](-1 << 63), ir.Scalar[int64](1<<63 - 1), ir.Scalar[int64](1)}, "range_c2"},
		"range_zero":      {ir.Range, nil, []*ir.Tensor{ir.Scalar(0.0), ir.Scalar(1.0), ir.Scalar(0.0)}, "range_c2"},
		"pad_negative":    {ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: []int64{0}}, []*ir.Tensor{f32(nil, 1), i64(nil, -1, -1)}, "pad_c1"},
		"pad_large":       {ir.Pad, &ir.PadAttrs{Mode: "edge", Axes: []int64{0}}, []*ir.Tensor{f32(nil, 1), i64(nil, 0, 1<<62)}, "pad_c1"},
		"pad_nothing":     {ir.Pad, &ir.PadAttrs{Mode: "edge", Axes: []int64{0}}, []*ir.Tensor{f32([]int{0}), i64(nil, 0, 1)}, "pad_c1"},
		"argmax":          {ir.ArgMax, &ir.ArgAttrs{}, []*ir.Tensor{f32([]int{0})}, "arg_c3"},
		"mean":            {ir.ReduceMean, &ir.ReduceAttrs{Axes: []int64{0}}, []*ir.Tensor{i64([]int{0})}, "reduce_c3"},
	} {
		_, err := eval(c.kind, c.attrs, c.args...)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `node "node"`) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}

func TestTensorLimit(t *testing.T) {
	f, err := build(ir.Tile, nil, ir.TensorOf(ir.F32, ir.Size(4)), ir.TensorOf(ir.I64, ir.Size(1)))
	if err != nil {
		t.Fatal(err)
	}
	in := datums(f32(nil, 1, 2, 3, 4), i64(nil, 100))
	if _, err := Run(t.Context(), f, in, WithTensorLimit(1000)); err == nil || !strings.Contains(err.Error(), "limit of 1000") {
		t.Error(err)
	}
	if _, err := Run(t.Context(), f, in, WithTensorLimit(1600)); err != nil {
		t.Error(err)
	}
}

func TestEvalOp(t *testing.T) {
	f := parse(t, `func @main(%x: f32[n, 4]) -> (y: f32[n, 2], z: f32[n, 2]) {
  %0, %1 = split %x {axis = 1, sizes = [2, 2]} : f32[n, 2], f32[n, 2]
  yield %0, %1
}
`)
	out, err := EvalOp(f.Body.Ops[0], datums(f32([]int{1, 4}, 1, 2, 3, 4)))
	if err != nil {
		t.Fatal(err)
	}
	if s := diff(f32([]int{1, 2}, 3, 4), out[1].(*ir.Tensor), 0); s != "" {
		t.Error(s)
	}
	for name, args := range map[string][]ir.Datum{
		"count": {}, "absent": {nil}, "dtype": datums(i64([]int{1, 4}, 1, 2, 3, 4)), "rank": datums(f32(nil, 1)),
		"size": datums(f32([]int{1, 3}, 1, 2, 3)),
	} {
		if _, err := EvalOp(f.Body.Ops[0], args); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestConcurrentRuns shares one program among goroutines, with sizes of their own.
func TestConcurrentRuns(t *testing.T) {
	p, err := New(parse(t, attention))
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 8 {
		x, mask := randomF32(2, 3+g, 4), ir.NewTensor(ir.F32, 2, 3+g)
		want, err := p.Run(t.Context(), datums(x, mask))
		if err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			for range 20 {
				got, err := p.Run(t.Context(), datums(x, mask))
				if err != nil {
					t.Error(err)
					return
				}
				if s := diff(want[0].(*ir.Tensor), got[0].(*ir.Tensor), 0); s != "" {
					t.Error(s)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestInputsStayAsTheyAre: kernels that share memory with operands do not write to it.
func TestInputsStayAsTheyAre(t *testing.T) {
	f := parse(t, attention)
	x, mask := randomF32(2, 3, 4), ir.NewTensor(ir.F32, 2, 3)
	before := contentOf(x)
	if _, err := Run(t.Context(), f, datums(x, mask)); err != nil {
		t.Fatal(err)
	}
	if s := cmp.Diff(before, contentOf(x)); s != "" {
		t.Error(s)
	}
}

func TestCanceled(t *testing.T) {
	endless := parse(t, `func @main(%x: i64[]) -> (y: i64[]) {
  %0 = loop none, none, %x {carried = 1} : i64[] region(%i: i64[], %c: bool[], %v: i64[]) {
    %1 = add %v, %i : i64[]
    yield %c, %1
  }
  yield %0
}
`)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := Run(ctx, endless, datums(ir.Scalar[int64](0))); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}
