package simplify

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// views are the kinds that keep the elements in order and change the shape alone.
var views = []ir.Kind{ir.Reshape, ir.Unsqueeze, ir.Squeeze}

var shapeRules = []rewrite.Rule{
	{Name: "same-shape", Doc: "a chain of reshape, unsqueeze and squeeze that ends in the shape it began with: x", Kinds: views, Rewrite: sameShape},
	{Name: "view-chain", Doc: "reshape of reshape, unsqueeze or squeeze: one reshape", Kinds: []ir.Kind{ir.Reshape}, Rewrite: reshapeOfView},
	{Name: "unsqueeze-chain", Doc: "unsqueeze of unsqueeze: one", Kinds: []ir.Kind{ir.Unsqueeze}, Rewrite: unsqueezeChain},
	{Name: "squeeze-chain", Doc: "squeeze of squeeze: one", Kinds: []ir.Kind{ir.Squeeze}, Rewrite: squeezeChain},
	{Name: "view-of-reshape", Doc: "unsqueeze or squeeze of a reshape: one reshape", Kinds: []ir.Kind{ir.Unsqueeze, ir.Squeeze}, Rewrite: viewOfReshape},
	{Name: "identity-transpose", Doc: "a transpose that moves nothing: x", Kinds: []ir.Kind{ir.Transpose}, Rewrite: identityTranspose},
	{Name: "transpose-chain", Doc: "transpose of transpose: one", Kinds: []ir.Kind{ir.Transpose}, Rewrite: transposeChain},
	{Name: "transpose-between-reshapes", Doc: "merge the leading axes, transpose the others, split the leading axes again: one reshape, one transpose",
		Kinds: []ir.Kind{ir.Reshape}, Rewrite: transposeBetween},
	{Name: "rows-of-product", Doc: "reshape of matmul or linear of a reshape, which merge leading axes to rows and split them again: the product without",
		Kinds: []ir.Kind{ir.Reshape}, Rewrite: rowsOfProduct},
	{Name: "same-size", Doc: "expand, tile, pad or slice that changes no size: x", Kinds: []ir.Kind{ir.Expand, ir.Tile, ir.Pad, ir.Slice}, Rewrite: sameSize},
	{Name: "tile-of-ones", Doc: "tile that repeats axes of size 1 alone: expand", Kinds: []ir.Kind{ir.Tile}, Rewrite: tileOfOnes},
	{Name: "expand-chain", Doc: "expand of expand: one", Kinds: []ir.Kind{ir.Expand}, Rewrite: expandChain},
	{Name: "parts-of-scalar", Doc: "gather, gather_nd, slice, transpose, reshape, unsqueeze and squeeze of an expanded scalar: an expand of it",
		Kinds: []ir.Kind{ir.Gather, ir.GatherND, ir.Slice, ir.Transpose, ir.Reshape, ir.Unsqueeze, ir.Squeeze}, Rewrite: partsOfScalar},
	{Name: "concat-of-one", Doc: "concat of one operand: x", Kinds: []ir.Kind{ir.Concat}, Rewrite: concatOfOne},
	{Name: "concat-of-empty", Doc: "operands without elements leave a concat", Kinds: []ir.Kind{ir.Concat}, Rewrite: concatOfEmpty},
	{Name: "concat-of-split", Doc: "concat of all results of a split: x", Kinds: []ir.Kind{ir.Concat}, Rewrite: concatOfSplit},
	{Name: "split-to-one", Doc: "split to one result: x", Kinds: []ir.Kind{ir.Split}, Rewrite: splitToOne},
	{Name: "slice-of-concat", Doc: "slice within one operand of a concat: of that operand", Kinds: []ir.Kind{ir.Slice}, Rewrite: sliceOfConcat},
	{Name: "gather-of-concat", Doc: "gather of one known index within an operand of a concat: of that operand", Kinds: []ir.Kind{ir.Gather}, Rewrite: gatherOfConcat},
	{Name: "slice-chain", Doc: "slice of slice with known bounds: one", Kinds: []ir.Kind{ir.Slice}, Rewrite: sliceChain},
}

func sameShape(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	for x := op.Args[0]; ; {
		if rw.SameType(x.Type, op.Result().Type) {
			return rewrite.One(x)
		}
		inner := rewrite.Def(x, views...)
		if inner == nil || !x.HasOneUse() { // longer chains are others' too, and are walked there
			return nil
		}
		x = inner.Args[0]
	}
}

