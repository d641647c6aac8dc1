// Command train trains a small network on data that it makes itself, writes it as ONNX, and says how much of new data that model gets right.
//
//	go run ./examples/train mlp mlp.onnx    # two spirals
//	go run ./examples/train cnn cnn.onnx    # which way lines run in an image
package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/train"
)

// task is a network for classes of samples.
type task struct {
	network func(*rand.Rand) (*ir.Module, error) // x to logits f32[n, classes]
	sample  func(r *rand.Rand, class int, x []float32)
	shape   []int // of x, for one sample
	classes int
	steps   int
	rate    float64
}

var tasks = map[string]task{
	"mlp": {network: perceptron, sample: spiral, shape: []int{2}, classes: 2, steps: 600, rate: .01},
	"cnn": {network: convolutional, sample: lines, shape: []int{1, 8, 8}, classes: 3, steps: 150, rate: .02},
}

const (
	batchSize = 64
	testSize  = 600
)

func main() {
	names := slices.Sorted(maps.Keys(tasks))
	if len(os.Args) != 3 || !slices.Contains(names, os.Args[1]) {
		log.Fatalf("usage: train %s OUT.onnx", strings.Join(names, "|"))
	}
	t, ctx := tasks[os.Args[1]], context.Background()
	if err := t.train(ctx, os.Stdout, os.Args[2]); err != nil {
		log.Fatal(err)
	}
	right, err := t.accuracy(ctx, os.Args[2])
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%.1f%% of new samples are right\n", 100*right)
}

// train writes the trained network to path.
func (t task) train(ctx context.Context, w io.Writer, path string) error {
	r := rand.New(rand.NewPCG(1, 2))
	network, err := t.network(r)
	if err != nil {
		return err
	}
	model, err := emily.FromModule(network)
	if err != nil {
		return err
	}
	defer model.Close()
	optimizer, err := train.NewOptimizer("adamw")
	if err != nil {
		return err
	}
	trainer, err := emily.NewTrainer(ctx, model, train.Options{Loss: "cross_entropy", Optimizer: optimizer})
	if err != nil {
		return err
	}
	defer trainer.Close()
	schedule := train.Schedule{Rate: t.rate, Steps: t.steps, Cosine: true}
	for step := 1; step <= t.steps; step++ {
		x, labels := t.batch(r, batchSize)
		loss, err := trainer.Step(ctx, schedule.At(step), map[string]ir.Datum{"x": x, train.Labels: labels})
		if err != nil {
			return err
		}
		if step%50 == 0 {
			fmt.Fprintf(w, "step %d: loss %.4f\n", step, loss)
		}
	}
	trained, err := trainer.Module()
	if err != nil {
		return err
	}
	return emily.WriteONNX(trained, path)
}

// accuracy is how much of new samples the model at path gets right.
func (t task) accuracy(ctx context.Context, path string) (float64, error) {
	model, err := emily.Load(path)
	if err != nil {
		return 0, err
	}
	defer model.Close()
	exe, err := model.Compile(ctx)
	if err != nil {
		return 0, err
	}
	defer exe.Close()
	x, labels := t.batch(rand.New(rand.NewPCG(3, 4)), testSize)
	outputs, err := exe.Run(ctx, map[string]ir.Datum{"x": x})
	if err != nil {
		return 0, err
	}
	logits, right := ir.View[float32](outputs["logits"].(*ir.Tensor)), 0
	for i, want := range ir.View[int64](labels) {
		row := logits[i*t.classes : (i+1)*t.classes]
		if slices.Index(row, slices.Max(row)) == int(want) {
			right++
		}
	}
	return float64(right) / testSize, nil
}

// batch is n samples, class after class, and their labels i64[n].
func (t task) batch(r *rand.Rand, n int) (x, labels *ir.Tensor) {
	x, labels = ir.NewTensor(ir.F32, append([]int{n}, t.shape...)...), ir.NewTensor(ir.I64, n)
	size := x.Len() / n
	for i := range n {
		class := i % t.classes
		ir.View[int64](labels)[i] = int64(class)
		t.sample(r, class, ir.View[float32](x)[i*size:(i+1)*size])
	}
	return x, labels
}
