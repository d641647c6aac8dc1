package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// benchResult is what bench measures.
type benchResult struct {
	Model   string        `json:"model"`
	Backend string        `json:"backend"`
	Sizes   string        `json:"unbound,omitempty"`
	Runs    int           `json:"runs"`
	Import  float64       `json:"import_s"`
	Passes  float64       `json:"passes_s"`
	Lower   float64       `json:"lower_s"`
	Load    float64       `json:"load_s"`
	First   float64       `json:"first_s"`
	Min     float64       `json:"min_s"`
	P50     float64       `json:"p50_s"`
	P90     float64       `json:"p90_s"`
	P99     float64       `json:"p99_s"`
	Memory  int64         `json:"peak_rss_bytes"`
	Device  int64         `json:"peak_mlx_bytes,omitempty"` // that MLX allocated
	Python  float64       `json:"python_p50_s,omitempty"`   // of the emitted program
	Ratio   float64       `json:"ratio,omitempty"`          // p50 / that
	Profile []profileJSON `json:"profile,omitempty"`        // by kind of op
	Nodes   []profileJSON `json:"profile_nodes,omitempty"`  // by node and kind
	Calls   []profileJSON `json:"profile_calls,omitempty"`  // by MLX's call
	Steps   *stepsJSON    `json:"steps,omitempty"`
}

func newBench(o *options) *cobra.Command {
	var f modelFlags
	var n, warmup, prompt, steps int
	var b backendFlags
	var profile, python bool
	cmd := &cobra.Command{
		Use:   "bench MODEL",
		Short: "Measure a model",
		Long: `Bench measures import, passes, lowering and loading, the first run, and then the times of N runs, each with its outputs
evaluated and read. Peak memory is the process's, weights that were read included; MLX's is what it allocated, without the weights
and inputs that it uses in place.

With --steps it then runs a decoder step by step, once with its past as inputs and once in a session, which keeps the cache.

With --profile it then runs the model call by call, each evaluated by itself, and shows where the time goes: by op, by
node, and by MLX's calls. The sum is more than a run takes, in which calls overlap or are fused.`,
		Args: needs(1, 1, "MODEL"),
		Example: `emilyc bench model.onnx
emilyc bench model.onnx -n 100 --backend mlx -d batch=8
emilyc bench model.onnx --backend mlx --python
emilyc bench model.onnx --profile
emilyc bench decoder.onnx --backend mlx --steps 32 --prompt 16`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if n < 1 || prompt < 1 {
				return wrongUse(cmd, "-n %d, --prompt %d: each wants a number from 1 up", n, prompt)
			}
			opts, err := b.options(cmd)
			if err != nil {
				return err
			}
			start := time.Now()
			l, err := f.load(cmd, args[0])
			if err != nil {
				return err
			}
			defer l.close()
			r := &benchResult{Model: args[0], Runs: n, Import: time.Since(start).Seconds()}
			inputs, sizes, err := l.inputs(f.seed)
			if err != nil {
				return err
			}
			r.Sizes = sizes.String()
			module := l.module.Clone()
			if err := r.measure(cmd, l, inputs, opts, warmup, profile, benchedSteps{prompt, steps, f.seed}); err != nil {
				return err
			}
			if python {
				t, err := conformance.BenchPython(cmd.Context(), module, b.precision, inputs, n)
				if err != nil {
					return err
				}
				r.Python, r.Ratio = t.P50, r.P50/t.P50
			}
			return o.print(cmd, r, r.print)
		},
	}
	f.add(cmd)
	cmd.Flags().IntVarP(&n, "runs", "n", 20, "how many runs")
	cmd.Flags().IntVar(&warmup, "warmup", 2, "runs before those that are measured")
	cmd.Flags().IntVar(&steps, "steps", 0, "steps of one token to measure, of a decoder with past inputs")
	cmd.Flags().IntVar(&prompt, "prompt", 16, "tokens of the step before those")
	cmd.Flags().BoolVar(&profile, "profile", false, "show the time of each op, node and MLX call")
	cmd.Flags().BoolVar(&python, "python", false, "time the emitted program under Python's MLX too, with the same BLAS")
	b.add(cmd)
	return cmd
}

func (r *benchResult) measure(cmd *cobra.Command, l *loaded, inputs []ir.Datum, opts []emily.CompileOption, warmup int, profile bool, steps benchedSteps) error {
	model, err := emily.FromModule(l.module)
	if err != nil {
		return err
	}
	defer model.Close()
	exe, err := model.Compile(cmd.Context(), opts...)
	if err != nil {
		return err
	}
	defer exe.Close()
	timing := exe.Timing()
	r.Backend, r.Passes, r.Lower, r.Load = string(timing.Backend), timing.Passes.Seconds(), timing.Lower.Seconds(), timing.Load.Seconds()
	onMLX := timing.Backend == emily.MLX && runtime.ResetMemory() == nil
	times := make([]float64, 0, r.Runs)
	for i := range 1 + warmup + r.Runs {
		start := time.Now()
		if _, err := exe.RunOrdered(cmd.Context(), inputs); err != nil {
			return err
		}
		t := time.Since(start).Seconds()
		if i == 0 {
			r.First = t
		}
		if i > warmup {
			times = append(times, t)
		}
	}
	slices.Sort(times)
	r.Min, r.P50, r.P90, r.P99 = times[0], quantile(times, 0.5), quantile(times, 0.9), quantile(times, 0.99)
	r.Memory = peakMemory()
	if m, err := runtime.Memory(); onMLX && err == nil {
		r.Device = m.Peak
	}
	if steps.count > 0 {
		if r.Steps, err = benchSteps(cmd, l, exe, steps); err != nil {
			return err
		}
	}
	if profile {
		return r.profile(cmd, exe, inputs)
	}
	return nil
}

// quantile is that of times in ascending order, 0 where there are none.
func quantile(times []float64, q float64) float64 {
	if len(times) == 0 {
		return 0
	}
	return times[min(len(times)-1, int(q*float64(len(times))))]
}

// peakMemory is the process's largest resident size in bytes, 0 where the system does not say.
func peakMemory() int64 {
	var u unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return int64(u.Maxrss) * maxrssUnit
}

func (r *benchResult) print(w *writer) {
	if r.Sizes != "" {
		w.printf("unbound dims: %s\n", r.Sizes)
	}
	rows := [][]string{{"backend", r.Backend}}
	for _, t := range []struct {
		name    string
		seconds float64
	}{
		{"import", r.Import}, {"passes", r.Passes}, {"lower", r.Lower}, {"load", r.Load}, {"first run", r.First},
		{"min", r.Min}, {"p50", r.P50}, {"p90", r.P90}, {"p99", r.P99},
	} {
		rows = append(rows, []string{t.name, fmt.Sprintf("%.3f ms", 1e3*t.seconds)})
	}
	if r.Python > 0 {
		rows = append(rows, []string{"python p50", fmt.Sprintf("%.3f ms", 1e3*r.Python)}, []string{"ratio", fmt.Sprintf("%.3f", r.Ratio)})
	}
	rows = append(rows, []string{"peak memory", bytesText(r.Memory)})
	if r.Device > 0 {
		rows = append(rows, []string{"MLX peak", bytesText(r.Device)})
	}
	rows = append(rows, []string{"runs", fmt.Sprint(r.Runs)})
	w.table(rows)
	if r.Steps != nil {
		r.Steps.print(w)
	}
	if len(r.Profile) > 0 {
		r.printProfile(w)
	}
}
