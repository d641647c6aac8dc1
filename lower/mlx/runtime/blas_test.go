package runtime

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
)

// vectorProducts are m, k, n of products that blas/gemv.cc serves; the larger ones use several threads.
var vectorProducts = [][3]int{{1, 5, 7}, {7, 5, 1}, {1, 1, 1}, {1, 900, 1100}, {1100, 900, 1}, {1, 0, 3}, {1, 7, 0}, {2, 5, 7}}

// productPlan multiplies a and b, each of which it may transpose first, so that BLAS gets all its forms.
func productPlan(transposeA, transposeB bool) func(b *mlx.Builder) {
	return func(b *mlx.Builder) {
		m, k, n := ir.Sym("m"), ir.Sym("k"), ir.Sym("n")
		side := func(name string, rows, cols ir.Dim, transposed bool) mlx.Reg {
			if transposed {
				return b.Call(mlx.Transpose, b.Input(name, ir.TensorOf(ir.F32, cols, rows)), []int{1, 0})
			}
			return b.Input(name, ir.TensorOf(ir.F32, rows, cols))
		}
		x, y := side("a", m, k, transposeA), side("b", k, n, transposeB)
		b.Output("c", ir.TensorOf(ir.F32, m, n), b.Call(mlx.MatMul, x, y))
	}
}

func randomMatrix(rng *rand.Rand, rows, cols int, transposed bool) (t *ir.Tensor, at func(i, j int) float64) {
	t = ir.NewTensor(ir.F32, rows, cols)
	ri, rj := cols, 1
	if transposed {
		t.Shape = []int{cols, rows}
		ri, rj = 1, rows
	}
	v := ir.View[float32](t)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	if n := len(v); n > 30 { // an infinity times a zero is no zero
		v[rng.IntN(n)], v[rng.IntN(n)], v[rng.IntN(n)] = float32(math.Inf(1)), 0, float32(math.NaN())
	}
	return t, func(i, j int) float64 { return float64(v[i*ri+j*rj]) }
}

func TestVectorProducts(t *testing.T) {
	var wg sync.WaitGroup
	for form := range 4 {
		ta, tb := form&1 != 0, form&2 != 0
		x := loaded1(t, productPlan(ta, tb))
		for i, s := range vectorProducts {
			wg.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(form), uint64(i)))
				if err := checkProduct(x, rng, s[0], s[1], s[2], ta, tb); err != nil {
					t.Errorf("%v, transposed %v and %v: %v", s, ta, tb, err)
				}
			})
		}
	}
	wg.Wait()
}

func checkProduct(x *Executable, rng *rand.Rand, m, k, n int, ta, tb bool) error {
	a, at := randomMatrix(rng, m, k, ta)
	b, bt := randomMatrix(rng, k, n, tb)
	out, err := x.Run(context.Background(), []ir.Datum{a, b})
	if err != nil {
		return err
	}
	got := ir.View[float32](out[0].(*ir.Tensor))
	for i := range m {
		for j := range n {
			want, size := 0.0, 0.0
			for p := range k {
				want += at(i, p) * bt(p, j)
				size += math.Abs(at(i, p) * bt(p, j))
			}
			v := float64(got[i*n+j])
			if !(math.Abs(v-want) <= 1e-6*size) && !(v == want || math.IsNaN(v) && math.IsNaN(want)) {
				return fmt.Errorf("[%d,%d] is %g, want %g", i, j, v, want)
			}
		}
	}
	return nil
}
