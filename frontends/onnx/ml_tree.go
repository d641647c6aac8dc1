package onnx

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// forest is an ensemble of trees: leaves, then inner nodes, by place. All samples walk down all trees at once, a level at a time; who
// is at a leaf stays there.
type forest struct {
	leaves   int
	targets  int64
	roots    []int64
	features []int64 // from here on, of inner nodes only
	modes    []int64
	splits   []float64
	missing  []bool // whether NaN goes the way of true
	yes, no  []int64
	weights  []float64 // [leaves, targets]
	present  []bool    // which of the weights there are
}

// The modes of nodes, as TreeEnsemble-5 numbers them.
const (
	branchLEQ = iota
	branchLT
	branchGTE
	branchGT
	branchEQ
	branchNEQ
	branchMember
)

// maxTreeDepth and maxTreeWeights bound what a forest becomes in the IR.
const (
	maxTreeDepth   = 256
	maxTreeWeights = 1 << 26
)

// importTreeEnsemble: inner nodes and leaves have attributes of their own.
func importTreeEnsemble(n *Node) []*ir.Value {
	f := &forest{targets: n.Int("n_targets", 1), roots: n.Ints("tree_roots"), features: n.Ints("nodes_featureids"), yes: n.Ints("nodes_truenodeids"), no: n.Ints("nodes_falsenodeids")}
	trueLeaf, falseLeaf, missing := n.Ints("nodes_trueleafs"), n.Ints("nodes_falseleafs"), n.Ints("nodes_missing_value_tracks_true")
	ids := n.Ints("leaf_targetids")
	n.Get("nodes_hitrates") // how often nodes are visited: for speed only
	aggregate, post := n.Int("aggregate_function", 1), n.Int("post_transform", 0)
	f.modes = n.tensorInts("nodes_modes")
	f.splits = n.tensorFloats("nodes_splits")
	weights := n.tensorFloats("leaf_weights")
	var members []float64
	if n.Has("membership_values") {
		members = n.tensorFloats("membership_values")
	}
	if !n.ok() {
		return nil
	}
	f.leaves = len(ids)
	count := len(f.features)
	for _, k := range []int{len(f.modes), len(f.splits), len(f.yes), len(f.no), len(trueLeaf), len(falseLeaf)} {
		if k != count || len(missing) > 0 && len(missing) != count || len(weights) != f.leaves {
			return one(n.fail(Invalid, remedyExport, "the attributes of nodes or leaves differ in length"))
		}
	}
	f.missing = make([]bool, count)
	for i := range count {
		f.missing[i] = len(missing) > 0 && missing[i] != 0
		for _, way := range []struct{ to, leaf []int64 }{{f.yes, trueLeaf}, {f.no, falseLeaf}} {
			if way.leaf[i] == 0 {
				way.to[i] += int64(f.leaves)
			} else if way.to[i] >= int64(f.leaves) {
				way.to[i] = -1
			}
		}
	}
	for i := range f.roots {
		f.roots[i] += int64(f.leaves)
	}
	if !n.spreadWeights(f, ids, weights) || !n.expandMembers(f, members) {
		return nil
	}
	y := n.walk(f, n.in[0], aggregate)
	names := []string{"NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT"}
	if post < 0 || post >= int64(len(names)) {
		return one(n.fail(Invalid, remedyExport, "post_transform %d", post))
	}
	if !n.ok() {
		return nil
	}
	return one(n.postTransform(y, names[post]))
}

// tensorFloats are the elements of a float tensor attribute, however many.
func (n *Node) tensorFloats(name string) []float64 {
	t := n.constOf(n.s.tensor(n.Tensor(name)))
	if t == nil || !t.DType.IsFloat() || t.DType.Size() < 2 {
		n.fail(Invalid, "give a tensor of floats", "attribute %q has no floats", name)
		return nil
	}
	return t.Floats()
}

// tensorInts is the same for integers.
func (n *Node) tensorInts(name string) []int64 {
	t := n.constOf(n.s.tensor(n.Tensor(name)))
	if t == nil || !t.DType.IsInt() {
		n.fail(Invalid, "give a tensor of integers", "attribute %q has no integers", name)
		return nil
	}
	return t.Ints()
}

