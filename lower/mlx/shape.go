package mlx

import (
	"math"
	"slices"
	"strings"

	"github.com/emilyc/emily/ir"
)

// lowerShapeOf and lowerDims are for what is too long, or too empty, to be followed element by element.
func lowerShapeOf(l *lowering, op *ir.Op) {
	l.set(op, l.sizes(op.Result().Type, op.Args[0].Shape()))
}

func lowerDims(l *lowering, op *ir.Op) {
	l.set(op, l.sizes(op.Result().Type, op.Attrs.(*ir.DimsAttrs).Values))
}

// fixed reports whether the sizes of v are bound before the op that makes it has run.
func (l *lowering) fixed(v *ir.Value) bool { return !slices.ContainsFunc(v.Type.Shape, l.isNew) }

// lowerReshape: mx.reshape. A target that only the run knows may hold -1, and 0 for the size there is.
func lowerReshape(l *lowering, op *ir.Op) {
	x, y := op.Args[0], op.Result()
	if l.fixed(y) {
		if l.keepsChannels(x, y) {
			shape := permuted([]ir.Dim(y.Shape()), channelsLast)
			l.place(y, channelsLast, l.reshape(l.last(x), permuted(x.Shape(), channelsLast), shape))
			return
		}
		l.set(op, l.reshape(l.reg(x), x.Shape(), y.Shape()))
		return
	}
	target := l.reg(op.Args[1])
	if !op.Attrs.(*ir.ReshapeAttrs).AllowZero {
		target = l.copyZeros(target, y.Rank(), x.Shape())
	}
	shape := l.read(target, nil, op.Result().Rank())
	l.set(op, l.b.Call(Reshape, l.reg(x), shape))
}

// copyZeros puts the sizes of an operand in place of 0 in a target of that rank.
func (l *lowering) copyZeros(target Reg, rank int, shape ir.Shape) Reg {
	sizes := make([]ir.Dim, rank)
	copy(sizes, shape)
	zero := l.b.Call(Equal, target, l.b.Int(ir.I64, 0))
	return l.b.Call(Where, zero, l.b.Call(Dims, sizes, ir.I64), target)
}

func (l *lowering) reshape(r Reg, from, to []ir.Dim) Reg {
	if slices.Equal(from, to) {
		return r
	}
	return l.b.Call(Reshape, r, to)
}

// keepsChannels reports whether x, which is there with channels last, keeps its first two axes as y and has the others
// merged or split, as image models do before a transformer.
func (l *lowering) keepsChannels(x, y *ir.Value) bool {
	h := l.homes[x]
	return h != nil && h.regs[channelsFirst] == Absent && y.Rank() >= 3 &&
		x.Shape()[0] == y.Shape()[0] && x.Shape()[1] == y.Shape()[1]
}

// lowerTranspose: mx.transpose. Of a value with channels last it is one transpose of that, or none; what moves channels from the end is
// there already with channels last.
func lowerTranspose(l *lowering, op *ir.Op) {
	x, perm := op.Args[0], op.Attrs.(*ir.PermAttrs).Perm
	h := l.homes[x]
	switch {
	case h != nil && h.regs[channelsFirst] == Absent:
		l.set(op, l.transpose(h.regs[channelsLast], compose(toFirst(x.Rank()), perm)))
	case x.Rank() > 2 && slices.Equal(perm, toFirst(x.Rank())):
		l.place(op.Result(), channelsLast, l.reg(x))
	default:
		l.set(op, l.transpose(l.reg(x), perm))
	}
}

// compose is the permutation that does p, then q.
func compose(p, q []int64) []int64 {
	out := make([]int64, len(q))
	for i, k := range q {
		out[i] = p[k]
	}
	return out
}

func (l *lowering) transpose(r Reg, perm []int64) Reg {
	for i, p := range perm {
		if int64(i) != p {
			return l.b.Call(Transpose, r, perm)
		}
	}
	return r
}

// lowerExpand: mx.broadcast_to. A target that only the run knows holds 1 or the size there is, or a size for a 1.
func lowerExpand(l *lowering, op *ir.Op) {
	x, y := op.Args[0], op.Result()
	if slices.Equal(x.Shape(), y.Shape()) {
		l.set(op, l.reg(x))
		return
	}
	shape := slices.Clone([]ir.Dim(y.Shape()))
	if _, known := op.Args[1].KnownDims(); !known {
		target := l.dims(op, 1)
		for i, t := range target {
			k := i + len(shape) - len(target)
			if at := k - (len(shape) - x.Rank()); at >= 0 && !x.Shape()[at].Is(1) {
				t = t.Max(x.Shape()[at])
			}
			shape[k] = t
		}
	}
	l.set(op, l.b.Call(BroadcastTo, l.reg(x), shape))
}

