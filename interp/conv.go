package interp

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
)

// evalConv: ONNX Conv over any number of spatial axes, as the product of the weights and the patches under them.
func evalConv(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	a := op.Attrs.(*ir.ConvAttrs)
	if !a.NHWC {
		return one(e.conv(op, tensor(args, 0), tensor(args, 1), tensor(args, 2), a))
	}
	x, err := e.channelsFirst(op, tensor(args, 0))
	if err != nil {
		return nil, err
	}
	w, err := e.channelsFirst(op, tensor(args, 1))
	if err != nil {
		return nil, err
	}
	out, err := e.conv(op, x, w, tensor(args, 2), a)
	if err != nil {
		return nil, err
	}
	return one(e.channelsLast(op, out))
}

func (e *Env) channelsFirst(op *ir.Op, t *ir.Tensor) (*ir.Tensor, error) {
	perm := []int{0, len(t.Shape) - 1}
	for i := 1; i < len(t.Shape)-1; i++ {
		perm = append(perm, i)
	}
	return e.transposed(op, t, perm)
}

func (e *Env) channelsLast(op *ir.Op, t *ir.Tensor) (*ir.Tensor, error) {
	perm := []int{0}
	for i := 2; i < len(t.Shape); i++ {
		perm = append(perm, i)
	}
	return e.transposed(op, t, append(perm, 1))
}

// conv is x[N, C, …] with w[O, C/groups, …].
func (e *Env) conv(op *ir.Op, x, w, bias *ir.Tensor, a *ir.ConvAttrs) (*ir.Tensor, error) {
	groups := int(a.Groups)
	if x.Shape[1] != w.Shape[1]*groups || w.Shape[0]%groups != 0 || bias != nil && bias.Len() != w.Shape[0] {
		return nil, opError(op, ir.ShapeError, "conv_c4", "%s of %v with weights %v in %d groups", op.Kind, x.Shape, w.Shape, groups)
	}
	win, err := newWindow(op, "conv_c3", x.Shape[2:], w.Shape[2:], a.Strides, a.Pads, a.Dilations, false)
	if err != nil {
		return nil, err
	}
	out, err := e.newTensor(op, x.DType, slices.Concat([]int{x.Shape[0], w.Shape[0]}, win.out))
	if err != nil || out.Len() == 0 {
		return out, err
	}
	win.tabulate()
	var b []float64
	if bias != nil {
		b = floats(bias)
	}
	channels, features := w.Shape[1], w.Shape[0]/groups
	depth, inPlane, outPlane := channels*product(win.kernel), product(win.in), product(win.out)
	multiply(x.Shape[0]*groups, features, outPlane, depth, func(i int) gemm {
		g := i % groups
		s := channelSink{dense: dense{out, i * features * outPlane, outPlane}}
		if b != nil {
			s.bias = b[g*features:]
		}
		weights := dense{w, g * features * depth, depth}
		if win.pointwise() {
			return gemm{a: weights, b: dense{x, i * channels * inPlane, inPlane}, out: s}
		}
		return gemm{a: weights, b: patches{win, x, i * channels * inPlane}, out: s}
	})
	return out, nil
}

// pointwise reports whether the patches are the input itself.
func (w *window) pointwise() bool {
	for i := range w.in {
		if w.kernel[i] != 1 || w.strides[i] != 1 || w.pads[i] != 0 || w.pads[len(w.in)+i] != 0 {
			return false
		}
	}
	return true
}

// channelSink adds a bias to each row.
type channelSink struct {
	dense
	bias []float64
}

func (s channelSink) put(r, c int, v []float64) {
	if s.bias != nil {
		b := s.bias[r]
		for i := range v {
			v[i] += b
		}
	}
	s.dense.put(r, c, v)
}

// patches is the matrix whose columns are the input elements under the window at each output position, a row for each
// channel and kernel position (im2col). It is never held in memory.
type patches struct {
	*window
	x  *ir.Tensor
	at int // of the first channel of the group in the batch
}

