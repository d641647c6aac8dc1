package grad

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// gradReshape is the rule of what keeps elements and their order.
func gradReshape(t *tape) {
	t.give(0, func() *ir.Value { return t.reshape(t.d(0), t.shape(t.x(0))) })
}

func gradUnsqueeze(t *tape) {
	t.give(0, func() *ir.Value { return t.b.Op(ir.Squeeze, t.op.Attrs, t.d(0)) })
}

func gradSqueeze(t *tape) {
	t.give(0, func() *ir.Value { return t.b.Op(ir.Unsqueeze, t.op.Attrs, t.d(0)) })
}

func gradTranspose(t *tape) {
	t.give(0, func() *ir.Value { return t.transpose(t.d(0), inverse(t.op.Attrs.(*ir.PermAttrs).Perm)...) })
}

// gradExpand: sums over the axes that were stretched. Where only a run can tell whether one was, elements are added up at their
// place modulo the operand's size, which is 1 or that of the result.
func gradExpand(t *tape) {
	t.give(0, func() *ir.Value {
		x, d, r := t.x(0), t.d(0), t.b.Region()
		extra := d.Rank() - x.Rank()
		if extra > 0 {
			d = t.sum(d, ir.Axes(0, extra), false)
		}
		for i, n := range x.Shape() {
			if t.b.Err() != nil || r.Reduce(n).Is(1) || r.SameDim(n, d.Shape()[i]) {
				continue
			}
			axis := int64(i)
			size := t.b.Op(ir.Max, nil, t.size(x, axis), t.b.Const(ir.Scalar(int64(1)))) // of none there are no places
			place := t.b.Op(ir.Mod, &ir.ModAttrs{}, t.count(t.size(d, axis)), size)
			d = t.scattered(d, place, axis, t.size(x, axis))
		}
		return d
	})
}

// scattered adds up the slices of d along an axis at those places of an axis of another size.
func (t *tape) scattered(d, places *ir.Value, axis int64, size *ir.Value) *ir.Value {
	if t.b.Err() != nil {
		return d
	}
	perm := ir.Axes(0, d.Rank())
	perm[0], perm[axis] = axis, 0
	front := t.transpose(d, perm...)
	shape := t.b.Op(ir.Concat, &ir.AxisAttrs{}, t.unsqueeze(size, 0), t.tailShape(front))
	zeros := t.expand(t.numberLike(d, 0), shape)
	sum := t.b.Op(ir.ScatterND, &ir.ScatterAttrs{Reduction: "add"}, zeros, t.unsqueeze(places, 1), front)
	return t.transpose(sum, perm...)
}

// tailShape is the shape of x but its first axis.
func (t *tape) tailShape(x *ir.Value) *ir.Value {
	return t.b.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{0}, Steps: []int64{1}}, t.shape(x), t.b.Ints(1), t.b.Ints(int64(x.Rank())))
}

func gradConcat(t *tape) {
	a, start := t.op.Attrs.(*ir.AxisAttrs), ir.Size(0)
	for i, x := range t.op.Args {
		end := start.Add(x.Shape()[a.Axis])
		t.give(i, func() *ir.Value { return t.cut(t.d(0), a.Axis, start, end) })
		start = end
	}
}

// cut is the slice of x from start to end along an axis.
func (t *tape) cut(x *ir.Value, axis int64, start, end ir.Dim) *ir.Value {
	return t.b.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{axis}, Steps: []int64{1}}, x, t.b.Dims(start), t.b.Dims(end))
}

// padded is x with zeros around, or cut where an amount is negative, along an axis.
func (t *tape) padded(x *ir.Value, axis int64, begin, end ir.Dim) *ir.Value {
	if begin.Is(0) && end.Is(0) {
		return x
	}
	return t.b.Op(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: []int64{axis}}, x, t.b.Dims(begin, end), nil)
}

// gradSlice: the elements in their places, zeros between and around.
func gradSlice(t *tape) {
	t.give(0, func() *ir.Value {
		a, x, d := t.op.Attrs.(*ir.SliceAttrs), t.x(0), t.d(0)
		for i, axis := range a.Axes {
			if t.b.Err() != nil {
				return d
			}
			start := ir.Unknown
			if s := t.x(1).Sym; s != nil {
				start = ir.SliceBound(x.Shape()[axis], s[i], a.Steps[i], false)
			}
			if start == ir.Unknown || a.Steps[i] < -maxStep || a.Steps[i] > maxStep {
				d = t.unslicedAt(d, i)
				continue
			}
			d = t.unsliced(d, axis, x.Shape()[axis], start, a.Steps[i])
		}
		return d
	})
}

// maxStep bounds the zeros that are put between elements.
const maxStep = 1 << 8

