package onnx

import "github.com/emilyc/emily/ir"

var spatialRows = []row{
	{"", "CenterCropPad", since(18), importCenterCropPad},
	{"", "LpPool", since(1, 2, 11, 18, 22), importLpPool},
	{"", "GlobalLpPool", since(1, 2, 22), importGlobalLpPool},
	{"", "AffineGrid", since(20), importAffineGrid},
}

// importCenterCropPad: the middle of an axis that is too long, zeros on both sides of one that is too short. An odd one more goes
// to the end.
func importCenterCropPad(n *Node) []*ir.Value {
	x, zero := n.in[0], ir.Size(0)
	given := n.Ints("axes", ir.Axes(0, x.Rank())...)
	want := n.dims(n.in[1], "the shape")
	if n.ok() && len(want) != len(given) {
		n.fail(Invalid, "give a size for each axis", "%d sizes for %d axes", len(want), len(given))
	}
	for i, a := range given {
		if !n.ok() {
			return nil
		}
		axis := []int64{n.normalAxis(a, x.Rank())}
		have := size(x, int(axis[0]))
		if start := have.Sub(want[i]).Max(zero).FloorDiv(ir.Size(2)); !have.Sub(want[i]).Max(zero).Is(0) {
			x = n.slice(x, n.b.Dims(start), n.b.Dims(start.Add(have.Min(want[i]))), axis, []int64{1})
		}
		if lack := want[i].Sub(have).Max(zero); !lack.Is(0) {
			begin := lack.FloorDiv(ir.Size(2))
			x = n.op(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: axis}, x, n.b.Dims(begin, lack.Sub(begin)), nil)
		}
	}
	return one(x)
}

// norm is the p of a pool, an integer since version 2.
func (n *Node) norm() float64 {
	var p float64
	if n.since == 1 {
		p = float64(n.Float("p", 2))
	} else {
		p = float64(n.Int("p", 2))
	}
	if !(p > 0) && n.ok() {
		n.fail(Invalid, "give a positive p", "p is %g", p)
	}
	return p
}

// powers is |x|ᵖ.
func (n *Node) powers(x *ir.Value, p float64) *ir.Value {
	switch p {
	case 1:
		return n.op(ir.Abs, nil, x)
	case 2:
		return n.op(ir.Mul, nil, x, x)
	}
	return n.op(ir.Pow, nil, n.op(ir.Abs, nil, x), n.number(x.DType(), p))
}

// root is the p-th root of x.
func (n *Node) root(x *ir.Value, p float64) *ir.Value {
	switch p {
	case 1:
		return x
	case 2:
		return n.op(ir.Sqrt, nil, x)
	}
	return n.op(ir.Pow, nil, x, n.number(x.DType(), 1/p))
}

// importLpPool: the p-th root of the sum of |x|ᵖ, which is an average with the padding counted, times the elements of a window.
func importLpPool(n *Node) []*ir.Value {
	x, p := n.in[0], n.norm()
	a := n.pool(18, 18)
	a.CountIncludePad = true
	if !n.ok() {
		return nil
	}
	volume := 1.0
	for _, k := range a.Kernel {
		volume *= float64(k)
	}
	return one(n.inFloat(x, func(x *ir.Value) *ir.Value {
		y := n.powers(x, p)
		if a.CeilMode {
			y = n.overhang(y, a)
		}
		y = n.op(ir.AveragePool, a, y)
		return n.root(n.op(ir.Mul, nil, y, n.number(y.DType(), volume)), p)
	}))
}

