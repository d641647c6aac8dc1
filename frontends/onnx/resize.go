package onnx

import (
	"math"
	"slices"
	"strings"

	"github.com/emilyc/emily/ir"
)

var resizeRows = []row{
	{"", "Upsample", since(1, 7, 9, 10), importUpsample},
	{"", "Resize", since(10), importUpsample},
	{"", "Resize", since(11, 13, 18, 19), importResize},
}

// resize is how an operand is sampled, axis by axis: places are computed here, so that a run only gathers and weighs.
type resize struct {
	mode        string // nearest, linear or cubic
	coordinates string
	nearest     string
	policy      string
	cubic       float64 // coefficient a
	excludes    bool    // what is outside has no weight
	antialias   bool
	outside     float64 // of tf_crop_and_resize
}

// resizeAxis is an axis that is sampled: out places, each at scale times as many as there are.
type resizeAxis struct {
	axis, in, out int
	scale         float64
	from, to      float64 // the region of interest, as parts of the axis
}

// importUpsample: Upsample and Resize-10 have scales only. A place is its index over the scale; nearest rounds down, and where
// the axis shrinks up.
func importUpsample(n *Node) []*ir.Value {
	x := n.in[0]
	r := resize{mode: n.String("mode", "nearest"), coordinates: "asymmetric", nearest: "simple"}
	if r.mode == "bilinear" {
		r.mode = "linear"
	}
	var scales []float64
	switch {
	case n.since == 1:
		scales = []float64{1, 1, float64(n.Float("height_scale", 1)), float64(n.Float("width_scale", 1))}
	case n.since == 7:
		for _, s := range n.Floats("scales") {
			scales = append(scales, float64(s))
		}
	default:
		if r.policy = "stretch"; n.resizesAtRun(x, allAxes(x), n.in[1], false) {
			return one(n.resize(r, func(y *ir.Value) *ir.Value { return n.sampleAtRun(r, allAxes(x), n.in[1], false, y) }))
		}
		scales = n.knownFloats(n.in[1], "the scales")
	}
	list := n.scaledAxes(x, allAxes(x), scales)
	return one(n.resize(r, func(y *ir.Value) *ir.Value { return n.sampleAxes(r, list, y) }))
}

// importResize: Resize-11 to 19 with scales, or sizes where there are some.
func importResize(n *Node) []*ir.Value {
	x := n.in[0]
	r := resize{
		mode: n.String("mode", "nearest"), coordinates: n.String("coordinate_transformation_mode", "half_pixel"),
		nearest: n.String("nearest_mode", "round_prefer_floor"), cubic: float64(n.Float("cubic_coeff_a", -0.75)),
		excludes: n.Int("exclude_outside", 0) != 0, outside: float64(n.Float("extrapolation_value", 0)), policy: "stretch",
	}
	axes := ir.Axes(0, x.Rank())
	if n.since >= 18 {
		r.antialias, r.policy = n.Int("antialias", 0) != 0, n.String("keep_aspect_ratio_policy", "stretch")
		for i, a := range n.Ints("axes", axes...) {
			axes = append(axes[:i:i], n.normalAxis(a, x.Rank()))
		}
	}
	scales, sizes := n.arg(2), n.arg(3)
	sized := sizes != nil && !size(sizes, 0).Is(0)
	to := scales
	if sized {
		to = sizes
	}
	if to != nil && n.resizesAtRun(x, axes, to, sized) {
		return one(n.resize(r, func(y *ir.Value) *ir.Value { return n.sampleAtRun(r, axes, to, sized, y) }))
	}
	var list []resizeAxis
	switch {
	case sized:
		list = n.sizedAxes(x, axes, n.dims(sizes, "the sizes"), r.policy)
	case scales != nil:
		list = n.scaledAxes(x, axes, n.knownFloats(scales, "the scales"))
	default:
		n.fail(Missing, remedyExport, "neither scales nor sizes are given")
	}
	if r.coordinates == "tf_crop_and_resize" {
		list = n.regions(list, axes)
	}
	return one(n.resize(r, func(y *ir.Value) *ir.Value { return n.sampleAxes(r, list, y) }))
}

