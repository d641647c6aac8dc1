package onnxgo

import (
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/iterator"
	gorgonia "gorgonia.org/tensor"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/interp"
)

// node is a node of onnx-go's graph: one place where a tensor is declared or produced. An edge goes from an output to
// an operand and weighs the operand's index. Several edges may join two nodes, as in Mul(x, x).
type node struct {
	id       int64
	b        *Backend
	val      *value
	operands []*node
	sets     int // of its tensor, while the graph is built
}

// ID is the node's index: onnx-go takes those from 0 for the model's inputs.
func (n *node) ID() int64 { return n.id }

// GetName is the tensor's name; "" stands for an absent operand.
func (n *node) GetName() string { return n.val.name }

// SetName joins the node with the others of that name. onnx-go makes one for each declaration: an output that is an
// input too has two.
func (n *node) SetName(name string) {
	v := n.b.values[name]
	if v == nil {
		v = &value{name: name, first: n.id}
		n.b.values[name] = v
	}
	v.nodes++
	n.val = v
}

// GetTensor is what was set, or computed by the last run; nil where there is neither. An input that is not set has zeros
// of the type declared, without symbolic dims.
func (n *node) GetTensor() gorgonia.Tensor {
	if n.val.tensor == nil || n.val.produced && !n.val.computed {
		return nil
	}
	return n.val.tensor
}

// SetTensor sets a type, an initializer or an input. Inputs of integers are also taken from a tensor of floats that
// are whole numbers, as onnx-go's own cases have them. The tensor's memory is used, not copied, until the run ends.
//
// Errors: *onnx.Error of kind Invalid for a tensor that does not have the type declared, or is no dense tensor.
func (n *node) SetTensor(t gorgonia.Tensor) error {
	d, ok := t.(*gorgonia.Dense)
	if !ok || d == nil {
		return failf(n.at(), onnx.Invalid, "give a dense tensor", "a tensor of %T", t)
	}
	if !n.b.linked {
		n.sets++
		n.val.sets++
		if n.val.declared == nil {
			n.val.declared = d
		}
		n.val.tensor = d
		return nil
	}
	data, err := interp.FromGorgonia(d)
	if err == nil {
		data, err = n.val.conform(data)
	}
	if err != nil {
		return onnx.Locate(err, n.at())
	}
	if !n.val.given {
		n.b.inputs = append(n.b.inputs, n.val)
		slices.SortFunc(n.b.inputs, func(v, w *value) int { return int(v.first - w.first) })
	}
	n.val.tensor, n.val.data, n.val.given = d, data, true
	return nil
}

func (n *node) at() onnx.Error { return onnx.Error{File: n.b.name, Tensor: n.GetName()} }

// edge is an edge with its weight.
type edge struct {
	from, to graph.Node
	weight   float64
}

func (e edge) From() graph.Node         { return e.from }
func (e edge) To() graph.Node           { return e.to }
func (e edge) ReversedEdge() graph.Edge { return edge{e.to, e.from, e.weight} }
func (e edge) Weight() float64          { return e.weight }

// NewNode makes a node. It has the next free ID, and is in the graph once it is added.
func (b *Backend) NewNode() graph.Node {
	if len(b.inputs) > 0 {
		b.misused(failf(onnx.Error{File: b.name}, onnx.Invalid, "make a backend for each model with New", "a node is added after an input was set"))
	}
	n := &node{id: int64(len(b.nodes)), b: b}
	n.val = &value{first: n.id, nodes: 1}
	return n
}

// AddNode adds a node that NewNode made last.
func (b *Backend) AddNode(n graph.Node) {
	own, err := b.own(n)
	if err == nil && own.id != int64(len(b.nodes)) {
		err = failf(onnx.Error{File: b.name}, onnx.Invalid, "add each node before the next is made", "node %d is added out of order", own.id)
	}
	if err != nil {
		b.misused(err)
		return
	}
	b.nodes = append(b.nodes, own)
}

