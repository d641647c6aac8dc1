package emily_test

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/train"
)

// trainGolden is a network that PyTorch exported, with a batch for each step and the losses of PyTorch's training: testdata/train/goldens.py.
type trainGolden struct {
	name, loss, optimizer string
	rate, clip            float64
	final                 float64 // tolerance of the last loss
	batch                 func(step int) map[string]ir.Datum
}

var trainGoldens = []trainGolden{
	{"mlp", "mse", "momentum", .05, .5, 1e-4, goldenPoints},
	{"cnn", "cross_entropy", "nesterov", .03, 0, 1e-2, goldenLines},
	{"transformer", "cross_entropy", "adamw", .01, 0, 1e-4, goldenTokens},
}

func goldenPoints(step int) map[string]ir.Datum {
	x, y := make([]float32, 0, 8*6), make([]float32, 0, 8*2)
	for r := range 8 {
		row := make([]float32, 6)
		for c := range row {
			row[c] = float32((step*7+r*5+c*3)*(c+2)%17-8) / 8
		}
		x, y = append(x, row...), append(y, row[0]*row[1], (row[2]+row[3]-row[4])/2)
	}
	return map[string]ir.Datum{"x": ir.TensorFrom(x, 8, 6), train.Labels: ir.TensorFrom(y, 8, 2)}
}

// goldenLines run across, down and aslant.
func goldenLines(step int) map[string]ir.Datum {
	x := make([]float32, 0, 6*64)
	for r := range 6 {
		for at := range 64 {
			i, j := at/8, at%8
			v := float32((i*5+j*7+r+step)%4) / 16
			if []int{i, j, i + j}[r%3]%3 == (step+r/3)%3 {
				v++
			}
			x = append(x, v)
		}
	}
	return map[string]ir.Datum{"x": ir.TensorFrom(x, 6, 1, 8, 8), train.Labels: ir.TensorFrom([]int64{0, 1, 2, 0, 1, 2})}
}

// goldenTokens are sequences that count by their row's stride, and the token after each.
func goldenTokens(step int) map[string]ir.Datum {
	x, y := make([]int64, 0, 6*10), make([]int64, 0, 6*10)
	at := func(r, c int) int64 { return int64((step*3 + r + c*(r%3+1)) % 13) }
	for r := range 6 {
		for c := range 10 {
			x, y = append(x, at(r, c)), append(y, at(r, c+1))
		}
	}
	return map[string]ir.Datum{"x": ir.TensorFrom(x, 6, 10), train.Labels: ir.TensorFrom(y, 6, 10)}
}

// trainer trains the network in that precision.
func (g trainGolden) trainer(t *testing.T, backend emily.Backend, precision ir.DType) *emily.Trainer {
	t.Helper()
	o, err := train.NewOptimizer(g.optimizer)
	if err != nil {
		t.Fatal(err)
	}
	options := train.Options{Loss: g.loss, Optimizer: o, ClipNorm: g.clip, Precision: precision}
	trainer, err := emily.NewTrainer(t.Context(), load(t, "testdata/train/"+g.name+".onnx"), options, emily.WithBackend(backend), emily.WithVerifier())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trainer.Close() })
	return trainer
}

func (g trainGolden) losses(t *testing.T, trainer *emily.Trainer, steps int) []float64 {
	t.Helper()
	var losses []float64
	for range steps {
		loss, err := trainer.Step(t.Context(), g.rate, g.batch(trainer.Count()))
		if err != nil {
			t.Fatal(err)
		}
		losses = append(losses, loss)
	}
	return losses
}

// want reads the losses of PyTorch.
func (g trainGolden) want(t *testing.T) []float64 {
	t.Helper()
	text, err := os.ReadFile("testdata/train/losses.txt")
	if err != nil {
		t.Fatal(err)
	}
	var losses []float64
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if fields[0] != g.name {
			continue
		}
		for _, f := range fields[1:] {
			v, err := strconv.ParseFloat(f, 64)
			if err != nil {
				t.Fatal(err)
			}
			losses = append(losses, v)
		}
	}
	return losses
}

// near holds each loss within a relative tolerance.
func near(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	worst, at := 0.0, 0
	for i := range want {
		if d := math.Abs(got[i]-want[i]) / want[i]; !(d <= worst) {
			worst, at = d, i
		}
	}
	if !(worst <= tolerance) {
		t.Errorf("%s: step %d: loss %v, want %v within %v", what, at+1, got[at], want[at], tolerance)
	}
}

// Every step's loss is PyTorch's, in the interpreter and on MLX.
func TestTrainerGoldens(t *testing.T) {
	for _, g := range trainGoldens {
		t.Run(g.name, func(t *testing.T) {
			want := g.want(t)
			interp := g.losses(t, g.trainer(t, emily.Interpreter, ir.F32), len(want))
			last := len(want) - 1
			near(t, "interp, PyTorch", interp, want, 1e-3)
			near(t, "the last loss of interp, PyTorch", interp[last:], want[last:], g.final)
			needMLX(t)
			mlx := g.losses(t, g.trainer(t, emily.MLX, ir.F32), len(want))
			near(t, "mlx, PyTorch", mlx, want, 1e-3)
			near(t, "mlx, interp", mlx, interp, 1e-3)
			near(t, "the last loss of mlx, PyTorch", mlx[last:], want[last:], g.final)
		})
	}
}

// Losses in half are those in f32 within 5e-2. torch.autocast, on a CPU, is up to 1.7e-2 off in bf16 and 1.2e-3 in f16.
func TestTrainerPrecision(t *testing.T) {
	for _, g := range trainGoldens {
		for _, precision := range []ir.DType{ir.BF16, ir.F16} {
			for _, backend := range []emily.Backend{emily.Interpreter, emily.MLX} {
				t.Run(fmt.Sprintf("%s/%s/%s", g.name, precision, backend), func(t *testing.T) {
					if backend == emily.MLX {
						needMLX(t)
					}
					want := g.want(t)
					trainer := g.trainer(t, backend, precision)
					near(t, "f32", g.losses(t, trainer, len(want)), want, 5e-2)
					scale := map[ir.DType]float64{ir.BF16: 1, ir.F16: 65536}[precision]
					if trainer.LossScale() != scale || trainer.Skipped() != 0 {
						t.Errorf("a scale of %v, %d steps skipped", trainer.LossScale(), trainer.Skipped())
					}
				})
			}
		}
	}
}
