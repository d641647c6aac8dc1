package grad

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
)

// gradAttention: with P the weights, which are computed again, dP = d·vᵀ and dS = P·(dP - Σ dP·P), it is scale·dS·k for q, scale·dSᵀ·q for
// k, Pᵀ·d for v, dS for the mask, and -p·Σ dP·P for a sink of weight p. Rows that see no key have constant weights.
func gradAttention(t *tape) {
	s := t.attentionScores()
	if t.b.Err() != nil {
		return
	}
	matmul := func(x, y *ir.Value) *ir.Value { return t.b.Op(ir.MatMul, nil, x, y) }
	d := s.shared(t.d(0))
	t.give(2, func() *ir.Value { return t.shapedAs(matmul(t.matrixT(s.shared(s.weights)), d), s.v, t.x(2)) })
	weights, dp := t.wide(s.weights), t.wide(s.perHead(matmul(d, t.matrixT(s.v))))
	total := t.sum(t.b.Mul(dp, weights), []int64{3}, true)
	ds := t.cast(t.b.Mul(weights, t.b.Sub(dp, total)), t.x(0).DType())
	if s.empty != nil {
		ds = t.unless(s.empty, ds)
	}
	t.give(3, func() *ir.Value { return ds })
	t.give(4, func() *ir.Value {
		return t.cast(t.sum(t.b.Mul(t.wide(s.sink), t.f(ir.Neg, total)), []int64{0, 2, 3}, false), t.x(4).DType())
	})
	scaled := s.shared(t.scaled(ds, t.op.Attrs.(*ir.AttentionAttrs).Scale))
	t.give(0, func() *ir.Value { return t.fit(matmul(scaled, s.k), t.x(0)) })
	t.give(1, func() *ir.Value { return t.shapedAs(matmul(t.matrixT(scaled), s.q), s.k, t.x(1)) })
}

// scores are an attention's operands by heads of the keys, and its weights.
type scores struct {
	t       *tape
	groups  ir.Dim // queries' heads that share one of the keys'
	q, k, v *ir.Value
	weights *ir.Value // [B, H, L, S]
	sink    *ir.Value // the sinks' weights, [B, H, L, 1]; nil without sinks
	empty   *ir.Value // rows that see no key; nil where these are NaN
}

func (t *tape) attentionScores() *scores {
	q, k, v, a := t.x(0), t.x(1), t.x(2), t.op.Attrs.(*ir.AttentionAttrs)
	s := &scores{t: t, groups: q.Shape()[1].FloorDiv(k.Shape()[1])}
	s.q, s.k, s.v = s.shared(q), s.alone(k), s.alone(v)
	x := s.perHead(t.b.Op(ir.MatMul, nil, s.q, t.matrixT(s.k)))
	if t.b.Err() != nil {
		return s
	}
	x = t.scaled(x, a.Scale)
	switch mask := t.x(3); {
	case mask == nil:
	case mask.DType() == ir.Bool:
		x = t.hidden(mask, x)
	default:
		x = t.b.Add(x, mask)
	}
	if a.Causal {
		x = t.hidden(t.causal(q, k), x)
	}
	s.weigh(x, a)
	return s
}

func (t *tape) hidden(seen, x *ir.Value) *ir.Value {
	return t.b.Op(ir.Where, nil, seen, x, t.numberLike(x, math.Inf(-1)))
}

// causal is which keys a query sees: j - i ≤ S - L.
func (t *tape) causal(q, k *ir.Value) *ir.Value {
	l, s := t.size(q, 2), t.size(k, 2)
	ahead := t.b.Sub(t.unsqueeze(t.count(s), 0), t.unsqueeze(t.count(l), 1))
	return t.b.Op(ir.LessEqual, nil, ahead, t.b.Sub(s, l))
}

