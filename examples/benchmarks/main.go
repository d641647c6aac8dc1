// Command benchmarks compares Emily with hand-written Python MLX, side by side: Emily in this process, each of the others
// in one of its own, taking turns for some rounds, with the same weights, inputs, MLX, BLAS and number of threads. Times
// include bringing inputs from the host and the output to it.
//
//	go run ./examples/benchmarks [-gpu] [-train] [-only NAME] [-engines mlx,onnxruntime] GRAPHS
//
// GRAPHS holds NAME/model.onnx; python/export.py writes it. docs/benchmarks.md says more.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
)

// options are the flags.
type options struct {
	graphs   string
	gpu      bool
	bf16     bool
	compiled bool
	tuning   mlx.Tuning
	rounds   int
	runs     int
	engines  []string
	rate     float64 // of learning
}

func main() {
	var o options
	var only, engines, without string
	var steps bool
	flag.BoolVar(&o.gpu, "gpu", false, "the models and sizes for a GPU")
	flag.BoolVar(&o.bf16, "bf16", false, "compute in bfloat16")
	flag.BoolVar(&o.compiled, "compiled", false, "run Emily's programs under mx::compile")
	flag.StringVar(&without, "without", "", "steps of lowering to leave out: stretches, packing, columns, vectors, blocks")
	flag.IntVar(&o.rounds, "rounds", 7, "how often the engines take turns")
	flag.IntVar(&o.runs, "runs", 0, "runs of each engine in a round; 0 for as many as take half a second")
	flag.Float64Var(&o.rate, "rate", 1e-5, "the learning rate of training steps")
	flag.StringVar(&only, "only", "", "benchmarks whose name holds this")
	flag.BoolVar(&steps, "train", false, "training steps instead of runs")
	flag.StringVar(&engines, "engines", "", "what to compare with: mlx, onnxruntime (the default), torch-eager, torch-compile; of steps mlx, mlx-compile (the default)")
	flag.Parse()
	if flag.NArg() != 1 || o.rounds < 1 {
		flag.Usage()
		os.Exit(2)
	}
	if err := o.leaveOut(without); err != nil {
		log.Fatal(err)
	}
	if engines == "" {
		engines = map[bool]string{false: "mlx,onnxruntime", true: "mlx,mlx-compile"}[steps]
	}
	o.graphs, o.engines = flag.Arg(0), strings.Split(engines, ",")
	if steps {
		printSteps(o, only)
	} else {
		printRuns(o, only)
	}
}

func printRuns(o options, only string) {
	list := onCPU
	if o.gpu {
		list = onGPU
	}
	fmt.Printf("| model | Emily | %s |\n|---|---|%s\n", strings.Join(o.engines, " | "), strings.Repeat("---|", len(o.engines)))
	for _, b := range list {
		printRow(b, b.name, only, compare, o)
	}
}

// printRow compares b where its name holds only.
func printRow[B any](b B, name, only string, compare func(context.Context, io.Writer, B, options) error, o options) {
	if !strings.Contains(name, only) {
		return
	}
	if err := compare(context.Background(), os.Stdout, b, o); err != nil {
		log.Fatalf("%s: %v", name, err)
	}
}

// compare prints a row: Emily's median time, and what it is of each other engine's. An engine that is not there, or
// cannot run the model, gets a dash, and the log says why.
func compare(ctx context.Context, w io.Writer, b benchmark, o options) error {
	path := b.path(o.graphs)
	names, inputs, err := b.inputs(path)
	if err != nil {
		return err
	}
	past, decodes := b.sizes[pastSize]
	load := []emily.LoadOption{emily.WithDims(b.sizes)}
	if decodes {
		load = []emily.LoadOption{emily.WithoutPadding()} // as mlx-lm
	}
	own, err := startEmily(ctx, path, inputs, load, o.compileOptions()...)
	if err != nil {
		return err
	}
	mine := engine(own)
	if decodes {
		if mine, err = startDecoding(own, names, int(past)); err != nil {
			return err
		}
	}
	folder, err := writeFolder(names, inputs)
	defer os.RemoveAll(folder)
	if err != nil {
		return err
	}
	list, failed := start(ctx, mine, b, path, folder, o.flags(), o)
	times, err := takeTurns(list, failed, o)
	if err != nil {
		return err
	}
	cells := []string{b.name, fmt.Sprintf("%.1f ms", 1e3*median(slices.Concat(times[0]...)))}
	for i := range o.engines {
		cells = append(cells, ratios(times[0], times[i+1]))
	}
	err = agree(list, failed, o.engines, o.tolerances())
	logFailures(b.name, failed)
	fmt.Fprintf(w, "| %s |\n", strings.Join(cells, " | "))
	return err
}

