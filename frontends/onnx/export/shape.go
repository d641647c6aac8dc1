package export

import "github.com/emilyc/emily/ir"

// axis is a rule for a kind with one axis.
func axis(name string) Rule {
	return func(g *graph, op *ir.Op) { g.emit(name, g.args(), intAttr("axis", op.Attrs.(*ir.AxisAttrs).Axis)) }
}

// axes is a rule for a kind whose axes ONNX has as an operand.
func axes(name string) Rule {
	return func(g *graph, op *ir.Op) {
		a := op.Attrs.(*ir.AxesAttrs)
		if len(a.Axes) == 0 {
			g.identity(g.arg(0))
			return
		}
		g.emit(name, []string{g.arg(0), g.ints(a.Axes...)})
	}
}

func exportDims(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.DimsAttrs)
	if a.Scalar {
		g.names[op.Result()] = g.scalar(a.Values[0])
	} else {
		g.names[op.Result()] = g.vector(a.Values...)
	}
}

func exportReshape(g *graph, op *ir.Op) {
	g.emit("Reshape", g.args(), boolAttr("allowzero", op.Attrs.(*ir.ReshapeAttrs).AllowZero))
}

// reshaped is a value in another shape.
func (g *graph) reshaped(x string, shape ...ir.Dim) string {
	return g.one("Reshape", []string{x, g.vector(shape...)}, boolAttr("allowzero", true))
}

func exportTranspose(g *graph, op *ir.Op) {
	g.emit("Transpose", g.args(), intsAttr("perm", op.Attrs.(*ir.PermAttrs).Perm))
}

// transposed is a value with its axes in another order.
func (g *graph) transposed(x string, perm ...int64) string {
	return g.one("Transpose", []string{x}, intsAttr("perm", perm))
}

func exportSlice(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.SliceAttrs)
	g.emit("Slice", append(g.args(), g.ints(a.Axes...), g.ints(a.Steps...)))
}

// sliced is a value from start to before end along an axis.
func (g *graph) sliced(x string, axis, start, end, step int64) string {
	return g.one("Slice", []string{x, g.ints(start), g.ints(end), g.ints(axis), g.ints(step)})
}

func exportSplit(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.SplitAttrs)
	g.emit("Split", []string{g.arg(0), g.vector(a.Sizes...)}, intAttr("axis", a.Axis))
}

func exportPad(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.PadAttrs)
	g.emit("Pad", []string{g.arg(0), g.arg(1), g.arg(2), g.ints(a.Axes...)}, stringAttr("mode", a.Mode))
}

func exportTrilu(g *graph, op *ir.Op) {
	g.emit("Trilu", g.args(), boolAttr("upper", op.Attrs.(*ir.TriluAttrs).Upper))
}
