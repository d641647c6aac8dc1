package fuse

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

var attentionRules = []rewrite.Rule{
	fusion("attention", "attention", "softmax(q·kᵀ·scale + mask)·v: attention", attention, ir.MatMul),
}

// scores is what is found between the softmax of an attention and the product of its queries and keys.
type scores struct {
	*match
	product *ir.Value
	shape   ir.Shape // of the product, or that which tells the heads: [B, H, L, S]
	scale   float64
	hiding  hiding
	added   []*ir.Value // biases and conditions, as they were found
	changed bool        // hidden or added to: no scale may follow
}

// attention matches at the product of weights and values. The weights are a softmax, perhaps guarded against rows that are NaN, or
// without the part of a sink.
func attention(m *match, o *ir.Op) *ir.Value {
	w := weights{match: m}
	if !w.find(o.Args[0]) {
		return nil
	}
	s := &scores{match: m, scale: 1}
	if !s.walk(w.scores, 0) {
		return nil
	}
	if w.seen != nil && w.seen != w.scores && !slices.Equal(s.added, []*ir.Value{w.seen}) {
		m.no(w.seen, "is neither what the softmax is of nor all that is added to it")
		return nil
	}
	q, k, v := s.operands(o)
	if q == nil {
		return nil
	}
	a := &ir.AttentionAttrs{Scale: s.scale}
	mask, ok := s.mask(a, q, k)
	if !ok {
		return nil
	}
	args := []*ir.Value{q, k, v, mask}
	switch {
	case w.sink != nil:
		a.Empty = ""
		if args = append(args, w.sinks(q.Shape()[1])); args[4] == nil {
			return nil
		}
	case mask == nil && (!a.Causal || m.atMost(q.Shape()[2], k.Shape()[2])):
		a.Empty = "" // every query sees a key
	case w.zero && a.Empty == "":
		a.Empty = "zero"
	}
	if mask == nil && w.sink == nil {
		args = args[:3]
	}
	y := m.Op(ir.Attention, a, args...)
	if !y.Type.IsTensor() || m.SameType(y.Type, o.Result().Type) {
		return y
	}
	return m.Op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, y, m.Dims(o.Result().Shape()...))
}

// walk goes from the softmax's operand to the product of queries and keys; what lies between takes effect on the way back.
func (s *scores) walk(v *ir.Value, depth int) bool {
	o := v.Def
	if o == nil || depth > 12 {
		return s.no(v, "is no product of queries and keys")
	}
	if depth > 0 && !v.HasOneUse() {
		return s.no(v, "is used elsewhere too")
	}
	before := *s
	switch {
	case o.Kind == ir.MatMul:
		s.meet(o)
		s.product, s.shape = v, v.Shape()
		return v.Rank() == 3 || v.Rank() == 4 || s.no(v, "is of rank %d, want 3 or 4", v.Rank())
	case isFloatCast(o):
		s.meet(o)
		return s.walk(o.Args[0], depth+1)
	case o.Kind == ir.Reshape && keepsKeys(o):
		s.meet(o)
		return s.walk(o.Args[0], depth+1) && s.seenAs(v)
	case o.Kind == ir.Mul || o.Kind == ir.Div:
		return s.scaled(o, depth)
	case o.Kind == ir.Add:
		for i := range 2 {
			if sameShape(s.match, o.Args[i], v.Shape()) && s.walk(o.Args[i], depth+1) {
				s.meet(o)
				return s.add(o.Args[1-i])
			}
			*s = before
		}
		return false
	case o.Kind == ir.Where:
		return s.selected(o, depth)
	}
	return s.no(v, "is no product of queries and keys")
}

// seenAs takes the shape of v for that of the scores where it tells the heads.
func (s *scores) seenAs(v *ir.Value) bool {
	switch {
	case v.Rank() != 4:
		return v.Rank() == 3 || s.no(v, "is of rank %d, want 3 or 4", v.Rank())
	case s.changed && len(s.shape) == 4 && !sameShape(s.match, v, s.shape):
		return s.no(v, "is reshaped after a mask was added")
	}
	from := s.shape
	s.shape = v.Shape()
	return len(from) == 4 || s.splitHeads(&s.hiding.bias) && s.splitHeads(&s.hiding.allow)
}

// sameSizes reports whether operand i of o has the shape of its result: nothing was broadcast.
func (s *scores) sameSizes(o *ir.Op, i int) bool {
	return sameShape(s.match, o.Args[i], o.Result().Shape()) || s.no(o.Result(), "is broadcast")
}

func (s *scores) scaled(o *ir.Op, depth int) bool {
	i := 0
	c, ok := rewrite.Splat(o.Args[1])
	if !ok && o.Kind == ir.Mul {
		i = 1
		c, ok = rewrite.Splat(o.Args[0])
	}
	if !ok {
		return s.no(o.Result(), "is scaled by no constant")
	}
	if !s.walk(o.Args[i], depth+1) {
		return false
	}
	if s.changed {
		return s.no(o.Result(), "is scaled after a mask was added")
	}
	if o.Kind == ir.Div {
		c = 1 / c
	}
	s.scale *= c
	s.meet(o)
	return s.sameSizes(o, i)
}

// selected: where(mask, scores, least), or the other way round.
func (s *scores) selected(o *ir.Op, depth int) bool {
	for i, other := range []int{2, 1} {
		c, ok := rewrite.Splat(o.Args[other])
		if !ok || c > -1e4 {
			continue
		}
		if !s.walk(o.Args[1+i], depth+1) || !s.sameSizes(o, 1+i) {
			return false
		}
		s.meet(o)
		allow := o.Args[0]
		if i == 1 {
			allow = s.Op(ir.Not, nil, allow)
		}
		return s.hide(allow, c)
	}
	return s.no(o.Result(), "selects something else than scores or a least number")
}

