package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/train"
	"github.com/spf13/cobra"
)

// trainFlags are those of train.
type trainFlags struct {
	dims                        []string
	data, out, backend          string
	optimizer, schedule         string
	checkpoint, plot            string
	resume                      bool
	steps, warmup, batch, every int
	rate, clip, decay, momentum float64
	options                     train.Options
}

func newTrain(o *options) *cobra.Command {
	var f trainFlags
	cmd := &cobra.Command{
		Use:   "train MODEL --loss LOSS --data FILE.npz -o OUT.onnx",
		Short: "Train a model, and write it as ONNX",
		Long: `Train takes steps of an optimiser on the parameters of a model, its float initializers, and writes the model with what they became.

FILE.npz holds an array for each input of the model, by its name, and 'labels' for mse (of the output's shape) and cross_entropy (int64, without the axis of the classes). The first
axis of all is the samples, of which each step takes the next --batch, from the first again after the last.

With --precision the model and its gradients are computed in f16 or bf16; parameters, the optimiser's state and built-in losses stay f32. In f16 the loss is
scaled, so that gradients stay in its range: steps whose gradients overflow are skipped, and the scale halves.

A checkpoint holds parameters, the optimiser's state and the number of steps; --resume goes on from it, to --steps in all. It is written at the end, when
train is interrupted or a step fails, and every --checkpoint-every steps.`,
		Args: needs(1, 1, "MODEL"),
		Example: `emilyc train model.onnx --loss cross_entropy --data digits.npz --steps 500 --lr 1e-3 -o trained.onnx
emilyc train model.onnx --loss loss --data text.npz --optimizer lion --schedule cosine --warmup 10 --clip 1 -o trained.onnx
emilyc train model.onnx --loss mse --data x.npz --precision bf16 -o trained.onnx
emilyc train model.onnx --loss mse --data x.npz --steps 900 --checkpoint c.safetensors --checkpoint-every 100 --resume -o trained.onnx --plot loss.png`,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, o, args[0]) },
	}
	flags := cmd.Flags()
	addDims(cmd, &f.dims)
	addPrecision(cmd, &f.options.Precision)
	flags.StringVar(&f.options.Loss, "loss", "", "mse, cross_entropy, or a scalar output of the model")
	flags.StringVar(&f.options.Output, "of", "", "the output that mse and cross_entropy compare with the labels")
	flags.StringSliceVar(&f.options.Params, "params", nil, "comma-separated initializers to train (default all)")
	flags.StringVar(&f.data, "data", "", "the samples: FILE.npz")
	flags.StringVarP(&f.out, "output", "o", "", "the ONNX model to write")
	flags.StringVar(&f.optimizer, "optimizer", "adamw", "sgd, momentum, nesterov, adam, adamw, adagrad or lion")
	flags.Float64Var(&f.rate, "lr", 1e-3, "the learning rate")
	flags.StringVar(&f.schedule, "schedule", "constant", "of the learning rate: constant or cosine")
	flags.IntVar(&f.warmup, "warmup", 0, "steps over which the learning rate rises first")
	flags.Float64Var(&f.decay, "decay", 0, "weight decay (default 0.01 for adamw, else 0)")
	flags.Float64Var(&f.momentum, "momentum", 0.9, "of momentum and nesterov")
	flags.Float64Var(&f.clip, "clip", 0, "scale gradients down to this global norm; 0 leaves them")
	flags.IntVar(&f.steps, "steps", 100, "steps in all")
	flags.IntVar(&f.batch, "batch", 32, "samples of a step")
	flags.StringVar(&f.checkpoint, "checkpoint", "", "a file (.safetensors) to keep the state in, written at the end and on interruption")
	flags.IntVar(&f.every, "checkpoint-every", 0, "write the checkpoint after each so many steps too; 0 does not")
	flags.BoolVar(&f.resume, "resume", false, "go on from the checkpoint")
	flags.StringVar(&f.plot, "plot", "", "draw the losses of this run's steps: FILE.png")
	flags.StringVar(&f.backend, "backend", "auto", "interp, mlx, or auto: mlx where it is set up")
	return cmd
}

