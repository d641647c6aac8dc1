package mlx

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
)

// lowerAttention: mx.fast.scaled_dot_product_attention, and a where for queries that may see no key, of which MLX's paths make
// different things. Its scale is an f32, so that f64 goes through the parts.
func lowerAttention(l *lowering, op *ir.Op) {
	a, from := op.Attrs.(*ir.AttentionAttrs), op.Args[0].DType()
	d, m := l.attentionDType(from), l.attentionMask(op)
	var y Reg
	if d == ir.F64 {
		y = l.composeAttention(op, m)
	} else {
		q, k, v := l.in(op, 0, d), l.in(op, 1, d), l.in(op, 2, d)
		y = l.b.Call(ScaledDotProductAttention, q, k, v, m.mask, l.in(op, 4, d), a.Scale, m.mode)
	}
	if m.seen != Absent {
		if m.fill == Absent {
			m.fill = l.meanValue(op)
		}
		y = l.b.Call(Where, m.seen, y, m.fill)
	}
	l.set(op, l.cast(y, d, from))
}

// attentionDType is what attention is computed in: on the CPU, MLX would round halves after each part.
func (l *lowering) attentionDType(d ir.DType) ir.DType {
	if isHalf(d) && l.opts.Device != GPU {
		return ir.F32
	}
	return d
}

// in is operand i as dtype d; Absent where there is none.
func (l *lowering) in(op *ir.Op, i int, d ir.DType) Reg {
	v := op.Arg(i)
	if v == nil {
		return Absent
	}
	return l.cast(l.reg(v), v.DType(), d)
}

// attentionMask is what hides keys, made once for all attentions that share it: a mask and its mode, which queries see a key at
// all (where that has to be told), and what the others give.
type attentionMask struct {
	mask Reg
	mode string
	seen Reg
	fill Reg
}

type attentionMaskKey struct {
	region   *ir.Region
	mask     *ir.Value
	attrs    ir.AttentionAttrs
	dtype    ir.DType
	l, s     ir.Dim
	hasSinks bool
}

func (l *lowering) attentionMask(op *ir.Op) attentionMask {
	q, k, mask, a := op.Args[0], op.Args[1], op.Arg(3), *op.Attrs.(*ir.AttentionAttrs)
	if mask == nil && !a.Causal {
		return attentionMask{Absent, "", Absent, Absent}
	}
	queries, keys := q.Shape()[2], k.Shape()[2]
	if mask == nil && q.DType() != ir.F64 && seesOwnKey(op, queries, keys) {
		return attentionMask{Absent, "causal", Absent, Absent}
	}
	a.Scale = 0
	key := attentionMaskKey{op.Region, mask, a, q.DType(), queries, keys, op.Arg(4) != nil}
	r := l.once(key, func() []Reg {
		m := l.makeMask(op, queries, keys)
		return []Reg{m.mask, m.seen, m.fill}
	})
	return attentionMask{r[0], "array", r[1], r[2]}
}

// seesOwnKey reports whether there are as many keys as queries, so that under a causal mask every query sees one.
func seesOwnKey(op *ir.Op, queries, keys ir.Dim) bool {
	proved, _ := op.Region.Implied(ir.Fact{Rel: ir.LE, A: queries, B: keys})
	return proved
}

