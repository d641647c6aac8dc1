package onnx

import "github.com/emilyc/emily/ir"

var normRows = []row{
	{"", "Softmax", since(1, 11), normalized(softmax2D(ir.Softmax))},
	{"", "Softmax", since(13), normalized(softmax(ir.Softmax))},
	{"", "LogSoftmax", since(1, 11), normalized(softmax2D(ir.LogSoftmax))},
	{"", "LogSoftmax", since(13), normalized(softmax(ir.LogSoftmax))},
	{"", "Hardmax", since(1, 11), normalized(in2D(hardmax))},
	{"", "Hardmax", since(13), normalized(hardmax)},
	{"", "LayerNormalization", since(1, 17), importLayerNorm}, // 1: onnxruntime's
	{"", "RMSNormalization", since(23), importRMSNorm},
	{"", "BatchNormalization", since(1, 6), importBatchNorm6},
	{"", "BatchNormalization", since(7, 9), importBatchNorm9},
	{"", "BatchNormalization", since(14, 15), importBatchNorm},
	{"", "InstanceNormalization", since(1, 6, 22), importInstanceNorm},
	{"", "GroupNormalization", since(18), importGroupNorm18},
	{"", "GroupNormalization", since(21), importGroupNorm},
	{"", "MeanVarianceNormalization", since(9, 13), importMeanVarianceNorm},
	{"", "LpNormalization", since(1, 22), importLpNorm},
	{"", "LRN", since(1, 13), importLRN},
}

// along works on one axis of x.
type along func(n *Node, x *ir.Value, axis int64) *ir.Value

// normalized applies f along attribute axis: the last one by default, and axis 1 before opset 13.
func normalized(f along) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value {
		def := int64(-1)
		if n.since < 13 {
			def = 1
		}
		x := n.in[0]
		if n.since < 13 && n.Int("axis", def) == int64(x.Rank()) { // rows of one element
			x = n.unsqueeze(x, int64(x.Rank()))
			y := f(n, x, int64(x.Rank()-1))
			return one(n.squeeze(y, int64(x.Rank()-1)))
		}
		axis := n.axis("axis", def, x.Rank())
		if !n.ok() {
			return nil
		}
		return one(f(n, x, axis))
	}
}

func softmax(k ir.Kind) along {
	return func(n *Node, x *ir.Value, axis int64) *ir.Value {
		return n.op(k, &ir.AxisAttrs{Axis: axis}, x)
	}
}

func softmax2D(k ir.Kind) along { return in2D(softmax(k)) }

// in2D works, as operators before opset 13 do, on the rows of a matrix: the axes before axis, and those from it on.
func in2D(f along) along {
	return func(n *Node, x *ir.Value, axis int64) *ir.Value {
		if axis == int64(x.Rank()-1) {
			return f(n, x, axis)
		}
		y := f(n, n.matrix(x, int(axis)), 1)
		return n.op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, y, n.op(ir.ShapeOf, nil, x))
	}
}

// hardmax is 1 at the first maximum and 0 elsewhere.
func hardmax(n *Node, x *ir.Value, axis int64) *ir.Value {
	at := n.op(ir.ArgMax, &ir.ArgAttrs{Axis: axis, KeepDims: true}, x)
	places := n.upTo(n.op(ir.ShapeOf, nil, x), axis)
	if after := x.Rank() - int(axis) - 1; after > 0 {
		places = n.unsqueeze(places, ir.Axes(1, 1+after)...)
	}
	return n.cast(n.op(ir.Equal, nil, at, places), x.DType())
}

// epsilon reads the attribute, whose default all operators share.
func (n *Node) epsilon() float64 { return float64(n.Float("epsilon", 1e-5)) }

func importLayerNorm(n *Node) []*ir.Value {
	x := n.in[0]
	a := &ir.NormAttrs{Axis: n.axis("axis", -1, x.Rank()), Epsilon: n.epsilon()}
	stash := DType(n.Int("stash_type", 1))
	results := one(n.op(ir.LayerNorm, a, x, n.in[1], n.arg(2)))
	if !n.wants(1) && !n.wants(2) || !n.ok() {
		return results
	}
	d, err := irDType(stash)
	if err != nil {
		return one(n.b.Fail(err))
	}
	mean, variance := n.moments(n.cast(x, d), ir.Axes(int(a.Axis), x.Rank()))
	return append(results, mean, n.op(ir.Rsqrt, nil, n.op(ir.Add, nil, variance, n.number(d, a.Epsilon))))
}

// moments are mean and (population) variance over axes, kept as axes of size 1.
func (n *Node) moments(x *ir.Value, axes []int64) (mean, variance *ir.Value) {
	a := &ir.ReduceAttrs{Axes: axes, KeepDims: true}
	mean = n.op(ir.ReduceMean, a, x)
	d := n.op(ir.Sub, nil, x, mean)
	return mean, n.op(ir.ReduceMean, a, n.op(ir.Mul, nil, d, d))
}

