package onnx

import (
	"hash/fnv"
	"math"

	"github.com/emilyc/emily/ir"
)

var randomRows = []row{
	{"", "RandomUniform", since(1, 22), importRandomUniform},
	{"", "RandomUniformLike", since(1, 22), importRandomUniform},
	{"", "RandomNormal", since(1, 22), importRandomNormal},
	{"", "RandomNormalLike", since(1, 22), importRandomNormal},
	{"", "Bernoulli", since(15, 22), importBernoulli},
	{"", "Multinomial", since(7, 22), importMultinomial},
	{"", "ImageDecoder", since(20), importImageDecoder},
}

// seed is attribute seed, or where there is none one from the names of the node's outputs: a model gives the same numbers at each
// run, and each of its nodes others.
func (n *Node) seed() int64 {
	switch {
	case !n.Has("seed"):
		h := fnv.New32a()
		for _, name := range n.proto.Output {
			h.Write([]byte(name))
		}
		return int64(h.Sum32())
	case n.proto.GetOpType() == "Dropout":
		return n.Int("seed", 0)
	}
	return int64(n.Float("seed", 0))
}

// uniform is random numbers in [0, 1), in f32, or f64.
func (n *Node) uniform(shape *ir.Value, d ir.DType, seed int64) *ir.Value {
	if d != ir.F64 {
		d = ir.F32
	}
	return n.op(ir.RandomUniform, &ir.RandomAttrs{DType: d, Seed: seed & math.MaxUint32}, shape)
}

// randomShape is the shape and the dtype that a generator makes: those of its attributes, or of its operand.
func (n *Node) randomShape() (shape *ir.Value, d ir.DType) {
	if len(n.in) == 0 {
		shape, d = n.b.Ints(n.Ints("shape")...), ir.F32
	} else {
		shape, d = n.op(ir.ShapeOf, nil, n.in[0]), n.in[0].DType()
	}
	if n.Has("dtype") {
		d = n.dtypeAttr("dtype")
	}
	return shape, d
}

// importRandomUniform: numbers from low up to, not including, high.
func importRandomUniform(n *Node) []*ir.Value {
	shape, d := n.randomShape()
	low, high := float64(n.Float("low", 0)), float64(n.Float("high", 1))
	if !n.ok() {
		return nil
	}
	return one(n.cast(n.affine(n.uniform(shape, d, n.seed()), high-low, low), d))
}

// importRandomNormal: the transform of Box and Muller, mean + scale × √(-2 ln u) × cos(2π v).
func importRandomNormal(n *Node) []*ir.Value {
	shape, d := n.randomShape()
	mean, scale := float64(n.Float("mean", 0)), float64(n.Float("scale", 1))
	if !n.ok() {
		return nil
	}
	radius := n.op(ir.Sqrt, nil, n.affine(n.op(ir.Log, nil, n.less1(n.uniform(shape, d, n.seed()))), -2, 0))
	turn := n.op(ir.Cos, nil, n.affine(n.uniform(shape, d, n.seed()+1), 2*math.Pi, 0))
	return one(n.cast(n.affine(n.op(ir.Mul, nil, radius, turn), scale, mean), d))
}

// importBernoulli: 1 with the probability that the operand says, else 0.
func importBernoulli(n *Node) []*ir.Value {
	x := n.wide(n.in[0])
	shape, d := n.randomShape()
	if !n.ok() {
		return nil
	}
	u := n.uniform(shape, x.DType(), n.seed())
	return one(n.cast(n.op(ir.Less, nil, u, x), d))
}

// importMultinomial: of each row of x[B, C], logarithms of weights, sample_size classes: that of the greatest x + g, where the
// g are drawn from Gumbel's distribution.
func importMultinomial(n *Node) []*ir.Value {
	x, d := n.wide(n.in[0]), ir.I32
	if n.Has("dtype") {
		d = n.dtypeAttr("dtype")
	}
	samples := n.Int("sample_size", 1)
	if n.ok() && (x.Rank() != 2 || samples < 1 || samples > maxPlaces) {
		n.fail(Invalid, "give [batch, classes], and a sample_size in bounds", "%d samples of %s", samples, x.Type)
	}
	if !n.ok() {
		return nil
	}
	u := n.uniform(n.b.Dims(size(x, 0), ir.Size(samples), size(x, 1)), x.DType(), n.seed())
	g := n.op(ir.Neg, nil, n.op(ir.Log, nil, n.op(ir.Neg, nil, n.op(ir.Log, nil, n.less1(u)))))
	best := n.op(ir.ArgMax, &ir.ArgAttrs{Axis: 2}, n.op(ir.Add, nil, n.unsqueeze(x, 1), g))
	return one(n.cast(best, d))
}

// importDropout: from opset 12 on, an operand says whether it trains. Then elements are kept whose random number is the ratio at
// least, and divided by what is kept of all.
func importDropout(n *Node) []*ir.Value {
	x, seed := n.in[0], n.seed()
	if !n.flag(n.arg(2), "training_mode", false) {
		return n.dropped(ir.Bool)
	}
	if !n.ok() {
		return nil
	}
	w := n.wide(x)
	ratio := n.number(w.DType(), 0.5)
	if r := n.arg(1); r != nil {
		ratio = n.cast(n.scalar(r), w.DType())
	}
	shape := n.op(ir.ShapeOf, nil, x)
	kept := n.op(ir.LessEqual, nil, ratio, n.uniform(shape, w.DType(), seed))
	scaled := n.op(ir.Div, nil, w, n.less1(ratio))
	y := n.op(ir.Where, nil, kept, scaled, n.number(w.DType(), 0))
	return []*ir.Value{n.cast(y, x.DType()), kept}
}

// imageFormats are the values of pixel_format.
var imageFormats = map[string]string{"RGB": "rgb", "BGR": "bgr", "Grayscale": "grayscale"}

func importImageDecoder(n *Node) []*ir.Value {
	given := n.String("pixel_format", "RGB")
	format, ok := imageFormats[given]
	if !ok {
		return one(n.fail(Invalid, "give RGB, BGR or Grayscale", "pixel_format %q", clip(given)))
	}
	return one(n.op(ir.DecodeImage, &ir.ImageAttrs{Format: format}, n.in[0]))
}
