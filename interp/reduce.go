package interp

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
)

// folder adds a chunk of elements to what has been reduced so far.
type folder[N number] func(acc N, x []N) N

func foldSum[N number](acc N, x []N) N {
	for _, v := range x {
		acc += v
	}
	return acc
}

func foldProd[N number](acc N, x []N) N {
	for _, v := range x {
		acc *= v
	}
	return acc
}

// foldMax and foldMin propagate NaN.
func foldMax[N number](acc N, x []N) N {
	for _, v := range x {
		acc = max(acc, v)
	}
	return acc
}

func foldMin[N number](acc N, x []N) N {
	for _, v := range x {
		acc = min(acc, v)
	}
	return acc
}

func folders[N number](k ir.Kind) folder[N] {
	return map[ir.Kind]folder[N]{
		ir.ReduceSum: foldSum[N], ir.ReduceMean: foldSum[N], ir.ReduceProd: foldProd[N],
		ir.ReduceMax: foldMax[N], ir.ReduceMin: foldMin[N],
	}[k]
}

// evalReduce: the reduction of nothing is 0, 1, the lowest or the highest value; a mean of nothing is NaN, and of
// integers an error.
func evalReduce(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, a := tensor(args, 0), op.Attrs.(*ir.ReduceAttrs)
	if len(a.Axes) == 0 {
		return []ir.Datum{x}, nil
	}
	rows, n, err := e.rows(op, x, a.Axes)
	if err != nil {
		return nil, err
	}
	if n == 0 && op.Kind == ir.ReduceMean && !x.DType.IsFloat() {
		return nil, opError(op, ir.ValueError, "reduce_c3", "mean of no integers: %s%v over axes %v", x.DType, x.Shape, a.Axes)
	}
	out, err := e.newTensor(op, x.DType, reducedShape(x.Shape, a.Axes, a.KeepDims))
	if err != nil {
		return nil, err
	}
	lowest, highest := intLimits(x.DType)
	switch d := x.DType; {
	case d.IsFloat():
		reduceRows(op.Kind, out, rows, n, math.Inf(-1), math.Inf(1))
	case isU64(d):
		reduceRows[uint64](op.Kind, out, rows, n, 0, math.MaxUint64)
	default:
		reduceRows(op.Kind, out, rows, n, lowest, highest)
	}
	return []ir.Datum{out}, nil
}

func reduceRows[N number](k ir.Kind, out, x *ir.Tensor, n int, lowest, highest N) {
	fold := folders[N](k)
	start := map[ir.Kind]N{ir.ReduceProd: 1, ir.ReduceMax: lowest, ir.ReduceMin: highest}[k]
	parallelRows(out.Len(), n, func(lo, hi int) {
		buf := make([]N, min(chunk, n))
		result := make([]N, hi-lo)
		for r := lo; r < hi; r++ {
			acc := start
			for at := 0; at < n; at += chunk {
				b := buf[:min(chunk, n-at)]
				load(b, x, r*n+at)
				acc = fold(acc, b)
			}
			if k == ir.ReduceMean {
				acc /= N(n)
			}
			result[r-lo] = acc
		}
		store(out, lo, result)
	})
}

// intLimits are the lowest and highest value of an integer or bool dtype, but for u64.
func intLimits(d ir.DType) (lo, hi int64) {
	switch {
	case d == ir.Bool:
		return 0, 1
	case d.Category() == ir.Signed:
		return -1 << (d.Bits() - 1), 1<<(d.Bits()-1) - 1
	}
	return 0, 1<<d.Bits() - 1
}

// rows brings the axes to the end: the result's elements come in rows of n that reduce to one each.
func (e *Env) rows(op *ir.Op, x *ir.Tensor, axes []int64) (*ir.Tensor, int, error) {
	perm, last, n := []int{}, []int{}, 1
	for i, d := range x.Shape {
		if slices.Contains(axes, int64(i)) {
			last, n = append(last, i), n*d
		} else {
			perm = append(perm, i)
		}
	}
	t, err := e.transposed(op, x, append(perm, last...))
	return t, n, err
}

func reducedShape(s []int, axes []int64, keep bool) []int {
	out := []int{}
	for i, d := range s {
		switch {
		case !slices.Contains(axes, int64(i)):
			out = append(out, d)
		case keep:
			out = append(out, 1)
		}
	}
	return out
}

