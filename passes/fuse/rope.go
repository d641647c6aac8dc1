package fuse

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

var ropeRules = []rewrite.Rule{
	fusion("rope", "rope", "x·cos + (-second, first)·sin, of halves or of neighbours: rope", rope, ir.Add),
	fusion("rope", "rope-of-parts", "(a·cos - b·sin, a·sin + b·cos), of halves or of neighbours a and b: rope", ropeOfParts, ir.Concat, ir.Reshape),
	fusion("rope", "rope-between-transposes", "heads and places exchanged, rope, and exchanged again: rope, of exchanged tables", ropeBetweenTransposes, ir.Transpose),
	fusion("rope", "rope-between-casts", "a rope by positions in f32 of what is f16 or bf16 before and after: in that dtype", ropeBetweenCasts, ir.Cast),
	fusion("rope", "rope-of-slice", "(rope(x[…, :2n]), x[…, 2n:]): rope(x)", ropeOfSlice, ir.Concat),
	fusion("rope", "rope-of-angles", "rope(x, cos(p·f), sin(p·f)): rope(x, p, f)", ropeOfAngles, ir.Rope),
}

// rope matches x·C + R·S, where R is x turned by a right angle.
func rope(m *match, o *ir.Op) *ir.Value {
	for i := range 8 {
		a, b := rewrite.Def(o.Args[i&1], ir.Mul), rewrite.Def(o.Args[1-i&1], ir.Mul)
		if a == nil || b == nil {
			return nil
		}
		x, cos := a.Args[i>>1&1], a.Args[1-i>>1&1]
		turned, sin := b.Args[i>>2], b.Args[1-i>>2]
		interleaved, ok := m.isTurned(turned, x)
		if !ok {
			continue
		}
		m.meet(o)
		if !m.sole(a.Result(), b.Result()) {
			return nil
		}
		cos, sin = m.half(cos, interleaved, 0), m.half(sin, interleaved, 0)
		if cos == nil || sin == nil {
			return nil
		}
		return m.turned(x, cos, sin, interleaved, o.Result().Shape())
	}
	return nil
}

// turned is x of that shape, turned by a table of cosines and one of sines; nil where these are of another shape. A rope is of
// rank 4: x gets the axes that it lacks.
func (m *match) turned(x, cos, sin *ir.Value, interleaved bool, shape ir.Shape) *ir.Value {
	switch {
	case !x.DType().IsFloat():
		m.no(x, "is no float")
		return nil
	case x.Rank() > 4 || !sameShape(m, x, shape):
		m.no(x, "is of a higher rank than 4, or broadcast")
		return nil
	case !sameShape(m, sin, cos.Shape()):
		m.no(sin, "is of another shape than the cosines, %s", cos.Type)
		return nil
	case cos.Rank() == 0 || !m.SameDim(cos.Shape()[cos.Rank()-1].Mul(ir.Size(2)), shape[len(shape)-1]):
		m.no(cos, "has no angle for each pair")
		return nil
	}
	wide := append(slices.Repeat(ir.Shape{ir.Size(1)}, 4-x.Rank()), shape...)
	return m.reshaped(m.Op(ir.Rope, &ir.RopeAttrs{Interleaved: interleaved}, m.reshaped(x, wide...), cos, sin), shape...)
}

// ropeOfParts matches the parts of each pair, computed one by one: halves put after each other, and perhaps after them what a rope
// leaves out; or neighbours, on an axis of their own that a reshape merges with the one before.
func ropeOfParts(m *match, o *ir.Op) *ir.Value {
	if o.Kind == ir.Reshape {
		return m.neighbours(o)
	}
	last := int64(o.Result().Rank() - 1)
	if len(o.Args) < 2 || o.Attrs.(*ir.AxisAttrs).Axis != last {
		return nil
	}
	x, cos, sin := m.pair(o.Args[0], o.Args[1], wholeOfHalves)
	if x == nil {
		return nil
	}
	if len(o.Args) == 2 {
		return m.turned(x, cos, sin, false, o.Result().Shape())
	}
	y := m.turned(x, cos, sin, false, x.Shape())
	if y == nil {
		return nil
	}
	return m.Op(ir.Concat, o.Attrs, append([]*ir.Value{y}, o.Args[2:]...)...)
}

