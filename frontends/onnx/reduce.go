package onnx

import "github.com/emilyc/emily/ir"

// Reductions take their axes from an attribute, and from an operand since opset 18 (ReduceSum: 13).
var reduceRows = []row{
	{"", "ReduceSum", since(1, 11), reduction(axesAttr, reduceKind(ir.ReduceSum))},
	{"", "ReduceSum", since(13), reduction(axesOperand, reduceKind(ir.ReduceSum))},
	{"", "ReduceMean", since(1, 11, 13), reduction(axesAttr, reduceKind(ir.ReduceMean))},
	{"", "ReduceMean", since(18), reduction(axesOperand, reduceKind(ir.ReduceMean))},
	{"", "ReduceMax", since(1, 11, 12, 13), reduction(axesAttr, reduceKind(ir.ReduceMax))},
	{"", "ReduceMax", since(18, 20), reduction(axesOperand, reduceKind(ir.ReduceMax))},
	{"", "ReduceMin", since(1, 11, 12, 13), reduction(axesAttr, reduceKind(ir.ReduceMin))},
	{"", "ReduceMin", since(18, 20), reduction(axesOperand, reduceKind(ir.ReduceMin))},
	{"", "ReduceProd", since(1, 11, 13), reduction(axesAttr, reduceKind(ir.ReduceProd))},
	{"", "ReduceProd", since(18), reduction(axesOperand, reduceKind(ir.ReduceProd))},
	{"", "ReduceL1", since(1, 11, 13), reduction(axesAttr, reduceL1)},
	{"", "ReduceL1", since(18), reduction(axesOperand, reduceL1)},
	{"", "ReduceL2", since(1, 11, 13), reduction(axesAttr, reduceL2)},
	{"", "ReduceL2", since(18), reduction(axesOperand, reduceL2)},
	{"", "ReduceSumSquare", since(1, 11, 13), reduction(axesAttr, reduceSumSquare)},
	{"", "ReduceSumSquare", since(18), reduction(axesOperand, reduceSumSquare)},
	{"", "ReduceLogSum", since(1, 11, 13), reduction(axesAttr, reduceLogSum)},
	{"", "ReduceLogSum", since(18, 28), reduction(axesOperand, reduceLogSum)},
	{"", "ReduceLogSumExp", since(1, 11, 13), reduction(axesAttr, reduceLogSumExp)},
	{"", "ReduceLogSumExp", since(18, 28), reduction(axesOperand, reduceLogSumExp)},
	{"", "ArgMax", since(1, 11, 12, 13), argument(ir.ArgMax)},
	{"", "ArgMin", since(1, 11, 12, 13), argument(ir.ArgMin)},
	{"", "CumSum", since(11, 14), importCum(ir.CumSum)},
	{"", "CumProd", since(26), importCum(ir.CumProd)},
}

// reducer reduces x over axes, with the sizes of these axes kept as 1 or not.
type reducer func(n *Node, x *ir.Value, a *ir.ReduceAttrs) *ir.Value

func reduction(axes func(*Node) []int64, f reducer) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value {
		a := &ir.ReduceAttrs{Axes: axes(n), KeepDims: n.Int("keepdims", 1) != 0}
		if !n.ok() {
			return nil
		}
		return one(f(n, n.in[0], a))
	}
}

// axesAttr are the axes of attribute axes: all of them where there are none.
func axesAttr(n *Node) []int64 {
	list := n.Ints("axes")
	if len(list) == 0 {
		return allAxes(n.in[0])
	}
	return n.axes(list, n.in[0].Rank())
}

// axesOperand are the axes of the second operand: all where there are none, unless noop_with_empty_axes.
func axesOperand(n *Node) []int64 {
	noop := n.Int("noop_with_empty_axes", 0) != 0
	var list []int64
	if axes := n.arg(1); axes != nil {
		list = n.ints(axes, "the axes")
	}
	if len(list) == 0 && !noop {
		return allAxes(n.in[0])
	}
	return n.axes(list, n.in[0].Rank())
}

func reduceKind(k ir.Kind) reducer {
	return func(n *Node, x *ir.Value, a *ir.ReduceAttrs) *ir.Value { return n.op(k, a, x) }
}

func reduceL1(n *Node, x *ir.Value, a *ir.ReduceAttrs) *ir.Value {
	return n.op(ir.ReduceSum, a, n.op(ir.Abs, nil, x))
}

func reduceSumSquare(n *Node, x *ir.Value, a *ir.ReduceAttrs) *ir.Value {
	return n.op(ir.ReduceSum, a, n.op(ir.Mul, nil, x, x))
}

func reduceL2(n *Node, x *ir.Value, a *ir.ReduceAttrs) *ir.Value {
	return n.inFloat(x, func(x *ir.Value) *ir.Value { return n.op(ir.Sqrt, nil, reduceSumSquare(n, x, a)) })
}

func reduceLogSum(n *Node, x *ir.Value, a *ir.ReduceAttrs) *ir.Value {
	return n.inFloat(x, func(x *ir.Value) *ir.Value { return n.op(ir.Log, nil, n.op(ir.ReduceSum, a, x)) })
}

// reduceLogSumExp: log(sum(exp(x - m))) + m, where m is the maximum, unless that is infinite.
func reduceLogSumExp(n *Node, x *ir.Value, a *ir.ReduceAttrs) *ir.Value {
	return n.inFloat(x, func(x *ir.Value) *ir.Value {
		kept := &ir.ReduceAttrs{Axes: a.Axes, KeepDims: true}
		m := n.op(ir.ReduceMax, kept, x)
		inf := n.op(ir.IsInf, &ir.IsInfAttrs{Negative: true, Positive: true}, m)
		m = n.op(ir.Where, nil, inf, n.number(x.DType(), 0), m)
		sum := n.op(ir.ReduceSum, kept, n.op(ir.Exp, nil, n.op(ir.Sub, nil, x, m)))
		out := n.op(ir.Add, nil, n.op(ir.Log, nil, sum), m)
		if !a.KeepDims {
			out = n.squeeze(out, a.Axes...)
		}
		return out
	})
}

// inFloat computes f in f32 where x is an integer or a smaller float, as ONNX's functions for these operators do.
func (n *Node) inFloat(x *ir.Value, f func(*ir.Value) *ir.Value) *ir.Value {
	d := x.DType()
	if d == ir.F32 || d == ir.F64 {
		return f(x)
	}
	wide := ir.F32
	if d.IsInt() && d.Bits() > 16 {
		wide = ir.F64
	}
	return n.cast(f(n.cast(x, wide)), d)
}

func argument(k ir.Kind) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value {
		a := &ir.ArgAttrs{Axis: n.axis("axis", 0, n.in[0].Rank()), KeepDims: n.Int("keepdims", 1) != 0}
		if n.since >= 12 {
			a.Last = n.Int("select_last_index", 0) != 0
		}
		return one(n.op(k, a, n.in[0]))
	}
}

func importCum(k ir.Kind) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value {
		axis := n.ints(n.in[1], "the axis")
		if !n.ok() {
			return nil
		}
		if len(axis) != 1 {
			return one(n.fail(Invalid, "give one axis", "%d axes", len(axis)))
		}
		return one(n.op(k, &ir.CumAttrs{
			Axis:      n.normalAxis(axis[0], n.in[0].Rank()),
			Exclusive: n.Int("exclusive", 0) != 0,
			Reverse:   n.Int("reverse", 0) != 0,
		}, n.in[0]))
	}
}
