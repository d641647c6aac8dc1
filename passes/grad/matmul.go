package grad

import (
	"github.com/emilyc/emily/ir"
)

// gradMatMul: d·bᵀ and aᵀ·d, 1-D operands as a row and a column.
func gradMatMul(t *tape) {
	a, b, d := t.x(0), t.x(1), t.d(0)
	if a.Rank() == 1 {
		a = t.unsqueeze(a, 0)
		d = t.unsqueeze(d, int64(max(0, b.Rank()-2)))
	}
	if b.Rank() == 1 {
		b = t.unsqueeze(b, 1)
		d = t.unsqueeze(d, int64(d.Rank()))
	}
	matmul := func(x, y *ir.Value) *ir.Value { return t.b.Op(ir.MatMul, nil, x, y) }
	t.give(0, func() *ir.Value { return t.shapedAs(matmul(d, t.matrixT(b)), a, t.x(0)) })
	t.give(1, func() *ir.Value {
		if b.Rank() == 2 && a.Rank() > 2 { // one product over all rows, and no sum of products
			a, d = t.rows(a), t.rows(d)
		}
		return t.shapedAs(matmul(t.matrixT(a), d), b, t.x(1))
	})
}

// gradLinear: x·w + b, a matmul and a sum.
func gradLinear(t *tape) {
	gradMatMul(t)
	t.give(2, func() *ir.Value { return t.d(0) })
}

// shapedAs is d, the cotangent of x stretched over batch axes, in the shape of x and then of v.
func (t *tape) shapedAs(d, x, v *ir.Value) *ir.Value { return t.fit(t.unbroadcast(d, x), v) }

// rows makes one axis of all but the last.
func (t *tape) rows(x *ir.Value) *ir.Value {
	if t.b.Err() != nil {
		return x
	}
	n, last := ir.Size(1), len(x.Shape())-1
	for _, d := range x.Shape()[:last] {
		n = n.Mul(d)
	}
	return t.reshape(x, t.b.Dims(n, x.Shape()[last]))
}

// gradDet: the matrix of cofactors, which are determinants of what is left without a row and a column; of singular matrices too.
func gradDet(t *tape) {
	t.give(0, func() *ir.Value {
		x := t.x(0)
		last := int64(x.Rank() - 1)
		n := x.Shape()[last]
		if n.Is(0) {
			return t.full(x, 0)
		}
		if k, known := n.Value(); known && k > maxDet {
			t.fail(ir.ShapeError, "differentiate the determinants of smaller matrices", "the cofactors of %s would need %d determinants each", x.Type, k*k)
			return x
		}
		count := t.count(t.scalarDim(n))
		left := t.count(t.scalarDim(n.Sub(ir.Size(1))))
		row := t.unsqueeze(count, 1)
		beyond := t.cast(t.b.Op(ir.LessEqual, nil, row, left), ir.I64) // past the row that is left out
		others := t.b.Add(t.unsqueeze(left, 0), beyond)                // [n, n-1]
		minors := t.gather(t.gather(x, others, last-1), others, last+1)
		perm := append(ir.Axes(0, int(last)-1), last-1, last+1, last, last+2)
		cofactors := t.f(ir.Det, t.transpose(minors, perm...))
		odd := t.b.Op(ir.Mod, &ir.ModAttrs{}, t.b.Add(row, count), t.b.Const(ir.Scalar(int64(2))))
		sign := t.from(1, t.scaled(t.cast(odd, x.DType()), 2))
		return t.b.Mul(t.unsqueeze(t.d(0), last-1, last), t.b.Mul(cofactors, sign))
	})
}

// maxDet bounds the sides of matrices whose n² cofactors are computed.
const maxDet = 64

// scalarDim is a size as a scalar.
func (t *tape) scalarDim(d ir.Dim) *ir.Value {
	if n, known := d.Value(); known {
		return t.b.Const(ir.Scalar(n))
	}
	return t.b.Op(ir.Dims, &ir.DimsAttrs{Values: []ir.Dim{d}, Scalar: true})
}