// overhang pads x so that every window lies inside, and takes a's ceil mode and padding away.
func (n *Node) overhang(x *ir.Value, a *ir.PoolAttrs) *ir.Value {
	axes, one := len(a.Kernel), ir.Size(1)
	begins, ends := make([]ir.Dim, axes), make([]ir.Dim, axes)
	for i := range axes {
		extent, stride, have := ir.Size((a.Kernel[i]-1)*a.Dilations[i]+1), ir.Size(a.Strides[i]), size(x, 2+i)
		begins[i] = ir.Size(a.Pads[i])
		padded := have.Add(begins[i]).Add(ir.Size(a.Pads[axes+i]))
		windows := padded.Sub(extent).CeilDiv(stride).Add(one).Min(have.Add(begins[i]).CeilDiv(stride))
		ends[i] = windows.Sub(one).Mul(stride).Add(extent).Max(padded).Sub(have).Sub(begins[i])
	}
	a.CeilMode, a.Pads = false, repeated(0, 2*axes)
	return n.op(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: ir.Axes(2, x.Rank())}, x, n.b.Dims(append(begins, ends...)...), nil)
}

func importGlobalLpPool(n *Node) []*ir.Value {
	p := n.norm()
	return one(n.inFloat(n.in[0], func(x *ir.Value) *ir.Value {
		a := &ir.ReduceAttrs{Axes: ir.Axes(2, x.Rank()), KeepDims: true}
		return n.root(n.op(ir.ReduceSum, a, n.powers(x, p)), p)
	}))
}

// importAffineGrid: theta[N, 2, 3] times the places (x, y, 1) of an image [N, C, H, W], from -1 to 1; one dimension more for
// theta[N, 3, 4]. Ends are the outer edges of the first and last pixels, or with align_corners their centres.
func importAffineGrid(n *Node) []*ir.Value {
	theta, d := n.in[0], n.in[0].DType()
	corners := n.Int("align_corners", 0) != 0
	sizes := n.dims(n.in[1], "the size")
	if !n.ok() {
		return nil
	}
	axes := len(sizes) - 2
	if axes != 2 && axes != 3 || theta.Rank() != 3 || !size(theta, 1).Is(int64(axes)) || !size(theta, 2).Is(int64(axes+1)) {
		return one(n.fail(Invalid, "give [N, 2, 3] and 4 sizes, or [N, 3, 4] and 5", "theta of %s and %d sizes", theta.Type, len(sizes)))
	}
	n.sameSize(size(theta, 0), sizes[0])
	image := append(append([]ir.Dim{}, sizes[2:]...), ir.Size(1))
	parts := make([]*ir.Value, axes+1)
	for i := range axes {
		at := n.span(sizes[2+i], corners, d)
		for k := range axes {
			if k != i {
				at = n.unsqueeze(at, int64(k))
			}
		}
		parts[axes-1-i] = n.op(ir.Expand, nil, n.unsqueeze(at, int64(axes)), n.b.Dims(image...))
	}
	parts[axes] = n.op(ir.Expand, nil, n.number(d, 1), n.b.Dims(image...))
	base := n.op(ir.Concat, &ir.AxisAttrs{Axis: int64(axes)}, parts...)
	base = n.reshape(base, ir.Shape(sizes[2:]).NumElements(), ir.Size(int64(axes+1)))
	y := n.op(ir.MatMul, nil, base, n.transpose(theta, 0, 2, 1))
	return one(n.reshape(y, append(append([]ir.Dim{sizes[0]}, sizes[2:]...), ir.Size(int64(axes)))...))
}

// span is count places from -1 to 1.
func (n *Node) span(count ir.Dim, corners bool, d ir.DType) *ir.Value {
	at := n.cast(n.count(n.dim(count)), ir.F32)
	two, length := n.number(ir.F32, 2), count
	if corners {
		at, length = n.op(ir.Mul, nil, at, two), count.Sub(ir.Size(1)).Max(ir.Size(1))
	} else {
		at = n.op(ir.Add, nil, n.op(ir.Mul, nil, at, two), n.number(ir.F32, 1))
	}
	at = n.op(ir.Div, nil, at, n.cast(n.dim(length), ir.F32))
	return n.cast(n.op(ir.Sub, nil, at, n.number(ir.F32, 1)), d)
}
