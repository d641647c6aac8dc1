package interp

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
)

// dense is a row-major matrix inside a tensor: the operand or the result of a product.
type dense struct {
	t          *ir.Tensor
	at, stride int
}

func (d dense) row(dst []float64, r, c int) { loadFloats(dst, d.t, d.at+r*d.stride+c) }

func (d dense) put(r, c int, v []float64) { storeFloats(d.t, d.at+r*d.stride+c, v) }

// flippedMatrix stands for t with its last two axes swapped. It goes from a transpose to the products that are all that
// read it, so that transposed weights are not copied.
type flippedMatrix struct{ t *ir.Tensor }

func (f flippedMatrix) Type() ir.Type {
	t := f.t.Type()
	n := len(t.Shape)
	t.Shape[n-2], t.Shape[n-1] = t.Shape[n-1], t.Shape[n-2]
	return t
}

// flips reports whether op makes a flippedMatrix: it swaps the last two axes of floats, as the right side of products only.
func flips(op *ir.Op) bool {
	if op.Kind != ir.Transpose || !op.Result().DType().IsFloat() || op.Result().Rank() < 2 {
		return false
	}
	perm := op.Attrs.(*ir.PermAttrs).Perm
	n := len(perm)
	for i, p := range perm[:n-2] {
		if p != int64(i) {
			return false
		}
	}
	for _, u := range op.Result().Uses() {
		if u.Op.Kind != ir.MatMul && u.Op.Kind != ir.Linear || u.Index != 1 {
			return false
		}
	}
	return perm[n-2] == int64(n-1)
}

// evalMatMul: NumPy's matmul; 1-D operands get an axis that the result drops. Floats add up in float64, integers wrap.
func evalMatMul(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	a := tensor(args, 0)
	b, flipped := rightSide(args)
	sa, sb := a.Shape, b.Shape
	if len(sa) == 1 {
		sa = []int{1, sa[0]}
	}
	if len(sb) == 1 {
		sb = []int{sb[0], 1}
	}
	na, nb := len(sa)-2, len(sb)-2
	if flipped {
		sb = slices.Concat(sb[:nb], []int{sb[nb+1], sb[nb]})
	}
	m, k, n := sa[na], sa[na+1], sb[nb+1]
	if k != sb[nb] {
		return nil, opError(op, ir.ShapeError, "matmul_c3", "inner sizes differ: %s%v × %s%v", a.DType, a.Shape, b.DType, b.Shape)
	}
	batch, err := broadcastShapes(op, "matmul_c4", sa[:na], sb[:nb])
	if err != nil {
		return nil, err
	}
	shape := slices.Concat([]int{}, batch)
	if len(a.Shape) > 1 {
		shape = append(shape, m)
	}
	if len(b.Shape) > 1 {
		shape = append(shape, n)
	}
	out, err := e.newTensor(op, a.DType, shape)
	if err != nil || out.Len() == 0 {
		return []ir.Datum{out}, err
	}
	if nb == 0 && na > 0 { // one matrix for all: one taller product
		m *= product(batch)
		batch, sa = nil, nil
		na = 0
	}
	pa, pb := batchPlaces(batch, sa[:na], m*k), batchPlaces(batch, sb[:nb], k*n)
	if a.DType.IsFloat() {
		stride := n
		if flipped {
			stride = k
		}
		multiply(len(pa), m, n, k, func(i int) gemm {
			return gemm{dense{a, pa[i], k}, dense{b, pb[i], stride}, dense{out, i * m * n, n}, flipped}
		})
		return []ir.Datum{out}, nil
	}
	for i := range pa {
		multiplyInts(out, i*m*n, a, pa[i], b, pb[i], m, n, k)
	}
	return []ir.Datum{out}, nil
}

// rightSide is operand 1 of a product, which may be there with its last two axes swapped.
func rightSide(args []ir.Datum) (b *ir.Tensor, flipped bool) {
	if f, ok := args[1].(flippedMatrix); ok {
		return f.t, true
	}
	return tensor(args, 1), false
}

