package onnx

import (
	"github.com/emilyc/emily/ir"
)

const trainingDomain = "ai.onnx.preview.training"

var trainingRows = []row{
	{trainingDomain, "Adagrad", since(1), importAdagrad},
	{trainingDomain, "Adam", since(1), importAdam},
	{trainingDomain, "Momentum", since(1), importMomentum},
	{trainingDomain, "Gradient", since(1), importGradient},
}

// optimised splits the operands after rate and count into groups, values first, then gradients, then states, and gives the results
// in the same order: of each group step makes a new value and new states.
func (n *Node) optimised(states int, step func(x, g *ir.Value, s []*ir.Value) []*ir.Value) []*ir.Value {
	list := n.in[2:]
	count := len(list) / (2 + states)
	if !n.present(list) || count == 0 || len(list)%(2+states) != 0 {
		return one(n.fail(Invalid, "give as many values as gradients and states", "%d tensors to optimise, must be a multiple of %d", len(list), 2+states))
	}
	out := make([]*ir.Value, count*(1+states))
	for i := range count {
		group := make([]*ir.Value, 2+states)
		for k := range group {
			if group[k] = list[k*count+i]; group[k].DType() != group[0].DType() {
				return one(n.fail(Invalid, "cast it", "value %s with a gradient or state of %s", group[0].Type, group[k].Type))
			}
		}
		for k, v := range step(group[0], group[1], group[2:]) {
			out[k*count+i] = v
		}
	}
	return out
}

// times is x times a constant.
func (n *Node) times(x *ir.Value, factor float64) *ir.Value {
	return n.op(ir.Mul, nil, x, n.number(x.DType(), factor))
}

// regularised is g + norm_coefficient·x.
func (n *Node) regularised(x, g *ir.Value) *ir.Value {
	return n.op(ir.Add, nil, n.times(x, n.double("norm_coefficient", 0)), g)
}

// double is a float attribute.
func (n *Node) double(name string, def float32) float64 { return float64(n.Float(name, def)) }

// rate is operand 0 and the count operand 1, as scalars of x's dtype.
func (n *Node) rate(x *ir.Value) (rate, count *ir.Value) {
	return n.cast(n.scalar(n.in[0]), x.DType()), n.cast(n.scalar(n.in[1]), x.DType())
}

// started is whether the count is more than 0.
func (n *Node) started(count *ir.Value) *ir.Value {
	return n.op(ir.Less, nil, n.number(count.DType(), 0), count)
}

// rootOf is √x + epsilon.
func (n *Node) rootOf(x *ir.Value) *ir.Value {
	return n.op(ir.Add, nil, n.op(ir.Sqrt, nil, x), n.number(x.DType(), n.double("epsilon", 1e-6)))
}

func importAdagrad(n *Node) []*ir.Value {
	decay := n.double("decay_factor", 0)
	return n.optimised(1, func(x, g *ir.Value, s []*ir.Value) []*ir.Value {
		rate, count := n.rate(x)
		rate = n.op(ir.Div, nil, rate, n.op(ir.Add, nil, n.times(count, decay), n.number(x.DType(), 1)))
		g = n.regularised(x, g)
		h := n.op(ir.Add, nil, s[0], n.op(ir.Mul, nil, g, g))
		move := n.op(ir.Div, nil, n.op(ir.Mul, nil, rate, g), n.rootOf(h))
		return []*ir.Value{n.op(ir.Sub, nil, x, move), h}
	})
}

// importAdam: alpha and beta are the decays of the averages of the gradient and of its square.
func importAdam(n *Node) []*ir.Value {
	alpha, beta := n.double("alpha", 0.9), n.double("beta", 0.999)
	post := n.double("norm_coefficient_post", 0)
	return n.optimised(2, func(x, g *ir.Value, s []*ir.Value) []*ir.Value {
		rate, count := n.rate(x)
		unbiased := n.op(ir.Div, nil, n.op(ir.Sqrt, nil, n.lessPower(beta, count)), n.lessPower(alpha, count))
		rate = n.op(ir.Where, nil, n.started(count), n.op(ir.Mul, nil, rate, unbiased), rate)
		g = n.regularised(x, g)
		v := n.op(ir.Add, nil, n.times(s[0], alpha), n.times(g, 1-alpha))
		h := n.op(ir.Add, nil, n.times(s[1], beta), n.times(n.op(ir.Mul, nil, g, g), 1-beta))
		move := n.op(ir.Div, nil, n.op(ir.Mul, nil, rate, v), n.rootOf(h))
		return []*ir.Value{n.times(n.op(ir.Sub, nil, x, move), 1-post), v, h}
	})
}

// lessPower is 1 - base^count.
func (n *Node) lessPower(base float64, count *ir.Value) *ir.Value {
	return n.op(ir.Sub, nil, n.number(count.DType(), 1), n.op(ir.Pow, nil, n.number(count.DType(), base), count))
}

func importMomentum(n *Node) []*ir.Value {
	alpha, beta, mode := n.double("alpha", 0), n.double("beta", 0), n.String("mode", "")
	if mode != "standard" && mode != "nesterov" {
		return one(n.fail(Invalid, "give standard or nesterov", "mode %q", clip(mode)))
	}
	return n.optimised(1, func(x, g *ir.Value, s []*ir.Value) []*ir.Value {
		rate, count := n.rate(x)
		g = n.regularised(x, g)
		scale := n.op(ir.Where, nil, n.started(count), n.number(x.DType(), beta), n.number(x.DType(), 1))
		v := n.op(ir.Add, nil, n.times(s[0], alpha), n.op(ir.Mul, nil, scale, g))
		move := v
		if mode == "nesterov" {
			move = n.op(ir.Add, nil, g, n.times(v, alpha))
		}
		return []*ir.Value{n.op(ir.Sub, nil, x, n.op(ir.Mul, nil, rate, move)), v}
	})
}
