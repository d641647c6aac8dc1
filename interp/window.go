package interp

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// window is a kernel that slides over the spatial axes of [N, C, …].
type window struct {
	in, kernel, out []int
	strides         []int
	pads            []int // begins, then ends
	dilations       []int
	offsets         []int // kernel position × axis → dilated offset less the padding before
	lines           []int // output line × outer axis → first input position; a line runs along the last axis
}

// maxWindow bounds attributes, so that positions do not overflow.
const maxWindow = math.MaxInt32

func newWindow(op *ir.Op, label string, in, kernel []int, strides, pads, dilations []int64, ceil bool) (*window, error) {
	n := len(in)
	w := &window{in: in, kernel: kernel, strides: small(strides), pads: small(pads), dilations: small(dilations)}
	for i := range n {
		limit := max(w.strides[i], w.dilations[i], w.pads[i], -w.pads[i], w.pads[n+i], -w.pads[n+i], kernel[i])
		if limit > maxWindow || kernel[i] < 1 && op.Kind != ir.Conv {
			return nil, opError(op, ir.AttrError, label, "%s: kernel %v, strides %v, pads %v, dilations %v", op.Kind, kernel, strides, pads, dilations)
		}
		w.out = append(w.out, w.places(i, ceil))
	}
	return w, nil
}

// small narrows attributes, keeping what is too large too large.
func small(list []int64) []int {
	out := make([]int, len(list))
	for i, v := range list {
		out[i] = int(max(-maxWindow-1, min(v, maxWindow+1)))
	}
	return out
}

// places is the number of positions of the window on axis i; with ceil the last one may hang over the end padding, but
// does not start in it.
func (w *window) places(i int, ceil bool) int {
	begin, end := w.pads[i], w.pads[len(w.in)+i]
	room, stride := w.in[i]+begin+end-w.dilations[i]*(w.kernel[i]-1)-1, w.strides[i]
	if !ceil {
		return max(floorDiv(room, stride)+1, 0)
	}
	return max(min(-floorDiv(-room, stride)+1, -floorDiv(-(w.in[i]+begin), stride)), 0)
}

func floorDiv(a, b int) int {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// tabulate makes the position tables: outputs and kernels of one op share the sums they need.
func (w *window) tabulate() {
	n := len(w.in)
	eachIndex(w.kernel, func(index []int) {
		for i, k := range index {
			w.offsets = append(w.offsets, k*w.dilations[i]-w.pads[i])
		}
	})
	eachIndex(w.out[:n-1], func(index []int) {
		for i, o := range index {
			w.lines = append(w.lines, o*w.strides[i])
		}
	})
}

// eachIndex visits the positions of a tensor of that shape in row-major order.
func eachIndex(shape []int, visit func(index []int)) {
	index := make([]int, len(shape))
	for range product(shape) {
		visit(index)
		for i := len(shape) - 1; i >= 0; i-- {
			if index[i]++; index[i] < shape[i] {
				break
			}
			index[i] = 0
		}
	}
}

// line is the place of the input line that kernel position k sees from output line l, and false when that lies
// in the padding.
func (w *window) line(k, l int) (int, bool) {
	n := len(w.in)
	at := 0
	for i := range n - 1 {
		p := w.lines[l*(n-1)+i] + w.offsets[k*n+i]
		if p < 0 || p >= w.in[i] {
			return 0, false
		}
		at = at*w.in[i] + p
	}
	return at * w.in[n-1], true
}
