package mlx

import (
	"fmt"

	"github.com/emilyc/emily/ir"
)

// exactTerms is how many products of two 16-bit integers float64 adds exactly.
const exactTerms = 1 << 20

// limitMatMul: integers go through float64.
func limitMatMul(op *ir.Op, opts Options) string {
	a := op.Args[0]
	if !a.DType().IsInt() {
		return ""
	}
	if opts.Device == GPU {
		return "matmul of integers needs float64, which is there on the CPU only"
	}
	if n, ok := a.Shape()[a.Rank()-1].Value(); ok && n > exactTerms {
		return fmt.Sprintf("matmul of %s over %d terms is not exact", a.DType(), n)
	}
	return ""
}

// lowerMatMul: mx.matmul, which is of floats only.
func lowerMatMul(l *lowering, op *ir.Op) {
	a, d := l.reg(op.Args[0]), op.Result().DType()
	if r := l.packed(op); r != Absent {
		l.set(op, r)
		return
	}
	if d.IsFloat() {
		l.set(op, l.b.Call(MatMul, a, l.factor(op.Args[1])))
		return
	}
	l.set(op, l.intMatMul(a, l.reg(op.Args[1]), d))
}

// factor is the right-hand side of a product. A GPU reads a matrix of weights faster with its columns contiguous, as
// mlx.nn.Linear keeps it; the setup program turns it once.
func (l *lowering) factor(v *ir.Value) Reg {
	r := l.reg(v)
	if !l.opts.takes(l.opts.Tuning.Columns, GPU) || v.Rank() != 2 || !isWeight(v) {
		return r
	}
	return l.once(factorKey{v}, func() []Reg {
		turn := func(r Reg) Reg { return l.b.Call(Transpose, r, []int{1, 0}) }
		return []Reg{turn(l.b.Call(Contiguous, turn(r)))}
	})[0]
}

// factorKey is what products with the same weights share.
type factorKey struct{ weights *ir.Value }

// isWeight reports whether v is a constant, cast or transposed maybe.
func isWeight(v *ir.Value) bool {
	for v.Def != nil && (v.Def.Kind == ir.Cast || v.Def.Kind == ir.Transpose) {
		v = v.Def.Args[0]
	}
	return v.Def != nil && v.Def.Kind == ir.Const
}

// lowerLinear: mx.addmm, whose alpha and beta take in the factor of x, and the one that the user of the result wants.
func lowerLinear(l *lowering, op *ir.Op) {
	if r := l.packed(op); r != Absent {
		l.set(op, r)
		return
	}
	x, factor := l.asMultiple(op.Args[0])
	s := l.wantedBy(op.Result())
	if s == 1 && factor == 1 && op.Args[1].Rank() == 2 && isWeight(op.Args[1]) {
		l.set(op, l.addProduct(l.reg(op.Args[2]), x, l.factor(op.Args[1])))
		return
	}
	r := l.b.Call(AddMM, l.reg(op.Args[2]), x, l.factor(op.Args[1]), s*factor, s)
	if s == 1 {
		l.set(op, r)
		return
	}
	l.setMultiple(op, r, 1/s)
}

// addProduct is c + x·w for a matrix w of weights.
func (l *lowering) addProduct(c, x, w Reg) Reg {
	if l.opts.takes(l.opts.Tuning.Vectors, GPU) {
		return l.b.Call(Linear, c, x, w)
	}
	return l.b.Call(AddMM, c, x, w, 1.0, 1.0)
}

// intMatMul is exact modulo 2ⁿ for integers of n bits: it adds products of 16-bit limbs in float64. Limb i of a times
// limb j of b counts 2^16(i+j); what lies past the width is not computed.
func (l *lowering) intMatMul(a, b Reg, d ir.DType) Reg {
	if d.Bits() <= 16 {
		p := l.b.Call(MatMul, l.b.Call(AsType, a, ir.F64), l.b.Call(AsType, b, ir.F64))
		return l.b.Call(AsType, l.b.Call(AsType, p, ir.I64), d)
	}
	n := d.Bits() / 16
	as, bs := l.limbs(a, n), l.limbs(b, n)
	sum := Absent
	for i := range as {
		for j := range n - i {
			p := l.b.Call(AsType, l.b.Call(MatMul, as[i], bs[j]), ir.I64)
			if i+j > 0 {
				p = l.b.Call(LeftShift, p, l.b.Int(ir.I64, int64(16*(i+j))))
			}
			if sum != Absent {
				p = l.b.Call(Add, sum, p)
			}
			sum = p
		}
	}
	return l.cast(sum, ir.I64, d)
}

// limbs are the 16-bit digits of an integer tensor, lowest first, as float64.
func (l *lowering) limbs(r Reg, n int) []Reg {
	r = l.b.Call(AsType, r, ir.I64)
	out := make([]Reg, n)
	for i := range out {
		digit := r
		if i > 0 {
			digit = l.b.Call(RightShift, r, l.b.Int(ir.I64, int64(16*i)))
		}
		digit = l.b.Call(BitwiseAnd, digit, l.b.Int(ir.I64, 0xffff))
		out[i] = l.b.Call(AsType, digit, ir.F64)
	}
	return out
}

// lowerDet: the product of the diagonal of mx.linalg.lu's U, and the sign of its permutation: whether it has an odd number
// of pairs out of order. MLX has no decomposition of matrices without elements.
func lowerDet(l *lowering, op *ir.Op) {
	x := op.Args[0]
	n := x.Rank() - 2
	l.set(op, l.inFloat32(l.reg(x), x.DType(), func(r Reg, d ir.DType) Reg {
		lu := l.b.CallN(LU, 3, l.bordered(r, x.Shape(), d))
		product := l.b.Call(Prod, l.b.Call(Diagonal, lu[2], 0, n, n+1), []int{n}, false)
		p := l.b.Call(AsType, lu[0], ir.I32)
		swapped := l.b.Call(Greater, l.b.Call(ExpandDims, p, []int{n + 1}), l.b.Call(ExpandDims, p, []int{n}))
		pairs := l.b.Call(Sum, l.b.Call(Triu, l.b.Call(AsType, swapped, ir.I32), 1), []int{n, n + 1}, false)
		odd := l.b.Call(BitwiseAnd, pairs, l.b.Int(ir.I32, 1))
		return l.b.Call(Where, l.b.Call(AsType, odd, ir.Bool), l.b.Call(Negative, product), product)
	}))
}

// bordered are matrices with one more row and column, which leave the determinant as it is, where their size may be 0.
func (l *lowering) bordered(r Reg, shape ir.Shape, d ir.DType) Reg {
	n := len(shape) - 2
	size := shape[n]
	if v, known := size.Value(); known && v > 0 {
		return r
	}
	none, more := make([]ir.Dim, n+2), make([]ir.Dim, n+2)
	for i := range none {
		none[i], more[i] = ir.Size(0), ir.Size(0)
	}
	more[n], more[n+1] = ir.Size(1), ir.Size(1)
	zero := l.b.Scalar(d, 0)
	corner := l.b.Call(Pad, l.b.Call(ExpandDims, l.b.Scalar(d, 1), []int{0, 1}), zero, []ir.Dim{size, size}, []ir.Dim{ir.Size(0), ir.Size(0)})
	return l.b.Call(Add, l.b.Call(Pad, r, zero, none, more), corner)
}
