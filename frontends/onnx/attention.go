package onnx

import (
	"math"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

var attentionRows = []row{
	{"", "Attention", since(23, 24, 25), importAttention},
	{"", "RotaryEmbedding", since(23), importRotaryEmbedding},
	{"", "LinearAttention", since(27), importLinearAttention},
	{"", "CausalConvWithState", since(27), importCausalConvWithState},
	{"ai.onnx.preview", "FlexAttention", since(1), importFlexAttention},
}

// What Attention's fourth output is, by attribute qk_matmul_output_mode.
const (
	qkProduct = iota
	qkCapped
	qkBiased
	qkSoftmax
	qkModes
)

// importAttention: softmax(q × kᵀ × scale + mask) × v for each head, of [B, H, S, D] or, packed, [B, S, H × D]. The other
// outputs are keys and values with those of the past before them, and the scores at some stage.
func importAttention(n *Node) []*ir.Value {
	q, k, v := n.attentionOperands()
	heads := n.attentionHeads(q, k, v)
	mode := n.Int("qk_matmul_output_mode", qkProduct)
	softcap, scale := float64(n.Float("softcap", 0)), n.attentionScale(q)
	precision := n.precision(q.DType())
	if mode < 0 || mode >= qkModes {
		n.fail(Invalid, "give 0 to 3", "qk_matmul_output_mode is %d", mode)
	}
	mask := n.attentionMask(q, k)
	if !n.ok() {
		return nil
	}
	stages := make([]*ir.Value, qkModes)
	scores := heads.scores(n, q, k, scale)
	stages[qkProduct] = scores
	if softcap > 0 {
		c := n.number(q.DType(), softcap)
		scores = n.op(ir.Mul, nil, n.op(ir.Tanh, nil, n.op(ir.Div, nil, scores, c)), c)
	}
	stages[qkCapped] = scores
	scores = mask.apply(n, scores)
	stages[qkBiased] = scores
	probs := n.cast(mask.softmax(n, n.cast(scores, precision)), q.DType())
	stages[qkSoftmax] = probs
	y := heads.mix(n, probs, v, q.DType())
	if n.in[0].Rank() == 3 {
		y = n.packHeads(y)
	}
	return []*ir.Value{y, k, v, stages[mode]}
}

// attentionOperands are queries, keys and values as [B, H, S, D]; what is in the cache goes before keys and values.
func (n *Node) attentionOperands() (q, k, v *ir.Value) {
	q, k, v = n.in[0], n.in[1], n.in[2]
	qHeads, kvHeads := n.Int("q_num_heads", 0), n.Int("kv_num_heads", 0)
	switch rank := q.Rank(); {
	case rank != k.Rank() || rank != v.Rank() || rank != 3 && rank != 4:
		n.fail(Invalid, "give three of rank 3, or of rank 4", "attention of %s, %s and %s", q.Type, k.Type, v.Type)
	case rank == 3:
		q, k, v = n.unpackHeads(q, qHeads), n.unpackHeads(k, kvHeads), n.unpackHeads(v, kvHeads)
	case n.since >= 25 && (qHeads != 0 || kvHeads != 0):
		n.fail(Invalid, "remove q_num_heads and kv_num_heads", "the numbers of heads are given, and operands of rank 4 too")
	}
	pastKey, pastValue := n.arg(4), n.arg(5)
	if (pastKey == nil) != (pastValue == nil) || pastKey != nil && n.arg(6) != nil {
		n.fail(Invalid, "give past_key and past_value, or nonpad_kv_seqlen, or none", "one of past_key and past_value is absent, or nonpad_kv_seqlen is there too")
	}
	if pastKey != nil {
		k = n.op(ir.Concat, &ir.AxisAttrs{Axis: 2}, pastKey, k)
		v = n.op(ir.Concat, &ir.AxisAttrs{Axis: 2}, pastValue, v)
	}
	return q, k, v
}

// unpackHeads makes [B, H, S, D] of [B, S, H × D].
func (n *Node) unpackHeads(x *ir.Value, heads int64) *ir.Value {
	if !n.ok() {
		return x
	}
	each, even := ir.Dim{}, false
	if heads > 0 && x.Rank() == 3 {
		each, even = size(x, 2).ExactDiv(ir.Size(heads))
	}
	if !even {
		return n.fail(Invalid, "give [B, S, heads × D], and how many heads", "%d heads in %s", heads, x.Type)
	}
	x = n.reshape(x, size(x, 0), size(x, 1), ir.Size(heads), each)
	return n.transpose(x, 0, 2, 1, 3)
}

// packHeads makes [B, S, H × D] of [B, H, S, D].
func (n *Node) packHeads(x *ir.Value) *ir.Value {
	if !n.ok() {
		return x
	}
	x = n.transpose(x, 0, 2, 1, 3)
	return n.reshape(x, size(x, 0), size(x, 1), size(x, 2).Mul(size(x, 3)))
}

// attentionScale is attribute scale, or 1 / √D.
func (n *Node) attentionScale(q *ir.Value) *ir.Value {
	if n.Has("scale") {
		return n.number(q.DType(), float64(n.Float("scale", 0)))
	}
	d := size(q, q.Rank()-1)
	if k, ok := d.Value(); ok {
		return n.number(q.DType(), 1/math.Sqrt(float64(max(k, 1))))
	}
	return n.op(ir.Rsqrt, nil, n.cast(n.dim(d), q.DType()))
}

// dim is a size as an i64 scalar.
func (n *Node) dim(d ir.Dim) *ir.Value {
	return n.op(ir.Dims, &ir.DimsAttrs{Values: []ir.Dim{d}, Scalar: true})
}

// precision is the dtype of attribute softmax_precision.
func (n *Node) precision(def ir.DType) ir.DType {
	if !n.Has("softmax_precision") {
		return def
	}
	d, err := irDType(DType(n.Int("softmax_precision", 0)))
	if err == nil && !d.IsFloat() {
		err = errf(Invalid, "give a float", "softmax_precision is %s", d)
	}
	if err != nil {
		n.b.Fail(err)
	}
	return d
}

// heads are the sizes of an attention. A head of keys and values serves a group of H / K heads of queries: they are
// rows of one matrix, so that keys and values need no copies.
type heads struct {
	batch, q, kv, group, s, t ir.Dim
}

func (n *Node) attentionHeads(q, k, v *ir.Value) heads {
	if !n.ok() {
		return heads{}
	}
	if q.Rank() != 4 || k.Rank() != 4 || v.Rank() != 4 {
		n.fail(Invalid, "give [B, H, S, D]", "attention of %s, %s and %s", q.Type, k.Type, v.Type)
		return heads{}
	}
	if !n.b.Region().SameDim(size(k, 1), size(v, 1)) && size(v, 1).IsConst() && size(k, 1).IsConst() {
		n.fail(Invalid, "give them equal numbers of heads", "attention of keys %s and values %s", k.Type, v.Type)
	}
	h := heads{batch: size(q, 0), q: size(q, 1), kv: size(k, 1), group: ir.Size(1), s: size(q, 2), t: size(k, 2)}
	if h.q == h.kv {
		return h
	}
	group, even := h.q.ExactDiv(h.kv)
	if !even || h.kv.Is(0) {
		n.fail(Invalid, "give numbers of heads that divide", "%s heads of queries for %s of keys", h.q, h.kv)
	}
	h.group = group
	return h
}

// scores are q × kᵀ × scale: [B, H, S, T]. Half floats are scaled on both sides, so that the product stays in range.
func (h heads) scores(n *Node, q, k, scale *ir.Value) *ir.Value {
	if d := q.DType(); d == ir.F16 || d == ir.BF16 {
		scale = n.op(ir.Sqrt, nil, scale)
		k = n.op(ir.Mul, nil, k, scale)
	}
	q = n.op(ir.Mul, nil, q, scale)
	k = n.transpose(k, 0, 1, 3, 2)
	if h.group.Is(1) {
		return n.op(ir.MatMul, nil, q, k)
	}
	q = n.reshape(q, h.batch, h.kv, h.group.Mul(h.s), size(q, 3))
	return n.reshape(n.op(ir.MatMul, nil, q, k), h.batch, h.q, h.s, h.t)
}

// mix is probs × v, in the wider of their dtypes, as d: [B, H, S, E].
func (h heads) mix(n *Node, probs, v *ir.Value, d ir.DType) *ir.Value {
	wide := probs.DType()
	if v.DType().Bits() > wide.Bits() {
		wide = v.DType()
	}
	probs, v = n.cast(probs, wide), n.cast(v, wide)
	if !h.group.Is(1) {
		probs = n.reshape(probs, h.batch, h.kv, h.group.Mul(h.s), h.t)
	}
	y := n.op(ir.MatMul, nil, probs, v)
	if !h.group.Is(1) {
		y = n.reshape(y, h.batch, h.q, h.s, size(v, 3))
	}
	return n.cast(y, d)
}

// attentionMask is what keeps queries from keys: allowed (bool) and bias, each nil for none. Where rows may be that may see no
// key at all, empty is set: these give zeros.
type attentionMask struct {
	allowed, bias *ir.Value
	empty         bool
}

// attentionMask reads mask, causality, windows and padding.
func (n *Node) attentionMask(q, k *ir.Value) attentionMask {
	var m attentionMask
	if mask := n.arg(3); mask != nil {
		m.empty = true
		mask = n.padMask(mask, size(k, 2))
		if mask.DType() == ir.Bool {
			m.allowed = mask
		} else {
			m.bias = n.cast(mask, q.DType())
		}
	}
	causal := n.Int("is_causal", 0) != 0
	left, right := int64(-1), int64(-1)
	if n.since >= 25 {
		left, right = n.Int("left_window_size", -1), n.Int("right_window_size", -1)
	}
	if left < -1 || right < -1 {
		n.fail(Invalid, "give -1 for no window", "windows of %d and %d", left, right)
	}
	if causal {
		right = 0
	}
	if !n.ok() {
		return m
	}
	keys := n.count(n.dim(size(k, 2)))
	if left >= 0 || right >= 0 {
		m.window(n, n.attentionPlaces(q), keys, left, right)
	}
	if lengths := n.arg(6); lengths != nil {
		m.and(n, n.op(ir.Less, nil, keys, n.unsqueeze(lengths, 1, 2, 3)))
		m.empty = true
	}
	return m
}

// attentionPlaces are the places of the queries among the keys, as [S, 1] or [B, 1, S, 1].
func (n *Node) attentionPlaces(q *ir.Value) *ir.Value {
	s := n.dim(size(q, 2))
	places := n.unsqueeze(n.count(s), 1)
	switch past, lengths := n.arg(4), n.arg(6); {
	case past != nil:
		places = n.op(ir.Add, nil, places, n.dim(size(past, 2)))
	case lengths != nil:
		places = n.op(ir.Add, nil, places, n.unsqueeze(n.op(ir.Sub, nil, lengths, s), 1, 2, 3))
	}
	return places
}

// window allows the keys from left places before a query's to right places after it; -1 is no bound.
func (m *attentionMask) window(n *Node, places, keys *ir.Value, left, right int64) {
	if left >= 0 {
		m.and(n, n.op(ir.LessEqual, nil, n.op(ir.Sub, nil, places, n.b.Const(ir.Scalar(left))), keys))
		m.empty = true
	}
	if right >= 0 {
		if right > 0 {
			places = n.op(ir.Add, nil, places, n.b.Const(ir.Scalar(right)))
		}
		m.and(n, n.op(ir.LessEqual, nil, keys, places))
	}
}

func (m *attentionMask) and(n *Node, allowed *ir.Value) {
	if m.allowed != nil {
		allowed = n.op(ir.And, nil, m.allowed, allowed)
	}
	m.allowed = allowed
}

// padMask gives a mask that is shorter than the keys what hides the rest.
func (n *Node) padMask(mask *ir.Value, keys ir.Dim) *ir.Value {
	last := mask.Rank() - 1
	if last < 0 || !n.ok() || n.b.Region().SameDim(size(mask, last), keys) {
		return mask
	}
	hidden := n.b.Const(ir.Scalar(false))
	if mask.DType() != ir.Bool {
		if !mask.DType().IsFloat() {
			mask = n.cast(mask, ir.F32)
		}
		hidden = n.number(mask.DType(), math.Inf(-1))
	}
	pads := n.b.Dims(ir.Size(0), keys.Sub(size(mask, last)))
	return n.op(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: []int64{int64(last)}}, mask, pads, hidden)
}