func importRMSNorm(n *Node) []*ir.Value {
	x, scale := n.in[0], n.in[1]
	n.Int("stash_type", 1)
	a := &ir.NormAttrs{Axis: n.axis("axis", -1, x.Rank()), Epsilon: n.epsilon()}
	if scale.DType() == x.DType() {
		return one(n.op(ir.RMSNorm, a, x, scale))
	}
	y := n.op(ir.RMSNorm, a, x, nil) // the result has the scale's dtype
	return one(n.op(ir.Mul, nil, n.cast(y, scale.DType()), scale))
}

// importBatchNorm6: BatchNormalization-1 and 6 are told by is_test which form they are.
func importBatchNorm6(n *Node) []*ir.Value {
	return n.batchNorm(n.Int("is_test", 0) == 0, n.Int("spatial", 1) == 0)
}

// importBatchNorm9: version 7 and 9 train where their other outputs are used.
func importBatchNorm9(n *Node) []*ir.Value {
	return n.batchNorm(n.outputs() > 1, n.since < 9 && n.Int("spatial", 1) == 0)
}

func importBatchNorm(n *Node) []*ir.Value {
	return n.batchNorm(n.Int("training_mode", 0) != 0, false)
}

// batchNorm normalises by the given mean and variance, or when training by those of the batch; then it also gives
// the running ones, and (before opset 14) those of the batch.
func (n *Node) batchNorm(training, perElement bool) []*ir.Value {
	x, mean, variance := n.in[0], n.in[3], n.in[4]
	a := &ir.NormAttrs{Epsilon: n.epsilon()}
	momentum := float64(n.Float("momentum", 0.9))
	if !n.ok() {
		return nil
	}
	switch {
	case perElement && training:
		return one(n.fail(Unsupported, "export for inference, or with spatial = 1", "training form with spatial = 0"))
	case perElement:
		return one(n.elementNorm(a.Epsilon))
	case !training:
		return one(n.op(ir.BatchNorm, a, x, n.in[1], n.in[2], mean, variance))
	}
	axes := ir.Axes(1, x.Rank())
	if x.Rank() > 1 {
		axes = append([]int64{0}, ir.Axes(2, x.Rank())...)
	}
	m, v := n.moments(x, axes)
	m, v = n.cast(n.squeeze(m, axes...), mean.DType()), n.cast(n.squeeze(v, axes...), variance.DType())
	y := n.op(ir.BatchNorm, a, x, n.in[1], n.in[2], m, v)
	return []*ir.Value{y, n.running(mean, m, momentum), n.running(variance, v, momentum), m, v}
}

// running is old × momentum + now × (1 - momentum).
func (n *Node) running(old, now *ir.Value, momentum float64) *ir.Value {
	d := old.DType()
	return n.op(ir.Add, nil, n.op(ir.Mul, nil, old, n.number(d, momentum)), n.op(ir.Mul, nil, now, n.number(d, 1-momentum)))
}

// elementNorm is BatchNormalization with spatial = 0: scale, bias, mean and variance have the shape of one batch element.
func (n *Node) elementNorm(epsilon float64) *ir.Value {
	d := n.op(ir.Sub, nil, n.in[0], n.in[3])
	r := n.op(ir.Rsqrt, nil, n.op(ir.Add, nil, n.in[4], n.number(n.in[4].DType(), epsilon)))
	return n.op(ir.Add, nil, n.op(ir.Mul, nil, n.op(ir.Mul, nil, d, r), n.in[1]), n.in[2])
}

// perChannel gives a vector over the channels axes of size 1 for the spatial axes of x.
func (n *Node) perChannel(v, x *ir.Value) *ir.Value {
	if x.Rank() <= 2 || !n.ok() {
		return v
	}
	return n.unsqueeze(v, ir.Axes(1, x.Rank()-1)...)
}

// importInstanceNorm normalises the spatial axes of each channel of each instance.
func importInstanceNorm(n *Node) []*ir.Value {
	x := n.in[0]
	a := &ir.NormAttrs{Axis: 2, Epsilon: n.epsilon()}
	if x.Rank() < 3 {
		return one(n.fail(Invalid, "give [N, C, …]", "instance normalization of %s", x.Type))
	}
	return one(n.op(ir.LayerNorm, a, x, n.perChannel(n.in[1], x), n.perChannel(n.in[2], x)))
}

