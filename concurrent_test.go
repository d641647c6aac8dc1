package emily_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
	"github.com/google/go-cmp/cmp"
)

const (
	goroutines = 16
	runs       = 200
)

// chain is y = x·w + b, ten times over: small, so that the runs meet.
func chain(t *testing.T) *emily.Model {
	t.Helper()
	m := ir.NewModule("chain")
	f := m.NewFunc("main")
	x := f.Body.AddParam("x", ir.TensorOf(ir.F32, ir.Sym("n"), ir.Size(4)))
	b := ir.NewBuilder(f.Body)
	w := b.Const(ir.TensorFrom([]float32{0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 1, 0, 0, 0}, 4, 4))
	one := b.Float(ir.F32, 1)
	v := x
	for range 10 {
		v = b.Op(ir.Add, nil, b.Op(ir.MatMul, nil, v, w), one)
	}
	b.Yield(v)
	f.Outputs = []string{"y"}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	model, err := emily.FromModule(m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { model.Close() })
	return model
}

// hammer runs executables from many goroutines, each with inputs of its own, and checks every result.
func hammer(t *testing.T, exes []*emily.Executable) {
	t.Helper()
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			e := exes[g%len(exes)]
			n := 1 + g%3
			in := make([]float32, 4*n)
			want := make([]float32, 4*n)
			for i := range in {
				in[i] = float32(g*100 + i)
				// Ten cyclic shifts of a row of four are two.
				want[i/4*4+(i%4+2)%4] = in[i] + 10
			}
			for range runs {
				out, err := e.RunOrdered(context.Background(), []ir.Datum{ir.TensorFrom(in, n, 4)})
				if err != nil {
					t.Error(err)
					return
				}
				if d := cmp.Diff(want, ir.View[float32](out[0].(*ir.Tensor))); d != "" {
					t.Error(d)
					return
				}
			}
		})
	}
	wg.Wait()
}

func TestConcurrent(t *testing.T) {
	for _, backend := range []emily.Backend{emily.Interpreter, emily.MLX} {
		t.Run(string(backend), func(t *testing.T) {
			if backend == emily.MLX {
				needMLX(t)
			}
			model := chain(t)
			var exes []*emily.Executable
			for range 4 {
				exes = append(exes, compile(t, model, emily.WithBackend(backend)))
			}
			t.Run("one", func(t *testing.T) { hammer(t, exes[:1]) })
			t.Run("several", func(t *testing.T) { hammer(t, exes) })
		})
	}
}

// Runs from many goroutines of a model that is compiled for values, more of them than the cache holds.
func TestConcurrentSpecialise(t *testing.T) {
	e := compile(t, load(t, reshapeModel(t)), emily.WithBackend(emily.Interpreter))
	x := ir.TensorFrom([]float32{1, 2, 3})
	var wg sync.WaitGroup
	for g := range goroutines {
		wg.Go(func() {
			for i := range 20 {
				axis := int64((g + i) % 2)
				out, err := e.Run(context.Background(), map[string]ir.Datum{"x": x, "axes": ir.TensorFrom([]int64{axis})})
				if err != nil {
					t.Error(err)
					return
				}
				want := []string{"f32[1, 3]", "f32[3, 1]"}[axis]
				if d := cmp.Diff(want, out["y"].Type().String()); d != "" {
					t.Error(d)
				}
			}
		})
	}
	wg.Wait()
}

// A run ends soon after its context does, and the executable goes on working.
func TestCancelDuringRun(t *testing.T) {
	for _, backend := range []emily.Backend{emily.Interpreter, emily.MLX} {
		t.Run(string(backend), func(t *testing.T) {
			if backend == emily.MLX {
				needMLX(t)
			}
			e := compile(t, load(t, distilbert), emily.WithBackend(backend))
			ids := make([]int64, 64)
			in := tokens(ids...)
			for range 5 {
				ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
				start := time.Now()
				_, err := e.Run(ctx, in)
				cancel()
				if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
					t.Fatal(err)
				}
				if took := time.Since(start); took > 20*time.Second {
					t.Errorf("a cancelled run took %v", took)
				}
			}
			if _, err := e.Run(context.Background(), tokens(1, 2, 3)); err != nil {
				t.Error(err)
			}
		})
	}
}
