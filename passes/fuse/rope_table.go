package fuse

import (
	"bytes"
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

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
	case ir.Cos, ir.Sin, ir.Cast, ir.Unsqueeze, ir.Transpose, ir.Slice, ir.Gather, ir.GatherND:
		if keepsLast(o) {
			return m.halfOf(o, interleaved, depth)
		}
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

// halfOf is an op of half its first operand.
func (m *match) halfOf(o *ir.Op, interleaved bool, depth int) *ir.Value {
	x := m.half(o.Args[0], interleaved, depth+1)
	if x == nil {
		return nil
	}
	args := slices.Clone(o.Args)
	args[0] = x
	return m.Op(o.Kind, o.Attrs, args...)
}

// keepsLast reports whether each row of o's result, along the last axis, is made of a row of its operand.
func keepsLast(o *ir.Op) bool {
	x, last := o.Args[0], int64(o.Args[0].Rank()-1)
	switch a := o.Attrs.(type) {
	case *ir.AxesAttrs:
		return !slices.Contains(a.Axes, int64(o.Result().Rank()-1))
	case *ir.PermAttrs:
		return a.Perm[last] == last
	case *ir.SliceAttrs:
		return !slices.Contains(a.Axes, last)
	case *ir.AxisAttrs:
		return a.Axis != last
	case *ir.GatherNDAttrs:
		i := o.Args[1].Shape()
		return len(i) > 0 && i[len(i)-1].IsConst() && !i[len(i)-1].Add(ir.Size(a.BatchDims)).Is(int64(x.Rank()))
	}
	return true
}

// maxTable is the size in bytes of a table that is read to see whether it has each element twice.
const maxTable = 16 << 20

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
	case ir.Expand:
	default:
		return nil
	}
	if !sameShape(m, x, append(slices.Clone(pairs.Shape()[:n]), ir.Size(1))) {
		return nil
	}
	return m.reshaped(x, pairs.Shape()[:n]...)
}

// repeats reports whether each of vs has the elements of its counterpart in us: as it is that, or is made in the same way of what lies
// half a table further in a table that is the same for both elements of a pair.
func (m *match) repeats(vs, us []*ir.Value, depth int) bool {
	for i, v := range vs {
		u := us[i]
		for u != v && isAlike(u.Def, v.Def) && keepsLast(u.Def) {
			u, v = u.Def.Args[0], v.Def.Args[0]
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

// isAlike reports whether a and b differ in their first operand alone.
func isAlike(a, b *ir.Op) bool {
	return a != nil && b != nil && a.Kind == b.Kind && ir.EqualAttrs(a.Attrs, b.Attrs) && len(a.Results) == 1 &&
		len(a.Args) > 0 && slices.Equal(a.Args[1:], b.Args[1:])
}
