package simplify

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

var elementwiseRules = []rewrite.Rule{
	{Name: "neutral-operand", Doc: "x - 0, x * 1, x / 1, pow(x, 1), x and true …: x", Kinds: neutralKinds(), Rewrite: neutral},
	{Name: "absorbing-operand", Doc: "x and false: false; x or true: true", Kinds: []ir.Kind{ir.And, ir.Or}, Rewrite: absorbing},
	{Name: "isinf-of-bounded", Doc: "isinf of softmax, sigmoid, tanh, erf, sin, cos: false", Kinds: []ir.Kind{ir.IsInf}, Rewrite: isInfOfBounded},
	{Name: "equal-operands", Doc: "min(x, x), max(x, x), x and x, x or x, where(c, x, x): x",
		Kinds: []ir.Kind{ir.Min, ir.Max, ir.And, ir.Or, ir.BitAnd, ir.BitOr, ir.Where}, Rewrite: equalOperands},
	{Name: "involution", Doc: "neg(neg(x)), not(not(x)), bit_not(bit_not(x)): x", Kinds: []ir.Kind{ir.Neg, ir.Not, ir.BitNot}, Rewrite: involution},
	{Name: "idempotent", Doc: "f(f(x)) for abs, ceil, floor, round, sign, relu: f(x)",
		Kinds: []ir.Kind{ir.Abs, ir.Ceil, ir.Floor, ir.Round, ir.Sign, ir.Relu}, Rewrite: idempotent},
	{Name: "abs-of-neg", Doc: "abs(neg(x)): abs(x)", Kinds: []ir.Kind{ir.Abs}, Rewrite: absOfNeg},
	{Name: "where-of-constant", Doc: "where(true, a, b): a; where(false, a, b): b", Kinds: []ir.Kind{ir.Where}, Rewrite: whereOfConstant},
	{Name: "where-of-not", Doc: "where(not c, a, b): where(c, b, a)", Kinds: []ir.Kind{ir.Where}, Rewrite: whereOfNot},
	{Name: "broadcast-operand", Doc: "an expand that the op's own broadcasting makes up for goes", Kinds: broadcasting(2), Rewrite: broadcastOperand},
	{Name: "unary-of-expand", Doc: "f(expand(x)): expand(f(x))", Kinds: broadcasting(1), Rewrite: unaryOfExpand},
}

// broadcasting are the elementwise kinds with at least n operands, or exactly one.
func broadcasting(n int) []ir.Kind {
	var out []ir.Kind
	for k := range ir.NumKinds {
		args := ir.Kinds[k].MinArgs
		if k.Is(ir.Elementwise) && (n == 1 && args == 1 || n > 1 && args >= n) {
			out = append(out, k)
		}
	}
	return out
}

// neutralElement says which constant makes a binary op give its other operand.
type neutralElement struct {
	value float64 // of numbers; 1 and 0 for bool; -1 is all bits
	left  bool    // as the first operand too
	minus bool    // zero of a float must be -0
	dtype func(ir.DType) bool
}

func numbers(d ir.DType) bool { return d.IsNumeric() && d != ir.F8E8M0 }

var neutrals = map[ir.Kind]neutralElement{
	ir.Add:        {value: 0, left: true, minus: true, dtype: numbers},
	ir.Sub:        {value: 0, dtype: numbers},
	ir.Mul:        {value: 1, left: true, dtype: numbers},
	ir.Div:        {value: 1, dtype: numbers},
	ir.Pow:        {value: 1, dtype: numbers},
	ir.And:        {value: 1, left: true, dtype: isBool},
	ir.Or:         {value: 0, left: true, dtype: isBool},
	ir.Xor:        {value: 0, left: true, dtype: isBool},
	ir.BitAnd:     {value: -1, left: true, dtype: ir.DType.IsInt},
	ir.BitOr:      {value: 0, left: true, dtype: ir.DType.IsInt},
	ir.BitXor:     {value: 0, left: true, dtype: ir.DType.IsInt},
	ir.ShiftLeft:  {value: 0, dtype: ir.DType.IsInt},
	ir.ShiftRight: {value: 0, dtype: ir.DType.IsInt},
}

func isBool(d ir.DType) bool { return d == ir.Bool }

