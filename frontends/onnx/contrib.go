package onnx

import (
	"github.com/emilyc/emily/ir"
)

// contribRows are operators that onnxruntime's optimiser and its quantisation tools write, beside those of microsoftRows.
var contribRows = []row{
	{microsoft, "QEmbedLayerNormalization", since(1), importQEmbedLayerNorm},
	{microsoft, "FusedConv", since(1), importFusedConv},
	{microsoft, "FusedGemm", since(1), importFusedGemm},
	{microsoft, "NhwcConv", since(1), importNhwcConv},
	{microsoft, "Inverse", since(1), importInverse},
}

// importQEmbedLayerNorm is EmbedLayerNormalization with its tables, scale and shift in 8 bits, and without the sum.
func importQEmbedLayerNorm(n *Node) []*ir.Value {
	table := func(i, scale, zero int) *ir.Value {
		switch {
		case n.arg(i) == nil:
			return nil
		case n.arg(scale) == nil || n.arg(zero) == nil:
			return n.fail(Missing, "give it", "operand %d has no scale or zero point", i)
		}
		return n.dequantized(n.in[i], n.scalar(n.in[scale]), n.scalar(n.in[zero]))
	}
	inner := *n
	inner.in = []*ir.Value{n.in[0], n.arg(1), table(2, 8, 13), table(3, 9, 14), table(4, 10, 15), table(5, 11, 16), table(6, 12, 17), n.arg(7)}
	if !n.ok() {
		return nil
	}
	results := importEmbedLayerNorm(&inner)
	return results[:min(len(results), 2)]
}

// importFusedConv: activation(conv(X, W) + B + Z).
func importFusedConv(n *Node) []*ir.Value {
	z := n.arg(3)
	activation, params := n.String("activation", ""), n.Floats("activation_params")
	results := importConv(n)
	if !n.ok() {
		return nil
	}
	y := results[0]
	if z != nil {
		y = n.op(ir.Add, nil, y, z)
	}
	return one(n.activated(y, activation, params))
}

// importFusedGemm: activation(Gemm(A, B, C)).
func importFusedGemm(n *Node) []*ir.Value {
	var params []float32
	for _, name := range []string{"activation_alpha", "activation_beta", "activation_gamma"} {
		if n.Has(name) {
			params = append(params, n.Float(name, 0))
		}
	}
	activation := n.String("activation", "")
	return one(n.activated(importGemm(n)[0], activation, params))
}

// activated is x through an activation that is named, with its parameters.
func (n *Node) activated(x *ir.Value, name string, params []float32) *ir.Value {
	need := map[string]int{"LeakyRelu": 1, "Clip": 2, "HardSigmoid": 2}[name]
	if len(params) < need {
		return n.fail(Invalid, "give activation_params", "%s with %d parameters, must have %d", name, len(params), need)
	}
	param := func(i int) float64 { return float64(params[i]) }
	switch name {
	case "":
		return x
	case "Relu":
		return n.op(ir.Relu, nil, x)
	case "Tanh":
		return n.op(ir.Tanh, nil, x)
	case "Sigmoid":
		return n.op(ir.Sigmoid, nil, x)
	case "HardSwish":
		return n.op(ir.HardSwish, nil, x)
	case "LeakyRelu":
		return n.op(ir.LeakyRelu, &ir.AlphaAttrs{Alpha: param(0)}, x)
	case "HardSigmoid":
		return n.op(ir.HardSigmoid, &ir.AlphaAttrs{Alpha: param(0), Beta: param(1)}, x)
	case "Clip":
		x = n.op(ir.Max, nil, x, n.number(x.DType(), param(0)))
		return n.op(ir.Min, nil, x, n.number(x.DType(), param(1)))
	}
	return n.fail(Unsupported, "export the activation as a node of its own", "activation %q", clip(name))
}

// importNhwcConv: Conv whose X and Y are [N, …, C]; the weight is as Conv's.
func importNhwcConv(n *Node) []*ir.Value {
	r := n.in[0].Rank()
	if r < 3 {
		return one(n.fail(Invalid, "give [N, …, C]", "conv of %s", n.in[0].Type))
	}
	inner := *n
	inner.in = append([]*ir.Value{n.channelsFirst(n.in[0])}, n.in[1:]...)
	results := importConv(&inner)
	if !n.ok() {
		return nil
	}
	return one(n.channelsLast(results[0]))
}

