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
	case ir.Concat:
		if !interleaved && len(o.Args) == 2 && o.Args[0] == o.Args[1] && o.Attrs.(*ir.AxisAttrs).Axis == int64(v.Rank()-1) {
			return o.Args[0]
		}
	case ir.Reshape:
		if x := m.doubled(v); interleaved && x != nil {
			return x
		}
	case ir.Const:
		if x := m.halfOfConst(v, interleaved); x != nil {
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
				return m.Op(ir.Mul, nil, x, m.number(v.DType(), c))
			}
		}
	}
	m.no(v, "is not known to be the same for both elements of a pair")
	return nil
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

// maxTable is the size in bytes of a table that is read to see whether it has each element twice.
const maxTable = 16 << 20

// halfOfConst cuts a table whose halves, or whose neighbours, are equal.
func (m *match) halfOfConst(v *ir.Value, interleaved bool) *ir.Value {
	shape, ok := v.Shape().Static()
	if !ok || len(shape) == 0 || shape[len(shape)-1]%2 != 0 {
		return nil
	}
	data := v.Def.Attrs.(*ir.ConstAttrs).Bytes()
	if len(data) > maxTable {
		return nil
	}
	width := v.DType().Size()
	row := shape[len(shape)-1] * width
	for r := range slices.Chunk(data, max(row, 1)) {
		if interleaved {
			for p := range slices.Chunk(r, 2*width) {
				if !bytes.Equal(p[:width], p[width:]) {
					return nil
				}
			}
		} else if !bytes.Equal(r[:row/2], r[row/2:]) {
			return nil
		}
	}
	end, step := int64(shape[len(shape)-1]/2), int64(1)
	if interleaved {
		end, step = 2*end, 2
	}
	at := func(i int64) *ir.Value { return m.Const(ir.TensorFrom([]int64{i}, 1)) }
	return m.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{int64(len(shape) - 1)}, Steps: []int64{step}}, v, at(0), at(end))
}
