package interp

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
)

// positions resolves indices into an axis of size n: negative ones count from the end.
func positions(op *ir.Op, label string, index *ir.Tensor, n int) ([]int, error) {
	raw := ints(index)
	out := make([]int, len(raw))
	for i, v := range raw {
		if v < -int64(n) || v >= int64(n) {
			return nil, opError(op, ir.ValueError, label, "%s: index %d at position %s into an axis of size %d", op.Kind, v, place(index.Shape, i), n)
		}
		if v < 0 {
			v += int64(n)
		}
		out[i] = int(v)
	}
	return out, nil
}

// place is a flat position as an index list.
func place(shape []int, at int) string {
	index := make([]int, len(shape))
	for i := len(shape) - 1; i >= 0; i-- {
		index[i] = at % shape[i]
		at /= shape[i]
	}
	return fmt.Sprint(index)
}

// evalGather takes slices along an axis. ONNX Gather.
func evalGather(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, idx, axis := tensor(args, 0), tensor(args, 1), int(op.Attrs.(*ir.AxisAttrs).Axis)
	index, err := positions(op, "gather_c3", idx, x.Shape[axis])
	if err != nil {
		return nil, err
	}
	out, err := e.take(op, x, axis, index)
	if err != nil {
		return nil, err
	}
	return []ir.Datum{reshaped(out, slices.Concat([]int{}, x.Shape[:axis], idx.Shape, x.Shape[axis+1:]))}, nil
}

// elementPlaces is, for each element of idx, the flat place in x that it names along the axis; along the other axes the
// place is that of the element itself.
func elementPlaces(op *ir.Op, label string, x, idx *ir.Tensor, axis int) ([]int, error) {
	for k, n := range idx.Shape {
		if k != axis && n > x.Shape[k] {
			return nil, opError(op, ir.ShapeError, label, "%s: indices %v reach past %v on axis %d", op.Kind, idx.Shape, x.Shape, k)
		}
	}
	out, err := positions(op, label, idx, x.Shape[axis])
	if err != nil {
		return nil, err
	}
	strides := rowMajor(x.Shape)
	index := make([]int, len(idx.Shape))
	for i := range out {
		at := out[i] * strides[axis]
		for k, v := range index {
			if k != axis {
				at += v * strides[k]
			}
		}
		out[i] = at
		for k := len(index) - 1; k >= 0; k-- {
			if index[k]++; index[k] < idx.Shape[k] {
				break
			}
			index[k] = 0
		}
	}
	return out, nil
}

// evalGatherElements takes single elements. ONNX GatherElements.
func evalGatherElements(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, idx := tensor(args, 0), tensor(args, 1)
	places, err := elementPlaces(op, "gather_elements_c3", x, idx, int(op.Attrs.(*ir.AxisAttrs).Axis))
	if err != nil {
		return nil, err
	}
	return one(e.pick(op, x, cloneShape(idx.Shape), places, 1))
}

// pick makes a tensor of runs of x that start at places.
func (e *Env) pick(op *ir.Op, x *ir.Tensor, shape, places []int, run int) (*ir.Tensor, error) {
	out, err := e.newTensor(op, x.DType, shape)
	if err != nil {
		return nil, err
	}
	parallelRows(len(places), run, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			copyRun(out, i*run, x, places[i], run)
		}
	})
	return out, nil
}

