package interp

import (
	"github.com/emilyc/emily/ir"
)

// evalRandomUniform: NumPy's RandomState(seed).random_sample(shape), which ONNX's recorded cases come from.
func evalRandomUniform(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	a := op.Attrs.(*ir.RandomAttrs)
	shape, err := e.shapeOf(op, "random_uniform_c1", sizes(args, 0))
	if err != nil {
		return nil, err
	}
	out, err := e.newTensor(op, a.DType, shape)
	if err != nil {
		return nil, err
	}
	g := newTwister(uint32(a.Seed))
	if a.DType == ir.F64 {
		for i, dst := 0, ir.View[float64](out); i < len(dst); i++ {
			dst[i] = g.float64()
		}
		return one(out, nil)
	}
	for i, dst := 0, ir.View[float32](out); i < len(dst); i++ {
		dst[i] = float32(int64(g.float64()*(1<<24))) / (1 << 24) // rounding up would give 1
	}
	return one(out, nil)
}

// twister is the generator MT19937 of Matsumoto and Nishimura.
type twister struct {
	state [624]uint32
	next  int
}

func newTwister(seed uint32) *twister {
	g := &twister{next: len(twister{}.state)}
	for i := range g.state {
		g.state[i] = seed
		seed = 1812433253*(seed^seed>>30) + uint32(i) + 1
	}
	return g
}

func (g *twister) twist() {
	n := len(g.state)
	for i := range n {
		y := g.state[i]&(1<<31) | g.state[(i+1)%n]&(1<<31-1)
		g.state[i] = g.state[(i+397)%n] ^ y>>1 ^ (y&1)*0x9908b0df
	}
	g.next = 0
}

func (g *twister) uint32() uint32 {
	if g.next == len(g.state) {
		g.twist()
	}
	y := g.state[g.next]
	g.next++
	y ^= y >> 11
	y ^= y << 7 & 0x9d2c5680
	y ^= y << 15 & 0xefc60000
	return y ^ y>>18
}

// float64 is in [0, 1), of 53 bits.
func (g *twister) float64() float64 {
	high, low := g.uint32()>>5, g.uint32()>>6
	return (float64(high)*(1<<26) + float64(low)) / (1 << 53)
}
