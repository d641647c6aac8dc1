package mlx_test

import (
	"testing"

	"github.com/emilyc/emily/lower/mlx"
	"github.com/google/go-cmp/cmp"
)

// TestBlockwise lists the calls that are left of programs.
func TestBlockwise(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"a moment and a step, two results", `func @main(%p: f32[256, 256], %m: f32[256, 256], %g: f32[256, 256], %r: f32[]) -> (q: f32[256, 256], n: f32[256, 256]) {
  %0 = mul %m, %r : f32[256, 256]
  %1 = add %0, %g : f32[256, 256]
  %2 = sqrt %1 : f32[256, 256]
  %3 = div %g, %2 : f32[256, 256]
  %4 = sub %p, %3 : f32[256, 256]
  yield %4, %1
}`, []string{"blockwise"}},
		{"numbers", `func @main(%x: f32[]) -> (y: f32[]) {
  %0 = mul %x, %x : f32[]
  %1 = add %0, %x : f32[]
  yield %1
}`, []string{"multiply", "add"}},
		{"free sizes", `func @main(%x: f32[n, m], %y: f32[n, m]) -> (z: f32[n, m]) {
  %0 = silu %x : f32[n, m]
  %1 = mul %0, %y : f32[n, m]
  yield %1
}`, []string{"blockwise"}},
		{"one call", `func @main(%x: f32[256, 256]) -> (y: f32[256, 256]) {
  %0 = mul %x, %x : f32[256, 256]
  yield %0
}`, []string{"multiply"}},
		{"other dtypes", `func @main(%x: f16[256, 256]) -> (y: f16[256, 256]) {
  %0 = mul %x, %x : f16[256, 256]
  %1 = add %0, %x : f16[256, 256]
  yield %1
}`, []string{"multiply", "add"}},
		{"a reader between ends a stretch", `func @main(%x: f32[256, 256], %y: f32[256, 256]) -> (z: f32[256, 256]) {
  %0 = mul %x, %y : f32[256, 256]
  %1 = add %0, %x : f32[256, 256]
  %2 = reduce_sum %1 {axes = [0, 1]} : f32[]
  %3 = div %1, %2 : f32[256, 256]
  %4 = sub %3, %x : f32[256, 256]
  yield %4
}`, []string{"blockwise", "sum", "blockwise"}},
		{"what broadcasts is none", `func @main(%x: f32[256, 256], %y: f32[256]) -> (z: f32[256, 256]) {
  %0 = mul %x, %y : f32[256, 256]
  %1 = add %0, %y : f32[256, 256]
  yield %1
}`, []string{"multiply", "add"}},
		{"two stretches become one", `func @main(%x: f32[256, 256], %y: f32[256, 256]) -> (z: f32[256, 256]) {
  %0 = mul %x, %x : f32[256, 256]
  %1 = matmul %x, %y : f32[256, 256]
  %2 = add %1, %y : f32[256, 256]
  %3 = sub %0, %2 : f32[256, 256]
  yield %3
}`, []string{"matmul", "blockwise"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan, err := mlx.Lower(parseIR(t, "module \"m\"\n"+c.text+"\n"), mlx.Options{Tuning: mlx.Tuning{Blocks: mlx.On}})
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, k := range plan.Programs[plan.Main].Calls {
				got = append(got, k.Op.String())
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("-want +got:\n%s\n%s", d, plan)
			}
		})
	}
}