// scaledAxes are axes that get ⌊size × scale⌋ places; those that stay as they are are left out.
func (n *Node) scaledAxes(x *ir.Value, axes []int64, scales []float64) []resizeAxis {
	if n.ok() && len(scales) != len(axes) {
		n.fail(Invalid, "give a scale for each axis", "%d scales for %d axes", len(scales), len(axes))
	}
	var list []resizeAxis
	for i, axis := range axes {
		if !n.ok() {
			return nil
		}
		if in, ok := n.resizable(x, axis, scales[i] == 1 && !n.crops()); ok {
			list = append(list, resizeAxis{int(axis), in, n.places(scales[i] * float64(in)), scales[i], 0, 1})
		}
	}
	return list
}

// sizedAxes are axes that get that many places, or as many as keep the proportions and are not larger, or not smaller.
func (n *Node) sizedAxes(x *ir.Value, axes []int64, sizes []ir.Dim, policy string) []resizeAxis {
	if n.ok() && len(sizes) != len(axes) {
		n.fail(Invalid, "give a size for each axis", "%d sizes for %d axes", len(sizes), len(axes))
	}
	var list []resizeAxis
	scale := map[string]float64{"not_larger": math.Inf(1)}[policy]
	for i, axis := range axes {
		if !n.ok() {
			return nil
		}
		in, ok := n.resizable(x, axis, sizes[i] == size(x, int(axis)) && policy == "stretch" && !n.crops())
		if !ok {
			continue
		}
		out, known := sizes[i].Value()
		if !known {
			n.needsSize(sizes[i], "the size that axis %d gets is not known", axis)
			return nil
		}
		a := resizeAxis{int(axis), in, n.places(float64(out)), float64(out) / float64(in), 0, 1}
		if policy == "not_larger" {
			scale = min(scale, a.scale)
		} else {
			scale = max(scale, a.scale)
		}
		list = append(list, a)
	}
	switch policy {
	case "stretch":
		return list
	case "not_larger", "not_smaller":
	default:
		n.fail(Invalid, "give stretch, not_larger or not_smaller", "keep_aspect_ratio_policy %q", clip(policy))
	}
	for i := range list {
		a := &list[i]
		a.scale, a.out = scale, n.places(scale*float64(a.in)+0.5)
	}
	return list
}

// crops reports whether even an axis that keeps its size is sampled.
func (n *Node) crops() bool {
	return n.since > 10 && n.String("coordinate_transformation_mode", "") == "tf_crop_and_resize"
}

// resizable is the size of an axis, which must be known; ok is false where nothing is to be done.
func (n *Node) resizable(x *ir.Value, axis int64, same bool) (in int, ok bool) {
	if same {
		return 0, false
	}
	d := size(x, int(axis))
	v, known := d.Value()
	switch {
	case !known:
		n.needsSize(d, "resizing axis %d of %s: its places depend on %s", axis, x.Type, d)
	case v == 0:
		n.fail(Invalid, "give an operand with elements", "resizing axis %d of %s", axis, x.Type)
	}
	return int(v), known && v > 0
}

// places is ⌊v⌋, in bounds.
func (n *Node) places(v float64) int {
	if !(v >= 0) || v > maxPlaces {
		n.fail(Invalid, "give positive scales, and sizes in bounds", "resizing to %g places", v)
		return 0
	}
	return int(v)
}

// maxPlaces bounds what is computed for an axis: places times weights for each.
const maxPlaces = 1 << 24