// evalLinear: x × w + b, rounded once.
func evalLinear(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, b := tensor(args, 0), tensor(args, 2)
	w, flipped := rightSide(args)
	last := len(x.Shape) - 1
	k, n, stride := w.Shape[0], w.Shape[1], w.Shape[1]
	if flipped {
		k, n = n, k
	}
	if k != x.Shape[last] {
		return nil, opError(op, ir.ShapeError, "linear_c3", "inner sizes differ: %s%v × %v", x.DType, x.Shape, []int{k, n})
	}
	out, err := e.newTensor(op, x.DType, slices.Concat(x.Shape[:last], []int{n}))
	if err != nil || out.Len() == 0 {
		return []ir.Datum{out}, err
	}
	shape, err := broadcastShapes(op, "linear_c4", out.Shape, b.Shape)
	if err != nil || product(shape) != out.Len() {
		return nil, opError(op, ir.ShapeError, "linear_c4", "%v does not broadcast to %v", b.Shape, out.Shape)
	}
	sum := biased{dense{out, 0, n}, newReader(b, out.Shape)}
	multiply(1, out.Len()/n, n, k, func(int) gemm {
		return gemm{dense{x, 0, k}, dense{w, 0, stride}, sum, flipped}
	})
	return []ir.Datum{out}, nil
}

// biased adds b to what is put into a matrix.
type biased struct {
	dense
	b *reader
}

func (d biased) put(r, c int, v []float64) {
	bias := make([]float64, len(v))
	read(d.b, bias, r*d.stride+c)
	zipAdd(bias, bias, v)
	d.dense.put(r, c, bias)
}

// multiplyInts is one product of integer matrices that lie at the given places. Wrapping makes u64 the same as i64.
func multiplyInts(out *ir.Tensor, at int, a *ir.Tensor, atA int, b *ir.Tensor, atB, m, n, k int) {
	right := make([]int64, k*n)
	loadInts(right, b, atB)
	parallelRows(m, n*max(k, 1), func(lo, hi int) {
		left, sums := make([]int64, k), make([]int64, n)
		for r := lo; r < hi; r++ {
			loadInts(left, a, atA+r*k)
			clear(sums)
			for p, v := range left {
				for j, w := range right[p*n : (p+1)*n] {
					sums[j] += v * w
				}
			}
			storeInts(out, at+r*n, sums)
		}
	})
}

// evalDet: determinants, as products of the pivots of an elimination. ONNX Det.
func evalDet(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x := tensor(args, 0)
	rank := len(x.Shape)
	n := x.Shape[rank-1]
	if x.Shape[rank-2] != n {
		return nil, opError(op, ir.ShapeError, "det_c2", "det of %v: the matrices are not square", x.Shape)
	}
	out, err := e.newTensor(op, x.DType, cloneShape(x.Shape[:rank-2]))
	if err != nil {
		return nil, err
	}
	parallel(out.Len(), 1, func(lo, hi int) {
		m := make([]float64, n*n)
		for i := lo; i < hi; i++ {
			loadFloats(m, x, i*n*n)
			storeFloats(out, i, []float64{det(m, n)})
		}
	})
	return []ir.Datum{out}, nil
}

// det eliminates in place, always with the largest element of the column as the pivot; NaN counts as the largest.
func det(m []float64, n int) float64 {
	product := 1.0
	for k := range n {
		best := k
		for i := k + 1; i < n; i++ {
			if v := math.Abs(m[i*n+k]); v > math.Abs(m[best*n+k]) || v != v {
				best = i
			}
		}
		if best != k {
			product = -product
			for j := k; j < n; j++ {
				m[k*n+j], m[best*n+j] = m[best*n+j], m[k*n+j]
			}
		}
		pivot := m[k*n+k]
		if product *= pivot; pivot == 0 {
			return product
		}
		for i := k + 1; i < n; i++ {
			f := m[i*n+k] / pivot
			for j := k + 1; j < n; j++ {
				m[i*n+j] -= f * m[k*n+j]
			}
		}
	}
	return product
}