// evalArg: argmax and argmin. NaN counts as the extreme, as in NumPy.
func evalArg(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, a := tensor(args, 0), op.Attrs.(*ir.ArgAttrs)
	axes := []int64{a.Axis}
	rows, n, err := e.rows(op, x, axes)
	if err != nil {
		return nil, err
	}
	out, err := e.newTensor(op, ir.I64, reducedShape(x.Shape, axes, a.KeepDims))
	if err != nil {
		return nil, err
	}
	if n == 0 && out.Len() > 0 {
		return nil, opError(op, ir.ValueError, "arg_c3", "%s of nothing: axis %d of %s%v", op.Kind, a.Axis, x.DType, x.Shape)
	}
	most := op.Kind == ir.ArgMax
	switch d := x.DType; {
	case d.IsFloat():
		argRows[float64](out, rows, n, most, a.Last)
	case isU64(d):
		argRows[uint64](out, rows, n, most, a.Last)
	default:
		argRows[int64](out, rows, n, most, a.Last)
	}
	return []ir.Datum{out}, nil
}

func argRows[N number](out, x *ir.Tensor, n int, most, last bool) {
	to := ir.View[int64](out)
	parallelRows(len(to), n, func(lo, hi int) {
		row := make([]N, n)
		for r := lo; r < hi; r++ {
			load(row, x, r*n)
			to[r] = int64(extreme(row, most, last))
		}
	})
}

// extreme is the place of the first or last largest or smallest element.
func extreme[N number](row []N, most, last bool) int {
	best := 0
	for i, v := range row[1:] {
		b := row[best]
		better := most && v > b || !most && v < b || v != v && b == b
		same := v == b || v != v && b != b
		if better || last && same {
			best = i + 1
		}
	}
	return best
}

// evalCum: running sums and products along an axis; exclusive leaves out the element itself, reverse runs from the end.
func evalCum(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, a := tensor(args, 0), op.Attrs.(*ir.CumAttrs)
	product := op.Kind == ir.CumProd
	return e.alongAxis(op, x, int(a.Axis), func(out, rows *ir.Tensor, n int) {
		switch d := x.DType; {
		case d.IsFloat():
			cumRows[float64](out, rows, n, a, product)
		case isU64(d):
			cumRows[uint64](out, rows, n, a, product)
		default:
			cumRows[int64](out, rows, n, a, product)
		}
	})
}

func cumRows[N number](out, x *ir.Tensor, n int, a *ir.CumAttrs, product bool) {
	if x.Len() == 0 {
		return
	}
	start, join := N(0), func(a, b N) N { return a + b }
	if product {
		start, join = 1, func(a, b N) N { return a * b }
	}
	parallelRows(x.Len()/n, n, func(lo, hi int) {
		row := make([]N, n)
		for r := lo; r < hi; r++ {
			load(row, x, r*n)
			if a.Reverse {
				slices.Reverse(row)
			}
			acc := start
			for i, v := range row {
				next := join(acc, v)
				if row[i] = next; a.Exclusive {
					row[i] = acc
				}
				acc = next
			}
			if a.Reverse {
				slices.Reverse(row)
			}
			store(out, r*n, row)
		}
	})
}

// alongAxis runs f, which maps rows to rows of the same length, along an axis: it is brought to the end and back.
func (e *Env) alongAxis(op *ir.Op, x *ir.Tensor, axis int, f func(out, rows *ir.Tensor, n int)) ([]ir.Datum, error) {
	perm, back := axisLast(len(x.Shape), axis)
	rows, err := e.transposed(op, x, perm)
	if err != nil {
		return nil, err
	}
	out, err := e.newTensor(op, x.DType, rows.Shape)
	if err != nil {
		return nil, err
	}
	f(out, rows, x.Shape[axis])
	return one(e.transposed(op, out, back))
}

// axisLast is the permutation that brings an axis to the end, and the one that brings it back.
func axisLast(rank, axis int) (perm, back []int) {
	back = make([]int, rank)
	for i := range rank {
		if i != axis {
			back[i] = len(perm)
			perm = append(perm, i)
		}
	}
	back[axis] = rank - 1
	return append(perm, axis), back
}
