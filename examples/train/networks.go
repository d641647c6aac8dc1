package main

import (
	"math"
	"math/rand/v2"

	"github.com/emilyc/emily/ir"
)

// network builds a function from x [n, …] to logits; what it makes with weight is trained.
type network struct {
	*ir.Builder
	module *ir.Module
	rand   *rand.Rand
}

func newNetwork(name string, r *rand.Rand, x ir.DType, shape ...int64) (*network, *ir.Value) {
	m := ir.NewModule(name)
	f := m.NewFunc("main")
	f.Outputs = []string{"logits"}
	input := f.Body.AddParam("x", ir.TensorOf(x, append([]ir.Dim{ir.Sym("n")}, ir.StaticShape(shape...)...)...))
	return &network{ir.NewBuilder(f.Body), m, r}, input
}

// weight is a parameter of normal values with variance 2/inputs (He and others 2015); inputs 0 gives zeros, for a bias.
func (n *network) weight(name string, inputs int, shape ...int) *ir.Value {
	t := ir.NewTensor(ir.F32, shape...)
	if inputs > 0 {
		for i := range ir.View[float32](t) {
			ir.View[float32](t)[i] = float32(n.rand.NormFloat64() * math.Sqrt(2/float64(inputs)))
		}
	}
	n.Loc = n.module.AddLoc(ir.Loc{Node: name})
	defer func() { n.Loc = 0 }()
	return n.Const(t)
}

// dense is x·w + b.
func (n *network) dense(name string, x *ir.Value, inputs, outputs int) *ir.Value {
	y := n.Op(ir.MatMul, nil, x, n.weight(name+".w", inputs, inputs, outputs))
	return n.Op(ir.Add, nil, y, n.weight(name+".b", 0, outputs))
}

func (n *network) done(logits *ir.Value) (*ir.Module, error) {
	n.Yield(logits)
	return n.module, n.Err()
}

// perceptron has two hidden layers.
func perceptron(r *rand.Rand) (*ir.Module, error) {
	n, x := newNetwork("mlp", r, ir.F32, 2)
	x = n.Op(ir.Relu, nil, n.dense("in", x, 2, 32))
	x = n.Op(ir.Relu, nil, n.dense("hidden", x, 32, 32))
	return n.done(n.dense("out", x, 32, 2))
}

// convolutional has a 3×3 convolution, the mean over the image, and a dense layer.
func convolutional(r *rand.Rand) (*ir.Module, error) {
	n, x := newNetwork("cnn", r, ir.F32, 1, 8, 8)
	conv := &ir.ConvAttrs{Strides: []int64{1, 1}, Pads: []int64{0, 0, 0, 0}, Dilations: []int64{1, 1}, Groups: 1}
	x = n.Op(ir.Relu, nil, n.Op(ir.Conv, conv, x, n.weight("conv.w", 9, 8, 1, 3, 3), n.weight("conv.b", 0, 8)))
	x = n.Op(ir.ReduceMean, &ir.ReduceAttrs{Axes: []int64{2, 3}}, x)
	return n.done(n.dense("out", x, 8, 3))
}

// The sizes of transformer.
const (
	vocabulary, length = 10, 8
	width, heads       = 32, 4
)

// transformer has a block of attention in both directions and a dense one, of tokens i64[n, length] to logits f32[n, vocabulary, length].
func transformer(r *rand.Rand) (*ir.Module, error) {
	n, tokens := newNetwork("transformer", r, ir.I64, length)
	x := n.Op(ir.Gather, &ir.AxisAttrs{}, n.weight("tokens", width, vocabulary, width), tokens)
	x = n.Op(ir.Add, nil, x, n.weight("places", width, length, width))
	x = n.Op(ir.Add, nil, x, n.attention(n.norm(x)))
	up := n.Op(ir.Gelu, &ir.GeluAttrs{}, n.dense("up", n.norm(x), width, 2*width))
	x = n.Op(ir.Add, nil, x, n.dense("down", up, 2*width, width))
	logits := n.dense("out", n.norm(x), width, vocabulary)
	return n.done(n.Op(ir.Transpose, &ir.PermAttrs{Perm: []int64{0, 2, 1}}, logits))
}

func (n *network) norm(x *ir.Value) *ir.Value {
	return n.Op(ir.LayerNorm, &ir.NormAttrs{Axis: 2, Epsilon: 1e-5}, x, nil, nil)
}

func (n *network) attention(x *ir.Value) *ir.Value {
	swap := &ir.PermAttrs{Perm: []int64{0, 2, 1, 3}}
	head := func(name string) *ir.Value {
		y := n.dense(name, x, width, width)
		return n.Op(ir.Transpose, swap, n.Op(ir.Reshape, &ir.ReshapeAttrs{}, y, n.Ints(0, length, heads, width/heads)))
	}
	y := n.Op(ir.Attention, &ir.AttentionAttrs{Scale: 1 / math.Sqrt(width/heads)}, head("q"), head("k"), head("v"), nil, nil)
	y = n.Op(ir.Reshape, &ir.ReshapeAttrs{}, n.Op(ir.Transpose, swap, y), n.Ints(0, length, width))
	return n.dense("mix", y, width, width)
}