// unsliced puts the elements of d along an axis back where a slice of an axis of size n took them from.
func (t *tape) unsliced(d *ir.Value, axis int64, n, start ir.Dim, step int64) *ir.Value {
	if step < 0 {
		step = -step
		d = t.reversed(d, axis)
		start = start.Sub(d.Shape()[axis].Sub(ir.Size(1)).Mul(ir.Size(step)))
	}
	d = t.spaced(d, axis, step)
	if t.b.Err() != nil {
		return d
	}
	return t.padded(d, axis, start, n.Sub(start).Sub(d.Shape()[axis]))
}

// reversed turns an axis round.
func (t *tape) reversed(x *ir.Value, axis int64) *ir.Value {
	return t.b.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{axis}, Steps: []int64{-1}}, x, t.b.Ints(-1), t.b.Ints(-1<<31))
}

// spaced puts step - 1 zeros after each element along an axis.
func (t *tape) spaced(x *ir.Value, axis, step int64) *ir.Value {
	if step == 1 || t.b.Err() != nil {
		return x
	}
	shape := slices.Clone(x.Shape())
	shape[axis] = shape[axis].Mul(ir.Size(step))
	x = t.padded(t.unsqueeze(x, axis+1), axis+1, ir.Size(0), ir.Size(step-1))
	return t.reshape(x, t.b.Dims(shape...))
}

// unslicedAt is unsliced along the i-th axis of a slice whose bounds only a run can tell: the same slice of 0, 1, … says where
// its elements are from.
func (t *tape) unslicedAt(d *ir.Value, i int) *ir.Value {
	a := t.op.Attrs.(*ir.SliceAttrs)
	axis, at := a.Axes[i], t.b.Ints(int64(i))
	size := t.size(t.x(0), axis)
	places := t.b.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{0}, Steps: []int64{a.Steps[i]}}, t.count(size),
		t.gather(t.x(1), at, 0), t.gather(t.x(2), at, 0))
	return t.scattered(d, places, axis, size)
}

func gradSplit(t *tape) {
	axis := t.op.Attrs.(*ir.SplitAttrs).Axis
	t.give(0, func() *ir.Value {
		parts := make([]*ir.Value, len(t.op.Results))
		for i, r := range t.op.Results {
			if parts[i] = t.d(i); parts[i] == nil {
				parts[i] = t.full(r, 0)
			}
		}
		return t.b.Op(ir.Concat, &ir.AxisAttrs{Axis: axis}, parts...)
	})
}

// gradPad: what is padding goes, to the value that it was made of; reflected and repeated elements are added to their origins.
func gradPad(t *tape) {
	a, d := t.op.Attrs.(*ir.PadAttrs), t.d(0)
	if a.Mode != "constant" {
		t.give(0, func() *ir.Value { return t.unpadded(a) })
		return
	}
	inner := d
	if len(a.Axes) > 0 {
		inner = t.b.Op(ir.Pad, a, d, t.f(ir.Neg, t.x(1)), nil)
	}
	t.give(0, func() *ir.Value { return inner })
	t.give(2, func() *ir.Value {
		return t.b.Sub(t.sum(d, ir.Axes(0, d.Rank()), false), t.sum(inner, ir.Axes(0, d.Rank()), false))
	})
}

// unpadded pads 0, 1, … in the same way, axis by axis, which says where elements are from.
func (t *tape) unpadded(a *ir.PadAttrs) *ir.Value {
	d := t.d(0)
	for i, axis := range a.Axes {
		pads := t.gather(t.x(1), t.b.Ints(int64(i), int64(i+len(a.Axes))), 0)
		size := t.size(t.x(0), axis)
		places := t.b.Op(ir.Pad, &ir.PadAttrs{Mode: a.Mode, Axes: []int64{0}}, t.count(size), pads, nil)
		d = t.scattered(d, places, axis, size)
	}
	return d
}

// gradTile: the sum over the copies, which a reshape puts on axes of their own.
func gradTile(t *tape) {
	t.give(0, func() *ir.Value {
		x := t.x(0)
		if x.Rank() == 0 {
			return t.d(0)
		}
		pairs := t.b.Op(ir.Concat, &ir.AxisAttrs{Axis: 1}, t.unsqueeze(t.x(1), 1), t.unsqueeze(t.shape(x), 1))
		axes := []int64{}
		for _, a := range ir.Axes(0, x.Rank()) {
			axes = append(axes, 2*a)
		}
		return t.sum(t.reshape(t.d(0), t.flat(pairs)), axes, false)
	})
}

// gradRange: element i is start + i·delta.
func gradRange(t *tape) {
	d := t.d(0)
	t.give(0, func() *ir.Value { return t.sum(d, []int64{0}, false) })
	t.give(2, func() *ir.Value {
		return t.sum(t.b.Mul(d, t.cast(t.count(t.size(d, 0)), d.DType())), []int64{0}, false)
	})
}

func gradTrilu(t *tape) {
	t.give(0, func() *ir.Value { return t.b.Op(ir.Trilu, t.op.Attrs, t.d(0), t.x(1)) })
}