// neighbours are pairs on an axis of their own, [..., n, 2], as [..., 2n] or in another shape.
func (m *match) neighbours(o *ir.Op) *ir.Value {
	c := rewrite.Def(o.Args[0], ir.Concat)
	if c == nil || len(c.Args) != 2 {
		return nil
	}
	n := c.Result().Rank() - 1
	if c.Attrs.(*ir.AxisAttrs).Axis != int64(n) || n < 1 || !c.Args[0].Shape()[n].Is(1) || !c.Args[1].Shape()[n].Is(1) {
		return nil
	}
	first, second, whole := unstacked(c.Args[0]), unstacked(c.Args[1]), wholeOfNeighbours
	deep := first == nil || second == nil // each part has an axis of size 1 from the start, as complex numbers have
	if deep {
		first, second, whole = c.Args[0], c.Args[1], wholeOfElements
	}
	x, cos, sin := m.pair(first, second, whole)
	if x == nil {
		return nil
	}
	if n := cos.Rank() - 1; deep && n == sin.Rank()-1 && n > 0 && cos.Shape()[n].Is(1) && sin.Shape()[n].Is(1) {
		cos, sin = m.reshaped(cos, cos.Shape()[:n]...), m.reshaped(sin, sin.Shape()[:n]...)
	}
	if !m.sole(c.Result()) {
		return nil
	}
	shape := slices.Clone(c.Result().Shape()[:n])
	shape[n-1] = shape[n-1].Mul(ir.Size(2))
	y := m.turned(x, cos, sin, true, shape)
	if y == nil {
		return nil
	}
	return m.reshaped(y, o.Result().Shape()...)
}

// pair matches (a·cos - b·sin, a·sin + b·cos), where a and b are parts of what whole finds: x.
func (m *match) pair(first, second *ir.Value, whole func(m *match, a, b *ir.Value) *ir.Value) (x, cos, sin *ir.Value) {
	sub := rewrite.Def(first, ir.Sub)
	if sub == nil {
		return nil, nil, nil
	}
	p, q := rewrite.Def(sub.Args[0], ir.Mul), rewrite.Def(sub.Args[1], ir.Mul)
	if p == nil || q == nil {
		return nil, nil, nil
	}
	m.meet(sub)
	sum := rewrite.Def(second, ir.Add)
	if sum == nil {
		m.no(second, "is no sum a·sin + b·cos, with a·cos - b·sin before it")
		return nil, nil, nil
	}
	m.meet(sum)
	for i := range 4 {
		a, cos := p.Args[i&1], p.Args[1-i&1]
		b, sin := q.Args[i>>1], q.Args[1-i>>1]
		r, s := rewrite.Def(sum.Args[0], ir.Mul), rewrite.Def(sum.Args[1], ir.Mul)
		if !(isProduct(r, a, sin) && isProduct(s, b, cos)) && !(isProduct(s, a, sin) && isProduct(r, b, cos)) {
			continue
		}
		if x := whole(m, a, b); x != nil {
			if !m.sole(first, second, p.Result(), q.Result(), r.Result(), s.Result()) {
				return nil, nil, nil
			}
			return x, cos, sin
		}
	}
	m.no(second, "is not a·sin + b·cos, where a·cos - b·sin comes before it and a and b make pairs of one value")
	return nil, nil, nil
}

// isProduct reports whether o is a·b or b·a.
func isProduct(o *ir.Op, a, b *ir.Value) bool {
	return o != nil && (o.Args[0] == a && o.Args[1] == b || o.Args[0] == b && o.Args[1] == a)
}

// isTurned reports whether r is x turned by a right angle, (-second, first), of halves or interleaved.
func (m *match) isTurned(r, x *ir.Value) (interleaved, ok bool) {
	c := rewrite.Def(r, ir.Concat)
	if c == nil {
		interleaved = true
		c = stacked(r)
	}
	if c == nil || len(c.Args) != 2 || c.Attrs.(*ir.AxisAttrs).Axis != int64(c.Result().Rank()-1) {
		return false, false
	}
	second, first := c.Args[0], c.Args[1]
	if interleaved {
		second = unstacked(second)
	}
	minus := rewrite.Def(second, ir.Neg)
	if minus == nil {
		return false, false
	}
	m.meet(minus)
	var y *ir.Value
	switch f := unstacked(first); {
	case !interleaved:
		y = wholeOfHalves(m, first, minus.Args[0])
	case f != nil:
		y = wholeOfNeighbours(m, f, minus.Args[0])
	default: // a squeeze and its unsqueeze are gone
		p, _ := partOf(first)
		y = m.merge(p, taken(minus.Args[0]))
	}
	if y == nil || !m.sameElements(x, y) {
		return false, m.no(r, "is not (-second, first) of what is multiplied with the cosines")
	}
	return interleaved, true
}