// leaveOut turns off steps of lowering, by their names.
func (o *options) leaveOut(names string) error {
	steps := map[string]*mlx.Switch{"stretches": &o.tuning.Stretches, "columns": &o.tuning.Columns, "packing": &o.tuning.Packing, "vectors": &o.tuning.Vectors, "blocks": &o.tuning.Blocks}
	for name := range strings.SplitSeq(names, ",") {
		if name == "" {
			continue
		}
		if steps[name] == nil {
			return fmt.Errorf("-without %s: use stretches, packing, columns, vectors or blocks", name)
		}
		*steps[name] = mlx.Off
	}
	return nil
}

// start puts the other engines behind Emily. Those that do not start have failed.
func start(ctx context.Context, own engine, b benchmark, path, folder string, flags []string, o options) (list []engine, failed []error) {
	list, failed = []engine{own}, make([]error, 1+len(o.engines))
	for i, name := range o.engines {
		r, err := startPython(ctx, name, b.twin, path, folder, flags)
		failed[i+1] = err
		list = append(list, r)
	}
	return list, failed
}

func logFailures(name string, failed []error) {
	for _, f := range failed {
		if f != nil {
			log.Printf("%s: %v", name, f)
		}
	}
}

func (o options) compileOptions() (list []emily.CompileOption) {
	list = append(list, emily.WithTuning(o.tuning))
	if o.bf16 {
		list = append(list, emily.WithPrecision(ir.BF16))
	}
	if o.compiled {
		list = append(list, emily.WithMLXCompile())
	}
	return list
}

func (o options) flags() (list []string) {
	if o.gpu {
		list = append(list, "--gpu")
	}
	if o.bf16 {
		list = append(list, "--bf16")
	}
	return list
}

// roundTime is how long an engine's turn takes where the number of runs is not given.
const roundTime = 500 * time.Millisecond

// takeTurns measures: times[engine][round] are seconds. Each engine warms up with two runs. Those that failed are left out.
func takeTurns(list []engine, failed []error, o options) (times [][][]float64, err error) {
	times = make([][][]float64, len(list))
	runs := make([]int, len(list))
	for i, e := range list {
		if failed[i] != nil {
			continue
		}
		warm, err := e.run(2)
		if failed[i] = err; err != nil {
			continue
		}
		log.Print(e.about())
		if _, failed[i] = e.memory(); failed[i] != nil {
			continue
		}
		if runs[i] = o.runs; o.runs == 0 {
			runs[i] = max(1, int(roundTime.Seconds()/warm[1]))
		}
	}
	if failed[0] != nil {
		return nil, failed[0]
	}
	for range o.rounds {
		for i, e := range list {
			if failed[i] != nil {
				continue
			}
			var t []float64
			t, failed[i] = e.run(runs[i])
			times[i] = append(times[i], t)
		}
	}
	return times, failed[0]
}

// tolerances are those between the first outputs of two engines.
func (o options) tolerances() conformance.Tolerances {
	switch {
	case o.bf16:
		return conformance.Tolerances{ir.F32: conformance.Lanes[ir.BF16]}
	case o.gpu: // products of f32 round their operands to TF32, which has the mantissa of f16, and they do on both sides
		f16 := conformance.Lanes[ir.F16]
		f16.Rel, f16.Abs = 2*f16.Rel, 2*f16.Abs
		return conformance.Tolerances{ir.F32: f16}
	}
	return conformance.Lanes
}

// agree ends the engines and compares their first outputs with Emily's. Peers of random weights have nothing to compare.
func agree(list []engine, failed []error, names []string, tol conformance.Tolerances) error {
	var want *ir.Tensor
	var errs []error
	for i, e := range list {
		if failed[i] != nil {
			continue
		}
		got, err := e.finish()
		switch {
		case err != nil:
			errs = append(errs, err)
		case i == 0:
			want = got
		case !strings.HasPrefix(names[i-1], "torch"):
			if d := conformance.CompareDatum(names[i-1], got, want, conformance.Scaled(tol, want)); d != nil {
				errs = append(errs, d)
			}
		}
	}
	return errors.Join(errs...)
}
