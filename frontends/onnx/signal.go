package onnx

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
)

var signalRows = []row{
	{"", "DFT", since(17, 20), importDFT},
	{"", "STFT", since(17), importSTFT},
	{"", "HannWindow", since(17), cosineWindow(0.5, 0.5, 0)},
	{"", "HammingWindow", since(17), cosineWindow(25./46, 21./46, 0)},
	{"", "BlackmanWindow", since(17), cosineWindow(0.42, 0.5, 0.08)},
	{"", "MelWeightMatrix", since(17), importMelWeightMatrix},
}

// signal is complex numbers; im is nil where they are real.
type signal struct{ re, im *ir.Value }

// each does f to both parts.
func (s signal) each(f func(*ir.Value) *ir.Value) signal {
	if s.im == nil {
		return signal{re: f(s.re)}
	}
	return signal{f(s.re), f(s.im)}
}

// times is the product with a complex matrix, by op: a matrix product, or element by element.
func (s signal) times(n *Node, op ir.Kind, re, im *ir.Value) signal {
	by := func(x, m *ir.Value) *ir.Value { return n.op(op, nil, x, m) }
	if s.im == nil {
		return signal{by(s.re, re), by(s.re, im)}
	}
	return signal{n.op(ir.Sub, nil, by(s.re, re), by(s.im, im)), n.op(ir.Add, nil, by(s.re, im), by(s.im, re))}
}

// signalOf takes complex numbers from their last axis, of size 1 or 2. Half floats become f32.
func (n *Node) signalOf(x *ir.Value) signal {
	last := x.Rank() - 1
	if parts, ok := size(x, last).Value(); !ok || last < 1 || parts < 1 || parts > 2 {
		n.fail(Invalid, "give [batch, …, 1] or [batch, …, 2]", "signal of %s", x.Type)
	}
	if !n.ok() {
		return signal{re: x}
	}
	x = n.cast(x, wideFloat(x.DType()))
	if size(x, last).Is(1) {
		return signal{re: n.squeeze(x, int64(last))}
	}
	parts := n.b.Ops(ir.Split, &ir.SplitAttrs{Axis: int64(last), Sizes: []ir.Dim{ir.Size(1), ir.Size(1)}}, nil, x)
	if !n.ok() {
		return signal{re: x}
	}
	return signal{n.squeeze(parts[0], int64(last)), n.squeeze(parts[1], int64(last))}
}

// wideFloat is what is computed in for results of d.
func wideFloat(d ir.DType) ir.DType {
	if d == ir.F64 {
		return d
	}
	return ir.F32
}

// pairs is a signal with its parts on a last axis, as d.
func (n *Node) pairs(s signal, d ir.DType) *ir.Value {
	if !n.ok() {
		return s.re
	}
	axis := int64(s.re.Rank())
	x := n.unsqueeze(s.re, axis)
	if s.im != nil {
		x = n.op(ir.Concat, &ir.AxisAttrs{Axis: axis}, x, n.unsqueeze(s.im, axis))
	}
	return n.cast(x, d)
}

// importDFT: with onesided, real signals to the first half of their spectrum and back.
func importDFT(n *Node) []*ir.Value {
	x := n.in[0]
	axis := n.dftAxis(x.Rank())
	inverse, onesided := n.Int("inverse", 0) != 0, n.Int("onesided", 0) != 0
	s := n.signalOf(x)
	if !n.ok() {
		return nil
	}
	length := size(x, int(axis))
	if inverse && onesided {
		length = ir.Size(2).Mul(length.Sub(ir.Size(1)))
	}
	length = n.givenSize(n.arg(1), "dft_length", length)
	used := length
	if inverse && onesided {
		used = half(length)
	}
	if !n.ok() {
		return nil
	}
	s = s.each(func(v *ir.Value) *ir.Value { return n.swapLast(n.resized(v, axis, used), axis) })
	if inverse && onesided {
		s = n.mirrored(s, length)
	}
	if s.im != nil && !onesided {
		s = n.complexFourier(s, length, inverse)
	} else {
		s = n.fourier(s, length, inverse)
	}
	if inverse {
		s = n.divided(s, length)
	}
	if onesided {
		s = n.oneSide(s, length, inverse)
	}
	s = s.each(func(v *ir.Value) *ir.Value { return n.swapLast(v, axis) })
	return one(n.pairs(s, x.DType()))
}

