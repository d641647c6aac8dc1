package passes_test

import (
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes"
	"github.com/emilyc/emily/passes/rewrite"
)

// attention is how exporters write the split into heads, with a scale that turns out to be 1.
const attention = `module "t"
func @main(%x: f32[batch, seq, 768], %w: f32[768, 768]) -> (y: f32[batch, 12, seq, 64]) {
  %0 = matmul %x, %w : f32[batch, seq, 768] loc("/q/MatMul", "MatMul", 17)
  %1 = shape %0 : i64[3] loc("/Shape", "Shape", 17)
  %2 = const [0] : i64[1]
  %3 = gather %1, %2 {axis = 0} : i64[1] loc("/Gather", "Gather", 17)
  %4 = const [1] : i64[1]
  %5 = gather %1, %4 {axis = 0} : i64[1] loc("/Gather_1", "Gather", 17)
  %6 = const [12, 64] : i64[2]
  %7 = concat %3, %5, %6 {axis = 0} : i64[4] loc("/Concat", "Concat", 17)
  %8 = reshape %0, %7 : f32[batch, seq, 12, 64] loc("/Reshape", "Reshape", 17)
  %9 = transpose %8 {perm = [0, 2, 1, 3]} : f32[batch, 12, seq, 64] loc("/Transpose", "Transpose", 17)
  %10 = const [8.0] : f32[]
  %11 = sqrt %10 : f32[]
  %12 = sqrt %10 : f32[]
  %13 = div %11, %12 : f32[]
  %14 = mul %9, %13 : f32[batch, 12, seq, 64] loc("/Mul", "Mul", 17)
  yield %14
}
`

const attentionAfter = `module "t"
func @main(%x: f32[batch, seq, 768], %w: f32[768, 768]) -> (y: f32[batch, 12, seq, 64]) {
  %0 = matmul %x, %w : f32[batch, seq, 768] loc("/q/MatMul", "MatMul", 17)
  %1 = dims {values = [batch, seq, 12, 64]} : i64[4] loc("/Concat", "Concat", 17, from = [loc("/Gather_1", "Gather", 17, from = [loc("/Shape", "Shape", 17)]), loc("/Gather", "Gather", 17)])
  %2 = reshape %0, %1 : f32[batch, seq, 12, 64] loc("/Reshape", "Reshape", 17)
  %3 = transpose %2 {perm = [0, 2, 1, 3]} : f32[batch, 12, seq, 64] loc("/Transpose", "Transpose", 17)
  yield %3
}
`