// spreadWeights spreads the leaves' weights over the targets.
func (n *Node) spreadWeights(f *forest, ids []int64, weights []float64) bool {
	if f.targets < 1 || f.leaves < 1 || f.targets > maxTreeWeights/int64(f.leaves) {
		n.fail(TooLarge, "split the model", "%d leaves with %d targets", f.leaves, f.targets)
		return false
	}
	f.weights, f.present = make([]float64, int64(f.leaves)*f.targets), make([]bool, int64(f.leaves)*f.targets)
	for i, id := range ids {
		if id < 0 || id >= f.targets {
			n.fail(Invalid, remedyExport, "target %d of %d", id, f.targets)
			return false
		}
		at := int64(i)*f.targets + id
		f.weights[at], f.present[at] = weights[i], true
	}
	return true
}

// expandMembers makes a chain of nodes, one for each value, of a node that asks for one of several. NaN ends a node's list.
func (n *Node) expandMembers(f *forest, members []float64) bool {
	for i := range len(f.modes) {
		if f.modes[i] != branchMember {
			continue
		}
		var set []float64
		for len(members) > 0 && !math.IsNaN(members[0]) {
			set, members = append(set, members[0]), members[1:]
		}
		if len(members) > 0 {
			members = members[1:]
		}
		if len(set) == 0 {
			n.fail(Invalid, remedyExport, "node %d asks for one of no values", i)
			return false
		}
		f.chain(i, set)
	}
	return true
}

func (f *forest) chain(i int, set []float64) {
	f.modes[i], f.splits[i] = branchEQ, set[0]
	other := f.no[i]
	for at := i; len(set) > 1; at = len(f.modes) - 1 {
		set = set[1:]
		f.no[at] = int64(f.leaves + len(f.modes))
		f.features, f.modes, f.splits = append(f.features, f.features[i]), append(f.modes, branchEQ), append(f.splits, set[0])
		f.missing, f.yes, f.no = append(f.missing, f.missing[i]), append(f.yes, f.yes[i]), append(f.no, other)
	}
}

// depth is the length of the longest way to a leaf; an error where a node does not exist, or a way has no end.
func (n *Node) depth(f *forest) int {
	const open = -1
	depths := make(map[int64]int, len(f.modes))
	var visit func(at int64, level int) int
	visit = func(at int64, level int) int {
		if at >= 0 && at < int64(f.leaves) || !n.ok() {
			return 0
		}
		i := at - int64(f.leaves)
		d, seen := depths[i]
		if at < 0 || i >= int64(len(f.modes)) || seen && d == open || level > maxTreeDepth {
			n.fail(Invalid, "give trees that are at most 256 deep", "node %d does not exist, or is part of a cycle or too deep", i)
			return 0
		}
		if seen {
			return d
		}
		depths[i] = open
		depths[i] = 1 + max(visit(f.yes[i], level+1), visit(f.no[i], level+1))
		return depths[i]
	}
	most := 0
	for _, r := range f.roots {
		most = max(most, visit(r, 0))
	}
	return most
}

// table is a constant with a row for each place, that of leaves being zero.
func (n *Node) table(f *forest, d ir.DType, list []float64) *ir.Value {
	all := append(make([]float64, f.leaves), list...)
	return n.cast(n.floats(all, []int{len(all)}, d), d)
}

func (n *Node) intTable(list []int64) *ir.Value { return n.b.Const(ir.TensorFrom(list, len(list))) }

// walk is the scores[N, targets] of x[N, F].
func (n *Node) walk(f *forest, x *ir.Value, aggregate int64) *ir.Value {
	at := n.leavesOf(f, x)
	if !n.ok() {
		return x
	}
	return n.aggregated(n.op(ir.Gather, &ir.AxisAttrs{}, n.leafTable(f, x.DType(), aggregate), at), aggregate)
}

// leavesOf are the leaves[N, trees] that the samples x[N, F] come to.
func (n *Node) leavesOf(f *forest, x *ir.Value) *ir.Value {
	depth := n.depth(f)
	if !n.ok() {
		return x
	}
	if x.Rank() != 2 || len(f.roots) == 0 {
		return n.fail(Invalid, "give samples [N, F]", "%d trees over %s", len(f.roots), x.Type)
	}
	for i, k := range f.features {
		width, known := size(x, 1).Value()
		if k < 0 || known && k >= width || f.modes[i] < 0 || f.modes[i] > branchNEQ {
			return n.fail(Invalid, remedyExport, "node %d looks at feature %d of %s in mode %d", i, k, x.Type, f.modes[i])
		}
	}
	trees := ir.Size(int64(len(f.roots)))
	at := n.op(ir.Expand, nil, n.unsqueeze(n.intTable(f.roots), 0), n.b.Dims(size(x, 0), trees))
	t := n.forestTables(f, x.DType())
	for range depth {
		at = t.step(n, x, at)
	}
	return at
}

