package onnx

import "github.com/emilyc/emily/ir"

// runAxis is an axis whose places a run computes, in f32. in, out and scale are scalars.
type runAxis struct {
	axis    int64
	in, out *ir.Value
	count   *ir.Value // out as i64
	scale   *ir.Value // nil for out/in
	length  *ir.Value // in times scale, before it is rounded
}

// atRun reports whether v is computed from more than sizes and short lists, which could be bound instead.
func (n *Node) atRun(v *ir.Value) bool {
	inputs, sizes := n.s.im.sources(v)
	bindable := len(sizes) > 0
	for _, p := range n.s.im.fn.Inputs() {
		for _, name := range inputs {
			if p.Name == name && p.Rank() > 1 {
				return true
			}
			bindable = bindable || p.Name == name
		}
	}
	return !bindable
}

// resizesAtRun reports whether only a run knows a size that is resized, or what it becomes: sizes where sized, else scales.
func (n *Node) resizesAtRun(x *ir.Value, axes []int64, list *ir.Value, sized bool) bool {
	if !n.ok() {
		return false
	}
	list = n.settled(list)
	dims, known := list.KnownDims()
	t := n.constOf(list)
	if !known && t == nil {
		return n.atRun(list)
	}
	for i, axis := range axes {
		from := size(x, int(axis))
		to := from
		switch {
		case sized && i < len(dims):
			to = dims[i]
		case !sized && t != nil && i < t.Len() && t.Floats()[i] == 1:
			continue
		}
		if (!sized || to != from) && !(n.s.im.declares(from) && n.s.im.declares(to)) {
			return true
		}
	}
	return false
}

// sampleAtRun samples x axis after axis, as sampleAxes does, at places that a run computes.
func (n *Node) sampleAtRun(r resize, axes []int64, list *ir.Value, sized bool, x *ir.Value) *ir.Value {
	if n.ok() && (r.antialias || r.policy != "stretch" || r.coordinates == "tf_crop_and_resize") {
		return n.fail(Unsupported, "make the sizes constants", "resizing to computed sizes with antialias, keep_aspect_ratio_policy or a region")
	}
	if n.ok() && !size(list, 0).Is(int64(len(axes))) {
		return n.fail(Invalid, "give a size or a scale for each axis", "%s for %d axes", list.Type, len(axes))
	}
	shape := n.op(ir.ShapeOf, nil, n.in[0])
	dims, _ := list.KnownDims()
	for i, axis := range axes {
		if !n.ok() {
			return x
		}
		if sized && dims != nil && dims[i] == size(n.in[0], int(axis)) {
			continue
		}
		x = n.sampleRunAxis(r, n.runAxis(axis, n.element(shape, axis), n.element(list, int64(i)), sized), x)
	}
	return x
}

// element is element i of a list, as a scalar.
func (n *Node) element(list *ir.Value, i int64) *ir.Value {
	return n.op(ir.Gather, &ir.AxisAttrs{}, list, n.b.Const(ir.Scalar(i)))
}

func (n *Node) runAxis(axis int64, in, to *ir.Value, sized bool) runAxis {
	a := runAxis{axis: axis, in: n.cast(in, ir.F32), count: n.cast(to, ir.I64)}
	if sized {
		a.out = n.cast(to, ir.F32)
		a.length = a.out
		return a
	}
	a.scale = n.cast(to, ir.F32)
	a.length = n.op(ir.Mul, nil, a.in, a.scale)
	a.out = n.op(ir.Floor, nil, a.length)
	a.count = n.cast(a.out, ir.I64)
	return a
}

// over is v over the scale.
func (a runAxis) over(n *Node, v *ir.Value) *ir.Value {
	if a.scale == nil {
		return n.op(ir.Div, nil, n.op(ir.Mul, nil, v, a.in), a.out)
	}
	return n.op(ir.Div, nil, v, a.scale)
}

// with is op of v and a number.
func (n *Node) with(op ir.Kind, v *ir.Value, x float64) *ir.Value {
	return n.op(op, nil, v, n.number(v.DType(), x))
}

