package mlx

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
)

var inf = math.Inf(1)

// maxGroups bounds the calls that a grouped convolution over 3 axes becomes.
const maxGroups = 256

// lowerConv: mx.conv_general, channels last and weights O…I. The transposes of what comes in and goes out cancel between
// neighbours; weights that are constant are laid out once, in the setup program.
func lowerConv(l *lowering, op *ir.Op) {
	a, x, w, y := op.Attrs.(*ir.ConvAttrs), op.Args[0], op.Args[1], op.Result()
	if slices.ContainsFunc(y.Shape(), func(d ir.Dim) bool { return d.Is(0) }) { // MLX refuses weights that do not fit
		l.set(op, l.b.Call(Zeros, y.Shape(), y.DType()))
		return
	}
	at, n := channelsLast, x.Rank()-2
	input, weight := l.reg, l.reg
	if a.NHWC {
		at = channelsFirst // the ir's order is MLX's
	} else {
		input, weight = l.last, l.weight
	}
	r, shape := input(x), permuted([]ir.Dim(x.Shape()), at)
	conv := func(r, w Reg, groups int64) Reg {
		ones := slices.Repeat([]int64{1}, n)
		return l.b.Call(ConvGeneral, r, w, a.Strides, a.Pads[:n], a.Pads[n:], a.Dilations, ones, groups, false)
	}
	out, bias := permuted([]ir.Dim(y.Shape()), at), Absent
	if b := op.Arg(2); b != nil {
		bias = l.reg(b)
	}
	switch {
	case n > 3 || n == 3 && a.Groups > maxGroups || x.DType() == ir.F64: // MLX has float64 in some forms only
		r = l.unfolded(a, x.DType(), r, weight(w), shape, permuted([]ir.Dim(w.Shape()), at), out)
	case l.isPointwise(a, w, at):
		l.place(y, at, l.pointwise(r, bias, weight(w), permuted([]ir.Dim(w.Shape()), at)))
		return
	case n == 3 && a.Groups > 1:
		r = l.grouped(r, weight(w), n+1, int(a.Groups), out[n+1], shape[n+1], conv)
	default:
		r = conv(r, weight(w), a.Groups)
	}
	if bias != Absent {
		r = l.b.Call(Add, r, bias)
	}
	l.place(y, at, r)
}

// isPointwise reports whether the convolution is a product of each place's channels with a matrix. On the CPU, MLX copies
// what it convolves first, which takes up to four times as long as that product.
func (l *lowering) isPointwise(a *ir.ConvAttrs, w *ir.Value, at layout) bool {
	spatial := permuted([]ir.Dim(w.Shape()), at)
	spatial = spatial[1 : len(spatial)-1]
	return l.opts.Device != GPU && a.Groups == 1 &&
		!slices.ContainsFunc(spatial, func(d ir.Dim) bool { return !d.Is(1) }) &&
		!slices.ContainsFunc(a.Strides, func(s int64) bool { return s != 1 }) &&
		!slices.ContainsFunc(a.Pads, func(p int64) bool { return p != 0 })
}

// pointwise is r[…, I] × w[O, 1…, I] + bias, which may be Absent.
func (l *lowering) pointwise(r, bias, w Reg, shape []ir.Dim) Reg {
	w = l.b.Call(Transpose, l.b.Call(Reshape, w, []ir.Dim{shape[0], shape[len(shape)-1]}), []int{1, 0})
	if bias == Absent {
		return l.b.Call(MatMul, r, w)
	}
	return l.b.Call(AddMM, bias, r, w, 1.0, 1.0)
}

// weight is w as O…I, contiguous.
func (l *lowering) weight(w *ir.Value) Reg {
	h := l.homes[w]
	if h == nil || h.regs[channelsLast] == Absent {
		l.place(w, channelsLast, l.b.Call(Contiguous, l.b.Call(Transpose, l.reg(w), toLast(w.Rank()))))
	}
	return l.homes[w].regs[channelsLast]
}

