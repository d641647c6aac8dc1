package export

import (
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// body makes the graph of a region. Its first parameters are inputs; the others are captured: they have the names of the operands
// that they are bound to, since a body sees the names around it.
func (g *graph) body(r *ir.Region, inputs int, captured []*ir.Value) *pb.GraphProto {
	h := g.x.graph(g, g.x.name(g.base()+"/body"))
	for i, p := range r.Params {
		if i >= inputs {
			h.names[p] = g.names[captured[i-inputs]]
			continue
		}
		h.names[p] = g.x.name(g.base() + "/in")
		h.proto.Input = append(h.proto.Input, port(h.names[p], p.Type, knownSizes))
		h.learn(p)
	}
	names := make([]string, len(r.Results()))
	for i := range names {
		names[i] = g.x.name(g.base() + "/out")
	}
	h.plan(r, names)
	h.ops(r)
	h.op = g.op
	h.outputs(r, names, knownSizes)
	return h.proto
}

func exportIf(g *graph, op *ir.Op) {
	captured := op.Args[1:]
	g.emit("If", []string{g.arg(0)},
		graphAttr("then_branch", g.body(op.Regions[0], 0, captured)), graphAttr("else_branch", g.body(op.Regions[1], 0, captured)))
}

func exportLoop(g *graph, op *ir.Op) {
	n := 2 + int(op.Attrs.(*ir.LoopAttrs).Carried)
	g.emit("Loop", g.args()[:n], graphAttr("body", g.body(op.Regions[0], n, op.Args[n:])))
}

func exportScan(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.ScanAttrs)
	inputs := len(a.InputAxes)
	n := int(a.Carried) + inputs
	g.emit("Scan", g.args()[:n], graphAttr("body", g.body(op.Regions[0], n, op.Args[n:])),
		intAttr("num_scan_inputs", int64(inputs)),
		intsAttr("scan_input_axes", a.InputAxes), intsAttr("scan_input_directions", a.InputReverse),
		intsAttr("scan_output_axes", a.OutputAxes), intsAttr("scan_output_directions", a.OutputRev))
}

// exportDepends: ONNX leaves the order to whoever runs it.
func exportDepends(g *graph, _ *ir.Op) { g.emit("Identity", g.args()[:1]) }
