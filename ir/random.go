package ir

import "math"

// inferRandomUniform: random_uniform_c1 a shape without negative sizes, random_uniform_c2 a dtype that is f32 or f64, and a
// seed of 32 bits.
func inferRandomUniform(c *Infer) {
	a := c.op.Attrs.(*RandomAttrs)
	target := c.intVector("random_uniform_c1", 0, "the shape")
	if c.err != nil {
		return
	}
	if a.DType != F32 && a.DType != F64 || a.Seed < 0 || a.Seed > math.MaxUint32 {
		c.fail(AttrError, "random_uniform_c2", "random numbers of %s, seed %d", a.DType, a.Seed)
		return
	}
	for _, d := range target {
		if n, ok := d.Value(); ok && n < 0 {
			c.fail(ShapeError, "random_uniform_c1", "size %d in the shape", n)
			return
		}
	}
	c.tensor(a.DType, Shape(target))
}