func (l *lowering) makeMask(op *ir.Op, queries, keys ir.Dim) attentionMask {
	a, d, r := op.Attrs.(*ir.AttentionAttrs), l.attentionDType(op.Args[0].DType()), Absent
	isBool := op.Arg(3) == nil || op.Arg(3).DType() == ir.Bool
	switch {
	case op.Arg(3) == nil:
	case isBool:
		r = l.reg(op.Args[3])
	default:
		r = l.in(op, 3, d)
	}
	if a.Causal {
		before := l.b.Call(Tri, queries, keys, keys.Sub(queries), ir.Bool)
		switch {
		case r == Absent:
			r = before
		case isBool:
			r = l.b.Call(LogicalAnd, r, before)
		default:
			r = l.b.Call(Where, before, r, l.b.Scalar(d, math.Inf(-1)))
		}
	}
	last := []int{-1}
	switch {
	case op.Arg(4) != nil: // the sink takes what no key gets
		return attentionMask{mask: r, seen: Absent, fill: Absent}
	case isBool && !a.Causal && seesInTable(op.Arg(3)):
		return attentionMask{mask: r, seen: Absent, fill: Absent}
	case isBool && a.Empty == "mean" && l.opts.Device != GPU: // there, hidden scores are the least number
		return attentionMask{mask: r, seen: Absent, fill: Absent}
	case isBool && a.Empty == "mean" && d == ir.F16: // which has no number that scores vanish in
		return attentionMask{mask: r, seen: l.b.Call(Any, r, last, true), fill: Absent}
	case isBool && a.Empty == "mean":
		r = l.b.Call(Where, r, l.b.Scalar(d, 0), l.b.Scalar(d, -lastFinite(d)/2))
		return attentionMask{mask: r, seen: Absent, fill: Absent}
	case !isBool && a.Empty == "" && l.opts.Device != GPU:
		return attentionMask{mask: r, seen: Absent, fill: Absent}
	case isBool:
		return attentionMask{mask: r, seen: l.b.Call(Any, r, last, true), fill: l.emptyRow(a, d, keys)}
	}
	seen := l.b.Call(Any, l.b.Call(Greater, r, l.b.Scalar(d, math.Inf(-1))), last, true)
	if l.opts.Device == GPU && d != ir.F16 { // kernels multiply the mask by log2 e in f32, which must not overflow
		r = l.b.Call(Maximum, r, l.b.Scalar(d, -lastFinite(d)/2))
	}
	return attentionMask{mask: r, seen: seen, fill: l.emptyRow(a, d, keys)}
}

// seesInTable reports whether a mask is a constant in which every query sees a key.
func seesInTable(mask *ir.Value) bool {
	if mask == nil || mask.Def == nil || mask.Def.Kind != ir.Const {
		return false
	}
	keys, ok := mask.Shape()[mask.Rank()-1].Value()
	if !ok || keys == 0 {
		return false
	}
	for row := range slices.Chunk(mask.Def.Attrs.(*ir.ConstAttrs).Bytes(), int(keys)) {
		if !slices.ContainsFunc(row, func(b byte) bool { return b != 0 }) {
			return false
		}
	}
	return true
}

// emptyRow is 0, or NaN where there are keys at all: a sum over none is 0.
func (l *lowering) emptyRow(a *ir.AttentionAttrs, d ir.DType, keys ir.Dim) Reg {
	zero := l.b.Scalar(d, 0)
	if a.Empty == "zero" {
		return zero
	}
	if lo, _ := keys.Bounds(); lo > 0 {
		return l.b.Scalar(d, math.NaN())
	}
	none := l.b.Call(DimScalar, ir.Size(1).Sub(keys.Min(ir.Size(1))), ir.I64)
	return l.b.Call(Divide, zero, l.b.Call(AsType, none, d))
}

// meanValue is the mean of the values that each head of the queries reads, 0 where there are none: [B, H, 1, E].
func (l *lowering) meanValue(op *ir.Op) Reg {
	v, heads := op.Args[2], op.Args[0].Shape()[1]
	mean := l.inFloat32(l.reg(v), v.DType(), func(r Reg, d ir.DType) Reg {
		n := l.b.Call(AsType, l.b.Call(DimScalar, v.Shape()[2].Max(ir.Size(1)), ir.I64), d)
		return l.b.Call(Divide, l.b.Call(Sum, r, []int{2}, true), n)
	})
	if v.Shape()[1] == heads {
		return mean
	}
	return l.b.Call(Repeat, mean, heads.FloorDiv(v.Shape()[1]), 1)
}

// lastFinite is the greatest finite number of a dtype that MLX computes in.
func lastFinite(d ir.DType) float64 {
	switch d {
	case ir.F16:
		return 65504
	case ir.BF16:
		return 0x1.fep127
	case ir.F64:
		return math.MaxFloat64
	}
	return math.MaxFloat32
}

