package interp

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
)

// evalShapeOf: the sizes as i64.
func evalShapeOf(_ *Env, _ *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x := tensor(args, 0)
	sizes := make([]int64, len(x.Shape))
	for i, n := range x.Shape {
		sizes[i] = int64(n)
	}
	return []ir.Datum{ir.TensorFrom(sizes, len(sizes))}, nil
}

// evalDims: the values of expressions over symbols.
func evalDims(e *Env, op *ir.Op, _ []ir.Datum) ([]ir.Datum, error) {
	a := op.Attrs.(*ir.DimsAttrs)
	values, err := e.evalAll(op, "dims_c1", a.Values)
	if err != nil {
		return nil, err
	}
	if a.Scalar {
		return []ir.Datum{ir.Scalar(values[0])}, nil
	}
	return []ir.Datum{ir.TensorFrom(values, len(values))}, nil
}

func (e *Env) evalAll(op *ir.Op, label string, dims []ir.Dim) ([]int64, error) {
	values := make([]int64, len(dims))
	for i, d := range dims {
		n, ok := e.eval(d)
		if !ok {
			return nil, opError(op, ir.UnknownValue, label, "%s: size %s is not known here", op.Kind, d)
		}
		values[i] = n
	}
	return values, nil
}

// sizes reads an operand that lists sizes or positions.
func sizes(args []ir.Datum, i int) []int64 { return ints(tensor(args, i)) }

// evalReshape: ONNX Reshape.
func evalReshape(_ *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, target := tensor(args, 0), sizes(args, 1)
	shape := make([]int, len(target))
	infer, n := -1, x.Len()
	for i, t := range target {
		switch {
		case t == 0 && !op.Attrs.(*ir.ReshapeAttrs).AllowZero:
			if i >= len(x.Shape) {
				return nil, opError(op, ir.ShapeError, "reshape_c4", "0 at position %d of target %v copies no axis of %v", i, target, x.Shape)
			}
			shape[i] = x.Shape[i]
		case t == -1 && infer < 0:
			shape[i], infer = 1, i
		case t < 0 || t > math.MaxInt32*1024:
			return nil, opError(op, ir.ShapeError, "reshape_c2", "cannot reshape %v to %v", x.Shape, target)
		default:
			shape[i] = int(t)
		}
	}
	rest, err := ir.NumElements(shape)
	if infer >= 0 && rest > 0 && err == nil {
		shape[infer] = n / rest
		rest *= shape[infer]
	} else if infer >= 0 && rest == 0 {
		shape[infer] = 0
	}
	if err != nil || rest != n {
		return nil, opError(op, ir.ShapeError, "reshape_c3", "cannot reshape %v to %v", x.Shape, target)
	}
	return []ir.Datum{reshaped(x, shape)}, nil
}

func evalTranspose(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	perm := make([]int, len(tensor(args, 0).Shape))
	for i, p := range op.Attrs.(*ir.PermAttrs).Perm {
		perm[i] = int(p)
	}
	return one(e.transposed(op, tensor(args, 0), perm))
}

// evalExpand broadcasts in both directions.
func evalExpand(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x := tensor(args, 0)
	target, err := e.shapeOf(op, "expand_c2", sizes(args, 1))
	if err != nil {
		return nil, err
	}
	shape, err := broadcastShapes(op, "expand_c2", x.Shape, target)
	if err != nil {
		return nil, err
	}
	return one(e.expand(op, x, shape))
}

// shapeOf makes sure that sizes from an operand are sizes.
func (e *Env) shapeOf(op *ir.Op, label string, sizes []int64) ([]int, error) {
	shape := make([]int, len(sizes))
	for i, n := range sizes {
		if n < 0 || n > ir.MaxElements {
			return nil, opError(op, ir.ShapeError, label, "%s: size %d in shape %v", op.Kind, n, sizes)
		}
		shape[i] = int(n)
	}
	return shape, nil
}

func evalUnsqueeze(_ *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, shape := tensor(args, 0), []int(nil)
	shape = append(shape, x.Shape...)
	for _, a := range op.Attrs.(*ir.AxesAttrs).Axes {
		shape = slices.Insert(shape, int(a), 1)
	}
	return []ir.Datum{reshaped(x, shape)}, nil
}

