package interp

import (
	"strings"
	"testing"

	"github.com/emilyc/emily/ir"
)

func TestIf(t *testing.T) {
	f := parse(t, `func @main(%c: bool[], %x: f32[n]) -> (y: f32[u0]) {
  %0 = if %c, %x : f32[u0] region(%a: f32[n]) {
    %1 = concat %a, %a {axis = 0} : f32[2*n]
    yield %1
  } region(%b: f32[n]) {
    %2 = neg %b : f32[n]
    yield %2
  }
  yield %0
}
`)
	for cond, want := range map[bool]*ir.Tensor{true: f32(nil, 1, 2, 1, 2), false: f32(nil, -1, -2)} {
		out, err := Run(t.Context(), f, datums(ir.Scalar(cond), f32(nil, 1, 2)))
		if err != nil {
			t.Fatal(err)
		}
		if s := diff(want, out[0].(*ir.Tensor), 0); s != "" {
			t.Errorf("%t: %s", cond, s)
		}
	}
}

// loopText sums i × k while the sum is below limit, and collects the sums.
const loopText = `func @main(%n: i64[], %c: bool[], %k: i64[], %limit: i64[]) -> (sum: i64[], sums: i64[u0, 2]) {
  %0, %1 = loop %n, %c, %k, %k, %limit {carried = 1} : i64[], i64[u0, 2] region(%i: i64[], %go: bool[], %v: i64[], %kk: i64[], %l: i64[]) {
    %2 = mul %i, %kk : i64[]
    %3 = add %v, %2 : i64[]
    %4 = less %3, %l : bool[]
    %5 = const [2] : i64[1]
    %6 = expand %3, %5 : i64[2]
    yield %4, %3, %6
  }
  yield %0, %1
}
`

func TestLoop(t *testing.T) {
	f := parse(t, loopText)
	for name, c := range map[string]struct {
		n     int64
		cond  bool
		limit int64
		sum   int64
		sums  *ir.Tensor
	}{
		"trip count":      {3, true, 100, 40, i64([]int{3, 2}, 10, 10, 20, 20, 40, 40)},
		"condition":       {9, true, 12, 20, i64([]int{2, 2}, 10, 10, 20, 20)},
		"starts false":    {9, false, 100, 10, i64([]int{0, 2})},
		"no iterations":   {0, true, 100, 10, i64([]int{0, 2})},
		"negative number": {-4, true, 100, 10, i64([]int{0, 2})},
	} {
		out, err := Run(t.Context(), f, datums(ir.Scalar(c.n), ir.Scalar(c.cond), ir.Scalar[int64](10), ir.Scalar(c.limit)))
		if err != nil {
			t.Fatal(name, err)
		}
		if s := diff(ir.Scalar(c.sum), out[0].(*ir.Tensor), 0) + diff(c.sums, out[1].(*ir.Tensor), 0); s != "" {
			t.Errorf("%s: %s", name, s)
		}
	}
}

// TestLoopGrows: a carried size with a symbol of its own may change in every iteration.
func TestLoopGrows(t *testing.T) {
	f := parse(t, `func @main(%n: i64[], %x: f32[k]) -> (y: f32[u1]) {
  %0 = loop %n, none, %x, %x {carried = 1} : f32[u1] region(%i: i64[], %go: bool[], %v: f32[u0], %w: f32[k]) {
    %1 = concat %v, %w {axis = 0} : f32[k + u0]
    yield %go, %1
  }
  yield %0
}
`)
	out, err := Run(t.Context(), f, datums(ir.Scalar[int64](2), f32(nil, 1, 2)))
	if err != nil {
		t.Fatal(err)
	}
	if s := diff(f32(nil, 1, 2, 1, 2, 1, 2), out[0].(*ir.Tensor), 0); s != "" {
		t.Error(s)
	}
}

// TestScan: running sums of rows, forwards and backwards, over either axis.
func TestScan(t *testing.T) {
	text := `func @main(%s: f32[2], %x: f32[3, 2]) -> (last: f32[2], all: SHAPE) {
  %0, %1 = scan %s, %x {carried = 1, input_axes = [0], input_reverse = [IN], output_axes = [AXIS], output_reverse = [OUT]} : f32[2], SHAPE region(%a: f32[2], %b: f32[2]) {
    %2 = add %a, %b : f32[2]
    yield %2, %2
  }
  yield %0, %1
}
`
	s, x := f32(nil, 0, 10), f32([]int{3, 2}, 1, 2, 3, 4, 5, 6)
	for name, c := range map[string]struct {
		in, axis, out string
		want          *ir.Tensor
	}{
		"forward":       {"0", "0", "0", f32([]int{3, 2}, 1, 12, 4, 16, 9, 22)},
		"reverse input": {"1", "0", "0", f32([]int{3, 2}, 5, 16, 8, 20, 9, 22)},
		"output axis":   {"0", "1", "0", f32([]int{2, 3}, 1, 4, 9, 12, 16, 22)},
		"all reversed":  {"1", "0", "1", f32([]int{3, 2}, 9, 22, 8, 20, 5, 16)},
	} {
		f := parse(t, strings.NewReplacer("IN", c.in, "AXIS", c.axis, "OUT", c.out, "SHAPE", c.want.Type().String()).Replace(text))
		out, err := Run(t.Context(), f, datums(s, x))
		if err != nil {
			t.Fatal(name, err)
		}
		if s := diff(f32(nil, 9, 22), out[0].(*ir.Tensor), 0) + diff(c.want, out[1].(*ir.Tensor), 0); s != "" {
			t.Errorf("%s: %s", name, s)
		}
	}
}

// TestCapturesAreNotFreed: an operand that a later op needs survives the loop that captures it.
func TestCapturesAreNotFreed(t *testing.T) {
	f := parse(t, `func @main(%n: i64[], %x: f32[k]) -> (y: f32[k]) {
  %0 = neg %x : f32[k]
  %1 = loop %n, none, %0, %0 {carried = 1} : f32[k] region(%i: i64[], %go: bool[], %v: f32[k], %w: f32[k]) {
    %2 = add %v, %w : f32[k]
    yield %go, %2
  }
  %3 = sub %1, %0 : f32[k]
  yield %3
}
`)
	out, err := Run(t.Context(), f, datums(ir.Scalar[int64](2), f32(nil, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if s := diff(f32(nil, -2), out[0].(*ir.Tensor), 0); s != "" {
		t.Error(s)
	}
}

func TestAssert(t *testing.T) {
	f := parse(t, "func @main(%x: f32[n], %ok: bool[2]) -> (y: f32[n]) {\n  %0 = assert %x, %ok {message = \"no such thing\"} : f32[n]\n  yield %0\n}\n")
	x := f32(nil, 1, 2)
	for ok, want := range map[[2]bool]string{{true, true}: "", {true, false}: "no such thing (element 1)"} {
		out, err := Run(t.Context(), f, datums(x, ir.TensorFrom(ok[:])))
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%v: %v, want %q", ok, err, want)
		}
		if want == "" && (err != nil || diff(x, out[0].(*ir.Tensor), 0) != "") {
			t.Errorf("%v: %v, %v", ok, out, err)
		}
	}
}
