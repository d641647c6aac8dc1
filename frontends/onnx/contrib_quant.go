package onnx

import (
	"github.com/emilyc/emily/ir"
)

// contribQuantRows are onnxruntime's operators over integers that stand for floats.
var contribQuantRows = []row{
	{microsoft, "QuantizeLinear", since(1), asSince(21, importQuantizeLinear)},
	{microsoft, "DequantizeLinear", since(1), asSince(21, importDequantizeLinear)},
	{microsoft, "QGemm", since(1), importQGemm},
	{microsoft, "QLinearAdd", since(1), qlinearBinary(ir.Add)},
	{microsoft, "QLinearMul", since(1), qlinearBinary(ir.Mul)},
	{microsoft, "QLinearConcat", since(1), importQLinearConcat},
	{microsoft, "QLinearGlobalAveragePool", since(1), importQLinearGlobalAveragePool},
	{microsoft, "QLinearLeakyRelu", since(1), qlinearUnary(func(n *Node, x *ir.Value) *ir.Value {
		return n.op(ir.LeakyRelu, n.alpha(0.01), x)
	})},
	{microsoft, "QLinearSigmoid", since(1), qlinearUnary(func(n *Node, x *ir.Value) *ir.Value { return n.op(ir.Sigmoid, nil, x) })},
	{microsoft, "QLinearSoftmax", since(1), qlinearUnary(qlinearSoftmax)},
	{microsoft, "MatMulIntegerToFloat", since(1), importMatMulIntegerToFloat},
	{microsoft, "DynamicQuantizeMatMul", since(1), importDynamicQuantizeMatMul},
	{microsoft, "MatMulNBits", since(1), importMatMulNBits},
}

// dequantized is (x - zero) × scale in the scale's dtype; zero may be nil.
func (n *Node) dequantized(x, scale, zero *ir.Value) *ir.Value {
	return n.op(ir.Mul, nil, n.cast(n.centred(x, zero), scale.DType()), scale)
}

// asFloat is operand i, whose scale and zero point follow it, as f32.
func (n *Node) asFloat(i int) *ir.Value {
	return n.dequantized(n.in[i], n.scalar(n.in[i+1]), n.scalar(n.arg(i+2)))
}

// requantized is y in the integers of dtype d, with the scale of operand i and the zero point after it.
func (n *Node) requantized(y *ir.Value, i int, d ir.DType) *ir.Value {
	if !n.ok() {
		return nil
	}
	return n.quantized(n.op(ir.Div, nil, y, n.scalar(n.in[i])), n.scalar(n.arg(i+1)), d, true)
}

func qlinearBinary(k ir.Kind) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value {
		return one(n.requantized(n.op(k, nil, n.asFloat(0), n.asFloat(3)), 6, n.in[0].DType()))
	}
}

func qlinearUnary(f func(*Node, *ir.Value) *ir.Value) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value {
		return one(n.requantized(f(n, n.asFloat(0)), 3, n.in[0].DType()))
	}
}

// qlinearSoftmax: attribute opset says which Softmax it is.
func qlinearSoftmax(n *Node, x *ir.Value) *ir.Value {
	axis := n.axis("axis", -1, x.Rank())
	f := softmax2D(ir.Softmax)
	if n.Int("opset", 0) >= 13 {
		f = softmax(ir.Softmax)
	}
	if !n.ok() {
		return x
	}
	return f(n, x, axis)
}

// importQLinearConcat: scale and zero point of the result, then triples of tensor, scale and zero point.
func importQLinearConcat(n *Node) []*ir.Value {
	if len(n.in) < 5 || (len(n.in)-2)%3 != 0 {
		return one(n.fail(Invalid, "give a tensor, a scale and a zero point thrice by three", "%d operands", len(n.in)))
	}
	for i, x := range n.in {
		if x == nil {
			return one(n.fail(Missing, "give it", "operand %d is absent", i))
		}
	}
	axis := n.axis("axis", 0, n.in[2].Rank())
	var parts []*ir.Value
	for i := 2; i < len(n.in); i += 3 {
		parts = append(parts, n.asFloat(i))
	}
	return one(n.requantized(n.op(ir.Concat, &ir.AxisAttrs{Axis: axis}, parts...), 0, n.in[1].DType()))
}

