package fuse

import (
	"bytes"
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// hiding is how scores are masked: those that allow is false for become fill, or bias is added to all.
type hiding struct {
	allow *ir.Value
	fill  float64
	bias  *ir.Value
}

// hide makes scores the number fill where allow is false.
func (s *scores) hide(allow *ir.Value, fill float64) bool {
	h, d := &s.hiding, s.product.DType()
	s.changed = true
	s.added = append(s.added, allow)
	switch {
	case h.bias != nil && rounded(d, fill) != fill:
		return s.no(allow, "hides scores by %v, which %s does not have", fill, d)
	case h.bias != nil:
		h.bias = s.Op(ir.Where, nil, allow, h.bias, s.Float(d, fill))
	case h.allow == nil:
		h.allow, h.fill = allow, fill
	case h.fill == fill:
		h.allow = s.Op(ir.And, nil, h.allow, allow)
	default:
		return s.no(allow, "hides scores by %v, others are hidden by %v", fill, h.fill)
	}
	return true
}

// add adds a bias to the scores: one that is 0 or fills is a mask. Sums with what fills are that, as it is -∞ or so large that
// scores vanish in it.
func (s *scores) add(bias *ir.Value) bool {
	d := s.product.DType()
	h := &s.hiding
	s.changed = true
	s.added = append(s.added, bias)
	if allow, fill, ok := s.allows(bias, 0); ok && h.bias == nil {
		switch {
		case h.allow == nil:
			h.allow, h.fill = allow, fill
			return true
		case h.fill == fill && math.IsInf(fill, -1):
			h.allow = s.Op(ir.And, nil, h.allow, allow)
			return true
		}
	}
	if bias = s.asDType(bias, d); bias == nil {
		return false
	}
	if h.allow != nil && rounded(d, h.fill) != h.fill {
		return s.no(bias, "is added where scores are hidden by %v, which %s does not have", h.fill, d)
	}
	if h.allow != nil {
		h.bias = s.Op(ir.Where, nil, h.allow, s.Float(d, 0), s.Float(d, h.fill))
		h.allow = nil
	}
	if h.bias != nil {
		bias = s.Add(h.bias, bias)
	}
	h.bias = bias
	return true
}

// allows takes where(allow, 0, fill) apart, where fill makes scores vanish: a constant, what is unsqueezed, and sums with -∞ too.
func (s *scores) allows(bias *ir.Value, depth int) (allow *ir.Value, fill float64, ok bool) {
	if depth > 4 || bias.Def == nil {
		return nil, 0, false
	}
	switch o := bias.Def; o.Kind {
	case ir.Const:
		return s.allowsConst(bias)
	case ir.Unsqueeze:
		allow, fill, ok = s.allows(o.Args[0], depth+1)
		if !ok {
			return nil, 0, false
		}
		return s.Op(ir.Unsqueeze, o.Attrs, allow), fill, true
	case ir.Add:
		a, f, ok1 := s.allows(o.Args[0], depth+1)
		b, g, ok2 := s.allows(o.Args[1], depth+1)
		if !ok1 || !ok2 || !math.IsInf(f, -1) || !math.IsInf(g, -1) {
			return nil, 0, false
		}
		return s.Op(ir.And, nil, a, b), f, true
	}
	via := []ir.DType{bias.DType()}
	for rewrite.Def(bias, ir.Expand) != nil || bias.Def != nil && isFloatCast(bias.Def) {
		bias = bias.Def.Args[0]
		via = append(via, bias.DType())
	}
	w := rewrite.Def(bias, ir.Where)
	if w == nil {
		return nil, 0, false
	}
	a, ok1 := rewrite.Splat(w.Args[1])
	b, ok2 := rewrite.Splat(w.Args[2])
	for _, d := range slices.Backward(via) {
		a, b = rounded(d, a), rounded(d, b)
	}
	d := via[0]
	switch {
	case !ok1 || !ok2:
		return nil, 0, false
	case a == 0 && vanishing(b, d):
		return w.Args[0], b, true
	case b == 0 && vanishing(a, d):
		return s.Op(ir.Not, nil, w.Args[0]), a, true
	}
	return nil, 0, false
}

// allowsConst is of a constant of -∞ and 0.
func (s *scores) allowsConst(bias *ir.Value) (allow *ir.Value, fill float64, ok bool) {
	shape, ok := bias.Shape().Static()
	data := bias.Def.Attrs.(*ir.ConstAttrs).Bytes()
	width := bias.DType().Size()
	hidden, none := ir.FloatScalar(bias.DType(), math.Inf(-1)).Data, ir.FloatScalar(bias.DType(), 0).Data
	if !ok || len(data) > maxTable {
		return nil, 0, false
	}
	out := ir.NewTensor(ir.Bool, shape...)
	for i := range out.Len() {
		switch x := data[i*width:][:width]; {
		case bytes.Equal(x, none):
			out.Data[i] = 1
		case !bytes.Equal(x, hidden):
			return nil, 0, false
		}
	}
	return s.Const(out), math.Inf(-1), true
}

// vanishing reports whether a score plus c is c: it is -∞, or a least number whose last place is above any score.
func vanishing(c float64, d ir.DType) bool {
	return math.IsInf(c, -1) || c < -0x1p126 && d != ir.F64 || c == -math.MaxFloat64
}

// rounded is c as dtype d has it.
func rounded(d ir.DType, c float64) float64 {
	switch d {
	case ir.F16, ir.BF16:
		return ir.DecodeFloat(d, ir.EncodeFloat(d, c, false))
	case ir.F32:
		return float64(float32(c))
	}
	return c
}

// asDType is a bias in the dtype of the scores; nil where that would round it.
func (s *scores) asDType(bias *ir.Value, d ir.DType) *ir.Value {
	if bias.DType() == d {
		return bias
	}
	if o := bias.Def; o != nil && isFloatCast(o) && o.Args[0].DType() == d {
		return o.Args[0]
	}
	if bias.DType().Bits() < d.Bits() {
		return s.Op(ir.Cast, &ir.CastAttrs{To: d}, bias)
	}
	s.no(bias, "is added to scores of %s", d)
	return nil
}

// mask is the mask of the attention, nil for none, and says what it leaves to attributes.
func (s *scores) mask(a *ir.AttentionAttrs, q, k *ir.Value) (*ir.Value, bool) {
	h := s.hiding
	shape := ir.Shape{q.Shape()[0], q.Shape()[1], q.Shape()[2], k.Shape()[2]}
	if h.bias != nil {
		return s.placed(h.bias, shape)
	}
	if h.allow == nil {
		return nil, true
	}
	if !math.IsInf(h.fill, -1) {
		a.Empty = "mean"
	}
	allow, causal := s.needed(h.allow, shape)
	a.Causal = causal
	if allow == nil {
		return nil, true
	}
	return s.placed(allow, shape)
}

// splitHeads makes [B, H, L, S] of what was added to scores of [B·H, L, S].
func (s *scores) splitHeads(mask **ir.Value) bool {
	x := *mask
	if x == nil || x.Rank() != 3 || x.Shape()[0].Is(1) {
		return true
	}
	m := x.Shape()
	if !s.SameDim(m[0], s.shape[0].Mul(s.shape[1])) {
		return s.no(x, "is a mask of other heads")
	}
	*mask = s.reshaped(x, s.shape[0], s.shape[1], m[1], m[2])
	return true
}

// placed aligns a mask with [B, H, L, S].
func (s *scores) placed(mask *ir.Value, shape ir.Shape) (*ir.Value, bool) {
	for rewrite.Def(mask, ir.Expand) != nil && mask.Def.Args[0].Rank() > 0 {
		mask = mask.Def.Args[0]
	}
	m := mask.Shape()
	switch {
	case mask.Rank() == 0:
		mask = s.reshaped(mask, ir.Size(1))
	case mask.Rank() > 4:
		return nil, s.no(mask, "is a mask of rank %d", mask.Rank())
	case s.product.Rank() == 4 || mask.Rank() != 3 || m[0].Is(1):
	case len(s.shape) == 3:
		mask = s.Op(ir.Unsqueeze, &ir.AxesAttrs{Axes: []int64{1}}, mask)
	case !s.splitHeads(&mask):
		return nil, false
	}
	m = mask.Shape()
	for i, d := range m {
		if !d.Is(1) && !s.SameDim(d, shape[4-len(m)+i]) {
			return nil, s.no(mask, "is no mask of %s", shape)
		}
	}
	return mask, true
}

// needed drops what is true everywhere from a mask, nil where all is, and reports a mask that is causal and nothing else.
func (s *scores) needed(allow *ir.Value, shape ir.Shape) (rest *ir.Value, causal bool) {
	var terms []*ir.Value
	changed := false
	var split func(v *ir.Value, depth int)
	split = func(v *ir.Value, depth int) {
		for rewrite.Def(v, ir.Expand) != nil && v.Def.Args[0].Rank() > 0 {
			v = v.Def.Args[0]
		}
		o := rewrite.Def(v, ir.And)
		switch {
		case o != nil && depth < 8:
			split(o.Args[0], depth+1)
			split(o.Args[1], depth+1)
		case always(v):
			changed = true
		default:
			terms = append(terms, v)
		}
	}
	split(allow, 0)
	switch {
	case len(terms) == 0:
		return nil, false
	case len(terms) == 1 && s.isCausal(terms[0], shape):
		return nil, true
	case !changed:
		return allow, false
	}
	for i, t := range terms {
		if i == 0 {
			rest = t
			continue
		}
		rest = s.Op(ir.And, nil, rest, t)
	}
	return rest, false
}

// always reports whether a bool tensor is known to be true throughout.
func always(v *ir.Value) bool {
	for v.Def != nil && (v.Def.Kind == ir.Expand || v.Def.Kind == ir.Unsqueeze || v.Def.Kind == ir.Reshape) {
		v = v.Def.Args[0]
	}
	if x, ok := rewrite.Splat(v); ok {
		return x != 0
	}
	o := rewrite.Def(v, ir.LessEqual, ir.Less)
	if o == nil {
		return false
	}
	a, ok := rewrite.Splat(o.Args[0])
	least, known := atLeast(o.Args[1], 0)
	return ok && known && (a < least || o.Kind == ir.LessEqual && a == least)
}

// atLeast is a number that no element of an integer tensor is below.
func atLeast(v *ir.Value, depth int) (float64, bool) {
	if x, ok := rewrite.Splat(v); ok {
		return x, true
	}
	if dims, ok := v.KnownDims(); ok && len(dims) == 1 {
		lo, _ := dims[0].Bounds()
		return float64(lo), true
	}
	o := v.Def
	if o == nil || depth > 6 {
		return 0, false
	}
	switch o.Kind {
	case ir.Unsqueeze, ir.Squeeze, ir.Expand, ir.Reshape:
		return atLeast(o.Args[0], depth+1)
	case ir.Range:
		if step, ok := rewrite.Splat(o.Args[2]); ok && step > 0 {
			return atLeast(o.Args[0], depth+1)
		}
	case ir.Add:
		a, ok := atLeast(o.Args[0], depth+1)
		b, ok2 := atLeast(o.Args[1], depth+1)
		return a + b, ok && ok2
	}
	return 0, false
}

// isCausal: key j ≤ query i + S - L, of counted keys and queries, or as a constant.
func (s *scores) isCausal(v *ir.Value, shape ir.Shape) bool {
	if rewrite.Def(v, ir.Const) != nil {
		return isCausalConst(v, shape)
	}
	o := rewrite.Def(v, ir.LessEqual)
	if o == nil || v.Rank() < 2 {
		return false
	}
	keys, ok := countedAlong(o.Args[0], v.Rank(), v.Rank()-1)
	queries, ok2 := countedAlong(o.Args[1], v.Rank(), v.Rank()-2)
	return ok && ok2 && s.SameDim(queries.Sub(keys), shape[3].Sub(shape[2])) &&
		s.SameDim(v.Shape()[v.Rank()-1], shape[3]) && s.SameDim(v.Shape()[v.Rank()-2], shape[2])
}

// isCausalConst reads a table of what each of L queries sees of S keys.
func isCausalConst(v *ir.Value, shape ir.Shape) bool {
	l, ok1 := shape[2].Value()
	s, ok2 := shape[3].Value()
	data := v.Def.Attrs.(*ir.ConstAttrs).Bytes()
	if !ok1 || !ok2 || int64(len(data)) != l*s || v.Rank() < 2 || !v.Shape()[v.Rank()-1].Is(s) {
		return false
	}
	for i := range l {
		for j := range s {
			if (data[i*s+j] != 0) != (j <= i+s-l) {
				return false
			}
		}
	}
	return true
}

// countedAlong is c where v counts c, c + 1, … along that axis of a result of that rank, and has no other axis that is not 1.
func countedAlong(v *ir.Value, rank, axis int) (ir.Dim, bool) {
	for i, d := range v.Shape() {
		if rank-v.Rank()+i != axis && !d.Is(1) {
			return ir.Dim{}, false
		}
	}
	if axis < rank-v.Rank() {
		return ir.Dim{}, false
	}
	return counted(v, 0)
}

// counted is c where the elements of v, in order, are c, c + 1, ….
func counted(v *ir.Value, depth int) (ir.Dim, bool) {
	o := v.Def
	if o == nil || depth > 8 {
		return ir.Dim{}, false
	}
	switch o.Kind {
	case ir.Range:
		start, ok := o.Args[0].KnownDims()
		step, one := rewrite.Splat(o.Args[2])
		if ok && one && step == 1 && start[0] != ir.Unknown {
			return start[0], true
		}
	case ir.Unsqueeze, ir.Squeeze, ir.Reshape:
		return counted(o.Args[0], depth+1)
	case ir.Cast:
		if o.Args[0].DType().IsInt() && o.Result().DType().Bits() >= 32 {
			return counted(o.Args[0], depth+1)
		}
	case ir.Add:
		for i := range 2 {
			by, ok := o.Args[1-i].KnownDims()
			if !ok || len(by) != 1 || by[0] == ir.Unknown {
				continue
			}
			c, ok := counted(o.Args[i], depth+1)
			return c.Add(by[0]), ok
		}
	}
	return ir.Dim{}, false
}
