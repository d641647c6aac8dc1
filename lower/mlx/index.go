package mlx

import (
	"fmt"
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
		l.define(op.Result(), l.b.Call(Squeeze, l.slice(l.reg(x), s), []int64{axis}))
		return
	}
	if idx.Rank() != 1 {
		l.define(op.Result(), l.b.Call(Take, l.reg(x), l.indices(l.reg(idx), idx, n), axis))
		return
	}
	l.set(op, l.b.Call(Take, l.arg(op, 0), l.indices(l.reg(idx), idx, n), l.axis(axis, x.Rank())))
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
	if idx := op.Args[1]; op.Kind == ir.ScatterND && idx.Shape()[idx.Rank()-1].Is(0) {
		return "index tuples of no indices"
	}
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
	l.scatter(op, a.Reduction, coords)
}

// lowerScatterND: mx scatter with the index tuples taken apart.
func lowerScatterND(l *lowering, op *ir.Op) {
	l.scatter(op, op.Attrs.(*ir.ScatterAttrs).Reduction, l.tuple(op.Args[1], op.Args[0].Shape()))
}

// scatter combines updates at the places; those of halves are added up in f32.
func (l *lowering) scatter(op *ir.Op, reduction string, places []Reg) {
	d := op.Result().DType()
	acc := d
	if reduction == "add" || reduction == "mul" {
		acc = accumulator(d)
	}
	x, updates := l.cast(l.reg(op.Args[0]), d, acc), l.cast(l.reg(op.Args[2]), d, acc)
	l.set(op, l.cast(l.b.Call(scatters[reduction], x, updates, places), acc, d))
}

// lowerTopK: the first of mx.argsort, which is stable and has NaN last. For the greatest elements the axis is reversed before
// and after, so that of equal ones the first comes first.
func lowerTopK(l *lowering, op *ir.Op) {
	x, a := op.Args[0], op.Attrs.(*ir.TopKAttrs)
	n := x.Shape()[a.Axis]
	k := l.dims(op, 1)[0]
	if _, known := op.Args[1].KnownDims(); !known {
		r := l.reg(op.Args[1])
		fits := l.b.Call(LogicalAnd, l.b.Call(LessEqual, r, l.dim(n, ir.I64)), l.b.Call(GreaterEqual, r, l.b.Int(ir.I64, 0)))
		l.assert(fits, "topk: more elements are asked for than there are")
	}
	s := wholeSlice(x.Shape())
	s.stop[a.Axis] = k
	r := l.reg(x)
	var places Reg
	if a.Smallest {
		places = l.b.Call(AsType, l.slice(l.b.Call(ArgSort, r, a.Axis), s), ir.I64)
	} else {
		back := l.b.Call(ArgSort, l.reverse(r, x.Shape(), a.Axis), a.Axis)
		back = l.b.Call(AsType, l.slice(l.reverse(back, x.Shape(), a.Axis), s), ir.I64)
		places = l.b.Call(Subtract, l.dim(n.Sub(ir.Size(1)), ir.I64), back)
	}
	l.define(op.Results[0], l.b.Call(TakeAlongAxis, r, places, a.Axis))
	l.define(op.Results[1], places)
}

// limitFlat: what numbers the elements needs to know how many there are.
func limitFlat(op *ir.Op, _ Options) string {
	if op.Args[0].Shape().NumElements() == ir.Unknown {
		return "the number of elements of " + op.Args[0].Type.String() + " is too complex"
	}
	return ""
}

// lowerNonZero: the places of elements, with those of zeros moved past the end, are sorted and cut; the run reads how many remain.
func lowerNonZero(l *lowering, op *ir.Op) {
	x := op.Args[0]
	n := x.Shape().NumElements()
	is := l.b.Call(AsType, l.b.Call(Reshape, l.reg(x), []ir.Dim{n}), ir.Bool)
	places := l.b.Call(Where, is, l.b.Call(Arange, 0, n, 1, ir.I32), l.dim(n, ir.I32))
	count := l.read(l.b.Call(Sum, l.b.Call(AsType, is, ir.I32), []int{0}, false), nil, 1)[0]
	places = l.cut(l.b.Call(Sort, places, 0), ir.Size(0), count)
	if x.Rank() == 0 {
		l.set(op, l.b.Call(Zeros, []ir.Dim{ir.Size(0), count}, ir.I64))
		return
	}
	index := make([]Reg, x.Rank())
	for i := x.Rank() - 1; i > 0; i-- {
		size := l.dim(x.Shape()[i], ir.I32)
		index[i] = l.b.Call(Remainder, places, size)
		places = l.b.Call(FloorDivide, places, size)
	}
	index[0] = places
	l.set(op, l.b.Call(AsType, l.b.Call(Stack, index, 0), ir.I64))
}

func limitUnique(op *ir.Op, opts Options) string {
	if op.Args[0].DType() == ir.C64 {
		return "MLX does not sort complex numbers"
	}
	return limitFlat(op, opts)
}