// weigh makes the weights of scores.
func (s *scores) weigh(x *ir.Value, a *ir.AttentionAttrs) {
	t, softmax := s.t, &ir.AxisAttrs{Axis: 3}
	if sinks := t.x(4); sinks != nil && t.b.Err() == nil {
		shape := slices.Clone(x.Shape())
		shape[3] = ir.Size(1)
		column := t.expand(t.unsqueeze(sinks, 0, 2, 3), t.b.Dims(shape...))
		all := t.b.Op(ir.Softmax, softmax, t.b.Op(ir.Concat, softmax, x, column))
		end := x.Shape()[3]
		s.weights, s.sink = t.cut(all, 3, ir.Size(0), end), t.cut(all, 3, end, end.Add(ir.Size(1)))
		return
	}
	s.weights = t.b.Op(ir.Softmax, softmax, x)
	if a.Empty == "" {
		return
	}
	top := t.b.Op(ir.ReduceMax, &ir.ReduceAttrs{Axes: []int64{3}, KeepDims: true}, x)
	s.empty = t.equal(top, t.numberLike(top, math.Inf(-1)))
	instead := t.numberLike(x, 0)
	if a.Empty == "mean" {
		instead = t.b.Div(t.numberLike(x, 1), t.elements(x, []int64{3}))
	}
	s.weights = t.b.Op(ir.Where, nil, s.empty, instead, s.weights)
}

// shared is [B, H, m, n] as [B, K, H/K, m, n], where heads are shared.
func (s *scores) shared(x *ir.Value) *ir.Value {
	if s.groups.Is(1) || s.t.b.Err() != nil {
		return x
	}
	d := x.Shape()
	return s.t.reshape(x, s.t.b.Dims(d[0], s.t.x(1).Shape()[1], s.groups, d[2], d[3]))
}

// alone is [B, K, m, n] as [B, K, 1, m, n] then.
func (s *scores) alone(x *ir.Value) *ir.Value {
	if s.groups.Is(1) {
		return x
	}
	return s.t.unsqueeze(x, 2)
}

// perHead undoes shared.
func (s *scores) perHead(x *ir.Value) *ir.Value {
	if s.groups.Is(1) || s.t.b.Err() != nil {
		return x
	}
	d := x.Shape()
	return s.t.reshape(x, s.t.b.Dims(d[0], s.t.x(0).Shape()[1], d[3], d[4]))
}

// gradRope: the cotangent turned back, by the angles negated; for cosines and sines products of it with the pairs.
func gradRope(t *tape) {
	d := t.d(0)
	t.give(0, func() *ir.Value { return t.b.Op(ir.Rope, t.op.Attrs, d, t.x(1), t.f(ir.Neg, t.x(2))) })
	if !t.wants(1) && !t.wants(2) {
		return
	}
	a, b := t.pair(t.x(0))
	da, db := t.pair(d)
	dcos := func() *ir.Value { return t.b.Add(t.b.Mul(da, a), t.b.Mul(db, b)) }
	dsin := func() *ir.Value { return t.b.Sub(t.b.Mul(db, a), t.b.Mul(da, b)) }
	if t.x(1).DType().IsFloat() {
		t.give(1, dcos)
		t.give(2, dsin)
		return
	}
	t.give(2, func() *ir.Value {
		at := t.positions()
		angle := t.b.Mul(at, t.x(2))
		turn := func(k ir.Kind) *ir.Value { return t.f(k, angle) }
		wide := func(v *ir.Value) *ir.Value { return t.cast(v, t.x(2).DType()) }
		slope := t.b.Sub(t.b.Mul(wide(dsin()), turn(ir.Cos)), t.b.Mul(wide(dcos()), turn(ir.Sin)))
		return t.b.Mul(slope, at)
	})
}

// pair are the elements of x that are turned, first and second of each pair.
func (t *tape) pair(x *ir.Value) (a, b *ir.Value) {
	n := t.x(2).Shape()[t.x(2).Rank()-1]
	second, step := n, int64(1)
	if t.op.Attrs.(*ir.RopeAttrs).Interleaved {
		second, step = ir.Size(1), 2
	}
	end := n.Mul(ir.Size(2))
	take := func(from, to ir.Dim) *ir.Value {
		return t.b.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{3}, Steps: []int64{step}}, x, t.b.Dims(from), t.b.Dims(to))
	}
	if step == 1 {
		return take(ir.Size(0), n), take(second, end)
	}
	return take(ir.Size(0), end), take(second, end)
}

// positions are those of the rows, as floats [L, 1] or [B, 1, L, 1].
func (t *tape) positions() *ir.Value {
	at := t.cast(t.x(1), ir.I64)
	if at.Rank() == 1 {
		at = t.unsqueeze(at, 1, 2)
	}
	at = t.b.Add(at, t.count(t.size(t.x(0), 2)))
	return t.cast(t.unsqueeze(at, int64(at.Rank())), t.x(2).DType())
}
