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
	shape   ir.Shape // [B, H, L, S], where the product has fewer axes
	scale   float64
	hiding  hiding
	changed bool // hidden or added to: no scale may follow
}

// attention matches at the product of weights and values. The weights are a softmax, perhaps guarded against rows that are NaN, or
// without the part of a sink.
func attention(m *match, o *ir.Op) *ir.Value {
	w := weights{match: m}
	if !w.find(o.Args[0]) {
		return nil
	}
	s := &scores{match: m, scale: 1}
	if !s.walk(w.softmax.Args[0], 0) {
		return nil
	}
	q, k, v, ok := s.operands(o)
	if !ok {
		return nil
	}
	if w.guarded != nil && w.guarded != w.softmax.Args[0] {
		m.no(w.guarded, "is not what the softmax is of")
		return nil
	}
	a := &ir.AttentionAttrs{Scale: s.scale}
	mask, ok := s.mask(a, q, k)
	if !ok {
		return nil
	}
	if w.zero && a.Empty == "" {
		a.Empty = "zero"
	}
	if mask == nil && (!a.Causal || m.atMost(q.Shape()[2], k.Shape()[2])) {
		a.Empty = "" // every query sees a key
	}
	if w.sink != nil {
		a.Empty = ""
	}
	y := m.Op(ir.Attention, a, q, k, v, mask, w.sinks(q))
	if y.Type.IsTensor() && y.Rank() != o.Result().Rank() {
		return m.Op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, y, m.Dims(o.Result().Shape()...))
	}
	return y
}

// weights is what is found between a softmax and its product with values.
type weights struct {
	*match
	softmax *ir.Op
	zero    bool      // rows that are NaN become 0
	guarded *ir.Value // the scores that a guard looks at
	sink    *ir.Value // more scores, [B, H, L, 1], which the softmax is of too
}

// find goes back from what values are multiplied with.
func (w *weights) find(v *ir.Value) bool {
	for range 8 {
		o := v.Def
		if o == nil {
			return w.no(v, "is no softmax")
		}
		switch {
		case o.Kind == ir.Softmax && o.Attrs.(*ir.AxisAttrs).Axis == int64(v.Rank()-1):
			w.meet(o)
			w.softmax = o
			return w.alone(v)
		case isFloatCast(o) || o.Kind == ir.Reshape && keepsRow(o):
			v = o.Args[0]
		case o.Kind == ir.Where && w.guard(o):
			v = o.Args[2]
		default:
			return w.no(v, "is no softmax over the last axis")
		}
	}
	return w.no(v, "is too far from the product")
}

// alone reports whether v serves nothing but this attention; a guard looks at it too.
func (w *weights) alone(v *ir.Value) bool {
	uses := 1
	if w.zero && w.guarded == nil {
		uses = 2
	}
	return len(v.Uses()) == uses || w.no(v, "is used elsewhere too")
}

// guard: where(isnan(p), 0, p), and where(isinf(max(scores)), 0, p).
func (w *weights) guard(o *ir.Op) bool {
	if x, ok := rewrite.Splat(o.Args[1]); !ok || x != 0 {
		return false
	}
	if nan := rewrite.Def(o.Args[0], ir.IsNaN); nan != nil && nan.Args[0] == o.Args[2] {
		w.meet(o)
		w.zero = true
		return true
	}
	inf := rewrite.Def(o.Args[0], ir.IsInf)
	if inf == nil || !inf.Attrs.(*ir.IsInfAttrs).Negative || inf.Attrs.(*ir.IsInfAttrs).Positive {
		return false
	}
	top := rewrite.Def(inf.Args[0], ir.ReduceMax)
	if top == nil || !lastAxisKept(top) {
		return false
	}
	w.meet(o)
	w.zero, w.guarded = true, top.Args[0]
	return true
}

func lastAxisKept(o *ir.Op) bool {
	a := o.Attrs.(*ir.ReduceAttrs)
	return a.KeepDims && slices.Equal(a.Axes, []int64{int64(o.Args[0].Rank() - 1)})
}