// NewWeightedEdge makes an edge.
func (b *Backend) NewWeightedEdge(from, to graph.Node, weight float64) graph.WeightedEdge {
	return edge{from, to, weight}
}

// maxOperands bounds the weights of edges, each the index of an operand.
const maxOperands = 1 << 20

// SetWeightedEdge makes e.To() the operand e.Weight() of the operation that produces e.From().
func (b *Backend) SetWeightedEdge(e graph.WeightedEdge) {
	from, err := b.own(e.From())
	if err != nil {
		b.misused(err)
		return
	}
	to, err := b.own(e.To())
	if err != nil {
		b.misused(err)
		return
	}
	b.linked = true
	if from.GetName() == "" {
		return // an output that nobody uses; all of them share a node
	}
	w := e.Weight()
	if w != math.Trunc(w) || w < 0 || w >= maxOperands {
		b.misused(failf(from.at(), onnx.Invalid, "weigh an edge by the operand's index", "an edge weighs %v", w))
		return
	}
	for len(from.operands) <= int(w) {
		from.operands = append(from.operands, nil)
	}
	from.operands[int(w)] = to
}

func (b *Backend) misused(err error) {
	if b.err == nil {
		b.err = err
	}
}

// operandNames are the operands' names. A node without operands has one in onnx-go's graph, an invented one that is
// called <node>/input and has no type.
func operandNames(n *node) []string {
	ops := n.operands
	if len(ops) == 1 && ops[0] != nil && ops[0].sets == 0 && !ops[0].val.produced && strings.HasSuffix(ops[0].GetName(), "/input") {
		return nil
	}
	names := make([]string, len(ops))
	for i, o := range ops {
		if o != nil {
			names[i] = o.GetName()
			o.val.used = true
		}
	}
	return names
}

// Node is the node with that ID, nil if there is none.
func (b *Backend) Node(id int64) graph.Node {
	if n := b.node(id); n != nil {
		return n
	}
	return nil
}

func (b *Backend) node(id int64) *node {
	if id < 0 || id >= int64(len(b.nodes)) {
		return nil
	}
	return b.nodes[id]
}

// Nodes are all nodes, by ID.
func (b *Backend) Nodes() graph.Nodes { return list(b.nodes) }

// From are the operands of the operation that produces node id, each once.
func (b *Backend) From(id int64) graph.Nodes {
	n := b.node(id)
	if n == nil {
		return list(nil)
	}
	var out []*node
	seen := map[*node]bool{nil: true}
	for _, o := range n.operands {
		if !seen[o] {
			seen[o] = true
			out = append(out, o)
		}
	}
	return list(out)
}

// To are the nodes that are computed from node id.
func (b *Backend) To(id int64) graph.Nodes {
	var out []*node
	for _, n := range b.nodes {
		if b.HasEdgeFromTo(n.id, id) {
			out = append(out, n)
		}
	}
	return list(out)
}

func list(nodes []*node) graph.Nodes {
	out := make([]graph.Node, len(nodes))
	for i, n := range nodes {
		out[i] = n
	}
	return iterator.NewOrderedNodes(out)
}

// HasEdgeBetween reports whether one of the nodes is computed from the other.
func (b *Backend) HasEdgeBetween(x, y int64) bool {
	return b.HasEdgeFromTo(x, y) || b.HasEdgeFromTo(y, x)
}

// HasEdgeFromTo reports whether v is an operand of the operation that produces u.
func (b *Backend) HasEdgeFromTo(u, v int64) bool { return b.Edge(u, v) != nil }

// Edge is the first edge from u to v, nil if there is none.
func (b *Backend) Edge(u, v int64) graph.Edge {
	from, to := b.node(u), b.node(v)
	if from == nil || to == nil {
		return nil
	}
	for i, o := range from.operands {
		if o == to {
			return edge{from, to, float64(i)}
		}
	}
	return nil
}
