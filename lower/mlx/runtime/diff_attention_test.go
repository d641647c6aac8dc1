package runtime_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
)

// maskOf is a bool mask, true in about two places of three, false in the whole of its first row.
func maskOf(shape ...int) *ir.Tensor {
	m := ir.NewTensor(ir.Bool, shape...)
	for i := shape[len(shape)-1]; i < len(m.Data); i++ {
		m.Data[i] = byte(min(i*7%3, 1))
	}
	return m
}

// added is a mask as what is added to scores of dtype d.
func added(d ir.DType, mask *ir.Tensor, hidden float64) *ir.Tensor {
	values := make([]float64, mask.Len())
	for i, ok := range mask.Data {
		if ok == 0 {
			values[i] = hidden
		}
	}
	return tensorOf(d, values, mask.Shape...)
}

func attentionCases() []diffCase {
	var cs []diffCase
	add := func(a ir.AttentionAttrs, in ...*ir.Tensor) {
		a.Scale = 0.3
		cs = append(cs, op(ir.Attention, &a, in...))
	}
	for _, d := range floatTypes {
		for _, heads := range [][2]int{{2, 2}, {4, 2}, {6, 1}} {
			q, k, v := random(d, 2, heads[0], 3, 8), random(d, 2, heads[1], 5, 8), random(d, 2, heads[1], 5, 4)
			add(ir.AttentionAttrs{}, q, k, v)
			for _, mask := range []*ir.Tensor{maskOf(2, 1, 3, 5), maskOf(3, 5), maskOf(2, heads[0], 1, 5), maskOf(1, 5), maskOf(3, 1)} {
				add(ir.AttentionAttrs{}, q, k, v, mask)
				add(ir.AttentionAttrs{Empty: "zero"}, q, k, v, mask)
				add(ir.AttentionAttrs{Empty: "mean"}, q, k, v, mask)
				add(ir.AttentionAttrs{Causal: true, Empty: "zero"}, q, k, v, mask)
				add(ir.AttentionAttrs{}, q, k, v, added(d, mask, math.Inf(-1)))
				add(ir.AttentionAttrs{Empty: "zero", Causal: true}, q, k, v, added(d, mask, math.Inf(-1)))
				add(ir.AttentionAttrs{}, q, k, v, mask, random(d, heads[0]))
			}
			add(ir.AttentionAttrs{Causal: true}, q, k, v)
			add(ir.AttentionAttrs{}, q, k, v, random(d, heads[0], 3, 5))
			add(ir.AttentionAttrs{Causal: true}, q, k, v, nil, random(d, heads[0]))
			few := []*ir.Tensor{random(d, 2, heads[1], 2, 8), random(d, 2, heads[1], 2, 4)}
			for _, empty := range []string{"", "zero", "mean"} { // the first query sees no key
				add(ir.AttentionAttrs{Causal: true, Empty: empty}, q, few[0], few[1])
			}
			none := []*ir.Tensor{random(d, 2, heads[1], 0, 8), random(d, 2, heads[1], 0, 4)}
			for _, empty := range []string{"", "zero", "mean"} {
				add(ir.AttentionAttrs{Empty: empty}, q, none[0], none[1], maskOf(2, 1, 3, 0))
			}
			add(ir.AttentionAttrs{}, q, none[0], none[1])
		}
	}
	least := added(ir.F32, maskOf(2, 1, 3, 5), -math.MaxFloat32)
	add(ir.AttentionAttrs{}, random(ir.F32, 2, 4, 3, 8), random(ir.F32, 2, 2, 5, 8), random(ir.F32, 2, 2, 5, 8), least)
	return append(cs, ropeCases()...)
}

func ropeCases() []diffCase {
	var cs []diffCase
	for _, d := range floatTypes {
		x := random(d, 2, 3, 4, 8)
		for _, interleaved := range []bool{false, true} {
			add := func(in ...*ir.Tensor) { cs = append(cs, op(ir.Rope, &ir.RopeAttrs{Interleaved: interleaved}, in...)) }
			for _, n := range []int{4, 3} {
				f := tensorOf(ir.F32, []float64{1, 0.3, 0.1, 0.03}[:n])
				add(x, ir.Scalar(int64(5)), f)
				add(x, ir.TensorFrom([]int32{7, -2}, 2), f)
				add(random(d, 0, 3, 4, 8), ir.NewTensor(ir.I64, 0), f)
				add(x, random(d, 2, 1, 4, n), random(d, 2, 1, 4, n))
				add(x, random(d, 4, n), random(d, 4, n))
				add(x, random(d, n), random(d, n))
			}
			add(x, ir.Scalar(int64(5)), tensorOf(ir.F64, []float64{1, 0.5}))
		}
	}
	return cs
}

// TestAttentionForGPU: what is lowered for a GPU, where masks and rows without keys go another way, is right too. It runs on the CPU,
// in f32, as a GPU's kernels compute halves in it; and in f16 where rounding does not matter.
func TestAttentionForGPU(t *testing.T) {
	if _, _, err := runtime.Version(); err != nil {
		t.Skipf("MLX is not set up: %v", err)
	}
	hidden := op(ir.Attention, &ir.AttentionAttrs{Scale: 0.3, Empty: "mean"},
		random(ir.F16, 2, 4, 3, 8), random(ir.F16, 2, 2, 5, 8), random(ir.F16, 2, 2, 5, 4), ir.NewTensor(ir.Bool, 3, 5))
	cases := []diffCase{hidden}
	for _, c := range attentionCases() {
		wide := slices.ContainsFunc(c.in, func(x *ir.Tensor) bool { return x != nil && x.DType == ir.F64 })
		if c.in[0].DType == ir.F32 && !wide {
			cases = append(cases, c)
		}
	}
	for i, c := range cases {
		m, in, err := c.module(symbols)
		if err != nil {
			t.Fatal(err)
		}
		want, err := interp.Run(context.Background(), m.Main(), data(in))
		if err != nil {
			t.Fatal(err)
		}
		staged, err := mlx.LowerStages(m, mlx.Options{Device: mlx.GPU, Fallback: mlx.FallbackError})
		if err != nil {
			t.Fatal(err)
		}
		got, err := runStaged(staged, data(in))
		if err != nil {
			t.Fatalf("case %d: %v\n%s", i, err, text(staged))
		}
		if d := differ(got[0].(*ir.Tensor), want[0].(*ir.Tensor)); d != "" {
			t.Errorf("case %d: %s\nof %v\n%s", i, d, brief(in), text(staged))
		}
	}
}
