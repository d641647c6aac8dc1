package interp

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// broadcastShapes joins shapes as NumPy does: aligned at the end, where sizes differ one of them is 1.
func broadcastShapes(op *ir.Op, label string, shapes ...[]int) ([]int, error) {
	var out []int
	for _, s := range shapes {
		if len(s) > len(out) {
			out = slices.Concat(s[:len(s)-len(out)], out)
		}
		for i, d := range s {
			k := len(out) - len(s) + i
			if d != out[k] && d != 1 && out[k] != 1 {
				return nil, opError(op, ir.ShapeError, label, "%s: shapes %v do not broadcast", op.Kind, shapes)
			}
			if out[k] == 1 {
				out[k] = d
			}
		}
	}
	return out, nil
}

// broadcastStrides are the element strides of shape seen as the larger shape out: 0 where it is repeated.
func broadcastStrides(shape, out []int) []int {
	strides := make([]int, len(out))
	stride := 1
	for i := len(shape) - 1; i >= 0; i-- {
		if k := len(out) - len(shape) + i; shape[i] != 1 {
			strides[k] = stride
		}
		stride *= shape[i]
	}
	return strides
}

// rowMajor are the element strides of a dense tensor.
func rowMajor(shape []int) []int {
	strides := make([]int, len(shape))
	stride := 1
	for i := len(shape) - 1; i >= 0; i-- {
		strides[i] = stride
		stride *= shape[i]
	}
	return strides
}

// reader reads a tensor as if it had been broadcast to a larger shape.
type reader struct {
	t       *ir.Tensor
	shape   []int // of the result, with axes merged as far as t allows
	strides []int
}

func newReader(t *ir.Tensor, out []int) *reader {
	r := &reader{t: t}
	strides := broadcastStrides(t.Shape, out)
	for i, d := range out {
		n := len(r.shape)
		switch {
		case d == 1:
		case n > 0 && r.strides[n-1] == strides[i]*d:
			r.shape[n-1] *= d
			r.strides[n-1] = strides[i]
		default:
			r.shape, r.strides = append(r.shape, d), append(r.strides, strides[i])
		}
	}
	return r
}

// read fills dst with the broadcast elements from flat position at on.
func read[N number](r *reader, dst []N, at int) {
	rank := len(r.shape)
	switch {
	case rank == 0:
		fill(dst, r.t, 0)
		return
	case rank == 1 && r.strides[0] == 1:
		load(dst, r.t, at)
		return
	}
	index := make([]int, rank)
	pos := 0
	for i, rest := rank-1, at; i >= 0; i-- {
		index[i] = rest % r.shape[i]
		rest /= r.shape[i]
		pos += index[i] * r.strides[i]
	}
	inner, stride := r.shape[rank-1], r.strides[rank-1] // stride is 0 or 1
	for {
		n := min(inner-index[rank-1], len(dst))
		if stride == 0 {
			fill(dst[:n], r.t, pos)
		} else {
			load(dst[:n], r.t, pos)
		}
		if dst = dst[n:]; len(dst) == 0 {
			return
		}
		pos -= index[rank-1] * stride
		index[rank-1] = 0
		for i := rank - 2; i >= 0; i-- {
			index[i]++
			pos += r.strides[i]
			if index[i] < r.shape[i] {
				break
			}
			pos -= index[i] * r.strides[i]
			index[i] = 0
		}
	}
}

func fill[N number](dst []N, t *ir.Tensor, at int) {
	if len(dst) == 0 {
		return
	}
	load(dst[:1], t, at)
	for i := range dst {
		dst[i] = dst[0]
	}
}

// newBroadcast makes the result of an op on two operands that are broadcast to each other.
func (e *Env) newBroadcast(op *ir.Op, d ir.DType, a, b *ir.Tensor) (*ir.Tensor, error) {
	shape, err := broadcastShapes(op, "binary_c2", a.Shape, b.Shape)
	if err != nil {
		return nil, err
	}
	return e.newTensor(op, d, shape)
}
