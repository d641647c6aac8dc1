package train

import (
	"strings"
	"testing"

	"github.com/emilyc/emily/ir"
	"github.com/google/go-cmp/cmp"
)

const regression = `module "regression"
func @main(%x: f32[n, 2]) -> (y: f32[n, 3], error: f32[1, 1], half: f16[1]) {
  %0 = const [1, 2, 3, 4, 5, 6] : f32[2, 3] loc("w", "", 0)
  %1 = matmul %x, %0 : f32[n, 3]
  %2 = reduce_mean %1 {axes = [0, 1], keepdims = true} : f32[1, 1]
  %3 = const [1] : i64[1]
  %4 = reshape %2, %3 {} : f32[1]
  %5 = cast %4 {to = f16} : f16[1]
  yield %1, %2, %5
}
`

func buildRegression(t *testing.T, o Options) *Step {
	t.Helper()
	m, err := ir.Parse(regression, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if o.Optimizer, err = NewOptimizer("momentum"); err != nil {
		t.Fatal(err)
	}
	s, err := Build(m, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(s.Module); err != nil {
		t.Fatal(err)
	}
	return s
}

// In half are the products of the model and of its gradient; loss, parameters and states are f32.
func TestPrecision(t *testing.T) {
	s := buildRegression(t, Options{Loss: "mse", Output: "y", Precision: ir.F16})
	f := s.Module.Main()
	if d := cmp.Diff([]string{"w", "w.momentum", LossScale, GoodSteps, Skipped}, s.Names); d != "" {
		t.Errorf("names (-want +got):\n%s", d)
	}
	for i, v := range f.Results() {
		if want := f.Inputs()[max(i-1, 0)].Type; i > 0 && !v.Type.Equal(want) || v.DType() != ir.F32 {
			t.Errorf("%s: %s", f.Outputs[i], v.Type)
		}
	}
	products := 0
	f.Body.Walk(func(op *ir.Op) {
		switch {
		case op.Kind == ir.MatMul:
			products++
			if op.Result().DType() != ir.F16 {
				t.Errorf("a product of %s", op.Result().Type)
			}
		case op.Kind == ir.ReduceMean && op.Result().DType() != ir.F32:
			t.Errorf("a loss of %s", op.Result().Type)
		}
	})
	if products != 2 {
		t.Errorf("%d products, want the model's and that of the weight's gradient", products)
	}
}

// A loss of one element is f32[], whatever its shape and dtype are in the model.
func TestLossIsScalar(t *testing.T) {
	for _, loss := range []string{"error", "half"} {
		for _, precision := range []ir.DType{ir.F32, ir.BF16, ir.F16} {
			f := buildRegression(t, Options{Loss: loss, Precision: precision}).Module.Main()
			if got := f.Results()[0].Type; !got.Equal(ir.TensorOf(ir.F32)) {
				t.Errorf("%s in %s: a loss of %s", loss, precision, got)
			}
		}
	}
}

// What a step adds must not be there.
func TestNamesAreFree(t *testing.T) {
	for _, name := range []string{Labels, Rate, Count, LossScale, GoodSteps, Skipped} {
		m, err := ir.Parse(strings.ReplaceAll(regression, `"w"`, `"`+name+`"`), ir.ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		sgd, err := NewOptimizer("sgd")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Build(m, Options{Loss: "mse", Output: "y", Optimizer: sgd}); err == nil || !strings.Contains(err.Error(), "rename it") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
