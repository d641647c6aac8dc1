package mlx_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// TestRulesComplete: every kind has a rule, or a reason why not.
func TestRulesComplete(t *testing.T) {
	for k := range ir.NumKinds {
		if (mlx.Rules[k].Lower == nil) == (mlx.Exempt[k] == "") {
			t.Errorf("%s: has a rule: %v, exempt: %q; it must be one of the two", k, mlx.Rules[k].Lower != nil, mlx.Exempt[k])
		}
		if k.Is(ir.Elementwise) && !mlx.Rules[k].Layout {
			t.Errorf("%s is elementwise, but its rule takes no layout", k)
		}
	}
}

func parseIR(t testing.TB, text string) *ir.Module {
	t.Helper()
	m, err := ir.Parse(text, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestLowerGolden compares each NAME.eir's plan with NAME.plan.
func TestLowerGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	covered := map[ir.Kind]bool{}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) { goldens(t, path, mlx.Options{}, covered) })
	}
	for k := range ir.NumKinds {
		if mlx.Rules[k].Lower != nil && !covered[k] {
			t.Errorf("no golden for %s", k)
		}
	}
}

// TestLowerGPUGolden does so for what plans for a GPU have of their own.
func TestLowerGPUGolden(t *testing.T) {
	for _, name := range []string{"stretch", "pack"} {
		t.Run(name, func(t *testing.T) {
			goldens(t, filepath.Join("testdata", "gpu", name+".txtar"), mlx.Options{Device: mlx.GPU}, map[ir.Kind]bool{})
		})
	}
}