func lowerUnsqueeze(l *lowering, op *ir.Op) {
	x, axes := l.reg(op.Args[0]), op.Attrs.(*ir.AxesAttrs).Axes
	if len(axes) > 0 {
		x = l.b.Call(ExpandDims, x, axes)
	}
	l.set(op, x)
}

func lowerSqueeze(l *lowering, op *ir.Op) {
	x, axes := l.reg(op.Args[0]), op.Attrs.(*ir.AxesAttrs).Axes
	if len(axes) > 0 {
		x = l.b.Call(Squeeze, x, axes)
	}
	l.set(op, x)
}

// lowerConcat: mx.concatenate.
func lowerConcat(l *lowering, op *ir.Op) {
	regs := make([]Reg, len(op.Args))
	for i := range op.Args {
		regs[i] = l.arg(op, i)
	}
	if len(regs) == 1 {
		l.set(op, regs[0])
		return
	}
	l.set(op, l.b.Call(Concatenate, regs, l.axis(op.Attrs.(*ir.AxisAttrs).Axis, op.Result().Rank())))
}

// slicing is x[start:stop:step] on every axis, as in Python: bounds below 0 count from the end and are clamped.
type slicing struct {
	start, stop []ir.Dim
	step        []int64
}

// wholeSlice takes everything.
func wholeSlice(shape []ir.Dim) slicing {
	s := slicing{make([]ir.Dim, len(shape)), slices.Clone(shape), make([]int64, len(shape))}
	for i := range s.step {
		s.step[i] = 1
	}
	return s
}

func (l *lowering) slice(r Reg, s slicing) Reg { return l.b.Call(Slice, r, s.start, s.stop, s.step) }

// lowerSlice: ONNX Slice is Python's for positive steps, once its bounds fit MLX's 32 bits.
func lowerSlice(l *lowering, op *ir.Op) {
	x, a := op.Args[0], op.Attrs.(*ir.SliceAttrs)
	starts, ends := l.bounds(op, 1, false), l.bounds(op, 2, true)
	s := wholeSlice(x.Shape())
	whole := true
	for i, axis := range a.Axes {
		s.start[axis], s.stop[axis], s.step[axis] = starts[i], ends[i], a.Steps[i]
		whole = whole && a.Steps[i] == 1 && starts[i].Is(0) && (ends[i] == x.Shape()[axis])
	}
	if whole {
		l.set(op, l.arg(op, 0))
		return
	}
	l.set(op, l.slice(l.arg(op, 0), slicing{permuted(s.start, l.layout), permuted(s.stop, l.layout), permuted(s.step, l.layout)}))
}

// bounds are the starts or ends of a slice as MLX takes them.
func (l *lowering) bounds(op *ir.Op, i int, end bool) []ir.Dim {
	v, a := op.Args[i], op.Attrs.(*ir.SliceAttrs)
	sizes := make([]ir.Dim, len(a.Axes))
	for k, axis := range a.Axes {
		sizes[k] = op.Args[0].Shape()[axis]
	}
	known, ok := v.KnownDims()
	if !ok {
		known = l.read(l.clampBounds(l.reg(v), sizes, a.Steps, end), v.Sym, len(sizes))
	}
	out := slices.Clone(known)
	for k, d := range out {
		switch {
		case isRead(d):
		case a.Steps[k] < 0:
			out[k] = backwards(sizes[k], d, a.Steps[k], end)
		case end && atLeast(d, math.MaxInt32):
			out[k] = sizes[k]
		default:
			out[k] = clamp32(d)
		}
	}
	return out
}

// atLeast reports whether d is known to be n or more.
func atLeast(d ir.Dim, n int64) bool {
	v, ok := d.Value()
	return ok && v >= n
}

// clamp32 is d within 32 bits, where it is known.
func clamp32(d ir.Dim) ir.Dim {
	n, ok := d.Value()
	if !ok {
		return d
	}
	return ir.Size(min(max(n, math.MinInt32+1), math.MaxInt32))
}

// backwards is a bound for a negative step; an end is counted from the end of the axis, as Python needs it to reach the
// first element. A bound whose sign is not known is taken as it comes.
func backwards(n, bound ir.Dim, step int64, end bool) ir.Dim {
	d := ir.SliceBound(n, bound, step, end)
	switch {
	case d == ir.Unknown:
		return clamp32(bound)
	case end:
		return d.Sub(n)
	}
	return d
}

