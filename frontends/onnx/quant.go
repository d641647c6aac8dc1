package onnx

import (
	"math"

	"github.com/emilyc/emily/ir"
)

var quantRows = []row{
	{"", "QuantizeLinear", since(10, 13, 19, 21, 23, 24, 25, 28), importQuantizeLinear},
	{"", "DequantizeLinear", since(10, 13, 19, 21, 23, 24, 25, 28), importDequantizeLinear},
	{"", "DynamicQuantizeLinear", since(11), importDynamicQuantizeLinear},
	{"", "MatMulInteger", since(10), importMatMulInteger},
	{"", "QLinearMatMul", since(10, 21), importQLinearMatMul},
	{"", "ConvInteger", since(10), importConvInteger},
	{"", "QLinearConv", since(10), importQLinearConv},
}

// grain is how a scale and its zero point spread over a tensor: one for all, one for each index of an axis, or one for
// each block along it.
type grain struct {
	x           *ir.Value
	axis, block int64
}

func (n *Node) grain(x *ir.Value) grain {
	g := grain{x: x, axis: 1}
	if n.since >= 13 {
		g.axis = n.Int("axis", 1)
	}
	if n.since >= 21 {
		g.block = n.Int("block_size", 0)
	}
	return g
}

// perGrain shapes v, a scale or zero point, to broadcast against g.x.
func (n *Node) perGrain(g grain, v *ir.Value) *ir.Value {
	switch {
	case !n.ok() || v.Rank() == 0:
		return v
	case v.Shape().NumElements().Is(1) && g.block == 0:
		return n.scalar(v)
	}
	axis := n.normalAxis(g.axis, g.x.Rank())
	switch {
	case !n.ok():
		return v
	case g.block < 0:
	case v.Rank() == g.x.Rank() && (g.block > 0 || v.Rank() > 1):
		return n.blocked(g, v, int(axis))
	case v.Rank() == 1 && g.block == 0 && int(axis) == g.x.Rank()-1:
		return v
	case v.Rank() == 1 && g.block == 0:
		return n.unsqueeze(v, ir.Axes(1, g.x.Rank()-int(axis))...)
	}
	return n.fail(Invalid, "give a scalar, a vector for the axis, or a value for each block", "scale or zero point %s for %s, axis %d, blocks of %d", v.Type, g.x.Type, axis, g.block)
}

// blocked repeats v along the axis: index i there belongs to block i / block_size.
func (n *Node) blocked(g grain, v *ir.Value, axis int) *ir.Value {
	whole, blocks := g.x.Shape()[axis], v.Shape()[axis]
	if g.block == 0 {
		size, known := whole.CeilDiv(blocks).Value()
		if blocks.Is(0) || !known || size < 1 {
			return n.fail(Invalid, "give block_size", "blocks of %s for %s", v.Type, g.x.Type)
		}
		g.block = size
	}
	need := whole.CeilDiv(ir.Size(g.block))
	if _, known := blocks.Value(); known && need.IsConst() && need != blocks {
		return n.fail(Invalid, "give a value for each block", "%s for blocks of %d along axis %d of %s", v.Type, g.block, axis, g.x.Type)
	}
	if g.block == 1 {
		return v
	}
	places := n.op(ir.Div, nil, n.count(n.dim(whole)), n.b.Const(ir.Scalar(g.block)))
	return n.op(ir.Gather, &ir.AxisAttrs{Axis: int64(axis)}, v, places)
}

// wide is the dtype for arithmetic on values of d: d, where that is a float of 16 bits or more.
func wide(d ir.DType) ir.DType {
	if d == ir.F16 || d == ir.BF16 || d == ir.F64 {
		return d
	}
	return ir.F32
}

