package onnx

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

var convTransposeRows = []row{
	{"", "ConvTranspose", since(1, 11, 22), importConvTranspose},
	{"", "Col2Im", since(18), importCol2Im},
}

// importConvTranspose: a convolution of x, spread by its strides with zeros between, with the kernel turned round. The weight is
// w[C, M / group, …].
func importConvTranspose(n *Node) []*ir.Value {
	x, w := n.in[0], n.in[1]
	if x.Rank() < 3 || w.Rank() != x.Rank() {
		return one(n.fail(Invalid, "give [N, C, …] and [C, M / group, …] of equal rank", "conv_transpose of %s and %s", x.Type, w.Type))
	}
	axes := x.Rank() - 2
	win := window{kernel: n.convKernel(w), strides: n.Ints("strides", repeated(1, axes)...), dilations: n.Ints("dilations", repeated(1, axes)...)}
	more, group := n.Ints("output_padding", repeated(0, axes)...), n.Int("group", 1)
	if !n.soundTranspose(win, more, group, axes) {
		return nil
	}
	pads := n.transposePads(x, win, more)
	if !n.ok() {
		return nil
	}
	for i, stride := range win.strides {
		x = n.spaced(x, 2+i, stride)
	}
	a := &ir.ConvAttrs{Strides: repeated(1, axes), Pads: make([]int64, 2*axes), Dilations: win.dilations, Groups: group}
	cut := make([]int64, 2*axes)
	for i := range axes {
		reach := (win.kernel[i] - 1) * win.dilations[i]
		begin, end := reach-pads[i], reach-pads[axes+i]+more[i]-(win.strides[i]-1)
		a.Pads[i], a.Pads[axes+i] = max(begin, 0), max(end, 0)
		cut[i], cut[axes+i] = min(begin, 0), min(end, 0)
	}
	if slices.Min(cut) < 0 {
		x = n.op(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: ir.Axes(2, x.Rank())}, x, n.b.Ints(cut...), nil)
	}
	return one(n.op(ir.Conv, a, x, n.turned(w, group), n.arg(2)))
}

// soundTranspose checks the attributes for that many spatial axes.
func (n *Node) soundTranspose(w window, more []int64, group int64, axes int) bool {
	ok := n.ok() && len(w.kernel) == axes && len(w.strides) == axes && len(w.dilations) == axes && len(more) == axes && group >= 1
	for i := 0; ok && i < axes; i++ {
		ok = min(w.kernel[i], w.strides[i], w.dilations[i]) >= 1 && max(w.kernel[i], w.strides[i], w.dilations[i], more[i]) <= maxWindow && more[i] >= 0
	}
	if !ok && n.ok() {
		n.fail(Invalid, "give positive values for each spatial axis", "kernel %v, strides %v, dilations %v, output_padding %v, group %d", w.kernel, w.strides, w.dilations, more, group)
	}
	return ok
}

// transposePads is what is cut off the result: begins, then ends. A given output shape may make an end negative, which adds zeros.
func (n *Node) transposePads(x *ir.Value, w window, more []int64) []int64 {
	axes := len(w.kernel)
	pads := n.Ints("pads", repeated(0, 2*axes)...)
	auto, shape := n.String("auto_pad", "NOTSET"), n.Ints("output_shape")
	if len(shape) == axes+2 {
		shape = shape[2:] // some writers give the whole shape
	}
	if n.ok() && (len(pads) != 2*axes || shape != nil && len(shape) != axes || slices.ContainsFunc(pads, func(p int64) bool { return p < 0 || p > maxWindow })) {
		n.fail(Invalid, "give two pads and one size for each spatial axis", "pads %v, output_shape %v for %s", pads, shape, x.Type)
	}
	same := auto == "SAME_UPPER" || auto == "SAME_LOWER"
	switch {
	case !n.ok() || auto == "NOTSET" && shape == nil || auto == "" && shape == nil:
		return pads
	case auto == "VALID" && shape == nil:
		return repeated(0, 2*axes)
	case !same && auto != "NOTSET" && auto != "" && auto != "VALID":
		n.fail(Invalid, "give NOTSET, VALID, SAME_UPPER or SAME_LOWER", "auto_pad %q", clip(auto))
		return pads
	}
	for i := range axes {
		total := more[i] + (w.kernel[i]-1)*w.dilations[i] + 1 - w.strides[i] // for a result of size × stride
		if shape != nil {
			d := size(x, 2+i)
			have, known := d.Value()
			if !known || shape[i] < 0 || shape[i] > maxWindow*maxWindow {
				n.needsSize(d, "output_shape %v for %s", shape, x.Type)
				return pads
			}
			total += have*w.strides[i] - shape[i]
		}
		head := max(total, 0) / 2
		if auto != "SAME_UPPER" {
			head = max(total, 0) - head
		}
		pads[i], pads[axes+i] = head, total-head
	}
	return pads
}

// spaced puts stride - 1 zeros after each element along an axis.
func (n *Node) spaced(x *ir.Value, axis int, stride int64) *ir.Value {
	if stride == 1 || !n.ok() {
		return x
	}
	shape := slices.Clone(x.Shape())
	shape[axis] = shape[axis].Mul(ir.Size(stride))
	x = n.unsqueeze(x, int64(axis)+1)
	x = n.op(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: []int64{int64(axis) + 1}}, x, n.b.Ints(0, stride-1), nil)
	return n.reshape(x, shape...)
}

