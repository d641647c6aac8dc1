package emily_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/grad"
	"github.com/google/go-cmp/cmp"
)

const scaled = `module "scaled"
func @main(%x: f32[n, 3]) -> (y: f32[n, 3]) {
  %0 = const [2.0, 3.0, 5.0] : f32[3] loc("w", "", 0)
  %1 = mul %x, %0 : f32[n, 3]
  yield %1
}
`

// TestGrad: the gradient of Σ x·w is Σ x for w. The model is closed before its gradient is used.
func TestGrad(t *testing.T) {
	path := filepath.Join(t.TempDir(), "scaled.eir")
	if err := os.WriteFile(path, []byte(scaled), 0o644); err != nil {
		t.Fatal(err)
	}
	m := load(t, path)
	o := grad.Options{Reduce: grad.Sum, Wrt: []string{grad.AllParams}, Value: true}
	g, err := emily.Grad(m, o)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	x := ir.TensorFrom([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	out, err := compile(t, g, emily.WithBackend(emily.Interpreter)).Run(t.Context(), map[string]ir.Datum{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]ir.Datum{"loss": ir.Scalar[float32](10 + 21 + 45), "w.grad": ir.TensorFrom([]float32{5, 7, 9})}
	if diff := cmp.Diff(want, out); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}
