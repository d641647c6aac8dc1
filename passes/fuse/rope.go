package fuse

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

var ropeRules = []rewrite.Rule{
	fusion("rope", "rope", "x·cos + (-second, first)·sin, of halves or of neighbours: rope", rope, ir.Add),
	fusion("rope", "rope-of-parts", "first·cos - second·sin and second·cos + first·sin, put together: rope", ropeOfParts, ir.Concat, ir.Reshape),
	fusion("rope", "rope-between-transposes", "heads and places exchanged, rope, and exchanged again: rope, of exchanged tables", ropeBetweenTransposes, ir.Transpose),
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
		if x.Rank() != 4 || !sameShape(m, x, o.Result().Shape()) {
			m.no(x, "is of another rank than 4, or broadcast")
			return nil
		}
		cos, sin = m.half(cos, interleaved, 0), m.half(sin, interleaved, 0)
		if cos == nil || sin == nil {
			return nil
		}
		return m.Op(ir.Rope, &ir.RopeAttrs{Interleaved: interleaved}, x, cos, sin)
	}
	return nil
}

// ropeOfParts matches what ONNX's RotaryEmbedding does: the halves, or the neighbours, are turned one by one.
func ropeOfParts(m *match, o *ir.Op) *ir.Value {
	c, interleaved := o, o.Kind == ir.Reshape
	if interleaved {
		c = rewrite.Def(o.Args[0], ir.Concat)
	}
	if c == nil || len(c.Args) != 2 || c.Attrs.(*ir.AxisAttrs).Axis != int64(c.Result().Rank()-1) {
		return nil
	}
	less, more := c.Args[0], c.Args[1]
	if interleaved {
		less, more = unstacked(less), unstacked(more)
	}
	for i := range 4 {
		p, ok := m.turn(less, more, i)
		if !ok {
			continue
		}
		x := pair(p[0], p[1], interleaved)
		switch cos, sin := p[2], p[3]; {
		case x == nil:
			m.no(c.Result(), "is not made of the halves, or the neighbours, of one value")
		case cos.Rank() != sin.Rank() || !m.endsIn(cos, p[0].Shape()[3]) || !m.endsIn(sin, p[0].Shape()[3]):
			m.no(cos, "has no cosine for each pair")
		default:
			y := m.Op(ir.Rope, &ir.RopeAttrs{Interleaved: interleaved}, x, cos, sin)
			return m.reshaped(y, o.Result().Shape()...)
		}
	}
	return nil
}

// endsIn reports whether the last axis of v has that size.
func (m *match) endsIn(v *ir.Value, n ir.Dim) bool {
	return v.Rank() > 0 && m.SameDim(v.Shape()[v.Rank()-1], n)
}

// turn takes less = first·cos - second·sin and more = second·cos + first·sin apart: first, second, cos, sin. It is one of four ways to
// name the factors of less.
func (m *match) turn(less, more *ir.Value, way int) (parts [4]*ir.Value, ok bool) {
	d, e := rewrite.Def(less, ir.Sub), rewrite.Def(more, ir.Add)
	if d == nil || e == nil {
		return parts, false
	}
	a, b := rewrite.Def(d.Args[0], ir.Mul), rewrite.Def(d.Args[1], ir.Mul)
	if a == nil || b == nil {
		return parts, false
	}
	m.meet(d)
	m.key = d
	first, cos, second, sin := a.Args[way&1], a.Args[1-way&1], b.Args[way>>1], b.Args[1-way>>1]
	if first.Rank() != 4 || second.Rank() != 4 {
		return parts, false
	}
	ok = m.find(op(ir.Add, op(ir.Mul, same(second), same(cos)), op(ir.Mul, same(first), same(sin))), more)
	return [4]*ir.Value{first, second, cos, sin}, ok
}

// same is a pattern of the value itself.
func same(want *ir.Value) pat {
	return func(m *match, v *ir.Value) bool { return v == want || m.no(v, "turns something else") }
}