func reshapeOfView(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	inner := rewrite.Def(op.Args[0], views...)
	if inner == nil {
		return nil
	}
	return reshape(rw, op, inner.Args[0])
}

// reshape makes op a reshape of x, whose elements are those of op's operand in the same order.
func reshape(rw *rewrite.Rewriter, op *ir.Op, x *ir.Value) []*ir.Value {
	if op.Kind == ir.Reshape && !copies(op) {
		return rewrite.One(rw.Like(ir.Reshape, op.Attrs, x, op.Args[1]))
	}
	shape := op.Result().Type.Shape
	if !rw.Defined(shape...) || len(shape) > ir.MaxSym {
		return nil
	}
	return rewrite.One(rw.Op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, x, rw.Dims(shape...)))
}

// copies reports whether the target of a reshape may hold a 0, which stands for a size of the operand.
func copies(op *ir.Op) bool {
	dims, ok := op.Args[1].KnownDims()
	return !op.Attrs.(*ir.ReshapeAttrs).AllowZero && (!ok || slices.ContainsFunc(dims, func(d ir.Dim) bool {
		lo, hi := d.Bounds()
		return lo <= 0 && hi >= 0
	}))
}

func viewOfReshape(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	inner := rewrite.Def(op.Args[0], ir.Reshape)
	if inner == nil || !op.Args[0].HasOneUse() {
		return nil
	}
	return reshape(rw, op, inner.Args[0])
}

func axes(op *ir.Op) []int64 { return op.Attrs.(*ir.AxesAttrs).Axes }

// unsqueezeChain counts the outer axes in the result, and the inner ones among what the outer leave.
func unsqueezeChain(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	inner := rewrite.Def(op.Args[0], ir.Unsqueeze)
	if inner == nil {
		return nil
	}
	return rewrite.One(rw.Op(ir.Unsqueeze, &ir.AxesAttrs{Axes: through(op.Result().Rank(), axes(op), axes(inner))}, inner.Args[0]))
}

func squeezeChain(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	inner := rewrite.Def(op.Args[0], ir.Squeeze)
	if inner == nil {
		return nil
	}
	return rewrite.One(rw.Op(ir.Squeeze, &ir.AxesAttrs{Axes: through(inner.Args[0].Rank(), axes(inner), axes(op))}, inner.Args[0]))
}

// through joins the axes `first` of a tensor with the axes `rest`, which count those that first leaves.
func through(rank int, first, rest []int64) []int64 {
	var out []int64
	left := int64(0)
	for i := range int64(rank) {
		if slices.Contains(first, i) {
			out = append(out, i)
			continue
		}
		if slices.Contains(rest, left) {
			out = append(out, i)
		}
		left++
	}
	return out
}

func perm(op *ir.Op) []int64 { return op.Attrs.(*ir.PermAttrs).Perm }

func identityTranspose(_ *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	if !slices.IsSorted(perm(op)) {
		return nil
	}
	return rewrite.One(op.Args[0])
}

func transposeChain(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	inner := rewrite.Def(op.Args[0], ir.Transpose)
	if inner == nil {
		return nil
	}
	p := make([]int64, len(perm(op)))
	for i, k := range perm(op) {
		p[i] = perm(inner)[k]
	}
	return rewrite.One(rw.Op(ir.Transpose, &ir.PermAttrs{Perm: p}, inner.Args[0]))
}

// transposeBetween finds what exporters write for the last two axes of a batch of heads: [b, h, s, d] as [b*h, s, d], transposed
// to [b*h, d, s], as [b, h, d, s]. The transpose can act on [b, h, s, d] itself.
func transposeBetween(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	t := rewrite.Def(op.Args[0], ir.Transpose)
	if t == nil || !op.Args[0].HasOneUse() || perm(t)[0] != 0 {
		return nil
	}
	merge := rewrite.Def(t.Args[0], ir.Reshape)
	if merge == nil || !t.Args[0].HasOneUse() {
		return nil
	}
	out, inner := op.Result().Type.Shape, t.Result().Type.Shape[1:]
	lead := len(out) - len(inner)
	if lead < 1 || !slices.EqualFunc(out[lead:], inner, rw.SameDim) {
		return nil
	}
	shape := slices.Concat(out[:lead], t.Args[0].Type.Shape[1:])
	if !rw.Defined(shape...) || len(shape) > ir.MaxSym {
		return nil
	}
	p := ir.Axes(0, len(shape))
	for i := range p[lead:] {
		p[lead+i] = perm(t)[i+1] + int64(lead-1)
	}
	split := rw.Op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, merge.Args[0], rw.Dims(shape...))
	return rewrite.One(rw.Op(ir.Transpose, &ir.PermAttrs{Perm: p}, split))
}

