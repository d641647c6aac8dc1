// Package rewrite is what the passes share: a rule proposes, one applier disposes. The applier checks that types
// stay what they were, keeps provenance, numbers the rewrites and can stop after any of them, so that a wrong
// one is found by bisection.
package rewrite

import (
	"fmt"
	"strings"

	"github.com/emilyc/emily/ir"
)

// EvalFunc runs an op without regions on constant operands, an absent one being nil. passes get one from
// outside, so that they do not depend on an interpreter.
type EvalFunc func(op *ir.Op, args []ir.Datum) ([]ir.Datum, error)

// Context is what one run of a pipeline shares between its passes.
type Context struct {
	Eval      EvalFunc   // nil: nothing is evaluated at compile time
	StopAfter int        // make no rewrite past this one; 0: no limit
	Trace     func(Step) // called before each rewrite; may be nil
	Exact     bool       // refuse what would make sizes or values better known than they are
	Explain   func(Near) // called for patterns that nearly matched; may be nil

	Pass    string         // that runs now
	Rules   map[string]int // rewrites of that pass, by rule
	Refused map[string]int // proposals of that pass that the applier refused, by rule
	steps   int
	last    Step
}

// Step is one rewrite of a run. Steps are numbered from 1 over all passes.
type Step struct {
	N    int
	Pass string
	Rule string
	Loc  ir.Loc // of the op that is replaced
	Op   string // that is replaced, in short
}

func (s Step) String() string {
	out := fmt.Sprintf("step %d: %s/%s rewrites %s", s.N, s.Pass, s.Rule, s.Op)
	if l := s.Loc.String(); l != "" {
		out += " of " + l
	}
	return out
}

// Near is an attempt to find a pattern that came as far as an op which tells the pattern from others, and no further.
type Near struct {
	Pattern string
	Key     *ir.Op // that op
	Depth   int    // ops that matched
	Loc     ir.Loc // of what stopped it
	Value   string // that stopped it, in short
	Reason  string
}

// Begin starts a pass.
func (c *Context) Begin(pass string) {
	c.Pass, c.Rules, c.Refused = pass, map[string]int{}, map[string]int{}
}

// Steps is the number of rewrites so far.
func (c *Context) Steps() int { return c.steps }

// Last is the latest rewrite.
func (c *Context) Last() Step { return c.last }

// Done reports whether the limit of rewrites is reached.
func (c *Context) Done() bool { return c.StopAfter > 0 && c.steps >= c.StopAfter }

// Step numbers a rewrite of op that is about to be made. It returns false when it must not be made.
func (c *Context) Step(rule string, op *ir.Op) bool {
	if c.Done() {
		return false
	}
	c.steps++
	if c.Rules == nil {
		c.Begin(c.Pass)
	}
	c.Rules[rule]++
	if c.Trace != nil || c.steps == c.StopAfter {
		c.last = Step{c.steps, c.Pass, rule, op.Location(), describe(op)}
		if c.Trace != nil {
			c.Trace(c.last)
		}
	}
	return true
}

// Describe is v in short: the op that makes it, or its type.
func Describe(v *ir.Value) string {
	switch {
	case v == nil:
		return "none"
	case v.Def == nil:
		return v.Type.String()
	case v.Def.Kind == ir.Const:
		return "const : " + v.Type.String()
	}
	return describe(v.Def)
}

// describe is an op in short: add(f32[2], f32[2]) : f32[2].
func describe(op *ir.Op) string {
	args := make([]string, len(op.Args))
	for i, a := range op.Args {
		args[i] = "none"
		if a != nil {
			args[i] = a.Type.String()
		}
	}
	results := make([]string, len(op.Results))
	for i, r := range op.Results {
		results[i] = r.Type.String()
	}
	return fmt.Sprintf("%s(%s) : %s", op.Kind, strings.Join(args, ", "), strings.Join(results, ", "))
}