func isFloatCast(o *ir.Op) bool {
	return o.Kind == ir.Cast && o.Args[0].DType().IsFloat() && o.Result().DType().IsFloat()
}

// keepsRow reports whether a reshape leaves the last two axes as they are.
func keepsRow(o *ir.Op) bool {
	x, y := o.Args[0].Shape(), o.Result().Shape()
	n, r := len(x), len(y)
	return n > 2 && r > 2 && o.Region.SameDim(x[n-1], y[r-1]) && o.Region.SameDim(x[n-2], y[r-2])
}

// walk goes from the softmax's operand to the product of queries and keys; what lies between takes effect on the way back.
func (s *scores) walk(v *ir.Value, depth int) bool {
	o := v.Def
	if o == nil || depth > 12 {
		return s.no(v, "is no product of queries and keys")
	}
	before := *s
	switch {
	case o.Kind == ir.MatMul:
		if v.Rank() != 3 && v.Rank() != 4 {
			return s.no(v, "is of rank %d, want 3 or 4", v.Rank())
		}
		s.product = v
		if v.Rank() == 4 {
			s.shape = v.Shape()
		}
	case isFloatCast(o) || o.Kind == ir.Reshape && keepsRow(o):
		if !s.walk(o.Args[0], depth+1) {
			return false
		}
		if v.Rank() == 4 {
			s.shape = v.Shape()
		}
	case o.Kind == ir.Mul || o.Kind == ir.Div:
		return s.scaled(o, depth)
	case o.Kind == ir.Add:
		for i := range 2 {
			if s.walk(o.Args[i], depth+1) {
				s.meet(o)
				return s.sameSizes(o, i) && s.add(o.Args[1-i])
			}
			m := s.match
			*s = before
			s.match = m
		}
		return false
	case o.Kind == ir.Where:
		return s.selected(o, depth)
	default:
		return s.no(v, "is no product of queries and keys")
	}
	s.meet(o)
	return v.HasOneUse() || depth == 0 || s.no(v, "is used elsewhere too")
}

// sameSizes reports whether operand i of o has the shape of its result: nothing was broadcast.
func (s *scores) sameSizes(o *ir.Op, i int) bool {
	return s.SameType(ir.TensorOf(ir.F32, o.Args[i].Shape()...), ir.TensorOf(ir.F32, o.Result().Shape()...)) ||
		s.no(o.Result(), "is broadcast")
}

