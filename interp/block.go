package interp

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// block is a region in a form that runs: values are slots of a frame.
type block struct {
	region *ir.Region
	steps  []step
	slots  int
	own    []ir.Dim  // symbols that get their size inside the region, anew each time
	facts  []ir.Fact // decided when the parameters are bound
}

type step struct {
	op       *ir.Op
	kernel   Kernel
	args     []int // slots, -1 for an absent operand
	results  []int
	dead     []int // slots that no later step reads
	constant *ir.Tensor
	flip     bool      // the result is a flippedMatrix
	facts    []ir.Fact // decided by the sizes of the results
}

// compile numbers the values of r, finds their last uses, and sorts facts by when they can be checked.
// seen are the symbols that are bound when the region is entered.
func (p *Program) compile(r *ir.Region, seen map[ir.Dim]bool) (*block, error) {
	b := &block{region: r}
	p.blocks[r] = b
	slot := map[*ir.Value]int{}
	define := func(v *ir.Value) int {
		slot[v] = b.slots
		b.slots++
		return b.slots - 1
	}
	at := map[ir.Dim]int{} // symbol → the step that binds it, -1 for the parameters
	bind := func(t ir.Type, step int) {
		for _, d := range t.Shape {
			if d.Op() == ir.DimSym && !seen[d] {
				seen[d], at[d] = true, step
				b.own = append(b.own, d)
			}
		}
	}
	for _, v := range r.Params {
		define(v)
		bind(v.Type, -1)
	}
	last := make([]int, 0, len(r.Ops)+len(r.Params)) // slot → its last use
	for len(last) < b.slots {
		last = append(last, -1)
	}
	for i, op := range r.Ops {
		if op.Kind == ir.NoKind || op.Kind >= ir.NumKinds {
			return nil, opError(op, ir.Malformed, "", "op of kind %s", op.Kind)
		}
		s := step{op: op, kernel: Kernels[op.Kind], flip: flips(op), args: make([]int, len(op.Args)), results: make([]int, len(op.Results))}
		for k, a := range op.Args {
			if s.args[k] = -1; a == nil {
				continue
			}
			n, ok := slot[a]
			if !ok {
				return nil, opError(op, ir.Malformed, "", "%s uses a value that its region does not define before it", op.Kind)
			}
			s.args[k], last[n] = n, i
		}
		for _, sub := range op.Regions {
			if _, err := p.compile(sub, seen); err != nil {
				return nil, err
			}
		}
		for k, v := range op.Results {
			s.results[k] = define(v)
			last = append(last, i)
			bind(v.Type, i)
		}
		if op.Kind == ir.Const {
			t, err := op.Attrs.(*ir.ConstAttrs).Tensor()
			if err != nil {
				return nil, opError(op, ir.ValueError, "const_c2", "%v", err)
			}
			s.constant = t
		}
		b.steps = append(b.steps, s)
	}
	if r.Terminator() == nil {
		return nil, &ir.Error{Kind: ir.Malformed, Loc: ir.Loc{File: r.Func.Module.Name}, Msg: "function " + r.Func.Name + ": a region does not end in yield"}
	}
	for n, i := range last {
		if i >= 0 {
			b.steps[i].dead = append(b.steps[i].dead, n)
		}
	}
	b.placeFacts(seen, at)
	for _, d := range b.own {
		delete(seen, d)
	}
	return b, nil
}

// placeFacts puts each fact where the last of its symbols gets a size. A fact about a symbol that never gets
// one is left to the kernels, which check the sizes they see.
func (b *block) placeFacts(seen map[ir.Dim]bool, at map[ir.Dim]int) {
	for _, f := range b.region.Facts.List {
		when, known := -1, true
		for _, d := range []ir.Dim{f.A, f.B} {
			d.Symbols(func(s ir.Dim) {
				known = known && seen[s]
				if i, ok := at[s]; ok {
					when = max(when, i)
				}
			})
		}
		switch {
		case !known:
		case when < 0:
			b.facts = append(b.facts, f)
		default:
			b.steps[when].facts = append(b.steps[when].facts, f)
		}
	}
}

