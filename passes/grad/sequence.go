package grad

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// The cotangent of a list is a list of as many cotangents, that of an optional an optional. What is computed for each element
// is computed by a loop.

func gradMakeSequence(t *tape) {
	for i := range t.op.Args {
		t.give(i, func() *ir.Value { return t.itemAt(t.d(0), t.b.Const(ir.Scalar(int64(i)))) })
	}
}

func (t *tape) itemAt(list, at *ir.Value) *ir.Value { return t.b.Op(ir.SequenceAt, nil, list, at) }

// inserted is list with an item before a place, at the end for none.
func (t *tape) inserted(list, item, at *ir.Value) *ir.Value {
	return t.b.Op(ir.SequenceInsert, nil, list, item, at)
}

func (t *tape) length(list *ir.Value) *ir.Value { return t.b.Op(ir.SequenceLength, nil, list) }

// fromFront is a position in a list, which may count from the end, as one that counts from the front; nil for none.
func (t *tape) fromFront(at, list *ir.Value) *ir.Value {
	if at == nil || t.b.Err() != nil {
		return at
	}
	at = t.cast(at, ir.I64)
	if at.Rank() == 1 {
		at = t.b.Op(ir.Squeeze, &ir.AxesAttrs{Axes: []int64{0}}, at)
	}
	zero := t.b.Const(ir.Scalar(int64(0)))
	return t.b.Op(ir.Where, nil, t.less(at, zero), t.b.Add(at, t.length(list)), at)
}

func gradSequenceInsert(t *tape) {
	d, at := t.d(0), t.fromFront(t.x(2), t.x(0))
	t.give(0, func() *ir.Value { return t.b.Op(ir.SequenceErase, nil, d, at) })
	t.give(1, func() *ir.Value {
		if at == nil {
			at = t.b.Const(ir.Scalar(int64(-1)))
		}
		return t.itemAt(d, at)
	})
}

func gradSequenceErase(t *tape) {
	list, at := t.x(0), t.fromFront(t.x(1), t.x(0))
	t.give(0, func() *ir.Value {
		gone := at
		if gone == nil {
			gone = t.b.Const(ir.Scalar(int64(-1)))
		}
		return t.inserted(t.d(0), t.zeros(t.itemAt(list, gone)), at)
	})
}

func gradSequenceAt(t *tape) {
	list := t.x(0)
	t.give(0, func() *ir.Value {
		at := t.fromFront(t.x(1), list)
		return t.inserted(t.b.Op(ir.SequenceErase, nil, t.zeros(list), at), t.d(0), at)
	})
}

func gradSplitToSequence(t *tape) {
	a := t.op.Attrs.(*ir.SplitToSequenceAttrs)
	t.give(0, func() *ir.Value {
		join := &ir.ConcatFromSequenceAttrs{Axis: a.Axis, Stack: a.Squeeze && t.x(1) == nil}
		return t.fit(t.b.Op(ir.ConcatFromSequence, join, t.d(0)), t.x(0))
	})
}

// gradConcatFromSequence cuts the cotangent into parts of the elements' sizes.
func gradConcatFromSequence(t *tape) {
	a := t.op.Attrs.(*ir.ConcatFromSequenceAttrs)
	t.give(0, func() *ir.Value {
		return t.eachItem(t.x(0), []*ir.Value{t.x(0), t.d(0)}, func(in *tape, i, offset *ir.Value, x []*ir.Value) (item, next *ir.Value) {
			if a.Stack {
				return in.gather(x[1], i, a.Axis), offset
			}
			own := in.itemAt(x[0], i)
			next = in.b.Add(offset, in.size(own, a.Axis))
			part := in.b.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{a.Axis}, Steps: []int64{1}}, x[1], in.unsqueeze(offset, 0), in.unsqueeze(next, 0))
			return in.fit(part, own), next
		})
	})
}

func gradMakeOptional(t *tape) {
	t.give(0, func() *ir.Value { return t.b.Op(ir.OptionalGet, nil, t.d(0)) })
}

func gradOptionalGet(t *tape) {
	t.give(0, func() *ir.Value { return t.b.Op(ir.MakeOptional, &ir.SequenceAttrs{}, t.d(0)) })
}

// zeros is of the type of v, a tensor, a list or an optional.
func (t *tape) zeros(v *ir.Value) *ir.Value {
	switch {
	case t.b.Err() != nil || v.Type.IsTensor():
		return t.full(v, 0)
	case v.Type.Kind == ir.OptionalType:
		return t.b.Op(ir.MakeOptional, &ir.SequenceAttrs{}, t.zeros(t.b.Op(ir.OptionalGet, nil, v)))
	}
	return t.eachItem(v, []*ir.Value{v}, func(in *tape, i, offset *ir.Value, x []*ir.Value) (item, next *ir.Value) {
		return in.zeros(in.itemAt(x[0], i)), offset
	})
}

// total is the sum of two cotangents.
func (t *tape) total(a, b *ir.Value) *ir.Value {
	switch {
	case t.b.Err() != nil || a.Type.IsTensor():
		return t.b.Add(a, b)
	case a.Type.Kind == ir.OptionalType:
		get := func(v *ir.Value) *ir.Value { return t.b.Op(ir.OptionalGet, nil, v) }
		return t.b.Op(ir.MakeOptional, &ir.SequenceAttrs{}, t.total(get(a), get(b)))
	}
	return t.eachItem(a, []*ir.Value{a, b}, func(in *tape, i, offset *ir.Value, x []*ir.Value) (item, next *ir.Value) {
		own := in.itemAt(x[0], i)
		return in.total(own, in.fit(in.itemAt(x[1], i), own)), offset
	})
}

// eachItem is the list of what f makes for each place of a list, of the list's type: f gets the place, a number that it carries from place to place,
// and the captures.
func (t *tape) eachItem(list *ir.Value, captures []*ir.Value, f func(in *tape, i, offset *ir.Value, x []*ir.Value) (item, next *ir.Value)) *ir.Value {
	if t.b.Err() != nil {
		return list
	}
	if e := *list.Type.Elem; e.IsTensor() && e.Ranks != ir.OneRank {
		t.fail(ir.ShapeError, "give the elements one rank", "the gradient of %s, whose elements have different ranks", list.Type)
		return list
	}
	r := t.b.Region().NewRegion()
	i, going := r.AddParam("", ir.TensorOf(ir.I64)), r.AddParam("", ir.TensorOf(ir.Bool))
	made, offset := r.AddParam("", list.Type), r.AddParam("", ir.TensorOf(ir.I64))
	b := ir.NewBuilder(r)
	b.Loc = t.b.Loc
	in := newTape(b, t.rules)
	in.op = t.op
	item, next := f(in, i, offset, bound(r, captures))
	if !t.close(in, []*ir.Value{going, in.inserted(made, item, nil), next}) {
		return list
	}
	args := slices.Concat([]*ir.Value{t.length(list), nil, t.b.Op(ir.MakeSequence, &ir.SequenceAttrs{Elem: *list.Type.Elem}), t.b.Const(ir.Scalar(int64(0)))}, captures)
	return t.result(t.b.Ops(ir.Loop, &ir.LoopAttrs{Carried: 2}, []*ir.Region{r}, args...), 0)
}