// grouped convolves each group for itself: MLX has no groups in three dimensions.
func (l *lowering) grouped(r, w Reg, axis, groups int, features, channels ir.Dim, conv func(r, w Reg, groups int64) Reg) Reg {
	at := func(n ir.Dim) []ir.Dim {
		out := make([]ir.Dim, groups-1)
		for i := range out {
			out[i] = n.FloorDiv(ir.Size(int64(groups))).Mul(ir.Size(int64(i + 1)))
		}
		return out
	}
	xs := l.b.CallN(Split, groups, r, at(channels), axis)
	ws := l.b.CallN(Split, groups, w, at(features), 0)
	out := make([]Reg, groups)
	for i := range out {
		out[i] = conv(xs[i], ws[i], 1)
	}
	return l.b.Call(Concatenate, out, axis)
}

// unfolded convolves by a matrix product: each row has a window of a group, [groups, windows, kernel·channels], strided over the
// padded operand. Channels are last in all shapes.
func (l *lowering) unfolded(a *ir.ConvAttrs, d ir.DType, r, w Reg, shape, weight, out []ir.Dim) Reg {
	n, groups := len(shape)-2, ir.Size(a.Groups)
	low, high := make([]ir.Dim, n+2), make([]ir.Dim, n+2)
	for i := range n {
		low[1+i], high[1+i] = ir.Size(a.Pads[i]), ir.Size(a.Pads[n+i])
	}
	r = l.pad(r, d, low, high, Absent)
	steps := rowMajor(sumDims(shape, sumDims(low, high)))
	channels, features := weight[n+1], weight[0].FloorDiv(groups)
	windows, strides := []ir.Dim{groups, out[0]}, []ir.Dim{channels, steps[0]}
	for i := range n {
		windows, strides = append(windows, out[1+i]), append(strides, steps[1+i].Mul(ir.Size(a.Strides[i])))
	}
	for i := range n {
		windows, strides = append(windows, weight[1+i]), append(strides, steps[1+i].Mul(ir.Size(a.Dilations[i])))
	}
	r = l.b.Call(AsStrided, r, append(windows, channels), append(strides, ir.Size(1)), 0)
	terms, places := ir.Shape(weight[1:]).NumElements(), ir.Shape(out[:n+1]).NumElements()
	r = l.b.Call(Reshape, r, []ir.Dim{groups, places, terms})
	w = l.b.Call(Transpose, l.b.Call(Reshape, w, []ir.Dim{groups, features, terms}), []int{0, 2, 1})
	return l.b.Call(Reshape, l.b.Call(Transpose, l.b.Call(MatMul, r, w), []int{1, 0, 2}), out)
}

// rowMajor are the strides of a contiguous array.
func rowMajor(shape []ir.Dim) []ir.Dim {
	out, step := make([]ir.Dim, len(shape)), ir.Size(1)
	for i := len(shape) - 1; i >= 0; i-- {
		out[i], step = step, step.Mul(shape[i])
	}
	return out
}

// pooling is a window that slides over the spatial axes of an operand, in the layout that it has.
type pooling struct {
	*ir.PoolAttrs
	r     Reg
	at    layout   // of the result
	first int      // spatial axis
	shape []ir.Dim // of r
	out   []ir.Dim // sizes of the result on the spatial axes
}

// newPooling takes op's operand with channels last where it is so.
func (l *lowering) newPooling(op *ir.Op) *pooling {
	x := op.Args[0]
	p := &pooling{PoolAttrs: op.Attrs.(*ir.PoolAttrs), first: 2}
	h := l.homes[x]
	switch {
	case p.NHWC:
		p.first, p.r = 1, l.reg(x)
	case h != nil && h.regs[channelsFirst] == Absent:
		p.first, p.r, p.at = 1, l.last(x), channelsLast
	default:
		p.r = l.reg(x)
	}
	p.shape = slices.Clone(permuted([]ir.Dim(x.Shape()), p.at))
	p.out = permuted([]ir.Dim(op.Result().Shape()), p.at)[p.first:][:len(p.Kernel)]
	return p
}

// margins are the paddings of every axis; beyond is what windows overhang the padding at the end by, in ceil mode.
func (p *pooling) margins() (low, high, beyond []ir.Dim) {
	n, rank := len(p.Kernel), len(p.shape)
	low, high, beyond = make([]ir.Dim, rank), make([]ir.Dim, rank), make([]ir.Dim, rank)
	for i := range n {
		k := p.first + i
		low[k], high[k] = ir.Size(p.Pads[i]), ir.Size(p.Pads[n+i])
		if p.CeilMode {
			need := p.out[i].Sub(ir.Size(1)).Mul(ir.Size(p.Strides[i])).Add(ir.Size((p.Kernel[i]-1)*p.Dilations[i] + 1))
			beyond[k] = need.Sub(p.shape[k].Add(low[k]).Add(high[k])).Max(ir.Size(0))
		}
	}
	return low, high, beyond
}