// run evaluates a block whose parameters are args.
func (e *Env) run(b *block, args []ir.Datum) ([]ir.Datum, error) {
	frame := make([]ir.Datum, b.slots)
	copy(frame, args)
	if err := e.checkFacts(b, b.facts); err != nil {
		return nil, err
	}
	for i := range b.steps {
		s := &b.steps[i]
		if err := e.ctx.Err(); err != nil {
			return nil, err
		}
		results, err := e.step(s, frame)
		if err != nil {
			return nil, err
		}
		if s.op.Kind == ir.Yield {
			return results, nil
		}
		for k, v := range results {
			frame[s.results[k]] = v
		}
		for _, n := range s.dead {
			frame[n] = nil
		}
		if err := e.checkFacts(b, s.facts); err != nil {
			return nil, err
		}
	}
	return nil, nil // compile made sure of a yield
}

func (e *Env) step(s *step, frame []ir.Datum) ([]ir.Datum, error) {
	if s.constant != nil {
		return []ir.Datum{s.constant}, nil
	}
	args := make([]ir.Datum, len(s.args))
	for k, n := range s.args {
		if n >= 0 {
			args[k] = frame[n]
		}
	}
	if s.flip {
		return []ir.Datum{flippedMatrix{args[0].(*ir.Tensor)}}, nil
	}
	kernel := s.kernel
	if e.timer != nil {
		kernel = func(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
			return e.timer.run(e, s.kernel, op, args)
		}
	}
	results, err := kernel(e, s.op, args)
	if err != nil || s.op.Kind == ir.Yield {
		return results, err
	}
	if len(results) != len(s.op.Results) {
		return nil, opError(s.op, ir.Malformed, "", "%s has %d results, its op %d", s.op.Kind, len(results), len(s.op.Results))
	}
	for k, v := range results {
		if err := e.conform(s.op, "result", s.op.Results[k].Type, v); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// call runs a region of op on args: one evaluation of a branch or a loop body.
func (e *Env) call(op *ir.Op, r *ir.Region, args []ir.Datum) ([]ir.Datum, error) {
	b := e.prog.blocks[r]
	for _, d := range b.own {
		delete(e.syms, d)
	}
	for i, v := range r.Params {
		if args[i] == nil {
			return nil, opError(op, ir.Malformed, "", "%s: region parameter %d is bound to nothing", op.Kind, i)
		}
		if err := e.conform(op, "region parameter", v.Type, args[i]); err != nil {
			return nil, err
		}
	}
	return e.run(b, args)
}

// checkFacts checks what inference took for granted.
func (e *Env) checkFacts(b *block, facts []ir.Fact) error {
	for _, f := range facts {
		x, okA := e.eval(f.A)
		y, okB := e.eval(f.B)
		if !okA || !okB {
			continue
		}
		if holds, known := (ir.Fact{Rel: f.Rel, A: ir.Size(x), B: ir.Size(y)}).Holds(nil); holds || !known {
			continue
		}
		m := b.region.Func.Module
		err := &ir.Error{Kind: ir.ShapeError, Loc: ir.Loc{File: m.Name}, Msg: factText(f, x, y), Remedy: "give inputs of sizes that agree"}
		if f.Loc > 0 && int(f.Loc) < len(m.Locs) {
			err.Loc = m.Locs[f.Loc]
		}
		return err
	}
	return nil
}

func factText(f ir.Fact, x, y int64) string {
	side := func(d ir.Dim, n int64) string {
		if d.IsConst() {
			return d.String()
		}
		return d.String() + " = " + ir.Size(n).String()
	}
	verb := map[ir.Relation]string{ir.EQ: " has to equal ", ir.LE: " has to be at most ", ir.Divides: " has to divide "}[f.Rel]
	return side(f.A, x) + verb + side(f.B, y)
}

// cloneShape keeps results from sharing a shape with what they are made of.
func cloneShape(s []int) []int { return slices.Clone(s) }
