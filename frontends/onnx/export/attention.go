package export

import (
	"fmt"
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
)

// attention is an op with its operands, and the sizes of q[B, H, L, D], k[B, K, S, D] and v[B, K, S, E].
type attention struct {
	*ir.AttentionAttrs
	q, k, v, mask, sinks *ir.Value
}

// lowest are numbers that scores vanish beside: a row in which they are added to all has equal scores. Half floats have none.
var lowest = map[ir.DType]float64{ir.F32: -math.MaxFloat32, ir.BF16: -0x1.fep127, ir.F64: -math.MaxFloat64}

func exportAttention(g *graph, op *ir.Op) {
	a := &attention{op.Attrs.(*ir.AttentionAttrs), op.Args[0], op.Args[1], op.Args[2], op.Arg(3), op.Arg(4)}
	if mask, ok := g.attentionMask(a); ok {
		onnxCausal := a.Causal && mask == ""
		g.emit("Attention", append(g.args()[:3:3], mask), floatAttr("scale", a.Scale), boolAttr("is_causal", onnxCausal))
		return
	}
	probs := g.probabilities(a)
	v := g.repeated(g.arg(2), a.v, a.q.Shape()[1])
	g.emit("MatMul", []string{probs, v})
}

// attentionMask is the mask, "" for none, with which ONNX's operator means the same, and false where there is none: it has no sinks,
// its causality is aligned at the first query, a short mask is filled up there rather than broadcast, and a row that a mask hides
// whole gives zeros.
func (g *graph) attentionMask(a *attention) (string, bool) {
	l, s := a.q.Shape()[2], a.k.Shape()[2]
	switch {
	case a.sinks != nil:
		return "", false
	case a.mask == nil && (!a.Causal || l == s):
		return "", true
	case a.mask == nil:
		least, _ := s.Sub(l).Bounds() // no row is hidden whole
		return g.causal(l, s), least >= 0
	case a.mask.DType() != ir.Bool:
		fits := a.mask.Rank() > 1 && a.mask.Shape()[a.mask.Rank()-1] == s
		return g.arg(3), fits && a.Empty == "zero" && !a.Causal
	case a.Empty == "" || a.Empty == "mean" && lowest[a.q.DType()] == 0:
		return "", false
	}
	mask := g.arg(3)
	if a.Causal {
		mask = g.one("And", []string{mask, g.causal(l, s)})
	} else if a.mask.Rank() < 2 || a.mask.Shape()[a.mask.Rank()-1] != s {
		mask = g.one("Expand", []string{mask, g.vector(ir.Size(1), s)})
	}
	if a.Empty == "mean" {
		d := a.q.DType()
		mask = g.one("Where", []string{mask, g.number(d, 0), g.number(d, lowest[d])})
	}
	return mask, true
}

// probabilities are softmax(q·kᵀ·scale + mask), by primitives.
func (g *graph) probabilities(a *attention) string {
	d, shape := a.q.DType(), a.q.Shape()
	k := g.repeated(g.arg(1), a.k, shape[1])
	q := g.one("Mul", []string{g.arg(0), g.number(d, a.Scale)})
	scores := g.one("MatMul", []string{q, g.transposed(k, 0, 1, 3, 2)})
	hidden := g.number(d, math.Inf(-1))
	if a.Causal {
		scores = g.one("Where", []string{g.causal(shape[2], a.k.Shape()[2]), scores, hidden})
	}
	switch {
	case a.mask != nil && a.mask.DType() == ir.Bool:
		scores = g.one("Where", []string{g.arg(3), scores, hidden})
	case a.mask != nil:
		scores = g.one("Add", []string{scores, g.arg(3)})
	}
	if a.sinks != nil {
		return g.withSinks(a, scores)
	}
	probs := g.one("Softmax", []string{scores}, intAttr("axis", -1))
	if a.Empty == "" {
		return probs
	}
	instead := g.number(d, 0)
	if a.Empty == "mean" {
		instead = g.one("Reciprocal", []string{g.castTo(d, g.scalar(a.k.Shape()[2]))})
	}
	best := g.one("ReduceMax", []string{scores, g.ints(-1)})
	empty := g.one("IsInf", []string{best}, boolAttr("detect_positive", false))
	return g.one("Where", []string{empty, instead, probs})
}

// repeated gives the heads of keys or values to those of the queries that share them.
func (g *graph) repeated(name string, x *ir.Value, heads ir.Dim) string {
	s := x.Shape()
	if heads == s[1] {
		return name
	}
	each, _ := heads.ExactDiv(s[1])
	wide := g.one("Expand", []string{g.one("Unsqueeze", []string{name, g.ints(2)}), g.vector(s[0], s[1], each, s[2], s[3])})
	return g.reshaped(wide, s[0], heads, s[2], s[3])
}

// causal says which of s keys each of l queries sees: those up to its own index + s - l.
func (g *graph) causal(l, s ir.Dim) string {
	zero, one := g.value(ir.Scalar(int64(0))), g.value(ir.Scalar(int64(1)))
	return g.made("causal "+l.String()+", "+s.String(), func() string {
		keys := g.one("Range", []string{zero, g.scalar(s), one})
		last := g.one("Range", []string{g.scalar(s.Sub(l)), g.scalar(s), one})
		return g.one("LessOrEqual", []string{keys, g.one("Unsqueeze", []string{last, g.ints(1)})})
	})
}

