package passes_test

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes"
)

// TestRandom: on random graphs, the exact passes of the default pipeline change no bit of any result, wherever it is stopped. Graphs are made to
// meet the rules: constants are often 0, -0 and 1, ops often follow their like.
func TestRandom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		checkRandom(t, func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "choice") })
	})
}

// TestSeeds is TestRandom over graphs that are larger and more even than those that rapid likes, but do not shrink.
func TestSeeds(t *testing.T) {
	for seed := range uint64(2000) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { checkRandom(t, rand.New(rand.NewPCG(seed, 0)).IntN) })
	}
}

// tester is what *testing.T and *rapid.T have in common.
type tester interface {
	Helper()
	Skip(...any)
	Fatal(...any)
	Fatalf(string, ...any)
	Errorf(string, ...any)
}

func checkRandom(t tester, choose func(n int) int) {
	g := newGraph(t, choose)
	for range 1 + choose(14) {
		g.grow()
	}
	m := g.finish()
	if err := ir.Verify(m); err != nil {
		t.Fatalf("generator: %v\n%s", err, m)
	}
	inputs := g.inputs(choose(4))
	want, err := interp.Run(context.Background(), m.Main(), inputs)
	if err != nil { // such as an integer divided by 0, which dead code may lose
		t.Skip(err)
	}
	before := m.String()
	o := passes.Options{Eval: interp.EvalOp, Verify: true, Disable: inexact()}
	if choose(2) == 1 {
		o.StopAfter = choose(30)
	}
	st, err := passes.Run(m, passes.Default, o)
	if err != nil {
		t.Fatalf("%v\nbefore: %s\nafter: %s", err, before, m)
	}
	for _, p := range st.Passes {
		if len(p.Refused) > 0 {
			t.Errorf("%s refused %v\n%s", p.Pass, p.Refused, before)
		}
	}
	again, err := ir.Parse(m.String(), ir.ParseOptions{})
	if err != nil {
		t.Fatalf("%v\nbefore: %s\nafter: %s", err, before, m)
	}
	for _, m := range []*ir.Module{m, again} {
		got, err := interp.Run(context.Background(), m.Main(), inputs)
		if err != nil {
			t.Fatalf("%v\nbefore: %s\nafter: %s", err, before, m)
		}
		for i := range want {
			if d := differs(want[i].(*ir.Tensor), got[i].(*ir.Tensor)); d != "" {
				t.Fatalf("result %d: %s\nbefore: %s\nafter: %s", i, d, before, m)
			}
		}
	}
}

// inexact are the passes that may change results.
func inexact() []string {
	var out []string
	for _, p := range passes.All {
		if !p.Exact {
			out = append(out, p.Name)
		}
	}
	return out
}

// differs says how b differs from a in a bit; NaNs are all alike.
func differs(a, b *ir.Tensor) string {
	if a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) {
		return fmt.Sprintf("%s, got %s", a.Type(), b.Type())
	}
	size := a.DType.Size()
	for i := range a.Len() {
		x, y := a.Data[i*size:][:size], b.Data[i*size:][:size]
		if !bytes.Equal(x, y) && !(isNaN(a.DType, x) && isNaN(b.DType, y)) {
			return fmt.Sprintf("element %d is %x, got %x", i, x, y)
		}
	}
	return ""
}

func isNaN(d ir.DType, elem []byte) bool {
	t := &ir.Tensor{DType: d, Shape: []int{1}, Data: elem}
	switch d {
	case ir.F64:
		return math.IsNaN(ir.View[float64](t)[0])
	case ir.F32:
		v := ir.View[float32](t)[0]
		return v != v
	case ir.F16, ir.BF16:
		return math.IsNaN(ir.DecodeFloat(d, ir.View[uint16](t)[0]))
	}
	return false
}

// graph grows a random function.
type graph struct {
	t      tester
	choose func(n int) int // from 0 to n-1
	m      *ir.Module
	f      *ir.Func
	region *ir.Region
	pool   []*ir.Value
}

var dtypes = []ir.DType{ir.F32, ir.F16, ir.F64, ir.I32, ir.I64, ir.U8, ir.I8, ir.Bool}