// pair is the value whose first and second halves, or neighbours, two values are; nil where they are not.
func pair(first, second *ir.Value, interleaved bool) *ir.Value {
	p, ok := partOf(first)
	q, ok2 := partOf(second)
	step, apart := int64(1), p.n
	if interleaved {
		step, apart = 2, 1
	}
	if !ok || !ok2 || p.base != q.base || p.step != step || q.step != step || p.n != q.n || q.from != p.from+apart {
		return nil
	}
	var whole *ir.Value
	for v := first; rewrite.Def(v, ir.Slice, ir.Split) != nil; {
		v = v.Def.Args[0]
		if w, ok := partOf(v); ok && w == (part{p.base, p.from, 1, 2 * p.n}) {
			whole = v
		}
	}
	return whole
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
		second, first = unstacked(second), unstacked(first)
	}
	minus := rewrite.Def(second, ir.Neg)
	if minus == nil || first == nil {
		return false, false
	}
	m.meet(minus)
	whole, ok := partOf(x)
	p, ok2 := partOf(minus.Args[0])
	q, ok3 := partOf(first)
	n := whole.n / 2
	want := [2]part{{whole.base, whole.from + n, 1, n}, {whole.base, whole.from, 1, n}}
	if interleaved {
		want = [2]part{{whole.base, whole.from + 1, 2, n}, {whole.base, whole.from, 2, n}}
	}
	if !ok || !ok2 || !ok3 || whole.step != 1 || whole.n%2 != 0 || p != want[0] || q != want[1] {
		return false, m.no(r, "is not (-second, first) of what is multiplied with the cosines")
	}
	return interleaved, true
}

// stacked is the concat whose last axis a reshape merges with the one before.
func stacked(v *ir.Value) *ir.Op {
	r := rewrite.Def(v, ir.Reshape)
	if r == nil || r.Args[0].Rank() != v.Rank()+1 || !r.Args[0].Shape()[v.Rank()].Is(2) {
		return nil
	}
	return rewrite.Def(r.Args[0], ir.Concat)
}

// unstacked is v without its last axis, of size 1; nil where it was not added.
func unstacked(v *ir.Value) *ir.Value {
	u := rewrite.Def(v, ir.Unsqueeze)
	if u == nil || !slices.Equal(u.Attrs.(*ir.AxesAttrs).Axes, []int64{int64(v.Rank() - 1)}) {
		return nil
	}
	return u.Args[0]
}

// part is n elements of the last axis of base: from, from + step, ….
type part struct {
	base          *ir.Value
	from, step, n int64
}

// partOf says which part of what a value is; of itself where it is no slice.
func partOf(v *ir.Value) (part, bool) {
	n, ok := v.Shape()[v.Rank()-1].Value()
	p := part{v, 0, 1, n}
	if !ok || v.Def == nil {
		return p, ok
	}
	last := int64(v.Rank() - 1)
	switch a := v.Def.Attrs.(type) {
	case *ir.SliceAttrs:
		from, known := v.Def.Args[1].KnownInts()
		if !slices.Equal(a.Axes, []int64{last}) || !known || a.Steps[0] < 1 {
			return p, true
		}
		if from[0] < 0 {
			size, ok := v.Def.Args[0].Shape()[last].Value()
			if from[0] += size; !ok || from[0] < 0 {
				return p, true
			}
		}
		p = part{v.Def.Args[0], from[0], a.Steps[0], n}
	case *ir.SplitAttrs:
		if a.Axis != last {
			return p, true
		}
		p.base = v.Def.Args[0]
		for _, d := range a.Sizes[:v.Index] {
			size, ok := d.Value()
			if !ok {
				return part{v, 0, 1, n}, true
			}
			p.from += size
		}
	default:
		return p, true
	}
	if outer, ok := partOf(p.base); ok && outer.base != p.base {
		p = part{outer.base, outer.from + p.from*outer.step, outer.step * p.step, n}
	}
	return p, true
}