func sumDims(a, b []ir.Dim) []ir.Dim {
	out := make([]ir.Dim, len(a))
	for i := range a {
		out[i] = a[i].Add(b[i])
	}
	return out
}

// combiner is how the elements of a window become one: two by two, or along an axis.
type combiner struct{ pair, along CallID }

var (
	maxima = combiner{Maximum, Max}
	sums   = combiner{Add, Sum}
)

// manySlices is the length from which a window is gathered, not sliced.
const manySlices = 32

// slide combines windows axis by axis: maxima and sums are separable. size is what r has on every axis.
func (l *lowering) slide(p *pooling, r Reg, size []ir.Dim, c combiner) Reg {
	size = slices.Clone(size)
	for i, k := range p.Kernel {
		axis, stride, dilation := p.first+i, p.Strides[i], p.Dilations[i]
		switch {
		case k == 1 && stride == 1:
		case p.out[i].Is(1) && size[axis].Is(k) && dilation == 1:
			r = l.b.Call(c.along, r, []int{axis}, true)
		case k > manySlices:
			r = l.gathered(r, axis, p.out[i], k, stride, dilation, c)
		default:
			acc := Absent
			for j := range k {
				s := l.windowSlice(p, r, size, i, j)
				if acc != Absent {
					s = l.b.Call(c.pair, acc, s)
				}
				acc = s
			}
			r = acc
		}
		size[axis] = p.out[i]
	}
	return r
}

// windowSlice is the element j on spatial axis i of every window.
func (l *lowering) windowSlice(p *pooling, r Reg, size []ir.Dim, i int, j int64) Reg {
	s := wholeSlice(size)
	p.narrow(&s, i, j)
	return l.slice(r, s)
}

func (p *pooling) narrow(s *slicing, i int, j int64) {
	axis, at := p.first+i, ir.Size(j*p.Dilations[i])
	last := p.out[i].Sub(ir.Size(1)).Mul(ir.Size(p.Strides[i]))
	s.start[axis], s.stop[axis], s.step[axis] = at, last.Add(at).Add(ir.Size(1)).Max(ir.Size(0)), p.Strides[i]
}

// gathered takes the windows along an axis by their indices, [out, k], and reduces them.
func (l *lowering) gathered(r Reg, axis int, out ir.Dim, k, stride, dilation int64, c combiner) Reg {
	starts := l.b.Call(Arange, 0, out.Mul(ir.Size(stride)), stride, ir.I64)
	offsets := l.b.Call(Arange, 0, k*dilation, dilation, ir.I64)
	index := l.b.Call(Add, l.b.Call(ExpandDims, starts, []int{1}), offsets)
	return l.b.Call(c.along, l.b.Call(Take, r, index, axis), []int{axis + 1}, false)
}

// lowerMaxPool: MLX has no pooling; a maximum of slices is what mlx.nn.MaxPool2d comes down to.
func lowerMaxPool(l *lowering, op *ir.Op) {
	p, d := l.newPooling(op), op.Result().DType()
	low, high, beyond := p.margins()
	high = sumDims(high, beyond)
	padded := l.pad(p.r, d, low, high, l.extreme(d, false))
	size := sumDims(p.shape, sumDims(low, high))
	l.place(op.Results[0], p.at, l.slide(p, padded, size, maxima))
	if len(op.Results) > 1 && len(op.Results[1].Uses()) > 0 {
		l.place(op.Results[1], p.at, l.maxIndices(p, op.Args[0], padded, size, low, high))
	}
}

// maxIndices gives, for every window, the place of its first maximum in x flattened: all elements of the windows are stacked,
// and so are their places.
func (l *lowering) maxIndices(p *pooling, x *ir.Value, padded Reg, size, low, high []ir.Dim) Reg {
	places := l.pad(l.places(p, x), ir.I64, low, high, l.b.Int(ir.I64, -1))
	winner := l.b.Call(ArgMax, l.stacked(p, padded, size), 0, true)
	r := l.b.Call(TakeAlongAxis, l.stacked(p, places, size), winner, 0)
	return l.b.Call(Squeeze, r, []int{0})
}