// pick chooses from a list, flip with one half.
func pick[E any](g *graph, list ...E) E { return list[g.choose(len(list))] }

func (g *graph) flip() bool { return g.choose(2) == 1 }

func (g *graph) axis(v *ir.Value) int64 { return int64(g.choose(v.Rank())) }

func shuffle[E any](g *graph, list []E) []E {
	for i := len(list) - 1; i > 0; i-- {
		j := g.choose(i + 1)
		list[i], list[j] = list[j], list[i]
	}
	return list
}

func newGraph(t tester, choose func(int) int) *graph {
	m := ir.NewModule("random")
	f := m.NewFunc("main")
	g := &graph{t: t, choose: choose, m: m, f: f, region: f.Body}
	n := ir.Sym("n")
	for i, d := range []ir.DType{ir.F32, ir.F32, ir.F16, ir.I32, ir.U8, ir.Bool} {
		shape := [][]ir.Dim{{n, ir.Size(4)}, {ir.Size(4)}, {n, ir.Size(1), ir.Size(4)}, {n, ir.Size(4)}, {ir.Size(2), ir.Size(4)}, {n, ir.Size(4)}}[i]
		g.pool = append(g.pool, f.Body.AddParam(fmt.Sprintf("x%d", i), ir.TensorOf(d, shape...)))
	}
	return g
}

func (g *graph) inputs(n int) []ir.Datum {
	var out []ir.Datum
	for _, p := range g.f.Inputs() {
		shape := make([]int, p.Rank())
		for i, d := range p.Type.Shape {
			v, _ := d.Eval(map[ir.Dim]int64{ir.Sym("n"): int64(n)})
			shape[i] = int(v)
		}
		t := ir.NewTensor(p.DType(), shape...)
		for i := range t.Len() {
			g.set(t, i)
		}
		out = append(out, t)
	}
	return out
}

var special = []float64{0, 1, math.Copysign(0, -1), 2, -1, 0.3, -2.5, 100, math.Inf(1), math.NaN()}

// set gives element i a value that tells identities from near identities.
func (g *graph) set(t *ir.Tensor, i int) {
	v := pick(g, special...)
	switch d := t.DType; {
	case d == ir.Bool:
		v = math.Abs(float64(int(v) & 1))
	case d.Category() == ir.Unsigned:
		v = math.Abs(math.Min(v, 100))
	case !d.IsFloat() && math.IsInf(v, 0):
		v = 7
	}
	if math.IsNaN(v) && !t.DType.IsFloat() {
		v = 3
	}
	copy(t.Data[i*t.DType.Size():], ir.FloatScalar(t.DType, v).Data)
}

func (g *graph) finish() *ir.Module {
	b := ir.NewBuilder(g.region)
	results := []*ir.Value{g.pool[len(g.pool)-1]}
	for range 2 {
		results = append(results, g.any())
	}
	for i := range results {
		g.f.Outputs = append(g.f.Outputs, fmt.Sprintf("y%d", i))
	}
	b.Yield(results...)
	return g.m
}

// any prefers what was made last, so that chains form.
func (g *graph) any() *ir.Value {
	n := len(g.pool)
	return g.pool[max(g.choose(n), g.choose(n), g.choose(n))]
}

// one is a value for which ok holds; a constant where there is none.
func (g *graph) one(ok func(*ir.Value) bool) *ir.Value {
	for range 5 {
		if v := g.any(); ok(v) {
			return v
		}
	}
	for _, v := range g.pool {
		if ok(v) {
			return v
		}
	}
	return nil
}

func (g *graph) make(k ir.Kind, a ir.Attrs, args ...*ir.Value) *ir.Value {
	rs := g.makeAll(k, a, args...)
	return rs[0]
}

func (g *graph) makeAll(k ir.Kind, a ir.Attrs, args ...*ir.Value) []*ir.Value {
	b := ir.NewBuilder(g.region)
	rs := b.Ops(k, a, nil, args...)
	if b.Err() != nil {
		g.t.Skip(k, b.Err()) // such as a 0 that copies a size
	}
	return rs
}

