package onnx

import (
	"github.com/emilyc/emily/ir"
)

// grouped attention's operands, by their places.
const (
	gqaSeqLens = iota + 5
	gqaTotal
	gqaCos
	gqaSin
	gqaPositions
	gqaBias
	gqaSink
	gqaKeyScale
	gqaValueScale
	gqaQueryNorm
	gqaKeyNorm
	gqaRest // query_seqlens
)

// importGroupQueryAttention: attention, causal unless it says otherwise, of [B, S, H × D] over a cache [B, K, P, D], of which each batch element fills the first
// seqlens_k + 1 - S places, and the new keys and values after them.
func importGroupQueryAttention(n *Node) []*ir.Value {
	window, softcap := n.Int("local_window_size", -1), float64(n.Float("softcap", 0))
	smooth := n.Int("smooth_softmax", -1) > 0
	n.gqaLimits()
	causal, output, kv := n.Int("causal", 1) != 0, n.Int("qk_output", 0), n.Int("kv_num_heads", 0)
	q, k, v := n.gqaOperands(n.Int("num_heads", 0), kv)
	scale := n.microsoftScale(q)
	q, k = n.gqaNormed(q, gqaQueryNorm, "q_norm_epsilon"), n.gqaNormed(k, gqaKeyNorm, "k_norm_epsilon")
	keys, values := n.groupCache("k_quant_type", gqaKeyScale, n.arg(3), kv), n.groupCache("v_quant_type", gqaValueScale, n.arg(4), kv)
	total := n.dims(n.scalar(n.in[gqaTotal]), "total_sequence_length")
	if !n.ok() || len(total) != 1 {
		return nil
	}
	s := n.dim(size(q, 2))
	filled := n.gqaFilled(s, n.dim(total[0]))
	places := n.op(ir.Add, nil, n.unsqueeze(filled, 1), n.count(s)) // [B, S]
	if n.Int("do_rotary", 0) != 0 {
		q, k = n.gqaRotary(q, k, places)
	} else {
		n.Int("rotary_interleaved", 0)
	}
	present := []*ir.Value{k, v}
	if past := n.arg(3); past != nil {
		length, d := size(past, 2).Max(total[0]), k.DType()
		present[0], present[1] = n.cached(past, keys.encode(n, k), filled, length), n.cached(n.arg(4), values.encode(n, v), filled, length)
		k, v = keys.decode(n, present[0], d), values.decode(n, present[1], d)
	}
	heads := n.attentionHeads(q, k, v)
	if !n.ok() {
		return nil
	}
	scores := heads.scores(n, q, k, scale)
	if softcap > 0 {
		c := n.number(q.DType(), softcap)
		scores = n.op(ir.Mul, nil, n.op(ir.Tanh, nil, n.op(ir.Div, nil, scores, c)), c)
	}
	if bias := n.arg(gqaBias); bias != nil {
		scores = n.op(ir.Add, nil, scores, n.padMask(bias, size(k, 2)))
	}
	if !causal { // every query sees what the last one does
		places = n.unsqueeze(n.op(ir.Add, nil, filled, n.op(ir.Sub, nil, s, n.b.Const(ir.Scalar(int64(1))))), 1)
	}
	var m attentionMask
	m.window(n, n.unsqueeze(places, 1, 3), n.count(n.dim(size(k, 2))), max(window, 0)-1, 0) // the window counts the query's own key
	m.empty = false                                                                         // a query sees its own key
	probs := n.sunk(m.apply(n, scores), smooth)
	y := n.packHeads(heads.mix(n, probs, v, q.DType()))
	switch output {
	case 1:
		probs = n.op(ir.Where, nil, m.allowed, scores, n.number(scores.DType(), 0))
	case 0:
		return append([]*ir.Value{y}, present...)
	}
	return append([]*ir.Value{y}, present[0], present[1], n.slice(probs, n.b.Ints(0), n.b.Dims(total[0]), []int64{3}, []int64{1}))
}

// gqaNormed is x[B, H, S, D] with each head divided by its root mean square, where operand i is its weight.
func (n *Node) gqaNormed(x *ir.Value, i int, epsilon string) *ir.Value {
	common := n.Float("qk_norm_epsilon", 1e-6)
	own := n.Float(epsilon, common)
	if n.arg(i) == nil || !n.ok() {
		return x
	}
	return n.cast(n.op(ir.RMSNorm, &ir.NormAttrs{Axis: 3, Epsilon: float64(own)}, n.wide(x), n.wide(n.in[i])), x.DType())
}

// gqaLimits refuses what is not done.
func (n *Node) gqaLimits() {
	for i := gqaRest; i < len(n.in); i++ {
		if n.in[i] != nil {
			n.fail(Unsupported, "export without it", "operand %d of grouped attention", i)
		}
	}
	if n.Int("sliding_window_cache", 0) != 0 {
		n.fail(Unsupported, "export with a cache of all places", "sliding_window_cache")
	}
	if causal, output := n.Int("causal", 1), n.Int("qk_output", 0); output < 0 || output > 2 || causal == 0 && n.Int("local_window_size", -1) > 0 {
		n.fail(Invalid, "give qk_output 0, 1 or 2, and no window unless causal", "causal = %d with qk_output = %d", causal, output)
	}
	if (n.arg(gqaQueryNorm) == nil) != (n.arg(gqaKeyNorm) == nil) {
		n.fail(Invalid, "give both, or none", "one of q_norm_weight and k_norm_weight is absent")
	}
	if (n.arg(3) == nil) != (n.arg(4) == nil) {
		n.fail(Invalid, "give past_key and past_value, or none", "one of past_key and past_value is absent")
	}
}

