package mlx

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// MLX's calls on a CPU each pass over memory for themselves. A stretch of them on large f32 arrays of one shape is worked through in
// blocks that stay in the cache.
var inBlocks = stretches{op: Blockwise, most: 32, fits: fitsBlocks}

// blockCalls are those that round alike by themselves and in blocks; the shim has the same.
var blockCalls = [NumCalls]bool{Add: true, Subtract: true, Multiply: true, Divide: true, Sqrt: true, Square: true, Negative: true}

// longBlocks is the number of elements from which on memory is what counts.
const longBlocks = 1 << 15

func fitsBlocks(g *Program, c *Call) (ir.Shape, bool) {
	if !blockCalls[c.Op] {
		return nil, false
	}
	t := g.Types[c.Out[0]]
	n, known := t.Shape.NumElements().Value()
	broadcasts := slices.ContainsFunc(c.In, func(r Reg) bool {
		in := g.Types[r]
		return in.IsTensor() && !slices.Equal(in.Shape, t.Shape) && !in.Shape.NumElements().Is(1)
	})
	return t.Shape, t.IsTensor() && t.DType == ir.F32 && known && n >= longBlocks && !broadcasts
}