// importQuantizeLinear: saturate(round(x / scale) + zero point), divided in the scale's precision or attribute precision's.
func importQuantizeLinear(n *Node) []*ir.Value {
	x, scale, zero := n.in[0], n.in[1], n.arg(2)
	g := n.grain(x)
	to, saturate, div := ir.U8, true, wide(scale.DType())
	if n.since >= 19 {
		saturate = n.Int("saturate", 1) != 0
	}
	given := ir.Invalid
	if n.since >= 21 {
		given = n.dtypeAttr("output_dtype")
	}
	if n.since >= 23 {
		if d := n.dtypeAttr("precision"); d != ir.Invalid {
			div = n.floatAttr(d, "precision")
		}
	}
	switch {
	case zero != nil:
		to = zero.DType()
	case given != ir.Invalid:
		to = given
	}
	if given != ir.Invalid && given != to {
		return one(n.fail(Invalid, "give both the same dtype", "output_dtype is %s, the zero point %s", given, to))
	}
	if to.Bits() > 16 || to.Bits() > 8 && to.IsFloat() || !to.IsNumeric() || to == ir.F8E8M0 {
		return one(n.fail(Invalid, "give an integer of at most 16 bits or a float of at most 8", "quantized to %s", to))
	}
	if zero != nil {
		zero = n.perGrain(g, zero)
	}
	y := n.op(ir.Div, nil, n.cast(x, div), n.cast(n.perGrain(g, scale), div))
	return one(n.quantized(y, zero, to, saturate))
}

// dtypeAttr is an attribute that names a dtype; Invalid where it is absent or 0.
func (n *Node) dtypeAttr(name string) ir.DType {
	code := n.Int(name, 0)
	if code == 0 || !n.ok() {
		return ir.Invalid
	}
	d, err := irDType(DType(code))
	if err != nil {
		n.b.Fail(err)
	}
	return d
}

// floatAttr is d, which must be a float that arithmetic is done in.
func (n *Node) floatAttr(d ir.DType, what string) ir.DType {
	if !d.IsFloat() || d.Bits() < 16 {
		n.fail(Invalid, "give float, float16, bfloat16 or double", "%s is %s", what, d)
	}
	return d
}

// quantized is y, rounded, plus the zero point, saturated to dtype to. It is computed in f32 at least, which holds all results.
// NaN becomes the least integer, as in onnxruntime and the reference evaluator: a scale calibrated over a mask of -inf makes it.
func (n *Node) quantized(y, zero *ir.Value, to ir.DType, saturate bool) *ir.Value {
	if !n.ok() {
		return nil
	}
	d := ir.F32
	if y.DType() == ir.F64 {
		d = ir.F64
	}
	if y = n.cast(y, d); !to.IsFloat() {
		y = n.op(ir.Round, nil, y)
	}
	if zero != nil {
		y = n.op(ir.Add, nil, y, n.cast(zero, d))
	}
	if to.IsFloat() {
		return n.op(ir.Cast, &ir.CastAttrs{To: to, Saturate: saturate && to.Bits() == 8}, y)
	}
	lo, hi := limits(to)
	least := n.number(d, lo)
	y = n.op(ir.Where, nil, n.op(ir.Less, nil, least, y), y, least)
	return n.cast(n.op(ir.Min, nil, y, n.number(d, hi)), to)
}

// limits are the least and the greatest value of an integer dtype.
func limits(d ir.DType) (lo, hi float64) {
	if d.Category() == ir.Unsigned {
		return 0, math.Ldexp(1, d.Bits()) - 1
	}
	half := math.Ldexp(1, d.Bits()-1)
	return -half, half - 1
}

// importDequantizeLinear: (x - zero point) × scale, rounded to the result's dtype once.
func importDequantizeLinear(n *Node) []*ir.Value {
	x, scale, zero := n.in[0], n.in[1], n.arg(2)
	g := n.grain(x)
	to := wide(scale.DType())
	if n.since >= 23 {
		if d := n.dtypeAttr("output_dtype"); d != ir.Invalid {
			to = n.floatAttr(d, "output_dtype")
		}
	}
	d := ir.F32
	if to == ir.F64 {
		d = to
	}
	if zero != nil {
		between := d
		if x.DType() == ir.I32 { // differences of what f32 does not hold
			between = ir.I32
		}
		x = n.op(ir.Sub, nil, n.cast(x, between), n.cast(n.perGrain(g, zero), between))
	}
	return one(n.cast(n.op(ir.Mul, nil, n.cast(x, d), n.cast(n.perGrain(g, scale), d)), to))
}