// tuplePlaces is the flat place in x of each index tuple: tuples run along idx's last axis and index the axes of x
// after the first batch ones, which both share.
func tuplePlaces(op *ir.Op, label string, x, idx *ir.Tensor, batch int) ([]int, error) {
	rank := len(idx.Shape)
	depth := idx.Shape[rank-1]
	if batch+depth > len(x.Shape) || !slices.Equal(x.Shape[:batch], idx.Shape[:batch]) {
		return nil, opError(op, ir.ShapeError, label, "%s: indices %v into %v with %d batch axes", op.Kind, idx.Shape, x.Shape, batch)
	}
	raw, strides := ints(idx), rowMajor(x.Shape)
	inBatch := product(idx.Shape[batch : rank-1])
	slice := product(x.Shape[batch:])
	out := make([]int, product(idx.Shape[:rank-1]))
	for i := range out {
		at := i / max(inBatch, 1) * slice
		for k, v := range raw[i*depth : (i+1)*depth] {
			n := int64(x.Shape[batch+k])
			if v < -n || v >= n {
				return nil, opError(op, ir.ValueError, label, "%s: index %d at position %s into an axis of size %d", op.Kind, v, place(idx.Shape, i*depth+k), n)
			}
			if v < 0 {
				v += n
			}
			at += int(v) * strides[batch+k]
		}
		out[i] = at
	}
	return out, nil
}

// evalGatherND: ONNX GatherND.
func evalGatherND(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, idx, batch := tensor(args, 0), tensor(args, 1), int(op.Attrs.(*ir.GatherNDAttrs).BatchDims)
	places, err := tuplePlaces(op, "gather_nd_c4", x, idx, batch)
	if err != nil {
		return nil, err
	}
	rest := x.Shape[batch+idx.Shape[len(idx.Shape)-1]:]
	shape := slices.Concat([]int{}, idx.Shape[:len(idx.Shape)-1], rest)
	return one(e.pick(op, x, shape, places, product(rest)))
}

// evalScatterElements: ONNX ScatterElements. Of updates to the same place the last one wins.
func evalScatterElements(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, idx, upd := tensor(args, 0), tensor(args, 1), tensor(args, 2)
	a := op.Attrs.(*ir.ScatterAttrs)
	if !slices.Equal(idx.Shape, upd.Shape) {
		return nil, opError(op, ir.ShapeError, "scatter_elements_c3", "%s: indices %v, updates %v", op.Kind, idx.Shape, upd.Shape)
	}
	places, err := elementPlaces(op, "scatter_elements_c5", x, idx, int(a.Axis))
	if err != nil {
		return nil, err
	}
	return one(e.scatter(op, x, upd, places, 1, a.Reduction))
}

// evalScatterND: ONNX ScatterND.
func evalScatterND(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, idx, upd := tensor(args, 0), tensor(args, 1), tensor(args, 2)
	places, err := tuplePlaces(op, "scatter_nd_c5", x, idx, 0)
	if err != nil {
		return nil, err
	}
	rank := len(idx.Shape)
	rest := x.Shape[idx.Shape[rank-1]:]
	if !slices.Equal(upd.Shape, slices.Concat([]int{}, idx.Shape[:rank-1], rest)) {
		return nil, opError(op, ir.ShapeError, "scatter_nd_c3", "%s: indices %v, updates %v into %v", op.Kind, idx.Shape, upd.Shape, x.Shape)
	}
	return one(e.scatter(op, x, upd, places, product(rest), op.Attrs.(*ir.ScatterAttrs).Reduction))
}

// scatter is x with runs of updates put, or reduced, into places.
func (e *Env) scatter(op *ir.Op, x, upd *ir.Tensor, places []int, run int, reduction string) (*ir.Tensor, error) {
	out, err := e.newTensor(op, x.DType, cloneShape(x.Shape))
	if err != nil {
		return nil, err
	}
	copyRun(out, 0, x, 0, x.Len())
	switch d := x.DType; {
	case reduction == "none":
		for i, at := range places {
			copyRun(out, at, upd, i*run, run)
		}
		return out, nil
	case d == ir.String || d.Category() == ir.Complex:
		return nil, opError(op, ir.DTypeError, "scatter_c1", "%s with reduction %s of %s", op.Kind, reduction, d)
	case d.IsFloat():
		scatterInto[float64](out, x, upd, places, run, reduction)
	case isU64(d):
		scatterInto[uint64](out, x, upd, places, run, reduction)
	default:
		scatterInto[int64](out, x, upd, places, run, reduction)
	}
	return out, nil
}