// importQLinearGlobalAveragePool: the mean over the spatial axes of [N, C, …], or of [N, …, C].
func importQLinearGlobalAveragePool(n *Node) []*ir.Value {
	x := n.in[0]
	if x.Rank() < 3 {
		return one(n.fail(Invalid, "give [N, C, …]", "pool of %s", x.Type))
	}
	axes := ir.Axes(2, x.Rank())
	if n.Int("channels_last", 0) != 0 {
		axes = ir.Axes(1, x.Rank()-1)
	}
	mean := n.op(ir.ReduceMean, &ir.ReduceAttrs{Axes: axes, KeepDims: true}, n.asFloat(0))
	return one(n.requantized(mean, 3, x.DType()))
}

// importMatMulIntegerToFloat: the product of integers, exact, times both scales, plus the bias.
func importMatMulIntegerToFloat(n *Node) []*ir.Value {
	y := n.integerProduct(n.in[0], n.in[1], n.in[2], n.in[3], n.arg(4), n.arg(5))
	return one(n.biased(y, n.arg(6)))
}

// importDynamicQuantizeMatMul: A is quantised as DynamicQuantizeLinear does it.
func importDynamicQuantizeMatMul(n *Node) []*ir.Value {
	a := importDynamicQuantizeLinear(n)
	if !n.ok() {
		return nil
	}
	y := n.integerProduct(a[0], n.in[1], a[1], n.in[2], a[2], n.arg(3))
	return one(n.biased(y, n.arg(4)))
}

// integerProduct is a × b of integers less their zero points, times scales, in the scales' dtype. Those of a are for each row,
// those of b for each column, or one for all.
func (n *Node) integerProduct(a, b, aScale, bScale, aZero, bZero *ir.Value) *ir.Value {
	y := n.op(ir.MatMul, nil, n.centred(a, n.perRow(aZero, a)), n.centred(b, n.perColumns(bZero, b)))
	scale := n.op(ir.Mul, nil, n.cast(n.perRow(aScale, a), ir.F32), n.cast(n.perColumns(bScale, b), ir.F32))
	return n.cast(n.op(ir.Mul, nil, n.cast(y, ir.F32), scale), aScale.DType())
}

// perColumns is perColumn, for batches of matrices too: [batch…, N] belongs to columns of [batch…, K, N].
func (n *Node) perColumns(v, b *ir.Value) *ir.Value {
	v = n.perColumn(v)
	if v == nil || !n.ok() || v.Rank() < 2 || v.Rank() != b.Rank()-1 {
		return v
	}
	return n.unsqueeze(v, int64(v.Rank()-1))
}

func (n *Node) biased(y, bias *ir.Value) *ir.Value {
	if bias == nil {
		return y
	}
	return n.op(ir.Add, nil, y, bias)
}

// importMatMulNBits: A × Bᵀ, where B[N, blocks, bytes] has numbers of a few bits, packed from the low bits of each byte on, and each block
// along K a scale and a zero point, which is packed too or a float.
func importMatMulNBits(n *Node) []*ir.Value {
	a, scales, zeros := n.in[0], n.in[2], n.arg(3)
	k, columns := n.Int("K", 0), n.Int("N", 0)
	p := packed{bits: n.Int("bits", 4), block: n.Int("block_size", 0)}
	n.Int("accuracy_level", 0) // how much may be lost; nothing is
	if n.Int("weight_prepacked", 0) != 0 {
		return one(n.fail(Unsupported, "export without it", "weight_prepacked: a layout of one device"))
	}
	if !p.valid() || k < 1 || columns < 1 || k > 1<<24 || columns > 1<<24 {
		return one(n.fail(Invalid, "give bits 2, 4 or 8, a positive block_size, K and N", "%d bits, blocks of %d, K = %d, N = %d", p.bits, p.block, k, columns))
	}
	blocks := (k + p.block - 1) / p.block
	w := n.unpacked(n.rows(n.in[1], columns), p.bits, blocks*p.block)
	w = n.cast(n.slice(w, n.b.Ints(0), n.b.Ints(k), []int64{1}, []int64{1}), ir.F32) // [N, K]
	places := n.op(ir.Div, nil, n.count(n.b.Const(ir.Scalar(k))), n.b.Const(ir.Scalar(p.block)))
	if group := n.arg(4); group != nil {
		places = n.slice(group, n.b.Ints(0), n.b.Ints(k), []int64{0}, []int64{1})
	}
	spread := func(x *ir.Value) *ir.Value { // [N, blocks] to [N, K]
		return n.ofBlocks(x, blocks, places)
	}
	zero := n.number(ir.F32, float64(int64(1)<<(p.bits-1)))
	switch {
	case zeros != nil && zeros.DType() == ir.U8:
		zero = spread(n.unpacked(n.rows(zeros, columns), p.bits, blocks))
	case zeros != nil:
		zero = spread(n.rows(zeros, columns))
	}
	w = n.op(ir.Mul, nil, n.op(ir.Sub, nil, w, zero), spread(n.rows(scales, columns)))
	y := n.op(ir.MatMul, nil, a, n.cast(n.transpose(w, 1, 0), a.DType()))
	return one(n.biased(y, n.arg(5)))
}

