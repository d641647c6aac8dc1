package onnx

import (
	"github.com/emilyc/emily/ir"
)

var convRows = []row{
	{"", "Conv", since(1, 11, 22), importConv},
	{"", "MaxPool", since(1, 8, 10, 11, 12, 22), importMaxPool},
	{"", "AveragePool", since(1, 7, 10, 11, 19, 22), importAveragePool},
	{"", "GlobalAveragePool", since(1, 22), global(ir.ReduceMean)},
	{"", "GlobalMaxPool", since(1, 22), global(ir.ReduceMax)},
}

// window is a sliding window over the spatial axes of [N, C, …].
type window struct {
	kernel, strides, pads, dilations []int64
}

// window reads the attributes that conv and pools share, with auto_pad resolved to pads.
func (n *Node) window(kernel []int64, dilated bool) window {
	x := n.in[0]
	axes := max(x.Rank()-2, 0)
	w := window{kernel: kernel, strides: n.Ints("strides", repeated(1, axes)...), pads: n.Ints("pads", repeated(0, 2*axes)...), dilations: repeated(1, axes)}
	if dilated {
		w.dilations = n.Ints("dilations", w.dilations...)
	}
	auto := n.String("auto_pad", "NOTSET")
	if !n.ok() {
		return w
	}
	if axes < 1 || len(kernel) != axes || len(w.strides) != axes || len(w.dilations) != axes || len(w.pads) != 2*axes {
		n.fail(Invalid, "give a value for each spatial axis (pads: two)", "kernel %v, strides %v, dilations %v, pads %v for %s", kernel, w.strides, w.dilations, w.pads, x.Type)
		return w
	}
	for i := range axes {
		if kernel[i] < 1 || w.strides[i] < 1 || w.dilations[i] < 1 || kernel[i] > maxWindow || w.strides[i] > maxWindow || w.dilations[i] > maxWindow {
			n.fail(Invalid, remedyExport, "kernel %v, strides %v, dilations %v: must be from 1 to %d", kernel, w.strides, w.dilations, maxWindow)
			return w
		}
	}
	switch auto {
	case "NOTSET", "":
	case "VALID":
		w.pads = repeated(0, 2*axes)
	case "SAME_UPPER", "SAME_LOWER":
		w.pads = n.samePads(w, auto == "SAME_UPPER")
	default:
		n.fail(Invalid, "give NOTSET, VALID, SAME_UPPER or SAME_LOWER", "auto_pad %q", clip(auto))
	}
	return w
}

// maxWindow keeps products of window attributes in range.
const maxWindow = 1 << 20

// samePads makes ceil(size / stride) windows; an odd pad goes to the end, or with SAME_LOWER to the begin.
func (n *Node) samePads(w window, upper bool) []int64 {
	axes := len(w.kernel)
	pads := make([]int64, 2*axes)
	for i := range axes {
		extent, stride := (w.kernel[i]-1)*w.dilations[i]+1, w.strides[i]
		total := extent - stride // where the stride divides the size
		if d := size(n.in[0], 2+i); stride > 1 {
			have, ok := d.Value()
			if r := d.Mod(ir.Size(stride)); !ok && !r.Is(0) {
				n.needsSize(d, "auto_pad SAME with stride %d: its pads depend on %s", stride, d)
				return pads
			}
			if rest := have % stride; ok && rest != 0 {
				total = extent - rest
			}
		}
		small := max(total, 0) / 2
		pads[i], pads[axes+i] = small, max(total, 0)-small
		if !upper {
			pads[i], pads[axes+i] = pads[axes+i], small
		}
	}
	return pads
}

func importConv(n *Node) []*ir.Value {
	x, w := n.in[0], n.in[1]
	if x.Rank() < 3 || w.Rank() != x.Rank() {
		return one(n.fail(Invalid, "give [N, C, …] and [M, C / group, …] of equal rank", "conv of %s and %s", x.Type, w.Type))
	}
	win := n.window(n.convKernel(w), true)
	a := &ir.ConvAttrs{Strides: win.strides, Pads: win.pads, Dilations: win.dilations, Groups: n.Int("group", 1)}
	return one(n.op(ir.Conv, a, x, w, n.arg(2)))
}

// convKernel is the kernel's shape, from the attribute and from the weight.
func (n *Node) convKernel(w *ir.Value) []int64 {
	given := n.Ints("kernel_shape")
	kernel := make([]int64, w.Rank()-2)
	for i := range kernel {
		k, ok := size(w, 2+i).Value()
		switch {
		case given != nil && (len(given) != len(kernel) || ok && given[i] != k):
			n.fail(Invalid, remedyExport, "kernel_shape is %v, the weight %s", given, w.Type)
			return nil
		case !ok && given == nil:
			n.needsSize(size(w, 2+i), "the kernel's shape is not known: the weight is %s", w.Type)
			return nil
		case !ok:
			k = given[i]
			n.b.Region().Assume(ir.Fact{Rel: ir.EQ, A: size(w, 2+i), B: ir.Size(k), Loc: n.b.Loc})
		}
		kernel[i] = k
	}
	return kernel
}

// pool reads a pool's attributes, as far as its version has them.
func (n *Node) pool(ceilSince, dilationSince int64) *ir.PoolAttrs {
	w := n.window(n.Ints("kernel_shape"), n.since >= dilationSince)
	a := &ir.PoolAttrs{Kernel: w.kernel, Strides: w.strides, Pads: w.pads, Dilations: w.dilations}
	if n.since >= ceilSince {
		a.CeilMode = n.Int("ceil_mode", 0) != 0
	}
	return a
}

func importMaxPool(n *Node) []*ir.Value {
	a := n.pool(10, 10)
	if n.since >= 8 {
		a.ColumnMajor = n.Int("storage_order", 0) != 0
	}
	return n.b.Ops(ir.MaxPool, a, nil, n.in[0])
}

func importAveragePool(n *Node) []*ir.Value {
	a := n.pool(10, 19)
	if n.since >= 7 {
		a.CountIncludePad = n.Int("count_include_pad", 0) != 0
	}
	return one(n.op(ir.AveragePool, a, n.in[0]))
}

// global reduces the spatial axes.
func global(k ir.Kind) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value {
		return one(n.op(k, &ir.ReduceAttrs{Axes: ir.Axes(2, n.in[0].Rank()), KeepDims: true}, n.in[0]))
	}
}