func (p patches) row(dst []float64, r, c int) {
	n := len(p.in)
	volume := len(p.offsets) / n
	channel, k := r/volume, r%volume
	plane := p.at + channel*product(p.in)
	width, outWidth, stride := p.in[n-1], p.out[n-1], p.strides[n-1]
	line, o := c/outWidth, c%outWidth
	for len(dst) > 0 {
		part := dst[:min(outWidth-o, len(dst))]
		if at, ok := p.line(k, line); ok {
			copyLine(part, p.x, plane+at, width, o*stride+p.offsets[k*n+n-1], stride)
		} else {
			clear(part)
		}
		dst = dst[len(part):]
		line, o = line+1, 0
	}
}

// copyLine takes every stride-th element, from position start on, of the line of width elements at a place; what is outside
// the line is 0.
func copyLine(dst []float64, x *ir.Tensor, at, width, start, stride int) {
	lo := max(0, min(-floorDiv(start, stride), len(dst)))
	hi := max(lo, min(-floorDiv(start-width, stride), len(dst)))
	clear(dst[:lo])
	clear(dst[hi:])
	at += start + lo*stride
	dst = dst[lo:hi]
	switch {
	case len(dst) == 0:
	case stride == 1:
		loadFloats(dst, x, at)
	case x.DType == ir.F32:
		src := ir.View[float32](x)
		for i := range dst {
			dst[i] = float64(src[at+i*stride])
		}
	default:
		for i := range dst {
			loadFloats(dst[i:i+1], x, at+i*stride)
		}
	}
}

// pool prepares x, channels first, and the window of a pooling op.
func (e *Env) pool(op *ir.Op, args []ir.Datum) (*ir.Tensor, *window, error) {
	x, a := tensor(args, 0), op.Attrs.(*ir.PoolAttrs)
	if a.NHWC {
		var err error
		if x, err = e.channelsFirst(op, x); err != nil {
			return nil, nil, err
		}
	}
	w, err := newWindow(op, "pool_c3", x.Shape[2:], small(a.Kernel), a.Strides, a.Pads, a.Dilations, a.CeilMode)
	if err != nil {
		return nil, nil, err
	}
	if n, err := ir.NumElements(w.kernel); err != nil || n > e.prog.opts.tensorLimit/(8*len(w.kernel)) {
		return nil, nil, opError(op, ir.AttrError, "pool_c3", "%s: kernel %v is too large", op.Kind, w.kernel)
	}
	return x, w, nil
}

// pooled turns channels-first results into what the attributes ask for.
func (e *Env) pooled(op *ir.Op, results ...*ir.Tensor) ([]ir.Datum, error) {
	out := make([]ir.Datum, len(results))
	for i, t := range results {
		if op.Attrs.(*ir.PoolAttrs).NHWC {
			var err error
			if t, err = e.channelsLast(op, t); err != nil {
				return nil, err
			}
		}
		out[i] = t
	}
	return out, nil
}

// evalMaxPool: ONNX MaxPool. Padding never wins; a window that sees nothing else gives the lowest value and index -1. Indices
// are places in the whole operand, channels first; column-major turns the spatial axes round.
func evalMaxPool(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, w, err := e.pool(op, args)
	if err != nil {
		return nil, err
	}
	shape := slices.Concat(x.Shape[:2], w.out)
	out, err := e.newTensor(op, x.DType, shape)
	if err != nil {
		return nil, err
	}
	index, err := e.newTensor(op, ir.I64, cloneShape(shape))
	if err != nil {
		return nil, err
	}
	if out.Len() == 0 {
		return e.pooled(op, out, index)
	}
	w.tabulate()
	lowest, _ := intLimits(x.DType)
	switch d := x.DType; {
	case d.IsFloat():
		maxPlanes(out, index, x, w, math.Inf(-1))
	case isU64(d):
		maxPlanes[uint64](out, index, x, w, 0)
	default:
		maxPlanes(out, index, x, w, lowest)
	}
	if op.Attrs.(*ir.PoolAttrs).ColumnMajor {
		columnMajor(ir.View[int64](index), w.in)
	}
	return e.pooled(op, out, index)
}

