// Package passes runs pipelines of rewrites over a module. A pipeline is data; each pass is a package below this one, and
// most are lists of rules for the driver in passes/rewrite.
package passes

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/cse"
	"github.com/emilyc/emily/passes/dce"
	"github.com/emilyc/emily/passes/decompose"
	"github.com/emilyc/emily/passes/fold"
	"github.com/emilyc/emily/passes/fuse"
	"github.com/emilyc/emily/passes/precision"
	"github.com/emilyc/emily/passes/rewrite"
	"github.com/emilyc/emily/passes/shapes"
	"github.com/emilyc/emily/passes/simplify"
)

// Pass is a step of a pipeline.
type Pass struct {
	Name  string
	Doc   string
	Run   func(*ir.Module, *rewrite.Context) error
	After []string       // passes that must come earlier in a pipeline that has them
	Exact bool           // results keep their bits
	Rules []rewrite.Rule // that it consists of; nil for a pass that is more than rules
}

// All are the passes, by which names are resolved.
var All = []Pass{
	{Name: "shapes", Doc: "known sizes become const and dims", Run: shapes.Run, Exact: true, Rules: shapes.Rules},
	{Name: "simplify", Doc: "identities and chains", Run: simplify.Run, After: []string{"shapes"}, Exact: true, Rules: simplify.Rules},
	{Name: "fold", Doc: "ops on small constants become their value", Run: fold.Run, After: []string{"shapes"}, Exact: true, Rules: fold.Rules},
	{Name: "cse", Doc: "equal ops become one", Run: cse.Run, After: []string{"simplify", "fold"}, Exact: true},
	{Name: "dce", Doc: "what no result needs goes", Run: dce.Run, After: []string{"cse"}, Exact: true},
	{Name: "decompose", Doc: "composites become the primitives that define them", Run: decompose.Run, Rules: decompose.Rules},
	{Name: "fuse", Doc: "ops that make up a composite become it", Run: fuse.Run, After: []string{"simplify", "fold", "cse", "dce"}, Rules: fuse.Rules},
	{Name: "f16", Doc: "what is f32 is computed in f16 where that does little harm", Run: precision.Run(ir.F16), After: []string{"fuse"}},
	{Name: "bf16", Doc: "what is f32 is computed in bf16 where that does little harm", Run: precision.Run(ir.BF16), After: []string{"fuse"}},
}

// Default is the standard pipeline. Folding makes sizes and conditions known, so that what depends on them runs twice; it comes
// after simplify, which drops expands of constants that folding would write out. Fusing wants each value once, and leaves
// what simplifies and folds.
var Default = named("shapes", "simplify", "fold", "shapes", "simplify", "fold", "cse", "dce", "fuse", "simplify", "fold", "cse", "dce", "fuse")

// InPrecision is the pipeline, and after it the passes by which programs of f32 compute in d, f16 or bf16. f32, or no dtype,
// adds none.
func InPrecision(pipeline []Pass, d ir.DType) ([]Pass, error) {
	switch d {
	case ir.Invalid, ir.F32:
		return pipeline, nil
	case ir.F16, ir.BF16:
		return slices.Concat(pipeline, named(d.String(), "simplify", "fold", "cse", "dce")), nil
	}
	return nil, fmt.Errorf("no programs in %s: use f32, f16 or bf16", d)
}

// Names are the names of All.
func Names() []string {
	out := make([]string, len(All))
	for i, p := range All {
		out[i] = p.Name
	}
	return out
}

func find(name string) (Pass, bool) {
	i := slices.IndexFunc(All, func(p Pass) bool { return p.Name == name })
	if i < 0 {
		return Pass{}, false
	}
	return All[i], true
}

func named(names ...string) []Pass {
	out := make([]Pass, len(names))
	for i, n := range names {
		p, ok := find(n)
		if !ok {
			panic("no pass " + n)
		}
		out[i] = p
	}
	return out
}

// Pipeline resolves a comma-separated list of names. "default" is Default; an empty list is no pass at all.
func Pipeline(list string) ([]Pass, error) {
	var out []Pass
	for name := range strings.SplitSeq(list, ",") {
		switch name = strings.TrimSpace(name); name {
		case "":
		case "default":
			out = append(out, Default...)
		default:
			p, ok := find(name)
			if !ok {
				return nil, fmt.Errorf("unknown pass %q: there are default, %s", name, strings.Join(Names(), ", "))
			}
			out = append(out, p)
		}
	}
	return out, CheckOrder(out)
}

// CheckOrder reports a pass that comes before one that it must come after.
func CheckOrder(pipeline []Pass) error {
	first := map[string]int{}
	for i, p := range pipeline {
		if _, ok := first[p.Name]; !ok {
			first[p.Name] = i
		}
	}
	for _, p := range pipeline {
		for _, before := range p.After {
			if i, ok := first[before]; ok && i > first[p.Name] {
				return fmt.Errorf("pass %s must come after %s", p.Name, before)
			}
		}
	}
	return nil
}