// trainReport is what train prints.
type trainReport struct {
	Steps   int     `json:"steps"`
	Losses  losses  `json:"losses"`
	Rate    float64 `json:"steps_per_second"`
	Skipped int     `json:"skipped_steps"`
	Scale   float64 `json:"loss_scale"`
	first   int     // the step of the first loss
}

// losses are null in JSON where they are not finite.
type losses []float64

func (l losses) MarshalJSON() ([]byte, error) {
	out := make([]*float64, len(l))
	for i, v := range l {
		if finite(v) {
			out[i] = &v
		}
	}
	return json.Marshal(out)
}

func (f *trainFlags) run(cmd *cobra.Command, o *options, path string) error {
	schedule, err := f.check(cmd)
	if err != nil {
		return err
	}
	dims, err := parseDims(cmd, f.dims)
	if err != nil {
		return err
	}
	model, err := emily.Load(path, emily.WithDims(dims))
	if err != nil {
		return err
	}
	defer model.Close()
	t, err := emily.NewTrainer(cmd.Context(), model, f.options, emily.WithBackend(emily.Backend(f.backend)))
	if err != nil {
		return err
	}
	defer t.Close()
	data, err := readSamples(f.data, t.Inputs(), f.batch)
	if err != nil {
		return err
	}
	if f.resume {
		if err := t.Restore(f.checkpoint); err != nil {
			return err
		}
	}
	if t.Count() >= f.steps {
		cmd.PrintErrf("%s holds %d steps already, of --steps %d: none is made\n", f.checkpoint, t.Count(), f.steps)
	}
	report, err := f.train(cmd, t, schedule, data)
	if err := f.keep(t, report, err); err != nil {
		return err
	}
	m, err := t.Module()
	if err != nil {
		return err
	}
	if err := emily.WriteONNX(m, f.out); err != nil {
		return err
	}
	return o.print(cmd, report, func(w *writer) {
		if n := len(report.Losses); n > 0 {
			w.printf("loss %.6g, then %.6g after %d steps, %.1f steps/s\n", report.Losses[0], report.Losses[n-1], t.Count(), report.Rate)
		}
		if report.Skipped > 0 {
			w.printf("%d of %d steps were skipped, as their gradients held inf or NaN; the loss scale is %g\n", report.Skipped, t.Count(), report.Scale)
		}
	})
}

// check reads what is no name of the model.
func (f *trainFlags) check(cmd *cobra.Command) (train.Schedule, error) {
	s := train.Schedule{Rate: f.rate, Warmup: f.warmup, Steps: f.steps, Cosine: f.schedule == "cosine"}
	var err error
	if f.options.Optimizer, err = train.NewOptimizer(f.optimizer); err != nil {
		return s, wrongUse(cmd, "--optimizer: %v", err)
	}
	f.options.Optimizer.Momentum, f.options.ClipNorm = f.momentum, f.clip
	if cmd.Flags().Changed("decay") {
		f.options.Optimizer.Decay = f.decay
	}
	switch {
	case f.options.Loss == "":
		return s, wrongUse(cmd, "--loss is missing: mse, cross_entropy, or an output of the model")
	case f.data == "":
		return s, wrongUse(cmd, "--data FILE.npz is missing")
	case f.out == "":
		return s, wrongUse(cmd, "-o OUT.onnx is missing")
	case f.schedule != "constant" && f.schedule != "cosine":
		return s, wrongUse(cmd, "--schedule %q: use constant or cosine", f.schedule)
	case f.steps < 0 || f.batch < 1:
		return s, wrongUse(cmd, "--steps %d --batch %d: wants steps from 0, and samples from 1 up", f.steps, f.batch)
	case f.every < 0:
		return s, wrongUse(cmd, "--checkpoint-every %d: wants a number of steps, or 0", f.every)
	case f.every > 0 && f.checkpoint == "":
		return s, wrongUse(cmd, "--checkpoint-every wants --checkpoint FILE")
	case f.plot != "" && filepath.Ext(f.plot) != ".png":
		return s, wrongUse(cmd, "--plot %s: wants FILE.png", f.plot)
	case f.resume && f.checkpoint == "":
		return s, wrongUse(cmd, "--resume wants --checkpoint FILE")
	}
	if err := errors.Join(s.Check(), f.options.Optimizer.Check()); err != nil {
		return s, wrongUse(cmd, "%v", err)
	}
	for _, path := range []string{f.out, f.checkpoint, f.plot} { // now rather than after all steps
		if info, err := os.Stat(filepath.Dir(path)); err != nil || !info.IsDir() {
			return s, wrongUse(cmd, "%s: there is no folder %s", path, filepath.Dir(path))
		}
	}
	return s, checkBackend(cmd, f.backend)
}

