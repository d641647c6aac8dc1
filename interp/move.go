package interp

import (
	"slices"
	"unsafe"

	"github.com/emilyc/emily/ir"
)

// walk is a strided copy: shape elements from src to dst, each with an offset and a stride per axis. Every
// kernel that moves elements without looking at them is one.
type walk struct {
	shape              []int
	dst, src           []int // strides
	dstStart, srcStart int
}

// move copies the elements of src that w names to the places of dst that it names.
func move(dst, src *ir.Tensor, w walk) {
	w = w.merged()
	if slices.Contains(w.shape, 0) {
		return
	}
	if dst.DType == ir.String {
		moveSlice(dst.Strings, src.Strings, w)
		return
	}
	switch dst.DType.Size() {
	case 1:
		moveSlice(dst.Data, src.Data, w)
	case 2:
		moveSlice(view[uint16](dst), view[uint16](src), w)
	case 4:
		moveSlice(view[uint32](dst), view[uint32](src), w)
	case 8:
		moveSlice(view[uint64](dst), view[uint64](src), w)
	case 16:
		moveSlice(view[[2]uint64](dst), view[[2]uint64](src), w)
	}
}

// view is ir.View for whatever has the width of the dtype.
func view[E any](t *ir.Tensor) []E {
	if len(t.Data) == 0 {
		return nil
	}
	return unsafe.Slice((*E)(unsafe.Pointer(unsafe.SliceData(t.Data))), len(t.Data)/t.DType.Size())
}

// merged drops axes of size 1 and joins axes that both sides walk as one.
func (w walk) merged() walk {
	m := walk{dstStart: w.dstStart, srcStart: w.srcStart}
	for i, n := range w.shape {
		if n == 1 {
			continue
		}
		if k := len(m.shape) - 1; k >= 0 && m.dst[k] == w.dst[i]*n && m.src[k] == w.src[i]*n {
			m.shape[k] *= n
			m.dst[k], m.src[k] = w.dst[i], w.src[i]
			continue
		}
		m.shape, m.dst, m.src = append(m.shape, n), append(m.dst, w.dst[i]), append(m.src, w.src[i])
	}
	return m
}

func moveSlice[E any](dst, src []E, w walk) {
	if len(w.shape) == 0 {
		dst[w.dstStart] = src[w.srcStart]
		return
	}
	inner := 1
	for _, n := range w.shape[1:] {
		inner *= n
	}
	parallelRows(w.shape[0], inner, func(lo, hi int) {
		part := w
		part.shape = slices.Clone(w.shape)
		part.shape[0] = hi - lo
		part.dstStart += lo * w.dst[0]
		part.srcStart += lo * w.src[0]
		moveNest(dst, src, part)
	})
}

// tile is the side of the squares that a transposition goes by, so that both sides stay in the cache.
const tile = 32

func moveNest[E any](dst, src []E, w walk) {
	rank := len(w.shape)
	if rank > 2 {
		sub := walk{w.shape[1:], w.dst[1:], w.src[1:], w.dstStart, w.srcStart}
		for range w.shape[0] {
			moveNest(dst, src, sub)
			sub.dstStart += w.dst[0]
			sub.srcStart += w.src[0]
		}
		return
	}
	if rank == 1 {
		moveLine(dst, src, w.shape[0], w.dstStart, w.srcStart, w.dst[0], w.src[0])
		return
	}
	rows, cols := w.shape[0], w.shape[1]
	step := cols
	if w.src[1] != 1 && w.src[0] == 1 {
		step = tile
	}
	for r := 0; r < rows; r += tile {
		for c := 0; c < cols; c += step {
			for i := r; i < min(r+tile, rows); i++ {
				moveLine(dst, src, min(step, cols-c), w.dstStart+i*w.dst[0]+c*w.dst[1], w.srcStart+i*w.src[0]+c*w.src[1], w.dst[1], w.src[1])
			}
		}
	}
}

func moveLine[E any](dst, src []E, n, to, from, dstStride, srcStride int) {
	switch {
	case dstStride == 1 && srcStride == 1:
		copy(dst[to:to+n], src[from:from+n])
	case dstStride == 1 && srcStride == 0:
		v := src[from]
		for i := range dst[to : to+n] {
			dst[to+i] = v
		}
	default:
		for range n {
			dst[to] = src[from]
			to += dstStride
			from += srcStride
		}
	}
}

// copyRun copies n neighbouring elements.
func copyRun(dst *ir.Tensor, to int, src *ir.Tensor, from, n int) {
	if dst.DType == ir.String {
		copy(dst.Strings[to:to+n], src.Strings[from:from+n])
		return
	}
	size := dst.DType.Size()
	copy(dst.Data[to*size:(to+n)*size], src.Data[from*size:])
}

// expand is t broadcast to shape: t itself where that is its shape.
func (e *Env) expand(op *ir.Op, t *ir.Tensor, shape []int) (*ir.Tensor, error) {
	if slices.Equal(t.Shape, shape) {
		return t, nil
	}
	out, err := e.newTensor(op, t.DType, shape)
	if err != nil {
		return nil, err
	}
	expandInto(out, t)
	return out, nil
}

func expandInto(out, t *ir.Tensor) {
	move(out, t, walk{shape: out.Shape, dst: rowMajor(out.Shape), src: broadcastStrides(t.Shape, out.Shape)})
}

// reshaped is t's elements in another shape.
func reshaped(t *ir.Tensor, shape []int) *ir.Tensor {
	return &ir.Tensor{DType: t.DType, Shape: shape, Data: t.Data, Strings: t.Strings}
}

// transposed is t with its axes permuted, without a copy where no element moves.
func (e *Env) transposed(op *ir.Op, t *ir.Tensor, perm []int) (*ir.Tensor, error) {
	shape, src := make([]int, len(perm)), make([]int, len(perm))
	strides := rowMajor(t.Shape)
	var moving []int
	for i, p := range perm {
		shape[i], src[i] = t.Shape[p], strides[p]
		if t.Shape[p] != 1 {
			moving = append(moving, p)
		}
	}
	if slices.IsSorted(moving) {
		return reshaped(t, shape), nil
	}
	out, err := e.newTensor(op, t.DType, shape)
	if err != nil {
		return nil, err
	}
	move(out, t, walk{shape: shape, dst: rowMajor(shape), src: src})
	return out, nil
}

// selectWhere overwrites out with the elements of a where cond is true; all have one shape.
func selectWhere(out, a *ir.Tensor, cond []byte) {
	if out.DType == ir.String {
		selectSlice(out.Strings, a.Strings, cond)
		return
	}
	switch out.DType.Size() {
	case 1:
		selectSlice(out.Data, a.Data, cond)
	case 2:
		selectSlice(view[uint16](out), view[uint16](a), cond)
	case 4:
		selectSlice(view[uint32](out), view[uint32](a), cond)
	case 8:
		selectSlice(view[uint64](out), view[uint64](a), cond)
	case 16:
		selectSlice(view[[2]uint64](out), view[[2]uint64](a), cond)
	}
}

func selectSlice[E any](out, a []E, cond []byte) {
	parallel(len(cond), 1<<14, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			if cond[i] != 0 {
				out[i] = a[i]
			}
		}
	})
}