// apply adds the bias to the scores, and makes them -∞ where they are not allowed.
func (m *attentionMask) apply(n *Node, scores *ir.Value) *ir.Value {
	if m.bias != nil {
		scores = n.op(ir.Add, nil, scores, m.bias)
	}
	if m.allowed != nil {
		scores = n.op(ir.Where, nil, m.allowed, scores, n.number(scores.DType(), math.Inf(-1)))
	}
	return scores
}

// softmax is 0 in rows that are hidden whole.
func (m *attentionMask) softmax(n *Node, scores *ir.Value) *ir.Value {
	probs := n.op(ir.Softmax, &ir.AxisAttrs{Axis: 3}, scores)
	if !m.empty {
		return probs
	}
	best := n.op(ir.ReduceMax, &ir.ReduceAttrs{Axes: []int64{3}, KeepDims: true}, scores)
	none := n.op(ir.IsInf, &ir.IsInfAttrs{Negative: true}, best)
	return n.op(ir.Where, nil, none, n.number(probs.DType(), 0), probs)
}

// importFlexAttention: attention whose scores and probabilities subgraphs may change.
func importFlexAttention(n *Node) []*ir.Value {
	q, k, v := n.in[0], n.in[1], n.in[2]
	heads, scale := n.attentionHeads(q, k, v), n.attentionScale(q)
	d := ir.F32
	if q.DType() == ir.F64 {
		d = ir.F64
	}
	d = n.precision(d)
	if !n.ok() {
		return nil
	}
	scores := n.modified("score_mod", n.cast(heads.scores(n, q, k, scale), d))
	if !n.ok() {
		return nil
	}
	probs := n.modified("prob_mod", n.op(ir.Softmax, &ir.AxisAttrs{Axis: 3}, scores))
	if !n.ok() {
		return nil
	}
	return one(heads.mix(n, probs, n.cast(v, d), q.DType()))
}

