package grad

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// spread gives v, a reduction's result or its cotangent, the reduced axes back, with size 1.
func (t *tape) spread(v *ir.Value) *ir.Value {
	if a := t.op.Attrs.(*ir.ReduceAttrs); !a.KeepDims {
		return t.unsqueeze(v, a.Axes...)
	}
	return v
}

func gradReduceSum(t *tape) {
	t.give(0, func() *ir.Value { return t.expand(t.spread(t.d(0)), t.shape(t.x(0))) })
}

func gradReduceMean(t *tape) {
	axes := t.op.Attrs.(*ir.ReduceAttrs).Axes
	t.give(0, func() *ir.Value {
		each := t.b.Div(t.spread(t.d(0)), t.elements(t.x(0), axes))
		return t.expand(each, t.shape(t.x(0)))
	})
}

// elements is the number of elements of x along axes, in x's dtype.
func (t *tape) elements(x *ir.Value, axes []int64) *ir.Value {
	n := ir.Size(1)
	for _, a := range axes {
		n = n.Mul(x.Shape()[a])
	}
	if v, known := n.Value(); known {
		return t.numberLike(x, float64(v))
	}
	sizes := t.gather(t.b.Op(ir.ShapeOf, nil, x), t.b.Ints(axes...), 0)
	return t.cast(t.b.Op(ir.ReduceProd, &ir.ReduceAttrs{Axes: []int64{0}}, sizes), x.DType())
}

// gradReduceExtreme: the elements that are the extreme share the cotangent evenly.
func gradReduceExtreme(t *tape) {
	axes := t.op.Attrs.(*ir.ReduceAttrs).Axes
	t.give(0, func() *ir.Value {
		x := t.x(0)
		winners := t.cast(t.equal(x, t.spread(t.op.Result())), x.DType())
		share := t.b.Div(t.spread(t.d(0)), t.sum(winners, axes, true))
		return t.b.Mul(winners, share)
	})
}

// gradReduceProd: the product of all other elements, which running products from both ends give without a division.
func gradReduceProd(t *tape) {
	axes := t.op.Attrs.(*ir.ReduceAttrs).Axes
	x := t.x(0)
	if len(axes) == 0 {
		t.give(0, func() *ir.Value { return t.d(0) })
		return
	}
	t.give(0, func() *ir.Value {
		perm := []int64{}
		for _, a := range ir.Axes(0, x.Rank()) {
			if !slices.Contains(axes, a) {
				perm = append(perm, a)
			}
		}
		kept := len(perm)
		rows := t.transpose(x, append(perm, axes...)...)
		turned := rows
		rows = t.merged(rows, kept)
		run := func(reverse bool) *ir.Value {
			return t.b.Op(ir.CumProd, &ir.CumAttrs{Axis: int64(kept), Exclusive: true, Reverse: reverse}, rows)
		}
		others := t.fit(t.b.Mul(run(false), run(true)), turned)
		return t.b.Mul(t.spread(t.d(0)), t.transpose(others, inverse(append(perm, axes...))...))
	})
}

// merged is x with the axes from first on made one.
func (t *tape) merged(x *ir.Value, first int) *ir.Value {
	if t.b.Err() != nil || x.Rank() == first+1 {
		return x
	}
	n := ir.Size(1)
	for _, d := range x.Shape()[first:] {
		n = n.Mul(d)
	}
	return t.reshape(x, t.b.Dims(append(slices.Clone(x.Shape()[:first]), n)...))
}

// inverse is the permutation that undoes perm.
func inverse(perm []int64) []int64 {
	out := make([]int64, len(perm))
	for i, p := range perm {
		out[p] = int64(i)
	}
	return out
}

// gradCumSum: the running sum the other way round.
func gradCumSum(t *tape) {
	a := ir.CloneAttrs(t.op.Attrs.(*ir.CumAttrs))
	a.Reverse = !a.Reverse
	t.give(0, func() *ir.Value { return t.b.Op(ir.CumSum, a, t.d(0)) })
}

// gradCumProd: the product of what comes before xᵢ, times sᵢ = dᵢ + xᵢ₊₁·sᵢ₊₁, the recurrence of which a scan runs from the end; without
// a division, so that zeros do no harm. The exclusive product has tᵢ = dᵢ₊₁ + xᵢ₊₁·tᵢ₊₁ in its place.
func gradCumProd(t *tape) {
	a := t.op.Attrs.(*ir.CumAttrs)
	t.give(0, func() *ir.Value {
		before := ir.CloneAttrs(a)
		before.Exclusive = true
		return t.b.Mul(t.b.Op(ir.CumProd, before, t.x(0)), t.recurrence(a))
	})
}

func (t *tape) recurrence(a *ir.CumAttrs) *ir.Value {
	x, d := t.x(0), t.d(0)
	r := t.b.Region().NewRegion()
	row := ir.TensorOf(x.DType(), slices.Delete(slices.Clone(x.Shape()), int(a.Axis), int(a.Axis)+1)...)
	carried, xi, di := r.AddParam("", row), r.AddParam("", row), r.AddParam("", row)
	b := ir.NewBuilder(r)
	b.Loc = t.b.Loc
	out := carried
	if !a.Exclusive {
		out = b.Add(di, carried)
	}
	next := b.Mul(xi, out)
	if a.Exclusive {
		next = b.Add(di, next)
	}
	b.Yield(next, out)
	if err := b.Err(); err != nil {
		return t.b.Fail(err)
	}
	way := int64(1)
	if a.Reverse {
		way = 0
	}
	attrs := &ir.ScanAttrs{Carried: 1, InputAxes: []int64{a.Axis, a.Axis}, InputReverse: []int64{way, way}, OutputAxes: []int64{a.Axis}, OutputRev: []int64{way}}
	zero := t.sum(t.full(x, 0), []int64{a.Axis}, false)
	return t.result(t.b.Ops(ir.Scan, attrs, []*ir.Region{r}, zero, x, d), 1)
}

// result is one of an op's results, of none after an error.
func (t *tape) result(results []*ir.Value, i int) *ir.Value {
	if t.b.Err() != nil {
		return &ir.Value{}
	}
	return results[i]
}
