package onnx

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// contribMoERows are mixtures of experts. Every expert sees every token, and its weight is 0 for tokens that are not its own.
var contribMoERows = []row{
	{microsoft, "MoE", since(1), importMoE},
	{microsoft, "QMoE", since(1), importQMoE},
}

// layer is a linear layer of all experts: weights [E, out, in] and biases [E, out], which may be nil.
type layer struct{ weight, bias *ir.Value }

func importMoE(n *Node) []*ir.Value {
	return n.mixture(nil, layer{n.in[2], n.arg(3)}, layer{n.in[4], n.arg(5)}, layer{n.arg(6), n.arg(7)})
}

// importQMoE has weights of a few bits, with a scale and a zero point for each row, or each block of one.
func importQMoE(n *Node) []*ir.Value {
	bits, block := n.Int("expert_weight_bits", 4), n.Int("block_size", 0)
	n.Int("accuracy_level", 0) // how much may be lost; nothing is
	if n.String("quant_type", "int") != "int" || n.Int("weights_prepacked", -1) > 0 {
		n.fail(Unsupported, "export integers, not prepacked", "quant_type or weights_prepacked")
	}
	for i := 15; i < len(n.in); i++ {
		if n.in[i] != nil {
			n.fail(Unsupported, "export without it", "operand %d of QMoE", i)
		}
	}
	var layers [3]layer
	for i, name := range []string{"fc1_expert_weight_bits", "fc2_expert_weight_bits", "fc3_expert_weight_bits"} {
		p := packed{bits: bits, block: max(block, 1)}
		if own := n.Int(name, 0); own != 0 {
			p.bits = own
		}
		at := 2 + 3*i
		if n.arg(at) == nil || !n.ok() {
			continue
		}
		if !p.valid() || block < 0 || n.arg(at+1) == nil || n.in[at].DType() != ir.U8 {
			return one(n.fail(Invalid, "give u8 weights of 2, 4 or 8 bits with scales", "%d bits, blocks of %d, weights %s", p.bits, block, n.in[at].Type))
		}
		layers[i] = layer{n.expertWeights(p, block > 0, n.in[at], n.in[at+1], n.arg(11+i)), n.arg(at + 2)}
	}
	return n.mixture(n.arg(14), layers[0], layers[1], layers[2])
}

// expertWeights are (w - zero) × scale in the dtype of the input.
func (n *Node) expertWeights(p packed, blocked bool, w, scale, zero *ir.Value) *ir.Value {
	inputs, known := size(w, 2).Mul(ir.Size(8 / p.bits)).Value()
	outputs, both := size(w, 1).Value()
	if !known || !both || w.Rank() != 3 || !blocked && scale.Rank() != 2 || blocked && scale.Rank() != 3 {
		return n.fail(Invalid, "give weights [E, out, in / pack] and a scale for each row or block", "weights %s with scales %s", w.Type, scale.Type)
	}
	shared := outputs // scales along the last axis
	if blocked {
		shared = (inputs + p.block - 1) / p.block
	}
	places := n.op(ir.Div, nil, n.count(n.b.Const(ir.Scalar(inputs))), n.b.Const(ir.Scalar(p.block)))
	spread := func(x *ir.Value) *ir.Value {
		if blocked {
			return n.ofBlocks(x, shared, places)
		}
		return n.unsqueeze(n.cast(x, ir.F32), 2)
	}
	from := n.number(ir.F32, float64(int64(1)<<(p.bits-1)))
	if zero != nil {
		from = spread(n.unpacked(zero, p.bits, shared))
	}
	full := n.cast(n.unpacked(w, p.bits, inputs), ir.F32)
	return n.cast(n.op(ir.Mul, nil, n.op(ir.Sub, nil, full, from), spread(scale)), n.in[0].DType())
}

