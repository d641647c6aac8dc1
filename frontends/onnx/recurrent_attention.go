package onnx

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// importCausalConvWithState: a depthwise convolution of the past and x[B, C, L] with w[C, 1, k], and the last k - 1 columns of these,
// which are the past of the next.
func importCausalConvWithState(n *Node) []*ir.Value {
	x, w, past := n.in[0], n.in[1], n.arg(3)
	activation := n.String("activation", "none")
	if x.Rank() != 3 || w.Rank() != 3 {
		return one(n.fail(Invalid, "give [B, C, L] and [C, 1, k]", "causal convolution of %s with %s", x.Type, w.Type))
	}
	channels, ok := size(w, 0).Value()
	k, known := size(w, 2).Value()
	if !ok || !known || k < 1 || channels < 1 {
		return one(n.fail(Unsupported, "make the weight a constant", "the weight is %s", w.Type))
	}
	axis := &ir.AxisAttrs{Axis: 2}
	switch {
	case past != nil:
		x = n.op(ir.Concat, axis, past, x)
	case k > 1:
		x = n.op(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: []int64{2}}, x, n.b.Ints(k-1, 0), nil)
	}
	if !n.ok() {
		return nil
	}
	y := n.op(ir.Conv, &ir.ConvAttrs{Strides: []int64{1}, Pads: []int64{0, 0}, Dilations: []int64{1}, Groups: channels}, x, w, n.arg(2))
	switch activation {
	case "silu", "swish":
		y = n.op(ir.Silu, nil, y)
	case "none":
	default:
		n.fail(Invalid, "give silu, swish or none", "activation %q", clip(activation))
	}
	last := size(x, 2)
	state := n.slice(x, n.b.Dims(last.Sub(ir.Size(k-1))), n.b.Dims(last), []int64{2}, []int64{1})
	return []*ir.Value{y, state}
}

// linear is a linear attention: how its state changes at each place.
type linear struct {
	decays, corrects bool // state × e^decay; the value is beta × (value - what the state has for the key)
	scale            float64
}

// updateRules are the values of attribute update_rule.
var updateRules = map[string]linear{
	"linear": {}, "gated": {decays: true}, "delta": {corrects: true}, "gated_delta": {decays: true, corrects: true},
}

// importLinearAttention: a scan over the places, in f32. Its state is a matrix [D, E] for each head of keys.
func importLinearAttention(n *Node) []*ir.Value {
	q, k, v, past := n.in[0], n.in[1], n.in[2], n.arg(3)
	n.Int("chunk_size", 64) // for speed only
	qHeads, kvHeads := n.Int("q_num_heads", 0), n.Int("kv_num_heads", 0)
	rule := n.String("update_rule", "gated_delta")
	l, ok := updateRules[rule]
	switch {
	case !ok:
		return one(n.fail(Invalid, "give linear, gated, delta or gated_delta", "update_rule %q", clip(rule)))
	case l.decays != (n.arg(4) != nil) || l.corrects != (n.arg(5) != nil):
		return one(n.fail(Invalid, "give decay with gated rules and beta with delta rules, and else none", "decay and beta do not fit update_rule %q", rule))
	case kvHeads < 1 || qHeads < 1 || qHeads%kvHeads != 0:
		return one(n.fail(Invalid, "give numbers of heads that divide", "%d heads of queries for %d of keys", qHeads, kvHeads))
	}
	l.scale = float64(n.Float("scale", 0))
	out := q.DType()
	q, k, v = n.perPlace(q, kvHeads, qHeads/kvHeads), n.perPlace(k, kvHeads), n.perPlace(v, kvHeads)
	if !n.ok() {
		return nil
	}
	if depth, known := size(k, 3).Value(); l.scale == 0 && known && depth > 0 {
		l.scale = 1 / math.Sqrt(float64(depth))
	} else if l.scale == 0 {
		return one(n.fail(Unsupported, "give attribute scale", "the size of a head is not known: %s", k.Type))
	}
	b, dk, dv := size(k, 0), size(k, 3), size(v, 3)
	stateType := out
	if past == nil {
		past = n.op(ir.Expand, nil, n.number(ir.F32, 0), n.b.Dims(b, ir.Size(kvHeads), dk, dv))
	} else {
		stateType = past.DType()
	}
	inputs := []*ir.Value{q, k, v}
	if l.decays {
		inputs = append(inputs, n.perPlace(n.arg(4), kvHeads))
	}
	if l.corrects {
		inputs = append(inputs, n.betas(n.arg(5), kvHeads))
	}
	results := n.linearScan(l, n.cast(past, ir.F32), inputs)
	if !n.ok() {
		return nil
	}
	y := n.reshape(results[1], b, size(n.in[0], 1), dv.Mul(ir.Size(qHeads)))
	return []*ir.Value{n.cast(y, out), n.cast(results[0], stateType)}
}

