package grad

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// gradGather: slices are added up where they are from.
func gradGather(t *tape) {
	axis := int(t.op.Attrs.(*ir.AxisAttrs).Axis)
	t.give(0, func() *ir.Value {
		x, idx, d := t.x(0), t.x(1), t.d(0)
		q := idx.Rank()
		perm := slices.Concat(ir.Axes(axis, axis+q), ir.Axes(0, axis), ir.Axes(axis+q, d.Rank()))
		front := slices.Concat([]int64{int64(axis)}, ir.Axes(0, axis), ir.Axes(axis+1, x.Rank()))
		zeros := t.transpose(t.full(x, 0), front...)
		sum := t.scatterND("add", zeros, t.unsqueeze(idx, int64(q)), t.transpose(d, perm...))
		return t.transpose(sum, inverse(front)...)
	})
}

func (t *tape) scatterND(reduction string, x, idx, updates *ir.Value) *ir.Value {
	return t.b.Op(ir.ScatterND, &ir.ScatterAttrs{Reduction: reduction}, x, idx, updates)
}

func gradGatherElements(t *tape) {
	axis := t.op.Attrs.(*ir.AxisAttrs).Axis
	t.give(0, func() *ir.Value { return t.elementsAdded(axis, t.x(0), t.x(1), t.d(0)) })
}

// elementsAdded are zeros shaped as x with d added at the indices along an axis.
func (t *tape) elementsAdded(axis int64, x, idx, d *ir.Value) *ir.Value {
	return t.b.Op(ir.ScatterElements, &ir.ScatterAttrs{Axis: axis, Reduction: "add"}, t.full(x, 0), idx, d)
}

func gradGatherND(t *tape) {
	t.give(0, func() *ir.Value {
		tuples := t.x(1)
		for i := t.op.Attrs.(*ir.GatherNDAttrs).BatchDims - 1; i >= 0; i-- {
			tuples = t.numbered(tuples, i)
		}
		return t.scatterND("add", t.full(t.x(0), 0), tuples, t.d(0))
	})
}

// numbered puts their place along a batch axis in front of index tuples.
func (t *tape) numbered(tuples *ir.Value, axis int64) *ir.Value {
	if t.b.Err() != nil {
		return tuples
	}
	last := tuples.Rank() - 1
	shape := slices.Clone(tuples.Shape())
	shape[last] = ir.Size(1)
	place := t.cast(t.along(t.count(t.size(tuples, axis)), axis, tuples.Rank()), tuples.DType())
	return t.b.Op(ir.Concat, &ir.AxisAttrs{Axis: int64(last)}, t.expand(place, t.b.Dims(shape...)), tuples)
}

// places is a scatter seen from its rule: how values are read from and combined at its indices.
type places struct {
	t       *tape
	read    func(x *ir.Value) *ir.Value
	combine func(reduction string, x, updates *ir.Value) *ir.Value
}

func gradScatterElements(t *tape) {
	a := t.op.Attrs.(*ir.ScatterAttrs)
	p := places{t: t,
		read: func(x *ir.Value) *ir.Value {
			return t.b.Op(ir.GatherElements, &ir.AxisAttrs{Axis: a.Axis}, x, t.x(1))
		},
		combine: func(reduction string, x, updates *ir.Value) *ir.Value {
			return t.b.Op(ir.ScatterElements, &ir.ScatterAttrs{Axis: a.Axis, Reduction: reduction}, x, t.x(1), updates)
		},
	}
	p.rule(a.Reduction)
}

func gradScatterND(t *tape) {
	p := places{t: t,
		read: func(x *ir.Value) *ir.Value { return t.b.Op(ir.GatherND, &ir.GatherNDAttrs{}, x, t.x(1)) },
		combine: func(reduction string, x, updates *ir.Value) *ir.Value {
			return t.scatterND(reduction, x, t.x(1), updates)
		},
	}
	p.rule(t.op.Attrs.(*ir.ScatterAttrs).Reduction)
}

