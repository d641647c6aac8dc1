package simplify

import (
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

var castRules = []rewrite.Rule{
	{Name: "same-dtype", Doc: "a cast to the dtype that x has: x", Kinds: []ir.Kind{ir.Cast}, Rewrite: sameDType},
	{Name: "cast-chain", Doc: "cast(cast(x, A), B) where A holds every value of x: cast(x, B)", Kinds: []ir.Kind{ir.Cast}, Rewrite: castChain},
}

func sameDType(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value { return when(rw, op, op.Args[0]) }

func castChain(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	inner := rewrite.Def(op.Args[0], ir.Cast)
	if inner == nil {
		return nil
	}
	from, via, to := inner.Args[0].DType(), op.Args[0].DType(), op.Result().DType()
	if !lossless(from, via) || !agrees(from, via, to) {
		return nil
	}
	return rewrite.One(rw.Op(ir.Cast, op.Attrs, inner.Args[0]))
}

// agrees reports whether a value converts to `to` in the same way from both dtypes. Out of range, integers wrap, while
// floats do what the machine does; small floats saturate by rules of their own; strings show the dtype.
func agrees(from, via, to ir.DType) bool {
	switch {
	case to == from:
		return true
	case to.IsInt():
		return from.IsInt() && via.IsInt() || from.IsFloat() && via.IsFloat() || lossless(from, to)
	case to.IsFloat():
		return to.Bits() >= 16
	}
	return to == ir.Bool
}

// lossless reports whether every value of a is one of b.
func lossless(a, b ir.DType) bool {
	switch {
	case a == b:
		return true
	case a == ir.Bool:
		return b.IsInt() || b.IsFloat() && b.Bits() >= 16
	case a.IsInt() && b.IsInt():
		return intFits(a, b)
	case a.IsInt() && b.IsFloat():
		return magnitude(a) <= mantissa[b]
	case a.IsFloat() && b.IsFloat():
		return floatFits(a, b)
	}
	return false
}

func intFits(a, b ir.DType) bool {
	if a.Category() == ir.Signed && b.Category() == ir.Unsigned {
		return false
	}
	return magnitude(a) <= magnitude(b)
}

// magnitude is the number of bits of an integer's absolute value; the least of a signed one is a power of two.
func magnitude(d ir.DType) int {
	if d.Category() == ir.Signed {
		return d.Bits() - 1
	}
	return d.Bits()
}

// mantissa is the number of significant bits of the dtypes whose exponents reach past those of integers that fit.
var mantissa = [ir.NumDTypes]int{ir.F64: 53, ir.F32: 24, ir.F16: 11, ir.BF16: 8}

func floatFits(a, b ir.DType) bool {
	switch b {
	case ir.F64:
		return true
	case ir.F32:
		return a != ir.F64
	case ir.F16, ir.BF16:
		return a.Bits() <= 8 && a != ir.F8E8M0
	}
	return false
}