// importDynamicQuantizeLinear: scale and zero point from the range of x, stretched to hold 0. Of zeros only, the scale is 1.
func importDynamicQuantizeLinear(n *Node) []*ir.Value {
	x := n.in[0]
	zero, all := n.number(x.DType(), 0), &ir.ReduceAttrs{Axes: allAxes(x)}
	most := n.op(ir.Max, nil, n.op(ir.ReduceMax, all, x), zero)
	least := n.op(ir.Min, nil, n.op(ir.ReduceMin, all, x), zero)
	extent := n.op(ir.Sub, nil, most, least)
	scale := n.op(ir.Div, nil, extent, n.number(x.DType(), 255))
	scale = n.op(ir.Where, nil, n.op(ir.Equal, nil, extent, zero), n.number(x.DType(), 1), scale)
	point := n.quantized(n.op(ir.Neg, nil, n.op(ir.Div, nil, least, scale)), nil, ir.U8, true)
	return []*ir.Value{n.quantized(n.op(ir.Div, nil, x, scale), point, ir.U8, true), scale, point}
}

// centred is x less its zero point, where it has one, in i32.
func (n *Node) centred(x, zero *ir.Value) *ir.Value {
	if x = n.cast(x, ir.I32); zero == nil {
		return x
	}
	return n.op(ir.Sub, nil, x, n.cast(zero, ir.I32))
}

// perRow shapes a scale or zero point of a matrix product's first operand: a vector has one for each row.
func (n *Node) perRow(v, a *ir.Value) *ir.Value {
	switch {
	case v == nil || !n.ok() || v.Rank() != 1:
		return v
	case v.Shape()[0].Is(1):
		return n.scalar(v)
	}
	return n.unsqueeze(v, 1)
}

// perColumn is perRow for the second operand, where a vector broadcasts as it is.
func (n *Node) perColumn(v *ir.Value) *ir.Value {
	if v == nil || !n.ok() || !v.Shape().NumElements().Is(1) {
		return v
	}
	return n.scalar(v)
}

func importMatMulInteger(n *Node) []*ir.Value {
	a, b := n.in[0], n.in[1]
	return one(n.op(ir.MatMul, nil, n.centred(a, n.perRow(n.arg(2), a)), n.centred(b, n.perColumn(n.arg(3)))))
}

// importQLinearMatMul: 8-bit integers are multiplied exactly, 8-bit floats in f32.
func importQLinearMatMul(n *Node) []*ir.Value {
	a, b, out := n.in[0], n.in[3], n.in[7]
	centred := n.centred
	if a.DType().IsFloat() || b.DType().IsFloat() {
		centred = func(x, zero *ir.Value) *ir.Value {
			return n.op(ir.Sub, nil, n.cast(x, ir.F32), n.cast(zero, ir.F32))
		}
	}
	y := n.op(ir.MatMul, nil, centred(a, n.perRow(n.in[2], a)), centred(b, n.perColumn(n.in[5])))
	scale := n.rescale(n.perRow(n.in[1], a), n.perColumn(n.in[4]), n.perRow(n.in[6], a))
	return one(n.quantized(n.op(ir.Mul, nil, n.cast(y, ir.F32), scale), n.perRow(out, a), out.DType(), true))
}

// rescale is a × b / y in f32, for the scales of operands and result.
func (n *Node) rescale(a, b, y *ir.Value) *ir.Value {
	ab := n.op(ir.Mul, nil, n.cast(a, ir.F32), n.cast(b, ir.F32))
	return n.op(ir.Div, nil, ab, n.cast(y, ir.F32))
}

func importConvInteger(n *Node) []*ir.Value {
	return one(n.intConv(n.in[0], n.arg(2), n.in[1], n.arg(3)))
}