// mixture is the sum over experts of their weight × fc2(activation(fc1(x))), where the activation may be gated by fc3(x). The weights are
// those of mixing, or where it is nil the softmax of the routes.
func (n *Node) mixture(mixing *ir.Value, fc1, fc2, fc3 layer) []*ir.Value {
	x, routes := n.in[0], n.in[1]
	if !n.ok() || x.Rank() < 2 || routes.Rank() != 2 || fc1.weight.Rank() != 3 || fc2.weight == nil || fc2.weight.Rank() != 3 {
		return one(n.fail(Invalid, "give tokens [T, hidden], routes [T, E] and weights [E, out, in]", "mixture of experts of %s by %s", x.Type, routes.Type))
	}
	tokens := n.unsqueeze(n.matrix(x, x.Rank()-1), 0)
	hidden := n.expertActivation(n.experts(tokens, fc1), tokens, fc3)
	y := n.experts(hidden, fc2)                                             // [E, T, hidden]
	weights := n.unsqueeze(n.transpose(n.routing(routes, mixing), 1, 0), 2) // [E, T, 1]
	zero := n.number(weights.DType(), 0)
	y = n.op(ir.Where, nil, n.op(ir.Equal, nil, weights, zero), zero, n.op(ir.Mul, nil, n.cast(y, weights.DType()), weights))
	y = n.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{0}}, y)
	return one(n.op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, n.cast(y, x.DType()), n.op(ir.ShapeOf, nil, x)))
}

// experts is x × weightᵀ + bias for each expert: [E, T, out].
func (n *Node) experts(x *ir.Value, l layer) *ir.Value {
	y := n.op(ir.MatMul, nil, x, n.transpose(l.weight, 0, 2, 1))
	if l.bias == nil {
		return y
	}
	return n.op(ir.Add, nil, y, n.unsqueeze(l.bias, 1))
}

// routing is mixing[T, E], or the softmax of routes[T, E], where the route is among the k greatest of a token, and 0 elsewhere.
func (n *Node) routing(routes, mixing *ir.Value) *ir.Value {
	k, normalize := n.Int("k", 1), n.Int("normalize_routing_weights", 0) != 0
	if n.Int("use_sparse_mixer", 0) != 0 {
		if k != 2 || mixing != nil || normalize {
			return n.fail(Invalid, "give k = 2, without router_weights or normalize_routing_weights", "use_sparse_mixer with k = %d", k)
		}
		return n.sparseMixer(n.cast(routes, wideFloat(routes.DType())))
	}
	if count, known := size(routes, 1).Value(); k < 1 || known && k > count {
		return n.fail(Invalid, "give k from 1 to the number of experts", "k = %d of %s", k, routes.Type)
	}
	probs := n.op(ir.Softmax, &ir.AxisAttrs{Axis: 1}, n.cast(routes, wideFloat(routes.DType())))
	best := n.b.Ops(ir.TopK, &ir.TopKAttrs{Axis: 1}, nil, probs, n.b.Const(ir.Scalar(k)))
	if !n.ok() {
		return nil
	}
	top := best[0]
	if mixing != nil {
		top = n.op(ir.GatherElements, &ir.AxisAttrs{Axis: 1}, n.cast(mixing, probs.DType()), best[1])
	}
	if normalize {
		top = n.op(ir.Div, nil, top, n.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{1}, KeepDims: true}, top))
	}
	chosen := n.op(ir.Equal, nil, n.unsqueeze(best[1], 2), n.count(n.dim(size(routes, 1)))) // [T, k, E]
	spread := n.op(ir.Where, nil, chosen, n.unsqueeze(top, 2), n.number(probs.DType(), 0))
	return n.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{1}}, spread)
}

// sparseMixer is routing by SparseMixer (Liu, Dong, Liu et al., "GRIN: GRadient-INformed MoE", 2024), as onnxruntime has it: the two greatest
// scores of each row[T, E] have their parts of a softmax over those that are near them, the second without the first.
func (n *Node) sparseMixer(scores *ir.Value) *ir.Value {
	none := n.b.Const(ir.Scalar(false))
	first, one := n.nearest(scores, none)
	_, two := n.nearest(scores, first)
	return n.op(ir.Add, nil, one, two)
}

// nearest is where the greatest score of each row is, and its part of a softmax over those that are at most 2% less, without what is hidden.
func (n *Node) nearest(scores, hidden *ir.Value) (at, part *ir.Value) {
	const jitter = 0.01
	number := func(x float64) *ir.Value { return n.number(scores.DType(), x) }
	over := &ir.ReduceAttrs{Axes: []int64{1}, KeepDims: true}
	open := n.op(ir.Where, nil, hidden, number(math.Inf(-1)), scores)
	most := n.op(ir.ReduceMax, over, open)
	at = n.op(ir.Equal, nil, n.op(ir.ArgMax, &ir.ArgAttrs{Axis: 1, KeepDims: true}, open), n.count(n.dim(size(scores, 1))))
	far := n.op(ir.Mul, nil, n.op(ir.Max, nil, n.op(ir.Abs, nil, scores), most), number(2*jitter))
	far = n.op(ir.Less, nil, far, n.op(ir.Sub, nil, most, open))
	e := n.op(ir.Where, nil, far, number(0), n.op(ir.Exp, nil, n.op(ir.Sub, nil, open, most)))
	e = n.op(ir.Div, nil, e, n.op(ir.ReduceSum, over, e))
	return at, n.op(ir.Where, nil, at, e, number(0))
}

