// Command train trains a small network on data that it makes itself, writes it as ONNX, and says how much of new data that model gets right.
//
//	go run ./examples/train mlp mlp.onnx                    # two spirals
//	go run ./examples/train cnn cnn.onnx                    # which way lines run in an image
//	go run ./examples/train transformer transformer.onnx    # sequences from the end
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

// task is a network for samples that have labels.
type task struct {
	network func(*rand.Rand) (*ir.Module, error)             // x [n, …] to logits f32[n, classes, …]
	batch   func(r *rand.Rand, n int) (x, labels *ir.Tensor) // n samples, and labels i64[n, …]
	steps   int
	rate    float64
}

var tasks = map[string]task{
	"mlp":         {perceptron, images(spiral, 2, 2), 600, .01},
	"cnn":         {convolutional, images(lines, 3, 1, 8, 8), 150, .02},
	"transformer": {transformer, reversed, 200, .01},
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
	best, right := likeliest(outputs["logits"].(*ir.Tensor)), 0
	for i, want := range ir.View[int64](labels) {
		if best[i] == want {
			right++
		}
	}
	return float64(right) / float64(len(best)), nil
}

// likeliest are the classes of the largest of logits [n, classes, …].
func likeliest(logits *ir.Tensor) []int64 {
	values, n, classes := ir.View[float32](logits), logits.Shape[0], logits.Shape[1]
	inner := len(values) / (n * classes)
	best := make([]int64, n*inner)
	for i := range best {
		first := i/inner*classes*inner + i%inner
		for c := range classes {
			if values[first+c*inner] > values[first+int(best[i])*inner] {
				best[i] = int64(c)
			}
		}
	}
	return best
}