func evalSqueeze(_ *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, axes := tensor(args, 0), op.Attrs.(*ir.AxesAttrs).Axes
	for _, a := range axes {
		if x.Shape[a] != 1 {
			return nil, opError(op, ir.ShapeError, "squeeze_c2", "squeeze of axis %d of %v", a, x.Shape)
		}
	}
	return []ir.Datum{reshaped(x, reducedShape(x.Shape, axes, false))}, nil
}

func evalConcat(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	axis := op.Attrs.(*ir.AxisAttrs).Axis
	parts := make([]*ir.Tensor, len(args))
	for i := range args {
		parts[i] = tensor(args, i)
	}
	return one(e.concat(op, parts, int(axis)))
}

// concat joins tensors of one dtype along an axis.
func (e *Env) concat(op *ir.Op, parts []*ir.Tensor, axis int) (*ir.Tensor, error) {
	shape := cloneShape(parts[0].Shape)
	shape[axis] = 0
	for _, p := range parts {
		shape[axis] += p.Shape[axis]
		for k, n := range p.Shape {
			if k != axis && n != shape[k] {
				return nil, opError(op, ir.ShapeError, "concat_c3", "%s on axis %d of %v and %v", op.Kind, axis, parts[0].Shape, p.Shape)
			}
		}
	}
	out, err := e.newTensor(op, parts[0].DType, shape)
	if err != nil {
		return nil, err
	}
	strides, at := rowMajor(shape), 0
	for _, p := range parts {
		move(out, p, walk{shape: p.Shape, dst: strides, src: rowMajor(p.Shape), dstStart: at * strides[axis]})
		at += p.Shape[axis]
	}
	return out, nil
}

// evalSlice: ONNX Slice; bounds count from the end where negative, and are clamped.
func evalSlice(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, a := tensor(args, 0), op.Attrs.(*ir.SliceAttrs)
	starts, ends := sizes(args, 1), sizes(args, 2)
	if len(starts) != len(a.Axes) || len(ends) != len(a.Axes) {
		return nil, opError(op, ir.AttrError, "slice_c2", "%d starts, %d ends, axes %v", len(starts), len(ends), a.Axes)
	}
	w := walk{shape: cloneShape(x.Shape), src: rowMajor(x.Shape)}
	for i, axis := range a.Axes {
		from, n := sliceRange(int64(x.Shape[axis]), starts[i], ends[i], a.Steps[i])
		w.shape[axis] = n
		w.srcStart += from * w.src[axis]
		w.src[axis] *= int(a.Steps[i])
	}
	out, err := e.newTensor(op, x.DType, w.shape)
	if err != nil {
		return nil, err
	}
	w.dst = rowMajor(w.shape)
	move(out, x, w)
	return []ir.Datum{out}, nil
}

// sliceRange is where a slice of an axis of size n starts, and how many elements it takes.
func sliceRange(n, start, end, step int64) (from, count int) {
	s, _ := ir.SliceBound(ir.Size(n), ir.Size(start), step, false).Value()
	t, _ := ir.SliceBound(ir.Size(n), ir.Size(end), step, true).Value()
	switch {
	case step > 0 && s < t:
		return int(s), int((t-s-1)/step + 1)
	case step < 0 && s > t:
		return int(s), int((t-s+1)/step + 1)
	}
	return 0, 0
}

func evalSplit(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, a := tensor(args, 0), op.Attrs.(*ir.SplitAttrs)
	lens, err := e.evalAll(op, "split_c2", a.Sizes)
	if err != nil {
		return nil, err
	}
	axis, at := int(a.Axis), 0
	src := rowMajor(x.Shape)
	var results []ir.Datum
	for _, n := range lens {
		if n < 0 || n > int64(x.Shape[axis]-at) {
			return nil, opError(op, ir.ShapeError, "split_c2", "split sizes %v of axis %d of %v", lens, axis, x.Shape)
		}
		shape := cloneShape(x.Shape)
		shape[axis] = int(n)
		out, err := e.newTensor(op, x.DType, shape)
		if err != nil {
			return nil, err
		}
		move(out, x, walk{shape: shape, dst: rowMajor(shape), src: src, srcStart: at * src[axis]})
		at += int(n)
		results = append(results, out)
	}
	if at != x.Shape[axis] {
		return nil, opError(op, ir.ShapeError, "split_c2", "split sizes %v of axis %d of %v", lens, axis, x.Shape)
	}
	return results, nil
}

