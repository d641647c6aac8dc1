package emily_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/emilyc/emily/passes/train"
	"github.com/google/go-cmp/cmp"
)

const perceptron = `module "mlp"
func @main(%x: f32[n, 3]) -> (y: f32[n, 2]) {
  %0 = const [0.882, 0.2, 0.489, 1.12, 0.934, -0.489, 0.475, -0.076, -0.052, 0.205, 0.072, 0.727, 0.381, 0.061, 0.222, 0.167, 0.747, -0.103, 0.157, -0.427, -1.276, 0.327, 0.432, -0.371] : f32[3, 8] loc("w1", "", 0)
  %1 = const [0, 0, 0, 0, 0, 0, 0, 0] : f32[8] loc("b1", "", 0)
  %2 = const [1.135, -0.727, 0.023, -0.094, 0.766, 0.735, 0.077, 0.189, -0.444, -0.99, -0.174, 0.078, 0.615, 0.601, -0.194, -0.151] : f32[8, 2] loc("w2", "", 0)
  %3 = const [0, 0] : f32[2] loc("b2", "", 0)
  %4 = matmul %x, %0 : f32[n, 8]
  %5 = add %4, %1 : f32[n, 8]
  %6 = tanh %5 : f32[n, 8]
  %7 = matmul %6, %2 : f32[n, 2]
  %8 = add %7, %3 : f32[n, 2]
  yield %8
}
`

// perceptronBatch is a batch of x0·x1 and the half sum of x.
func perceptronBatch(i int) map[string]ir.Datum {
	x, y := make([]float32, 12), make([]float32, 8)
	for r := range 4 {
		row := x[3*r : 3*r+3]
		for c := range row {
			row[c] = float32((i*7+r*5+c*3)%11)/5 - 1
		}
		y[2*r], y[2*r+1] = row[0]*row[1], (row[0]+row[1]+row[2])/2
	}
	return map[string]ir.Datum{"x": ir.TensorFrom(x, 4, 3), train.Labels: ir.TensorFrom(y, 4, 2)}
}

func perceptronTrainer(t *testing.T, optimizer string, backend emily.Backend) *emily.Trainer {
	t.Helper()
	return perceptronWith(t, train.Options{}, optimizer, backend)
}

// perceptronWith trains the perceptron with clipping and these options besides.
func perceptronWith(t *testing.T, options train.Options, optimizer string, backend emily.Backend) *emily.Trainer {
	t.Helper()
	module, err := ir.Parse(perceptron, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	model, err := emily.FromModule(module)
	if err != nil {
		t.Fatal(err)
	}
	o, err := train.NewOptimizer(optimizer)
	if err != nil {
		t.Fatal(err)
	}
	options.Loss, options.Optimizer, options.ClipNorm = "mse", o, 1
	trainer, err := emily.NewTrainer(context.Background(), model, options, emily.WithBackend(backend), emily.WithVerifier())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trainer.Close() })
	return trainer
}

func trainSteps(t *testing.T, trainer *emily.Trainer, rate float64, steps int) []float64 {
	t.Helper()
	var losses []float64
	for range steps {
		loss, err := trainer.Step(context.Background(), rate, perceptronBatch(trainer.Count()))
		if err != nil {
			t.Fatal(err)
		}
		losses = append(losses, loss)
	}
	return losses
}

