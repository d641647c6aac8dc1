package onnx

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// regionSide is one axis of RoiAlign's regions: which columns of rois[R, 4] and which axis of x.
type regionSide struct {
	column, axis int
	pooled       int64
}

// importRoiAlign: each region rois[R, 4], of image batch_indices[R], in pooled bins; a bin is the mean, or the maximum, of
// samples² points in it, each weighed from four elements. Samples 0: as many as a bin is long, which differ by region.
func importRoiAlign(n *Node) []*ir.Value {
	x, rois, batch := n.in[0], n.in[1], n.in[2]
	mode, scale, samples := n.String("mode", "avg"), float64(n.Float("spatial_scale", 1)), n.Int("sampling_ratio", 0)
	h, w := n.Int("output_height", 1), n.Int("output_width", 1)
	shift := 0.0
	if n.since >= 16 && n.String("coordinate_transformation_mode", "half_pixel") == "half_pixel" {
		shift = -0.5
	}
	switch {
	case !n.ok():
		return nil
	case x.Rank() != 4 || rois.Rank() != 2 || !size(rois, 1).Is(4) || batch.Rank() != 1:
		return one(n.fail(Invalid, "give x[N, C, H, W], rois[R, 4] and batch_indices[R]", "operands are %s, %s, %s", x.Type, rois.Type, batch.Type))
	case min(h, w) < 1 || max(h, w, samples) > maxInts || samples < 0 || mode != "avg" && mode != "max":
		return one(n.fail(Invalid, "give avg or max, and sizes in bounds", "mode %q, output %d × %d, sampling_ratio %d", clip(mode), h, w, samples))
	}
	n.sameSize(size(rois, 0), size(batch, 0))
	d := x.DType()
	x = n.wide(x)
	boxes := n.affine(n.cast(rois, x.DType()), scale, shift)
	rows := n.regionTaps(boxes, regionSide{1, 2, h}, samples, shift == 0, x)
	columns := n.regionTaps(boxes, regionSide{0, 3, w}, samples, shift == 0, x)
	if !n.ok() {
		return nil
	}
	// [R, h × i, 2] and [R, w × j, 2] become [R, h × i × w × j, 4].
	a, b := size(rows.index, 1), size(columns.index, 1)
	all := n.cross(n.eachPoint(rows.taps, 2, a, b), n.eachPoint(columns.taps, 1, a, b), size(x, 3))
	y := n.tapped(x, n.startsOf(n.cast(batch, ir.I64), x), all)
	count, hs, ws := size(rois, 0), ir.Size(h), ir.Size(w)
	y = n.reshape(y, count, hs, rows.samples, ws, columns.samples, ir.Size(4), size(x, 1))
	if mode == "max" {
		y = n.maxSamples(y, rows, columns)
	} else {
		y = n.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{2, 4, 5}}, y)
		if samples > 0 {
			y = n.affine(y, 1/float64(samples*samples), 0)
		} else {
			area := n.op(ir.Max, nil, n.op(ir.Mul, nil, rows.count, columns.count), n.number(x.DType(), 1))
			y = n.op(ir.Div, nil, y, n.unsqueeze(area, 2, 3))
		}
	}
	return one(n.cast(n.transpose(y, 0, 3, 1, 2), d))
}

// sideTaps are the taps of the points along one side of all regions.
type sideTaps struct {
	taps
	samples ir.Dim    // points in a bin, in the region that has most
	count   *ir.Value // float[R, 1]: points in a bin of each region
	used    *ir.Value // bool[R, 1, samples]: which of the points a region has; nil for all
}

// regionTaps finds the points along one side: bins × samples.
func (n *Node) regionTaps(boxes *ir.Value, s regionSide, samples int64, whole bool, x *ir.Value) sideTaps {
	f, d := x.DType(), size(x, s.axis)
	start, end := n.unsqueeze(n.at(boxes, 1, s.column), 1), n.unsqueeze(n.at(boxes, 1, s.column+2), 1)
	length := n.op(ir.Sub, nil, end, start)
	if whole {
		length = n.op(ir.Max, nil, length, n.number(f, 1))
	}
	bin := n.affine(length, 1/float64(s.pooled), 0)
	side := sideTaps{samples: ir.Size(samples)}
	limit := n.dim(side.samples)
	if side.count = n.number(f, float64(samples)); samples == 0 {
		side.count = n.op(ir.Max, nil, n.op(ir.Min, nil, n.op(ir.Ceil, nil, bin), n.number(f, maxInts)), n.number(f, 0))
		most := n.op(ir.ReduceMax, &ir.ReduceAttrs{Axes: []int64{0, 1}}, n.op(ir.Concat, &ir.AxisAttrs{}, n.floats([]float64{1}, []int{1, 1}, f), side.count))
		limit = n.cast(most, ir.I64)
	}
	within := n.cast(n.count(limit), f)
	if !n.ok() {
		return side
	}
	side.samples = size(within, 0)
	step := n.op(ir.Div, nil, bin, n.op(ir.Max, nil, side.count, n.number(f, 1)))
	inner := n.op(ir.Mul, nil, n.unsqueeze(n.affine(within, 1, 0.5), 0), step) // [R, samples]
	bins := n.op(ir.Mul, nil, n.unsqueeze(n.cast(n.count(n.dim(ir.Size(s.pooled))), f), 0), bin)
	at := n.op(ir.Add, nil, n.unsqueeze(n.op(ir.Add, nil, start, bins), 2), n.unsqueeze(inner, 1))
	inside := n.within(at, n.number(f, -1), n.sizeLike(d, 0, at))
	if samples == 0 {
		side.used = n.unsqueeze(n.op(ir.Less, nil, n.unsqueeze(within, 0), side.count), 1)
		inside = n.op(ir.And, nil, inside, side.used)
	}
	points := []ir.Dim{size(boxes, 0), side.samples.Mul(ir.Size(s.pooled))}
	at = n.op(ir.Max, nil, n.op(ir.Min, nil, n.reshape(at, points...), n.sizeLike(d, -1, at)), n.number(f, 0))
	side.taps = n.axisTaps(sampling{mode: "linear", padding: "border", corners: true}, at, d, f)
	both := []ir.Dim{points[0], points[1], ir.Size(2)}
	side.inside = n.op(ir.Expand, nil, n.unsqueeze(n.reshape(inside, points...), 2), n.b.Dims(both...))
	return side
}