// scatterInto sums up in the wide type and rounds once.
func scatterInto[N number](out, x, upd *ir.Tensor, places []int, run int, reduction string) {
	zip := map[string]zipper[N]{"add": zipAdd[N], "mul": zipMul[N], "max": zipMax[N], "min": zipMin[N]}[reduction]
	sums, u := make([]N, x.Len()), make([]N, run)
	load(sums, x, 0)
	for i, at := range places {
		load(u, upd, i*run)
		zip(sums[at:at+run], sums[at:at+run], u)
	}
	store(out, 0, sums)
}

// order is how elements compare: numbers by value with NaN last and equal to itself, strings by their bytes, complex numbers by
// the real part first.
func order(t *ir.Tensor) func(a, b int) int {
	switch d := t.DType; {
	case d == ir.String:
		return func(a, b int) int { return cmp.Compare(t.Strings[a], t.Strings[b]) }
	case d.Category() == ir.Complex:
		at := func(i int) complex128 { return complexAt(t, i) }
		return func(a, b int) int {
			return cmp.Or(compareNaNLast(real(at(a)), real(at(b))), compareNaNLast(imag(at(a)), imag(at(b))))
		}
	case d.IsFloat():
		v := floats(t)
		return func(a, b int) int { return compareNaNLast(v[a], v[b]) }
	case isU64(d):
		v := ir.View[uint64](t)
		return func(a, b int) int { return cmp.Compare(v[a], v[b]) }
	}
	v := ints(t)
	return func(a, b int) int { return cmp.Compare(v[a], v[b]) }
}

func complexAt(t *ir.Tensor, i int) complex128 {
	if t.DType == ir.C64 {
		return complex128(ir.View[complex64](t)[i])
	}
	return ir.View[complex128](t)[i]
}

// compareNaNLast is NumPy's order: cmp.Compare has NaN first.
func compareNaNLast(a, b float64) int {
	if an, bn := a != a, b != b; an || bn {
		return cmp.Compare(b, a)
	}
	return cmp.Compare(a, b)
}

// evalTopK: of equal elements the first ones; NaN is greater than all others. ONNX TopK.
func evalTopK(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, a := tensor(args, 0), op.Attrs.(*ir.TopKAttrs)
	axis, count := int(a.Axis), ints(tensor(args, 1))[0]
	n := x.Shape[axis]
	if count < 0 || count > int64(n) {
		return nil, opError(op, ir.ValueError, "topk_c4", "topk: the top %d of %d elements", count, n)
	}
	k := int(count)
	perm, back := axisLast(len(x.Shape), axis)
	rows, err := e.transposed(op, x, perm)
	if err != nil {
		return nil, err
	}
	shape := cloneShape(rows.Shape)
	shape[len(shape)-1] = k
	values, err := e.newTensor(op, x.DType, shape)
	if err != nil {
		return nil, err
	}
	index, err := e.newTensor(op, ir.I64, cloneShape(shape))
	if err != nil {
		return nil, err
	}
	compare, to := order(rows), ir.View[int64](index)
	if k > 0 {
		parallelRows(len(to)/k, n, func(lo, hi int) {
			places := make([]int, n)
			for r := lo; r < hi; r++ {
				for i := range places {
					places[i] = r*n + i
				}
				slices.SortStableFunc(places, func(i, j int) int {
					if a.Smallest {
						return compare(i, j)
					}
					return compare(j, i)
				})
				for i, at := range places[:k] {
					to[r*k+i] = int64(at - r*n)
					copyRun(values, r*k+i, rows, at, 1)
				}
			}
		})
	}
	values, err = e.transposed(op, values, back)
	if err != nil {
		return nil, err
	}
	index, err = e.transposed(op, index, back)
	return []ir.Datum{values, index}, err
}

