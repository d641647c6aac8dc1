package mlx

import (
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/emilyc/emily/ir"
)

// Binder checks inputs against a plan and finds the values of its symbols. It is safe for concurrent use.
type Binder struct {
	plan  *Plan
	slots map[ir.Dim]int
	last  atomic.Pointer[[]int64] // symbols that have passed every check: most runs have the sizes of the last
}

// NewBinder makes a Binder for p.
func NewBinder(p *Plan) *Binder {
	b := &Binder{plan: p, slots: map[ir.Dim]int{}}
	for i, s := range p.Symbols() {
		b.slots[s] = i
	}
	return b
}

// Bind returns the values of p.Symbols(), where those that calls bind are 0. Inputs are checked for their number,
// dtypes, ranks, sizes and bytes; facts over the symbols of inputs are checked too. Errors are *ir.Error: a fact that
// does not hold is a ShapeError at the node that relies on it.
func (b *Binder) Bind(inputs []*ir.Tensor) ([]int64, error) {
	if len(inputs) != len(b.plan.Inputs) {
		return nil, &ir.Error{Kind: ir.Malformed, Msg: fmt.Sprintf("%s: %d inputs, want %d: %s", b.plan.Name, len(inputs), len(b.plan.Inputs), portNames(b.plan.Inputs))}
	}
	syms := slices.Repeat([]int64{-1}, len(b.slots))
	for i, t := range inputs {
		if err := b.input(&b.plan.Inputs[i], t, syms); err != nil {
			return nil, err
		}
	}
	if last := b.last.Load(); last != nil && slices.Equal(*last, syms) {
		return b.zeroFree(syms, inputs)
	}
	env := map[ir.Dim]int64{}
	for s, i := range b.slots {
		if syms[i] >= 0 {
			env[s] = syms[i]
		}
	}
	if err := b.expressions(inputs, env); err != nil {
		return nil, err
	}
	for _, f := range b.plan.Facts {
		if holds, known := f.Holds(env); known && !holds {
			return nil, b.broken(f, env)
		}
	}
	ok := slices.Clone(syms)
	b.last.Store(&ok)
	return b.zeroFree(syms, inputs)
}

// zeroFree turns the mark of unbound symbols into 0. Sizes that are expressions are a function of the symbols, so
// that equal symbols do not make them right: they are checked in every run.
func (b *Binder) zeroFree(syms []int64, inputs []*ir.Tensor) ([]int64, error) {
	for i, t := range inputs {
		for axis, d := range b.plan.Inputs[i].Type.Shape {
			if d.IsConst() || d.Op() == ir.DimSym {
				continue
			}
			if n, err := b.value(d, syms); err != nil || n != int64(t.Shape[axis]) {
				return nil, sizeError(&b.plan.Inputs[i], axis, t.Shape[axis], fmt.Sprintf("%s = %d", d, n))
			}
		}
	}
	for i, v := range syms {
		syms[i] = max(v, 0)
	}
	return syms, nil
}

func (b *Binder) value(d ir.Dim, syms []int64) (int64, error) {
	r := d.Subst(func(a ir.Dim) (ir.Dim, bool) {
		i, ok := b.slots[a]
		if !ok || syms[i] < 0 {
			return a, false
		}
		return ir.Size(syms[i]), true
	})
	n, ok := r.Value()
	if !ok {
		return 0, errUnknownDim
	}
	return n, nil
}

func portNames(ports []Port) string {
	s := ""
	for i, p := range ports {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%s %s", p.Name, p.Type)
	}
	return s
}

// input checks one input and binds the symbols that stand alone in its shape.
func (b *Binder) input(port *Port, t *ir.Tensor, syms []int64) error {
	if t == nil || t.DType != port.Type.DType {
		got := "nothing"
		if t != nil {
			got = t.DType.String()
		}
		return &ir.Error{Kind: ir.DTypeError, Msg: fmt.Sprintf("input %q is %s, want %s", port.Name, got, port.Type)}
	}
	if len(t.Shape) != len(port.Type.Shape) {
		return &ir.Error{Kind: ir.ShapeError, Msg: fmt.Sprintf("input %q has shape %v, want %s", port.Name, t.Shape, port.Type)}
	}
	for axis, d := range port.Type.Shape {
		n := int64(t.Shape[axis])
		if v, ok := d.Value(); ok && v != n {
			return sizeError(port, axis, t.Shape[axis], fmt.Sprint(v))
		}
		if d.Op() != ir.DimSym {
			continue
		}
		slot := &syms[b.slots[d]]
		if *slot >= 0 && *slot != n {
			return sizeError(port, axis, t.Shape[axis], fmt.Sprintf("%s = %d as in an earlier place", d, *slot))
		}
		*slot = n
	}
	if n, err := ir.NumElements(t.Shape); err != nil || n*t.DType.Size() != len(t.Data) {
		return &ir.Error{Kind: ir.ShapeError, Msg: fmt.Sprintf("input %q has %d bytes of data for %s%v", port.Name, len(t.Data), t.DType, t.Shape)}
	}
	return nil
}

func sizeError(port *Port, axis, got int, want string) error {
	return &ir.Error{Kind: ir.ShapeError, Msg: fmt.Sprintf("input %q has size %d on axis %d, want %s", port.Name, got, axis, want)}
}

// expressions demands that every symbol of the inputs stands alone somewhere.
func (b *Binder) expressions(inputs []*ir.Tensor, env map[ir.Dim]int64) error {
	for i := range inputs {
		for axis, d := range b.plan.Inputs[i].Type.Shape {
			if _, ok := d.Eval(env); !ok {
				return &ir.Error{Kind: ir.ShapeError, Msg: fmt.Sprintf("input %q: size %s of axis %d is not determined by the inputs", b.plan.Inputs[i].Name, d, axis)}
			}
		}
	}
	return nil
}

func (b *Binder) broken(f ir.Fact, env map[ir.Dim]int64) error {
	x, _ := f.A.Eval(env)
	y, _ := f.B.Eval(env)
	what := map[ir.Relation]string{ir.EQ: "must equal", ir.LE: "must be at most", ir.Divides: "must divide"}[f.Rel]
	return &ir.Error{Kind: ir.ShapeError, Loc: b.plan.Loc(f.Loc), Msg: fmt.Sprintf("%s = %d %s %s = %d", f.A, x, what, f.B, y)}
}