// evalPad: ONNX Pad. Negative amounts cut.
func evalPad(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, pads, a := tensor(args, 0), sizes(args, 1), op.Attrs.(*ir.PadAttrs)
	begins, ends := make([]int64, len(x.Shape)), make([]int64, len(x.Shape))
	for i, axis := range a.Axes {
		begins[axis] += pads[i]
		ends[axis] += pads[i+len(a.Axes)]
	}
	shape := make([]int64, len(x.Shape))
	for i, n := range x.Shape {
		if max(begins[i], -begins[i], ends[i], -ends[i]) > ir.MaxElements {
			return nil, opError(op, ir.ShapeError, "pad_c1", "pads %v", pads)
		}
		shape[i] = int64(n) + begins[i] + ends[i]
	}
	to, err := e.shapeOf(op, "pad_c1", shape)
	if err != nil {
		return nil, err
	}
	if a.Mode == "constant" {
		return one(e.padConstant(op, x, tensor(args, 2), to, begins))
	}
	for axis, n := range x.Shape {
		if begins[axis] == 0 && ends[axis] == 0 {
			continue
		}
		if n == 0 && to[axis] > 0 {
			return nil, opError(op, ir.ShapeError, "pad_c1", "pad by %s of an axis of size 0: %v", a.Mode, x.Shape)
		}
		index := make([]int, to[axis])
		for i := range index {
			index[i] = padSource(a.Mode, int64(i)-begins[axis], int64(n))
		}
		if x, err = e.take(op, x, axis, index); err != nil {
			return nil, err
		}
	}
	return []ir.Datum{x}, nil
}

func (e *Env) padConstant(op *ir.Op, x, value *ir.Tensor, shape []int, begins []int64) (*ir.Tensor, error) {
	out, err := e.newTensor(op, x.DType, shape)
	if err != nil {
		return nil, err
	}
	if value != nil {
		expandInto(out, value)
	}
	w := walk{shape: make([]int, len(shape)), dst: rowMajor(shape), src: rowMajor(x.Shape)}
	for i, n := range x.Shape {
		lo := max(int(begins[i]), 0)
		hi := min(int(begins[i])+n, shape[i])
		w.shape[i] = max(hi-lo, 0)
		w.dstStart += lo * w.dst[i]
		w.srcStart += (lo - int(begins[i])) * w.src[i]
	}
	move(out, x, w)
	return out, nil
}

// padSource is the element of an axis of size n that position i, counted from its start, shows.
func padSource(mode string, i, n int64) int {
	switch mode {
	case "edge":
		return int(max(0, min(i, n-1)))
	case "wrap":
		return int((i%n + n) % n)
	}
	if n == 1 {
		return 0
	}
	period := 2 * (n - 1)
	i = (i%period + period) % period
	return int(min(i, period-i))
}