// forestTables are constants that nodes are looked up in. Of the modes only those that occur are computed.
type forestTables struct {
	features, splits, modes, yes, no, missing *ir.Value
	used                                      []int64
}

func (n *Node) forestTables(f *forest, d ir.DType) *forestTables {
	self := ir.Axes(0, f.leaves)
	zeros := make([]int64, f.leaves)
	join := func(head, tail []int64) *ir.Value { return n.intTable(append(append([]int64{}, head...), tail...)) }
	t := &forestTables{features: join(zeros, f.features), splits: n.table(f, d, f.splits), yes: join(self, f.yes), no: join(self, f.no)}
	counts := [branchNEQ + 1]bool{}
	for _, m := range f.modes {
		counts[m] = true
	}
	for m, there := range counts {
		if there {
			t.used = append(t.used, int64(m))
		}
	}
	if len(t.used) > 1 {
		t.modes = join(zeros, f.modes)
	}
	flags := make([]int64, len(f.missing))
	any := false
	for i, m := range f.missing {
		if m {
			flags[i], any = 1, true
		}
	}
	if any {
		t.missing = n.cast(join(zeros, flags), ir.Bool)
	}
	return t
}

// step is where each sample is in each tree after one more level.
func (t *forestTables) step(n *Node, x, at *ir.Value) *ir.Value {
	look := func(table *ir.Value) *ir.Value { return n.op(ir.Gather, &ir.AxisAttrs{}, table, at) }
	v := n.op(ir.GatherElements, &ir.AxisAttrs{Axis: 1}, x, look(t.features))
	split := look(t.splits)
	var yes *ir.Value
	for _, m := range t.used {
		is := n.branch(m, v, split)
		if yes == nil {
			yes = is
			continue
		}
		yes = n.op(ir.Where, nil, n.op(ir.Equal, nil, look(t.modes), n.b.Const(ir.Scalar(m))), is, yes)
	}
	if t.missing != nil {
		yes = n.op(ir.Or, nil, yes, n.op(ir.And, nil, n.op(ir.IsNaN, nil, v), look(t.missing)))
	}
	return n.op(ir.Where, nil, yes, look(t.yes), look(t.no))
}

// branch compares in one of the modes.
func (n *Node) branch(mode int64, v, split *ir.Value) *ir.Value {
	switch mode {
	case branchLEQ:
		return n.op(ir.LessEqual, nil, v, split)
	case branchLT:
		return n.op(ir.Less, nil, v, split)
	case branchGTE:
		return n.op(ir.LessEqual, nil, split, v)
	case branchGT:
		return n.op(ir.Less, nil, split, v)
	case branchEQ:
		return n.op(ir.Equal, nil, v, split)
	}
	return n.op(ir.Not, nil, n.op(ir.Equal, nil, v, split))
}

// The ways to join the weights of trees, as TreeEnsemble-5 numbers them.
const (
	aggregateAverage = iota
	aggregateSum
	aggregateMin
	aggregateMax
)

// leafTable is the weights[leaves, targets]; where there is none, what does not count when joined.
func (n *Node) leafTable(f *forest, d ir.DType, aggregate int64) *ir.Value {
	none := map[int64]float64{aggregateMin: math.Inf(1), aggregateMax: math.Inf(-1)}[aggregate]
	for i, there := range f.present {
		if !there {
			f.weights[i] = none
		}
	}
	return n.cast(n.floats(f.weights, []int{f.leaves, int(f.targets)}, d), d)
}

// aggregated joins the weights[N, trees, targets]. A target without any gets 0.
func (n *Node) aggregated(w *ir.Value, aggregate int64) *ir.Value {
	over := &ir.ReduceAttrs{Axes: []int64{1}}
	switch aggregate {
	case aggregateAverage:
		return n.op(ir.ReduceMean, over, w)
	case aggregateSum:
		return n.op(ir.ReduceSum, over, w)
	case aggregateMin, aggregateMax:
		kind, none := ir.ReduceMin, math.Inf(1)
		if aggregate == aggregateMax {
			kind, none = ir.ReduceMax, math.Inf(-1)
		}
		y, zero := n.op(kind, over, w), n.number(w.DType(), 0)
		return n.op(ir.Where, nil, n.op(ir.Equal, nil, y, n.number(w.DType(), none)), zero, y)
	}
	return n.fail(Invalid, remedyExport, "aggregate_function %d", aggregate)
}
