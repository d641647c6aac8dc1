package grad

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// window is how a convolution or a pooling slides over n spatial axes.
type window struct {
	kernel, strides, pads, dilations []int64
}

func (w window) axes() int { return len(w.strides) }

// gradConv: for x the transposed convolution, for w the product of d with the elements under each window, for the bias the sum.
func gradConv(t *tape) {
	a := t.op.Attrs.(*ir.ConvAttrs)
	first, last := t.layout(a.NHWC)
	x, w, d := t.transpose(t.x(0), first...), t.transpose(t.x(1), first...), t.transpose(t.d(0), first...)
	if t.b.Err() != nil {
		return
	}
	win := window{strides: a.Strides, pads: a.Pads, dilations: a.Dilations}
	for _, k := range w.Shape()[2:] {
		n, known := k.Value()
		if !known {
			t.fail(ir.UnknownValue, "bind the size of the kernel", "the gradient of a convolution whose kernel has a size %s", k)
			return
		}
		win.kernel = append(win.kernel, n)
	}
	empty := t.op.Result().Shape().NumElements().Is(0)
	t.give(0, func() *ir.Value {
		if empty {
			return t.full(t.x(0), 0)
		}
		return t.transpose(t.operandOf(d, w, x, win, a.Groups), last...)
	})
	t.give(1, func() *ir.Value {
		if empty {
			return t.full(t.x(1), 0)
		}
		return t.transpose(t.kernelOf(x, d, w, win, a.Groups), last...)
	})
	t.give(2, func() *ir.Value {
		return t.sum(d, append([]int64{0}, ir.Axes(2, d.Rank())...), false)
	})
}

// operandOf is the cotangent of x: a product where windows do not overlap, a convolution for each phase of the strides, or one of d with
// zeros between its elements.
func (t *tape) operandOf(d, w, x *ir.Value, win window, groups int64) *ir.Value {
	switch {
	case groups == 1 && win.apart():
		return t.tiles(d, w, x, win)
	case win.phased():
		return t.phases(d, w, x, win, groups)
	}
	return t.spreadConv(d, t.turned(w, groups), x, win, groups)
}

// kernelOf is the cotangent of w, in the form that costs least: a convolution by d has as many multiplications as the forward one, but
// libraries run a dilated one, which strides make of it, and one of single channels, without a matrix product.
func (t *tape) kernelOf(x, d, w *ir.Value, win window, groups int64) *ir.Value {
	each, known := w.Shape()[0].ExactDiv(ir.Size(groups))
	switch {
	case groups == 1 && slices.Max(win.strides) == 1:
		return t.kernelConv(x, d, w, win)
	case known && each.Is(1) && w.Shape()[1].Is(1) && win.places() <= maxShifts:
		return t.shifts(x, d, w, win)
	}
	return t.columns(x, d, w, win, groups)
}

// layout are the permutations that bring the operand to channels first and back.
func (t *tape) layout(nhwc bool) (first, last []int64) {
	rank := t.x(0).Rank()
	first = ir.Axes(0, rank)
	if nhwc {
		first = slices.Concat([]int64{0, int64(rank - 1)}, ir.Axes(1, rank-1))
	}
	return first, inverse(first)
}

// spreadConv is the transposed convolution that gives the cotangent of x: every element of d adds w to the places under its window.
func (t *tape) spreadConv(d, w, x *ir.Value, win window, groups int64) *ir.Value {
	n := win.axes()
	a := &ir.ConvAttrs{Strides: slices.Repeat([]int64{1}, n), Pads: make([]int64, 2*n), Dilations: win.dilations, Groups: groups}
	for i := range n {
		axis := int64(2 + i)
		if d = t.spaced(d, axis, win.strides[i]); t.b.Err() != nil {
			return d
		}
		reach := (win.kernel[i] - 1) * win.dilations[i]
		begin := reach - win.pads[i]
		end := x.Shape()[axis].Add(ir.Size(reach - begin)).Sub(d.Shape()[axis])
		if e, known := end.Value(); known && e >= 0 && begin >= 0 {
			a.Pads[i], a.Pads[n+i] = begin, e
			continue
		}
		d = t.padded(d, axis, ir.Size(begin), end)
	}
	return t.fit(t.b.Op(ir.Conv, a, d, w, nil), x)
}