// operands are queries, keys and values as [B, H, L, D], [B, K, S, D] and [B, K, S, E].
func (s *scores) operands(o *ir.Op) (q, k, v *ir.Value) {
	p := s.product.Def
	q, k, v = p.Args[0], p.Args[1], o.Args[1]
	n := q.Rank()
	if k.Rank() != n || v.Rank() != n || q.DType() != v.DType() || !sameShape(s.match, o.Args[0], s.product.Shape()) && !sameShape(s.match, o.Args[0], s.shape) {
		s.no(o.Result(), "has operands of other sizes or dtypes than its scores")
		return nil, nil, nil
	}
	q, c := s.unscaled(q, 0)
	k, d := s.unscaled(k, 0)
	if s.scale *= c * d; math.IsInf(s.scale, 0) || math.IsNaN(s.scale) {
		s.no(s.product, "has the scale %v", s.scale)
		return nil, nil, nil
	}
	perm := ir.Axes(0, n)
	perm[n-1], perm[n-2] = perm[n-2], perm[n-1]
	k = s.transposed(k, perm)
	switch {
	case n == 3 && len(s.shape) == 3:
		heads := &ir.AxesAttrs{Axes: []int64{1}}
		q, k, v = s.Op(ir.Unsqueeze, heads, q), s.Op(ir.Unsqueeze, heads, k), s.Op(ir.Unsqueeze, heads, v)
	case n == 3:
		q, k, v = s.withHeads(q), s.withHeads(k), s.withHeads(v)
	default:
		q = s.reshaped(q, s.shape[0], s.shape[1], s.shape[2], q.Shape()[3])
		if one, two := s.ungrouped(k), s.ungrouped(v); one != nil && two != nil {
			k, v = one, two
		}
	}
	if !s.fits(q, k, v) {
		return nil, nil, nil
	}
	return q, k, v
}

// fits says why the operands are none of an attention, whose batches do not broadcast.
func (s *scores) fits(q, k, v *ir.Value) bool {
	same := q.Rank() == 4 && k.Rank() == 4 && v.Rank() == 4 && s.SameDim(q.Shape()[0], k.Shape()[0]) &&
		s.SameDim(q.Shape()[0], v.Shape()[0]) && s.SameDim(k.Shape()[1], v.Shape()[1])
	if !same {
		return s.no(s.product, "its operands are broadcast")
	}
	_, whole := q.Shape()[1].ExactDiv(k.Shape()[1])
	return whole || s.SameDim(q.Shape()[1], k.Shape()[1]) || s.no(s.product, "its operands are broadcast")
}

// withHeads makes [B, H, L, D] of [B·H, L, D].
func (s *scores) withHeads(x *ir.Value) *ir.Value {
	return s.reshaped(x, s.shape[0], s.shape[1], x.Shape()[1], x.Shape()[2])
}

// unscaled takes constant factors out of v, through ops that move elements.
func (m *match) unscaled(v *ir.Value, depth int) (*ir.Value, float64) {
	o := v.Def
	if o == nil || depth > 6 {
		return v, 1
	}
	switch o.Kind {
	case ir.Mul, ir.Div:
		for i, x := range o.Args {
			c, ok := rewrite.Splat(o.Args[1-i])
			if !ok || o.Kind == ir.Div && i == 1 || !m.SameType(x.Type, v.Type) {
				continue
			}
			if o.Kind == ir.Div {
				c = 1 / c
			}
			base, inner := m.unscaled(x, depth+1)
			return base, c * inner
		}
	case ir.Reshape, ir.Transpose, ir.Unsqueeze:
		base, c := m.unscaled(o.Args[0], depth+1)
		if base == o.Args[0] || c == 1 {
			return v, 1
		}
		args := slices.Clone(o.Args)
		args[0] = base
		return m.Op(o.Kind, o.Attrs, args...), c
	}
	return v, 1
}

// ungrouped is x[B, K, S, D] where v is x repeated for each head of a group, [B, K·G, S, D]; nil where it is not.
func (m *match) ungrouped(v *ir.Value) *ir.Value {
	t := rewrite.Def(v, ir.Transpose)
	if t == nil {
		return m.single(v, 1)
	}
	perm := t.Attrs.(*ir.PermAttrs).Perm
	if x := m.single(t.Args[0], int(perm[1])); x != nil {
		return m.transposed(x, perm)
	}
	return nil
}

// single is x of rank 4 where v is x with each element of an axis repeated: by an expand of that axis, of size 1, or of one after it
// that a reshape merges. It is nil elsewhere.
func (m *match) single(v *ir.Value, axis int) *ir.Value {
	e, merged := rewrite.Def(v, ir.Expand), false
	if r := rewrite.Def(v, ir.Reshape); r != nil {
		e, merged = rewrite.Def(r.Args[0], ir.Expand), true
	}
	if e == nil || v.Rank() != 4 {
		return nil
	}
	x, wide := e.Args[0], slices.Clone(e.Result().Shape())
	if merged {
		axis++
	}
	if x.Rank() != len(wide) || axis >= len(wide) || !x.Shape()[axis].Is(1) {
		return nil
	}
	narrow := slices.Clone(wide)
	if narrow[axis] = ir.Size(1); !sameShape(m, x, narrow) {
		return nil
	}
	if !merged {
		return x
	}
	wide[axis-1] = wide[axis-1].Mul(wide[axis])
	if !sameShape(m, v, slices.Delete(wide, axis, axis+1)) {
		return nil
	}
	return m.reshaped(x, slices.Delete(narrow, axis, axis+1)...)
}