// importQLinearConv: the scale and zero point of the weight may be one for each output channel; the bias counts in x_scale × w_scale.
func importQLinearConv(n *Node) []*ir.Value {
	x, w, out := n.in[0], n.in[3], n.in[7]
	y := n.intConv(x, n.in[2], w, n.in[5])
	if bias := n.arg(8); bias != nil && n.ok() {
		y = n.op(ir.Add, nil, y, n.perChannelAt(bias, x.Rank()-2))
	}
	scale := n.rescale(n.scalar(n.in[1]), n.perChannelAt(n.in[4], x.Rank()-2), n.scalar(n.in[6]))
	return one(n.quantized(n.op(ir.Mul, nil, n.cast(y, ir.F32), scale), n.scalar(out), out.DType(), true))
}

// perChannelAt shapes a vector to broadcast along an axis that is followed by so many others; a single value becomes a scalar.
func (n *Node) perChannelAt(v *ir.Value, after int) *ir.Value {
	if v == nil || !n.ok() || v.Rank() == 0 {
		return v
	}
	if v.Shape()[0].Is(1) {
		return n.scalar(v)
	}
	return n.unsqueeze(v, ir.Axes(1, 1+after)...)
}

// exactSum is the greatest integer up to which f32 holds all of them.
const exactSum = 1 << 24

// intConv is the convolution of 8-bit integers, less their zero points, in i32. It is made of convolutions in f32 of digits of
// the weight that are small enough for every sum to be exact; where no size of digit is, or sizes are not known, in f64.
func (n *Node) intConv(x, xZero, w, wZero *ir.Value) *ir.Value {
	if x.Rank() < 3 || w.Rank() != x.Rank() {
		return n.fail(Invalid, "give [N, C, …] and [M, C / group, …] of equal rank", "convolution of %s and %s", x.Type, w.Type)
	}
	win := n.window(n.convKernel(w), true)
	a := &ir.ConvAttrs{Strides: win.strides, Pads: win.pads, Dilations: win.dilations, Groups: n.Int("group", 1)}
	x, w = n.centred(x, n.scalarOf(xZero)), n.centred(w, n.perChannelAt(wZero, w.Rank()-1))
	if !n.ok() {
		return nil
	}
	bits := digitBits(w.Shape()[1:].NumElements())
	if bits == 0 {
		return n.cast(n.op(ir.Conv, a, n.cast(x, ir.F64), n.cast(w, ir.F64), nil), ir.I32)
	}
	x = n.cast(x, ir.F32)
	var sum *ir.Value
	for shift := 0; shift < 9; shift += bits {
		digit := w
		if shift+bits < 9 { // the last digit keeps the sign
			base := n.b.Const(ir.Scalar(int32(1) << bits))
			digit = n.op(ir.Mod, &ir.ModAttrs{}, w, base)
			w = n.op(ir.Div, nil, n.op(ir.Sub, nil, w, digit), base)
		}
		part := n.op(ir.Conv, a, x, n.cast(digit, ir.F32), nil)
		part = n.cast(n.op(ir.Round, nil, part), ir.I32) // devices may convolve with transforms that round
		if sum == nil {
			sum = part
			continue
		}
		sum = n.op(ir.Add, nil, sum, n.op(ir.Mul, nil, part, n.b.Const(ir.Scalar(int32(1)<<shift))))
	}
	return sum
}

func (n *Node) scalarOf(v *ir.Value) *ir.Value {
	if v == nil || !n.ok() {
		return v
	}
	return n.scalar(v)
}

// digitBits is the most bits that digits of a 9-bit weight may have for sums of so many products with 9-bit numbers to be exact
// in f32; 0 where that is not known, or digits would be of less than 2 bits.
func digitBits(terms ir.Dim) int {
	k, known := terms.Value()
	if !known || k > exactSum {
		return 0
	}
	for _, bits := range []int{9, 5, 3, 2} {
		if k*255<<min(bits, 8) <= exactSum {
			return bits
		}
	}
	return 0
}
