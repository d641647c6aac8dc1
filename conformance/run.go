package conformance

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/ir"
)

// Options say how cases are run.
type Options struct {
	Lanes    []Lane
	Lane     LaneOptions
	Dims     map[string]int64 // sizes by symbol or input axis; with any, recorded data is not used
	Rel, Abs float64          // replace those of the tolerances where not negative
	Seed     uint64           // of random inputs
	Timeout  time.Duration    // per case; 0: none
	Jobs     int              // cases at a time; 0: as many as there are cores
	Bisect   bool             // look for the op or the rewrite at which a failing lane first differs
	Done     func(Result)     // called after each case, one at a time; may be nil
}

// Result is how one case went.
type Result struct {
	Case  Case
	Op    string // the operator of a model that has only one
	Notes []string
	Lanes []LaneResult
	Time  time.Duration

	Expected  string // why it was expected to fail, of a case that does
	Undecided bool   // it failed, and rounding decides whether it does
}

// LaneResult is how one lane went.
type LaneResult struct {
	Lane  string
	Err   error // nil: passed
	Stack string
	Time  time.Duration
}

// Passed reports whether every lane passed.
func (r *Result) Passed() bool {
	return len(r.Lanes) > 0 && !slices.ContainsFunc(r.Lanes, func(l LaneResult) bool { return l.Err != nil })
}

// Run runs cases, several at a time, and returns their results in order. A panic or a timeout in a case is a
// failure of that case. When ctx ends, the cases that remain fail with its error.
func Run(ctx context.Context, cases []Case, o Options) []Result {
	jobs := o.Jobs
	if jobs <= 0 {
		jobs = runtime.GOMAXPROCS(0)
	}
	results := make([]Result, len(cases))
	dims := dimsOf(cases, o.Dims)
	next := make(chan int)
	var wg sync.WaitGroup
	var done sync.Mutex
	for range min(jobs, max(1, len(cases))) {
		wg.Go(func() {
			for i := range next {
				o := o
				o.Dims = dims[i]
				results[i] = runCase(ctx, cases[i], o)
				if o.Done != nil {
					done.Lock()
					o.Done(results[i])
					done.Unlock()
				}
			}
		})
	}
	for i := range cases {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}

// dimsOf gives each of several cases the sizes whose names its model has. A name that no model has stays with all of
// them, which then say so.
func dimsOf(cases []Case, dims map[string]int64) []map[string]int64 {
	own := make([]map[string]int64, len(cases))
	used := map[string]bool{}
	for i, c := range cases {
		own[i] = dims
		if len(cases) == 1 || len(dims) == 0 || c.Exec != nil {
			continue
		}
		model, err := emily.Load(c.Model)
		if err != nil {
			continue // said where the case is run
		}
		own[i] = map[string]int64{}
		for _, name := range model.DimNames() {
			if n, ok := dims[name]; ok {
				own[i][name], used[name] = n, true
			}
		}
		model.Close()
	}
	for name, n := range dims {
		for i := range own {
			if !used[name] && len(cases) > 1 {
				own[i] = maps.Clone(own[i])
				own[i][name] = n
			}
		}
	}
	return own
}

// grace is how long a case may take to notice that its time is up, before it is left behind.
const grace = 5 * time.Second

func runCase(ctx context.Context, c Case, o Options) Result {
	start := time.Now()
	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.Timeout)
		defer cancel()
	}
	got := make(chan Result, 1)
	go func() {
		r := &caseRun{Options: o, result: Result{Case: c}}
		defer func() {
			if p := recover(); p != nil {
				r.panicked(p, string(debug.Stack()))
			}
			got <- r.result
		}()
		r.run(ctx)
	}()
	var r Result
	select {
	case r = <-got:
	case <-ctx.Done():
		select {
		case r = <-got:
		case <-time.After(grace):
			r = Result{Case: c}
			r.failAll(o.Lanes, fmt.Errorf("does not stop: %w", ctx.Err()))
		}
	}
	r.Time = time.Since(start)
	return r
}

// failAll makes every lane fail with err.
func (r *Result) failAll(lanes []Lane, err error) {
	r.Lanes = nil
	for _, l := range lanes {
		r.Lanes = append(r.Lanes, LaneResult{Lane: l.Name, Err: err})
	}
}

// caseRun is one case being run.
type caseRun struct {
	Options
	result Result
}

func (r *caseRun) panicked(p any, stack string) {
	err := fmt.Errorf("panic: %v", p)
	n := len(r.result.Lanes)
	if n == 0 {
		r.result.failAll(r.Options.Lanes, err)
		n = 1
	}
	r.result.Lanes[n-1].Err, r.result.Lanes[n-1].Stack = err, stack
}