func goldens(t *testing.T, path string, opts mlx.Options, covered map[ir.Kind]bool) {
	a, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	plans := map[string]string{}
	for _, f := range a.Files {
		plans[f.Name] = string(f.Data)
	}
	out := txtar.Archive{Comment: a.Comment}
	for _, f := range a.Files {
		name, ok := strings.CutSuffix(f.Name, ".eir")
		if !ok {
			continue
		}
		m := parseIR(t, string(f.Data))
		m.Main().Body.Walk(func(op *ir.Op) { covered[op.Kind] = true })
		plan, err := mlx.Lower(m, opts)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got := plan.String()
		if d := cmp.Diff(plans[name+".plan"], got); d != "" && !*update {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
		out.Files = append(out.Files, f, txtar.File{Name: name + ".plan", Data: []byte(got)})
	}
	if *update {
		if err := os.WriteFile(path, txtar.Format(&out), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// opChain is a module of n ops in a row, with what models repeat: weights, reshapes by symbolic sizes, convolutions.
func opChain(t testing.TB, n int) *ir.Module {
	m := ir.NewModule("chain")
	f := m.NewFunc("main")
	x := f.Body.AddParam("x", ir.TensorOf(ir.F32, ir.Sym("batch"), ir.Sym("seq"), ir.Size(8)))
	b := ir.NewBuilder(f.Body)
	w := b.Const(ir.NewTensor(ir.F32, 8, 8))
	v := x
	for i := 0; i < n; i += 6 {
		v = b.Op(ir.MatMul, nil, v, w)
		v = b.Op(ir.Neg, nil, b.Op(ir.Tanh, nil, v))
		s := b.Op(ir.ShapeOf, nil, v)
		v = b.Op(ir.Reshape, &ir.ReshapeAttrs{}, b.Op(ir.Add, nil, v, x), s)
	}
	b.Yield(v)
	f.Outputs = []string{"y"}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	return m
}

// TestLowerIsLinear: ten times the ops take ten times the allocations, and no more than 10 s, which only a quadratic
// step reaches.
func TestLowerIsLinear(t *testing.T) {
	allocs := func(n int, opts mlx.Options) float64 {
		m := opChain(t, n)
		start := time.Now()
		a := testing.AllocsPerRun(1, func() {
			if _, err := mlx.Lower(m, opts); err != nil {
				t.Fatal(err)
			}
		})
		if d := time.Since(start) / 2; d > 10*time.Second {
			t.Errorf("%d ops take %v", n, d)
		}
		return a
	}
	for _, device := range []mlx.Device{mlx.CPU, mlx.GPU} {
		opts := mlx.Options{Device: device}
		if small, large := allocs(10_000, opts), allocs(100_000, opts); large > 11*small {
			t.Errorf("%s: %.0f allocations for 100,000 ops, %.0f for 10,000", device, large, small)
		}
	}
}

// islands has ops on strings, in between and after ops on floats, and a size that only the island knows.
const islands = `module "test"
func @main(%x: f32[n], %s: string[m]) -> (y: f32[n], t: string[m], k: i64[1]) {
  %0 = relu %x : f32[n]
  %1 = equal %s, %s : bool[m]
  %2 = cast %1 {to = f32} : f32[m]
  %3 = reduce_sum %2 {axes = [0]} : f32[]
  %4 = add %0, %3 : f32[n]
  %5 = shape %s : i64[1]
  yield %4, %s, %5
}
`

func TestLowerStages(t *testing.T) {
	m := parseIR(t, islands)
	s, err := mlx.LowerStages(m, mlx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, st := range s.Stages {
		if st.Host != nil {
			if err := ir.Verify(st.Host); err != nil {
				t.Errorf("island: %v\n%s", err, st.Host)
			}
			got = append(got, "host "+opNames(st.Host.Main()))
			continue
		}
		got = append(got, fmt.Sprintf("native %d in %d out", len(st.Plan.Inputs), len(st.Plan.Outputs)))
	}
	want := []string{"native 1 in 1 out", "host equal shape", "native 2 in 1 out"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("stages (-want +got):\n%s", d)
	}
	if n := len(s.Islands()); n != 2 || s.Plan() != nil {
		t.Errorf("%d islands, want 2", n)
	}
	if _, err := mlx.LowerStages(m, mlx.Options{Fallback: mlx.FallbackError}); err == nil || !strings.Contains(err.Error(), "equal") {
		t.Errorf("fallback error: %v", err)
	}
}

func opNames(f *ir.Func) string {
	var names []string
	for _, op := range f.Body.Ops {
		if op.Kind != ir.Yield {
			names = append(names, op.Kind.String())
		}
	}
	return strings.Join(names, " ")
}

// TestStagedRun passes values between stages by slots.
func TestStagedRun(t *testing.T) {
	s, err := mlx.LowerStages(parseIR(t, islands), mlx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, str := ir.TensorFrom([]float32{1}), &ir.Tensor{DType: ir.String, Shape: []int{1}, Strings: []string{"a"}}
	marks := map[int][]ir.Datum{}
	out, err := s.Run([]ir.Datum{x, str}, func(stage int, in []ir.Datum) ([]ir.Datum, error) {
		marks[stage] = in
		r := make([]ir.Datum, len(s.Stages[stage].Out))
		for i := range r {
			r[i] = ir.Scalar(int64(10*stage + i))
		}
		return r, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if out[1] != ir.Datum(str) || !slices.Contains(marks[1], ir.Datum(str)) || !slices.Contains(marks[0], ir.Datum(x)) {
		t.Errorf("slots are mixed up: %v", marks)
	}
	if _, err := s.Run(nil, nil); err == nil {
		t.Error("no inputs are no error")
	}
}

// TestUnsupported: errors name node, op and reason.
func TestUnsupported(t *testing.T) {
	for _, c := range []struct{ name, body, want string }{
		{"strings", `func @main(%s: string[2]) -> (y: bool[2]) {
  %0 = equal %s, %s : bool[2] loc("/eq", "Equal", 19, file = "m.onnx")
  yield %0
}`, `m.onnx: node "/eq" (Equal, opset 19): MLX cannot run equal: MLX has no dtype string`},
		{"float8", `func @main(%s: i64[2]) -> (y: f8e8m0[2]) {
  %0 = cast %s {to = f8e8m0} : f8e8m0[2]
  yield %0
}`, "MLX does not round i64 to f8e8m0"},
		{"add of float8", `func @main(%s: f8e5m2[2]) -> (y: f8e5m2[2]) {
  %0 = add %s, %s : f8e5m2[2]
  yield %0
}`, "MLX has no arithmetic on f8e5m2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := mlx.Lower(parseIR(t, "module \"m\"\n"+c.body), mlx.Options{})
			var u *mlx.Unsupported
			if !errors.As(err, &u) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
		})
	}
}
