package onnx

import "github.com/emilyc/emily/ir"

// maxSVMClasses bounds the ops of a loop body that grows with the classes, maxSVMTable the constants that grow with their square.
const (
	maxSVMClasses = 256
	maxSVMTable   = 1 << 24
)

// svm is what the support vector machines share: kernel(x, vectors), of V vectors, or of weights where there are none.
type svm struct {
	coefficients, rho, vectors []float32
	kernel                     string
	gamma, offset, degree      float64
}

func (n *Node) svm() *svm {
	m := &svm{coefficients: n.Floats("coefficients"), rho: n.Floats("rho"), vectors: n.Floats("support_vectors"), kernel: n.String("kernel_type", "LINEAR")}
	switch p := n.Floats("kernel_params"); {
	case len(p) == 3:
		m.gamma, m.offset, m.degree = float64(p[0]), float64(p[1]), float64(p[2])
	case len(p) != 0:
		n.fail(Invalid, "give gamma, coef0 and degree", "%d kernel_params", len(p))
	}
	if n.ok() && (len(m.coefficients) == 0 || len(m.rho) == 0) {
		n.fail(Missing, remedyExport, "%d coefficients and %d rho", len(m.coefficients), len(m.rho))
	}
	return m
}

// kernels are the kernel of samples x[N, F] and each of the vectors: [N, count].
func (n *Node) kernels(m *svm, x *ir.Value, vectors []float32, count int) *ir.Value {
	if !n.ok() {
		return x
	}
	width, known := size(x, 1).Value()
	if features := len(vectors) / count; len(vectors)%count != 0 || features == 0 || known && width != int64(features) {
		return n.fail(Invalid, remedyExport, "%d vectors of %d numbers in all for samples %s", count, len(vectors), x.Type)
	}
	v := n.b.Const(ir.TensorFrom(vectors, count, len(vectors)/count))
	if m.kernel == "RBF" {
		d := n.op(ir.Sub, nil, n.unsqueeze(x, 1), v)
		far := n.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{2}}, n.op(ir.Mul, nil, d, d))
		return n.op(ir.Exp, nil, n.op(ir.Mul, nil, far, n.number(ir.F32, -m.gamma)))
	}
	y := n.op(ir.MatMul, nil, x, n.transpose(v, 1, 0))
	inner := func() *ir.Value {
		return n.op(ir.Add, nil, n.op(ir.Mul, nil, y, n.number(ir.F32, m.gamma)), n.number(ir.F32, m.offset))
	}
	switch m.kernel {
	case "LINEAR":
		return y
	case "POLY":
		return n.op(ir.Pow, nil, inner(), n.number(ir.F32, m.degree))
	case "SIGMOID":
		return n.op(ir.Tanh, nil, inner())
	}
	return n.fail(Invalid, "give LINEAR, POLY, RBF or SIGMOID", "kernel_type %q", clip(m.kernel))
}

// importSVMRegressor: kernels × coefficients + rho, its sign where one_class.
func importSVMRegressor(n *Node) []*ir.Value {
	m, x := n.svm(), n.samples(n.in[0])
	count, one1, post := n.Int("n_supports", 0), n.Int("one_class", 0) != 0, n.String("post_transform", "NONE")
	n.Int("n_targets", 1)
	if !n.ok() {
		return nil
	}
	vectors, weights := m.vectors, m.coefficients
	if count <= 0 {
		vectors, weights, count, m.kernel = m.coefficients, []float32{1}, 1, "LINEAR"
	}
	if count != int64(len(weights)) {
		return one(n.fail(Invalid, remedyExport, "%d coefficients for %d support vectors", len(weights), count))
	}
	y := n.op(ir.MatMul, nil, n.kernels(m, x, vectors, int(count)), n.b.Const(ir.TensorFrom(weights, len(weights), 1)))
	y = n.op(ir.Add, nil, y, n.number(ir.F32, float64(m.rho[0])))
	if one1 {
		positive := n.op(ir.Less, nil, n.number(ir.F32, 0), y)
		return one(n.op(ir.Where, nil, positive, n.number(ir.F32, 1), n.number(ir.F32, -1)))
	}
	return one(n.postTransform(y, post))
}

