package grad

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// The cotangents of a convolution by matrix products.

// apart reports whether no two windows overlap.
func (w window) apart() bool {
	for i, k := range w.kernel {
		if w.dilations[i] != 1 && k > 1 || k > w.strides[i] {
			return false
		}
	}
	return true
}

// places is the number of elements of a kernel.
func (w window) places() int64 {
	n := int64(1)
	for _, k := range w.kernel {
		n *= k
	}
	return n
}

// maxShifts bounds the products that shifts makes.
const maxShifts = 49

// columns is d times the elements of x under each window, group by group: the cotangent of w.
func (t *tape) columns(x, d, w *ir.Value, win window, groups int64) *ir.Value {
	n, g := win.axes(), ir.Size(groups)
	x = t.transpose(t.windowPadded(x, win), append(append([]int64{0}, ir.Axes(2, 2+n)...), 1)...) // channels last
	perm, sizes, kernel := []int64{0}, []ir.Dim{x.Shape()[0]}, []ir.Dim{}
	for i := range n {
		axis := int64(1 + 2*i)
		starts := t.b.Mul(t.count(t.size(d, int64(2+i))), t.b.Const(ir.Scalar(win.strides[i])))
		steps := make([]int64, win.kernel[i])
		for k := range steps {
			steps[k] = int64(k) * win.dilations[i]
		}
		x = t.gather(x, t.b.Add(t.unsqueeze(starts, 1), t.b.Ints(steps...)), axis)
		perm, sizes, kernel = append(perm, axis), append(sizes, d.Shape()[2+i]), append(kernel, ir.Size(win.kernel[i]))
	}
	for i := range n {
		perm = append(perm, int64(2+2*i))
	}
	if t.b.Err() != nil {
		return w
	}
	last := int64(2*n + 1)
	x = t.transpose(x, append(perm, last)...) // [N, places…, kernel…, C]
	rows, places := product(sizes), product(kernel)
	s := w.Shape()
	each := s[0].FloorDiv(g)
	x = t.reshape(x, t.b.Dims(rows, places, g, s[1]))
	x = t.reshape(t.transpose(x, 2, 0, 1, 3), t.b.Dims(g, rows, places.Mul(s[1])))
	d = t.reshape(d, t.b.Dims(append([]ir.Dim{d.Shape()[0], g, each}, d.Shape()[2:]...)...))
	d = t.transpose(d, append([]int64{1, 2, 0}, ir.Axes(3, 3+n)...)...)
	d = t.reshape(d, t.b.Dims(g, each, rows))
	k := t.b.Op(ir.MatMul, nil, d, x)
	k = t.reshape(k, t.b.Dims(append(append([]ir.Dim{s[0]}, kernel...), s[1])...))
	return t.fit(t.transpose(k, append([]int64{0, int64(n + 1)}, ir.Axes(1, n+1)...)...), w)
}

func product(dims []ir.Dim) ir.Dim {
	n := ir.Size(1)
	for _, d := range dims {
		n = n.Mul(d)
	}
	return n
}

// windowPadded is x with the padding that windows slide over.
func (t *tape) windowPadded(x *ir.Value, win window) *ir.Value {
	n := win.axes()
	for i := range n {
		x = t.padded(x, int64(2+i), ir.Size(win.pads[i]), ir.Size(win.pads[n+i]))
	}
	return x
}

// shifts sums, for each place of the kernel, d times what lies there under the windows: the cotangent of w where each channel is
// convolved for itself.
func (t *tape) shifts(x, d, w *ir.Value, win window) *ir.Value {
	n := win.axes()
	x = t.windowPadded(x, win)
	axes, sums := append([]int64{0}, ir.Axes(2, 2+n)...), []*ir.Value{}
	for at := range win.places() {
		a := &ir.SliceAttrs{Axes: ir.Axes(2, 2+n), Steps: win.strides}
		starts, ends := make([]ir.Dim, n), make([]ir.Dim, n)
		rest := at
		for i := n - 1; i >= 0; i-- {
			starts[i] = ir.Size(rest % win.kernel[i] * win.dilations[i])
			ends[i] = d.Shape()[2+i].Sub(ir.Size(1)).Mul(ir.Size(win.strides[i])).Add(ir.Size(1)).Add(starts[i])
			rest /= win.kernel[i]
		}
		under := t.b.Op(ir.Slice, a, x, t.b.Dims(starts...), t.b.Dims(ends...))
		if t.b.Err() != nil {
			return w
		}
		sums = append(sums, t.unsqueeze(t.sum(t.b.Mul(t.fit(under, d), d), axes, false), 1))
	}
	return t.fit(t.b.Op(ir.Concat, &ir.AxisAttrs{Axis: 1}, sums...), w)
}

// tiles is the cotangent of x where windows do not overlap: each element of d times the kernel, in its place.
func (t *tape) tiles(d, w, x *ir.Value, win window) *ir.Value {
	n := win.axes()
	s, out := x.Shape(), d.Shape()
	d = t.transpose(d, append(append([]int64{0}, ir.Axes(2, 2+n)...), 1)...)
	d = t.b.Op(ir.MatMul, nil, t.rows(d), t.merged(w, 1)) // [N·places, C·kernel]
	shape, perm := append([]ir.Dim{out[0]}, out[2:]...), []int64{0, int64(1 + n)}
	shape = append(shape, s[1])
	for i, k := range win.kernel {
		shape, perm = append(shape, ir.Size(k)), append(perm, int64(1+i), int64(2+n+i))
	}
	d = t.transpose(t.reshape(d, t.b.Dims(shape...)), perm...) // [N, C, places, kernel, …]
	if t.b.Err() != nil {
		return x
	}
	shape = slices.Clone(s[:2])
	for i, k := range win.kernel {
		d = t.padded(d, int64(3+2*i), ir.Size(0), ir.Size(win.strides[i]-k))
		shape = append(shape, out[2+i].Mul(ir.Size(win.strides[i])))
	}
	d = t.reshape(d, t.b.Dims(shape...))
	for i := range n {
		begin := -win.pads[i]
		d = t.padded(d, int64(2+i), ir.Size(begin), s[2+i].Sub(shape[2+i]).Sub(ir.Size(begin)))
	}
	return t.fit(d, x)
}