// swapped are heads and places exchanged.
var swapped = []int64{0, 2, 1, 3}

func isSwap(o *ir.Op) bool { return o != nil && slices.Equal(o.Attrs.(*ir.PermAttrs).Perm, swapped) }

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

// ropeOfAngles: positions and frequencies where they can be seen.
func ropeOfAngles(m *match, o *ir.Op) *ir.Value {
	x, cos := o.Args[0], o.Args[1]
	if cos.DType().IsInt() || isCutOff(o) {
		return nil
	}
	m.meet(o)
	a, b := angleOf(cos, ir.Cos), angleOf(o.Args[2], ir.Sin) // in f32 or f64, as rope has it
	if a == nil || a != b || !sameShape(m, cos, o.Args[2].Shape()) {
		m.no(cos, "is no cosine of the angle that the sine is of")
		return nil
	}
	p, f := factors(a)
	if a.DType().Bits() < 32 {
		m.no(a, "is rounded to %s", a.DType())
		return nil
	}
	if p == nil {
		m.no(a, "is no product of positions and frequencies")
		return nil
	}
	axis, ok := m.placesAxis(x.Shape(), cos.Shape())
	if !ok {
		m.no(cos, "has one angle for all places of %s", x.Type)
		return nil
	}
	n := cos.Shape()[cos.Rank()-1]
	for rewrite.Def(f, ir.Expand) != nil {
		f = f.Def.Args[0]
	}
	if !m.SameDim(f.Shape().NumElements(), n) {
		m.no(f, "has other frequencies for each place")
		return nil
	}
	return m.placed(x, o.Attrs, positions(p), m.reshaped(f, n), axis)
}

// isCutOff reports whether a rope waits to be put together with what it was cut from.
func isCutOff(o *ir.Op) bool {
	y := o.Result()
	return rewrite.Def(o.Args[0], ir.Slice, ir.Split) != nil && y.HasOneUse() && y.Uses()[0].Op.Kind == ir.Concat && y.Uses()[0].Index == 0
}

// angleOf is the angle that v is the cosine or the sine of.
func angleOf(v *ir.Value, k ir.Kind) *ir.Value {
	for v.Def != nil {
		switch o := v.Def; {
		case o.Kind == k:
			return o.Args[0]
		case o.Kind == ir.Unsqueeze, isFloatCast(o) && o.Args[0].DType().Bits() >= 32:
			v = o.Args[0]
		default:
			return nil
		}
	}
	return nil
}

// factors takes an outer product of positions and frequencies apart, whose last axis is that of the frequencies.
func factors(v *ir.Value) (p, f *ir.Value) {
	o := v.Def
	if o == nil {
		return nil, nil
	}
	n := v.Rank()
	flip := o.Kind == ir.Transpose
	if flip {
		perm := identity(n)
		perm[n-1], perm[n-2] = perm[n-2], perm[n-1]
		if !slices.Equal(o.Attrs.(*ir.PermAttrs).Perm, perm) {
			return nil, nil
		}
		o = o.Args[0].Def
	}
	if o == nil || o.Kind != ir.MatMul && o.Kind != ir.Mul {
		return nil, nil
	}
	p, f = o.Args[0], o.Args[1]
	if flip != (o.Kind == ir.Mul && p.Rank() > 0 && !p.Shape()[p.Rank()-1].Is(1)) {
		p, f = f, p
	}
	if p.Rank() < 2 || f.Rank() < 1 {
		return nil, nil
	}
	inner := p.Shape()[p.Rank()-1] // of the product: 1
	if flip {
		inner = p.Shape()[p.Rank()-2]
	}
	if !inner.Is(1) || flip && o.Kind == ir.Mul {
		return nil, nil
	}
	return p, f
}

