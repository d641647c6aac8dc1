package onnx

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// importMicrosoftRotary: as ONNX's, with the places before the caches. One place is that of the first token.
func importMicrosoftRotary(n *Node) []*ir.Value {
	x, ids, cos, sin := n.in[0], n.in[1], n.in[2], n.in[3]
	heads, dim := n.Int("num_heads", 0), n.Int("rotary_embedding_dim", 0)
	n.Int("is_packed_batching", 0) // how the batch came to be
	if n.Float("scale", 1) != 1 {
		return one(n.fail(Unsupported, "export without it: onnxruntime does not heed it", "scale"))
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
	num := n.Int("num_heads", 0)
	past, pastValue := n.arg(6), n.arg(7)
	switch {
	case n.arg(9) != nil:
		n.fail(Unsupported, "export without beams", "cache_indirection")
	case n.arg(8) != nil && past == nil:
		n.fail(Invalid, "give past_key and past_value", "past_sequence_length without a past")
	case (past == nil) != (pastValue == nil):
		n.fail(Invalid, "give past_key and past_value, or none", "one of past_key and past_value is absent")
	}
	q, k, v := n.multiHeads(num)
	if n.arg(8) != nil {
		return n.sharedHeads(q, k, v)
	}
	places := n.queryPlaces(q, past)
	if past != nil {
		k, v = n.op(ir.Concat, &ir.AxisAttrs{Axis: 2}, past, k), n.op(ir.Concat, &ir.AxisAttrs{Axis: 2}, pastValue, v)
	}
	y, product := n.maskedAttention(q, k, v, places, n.arg(4), n.arg(5))
	return []*ir.Value{y, k, v, product}
}

// sharedHeads is MultiHeadAttention whose past lies in buffers [B, H, M, D], of which past_sequence_length places are filled, and the
// present in the same ones.
func (n *Node) sharedHeads(q, k, v *ir.Value) []*ir.Value {
	past, pastValue := n.in[6], n.in[7]
	if !n.ok() || past.Rank() != 4 || pastValue.Rank() != 4 {
		return one(n.fail(Invalid, "give [B, H, M, D]", "past of %s and %s", past.Type, pastValue.Type))
	}
	filled := n.cast(n.scalar(n.in[8]), ir.I64)
	each := n.op(ir.Expand, nil, filled, n.b.Dims(size(q, 0)))
	end := n.op(ir.Add, nil, filled, n.dim(size(q, 2)))
	rest := n.unsqueeze(n.op(ir.LessEqual, nil, end, n.count(n.dim(size(past, 2)))), 1) // stays as it was
	k = n.op(ir.Where, nil, rest, past, n.cached(past, k, each, size(past, 2)))
	v = n.op(ir.Where, nil, rest, pastValue, n.cached(pastValue, v, each, size(past, 2)))
	if !n.ok() {
		return nil
	}
	used := n.unsqueeze(end, 0)
	seen := func(x *ir.Value) *ir.Value { return n.slice(x, n.b.Ints(0), used, []int64{2}, []int64{1}) }
	places := n.unsqueeze(n.op(ir.Add, nil, n.count(n.dim(size(q, 2))), filled), 1)
	y, product := n.maskedAttention(q, seen(k), seen(v), places, n.arg(4), n.arg(5))
	return []*ir.Value{y, k, v, product}
}

// importMicrosoftAttention: queries, keys and values are input [B, S, W] × weights [W, 3 × H × D] + bias. The past has keys
// and values as [2, B, H, P, D].
func importMicrosoftAttention(n *Node) []*ir.Value {
	num, sizes := n.Int("num_heads", 0), n.Ints("qkv_hidden_sizes")
	past := n.arg(4)
	n.Int("rotary_embedding_dim", 0)
	if n.arg(6) != nil || n.Int("do_rotary", 0) != 0 || n.Int("past_present_share_buffer", 0) != 0 {
		n.fail(Unsupported, "export without them", "past_sequence_length, do_rotary or past_present_share_buffer")
	}
	x := n.op(ir.MatMul, nil, n.in[0], n.in[1])
	if bias := n.arg(2); bias != nil {
		x = n.op(ir.Add, nil, x, bias)
	}
	if !n.ok() {
		return nil
	}
	third, even := size(x, 2).ExactDiv(ir.Size(3))
	parts := []ir.Dim{third, third, third}
	for i, s := range sizes {
		if i < len(parts) {
			parts[i] = ir.Size(s)
		}
	}
	if sizes == nil && !even || sizes != nil && len(sizes) != 3 || x.Rank() != 3 || past != nil && past.Rank() != 5 {
		return one(n.fail(Invalid, "give weights for three, or qkv_hidden_sizes", "queries, keys and values of %s", x.Type))
	}
	qkv := n.b.Ops(ir.Split, &ir.SplitAttrs{Axis: 2, Sizes: parts}, nil, x)
	if !n.ok() {
		return nil
	}
	q, k, v := n.unpackHeads(qkv[0], num), n.unpackHeads(qkv[1], num), n.unpackHeads(qkv[2], num)
	before := func(i int64, x *ir.Value) *ir.Value {
		if past == nil {
			return x
		}
		return n.op(ir.Concat, &ir.AxisAttrs{Axis: 2}, n.op(ir.Gather, &ir.AxisAttrs{}, past, n.b.Const(ir.Scalar(i))), x)
	}
	fresh := k
	k, v = before(0, k), before(1, v)
	if !n.ok() {
		return nil
	}
	places := n.unsqueeze(n.op(ir.Add, nil, n.count(n.dim(size(q, 2))), n.dim(size(k, 2).Sub(size(fresh, 2)))), 1)
	y, _ := n.maskedAttention(q, k, v, places, n.arg(3), n.arg(5))
	if !n.wants(1) {
		return one(y)
	}
	return []*ir.Value{y, n.op(ir.Concat, &ir.AxisAttrs{}, n.unsqueeze(k, 0), n.unsqueeze(v, 0))}
}

// queryPlaces are the places of queries after a past, [S, 1].
func (n *Node) queryPlaces(q, past *ir.Value) *ir.Value {
	if !n.ok() {
		return q
	}
	places := n.unsqueeze(n.count(n.dim(size(q, 2))), 1)
	if past != nil {
		places = n.op(ir.Add, nil, places, n.dim(size(past, 2)))
	}
	return places
}

// maskedAttention is attention as [B, S, H × D], and the scaled product of queries and keys. What a mask hides has mask_filter_value added, so
// that a row that is hidden whole is as if it were not; keys after a query are never seen.
func (n *Node) maskedAttention(q, k, v, places, mask, bias *ir.Value) (y, product *ir.Value) {
	filter, causal := float64(n.Float("mask_filter_value", -10000)), n.Int("unidirectional", 0) != 0
	scale, heads := n.microsoftScale(q), n.attentionHeads(q, k, v)
	if !n.ok() {
		return q, nil
	}
	d := q.DType()
	filter = max(filter, lowest(d))
	product = heads.scores(n, q, k, scale)
	scores := product
	hide := func(allowed *ir.Value) {
		scores = n.op(ir.Add, nil, scores, n.op(ir.Where, nil, allowed, n.number(d, 0), n.number(d, filter)))
	}
	if mask != nil {
		hide(n.paddingMask(mask, heads))
	}
	if causal {
		seen := n.op(ir.LessEqual, nil, n.count(n.dim(heads.t)), places)
		scores = n.op(ir.Where, nil, seen, scores, n.number(d, lowest(d)))
	}
	if bias != nil {
		scores = n.op(ir.Add, nil, scores, bias)
	}
	y = heads.mix(n, n.op(ir.Softmax, &ir.AxisAttrs{Axis: 3}, scores), v, d)
	return n.packHeads(y), product
}

// lowest is the least finite number of a float dtype, or of f32.
func lowest(d ir.DType) float64 {
	if d == ir.F16 {
		return -65504
	}
	if d == ir.BF16 {
		return -0x1.fep127
	}
	return -math.MaxFloat32
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

// paddingMask is what a mask of keys allows: lengths [B], ends and then starts [2 × B], or what is not 0 of [B, T] or [B, S, T].
func (n *Node) paddingMask(mask *ir.Value, h heads) *ir.Value {
	zero, keys := n.number(mask.DType(), 0), n.count(n.dim(h.t))
	switch same := n.b.Region().SameDim; {
	case mask.Rank() == 1 && same(size(mask, 0), h.batch.Mul(ir.Size(2))):
		parts := n.b.Ops(ir.Split, &ir.SplitAttrs{Sizes: []ir.Dim{h.batch, h.batch}}, nil, n.cast(mask, ir.I64))
		if !n.ok() {
			return mask
		}
		ends, starts := n.unsqueeze(parts[0], 1, 2, 3), n.unsqueeze(parts[1], 1, 2, 3)
		return n.op(ir.And, nil, n.op(ir.Less, nil, keys, ends), n.op(ir.LessEqual, nil, starts, keys))
	case mask.Rank() == 1:
		n.sameSize(size(mask, 0), h.batch)
		return n.op(ir.Less, nil, keys, n.unsqueeze(n.cast(mask, ir.I64), 1, 2, 3))
	case mask.Rank() == 2:
		return n.unsqueeze(n.op(ir.Less, nil, zero, mask), 1, 2)
	case mask.Rank() == 3:
		return n.unsqueeze(n.op(ir.Less, nil, zero, mask), 1)
	}
	return n.fail(Unsupported, "give [B], [B, T] or [B, S, T]", "mask of %s", mask.Type)
}
