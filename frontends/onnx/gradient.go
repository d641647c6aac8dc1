package onnx

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// importGradient: the gradients of tensor y of the graph with respect to its tensors xs, where the operands stand for the tensors xs and zs.
// Differentiation is a pass's work: Options.Gradient does it, on a copy of what leads to y where operands are other values.
func importGradient(n *Node) []*ir.Value {
	n.Require("xs", "y")
	xs, zs := n.Strings("xs"), n.Strings("zs")
	names := slices.Concat(xs, zs)
	if n.ok() && (len(names) != len(n.in) || !n.present(n.in)) {
		n.fail(Invalid, "give an operand for each name in xs and zs", "%d operands for %d tensors", len(n.in), len(names))
	}
	if n.ok() && n.s.im.opts.Gradient == nil {
		n.fail(Unsupported, "import the model with Options.Gradient", "no differentiation is at hand")
	}
	y := n.named(n.String("y", ""))
	from := make([]*ir.Value, len(names))
	for i, name := range names {
		from[i] = n.named(name)
		if n.ok() && !n.b.Region().SameType(from[i].Type, n.in[i].Type) {
			n.fail(Invalid, "give operands of the tensors' types", "%s for tensor %q, which is %s", n.in[i].Type, clip(name), from[i].Type)
		}
	}
	if !n.ok() {
		return nil
	}
	if !slices.Equal(from, n.in) {
		y = n.again(y, from)
	}
	grads, err := n.s.im.opts.Gradient(n.b, y, nil, n.in[:len(xs)])
	if err != nil {
		n.b.Fail(err)
	}
	return grads
}

// named is a tensor of the graph.
func (n *Node) named(name string) *ir.Value {
	if !n.ok() {
		return &ir.Value{}
	}
	v, ok := n.s.lookup(name)
	if !ok || v == nil {
		return n.b.Fail(n.s.undefined(name))
	}
	return v
}

// again copies the ops that lead from the values to y, with the node's operands in their place.
func (n *Node) again(y *ir.Value, from []*ir.Value) *ir.Value {
	r, values := n.b.Region(), map[*ir.Value]*ir.Value{}
	for i, v := range from {
		values[v] = n.in[i]
	}
	needed := map[*ir.Value]bool{y: true}
	for _, op := range slices.Backward(r.Ops) {
		if slices.ContainsFunc(op.Results, func(v *ir.Value) bool { return needed[v] && values[v] == nil }) {
			for _, a := range op.Args {
				needed[a] = true
			}
		}
	}
	for _, op := range slices.Clone(r.Ops) {
		depends := slices.ContainsFunc(op.Args, func(v *ir.Value) bool { return v != nil && values[v] != nil })
		made := slices.ContainsFunc(op.Results, func(v *ir.Value) bool { return needed[v] && values[v] == nil })
		if depends && made {
			r.Ops = append(r.Ops, op.CopyTo(r, values))
		}
	}
	if v := values[y]; v != nil {
		return v
	}
	return y
}
