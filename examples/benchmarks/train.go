package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/train"
)

// training is a benchmark of steps with a built-in loss and AdamW.
type training struct {
	benchmark
	loss string
}

var trainOnCPU = []training{
	{benchmark{"distilbert-base 1×128", "distilbert-base", "distilbert:12", map[string]int64{"input_ids.0": 1, "input_ids.1": 128}}, "mse"},
	{benchmark{"resnet50", "resnet50", "resnet", map[string]int64{"x.0": 1}}, "cross_entropy"},
}

var trainOnGPU = []training{
	{benchmark{"distilbert-base 32×128", "distilbert-base", "distilbert:12", map[string]int64{"input_ids.0": 32, "input_ids.1": 128}}, "mse"},
	{benchmark{"resnet50 ×32", "resnet50", "resnet", map[string]int64{"x.0": 32}}, "cross_entropy"},
}

// firstLosses are compared; python/worker.py has the same number.
const firstLosses = 5

// trainee is Emily's trainer, in this process.
type trainee struct {
	*local  // of which the executable is not there
	trainer *emily.Trainer
	trains  string
	batch   map[string]ir.Datum
	rate    float64
	losses  []float32
}

func (t *trainee) about() string { return t.local.about() + ", " + t.trains }

// trained says what is trained, in the words of python/training.py.
func trained(t *emily.Trainer) (string, error) {
	parameters, err := t.Parameters()
	elements := 0
	for _, p := range parameters {
		elements += p.Len()
	}
	return fmt.Sprintf("trains %d elements of %d parameters", elements, len(parameters)), err
}

func (t *trainee) run(n int) (seconds []float64, err error) {
	for range n {
		start := time.Now()
		loss, err := t.trainer.Step(context.Background(), t.rate, t.batch)
		if err != nil {
			return nil, err
		}
		seconds = append(seconds, time.Since(start).Seconds())
		t.losses = append(t.losses, float32(loss))
	}
	return seconds, nil
}

func (t *trainee) finish() (*ir.Tensor, error) {
	first := t.losses[:min(firstLosses, len(t.losses))]
	return ir.TensorFrom(first, len(first)), errors.Join(t.trainer.Close(), t.model.Close())
}

func (b training) start(ctx context.Context, path string, names []string, inputs []ir.Datum, o options) (*trainee, error) {
	meter, err := newMeter()
	if err != nil {
		return nil, err
	}
	model, err := emily.Load(path, emily.WithDims(b.sizes))
	if err != nil {
		return nil, err
	}
	adamw, err := train.NewOptimizer("adamw")
	if err != nil {
		return nil, err
	}
	plan := train.Options{Loss: b.loss, Output: model.Outputs()[0].Name, Optimizer: adamw}
	trainer, err := emily.NewTrainer(ctx, model, plan, append(o.compileOptions(), emily.WithBackend(emily.MLX))...)
	if err != nil {
		return nil, errors.Join(err, model.Close())
	}
	t := &trainee{local: &local{model: model, meter: meter}, trainer: trainer, rate: o.rate, batch: map[string]ir.Datum{}}
	for i, name := range names {
		t.batch[name] = inputs[i]
	}
	t.trains, err = trained(trainer)
	return t, err
}

// labels are a wave, or each sample's class.
func (b training) labels(path string) (*ir.Tensor, error) {
	model, err := emily.Load(path, emily.WithDims(b.sizes))
	if err != nil {
		return nil, err
	}
	defer model.Close()
	shape, known := model.Outputs()[0].Type.Shape.Static()
	if !known {
		return nil, fmt.Errorf("%s: sizes of the output are not known: bind them", b.name)
	}
	if b.loss == "cross_entropy" {
		t := ir.NewTensor(ir.I64, shape[0])
		fill(t, func(i int) int64 { return int64(7 * (i + 1) % shape[1]) })
		return t, nil
	}
	t := ir.NewTensor(ir.F32, shape...)
	for i, v := 0, ir.View[float32](t); i < len(v); i++ {
		v[i] = float32(math.Sin(float64(i)))
	}
	return t, nil
}

func printSteps(o options, only string) {
	list := trainOnCPU
	if o.gpu {
		list = trainOnGPU
	}
	columns := strings.Join(o.engines, " | ")
	fmt.Printf("| model | Emily | %s | memory: Emily | %s |\n|---|---|---|%s\n", columns, columns, strings.Repeat("---|", 2*len(o.engines)))
	for _, b := range list {
		printRow(b, b.name, only, compareSteps, o)
	}
}

// compareSteps prints a row: Emily's median time and memory, and what these are of each other engine's.
func compareSteps(ctx context.Context, w io.Writer, b training, o options) error {
	path := b.path(o.graphs)
	names, inputs, err := b.inputs(path)
	if err != nil {
		return err
	}
	labels, err := b.labels(path)
	if err != nil {
		return err
	}
	names, inputs = append(names, train.Labels), append(inputs, labels)
	own, err := b.start(ctx, path, names, inputs, o)
	if err != nil {
		return err
	}
	folder, err := writeFolder(names, inputs)
	defer os.RemoveAll(folder)
	if err != nil {
		return err
	}
	flags := append(o.flags(), "--train", b.loss, "--rate", fmt.Sprint(o.rate))
	list, failed := start(ctx, own, b.benchmark, path, folder, flags, o)
	for i, e := range list {
		if failed[i] == nil && !strings.HasSuffix(e.about(), own.trains) {
			failed[i] = fmt.Errorf("%s, but Emily %s: does the graph share parameters? python/unshare.py parts them", e.about(), own.trains)
		}
	}
	times, err := takeTurns(list, failed, o)
	if err != nil {
		return err
	}
	cells := []string{b.name, fmt.Sprintf("%.0f ms", 1e3*median(slices.Concat(times[0]...)))}
	for i := range o.engines {
		cells = append(cells, ratios(times[0], times[i+1]))
	}
	peaks := peaksOf(list, failed)
	if failed[0] != nil {
		return failed[0]
	}
	cells = append(cells, fmt.Sprintf("%d, %d MB", peaks[0].process>>20, peaks[0].mlx>>20))
	for i := range o.engines {
		cells = append(cells, memoryRatios(peaks[0], peaks[i+1]))
	}
	err = agree(list, failed, o.engines, conformance.Tolerances{ir.F32: {Rel: 1e-3}})
	logFailures(b.name, failed)
	fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	return err
}

func peaksOf(list []engine, failed []error) []usage {
	peaks := make([]usage, len(list))
	for i, e := range list {
		if failed[i] == nil {
			peaks[i], failed[i] = e.memory()
		}
	}
	return peaks
}

// memoryRatios are those of the processes and of MLX's allocators.
func memoryRatios(own, other usage) string {
	cell := func(a, b int64) string {
		if a == 0 || b == 0 {
			return "–"
		}
		return fmt.Sprintf("%.2f", float64(a)/float64(b))
	}
	return cell(own.process, other.process) + ", " + cell(own.mlx, other.mlx)
}
