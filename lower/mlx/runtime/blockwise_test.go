package runtime_test

import (
	"math"
	"testing"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/google/go-cmp/cmp"
)

// inBlocks has each call that may be in one, results that are read inside and outside, operands of one element and ones that MLX may write
// results to, in arrays that are no whole number of blocks, one of which is transposed.
const inBlocks = `module "inBlocks"
func @main(%p: f32[257, 129], %m: f32[257, 129], %t: f32[129, 257], %r: f32[], %one: f32[1, 1]) -> (q: f32[257, 129], n: f32[257, 129], s: f32[257]) {
  %0 = transpose %t {perm = [1, 0]} : f32[257, 129]
  %1 = exp %p : f32[257, 129]
  %2 = mul %m, %r : f32[257, 129]
  %3 = add %2, %0 : f32[257, 129]
  %4 = mul %3, %3 : f32[257, 129]
  %5 = sqrt %4 : f32[257, 129]
  %6 = add %5, %one : f32[257, 129]
  %7 = div %1, %6 : f32[257, 129]
  %8 = neg %7 : f32[257, 129]
  %9 = sub %p, %8 : f32[257, 129]
  %10 = reduce_max %9 {axes = [1]} : f32[257]
  %11 = add %9, %1 : f32[257, 129]
  %12 = mul %11, %r : f32[257, 129]
  yield %12, %3, %10
}
`

// Blockwise calls give what the calls give, bit for bit.
func TestBlockwise(t *testing.T) {
	if _, _, err := runtime.Version(); err != nil {
		t.Skipf("skipped: %v", err)
	}
	m, err := ir.Parse(inBlocks, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wave := func(shape ...int) *ir.Tensor {
		x := ir.NewTensor(ir.F32, shape...)
		for i, v := 0, ir.View[float32](x); i < len(v); i++ {
			v[i] = float32(math.Sin(float64(i) * float64(shape[0])))
		}
		return x
	}
	in := []ir.Datum{wave(257, 129), wave(257, 129), wave(129, 257), ir.Scalar(float32(0.9)), wave(1, 1)}
	var results [2][]ir.Datum
	for i, blocks := range []mlx.Switch{mlx.Off, mlx.On} {
		staged, err := mlx.LowerStages(m, mlx.Options{Tuning: mlx.Tuning{Blocks: blocks}})
		if err != nil {
			t.Fatal(err)
		}
		if results[i], err = runStaged(staged, in); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(results[0], results[1]); d != "" {
		t.Errorf("-call by call +blockwise:\n%s", d)
	}
}