// turned is the weight [C, M/g, …] of a transposed convolution as that of a convolution, [M, C/g, …], its kernel turned round.
func (n *Node) turned(w *ir.Value, group int64) *ir.Value {
	if !n.ok() {
		return w
	}
	axes, s := ir.Axes(2, w.Rank()), w.Shape()
	var starts, ends []int64
	for range axes {
		starts, ends = append(starts, -1), append(ends, -maxWindow-2)
	}
	w = n.slice(w, n.b.Ints(starts...), n.b.Ints(ends...), axes, repeated(-1, len(axes)))
	perm := append([]int64{1, 0}, axes...)
	if group == 1 {
		return n.transpose(w, perm...)
	}
	each, even := s[0].ExactDiv(ir.Size(group))
	if !even {
		return n.fail(Invalid, "give channels that group divides", "weights of %s in %d groups", w.Type, group)
	}
	w = n.reshape(w, append([]ir.Dim{ir.Size(group), each}, s[1:]...)...)
	perm = []int64{0, 2, 1}
	for _, a := range axes {
		perm = append(perm, a+1)
	}
	return n.reshape(n.transpose(w, perm...), append([]ir.Dim{s[1].Mul(ir.Size(group)), each}, s[2:]...)...)
}

// importCol2Im: columns [N, C × block, L] are added up in the places of the image that they came from.
func importCol2Im(n *Node) []*ir.Value {
	x := n.in[0]
	image, block := n.ints(n.in[1], "the image's shape"), n.ints(n.in[2], "the block's shape")
	axes := len(image)
	w := window{kernel: block, strides: n.Ints("strides", repeated(1, axes)...), pads: n.Ints("pads", repeated(0, 2*axes)...), dilations: n.Ints("dilations", repeated(1, axes)...)}
	if !n.ok() {
		return nil
	}
	index, padded := w.columns(image)
	channels, even := ir.Dim{}, false
	if index != nil {
		channels, even = size(x, 1).ExactDiv(ir.Size(product(block)))
	}
	if x.Rank() != 3 || !even {
		return one(n.fail(Invalid, "give [N, C × block, L], and positive attributes for each axis", "columns %s of blocks %v for an image %v", x.Type, block, image))
	}
	n.sameSize(size(x, 2), ir.Size(int64(len(index))/product(block)))
	batch, all := size(x, 0), ir.Size(int64(len(index)))
	y := n.op(ir.Expand, nil, n.number(x.DType(), 0), n.b.Dims(batch, channels, ir.Size(product(padded))))
	places := n.op(ir.Expand, nil, n.b.Ints(index...), n.b.Dims(batch, channels, all))
	y = n.op(ir.ScatterElements, &ir.ScatterAttrs{Axis: 2, Reduction: "add"}, y, places, n.reshape(x, batch, channels, all))
	shape := []ir.Dim{batch, channels}
	ends := make([]int64, axes)
	for i, p := range padded {
		shape = append(shape, ir.Size(p))
		ends[i] = w.pads[i] + image[i]
	}
	return one(n.slice(n.reshape(y, shape...), n.b.Ints(w.pads[:axes]...), n.b.Ints(ends...), ir.Axes(2, axes+2), repeated(1, axes)))
}

// columns is, for each place of the block and each position of it, its place in the padded image; nil where attributes do not fit.
func (w window) columns(image []int64) (index, padded []int64) {
	axes := len(image)
	if axes < 1 || len(w.kernel) != axes || len(w.strides) != axes || len(w.dilations) != axes || len(w.pads) != 2*axes {
		return nil, nil
	}
	index = []int64{0}
	var inner, outer []int64 // offsets of block places and of positions
	inner, outer = []int64{0}, []int64{0}
	for i := range axes {
		k, s, d := w.kernel[i], w.strides[i], w.dilations[i]
		if min(k, s, d, image[i]) < 1 || max(k, s, d, image[i], w.pads[i], w.pads[axes+i]) > maxWindow || min(w.pads[i], w.pads[axes+i]) < 0 {
			return nil, nil
		}
		p := image[i] + w.pads[i] + w.pads[axes+i]
		positions := (p-d*(k-1)-1)/s + 1
		if positions < 1 || int64(len(inner))*k*int64(len(outer))*positions > maxPlaces || product(append(padded, p)) > maxPlaces {
			return nil, nil
		}
		padded = append(padded, p)
		inner, outer = grid(inner, p, k, d), grid(outer, p, positions, s)
	}
	index = index[:0]
	for _, a := range inner {
		for _, b := range outer {
			index = append(index, a+b)
		}
	}
	return index, padded
}

// grid is the places of count steps along one more axis, of that size.
func grid(places []int64, size, count, step int64) []int64 {
	var out []int64
	for _, p := range places {
		for i := range count {
			out = append(out, p*size+i*step)
		}
	}
	return out
}

func product(list []int64) int64 {
	p := int64(1)
	for _, v := range list {
		p *= v
	}
	return p
}
