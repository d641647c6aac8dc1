package fuse

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// weights is what is found between a softmax and its product with values.
type weights struct {
	*match
	scores *ir.Value // that the softmax is of
	sink   *ir.Value // another score in each row, whose weight is dropped
	zero   bool      // rows that are NaN become 0
	seen   *ir.Value // what tells these rows, where it is not the weights
	cut    bool      // the last weight of each row is dropped
}

// find goes back from what values are multiplied with.
func (w *weights) find(v *ir.Value) bool {
	for range 8 {
		o := v.Def
		switch {
		case o == nil:
			return w.no(v, "is no softmax")
		case o.Kind == ir.Softmax && o.Attrs.(*ir.AxisAttrs).Axis == int64(v.Rank()-1):
			w.meet(o)
			return w.softmax(o)
		case isFloatCast(o), o.Kind == ir.Reshape && keepsKeys(o):
			v = o.Args[0]
		case o.Kind == ir.Where && w.guard(o):
			v = o.Args[2]
		case o.Kind == ir.Slice && !w.cut && w.dropsLast(o):
			w.cut = true
			v = o.Args[0]
		default:
			return w.no(v, "is no softmax over the last axis")
		}
		w.meet(o)
	}
	return w.no(v, "is too far from the product")
}

// softmax takes what the softmax is of: scores, less their maximum or not, with a sink after them where its weight is dropped.
func (w *weights) softmax(o *ir.Op) bool {
	uses := 1
	if w.zero && w.seen == nil {
		uses = 2
	}
	if len(o.Result().Uses()) != uses {
		return w.no(o.Result(), "is used elsewhere too")
	}
	v := o.Args[0]
	if d := rewrite.Def(v, ir.Sub); d != nil {
		if top := rewrite.Def(d.Args[1], ir.ReduceMax); top != nil && top.Args[0] == d.Args[0] && lastAxisKept(top) {
			v = d.Args[0]
		}
	}
	w.scores = v
	if w.cut {
		c := rewrite.Def(v, ir.Concat)
		if c == nil || len(c.Args) != 2 || c.Attrs.(*ir.AxisAttrs).Axis != int64(v.Rank()-1) || !c.Args[1].Shape()[v.Rank()-1].Is(1) {
			return w.no(v, "are no scores and a sink")
		}
		w.meet(c)
		w.scores, w.sink = c.Args[0], c.Args[1]
	}
	return true
}

// dropsLast reports whether a slice drops the last element of each row.
func (w *weights) dropsLast(o *ir.Op) bool {
	a, x, y := o.Attrs.(*ir.SliceAttrs), o.Args[0], o.Result()
	from, ok := rewrite.Splat(o.Args[1])
	last := x.Rank() - 1
	return ok && from == 0 && slices.Equal(a.Axes, []int64{int64(last)}) && a.Steps[0] == 1 &&
		w.SameDim(y.Shape()[last].Add(ir.Size(1)), x.Shape()[last])
}

// sinks are what w.sink repeats for each query: one for each of the heads.
func (w *weights) sinks(heads ir.Dim) *ir.Value {
	x := w.sink
	for rewrite.Def(x, ir.Expand) != nil {
		x = x.Def.Args[0]
	}
	n := x.Shape().NumElements()
	switch {
	case n.Is(1):
		return w.Op(ir.Expand, nil, w.reshaped(x, ir.Size(1)), w.Dims(heads))
	case x.Rank() >= 3 && w.SameDim(n, heads) && w.SameDim(x.Shape()[x.Rank()-3], heads):
		return w.reshaped(x, heads)
	}
	w.no(x, "is no sink of %s heads", heads)
	return nil
}

// guard: where(isnan(p), 0, p), and where(max(s) is -∞, 0, p), of the scores or of the bias that is added to them.
func (w *weights) guard(o *ir.Op) bool {
	if x, ok := rewrite.Splat(o.Args[1]); !ok || x != 0 || w.zero {
		return false
	}
	if nan := rewrite.Def(o.Args[0], ir.IsNaN); nan != nil && nan.Args[0] == o.Args[2] {
		w.zero = true
		return true
	}
	top := rewrite.Def(lowest(o.Args[0]), ir.ReduceMax)
	if top == nil || !lastAxisKept(top) {
		return false
	}
	w.zero, w.seen = true, top.Args[0]
	return true
}

// lowest is what v tests for -∞, nil where it is another test.
func lowest(v *ir.Value) *ir.Value {
	o := rewrite.Def(v, ir.IsInf, ir.Equal)
	switch {
	case o == nil:
	case o.Kind == ir.IsInf:
		if a := o.Attrs.(*ir.IsInfAttrs); a.Negative && !a.Positive {
			return o.Args[0]
		}
	default:
		for i, x := range o.Args {
			if c, ok := rewrite.Splat(x); ok && math.IsInf(c, -1) {
				return o.Args[1-i]
			}
		}
	}
	return nil
}

func lastAxisKept(o *ir.Op) bool {
	a := o.Attrs.(*ir.ReduceAttrs)
	return a.KeepDims && slices.Equal(a.Axes, []int64{int64(o.Args[0].Rank() - 1)})
}

func isFloatCast(o *ir.Op) bool {
	return o.Kind == ir.Cast && o.Args[0].DType().IsFloat() && o.Result().DType().IsFloat()
}

// keepsKeys reports whether a reshape leaves the last axis as it is.
func keepsKeys(o *ir.Op) bool {
	x, y := o.Args[0].Shape(), o.Result().Shape()
	return len(x) > 2 && len(y) > 2 && o.Region.SameDim(x[len(x)-1], y[len(y)-1])
}
