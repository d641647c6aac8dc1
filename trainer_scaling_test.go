package emily_test

import (
	"errors"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/train"
	"github.com/google/go-cmp/cmp"
)

// halfTrainer trains the perceptron in f16.
func halfTrainer(t *testing.T, backend emily.Backend, scaling train.Scaling) *emily.Trainer {
	t.Helper()
	return perceptronWith(t, train.Options{Precision: ir.F16, Scaling: scaling}, "adamw", backend)
}

// farBatch has labels so far off that gradients overflow at a scale of 65536.
func farBatch(i int) map[string]ir.Datum {
	batch := perceptronBatch(i)
	y := batch[train.Labels].(*ir.Tensor)
	for i := range ir.View[float32](y) {
		ir.View[float32](y)[i] *= 16
	}
	return batch
}

func backends(t *testing.T, test func(t *testing.T, backend emily.Backend)) {
	for _, backend := range []emily.Backend{emily.Interpreter, emily.MLX} {
		t.Run(string(backend), func(t *testing.T) {
			if backend == emily.MLX {
				needMLX(t)
			}
			test(t, backend)
		})
	}
}

// Steps whose gradients overflow are skipped and change nothing, until the scale fits; then training goes on as in f32, whose steps are those that were made.
func TestTrainerOverflow(t *testing.T) {
	backends(t, func(t *testing.T, backend emily.Backend) {
		half := halfTrainer(t, backend, train.Scaling{})
		full := perceptronTrainer(t, "adamw", backend)
		before := parameters(t, half)
		skipped := 0
		for half.Count() < 200 {
			batch := farBatch(half.Count())
			loss, err := half.Step(t.Context(), .02, batch)
			if err != nil {
				t.Fatal(err)
			}
			if skipped == half.Count()-1 && half.Skipped() == half.Count() {
				skipped++
				if d := cmp.Diff(before, parameters(t, half)); d != "" {
					t.Errorf("step %d was skipped, and changed (-before +after):\n%s", half.Count(), d)
				}
				continue
			}
			want, err := full.Step(t.Context(), .02, batch)
			if err != nil {
				t.Fatal(err)
			}
			if !(math.Abs(loss-want) <= 5e-2*want) {
				t.Errorf("step %d: loss %v, want %v", half.Count(), loss, want)
			}
			if half.Count() == 200 && want > 1 {
				t.Errorf("the loss is still %v", want)
			}
		}
		if want := 65536 / math.Exp2(float64(skipped)); skipped == 0 || half.LossScale() != want || half.Skipped() != skipped {
			t.Errorf("%d steps skipped, then %d in all; the scale is %v, want %v", skipped, half.Skipped(), half.LossScale(), want)
		}
	})
}

// Inputs of inf end in an error, not in steps that do nothing for ever.
func TestTrainerInfinite(t *testing.T) {
	backends(t, func(t *testing.T, backend emily.Backend) {
		trainer := halfTrainer(t, backend, train.Scaling{})
		before := parameters(t, trainer)
		batch := perceptronBatch(0)
		for i := range ir.View[float32](batch["x"].(*ir.Tensor)) {
			ir.View[float32](batch["x"].(*ir.Tensor))[i] = float32(math.Inf(1))
		}
		var err error
		for trainer.Count() < 100 && err == nil {
			_, err = trainer.Step(t.Context(), .01, batch)
		}
		var failed *ir.Error
		if !errors.As(err, &failed) || !strings.Contains(err.Error(), "however small the loss is scaled") || trainer.Count() != 30 || trainer.Skipped() != 30 {
			t.Errorf("%d steps, %d skipped: %v", trainer.Count(), trainer.Skipped(), err)
		}
		if d := cmp.Diff(before, parameters(t, trainer)); d != "" {
			t.Errorf("-before +after:\n%s", d)
		}
		if _, err := trainer.Step(t.Context(), .01, perceptronBatch(0)); err != nil {
			t.Errorf("a step on finite data after that: %v", err)
		}
	})
}

func TestTrainerScaleGrows(t *testing.T) {
	backends(t, func(t *testing.T, backend emily.Backend) {
		trainer := halfTrainer(t, backend, train.Scaling{Init: 1024, Growth: 4, Backoff: .5, Interval: 3})
		var got []float64
		for range 7 {
			trainSteps(t, trainer, .01, 1)
			got = append(got, trainer.LossScale())
		}
		if d := cmp.Diff([]float64{1024, 1024, 4096, 4096, 4096, 16384, 16384}, got); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	})
}

