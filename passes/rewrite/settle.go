package rewrite

import (
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
)

// DoomedError says that what rewrites made known of sizes and values shows that an op must fail, if it is ever run. The
// module is then no longer valid; rewrites with Context.Exact keep it so.
type DoomedError struct{ Err error }

func (e *DoomedError) Error() string { return e.Err.Error() }

func (e *DoomedError) Unwrap() error { return e.Err }

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
		s.err = &DoomedError{err}
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
				s.err = &DoomedError{fmt.Errorf("%s: %s was inferred as %s, and now as %s", op.Location(), op.Kind, v.Type, to.Type)}
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