// clampBounds does to bounds that only the run knows what ONNX says: those below 0 count from the end, and all are clamped
// to the axis. Ends for negative steps are then counted from the end, as in backwards.
func (l *lowering) clampBounds(r Reg, sizes []ir.Dim, steps []int64, end bool) Reg {
	low, high, shift := make([]ir.Dim, len(sizes)), slices.Clone(sizes), make([]ir.Dim, len(sizes))
	back := false
	for i, step := range steps {
		if step < 0 {
			high[i] = sizes[i].Sub(ir.Size(1))
			if end {
				low[i], shift[i], back = ir.Size(-1), sizes[i], true
			}
		}
	}
	vector := func(d []ir.Dim) Reg { return l.b.Call(Dims, d, ir.I64) }
	negative := l.b.Call(Less, r, l.b.Int(ir.I64, 0))
	r = l.b.Call(Where, negative, l.b.Call(Add, r, vector(sizes)), r)
	r = l.b.Call(Clip, r, vector(low), vector(high))
	if back {
		r = l.b.Call(Subtract, r, vector(shift))
	}
	return r
}

// lowerSplit: mx.split at the running sums of the sizes.
func lowerSplit(l *lowering, op *ir.Op) {
	a, at := op.Attrs.(*ir.SplitAttrs), ir.Size(0)
	x := l.arg(op, 0)
	indices := make([]ir.Dim, 0, len(a.Sizes))
	for _, n := range a.Sizes[:max(len(a.Sizes)-1, 0)] {
		at = at.Add(n)
		indices = append(indices, at)
	}
	if len(a.Sizes) <= 1 {
		for _, v := range op.Results {
			l.place(v, l.layout, x)
		}
		return
	}
	out := l.b.CallN(Split, len(a.Sizes), x, indices, l.axis(a.Axis, op.Args[0].Rank()))
	for i, v := range op.Results {
		l.place(v, l.layout, out[i])
	}
}

// lowerPad: mx.pad for a constant; other modes take the elements by their indices. Negative amounts cut.
func lowerPad(l *lowering, op *ir.Op) {
	x, a := op.Args[0], op.Attrs.(*ir.PadAttrs)
	if a.Mode != "constant" {
		l.padByIndex(op)
		return
	}
	adds, cuts := l.padAmounts(op)
	low, high := l.perAxis(op, adds)
	cutLow, cutHigh := l.perAxis(op, cuts)
	r := l.arg(op, 0)
	if !zeros(cuts) {
		s := wholeSlice(l.shape(x))
		for i := range s.start {
			s.start[i], s.stop[i] = cutLow[i], s.stop[i].Sub(cutHigh[i])
		}
		r = l.slice(r, s)
	}
	value := Absent
	if v := op.Arg(2); v != nil {
		value = l.reg(v)
	}
	l.set(op, l.pad(r, x.DType(), low, high, value))
}

// padAmounts are how much op adds and how much it cuts, neither negative.
func (l *lowering) padAmounts(op *ir.Op) (adds, cuts []ir.Dim) {
	v, zero := op.Args[1], ir.Size(0)
	if pads, ok := v.KnownDims(); ok {
		for _, d := range pads {
			adds, cuts = append(adds, d.Max(zero)), append(cuts, ir.Size(-1).Mul(d).Max(zero))
		}
		return adds, cuts
	}
	r, n := l.reg(v), 2*len(op.Attrs.(*ir.PadAttrs).Axes)
	none := l.b.Int(ir.I64, 0)
	adds = l.read(l.b.Call(Maximum, r, none), nil, n)
	return adds, l.read(l.b.Call(Maximum, l.b.Call(Negative, r), none), nil, n)
}

// perAxis spreads amounts, begins then ends of a pad's axes, over all axes of the operand.
func (l *lowering) perAxis(op *ir.Op, amounts []ir.Dim) (low, high []ir.Dim) {
	axes, rank := op.Attrs.(*ir.PadAttrs).Axes, op.Args[0].Rank()
	low, high = make([]ir.Dim, rank), make([]ir.Dim, rank)
	for i, axis := range axes {
		k := l.axis(axis, rank)
		low[k], high[k] = amounts[i], amounts[i+len(axes)]
	}
	return low, high
}

