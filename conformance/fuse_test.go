package conformance

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/passes"
	"github.com/emilyc/emily/passes/rewrite"
)

// zooModule is a model of the zoo as imported.
func zooModule(t *testing.T, name string) *ir.Module {
	t.Helper()
	model, err := emily.Load(filepath.Join(zoo, name, modelFile))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = model.Close() })
	m, err := model.Module()
	if err != nil {
		t.Fatal(err)
	}
	return m.Clone()
}

// TestEveryStep: every pass alone, and the pipeline stopped after any one of its rewrites, leaves a program that computes what it did as
// imported. The passes that round to halves are not judged by f32's tolerance: lanes in halves are (TestZooInHalf).
func TestEveryStep(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(zoo, "*"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no models", err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			everyStep(t, zooModule(t, filepath.Base(path)))
		})
	}
}

func everyStep(t *testing.T, m *ir.Module) {
	in, _, err := MakeInputs(m.Main(), InputOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := interp.Run(t.Context(), m.Main(), in)
	if err != nil {
		t.Fatal(err)
	}
	agrees := func(what string, pipeline []passes.Pass, stopAfter int) {
		c := m.Clone()
		if _, err := passes.Run(c, pipeline, passes.Options{Eval: interp.EvalOp, Verify: true, StopAfter: stopAfter}); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		got, err := interp.Run(t.Context(), c.Main(), in)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if d := Compare(m.Main().Outputs, got, want, Lanes); d != nil {
			t.Fatalf("%s: %v", what, d)
		}
	}
	for _, p := range passes.All {
		if p.Name != "f16" && p.Name != "bf16" {
			agrees(p.Name+" alone", []passes.Pass{p}, 0)
		}
	}
	fused := false
	var steps []rewrite.Step
	trace := func(s rewrite.Step) { steps, fused = append(steps, s), fused || s.Pass == "fuse" }
	if _, err := passes.Run(m.Clone(), passes.Default, passes.Options{Eval: interp.EvalOp, Trace: trace}); err != nil {
		t.Fatal(err)
	}
	if !fused {
		t.Error("nothing was fused")
	}
	for _, s := range steps {
		agrees("after "+s.String(), passes.Default, s.N)
	}
}

// planSizes are, by the beginning of a model's name, the most calls from one attention to the next, and how many calls the whole model has.
var planSizes = map[string]struct{ layer, attentions, norms, ropes int }{
	"distilbert":      {24, 2, 5, 0},
	"vit":             {24, 2, 5, 0},
	"modernbert":      {34, 3, 7, 6},
	"nomicbert":       {34, 2, 5, 4},
	"qwen3":           {32, 2, 9, 4},
	"smollm3":         {32, 4, 9, 6}, // every fourth layer has no rope
	"whisper_encoder": {24, 2, 5, 0},
	"whisper_decoder": {24, 4, 7, 0}, // each layer attends twice
}

// TestPlanSizes: between the attentions of two layers lie no more MLX calls than an expert would write, whichever exporter wrote the
// model; every attention, norm and rope is one call, and nowhere is one made of parts.
func TestPlanSizes(t *testing.T) {
	parts := []mlx.CallID{mlx.Mean, mlx.Var, mlx.Sqrt, mlx.Rsqrt, mlx.Softmax, mlx.Sin, mlx.Cos}
	for prefix, want := range planSizes {
		paths, err := filepath.Glob(filepath.Join(zoo, prefix+"*"))
		if err != nil || len(paths) == 0 {
			t.Fatal("no models of ", prefix)
		}
		for _, path := range paths {
			t.Run(filepath.Base(path), func(t *testing.T) {
				plan := optimisedPlan(t, zooModule(t, filepath.Base(path)))
				layers := layers(plan)
				if len(layers) == 0 {
					t.Fatal("fewer than two attentions")
				}
				for _, calls := range layers {
					if len(calls) > want.layer {
						t.Errorf("%d calls in a layer, want %d at most: %s", len(calls), want.layer, strings.Join(calls, " "))
					}
				}
				n := countCalls(plan)
				for _, p := range parts {
					if n[p] > 0 {
						t.Errorf("%d calls of %s, a part of a composite", n[p], p)
					}
				}
				got := [3]int{n[mlx.ScaledDotProductAttention], n[mlx.LayerNorm] + n[mlx.RMSNorm], n[mlx.Rope]}
				if d := cmp.Diff([3]int{want.attentions, want.norms, want.ropes}, got); d != "" {
					t.Errorf("attentions, norms, ropes: %s", d)
				}
			})
		}
	}
}

func optimisedPlan(t *testing.T, m *ir.Module) *mlx.Plan {
	t.Helper()
	if _, err := passes.Run(m, passes.Default, passes.Options{Eval: interp.EvalOp, Verify: true}); err != nil {
		t.Fatal(err)
	}
	plan, err := mlx.Lower(m, mlx.Options{Fallback: mlx.FallbackError})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// countCalls counts the calls of a run, those of bodies included.
func countCalls(p *mlx.Plan) map[mlx.CallID]int {
	n := map[mlx.CallID]int{}
	for i, g := range p.Programs {
		for _, c := range g.Calls {
			if i != int(p.Setup) {
				n[c.Op]++
			}
		}
	}
	return n
}

// layers are the calls of main from each attention to the one after, without constants.
func layers(p *mlx.Plan) [][]string {
	var out [][]string
	var calls []string
	for _, c := range p.Programs[p.Main].Calls {
		switch c.Op {
		case mlx.Const:
			continue
		case mlx.ScaledDotProductAttention:
			out, calls = append(out, calls), nil
		}
		calls = append(calls, c.Op.String())
	}
	return out[min(1, len(out)):]
}