// modified is x as the subgraph of an attribute changes it, in place; x where there is none.
func (n *Node) modified(attr string, x *ir.Value) *ir.Value {
	if !n.Has(attr) {
		return x
	}
	g := n.Graph(attr)
	if !n.ok() {
		return x
	}
	if len(g.Input) != 1 || len(g.Output) != 1 {
		return n.fail(Invalid, remedyExport, "%s takes %d operands and gives %d, must take one and give one", attr, len(g.Input), len(g.Output))
	}
	y := n.inlined(g, x)
	if n.ok() && (y.DType() != x.DType() || y.Rank() != x.Rank()) {
		return n.fail(Invalid, remedyExport, "%s makes %s of %s", attr, y.Type, x.Type)
	}
	return y
}

// inlined imports a graph of one operand and one output in place.
func (n *Node) inlined(g *pb.GraphProto, x *ir.Value) *ir.Value {
	in := n.s.inner(n.s.region)
	in.values[g.Input[0].GetName()] = x
	results, err := in.build(g)
	if err != nil {
		return n.b.Fail(err)
	}
	return results[0]
}

// importRotaryEmbedding rotates pairs of elements of each head, the first halves with the second or, interleaved, neighbours,
// by angles whose cosines and sines are given for each place, or looked up by it.
func importRotaryEmbedding(n *Node) []*ir.Value {
	x, cos, sin := n.in[0], n.in[1], n.in[2]
	heads, packed := n.Int("num_heads", 0), x.Rank() == 3
	if packed {
		x = n.unpackHeads(x, heads)
	}
	if ids := n.arg(3); ids != nil {
		cos, sin = n.op(ir.Gather, &ir.AxisAttrs{}, cos, ids), n.op(ir.Gather, &ir.AxisAttrs{}, sin, ids)
	}
	y := n.rotary(x, cos, sin, n.Int("rotary_embedding_dim", 0), n.Int("interleaved", 0) != 0)
	if packed {
		y = n.packHeads(y)
	}
	return one(y)
}

// rotary rotates the first dim elements (0: all) of each head of x[B, H, S, D] by angles of [B, S, dim / 2].
func (n *Node) rotary(x, cos, sin *ir.Value, dim int64, interleaved bool) *ir.Value {
	if !n.ok() {
		return x
	}
	width, known := size(x, 3).Value()
	if dim == 0 {
		dim = width
	}
	if x.Rank() != 4 || cos.Rank() != 3 || sin.Rank() != 3 || !known || dim < 0 || dim%2 != 0 || dim > width {
		return n.fail(Invalid, "give [B, H, S, D] and caches [B, S, rotated / 2]", "%d elements rotated of %s by %s and %s", dim, x.Type, cos.Type, sin.Type)
	}
	n.sameSize(size(cos, 2), ir.Size(dim/2))
	return n.op(ir.Rope, &ir.RopeAttrs{Interleaved: interleaved}, x, n.unsqueeze(cos, 1), n.unsqueeze(sin, 1))
}
