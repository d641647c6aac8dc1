package runtime_test

import (
	"github.com/emilyc/emily/ir"
)

func controlCases() []diffCase {
	branch := func(then, other func(b *ir.Builder, x *ir.Value) *ir.Value) func(b *ir.Builder, x []*ir.Value) []*ir.Value {
		return func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			regions := []*ir.Region{b.Region().NewRegion(), b.Region().NewRegion()}
			for i, f := range []func(b *ir.Builder, x *ir.Value) *ir.Value{then, other} {
				p := regions[i].AddParam("", x[0].Type)
				c := ir.NewBuilder(regions[i])
				c.Yield(f(c, p))
				if c.Err() != nil {
					b.Fail(c.Err())
				}
			}
			return b.Ops(ir.If, nil, regions, x[1], x[0])
		}
	}
	neg := func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ir.Neg, nil, x) }
	same := func(b *ir.Builder, x *ir.Value) *ir.Value { return x }
	double := func(b *ir.Builder, x *ir.Value) *ir.Value { return b.Op(ir.Concat, &ir.AxisAttrs{}, x, x) }
	var cs []diffCase
	for _, cond := range []float64{0, 1} {
		in := []*ir.Tensor{random(ir.F32, 2, 3), scalar(ir.Bool, cond)}
		cs = append(cs, diffCase{name: "if", in: in, build: branch(neg, same)},
			diffCase{name: "if-shapes", in: in, build: branch(double, same)},
			diffCase{name: "if-then-use", in: in, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				y := branch(double, neg)(b, x)
				if y == nil {
					return nil
				}
				s := b.Op(ir.ShapeOf, nil, y[0])
				return []*ir.Value{y[0], s, b.Op(ir.Reshape, &ir.ReshapeAttrs{}, y[0], b.Ints(-1))}
			}})
	}
	loop := func(trip, cond *ir.Value, carried []*ir.Value, types []ir.Type, body func(b *ir.Builder, p []*ir.Value) []*ir.Value) func(b *ir.Builder) []*ir.Value {
		return func(b *ir.Builder) []*ir.Value {
			r := b.Region().NewRegion()
			p := []*ir.Value{r.AddParam("i", ir.TensorOf(ir.I64)), r.AddParam("cond", ir.TensorOf(ir.Bool))}
			for i := range carried {
				p = append(p, r.AddParam("", types[i]))
			}
			c := ir.NewBuilder(r)
			c.Yield(body(c, p)...)
			if c.Err() != nil {
				b.Fail(c.Err())
			}
			args := append([]*ir.Value{trip, cond}, carried...)
			return b.Ops(ir.Loop, &ir.LoopAttrs{Carried: int64(len(carried))}, []*ir.Region{r}, args...)
		}
	}
	for _, n := range []float64{0, 1, 5} {
		cs = append(cs, diffCase{name: "loop-scan", in: []*ir.Tensor{random(ir.F32, 3), scalar(ir.I64, n)},
			build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				return loop(x[1], nil, []*ir.Value{x[0]}, []ir.Type{x[0].Type}, func(c *ir.Builder, p []*ir.Value) []*ir.Value {
					y := c.Op(ir.Add, nil, p[2], c.Op(ir.Cast, &ir.CastAttrs{To: ir.F32}, p[0]))
					return []*ir.Value{p[1], y, c.Op(ir.Mul, nil, y, y)}
				})(b)
			}},
			diffCase{name: "loop-cond", in: []*ir.Tensor{random(ir.F32, 3), scalar(ir.Bool, 1), scalar(ir.I64, n)},
				build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
					return loop(nil, x[1], []*ir.Value{x[0], x[2]}, []ir.Type{x[0].Type, x[2].Type}, func(c *ir.Builder, p []*ir.Value) []*ir.Value {
						left := c.Op(ir.Sub, nil, p[3], c.Const(ir.Scalar(int64(1))))
						go_ := c.Op(ir.Less, nil, c.Const(ir.Scalar(int64(0))), left)
						return []*ir.Value{go_, c.Op(ir.Neg, nil, p[2]), left}
					})(b)
				}},
			diffCase{name: "loop-grows", in: []*ir.Tensor{random(ir.F32, 2), scalar(ir.I64, n)},
				build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
					grown := ir.TensorOf(ir.F32, ir.Sym("grown"))
					out := loop(x[1], nil, []*ir.Value{x[0]}, []ir.Type{grown}, func(c *ir.Builder, p []*ir.Value) []*ir.Value {
						y := c.Op(ir.Concat, &ir.AxisAttrs{}, p[2], c.Const(floats(9)))
						s := c.Op(ir.Reshape, &ir.ReshapeAttrs{}, y, c.Ints(-1, 1))
						return []*ir.Value{p[1], y, c.Op(ir.ReduceSum, &ir.ReduceAttrs{Axes: []int64{0, 1}}, s)}
					})(b)
					if out == nil {
						return nil
					}
					return append(out, b.Op(ir.ShapeOf, nil, out[0]))
				}})
	}
	for _, ok := range []float64{0, 1} {
		cs = append(cs, op(ir.Depends, nil, random(ir.F32, 2, 3), random(ir.F32, 4)))
		cs = append(cs, op(ir.Assert, &ir.AssertAttrs{Message: "not all is well"}, random(ir.F32, 2, 3), tensorOf(ir.Bool, []float64{1, 1, ok})))
	}
	for i := range 4 {
		rev := int64(i & 1)
		axis := int64(i >> 1)
		cs = append(cs, diffCase{name: "scan", in: []*ir.Tensor{random(ir.F32, 3), random(ir.F32, 3, 3)}, static: true,
			build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				r := b.Region().NewRegion()
				s, e := r.AddParam("s", x[0].Type), r.AddParam("e", ir.TensorOf(ir.F32, ir.Size(3)))
				c := ir.NewBuilder(r)
				y := c.Op(ir.Add, nil, s, e)
				c.Yield(y, c.Op(ir.Neg, nil, y))
				a := &ir.ScanAttrs{Carried: 1, InputAxes: []int64{axis}, InputReverse: []int64{rev}, OutputAxes: []int64{axis}, OutputRev: []int64{1 - rev}}
				return b.Ops(ir.Scan, a, []*ir.Region{r}, x...)
			}})
	}
	return cs
}
