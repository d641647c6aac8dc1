package main

import (
	"math"
	"math/rand/v2"

	"github.com/emilyc/emily/ir"
)

// network builds a function from x f32[n, …] to logits; what it makes with weight is trained.
type network struct {
	*ir.Builder
	module *ir.Module
	rand   *rand.Rand
}

func newNetwork(name string, r *rand.Rand, shape ...int64) (*network, *ir.Value) {
	m := ir.NewModule(name)
	f := m.NewFunc("main")
	f.Outputs = []string{"logits"}
	x := f.Body.AddParam("x", ir.TensorOf(ir.F32, append([]ir.Dim{ir.Sym("n")}, ir.StaticShape(shape...)...)...))
	return &network{ir.NewBuilder(f.Body), m, r}, x
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
	n, x := newNetwork("mlp", r, 2)
	x = n.Op(ir.Relu, nil, n.dense("in", x, 2, 32))
	x = n.Op(ir.Relu, nil, n.dense("hidden", x, 32, 32))
	return n.done(n.dense("out", x, 32, 2))
}

// convolutional has a 3×3 convolution, the mean over the image, and a dense layer.
func convolutional(r *rand.Rand) (*ir.Module, error) {
	n, x := newNetwork("cnn", r, 1, 8, 8)
	conv := &ir.ConvAttrs{Strides: []int64{1, 1}, Pads: []int64{0, 0, 0, 0}, Dilations: []int64{1, 1}, Groups: 1}
	x = n.Op(ir.Relu, nil, n.Op(ir.Conv, conv, x, n.weight("conv.w", 9, 8, 1, 3, 3), n.weight("conv.b", 0, 8)))
	x = n.Op(ir.ReduceMean, &ir.ReduceAttrs{Axes: []int64{2, 3}}, x)
	return n.done(n.dense("out", x, 8, 3))
}

// spiral is a point of one of two spirals that wind about each other.
func spiral(r *rand.Rand, class int, x []float32) {
	radius := r.Float64()
	angle := 4*radius + math.Pi*float64(class)
	x[0] = float32(radius*math.Cos(angle) + .02*r.NormFloat64())
	x[1] = float32(radius*math.Sin(angle) + .02*r.NormFloat64())
}

// lines is an image of lines that run across, down, or aslant, with noise.
func lines(r *rand.Rand, class int, x []float32) {
	start := r.IntN(3)
	for i := range x {
		across, down := i/8, i%8
		if []int{across, down, across + down}[class]%3 == start {
			x[i] = 1
		}
		x[i] += float32(.2 * r.NormFloat64())
	}
}