// dftAxis is an attribute, and since version 20 an operand. It is not the axis of real and imaginary parts.
func (n *Node) dftAxis(rank int) int64 {
	axis := int64(1)
	switch v := n.arg(2); {
	case n.since < 20:
		axis = n.Int("axis", 1)
	case v == nil:
		axis = -2
	default:
		if list := n.ints(v, "the axis"); len(list) == 1 {
			axis = list[0]
		}
	}
	axis = n.normalAxis(axis, rank)
	if n.ok() && axis == int64(rank-1) {
		n.fail(Invalid, "give an axis of the signal", "axis %d is that of the real and imaginary parts", axis)
	}
	return axis
}

// givenSize is the value of a scalar operand, def where it is absent.
func (n *Node) givenSize(v *ir.Value, what string, def ir.Dim) ir.Dim {
	if v == nil {
		return n.atLeastOne(def, what)
	}
	list := n.dims(n.scalar(v), what)
	if len(list) != 1 {
		return def
	}
	return n.atLeastOne(list[0], what)
}

// maxTransform bounds the factors of a transform, which are made when the model is imported.
const maxTransform = 1 << 20

func (n *Node) atLeastOne(d ir.Dim, what string) ir.Dim {
	if k, ok := d.Value(); ok && (k < 1 || k > maxTransform) {
		n.fail(Invalid, "give 1 to 1048576", "%s is %d", what, k)
	}
	return d
}

// half is how many elements of the spectrum of a real signal differ.
func half(length ir.Dim) ir.Dim { return length.FloorDiv(ir.Size(2)).Add(ir.Size(1)) }

// resized pads an axis with zeros, or cuts it, to a size.
func (n *Node) resized(x *ir.Value, axis int64, d ir.Dim) *ir.Value {
	if n.b.Region().SameDim(size(x, int(axis)), d) {
		return x
	}
	pads := n.b.Dims(ir.Size(0), d.Sub(size(x, int(axis))))
	return n.op(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: []int64{axis}}, x, pads, nil)
}

// swapLast exchanges an axis with the last one.
func (n *Node) swapLast(x *ir.Value, axis int64) *ir.Value {
	last := int64(x.Rank() - 1)
	if axis == last || !n.ok() {
		return x
	}
	perm := allAxes(x)
	perm[axis], perm[last] = last, axis
	return n.transpose(x, perm...)
}

// mirrored is the whole spectrum of a real signal, from its first half.
func (n *Node) mirrored(s signal, length ir.Dim) signal {
	rest := length.Sub(half(length))
	whole := func(x *ir.Value, sign ir.Kind) *ir.Value {
		axis := int64(x.Rank() - 1)
		tail := n.slice(x, n.b.Dims(rest), n.b.Ints(0), []int64{axis}, []int64{-1})
		if sign == ir.Neg {
			tail = n.op(ir.Neg, nil, tail)
		}
		return n.op(ir.Concat, &ir.AxisAttrs{Axis: axis}, x, tail)
	}
	if s.im == nil {
		return signal{re: whole(s.re, ir.NoKind)}
	}
	return signal{whole(s.re, ir.NoKind), whole(s.im, ir.Neg)}
}

// oneSide is the first half of a spectrum, or the real signal that the whole one was of.
func (n *Node) oneSide(s signal, length ir.Dim, inverse bool) signal {
	if inverse {
		return signal{re: s.re}
	}
	return s.each(func(v *ir.Value) *ir.Value { return n.resized(v, int64(v.Rank()-1), half(length)) })
}

func (n *Node) divided(s signal, length ir.Dim) signal {
	d := s.re.DType()
	by := n.cast(n.dim(length), d)
	return s.each(func(v *ir.Value) *ir.Value { return n.op(ir.Div, nil, v, by) })
}

// direct is the length up to which a transform is one product with a matrix. That of a prime length may have more, but a
// long one is a convolution.
const (
	direct      = 64
	directPrime = 512
)