// gqaOperands are queries [B, H, S, D], keys and values [B, K, S, D]; the query may have all three in its last axis.
func (n *Node) gqaOperands(num, kv int64) (q, k, v *ir.Value) {
	q, k, v = n.in[0], n.arg(1), n.arg(2)
	if (k == nil) != (v == nil) || q.Rank() != 3 || num < 1 || kv < 1 {
		return n.fail(Invalid, "give [B, S, H × D] and [B, S, K × D] twice, or all in one", "query of %s, and one of key and value, or no heads", q.Type), k, v
	}
	if k == nil {
		each, even := size(q, 2).ExactDiv(ir.Size(num + 2*kv))
		if !even {
			return n.fail(Invalid, "give [B, S, (H + 2 × K) × D]", "%d and twice %d heads in %s", num, kv, q.Type), k, v
		}
		wide := each.Mul(ir.Size(kv))
		parts := n.b.Ops(ir.Split, &ir.SplitAttrs{Axis: 2, Sizes: []ir.Dim{each.Mul(ir.Size(num)), wide, wide}}, nil, q)
		if !n.ok() {
			return q, k, v
		}
		q, k, v = parts[0], parts[1], parts[2]
	}
	return n.unpackHeads(q, num), n.unpackHeads(k, kv), n.unpackHeads(v, kv)
}

// gqaFilled is how many places of the cache are filled, [B]: none where the tokens are all there are.
func (n *Node) gqaFilled(s, total *ir.Value) *ir.Value {
	lengths := n.cast(n.in[gqaSeqLens], ir.I64)
	if lengths.Rank() == 2 && size(lengths, 1).Is(1) {
		lengths = n.squeeze(lengths, 1)
	}
	one, zero := n.b.Const(ir.Scalar(int64(1))), n.b.Const(ir.Scalar(int64(0)))
	before := n.op(ir.Sub, nil, n.op(ir.Add, nil, lengths, one), s)
	return n.op(ir.Where, nil, n.op(ir.Equal, nil, s, total), zero, before)
}

func (n *Node) gqaRotary(q, k, places *ir.Value) (*ir.Value, *ir.Value) {
	cos, sin, interleaved := n.arg(gqaCos), n.arg(gqaSin), n.Int("rotary_interleaved", 0) != 0
	if cos == nil || sin == nil || cos.Rank() != 2 {
		return n.fail(Missing, "give cos_cache and sin_cache", "rotation without caches"), k
	}
	if given := n.arg(gqaPositions); given != nil {
		places = given
	}
	half, ok := size(cos, 1).Value()
	if !ok {
		return n.fail(Unsupported, "bind its sizes", "cos_cache is %s", cos.Type), k
	}
	cos, sin = n.op(ir.Gather, &ir.AxisAttrs{}, cos, places), n.op(ir.Gather, &ir.AxisAttrs{}, sin, places)
	return n.rotary(q, cos, sin, 2*half, interleaved), n.rotary(k, cos, sin, 2*half, interleaved)
}

// cached is a cache with new entries after the filled places of each batch element, and zeros after these: [B, K, length, D].
func (n *Node) cached(past, fresh, filled *ir.Value, length ir.Dim) *ir.Value {
	if !n.ok() || past.Rank() != 4 {
		return n.fail(Invalid, "give [B, K, P, D]", "cache of %s", past.Type)
	}
	if past.DType() != fresh.DType() {
		return n.fail(Invalid, "give k_quant_type and v_quant_type", "cache of %s for %s", past.Type, fresh.Type)
	}
	all := n.transpose(n.op(ir.Concat, &ir.AxisAttrs{Axis: 2}, past, fresh), 0, 2, 1, 3)
	at, from := n.unsqueeze(n.count(n.dim(length)), 0), n.unsqueeze(filled, 1)
	place := n.op(ir.Sub, nil, at, from) // among the new ones
	last := n.dim(size(fresh, 2).Sub(ir.Size(1)))
	added := n.op(ir.Add, nil, n.op(ir.Min, nil, place, last), n.dim(size(past, 2)))
	places := n.op(ir.Where, nil, n.op(ir.Less, nil, at, from), at, added)
	places = n.op(ir.Min, nil, places, n.dim(size(past, 2).Add(size(fresh, 2)).Sub(ir.Size(1)))) // lengths may be wrong
	picked := n.op(ir.GatherND, &ir.GatherNDAttrs{BatchDims: 1}, all, n.unsqueeze(places, 2))
	used := n.unsqueeze(n.op(ir.LessEqual, nil, place, last), 2, 3)
	return n.transpose(n.op(ir.Where, nil, used, picked, n.number(past.DType(), 0)), 0, 2, 1, 3)
}

// sunk is a softmax with one more score in each row, that takes its part and goes to nothing: head_sink, or 0 where smooth.
func (n *Node) sunk(scores *ir.Value, smooth bool) *ir.Value {
	sink := n.arg(gqaSink)
	if sink == nil && !smooth || !n.ok() {
		return n.op(ir.Softmax, &ir.AxisAttrs{Axis: 3}, scores)
	}
	shape := scores.Shape()
	if sink == nil {
		sink = n.number(scores.DType(), 0)
	} else {
		sink = n.unsqueeze(sink, 1, 2)
	}
	sink = n.op(ir.Expand, nil, sink, n.b.Dims(shape[0], shape[1], shape[2], ir.Size(1)))
	probs := n.op(ir.Softmax, &ir.AxisAttrs{Axis: 3}, n.op(ir.Concat, &ir.AxisAttrs{Axis: 3}, scores, sink))
	return n.slice(probs, n.b.Ints(0), n.b.Dims(shape[3]), []int64{3}, []int64{1})
}