// isZero reports whether element i is 0, false or an empty string.
func isZero(t *ir.Tensor) func(i int) bool {
	switch d := t.DType; {
	case d == ir.String:
		return func(i int) bool { return t.Strings[i] == "" }
	case d.Category() == ir.Complex:
		return func(i int) bool { return complexAt(t, i) == 0 }
	case d.IsFloat():
		v := floats(t)
		return func(i int) bool { return v[i] == 0 }
	}
	v := ints(t)
	return func(i int) bool { return v[i] == 0 }
}

// evalNonZero: where x is not 0, an index tuple in each column, in row-major order. ONNX NonZero.
func evalNonZero(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x := tensor(args, 0)
	zero := isZero(x)
	var places []int
	for i := range x.Len() {
		if !zero(i) {
			places = append(places, i)
		}
	}
	out, err := e.newTensor(op, ir.I64, []int{len(x.Shape), len(places)})
	if err != nil {
		return nil, err
	}
	to := ir.View[int64](out)
	for axis := len(x.Shape) - 1; axis >= 0; axis-- {
		for i, at := range places {
			to[axis*len(places)+i] = int64(at % x.Shape[axis])
			places[i] = at / x.Shape[axis]
		}
	}
	return []ir.Datum{out}, nil
}

// evalUnique: rows are compared element by element. ONNX Unique.
func evalUnique(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, a := tensor(args, 0), op.Attrs.(*ir.UniqueAttrs)
	axis := int(a.Axis)
	if a.Flat {
		x, axis = reshaped(x, []int{x.Len()}), 0
	}
	n := x.Shape[axis]
	perm := []int{axis}
	for i := range x.Shape {
		if i != axis {
			perm = append(perm, i)
		}
	}
	rows, err := e.transposed(op, x, perm)
	if err != nil {
		return nil, err
	}
	first, inverse, counts := distinct(n, rowOrder(rows, n), a.Sorted)
	y, err := e.take(op, x, axis, first)
	if err != nil {
		return nil, err
	}
	results := []ir.Datum{y}
	for _, list := range [][]int{first, inverse, counts} {
		t, err := e.newTensor(op, ir.I64, []int{len(list)})
		if err != nil {
			return nil, err
		}
		to := ir.View[int64](t)
		for i, v := range list {
			to[i] = int64(v)
		}
		results = append(results, t)
	}
	return results, nil
}

// rowOrder compares rows i and j of n.
func rowOrder(t *ir.Tensor, n int) func(i, j int) int {
	compare, size := order(t), t.Len()/max(n, 1)
	return func(i, j int) int {
		for k := range size {
			if c := compare(i*size+k, j*size+k); c != 0 {
				return c
			}
		}
		return 0
	}
}

// distinct groups 0 … n-1 by what compare says is equal: the first of each group, the group of each, the size of each.
func distinct(n int, compare func(i, j int) int, sorted bool) (first, inverse, counts []int) {
	places := make([]int, n)
	for i := range places {
		places[i] = i
	}
	slices.SortStableFunc(places, compare)
	inverse = make([]int, n)
	for i, at := range places {
		if i == 0 || compare(places[i-1], at) != 0 {
			first, counts = append(first, at), append(counts, 0)
		}
		inverse[at] = len(first) - 1
		counts[len(counts)-1]++
	}
	if sorted {
		return first, inverse, counts
	}
	groups := make([]int, len(first)) // by first appearance
	for i := range groups {
		groups[i] = i
	}
	slices.SortFunc(groups, func(i, j int) int { return first[i] - first[j] })
	rank, f, c := make([]int, len(groups)), make([]int, len(groups)), make([]int, len(groups))
	for i, g := range groups {
		rank[g], f[i], c[i] = i, first[g], counts[g]
	}
	for i, g := range inverse {
		inverse[i] = rank[g]
	}
	return f, inverse, c
}