// fourier is the sum over k of x[…, k] e^(∓2πi j k / length). A length a × b is done as a transforms and b ones, of the
// columns and the rows of a matrix.
func (n *Node) fourier(s signal, length ir.Dim, inverse bool) signal {
	if !n.ok() {
		return s
	}
	size, known := length.Value()
	a := int64(1)
	if known && size > direct {
		a = divisor(size)
	}
	if a == 1 && known && size > directPrime {
		return n.chirped(s, size, inverse)
	}
	if a == 1 {
		re, im := n.roots(length, length, length, inverse, s.re.DType())
		return s.times(n, ir.MatMul, re, im)
	}
	b := size / a
	dims := s.re.Shape()[:s.re.Rank()-1]
	rank := int64(len(dims))
	turned := func(v *ir.Value) *ir.Value { return n.swapLast(v, rank) }
	s = s.each(func(v *ir.Value) *ir.Value {
		return turned(n.reshape(v, append(slices.Clone(dims), ir.Size(a), ir.Size(b))...))
	})
	s = n.fourier(s, ir.Size(a), inverse)
	re, im := n.roots(ir.Size(b), ir.Size(a), length, inverse, s.re.DType())
	s = s.times(n, ir.Mul, re, im).each(turned)
	s = n.fourier(s, ir.Size(b), inverse).each(turned)
	return s.each(func(v *ir.Value) *ir.Value { return n.reshape(v, append(slices.Clone(dims), length)...) })
}

// divisor is the greatest one up to the root of k.
func divisor(k int64) int64 {
	for a := int64(math.Sqrt(float64(k))); a > 1; a-- {
		if k%a == 0 {
			return a
		}
	}
	return 1
}

// chirped is fourier as a convolution (Bluestein): with w[k] = e^(∓πi k² / length) it is w × ((x × w) ∗ 1/w), and the convolution a
// product of spectra of a power of two.
func (n *Node) chirped(s signal, length int64, inverse bool) signal {
	sign, m := -1., int64(1)
	if inverse {
		sign = 1
	}
	for m < 2*length-1 {
		m *= 2
	}
	cos, sin := make([]float64, length), make([]float64, length)
	aroundCos, aroundSin := make([]float64, m), make([]float64, m)
	for k := range length {
		cos[k], sin[k] = root(k*k%(2*length), 2*length, sign)
		for _, at := range []int64{k, (m - k) % m} {
			aroundCos[at], aroundSin[at] = cos[k], -sin[k]
		}
	}
	d, all := s.re.DType(), ir.Size(m)
	constant := func(list []float64) *ir.Value { return n.floats(list, []int{len(list)}, d) }
	re, im := constant(cos), constant(sin)
	sized := func(to ir.Dim) func(*ir.Value) *ir.Value {
		return func(v *ir.Value) *ir.Value { return n.resized(v, int64(v.Rank()-1), to) }
	}
	around := n.fourier(signal{constant(aroundCos), constant(aroundSin)}, all, false)
	s = n.fourier(s.times(n, ir.Mul, re, im).each(sized(all)), all, false)
	s = n.divided(n.fourier(s.times(n, ir.Mul, around.re, around.im), all, true), all)
	return s.each(sized(ir.Size(length))).times(n, ir.Mul, re, im)
}

// roots are e^(∓2πi r c / length) for rows r and columns c.
func (n *Node) roots(rows, columns, length ir.Dim, inverse bool, d ir.DType) (re, im *ir.Value) {
	sign := -1.
	if inverse {
		sign = 1
	}
	r, okR := rows.Value()
	c, okC := columns.Value()
	k, ok := length.Value()
	if okR && okC && ok {
		return n.knownRoots(r, c, k, sign, d)
	}
	turns := n.op(ir.Mul, nil, n.unsqueeze(n.count(n.dim(rows)), 1), n.count(n.dim(columns)))
	turns = n.op(ir.Mod, &ir.ModAttrs{}, turns, n.dim(length)) // exact, where the angle would lose digits
	angle := n.op(ir.Div, nil, n.op(ir.Mul, nil, n.cast(turns, d), n.number(d, 2*math.Pi)), n.cast(n.dim(length), d))
	return n.op(ir.Cos, nil, angle), n.op(ir.Mul, nil, n.op(ir.Sin, nil, angle), n.number(d, sign))
}