func (p places) rule(reduction string) {
	t := p.t
	switch reduction {
	case "none":
		p.replaced()
	case "add":
		t.give(0, func() *ir.Value { return t.d(0) })
		t.give(2, func() *ir.Value { return p.read(t.d(0)) })
	case "mul":
		p.multiplied()
	default:
		p.extreme()
	}
}

// replaced: where indices repeat, the last update counts: a scatter of their numbers says which.
func (p places) replaced() {
	t, d := p.t, p.t.d(0)
	t.give(0, func() *ir.Value { return p.combine("none", d, t.full(t.x(2), 0)) })
	t.give(2, func() *ir.Value {
		number := t.numbering(t.x(2))
		winner := p.combine("none", t.cast(t.full(t.x(0), 0), ir.I64), number)
		return t.where(t.equal(p.read(winner), number), p.read(d))
	})
}

// numbering counts the elements of x, in i64.
func (t *tape) numbering(x *ir.Value) *ir.Value {
	if t.b.Err() != nil {
		return x
	}
	shape := t.shape(x)
	n := t.b.Op(ir.ReduceProd, &ir.ReduceAttrs{Axes: []int64{0}}, shape)
	return t.reshape(t.count(n), shape)
}

// multiplied: the product of the others at the place, which is 0 where one of them is: what is not 0 is multiplied, zeros are counted.
func (p places) multiplied() {
	t, d, x, u := p.t, p.t.d(0), p.t.x(0), p.t.x(2)
	t.give(0, func() *ir.Value { return t.b.Mul(d, p.combine("mul", t.full(x, 1), u)) })
	t.give(2, func() *ir.Value {
		xSafe, xZero := t.zeroSafe(x)
		uSafe, uZero := t.zeroSafe(u)
		product := p.read(t.b.Mul(d, p.combine("mul", xSafe, uSafe)))
		zeros := t.b.Sub(p.read(p.combine("add", xZero, uZero)), uZero)
		return t.where(t.equal(zeros, t.numberLike(zeros, 0)), t.b.Div(product, uSafe))
	})
}

// zeroSafe is x with 1 for 0, and 1 where that is so.
func (t *tape) zeroSafe(x *ir.Value) (safe, zero *ir.Value) {
	is := t.equal(x, t.numberLike(x, 0))
	return t.b.Op(ir.Where, nil, is, t.numberLike(x, 1), x), t.cast(is, x.DType())
}

// extreme: those that are the extreme of their place share its cotangent evenly.
func (p places) extreme() {
	t, d, x, u, y := p.t, p.t.d(0), p.t.x(0), p.t.x(2), p.t.op.Result()
	mine := t.cast(t.equal(x, y), x.DType())
	theirs := t.cast(t.equal(u, p.read(y)), x.DType())
	share := t.b.Div(d, p.combine("add", mine, theirs))
	t.give(0, func() *ir.Value { return t.where(t.equal(x, y), share) })
	t.give(2, func() *ir.Value { return t.b.Mul(theirs, p.read(share)) })
}

// gradTopK: to the elements that were taken; of equal ones those with the lower indices.
func gradTopK(t *tape) {
	axis := t.op.Attrs.(*ir.TopKAttrs).Axis
	t.give(0, func() *ir.Value { return t.elementsAdded(axis, t.x(0), t.op.Results[1], t.d(0)) })
}

// gradUnique: to the first of equal slices.
func gradUnique(t *tape) {
	a := t.op.Attrs.(*ir.UniqueAttrs)
	t.give(0, func() *ir.Value {
		x, first := t.x(0), t.op.Results[1]
		if a.Flat {
			size := t.b.Op(ir.ReduceProd, &ir.ReduceAttrs{Axes: []int64{0}}, t.shape(x))
			return t.fit(t.scattered(t.d(0), first, 0, size), x)
		}
		return t.scattered(t.d(0), first, a.Axis, t.size(x, a.Axis))
	})
}