func (g *graph) ints(v ...int64) *ir.Value { return ir.NewBuilder(g.region).Ints(v...) }

func (g *graph) add(vs ...*ir.Value) { g.pool = append(g.pool, vs...) }

// constant is of v's dtype; scalar, or of v's last size.
func (g *graph) constant(d ir.DType) *ir.Value {
	t := ir.NewTensor(d, pick(g, [][]int{{}, {1}, {4}, {1, 1}}...)...)
	for i := range t.Len() {
		if i > 0 && g.choose(4) > 0 {
			copy(t.Data[i*d.Size():], t.Data[:d.Size()])
			continue
		}
		g.set(t, i)
	}
	return ir.NewBuilder(g.region).Const(t)
}

func broadcasts(a, b ir.Shape) bool {
	for i := 1; i <= min(len(a), len(b)); i++ {
		x, y := a[len(a)-i], b[len(b)-i]
		if x != y && !x.Is(1) && !y.Is(1) {
			return false
		}
	}
	return true
}

func (g *graph) grow() {
	pick(g, []func(){
		g.unary, g.unary, g.binary, g.binary, g.binary, g.cast, g.cast, g.where, g.logic, g.transpose, g.reshape, g.reshape, g.squeeze,
		g.expand, g.slice, g.slice, g.concat, g.tile, g.split, g.reduce, g.pad, g.sizes, g.branch, g.loop, g.fold, g.heads, g.rows,
	}...)()
}

func (g *graph) unary() {
	v := g.one(func(v *ir.Value) bool { return v.DType().IsNumeric() })
	kinds := []ir.Kind{ir.Neg, ir.Neg, ir.Abs, ir.Relu, ir.Sign}
	if v.DType().IsFloat() {
		kinds = append(kinds, ir.Floor, ir.Ceil, ir.Round, ir.Sqrt, ir.IsNaN)
	} else {
		kinds = append(kinds, ir.BitNot)
	}
	g.add(g.make(pick(g, kinds...), nil, v))
}

func (g *graph) binary() {
	a := g.one(func(v *ir.Value) bool { return v.DType().IsNumeric() })
	b := g.constant(a.DType())
	if g.flip() {
		b = g.one(func(v *ir.Value) bool { return v.DType() == a.DType() })
	}
	if !broadcasts(a.Type.Shape, b.Type.Shape) {
		b = a
	}
	if g.flip() {
		a, b = b, a
	}
	kinds := []ir.Kind{ir.Add, ir.Sub, ir.Mul, ir.Div, ir.Min, ir.Max, ir.Pow, ir.Equal, ir.Less}
	if a.DType().IsInt() {
		kinds = append(kinds, ir.BitAnd, ir.BitOr, ir.BitXor)
		kinds = slices.DeleteFunc(kinds, func(k ir.Kind) bool { return k == ir.Pow })
	}
	g.add(g.make(pick(g, kinds...), nil, a, b))
}

func (g *graph) cast() {
	g.add(g.make(ir.Cast, &ir.CastAttrs{To: pick(g, dtypes...)}, g.any()))
}

func isBool(v *ir.Value) bool { return v.DType() == ir.Bool }

func (g *graph) where() {
	a := g.any()
	b := g.one(func(v *ir.Value) bool { return v.DType() == a.DType() && broadcasts(v.Type.Shape, a.Type.Shape) })
	c := g.constant(ir.Bool)
	if g.flip() {
		c = g.one(isBool)
	}
	ab := g.make(ir.Where, nil, ir.NewBuilder(g.region).Const(ir.Scalar(true)), a, b)
	if broadcasts(c.Type.Shape, ab.Type.Shape) {
		g.add(g.make(ir.Where, nil, c, a, b))
	}
}

func (g *graph) logic() {
	a := g.one(isBool)
	k := pick(g, ir.Not, ir.And, ir.Or, ir.Xor)
	if k == ir.Not {
		g.add(g.make(k, nil, a))
		return
	}
	if b := g.constant(ir.Bool); broadcasts(a.Type.Shape, b.Type.Shape) {
		g.add(g.make(k, nil, a, b))
	}
}

