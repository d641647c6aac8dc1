package onnx

import "github.com/emilyc/emily/ir"

// treeModes are the names of branches before TreeEnsemble-5, by its numbers.
var treeModes = map[string]int64{
	"BRANCH_LEQ": branchLEQ, "BRANCH_LT": branchLT, "BRANCH_GTE": branchGTE, "BRANCH_GT": branchGT, "BRANCH_EQ": branchEQ, "BRANCH_NEQ": branchNEQ,
}

// treeNode is how the operators before TreeEnsemble-5 name a node.
type treeNode struct{ tree, node int64 }

// importTreeRegressor: nodes and leaves have the same attributes, and a leaf may have several targets. Floats and doubles are computed as
// they are, integers as floats.
func importTreeRegressor(n *Node) []*ir.Value {
	f := &forest{targets: n.Int("n_targets", 1)}
	place, ok := n.oldNodes(f)
	if !ok || !n.oldWeights(f, place, "target") {
		return nil
	}
	how := n.String("aggregate_function", "SUM")
	aggregate, known := map[string]int64{"AVERAGE": aggregateAverage, "SUM": aggregateSum, "MIN": aggregateMin, "MAX": aggregateMax}[how]
	if !known {
		return one(n.fail(Invalid, remedyExport, "aggregate_function %q", clip(how)))
	}
	base, post := n.floatsOrTensor("base_values"), n.String("post_transform", "NONE")
	x := n.in[0]
	if !x.DType().IsFloat() {
		x = n.cast(x, ir.F32)
	}
	y := n.walk(f, x, aggregate)
	if len(base) > 0 && n.ok() {
		if int64(len(base)) != f.targets {
			return one(n.fail(Invalid, remedyExport, "%d base values for %d targets", len(base), f.targets))
		}
		y = n.op(ir.Add, nil, y, n.floats(base, []int{len(base)}, y.DType()))
	}
	if !n.ok() {
		return nil
	}
	return one(n.cast(n.postTransform(y, post), ir.F32))
}

// floatsOrTensor is a list of floats, which since version 3 may be a tensor of doubles.
func (n *Node) floatsOrTensor(name string) []float64 {
	if n.Has(name + "_as_tensor") {
		return n.tensorFloats(name + "_as_tensor")
	}
	var out []float64
	for _, v := range n.Floats(name) {
		out = append(out, float64(v))
	}
	return out
}

// oldNodes sorts the nodes into leaves and others, and gives the place of each.
func (n *Node) oldNodes(f *forest) (map[treeNode]int64, bool) {
	trees, ids, modes := n.Ints("nodes_treeids"), n.Ints("nodes_nodeids"), n.Strings("nodes_modes")
	features, yes, no := n.Ints("nodes_featureids"), n.Ints("nodes_truenodeids"), n.Ints("nodes_falsenodeids")
	splits, missing := n.floatsOrTensor("nodes_values"), n.Ints("nodes_missing_value_tracks_true")
	n.Get("nodes_hitrates") // how often nodes are visited: for speed only
	n.Get("nodes_hitrates_as_tensor")
	if !n.ok() {
		return nil, false
	}
	for _, k := range []int{len(ids), len(modes), len(features), len(yes), len(no), len(splits)} {
		if k != len(trees) || len(missing) > 0 && len(missing) != len(trees) {
			n.fail(Invalid, remedyExport, "the attributes of nodes differ in length")
			return nil, false
		}
	}
	place := make(map[treeNode]int64, len(ids))
	for i, m := range modes {
		if m == "LEAF" {
			place[treeNode{trees[i], ids[i]}] = int64(f.leaves)
			f.leaves++
		}
	}
	inner := 0
	for i, m := range modes {
		if m != "LEAF" {
			place[treeNode{trees[i], ids[i]}] = int64(f.leaves + inner)
			inner++
		}
	}
	if len(place) != len(ids) {
		n.fail(Invalid, remedyExport, "a node is there twice")
		return nil, false
	}
	find := func(i int, id int64) int64 {
		if at, ok := place[treeNode{trees[i], id}]; ok {
			return at
		}
		return -1
	}
	for i, m := range modes {
		if i == 0 || trees[i] != trees[i-1] { // a tree's first node is its root
			f.roots = append(f.roots, find(i, ids[i]))
		}
		if m == "LEAF" {
			continue
		}
		mode, ok := treeModes[m]
		if !ok {
			n.fail(Invalid, remedyExport, "mode %q of a node", clip(m))
			return nil, false
		}
		f.features, f.modes, f.splits = append(f.features, features[i]), append(f.modes, mode), append(f.splits, splits[i])
		f.missing = append(f.missing, len(missing) > 0 && missing[i] != 0)
		f.yes, f.no = append(f.yes, find(i, yes[i])), append(f.no, find(i, no[i]))
	}
	return place, true
}

// oldWeights gives the leaves their targets, or classes, as the attributes of that prefix say.
func (n *Node) oldWeights(f *forest, place map[treeNode]int64, prefix string) bool {
	trees, nodes, ids := n.Ints(prefix+"_treeids"), n.Ints(prefix+"_nodeids"), n.Ints(prefix+"_ids")
	weights := n.floatsOrTensor(prefix + "_weights")
	if !n.ok() || !n.spreadWeights(f, nil, nil) {
		return false
	}
	if len(nodes) != len(trees) || len(ids) != len(trees) || len(weights) != len(trees) {
		n.fail(Invalid, remedyExport, "the attributes of targets differ in length")
		return false
	}
	for i, id := range ids {
		leaf, ok := place[treeNode{trees[i], nodes[i]}]
		if !ok || leaf >= int64(f.leaves) || id < 0 || id >= f.targets {
			n.fail(Invalid, remedyExport, "target %d of %d at node %d of tree %d, which must be a leaf", id, f.targets, nodes[i], trees[i])
			return false
		}
		at := leaf*f.targets + id
		f.weights[at], f.present[at] = f.weights[at]+weights[i], true
	}
	return true
}
