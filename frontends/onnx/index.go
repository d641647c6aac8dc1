package onnx

import "github.com/emilyc/emily/ir"

var indexRows = []row{
	{"", "Gather", since(1, 11, 13), importGather},
	{"", "GatherElements", since(11, 13), importGatherElements},
	{"", "GatherND", since(11, 12, 13), importGatherND},
	{"", "Scatter", since(9, 11), importScatterElements},
	{"", "ScatterElements", since(11, 13, 16, 18), importScatterElements},
	{"", "ScatterND", since(11, 13, 16, 18), importScatterND},
	{"", "OneHot", since(9, 11, 28), importOneHot},
}

func importGather(n *Node) []*ir.Value {
	return one(n.op(ir.Gather, &ir.AxisAttrs{Axis: n.axis("axis", 0, n.in[0].Rank())}, n.in[0], n.in[1]))
}

func importGatherElements(n *Node) []*ir.Value {
	return one(n.op(ir.GatherElements, &ir.AxisAttrs{Axis: n.axis("axis", 0, n.in[0].Rank())}, n.in[0], n.in[1]))
}

func importGatherND(n *Node) []*ir.Value {
	a := &ir.GatherNDAttrs{}
	if n.since >= 12 {
		a.BatchDims = n.Int("batch_dims", 0)
	}
	return one(n.op(ir.GatherND, a, n.in[0], n.in[1]))
}

func importScatterElements(n *Node) []*ir.Value {
	a := &ir.ScatterAttrs{Axis: n.axis("axis", 0, n.in[0].Rank()), Reduction: n.scatterReduction()}
	return one(n.op(ir.ScatterElements, a, n.in[0], n.in[1], n.in[2]))
}

func importScatterND(n *Node) []*ir.Value {
	a := &ir.ScatterAttrs{Reduction: n.scatterReduction()}
	return one(n.op(ir.ScatterND, a, n.in[0], n.in[1], n.in[2]))
}

func (n *Node) scatterReduction() string {
	if n.since < 16 {
		return "none"
	}
	return n.String("reduction", "none")
}

// importOneHot: the value "on" where the new axis counts to the index, which may count from the end. Indices out of range are all "off".
func importOneHot(n *Node) []*ir.Value {
	x, values := n.in[0], n.in[2]
	depth := n.cast(n.scalar(n.in[1]), ir.I64)
	idx := n.cast(x, ir.I64)
	axis := n.axis("axis", -1, x.Rank()+1)
	if !n.ok() {
		return nil
	}
	if values.Rank() != 1 {
		return one(n.fail(Invalid, "give [off, on]", "values of %s", values.Type))
	}
	below := n.op(ir.Less, nil, idx, n.b.Const(ir.Scalar(int64(0))))
	idx = n.unsqueeze(n.op(ir.Where, nil, below, n.op(ir.Add, nil, idx, depth), idx), axis)
	places := n.count(depth)
	if after := x.Rank() - int(axis); after > 0 {
		places = n.unsqueeze(places, ir.Axes(1, 1+after)...)
	}
	at := func(i int64) *ir.Value { return n.op(ir.Gather, &ir.AxisAttrs{}, values, n.b.Const(ir.Scalar(i))) }
	return one(n.op(ir.Where, nil, n.op(ir.Equal, nil, idx, places), at(1), at(0)))
}
