package export

import "github.com/emilyc/emily/ir"

// reduction: an op without axes reduces nothing, ONNX's without them everything.
func reduction(name string) Rule {
	return func(g *graph, op *ir.Op) {
		a := op.Attrs.(*ir.ReduceAttrs)
		if len(a.Axes) == 0 {
			g.identity(g.arg(0))
			return
		}
		g.emit(name, []string{g.arg(0), g.ints(a.Axes...)}, boolAttr("keepdims", a.KeepDims))
	}
}

func argument(name string) Rule {
	return func(g *graph, op *ir.Op) {
		a := op.Attrs.(*ir.ArgAttrs)
		g.emit(name, g.args(), intAttr("axis", a.Axis), boolAttr("keepdims", a.KeepDims), boolAttr("select_last_index", a.Last))
	}
}

func cumulative(name string) Rule {
	return func(g *graph, op *ir.Op) {
		a := op.Attrs.(*ir.CumAttrs)
		g.emit(name, []string{g.arg(0), g.value(ir.Scalar(a.Axis))}, boolAttr("exclusive", a.Exclusive), boolAttr("reverse", a.Reverse))
	}
}