func parameters(t *testing.T, trainer *emily.Trainer) map[string]*ir.Tensor {
	t.Helper()
	p, err := trainer.Parameters()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// Losses of steps 1, 2, 10, 25 and 50 are those of torch.optim 2, with clip_grad_norm_ to 1.
func TestTrainerAgainstPyTorch(t *testing.T) {
	for _, c := range []struct {
		optimizer string
		rate      float64
		want      [5]float64
	}{
		{"sgd", .05, [5]float64{1.427156, 0.9211267, 0.233931, 0.07163395, 0.04982507}},
		{"momentum", .05, [5]float64{1.427156, 0.9211267, 0.07634079, 0.03125029, 0.01005491}},
		{"nesterov", .05, [5]float64{1.427156, 0.8625662, 0.05484758, 0.02754311, 0.009211993}},
		{"adam", .01, [5]float64{1.427156, 0.9336436, 0.209234, 0.0577027, 0.02131319}},
		{"adamw", .01, [5]float64{1.427156, 0.9334458, 0.2088725, 0.05744693, 0.02117633}},
		{"adagrad", .05, [5]float64{1.427156, 0.7421469, 0.06031487, 0.03517437, 0.01124099}},
	} {
		for _, backend := range []emily.Backend{emily.Interpreter, emily.MLX} {
			t.Run(c.optimizer+"/"+string(backend), func(t *testing.T) {
				if backend == emily.MLX {
					needMLX(t)
				}
				losses := trainSteps(t, perceptronTrainer(t, c.optimizer, backend), c.rate, 50)
				for i, step := range []int{0, 1, 9, 24, 49} {
					if got := losses[step]; math.Abs(got-c.want[i]) > 1e-4*c.want[i] {
						t.Errorf("step %d: loss %.7g, want %.7g", step+1, got, c.want[i])
					}
				}
			})
		}
	}
}

// Every step's loss on MLX is the interpreter's; Lion too, whose steps are signs.
func TestTrainerBackends(t *testing.T) {
	needMLX(t)
	want := trainSteps(t, perceptronTrainer(t, "lion", emily.Interpreter), 1e-3, 50)
	near(t, "mlx", trainSteps(t, perceptronTrainer(t, "lion", emily.MLX), 1e-3, 50), want, 1e-3)
	if want[49] > want[0]/2 {
		t.Errorf("the loss went from %v to %v", want[0], want[49])
	}
}

// A trainer that is restored makes the same steps, bit for bit.
func TestTrainerCheckpoint(t *testing.T) {
	for _, backend := range []emily.Backend{emily.Interpreter, emily.MLX} {
		t.Run(string(backend), func(t *testing.T) {
			if backend == emily.MLX {
				needMLX(t)
			}
			path := filepath.Join(t.TempDir(), "c.safetensors")
			a := perceptronTrainer(t, "adamw", backend)
			trainSteps(t, a, .01, 7)
			if err := a.Save(path); err != nil {
				t.Fatal(err)
			}
			want := trainSteps(t, a, .01, 9)
			b := perceptronTrainer(t, "adamw", backend)
			if err := b.Restore(path); err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, trainSteps(t, b, .01, 9)); d != "" || b.Count() != 16 {
				t.Errorf("%d steps; losses (-want +got):\n%s", b.Count(), d)
			}
			if d := cmp.Diff(parameters(t, a), parameters(t, b)); d != "" {
				t.Errorf("parameters (-want +got):\n%s", d)
			}
			err := perceptronTrainer(t, "sgd", backend).Restore(path)
			if err == nil || !strings.Contains(err.Error(), "was saved by adamw beta1=0.9 beta2=0.999 epsilon=1e-08 decay=0.01 of the loss mse, gradients clipped to 1, not sgd of") {
				t.Errorf("another optimiser: %v", err)
			}
		})
	}
}