// composeAttention is attention by its parts.
func (l *lowering) composeAttention(op *ir.Op, m attentionMask) Reg {
	q, k, v, a := op.Args[0], op.Args[1], op.Args[2], op.Attrs.(*ir.AttentionAttrs)
	d, heads := q.DType(), q.Shape()[1]
	grouped := func(v *ir.Value) Reg {
		if v.Shape()[1] == heads {
			return l.reg(v)
		}
		return l.b.Call(Repeat, l.reg(v), heads.FloorDiv(v.Shape()[1]), 1)
	}
	scores := l.b.Call(MatMul, l.b.Call(Multiply, l.reg(q), l.b.Scalar(d, a.Scale)), l.b.Call(SwapAxes, grouped(k), 2, 3))
	switch {
	case m.mask == Absent:
	case op.Arg(3) != nil && op.Arg(3).DType() != ir.Bool:
		scores = l.b.Call(Add, scores, m.mask)
	default:
		scores = l.b.Call(Where, m.mask, scores, l.b.Scalar(d, -lastFinite(d)))
	}
	last := []int{3}
	if op.Arg(4) == nil {
		return l.b.Call(MatMul, l.b.Call(Softmax, scores, last, true), grouped(v))
	}
	shape := []ir.Dim{q.Shape()[0], heads, q.Shape()[2], ir.Size(1)}
	sinks := l.b.Call(BroadcastTo, l.b.Call(ExpandDims, l.reg(op.Args[4]), []int{1, 2}), shape)
	weights := l.b.Call(Softmax, l.b.Call(Concatenate, scores, sinks, 3), last, true)
	return l.b.Call(MatMul, l.b.CallN(Split, 2, weights, []ir.Dim{k.Shape()[2]}, 3)[0], grouped(v))
}

// lowerRope: mx.fast.rope, which takes wave lengths; by tables of cosines and sines otherwise. It computes angles in f32,
// which is too little for f64.
func lowerRope(l *lowering, op *ir.Op) {
	x, at, b, a := op.Args[0], op.Args[1], op.Args[2], op.Attrs.(*ir.RopeAttrs)
	n := b.Shape()[b.Rank()-1]
	switch {
	case n.Is(0):
		l.set(op, l.reg(x))
	case at.DType().IsInt() && x.DType() != ir.F64 && n.IsConst():
		waves := l.once(ropeKey{region: op.Region, a: b}, func() []Reg {
			return []Reg{l.b.Call(Reciprocal, l.cast(l.reg(b), b.DType(), ir.F32))}
		})[0]
		dims, d := n.Mul(ir.Size(2)), l.attentionDType(x.DType())
		offset, start := Absent, int64(0)
		if first, ok := at.KnownInts(); ok && at.Rank() == 0 {
			start = first[0]
		} else {
			offset = l.once(ropeKey{region: op.Region, a: at}, func() []Reg { return []Reg{l.offset(at)} })[0]
		}
		y := l.b.Call(Rope, l.in(op, 0, d), offset, waves, dims, a.Interleaved, 0.0, 1.0, start)
		l.set(op, l.cast(y, d, x.DType()))
	default:
		l.set(op, l.rotate(op, n))
	}
}

// offset is the place of the first element, or of each sequence's, as mx.fast.rope takes it.
func (l *lowering) offset(at *ir.Value) Reg {
	if d, ok := at.KnownDims(); ok && at.Rank() == 0 {
		return l.b.Call(DimScalar, d[0], ir.I32)
	}
	return l.cast(l.reg(at), at.DType(), ir.I32)
}

// ropeKey is what ropes share: wave lengths or an offset, of one value; or tables, for places of x.
type ropeKey struct {
	region      *ir.Region
	a, b        *ir.Value
	interleaved bool
	places      ir.Dim
	dtype       ir.DType
}