// ranking is what sorting says of n elements: the rank of each among the distinct ones, where the sorted ones are, and which of
// those are the first of their rank, all i32.
type ranking struct{ rank, order, starts Reg }

// lowerUnique ranks the slices; slices of one rank are equal. The run reads how many ranks there are.
func lowerUnique(l *lowering, op *ir.Op) {
	x, a := op.Args[0], op.Attrs.(*ir.UniqueAttrs)
	r, n, axis := l.reg(x), x.Shape().NumElements(), a.Axis
	if a.Flat {
		r = l.b.Call(Reshape, r, []ir.Dim{n})
	} else {
		n = x.Shape()[axis]
	}
	k := l.sliceRank(r, op, n)
	count := l.read(l.b.Call(Sum, k.starts, []int{0}, false), nil, 1)[0]
	end := l.dim(n, ir.I32)
	starts := l.b.Call(Where, l.b.Call(AsType, k.starts, ir.Bool), l.b.Call(Arange, 0, n, 1, ir.I32), end)
	starts = l.cut(l.b.Call(Sort, starts, 0), ir.Size(0), count)
	first, rank := l.b.Call(Take, k.order, starts, 0), k.rank // the sort is stable
	ends := l.b.Call(Concatenate, []Reg{l.cut(starts, ir.Size(1), count), l.b.Call(Reshape, end, []int{1})}, 0)
	counts := l.b.Call(Subtract, l.cut(ends, ir.Size(0), count), starts)
	if !a.Sorted { // by where they are first
		order := l.b.Call(ArgSort, first, 0)
		first, counts = l.b.Call(Take, first, order, 0), l.b.Call(Take, counts, order, 0)
		rank = l.b.Call(Take, l.b.Call(ArgSort, order, 0), rank, 0)
	}
	l.define(op.Results[0], l.b.Call(Take, r, first, axis))
	for i, v := range []Reg{first, rank, counts} {
		l.define(op.Results[i+1], l.b.Call(AsType, v, ir.I64))
	}
}

// cut is r[from:to] of a vector.
func (l *lowering) cut(r Reg, from, to ir.Dim) Reg {
	return l.slice(r, slicing{[]ir.Dim{from}, []ir.Dim{to}, []int64{1}})
}

// sliceRank ranks n slices: a scan over the places in a slice ranks the elements there, and then the pairs of their rank and of
// what came before.
func (l *lowering) sliceRank(r Reg, op *ir.Op, n ir.Dim) ranking {
	x, a := op.Args[0], op.Attrs.(*ir.UniqueAttrs)
	if a.Flat {
		return l.ranked(r, x.DType(), n)
	}
	size := slices.Delete(slices.Clone(x.Shape()), int(a.Axis), int(a.Axis)+1).NumElements()
	columns := l.b.Call(Transpose, l.b.Call(Reshape, l.b.Call(MoveAxis, r, a.Axis, 0), []ir.Dim{n, size}), []int{1, 0})
	l.count++
	body := l.b.Sub(fmt.Sprintf("rank%d", l.count), 2, func(p []Reg) []Reg {
		column := l.ranked(p[1], x.DType(), n)
		pair := l.b.Call(Add, l.b.Call(Multiply, p[0], l.dim(n, ir.I64)), l.b.Call(AsType, column.rank, ir.I64))
		return []Reg{l.b.Call(AsType, l.ranked(pair, ir.I64, n).rank, ir.I64)}
	})
	rank := l.b.Call(Scan, l.b.Call(Zeros, []ir.Dim{n}, ir.I64), columns, body, 1, 1, 0)
	return l.ranked(rank, ir.I64, n)
}

// ranked ranks the n elements of a vector. NaN equals NaN.
func (l *lowering) ranked(r Reg, d ir.DType, n ir.Dim) ranking {
	if d == ir.Bool {
		r = l.b.Call(AsType, r, ir.U8)
	}
	order := l.b.Call(ArgSort, r, 0)
	sorted := l.b.Call(Take, r, order, 0)
	a, b := l.cut(sorted, ir.Size(0), n.Sub(ir.Size(1))), l.cut(sorted, ir.Size(1), n)
	differ := l.b.Call(NotEqual, a, b)
	if d.IsFloat() {
		differ = l.b.Call(LogicalAnd, differ, l.b.Call(Equal, a, a)) // NaN is last
	}
	one := l.b.Tensor(ir.TensorFrom([]int32{1}))
	starts := l.b.Call(Concatenate, []Reg{one, l.b.Call(AsType, differ, ir.I32)}, 0)
	starts = l.cut(starts, ir.Size(0), n)
	group := l.b.Call(Subtract, l.b.Call(CumSum, starts, 0, false, true), l.b.Int(ir.I32, 1))
	return ranking{l.b.Call(Take, group, l.b.Call(ArgSort, order, 0), 0), order, starts}
}
