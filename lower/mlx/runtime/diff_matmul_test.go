package runtime_test

import (
	"context"
	"slices"
	"testing"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
)

func matmulCases() []diffCase {
	var cs []diffCase
	for _, d := range append(append([]ir.DType{}, floatTypes...), intTypes...) {
		for _, s := range [][2][]int{{{3, 4}, {4, 2}}, {{4}, {4, 2}}, {{3, 4}, {4}}, {{4}, {4}}, {{2, 3, 4}, {4, 5}}, {{2, 1, 3, 4}, {5, 4, 2}}, {{2, 0}, {0, 3}}, {{0, 4}, {4, 2}}} {
			cs = append(cs, op(ir.MatMul, nil, random(d, s[0]...), random(d, s[1]...)))
		}
		if d.IsInt() {
			cs = append(cs, op(ir.MatMul, nil, tensorOf(d, values(edges(d))[:6], 2, 3), tensorOf(d, values(edges(d))[2:8], 3, 2)))
		}
	}
	for _, d := range floatTypes {
		for _, s := range [][3][]int{{{3, 4}, {4, 2}, {2}}, {{2, 3, 4}, {4, 5}, {5}}, {{2, 3, 4}, {4, 5}, {2, 3, 5}}, {{2, 1, 3, 4}, {4, 2}, {}}, {{2, 0}, {0, 3}, {3}}, {{0, 4}, {4, 2}, {2}}, {{1, 4}, {4, 2}, {1, 1}}} {
			cs = append(cs, op(ir.Linear, nil, random(d, s[0]...), random(d, s[1]...), random(d, s[2]...)))
		}
		for _, s := range [][]int{{1, 1}, {3, 3}, {2, 4, 4}, {0, 2, 2}, {5, 2, 2}, {0, 0}, {2, 0, 0}} {
			cs = append(cs, op(ir.Det, nil, random(d, s...)))
		}
		cs = append(cs, op(ir.Det, nil, tensorOf(d, []float64{0, 0, 2, 0, 3, 1, 4, 1, 1}, 3, 3)), op(ir.Det, nil, tensorOf(d, []float64{1, 2, 2, 4}, 2, 2)))
	}
	for _, d := range floatTypes {
		for _, approximate := range []string{"", "tanh", "sigmoid"} {
			for _, again := range []bool{false, true} { // the values in between are asked for too
				cs = append(cs, diffCase{name: "feed-forward", in: []*ir.Tensor{random(d, 2, 3, 4), random(d, 4, 5), random(d, 5), random(d, 5, 4), random(d, 4)},
					build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
						up := b.Op(ir.Linear, nil, x[0], x[1], x[2])
						act := b.Op(ir.Gelu, &ir.GeluAttrs{Approximate: approximate}, up)
						out := []*ir.Value{b.Op(ir.Linear, nil, act, x[3], x[4])}
						if again {
							out = append(out, act, up)
						}
						return out
					}})
			}
		}
	}
	return append(cs, diffCase{name: "transposed-weight", in: []*ir.Tensor{random(ir.F32, 2, 3, 4), random(ir.F32, 5, 4)},
		build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			return b.Ops(ir.MatMul, nil, nil, x[0], b.Op(ir.Transpose, &ir.PermAttrs{Perm: []int64{1, 0}}, x[1]))
		}})
}

// TestWeightsForGPU: what is lowered for a GPU turns constant matrices once, in the setup program. It runs on the CPU.
func TestWeightsForGPU(t *testing.T) {
	if _, _, err := runtime.Version(); err != nil {
		t.Skipf("MLX is not set up: %v", err)
	}
	m, err := ir.Parse(`module "t"
func @main(%x: f32[n, 2]) -> (y: f32[n, 3], z: f32[n, 2]) {
  %0 = const [1.0, 2.0, 3.0, 4.0, 5.0, 6.0] : f32[2, 3]
  %1 = const [7.0, 8.0, 9.0] : f32[3]
  %2 = linear %x, %0, %1 : f32[n, 3]
  %3 = transpose %0 {perm = [1, 0]} : f32[3, 2]
  %4 = matmul %2, %3 : f32[n, 2]
  yield %2, %4
}
`, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	in := []ir.Datum{ir.TensorFrom([]float32{1, 2, 3, 4}, 2, 2)}
	want, err := interp.Run(context.Background(), m.Main(), in)
	if err != nil {
		t.Fatal(err)
	}
	staged, err := mlx.LowerStages(m, mlx.Options{Device: mlx.GPU, Fallback: mlx.FallbackError})
	if err != nil {
		t.Fatal(err)
	}
	plan := staged.Stages[0].Plan
	if main := plan.Programs[plan.Main]; slices.ContainsFunc(main.Calls, func(c mlx.Call) bool { return c.Op == mlx.Contiguous || c.Op == mlx.Transpose }) {
		t.Errorf("weights are turned in every run:\n%s", text(staged))
	}
	got, err := runStaged(staged, in)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if d := differ(got[i].(*ir.Tensor), want[i].(*ir.Tensor)); d != "" {
			t.Errorf("result %d: %s", i, d)
		}
	}
}
