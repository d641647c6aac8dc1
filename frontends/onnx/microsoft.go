package onnx

import "github.com/emilyc/emily/ir"

const microsoft = "com.microsoft"

// microsoftRows are operators of onnxruntime that exporters and its optimiser write.
var microsoftRows = []row{
	{microsoft, "Gelu", since(1), biasGelu("")},
	{microsoft, "BiasGelu", since(1), biasGelu("")},
	{microsoft, "FastGelu", since(1), biasGelu("tanh")},
	{microsoft, "QuickGelu", since(1), importQuickGelu},
	{"", "SimplifiedLayerNormalization", since(1), importSimplifiedLayerNorm},
	{microsoft, "SkipLayerNormalization", since(1), importSkipLayerNorm},
	{microsoft, "SkipSimplifiedLayerNormalization", since(1), importSkipSimplifiedLayerNorm},
	{microsoft, "FusedMatMul", since(1), importFusedMatMul},
	{microsoft, "EmbedLayerNormalization", since(1), importEmbedLayerNorm},
	{microsoft, "RotaryEmbedding", since(1), importMicrosoftRotary},
	{microsoft, "Attention", since(1), importMicrosoftAttention},
	{microsoft, "MultiHeadAttention", since(1), importMultiHeadAttention},
	{microsoft, "GroupQueryAttention", since(1), importGroupQueryAttention},
}

// biasGelu is gelu(x + bias), where there is a bias.
func biasGelu(approximate string) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value {
		x := n.in[0]
		if bias := n.arg(1); bias != nil {
			x = n.op(ir.Add, nil, x, bias)
		}
		return one(n.op(ir.Gelu, &ir.GeluAttrs{Approximate: approximate}, x))
	}
}

func importQuickGelu(n *Node) []*ir.Value { return one(n.swish(n.in[0], n.Float("alpha", 1.702))) }

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
	mean := n.op(ir.ReduceMean, &ir.ReduceAttrs{Axes: ir.Axes(int(axis), x.Rank()), KeepDims: true}, n.op(ir.Mul, nil, x, x))
	return n.op(ir.Rsqrt, nil, n.op(ir.Add, nil, mean, n.number(x.DType(), epsilon)))
}

// inWide is an operand in f32, or f64; nil stays nil.
func (n *Node) inWide(x *ir.Value) *ir.Value {
	if x == nil {
		return nil
	}
	return n.wide(x)
}

// skipped is the sum of input, skip and bias, the bias being operand i. Half floats are f32 in it.
func (n *Node) skipped(i int) *ir.Value {
	x := n.op(ir.Add, nil, n.inWide(n.in[0]), n.inWide(n.in[1]))
	if bias := n.arg(i); bias != nil {
		x = n.op(ir.Add, nil, x, n.inWide(bias))
	}
	if x.Rank() < 1 {
		return n.fail(Invalid, "give [batch, sequence, hidden]", "sum of %s and %s", n.in[0].Type, n.in[1].Type)
	}
	return x
}

// importSkipLayerNorm: layer normalization of a sum, which is the fourth output.
func importSkipLayerNorm(n *Node) []*ir.Value {
	x, d := n.skipped(4), n.in[0].DType()
	a := &ir.NormAttrs{Axis: int64(x.Rank() - 1), Epsilon: float64(n.Float("epsilon", 1e-12))}
	y := n.cast(n.op(ir.LayerNorm, a, x, n.inWide(n.in[2]), n.inWide(n.arg(3))), d)
	if !n.ok() || !n.wants(1) && !n.wants(2) {
		return []*ir.Value{y, nil, nil, n.cast(x, d)}
	}
	mean, variance := n.moments(x, []int64{a.Axis})
	return []*ir.Value{y, mean, n.op(ir.Rsqrt, nil, n.op(ir.Add, nil, variance, n.number(ir.F32, a.Epsilon))), n.cast(x, d)}
}

// importSkipSimplifiedLayerNorm: the same without mean and shift.
func importSkipSimplifiedLayerNorm(n *Node) []*ir.Value {
	x, d := n.skipped(3), n.in[0].DType()
	a := &ir.NormAttrs{Axis: int64(x.Rank() - 1), Epsilon: float64(n.Float("epsilon", 1e-12))}
	y := n.cast(n.op(ir.RMSNorm, a, x, n.inWide(n.in[2])), d)
	if n.wants(1) {
		return one(n.fail(Unsupported, "do not use the output", "the mean, which is not computed"))
	}
	if !n.ok() || !n.wants(2) {
		return []*ir.Value{y, nil, nil, n.cast(x, d)}
	}
	return []*ir.Value{y, nil, n.inverseRoot(x, a.Axis, a.Epsilon), n.cast(x, d)}
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
		perm = append(append(ir.Axes(1, r-1), 0), int64(r-1))
	}
	if turn {
		perm[r-2], perm[r-1] = perm[r-1], perm[r-2]
	}
	return n.transpose(x, perm...)
}

// importEmbedLayerNorm: layer normalization of the embeddings of a word, its place and its segment, [B, S, hidden]; then how many
// words of each row the mask has, and the sum of the embeddings.
func importEmbedLayerNorm(n *Node) []*ir.Value {
	ids, segments, mask, places := n.in[0], n.arg(1), n.arg(7), n.arg(8)
	n.Int("mask_index_type", 0)
	epsilon := float64(n.Float("epsilon", 1e-12))
	if ids.Rank() != 2 || (segments == nil) != (n.arg(4) == nil) {
		return one(n.fail(Invalid, "give ids [B, S], and segment_ids with segment_embedding", "ids of %s, or segments without embeddings", ids.Type))
	}
	if places == nil {
		places = n.count(n.dim(size(ids, 1)))
	}
	embed := func(table int, ids *ir.Value) *ir.Value { return n.op(ir.Gather, &ir.AxisAttrs{}, n.in[table], ids) }
	sum := n.op(ir.Add, nil, embed(2, ids), embed(3, places))
	if segments != nil {
		sum = n.op(ir.Add, nil, sum, embed(4, segments))
	}
	y := n.op(ir.LayerNorm, &ir.NormAttrs{Axis: 2, Epsilon: epsilon}, sum, n.in[5], n.in[6])
	counts := n.op(ir.Expand, nil, n.number(ir.I32, 0), n.b.Dims(size(ids, 0)))
	if mask != nil {
		counts = n.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{1}}, mask)
	}
	return []*ir.Value{y, counts, sum}
}