// places numbers the elements of x, channels first whatever its layout; column-major turns the spatial axes round.
func (l *lowering) places(p *pooling, x *ir.Value) Reg {
	n := len(p.Kernel)
	shape := []ir.Dim(x.Shape())
	if p.NHWC {
		shape = append([]ir.Dim{shape[0], shape[n+1]}, shape[1:n+1]...)
	}
	perm := []int64{0, 1}
	for i := range n {
		perm = append(perm, int64(2+i))
	}
	if p.ColumnMajor {
		slices.Reverse(perm[2:])
	}
	from := make([]ir.Dim, len(shape))
	for i, k := range perm {
		from[i] = shape[k]
	}
	r := l.b.Call(Arange, 0, ir.Shape(shape).NumElements(), 1, ir.I64)
	r = l.transpose(l.b.Call(Reshape, r, from), perm) // reversing is its own inverse
	if p.first == 1 {
		r = l.b.Call(Transpose, r, toLast(len(shape)))
	}
	return r
}

// stacked is the elements of all windows, on a new first axis in row-major order of the kernel.
func (l *lowering) stacked(p *pooling, r Reg, size []ir.Dim) Reg {
	var list []Reg
	var visit func(s slicing, i int)
	visit = func(s slicing, i int) {
		if i == len(p.Kernel) {
			list = append(list, l.slice(r, s))
			return
		}
		for j := range p.Kernel[i] {
			t := slicing{slices.Clone(s.start), slices.Clone(s.stop), slices.Clone(s.step)}
			p.narrow(&t, i, j)
			visit(t, i+1)
		}
	}
	visit(wholeSlice(size), 0)
	return l.b.Call(Stack, list, 0)
}

// maxWindow is the number of kernel positions whose places max_pool follows.
const maxWindow = 1024

// limitMaxPool: places are found by stacking the windows.
func limitMaxPool(op *ir.Op, _ Options) string {
	n := int64(1)
	for _, k := range op.Attrs.(*ir.PoolAttrs).Kernel {
		if n *= k; k > maxWindow || n > maxWindow {
			if len(op.Results) > 1 && len(op.Results[1].Uses()) > 0 {
				return "indices of a kernel this large"
			}
			return ""
		}
	}
	return ""
}

// lowerAveragePool: the sum of slices over the number of elements that count.
func lowerAveragePool(l *lowering, op *ir.Op) {
	p, d := l.newPooling(op), op.Result().DType()
	low, high, beyond := p.margins()
	all := sumDims(high, beyond)
	size := sumDims(p.shape, sumDims(low, all))
	r := l.inFloat32(p.r, d, func(r Reg, d ir.DType) Reg {
		sum := l.slide(p, l.pad(r, d, low, all, Absent), size, sums)
		volume := ir.Shape(kernelDims(p.Kernel)).NumElements()
		n, _ := volume.Value()
		if zeros(beyond) && (p.CountIncludePad || zeros(low) && zeros(high)) {
			return l.b.Call(Multiply, sum, l.b.Scalar(d, 1/float64(n)))
		}
		return l.b.Call(Divide, sum, l.windowCounts(p, d, low, high, beyond))
	})
	l.place(op.Result(), p.at, r)
}

func kernelDims(kernel []int64) []ir.Dim {
	out := make([]ir.Dim, len(kernel))
	for i, k := range kernel {
		out[i] = ir.Size(k)
	}
	return out
}

// windowCounts is how many elements count in every window: the window slides over ones, of the operand alone or with its
// padding. With sizes that are known it is made in the setup program.
func (l *lowering) windowCounts(p *pooling, d ir.DType, low, high, beyond []ir.Dim) Reg {
	one := slices.Repeat([]ir.Dim{ir.Size(1)}, len(p.shape))
	for i := range p.Kernel {
		one[p.first+i] = p.shape[p.first+i]
	}
	if p.CountIncludePad {
		one = sumDims(one, sumDims(low, high))
		low, high = make([]ir.Dim, len(one)), make([]ir.Dim, len(one))
	}
	after := sumDims(high, beyond)
	r := l.pad(l.b.Call(Ones, one, d), d, low, after, Absent)
	return l.slide(p, r, sumDims(one, sumDims(low, after)), sums)
}
