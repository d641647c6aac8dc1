package emily_test

import (
	"testing"
	"time"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/google/go-cmp/cmp"
)

// profiled runs a body of two ops six times, and then an op on lists of strings that MLX has not.
const profiled = `module "profiled.onnx"
func @main(%x: f32[n], %k: string[n]) -> (y: f32[n], e: string[n]) {
  %0 = const [6] : i64[]
  %1 = loop %0, none, %x {carried = 1} : f32[n] loc("/Loop", "Loop", 17) region(%i: i64[], %go: bool[], %a: f32[n]) {
    %2 = sin %a : f32[n] loc("/body/Sin", "Sin", 17)
    %3 = neg %2 : f32[n] loc("/body/Neg", "Neg", 17)
    yield %go, %3
  }
  %4 = string_concat %k, %k : string[n] loc("/Concat", "StringConcat", 20)
  yield %1, %4
}
`

func TestProfile(t *testing.T) {
	m, err := ir.Parse(profiled, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	n := 1 << 16
	x, k := ir.NewTensor(ir.F32, n), ir.NewTensor(ir.String, n)
	for _, c := range []struct {
		backend emily.Backend
		runs    map[string]int // by node and call
	}{
		{emily.Interpreter, map[string]int{"/Loop ": 1, "/body/Sin ": 6, "/body/Neg ": 6, "/Concat ": 1}},
		{emily.MLX, map[string]int{"/Loop loop": 1, "/body/Sin sin": 6, "/body/Neg negative": 6, "/Concat ": 1}},
	} {
		t.Run(string(c.backend), func(t *testing.T) {
			if _, _, err := runtime.Version(); err != nil && c.backend == emily.MLX {
				t.Skipf("skipped: %v", err)
			}
			model, err := emily.FromModule(m)
			if err != nil {
				t.Fatal(err)
			}
			exe, err := model.Compile(t.Context(), emily.WithBackend(c.backend), emily.WithFallback("silent"))
			if err != nil {
				t.Fatal(err)
			}
			defer exe.Close()
			start := time.Now()
			times, err := exe.Profile(t.Context(), []ir.Datum{x, k})
			wall := time.Since(start)
			if err != nil {
				t.Fatal(err)
			}
			got, sum := map[string]int{}, time.Duration(0)
			for _, o := range times {
				if sum += o.Time; o.Time < 0 {
					t.Errorf("%s takes %v", o.Kind, o.Time)
				}
				if o.Call != "const" && o.Kind != ir.Const {
					got[o.Loc.Node+" "+o.Call] += o.Runs
				}
			}
			if diff := cmp.Diff(c.runs, got); diff != "" {
				t.Errorf("runs (-want +got):\n%s", diff)
			}
			if sum > wall {
				t.Errorf("the calls take %v of %v: nested ones are counted twice", sum, wall)
			}
			if _, err := exe.Profile(t.Context(), []ir.Datum{k, x}); err == nil {
				t.Error("inputs of other types are taken")
			}
		})
	}
}