// A checkpoint holds the scale and what counts with it.
func TestTrainerScalingCheckpoint(t *testing.T) {
	backends(t, func(t *testing.T, backend emily.Backend) {
		scaling := train.Scaling{Init: 1 << 20, Growth: 2, Backoff: .25, Interval: 5}
		run := func(trainer *emily.Trainer) (losses, scales []float64) {
			for range 15 {
				loss, err := trainer.Step(t.Context(), .01, farBatch(trainer.Count()))
				if err != nil {
					t.Fatal(err)
				}
				losses, scales = append(losses, loss), append(scales, trainer.LossScale())
			}
			return losses, scales
		}
		path := filepath.Join(t.TempDir(), "c.safetensors")
		a, b := halfTrainer(t, backend, scaling), halfTrainer(t, backend, scaling)
		run(a)
		if err := a.Save(path); err != nil {
			t.Fatal(err)
		}
		if err := b.Restore(path); err != nil {
			t.Fatal(err)
		}
		losses, scales := run(a)
		again, scalesAgain := run(b)
		if d := cmp.Diff([][]float64{losses, scales}, [][]float64{again, scalesAgain}); d != "" {
			t.Errorf("losses and scales (-want +got):\n%s", d)
		}
		if d := cmp.Diff(parameters(t, a), parameters(t, b)); d != "" || a.Skipped() == 0 || a.Skipped() != b.Skipped() {
			t.Errorf("%d and %d steps skipped; parameters (-want +got):\n%s", a.Skipped(), b.Skipped(), d)
		}
		if slices.Min(scales) == slices.Max(scales) {
			t.Errorf("the scale stays %v", scales[0])
		}
		err := perceptronTrainer(t, "adamw", backend).Restore(path)
		if err == nil || !strings.Contains(err.Error(), "in f16, the loss scaled by") {
			t.Errorf("without scaling: %v", err)
		}
	})
}

// Scaling may be had in f32 too: a step on NaN is skipped.
func TestTrainerSkipsNaN(t *testing.T) {
	backends(t, func(t *testing.T, backend emily.Backend) {
		trainer := perceptronWith(t, train.Options{Scaling: train.DefaultScaling()}, "momentum", backend)
		trainSteps(t, trainer, .01, 3)
		before := maps.Clone(parameters(t, trainer))
		batch := perceptronBatch(3)
		ir.View[float32](batch["x"].(*ir.Tensor))[5] = float32(math.NaN())
		if loss, err := trainer.Step(t.Context(), .01, batch); err != nil || !math.IsNaN(loss) || trainer.Skipped() != 1 {
			t.Errorf("loss %v, %d skipped: %v", loss, trainer.Skipped(), err)
		}
		if d := cmp.Diff(before, parameters(t, trainer)); d != "" {
			t.Errorf("-before +after:\n%s", d)
		}
	})
}

const embedding = `module "embedding"
func @main(%x: i64[n]) -> (total: f32[]) {
  %0 = const [1, 2, 3, 4] : f32[4] loc("table", "", 0)
  %1 = gather %0, %x {axis = 0} : f32[n]
  %2 = reduce_sum %1 {axes = [0]} : f32[]
  yield %2
}
`

// The gradient of an embedding counts 3,000 tokens, which halves could not, one by one.
func TestTrainerEmbedding(t *testing.T) {
	sgd, err := train.NewOptimizer("sgd")
	if err != nil {
		t.Fatal(err)
	}
	backends(t, func(t *testing.T, backend emily.Backend) {
		for _, precision := range []ir.DType{ir.BF16, ir.F16} {
			module, err := ir.Parse(embedding, ir.ParseOptions{})
			if err != nil {
				t.Fatal(err)
			}
			model, err := emily.FromModule(module)
			if err != nil {
				t.Fatal(err)
			}
			options := train.Options{Loss: "total", Optimizer: sgd, Precision: precision, Scaling: train.Scaling{Init: 1, Growth: 1, Backoff: 1, Interval: 1}}
			trainer, err := emily.NewTrainer(t.Context(), model, options, emily.WithBackend(backend))
			if err != nil {
				t.Fatal(err)
			}
			defer trainer.Close()
			if loss, err := trainer.Step(t.Context(), 1, map[string]ir.Datum{"x": ir.NewTensor(ir.I64, 3000)}); err != nil || loss != 3000 {
				t.Errorf("%s: a loss of %v: %v", precision, loss, err)
			}
			got := 1 - ir.View[float32](parameters(t, trainer)["table"])[0]
			if math.Abs(float64(got)-3000) > 3000./256 {
				t.Errorf("%s: a gradient of %v, want 3000", precision, got)
			}
		}
	})
}