// Options say how a pipeline runs.
type Options struct {
	Eval       rewrite.EvalFunc     // what fold evaluates with, such as interp.EvalOp; nil: nothing is folded
	Verify     bool                 // run the verifier after every pass
	StopAfter  int                  // make no rewrite past this one, counted over all passes; 0: no limit
	Disable    []string             // names of passes to leave out
	PrintAfter map[string]io.Writer // where to print the module after the pass of that name, or after "all"
	Trace      func(rewrite.Step)   // called before each rewrite
	Explain    func(rewrite.Near)   // called for patterns that nearly matched
}

// Stats are what a run of a pipeline did.
type Stats struct {
	Passes []PassStats
	Steps  int          // rewrites made
	Last   rewrite.Step // the one at StopAfter
}

// PassStats are what one pass did.
type PassStats struct {
	Pass    string
	Time    time.Duration
	Before  int // ops, those in regions included
	After   int
	Rules   map[string]int // rewrites by rule
	Refused map[string]int // proposals by rule that broke the rules of the applier: a mistake in the rule
}

// Run runs the pipeline over m, in place. An error is that of a pass, or of the verifier after it.
//
// Where what passes find out shows that an op must fail, it may be in a branch that is never taken, or fail only when it
// is run: such a module is optimised by the rewrites alone that find out nothing more about sizes and values, and
// its functions are then new ones.
func Run(m *ir.Module, pipeline []Pass, o Options) (Stats, error) {
	before := m.Clone()
	st, err := run(m, pipeline, o, false)
	if doomed := (*rewrite.DoomedError)(nil); errors.As(err, &doomed) {
		restore(m, before)
		return run(m, pipeline, o, true)
	}
	return st, err
}

// restore makes m what its clone is.
func restore(m, clone *ir.Module) {
	m.Funcs, m.Blobs, m.Locs = clone.Funcs, clone.Blobs, clone.Locs
	for _, f := range m.Funcs {
		f.Module = m
	}
}

func run(m *ir.Module, pipeline []Pass, o Options, exact bool) (Stats, error) {
	for _, name := range o.Disable {
		if _, ok := find(name); !ok {
			return Stats{}, fmt.Errorf("unknown pass %q to disable: there are %s", name, strings.Join(Names(), ", "))
		}
	}
	c := &rewrite.Context{Eval: o.Eval, StopAfter: o.StopAfter, Trace: o.Trace, Explain: o.Explain, Exact: exact}
	var st Stats
	for _, p := range pipeline {
		if slices.Contains(o.Disable, p.Name) {
			continue
		}
		if c.Done() {
			break
		}
		ps, err := runPass(m, p, c, o)
		st.Passes = append(st.Passes, ps)
		if err != nil {
			return st, fmt.Errorf("pass %s: %w", p.Name, err)
		}
	}
	st.Steps, st.Last = c.Steps(), c.Last()
	return st, nil
}

func runPass(m *ir.Module, p Pass, c *rewrite.Context, o Options) (PassStats, error) {
	c.Begin(p.Name)
	ps := PassStats{Pass: p.Name, Before: countOps(m)}
	start := time.Now()
	err := p.Run(m, c)
	ps.Time, ps.After, ps.Rules, ps.Refused = time.Since(start), countOps(m), c.Rules, c.Refused
	if err != nil {
		return ps, err
	}
	for _, name := range []string{p.Name, "all"} {
		if w := o.PrintAfter[name]; w != nil {
			if _, err := fmt.Fprintf(w, "// after %s\n%s", p.Name, m); err != nil {
				return ps, err
			}
		}
	}
	if o.Verify {
		return ps, ir.Verify(m)
	}
	return ps, nil
}

func countOps(m *ir.Module) int {
	n := 0
	for _, f := range m.Funcs {
		f.Body.Walk(func(*ir.Op) { n++ })
	}
	return n
}

// String is a table: a line for each pass, and one for each rule that applied.
func (s Stats) String() string {
	var b strings.Builder
	for _, p := range s.Passes {
		fmt.Fprintf(&b, "%-10s %8d -> %-8d ops  %v\n", p.Pass, p.Before, p.After, p.Time.Round(time.Microsecond))
		for _, r := range slices.Sorted(maps.Keys(p.Rules)) {
			fmt.Fprintf(&b, "  %-24s %8d\n", r, p.Rules[r])
		}
		for _, r := range slices.Sorted(maps.Keys(p.Refused)) {
			fmt.Fprintf(&b, "  %-24s %8d refused\n", r, p.Refused[r])
		}
	}
	return b.String()
}