// The module of a trainer has the trained weights.
func TestTrainerModule(t *testing.T) {
	trainer := perceptronTrainer(t, "adam", emily.Interpreter)
	trainSteps(t, trainer, .01, 3)
	m, err := trainer.Module()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]*ir.Tensor{}
	m.Main().Body.Walk(func(op *ir.Op) {
		if op.Kind == ir.Const {
			if got[op.Location().Node], err = op.Attrs.(*ir.ConstAttrs).Tensor(); err != nil {
				t.Error(err)
			}
		}
	})
	if d := cmp.Diff(parameters(t, trainer), got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestTrainerErrors(t *testing.T) {
	module, err := ir.Parse(perceptron, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := func(o train.Options, text string) {
		t.Helper()
		if _, err := train.Build(module, o); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %s", err, text)
		}
	}
	sgd, err := train.NewOptimizer("sgd")
	if err != nil {
		t.Fatal(err)
	}
	want(train.Options{Loss: "mse", Optimizer: train.Optimizer{Name: "best"}}, `unknown optimiser "best": use one of "adagrad"`)
	want(train.Options{Loss: "mse", Optimizer: sgd, ClipNorm: -1}, "a norm of -1")
	want(train.Options{Loss: "mse", Optimizer: sgd, Precision: ir.F64}, "no training in f64: use f32, f16 or bf16")
	want(train.Options{Loss: "mse", Optimizer: sgd, Scaling: train.Scaling{Growth: 2}}, "a loss scale of 0")
	want(train.Options{Loss: "mse", Optimizer: sgd, Scaling: train.Scaling{Init: 8, Growth: 2, Backoff: 2, Interval: 9}}, "backs off by 2")
	want(train.Options{Loss: "mse", Optimizer: sgd, Scaling: train.Scaling{Init: 8, Growth: 2, Backoff: .5}}, "every 0 steps")
	want(train.Options{Loss: "loss", Optimizer: sgd}, `there is no output "loss"`)
	want(train.Options{Loss: "y", Optimizer: sgd}, "gradients are those of a scalar")
	want(train.Options{Loss: "mse", Output: "z", Optimizer: sgd}, `the output "z"`)
	want(train.Options{Loss: "mse", Params: []string{"w3"}, Optimizer: sgd}, `no constant is called "w3"`)
	trainer := perceptronTrainer(t, "sgd", emily.Interpreter)
	if _, err := trainer.Step(context.Background(), 1, map[string]ir.Datum{"x": ir.NewTensor(ir.F32, 4, 3)}); err == nil || !strings.Contains(err.Error(), "labels") {
		t.Errorf("no labels: %v", err)
	}
	batch := perceptronBatch(0)
	batch[train.Labels] = ir.NewTensor(ir.F32, 5, 2)
	if _, err := trainer.Step(context.Background(), 1, batch); err == nil || trainer.Count() != 0 {
		t.Errorf("five labels for four rows: %v, %d steps", err, trainer.Count())
	}
}

// A label that is no class is an error that says where it is, and changes nothing.
func TestTrainerLabels(t *testing.T) {
	for _, backend := range []emily.Backend{emily.Interpreter, emily.MLX} {
		t.Run(string(backend), func(t *testing.T) {
			if backend == emily.MLX {
				needMLX(t)
			}
			trainer := convolutionTrainer(t, backend)
			before := parameters(t, trainer)
			_, err := trainer.Step(context.Background(), .05, map[string]ir.Datum{"x": waves(1, 1, 6, 6), train.Labels: ir.TensorFrom([]int64{7})})
			if err == nil || !strings.Contains(err.Error(), `node "labels" (cross_entropy)`) || !strings.Contains(err.Error(), "index") {
				t.Errorf("got %v", err)
			}
			if d := cmp.Diff(before, parameters(t, trainer)); d != "" || trainer.Count() != 0 {
				t.Errorf("%d steps; parameters (-want +got):\n%s", trainer.Count(), d)
			}
		})
	}
}

// A transformer, and one behind a convolution: losses on MLX are the interpreter's, and in half near those in f32.
func TestTrainerModels(t *testing.T) {
	needMLX(t)
	for name, inputs := range map[string]map[string]ir.Datum{
		"distilbert": tokens(1, 2, 3, 4),
		"vit":        {"pixel_values": waves(1, 3, 32, 32)},
	} {
		t.Run(name, func(t *testing.T) {
			want := trainZoo(t, name, inputs, emily.Interpreter, ir.F32)
			near(t, "f32", trainZoo(t, name, inputs, emily.MLX, ir.F32), want, 1e-3)
			near(t, "bf16", trainZoo(t, name, inputs, emily.MLX, ir.BF16), want, 5e-2)
			near(t, "f16", trainZoo(t, name, inputs, emily.MLX, ir.F16), want, 5e-2)
			if last := len(want) - 1; want[last] >= want[0] {
				t.Errorf("the loss went from %v to %v", want[0], want[last])
			}
		})
	}
}

// trainZoo has the model learn to give zeros.
func trainZoo(t *testing.T, name string, inputs map[string]ir.Datum, backend emily.Backend, precision ir.DType) []float64 {
	t.Helper()
	trainer, batch := zooTrainer(t, name, inputs, backend, precision)
	var losses []float64
	for range 10 {
		loss, err := trainer.Step(context.Background(), 1e-3, batch)
		if err != nil {
			t.Fatal(err)
		}
		losses = append(losses, loss)
	}
	return losses
}

// zooTrainer trains a model of the zoo on a batch of the inputs, and zeros.
func zooTrainer(t *testing.T, name string, inputs map[string]ir.Datum, backend emily.Backend, precision ir.DType) (*emily.Trainer, map[string]ir.Datum) {
	t.Helper()
	ctx := context.Background()
	model := load(t, filepath.Join("conformance/testdata/zoo", name, "model.onnx"))
	outputs, err := compile(t, model, emily.WithBackend(emily.Interpreter)).Run(ctx, inputs)
	if err != nil {
		t.Fatal(err)
	}
	output := model.Outputs()[0].Name
	batch := maps.Clone(inputs)
	batch[train.Labels] = ir.NewTensor(ir.F32, outputs[output].(*ir.Tensor).Shape...)
	o, err := train.NewOptimizer("adam")
	if err != nil {
		t.Fatal(err)
	}
	trainer, err := emily.NewTrainer(ctx, model, train.Options{Loss: "mse", Output: output, Optimizer: o, Precision: precision}, emily.WithBackend(backend))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trainer.Close() })
	return trainer, batch
}

