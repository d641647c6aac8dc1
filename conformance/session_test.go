package conformance

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/emilyc/emily/passes"
)

// decoders are the models of the zoo that take past keys and values.
var decoders = []string{"qwen3", "qwen3_ts", "smollm3", "smollm3_ts"}

// TestSessions: N steps of a session give what N steps with explicit past and present give in the interpreter as imported, on both
// backends, with fusion and without.
func TestSessions(t *testing.T) {
	unfused, err := passes.Pipeline("shapes,simplify,fold,cse,dce")
	if err != nil {
		t.Fatal(err)
	}
	pipelines := map[string][]passes.Pass{"default": passes.Default, "unfused": unfused}
	for _, name := range decoders {
		steps := explicitSteps(t, name, []int{5, 1, 3, 1, 1, 9, 1})
		for _, backend := range []emily.Backend{emily.Interpreter, emily.MLX} {
			for pipeline, list := range pipelines {
				for _, capacity := range []int{0, 64} {
					t.Run(fmt.Sprintf("%s/%s/%s/%d", name, backend, pipeline, capacity), func(t *testing.T) {
						if backend == emily.MLX {
							if _, _, err := runtime.Version(); err != nil {
								t.Skip("MLX is not set up: ", err)
							}
						}
						compareSteps(t, loadDecoder(t, name), steps, Lanes, capacity, emily.WithBackend(backend), emily.WithPipeline(list...))
					})
				}
			}
		}
	}
}

// TestHalfSessions: a program in bf16 keeps a cache in bf16, though past and present are f32.
func TestHalfSessions(t *testing.T) {
	if _, _, err := runtime.Version(); err != nil {
		t.Skip("MLX is not set up: ", err)
	}
	for _, name := range decoders {
		t.Run(name, func(t *testing.T) {
			steps := explicitSteps(t, name, []int{5, 1, 3})
			compareSteps(t, loadDecoder(t, name), steps, Tolerances{ir.F32: Lanes[ir.BF16]}, 0, emily.WithBackend(emily.MLX), emily.WithPrecision(ir.BF16))
		})
	}
}

// step is what goes into a step without its caches, and what comes out.
type step struct{ in, out map[string]ir.Datum }

func loadDecoder(t *testing.T, name string, opts ...emily.LoadOption) *emily.Model {
	t.Helper()
	m, err := emily.Load(filepath.Join("testdata", "zoo", name, "model.onnx"), opts...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}

// explicitSteps runs the model in the interpreter on that many tokens at a time. Inputs that are not given beside them are random.
func explicitSteps(t *testing.T, name string, tokens []int, beside ...map[string]ir.Datum) []step {
	model := loadDecoder(t, name)
	m, err := model.Module()
	if err != nil {
		t.Fatal(err)
	}
	f := m.Main()
	if _, err := passes.Run(m, passes.Default, passes.Options{Eval: interp.EvalOp}); err != nil {
		t.Fatal(err)
	}
	caches := ir.Caches(f)
	if want := len(f.Results()) - 1; len(caches) != want {
		t.Fatalf("%s: %d caches, want %d", name, len(caches), want)
	}
	past := map[string]ir.Datum{}
	for _, c := range caches {
		in := f.Inputs()[c.Input]
		shape := []int{1, 0, 0, 0}
		for i, d := range in.Type.Shape {
			if n, ok := d.Value(); ok {
				shape[i] = int(n)
			}
		}
		past[in.Name] = ir.NewTensor(in.DType(), shape...)
	}
	var steps []step
	for i, n := range tokens {
		given := map[string]ir.Datum{"input_ids": tokensOf(i, n)}
		maps.Copy(given, past)
		if len(beside) > 0 {
			maps.Copy(given, beside[i])
		}
		list, _, err := MakeInputs(f, InputOptions{Seed: uint64(i), Given: given})
		if err != nil {
			t.Fatal(err)
		}
		results, err := interp.Run(context.Background(), f, list)
		if err != nil {
			t.Fatal(err)
		}
		s := step{map[string]ir.Datum{}, map[string]ir.Datum{}}
		for k, in := range f.Inputs() {
			s.in[in.Name] = list[k]
		}
		for k, v := range results {
			s.out[f.Outputs[k]] = v
		}
		for _, c := range caches {
			in := f.Inputs()[c.Input].Name
			past[in] = results[c.Output]
			delete(s.in, in)
			delete(s.out, f.Outputs[c.Output])
		}
		steps = append(steps, s)
	}
	return steps
}

func tokensOf(seed, n int) *ir.Tensor {
	ids := make([]int64, n)
	for i := range ids {
		ids[i] = int64(37*seed+11*i) % 1000
	}
	return ir.TensorFrom(ids, 1, n)
}

func compareSteps(t *testing.T, model *emily.Model, steps []step, tol Tolerances, capacity int, opts ...emily.CompileOption) {
	exe, err := model.Compile(context.Background(), opts...)
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	s, err := exe.NewSession(emily.WithCapacity(capacity))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // again after a reset
		length := 0
		for i, st := range steps {
			got, err := s.Run(context.Background(), st.in)
			if err != nil {
				t.Fatalf("step %d: %v", i, err)
			}
			for k, want := range st.out {
				if d := CompareDatum(k, got[k], want, Scaled(tol, want)); d != nil {
					t.Errorf("step %d: %v", i, d)
				}
			}
			if len(got) != len(st.out) {
				t.Errorf("step %d: %d outputs, want %d", i, len(got), len(st.out))
			}
			length += st.in["input_ids"].(*ir.Tensor).Shape[1]
			if s.Len() != length {
				t.Errorf("step %d: %d positions in the cache, want %d", i, s.Len(), length)
			}
		}
		s.Reset()
	}
}
