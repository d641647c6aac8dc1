package grad_test

import (
	"os"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/passes"
	"github.com/emilyc/emily/passes/grad"
)

func TestEmit(t *testing.T) {
	model, err := emily.Load(os.Getenv("M"))
	if err != nil {
		t.Fatal(err)
	}
	m, _ := model.Module()
	sizes, err := conformance.ChooseSizes(m.Main(), nil)
	if err != nil {
		t.Fatal(err)
	}
	dims := map[string]int64{}
	for d, n := range sizes.Of {
		dims[d.Name()] = n
	}
	model, err = emily.Load(os.Getenv("M"), emily.WithDims(dims))
	if err != nil {
		t.Fatal(err)
	}
	m, _ = model.Module()
	names := grad.Params(m)
	if _, err := grad.Lift(m, names); err != nil {
		t.Fatal(err)
	}
	g, err := grad.Build(m, grad.Options{Loss: m.Main().Outputs[0], Wrt: names, Reduce: grad.MeanSquare, Value: true})
	if err != nil {
		t.Fatal(err)
	}
	for i, mod := range []string{"/tmp/lift.py", "/tmp/liftgrad.py"} {
		x := m
		if i == 1 {
			x = g
		}
		if _, err := passes.Run(x, passes.Default, passes.Options{Eval: interp.EvalOp}); err != nil {
			t.Fatal(err)
		}
		p, err := mlx.Lower(x, mlx.Options{Fallback: mlx.FallbackError})
		if err != nil {
			t.Fatal(err)
		}
		f, _ := os.Create(mod)
		if err := p.EmitPython(f); err != nil {
			t.Fatal(err)
		}
		f.Close()
		t.Log(mod, p.NumCalls())
	}
}
