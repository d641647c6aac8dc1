package conformance

import (
	"flag"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes"
)

// TestAttentionProperty: attentions of random sizes, masks and attributes give the same in the interpreter as their parts do, as these fused again,
// and on MLX, where that is set up.
func TestAttentionProperty(t *testing.T) {
	for name, value := range map[string]string{"rapid.seed": "5", "rapid.checks": "150", "rapid.nofailfile": "true"} {
		f := flag.Lookup(name)
		old := f.Value.String()
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = flag.Set(name, old) }()
	}
	names := "interp"
	if len(available(t)) == len(AllLanes) {
		names = "interp,mlx,mlx-noopt"
	}
	lanes, err := SelectLanes(names)
	if err != nil {
		t.Fatal(err)
	}
	apart, err := passes.Pipeline("decompose")
	if err != nil {
		t.Fatal(err)
	}
	again, err := passes.Pipeline("fuse")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		m, inputs := randomAttention(rt)
		run := func(l Lane, name string, pipelines ...[]passes.Pass) []ir.Datum {
			c := m.Clone()
			for _, p := range pipelines {
				if _, err := passes.Run(c, p, passes.Options{Eval: interp.EvalOp, Verify: true}); err != nil {
					rt.Fatalf("%s: %v\n%s", name, err, m)
				}
			}
			if name == "fused again" && countKind(c, ir.Softmax) > 0 && m.Main().Inputs()[1].Type.Shape[2] != ir.Size(0) {
				rt.Fatalf("not fused again:\n%s\n%s", m, c)
			}
			out, err := runLane(t.Context(), l, c, inputs, LaneOptions{Fallback: "error"})
			if err != nil {
				rt.Fatalf("%s: %v\n%s", name, err, c)
			}
			return out
		}
		want := run(lanes[0], "interp")
		got := map[string][]ir.Datum{"parts": run(lanes[0], "parts", apart), "fused again": run(lanes[0], "fused again", apart, again)}
		for _, l := range lanes[1:] {
			got[l.Name] = run(l, l.Name)
		}
		for name, out := range got {
			if d := CompareDatum("y", out[0], want[0], Scaled(Lanes, want[0])); d != nil {
				rt.Fatalf("%s: %v\n%s", name, d, m)
			}
		}
	})
}

func countKind(m *ir.Module, k ir.Kind) (n int) {
	m.Main().Body.Walk(func(op *ir.Op) {
		if op.Kind == k {
			n++
		}
	})
	return n
}

// randomAttention is a module with an attention of its inputs, which are sometimes grouped, masked, causal, sunk or empty.
func randomAttention(rt *rapid.T) (*ir.Module, []ir.Datum) {
	size := func(name string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(rt, name) }
	d := rapid.SampledFrom([]ir.DType{ir.F32, ir.F32, ir.F16, ir.BF16, ir.F64}).Draw(rt, "dtype")
	b, kv, group, l, s := size("batch", 1, 2), size("kv", 1, 3), size("group", 1, 3), size("queries", 1, 4), size("keys", 0, 5)
	width, values := size("width", 1, 8), size("values", 1, 8)
	m := ir.NewModule("attention")
	fn := m.NewFunc("main")
	var inputs []ir.Datum
	tensor := func(d ir.DType, draw func() float64, shape ...int) *ir.Value {
		x := ir.NewTensor(d, shape...)
		for i := range x.Len() {
			copy(x.Data[i*d.Size():], ir.FloatScalar(d, draw()).Data)
		}
		inputs = append(inputs, x)
		return fn.Body.AddParam(string(rune('a'+len(inputs))), x.Type())
	}
	number := rapid.Float64Range(-2, 2)
	normal := func() float64 { return number.Draw(rt, "x") }
	a := &ir.AttentionAttrs{Scale: rapid.Float64Range(0.1, 1).Draw(rt, "scale"), Causal: rapid.Bool().Draw(rt, "causal")}
	q, k, v := tensor(d, normal, b, kv*group, l, width), tensor(d, normal, b, kv, s, width), tensor(d, normal, b, kv, s, values)
	var mask, sinks *ir.Value
	shape := [][]int{{b, 1, l, s}, {1, 1, 1, s}, {b, kv * group, l, s}, {l, s}, {s}}[size("mask shape", 0, 4)]
	hides := func(yes, no float64) func() float64 {
		return func() float64 {
			if rapid.IntRange(0, 2).Draw(rt, "hidden") == 0 {
				return no
			}
			return yes
		}
	}
	kind := size("mask", 0, 3)
	switch kind {
	case 1:
		mask = tensor(ir.Bool, hides(1, 0), shape...)
	case 2:
		mask = tensor(d, hides(0.5, math.Inf(-1)), shape...)
	case 3:
		mask = tensor(d, normal, shape...)
	}
	empty := []string{"", "zero", "mean"}
	if kind > 1 {
		empty = empty[:2]
	}
	if rapid.IntRange(0, 3).Draw(rt, "sunk") == 0 {
		sinks = tensor(d, normal, kv*group)
	} else {
		a.Empty = rapid.SampledFrom(empty).Draw(rt, "empty")
	}
	builder := ir.NewBuilder(fn.Body)
	y := builder.Op(ir.Attention, a, q, k, v, mask, sinks)
	fn.Outputs = []string{"y"}
	builder.Yield(y)
	if builder.Err() != nil {
		rt.Fatal(builder.Err())
	}
	return m, inputs
}
