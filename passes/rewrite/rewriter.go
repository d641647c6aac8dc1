package rewrite

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// Rule proposes a replacement for an op of one of its kinds.
type Rule struct {
	Name  string
	Doc   string
	Kinds []ir.Kind // none: every kind
	// Rewrite returns a value for each result of op, or nil to leave op alone. The values exist already or are
	// made with the Rewriter, before op. They are the same bit for bit, unless the pass says otherwise.
	Rewrite func(*Rewriter, *ir.Op) []*ir.Value
	// Refines: the new types may say constant sizes where the old ones have symbols.
	Refines bool
}

// Rewriter is what a rule sees of its surroundings, and where it builds: in a region of its own, so that facts a proposal would need
// are seen.
type Rewriter struct {
	*Context
	*ir.Builder
	op    *ir.Op
	in    *ir.Region // that the builder's region is made in
	scope *scope
	facts []ir.Fact // that hold where the proposal is accepted
}

// begin turns to op. A builder that nothing was built with serves again.
func (rw *Rewriter) begin(op *ir.Op, s *scope) {
	if rw.in != op.Region || !rw.clean() || len(rw.Region().Ops) > 0 {
		rw.Builder, rw.in = ir.NewBuilder(op.Region.NewRegion()), op.Region
	}
	rw.op, rw.scope, rw.facts, rw.Loc = op, s, nil, op.Loc
}

// One wraps the replacement of an op with one result.
func One(v *ir.Value) []*ir.Value { return []*ir.Value{v} }

// Like makes an op with one result, whose sizes that only a run can tell are named as those of the op that is
// rewritten.
func (rw *Rewriter) Like(k ir.Kind, a ir.Attrs, args ...*ir.Value) *ir.Value {
	if op := rw.Insert(k, a, nil, []ir.Type{rw.op.Result().Type}, args...); op != nil {
		return op.Result()
	}
	return &ir.Value{}
}

// Inline copies the ops of a region that always runs where the rewritten op stands, and returns what it yields.
func (rw *Rewriter) Inline(r *ir.Region, args []*ir.Value) []*ir.Value {
	values := map[*ir.Value]*ir.Value{}
	for i, p := range r.Params {
		values[p] = args[i]
	}
	to := rw.Region()
	for _, op := range r.Ops {
		if op.Kind != ir.Yield {
			to.Ops = append(to.Ops, op.CopyTo(to, values))
		}
	}
	rw.facts = append(rw.facts, r.Facts.List...)
	out := make([]*ir.Value, len(r.Results()))
	for i, v := range r.Results() {
		out[i] = values[v]
	}
	return out
}

// Defined reports whether all symbols of the dims have a value where the op stands.
func (rw *Rewriter) Defined(dims ...ir.Dim) bool {
	ok := true
	for _, d := range dims {
		if d == ir.Unknown {
			return false
		}
		d.Symbols(func(s ir.Dim) { ok = ok && rw.scope.has(s) })
	}
	return ok
}

// SameType reports whether a and b are the same under the facts known here.
func (rw *Rewriter) SameType(a, b ir.Type) bool { return rw.op.Region.SameType(a, b) }

// SameDim reports whether a and b are the same under the facts known here.
func (rw *Rewriter) SameDim(a, b ir.Dim) bool { return rw.op.Region.SameDim(a, b) }

// scope is the symbols that have a value at some point: those of the function's inputs everywhere, those that name
// run-time sizes from the op on that defines them, in its region.
type scope struct {
	inputs map[ir.Dim]bool
	own    map[ir.Dim]bool
}

func newScope(f *ir.Func) *scope {
	s := &scope{map[ir.Dim]bool{}, map[ir.Dim]bool{}}
	for _, p := range f.Inputs() {
		for _, d := range bareSymbols(p) {
			s.inputs[d] = true
		}
	}
	return s
}

func (s *scope) has(d ir.Dim) bool { return s.inputs[d] || s.own[d] }

func (s *scope) inner() *scope { return &scope{s.inputs, map[ir.Dim]bool{}} }

func (s *scope) define(op *ir.Op) {
	for _, v := range op.Results {
		for _, d := range v.Type.Shape {
			if d.Op() == ir.DimSym && !s.inputs[d] {
				s.own[d] = true
			}
		}
	}
}

// names reports whether a result of op has a size with a symbol that is no input's.
func (s *scope) names(op *ir.Op) bool {
	return slices.ContainsFunc(op.Results, func(v *ir.Value) bool {
		return slices.ContainsFunc(v.Type.Shape, func(d ir.Dim) bool { return d.Op() == ir.DimSym && !s.inputs[d] })
	})
}

// bareSymbols are the sizes of v that are a symbol and nothing else: the shape of v gives the symbol its value.
func bareSymbols(v *ir.Value) []ir.Dim {
	var out []ir.Dim
	for _, d := range v.Type.Shape {
		if d.Op() == ir.DimSym {
			out = append(out, d)
		}
	}
	return out
}