// channelsFirst makes [N, C, …] of [N, …, C].
func (n *Node) channelsFirst(x *ir.Value) *ir.Value {
	r := x.Rank()
	return n.transpose(x, append([]int64{0, int64(r - 1)}, ir.Axes(1, r-1)...)...)
}

// channelsLast makes [N, …, C] of [N, C, …].
func (n *Node) channelsLast(x *ir.Value) *ir.Value {
	r := x.Rank()
	return n.transpose(x, append(append([]int64{0}, ir.Axes(2, r)...), 1)...)
}

// maxInverse bounds the size of matrices to invert: every column is a few ops.
const maxInverse = 64

// importInverse inverts matrices by Gauss-Jordan elimination with partial pivoting, in f32 or f64. Of a matrix that has no
// inverse the result is not finite.
func importInverse(n *Node) []*ir.Value {
	x := n.in[0]
	r := x.Rank()
	order, known := size(x, r-1).Value()
	switch {
	case r < 2 || known && size(x, r-2).IsConst() && size(x, r-2) != size(x, r-1):
		return one(n.fail(Invalid, "give square matrices", "inverse of %s", x.Type))
	case !known || !size(x, r-2).IsConst() || order > maxInverse:
		return one(n.fail(Unsupported, "bind its sizes; they may be up to 64", "inverse of %s", x.Type))
	case order < 1:
		return one(x)
	}
	d := wideFloat(x.DType())
	work := n.reshape(n.cast(x, d), ir.Unknown, ir.Size(order), ir.Size(order))
	eye := make([]float64, order*order)
	for i := range order {
		eye[i*order+i] = 1
	}
	unit := n.floats(eye, []int{int(order), int(order)}, d)
	if !n.ok() {
		return nil
	}
	beside := n.op(ir.Expand, nil, unit, n.b.Dims(size(work, 0), ir.Size(order), ir.Size(order)))
	work = n.op(ir.Concat, &ir.AxisAttrs{Axis: 2}, work, beside) // [B, N, 2N]
	for k := range order {
		work = n.eliminated(work, k, order)
	}
	work = n.slice(work, n.b.Ints(order), n.b.Ints(2*order), []int64{2}, []int64{1})
	y := n.op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, work, n.op(ir.ShapeOf, nil, x))
	return one(n.cast(y, x.DType()))
}

// eliminated is one step: the row below k with the greatest element of column k changes places with row k, becomes 1 there, and all others 0.
func (n *Node) eliminated(m *ir.Value, k, order int64) *ir.Value {
	if !n.ok() {
		return m
	}
	column := func(m *ir.Value) *ir.Value { // [B, N, 1]
		return n.slice(m, n.b.Ints(k), n.b.Ints(k+1), []int64{2}, []int64{1})
	}
	rows := n.unsqueeze(n.count(n.b.Const(ir.Scalar(order))), 1) // [N, 1]
	at := n.b.Const(ir.Scalar(k))
	left := n.op(ir.LessEqual, nil, at, rows)
	sizes := n.op(ir.Where, nil, left, n.op(ir.Abs, nil, column(m)), n.number(m.DType(), -1))
	best := n.op(ir.ArgMax, &ir.ArgAttrs{Axis: 1, KeepDims: true}, sizes) // [B, 1, 1]
	isBest, isRow := n.op(ir.Equal, nil, rows, best), n.op(ir.Equal, nil, rows, at)
	zero := n.number(m.DType(), 0)
	sum := &ir.ReduceAttrs{Axes: []int64{1}, KeepDims: true}
	pivot := n.op(ir.ReduceSum, sum, n.op(ir.Where, nil, isBest, m, zero)) // [B, 1, 2N]
	first := n.op(ir.ReduceSum, sum, n.op(ir.Where, nil, isRow, m, zero))
	m = n.op(ir.Where, nil, isBest, first, m)
	pivot = n.op(ir.Div, nil, pivot, column(pivot))
	rest := n.op(ir.Sub, nil, m, n.op(ir.Mul, nil, column(m), pivot))
	return n.op(ir.Where, nil, isRow, pivot, rest)
}
