package onnx

import (
	"math"

	"github.com/emilyc/emily/ir"
)

const microsoft = "com.microsoft"

// microsoftRows are operators of onnxruntime that exporters and its optimiser write, but for attention.
var microsoftRows = []row{
	{microsoft, "Gelu", since(1), biasGelu(false)},
	{microsoft, "BiasGelu", since(1), biasGelu(false)},
	{microsoft, "FastGelu", since(1), biasGelu(true)},
	{microsoft, "QuickGelu", since(1), importQuickGelu},
	{"", "SimplifiedLayerNormalization", since(1), importSimplifiedLayerNorm},
	{microsoft, "SkipLayerNormalization", since(1), importSkipLayerNorm},
	{microsoft, "SkipSimplifiedLayerNormalization", since(1), importSkipSimplifiedLayerNorm},
	{microsoft, "FusedMatMul", since(1), importFusedMatMul},
	{microsoft, "RotaryEmbedding", since(1), importMicrosoftRotary},
	{microsoft, "MultiHeadAttention", since(1), importMultiHeadAttention},
	{microsoft, "GroupQueryAttention", since(1), importGroupQueryAttention},
}

// biasGelu is gelu(x + bias), where there is a bias.
func biasGelu(tanh bool) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value {
		x := n.in[0]
		if bias := n.arg(1); bias != nil {
			x = n.op(ir.Add, nil, x, bias)
		}
		return one(n.op(ir.Gelu, &ir.GeluAttrs{Tanh: tanh}, x))
	}
}

// importQuickGelu: x × sigmoid(alpha × x).
func importQuickGelu(n *Node) []*ir.Value {
	x := n.in[0]
	scaled := n.op(ir.Mul, nil, x, n.number(x.DType(), float64(n.Float("alpha", 1.702))))
	return one(n.op(ir.Mul, nil, x, n.op(ir.Sigmoid, nil, scaled)))
}

// importSimplifiedLayerNorm is RMSNormalization, with the reciprocal of the root as a second output.
func importSimplifiedLayerNorm(n *Node) []*ir.Value {
	x, axis := n.in[0], n.axis("axis", -1, n.in[0].Rank())
	epsilon := n.epsilon()
	results := importRMSNorm(n)
	if !n.wants(1) || !n.ok() {
		return results
	}
	return append(results, n.inverseRoot(x, axis, epsilon))
}

// inverseRoot is 1 / √(mean(x²) + epsilon) over the axes from axis on.
func (n *Node) inverseRoot(x *ir.Value, axis int64, epsilon float64) *ir.Value {
	x = n.cast(x, wideFloat(x.DType()))
	mean := n.op(ir.ReduceMean, &ir.ReduceAttrs{Axes: axesBetween(int(axis), x.Rank()), KeepDims: true}, n.op(ir.Mul, nil, x, x))
	return n.op(ir.Rsqrt, nil, n.op(ir.Add, nil, mean, n.number(x.DType(), epsilon)))
}

// skipped is the sum of input, skip and bias, the bias being operand i.
func (n *Node) skipped(i int) *ir.Value {
	x := n.op(ir.Add, nil, n.in[0], n.in[1])
	if bias := n.arg(i); bias != nil {
		x = n.op(ir.Add, nil, x, bias)
	}
	if x.Rank() < 1 {
		return n.fail(Invalid, "give [batch, sequence, hidden]", "sum of %s and %s", n.in[0].Type, n.in[1].Type)
	}
	return x
}

// importSkipLayerNorm: layer normalization of a sum, which is the fourth output.
func importSkipLayerNorm(n *Node) []*ir.Value {
	x := n.skipped(4)
	a := &ir.NormAttrs{Axis: int64(x.Rank() - 1), Epsilon: float64(n.Float("epsilon", 1e-12))}
	y := n.op(ir.LayerNorm, a, x, n.in[2], n.arg(3))
	if !n.ok() || !n.wants(1) && !n.wants(2) {
		return []*ir.Value{y, nil, nil, x}
	}
	mean, variance := n.moments(n.cast(x, ir.F32), []int64{a.Axis})
	return []*ir.Value{y, mean, n.op(ir.Rsqrt, nil, n.op(ir.Add, nil, variance, n.number(ir.F32, a.Epsilon))), x}
}

