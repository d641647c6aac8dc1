package fuse

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

func sameShape(m *match, v *ir.Value, shape ir.Shape) bool {
	return m.SameType(ir.TensorOf(ir.F32, v.Shape()...), ir.TensorOf(ir.F32, shape...))
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
	if slices.Equal(perm, ir.Axes(0, len(perm))) {
		return x
	}
	return m.Op(ir.Transpose, &ir.PermAttrs{Perm: perm}, x)
}

// reshaped is x in another shape, in one reshape with that which makes x, or in none.
func (m *match) reshaped(x *ir.Value, dims ...ir.Dim) *ir.Value {
	for want := ir.TensorOf(x.DType(), dims...); ; x = x.Def.Args[0] {
		if m.SameType(x.Type, want) {
			return x
		}
		if rewrite.Def(x, ir.Reshape, ir.Unsqueeze, ir.Squeeze) == nil {
			break
		}
	}
	return m.Op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, x, m.Dims(dims...))
}

// atMost reports whether a ≤ b is known.
func (m *match) atMost(a, b ir.Dim) bool {
	proved, _ := m.at.Region.Implied(ir.Fact{Rel: ir.LE, A: a, B: b})
	return proved
}
