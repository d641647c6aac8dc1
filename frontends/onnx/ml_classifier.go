package onnx

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// mlClassifierRows give the label of each sample, and its scores. Of two classes there may be one score: see twoScores.
var mlClassifierRows = []row{
	{mlDomain, "LinearClassifier", since(1), importLinearClassifier},
	{mlDomain, "TreeEnsembleClassifier", since(1, 3, 5), importTreeClassifier},
	{mlDomain, "SVMClassifier", since(1), importSVMClassifier},
	{mlDomain, "SVMRegressor", since(1), importSVMRegressor},
}

// classLabels are the labels of the classes: strings, or the integers of attribute ints.
func (n *Node) classLabels(ints string) *ir.Tensor {
	numbers, names := n.Ints(ints), n.Strings("classlabels_strings")
	if (len(numbers) == 0) == (len(names) == 0) {
		n.fail(Invalid, "give one of them", "%d %s and %d classlabels_strings", len(numbers), ints, len(names))
		return ir.TensorFrom([]int64{})
	}
	if len(names) > 0 {
		return &ir.Tensor{DType: ir.String, Shape: []int{len(names)}, Strings: names}
	}
	return ir.TensorFrom(numbers, len(numbers))
}

// labelled are the labels of the classes at.
func (n *Node) labelled(labels *ir.Tensor, at *ir.Value) *ir.Value {
	return n.op(ir.Gather, &ir.AxisAttrs{}, n.b.Const(labels), at)
}

// greatest is the place of the first greatest score of each sample.
func (n *Node) greatest(scores *ir.Value) *ir.Value {
	return n.op(ir.ArgMax, &ir.ArgAttrs{Axis: 1}, scores)
}

// above is 1 for samples whose one score is greater than limit, 0 for others.
func (n *Node) above(score *ir.Value, limit float64) *ir.Value {
	return n.cast(n.op(ir.Less, nil, n.number(score.DType(), limit), n.squeeze(score, 1)), ir.I64)
}

// samples are x[N, F], or one sample x[F], as f32.
func (n *Node) samples(x *ir.Value) *ir.Value {
	if x = n.cast(x, ir.F32); x.Rank() == 1 {
		x = n.unsqueeze(x, 0)
	}
	if n.ok() && x.Rank() != 2 {
		return n.fail(Invalid, "give samples [N, F]", "samples %s", x.Type)
	}
	return x
}

// twoScores makes the scores of two classes of the one of the second, s[N, 1]: LOGISTIC of -s and s; otherwise 1 - s, or -s where
// signed, and s, without a transform, as onnxruntime has it.
func (n *Node) twoScores(s *ir.Value, signed bool, post string) *ir.Value {
	other := n.op(ir.Neg, nil, s)
	switch {
	case post == "LOGISTIC":
		s, other = n.op(ir.Sigmoid, nil, s), n.op(ir.Sigmoid, nil, other)
	case post == "PROBIT":
		return n.fail(Unsupported, "export with a score for each class", "PROBIT of one score for two classes")
	case !signed:
		other = n.op(ir.Add, nil, other, n.number(s.DType(), 1))
	}
	return n.op(ir.Concat, &ir.AxisAttrs{Axis: 1}, other, s)
}

func importLinearClassifier(n *Node) []*ir.Value {
	labels, x := n.classLabels("classlabels_ints"), n.samples(n.in[0])
	w, b, post := n.Floats("coefficients"), n.Floats("intercepts"), n.String("post_transform", "NONE")
	n.Int("multi_class", 0) // how the model was trained
	if !n.ok() {
		return nil
	}
	features, known := size(x, 1).Value()
	targets := len(b)
	if targets == 0 && known && features > 0 {
		targets = len(w) / int(features)
	}
	if targets == 0 || len(w) == 0 || len(w)%targets != 0 || labels.Len() != max(targets, 2) {
		return one(n.fail(Invalid, "give coefficients for each class, or for the second of two", "%d coefficients and %d intercepts for %d classes of %s", len(w), len(b), labels.Len(), x.Type))
	}
	scores := n.op(ir.MatMul, nil, x, n.transpose(n.b.Const(ir.TensorFrom(w, targets, len(w)/targets)), 1, 0))
	if len(b) > 0 {
		scores = n.op(ir.Add, nil, scores, n.b.Const(ir.TensorFrom(b, len(b))))
	}
	if targets == 1 {
		return []*ir.Value{n.labelled(labels, n.above(scores, 0)), n.twoScores(scores, false, post)}
	}
	return []*ir.Value{n.labelled(labels, n.greatest(scores)), n.postTransform(scores, post)}
}

