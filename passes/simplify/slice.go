package simplify

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// cut is what a slice does to one axis.
type cut struct{ axis, start, end, step int64 }

// cuts are those of a slice whose bounds are known.
func cuts(op *ir.Op) ([]cut, bool) {
	starts, ok1 := op.Args[1].KnownInts()
	ends, ok2 := op.Args[2].KnownInts()
	if !ok1 || !ok2 {
		return nil, false
	}
	a := op.Attrs.(*ir.SliceAttrs)
	out := make([]cut, len(a.Axes))
	for i, axis := range a.Axes {
		out[i] = cut{axis, starts[i], ends[i], a.Steps[i]}
	}
	return out, true
}

func sliceChain(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	inner := rewrite.Def(op.Args[0], ir.Slice)
	if inner == nil || !op.Args[0].HasOneUse() {
		return nil
	}
	first, ok1 := cuts(inner)
	second, ok2 := cuts(op)
	if !ok1 || !ok2 {
		return nil
	}
	x := inner.Args[0]
	joined := slices.Clone(first)
	for _, c := range second {
		i := slices.IndexFunc(first, func(f cut) bool { return f.axis == c.axis })
		if i < 0 {
			joined = append(joined, c)
			continue
		}
		n, ok := x.Type.Shape[c.axis].Value()
		if !ok || first[i].step < 0 || c.step < 0 {
			return nil
		}
		joined[i] = first[i].then(c, n)
	}
	return rewrite.One(sliceOf(rw, x, joined))
}

// then is c and after it d, for an axis of size n; both step forward.
func (c cut) then(d cut, n int64) cut {
	start, count := c.take(n)
	at, count := d.take(count)
	if count == 0 {
		return cut{c.axis, 0, 0, 1}
	}
	start += at * c.step
	step := product(c.step, d.step)
	if count == 1 {
		return cut{c.axis, start, start + 1, 1}
	}
	return cut{c.axis, start, start + (count-1)*step + 1, step}
}

// take is where the cut of an axis of size n starts, and how many elements it has.
func (c cut) take(n int64) (start, count int64) {
	bound := func(b int64) int64 {
		if b < 0 {
			b = max(b, -n) + n
		}
		return min(b, n)
	}
	start = bound(c.start)
	if length := bound(c.end) - start; length > 0 {
		count = (length-1)/c.step + 1
	}
	return start, count
}

// product of two positive steps; one too large for int64 takes one element anyway.
func product(a, b int64) int64 {
	if a > math.MaxInt64/b {
		return math.MaxInt64
	}
	return a * b
}

// sliceOfConcat is of slices that step forward along the concat's axis, whose sizes are known as far as that operand.
func sliceOfConcat(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	c := rewrite.Def(op.Args[0], ir.Concat)
	cs, known := cuts(op)
	if c == nil || !known || len(cs) != 1 || cs[0].axis != c.Attrs.(*ir.AxisAttrs).Axis || cs[0].step < 1 {
		return nil
	}
	n, ok := op.Args[0].Type.Shape[cs[0].axis].Value()
	start, count := cs[0].take(n)
	if !ok || count == 0 {
		return nil
	}
	length := (count-1)*cs[0].step + 1
	x, start := operandAt(c, start, length)
	if x == nil {
		return nil
	}
	return rewrite.One(sliceOf(rw, x, []cut{{cs[0].axis, start, start + length, cs[0].step}}))
}

func gatherOfConcat(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	c, index := rewrite.Def(op.Args[0], ir.Concat), op.Args[1]
	at, known := index.KnownInts()
	axis := op.Attrs.(*ir.AxisAttrs).Axis
	if c == nil || !known || index.Rank() > 0 || c.Attrs.(*ir.AxisAttrs).Axis != axis {
		return nil
	}
	n, ok := op.Args[0].Type.Shape[axis].Value()
	start := at[0]
	if start < 0 {
		start += n
	}
	if !ok || start < 0 {
		return nil
	}
	x, start := operandAt(c, start, 1)
	switch {
	case x == nil:
		return nil
	case x.Type.Shape[axis].Is(1):
		return rewrite.One(rw.Op(ir.Squeeze, &ir.AxesAttrs{Axes: []int64{axis}}, x))
	}
	return rewrite.One(rw.Op(ir.Gather, op.Attrs, x, rw.Const(ir.Scalar(start))))
}

// operandAt is the operand of a concat that holds so many elements from start on, and where in it they begin; nil where it is not known
// or they lie in more than one.
func operandAt(c *ir.Op, start, length int64) (*ir.Value, int64) {
	for _, x := range c.Args {
		size, ok := x.Type.Shape[c.Attrs.(*ir.AxisAttrs).Axis].Value()
		switch {
		case !ok || start < size && start+length > size:
			return nil, 0
		case start < size:
			return x, start
		}
		start -= size
	}
	return nil, 0
}

func sliceOf(rw *rewrite.Rewriter, x *ir.Value, cs []cut) *ir.Value {
	a := &ir.SliceAttrs{}
	var starts, ends []ir.Dim
	for _, c := range cs {
		a.Axes, a.Steps = append(a.Axes, c.axis), append(a.Steps, c.step)
		starts, ends = append(starts, ir.Size(c.start)), append(ends, ir.Size(c.end))
	}
	return rw.Like(ir.Slice, a, x, rw.Dims(starts...), rw.Dims(ends...))
}
