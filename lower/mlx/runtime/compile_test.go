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

// halves is a stretch whose results are as large as x, and as x and w together.
func halves(b *mlx.Builder, x, w mlx.Reg) (half, sum mlx.Reg) {
	half = b.Call(mlx.Multiply, x, b.Scalar(ir.F32, 0.5))
	return half, b.Call(mlx.Add, half, w)
}

// stretched gives halves' results as they are, and from a call of compiled.
func stretched(t *testing.T) *Executable {
	return loaded1(t, func(b *mlx.Builder) {
		shape := func(names ...string) ir.Type {
			s := make(ir.Shape, len(names))
			for i, n := range names {
				s[i] = ir.Sym(n)
			}
			return ir.TensorOf(ir.F32, s...)
		}
		x, w := b.Input("x", shape("a", "b")), b.Input("w", shape("c", "d"))
		half, sum := halves(b, x, w)
		b.Output("half", shape("a", "b"), half)
		b.Output("sum", shape("e", "f"), sum)
		prog := b.Sub("stretch", 2, func(p []mlx.Reg) []mlx.Reg {
			half, sum := halves(b, p[0], p[1])
			return []mlx.Reg{half, sum}
		})
		out := b.CallN(mlx.Compiled, 2, x, w, prog)
		b.Output("half2", shape("a", "b"), out[0])
		b.Output("sum2", shape("e", "f"), out[1])
	})
}

// TestStretch: what was traced for sizes that are equal by chance serves no others.
func TestStretch(t *testing.T) {
	x := stretched(t)
	for _, sizes := range [][4]int{{2, 3, 2, 3}, {1, 3, 1, 3}, {1, 3, 5, 3}, {1, 4, 6, 4}, {5, 1, 1, 3}, {1, 1, 1, 1}, {1, 1, 2, 2}, {0, 3, 1, 3}, {0, 3, 0, 1}, {2, 3, 2, 3}} {
		a, w := ir.NewTensor(ir.F32, sizes[0], sizes[1]), ir.NewTensor(ir.F32, sizes[2], sizes[3])
		for i := range ir.View[float32](a) {
			ir.View[float32](a)[i] = float32(i)
		}
		for i := range ir.View[float32](w) {
			ir.View[float32](w)[i] = float32(10 * i)
		}
		out := run(t, x, a, w)
		same(t, out[2:], out[:2])
	}
}

// TestStretchFails: an error while MLX traces names the call inside, and leaves the executable in order.
func TestStretchFails(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		x, w := b.Input("x", ir.TensorOf(ir.F32, batch)), b.Input("w", ir.TensorOf(ir.F32, ir.Sym("other")))
		prog := b.Sub("stretch", 2, func(p []mlx.Reg) []mlx.Reg {
			_, sum := halves(b, p[0], p[1])
			return []mlx.Reg{sum}
		})
		b.Output("sum", ir.TensorOf(ir.F32, batch), b.CallN(mlx.Compiled, 1, x, w, prog)[0])
	})
	for range 2 {
		_, err := x.Run(context.Background(), []ir.Datum{ir.NewTensor(ir.F32, 3), ir.NewTensor(ir.F32, 2)})
		if e, ok := err.(*MLXError); !ok || !strings.Contains(e.Call, "add") {
			t.Errorf("got %v, want an error of add", err)
		}
	}
	same(t, run(t, x, f32([]int{2}, 2, 4), f32([]int{2}, 1, 1)), []*ir.Tensor{f32([]int{2}, 2, 3)})
}

// TestStretchProfile: each call inside is timed by itself.
func TestStretchProfile(t *testing.T) {
	x := stretched(t)
	_, times, err := x.Profile(context.Background(), []ir.Datum{f32([]int{1, 2}, 1, 2), f32([]int{1, 2}, 3, 4)})
	if err != nil {
		t.Fatal(err)
	}
	runs := map[mlx.CallID]int{}
	for _, c := range times {
		runs[c.Call.Op] += c.Runs
	}
	if runs[mlx.Add] != 2 || runs[mlx.Multiply] != 2 || runs[mlx.Compiled] != 1 {
		t.Errorf("ran %v", runs)
	}
}
