package grad_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/emilyc/emily/internal/cputime"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/grad"
)

// TestLinear: ten times the ops, 100,000, take about ten times as long.
func TestLinear(t *testing.T) {
	const small, factor = 2500, 10 // layers of four ops
	measure(t, small)              // warms up
	a, b := measure(t, small), measure(t, factor*small)
	t.Logf("%d layers take %v, %d take %v", small, a, factor*small, b)
	if b > 3*factor*a {
		t.Errorf("%d layers take %v, %d take %v", small, a, factor*small, b)
	}
}

// measure is the processor time of the gradient of n layers with respect to all their parameters, the least of three.
func measure(t *testing.T, n int) time.Duration {
	t.Helper()
	m := ir.NewModule("deep.onnx")
	f := m.NewFunc("main")
	b := ir.NewBuilder(f.Body)
	x := f.Body.AddParam("x", ir.TensorOf(ir.F32, ir.Sym("n"), ir.Size(4)))
	y := x
	for i := range n {
		b.Loc = m.AddLoc(ir.Loc{File: "deep.onnx", Node: fmt.Sprintf("w%d", i)})
		w := b.Const(ir.NewTensor(ir.F32, 4, 4))
		b.Loc = m.AddLoc(ir.Loc{File: "deep.onnx", Node: fmt.Sprintf("layer%d", i), OpType: "MatMul", Opset: 17})
		y = b.Op(ir.Add, nil, b.Op(ir.Tanh, nil, b.Op(ir.MatMul, nil, y, w)), x)
	}
	b.Yield(y)
	f.Outputs = []string{"y"}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	least := time.Hour
	for range 3 {
		start := cputime.Used(t)
		if _, err := grad.Build(m, grad.Options{Wrt: []string{grad.AllParams, "x"}, Reduce: grad.MeanSquare}); err != nil {
			t.Fatal(err)
		}
		least = min(least, cputime.Used(t)-start)
	}
	return least
}