func neutralKinds() []ir.Kind {
	var out []ir.Kind
	for k := range neutrals {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func neutral(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	n := neutrals[op.Kind]
	a, b := op.Args[0], op.Args[1]
	switch {
	case !n.dtype(a.DType()):
		return nil
	case rw.SameType(a.Type, op.Result().Type) && n.is(b):
		return rewrite.One(a)
	case n.left && rw.SameType(b.Type, op.Result().Type) && n.is(a):
		return rewrite.One(b)
	}
	return nil
}

// is reports whether v is a constant of the element, or such a constant expanded.
func (n neutralElement) is(v *ir.Value) bool {
	if e := rewrite.Def(v, ir.Expand); e != nil {
		v = e.Args[0]
	}
	x, ok := rewrite.Splat(v)
	if !ok {
		return false
	}
	if n.minus && v.DType().IsFloat() {
		return x == 0 && math.Signbit(x)
	}
	if n.value == 0 && v.DType().IsFloat() { // x - -0 turns -0 into 0
		return x == 0 && !math.Signbit(x)
	}
	if n.value == -1 && v.DType().Category() == ir.Unsigned {
		return x == math.Ldexp(1, v.DType().Bits())-1 && v.DType() != ir.U64
	}
	return x == n.value
}

// absorbing: the neutral element of one of and, or absorbs in the other.
func absorbing(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	n := neutralElement{value: 1 - neutrals[op.Kind].value}
	for _, a := range op.Args {
		if n.is(a) && rw.SameType(a.Type, op.Result().Type) {
			return rewrite.One(a)
		}
	}
	return nil
}

func isInfOfBounded(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	shape := op.Result().Shape()
	if !bounded(op.Args[0], 4) || !rw.Defined(shape...) || len(shape) > ir.MaxSym {
		return nil
	}
	return rewrite.One(rw.Op(ir.Expand, nil, rw.Const(ir.FloatScalar(ir.Bool, 0)), rw.Dims(shape...)))
}

// bounded reports whether few ops show that no element of v is infinite.
func bounded(v *ir.Value, depth int) bool {
	if x, ok := rewrite.Splat(v); ok {
		return !math.IsInf(x, 0)
	}
	o := v.Def
	if o == nil || depth == 0 {
		return false
	}
	switch o.Kind {
	case ir.Softmax, ir.Sigmoid, ir.Tanh, ir.Erf, ir.Sin, ir.Cos:
		return true
	case ir.Cast:
		x := o.Args[0]
		return x.DType().IsFloat() && v.DType().Bits() >= x.DType().Bits() && bounded(x, depth-1)
	case ir.Where:
		return bounded(o.Args[1], depth-1) && bounded(o.Args[2], depth-1)
	}
	return false
}

// equalOperands is of the last two operands.
func equalOperands(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	n := len(op.Args)
	if op.Args[n-1] != op.Args[n-2] {
		return nil
	}
	return when(rw, op, op.Args[n-1])
}

// signed reports whether neg of d loses nothing.
func signed(d ir.DType) bool {
	return d != ir.F8E8M0 && (d.IsFloat() || d.Category() == ir.Signed)
}

func involution(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	inner := rewrite.Def(op.Args[0], op.Kind)
	if inner == nil || op.Kind == ir.Neg && !signed(op.Args[0].DType()) {
		return nil
	}
	return when(rw, op, inner.Args[0])
}

func idempotent(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	if rewrite.Def(op.Args[0], op.Kind) == nil {
		return nil
	}
	return when(rw, op, op.Args[0])
}

func absOfNeg(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	neg := rewrite.Def(op.Args[0], ir.Neg)
	if neg == nil || !signed(op.Args[0].DType()) {
		return nil
	}
	return rewrite.One(rw.Op(ir.Abs, nil, neg.Args[0]))
}

func whereOfConstant(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	cond := op.Args[0]
	if e := rewrite.Def(cond, ir.Expand); e != nil {
		cond = e.Args[0]
	}
	x, ok := rewrite.Splat(cond)
	if !ok {
		return nil
	}
	return when(rw, op, op.Args[2-int(x)])
}

func whereOfNot(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	not := rewrite.Def(op.Args[0], ir.Not)
	if not == nil {
		return nil
	}
	return rewrite.One(rw.Like(ir.Where, nil, not.Args[0], op.Args[2], op.Args[1]))
}

// broadcastOperand drops the first expand among the operands whose sizes others, or what is expanded, supply.
func broadcastOperand(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	for i, a := range op.Args {
		e := rewrite.Def(a, ir.Expand)
		if e == nil {
			continue
		}
		args := slices.Clone(op.Args)
		args[i] = e.Args[0]
		if supplies(rw, op.Result().Type.Shape, args) {
			return rewrite.One(rw.Like(op.Kind, op.Attrs, args...))
		}
	}
	return nil
}

// supplies reports whether the operands broadcast to shape: each size is one of theirs and the others are 1.
func supplies(rw *rewrite.Rewriter, shape ir.Shape, args []*ir.Value) bool {
	for k, want := range shape {
		found := false
		for _, a := range args {
			i := k - (len(shape) - a.Rank())
			if i < 0 {
				continue
			}
			d := a.Type.Shape[i]
			same := rw.SameDim(d, want)
			if !same && !d.Is(1) {
				return false
			}
			found = found || same
		}
		if !found {
			return false
		}
	}
	return true
}

func unaryOfExpand(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	e := rewrite.Def(op.Args[0], ir.Expand)
	if e == nil || !op.Args[0].HasOneUse() {
		return nil
	}
	return rewrite.One(rw.Like(ir.Expand, nil, rw.Op(op.Kind, op.Attrs, e.Args[0]), e.Args[1]))
}