func (r *caseRun) run(ctx context.Context) {
	r.result.Op = singleOp(r.result.Case.Model)
	if err := r.sets(ctx); err != nil {
		r.result.failAll(r.Options.Lanes, err)
	}
}

// sets runs every data set, or random inputs where there is none.
func (r *caseRun) sets(ctx context.Context) error {
	if r.result.Case.Exec != nil {
		return r.exec(ctx)
	}
	model, err := emily.Load(r.result.Case.Model, emily.WithDims(r.Dims))
	if err != nil {
		return err
	}
	defer model.Close()
	for _, l := range r.Options.Lanes {
		r.result.Lanes = append(r.result.Lanes, LaneResult{Lane: l.Name})
	}
	if len(r.result.Case.DataSets) == 0 || len(r.Dims) > 0 {
		return r.random(ctx, model)
	}
	file, err := onnx.Open(r.result.Case.Model)
	if err != nil {
		return err
	}
	defer file.Close()
	for _, dir := range r.result.Case.DataSets {
		set, err := readDataSet(file.Model, dir)
		if err != nil {
			return err
		}
		if err := r.golden(ctx, model, set); err != nil {
			return err
		}
	}
	return nil
}

// golden compares every lane with recorded outputs.
func (r *caseRun) golden(ctx context.Context, model *emily.Model, set *DataSet) error {
	module, inputs, err := bound(model, set.Inputs)
	if err != nil {
		return err
	}
	t := trial{module: module, inputs: inputs, want: set.Want, drawn: drawingOf(r.result.Case.Name)}
	t.tol, t.scaled = r.bounds(Golden, false)
	for i := range r.Options.Lanes {
		r.try(ctx, i, &t)
	}
	return nil
}

// random compares every lane with the first, on inputs made for the module.
func (r *caseRun) random(ctx context.Context, model *emily.Model) error {
	module, err := model.Module()
	if needs := (*onnx.NeedsValue)(nil); errors.As(err, &needs) && len(needs.Sizes) > 0 {
		if model, err = r.sized(model); err != nil {
			return err
		}
		defer model.Close()
		module, err = model.Module()
	}
	var given map[string]ir.Datum
	if needs := (*onnx.NeedsValue)(nil); errors.As(err, &needs) && len(needs.Inputs) > 0 {
		if given, err = r.values(model); err == nil {
			module, _, err = model.Specialise(given)
		}
	}
	if err != nil {
		return err
	}
	inputs, sizes, err := MakeInputs(module.Main(), InputOptions{Seed: r.Seed, Given: given})
	if err != nil {
		return err
	}
	if s := sizes.String(); s != "" {
		r.result.Notes = append(r.result.Notes, "unbound dims: "+s)
	}
	t := trial{module: module, inputs: inputs}
	t.tol, t.scaled = r.bounds(Lanes, true)
	for i := range r.Options.Lanes {
		out := r.try(ctx, i, &t)
		if i > 0 {
			continue
		}
		if out == nil {
			first := r.result.Lanes[0]
			for k := 1; k < len(r.Options.Lanes); k++ {
				r.result.Lanes[k].Err = fmt.Errorf("nothing to compare with: lane %s failed", first.Lane)
			}
			return nil
		}
		t.want = out
	}
	return nil
}

// values are random inputs for the declared types, for a model whose import needs to know some of them.
func (r *caseRun) values(model *emily.Model) (map[string]ir.Datum, error) {
	f := ir.NewModule(model.Name()).NewFunc("main")
	for _, p := range model.Inputs() {
		f.Body.AddParam(p.Name, p.Type)
	}
	list, _, err := MakeInputs(f, InputOptions{Seed: r.Seed})
	if err != nil {
		return nil, err
	}
	given := map[string]ir.Datum{}
	for i, p := range f.Inputs() {
		given[p.Name] = list[i]
	}
	return given, nil
}

// sized is the model with sizes for all symbols of its inputs, for one whose import needs some of them.
func (r *caseRun) sized(model *emily.Model) (*emily.Model, error) {
	f := ir.NewModule(model.Name()).NewFunc("main")
	known := map[ir.Dim]int64{}
	for _, p := range model.Inputs() {
		f.Body.AddParam(p.Name, p.Type)
		for axis, d := range p.Type.Shape {
			if n, ok := r.Dims[fmt.Sprintf("%s.%d", p.Name, axis)]; ok {
				known[d] = n
			}
			if n, ok := r.Dims[d.Name()]; ok {
				known[d] = n
			}
		}
	}
	sizes, err := ChooseSizes(f, known)
	if err != nil {
		return nil, err
	}
	r.result.Notes = append(r.result.Notes, "unbound dims: "+sizes.String())
	dims := maps.Clone(r.Dims)
	if dims == nil {
		dims = map[string]int64{}
	}
	for s, n := range sizes.Of {
		dims[s.Name()] = n
	}
	return emily.Load(model.Path(), emily.WithDims(dims))
}