// regions sets the region of each axis from operand 1: all begins, then all ends.
func (n *Node) regions(list []resizeAxis, axes []int64) []resizeAxis {
	if n.arg(1) == nil {
		n.fail(Missing, remedyExport, "tf_crop_and_resize without a region of interest")
		return nil
	}
	roi := n.knownFloats(n.arg(1), "the region of interest")
	if n.ok() && len(roi) != 2*len(axes) {
		n.fail(Invalid, "give a begin and an end for each axis", "a region of %d numbers for %d axes", len(roi), len(axes))
	}
	if slices.ContainsFunc(roi, func(v float64) bool { return math.IsNaN(v) || math.IsInf(v, 0) }) {
		n.fail(Invalid, "give finite numbers", "a region of %v", roi)
	}
	for i, axis := range axes {
		for k := range list {
			if n.ok() && list[k].axis == int(axis) {
				list[k].from, list[k].to = roi[i], roi[len(axes)+i]
			}
		}
	}
	return list
}

// resize samples the operand: in f32, or f64; integers are rounded once.
func (n *Node) resize(r resize, sample func(*ir.Value) *ir.Value) *ir.Value {
	x := n.in[0]
	if !n.ok() || !r.known(n) {
		return x
	}
	if r.mode == "nearest" {
		return sample(x)
	}
	d := x.DType()
	y := x
	if d != ir.F64 {
		y = n.cast(x, ir.F32)
	}
	y = sample(y)
	if d.IsInt() && n.ok() {
		y = n.op(ir.Round, nil, y)
		if d.Bits() <= 16 { // cubic weights go beyond what they weigh
			lo, hi := limits(d)
			y = n.op(ir.Min, nil, n.op(ir.Max, nil, y, n.number(y.DType(), lo)), n.number(y.DType(), hi))
		}
	}
	return n.cast(y, d)
}