// errDiverged is why training ends; what the parameters have become by then is of no use.
var errDiverged = errors.New("the loss is no finite number")

// keep writes the checkpoint and the plot, of a run that failed too. It returns failed, or why it could not.
func (f *trainFlags) keep(t *emily.Trainer, r trainReport, failed error) error {
	if failed != nil && len(r.Losses) == 0 {
		return failed
	}
	if f.checkpoint != "" && !errors.Is(failed, errDiverged) {
		if err := t.Save(f.checkpoint); err != nil {
			return errors.Join(failed, err)
		}
		if failed != nil {
			failed = fmt.Errorf("%w; %s holds the %d steps before: go on with --resume", failed, f.checkpoint, t.Count())
		}
	}
	if f.plot != "" {
		return errors.Join(failed, plotLosses(f.plot, r.first, r.Losses))
	}
	return failed
}

func (f *trainFlags) train(cmd *cobra.Command, t *emily.Trainer, s train.Schedule, data *samples) (trainReport, error) {
	r := trainReport{Losses: losses{}, first: t.Count() + 1}
	bar := newProgress(max(0, f.steps-t.Count()))
	defer bar.end()
	start := time.Now()
	for t.Count() < f.steps {
		at := t.Count()
		loss, err := t.Step(cmd.Context(), s.At(at+1), data.batch(at))
		if cause := context.Cause(cmd.Context()); err != nil && cause != nil {
			err = cause
		}
		if err != nil {
			return r, fmt.Errorf("step %d: %w", at+1, err)
		}
		r.Losses = append(r.Losses, loss)
		if (math.IsNaN(loss) || math.IsInf(loss, 0)) && t.Skipped() == 0 { // one that is scaled is skipped, and may recover
			return r, fmt.Errorf("step %d: %w: lower --lr, --clip gradients, or look for such numbers in %s", at+1, errDiverged, f.data)
		}
		r.Rate = float64(len(r.Losses)) / time.Since(start).Seconds()
		bar.step(fmt.Sprintf("loss %.5g, %.1f steps/s", loss, r.Rate))
		if f.every > 0 && t.Count()%f.every == 0 && t.Count() < f.steps {
			if err := t.Save(f.checkpoint); err != nil {
				return r, err
			}
		}
	}
	r.Steps, r.Skipped, r.Scale = t.Count(), t.Skipped(), t.LossScale()
	return r, nil
}

// samples are arrays whose first axis is the samples.
type samples struct {
	arrays map[string]*ir.Tensor
	count  int // of samples
	size   int // of a batch
}

// batch is the one of that step, of which 0 is the first.
func (s *samples) batch(step int) map[string]ir.Datum {
	out := map[string]ir.Datum{}
	for name, t := range s.arrays {
		shape := append([]int{s.size}, t.Shape[1:]...)
		row := len(t.Data) / s.count
		b := &ir.Tensor{DType: t.DType, Shape: shape, Data: make([]byte, 0, row*s.size)}
		for i := range s.size {
			at := (step*s.size + i) % s.count
			b.Data = append(b.Data, t.Data[at*row:(at+1)*row]...)
		}
		out[name] = b
	}
	return out
}

// readSamples reads the arrays of path that have the names of ports.
func readSamples(path string, ports []emily.Port, size int) (*samples, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	s := &samples{arrays: map[string]*ir.Tensor{}}
	for _, p := range ports {
		t, err := readNPZ(file, p)
		if err != nil {
			return nil, err
		}
		if len(t.Shape) == 0 || t.Shape[0] == 0 || len(s.arrays) > 0 && t.Shape[0] != s.count {
			return nil, fmt.Errorf("%s: %q is %s: the first axis of all arrays is the samples, as many in each", path, p.Name, t.Type())
		}
		s.count, s.arrays[p.Name] = t.Shape[0], t
	}
	s.size = min(size, s.count)
	return s, nil
}
