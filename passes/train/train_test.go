package train

import (
	"testing"

	"github.com/emilyc/emily/ir"
	"github.com/google/go-cmp/cmp"
)

const normalised = `module "normalised"
func @main(%x: f32[n, 2]) -> (y: f32[n, 2]) {
  %0 = const [1.0, 2.0] : f32[2] loc("scale", "", 0)
  %1 = const [0.0, 1.0] : f32[2] loc("bias", "", 0)
  %2 = const [0.5, 0.25] : f32[2] loc("running_mean", "", 0)
  %3 = const [1.5, 2.5] : f32[2] loc("running_var", "", 0)
  %4 = batch_norm %x, %0, %1, %2, %3 {epsilon = 1e-05} : f32[n, 2]
  yield %4
}
`

// In the training form the statistics are those of the batch, and the running ones only go to an output.
const trainingForm = `module "training"
func @main(%x: f32[n, 2]) -> (y: f32[n, 2], next: f32[2]) {
  %0 = const [1.0, 2.0] : f32[2] loc("scale", "", 0)
  %1 = const [0.0, 1.0] : f32[2] loc("bias", "", 0)
  %2 = const [0.5, 0.25] : f32[2] loc("running_mean", "", 0)
  %3 = reduce_mean %x {axes = [0]} : f32[2]
  %4 = mul %3, %3 : f32[2]
  %5 = batch_norm %x, %0, %1, %3, %4 {epsilon = 1e-05} : f32[n, 2]
  %6 = add %2, %3 : f32[2]
  yield %5, %6
}
`

// The running mean and variance of batch_norm are trained only where they are named.
func TestRunningStatistics(t *testing.T) {
	for _, c := range []struct {
		text         string
		params, want []string
	}{
		{normalised, nil, []string{"scale", "bias"}},
		{normalised, []string{"running_mean", "scale"}, []string{"running_mean", "scale"}},
		{trainingForm, nil, []string{"scale", "bias"}},
	} {
		m, err := ir.Parse(c.text, ir.ParseOptions{})
		if err != nil {
			t.Fatal(err)
		}
		sgd, err := NewOptimizer("sgd")
		if err != nil {
			t.Fatal(err)
		}
		s, err := Build(m, Options{Loss: "mse", Output: "y", Params: c.params, Optimizer: sgd})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(c.want, s.Names[:s.Params]); d != "" {
			t.Errorf("params %q (-want +got):\n%s", c.params, d)
		}
	}
}
