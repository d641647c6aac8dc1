package runtime

import (
	"math"
	"slices"
	"testing"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
)

// TestVectorised: functions of f32 that the shim has for the CPU, over numbers of all sizes, against f64. Errors are in units of 2⁻²⁴, relatively.
func TestVectorised(t *testing.T) {
	for _, c := range []struct {
		op    mlx.CallID
		f     func(float64) float64
		most  float64 // error
		least float64 // of results that may lose digits, as subnormal numbers do
	}{
		{mlx.Exp, math.Exp, 3, 0x1p-126},
		{mlx.Sigmoid, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }, 5, 0x1p-126},
		{mlx.Tanh, math.Tanh, 10, 0},
		{mlx.Erf, math.Erf, 3, 0},
	} {
		t.Run(c.op.String(), func(t *testing.T) {
			x := loaded1(t, func(b *mlx.Builder) {
				v := ir.TensorOf(ir.F32, ir.Sym("n"))
				b.Output("y", v, b.Call(c.op, b.Input("x", v)))
			})
			in := vectorInputs()
			v := ir.View[float32](in)
			for i, y := range ir.View[float32](run(t, x, in)[0]) {
				want, got := c.f(float64(v[i])), float64(y)
				if narrow := float64(float32(want)); narrow == got || math.IsNaN(want) && math.IsNaN(got) {
					continue
				}
				if !(math.Abs(got-want) <= c.most*0x1p-24*math.Abs(want)) && !(math.Abs(want) < c.least && math.Abs(got-want) <= c.least) {
					t.Fatalf("%s(%g) is %g, want %g", c.op, v[i], got, want)
				}
			}
		})
	}
}

// vectorInputs are numbers of all sizes, in an array that is no whole number of blocks.
func vectorInputs() *ir.Tensor {
	in := ir.NewTensor(ir.F32, 1<<15+7)
	v := ir.View[float32](in)
	for i := range v {
		v[i] = float32(i-1<<14) / (1 << 14) * 110
		switch i % 3 {
		case 0:
			v[i] = float32(math.Ldexp(1+float64(i)/(1<<15), -(i/3)%100)) * float32(1-2*(i&1))
		case 1:
			v[i] /= 16
		}
	}
	inf := math.Inf(1)
	for i, s := range []float64{inf, -inf, math.NaN(), 0, math.Copysign(0, -1), 1e30, -1e30, 88.72, 88.73, -87.4, -103.9, -104.1} {
		v[i] = float32(s)
	}
	return in
}

// TestSoftmaxRows: rows of all lengths around the number of lanes, of large and of infinite numbers.
func TestSoftmaxRows(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		v := ir.TensorOf(ir.F32, ir.Sym("rows"), ir.Sym("n"))
		b.Output("y", v, b.Call(mlx.Softmax, b.Input("x", v), []int{1}, true))
	})
	for n := 1; n < 40; n++ {
		in := ir.NewTensor(ir.F32, 4, n)
		v := ir.View[float32](in)
		for i := range v {
			v[i] = float32(math.Sin(float64(i))) * []float32{1, 50, 3e38, 1}[i/n]
		}
		v[3*n] = float32(math.Inf(-1))
		out := ir.View[float32](run(t, x, in)[0])
		for row := range 4 {
			for i, w := range softmax64(v[row*n : (row+1)*n]) {
				if g := float64(out[row*n+i]); math.IsNaN(w) != math.IsNaN(g) || math.Abs(g-w) > 1e-6*w+1e-37 {
					t.Fatalf("%d columns, row %d, column %d: %g, want %g", n, row, i, g, w)
				}
			}
		}
	}
}

func softmax64(x []float32) []float64 {
	top, sum := slices.Max(x), 0.0
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = math.Exp(float64(v - top)) // the difference is rounded
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}
