package rewrite

import (
	"fmt"
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
			s := &sweep{Context: c, rules: table, scope: newScope(f), refined: map[*ir.Value]bool{}, lost: map[ir.Dim]bool{}}
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
	rw := &Rewriter{Context: s.Context, op: op, scope: s.scope}
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
	if rw.made != nil {
		for _, op := range rw.made.Region().Ops {
			op.Detach()
		}
	}
}

// take moves what was built to the region of the op that is rewritten.
func (rw *Rewriter) take() []*ir.Op {
	if rw.made == nil {
		return nil
	}
	ops := rw.made.Region().Ops
	for _, op := range ops {
		op.Region = rw.op.Region
	}
	return ops
}

// clean reports whether building met no error and relied on no new fact.
func (rw *Rewriter) clean() bool {
	return rw.made == nil || rw.made.Err() == nil && len(rw.made.Region().Facts.List) == 0
}

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

// settle brings op up to date with what rewrites before it have made known.
func (s *sweep) settle(op *ir.Op, bodies bool) {
	if len(s.lost) > 0 {
		s.mend(op)
	}
	if !bodies && !slices.ContainsFunc(op.Args, func(v *ir.Value) bool { return s.refined[v] }) {
		return
	}
	have := make([]ir.Type, len(op.Results))
	for i, v := range op.Results {
		have[i] = v.Type
	}
	inferred, err := ir.InferTypes(op, have)
	if err != nil {
		s.err = err
		return
	}
	for i, v := range op.Results {
		s.refine(op, v, inferred[i])
	}
}

// refine takes over what inference says of v now, where that is more.
func (s *sweep) refine(op *ir.Op, v *ir.Value, to ir.Inferred) {
	more := false
	for i, d := range to.Type.Shape {
		have := v.Type.Shape[i]
		if have == d {
			continue
		}
		if !op.Region.SameDim(have, d) {
			more = true
			if !op.Region.Assume(ir.Fact{Rel: ir.EQ, A: have, B: d, Loc: op.Loc}) {
				s.err = fmt.Errorf("%s: %s was inferred as %s, and now as %s", op.Location(), op.Kind, v.Type, to.Type)
				return
			}
		}
		if d.IsConst() {
			more = true
			v.Type.Shape = slices.Clone(v.Type.Shape)
			v.Type.Shape[i] = d
			if s.loses(have, v) {
				s.lost[have] = true
			}
		}
	}
	if to.Sym != nil && !slices.Equal(v.Sym, to.Sym) {
		more = true
		v.Sym = to.Sym
	}
	if more {
		s.refined[v], s.changed = true, true
	}
}

// mend replaces lost symbols in what op says of sizes.
func (s *sweep) mend(op *ir.Op) {
	for _, v := range op.Results {
		v.Type.Shape, v.Sym = s.known(op.Region, v.Type.Shape), s.known(op.Region, v.Sym)
	}
	switch a := op.Attrs.(type) {
	case *ir.DimsAttrs:
		op.Attrs = &ir.DimsAttrs{Values: s.known(op.Region, a.Values), Scalar: a.Scalar}
	case *ir.SplitAttrs:
		op.Attrs = &ir.SplitAttrs{Axis: a.Axis, Sizes: s.known(op.Region, a.Sizes)}
	}
}

// known is dims by what facts say of lost symbols; the list itself where that changes nothing.
func (s *sweep) known(r *ir.Region, dims []ir.Dim) []ir.Dim {
	out, own := dims, false
	for i, d := range dims {
		e := d.Subst(func(a ir.Dim) (ir.Dim, bool) { return r.Reduce(a), s.lost[a] })
		if e == d {
			continue
		}
		if !own {
			out, own = slices.Clone(dims), true
		}
		out[i] = e
	}
	return out
}

// dead reports whether op may go at once. An op that names a run-time size is left to the pass dce, which knows
// whether the name is used.
func (s *sweep) dead(op *ir.Op) bool {
	return Removable(op) && Unused(op) && !s.scope.names(op)
}

// erase removes op, whose results have no users, and what only served it. It appends where these came from to from.
func (s *sweep) erase(op *ir.Op, from []ir.LocID) []ir.LocID {
	stack := []*ir.Op{op}
	for len(stack) > 0 {
		o := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if erased(o) {
			continue
		}
		if o.Loc != 0 && o.Kind != ir.Const && !slices.Contains(from, o.Loc) {
			from = append(from, o.Loc)
		}
		args := slices.Clone(o.Args)
		o.Detach()
		o.Region = nil
		for _, a := range args {
			if a != nil && a.Def != nil && !erased(a.Def) && s.dead(a.Def) {
				stack = append(stack, a.Def)
			}
		}
	}
	return from
}

// keepOrigin gives the ops that were made at loc a location that also names what else they replace.
func keepOrigin(made []*ir.Op, loc ir.LocID, from []ir.LocID) {
	id := ir.LocID(0)
	for _, op := range made {
		if erased(op) || op.Kind == ir.Const || op.Loc != loc {
			continue
		}
		if id == 0 {
			id = joinLocs(op.Region.Func.Module, loc, from)
		}
		op.Loc = id
	}
}

// joinLocs is loc with the others as its origins. Origins that it has already stay one level down.
func joinLocs(m *ir.Module, loc ir.LocID, others []ir.LocID) ir.LocID {
	l := m.Locs[loc]
	if l.From == nil {
		others = slices.DeleteFunc(others, func(id ir.LocID) bool { return id == loc })
	}
	if len(others) == 0 || l.From != nil && len(others) == 1 && others[0] == loc {
		return loc
	}
	l.From = others
	return m.AddLoc(l)
}

// keep are the kinds that must not be removed even where nothing uses their results.
var keep = [ir.NumKinds]bool{ir.Yield: true}

// Removable reports whether op may be removed where nothing uses its results.
func Removable(op *ir.Op) bool { return !keep[op.Kind] }

// Unused reports whether no result of op has a user.
func Unused(op *ir.Op) bool {
	return !slices.ContainsFunc(op.Results, func(v *ir.Value) bool { return len(v.Uses()) > 0 })
}