// importSVMClassifier has a classifier for each pair of classes, whose scores are the result unless prob_a and prob_b make probabilities of
// them; without vectors_per_class it has one for each class.
func importSVMClassifier(n *Node) []*ir.Value {
	labels, m, x := n.classLabels("classlabels_ints"), n.svm(), n.samples(n.in[0])
	each, post := n.Ints("vectors_per_class"), n.String("post_transform", "NONE")
	a, b := n.Floats("prob_a"), n.Floats("prob_b")
	if !n.ok() {
		return nil
	}
	if len(each) == 0 {
		return n.linearSVM(m, labels, x, post)
	}
	pairs, ok := n.svmPairs(m, each, labels.Len())
	if !ok {
		return nil
	}
	if count := len(pairs.first); len(m.rho) != count || len(a) != len(b) || len(a) != 0 && len(a) != count {
		return one(n.fail(Invalid, remedyExport, "%d rho, %d prob_a and %d prob_b for %d pairs of classes", len(m.rho), len(a), len(b), count))
	}
	scores := n.op(ir.MatMul, nil, n.kernels(m, x, m.vectors, pairs.vectors), n.b.Const(pairs.weights))
	scores = n.op(ir.Add, nil, scores, n.b.Const(ir.TensorFrom(m.rho, len(m.rho))))
	label := n.labelled(labels, n.greatest(n.votes(pairs, scores)))
	switch {
	case len(a) > 0:
		return []*ir.Value{label, n.postTransform(n.coupled(pairs, scores, a, b), post)}
	case labels.Len() == 2:
		return []*ir.Value{label, n.twoScores(scores, post == "NONE", post)}
	}
	return []*ir.Value{label, n.postTransform(scores, post)}
}

// linearSVM has weights for each class. Of two, the second is chosen where the greater score is above a half, or above 0 if a weight is
// negative, as onnxruntime has it.
func (n *Node) linearSVM(m *svm, labels *ir.Tensor, x *ir.Value, post string) []*ir.Value {
	m.kernel = "LINEAR"
	scores := n.op(ir.Add, nil, n.kernels(m, x, m.coefficients, labels.Len()), n.number(ir.F32, float64(m.rho[0])))
	at := n.greatest(scores)
	if labels.Len() == 2 {
		most := n.op(ir.ReduceMax, &ir.ReduceAttrs{Axes: []int64{1}}, scores)
		second := n.op(ir.LessEqual, nil, n.number(ir.F32, 0.5), most)
		for _, w := range m.coefficients {
			if w < 0 {
				second = n.op(ir.Less, nil, n.number(ir.F32, 0), most)
				break
			}
		}
		at = n.op(ir.Where, nil, second, n.b.Const(ir.Scalar(int64(1))), at)
	}
	return []*ir.Value{n.labelled(labels, at), n.postTransform(scores, post)}
}

// svmPairs are the pairs of classes, first with second, and the weights[V, pairs] of the vectors in each.
type svmPairs struct {
	classes, vectors int
	first, second    []int
	weights          *ir.Tensor
}

// svmPairs spreads coefficients[classes - 1, V]: in the pair i, j a vector of class i has those of row j - 1, one of class j those of row i.
func (n *Node) svmPairs(m *svm, each []int64, classes int) (*svmPairs, bool) {
	p := &svmPairs{classes: classes}
	var start []int
	for _, count := range each {
		if count < 0 || count > int64(len(m.vectors)) {
			n.fail(Invalid, remedyExport, "%d vectors of a class", count)
			return nil, false
		}
		start, p.vectors = append(start, p.vectors), p.vectors+int(count)
	}
	if len(each) != classes || classes < 2 || p.vectors == 0 || len(m.coefficients) != (classes-1)*p.vectors {
		n.fail(Invalid, remedyExport, "%d coefficients for %d vectors of %d classes, and %d labels", len(m.coefficients), p.vectors, len(each), classes)
		return nil, false
	}
	count := classes * (classes - 1) / 2
	if classes > maxSVMClasses || p.vectors > maxSVMTable/count {
		n.fail(TooLarge, "split the model", "%d vectors of %d classes", p.vectors, classes)
		return nil, false
	}
	weights := make([]float32, p.vectors*count)
	for i := range classes {
		for j := i + 1; j < classes; j++ {
			at := len(p.first)
			p.first, p.second = append(p.first, i), append(p.second, j)
			for _, side := range [2][2]int{{i, j - 1}, {j, i}} {
				for v := start[side[0]]; v < start[side[0]]+int(each[side[0]]); v++ {
					weights[v*count+at] = m.coefficients[side[1]*p.vectors+v]
				}
			}
		}
	}
	p.weights = ir.TensorFrom(weights, p.vectors, count)
	return p, true
}

// votes are how many pairs speak for each class: [N, classes].
func (n *Node) votes(p *svmPairs, scores *ir.Value) *ir.Value {
	count := len(p.first)
	speaks, base := make([]float32, count*p.classes), make([]float32, p.classes) // of the first less the second; all for the second
	for k := range count {
		speaks[k*p.classes+p.first[k]], speaks[k*p.classes+p.second[k]] = 1, -1
		base[p.second[k]]++
	}
	won := n.cast(n.op(ir.Less, nil, n.number(ir.F32, 0), scores), ir.F32)
	y := n.op(ir.MatMul, nil, won, n.b.Const(ir.TensorFrom(speaks, count, p.classes)))
	return n.op(ir.Add, nil, y, n.b.Const(ir.TensorFrom(base, p.classes)))
}