// turned is the weight [O, C/g, …] as that of the transposed convolution, [C, O/g, …], its kernels turned round.
func (t *tape) turned(w *ir.Value, groups int64) *ir.Value {
	s := w.Shape()
	each := s[0].FloorDiv(ir.Size(groups))
	for i, k := range s[2:] {
		if !k.Is(1) {
			w = t.reversed(w, int64(2+i))
		}
	}
	if groups == 1 {
		return t.transpose(w, append([]int64{1, 0}, ir.Axes(2, len(s))...)...)
	}
	w = t.reshape(w, t.b.Dims(append([]ir.Dim{ir.Size(groups), each}, s[1:]...)...))
	w = t.transpose(w, append([]int64{0, 2, 1}, ir.Axes(3, len(s)+1)...)...)
	return t.reshape(w, t.b.Dims(append([]ir.Dim{s[1].Mul(ir.Size(groups)), each}, s[2:]...)...))
}

// kernelConv is the convolution of x with d, channels in the place of the batch, that gives the cotangent of w: of strides of 1 in one group.
func (t *tape) kernelConv(x, d, w *ir.Value, win window) *ir.Value {
	swapped := append([]int64{1, 0}, ir.Axes(2, x.Rank())...)
	a := &ir.ConvAttrs{Strides: win.dilations, Pads: win.pads, Dilations: win.strides, Groups: 1}
	k := t.b.Op(ir.Conv, a, t.transpose(x, swapped...), t.transpose(d, swapped...), nil)
	return t.fit(t.transpose(k, swapped...), w)
}

// gradMaxPool: to the element that won, by the indices; of equal ones the first in the window.
func gradMaxPool(t *tape) {
	a, x := t.op.Attrs.(*ir.PoolAttrs), t.x(0)
	t.give(0, func() *ir.Value {
		zeros := t.full(t.flat(x), 0)
		sum := t.b.Op(ir.ScatterElements, &ir.ScatterAttrs{Reduction: "add"}, zeros, t.flat(t.op.Results[1]), t.flat(t.d(0)))
		first, _ := t.layout(a.NHWC)
		if a.ColumnMajor {
			slices.Reverse(first[2:])
		}
		shape := make([]ir.Dim, len(first))
		for i, p := range first {
			shape[i] = x.Shape()[p]
		}
		return t.transpose(t.reshape(sum, t.b.Dims(shape...)), inverse(first)...)
	})
}

// gradAveragePool: each element of d, divided by the elements that its window counts, is added to the places under the window: a
// transposed convolution with a kernel of ones, for each channel.
func gradAveragePool(t *tape) {
	a := t.op.Attrs.(*ir.PoolAttrs)
	first, last := t.layout(a.NHWC)
	t.give(0, func() *ir.Value {
		x, d := t.transpose(t.x(0), first...), t.transpose(t.d(0), first...)
		if t.b.Err() != nil || d.Shape().NumElements().Is(0) {
			return t.full(t.x(0), 0)
		}
		kernel := ir.StaticShape(append([]int64{1, 1}, a.Kernel...)...)
		ones := t.expand(t.numberLike(d, 1), t.b.Dims(kernel...))
		win := window{a.Kernel, a.Strides, a.Pads, a.Dilations}
		planes := func(v *ir.Value) *ir.Value {
			s := v.Shape()
			return t.reshape(v, t.b.Dims(append([]ir.Dim{s[0].Mul(s[1]), ir.Size(1)}, s[2:]...)...))
		}
		share := t.b.Div(d, t.counted(x, d, ones, win, a))
		return t.transpose(t.fit(t.spreadConv(planes(share), ones, planes(x), win, 1), x), last...)
	})
}

// counted is how many elements each window of an average counts: a convolution of ones with ones.
func (t *tape) counted(x, d, ones *ir.Value, win window, a *ir.PoolAttrs) *ir.Value {
	n := win.axes()
	if !a.CeilMode && (a.CountIncludePad || slices.Max(a.Pads) == 0) {
		total := int64(1)
		for _, k := range a.Kernel {
			total *= k
		}
		return t.numberLike(d, float64(total))
	}
	shape := append([]ir.Dim{ir.Size(1), ir.Size(1)}, x.Shape()[2:]...)
	begins := slices.Clone(win.pads[:n])
	if a.CountIncludePad {
		for i := range n {
			shape[2+i] = shape[2+i].Add(ir.Size(win.pads[i] + win.pads[n+i]))
			begins[i] = 0
		}
	}
	counts := t.expand(t.numberLike(d, 1), t.b.Dims(shape...))
	for i := range n {
		reach := (win.kernel[i]-1)*win.dilations[i] + 1
		need := d.Shape()[2+i].Sub(ir.Size(1)).Mul(ir.Size(win.strides[i])).Add(ir.Size(reach))
		counts = t.padded(counts, int64(2+i), ir.Size(begins[i]), need.Sub(shape[2+i]).Sub(ir.Size(begins[i])))
	}
	c := &ir.ConvAttrs{Strides: win.strides, Pads: make([]int64, 2*n), Dilations: win.dilations, Groups: 1}
	return t.b.Op(ir.Conv, c, counts, ones, nil)
}