// grouped normalises [N, C, …] as [N, groups, …].
func (n *Node) grouped() *ir.Value {
	x := n.in[0]
	groups := n.Int("num_groups", 1)
	a := &ir.NormAttrs{Axis: 2, Epsilon: n.epsilon()}
	if !n.ok() {
		return x
	}
	if x.Rank() < 2 || groups < 1 {
		return n.fail(Invalid, "give [N, C, …] and groups from 1 up", "%d groups of %s", groups, x.Type)
	}
	per, even := size(x, 1).ExactDiv(ir.Size(groups))
	if !even {
		return n.fail(Invalid, "give a number of groups that divides the channels", "%d groups of %s", groups, x.Type)
	}
	rest := per.Mul(x.Shape()[2:].NumElements())
	return n.op(ir.LayerNorm, a, n.reshape(x, size(x, 0), ir.Size(groups), rest), nil, nil)
}

// ungrouped is y with the shape of the first operand.
func (n *Node) ungrouped(y *ir.Value) *ir.Value {
	return n.op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, y, n.op(ir.ShapeOf, nil, n.in[0]))
}

// importGroupNorm18: version 18 has scale and bias for each group.
func importGroupNorm18(n *Node) []*ir.Value {
	y := n.grouped()
	if !n.ok() {
		return nil
	}
	y = n.op(ir.Mul, nil, y, n.unsqueeze(n.in[1], 1))
	return one(n.ungrouped(n.op(ir.Add, nil, y, n.unsqueeze(n.in[2], 1))))
}

// importGroupNorm: since version 21 scale and bias are for each channel.
func importGroupNorm(n *Node) []*ir.Value {
	n.Int("stash_type", 1)
	y := n.grouped()
	if !n.ok() {
		return nil
	}
	x := n.in[0]
	y = n.op(ir.Mul, nil, n.ungrouped(y), n.perChannel(n.in[1], x))
	return one(n.op(ir.Add, nil, y, n.perChannel(n.in[2], x)))
}

// importMeanVarianceNorm: (x - mean) / (standard deviation + 1e-9), as ONNX's function for it.
func importMeanVarianceNorm(n *Node) []*ir.Value {
	x := n.in[0]
	axes := n.axes(n.Ints("axes", 0, 2, 3), x.Rank())
	if !n.ok() {
		return nil
	}
	mean, variance := n.moments(x, axes)
	deviation := n.op(ir.Add, nil, n.op(ir.Sqrt, nil, variance), n.number(x.DType(), 1e-9))
	return one(n.op(ir.Div, nil, n.op(ir.Sub, nil, x, mean), deviation))
}

// importLpNorm: x over its norm along an axis, and 0 where that is 0.
func importLpNorm(n *Node) []*ir.Value {
	x := n.in[0]
	norms := map[int64]reducer{1: reduceL1, 2: reduceL2}
	p := n.Int("p", 2)
	norm, axis := norms[p], n.axis("axis", -1, x.Rank())
	if norm == nil {
		return one(n.fail(Invalid, "give 1 or 2", "p is %d", p))
	}
	if !n.ok() {
		return nil
	}
	return one(n.inFloat(x, func(x *ir.Value) *ir.Value {
		by := norm(n, x, &ir.ReduceAttrs{Axes: []int64{axis}, KeepDims: true})
		none := n.op(ir.Equal, nil, by, n.number(x.DType(), 0))
		return n.op(ir.Where, nil, none, n.number(x.DType(), 0), n.op(ir.Div, nil, x, by))
	}))
}

// importLRN: x / (bias + alpha × mean)^beta, with the mean of x² over size channels around each, those outside being 0.
func importLRN(n *Node) []*ir.Value {
	x, channels := n.in[0], n.Int("size", 0)
	alpha, beta, bias := float64(n.Float("alpha", 1e-4)), float64(n.Float("beta", 0.75)), float64(n.Float("bias", 1))
	if n.ok() && (x.Rank() < 2 || channels < 1 || channels > maxWindow) {
		return one(n.fail(Invalid, "give [N, C, …] and a size from 1 up", "local response of %s over %d channels", x.Type, channels))
	}
	if !n.ok() {
		return nil
	}
	before := (channels - 1) / 2
	a := &ir.PoolAttrs{Kernel: []int64{channels, 1}, Strides: []int64{1, 1}, Pads: []int64{before, 0, channels - 1 - before, 0}, Dilations: []int64{1, 1}, CountIncludePad: true}
	return one(n.inFloat(x, func(x *ir.Value) *ir.Value {
		d := x.DType()
		planes := n.reshape(n.op(ir.Mul, nil, x, x), size(x, 0), ir.Size(1), size(x, 1), x.Shape()[2:].NumElements())
		mean := n.op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, n.op(ir.AveragePool, a, planes), n.op(ir.ShapeOf, nil, x))
		base := n.op(ir.Add, nil, n.op(ir.Mul, nil, mean, n.number(d, alpha)), n.number(d, bias))
		return n.op(ir.Div, nil, x, n.op(ir.Pow, nil, base, n.number(d, beta)))
	}))
}