// coupled are the probabilities of classes[N, K] that fit those of their pairs best: Wu, Lin and Weng, "Probability Estimates for
// Multi-class Classification by Pairwise Coupling" (2004), algorithm 2, at most 100 rounds, until the error is below 0.005 / K.
func (n *Node) coupled(p *svmPairs, scores *ir.Value, a, b []float32) *ir.Value {
	number := func(x float64) *ir.Value { return n.number(ir.F32, x) }
	q := n.op(ir.Mul, nil, scores, n.b.Const(ir.TensorFrom(a, len(a))))
	q = n.op(ir.Sigmoid, nil, n.op(ir.Neg, nil, n.op(ir.Add, nil, q, n.b.Const(ir.TensorFrom(b, len(b))))))
	q = n.op(ir.Min, nil, n.op(ir.Max, nil, q, number(1e-7)), number(1-1e-7))
	zero := n.op(ir.Mul, nil, n.slice(q, n.b.Ints(0), n.b.Ints(1), []int64{1}, []int64{1}), number(0))
	all := n.op(ir.Concat, &ir.AxisAttrs{Axis: 1}, q, n.op(ir.Sub, nil, number(1), q), zero)
	k, count := p.classes, len(p.first)
	places := make([]int64, k*k)
	for i := range places {
		places[i] = int64(2 * count)
	}
	for at := range count {
		places[p.first[at]*k+p.second[at]], places[p.second[at]*k+p.first[at]] = int64(at), int64(count+at)
	}
	r := n.op(ir.Gather, &ir.AxisAttrs{Axis: 1}, all, n.b.Const(ir.TensorFrom(places, k, k))) // [N, K, K]
	turned := n.transpose(r, 0, 2, 1)
	squares := n.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{1}}, n.op(ir.Mul, nil, r, r)) // [N, K]
	eye := make([]float32, k*k)
	for i := range k {
		eye[i*k+i] = 1
	}
	m := n.op(ir.Mul, nil, n.unsqueeze(squares, 2), n.b.Const(ir.TensorFrom(eye, k, k)))
	m = n.op(ir.Sub, nil, m, n.op(ir.Mul, nil, r, turned))
	start := n.op(ir.Add, nil, n.op(ir.Mul, nil, squares, number(0)), number(1/float64(k)))
	if !n.ok() {
		return nil
	}
	const rounds = 100
	trip, yes := n.b.Const(ir.Scalar(int64(rounds))), n.b.Const(ir.Scalar(true))
	body := n.couplingRound(k, start.Type, m.Type)
	if !n.ok() {
		return nil
	}
	return n.b.Ops(ir.Loop, &ir.LoopAttrs{Carried: 1}, []*ir.Region{body}, trip, yes, start, m)[0]
}

// couplingRound is the loop's body: one more round for the samples p[N, K] whose error, with m[N, K, K], is not small yet.
func (n *Node) couplingRound(k int, of, matrix ir.Type) *ir.Region {
	in, body := n.inRegion()
	body.AddParam("", ir.TensorOf(ir.I64))
	body.AddParam("", ir.TensorOf(ir.Bool))
	p, m := body.AddParam("", of), body.AddParam("", matrix)
	over := &ir.ReduceAttrs{Axes: []int64{1}, KeepDims: true}
	number := func(x float64) *ir.Value { return in.number(ir.F32, x) }
	mul := func(x, y *ir.Value) *ir.Value { return in.op(ir.Mul, nil, x, y) }
	add := func(x, y *ir.Value) *ir.Value { return in.op(ir.Add, nil, x, y) }
	qp := in.squeeze(in.op(ir.MatMul, nil, m, in.unsqueeze(p, 2)), 2) // [N, K]
	pqp := in.op(ir.ReduceSum, over, mul(p, qp))                      // [N, 1]
	far := in.op(ir.ReduceMax, over, in.op(ir.Abs, nil, in.op(ir.Sub, nil, qp, pqp)))
	open := in.op(ir.Not, nil, in.op(ir.Less, nil, far, number(0.005/float64(k))))
	next := p
	for t := range int64(k) {
		column := func(x *ir.Value) *ir.Value { return in.slice(x, in.b.Ints(t), in.b.Ints(t+1), []int64{1}, []int64{1}) }
		row := in.squeeze(column(m), 1) // [N, K]
		unit := make([]float32, k)
		unit[t] = 1
		own, mine := column(row), column(qp)
		diff := in.op(ir.Div, nil, in.op(ir.Sub, nil, pqp, mine), own)
		grown := add(diff, number(1))
		pqp = add(pqp, mul(diff, add(mul(diff, own), mul(mine, number(2)))))
		pqp = in.op(ir.Div, nil, pqp, mul(grown, grown))
		qp = in.op(ir.Div, nil, add(qp, mul(diff, row)), grown)
		next = in.op(ir.Div, nil, add(next, mul(diff, in.b.Const(ir.TensorFrom(unit, k)))), grown)
	}
	more := in.cast(in.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{0, 1}}, in.cast(open, ir.I64)), ir.Bool)
	in.b.Yield(more, in.op(ir.Where, nil, open, next, p))
	if err := in.b.Err(); err != nil {
		n.b.Fail(err)
	}
	return body
}