// runPlaces is where the outputs lie among the elements of the axis: place, for all of them.
func (r resize) runPlaces(n *Node, a runAxis) *ir.Value {
	i := n.cast(n.count(a.count), ir.F32)
	switch r.coordinates {
	case "align_corners":
		return n.op(ir.Div, nil, n.op(ir.Mul, nil, i, n.with(ir.Sub, a.in, 1)), n.with(ir.Max, n.with(ir.Sub, a.length, 1), 1))
	case "asymmetric":
		return a.over(n, i)
	}
	p := a.over(n, n.with(ir.Add, i, 0.5))
	switch r.coordinates {
	case "tf_half_pixel_for_nn":
		return p
	case "pytorch_half_pixel":
		one := n.op(ir.Equal, nil, a.length, n.number(ir.F32, 1))
		return n.op(ir.Where, nil, one, n.number(ir.F32, 0), n.with(ir.Sub, p, 0.5))
	case "half_pixel_symmetric":
		part := n.op(ir.Sub, nil, n.number(ir.F32, 1), n.op(ir.Div, nil, a.out, a.length))
		p = n.op(ir.Add, nil, p, n.op(ir.Mul, nil, n.with(ir.Mul, a.in, 0.5), part))
	}
	return n.with(ir.Sub, p, 0.5)
}

// runRound is round, for all places.
func (r resize) runRound(n *Node, p *ir.Value, a runAxis) *ir.Value {
	switch r.nearest {
	case "round_prefer_floor":
		return n.op(ir.Ceil, nil, n.with(ir.Sub, p, 0.5))
	case "round_prefer_ceil":
		return n.op(ir.Floor, nil, n.with(ir.Add, p, 0.5))
	case "ceil":
		return n.op(ir.Ceil, nil, p)
	case "simple":
		smaller := n.op(ir.Less, nil, a.length, a.in)
		return n.op(ir.Where, nil, smaller, n.op(ir.Ceil, nil, p), n.op(ir.Floor, nil, p))
	}
	return n.op(ir.Floor, nil, p)
}

// runWeight is weight, for distances t that are not negative.
func (r resize) runWeight(n *Node, t *ir.Value) *ir.Value {
	if r.mode == "linear" {
		return n.with(ir.Max, n.op(ir.Sub, nil, n.number(ir.F32, 1), t), 0)
	}
	a := r.cubic
	poly := func(coefficients ...float64) *ir.Value {
		v := n.number(ir.F32, coefficients[0])
		for _, c := range coefficients[1:] {
			v = n.with(ir.Add, n.op(ir.Mul, nil, v, t), c)
		}
		return v
	}
	below := func(x float64) *ir.Value { return n.op(ir.LessEqual, nil, t, n.number(ir.F32, x)) }
	far := n.op(ir.Where, nil, below(2), poly(a, -5*a, 8*a, -4*a), n.number(ir.F32, 0))
	return n.op(ir.Where, nil, below(1), poly(a+2, -(a+3), 0, 1), far)
}

// sampleRunAxis gathers and weighs, as sampleAxis does.
func (n *Node) sampleRunAxis(r resize, a runAxis, x *ir.Value) *ir.Value {
	p := r.runPlaces(n, a)
	last := n.with(ir.Sub, a.in, 1)
	index := func(v *ir.Value) *ir.Value {
		return n.cast(n.op(ir.Min, nil, n.with(ir.Max, v, 0), last), ir.I64)
	}
	along := &ir.AxisAttrs{Axis: a.axis}
	if r.mode == "nearest" {
		return n.op(ir.Gather, along, x, index(r.runRound(n, p, a)))
	}
	taps := map[string][]float32{"linear": {0, 1}, "cubic": {-1, 0, 1, 2}}[r.mode]
	base := n.with(ir.Sub, n.op(ir.Ceil, nil, p), 1)
	at := n.op(ir.Add, nil, n.unsqueeze(base, 1), n.b.Const(ir.TensorFrom(taps, len(taps))))
	w := r.runWeight(n, n.op(ir.Abs, nil, n.op(ir.Sub, nil, at, n.unsqueeze(p, 1))))
	if r.excludes {
		inside := n.op(ir.Equal, nil, at, n.op(ir.Min, nil, n.with(ir.Max, at, 0), last))
		w = n.op(ir.Where, nil, inside, w, n.number(ir.F32, 0))
		w = n.op(ir.Div, nil, w, n.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{1}, KeepDims: true}, w))
	}
	if after := ir.Axes(2, 2+x.Rank()-int(a.axis)-1); len(after) > 0 {
		w = n.unsqueeze(w, after...)
	}
	y := n.op(ir.Mul, nil, n.op(ir.Gather, along, x, index(at)), n.cast(w, x.DType()))
	return n.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{a.axis + 1}}, y)
}