// sameSize needs more than equal types where elements could move within a size: a slice must step forward, by
// one, and pads must all be 0.
func sameSize(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	switch op.Kind {
	case ir.Slice:
		if slices.ContainsFunc(op.Attrs.(*ir.SliceAttrs).Steps, func(s int64) bool { return s != 1 }) {
			return nil
		}
	case ir.Pad:
		pads, ok := op.Args[1].KnownInts()
		if !ok || slices.ContainsFunc(pads, func(n int64) bool { return n != 0 }) {
			return nil
		}
	}
	return when(rw, op, op.Args[0])
}

func tileOfOnes(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	x, shape := op.Args[0], op.Result().Type.Shape
	if !rw.Defined(shape...) || len(shape) > ir.MaxSym {
		return nil
	}
	for i, d := range x.Type.Shape {
		if !d.Is(1) && !rw.SameDim(d, shape[i]) {
			return nil
		}
	}
	return rewrite.One(rw.Op(ir.Expand, nil, x, rw.Dims(shape...)))
}

func expandChain(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	inner := rewrite.Def(op.Args[0], ir.Expand)
	shape := op.Result().Type.Shape
	if inner == nil || !rw.Defined(shape...) || len(shape) > ir.MaxSym {
		return nil
	}
	return rewrite.One(rw.Op(ir.Expand, nil, inner.Args[0], rw.Dims(shape...)))
}

// partsOfScalar is of ops whose elements are some of their first operand's.
func partsOfScalar(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	inner := rewrite.Def(op.Args[0], ir.Expand)
	shape := op.Result().Type.Shape
	if inner == nil || inner.Args[0].Rank() > 0 || !rw.Defined(shape...) || len(shape) > ir.MaxSym {
		return nil
	}
	return rewrite.One(rw.Op(ir.Expand, nil, inner.Args[0], rw.Dims(shape...)))
}

func concatOfOne(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	if len(op.Args) != 1 {
		return nil
	}
	return rewrite.One(op.Args[0])
}

func concatOfEmpty(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	axis := op.Attrs.(*ir.AxisAttrs).Axis
	args := slices.DeleteFunc(slices.Clone(op.Args), func(v *ir.Value) bool { return v.Type.Shape[axis].Is(0) })
	if len(args) == 0 || len(args) == len(op.Args) {
		return nil
	}
	return rewrite.One(rw.Like(ir.Concat, op.Attrs, args...))
}

func concatOfSplit(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	split := rewrite.Def(op.Args[0], ir.Split)
	if split == nil || split.Attrs.(*ir.SplitAttrs).Axis != op.Attrs.(*ir.AxisAttrs).Axis || !slices.Equal(split.Results, op.Args) {
		return nil
	}
	return when(rw, op, split.Args[0])
}

func splitToOne(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	if len(op.Results) != 1 {
		return nil
	}
	return when(rw, op, op.Args[0])
}

// rowsOfProduct: a product takes leading axes as they are.
func rowsOfProduct(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	p := rewrite.Def(op.Args[0], ir.MatMul, ir.Linear)
	if p == nil || !op.Args[0].HasOneUse() || rewrite.Def(p.Args[0], ir.Reshape) == nil {
		return nil
	}
	rows, w, shape := p.Args[0].Shape(), p.Args[1].Shape(), slices.Clone(op.Result().Shape())
	last := len(shape) - 1
	if len(rows) != 2 || len(w) != 2 || last < 2 || !rw.SameDim(shape[last], w[1]) || p.Kind == ir.Linear && p.Args[2].Rank() > 1 {
		return nil
	}
	shape[last] = rows[1]
	if !rw.SameDim(shape[:last].NumElements(), rows[0]) || !rw.Defined(shape...) || len(shape) > ir.MaxSym {
		return nil
	}
	args := slices.Clone(p.Args)
	args[0] = rw.Op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, p.Args[0].Def.Args[0], rw.Dims(shape...))
	return when(rw, op, rw.Op(p.Kind, p.Attrs, args...))
}
