package export

import "github.com/emilyc/emily/ir"

func exportGatherND(g *graph, op *ir.Op) {
	g.emit("GatherND", g.args(), intAttr("batch_dims", op.Attrs.(*ir.GatherNDAttrs).BatchDims))
}

func exportScatterElements(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.ScatterAttrs)
	g.emit("ScatterElements", g.args(), intAttr("axis", a.Axis), stringAttr("reduction", a.Reduction))
}

func exportScatterND(g *graph, op *ir.Op) {
	g.emit("ScatterND", g.args(), stringAttr("reduction", op.Attrs.(*ir.ScatterAttrs).Reduction))
}

// exportTopK: ONNX's k has one axis.
func exportTopK(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.TopKAttrs)
	k := g.one("Reshape", []string{g.arg(1), g.ints(1)})
	g.emit("TopK", []string{g.arg(0), k}, intAttr("axis", a.Axis), boolAttr("largest", !a.Smallest))
}

func exportUnique(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.UniqueAttrs)
	along := intAttr("axis", a.Axis)
	if a.Flat {
		along = nil
	}
	g.emit("Unique", g.args(), boolAttr("sorted", a.Sorted), along)
}