func (n *Node) knownRoots(rows, columns, length int64, sign float64, d ir.DType) (re, im *ir.Value) {
	cos, sin := make([]float64, rows*columns), make([]float64, rows*columns)
	for r := range rows {
		for c := range columns {
			cos[r*columns+c], sin[r*columns+c] = root(r*c%length, length, sign)
		}
	}
	shape := []int{int(rows), int(columns)}
	return n.floats(cos, shape, d), n.floats(sin, shape, d)
}

// root is e^(±2πi k / length), whose zeros are exact.
func root(k, length int64, sign float64) (cos, sin float64) {
	if quarters := 4 * k; quarters%length == 0 {
		q := quarters / length
		return []float64{1, 0, -1, 0}[q], sign * []float64{0, 1, 0, -1}[q]
	}
	sin, cos = math.Sincos(2 * math.Pi * float64(k) / float64(length))
	return cos, sign * sin
}

// floats is a constant of f32 or f64.
func (n *Node) floats(list []float64, shape []int, d ir.DType) *ir.Value {
	if d == ir.F64 {
		return n.b.Const(ir.TensorFrom(list, shape...))
	}
	short := make([]float32, len(list))
	for i, x := range list {
		short[i] = float32(x)
	}
	return n.b.Const(ir.TensorFrom(short, shape...))
}

// maxButterfly is the greatest odd factor of lengths that are done by butterflies.
const maxButterfly = 7

// complexFourier is fourier of complex numbers. Short lengths are done by butterflies, of radix 2 and then an odd one: as in FFT
// libraries every step rounds, and what cancels leaves what it leaves there.
func (n *Node) complexFourier(s signal, length ir.Dim, inverse bool) signal {
	k, ok := length.Value()
	odd := k
	for odd > 0 && odd%2 == 0 {
		odd /= 2
	}
	if !ok || !n.ok() || k > direct || odd > maxButterfly {
		return n.fourier(s, length, inverse)
	}
	return n.butterflies(s, k, inverse)
}

// butterflies: the sums of the halves give the even results, their differences, turned, the odd ones.
func (n *Node) butterflies(s signal, length int64, inverse bool) signal {
	if length%2 != 0 || !n.ok() {
		return n.oddButterfly(s, length, inverse)
	}
	axis, h := int64(s.re.Rank()-1), ir.Size(length/2)
	dims := s.re.Shape()[:axis]
	s = s.each(func(v *ir.Value) *ir.Value {
		parts := n.b.Ops(ir.Split, &ir.SplitAttrs{Axis: axis, Sizes: []ir.Dim{h, h}}, nil, v)
		if !n.ok() {
			return v
		}
		sum, diff := n.op(ir.Add, nil, parts[0], parts[1]), n.op(ir.Sub, nil, parts[0], parts[1])
		return n.op(ir.Concat, &ir.AxisAttrs{Axis: axis}, n.unsqueeze(sum, axis), n.unsqueeze(diff, axis))
	})
	re, im := n.roots(ir.Size(2), h, ir.Size(length), inverse, s.re.DType())
	s = n.butterflies(s.times(n, ir.Mul, re, im), length/2, inverse)
	return s.each(func(v *ir.Value) *ir.Value {
		return n.reshape(n.swapLast(v, axis), append(slices.Clone(dims), ir.Size(length))...)
	})
}