func parse(t testing.TB, text string) *ir.Module {
	t.Helper()
	m, err := ir.Parse(text, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDefault(t *testing.T) {
	m := parse(t, attention)
	var printed strings.Builder
	st, err := passes.Run(m, passes.Default, passes.Options{
		Eval: interp.EvalOp, Verify: true, PrintAfter: map[string]io.Writer{"fuse": &printed},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(attentionAfter, m.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(strings.Repeat("// after fuse\n"+attentionAfter, 2), printed.String()); diff != "" {
		t.Errorf("printed (-want +got):\n%s", diff)
	}
	if n := st.Passes[len(st.Passes)-1].After; st.Passes[0].Before != 16 || n != 5 || st.Steps == 0 {
		t.Errorf("%d steps:\n%s", st.Steps, st)
	}
	if !strings.Contains(st.String(), "neutral-operand") {
		t.Errorf("statistics lack a rule:\n%s", st)
	}
}

func TestPipeline(t *testing.T) {
	for _, c := range []struct{ list, want, err string }{
		{"", "", ""},
		{"simplify, cse,dce", "simplify cse dce", ""},
		{"default", "shapes simplify fold shapes simplify fold cse dce fuse simplify fold cse dce fuse", ""},
		{"simplify,nope", "", `unknown pass "nope": there are default, ` + strings.Join(passes.Names(), ", ")},
		{"dce,cse", "", "pass dce must come after cse"},
	} {
		ps, err := passes.Pipeline(c.list)
		if err != nil {
			if err.Error() != c.err {
				t.Errorf("%q: %v", c.list, err)
			}
			continue
		}
		var names []string
		for _, p := range ps {
			names = append(names, p.Name)
		}
		if diff := cmp.Diff(c.want, strings.Join(names, " ")); diff != "" || c.err != "" {
			t.Errorf("%q, want error %q: %s", c.list, c.err, diff)
		}
	}
}

func TestDefaultIsInOrder(t *testing.T) {
	if err := passes.CheckOrder(passes.Default); err != nil {
		t.Error(err)
	}
	for _, p := range passes.All {
		if p.Doc == "" || p.Run == nil {
			t.Errorf("pass %s lacks its doc or Run", p.Name)
		}
	}
}

func TestDisable(t *testing.T) {
	m := parse(t, attention)
	st, err := passes.Run(m, passes.Default, passes.Options{Disable: []string{"shapes", "fold", "simplify", "cse", "fuse"}})
	if err != nil || len(st.Passes) != 2 || st.Steps != 0 {
		t.Errorf("%v, %s", err, st)
	}
	if _, err := passes.Run(m, passes.Default, passes.Options{Disable: []string{"nope"}}); err == nil {
		t.Error("an unknown pass was disabled")
	}
}

// TestStopAfter: the module is whole after any number of rewrites.
func TestStopAfter(t *testing.T) {
	var steps []rewrite.Step
	m := parse(t, attention)
	st, err := passes.Run(m, passes.Default, passes.Options{Eval: interp.EvalOp, Trace: func(s rewrite.Step) { steps = append(steps, s) }})
	if err != nil || len(steps) != st.Steps {
		t.Fatalf("%v, %d steps traced of %d", err, len(steps), st.Steps)
	}
	for n := 1; n <= st.Steps; n++ {
		m := parse(t, attention)
		got, err := passes.Run(m, passes.Default, passes.Options{Eval: interp.EvalOp, Verify: true, StopAfter: n})
		if err != nil {
			t.Fatalf("after %d: %v", n, err)
		}
		if diff := cmp.Diff(steps[n-1], got.Last); diff != "" || got.Steps != n {
			t.Errorf("after %d, %d steps (-want +got):\n%s", n, got.Steps, diff)
		}
		parse(t, m.String())
	}
}

// TestDoomed: an op that must fail, as folding finds out, fails no pass: it may never run.
func TestDoomed(t *testing.T) {
	for name, text := range map[string]string{
		"top level": `module "t"
func @main(%x: f32[4]) -> (y: f32[u0, u1]) {
  %0 = const [3.0, 2.0] : f32[2]
  %1 = cast %0 {to = i64} : i64[2]
  %2 = reshape %x, %1 : f32[u0, u1]
  yield %2
}
`,
		"a branch": `module "t"
func @main(%x: f32[4], %c: bool[]) -> (y: f32[u2, u3]) {
  %0 = if %c, %x : f32[u2, u3] region(%t: f32[4]) {
    %1 = const [3.0, 2.0] : f32[2]
    %2 = cast %1 {to = i64} : i64[2]
    %3 = reshape %t, %2 : f32[u0, u1]
    yield %3
  } region(%e: f32[4]) {
    %4 = const [2, 2] : i64[2]
    %5 = reshape %e, %4 : f32[2, 2]
    yield %5
  }
  yield %0
}
`,
	} {
		t.Run(name, func(t *testing.T) {
			m := parse(t, text)
			if _, err := passes.Run(m, passes.Default, passes.Options{Eval: interp.EvalOp, Verify: true}); err != nil {
				t.Fatal(err)
			}
			if err := ir.Verify(m); err != nil || m.Main().Module != m {
				t.Error(err)
			}
		})
	}
}