// known checks the modes.
func (r resize) known(n *Node) bool {
	for _, m := range []struct {
		name, value string
		among       []string
	}{
		{"mode", r.mode, []string{"nearest", "linear", "cubic"}},
		{"nearest_mode", r.nearest, []string{"simple", "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}},
		{"coordinate_transformation_mode", r.coordinates, []string{"half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "tf_half_pixel_for_nn", "align_corners", "asymmetric", "tf_crop_and_resize"}},
	} {
		if !slices.Contains(m.among, m.value) {
			n.fail(Invalid, "give one of "+strings.Join(m.among, ", "), "%s %q", m.name, clip(m.value))
			return false
		}
	}
	return true
}

func (n *Node) sampleAxes(r resize, list []resizeAxis, x *ir.Value) *ir.Value {
	for _, a := range list {
		if !n.ok() {
			return x
		}
		x = n.sampleAxis(r, a, x)
	}
	return x
}

// sampleAxis gathers [out] places, or [out, taps] of them that are weighed and summed.
func (n *Node) sampleAxis(r resize, a resizeAxis, x *ir.Value) *ir.Value {
	along := &ir.AxisAttrs{Axis: int64(a.axis)}
	at := make([]float64, a.out)
	crop, beyond := r.coordinates == "tf_crop_and_resize", make([]uint8, a.out)
	for i := range at {
		at[i] = r.place(a, float64(i))
		if crop && (at[i] < 0 || at[i] > float64(a.in-1)) {
			beyond[i] = 1
		}
	}
	var y *ir.Value
	if r.mode == "nearest" {
		index := make([]int64, a.out)
		for i, p := range at {
			index[i] = int64(min(max(r.round(p, a.scale), 0), float64(a.in-1)))
		}
		y = n.op(ir.Gather, along, x, n.b.Ints(index...))
	} else {
		y = n.weigh(r, a, at, x)
	}
	if !n.ok() || !slices.Contains(beyond, 1) {
		return y
	}
	mask := ir.NewTensor(ir.Bool, append([]int{a.out}, unitSizes(x.Rank()-a.axis-1)...)...)
	copy(mask.Data, beyond)
	return n.op(ir.Where, nil, n.b.Const(mask), n.number(y.DType(), r.outside), y)
}

// weigh sums the elements around each place, which are 2·half, times their weights.
func (n *Node) weigh(r resize, a resizeAxis, at []float64, x *ir.Value) *ir.Value {
	support, s := map[string]float64{"linear": 1, "cubic": 2}[r.mode], 1.0
	if r.antialias {
		s = min(a.scale, 1)
	}
	reach := math.Ceil(support / s)
	if taps := reach * 2 * float64(max(a.out, 1)); !(taps <= maxPlaces) {
		return n.fail(Unsupported, "resize in steps", "antialias over %g places", taps)
	}
	half := int(reach)
	index, weights := make([]int64, 0, a.out*2*half), make([]float64, 0, a.out*2*half)
	for _, p := range at {
		base := math.Ceil(p) - 1 // the ratio is in (0, 1]
		w := weights[len(weights):]
		sum := 0.0
		for k := 1 - half; k <= half; k++ {
			i := base + float64(k)
			v := r.weight((i - p) * s)
			if r.excludes && (i < 0 || i > float64(a.in-1)) {
				v = 0
			}
			w, sum = append(w, v), sum+v
			index = append(index, int64(min(max(i, 0), float64(a.in-1))))
		}
		for i := range w {
			if sum != 0 {
				w[i] /= sum
			}
		}
		weights = append(weights, w...)
	}
	k := ir.TensorFrom(index, a.out, 2*half)
	y := n.op(ir.Gather, &ir.AxisAttrs{Axis: int64(a.axis)}, x, n.b.Const(k))
	shape := append([]int{a.out, 2 * half}, unitSizes(x.Rank()-a.axis-1)...)
	w := n.floats(weights, shape, x.DType())
	return n.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{int64(a.axis) + 1}}, n.op(ir.Mul, nil, y, w))
}

func unitSizes(count int) []int { return slices.Repeat([]int{1}, count) }

// place is where output i lies among the elements of the axis.
func (r resize) place(a resizeAxis, i float64) float64 {
	in, out := float64(a.in), a.scale*float64(a.in)
	switch r.coordinates {
	case "align_corners":
		if out == 1 {
			return 0
		}
		return i * (in - 1) / (out - 1)
	case "asymmetric":
		return i / a.scale
	case "tf_half_pixel_for_nn":
		return (i + 0.5) / a.scale
	case "tf_crop_and_resize":
		if out == 1 {
			return (a.from + a.to) * (in - 1) / 2
		}
		return a.from*(in-1) + i*(a.to-a.from)*(in-1)/(out-1)
	case "pytorch_half_pixel":
		if out == 1 {
			return 0
		}
	case "half_pixel_symmetric":
		return in/2*(1-float64(a.out)/out) + (i+0.5)/a.scale - 0.5
	}
	return (i+0.5)/a.scale - 0.5
}

// round is the index nearest to p.
func (r resize) round(p, scale float64) float64 {
	switch {
	case r.nearest == "round_prefer_floor":
		return math.Ceil(p - 0.5)
	case r.nearest == "round_prefer_ceil":
		return math.Floor(p + 0.5)
	case r.nearest == "ceil" || r.nearest == "simple" && scale < 1:
		return math.Ceil(p)
	}
	return math.Floor(p)
}

// weight of an element at distance t.
func (r resize) weight(t float64) float64 {
	t = math.Abs(t)
	a := r.cubic
	switch {
	case r.mode == "linear":
		return max(0, 1-t)
	case t <= 1:
		return ((a+2)*t-(a+3))*t*t + 1
	case t < 2:
		return ((a*t-5*a)*t+8*a)*t - 4*a
	}
	return 0
}

// knownFloats are the elements of v, which must be known when the model is compiled.
func (n *Node) knownFloats(v *ir.Value, what string) []float64 {
	if !n.ok() {
		return nil
	}
	t := n.constOf(v)
	switch {
	case !n.ok():
		return nil
	case t == nil && size(v, 0).Is(0):
		return nil
	case t == nil:
		n.b.Fail(n.needs(v, what+" must be known when the model is compiled"))
		return nil
	case t.Len() > maxInts:
		n.fail(Invalid, remedyExport, "%s has %d elements", what, t.Len())
		return nil
	}
	return t.Floats()
}