// sameElements reports whether x and y are seen to be the same part, or reshapes to one shape, of one value.
func (m *match) sameElements(x, y *ir.Value) bool {
	p, _ := partOf(x)
	q, _ := partOf(y)
	return m.SameType(x.Type, y.Type) && (p == q || viewed(x) == viewed(y))
}

// swapped are heads and places exchanged.
var swapped = []int64{0, 2, 1, 3}

func isSwap(o *ir.Op) bool { return o != nil && slices.Equal(o.Attrs.(*ir.PermAttrs).Perm, swapped) }

// ropeBetweenTransposes exchanges the tables, which are small, and not x.
func ropeBetweenTransposes(m *match, o *ir.Op) *ir.Value {
	r := rewrite.Def(o.Args[0], ir.Rope)
	if r == nil || r.Args[1].DType().IsInt() || !r.Result().HasOneUse() || !isSwap(o) || !isSwap(rewrite.Def(r.Args[0], ir.Transpose)) {
		return nil
	}
	m.meet(r)
	var tables [2]*ir.Value
	for i := range tables {
		t := r.Args[1+i]
		shape, n := slices.Clone(t.Shape()), t.Rank()
		if n > 2 {
			shape[n-3], shape[n-2] = shape[n-2], shape[n-3]
		}
		if n < 2 || !t.Shape()[n-2].Is(1) && (n < 3 || !t.Shape()[n-3].Is(1)) {
			m.no(t, "differs from head to head, or from place to place alone")
			return nil
		}
		tables[i] = m.reshaped(t, shape...)
	}
	return m.Op(ir.Rope, r.Attrs, r.Args[0].Def.Args[0], tables[0], tables[1])
}

// ropeBetweenCasts: angles of positions are computed in f32 whatever the dtype.
func ropeBetweenCasts(m *match, o *ir.Op) *ir.Value {
	r, d := rewrite.Def(o.Args[0], ir.Rope), o.Result().DType()
	if r == nil || d != ir.F16 && d != ir.BF16 || o.Args[0].DType() != ir.F32 {
		return nil
	}
	m.meet(r)
	cast := rewrite.Def(r.Args[0], ir.Cast)
	switch {
	case !m.sole(o.Args[0]):
		return nil
	case cast == nil || cast.Args[0].DType() != d:
		m.no(r.Args[0], "is no cast from %s", d)
		return nil
	case !r.Args[1].DType().IsInt():
		m.no(r.Args[1], "would be rounded to %s", d)
		return nil
	}
	return m.Op(ir.Rope, r.Attrs, cast.Args[0], r.Args[1], r.Args[2])
}

// ropeOfSlice: what a rope leaves out need not be cut off before and put back after it.
func ropeOfSlice(m *match, o *ir.Op) *ir.Value {
	if len(o.Args) != 2 || o.Attrs.(*ir.AxisAttrs).Axis != int64(o.Result().Rank()-1) {
		return nil
	}
	r := rewrite.Def(o.Args[0], ir.Rope)
	if r == nil {
		return nil
	}
	m.meet(r)
	cut := rewrite.Def(r.Args[0], ir.Slice, ir.Split)
	if cut == nil {
		return nil
	}
	x := cut.Args[0]
	whole, ok := partOf(x)
	p, ok2 := partOf(r.Args[0])
	q, ok3 := partOf(o.Args[1])
	head, rest := part{whole.base, whole.from, 1, p.n}, part{whole.base, whole.from + p.n, 1, whole.n - p.n}
	if !ok || !ok2 || !ok3 || whole.step != 1 || p != head || q != rest {
		m.no(o.Result(), "does not put a slice back where it was")
		return nil
	}
	return m.Op(ir.Rope, r.Attrs, x, r.Args[1], r.Args[2])
}

// isCutOff reports whether a rope waits to be put together with what it was cut from.
func isCutOff(o *ir.Op) bool {
	y := o.Result()
	return rewrite.Def(o.Args[0], ir.Slice, ir.Split) != nil && y.HasOneUse() && y.Uses()[0].Op.Kind == ir.Concat && y.Uses()[0].Index == 0
}