// ofBlocks is x[…, blocks] as f32, at places along its last axis.
func (n *Node) ofBlocks(x *ir.Value, blocks int64, places *ir.Value) *ir.Value {
	last := x.Rank() - 1
	if n.ok() && !size(x, last).Is(blocks) {
		return n.fail(Invalid, "give a value for each block", "%s for rows of %d blocks", x.Type, blocks)
	}
	return n.op(ir.Gather, &ir.AxisAttrs{Axis: int64(last)}, n.cast(x, ir.F32), places)
}

// packed says how numbers of few bits lie in bytes, and how many share a scale.
type packed struct{ bits, block int64 }

func (p packed) valid() bool {
	return (p.bits == 2 || p.bits == 4 || p.bits == 8) && p.block > 0 && p.block <= 1<<24
}

// rows is x as [count, rest].
func (n *Node) rows(x *ir.Value, count int64) *ir.Value {
	if !n.ok() {
		return x
	}
	each, even := x.Shape().NumElements().ExactDiv(ir.Size(count))
	if !even {
		return n.fail(Invalid, "give elements for each row", "%s for %d rows", x.Type, count)
	}
	return n.reshape(x, ir.Size(count), each)
}

// unpacked is the first count numbers of so many bits in the last axis of x, which is of bytes, as u8. They begin with the low bits.
func (n *Node) unpacked(x *ir.Value, bits, count int64) *ir.Value {
	if !n.ok() {
		return x
	}
	last := x.Rank() - 1
	if each := 8 / bits; each > 1 {
		x = n.unsqueeze(x, int64(last+1))
		shifts := make([]uint8, each)
		for i := range shifts {
			shifts[i] = uint8(int64(i) * bits)
		}
		parts := n.op(ir.ShiftRight, nil, x, n.b.Const(ir.TensorFrom(shifts, int(each))))
		parts = n.op(ir.BitAnd, nil, parts, n.number(ir.U8, float64(int64(1)<<bits-1)))
		dims := append(ir.Shape{}, x.Shape()[:last]...)
		x = n.reshape(parts, append(dims, size(x, last).Mul(ir.Size(each)))...)
	}
	have, known := size(x, last).Value()
	if !n.ok() || !known || have < count || have-count >= 8/bits {
		return n.fail(Invalid, "give as many bytes as the numbers need", "%d numbers of %d bits from %s", count, bits, x.Type)
	}
	return n.slice(x, n.b.Ints(0), n.b.Ints(count), []int64{int64(last)}, []int64{1})
}

// asSince imports a node as ONNX's version of the same operator.
func asSince(version int64, emit func(*Node) []*ir.Value) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value {
		inner := *n
		inner.since = version
		return emit(&inner)
	}
}

// importQGemm: (A' × B' + C) × alpha × a_scale × b_scale, in f32 or quantized again. B may have a scale for each column.
func importQGemm(n *Node) []*ir.Value {
	a, b := n.gemmOperand(0, "transA"), n.gemmOperand(3, "transB")
	if !n.ok() {
		return nil
	}
	y := n.op(ir.MatMul, nil, n.centred(a, n.scalar(n.in[2])), n.centred(b, n.perColumn(n.in[5])))
	if c := n.arg(6); c != nil {
		y = n.op(ir.Add, nil, y, c)
	}
	scale := n.op(ir.Mul, nil, n.scalar(n.in[1]), n.perColumn(n.in[4]))
	y = n.op(ir.Mul, nil, n.cast(y, ir.F32), n.scaled(scale, "alpha"))
	out, zero := n.arg(7), n.arg(8)
	switch {
	case out == nil:
		return one(y)
	case zero == nil:
		return one(n.fail(Missing, "give it", "y_scale without y_zero_point"))
	}
	return one(n.quantized(n.op(ir.Div, nil, y, n.scalar(out)), n.scalar(zero), zero.DType(), true))
}