func (g *graph) transpose() {
	v := g.any()
	g.add(g.make(ir.Transpose, &ir.PermAttrs{Perm: shuffle(g, ir.Axes(0, v.Rank()))}, v))
}

func (g *graph) reshape() {
	v := g.any()
	if v.Rank() == 0 {
		return
	}
	b := ir.NewBuilder(g.region)
	var target *ir.Value
	switch g.choose(4) {
	case 0: // back to a shape from before
		w := g.one(func(w *ir.Value) bool { return w.Type.Shape.NumElements() == v.Type.Shape.NumElements() })
		target = g.make(ir.ShapeOf, nil, w)
	case 1:
		target = b.Dims(append(ir.Shape{ir.Size(1)}, v.Type.Shape...)...)
	case 2:
		target = b.Dims(v.Type.Shape.NumElements())
	default:
		copies := make([]int64, v.Rank()+1)
		copies[v.Rank()] = 1
		target = b.Ints(copies...)
	}
	g.add(g.make(ir.Reshape, &ir.ReshapeAttrs{}, v, target))
}

// heads merges the leading axes, transposes, and splits the first axis again.
func (g *graph) heads() {
	v := g.one(func(v *ir.Value) bool { return v.Rank() >= 3 })
	if v == nil {
		return
	}
	b := ir.NewBuilder(g.region)
	s, k := v.Type.Shape, v.Rank()-2
	merged := g.make(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, v, b.Dims(s[:k].NumElements(), s[k], s[k+1]))
	turned := g.make(ir.Transpose, &ir.PermAttrs{Perm: shuffle(g, []int64{0, 1, 2})}, merged)
	lead := append(slices.Clone(s[:k]), turned.Type.Shape[1:]...)
	if turned.Type.Shape[0] == s[:k].NumElements() {
		g.add(g.make(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, turned, b.Dims(lead...)))
	}
}

// rows merges the leading axes, multiplies by a matrix, and splits them again.
func (g *graph) rows() {
	v := g.one(func(v *ir.Value) bool {
		return v.DType().IsNumeric() && v.Rank() >= 3 && v.Type.Shape[v.Rank()-1].Is(4)
	})
	if v == nil {
		return
	}
	b, lead := ir.NewBuilder(g.region), v.Type.Shape[:v.Rank()-1]
	w := ir.NewTensor(v.DType(), 4, 2)
	for i := range w.Len() {
		g.set(w, i)
	}
	rows := g.make(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, v, b.Dims(lead.NumElements(), ir.Size(4)))
	product := g.make(ir.MatMul, nil, rows, b.Const(w))
	g.add(g.make(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, product, b.Dims(append(slices.Clone(lead), ir.Size(2))...)))
}

func (g *graph) squeeze() {
	v := g.any()
	for i, d := range v.Type.Shape {
		if d.Is(1) && g.flip() {
			g.add(g.make(ir.Squeeze, &ir.AxesAttrs{Axes: []int64{int64(i)}}, v))
			return
		}
	}
	if v.Rank() < 5 {
		g.add(g.make(ir.Unsqueeze, &ir.AxesAttrs{Axes: []int64{int64(g.choose(v.Rank() + 1))}}, v))
	}
}

func (g *graph) expand() {
	v := g.any()
	if g.flip() {
		v = g.constant(v.DType())
	}
	to := g.one(func(w *ir.Value) bool { return broadcasts(v.Type.Shape, w.Type.Shape) })
	if to != nil {
		g.add(g.make(ir.Expand, nil, v, g.make(ir.ShapeOf, nil, to)))
	}
}

func (g *graph) slice() {
	v := g.one(func(v *ir.Value) bool { return v.Rank() > 0 })
	axis := g.axis(v)
	bound := func() *ir.Value {
		return g.ints(pick[int64](g, 0, 0, 1, 2, 3, -1, -2, math.MaxInt64, math.MaxInt64, math.MinInt64))
	}
	step := pick[int64](g, 1, 1, 1, 2, 3, -1)
	g.add(g.make(ir.Slice, &ir.SliceAttrs{Axes: []int64{axis}, Steps: []int64{step}}, v, bound(), bound()))
}

