package conformance

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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

// TestEveryFusion: a program that is stopped after any one of the fusions computes what it did as imported.
func TestEveryFusion(t *testing.T) {
	for _, name := range []string{"distilbert_ts", "modernbert", "qwen3_ts", "smollm3", "vit", "whisper_decoder"} {
		t.Run(name, func(t *testing.T) {
			m := zooModule(t, name)
			in, _, err := MakeInputs(m.Main(), InputOptions{})
			if err != nil {
				t.Fatal(err)
			}
			want, err := interp.Run(context.Background(), m.Main(), in)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range fusions(t, m) {
				stopped := m.Clone()
				if _, err := passes.Run(stopped, passes.Default, passes.Options{Eval: interp.EvalOp, Verify: true, StopAfter: s.N}); err != nil {
					t.Fatalf("%s: %v", s, err)
				}
				got, err := interp.Run(context.Background(), stopped.Main(), in)
				if err != nil {
					t.Fatalf("%s: %v", s, err)
				}
				if d := Compare(m.Main().Outputs, got, want, Lanes); d != nil {
					t.Fatalf("after %s: %v", s, d)
				}
			}
		})
	}
}

// fusions are the rewrites of pass fuse.
func fusions(t *testing.T, m *ir.Module) []rewrite.Step {
	var out []rewrite.Step
	trace := func(s rewrite.Step) {
		if s.Pass == "fuse" {
			out = append(out, s)
		}
	}
	if _, err := passes.Run(m.Clone(), passes.Default, passes.Options{Eval: interp.EvalOp, Trace: trace}); err != nil {
		t.Fatal(err)
	}
	if len(out) == 0 {
		t.Fatal("nothing was fused")
	}
	return out
}

// TestPlanSizes: between the attentions of two layers lie no more MLX calls than an expert would write, whichever exporter wrote the
// model, and no norm or rope is made of parts.
func TestPlanSizes(t *testing.T) {
	for prefix, most := range map[string]int{"distilbert": 24, "vit": 24, "modernbert": 34, "nomicbert": 34, "qwen3": 32, "smollm3": 32, "whisper_encoder": 24} {
		paths, err := filepath.Glob(filepath.Join(zoo, prefix+"*"))
		if err != nil || len(paths) == 0 {
			t.Fatal("no models of ", prefix)
		}
		for _, path := range paths {
			t.Run(filepath.Base(path), func(t *testing.T) {
				m := zooModule(t, filepath.Base(path))
				if _, err := passes.Run(m, passes.Default, passes.Options{Eval: interp.EvalOp}); err != nil {
					t.Fatal(err)
				}
				plan, err := mlx.Lower(m, mlx.Options{Fallback: mlx.FallbackError})
				if err != nil {
					t.Fatal(err)
				}
				layers := layers(plan)
				if len(layers) == 0 {
					t.Fatal("fewer than two attentions")
				}
				for _, calls := range layers {
					if len(calls) > most {
						t.Errorf("%d calls in a layer, want %d at most: %s", len(calls), most, strings.Join(calls, " "))
					}
					if parts := []string{"mean", "sqrt", "rsqrt", "softmax", "sin", "cos"}; slices.ContainsFunc(parts, func(p string) bool { return slices.Contains(calls, p) }) {
						t.Errorf("a layer has parts of a composite: %s", strings.Join(calls, " "))
					}
				}
			})
		}
	}
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
