package mlx

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// MLX's calls on a CPU each pass over memory for themselves, and cost some microseconds however small they are. A stretch of them on f32
// arrays of one shape is one call, which works through them in blocks that stay in the cache.
var inBlocks = stretches{op: Blockwise, most: 32, fits: fitsBlocks}

// blockCalls are those that the shim has vectorised.
var blockCalls = [NumCalls]bool{
	Add: true, Subtract: true, Multiply: true, Divide: true, Maximum: true, Minimum: true,
	Sqrt: true, Square: true, Negative: true, Reciprocal: true, Exp: true, Sigmoid: true, Tanh: true, Erf: true,
}

func fitsBlocks(g *Program, c *Call) (ir.Shape, bool) {
	if !blockCalls[c.Op] {
		return nil, false
	}
	t := typeOf(g, c)
	if !t.IsTensor() || t.DType != ir.F32 || isSingle(t) {
		return nil, false
	}
	broadcasts := slices.ContainsFunc(c.In, func(r Reg) bool {
		in := g.Types[r]
		return in.IsTensor() && !slices.Equal(in.Shape, t.Shape) && !isSingle(in)
	})
	return t.Shape, !broadcasts
}

// typeOf is the type of c's result: what is noted of it, or that of its operands where they are alike but for numbers.
func typeOf(g *Program, c *Call) ir.Type {
	to := &g.Types[c.Out[0]]
	if to.IsTensor() {
		return *to
	}
	var t ir.Type
	for _, r := range c.In {
		switch in := g.Types[r]; {
		case !in.IsTensor() || t.IsTensor() && t.DType != in.DType:
			return *to
		case !t.IsTensor() || isSingle(t) && t.Rank() <= in.Rank():
			t = in
		case !slices.Equal(t.Shape, in.Shape) && !(isSingle(in) && in.Rank() <= t.Rank()):
			return *to
		}
	}
	*to = t
	return t
}

// isSingle reports whether tensors of type t have one element.
func isSingle(t ir.Type) bool { return t.Shape.NumElements().Is(1) }