// rotate is x·(cos, cos) + (second, first)·(-sin, sin), with the sines' signs in a table that ropes share.
func (l *lowering) rotate(op *ir.Op, n ir.Dim) Reg {
	x, interleaved := op.Args[0], op.Attrs.(*ir.RopeAttrs).Interleaved
	tables := l.once(ropeKey{op.Region, op.Args[1], op.Args[2], interleaved, x.Shape()[2], x.DType()}, func() []Reg { return l.ropeTables(op, n) })
	d := l.attentionDType(x.DType())
	r, s, size := l.in(op, 0, d), x.Shape(), n.Mul(ir.Size(2))
	whole := op.Region.SameDim(size, s[3])
	var rest Reg
	if !whole {
		parts := l.b.CallN(Split, 2, r, []ir.Dim{size}, 3)
		r, rest = parts[0], parts[1]
	}
	var swapped Reg
	if interleaved {
		pairs := l.b.Call(Reshape, r, []ir.Dim{s[0], s[1], s[2], n, ir.Size(2)})
		swapped = l.b.Call(Reshape, l.b.Call(Roll, pairs, []int{1}, []int{4}), []ir.Dim{s[0], s[1], s[2], size})
	} else {
		swapped = l.b.Call(Roll, r, []ir.Dim{n}, []int{3})
	}
	r = l.b.Call(Add, l.b.Call(Multiply, r, tables[0]), l.b.Call(Multiply, swapped, tables[1]))
	if !whole {
		r = l.b.Call(Concatenate, r, rest, 3)
	}
	return l.cast(r, d, x.DType())
}

// ropeTables are cosines and signed sines for whole heads.
func (l *lowering) ropeTables(op *ir.Op, n ir.Dim) []Reg {
	var cos, sin Reg
	shape := op.Args[1].Shape()
	if op.Args[1].DType().IsInt() {
		cos, sin, shape = l.angles(op, n)
	} else {
		d := l.attentionDType(op.Args[0].DType())
		cos, sin = l.in(op, 1, d), l.in(op, 2, d)
	}
	last := len(shape) - 1
	minus := l.b.Call(Negative, sin)
	if !op.Attrs.(*ir.RopeAttrs).Interleaved {
		return []Reg{l.b.Call(Concatenate, cos, cos, last), l.b.Call(Concatenate, minus, sin, last)}
	}
	wide := append(append([]ir.Dim{}, shape[:last]...), n.Mul(ir.Size(2)))
	return []Reg{l.b.Call(Repeat, cos, 2, last), l.b.Call(Reshape, l.b.Call(Stack, minus, sin, last+1), wide)}
}

// angles are the cosines and sines of positions times frequencies: [B or 1, 1, L, n].
func (l *lowering) angles(op *ir.Op, n ir.Dim) (cos, sin Reg, shape ir.Shape) {
	x, at, f := op.Args[0], op.Args[1], op.Args[2]
	batch := ir.Size(1)
	if at.Rank() == 1 {
		batch = at.Shape()[0]
	}
	places := l.b.Call(Reshape, l.b.Call(Arange, ir.Size(0), x.Shape()[2], ir.Size(1), ir.I64), []ir.Dim{x.Shape()[2], ir.Size(1)})
	first := l.b.Call(Reshape, l.cast(l.reg(at), at.DType(), ir.I64), []ir.Dim{batch, ir.Size(1), ir.Size(1), ir.Size(1)})
	wide := ir.F32
	if f.DType() == ir.F64 {
		wide = ir.F64
	}
	places = l.b.Call(AsType, l.b.Call(Add, places, first), wide)
	angle := l.b.Call(Multiply, places, l.cast(l.reg(f), f.DType(), wide))
	d := l.attentionDType(x.DType())
	if d == ir.F64 {
		angle, wide = l.cast(angle, wide, d), d
	}
	cos, sin = l.cast(l.b.Call(Cos, angle), wide, d), l.cast(l.b.Call(Sin, angle), wide, d)
	return cos, sin, ir.Shape{batch, ir.Size(1), x.Shape()[2], n}
}