func waves(shape ...int) *ir.Tensor {
	x := ir.NewTensor(ir.F32, shape...)
	for i := range ir.View[float32](x) {
		ir.View[float32](x)[i] = float32(math.Sin(float64(i)))
	}
	return x
}

// A thousand steps leave memory within 2 MB: MLX's, Go's, and that of the process.
func TestTrainerMemory(t *testing.T) {
	needMLX(t)
	trainer, batch := zooTrainer(t, "distilbert", tokens(1, 2, 3, 4), emily.MLX, ir.F32)
	steps := func(n int) {
		for range n {
			if _, err := trainer.Step(context.Background(), 1e-4, batch); err != nil {
				t.Fatal(err)
			}
		}
	}
	used := func() map[string]int64 {
		t.Helper()
		debug.FreeOSMemory()
		var m goruntime.MemStats
		goruntime.ReadMemStats(&m)
		native, err := runtime.Memory()
		if err != nil {
			t.Fatal(err)
		}
		return map[string]int64{"Go": int64(m.HeapAlloc), "MLX": native.Active, "the process": residentBytes()}
	}
	steps(200)
	before := used()
	steps(1000)
	for of, now := range used() {
		if more := now - before[of]; more > 2<<20 {
			t.Errorf("memory of %s grew by %d bytes in 1,000 steps", of, more)
		}
	}
}

// residentBytes is what of the process is in memory; 0 where Linux does not say.
func residentBytes() int64 {
	var size, resident int64
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		fmt.Sscan(string(text), &size, &resident)
	}
	return resident * int64(os.Getpagesize())
}

// A convolutional network tells rows from columns; the losses on MLX are the interpreter's.
func TestTrainerConvolution(t *testing.T) {
	needMLX(t)
	x := make([]float32, 4*36)
	for i := range x {
		if sample, line := i/36, []int{i % 36 / 6, i % 6}; line[sample%2]%3 == sample/2 {
			x[i] = 1
		}
	}
	batch := map[string]ir.Datum{"x": ir.TensorFrom(x, 4, 1, 6, 6), train.Labels: ir.TensorFrom([]int64{0, 1, 0, 1})}
	run := func(backend emily.Backend) []float64 {
		trainer := convolutionTrainer(t, backend)
		var losses []float64
		for range 30 {
			loss, err := trainer.Step(context.Background(), .05, batch)
			if err != nil {
				t.Fatal(err)
			}
			losses = append(losses, loss)
		}
		return losses
	}
	want := run(emily.Interpreter)
	near(t, "mlx", run(emily.MLX), want, 1e-3)
	if want[29] > want[0]/2 {
		t.Errorf("the loss went from %v to %v", want[0], want[29])
	}
}

func convolutionTrainer(t *testing.T, backend emily.Backend) *emily.Trainer {
	t.Helper()
	module, err := ir.Parse(convolution, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	model, err := emily.FromModule(module)
	if err != nil {
		t.Fatal(err)
	}
	o, err := train.NewOptimizer("adam")
	if err != nil {
		t.Fatal(err)
	}
	trainer, err := emily.NewTrainer(context.Background(), model, train.Options{Loss: "cross_entropy", Optimizer: o}, emily.WithBackend(backend))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trainer.Close() })
	return trainer
}

const convolution = `module "cnn"
func @main(%x: f32[n, 1, 6, 6]) -> (y: f32[n, 2]) {
  %0 = const [0.3, -0.2, 0.1, 0.25, -0.1, 0.2, 0.3, -0.3, 0.15, 0.2, 0.3, 0.25, -0.2, -0.1, -0.3, 0.1, 0.2, 0.3] : f32[2, 1, 3, 3] loc("kernel", "", 0)
  %1 = const [0.4, -0.3, -0.2, 0.5] : f32[2, 2] loc("head", "", 0)
  %2 = conv %x, %0, none {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1} : f32[n, 2, 4, 4]
  %3 = relu %2 : f32[n, 2, 4, 4]
  %4 = reduce_mean %3 {axes = [2, 3]} : f32[n, 2]
  %5 = matmul %4, %1 : f32[n, 2]
  yield %5
}
`
