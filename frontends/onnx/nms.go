package onnx

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// boxes are what NonMaxSuppression knows of its boxes: corners low and high, [batch, boxes, 2], and areas, [batch, boxes].
type boxes struct{ low, high, area *ir.Value }

// importNonMaxSuppression: each round of a loop selects, for all batch elements and classes at once, the box of the greatest score that
// is left, and drops it and the boxes that overlap it. What was selected is then put in order of batch element, class and round.
func importNonMaxSuppression(n *Node) []*ir.Value {
	x, scores := n.in[0], n.in[1]
	center := n.Int("center_point_box", 0) != 0
	if x.Rank() != 3 || scores.Rank() != 3 {
		return one(n.fail(Invalid, "give boxes [batch, boxes, 4] and scores [batch, classes, boxes]", "boxes %s and scores %s", x.Type, scores.Type))
	}
	limit, overlap := n.b.Const(ir.Scalar(int64(0))), n.number(ir.F32, 0)
	if v := n.arg(2); v != nil {
		limit = n.op(ir.Max, nil, n.scalar(v), limit)
	}
	if v := n.arg(3); v != nil {
		overlap = n.scalar(v)
	}
	left := n.op(ir.Equal, nil, scores, scores) // NaN is no score
	if v := n.arg(4); v != nil {
		left = n.op(ir.Less, nil, n.scalar(v), scores)
	}
	if !n.ok() {
		return nil
	}
	scores = n.op(ir.Max, nil, scores, n.number(ir.F32, -math.MaxFloat32)) // what is left has more than what is not
	rounds := n.op(ir.Min, nil, limit, n.dim(scores.Shape()[2]))
	chosen, valid := n.suppress(rounds, left, scores, n.corners(x, center), overlap)
	return one(n.listed(chosen, valid))
}

// corners: boxes are two opposite corners, or a center and sizes.
func (n *Node) corners(x *ir.Value, center bool) boxes {
	part := func(from, to int64) *ir.Value {
		return n.slice(x, n.b.Ints(from), n.b.Ints(to), []int64{2}, []int64{1})
	}
	a, b := part(0, 2), part(2, 4)
	if center {
		half := n.op(ir.Mul, nil, b, n.number(ir.F32, 0.5))
		a, b = n.op(ir.Sub, nil, a, half), n.op(ir.Add, nil, a, half)
	}
	low, high := n.op(ir.Min, nil, a, b), n.op(ir.Max, nil, a, b)
	return boxes{low, high, n.area(low, high)}
}

// area is the area between corners on the last axis; 0 where they are out of order.
func (n *Node) area(low, high *ir.Value) *ir.Value {
	sides := n.op(ir.Relu, nil, n.op(ir.Sub, nil, high, low))
	return n.op(ir.ReduceProd, &ir.ReduceAttrs{Axes: []int64{int64(max(sides.Rank()-1, 0))}}, sides)
}

// suppress runs the rounds: the box that each selects, [rounds, batch, classes], and whether there was one left.
func (n *Node) suppress(rounds, left, scores *ir.Value, bs boxes, overlap *ir.Value) (chosen, valid *ir.Value) {
	if !n.ok() {
		return nil, nil
	}
	in, r := n.inRegion()
	r.AddParam("", ir.TensorOf(ir.I64))
	r.AddParam("", ir.TensorOf(ir.Bool))
	captured := []*ir.Value{scores, bs.low, bs.high, bs.area, overlap}
	now := r.AddParam("", left.Type)
	p := make([]*ir.Value, len(captured))
	for i, v := range captured {
		p[i] = r.AddParam("", v.Type)
	}
	next, best, had := in.suppressRound(now, p[0], boxes{p[1], p[2], p[3]}, p[4])
	any := in.op(ir.ReduceMax, &ir.ReduceAttrs{Axes: allAxes(next)}, next)
	in.b.Yield(any, next, best, had)
	if err := in.b.Err(); err != nil {
		n.b.Fail(err)
		return nil, nil
	}
	args := append([]*ir.Value{rounds, nil, left}, captured...)
	out := n.b.Ops(ir.Loop, &ir.LoopAttrs{Carried: 1}, []*ir.Region{r}, args...)
	if len(out) != 3 {
		return nil, nil
	}
	return out[1], out[2]
}

// suppressRound gives the boxes that are left, [batch, classes, boxes], the one that was selected and whether there was one, [batch, classes].
func (n *Node) suppressRound(left, scores *ir.Value, bs boxes, overlap *ir.Value) (next, best, had *ir.Value) {
	score := n.op(ir.Where, nil, left, scores, n.number(ir.F32, math.Inf(-1)))
	at := n.op(ir.ArgMax, &ir.ArgAttrs{Axis: 2, KeepDims: true}, score)
	of := func(v *ir.Value) *ir.Value {
		return n.unsqueeze(n.op(ir.GatherND, &ir.GatherNDAttrs{BatchDims: 1}, v, at), 2)
	}
	low := n.op(ir.Max, nil, of(bs.low), n.unsqueeze(bs.low, 1))
	high := n.op(ir.Min, nil, of(bs.high), n.unsqueeze(bs.high, 1))
	common := n.area(low, high)
	both := n.op(ir.Sub, nil, n.op(ir.Add, nil, of(bs.area), n.unsqueeze(bs.area, 1)), common)
	drop := n.op(ir.Less, nil, overlap, n.op(ir.Div, nil, common, both)) // never where both are empty: 0 / 0
	self := n.op(ir.Equal, nil, n.count(n.dim(size(scores, 2))), at)
	next = n.op(ir.And, nil, left, n.op(ir.Not, nil, n.op(ir.Or, nil, drop, self)))
	had = n.op(ir.GatherElements, &ir.AxisAttrs{Axis: 2}, left, at)
	return next, n.squeeze(at, 2), n.squeeze(had, 2)
}

// listed makes a row of batch element, class and box of each selected one.
func (n *Node) listed(chosen, valid *ir.Value) *ir.Value {
	if !n.ok() {
		return nil
	}
	places := n.transpose(n.op(ir.NonZero, nil, n.transpose(valid, 1, 2, 0)), 1, 0)
	box := n.op(ir.GatherND, &ir.GatherNDAttrs{}, n.transpose(chosen, 1, 2, 0), places)
	where := n.slice(places, n.b.Ints(0), n.b.Ints(2), []int64{1}, []int64{1})
	return n.op(ir.Concat, &ir.AxisAttrs{Axis: 1}, where, n.unsqueeze(box, 1))
}