// importTreeClassifier sums the weights of the leaves for each class. Two classes whose leaves all speak of one of them have one score,
// whose limit is a half where no weight is negative, else 0.
func importTreeClassifier(n *Node) []*ir.Value {
	labels := n.classLabels("classlabels_int64s")
	f := &forest{targets: int64(labels.Len())}
	place, ok := n.oldNodes(f)
	if !ok || !n.oldWeights(f, place, "class") {
		return nil
	}
	base, post := n.floatsOrTensor("base_values"), n.String("post_transform", "NONE")
	x := n.in[0]
	if !x.DType().IsFloat() {
		x = n.cast(x, ir.F32)
	}
	at := n.leavesOf(f, x)
	if !n.ok() {
		return nil
	}
	weights := n.op(ir.Gather, &ir.AxisAttrs{}, n.leafTable(f, x.DType(), aggregateSum), at)
	scores := n.aggregated(weights, aggregateSum)
	if spoken := f.spokenOf(); f.targets <= 2 && len(spoken) == 1 {
		return n.oneClassScored(f, labels, scores, spoken[0], base, post)
	}
	if len(base) > 0 && int64(len(base)) != f.targets || f.targets == 1 {
		return one(n.fail(Invalid, remedyExport, "%d base values for %d classes", len(base), f.targets))
	}
	chosen := scores
	if len(base) > 0 {
		scores = n.op(ir.Add, nil, scores, n.floats(base, []int{len(base)}, scores.DType()))
		chosen = scores
	} else if !f.scoresAll() {
		none := n.number(scores.DType(), math.Inf(-1))
		chosen = n.op(ir.Where, nil, n.scored(f, at), scores, none)
	}
	return []*ir.Value{n.labelled(labels, n.greatest(chosen)), n.cast(n.postTransform(scores, post), ir.F32)}
}

// spokenOf are the classes that some leaf has a weight for.
func (f *forest) spokenOf() []int64 {
	var out []int64
	for c := range f.targets {
		for leaf := range int64(f.leaves) {
			if f.present[leaf*f.targets+c] {
				out = append(out, c)
				break
			}
		}
	}
	return out
}

// scoresAll reports whether every leaf has a weight for every class: a class without any is not chosen.
func (f *forest) scoresAll() bool {
	for _, p := range f.present {
		if !p {
			return false
		}
	}
	return true
}

// scored is whether some leaf of at[N, trees] has a weight for the class: [N, classes].
func (n *Node) scored(f *forest, at *ir.Value) *ir.Value {
	table := ir.TensorFrom(f.present, f.leaves, int(f.targets))
	hits := n.cast(n.op(ir.Gather, &ir.AxisAttrs{}, n.b.Const(table), at), ir.I32)
	return n.cast(n.op(ir.ReduceMax, &ir.ReduceAttrs{Axes: []int64{1}}, hits), ir.Bool)
}

// oneClassScored is a forest of one class or two, whose leaves have weights for one of them, as onnxruntime has it: the specification
// does not say.
func (n *Node) oneClassScored(f *forest, labels *ir.Tensor, scores *ir.Value, class int64, base []float64, post string) []*ir.Value {
	if len(base) > 1 || len(base) == 1 && class != 0 {
		return one(n.fail(Unsupported, "export with one base value, and weights for class 0", "%d base values where leaves speak of class %d only", len(base), class))
	}
	if len(base) == 1 {
		scores = n.op(ir.Add, nil, scores, n.floats(base, []int{1}, scores.DType()))
	}
	score := n.slice(scores, n.b.Ints(class), n.b.Ints(class+1), []int64{1}, []int64{1})
	if f.targets == 1 {
		if labels.DType == ir.String || post != "NONE" && post != "PROBIT" {
			return one(n.fail(Unsupported, "export with two classes", "one class with labels of %s and post_transform %q", labels.DType, clip(post)))
		}
		return []*ir.Value{n.above(score, 0), n.cast(n.postTransform(score, post), ir.F32)}
	}
	signed, limit := false, 0.5
	for _, w := range f.weights {
		if w < 0 {
			signed, limit = true, 0
		}
	}
	label := n.labelled(labels, n.above(score, limit))
	if class == 1 {
		return []*ir.Value{label, n.cast(n.postTransform(scores, post), ir.F32)}
	}
	return []*ir.Value{label, n.cast(n.twoScores(score, signed, post), ir.F32)}
}
