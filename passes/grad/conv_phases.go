package grad

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// maxPhases bounds the convolutions that phases makes.
const maxPhases = 16

// phased reports whether the transposed convolution is cheaper phase by phase: with strides, and no dilation.
func (w window) phased() bool {
	n := int64(1)
	for _, s := range w.strides {
		n *= s
	}
	return n > 1 && n <= maxPhases && slices.Max(w.dilations) == 1
}

// phases is the transposed convolution by strides without zeros between elements: places of x that lie equally to the strides see the same
// part of the kernel, w[r], w[r + s], …, so that each phase r is a convolution of d with that part, turned round.
func (t *tape) phases(d, w, x *ir.Value, win window, groups int64) *ir.Value {
	n := win.axes()
	s, out := x.Shape(), d.Shape()
	size, sizes := s[:2:2], []ir.Dim{} // of a phase; of all
	for i := range n {
		size = append(size, s[2+i].Add(ir.Size(win.pads[i])).CeilDiv(ir.Size(win.strides[i])))
	}
	var parts []*ir.Value
	for r := range phaseStarts(win.strides) {
		part := w
		a := &ir.ConvAttrs{Strides: slices.Repeat([]int64{1}, n), Pads: make([]int64, 2*n), Dilations: slices.Repeat([]int64{1}, n), Groups: groups}
		input := d
		for i := range n {
			part = t.b.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{int64(2 + i)}, Steps: win.strides[i : i+1]}, part, t.b.Ints(r[i]), t.b.Ints(win.kernel[i]))
			taps := max(0, (win.kernel[i]-r[i]+win.strides[i]-1)/win.strides[i])
			input = t.padded(input, int64(2+i), ir.Size(taps-1), size[2+i].Sub(out[2+i]))
		}
		if t.b.Err() != nil {
			return x
		}
		phase := t.expand(t.numberLike(d, 0), t.b.Dims(size...))
		if !part.Shape().NumElements().Is(0) {
			phase = t.fit(t.b.Op(ir.Conv, a, input, t.turned(part, groups), nil), phase)
		}
		parts = append(parts, t.unsqueeze(phase, 2))
	}
	all := t.b.Op(ir.Concat, &ir.AxisAttrs{Axis: 2}, parts...)
	shape, perm := s[:2:2], []int64{0, 1}
	for i, stride := range win.strides {
		shape, perm = append(shape, ir.Size(stride)), append(perm, int64(2+n+i), int64(2+i))
		sizes = append(sizes, size[2+i].Mul(ir.Size(stride)))
	}
	all = t.transpose(t.reshape(all, t.b.Dims(append(shape, size[2:]...)...)), perm...)
	all = t.reshape(all, t.b.Dims(append(s[:2:2], sizes...)...))
	for i := range n {
		begin := ir.Size(win.pads[i])
		if !(begin.Is(0) && sizes[i] == s[2+i]) {
			all = t.cut(all, int64(2+i), begin, begin.Add(s[2+i]))
		}
	}
	return t.fit(all, x)
}

// phaseStarts yields the places below the strides, in row-major order.
func phaseStarts(strides []int64) func(yield func([]int64) bool) {
	return func(yield func([]int64) bool) {
		r := make([]int64, len(strides))
		for {
			if !yield(r) {
				return
			}
			i := len(r) - 1
			for ; i >= 0 && r[i] == strides[i]-1; i-- {
				r[i] = 0
			}
			if i < 0 {
				return
			}
			r[i]++
		}
	}
}