// expertActivation is attribute activation_type of x[E, T, …], times fc3 of the tokens, where there is one.
func (n *Node) expertActivation(x, tokens *ir.Value, fc3 layer) *ir.Value {
	kind, fusion := n.String("activation_type", "relu"), n.Int("swiglu_fusion", 0)
	alpha, beta := n.Float("activation_alpha", 1), float64(n.Float("activation_beta", 0))
	limit := float64(n.Float("swiglu_limit", float32(math.Inf(1))))
	after := n.Int("swiglu_limit_after_activation", 0) != 0
	if kind == "swiglu" {
		gate, linear := n.gated(x, tokens, fc3, fusion)
		return n.limitedSwiGLU(gate, linear, alpha, beta, limit, after)
	}
	switch kind {
	case "geglu":
		gate, linear := n.gated(x, tokens, fc3, max(fusion, 1))
		return n.op(ir.Mul, nil, n.op(ir.Gelu, &ir.GeluAttrs{Approximate: "tanh"}, gate), linear)
	case "relu":
		x = n.op(ir.Relu, nil, x)
	case "relu2":
		x = n.op(ir.Relu, nil, x)
		x = n.op(ir.Mul, nil, x, x)
	case "gelu":
		x = n.op(ir.Gelu, &ir.GeluAttrs{Approximate: "tanh"}, x)
	case "silu":
		x = n.op(ir.Silu, nil, x)
	case "identity":
	default:
		return n.fail(Invalid, "give relu, relu2, gelu, geglu, silu, swiglu or identity", "activation_type %q", clip(kind))
	}
	if fc3.weight == nil {
		return x
	}
	return n.op(ir.Mul, nil, x, n.experts(tokens, fc3))
}

// gated are the two halves of a SwiGLU: from fc1 and fc3 (fusion 0), neighbours (1), or the halves of fc1 (2).
func (n *Node) gated(x, tokens *ir.Value, fc3 layer, fusion int64) (gate, linear *ir.Value) {
	if fusion == 0 && fc3.weight != nil {
		return x, n.experts(tokens, fc3)
	}
	half, even := size(x, 2).ExactDiv(ir.Size(2))
	if fusion != 1 && fusion != 2 || fc3.weight != nil || !even {
		return n.fail(Invalid, "give fc3, or swiglu_fusion 1 or 2", "swiglu_fusion = %d for %s", fusion, x.Type), x
	}
	whole := half.Mul(ir.Size(2))
	from := func(first, last ir.Dim, step int64) *ir.Value {
		return n.slice(x, n.b.Dims(first), n.b.Dims(last), []int64{2}, []int64{step})
	}
	if fusion == 1 {
		return from(ir.Size(0), whole, 2), from(ir.Size(1), whole, 2)
	}
	return from(ir.Size(0), half, 1), from(half, whole, 1)
}

// limitedSwiGLU: g × sigmoid(alpha × g) × (l + beta), of g up to limit and l within it; or, after, with the limit for g × sigmoid(alpha × g).
func (n *Node) limitedSwiGLU(gate, linear *ir.Value, alpha float32, beta, limit float64, after bool) *ir.Value {
	if !n.ok() {
		return nil
	}
	d := gate.DType()
	limited := func(x *ir.Value, on bool) *ir.Value {
		if !on || math.IsInf(limit, 1) {
			return x
		}
		return n.op(ir.Min, nil, x, n.number(d, limit))
	}
	gate, linear = limited(gate, !after), limited(linear, true)
	if !math.IsInf(limit, 1) {
		linear = n.op(ir.Max, nil, linear, n.number(d, -limit))
	}
	return n.op(ir.Mul, nil, limited(n.swish(gate, alpha), after), n.op(ir.Add, nil, linear, n.number(d, beta)))
}
