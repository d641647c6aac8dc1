package grad

import (
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
)

// Rule carries the cotangents of an op's results, which it gets from the tape, to the operands that it gives cotangents.
type Rule func(t *tape)

// tape is one run of reverse mode over the ops of a region: it emits at the end of that region.
type tape struct {
	rules   *[ir.NumKinds]Rule // a rule that runs a tape of its own passes it on
	b       *ir.Builder
	active  map[*ir.Value]bool      // depends on what gradients are taken with respect to
	cot     map[*ir.Value]*ir.Value // the cotangent of a value so far; none is zero
	numbers map[number]*ir.Value
	op      *ir.Op // whose rule runs

	targets map[*ir.Value]bool // that gradients are taken with respect to
	copied  []*ir.Op           // what was computed again
}

type number struct {
	dtype ir.DType
	value float64
}

func newTape(b *ir.Builder, rules *[ir.NumKinds]Rule) *tape {
	return &tape{rules: rules, b: b, active: map[*ir.Value]bool{}, cot: map[*ir.Value]*ir.Value{}, numbers: map[number]*ir.Value{}, targets: map[*ir.Value]bool{}}
}

// mark finds what is active among the results of ops, which are in order.
func (t *tape) mark(ops []*ir.Op) {
	isActive := func(v *ir.Value) bool { return v != nil && t.active[v] }
	for _, op := range ops {
		if t.rules[op.Kind] == nil || !slices.ContainsFunc(op.Args, isActive) {
			continue
		}
		for _, r := range op.Results {
			if hasCotangent(r.Type) {
				t.active[r] = true
			}
		}
	}
}

// hasCotangent reports whether values of the type are tensors with cotangents, or lists of these.
func hasCotangent(t ir.Type) bool {
	if t.Kind == ir.SequenceType || t.Kind == ir.OptionalType {
		return hasCotangent(*t.Elem)
	}
	return differentiable(t)
}

// run visits ops from the last to the first. An op whose results have no cotangent, or whose operands are not active, costs nothing.
func (t *tape) run(ops []*ir.Op) {
	for _, op := range slices.Backward(ops) {
		needed := func(v *ir.Value) bool { return t.active[v] && t.cot[v] != nil }
		if t.b.Err() != nil {
			return
		}
		if t.rules[op.Kind] != nil && slices.ContainsFunc(op.Results, needed) {
			t.op, t.b.Loc = op, op.Loc
			t.rules[op.Kind](t)
		}
	}
}

// d is the cotangent of result i, nil for zero.
func (t *tape) d(i int) *ir.Value { return t.cot[t.op.Results[i]] }

// x is operand i.
func (t *tape) x(i int) *ir.Value { return t.op.Arg(i) }

// wants reports whether operand i is there and needs a cotangent.
func (t *tape) wants(i int) bool {
	v := t.op.Arg(i)
	return v != nil && t.active[v]
}

// give adds what f computes to the cotangent of operand i, where that is wanted, after undoing broadcasts.
func (t *tape) give(i int, f func() *ir.Value) {
	if t.wants(i) {
		t.add(t.x(i), f())
	}
}

// add adds d to the cotangent of x.
func (t *tape) add(x, d *ir.Value) {
	if t.b.Err() != nil {
		return
	}
	d = t.unbroadcast(d, x)
	if old := t.cot[x]; old != nil {
		d = t.total(old, d)
	}
	t.cot[x] = d
}

// unbroadcast sums d over the axes along which x was stretched. A symbolic size is never 1 (ir's broadcast takes it as equal to what
// it meets), so that these axes are known; expand, which may stretch one, sees to it itself.
func (t *tape) unbroadcast(d, x *ir.Value) *ir.Value {
	if t.b.Err() != nil || !x.Type.IsTensor() || t.sameShape(d, x) {
		return d
	}
	extra := d.Rank() - x.Rank()
	axes, stretched := ir.Axes(0, extra), false
	for i, n := range x.Shape() {
		if t.b.Region().Reduce(n).Is(1) && !d.Shape()[extra+i].Is(1) {
			axes, stretched = append(axes, int64(extra+i)), true
		}
	}
	if len(axes) > 0 {
		d = t.b.Op(ir.ReduceSum, &ir.ReduceAttrs{Axes: axes, KeepDims: stretched}, d)
	}
	if stretched && extra > 0 {
		d = t.b.Op(ir.Squeeze, &ir.AxesAttrs{Axes: ir.Axes(0, extra)}, d)
	}
	return t.fit(d, x)
}

// fit is d in the shape of x, which has as many elements.
func (t *tape) fit(d, x *ir.Value) *ir.Value {
	if t.b.Err() != nil || t.sameShape(d, x) {
		return d
	}
	return t.reshape(d, t.shape(x))
}

func (t *tape) sameShape(a, b *ir.Value) bool {
	return slices.EqualFunc(a.Shape(), b.Shape(), t.b.Region().SameDim)
}

// fail stops with an error at the op whose rule runs.
func (t *tape) fail(kind ir.ErrorKind, remedy, format string, args ...any) {
	t.b.Fail(&ir.Error{Kind: kind, Op: t.op.Kind, Loc: origin(t.op.Result()), Msg: fmt.Sprintf(format, args...), Remedy: remedy})
}