// pad adds value, 0 where that is Absent, on both sides of every axis.
func (l *lowering) pad(r Reg, d ir.DType, low, high []ir.Dim, value Reg) Reg {
	if zeros(low) && zeros(high) {
		return r
	}
	if value == Absent {
		s, _ := Storage(d)
		value = l.b.Scalar(s, 0)
	}
	return l.b.Call(Pad, r, low, high, value)
}

func zeros(list []ir.Dim) bool {
	return !slices.ContainsFunc(list, func(d ir.Dim) bool { return !d.Is(0) })
}

// isRead reports whether d is a symbol that the run reads: see symbol.
func isRead(d ir.Dim) bool { return d.Op() == ir.DimSym && strings.HasPrefix(d.Name(), readPrefix) }

// padByIndex takes the elements along one axis after the other.
func (l *lowering) padByIndex(op *ir.Op) {
	x, a := op.Args[0], op.Attrs.(*ir.PadAttrs)
	pads, r := l.dims(op, 1), l.arg(op, 0)
	for i, axis := range a.Axes {
		if lo, hi := pads[i], pads[i+len(a.Axes)]; !lo.Is(0) || !hi.Is(0) {
			r = l.b.Call(Take, r, l.padIndices(a.Mode, x.Shape()[axis], lo, hi), l.axis(axis, x.Rank()))
		}
	}
	l.set(op, r)
}

// padIndices are the indices along an axis of n elements that padding takes, from -lo to n + hi: reflected at both ends,
// wrapped round, or held at the edge.
func (l *lowering) padIndices(mode string, n, lo, hi ir.Dim) Reg {
	i := l.b.Call(Arange, ir.Size(-1).Mul(lo), n.Add(hi), 1, ir.I64)
	last := l.b.Call(DimScalar, n.Sub(ir.Size(1)), ir.I64)
	switch mode {
	case "wrap":
		return l.b.Call(Remainder, i, l.b.Call(DimScalar, n.Max(ir.Size(1)), ir.I64))
	case "edge":
		return l.b.Call(Clip, i, l.b.Int(ir.I64, 0), last)
	}
	period := n.Sub(ir.Size(1)).Mul(ir.Size(2)).Max(ir.Size(1))
	phase := l.b.Call(Remainder, i, l.b.Call(DimScalar, period, ir.I64))
	return l.b.Call(Subtract, last, l.b.Call(Abs, l.b.Call(Subtract, last, phase)))
}

// lowerTile: mx.tile.
func lowerTile(l *lowering, op *ir.Op) {
	l.set(op, l.b.Call(Tile, l.reg(op.Args[0]), l.dims(op, 1)))
}

// lowerRange: mx.arange counts in integers; a range of floats is start + i · delta.
func lowerRange(l *lowering, op *ir.Op) {
	d, y := op.Result().DType(), op.Result()
	if d.IsInt() {
		start, limit, delta := l.scalar(op, 0), l.scalar(op, 1), l.scalar(op, 2)
		l.set(op, l.b.Call(Arange, start, limit, delta, d))
		return
	}
	wide := ir.F64
	if l.opts.Device == GPU {
		wide = ir.F32
	}
	start, delta := l.cast(l.reg(op.Args[0]), d, wide), l.cast(l.reg(op.Args[2]), d, wide)
	n := y.Shape()[0]
	if !l.fixed(y) || !n.IsConst() {
		span := l.b.Call(Subtract, l.cast(l.reg(op.Args[1]), d, wide), start)
		count := l.b.Call(Maximum, l.b.Call(Ceil, l.b.Call(Divide, span, delta)), l.b.Scalar(wide, 0))
		n = l.read(l.b.Call(AsType, count, ir.I64), nil, 1)[0]
	}
	i := l.b.Call(Arange, 0, n, 1, wide)
	l.set(op, l.cast(l.b.Call(Add, l.b.Call(Multiply, i, delta), start), wide, d))
}

// scalar is operand i, a single integer, as a parameter for calls.
func (l *lowering) scalar(op *ir.Op, i int) ir.Dim {
	if d := l.dims(op, i); len(d) == 1 {
		return d[0]
	}
	l.b.Errorf("operand %d of %s is no scalar", i, op.Kind)
	return ir.Size(0)
}

// lowerTrilu: mx.tril and mx.triu.
func lowerTrilu(l *lowering, op *ir.Op) {
	call, k := Tril, ir.Size(0)
	if op.Attrs.(*ir.TriluAttrs).Upper {
		call = Triu
	}
	if op.Arg(1) != nil {
		k = clamp32(l.scalar(op, 1))
	}
	l.set(op, l.b.Call(call, l.reg(op.Args[0]), k))
}
