package mlx

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// Nothing in MLX checks indices: one out of range reads or writes what lies there. Indices that are not proved to be in
// range are therefore clipped, and asserted to need no clipping.

// lowerGather: mx.take, or a view where there is one index that is known.
func lowerGather(l *lowering, op *ir.Op) {
	x, idx, axis := op.Args[0], op.Args[1], op.Attrs.(*ir.AxisAttrs).Axis
	n := x.Shape()[axis]
	if k, ok := idx.KnownDims(); ok && idx.Rank() == 0 && inRange(idx, n) {
		at := k[0]
		if _, hi := at.Bounds(); hi < 0 {
			at = at.Add(n)
		}
		s := wholeSlice(x.Shape())
		s.start[axis], s.stop[axis] = at, at.Add(ir.Size(1))
		l.set(op, l.b.Call(Squeeze, l.slice(l.reg(x), s), []int64{axis}))
		return
	}
	l.set(op, l.b.Call(Take, l.reg(x), l.indices(l.reg(idx), idx, n), axis))
}

// indices are indices into an axis of n elements, made safe where v, which holds them, is not known to be in range.
func (l *lowering) indices(r Reg, v *ir.Value, n ir.Dim) Reg {
	if inRange(v, n) {
		return r
	}
	d := v.DType()
	safe := l.b.Call(Clip, r, l.dim(ir.Size(-1).Mul(n), d), l.dim(n.Sub(ir.Size(1)), d))
	l.assert(l.b.Call(Equal, r, safe), "an index is out of range")
	return safe
}

// inRange reports whether the integers of v are known to be indices into n elements, negative ones from the end.
func inRange(v *ir.Value, n ir.Dim) bool {
	dims, ok := v.KnownDims()
	low := ir.Size(-1).Mul(n)
	for _, d := range dims {
		ok = ok && d.Add(ir.Size(1)).AtMost(n) && low.AtMost(d)
		if lo, hi := d.Bounds(); lo < 0 && hi >= 0 { // a view needs the sign
			return false
		}
	}
	return ok
}

// dim is a 0-D tensor of d.
func (l *lowering) dim(d ir.Dim, t ir.DType) Reg {
	if n, ok := d.Value(); ok {
		return l.b.Int(t, n)
	}
	return l.b.Call(DimScalar, d, t)
}

// lowerGatherElements: mx.take_along_axis, which broadcasts the other axes, where ONNX takes their beginning.
func lowerGatherElements(l *lowering, op *ir.Op) {
	x, idx, axis := op.Args[0], op.Args[1], op.Attrs.(*ir.AxisAttrs).Axis
	r, s, cut := l.reg(x), wholeSlice(x.Shape()), false
	for k, n := range idx.Shape() {
		if int64(k) != axis && n != x.Shape()[k] {
			s.stop[k], cut = n, true
		}
	}
	if cut {
		r = l.slice(r, s)
	}
	l.set(op, l.b.Call(TakeAlongAxis, r, l.indices(l.reg(idx), idx, x.Shape()[axis]), axis))
}

// lowerGatherND: x[i, j, …] with the index tuples taken apart; batch axes get indices of their own.
func lowerGatherND(l *lowering, op *ir.Op) {
	x, idx, b := op.Args[0], op.Args[1], int(op.Attrs.(*ir.GatherNDAttrs).BatchDims)
	lead := idx.Shape()[:idx.Rank()-1]
	tuple := l.tuple(idx, x.Shape()[b:])
	if len(tuple) == 0 {
		l.set(op, l.expandAfter(l.reg(x), x.Shape(), b, lead))
		return
	}
	coords := l.coordinates(lead, b)
	l.set(op, l.b.Call(Gather, l.reg(x), coords, tuple))
}

// tuple splits index tuples, on the last axis of v, into a register for each axis of shape that they index.
func (l *lowering) tuple(v *ir.Value, shape []ir.Dim) []Reg {
	last := v.Rank() - 1
	depth, _ := v.Shape()[last].Value()
	out := make([]Reg, depth)
	r := l.reg(v)
	for i := range out {
		s := wholeSlice(v.Shape())
		s.start[last], s.stop[last] = ir.Size(int64(i)), ir.Size(int64(i+1))
		k := r
		if depth > 1 {
			k = l.slice(r, s)
		}
		out[i] = l.tupleIndices(l.b.Call(Squeeze, k, []int{last}), v, i, int(depth), shape[i])
	}
	return out
}

// tupleIndices are l.indices of member i of the tuples in v.
func (l *lowering) tupleIndices(r Reg, v *ir.Value, i, depth int, n ir.Dim) Reg {
	member := &ir.Value{Type: ir.TensorOf(v.DType())}
	for k := i; k < len(v.Sym); k += depth {
		member.Sym = append(member.Sym, v.Sym[k])
	}
	return l.indices(r, member, n)
}

// coordinates are index tensors for the first n axes of a tensor of that shape, each shaped to broadcast along its own.
func (l *lowering) coordinates(shape []ir.Dim, n int) []Reg {
	out := make([]Reg, n)
	for i := range out {
		out[i] = l.coordinate(shape, i)
	}
	return out
}

// coordinate counts along one axis of a tensor of that shape.
func (l *lowering) coordinate(shape []ir.Dim, axis int) Reg {
	to := slices.Repeat([]ir.Dim{ir.Size(1)}, len(shape))
	to[axis] = shape[axis]
	return l.b.Call(Reshape, l.b.Call(Arange, 0, shape[axis], 1, ir.I64), to)
}

// expandAfter repeats x, of shape lead[:b] + rest, along lead[b:], put after its first b axes.
func (l *lowering) expandAfter(r Reg, shape []ir.Dim, b int, lead []ir.Dim) Reg {
	ones := slices.Repeat([]ir.Dim{ir.Size(1)}, len(lead)-b)
	r = l.b.Call(Reshape, r, slices.Concat(shape[:b], ones, shape[b:]))
	return l.b.Call(BroadcastTo, r, slices.Concat(lead, shape[b:]))
}

var scatters = map[string]CallID{"none": Scatter, "add": ScatterAdd, "mul": ScatterProd, "max": ScatterMax, "min": ScatterMin}

// limitScatter: on a GPU, scatter of 8-byte elements throws.
func limitScatter(op *ir.Op, opts Options) string {
	if d := op.Result().DType(); opts.Device == GPU && d.Size() == 8 {
		return "scatter of " + d.String() + " is there on the CPU only"
	}
	return ""
}

// lowerScatterElements: mx scatter at full coordinates; those of other axes count.
func lowerScatterElements(l *lowering, op *ir.Op) {
	x, idx, a := op.Args[0], op.Args[1], op.Attrs.(*ir.ScatterAttrs)
	coords := l.coordinates(idx.Shape(), idx.Rank())
	coords[a.Axis] = l.indices(l.reg(idx), idx, x.Shape()[a.Axis])
	l.set(op, l.b.Call(scatters[a.Reduction], l.reg(x), l.reg(op.Args[2]), coords))
}

// lowerScatterND: mx scatter with the index tuples taken apart.
func lowerScatterND(l *lowering, op *ir.Op) {
	x, idx, upd, a := op.Args[0], op.Args[1], op.Args[2], op.Attrs.(*ir.ScatterAttrs)
	tuple := l.tuple(idx, x.Shape())
	if len(tuple) == 0 {
		l.b.Errorf("scatter_nd with empty index tuples")
		return
	}
	l.set(op, l.b.Call(scatters[a.Reduction], l.reg(x), l.reg(upd), tuple))
}
