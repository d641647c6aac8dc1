package onnx

import "github.com/emilyc/emily/ir"

var lossRows = []row{
	{"", "NegativeLogLikelihoodLoss", since(12, 13, 22), importNLLLoss},
	{"", "SoftmaxCrossEntropyLoss", since(12, 13), importSoftmaxCrossEntropyLoss},
}

func importNLLLoss(n *Node) []*ir.Value { return one(n.nllLoss(n.in[0])) }

// importSoftmaxCrossEntropyLoss is the negative log likelihood loss of log_softmax(scores), which is the second output.
func importSoftmaxCrossEntropyLoss(n *Node) []*ir.Value {
	x := n.in[0]
	if x.Rank() < 2 {
		return one(n.fail(Invalid, "give [N, C, …]", "scores of %s", x.Type))
	}
	p := n.op(ir.LogSoftmax, &ir.AxisAttrs{Axis: 1}, x)
	return []*ir.Value{n.nllLoss(p), p}
}

// nllLoss: the negated element of p[N, C, …] that target[N, …] names on axis 1, times the weight of its class. Targets that
// are ignore_index count 0. The mean is over the weights.
func (n *Node) nllLoss(p *ir.Value) *ir.Value {
	target, weight, d := n.in[1], n.arg(2), p.DType()
	reduction := n.String("reduction", "mean")
	ignored, ignore := n.Has("ignore_index"), n.Int("ignore_index", 0)
	if !n.ok() {
		return p
	}
	if p.Rank() < 2 || target.Rank() != p.Rank()-1 {
		return n.fail(Invalid, "give [N, C, …] and [N, …]", "loss of %s and targets %s", p.Type, target.Type)
	}
	var counts, out *ir.Value // what a target weighs, nil for 1; whether it is ignored
	if ignored {
		target = n.cast(target, ir.I64)
		out = n.op(ir.Equal, nil, target, n.b.Const(ir.Scalar(ignore)))
		target = n.op(ir.Where, nil, out, n.b.Const(ir.Scalar(int64(0))), target)
		counts = n.cast(n.op(ir.Not, nil, out), d)
	}
	if weight != nil {
		w := n.op(ir.Gather, &ir.AxisAttrs{}, weight, target)
		if counts != nil {
			w = n.op(ir.Mul, nil, w, counts)
		}
		counts = w
	}
	picked := n.op(ir.GatherElements, &ir.AxisAttrs{Axis: 1}, p, n.unsqueeze(target, 1))
	loss := n.op(ir.Neg, nil, n.squeeze(picked, 1))
	if ignored {
		loss = n.op(ir.Where, nil, out, n.number(d, 0), loss) // it may be infinite
	}
	if counts != nil {
		loss = n.op(ir.Mul, nil, loss, counts)
	}
	return n.reduceLoss(loss, counts, reduction)
}

func (n *Node) reduceLoss(loss, counts *ir.Value, reduction string) *ir.Value {
	all := &ir.ReduceAttrs{Axes: allAxes(loss)}
	switch {
	case reduction == "none":
		return loss
	case reduction == "sum":
		return n.op(ir.ReduceSum, all, loss)
	case reduction == "mean" && counts == nil:
		return n.op(ir.ReduceMean, all, loss)
	case reduction == "mean":
		return n.op(ir.Div, nil, n.op(ir.ReduceSum, all, loss), n.op(ir.ReduceSum, all, counts))
	}
	return n.fail(Invalid, "give none, sum or mean", "reduction %q", clip(reduction))
}