// withSinks gives each row one more score, whose part of the softmax is then left out.
func (g *graph) withSinks(a *attention, scores string) string {
	s := a.q.Shape()
	sinks := g.one("Expand", []string{g.one("Unsqueeze", []string{g.arg(4), g.ints(0, 2, 3)}), g.vector(s[0], s[1], s[2], ir.Size(1))})
	all := g.one("Concat", []string{scores, sinks}, intAttr("axis", 3))
	return g.sliced(g.one("Softmax", []string{all}, intAttr("axis", -1)), 3, 0, -1, 1)
}

func exportRope(g *graph, op *ir.Op) {
	n, known := op.Args[2].Shape()[op.Args[2].Rank()-1].Value()
	if !known {
		g.fail("the number of angles is not known")
		return
	}
	cos, sin := g.arg(1), g.arg(2)
	shape := op.Args[2].Shape()
	if op.Args[1].DType().IsInt() {
		cos, sin = g.angles(op)
		shape = ir.Shape{op.Args[1].Shape().NumElements(), ir.Size(1), op.Args[0].Shape()[2], ir.Size(n)}
	}
	if d := op.Result().DType(); d == ir.F64 || len(shape) > 2 && !shape[len(shape)-3].Is(1) {
		g.turned(op, cos, sin, n) // RotaryEmbedding has no f64, and one angle for all heads
		return
	}
	g.emit("RotaryEmbedding", []string{g.arg(0), g.perPlace(op, cos, shape), g.perPlace(op, sin, shape)},
		boolAttr("interleaved", op.Attrs.(*ir.RopeAttrs).Interleaved), intAttr("rotary_embedding_dim", 2*n))
}

// perPlace makes [B, L, n] of cosines or sines that broadcast to [B, H, L, n] with one for all heads.
func (g *graph) perPlace(op *ir.Op, angles string, shape ir.Shape) string {
	if len(shape) > 2 {
		axis := len(shape) - 3
		wide := angles
		angles = g.made("heads "+wide, func() string { return g.one("Squeeze", []string{wide, g.ints(int64(axis))}) })
		shape = slices.Delete(slices.Clone(shape), axis, axis+1)
	}
	x := op.Args[0].Shape()
	want := ir.Shape{x[0], x[2], shape[len(shape)-1]}
	if slices.Equal(shape, want) {
		return angles
	}
	return g.made("angles "+angles+want.String(), func() string { return g.one("Expand", []string{angles, g.vector(want...)}) })
}

// turned turns pairs of elements by n angles, by primitives.
func (g *graph) turned(op *ir.Op, cos, sin string, n int64) {
	interleaved := op.Attrs.(*ir.RopeAttrs).Interleaved
	a, b := g.sliced(g.arg(0), 3, 0, n, 1), g.sliced(g.arg(0), 3, n, 2*n, 1)
	if interleaved {
		a, b = g.sliced(g.arg(0), 3, 0, 2*n, 2), g.sliced(g.arg(0), 3, 1, 2*n, 2)
	}
	mul := func(x, y string) string { return g.one("Mul", []string{x, y}) }
	parts := []string{g.one("Sub", []string{mul(a, cos), mul(b, sin)}), g.one("Add", []string{mul(a, sin), mul(b, cos)})}
	shape := op.Args[0].Shape()
	if interleaved {
		for i, p := range parts {
			parts[i] = g.one("Unsqueeze", []string{p, g.ints(4)})
		}
		pairs := g.one("Concat", parts, intAttr("axis", 4))
		parts = []string{g.reshaped(pairs, shape[0], shape[1], shape[2], ir.Size(2*n))}
	}
	if !shape[3].Is(2 * n) {
		parts = append(parts, g.sliced(g.arg(0), 3, 2*n, math.MaxInt64, 1))
	}
	g.emit("Concat", parts, intAttr("axis", 3))
}

// angles are cosines and sines of [1 or B, 1, L, n] for positions from an offset on.
func (g *graph) angles(op *ir.Op) (cos, sin string) {
	x, wide := op.Args[0], ir.F32
	if op.Args[2].DType() == ir.F64 {
		wide = ir.F64
	}
	key := fmt.Sprintf(" %s %s %s %s", g.arg(1), g.arg(2), x.Shape()[2], x.DType())
	angle := g.made("angle"+key, func() string {
		zero, one := g.value(ir.Scalar(int64(0))), g.value(ir.Scalar(int64(1)))
		places := g.one("Range", []string{zero, g.scalar(x.Shape()[2]), one})
		at := g.one("Reshape", []string{g.castTo(ir.I64, g.arg(1)), g.ints(-1, 1, 1, 1)})
		at = g.one("Add", []string{at, g.one("Unsqueeze", []string{places, g.ints(1)})})
		return g.one("Mul", []string{g.castTo(wide, at), g.castTo(wide, g.arg(2))})
	})
	of := func(name string) string {
		return g.made(name+key, func() string { return g.castTo(x.DType(), g.one(name, []string{angle})) })
	}
	return of("Cos"), of("Sin")
}
