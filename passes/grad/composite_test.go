package grad_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/decompose"
	"github.com/emilyc/emily/passes/grad"
	"github.com/emilyc/emily/passes/rewrite"
)

// TestComposites: the rule of a composite gives what the rules of its parts give.
func TestComposites(t *testing.T) {
	seen := map[ir.Kind]bool{}
	for _, family := range families {
		for i, c := range family() {
			m, in := c.module(t, false)
			kind := compositeOf(m)
			if kind == ir.NoKind {
				continue
			}
			seen[kind] = true
			t.Run(fmt.Sprintf("%s/%d", kind, i), func(t *testing.T) {
				parts := m.Clone()
				if err := decompose.Run(parts, &rewrite.Context{}); err != nil {
					t.Fatal(err)
				}
				if k := compositeOf(parts); k != ir.NoKind {
					t.Fatalf("%s was not taken apart", k)
				}
				want, got := gradients(t, parts, in), gradients(t, m, in)
				for k := range want {
					for e, w := range floats(want[k]) {
						if g := floats(got[k])[e]; !(math.Abs(g-w) <= 1e-9*max(1, math.Abs(w))) {
							t.Fatalf("gradient %d: element %d is %v, by the parts %v\n%s", k, e, g, w, m)
						}
					}
				}
			})
		}
	}
	for k := ir.NoKind + 1; k < ir.NumKinds; k++ {
		if k.Is(ir.Composite) && grad.Rules[k] != nil && !seen[k] {
			t.Errorf("no case of %s", k)
		}
	}
}

func compositeOf(m *ir.Module) ir.Kind {
	kind := ir.NoKind
	m.Main().Body.Walk(func(op *ir.Op) {
		if op.Kind.Is(ir.Composite) {
			kind = op.Kind
		}
	})
	return kind
}

// gradients are those of the mean square of the first output with respect to all f64 inputs.
func gradients(t *testing.T, m *ir.Module, in []*ir.Tensor) []*ir.Tensor {
	t.Helper()
	var wrt []string
	for i, p := range m.Main().Inputs() {
		if in[i].DType == ir.F64 {
			wrt = append(wrt, p.Name)
		}
	}
	g, err := grad.Build(m, grad.Options{Loss: m.Main().Outputs[0], Wrt: wrt, Reduce: grad.MeanSquare})
	if err != nil {
		t.Fatal(err)
	}
	out, err := run(g, in)
	if err != nil {
		t.Fatalf("%v\n%s", err, g)
	}
	return out
}
