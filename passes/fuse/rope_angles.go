package fuse

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

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
		perm := ir.Axes(0, n)
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

// placed is the rope of x at positions p: from an offset where they count up, else each place is a batch element of its own.
func (m *match) placed(x *ir.Value, a ir.Attrs, p, f *ir.Value, axis int) *ir.Value {
	if offset := m.offset(p, x.Shape()[0], x.Shape()[axis]); offset != nil {
		if axis == 2 {
			return m.Op(ir.Rope, a, x, offset, f)
		}
		return m.Op(ir.Transpose, &ir.PermAttrs{Perm: swapped}, m.Op(ir.Rope, a, m.transposed(x, swapped), offset, f))
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

// offset is where positions begin that count up over so many places: for all of a batch or, an axis, for each of its elements; nil where
// they do not.
func (m *match) offset(p *ir.Value, batch, places ir.Dim) *ir.Value {
	if first, ok := counted(p, 0); ok && m.Defined(first) && m.SameDim(p.Shape().NumElements(), places) {
		return m.scalar64(first)
	}
	sum := rewrite.Def(p, ir.Add)
	if sum == nil || !p.DType().IsInt() {
		return nil
	}
	for i, rows := range sum.Args {
		at, n := sum.Args[1-i], p.Rank()
		first, ok := counted(rows, 0)
		if !ok || !first.Is(0) || !m.SameDim(rows.Shape().NumElements(), places) {
			continue
		}
		switch {
		case at.Shape().NumElements().Is(1):
			return m.reshaped(at)
		case at.Rank() == n && m.SameDim(at.Shape()[0], batch) && m.SameDim(at.Shape().NumElements(), batch) && (rows.Rank() < n || rows.Shape()[0].Is(1)):
			return m.reshaped(at, batch)
		}
	}
	return nil
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
