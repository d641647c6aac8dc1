package rewrite

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// maxSweeps bounds the sweeps over a function, maxDepth the rewrites of what a rewrite made within one sweep. Rules
// that undo each other end there.
const (
	maxSweeps = 32
	maxDepth  = 16
)

// Apply rewrites m by the rules to a fixed point, or until the context is Done. Sweeps run in program order, operands
// before their users and regions before the op that holds them, so that chains collapse in one sweep. Each is
// linear in the number of ops.
func Apply(m *ir.Module, c *Context, rules []Rule) error {
	table := byKind(rules)
	for _, f := range m.Funcs {
		for range maxSweeps {
			s := &sweep{Context: c, rules: table, rw: Rewriter{Context: c}, scope: newScope(f), refined: map[*ir.Value]bool{}, lost: map[ir.Dim]bool{}}
			s.body(f.Body)
			if s.err != nil {
				return s.err
			}
			if !s.changed || c.Done() {
				break
			}
		}
	}
	return nil
}

func byKind(rules []Rule) *[ir.NumKinds][]*Rule {
	var t [ir.NumKinds][]*Rule
	for i := range rules {
		r := &rules[i]
		if len(r.Kinds) == 0 {
			for k := range t {
				t[k] = append(t[k], r)
			}
		}
		for _, k := range r.Kinds {
			t[k] = append(t[k], r)
		}
	}
	return &t
}

type sweep struct {
	*Context
	rules   *[ir.NumKinds][]*Rule
	scope   *scope
	rw      Rewriter           // of the rule that runs
	refined map[*ir.Value]bool // values whose elements or sizes are better known than when their users were inferred
	lost    map[ir.Dim]bool    // symbols that no op defines any more, as facts say what they are
	changed bool
	err     error
}

// body rebuilds the ops of r into a list of their own, so that an insertion costs nothing.
func (s *sweep) body(r *ir.Region) {
	outer := s.scope
	if r.Parent != nil {
		s.scope = outer.inner()
	}
	old := r.Ops
	r.Ops = make([]*ir.Op, 0, len(old))
	for _, op := range old {
		s.visit(op, 0)
	}
	r.Ops = slices.DeleteFunc(r.Ops, erased)
	s.scope = outer
}

// An erased op has no region; it leaves the list at the end of the sweep.
func erased(op *ir.Op) bool { return op.Region == nil }

func (s *sweep) visit(op *ir.Op, depth int) {
	if erased(op) {
		return
	}
	s.settle(op, s.bodies(op))
	if depth < maxDepth {
		for _, rule := range s.rules[op.Kind] {
			if s.Done() || s.err != nil {
				break
			}
			if made, ok := s.try(rule, op); ok {
				s.changed = true
				for _, n := range made {
					s.visit(n, depth+1)
				}
				return
			}
		}
	}
	s.scope.define(op)
	op.Region.Ops = append(op.Region.Ops, op)
}

// bodies sweeps the regions of op, and reports whether they changed.
func (s *sweep) bodies(op *ir.Op) bool {
	if len(op.Regions) == 0 {
		return false
	}
	before := s.changed
	s.changed = false
	for _, r := range op.Regions {
		s.body(r)
	}
	changed := s.changed
	s.changed = changed || before
	return changed
}

// try lets the rule propose and, where the proposal holds, replaces op. It returns the ops that were made.
func (s *sweep) try(rule *Rule, op *ir.Op) ([]*ir.Op, bool) {
	rw := &s.rw
	rw.begin(op, s.scope)
	values := rule.Rewrite(rw, op)
	if values == nil || !s.accepts(rule, rw, values) || !s.Step(rule.Name, op) {
		rw.drop()
		return nil, false
	}
	made := rw.take()
	for _, f := range rw.facts {
		op.Region.Assume(f)
	}
	for i, v := range values {
		s.replace(op.Results[i], v)
	}
	loc := op.Loc
	from := s.erase(op, nil)
	for _, n := range slices.Backward(made) {
		if s.dead(n) {
			from = s.erase(n, from)
		}
	}
	keepOrigin(made, loc, from)
	return made, true
}

// drop undoes what was built.
func (rw *Rewriter) drop() {
	for _, op := range rw.Region().Ops {
		op.Detach()
	}
}

// take moves what was built to the region of the op that is rewritten.
func (rw *Rewriter) take() []*ir.Op {
	ops := rw.Region().Ops
	for _, op := range ops {
		op.Region = rw.op.Region
	}
	return ops
}

// clean reports whether building met no error and relied on no new fact.
func (rw *Rewriter) clean() bool { return rw.Err() == nil && len(rw.Region().Facts.List) == 0 }

// accepts checks a proposal: as many values as results, of the same types, that rely on no new fact. A proposal that
// breaks these is a mistake in the rule, unless the rule refines, as that cannot know whether it may.
func (s *sweep) accepts(rule *Rule, rw *Rewriter, values []*ir.Value) bool {
	op := rw.op
	if !rw.clean() || len(values) != len(op.Results) || slices.Contains(values, nil) {
		s.Refused[rule.Name]++
		return false
	}
	for i, v := range values {
		old := op.Results[i]
		switch same := v != old && rw.SameType(old.Type, v.Type); {
		case s.Exact && (!same || v.Sym != nil && !slices.Equal(old.Sym, v.Sym)):
			return false
		case !same && !(rule.Refines && refines(rw, old.Type, v.Type)):
			if !rule.Refines {
				s.Refused[rule.Name]++
			}
			return false
		case !s.keepsNames(rw, old, v):
			return false
		}
	}
	return true
}

// refines reports whether b is a with constants for some symbolic sizes.
func refines(rw *Rewriter, a, b ir.Type) bool {
	if !a.IsTensor() || !b.IsTensor() || a.DType != b.DType || a.Rank() != b.Rank() {
		return false
	}
	for i, d := range a.Shape {
		if !rw.SameDim(d, b.Shape[i]) && (d.Op() != ir.DimSym || rw.scope.inputs[d] || !b.Shape[i].IsConst()) {
			return false
		}
	}
	return true
}

// keepsNames reports whether each symbol that only old defines is defined by v too, or is something else by facts.
func (s *sweep) keepsNames(rw *Rewriter, old, v *ir.Value) bool {
	for i, d := range old.Type.Shape {
		if !s.loses(d, v) || v.Type.Shape[i].IsConst() {
			continue
		}
		if e := rw.op.Region.Reduce(d); !rw.Defined(e) {
			return false
		}
	}
	return true
}

// loses reports whether d is a symbol that no op defines once v stands for what has a size of d.
func (s *sweep) loses(d ir.Dim, v *ir.Value) bool {
	return d.Op() == ir.DimSym && !s.scope.has(d) && !slices.Contains(v.Type.Shape, d)
}

// replace makes the users of old use v, and notes what they may learn from it.
func (s *sweep) replace(old, v *ir.Value) {
	r := old.Def.Region
	for i, d := range old.Type.Shape {
		n := v.Type.Shape[i]
		if !r.SameDim(d, n) {
			r.Assume(ir.Fact{Rel: ir.EQ, A: d, B: n, Loc: old.Def.Loc})
			s.refined[v] = true
		}
		if s.loses(d, v) {
			s.lost[d] = true
		}
	}
	if s.refined[old] || v.Sym != nil && !slices.Equal(old.Sym, v.Sym) {
		s.refined[v] = true
	}
	old.ReplaceUses(v)
}
