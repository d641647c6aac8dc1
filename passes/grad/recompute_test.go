package grad_test

import (
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes"
	"github.com/emilyc/emily/passes/grad"
)

// TestRecompute: what is computed again gives the same gradients, but for the order of sums, in less memory, also after the passes; and is differentiated again.
func TestRecompute(t *testing.T) {
	for _, name := range []string{"distilbert", "qwen3", "vit"} {
		model, err := emily.Load(filepath.Join(zoo, name, "model.onnx"))
		if err != nil {
			t.Fatal(err)
		}
		defer model.Close()
		m, err := model.Module()
		if err != nil {
			t.Fatal(err)
		}
		var in []*ir.Tensor
		for i, p := range model.Inputs() {
			v, err := conformance.ReadDatum(filepath.Join(zoo, name, "test_data_set_0", fmt.Sprintf("input_%d.pb", i)), p.Type)
			if err != nil {
				t.Fatal(err)
			}
			in = append(in, v.(*ir.Tensor))
		}
		in = append(in, cosines(t, filepath.Join(zoo, name, "test_data_set_0", "output_0.pb"), model.Outputs()[0].Type))
		want, all := recomputed(t, m, in, 0)
		for _, segments := range []int{2, 3, 5} {
			got, peak := recomputed(t, m, in, segments)
			for i := range want {
				largest, off := 0.0, 0.0
				for e, w := range ir.View[float32](want[i]) {
					largest = max(largest, math.Abs(float64(w)))
					off = max(off, math.Abs(float64(ir.View[float32](got[i])[e]-w)))
				}
				if off > 1e-4*largest {
					t.Errorf("%s in %d segments: gradient %d is off by %v of %v", name, segments, i, off, largest)
				}
			}
			if peak >= all {
				t.Errorf("%s in %d segments keeps %d bytes, %d when nothing is computed again", name, segments, peak, all)
			}
		}
	}
}

// recomputed are the gradients of the parameters, and the bytes of the function's results that are read when the way back has begun.
func recomputed(t *testing.T, m *ir.Module, in []*ir.Tensor, segments int) ([]*ir.Tensor, int) {
	t.Helper()
	g, err := grad.Build(m, grad.Options{Loss: m.Main().Outputs[0], Wrt: []string{grad.AllParams}, Cotangent: "cotangent", Recompute: segments})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := passes.Run(g, passes.Default, passes.Options{Eval: interp.EvalOp, Verify: true}); err != nil {
		t.Fatal(err)
	}
	roundTrip(t, g)
	out, err := run(g, in)
	if err != nil {
		t.Fatal(err)
	}
	return out, kept(g)
}

// kept is a rough size of what lives on when half of the ops are done.
func kept(m *ir.Module) int {
	ops := m.Main().Body.Ops
	place := map[*ir.Op]int{}
	for i, op := range ops {
		place[op] = i
	}
	bytes := 0
	for _, op := range ops[:len(ops)/3] {
		for _, v := range op.Results {
			for _, u := range v.Uses() {
				if op.Kind != ir.Const && place[u.Op] > len(ops)/3 {
					n := v.Type.Shape.NumElements().Subst(func(atom ir.Dim) (ir.Dim, bool) { return ir.Size(16), atom.Op() == ir.DimSym })
					if k, ok := n.Value(); ok {
						bytes += int(k) * v.DType().Size()
					}
					break
				}
			}
		}
	}
	return bytes
}

// TestRecomputeTwice: the gradient of a gradient whose way back computes again is that of differences.
func TestRecomputeTwice(t *testing.T) {
	c := gradCase{name: "chain", in: []*ir.Tensor{between(0.5, 1, 2, 3), normal(3, 3)}, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
		y := x[0]
		for range 6 {
			y = b.Op(ir.Tanh, nil, b.Op(ir.MatMul, nil, b.Op(ir.Sin, nil, y), x[1]))
		}
		return []*ir.Value{b.Op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{0, 1}}, y)}
	}}
	m, in := c.module(t, true)
	g, err := grad.Build(m, grad.Options{Wrt: []string{"x0", "x1"}, Recompute: 3})
	if err != nil {
		t.Fatal(err)
	}
	sound(t, g)
	for k := range 2 {
		check(t, g, in, k, 0)
	}
}