// eachPoint repeats the taps of one side for each point of the other, which gets that axis: [R, a × b, 2].
func (n *Node) eachPoint(t taps, axis int64, a, b ir.Dim) taps {
	if !n.ok() {
		return t
	}
	spread := func(v *ir.Value) *ir.Value {
		s := size(v, 0)
		v = n.op(ir.Expand, nil, n.unsqueeze(v, axis), n.b.Dims(s, a, b, ir.Size(2)))
		return n.reshape(v, s, a.Mul(b), ir.Size(2))
	}
	return taps{spread(t.index), spread(t.weight), spread(t.inside)}
}

// maxSamples is the greatest weighed element of each bin, y[R, h, i, w, j, 4, C]; 0 in a bin without points.
func (n *Node) maxSamples(y *ir.Value, rows, columns sideTaps) *ir.Value {
	over := &ir.ReduceAttrs{Axes: []int64{2, 4, 5}}
	if rows.used == nil {
		return n.op(ir.ReduceMax, over, y)
	}
	used := n.op(ir.And, nil, n.unsqueeze(rows.used, 3, 4, 5, 6), n.unsqueeze(columns.used, 1, 2, 5, 6))
	low := n.number(y.DType(), math.Inf(-1))
	y = n.op(ir.ReduceMax, over, n.op(ir.Where, nil, used, y, low))
	return n.op(ir.Where, nil, n.op(ir.Equal, nil, y, low), n.number(y.DType(), 0), y)
}

// importMaxRoiPool: the greatest element of each bin of regions rois[R, 5], whose first column names the image; bins are made of whole
// elements, and 0 where they have none.
func importMaxRoiPool(n *Node) []*ir.Value {
	x, rois := n.in[0], n.in[1]
	pooled, scale := n.Ints("pooled_shape"), float64(n.Float("spatial_scale", 1))
	if n.ok() && (x.Rank() != 4 || rois.Rank() != 2 || !size(rois, 1).Is(5) || len(pooled) != 2 || min(pooled[0], pooled[1]) < 1 || max(pooled[0], pooled[1]) > maxInts) {
		n.fail(Invalid, "give x[N, C, H, W], rois[R, 5] and a pooled_shape of two", "operands are %s and %s, pooled_shape %v", x.Type, rois.Type, pooled)
	}
	if !n.ok() {
		return nil
	}
	d := x.DType()
	x = n.op(ir.Gather, &ir.AxisAttrs{}, n.wide(x), n.cast(n.at(rois, 1, 0), ir.I64))
	boxes := n.op(ir.Floor, nil, n.affine(n.cast(rois, x.DType()), scale, 0.5))
	low := n.number(x.DType(), math.Inf(-1))
	for i := range 2 {
		axis := int64(3 - i) // columns, then rows
		in := n.binMask(boxes, 1+i, pooled[1-i], size(x, int(axis)))
		if i == 0 {
			in = n.unsqueeze(in, 1, 2) // [R, 1, 1, bins, W] for x[R, C, H, 1, W]
		} else {
			in = n.unsqueeze(in, 1, 4) // [R, 1, bins, H, 1] for x[R, C, 1, H, bins]
		}
		x = n.op(ir.Where, nil, in, n.unsqueeze(x, axis), low)
		x = n.op(ir.ReduceMax, &ir.ReduceAttrs{Axes: []int64{axis + 1}}, x)
	}
	return one(n.cast(n.op(ir.Where, nil, n.op(ir.Equal, nil, x, low), n.number(x.DType(), 0), x), d))
}

// binMask is bool[R, bins, d]: the elements that are in each bin of a side, whose ends are in that column and the second after it.
func (n *Node) binMask(boxes *ir.Value, column int, bins int64, d ir.Dim) *ir.Value {
	f := boxes.DType()
	start, end := n.unsqueeze(n.at(boxes, 1, column), 1), n.unsqueeze(n.at(boxes, 1, column+2), 1)
	length := n.op(ir.Max, nil, n.affine(n.op(ir.Sub, nil, end, start), 1, 1), n.number(f, 1))
	step := n.affine(length, 1/float64(bins), 0)
	bin := n.unsqueeze(n.cast(n.count(n.dim(ir.Size(bins))), f), 0)
	first := n.op(ir.Add, nil, n.op(ir.Floor, nil, n.op(ir.Mul, nil, bin, step)), start)
	limit := n.op(ir.Add, nil, n.op(ir.Ceil, nil, n.op(ir.Mul, nil, n.affine(bin, 1, 1), step)), start)
	at := n.unsqueeze(n.cast(n.count(n.dim(d)), f), 0, 1)
	return n.op(ir.And, nil, n.op(ir.LessEqual, nil, n.unsqueeze(first, 2), at), n.op(ir.Less, nil, at, n.unsqueeze(limit, 2)))
}