// eachWindow visits, for every output position of a plane, the input places that its window sees inside the plane.
func (w *window) eachWindow(visit func(out int, places []int)) {
	n, volume := len(w.in), len(w.offsets)/len(w.in)
	places := make([]int, 0, volume)
	outWidth := w.out[n-1]
	for line := range product(w.out[:n-1]) {
		for o := range outWidth {
			places = places[:0]
			for k := range volume {
				p := o*w.strides[n-1] + w.offsets[k*n+n-1]
				if p < 0 || p >= w.in[n-1] {
					continue
				}
				if at, ok := w.line(k, line); ok {
					places = append(places, at+p)
				}
			}
			visit(line*outWidth+o, places)
		}
	}
}

func maxPlanes[N number](out, index, x *ir.Tensor, w *window, lowest N) {
	in, planeOut := product(w.in), product(w.out)
	indices := ir.View[int64](index)
	parallelRows(product(x.Shape[:2]), planeOut*len(w.offsets), func(lo, hi int) {
		plane, result := make([]N, in), make([]N, planeOut)
		for c := lo; c < hi; c++ {
			load(plane, x, c*in)
			w.eachWindow(func(o int, places []int) {
				best, at := lowest, -1
				for _, p := range places {
					if v := plane[p]; at < 0 || v > best || v != v && best == best {
						best, at = v, c*in+p
					}
				}
				result[o] = best
				indices[c*planeOut+o] = int64(at)
			})
			store(out, c*planeOut, result)
		}
	})
}

// columnMajor turns places in planes of the given sizes into places in planes with their axes reversed.
func columnMajor(index []int64, in []int) {
	plane := product(in)
	for i, at := range index {
		if at < 0 {
			continue
		}
		rest, to, stride := int(at)%plane, 0, plane
		for k := len(in) - 1; k >= 0; k-- {
			stride /= in[k]
			to += rest % in[k] * stride
			rest /= in[k]
		}
		index[i] = at - at%int64(plane) + int64(to)
	}
}

// evalAveragePool: ONNX AveragePool. With count_include_pad the divisor counts the padding, but never what lies beyond it.
func evalAveragePool(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, w, err := e.pool(op, args)
	if err != nil {
		return nil, err
	}
	out, err := e.newTensor(op, x.DType, slices.Concat(x.Shape[:2], w.out))
	if err != nil {
		return nil, err
	}
	if out.Len() == 0 {
		return e.pooled(op, out)
	}
	w.tabulate()
	var counts []int
	if op.Attrs.(*ir.PoolAttrs).CountIncludePad {
		counts = w.paddedCounts()
	}
	in, planeOut := product(w.in), product(w.out)
	parallelRows(product(x.Shape[:2]), planeOut*len(w.offsets), func(lo, hi int) {
		plane, result := make([]float64, in), make([]float64, planeOut)
		for c := lo; c < hi; c++ {
			loadFloats(plane, x, c*in)
			w.eachWindow(func(o int, places []int) {
				sum, n := 0.0, len(places)
				for _, p := range places {
					sum += plane[p]
				}
				if counts != nil {
					n = counts[o]
				}
				result[o] = sum / float64(n)
			})
			storeFloats(out, c*planeOut, result)
		}
	})
	return e.pooled(op, out)
}

// paddedCounts is, for each output position, how many kernel positions lie in the padded plane.
func (w *window) paddedCounts() []int {
	var counts []int
	n := len(w.in)
	eachIndex(w.out, func(index []int) {
		count := 1
		for i, o := range index {
			room := w.in[i] + w.pads[n+i] + w.pads[i] - o*w.strides[i] // from the window's start to the end of the padding
			count *= max(0, min(w.kernel[i], -floorDiv(-room, w.dilations[i])))
		}
		counts = append(counts, count)
	})
	return counts
}