// positions are the integers that positions are cast from.
func positions(p *ir.Value) *ir.Value {
	for p.DType().IsFloat() && p.Def != nil {
		switch p.Def.Kind {
		case ir.Unsqueeze, ir.Expand, ir.Reshape, ir.Cast:
			p = p.Def.Args[0]
		default:
			return p
		}
	}
	for rewrite.Def(p, ir.Unsqueeze, ir.Reshape, ir.Expand) != nil {
		p = p.Def.Args[0]
	}
	return p
}

// placesAxis is the axis of x[B, H, L, D] or x[B, L, H, D] along which the angles differ.
func (m *match) placesAxis(x, cos ir.Shape) (int, bool) {
	wide := append(slices.Repeat(ir.Shape{ir.Size(1)}, 4-len(cos)), cos...)
	if !wide[0].Is(1) && !m.SameDim(wide[0], x[0]) {
		return 0, false
	}
	if wide[1].Is(1) {
		return 2, m.SameDim(wide[2], x[2])
	}
	return 1, wide[2].Is(1) && m.SameDim(wide[1], x[1])
}

// placed is the rope of x at positions p: one offset where they count up, else each place is a batch element of its own.
func (m *match) placed(x *ir.Value, a ir.Attrs, p, f *ir.Value, axis int) *ir.Value {
	if first, ok := counted(p, 0); ok && m.Defined(first) && m.SameDim(p.Shape().NumElements(), x.Shape()[axis]) {
		if axis == 2 {
			return m.Op(ir.Rope, a, x, m.scalar64(first), f)
		}
		return m.Op(ir.Transpose, &ir.PermAttrs{Perm: swapped}, m.Op(ir.Rope, a, m.transposed(x, swapped), m.scalar64(first), f))
	}
	if axis == 2 {
		x = m.transposed(x, swapped)
	}
	s := x.Shape() // [B, L, H, D]
	all := s[0].Mul(s[1])
	switch count := p.Shape().NumElements(); {
	case !p.DType().IsInt():
		m.no(p, "are positions that are no integers")
		return nil
	case p.Rank() == 2 && m.SameDim(p.Shape()[0], s[0]) && m.SameDim(p.Shape()[1], s[1]):
	case m.SameDim(count, s[1]):
		p = m.Op(ir.Expand, nil, m.reshaped(p, ir.Size(1), s[1]), m.Dims(s[0], s[1]))
	default:
		m.no(p, "are not the positions of %s", x.Type)
		return nil
	}
	flat := m.Op(ir.Rope, a, m.merged(x, all, s[2], ir.Size(1), s[3]), m.reshaped(p, all), f)
	y := m.reshaped(flat, s...)
	if axis == 2 {
		y = m.Op(ir.Transpose, &ir.PermAttrs{Perm: swapped}, y)
	}
	return y
}

// merged is x in another shape with the same last axis. A norm over that axis may as well come after the reshape, which then is
// one with that before it.
func (m *match) merged(x *ir.Value, dims ...ir.Dim) *ir.Value {
	o := rewrite.Def(x, ir.RMSNorm, ir.LayerNorm)
	if o == nil || !x.HasOneUse() || o.Attrs.(*ir.NormAttrs).Axis != int64(x.Rank()-1) || rewrite.Def(o.Args[0], ir.Reshape) == nil {
		return m.reshaped(x, dims...)
	}
	for _, p := range o.Args[1:] {
		if p != nil && p.Rank() > 1 {
			return m.reshaped(x, dims...)
		}
	}
	args := slices.Clone(o.Args)
	args[0] = m.reshaped(args[0], dims...)
	a := ir.CloneAttrs(o.Attrs.(*ir.NormAttrs))
	a.Axis = int64(len(dims) - 1)
	return m.Op(o.Kind, a, args...)
}

func (m *match) scalar64(d ir.Dim) *ir.Value {
	if n, ok := d.Value(); ok {
		return m.Const(ir.Scalar(n))
	}
	return m.Op(ir.Dims, &ir.DimsAttrs{Values: []ir.Dim{d}, Scalar: true})
}