// perPlace makes f32[B, T, heads…, D] of [B, T, heads… × D].
func (n *Node) perPlace(x *ir.Value, heads ...int64) *ir.Value {
	all := int64(1)
	for _, h := range heads {
		all *= h
	}
	each, even := size(x, 2).ExactDiv(ir.Size(all))
	if x.Rank() != 3 || !even {
		return n.fail(Invalid, "give [B, T, heads × D]", "%d heads in %s", all, x.Type)
	}
	dims := []ir.Dim{size(x, 0), size(x, 1)}
	for _, h := range heads {
		dims = append(dims, ir.Size(h))
	}
	return n.cast(n.reshape(x, append(dims, each)...), ir.F32)
}

// betas are f32[B, T, heads or 1, 1].
func (n *Node) betas(x *ir.Value, heads int64) *ir.Value {
	if x.Rank() != 3 || !size(x, 2).Is(1) && !size(x, 2).Is(heads) {
		return n.fail(Invalid, "give [B, T, heads] or [B, T, 1]", "beta of %s for %d heads", x.Type, heads)
	}
	return n.cast(n.unsqueeze(x, 3), ir.F32)
}

// linearScan gives the last state, and [B, T, K, G, E] of all places.
func (n *Node) linearScan(l linear, state *ir.Value, inputs []*ir.Value) []*ir.Value {
	if !n.ok() {
		return nil
	}
	in, r := n.inRegion()
	params := []*ir.Value{r.AddParam("", state.Type)}
	for _, x := range inputs {
		s := x.Shape()
		params = append(params, r.AddParam("", ir.TensorOf(x.DType(), append(ir.Shape{s[0]}, s[2:]...)...)))
	}
	next, y := in.linearStep(l, params)
	in.b.Yield(next, y)
	if err := in.b.Err(); err != nil {
		n.b.Fail(err)
		return nil
	}
	a := &ir.ScanAttrs{Carried: 1, InputAxes: repeated(1, len(inputs)), InputReverse: repeated(0, len(inputs)), OutputAxes: []int64{1}, OutputRev: []int64{0}}
	return n.b.Ops(ir.Scan, a, []*ir.Region{r}, append([]*ir.Value{state}, inputs...)...)
}

// linearStep is one place: state[B, K, D, E], q[B, K, G, D], k[B, K, D], v[B, K, E], then decay[B, K, D or 1] and beta[B, K or 1, 1]
// where the rule has them.
func (n *Node) linearStep(l linear, p []*ir.Value) (next, y *ir.Value) {
	state, q, k, v, rest := p[0], p[1], n.unsqueeze(p[2], 3), n.unsqueeze(p[3], 2), p[4:]
	if l.decays {
		state = n.op(ir.Mul, nil, state, n.op(ir.Exp, nil, n.unsqueeze(rest[0], 3)))
		rest = rest[1:]
	}
	if l.corrects {
		had := n.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{2}, KeepDims: true}, n.op(ir.Mul, nil, state, k))
		v = n.op(ir.Mul, nil, n.unsqueeze(rest[0], 3), n.op(ir.Sub, nil, v, had))
	}
	state = n.op(ir.Add, nil, state, n.op(ir.Mul, nil, k, v))
	y = n.op(ir.MatMul, nil, n.op(ir.Mul, nil, q, n.number(ir.F32, l.scale)), state)
	return state, y
}