// importSkipSimplifiedLayerNorm: the same without mean and shift.
func importSkipSimplifiedLayerNorm(n *Node) []*ir.Value {
	x := n.skipped(3)
	a := &ir.NormAttrs{Axis: int64(x.Rank() - 1), Epsilon: float64(n.Float("epsilon", 1e-12))}
	y := n.op(ir.RMSNorm, a, x, n.in[2])
	if n.wants(1) {
		return one(n.fail(Unsupported, "do not use the output", "the mean, which is not computed"))
	}
	if !n.ok() || !n.wants(2) {
		return []*ir.Value{y, nil, nil, x}
	}
	return []*ir.Value{y, nil, n.inverseRoot(x, a.Axis, a.Epsilon), x}
}

// importFusedMatMul: alpha × A' × B'.
func importFusedMatMul(n *Node) []*ir.Value {
	a := n.fusedOperand(0, "transA", "transBatchA")
	b := n.fusedOperand(1, "transB", "transBatchB")
	return one(n.scaled(n.op(ir.MatMul, nil, a, b), "alpha"))
}

// fusedOperand has its first axis moved behind the batch axes, where transBatch is set, and then its last two exchanged,
// where trans is. Vectors stay as they are.
func (n *Node) fusedOperand(i int, trans, transBatch string) *ir.Value {
	x := n.in[i]
	turn, batch := n.Int(trans, 0) != 0, n.Int(transBatch, 0) != 0
	r := x.Rank()
	if r < 2 || !turn && !batch {
		return x
	}
	perm := allAxes(x)
	if batch {
		perm = append(append(axesBetween(1, r-1), 0), int64(r-1))
	}
	if turn {
		perm[r-2], perm[r-1] = perm[r-1], perm[r-2]
	}
	return n.transpose(x, perm...)
}

// importMicrosoftRotary: as ONNX's, with the places before the caches. One place is that of the first token.
func importMicrosoftRotary(n *Node) []*ir.Value {
	x, ids, cos, sin := n.in[0], n.in[1], n.in[2], n.in[3]
	heads, dim := n.Int("num_heads", 0), n.Int("rotary_embedding_dim", 0)
	if n.Int("is_packed_batching", 0) != 0 || n.Float("scale", 1) != 1 {
		return one(n.fail(Unsupported, "export without them", "is_packed_batching or scale"))
	}
	if cos.Rank() != 2 || sin.Rank() != 2 {
		return one(n.fail(Invalid, "give [places, rotated / 2]", "caches of %s and %s", cos.Type, sin.Type))
	}
	packed := x.Rank() == 3
	if half, ok := size(cos, 1).Value(); packed && heads == 0 && ok && half > 0 {
		if width, known := size(x, 2).Value(); known {
			heads = width / (2 * half)
		}
	}
	if packed {
		x = n.unpackHeads(x, heads)
	}
	if !n.ok() {
		return nil
	}
	if ids.Rank() < 2 {
		ids = n.unsqueeze(n.op(ir.Add, nil, n.scalar(ids), n.count(n.dim(size(x, 2)))), 0)
	}
	at := func(cache *ir.Value) *ir.Value { return n.op(ir.Gather, &ir.AxisAttrs{}, cache, ids) }
	y := n.rotary(x, at(cos), at(sin), dim, n.Int("interleaved", 0) != 0)
	if packed {
		y = n.packHeads(y)
	}
	return one(y)
}

// importMultiHeadAttention: queries [B, S, H × D], packed with keys and values as [B, S, H, 3, D], or keys [B, T, H × D] or [B, H, T, D]
// and values likewise, or keys packed with values as [B, T, H, 2, D].
func importMultiHeadAttention(n *Node) []*ir.Value {
	num, filter := n.Int("num_heads", 0), float64(n.Float("mask_filter_value", -10000))
	causal := n.Int("unidirectional", 0) != 0
	if n.arg(8) != nil || n.arg(9) != nil {
		return one(n.fail(Unsupported, "export without shared buffers and beams", "past_sequence_length or cache_indirection"))
	}
	q, k, v := n.multiHeads(num)
	scale := n.microsoftScale(q)
	if !n.ok() {
		return nil
	}
	past := n.arg(6)
	if (past == nil) != (n.arg(7) == nil) {
		return one(n.fail(Invalid, "give past_key and past_value, or none", "one of past_key and past_value is absent"))
	}
	if past != nil {
		k, v = n.op(ir.Concat, &ir.AxisAttrs{Axis: 2}, past, k), n.op(ir.Concat, &ir.AxisAttrs{Axis: 2}, n.arg(7), v)
	}
	heads := n.attentionHeads(q, k, v)
	if !n.ok() {
		return nil
	}
	scores := heads.scores(n, q, k, scale)
	product := scores
	hide := func(allowed *ir.Value) {
		d := scores.DType()
		if d == ir.F16 {
			filter = max(filter, -65504)
		}
		scores = n.op(ir.Add, nil, scores, n.op(ir.Where, nil, allowed, n.number(d, 0), n.number(d, filter)))
	}
	if mask := n.arg(4); mask != nil {
		hide(n.paddingMask(mask, size(k, 2)))
	}
	if causal {
		places := n.unsqueeze(n.count(n.dim(heads.s)), 1)
		if past != nil {
			places = n.op(ir.Add, nil, places, n.dim(size(past, 2)))
		}
		hide(n.op(ir.LessEqual, nil, n.count(n.dim(heads.t)), places))
	}
	if bias := n.arg(5); bias != nil {
		scores = n.op(ir.Add, nil, scores, bias)
	}
	y := heads.mix(n, n.op(ir.Softmax, &ir.AxisAttrs{Axis: 3}, scores), v, q.DType())
	return []*ir.Value{n.packHeads(y), k, v, product}
}

