package runtime

import (
	"context"
	"strings"
	"testing"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
)

// both loads a plan with and without mx::compile.
func both(t *testing.T, f func(b *mlx.Builder)) (plain, compiled *Executable) {
	plain = loaded1(t, f)
	compiled, err := Load(plain.Plan(), Options{Compile: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { compiled.Close() })
	return plain, compiled
}

// TestCompile runs a plan with sizes in it on more sets of sizes than are kept, and on the first again.
func TestCompile(t *testing.T) {
	plain, compiled := both(t, func(b *mlx.Builder) {
		x := b.Input("x", ir.TensorOf(ir.F32, batch))
		n := b.Call(mlx.Dims, []ir.Dim{batch}, ir.F32)
		y := b.Call(mlx.Add, b.Call(mlx.Sin, x), n)
		b.CallN(mlx.Assert, 0, b.Call(mlx.Less, x, b.Scalar(ir.F32, 100)), "x is below 100")
		b.Output("y", ir.TensorOf(ir.F32, batch), y)
		b.Output("x", ir.TensorOf(ir.F32, batch), x)
	})
	if !compiled.Compiled() || plain.Compiled() {
		t.Fatalf("compiled: %v and %v, want true and false", compiled.Compiled(), plain.Compiled())
	}
	for _, n := range []int{2, 3, 4, 5, 6, 7, 8, 9, 10, 2, 2, 0} {
		in := ir.NewTensor(ir.F32, n)
		same(t, run(t, compiled, in), run(t, plain, in))
	}
	for range 2 {
		_, err := compiled.Run(context.Background(), []ir.Datum{f32([]int{2}, 1, 200)})
		if err == nil || !strings.Contains(err.Error(), "x is below 100") {
			t.Errorf("got %v, want the assertion", err)
		}
	}
	same(t, run(t, compiled, f32([]int{2}, 1, 2)), run(t, plain, f32([]int{2}, 1, 2)))
}

// TestCompileFails: an error while MLX traces names the call, and leaves the executable in order.
func TestCompileFails(t *testing.T) {
	_, compiled := both(t, func(b *mlx.Builder) {
		x := b.Input("x", ir.TensorOf(ir.F32, batch))
		b.CallN(mlx.Check, 0, "divides", 2, batch, "halves")
		b.Output("y", ir.TensorOf(ir.F32, batch), b.Call(mlx.Negative, x))
	})
	for range 2 {
		_, err := compiled.Run(context.Background(), []ir.Datum{ir.NewTensor(ir.F32, 3)})
		if e, ok := err.(*MLXError); !ok || !strings.Contains(e.Call, "check") {
			t.Errorf("got %v, want an error of check", err)
		}
	}
	same(t, run(t, compiled, f32([]int{2}, 1, 2)), []*ir.Tensor{f32([]int{2}, -1, -2)})
}

// TestCompileFallsBack: a program with control flow runs as it is.
func TestCompileFallsBack(t *testing.T) {
	plain, compiled := both(t, func(b *mlx.Builder) {
		v := b.Input("v", ir.TensorOf(ir.F32, batch))
		body := b.Sub("body", 3, func(p []mlx.Reg) []mlx.Reg { return []mlx.Reg{p[1], b.Call(mlx.Sin, p[2])} })
		b.Output("y", ir.TensorOf(ir.F32, batch), b.Call(mlx.Loop, b.Scalar(ir.I64, 3), mlx.Absent, v, body, 1, 0))
	})
	if compiled.Compiled() {
		t.Error("a loop was compiled")
	}
	in := f32([]int{2}, 1, 2)
	same(t, run(t, compiled, in), run(t, plain, in))
}
