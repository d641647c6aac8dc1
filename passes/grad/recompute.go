package grad

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// Recomputing trades time for memory: the ops are cut into segments, and what is active in one is computed again, from what enters it,
// when the way back arrives there; only what passes from segment to segment is kept. (Chen and others, Training Deep Nets with
// Sublinear Memory Cost.)

// runSegments is run with the ops in n segments, all but the last of which are computed again.
func (t *tape) runSegments(ops []*ir.Op, n int) {
	cuts := t.cuts(ops, n)
	t.run(ops[cuts[len(cuts)-2]:])
	for i := len(cuts) - 3; i >= 0 && t.b.Err() == nil; i-- {
		t.again(ops[cuts[i]:cuts[i+1]])
	}
	t.dropCopies()
}

// again runs a copy of the segment, then back.
func (t *tape) again(ops []*ir.Op) {
	after := t.arrival(ops)
	if after == nil {
		return
	}
	region := t.b.Region()
	first := len(region.Ops)
	values := map[*ir.Value]*ir.Value{}
	for _, op := range ops {
		t.b.Loc = op.Loc
		if !t.copies(op) || !t.enter(op, values, after) {
			continue
		}
		c := op.CopyTo(region, values)
		region.Ops = append(region.Ops, c)
		for i, r := range op.Results {
			t.active[c.Results[i]] = t.active[r]
			if d := t.cot[r]; d != nil {
				t.cot[c.Results[i]] = d
				delete(t.cot, r)
			}
		}
	}
	made := slices.Clone(region.Ops[first:])
	t.copied = append(t.copied, made...)
	t.run(made)
	t.run(ops) // those that were not copied
}

// arrival is a cotangent with which the way back arrives at the ops.
func (t *tape) arrival(ops []*ir.Op) *ir.Value {
	for _, op := range slices.Backward(ops) {
		for _, r := range op.Results {
			if d := t.cot[r]; d != nil && d.Type.IsTensor() && t.active[r] {
				return d
			}
		}
	}
	return nil
}

// copies reports whether op is one that is computed again: it is active, and its results are tensors, none of them a target.
func (t *tape) copies(op *ir.Op) bool {
	return t.rules[op.Kind] != nil && slices.ContainsFunc(op.Results, func(r *ir.Value) bool { return t.active[r] }) &&
		!slices.ContainsFunc(op.Results, func(r *ir.Value) bool { return t.targets[r] || !r.Type.IsTensor() })
}

// enter has the operands of op that enter the segment wait for the cotangent that arrives: else the copy could be computed, or taken for
// the op itself, before. It is false for an op of constants and targets alone, which is not worth a copy.
func (t *tape) enter(op *ir.Op, values map[*ir.Value]*ir.Value, after *ir.Value) bool {
	wait := func(v *ir.Value) bool {
		if v == nil || !v.Type.IsTensor() || t.targets[v] || v.Def != nil && v.Def.Kind == ir.Const {
			return false
		}
		if values[v] == nil {
			values[v] = t.b.Op(ir.Depends, nil, v, after)
			t.active[values[v]] = t.active[v]
		}
		return true
	}
	enters := false
	for _, v := range op.Args {
		if v != nil && (values[v] != nil || t.active[v] && wait(v)) {
			enters = true
		}
	}
	return enters || slices.ContainsFunc(op.Args, wait)
}

// dropCopies removes the copies that no rule has read.
func (t *tape) dropCopies() {
	dead := map[*ir.Op]bool{}
	for _, op := range slices.Backward(t.copied) {
		if !slices.ContainsFunc(op.Results, func(v *ir.Value) bool { return len(v.Uses()) > 0 }) {
			op.Detach()
			dead[op] = true
		}
	}
	r := t.b.Region()
	r.Ops = slices.DeleteFunc(r.Ops, func(op *ir.Op) bool { return dead[op] })
}

// cuts are the beginnings of n segments of about equal bytes, and the end: each where few bytes pass.
func (t *tape) cuts(ops []*ir.Op, n int) []int {
	made, passing := t.traffic(ops)
	total := made[len(ops)]
	cuts := []int{0}
	for i := 1; i < n; i++ {
		aim, slack := total*float64(i)/float64(n), total/float64(3*n)
		best := -1
		for p := cuts[len(cuts)-1] + 1; p < len(ops); p++ {
			if made[p] < aim-slack || made[p] > aim+slack {
				continue
			}
			if best < 0 || passing[p] < passing[best] {
				best = p
			}
		}
		if best > 0 {
			cuts = append(cuts, best)
		}
	}
	return append(cuts, len(ops))
}

// traffic is, before each of ops and after the last, the active bytes that were made so far, and those of them that are read later.
func (t *tape) traffic(ops []*ir.Op) (made, passing []float64) {
	made, passing = make([]float64, len(ops)+1), make([]float64, len(ops)+2)
	place := make(map[*ir.Op]int, len(ops))
	for i, op := range ops {
		place[op] = i
	}
	for i, op := range ops {
		made[i+1] = made[i]
		for _, r := range op.Results {
			if !t.active[r] {
				continue
			}
			last := i
			for _, u := range r.Uses() {
				if at, ok := place[u.Op]; ok {
					last = max(last, at)
				}
			}
			size := roughBytes(r.Type)
			made[i+1] += size
			passing[i+1] += size
			passing[last+1] -= size
		}
	}
	for i := range ops {
		passing[i+1] += passing[i]
	}
	return made, passing
}

// roughBytes is the size of a tensor with 64 for each symbol.
func roughBytes(typ ir.Type) float64 {
	if !typ.IsTensor() {
		return 0
	}
	n := typ.Shape.NumElements().Subst(func(atom ir.Dim) (ir.Dim, bool) { return ir.Size(64), atom.Op() == ir.DimSym })
	v, known := n.Value()
	if !known || v < 1 {
		v = 1
	}
	return float64(v) * float64(typ.DType.Size())
}
