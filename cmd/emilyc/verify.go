package main

import (
	"sync"
	"time"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/ir"
	"github.com/spf13/cobra"
)

// suiteFlags are those of verify and conformance.
type suiteFlags struct {
	lanes    string
	rel, abs float64
	fallback string
	half     ir.DType
	bisect   bool
	timeout  time.Duration
	jobs     int
	seed     uint64
	dims     []string
}

func (f *suiteFlags) add(cmd *cobra.Command, lanes string, jobs int, timeout time.Duration) {
	fs := cmd.Flags()
	fs.StringVar(&f.lanes, "lanes", lanes, "ways to run, compared with each other; see below")
	fs.Float64Var(&f.rel, "rtol", -1, "relative tolerance in place of the usual ones")
	fs.Float64Var(&f.abs, "atol", -1, "absolute tolerance in place of the usual ones")
	fs.StringVar(&f.fallback, "fallback", "warn", "of ops that MLX cannot run: error, warn or silent")
	fs.BoolVar(&f.bisect, "bisect", false, "name the first op, or the rewrite, at which a failing lane differs")
	fs.DurationVar(&f.timeout, "timeout", timeout, "for each case; 0 for none")
	fs.IntVarP(&f.jobs, "jobs", "j", jobs, "cases at a time; 0 for as many as there are cores")
	fs.Uint64Var(&f.seed, "seed", 0, "of random inputs")
	addDims(cmd, &f.dims)
	addPrecision(cmd, &f.half)
	cmd.Long += "\n\nLanes:\n"
	for _, l := range conformance.AllLanes {
		cmd.Long += "  " + l.Name + ": " + l.Doc + "\n"
	}
}

func (f *suiteFlags) options(cmd *cobra.Command) (conformance.Options, error) {
	o := conformance.Options{Rel: f.rel, Abs: f.abs, Seed: f.seed, Timeout: f.timeout, Jobs: f.jobs, Bisect: f.bisect}
	var err error
	if o.Lanes, err = conformance.SelectLanes(f.lanes); err != nil {
		return o, wrongUse(cmd, "%v", err)
	}
	if o.Lane.Fallback, err = emily.ParseFallback(f.fallback); err != nil {
		return o, wrongUse(cmd, "%v", err)
	}
	o.Lane.Precision = f.half
	o.Dims, err = parseDims(cmd, f.dims)
	return o, err
}

// defaultLanes are those that this machine has.
const defaultLanes = "interp,interp-opt"

func newVerify(o *options) *cobra.Command {
	var f suiteFlags
	cmd := &cobra.Command{
		Use:   "verify PATH…",
		Short: "Compare ways of running models with recorded results and with each other",
		Long: `Verify runs models on several lanes and compares what comes out.

A PATH is a model, a case folder in the layout of the ONNX backend tests (model.onnx and
test_data_set_*/{input,output}_*.pb), or a folder of either at any depth. Every lane is compared with the recorded outputs
where there are some; else inputs are random from a seed, and lanes are compared with the first one. Dims
that stay unbound get small sizes (batch 1, others 8), and the output says so. With -d, recorded data is not used.

The last line counts cases; a case passes when every lane does.`,
		Args: needs(1, -1, "PATH"),
		Example: `emilyc verify model.onnx
emilyc verify models/ --lanes interp,mlx --fallback=error
emilyc verify model.onnx --lanes interp,mlx -d batch=2 -d sequence=64 --bisect`,
		RunE: func(cmd *cobra.Command, args []string) error {
			opts, err := f.options(cmd)
			if err != nil {
				return err
			}
			var cases []conformance.Case
			for _, path := range args {
				found, err := conformance.Find(path)
				if err != nil {
					return err
				}
				cases = append(cases, found...)
			}
			results := runCases(cmd, o, cases, opts)
			return reportCases(cmd, o, results, true)
		},
	}
	f.add(cmd, defaultLanes, 1, 10*time.Minute)
	return cmd
}

func runCases(cmd *cobra.Command, o *options, cases []conformance.Case, opts conformance.Options) []conformance.Result {
	bar := newProgress(len(cases))
	defer bar.end()
	opts.Done = func(r conformance.Result) { bar.step(r.Case.Name) }
	opts.Lane.Warn = warnOnce(cmd, bar)
	return conformance.Run(cmd.Context(), cases, opts)
}

// warnOnce prints each warning once: data sets and lanes repeat them.
func warnOnce(cmd *cobra.Command, bar *progress) func(string) {
	var mu sync.Mutex
	seen := map[string]bool{}
	return func(s string) {
		mu.Lock()
		defer mu.Unlock()
		if !seen[s] {
			seen[s] = true
			bar.end()
			cmd.PrintErrln("warning:", s)
		}
	}
}

func reportCases(cmd *cobra.Command, o *options, results []conformance.Result, table bool) error {
	s := conformance.Summarise(results)
	err := o.print(cmd, conformance.ToJSON(results), func(w *writer) {
		if table {
			w.err = conformance.PrintTable(w, results)
		}
		conformance.PrintFailures(w, results, o.verbose)
		w.printf("%s\n", s)
	})
	if err == nil && s.Failed > 0 {
		err = errDiffers
	}
	return err
}