// oddButterfly takes elements m and length - m together: their sums go with cosines, their differences with sines.
func (n *Node) oddButterfly(s signal, length int64, inverse bool) signal {
	if length == 1 || !n.ok() {
		return s
	}
	axis, h := int64(s.re.Rank()-1), length/2
	re, im := n.folded(s.re, length), n.folded(s.im, length)
	if !n.ok() {
		return s
	}
	sign := -1.
	if inverse {
		sign = 1
	}
	outRe, outIm := make([]*ir.Value, length), make([]*ir.Value, length)
	for k := range h + 1 {
		a, b := re.first, im.first
		var c, d *ir.Value // i times the sines of the differences
		for m := range h {
			cos, sin := root((m+1)*k%length, length, sign)
			a, b = n.plus(a, re.sums[m], cos), n.plus(b, im.sums[m], cos)
			c, d = n.plus(c, im.diffs[m], -sin), n.plus(d, re.diffs[m], sin)
		}
		outRe[k], outIm[k] = n.op(ir.Add, nil, a, c), n.op(ir.Add, nil, b, d)
		if k > 0 {
			outRe[length-k], outIm[length-k] = n.op(ir.Sub, nil, a, c), n.op(ir.Sub, nil, b, d)
		}
	}
	at := &ir.AxisAttrs{Axis: axis}
	return signal{n.op(ir.Concat, at, outRe...), n.op(ir.Concat, at, outIm...)}
}

// foldedParts are sums and differences of the elements m and length - m of an axis.
type foldedParts struct {
	first       *ir.Value
	sums, diffs []*ir.Value
}

func (n *Node) folded(x *ir.Value, length int64) (f foldedParts) {
	sizes := make([]ir.Dim, length)
	for i := range sizes {
		sizes[i] = ir.Size(1)
	}
	parts := n.b.Ops(ir.Split, &ir.SplitAttrs{Axis: int64(x.Rank() - 1), Sizes: sizes}, nil, x)
	if !n.ok() {
		return f
	}
	f.first = parts[0]
	for m := int64(1); m <= length/2; m++ {
		f.sums = append(f.sums, n.op(ir.Add, nil, parts[m], parts[length-m]))
		f.diffs = append(f.diffs, n.op(ir.Sub, nil, parts[m], parts[length-m]))
	}
	return f
}

// plus is acc + x × factor; a nil acc is 0.
func (n *Node) plus(acc, x *ir.Value, factor float64) *ir.Value {
	x = n.op(ir.Mul, nil, x, n.number(x.DType(), factor))
	if acc == nil {
		return x
	}
	return n.op(ir.Add, nil, acc, x)
}

// importSTFT: the spectra of frames, each a step further along the signal [B, L, 1 or 2], times a window. A real signal may
// be [B, L], as torch.onnx writes.
func importSTFT(n *Node) []*ir.Value {
	x, window := n.in[0], n.arg(2)
	if x.Rank() == 2 {
		x = n.unsqueeze(x, 2)
	}
	onesided := n.Int("onesided", 1) != 0
	s := n.signalOf(x)
	step := n.ints(n.in[1], "frame_step")
	if n.ok() && (x.Rank() != 3 || len(step) != 1 || step[0] < 1) {
		return one(n.fail(Invalid, "give [batch, length, 1 or 2], and a step from 1 up", "frames of %s, frame_step is %v", x.Type, step))
	}
	if !n.ok() {
		return nil
	}
	length := size(x, 1)
	if window != nil {
		length = size(window, 0)
	}
	length = n.givenSize(n.arg(3), "frame_length", length)
	if window != nil {
		n.sameSize(size(window, 0), length)
	}
	if !n.ok() {
		return nil
	}
	frames := size(x, 1).Sub(length).FloorDiv(ir.Size(step[0])).Add(ir.Size(1))
	starts := n.op(ir.Mul, nil, n.count(n.dim(frames)), n.b.Const(ir.Scalar(step[0])))
	places := n.op(ir.Add, nil, n.unsqueeze(starts, 1), n.count(n.dim(length)))
	s = s.each(func(v *ir.Value) *ir.Value {
		v = n.op(ir.Gather, &ir.AxisAttrs{Axis: 1}, v, places)
		if window != nil {
			v = n.op(ir.Mul, nil, v, n.cast(window, v.DType()))
		}
		return v
	})
	s = n.fourier(s, length, false)
	if onesided && n.ok() {
		s = n.oneSide(s, length, false)
	}
	return one(n.pairs(s, x.DType()))
}

