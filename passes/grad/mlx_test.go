package grad_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/emilyc/emily/passes/grad"
)

// TestOnMLX: the gradients of the same cases, in f32, on MLX and in the interpreter.
func TestOnMLX(t *testing.T) {
	for _, family := range families {
		for _, c := range family() {
			for _, symbolic := range []bool{false, true} {
				if symbolic && c.static {
					continue
				}
				t.Run(fmt.Sprintf("%s/symbolic=%t", c.name, symbolic), func(t *testing.T) {
					m, in := c.narrow(t, symbolic)
					for k, v := range m.Main().Results() {
						if v.DType() == ir.F32 {
							onMLX(t, m, in, k)
						}
					}
				})
			}
		}
	}
}

// narrow is the case's function and operands in f32.
func (c gradCase) narrow(t *testing.T, symbolic bool) (*ir.Module, []*ir.Tensor) {
	t.Helper()
	wide, in := c.module(t, symbolic)
	m, err := ir.Parse(strings.ReplaceAll(wide.String(), "f64", "f32"), ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range in {
		if v.DType == ir.F64 {
			in[i] = asF32(v)
		}
	}
	return m, in
}

func asF32(v *ir.Tensor) *ir.Tensor {
	out := ir.NewTensor(ir.F32, v.Shape...)
	for i, x := range floats(v) {
		ir.View[float32](out)[i] = float32(x)
	}
	return out
}

func onMLX(t *testing.T, m *ir.Module, in []*ir.Tensor, k int) {
	t.Helper()
	var wrt []string
	args := map[string]ir.Datum{}
	for i, p := range m.Main().Inputs() {
		args[p.Name] = in[i]
		if p.DType() == ir.F32 {
			wrt = append(wrt, p.Name)
		}
	}
	g, err := grad.Build(m, grad.Options{Loss: m.Main().Outputs[k], Wrt: wrt, Reduce: grad.MeanSquare})
	if err != nil {
		t.Fatal(err)
	}
	var list []ir.Datum
	for _, v := range in {
		list = append(list, v)
	}
	want, err := interp.Run(context.Background(), g.Main(), list)
	if err != nil {
		t.Fatalf("%v\n%s", err, g)
	}
	model, err := emily.FromModule(g)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	exe, err := model.Compile(context.Background(), emily.WithBackend(emily.MLX), emily.WithFallback(mlx.FallbackError), emily.WithVerifier())
	skipWithoutMLX(t, err)
	defer exe.Close()
	got, err := exe.Run(context.Background(), args)
	if err != nil {
		t.Fatalf("%v\n%s", err, g)
	}
	for i, name := range wrt {
		w, y := ir.View[float32](want[i].(*ir.Tensor)), ir.View[float32](got[name+".grad"].(*ir.Tensor))
		for e := range w {
			a, b := float64(w[e]), float64(y[e])
			if !(math.Abs(a-b) <= 1e-5+1e-3*math.Abs(a)) && !(math.IsNaN(a) && math.IsNaN(b)) {
				t.Errorf("d y%d / d %s[%d] is %v on MLX, %v in the interpreter\n%s", k, name, e, b, a, g)
				return
			}
		}
	}
}

// skipWithoutMLX stops at an error: the test is skipped where MLX is what is missing.
func skipWithoutMLX(t *testing.T, err error) {
	t.Helper()
	var setup *runtime.SetupError
	if errors.As(err, &setup) {
		t.Skipf("MLX is not set up: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}