// microsoftScale: attribute scale, where 0 stands for none.
func (n *Node) microsoftScale(q *ir.Value) *ir.Value {
	if s := n.Float("scale", 0); s != 0 {
		return n.number(q.DType(), float64(s))
	}
	d, ok := size(q, q.Rank()-1).Value()
	if !ok {
		return n.fail(Unsupported, "bind the size of a head", "the size of a head is not known: %s", q.Type)
	}
	return n.number(q.DType(), 1/math.Sqrt(float64(max(d, 1))))
}

// multiHeads are queries, keys and values as [B, H, S, D], with their biases.
func (n *Node) multiHeads(num int64) (q, k, v *ir.Value) {
	q, k, v = n.in[0], n.arg(1), n.arg(2)
	split := func(x *ir.Value) []*ir.Value { // [B, S, H, parts, D]
		count, _ := size(x, 3).Value()
		var parts []*ir.Value
		for i := range count {
			part := n.op(ir.Gather, &ir.AxisAttrs{Axis: 3}, x, n.b.Const(ir.Scalar(i)))
			parts = append(parts, n.transpose(part, 0, 2, 1, 3))
		}
		return parts
	}
	switch {
	case k == nil && v == nil && q.Rank() == 5 && size(q, 3).Is(3) && n.arg(3) == nil:
		parts := split(q)
		return parts[0], parts[1], parts[2]
	case k != nil && v == nil && k.Rank() == 5 && size(k, 3).Is(2) && n.arg(3) == nil:
		parts := split(k)
		return n.unpackHeads(q, num), parts[0], parts[1]
	case k == nil || v == nil || q.Rank() != 3 || k.Rank() != v.Rank() || k.Rank() != 3 && k.Rank() != 4 || k.Rank() == 4 && n.arg(3) != nil:
		return n.fail(Invalid, "give [B, S, H × D] thrice", "query, key and value of other ranks, or packed ones with a bias"), k, v
	}
	if bias := n.arg(3); bias != nil {
		sizes := []ir.Dim{size(q, 2), size(k, 2), size(v, 2)}
		parts := n.b.Ops(ir.Split, &ir.SplitAttrs{Sizes: sizes}, nil, bias)
		if !n.ok() {
			return q, k, v
		}
		q, k, v = n.op(ir.Add, nil, q, parts[0]), n.op(ir.Add, nil, k, parts[1]), n.op(ir.Add, nil, v, parts[2])
	}
	q = n.unpackHeads(q, num)
	if k.Rank() == 3 {
		k, v = n.unpackHeads(k, num), n.unpackHeads(v, num)
	}
	return q, k, v
}

// paddingMask is key_padding_mask, as what is allowed: lengths [B], or [B, T], or [B, S, T].
func (n *Node) paddingMask(mask *ir.Value, keys ir.Dim) *ir.Value {
	zero := n.number(mask.DType(), 0)
	switch mask.Rank() {
	case 1:
		return n.op(ir.Less, nil, n.count(n.dim(keys)), n.unsqueeze(n.cast(mask, ir.I64), 1, 2, 3))
	case 2:
		return n.unsqueeze(n.op(ir.Less, nil, zero, mask), 1, 2)
	case 3:
		return n.unsqueeze(n.op(ir.Less, nil, zero, mask), 1)
	}
	return n.fail(Invalid, "give [B], [B, T] or [B, S, T]", "key_padding_mask of %s", mask.Type)
}