func (s *scores) scaled(o *ir.Op, depth int) bool {
	i := 0
	c, ok := rewrite.Splat(o.Args[1])
	if !ok && o.Kind == ir.Mul {
		i = 1
		c, ok = rewrite.Splat(o.Args[0])
	}
	if !ok || !s.walk(o.Args[i], depth+1) {
		return s.no(o.Result(), "is scaled by no constant")
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
func (s *scores) operands(o *ir.Op) (q, k, v *ir.Value, ok bool) {
	p := s.product.Def
	q, kt, v := p.Args[0], p.Args[1], o.Args[1]
	if q.Rank() != kt.Rank() || q.Rank() != v.Rank() || q.DType() != v.DType() || o.Result().DType() != v.DType() {
		return nil, nil, nil, s.no(o.Result(), "has operands of other ranks or dtypes")
	}
	q, c := s.unscaled(q, 0)
	s.scale *= c
	kt, c = s.unscaled(kt, 0)
	s.scale *= c
	if math.IsInf(s.scale, 0) || math.IsNaN(s.scale) {
		return nil, nil, nil, s.no(s.product, "has the scale %v", s.scale)
	}
	perm := identity(kt.Rank())
	n := len(perm)
	perm[n-1], perm[n-2] = perm[n-2], perm[n-1]
	k = s.transposed(kt, perm)
	if n == 3 {
		return s.withHeads(q), s.withHeads(k), s.withHeads(v), true
	}
	if one, two := s.ungrouped(k), s.ungrouped(v); one != nil && two != nil {
		k, v = one, two
	}
	return q, k, v, s.fits(q, k, v)
}

// fits says why the operands are none of an attention, whose batches do not broadcast.
func (s *scores) fits(q, k, v *ir.Value) bool {
	same := s.SameDim(q.Shape()[0], k.Shape()[0]) && s.SameDim(q.Shape()[0], v.Shape()[0]) && s.SameDim(k.Shape()[1], v.Shape()[1])
	_, whole := q.Shape()[1].ExactDiv(k.Shape()[1])
	return same && (whole || s.SameDim(q.Shape()[1], k.Shape()[1])) || s.no(s.product, "its operands are broadcast")
}

// withHeads makes [B, H, L, D] of [B·H, L, D], where the scores tell B and H; else [N, 1, L, D].
func (s *scores) withHeads(x *ir.Value) *ir.Value {
	if s.shape == nil {
		return s.Op(ir.Unsqueeze, &ir.AxesAttrs{Axes: []int64{1}}, x)
	}
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
	r := rewrite.Def(v, ir.Reshape)
	if r == nil || r.Args[0].Rank() != 5 {
		return nil
	}
	e := rewrite.Def(r.Args[0], ir.Expand)
	if e == nil || e.Args[0].Rank() != 5 || !e.Args[0].Shape()[2].Is(1) {
		return nil
	}
	wide, narrow, y := e.Result().Shape(), e.Args[0].Shape(), v.Shape()
	same := m.SameDim(y[1], wide[1].Mul(wide[2]))
	for _, i := range [][2]int{{0, 0}, {1, 1}, {3, 3}, {4, 4}} {
		same = same && m.SameDim(wide[i[0]], narrow[i[1]])
	}
	same = same && m.SameDim(y[0], wide[0]) && m.SameDim(y[2], wide[3]) && m.SameDim(y[3], wide[4])
	if !same {
		return nil
	}
	if u := rewrite.Def(e.Args[0], ir.Unsqueeze); u != nil && slices.Equal(u.Attrs.(*ir.AxesAttrs).Axes, []int64{2}) {
		return u.Args[0]
	}
	return m.reshaped(e.Args[0], narrow[0], narrow[1], narrow[3], narrow[4])
}

// sinks are what w.sink repeats for each query, [H].
func (w *weights) sinks(*ir.Value) *ir.Value { return w.sink }

func identity(n int) []int64 {
	p := make([]int64, n)
	for i := range p {
		p[i] = int64(i)
	}
	return p
}

// transposed is x with its axes permuted, in one transpose with that which makes x, or in none.
func (m *match) transposed(x *ir.Value, perm []int64) *ir.Value {
	if t := rewrite.Def(x, ir.Transpose); t != nil {
		first := t.Attrs.(*ir.PermAttrs).Perm
		both := make([]int64, len(perm))
		for i, p := range perm {
			both[i] = first[p]
		}
		x, perm = t.Args[0], both
	}
	if slices.Equal(perm, identity(len(perm))) {
		return x
	}
	return m.Op(ir.Transpose, &ir.PermAttrs{Perm: perm}, x)
}

// reshaped is x in another shape, in one reshape with that which makes x, or in none.
func (m *match) reshaped(x *ir.Value, dims ...ir.Dim) *ir.Value {
	for rewrite.Def(x, ir.Reshape, ir.Unsqueeze, ir.Squeeze) != nil {
		x = x.Def.Args[0]
	}
	if m.SameType(x.Type, ir.TensorOf(x.DType(), dims...)) {
		return x
	}
	return m.Op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, x, m.Dims(dims...))
}

// atMost reports whether a ≤ b is known.
func (m *match) atMost(a, b ir.Dim) bool {
	proved, _ := m.at.Region.Implied(ir.Fact{Rel: ir.LE, A: a, B: b})
	return proved
}