// bound is the module specialised for what the import needs of the inputs, and the inputs that remain, in order.
func bound(model *emily.Model, inputs map[string]ir.Datum) (*ir.Module, []ir.Datum, error) {
	module, _, err := model.Specialise(inputs)
	if err != nil {
		return nil, nil, err
	}
	var list []ir.Datum
	for _, in := range module.Main().Inputs() {
		v, ok := inputs[in.Name]
		if !ok {
			return nil, nil, fmt.Errorf("the data has no input %q", in.Name)
		}
		list = append(list, v)
	}
	return module, list, nil
}

// bounds are t, unless lanes compute in half: f32 is then as exact as that, and in units of each output's scale.
func (r *caseRun) bounds(t Tolerances, scaled bool) (Tolerances, bool) {
	if d := r.Lane.Precision; d == ir.F16 || d == ir.BF16 {
		t, scaled = maps.Clone(Lanes), true
		t[ir.F32] = Halves[d]
	}
	return t.With(r.Rel, r.Abs), scaled
}

// trial is one set of inputs for the lanes of a case.
type trial struct {
	module *ir.Module
	inputs []ir.Datum
	want   []ir.Datum // nil: nothing to compare with yet
	tol    Tolerances
	scaled bool // tolerances are in units of each output's scale
	drawn  drawing
}

// try runs lane i and compares its outputs, which it returns unless the lane failed.
func (r *caseRun) try(ctx context.Context, i int, t *trial) []ir.Datum {
	l, res := r.Options.Lanes[i], &r.result.Lanes[i]
	if res.Err != nil { // in an earlier data set
		return nil
	}
	start := time.Now()
	out, err := r.safely(ctx, l, t.module.Clone(), t.inputs, res)
	res.Time += time.Since(start)
	if err == nil && t.want != nil {
		if d := t.compare(out); d != nil {
			err = d
			if r.Bisect {
				err = errors.Join(err, r.bisect(ctx, l, t))
			}
		}
	}
	if res.Err = err; err != nil {
		return nil
	}
	return out
}

func (t *trial) compare(out []ir.Datum) *Difference {
	want := t.want
	if len(want) < len(out) { // recorded data may lack trailing outputs
		out = out[:len(want)]
	}
	tol := t.tol
	names := t.module.Main().Outputs
	if t.drawn != notDrawn && len(out) == 1 && len(want) == 1 && len(t.inputs) == 1 {
		return compareBernoulli(fmt.Sprintf("%q", names[0]), t.drawn, out[0], want[0], t.inputs[0])
	}
	if !t.scaled {
		return Compare(names, out, want, tol)
	}
	if len(out) != len(want) {
		return Compare(names, out, want, tol)
	}
	for i := range want {
		name := fmt.Sprintf("%q", names[i])
		if d := CompareDatum(name, out[i], want[i], Scaled(tol, want[i])); d != nil {
			return d
		}
	}
	return nil
}

// safely runs a lane so that a panic in it is an error of it alone.
func (r *caseRun) safely(ctx context.Context, l Lane, m *ir.Module, inputs []ir.Datum, res *LaneResult) (out []ir.Datum, err error) {
	defer func() {
		if p := recover(); p != nil {
			err, res.Stack = fmt.Errorf("panic: %v", p), string(debug.Stack())
		}
	}()
	return runLane(ctx, l, m, inputs, r.Lane)
}

func runLane(ctx context.Context, l Lane, m *ir.Module, inputs []ir.Datum, o LaneOptions) ([]ir.Datum, error) {
	runner, err := l.Compile(ctx, m, o)
	if err != nil {
		return nil, err
	}
	defer runner.Close()
	return runner.RunOrdered(ctx, inputs)
}

// singleOp is the operator of a model with one node, with its domain, empty for others.
func singleOp(path string) string {
	if !strings.HasSuffix(path, ".onnx") {
		return ""
	}
	f, err := onnx.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if nodes := f.Model.Graph.Node; len(nodes) == 1 {
		return strings.Clone(opName(nodes[0].GetDomain(), nodes[0].GetOpType()))
	}
	return ""
}