func (g *graph) concat() {
	v := g.one(func(v *ir.Value) bool { return v.Rank() > 0 })
	args := []*ir.Value{v}
	if g.flip() {
		args = append(args, g.one(func(w *ir.Value) bool { return w.Type.Equal(v.Type) }))
	}
	axis := &ir.AxisAttrs{Axis: g.axis(v)}
	c := g.make(ir.Concat, axis, args...)
	g.add(c)
	switch n, ok := c.Type.Shape[axis.Axis].Value(); {
	case !ok || n == 0:
	case g.flip():
		a := &ir.SliceAttrs{Axes: []int64{axis.Axis}, Steps: []int64{pick[int64](g, 1, 2)}}
		g.add(g.make(ir.Slice, a, c, g.ints(int64(g.choose(int(n)))), g.ints(int64(g.choose(int(n)+1)))))
	default:
		at := int64(g.choose(int(n)))
		g.add(g.make(ir.Gather, axis, c, ir.NewBuilder(g.region).Const(ir.Scalar(at))))
	}
}

// tile repeats axes of size 1, and perhaps another.
func (g *graph) tile() {
	v := g.one(func(v *ir.Value) bool { return v.Rank() < 5 })
	if v == nil {
		return
	}
	v = g.make(ir.Unsqueeze, &ir.AxesAttrs{Axes: []int64{int64(g.choose(v.Rank() + 1))}}, v)
	repeats := make([]int64, v.Rank())
	for i, d := range v.Type.Shape {
		if repeats[i] = 1; d.Is(1) || g.choose(8) == 0 {
			repeats[i] = int64(g.choose(3))
		}
	}
	g.add(g.make(ir.Tile, nil, v, g.ints(repeats...)))
}

func (g *graph) split() {
	v := g.one(func(v *ir.Value) bool { return v.Rank() > 0 })
	axis := v.Rank() - 1
	n, ok := v.Type.Shape[axis].Value()
	sizes := []ir.Dim{v.Type.Shape[axis]}
	if ok && n > 1 {
		sizes = []ir.Dim{ir.Size(1), ir.Size(n - 1)}
	}
	parts := g.makeAll(ir.Split, &ir.SplitAttrs{Axis: int64(axis), Sizes: sizes}, v)
	g.add(parts...)
	if g.flip() {
		g.add(g.make(ir.Concat, &ir.AxisAttrs{Axis: int64(axis)}, parts...))
	}
}

func (g *graph) reduce() {
	v := g.one(func(v *ir.Value) bool { return v.DType().IsNumeric() && v.Rank() > 0 })
	keep := g.flip()
	axes := []int64{g.axis(v)}
	r := g.make(ir.ReduceSum, &ir.ReduceAttrs{Axes: axes, KeepDims: keep}, v)
	k := ir.Unsqueeze
	if keep {
		k = ir.Squeeze
	}
	other := g.make(k, &ir.AxesAttrs{Axes: axes}, r)
	if g.flip() {
		other = g.make(ir.Reshape, &ir.ReshapeAttrs{AllowZero: true}, r, ir.NewBuilder(g.region).Dims(other.Type.Shape...))
	}
	g.add(r, other)
}

func (g *graph) pad() {
	v := g.one(func(v *ir.Value) bool { return v.Rank() > 0 })
	pads := pick(g, [][]int64{{0, 0}, {1, 0}, {1, -1}}...)
	g.add(g.make(ir.Pad, &ir.PadAttrs{Mode: "constant", Axes: []int64{int64(v.Rank() - 1)}}, v, g.ints(pads...)))
}

// sizes is arithmetic on the shape of a value.
func (g *graph) sizes() {
	v := g.one(func(v *ir.Value) bool { return v.Rank() > 0 })
	s := g.make(ir.Gather, &ir.AxisAttrs{}, g.make(ir.ShapeOf, nil, v), g.ints(int64(v.Rank()-1), -1))
	g.add(g.make(ir.Mul, nil, s, g.ints(2, 1)), s)
	if g.flip() {
		b := ir.NewBuilder(g.region)
		limit := g.make(ir.Gather, &ir.AxisAttrs{}, s, b.Const(ir.Scalar(int64(0))))
		g.add(g.make(ir.Range, nil, b.Const(ir.Scalar(int64(0))), limit, b.Const(ir.Scalar(int64(1)))))
	}
}