// cosineWindow: a - b cos(2πi / N) + c cos(4πi / N), where N is the size, or one less for a symmetric window.
func cosineWindow(a, b, c float64) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value {
		periodic, out := n.Int("periodic", 1) != 0, n.outputType()
		if !n.ok() {
			return nil
		}
		d := wideFloat(out)
		length := n.cast(n.scalar(n.in[0]), ir.I64)
		places, period := n.cast(n.count(length), d), n.cast(length, d)
		if !periodic {
			period = n.op(ir.Sub, nil, period, n.number(d, 1))
		}
		wave := func(factor, turns float64) *ir.Value {
			angle := n.op(ir.Div, nil, n.op(ir.Mul, nil, places, n.number(d, 2*math.Pi*turns)), period)
			return n.op(ir.Mul, nil, n.op(ir.Cos, nil, angle), n.number(d, factor))
		}
		y := n.op(ir.Sub, nil, n.number(d, a), wave(b, 1))
		if c != 0 {
			y = n.op(ir.Add, nil, y, wave(c, 2))
		}
		return one(n.cast(y, out))
	}
}

// outputType is attribute output_datatype, f32 by default.
func (n *Node) outputType() ir.DType {
	d, err := irDType(DType(n.Int("output_datatype", 1)))
	if err == nil && !d.IsNumeric() {
		err = errf(Invalid, "give a number type", "output_datatype is %s", d)
	}
	if err != nil {
		n.b.Fail(err)
	}
	return d
}

// importMelWeightMatrix: column m is a triangle over the bins of a spectrum, from the m-th of num_mel_bins + 2 frequencies, by its next, to
// the one after; these are evenly spaced on the mel scale.
func importMelWeightMatrix(n *Node) []*ir.Value {
	out := n.outputType()
	if !n.ok() {
		return nil
	}
	const d = ir.F64 // the edges are rounded to bins
	num := func(x float64) *ir.Value { return n.number(d, x) }
	bin := func(k ir.Kind, a, b *ir.Value) *ir.Value { return n.op(k, nil, a, b) }
	mels, length, rate := n.cast(n.scalar(n.in[0]), ir.I64), n.cast(n.scalar(n.in[1]), ir.I64), n.cast(n.scalar(n.in[2]), d)
	toMel := func(v *ir.Value) *ir.Value {
		v = bin(ir.Add, bin(ir.Div, n.cast(n.scalar(v), d), num(700)), num(1))
		return bin(ir.Mul, n.op(ir.Log, nil, v), num(2595/math.Ln10))
	}
	low, high := toMel(n.in[3]), toMel(n.in[4])
	count := bin(ir.Add, mels, n.b.Const(ir.Scalar(int64(2))))
	step := bin(ir.Div, bin(ir.Sub, high, low), n.cast(count, d))
	// edge is the bin of each band's i-th edge.
	edge := func(i float64) *ir.Value {
		at := bin(ir.Add, n.cast(n.count(mels), d), num(i))
		mel := bin(ir.Add, bin(ir.Mul, at, step), low)
		hertz := bin(ir.Mul, bin(ir.Sub, n.op(ir.Exp, nil, bin(ir.Mul, mel, num(math.Ln10/2595))), num(1)), num(700))
		lines := bin(ir.Mul, bin(ir.Add, n.cast(length, d), num(1)), hertz)
		return n.op(ir.Floor, nil, bin(ir.Div, lines, rate))
	}
	left, centre, right := edge(0), edge(1), edge(2)
	bins := bin(ir.Add, bin(ir.Div, length, n.b.Const(ir.Scalar(int64(2)))), n.b.Const(ir.Scalar(int64(1))))
	at := n.unsqueeze(n.cast(n.count(bins), d), 1)
	slope := func(from, to *ir.Value, over *ir.Value) *ir.Value {
		return bin(ir.Div, bin(ir.Sub, to, from), bin(ir.Max, over, num(1)))
	}
	rise, fall := bin(ir.Sub, centre, left), bin(ir.Sub, right, centre)
	up := n.op(ir.Where, nil, bin(ir.Equal, rise, num(0)), num(1), slope(left, at, rise))
	y := n.op(ir.Where, nil, bin(ir.And, bin(ir.LessEqual, left, at), bin(ir.LessEqual, at, centre)), up, num(0))
	y = n.op(ir.Where, nil, bin(ir.And, bin(ir.LessEqual, centre, at), bin(ir.Less, at, right)), slope(at, right, fall), y)
	return one(n.cast(y, out))
}
