package mlx

import (
	"fmt"
	"reflect"
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

// Bind returns the values of p.Symbols(), where those that calls bind are 0. Lengths are those of p.States, anything for carried values. Inputs are checked for their number,
// dtypes, ranks, sizes and bytes, and so are the elements of lists; facts over the symbols of inputs are checked too.
// Errors are *ir.Error: a fact that does not hold is a ShapeError at the node that relies on it.
func (b *Binder) Bind(inputs []ir.Datum, lengths ...int64) ([]int64, error) {
	if len(lengths) != len(b.plan.States) {
		return nil, fmt.Errorf("%s: %d lengths for %d states: the plan runs in a session", b.plan.Name, len(lengths), len(b.plan.States))
	}
	if len(inputs) != len(b.plan.Inputs) {
		return nil, &ir.Error{Kind: ir.Malformed, Msg: fmt.Sprintf("%s: %d inputs, want %d: %s", b.plan.Name, len(inputs), len(b.plan.Inputs), portNames(b.plan.Inputs))}
	}
	syms := slices.Repeat([]int64{-1}, len(b.slots))
	for i, v := range inputs {
		port := &b.plan.Inputs[i]
		if err := checkValue(port.Type, v); err != nil {
			err.Msg = fmt.Sprintf("input %q %s", port.Name, err.Msg)
			return nil, err
		}
		if t, ok := v.(*ir.Tensor); ok {
			if err := b.sizes(port, t, syms); err != nil {
				return nil, err
			}
		}
	}
	for i := range b.plan.States {
		s := &b.plan.States[i]
		if !s.Grows() {
			continue
		}
		slot := &syms[b.slots[s.Length()]]
		if *slot >= 0 && *slot != lengths[i] {
			return nil, &ir.Error{Kind: ir.ShapeError, Msg: fmt.Sprintf("the cache %q has %d elements, but %s = %d in an input", s.In.Name, lengths[i], s.Length(), *slot)}
		}
		*slot = lengths[i]
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
	if err := b.expressions(env); err != nil {
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
func (b *Binder) zeroFree(syms []int64, inputs []ir.Datum) ([]int64, error) {
	for i, v := range inputs {
		for axis, d := range b.plan.Inputs[i].Type.Shape { // of a tensor
			if d.IsConst() || d.Op() == ir.DimSym {
				continue
			}
			size := v.(*ir.Tensor).Shape[axis]
			if n, err := b.value(d, syms); err != nil || n != int64(size) {
				return nil, sizeError(&b.plan.Inputs[i], axis, size, fmt.Sprintf("%s = %d", d, n))
			}
		}
	}
	for i, v := range syms {
		syms[i] = max(v, 0)
	}
	return syms, nil
}

// Next is the number of elements of each cache among the states after a run with those symbols.
func (b *Binder) Next(syms []int64) ([]int64, error) {
	out := make([]int64, len(b.plan.States))
	for i := range out {
		s := &b.plan.States[i]
		if !s.Grows() {
			continue
		}
		var err error
		if out[i], err = b.value(s.Next(), syms); err != nil {
			return nil, fmt.Errorf("state %q: %w", s.In.Name, err)
		}
	}
	return out, nil
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

// checkValue checks that v is of type t: its form, dtypes, ranks, sizes that are numbers and bytes.
func checkValue(t ir.Type, v ir.Datum) *ir.Error {
	isList := false
	switch v := v.(type) {
	case *ir.Tensor:
		if v != nil && t.IsTensor() {
			return checkTensor(t, v)
		}
	case *ir.Sequence:
		isList = v != nil && t.Kind == ir.SequenceType
	case *ir.Optional:
		isList = v != nil && t.Kind == ir.OptionalType
	}
	if !isList {
		return &ir.Error{Kind: ir.DTypeError, Msg: fmt.Sprintf("is %s, want %s", typeText(v), t)}
	}
	for i, item := range Items(v) {
		if err := checkValue(*t.Elem, item); err != nil {
			err.Msg = fmt.Sprintf("element %d %s", i, err.Msg)
			return err
		}
	}
	return nil
}

func typeText(v ir.Datum) string {
	if _, isMap := v.(*ir.Map); isMap {
		return "a map"
	}
	if v == nil || reflect.ValueOf(v).IsNil() {
		return "nothing"
	}
	return v.Type().String()
}

// Items are the elements of a sequence, or of an optional, which has one or none.
func Items(v ir.Datum) []ir.Datum {
	switch v := v.(type) {
	case *ir.Sequence:
		return v.Items
	case *ir.Optional:
		if v.Item != nil {
			return []ir.Datum{v.Item}
		}
	}
	return nil
}

func checkTensor(want ir.Type, t *ir.Tensor) *ir.Error {
	bad := func(kind ir.ErrorKind, format string, args ...any) *ir.Error {
		return &ir.Error{Kind: kind, Msg: fmt.Sprintf(format, args...)}
	}
	if t.DType != want.DType {
		return bad(ir.DTypeError, "is %s, want %s", t.DType, want)
	}
	if want.Ranks == ir.OneRank {
		if len(t.Shape) != len(want.Shape) {
			return bad(ir.ShapeError, "has shape %v, want %s", t.Shape, want)
		}
		for axis, d := range want.Shape {
			if n, ok := d.Value(); ok && n != int64(t.Shape[axis]) {
				return bad(ir.ShapeError, "has size %d on axis %d, want %d", t.Shape[axis], axis, n)
			}
		}
	}
	if n, err := ir.NumElements(t.Shape); err != nil || n*t.DType.Size() != len(t.Data) {
		return bad(ir.ShapeError, "has %d bytes of data for %s%v", len(t.Data), t.DType, t.Shape)
	}
	return nil
}

// sizes binds the symbols that stand alone in the shape of an input.
func (b *Binder) sizes(port *Port, t *ir.Tensor, syms []int64) error {
	for axis, d := range port.Type.Shape {
		if d.Op() != ir.DimSym {
			continue
		}
		slot, n := &syms[b.slots[d]], int64(t.Shape[axis])
		if *slot >= 0 && *slot != n {
			return sizeError(port, axis, t.Shape[axis], fmt.Sprintf("%s = %d as in an earlier place", d, *slot))
		}
		*slot = n
	}
	return nil
}

func sizeError(port *Port, axis, got int, want string) error {
	return &ir.Error{Kind: ir.ShapeError, Msg: fmt.Sprintf("input %q has size %d on axis %d, want %s", port.Name, got, axis, want)}
}

// expressions demands that every symbol of the inputs stands alone somewhere.
func (b *Binder) expressions(env map[ir.Dim]int64) error {
	for i := range b.plan.Inputs {
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
