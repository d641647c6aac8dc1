package runtime

import (
	"math"
	"testing"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
)

// TestLongErf: long arrays go another way than short ones on the CPU, with errors near 0 and at the ends in check.
func TestLongErf(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		v := ir.TensorOf(ir.F32, ir.Sym("n"))
		b.Output("y", v, b.Call(mlx.Erf, b.Input("x", v)))
	})
	in := ir.NewTensor(ir.F32, 1<<15)
	v := ir.View[float32](in)
	for i := range v {
		v[i] = float32(i-1<<14) / (1 << 14) * 6
		if i%3 == 0 {
			v[i] = float32(math.Ldexp(1+float64(i)/(1<<15), -(i/3)%100)) * float32(1-2*(i&1))
		}
	}
	v[0], v[1], v[2], v[3], v[4] = float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 0, 1e30
	for i, got := range ir.View[float32](run(t, x, in)[0]) {
		want := math.Erf(float64(v[i]))
		if math.IsNaN(want) != (got != got) || math.Abs(float64(got)-want) > 6e-7*math.Abs(want) || math.Abs(float64(got)) > 1 {
			t.Fatalf("erf(%g) is %g, want %g", v[i], got, want)
		}
	}
}
