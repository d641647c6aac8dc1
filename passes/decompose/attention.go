package decompose

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// lowest is the least finite number of each dtype that is computed in.
var lowest = map[ir.DType]float64{ir.F32: -math.MaxFloat32, ir.F64: -math.MaxFloat64}

// attention is softmax(q·kᵀ·scale + mask)·v. Rows whose scores are all -∞ give what the attribute says.
func attention(p *parts, op *ir.Op) *ir.Value {
	a, q := op.Attrs.(*ir.AttentionAttrs), p.arg(op, 0)
	k, v := p.shared(q, p.arg(op, 1)), p.shared(q, p.arg(op, 2))
	scores := p.Mul(p.Op(ir.MatMul, nil, q, p.transpose(k, 0, 1, 3, 2)), p.number(a.Scale))
	hidden := p.number(math.Inf(-1))
	if a.Empty == "mean" {
		hidden = p.number(lowest[p.d])
	}
	if a.Causal {
		scores = p.Op(ir.Where, nil, p.causal(q, k), scores, hidden)
	}
	switch mask := op.Arg(3); {
	case mask != nil && mask.DType() == ir.Bool:
		scores = p.Op(ir.Where, nil, mask, scores, hidden)
	case mask != nil:
		scores = p.Add(scores, p.arg(op, 3))
	}
	probs := p.probabilities(scores, p.arg(op, 4))
	if a.Empty == "zero" {
		empty := p.Op(ir.Equal, nil, p.reduce(ir.ReduceMax, scores, 3), p.number(math.Inf(-1)))
		probs = p.Op(ir.Where, nil, empty, p.number(0), probs)
	}
	return p.Op(ir.MatMul, nil, probs, v)
}

// probabilities is the softmax of the scores; a head's sink takes its part and goes to nothing.
func (p *parts) probabilities(scores, sinks *ir.Value) *ir.Value {
	last := &ir.AxisAttrs{Axis: 3}
	if sinks == nil {
		return p.Op(ir.Softmax, last, scores)
	}
	s := scores.Shape()
	column := p.expand(p.unsqueeze(sinks, 0, 2, 3), s[0], s[1], s[2], ir.Size(1))
	all := p.Op(ir.Softmax, last, p.Op(ir.Concat, last, scores, column))
	return p.slice(all, ir.Size(0), s[3])
}

// shared is k or v with a head for each of q's.
func (p *parts) shared(q, k *ir.Value) *ir.Value {
	s, heads := k.Shape(), q.Shape()[1]
	if p.SameDim(s[1], heads) {
		return k
	}
	k = p.expand(p.unsqueeze(k, 2), s[0], s[1], heads.FloorDiv(s[1]), s[2], s[3])
	return p.reshape(k, s[0], heads, s[2], s[3])
}

// causal is where query i of L sees key j of S: j ≤ i + S - L.
func (p *parts) causal(q, k *ir.Value) *ir.Value {
	l, s := q.Shape()[2], k.Shape()[2]
	rows := p.unsqueeze(p.upTo(l), 1)
	shift := p.Sub(p.size(s), p.size(l))
	return p.Op(ir.LessEqual, nil, p.upTo(s), p.Add(rows, shift))
}

// rope turns pairs (a, b) to (a·cos - b·sin, a·sin + b·cos).
func rope(p *parts, op *ir.Op) *ir.Value {
	x := p.arg(op, 0)
	cos, sin := p.angles(op)
	n, s := cos.Shape()[cos.Rank()-1], x.Shape()
	pairs := n.Mul(ir.Size(2))
	var a, b *ir.Value
	if op.Attrs.(*ir.RopeAttrs).Interleaved {
		two := p.reshape(p.slice(x, ir.Size(0), pairs), s[0], s[1], s[2], n, ir.Size(2))
		a, b = p.element(two, 0), p.element(two, 1)
	} else {
		a, b = p.slice(x, ir.Size(0), n), p.slice(x, n, pairs)
	}
	a, b = p.Sub(p.Mul(a, cos), p.Mul(b, sin)), p.Add(p.Mul(a, sin), p.Mul(b, cos))
	var y *ir.Value
	if op.Attrs.(*ir.RopeAttrs).Interleaved {
		two := p.Op(ir.Concat, &ir.AxisAttrs{Axis: 4}, p.unsqueeze(a, 4), p.unsqueeze(b, 4))
		y = p.reshape(two, s[0], s[1], s[2], pairs)
	} else {
		y = p.Op(ir.Concat, &ir.AxisAttrs{Axis: 3}, a, b)
	}
	if p.SameDim(pairs, s[3]) {
		return y
	}
	return p.Op(ir.Concat, &ir.AxisAttrs{Axis: 3}, y, p.slice(x, pairs, s[3]))
}

// angles are cosines and sines of [B, H, L, n] or what broadcasts to it; those of an offset are computed in the dtype of the frequencies,
// f32 at least.
func (p *parts) angles(op *ir.Op) (cos, sin *ir.Value) {
	if !op.Args[1].DType().IsInt() {
		return p.arg(op, 1), p.arg(op, 2)
	}
	at, f := op.Args[1], op.Args[2]
	if f.DType() != ir.F64 {
		f = p.cast(f, ir.F32)
	}
	at = p.cast(at, ir.I64)
	if at.Rank() == 1 {
		at = p.unsqueeze(at, 1, 2, 3)
	}
	rows := p.unsqueeze(p.upTo(op.Args[0].Shape()[2]), 1)
	angle := p.Mul(p.cast(p.Add(at, rows), f.DType()), f)
	return p.cast(p.Op(ir.Cos, nil, angle), p.d), p.cast(p.Op(ir.Sin, nil, angle), p.d)
}

// element is one of the two on the last axis.
func (p *parts) element(v *ir.Value, i int64) *ir.Value {
	s := p.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{4}, Steps: []int64{1}}, v, p.Dims(ir.Size(i)), p.Dims(ir.Size(i+1)))
	return p.Op(ir.Squeeze, &ir.AxesAttrs{Axes: []int64{4}}, s)
}

// slice is a part of the last of four axes.
func (p *parts) slice(v *ir.Value, from, to ir.Dim) *ir.Value {
	return p.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{3}, Steps: []int64{1}}, v, p.Dims(from), p.Dims(to))
}

// upTo is 0, 1, … below n.
func (p *parts) upTo(n ir.Dim) *ir.Value {
	return p.Op(ir.Range, nil, p.size(ir.Size(0)), p.size(n), p.size(ir.Size(1)))
}

func (p *parts) size(d ir.Dim) *ir.Value {
	return p.Op(ir.Dims, &ir.DimsAttrs{Values: []ir.Dim{d}, Scalar: true})
}

func (p *parts) unsqueeze(v *ir.Value, axes ...int64) *ir.Value {
	return p.Op(ir.Unsqueeze, &ir.AxesAttrs{Axes: axes}, v)
}

func (p *parts) transpose(v *ir.Value, perm ...int64) *ir.Value {
	return p.Op(ir.Transpose, &ir.PermAttrs{Perm: perm}, v)
}

func (p *parts) expand(v *ir.Value, shape ...ir.Dim) *ir.Value {
	return p.Op(ir.Expand, nil, v, p.Dims(shape...))
}

func (p *parts) reshape(v *ir.Value, shape ...ir.Dim) *ir.Value {
	return p.Op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, v, p.Dims(shape...))
}