// take gathers along an axis by indices that are in range.
func (e *Env) take(op *ir.Op, x *ir.Tensor, axis int, index []int) (*ir.Tensor, error) {
	shape := cloneShape(x.Shape)
	shape[axis] = len(index)
	out, err := e.newTensor(op, x.DType, shape)
	if err != nil || out.Len() == 0 {
		return out, err
	}
	outer, inner := product(x.Shape[:axis]), product(x.Shape[axis+1:])
	parallelRows(outer*len(index), inner, func(lo, hi int) {
		for r := lo; r < hi; r++ {
			copyRun(out, r*inner, x, (r/len(index)*x.Shape[axis]+index[r%len(index)])*inner, inner)
		}
	})
	return out, nil
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// evalTile repeats each axis: it broadcasts over an axis put before each.
func evalTile(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x := tensor(args, 0)
	reps, err := e.shapeOf(op, "tile_c1", sizes(args, 1))
	if err != nil {
		return nil, err
	}
	if len(reps) != len(x.Shape) {
		return nil, opError(op, ir.ShapeError, "tile_c1", "%d repeats for %v", len(reps), x.Shape)
	}
	shape := make([]int, len(reps))
	var w walk
	strides := rowMajor(x.Shape)
	for i, n := range x.Shape {
		if reps[i] != 0 && n > ir.MaxElements/reps[i] {
			return nil, opError(op, ir.ShapeError, "tile_c1", "tile of %v by %v is too large", x.Shape, reps)
		}
		shape[i] = n * reps[i]
		w.shape = append(w.shape, reps[i], n)
		w.src = append(w.src, 0, strides[i])
	}
	out, err := e.newTensor(op, x.DType, shape)
	if err != nil {
		return nil, err
	}
	w.dst = rowMajor(w.shape)
	move(out, x, w)
	return []ir.Datum{out}, nil
}

// evalRange: start + i × delta, up to the limit and without it. ONNX Range.
func evalRange(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	d := tensor(args, 0).DType
	switch {
	case d.IsFloat():
		v := [3]float64{floats(tensor(args, 0))[0], floats(tensor(args, 1))[0], floats(tensor(args, 2))[0]}
		return one(rangeOf(e, op, d, v, math.Ceil((v[1]-v[0])/v[2])))
	case isU64(d):
		v := [3]uint64{ir.View[uint64](tensor(args, 0))[0], ir.View[uint64](tensor(args, 1))[0], ir.View[uint64](tensor(args, 2))[0]}
		n := 0.0
		if v[2] != 0 && v[0] < v[1] {
			n = float64((v[1]-v[0]-1)/v[2] + 1)
		}
		return one(rangeOf(e, op, d, v, n))
	}
	v := [3]int64{sizes(args, 0)[0], sizes(args, 1)[0], sizes(args, 2)[0]}
	n := 0.0
	switch {
	case v[2] > 0 && v[0] < v[1]:
		n = float64((uint64(v[1])-uint64(v[0])-1)/uint64(v[2]) + 1)
	case v[2] < 0 && v[0] > v[1]:
		n = float64((uint64(v[0])-uint64(v[1])-1)/absolute(v[2]) + 1)
	}
	return one(rangeOf(e, op, d, v, n))
}

func rangeOf[N number](e *Env, op *ir.Op, d ir.DType, v [3]N, n float64) (*ir.Tensor, error) {
	if v[2] == 0 || n != n || n > ir.MaxElements {
		return nil, opError(op, ir.ValueError, "range_c2", "range from %v to %v by %v", v[0], v[1], v[2])
	}
	out, err := e.newTensor(op, d, []int{int(max(n, 0))})
	if err != nil {
		return nil, err
	}
	parallel(out.Len(), chunk, func(lo, hi int) {
		buf := make([]N, min(chunk, hi-lo))
		for ; lo < hi; lo += chunk {
			b := buf[:min(chunk, hi-lo)]
			for i := range b {
				b[i] = v[0] + N(lo+i)*v[2]
			}
			store(out, lo, b)
		}
	})
	return out, nil
}

// evalTrilu keeps a triangle of the last two axes and makes the rest zero; k moves the diagonal up.
func evalTrilu(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, k := tensor(args, 0), int64(0)
	if t := tensor(args, 1); t != nil {
		k = ints(t)[0]
	}
	out, err := e.newTensor(op, x.DType, cloneShape(x.Shape))
	if err != nil || x.Len() == 0 {
		return []ir.Datum{out}, err
	}
	rows, cols := x.Shape[len(x.Shape)-2], x.Shape[len(x.Shape)-1]
	k = max(-int64(rows), min(k, int64(cols)))
	upper := op.Attrs.(*ir.TriluAttrs).Upper
	for r := range x.Len() / cols {
		from, to := 0, max(0, min(r%rows+int(k)+1, cols))
		if upper {
			from, to = max(0, min(r%rows+int(k), cols)), cols
		}
		copyRun(out, r*cols+from, x, r*cols+from, to-from)
	}
	return []ir.Datum{out}, nil
}
