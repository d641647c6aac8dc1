package export

import (
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// The domain of operators on maps, and its version.
const (
	mlDomain = "ai.onnx.ml"
	mlOpset  = 5
)

func exportMakeSequence(g *graph, op *ir.Op) {
	elem := *op.Result().Type.Elem
	switch {
	case len(op.Args) > 0 && elem.IsTensor():
		g.emit("SequenceConstruct", g.args())
	case elem.IsTensor():
		g.emit("SequenceEmpty", nil, intAttr("dtype", int64(dtypes[elem.DType])))
	default:
		g.fail("sequences of other than tensors")
	}
}

func exportSplitToSequence(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.SplitToSequenceAttrs)
	g.emit("SplitToSequence", g.args(), intAttr("axis", a.Axis), boolAttr("keepdims", !a.Squeeze))
}

func exportConcatFromSequence(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.ConcatFromSequenceAttrs)
	g.emit("ConcatFromSequence", g.args(), intAttr("axis", a.Axis), boolAttr("new_axis", a.Stack))
}

func exportMakeOptional(g *graph, op *ir.Op) {
	if op.Arg(0) != nil {
		g.emit("Optional", g.args())
		return
	}
	g.emit("Optional", nil, typeAttr("type", typeProto(*op.Result().Type.Elem, allSizes)))
}

// ml makes a node in between, of the domain for maps.
func (g *graph) ml(op string, ins []string, attrs ...*pb.AttributeProto) string {
	out := g.one(op, ins, attrs...)
	g.inML()
	return out
}

// inML puts the node made last into the domain for maps.
func (g *graph) inML() {
	g.x.usesML = true
	g.proto.Node[len(g.proto.Node)-1].Domain = new(mlDomain)
}

// keysAttr is the attribute of constant keys of maps, nil where they are not constant.
func keysAttr(v *ir.Value, ints, strings string) *pb.AttributeProto {
	if v.Def == nil || v.Def.Kind != ir.Const {
		return nil
	}
	t, err := v.Def.Attrs.(*ir.ConstAttrs).Tensor()
	if err != nil {
		return nil
	}
	if t.DType == ir.String {
		return stringsAttr(strings, t.Strings)
	}
	return intsAttr(ints, t.Ints())
}

func exportZipMaps(g *graph, op *ir.Op) {
	keys := keysAttr(op.Args[0], "classlabels_int64s", "classlabels_strings")
	if keys == nil || op.Args[1].DType() != ir.F32 {
		g.fail("maps with computed keys, or to other than f32")
		return
	}
	g.emit("ZipMap", []string{g.arg(1)}, keys)
	g.inML()
}

// exportMapLookup: ONNX's default is 0 or the empty string.
func exportMapLookup(g *graph, op *ir.Op) {
	keys := keysAttr(op.Args[1], "int64_vocabulary", "string_vocabulary")
	if keys == nil || !isZero(op.Args[2]) {
		g.fail("a look-up of computed keys, or with a default of other than 0")
		return
	}
	g.emit("Squeeze", []string{g.ml("DictVectorizer", []string{g.arg(0)}, keys), g.ints(0)})
}

func isZero(v *ir.Value) bool {
	if v.Def == nil || v.Def.Kind != ir.Const {
		return false
	}
	t, err := v.Def.Attrs.(*ir.ConstAttrs).Tensor()
	if err != nil {
		return false
	}
	for _, s := range t.Strings {
		if s != "" {
			return false
		}
	}
	for _, b := range t.Data {
		if b != 0 {
			return false
		}
	}
	return true
}

func exportMapValues(g *graph, op *ir.Op) {
	to := map[ir.DType]string{ir.F32: "TO_FLOAT", ir.String: "TO_STRING", ir.I64: "TO_INT64"}[op.Result().DType()]
	if to == "" {
		g.fail("maps to other than f32, i64 and strings")
		return
	}
	g.emit("Squeeze", []string{g.ml("CastMap", []string{g.arg(0)}, stringAttr("cast_to", to)), g.ints(0)})
}
