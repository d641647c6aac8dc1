package fuse

import (
	"bytes"
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

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

// sole reports whether each value has one use.
func (m *match) sole(vs ...*ir.Value) bool {
	for _, v := range vs {
		if !v.HasOneUse() {
			return m.no(v, "is used elsewhere too")
		}
	}
	return true
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

// partFrom is the part, which holds v: among what v was cut from, else cut out of the whole.
func (m *match) partFrom(v *ir.Value, want part) *ir.Value {
	for x := v; ; x = x.Def.Args[0] {
		if p, ok := partOf(x); ok && p == want {
			return x
		}
		if x == want.base {
			break
		}
	}
	last := int64(v.Rank() - 1)
	return m.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{last}, Steps: []int64{1}}, want.base, m.Dims(ir.Size(want.from)), m.Dims(ir.Size(want.from+want.n)))
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

// half is a table with an element for each pair, of one that has it for both elements; nil where they are not known to be the same.
func (m *match) half(v *ir.Value, interleaved bool, depth int) *ir.Value {
	o := v.Def
	if o == nil || depth > 8 || v.Rank() == 0 {
		m.no(v, "is not known to be the same for both elements of a pair")
		return nil
	}
	switch o.Kind {
	case ir.Const:
		if x := m.halfOfConst(v, interleaved); x != nil {
			return x
		}
	case ir.Concat:
		if n := len(o.Args) / 2; !interleaved && len(o.Args)%2 == 0 && o.Attrs.(*ir.AxisAttrs).Axis == int64(v.Rank()-1) && m.repeats(o.Args[n:], o.Args[:n], depth) {
			if n == 1 {
				return o.Args[0]
			}
			return m.Op(ir.Concat, o.Attrs, o.Args[:n]...)
		}
	case ir.Tile:
		if x := o.Args[0]; !interleaved && sameShape(m, v, append(slices.Clone(x.Shape()[:v.Rank()-1]), x.Shape()[v.Rank()-1].Mul(ir.Size(2)))) {
			return x
		}
	case ir.Reshape:
		if x := m.doubled(v); interleaved && x != nil {
			return x
		}
	case ir.Unsqueeze:
		if slices.Contains(o.Attrs.(*ir.AxesAttrs).Axes, int64(v.Rank()-1)) {
			break
		}
		return m.halfOf(o, interleaved, depth)
	case ir.Cos, ir.Sin, ir.Cast:
		return m.halfOf(o, interleaved, depth)
	case ir.Mul:
		for i := range 2 {
			if c, ok := rewrite.Splat(o.Args[i]); ok && sameShape(m, o.Args[1-i], v.Shape()) {
				x := m.half(o.Args[1-i], interleaved, depth+1)
				if x == nil {
					return nil
				}
				return m.Mul(x, m.Float(v.DType(), c))
			}
		}
	}
	m.no(v, "is not known to be the same for both elements of a pair")
	return nil
}

// maxTable bounds the bytes of a constant table that is read.
const maxTable = 256 << 10

// halfOfConst is half a constant table, nil where its elements are not the same for both of a pair.
func (m *match) halfOfConst(v *ir.Value, interleaved bool) *ir.Value {
	data, width := v.Def.Attrs.(*ir.ConstAttrs).Bytes(), v.DType().Size()
	n, ok := v.Shape()[v.Rank()-1].Value()
	if !ok || n == 0 || n%2 != 0 || len(data) == 0 || len(data) > maxTable {
		return nil
	}
	apart, step := int(n)/2*width, int64(1)
	if interleaved {
		apart, step = width, 2
	}
	for i := 0; i < len(data); i += 2 * apart {
		if !bytes.Equal(data[i:i+apart], data[i+apart:i+2*apart]) {
			return nil
		}
	}
	end := n / 2 * step
	return m.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{int64(v.Rank() - 1)}, Steps: []int64{step}}, v, m.Dims(ir.Size(0)), m.Dims(ir.Size(end)))
}

// repeats reports whether each of vs has the elements of its counterpart in us: as it is that, or lies half a table further in a table
// that is the same for both elements of a pair.
func (m *match) repeats(vs, us []*ir.Value, depth int) bool {
	for i, v := range vs {
		u := us[i]
		for rewrite.Def(u, ir.Gather) != nil && rewrite.Def(v, ir.Gather) != nil && u != v {
			a, b := u.Def, v.Def
			if a.Args[1] != b.Args[1] || !ir.EqualAttrs(a.Attrs, b.Attrs) || a.Attrs.(*ir.AxisAttrs).Axis == int64(a.Args[0].Rank()-1) {
				return false
			}
			u, v = a.Args[0], b.Args[0]
		}
		if u == v {
			continue
		}
		p, ok := partOf(u)
		q, ok2 := partOf(v)
		whole, ok3 := p.base.Shape()[p.base.Rank()-1].Value()
		if !ok || !ok2 || !ok3 || q != (part{p.base, p.from + whole/2, p.step, p.n}) || m.half(p.base, false, depth+1) == nil {
			return false
		}
	}
	return true
}

// doubled is x where v is [..., n] with each element twice, [..., 2n]; nil where it is not.
func (m *match) doubled(v *ir.Value) *ir.Value {
	pairs := v.Def.Args[0] // [..., n, 2]
	n := v.Rank()
	if pairs.Rank() != n+1 || !pairs.Shape()[n].Is(2) || pairs.Def == nil {
		return nil
	}
	x := pairs.Def.Args[0] // [..., n, 1]
	switch pairs.Def.Kind {
	case ir.Concat:
		if len(pairs.Def.Args) != 2 || pairs.Def.Args[1] != x {
			return nil
		}
	case ir.Expand, ir.Tile:
	default:
		return nil
	}
	if !sameShape(m, x, append(slices.Clone(pairs.Shape()[:n]), ir.Size(1))) {
		return nil
	}
	return m.reshaped(x, pairs.Shape()[:n]...)
}

// halfOf is an op of half its operand.
func (m *match) halfOf(o *ir.Op, interleaved bool, depth int) *ir.Value {
	x := m.half(o.Args[0], interleaved, depth+1)
	if x == nil {
		return nil
	}
	return m.Op(o.Kind, o.Attrs, x)
}
