package fuse

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// part is n elements of the last axis of base: from, from + step, ….
type part struct {
	base          *ir.Value
	from, step, n int64
}

// partOf says which part of what a value is; of itself where it is no slice.
func partOf(v *ir.Value) (part, bool) {
	if v.Rank() == 0 {
		return part{v, 0, 1, 1}, false
	}
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

// partFrom is the part, which holds v: the first among what v was cut from, else cut out of the whole.
func (m *match) partFrom(v *ir.Value, want part) *ir.Value {
	var whole *ir.Value
	for x := v; ; x = x.Def.Args[0] {
		if p, ok := partOf(x); ok && p == want {
			whole = x
		}
		if x == want.base {
			break
		}
	}
	if whole != nil {
		return whole
	}
	last := int64(v.Rank() - 1)
	return m.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{last}, Steps: []int64{1}}, want.base, m.Dims(ir.Size(want.from)), m.Dims(ir.Size(want.from+want.n)))
}

// wholeOfHalves is the value whose halves a and b are, nil where they are none.
func wholeOfHalves(m *match, a, b *ir.Value) *ir.Value {
	p, ok := partOf(a)
	q, ok2 := partOf(b)
	if !ok || !ok2 || p.step != 1 || q != (part{p.base, p.from + p.n, 1, p.n}) {
		return nil
	}
	return m.partFrom(a, part{p.base, p.from, 1, 2 * p.n})
}

// wholeOfNeighbours is the value whose even elements are a, and whose odd ones b, nil where there is none.
func wholeOfNeighbours(m *match, a, b *ir.Value) *ir.Value {
	p, ok := partOf(a)
	q, ok2 := partOf(b)
	if ok && ok2 && p.step == 2 && q == (part{p.base, p.from + 1, 2, p.n}) {
		return m.partFrom(a, part{p.base, p.from, 1, 2 * p.n})
	}
	return m.merge(taken(a), taken(b))
}

// wholeOfElements is wholeOfNeighbours where a and b are [..., n, 1].
func wholeOfElements(m *match, a, b *ir.Value) *ir.Value {
	p, _ := partOf(a)
	q, _ := partOf(b)
	return m.merge(p, q)
}

// merge is [..., 2n] of [..., n, 2], whose two elements on the last axis p and q are; nil where they are not.
func (m *match) merge(p, q part) *ir.Value {
	if p.base == nil || p != (part{p.base, 0, 1, 1}) || q != (part{p.base, 1, 1, 1}) {
		return nil
	}
	n := p.base.Rank() - 1
	if n < 1 || !p.base.Shape()[n].Is(2) {
		return nil
	}
	shape := slices.Clone(p.base.Shape()[:n])
	shape[n-1] = shape[n-1].Mul(ir.Size(2))
	return m.reshaped(p.base, shape...)
}

// taken is the element of a last axis that v is, without that axis, by a slice or a gather.
func taken(v *ir.Value) part {
	o := rewrite.Def(v, ir.Squeeze, ir.Gather)
	if o == nil || o.Args[0].Rank() != v.Rank()+1 {
		return part{}
	}
	last := int64(v.Rank())
	if o.Kind == ir.Squeeze {
		if !slices.Equal(o.Attrs.(*ir.AxesAttrs).Axes, []int64{last}) {
			return part{}
		}
		p, _ := partOf(o.Args[0])
		return p
	}
	at, known := o.Args[1].KnownInts()
	n, ok := o.Args[0].Shape()[last].Value()
	if !known || !ok || o.Attrs.(*ir.AxisAttrs).Axis != last {
		return part{}
	}
	if at[0] < 0 {
		at = []int64{at[0] + n}
	}
	return part{o.Args[0], at[0], 1, 1}
}

// viewed is what reshapes make v of.
func viewed(v *ir.Value) *ir.Value {
	for rewrite.Def(v, ir.Reshape, ir.Unsqueeze, ir.Squeeze) != nil {
		v = v.Def.Args[0]
	}
	return v
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
