package export

import "github.com/emilyc/emily/ir"

// exportRandomUniform: ONNX has the seed as an f32, which rounds those beyond 2²⁴.
func exportRandomUniform(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.RandomAttrs)
	dtype, seed := intAttr("dtype", int64(dtypes[a.DType])), floatAttr("seed", float64(a.Seed))
	if shape, known := op.Args[0].KnownInts(); known && len(shape) > 0 {
		g.emit("RandomUniform", nil, dtype, seed, intsAttr("shape", shape))
		return
	}
	like := g.one("ConstantOfShape", g.args())
	g.emit("RandomUniformLike", []string{like}, dtype, seed)
}