// body makes a closed region with a few ops on the captured values.
func (g *graph) body(params []*ir.Value, extra func(*graph) []*ir.Value) *ir.Region {
	sub := &graph{t: g.t, choose: g.choose, m: g.m, f: g.f, region: g.region.NewRegion()}
	for _, p := range params {
		sub.pool = append(sub.pool, sub.region.AddParam("", p.Type))
	}
	results := extra(sub)
	ir.NewBuilder(sub.region).Yield(results...)
	return sub.region
}

// branch is an if over a known or unknown condition, whose branches yield values of one type and of two.
func (g *graph) branch() {
	v, w := g.any(), g.any()
	b := ir.NewBuilder(g.region)
	cond := b.Const(ir.Scalar(g.flip()))
	if g.flip() {
		cond = g.make(ir.Less, nil, g.make(ir.Gather, &ir.AxisAttrs{}, g.make(ir.ShapeOf, nil, g.f.Inputs()[0]), b.Const(ir.Scalar(int64(0)))), b.Const(ir.Scalar(int64(2))))
	}
	arm := func(twice bool) *ir.Region {
		return g.body([]*ir.Value{v, w}, func(s *graph) []*ir.Value {
			x := s.make(ir.Transpose, &ir.PermAttrs{Perm: ir.Axes(0, v.Rank())}, s.pool[0])
			s.slice()
			if twice && v.Rank() > 0 {
				x = s.make(ir.Concat, &ir.AxisAttrs{}, x, s.pool[0])
			}
			return []*ir.Value{x, s.pool[1]}
		})
	}
	if v.Rank() == 0 || w.Rank() == 0 {
		return
	}
	twice := g.flip()
	rs := b.Ops(ir.If, nil, []*ir.Region{arm(false), arm(twice)}, cond, v, w)
	if b.Err() != nil {
		g.t.Fatal(b.Err())
	}
	if !twice {
		g.add(rs...)
	} else {
		g.add(g.make(ir.ShapeOf, nil, rs[0]), rs[1])
	}
}

// loop carries one value that is used and one that may not be.
func (g *graph) loop() {
	v, w := g.any(), g.any()
	b := ir.NewBuilder(g.region)
	trip := b.Const(ir.Scalar(int64(2)))
	typed := func(t ir.Type) *ir.Value { return &ir.Value{Type: t} }
	r := g.body([]*ir.Value{typed(ir.TensorOf(ir.I64)), typed(ir.TensorOf(ir.Bool)), v, w, v}, func(s *graph) []*ir.Value {
		x := s.make(ir.Where, nil, s.pool[1], s.pool[4], s.pool[2])
		y := s.make(ir.Transpose, &ir.PermAttrs{Perm: ir.Axes(0, w.Rank())}, s.pool[3])
		return []*ir.Value{s.pool[1], x, y, x, s.make(ir.Mul, nil, s.pool[0], s.pool[0])}
	})
	rs := b.Ops(ir.Loop, &ir.LoopAttrs{Carried: 2}, []*ir.Region{r}, trip, nil, v, w, v)
	if b.Err() != nil {
		g.t.Fatal(b.Err())
	}
	g.add(shuffle(g, slices.Clone(rs))[:2]...)
}

// fold is an op on constants whose value decides a size.
func (g *graph) fold() {
	b := ir.NewBuilder(g.region)
	c := g.make(ir.Cast, &ir.CastAttrs{To: ir.I64}, g.make(ir.Sqrt, nil, b.Const(ir.TensorFrom([]float32{4}, 1))))
	v := g.one(func(v *ir.Value) bool { return v.Rank() > 0 })
	axes := &ir.SliceAttrs{Axes: []int64{int64(v.Rank() - 1)}, Steps: []int64{1}}
	g.add(g.make(ir.Slice, axes, v, b.Ints(0), c))
}
