package conformance

import (
	"context"
	"fmt"
	"slices"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes"
)

// plainLane is the lane without passes that each lane with passes is judged by.
var plainLane = map[string]Lane{
	"interp-opt": laneNamed("interp"), "mlx": laneNamed("mlx-noopt"), "mlx-compiled": laneNamed("mlx-noopt"), "python": laneNamed("mlx-noopt"),
	"onnx": {Name: "onnx without passes", Compile: exported},
}

// bisect says where a lane that differs goes wrong first: at an op, or, where the program as imported is right, at a
// rewrite. What it finds comes as an error, to be shown with the difference.
func (r *caseRun) bisect(ctx context.Context, l Lane, t *trial) error {
	b := &bisection{ctx: ctx, lane: l, opts: r.Lane, trial: t}
	if plain, ok := plainLane[l.Name]; ok {
		b.lane = plain
		if wrong, err := b.wrong(t.module); err == nil && !wrong {
			return b.rewrite(l)
		}
	}
	return b.firstOp()
}

// bisection looks for the first difference of a lane from the oracle.
type bisection struct {
	ctx   context.Context
	lane  Lane
	opts  LaneOptions
	trial *trial
}

// wrong reports whether the lane gives other outputs for m than it should.
func (b *bisection) wrong(m *ir.Module) (bool, error) {
	out, err := runLane(b.ctx, b.lane, m.Clone(), b.trial.inputs, b.opts)
	if err != nil {
		return false, err
	}
	return b.trial.compare(out) != nil, nil
}

// rewrite finds the pass's rewrite after which results differ.
func (b *bisection) rewrite(l Lane) error {
	if l.Name == "onnx" {
		b.opts.Precision = ir.F32
	}
	pipeline, err := passes.InPrecision(passes.Default, b.opts.Precision)
	if err != nil {
		return err
	}
	b.opts.Precision = ir.F32 // by the pipeline alone
	step, found, err := passes.Bisect(b.trial.module, pipeline, passes.Options{Eval: interp.EvalOp}, b.wrong)
	switch {
	case err != nil:
		return fmt.Errorf("bisection: %w", err)
	case !found:
		return fmt.Errorf("bisection: lane %s agrees, before and after every rewrite: %s differs only as a whole", b.lane.Name, l.Name)
	}
	return fmt.Errorf("bisection: results differ from %v on", step)
}

// probes is how many values are compared in one run.
const probes = 16

// firstOp finds the first op, in program order, with a result that differs from the interpreter's. It narrows down a range
// of ops by comparing some of their results at a time, which takes few runs for a large model; where
// differences come and go it finds one of the places where one comes.
func (b *bisection) firstOp() error {
	ops := b.candidates()
	var last *Difference
	lo, hi := 0, len(ops) // it is in ops[lo:hi], the last of which differs once last is set
	for hi-lo > 1 || last == nil && hi > lo {
		at := spread(lo, hi)
		i, diff, err := b.firstOf(ops, at)
		if err != nil {
			return fmt.Errorf("bisection: %w", err)
		}
		if diff == nil {
			break
		}
		if i > 0 {
			lo = at[i-1] + 1
		}
		hi, last = at[i]+1, diff
	}
	if last == nil {
		return fmt.Errorf("bisection: no op differs by itself: only the outputs do")
	}
	op := b.trial.module.Main().Body.Ops[ops[hi-1]]
	return fmt.Errorf("bisection: the first op that differs is %s, %s: %s", where(op), op.Kind, last.Error())
}

func where(op *ir.Op) string {
	if s := op.Location().String(); s != "" {
		return s
	}
	return "an op without a location"
}

// candidates are the indices of the ops with tensor results that are no constants.
func (b *bisection) candidates() []int {
	var list []int
	for i, op := range b.trial.module.Main().Body.Ops {
		if op.Kind != ir.Const && op.Kind != ir.Yield && len(op.Results) > 0 && op.Result().Type.IsTensor() {
			list = append(list, i)
		}
	}
	return list
}

// spread are at most probes indices in [lo, hi), the last one included.
func spread(lo, hi int) []int {
	n := hi - lo
	k := min(n, probes)
	at := make([]int, k)
	for i := range k {
		at[i] = lo + (i+1)*n/k - 1
	}
	return slices.Compact(at)
}

// firstOf runs the lane and the interpreter with the results of the chosen ops as outputs, and returns the first that differs.
func (b *bisection) firstOf(ops, at []int) (int, *Difference, error) {
	chosen := make([]int, len(at))
	for i, k := range at {
		chosen[i] = ops[k]
	}
	m, ends, err := probe(b.trial.module, chosen)
	if err != nil {
		return 0, nil, err
	}
	want, err := runLane(b.ctx, AllLanes[0], m.Clone(), b.trial.inputs, b.opts)
	if err != nil {
		return 0, nil, err
	}
	got, err := runLane(b.ctx, b.lane, m.Clone(), b.trial.inputs, b.opts)
	if err != nil {
		return 0, nil, err
	}
	from := 0
	for i, end := range ends {
		for k := from; k < end; k++ {
			name := m.Main().Outputs[k]
			if d := CompareDatum(name, got[k], want[k], Scaled(Lanes, want[k])); d != nil {
				return i, d, nil
			}
		}
		from = end
	}
	return 0, nil, nil
}

// probe is a copy of m whose outputs are the results of some ops of its main function; ends are where those of
// each op end.
func probe(m *ir.Module, ops []int) (*ir.Module, []int, error) {
	c := m.Clone()
	f := c.Main()
	yield := f.Body.Terminator()
	yield.DropArgs(0)
	f.Outputs = nil
	var ends []int
	for _, i := range ops {
		for k, v := range f.Body.Ops[i].Results {
			yield.AddArg(v)
			f.Outputs = append(f.Outputs, fmt.Sprintf("%d:%d", i, k))
		}
		ends = append(ends, len(f.Outputs))
	}
	dce, err := passes.Pipeline("dce")
	if err != nil {
		return nil, nil, err
	}
	_, err = passes.Run(c, dce, passes.Options{})
	return c, ends, err
}
