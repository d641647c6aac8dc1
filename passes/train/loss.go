package train

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// addLoss appends mse or cross_entropy to f as an output, and returns the name of the output that is the loss: f32[], if it is of one element.
func addLoss(f *ir.Func, o Options) (string, error) {
	build := losses[o.Loss]
	if build == nil || slices.Contains(f.Outputs, o.Loss) {
		return o.Loss, scalar(f, slices.Index(f.Outputs, o.Loss))
	}
	at := slices.Index(f.Outputs, o.Output)
	if o.Output == "" && len(f.Outputs) == 1 {
		at = 0
	}
	if at < 0 {
		return "", failure(f.Module, ir.ValueError, "name one of "+ir.NameList(f.Outputs), "%s of the output %q, which is not there", o.Loss, o.Output)
	}
	for _, p := range f.Inputs() {
		if p.Name == Labels {
			return "", failure(f.Module, ir.ValueError, "rename it", "the model has an input %q already", Labels)
		}
	}
	y := f.Results()[at]
	reopen(f)
	b := &emitter{Builder: ir.NewBuilder(f.Body)}
	b.Loc = f.Module.AddLoc(ir.Loc{File: f.Module.Name, Node: Labels, OpType: o.Loss})
	loss, err := build(b, f, y)
	if err != nil {
		return "", err
	}
	b.Yield(loss)
	f.Outputs = []string{o.Loss}
	return o.Loss, scalar(f, 0)
}

// scalar makes f32[] of an output that is one float.
func scalar(f *ir.Func, at int) error {
	if at < 0 {
		return nil // grad.Build says that it is not there
	}
	v := f.Results()[at]
	if !v.Type.IsTensor() || !v.DType().IsFloat() || !f.Body.Reduce(v.Shape().NumElements()).Is(1) || v.Type.Equal(ir.TensorOf(ir.F32)) {
		return nil
	}
	results := reopen(f)
	b := ir.NewBuilder(f.Body)
	if v.DType() != ir.F32 {
		v = b.Op(ir.Cast, &ir.CastAttrs{To: ir.F32}, v)
	}
	if v.Rank() > 0 {
		v = b.Op(ir.Reshape, &ir.ReshapeAttrs{}, v, b.Dims())
	}
	results[at] = v
	b.Yield(results...)
	return b.Err()
}

var losses = map[string]func(b *emitter, f *ir.Func, y *ir.Value) (*ir.Value, error){"mse": mse, "cross_entropy": crossEntropy}

// mse is the mean of (y − labels)².
func mse(b *emitter, f *ir.Func, y *ir.Value) (*ir.Value, error) {
	if !y.Type.IsTensor() || !y.DType().IsFloat() {
		return nil, failure(f.Module, ir.DTypeError, "name a float output", "mse of %s", y.Type)
	}
	d := b.Sub(y, f.Body.AddParam(Labels, y.Type))
	return b.all(ir.ReduceMean, b.Mul(d, d)), nil
}

// crossEntropy is the mean of −log_softmax(y) at the labels, the classes on axis 1, as torch.nn.functional.cross_entropy.
func crossEntropy(b *emitter, f *ir.Func, y *ir.Value) (*ir.Value, error) {
	if !y.Type.IsTensor() || !y.DType().IsFloat() || y.Rank() < 2 {
		return nil, failure(f.Module, ir.ShapeError, "name an output of scores [N, classes, …]", "cross_entropy of %s", y.Type)
	}
	labels := f.Body.AddParam(Labels, ir.TensorOf(ir.I64, slices.Delete(slices.Clone(y.Shape()), 1, 2)...))
	p := b.Op(ir.LogSoftmax, &ir.AxisAttrs{Axis: 1}, y)
	at := b.Op(ir.Unsqueeze, &ir.AxesAttrs{Axes: []int64{1}}, labels)
	return b.Op(ir.Neg, nil, b.all(ir.ReduceMean, b.Op(ir.GatherElements, &ir.AxisAttrs{Axis: 1}, p, at))), nil
}
