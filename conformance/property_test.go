package conformance

import (
	"flag"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/emilyc/emily/ir"
	"pgregory.net/rapid"
)

// TestRandomGraphs runs random graphs of 2 to 30 ops in the interpreter and on MLX, optimised and not. Integers and bools are
// equal; floats differ by no more than rounding in single precision can have made of it (see bounds). A failure shrinks
// and is printed as .eir.
func TestRandomGraphs(t *testing.T) {
	if len(available(t)) < len(AllLanes) {
		t.Skip("compares with MLX, which is not set up")
	}
	lanes, err := SelectLanes("interp,mlx,mlx-noopt")
	if err != nil {
		t.Fatal(err)
	}
	onRandomGraphs(t, append(lanes, callByCall), 40*time.Second)
}

// onRandomGraphs runs graphs in the lanes for at most that long.
func onRandomGraphs(t *testing.T, lanes []Lane, most time.Duration) {
	for name, value := range map[string]string{"rapid.seed": "4", "rapid.checks": "5000", "rapid.nofailfile": "true", "rapid.shrinktime": "15s"} {
		f := flag.Lookup(name)
		old := f.Value.String()
		if err := flag.Set(name, value); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = flag.Set(name, old) }()
	}
	end := time.Now().Add(most)
	rapid.Check(t, func(rt *rapid.T) {
		if time.Now().After(end) && !t.Failed() {
			return
		}
		g := randomGraph(rt)
		var want []ir.Datum
		for _, l := range lanes {
			got, err := runLane(t.Context(), l, g.module.Clone(), g.inputs, LaneOptions{Fallback: "error"})
			if err != nil {
				rt.Fatalf("%s: %v\n%s", l.Name, err, g.module)
			}
			if want == nil {
				want = got
			}
			for i := range want {
				tol := Tolerances{ir.F32: {Abs: g.outputs[i].err}}
				if d := CompareDatum(g.module.Main().Outputs[i], got[i], want[i], tol); d != nil {
					rt.Fatalf("%s: %v\n%s", l.Name, d, g.module)
				}
			}
		}
	})
}

// term is a value of the graph with its bounds: no element is larger than mag, and none is off by more than err, the sum of
// what each step's rounding adds and of what it makes of its operands' errors. A term with err 0 is exact: its elements
// are multiples of 2^-bits.
type term struct {
	*ir.Value
	mag, err float64
	bits     int
}

// rounding is one step's relative error: half a unit of single precision, doubled for MLX's fused multiply-adds and as slack.
const rounding = 1.0 / (1 << 23)

// maxTerm bounds magnitudes, so that nothing overflows and f32 holds exact integers.
const maxTerm = 1 << 16

// floatOf is a term for a float result, exact while its bits fit f32's 24; steps is how many roundings it took otherwise.
func floatOf(v *ir.Value, mag, err float64, bits int, steps float64) term {
	if err == 0 && mag*math.Ldexp(1, bits) < 1<<24 {
		return term{v, mag, 0, bits}
	}
	return term{v, mag, max(err, 0) + steps*rounding*mag, 0}
}

type graph struct {
	module  *ir.Module
	inputs  []ir.Datum
	outputs []term
}

// graphMaker grows a graph from terms by dtype.
type graphMaker struct {
	*ir.Builder
	rt    *rapid.T
	terms []term
}

func randomGraph(rt *rapid.T) graph {
	m := ir.NewModule("random")
	f := m.NewFunc("main")
	g := &graphMaker{Builder: ir.NewBuilder(f.Body), rt: rt}
	var inputs []ir.Datum
	for _, shape := range g.shapes() {
		x := make([]float32, elements(shape))
		n := make([]int32, len(x))
		for i := range x {
			x[i] = float32(rapid.IntRange(-8, 8).Draw(rt, "quarters")) / 4
			n[i] = int32(rapid.IntRange(-5, 5).Draw(rt, "integer"))
		}
		for _, t := range []*ir.Tensor{ir.TensorFrom(x, shape...), ir.TensorFrom(n, shape...)} {
			v := f.Body.AddParam("x"+string(rune('a'+len(inputs))), t.Type())
			inputs = append(inputs, t)
			g.terms = append(g.terms, term{v, 8, 0, 2})
		}
	}
	given := len(g.terms)
	for range rapid.IntRange(2, 30).Draw(rt, "ops") {
		before := len(g.terms)
		rapid.SampledFrom(steps).Draw(rt, "step")(g)
		if g.Err() != nil {
			rt.Fatalf("%v", g.Err())
		}
		if len(g.terms) == before { // the op has no operand here
			x := g.pick(ir.F32)
			g.push(floatOf(g.Op(ir.Neg, nil, x.Value), x.mag, x.err, x.bits, 0))
		}
	}
	var results []*ir.Value
	out := g.terms[max(given, len(g.terms)-3):]
	for i, t := range out {
		f.Outputs = append(f.Outputs, "y"+string(rune('a'+i)))
		results = append(results, t.Value)
	}
	g.Yield(results...)
	if g.Err() != nil {
		rt.Fatalf("%v", g.Err())
	}
	return graph{m, inputs, out}
}

// shapes are those of the inputs: any, one that broadcasts to it, and one that multiplies it.
func (g *graphMaker) shapes() [][]int {
	size := func(name string) int { return rapid.IntRange(1, 4).Draw(g.rt, name) }
	n, m, k := size("n"), size("m"), size("k")
	return [][]int{{n, m}, {m}, {m, k}, {2, n, m}, {}}
}

func elements(shape []int) int {
	n := 1
	for _, s := range shape {
		n *= s
	}
	return n
}

func sizes(v *ir.Value) []int {
	out := make([]int, len(v.Type.Shape))
	for i, d := range v.Type.Shape {
		n, _ := d.Value()
		out[i] = int(n)
	}
	return out
}

// push adds a result, unless it is large or its bounds have grown too wide to say anything.
func (g *graphMaker) push(t term) {
	if g.Err() != nil || t.mag < maxTerm && t.err < 1e-2 && elements(sizes(t.Value)) <= 512 {
		g.terms = append(g.terms, t)
	}
}

// pick draws a term of the dtype, newer ones more often.
func (g *graphMaker) pick(d ir.DType) term {
	t, _ := g.find(func(t term) bool { return t.Type.DType == d })
	return t
}

func (g *graphMaker) find(ok func(term) bool) (term, bool) {
	var list []term
	for _, t := range g.terms {
		if ok(t) {
			list = append(list, t)
		}
	}
	if len(list) == 0 {
		return term{}, false
	}
	return list[len(list)-1-rapid.IntRange(0, len(list)-1).Draw(g.rt, "operand")], true
}

// partner draws a term of x's dtype whose shape broadcasts with x's.
func (g *graphMaker) partner(x term) term {
	t, _ := g.find(func(t term) bool { return t.Type.DType == x.Type.DType && broadcasts(sizes(x.Value), sizes(t.Value)) })
	return t
}

func broadcasts(a, b []int) bool {
	for i := 1; i <= min(len(a), len(b)); i++ {
		if x, y := a[len(a)-i], b[len(b)-i]; x != y && x != 1 && y != 1 {
			return false
		}
	}
	return true
}

// number draws a float or an integer.
func (g *graphMaker) number() term {
	return g.pick(rapid.SampledFrom([]ir.DType{ir.F32, ir.I32}).Draw(g.rt, "dtype"))
}

// ranked is a number of rank 1 or more, and one of its axes.
func (g *graphMaker) ranked() (term, int64) {
	d := rapid.SampledFrom([]ir.DType{ir.F32, ir.I32}).Draw(g.rt, "dtype")
	x, _ := g.find(func(t term) bool { return t.Type.DType == d && len(t.Type.Shape) > 0 })
	return x, int64(rapid.IntRange(0, len(x.Type.Shape)-1).Draw(g.rt, "axis"))
}

// moved is x's elements elsewhere.
func moved(v *ir.Value, x term) term { return term{v, x.mag, x.err, x.bits} }

// result adds a number: integers are exact as long as they are small, which maxTerm sees to.
func (g *graphMaker) result(v *ir.Value, mag, err float64, bits int, steps float64) {
	if g.Err() == nil && v.Type.DType == ir.F32 {
		g.push(floatOf(v, mag, err, bits, steps))
		return
	}
	g.push(term{v, mag, 0, 0})
}

// steps are the ops that a graph is made of. Each knows the bounds of its result.
var steps = []func(*graphMaker){stepAdd, stepMul, stepExtreme, stepSign, stepSmooth, stepCompare, stepWhere, stepCast, stepReduce, stepCumSum, stepArg, stepMatMul, stepSoftmax, stepTranspose, stepReshape, stepConcat, stepSlice, stepGather}

func stepAdd(g *graphMaker) {
	x := g.number()
	y := g.partner(x)
	k := rapid.SampledFrom([]ir.Kind{ir.Add, ir.Sub}).Draw(g.rt, "kind")
	g.result(g.Op(k, nil, x.Value, y.Value), x.mag+y.mag, x.err+y.err, max(x.bits, y.bits), 1)
}

func stepMul(g *graphMaker) {
	x := g.number()
	y := g.partner(x)
	if x.mag*y.mag < maxTerm {
		g.result(g.Op(ir.Mul, nil, x.Value, y.Value), x.mag*y.mag, x.mag*y.err+y.mag*x.err+x.err*y.err, x.bits+y.bits, 1)
	}
}

func stepExtreme(g *graphMaker) {
	x := g.number()
	y := g.partner(x)
	k := rapid.SampledFrom([]ir.Kind{ir.Max, ir.Min}).Draw(g.rt, "kind")
	g.result(g.Op(k, nil, x.Value, y.Value), max(x.mag, y.mag), max(x.err, y.err), max(x.bits, y.bits), 0)
}

func stepSign(g *graphMaker) {
	x := g.number()
	k := rapid.SampledFrom([]ir.Kind{ir.Neg, ir.Abs, ir.Relu}).Draw(g.rt, "kind")
	g.push(moved(g.Op(k, nil, x.Value), x))
}

// stepSmooth has functions whose slope is at most 1, with an error of a few units (MLX's exp: 7.8, its sigmoid: 8.5).
func stepSmooth(g *graphMaker) {
	x := g.pick(ir.F32)
	k := rapid.SampledFrom([]ir.Kind{ir.Tanh, ir.Sigmoid, ir.Sin, ir.Cos}).Draw(g.rt, "kind")
	g.push(term{g.Op(k, nil, x.Value), 1, x.err + 16*rounding, 0})
}

// exact is a number that every lane has to the last bit.
func (g *graphMaker) exact() term {
	d := rapid.SampledFrom([]ir.DType{ir.F32, ir.I32}).Draw(g.rt, "dtype")
	x, _ := g.find(func(t term) bool { return t.Type.DType == d && t.err == 0 })
	return x
}

func stepCompare(g *graphMaker) {
	x := g.exact()
	y, _ := g.find(func(t term) bool {
		return t.Type.DType == x.Type.DType && t.err == 0 && broadcasts(sizes(x.Value), sizes(t.Value))
	})
	k := rapid.SampledFrom([]ir.Kind{ir.Less, ir.LessEqual, ir.Equal}).Draw(g.rt, "kind")
	g.push(term{Value: g.Op(k, nil, x.Value, y.Value), mag: 1})
}

func stepWhere(g *graphMaker) {
	x := g.number()
	y := g.partner(x)
	c, ok := g.find(func(t term) bool {
		return t.Type.DType == ir.Bool && slices.Equal(sizes(t.Value), sizes(x.Value))
	})
	if ok {
		g.result(g.Op(ir.Where, nil, c.Value, x.Value, y.Value), max(x.mag, y.mag), max(x.err, y.err), max(x.bits, y.bits), 0)
	}
}

func stepCast(g *graphMaker) {
	if x := g.exact(); x.Type.DType == ir.F32 { // truncates
		g.push(term{g.Op(ir.Cast, &ir.CastAttrs{To: ir.I32}, x.Value), x.mag, 0, 0})
	} else {
		g.result(g.Op(ir.Cast, &ir.CastAttrs{To: ir.F32}, x.Value), x.mag, 0, 0, 0)
	}
}

func stepReduce(g *graphMaker) {
	x, axis := g.ranked()
	n := float64(sizes(x.Value)[axis])
	a := &ir.ReduceAttrs{Axes: []int64{axis}, KeepDims: rapid.Bool().Draw(g.rt, "keepdims")}
	if k := rapid.SampledFrom([]ir.Kind{ir.ReduceSum, ir.ReduceMax, ir.ReduceMin}).Draw(g.rt, "kind"); k == ir.ReduceSum {
		g.result(g.Op(k, a, x.Value), n*x.mag, n*x.err, x.bits, n)
	} else {
		g.push(moved(g.Op(k, a, x.Value), x))
	}
}

func stepCumSum(g *graphMaker) {
	x, axis := g.ranked()
	n := float64(sizes(x.Value)[axis])
	a := &ir.CumAttrs{Axis: axis, Exclusive: rapid.Bool().Draw(g.rt, "exclusive"), Reverse: rapid.Bool().Draw(g.rt, "reverse")}
	g.result(g.Op(ir.CumSum, a, x.Value), n*x.mag, n*x.err, x.bits, n)
}

func stepArg(g *graphMaker) {
	x := g.exact()
	if r := len(x.Type.Shape); r > 0 {
		a := &ir.ArgAttrs{Axis: int64(r - 1), KeepDims: rapid.Bool().Draw(g.rt, "keepdims"), Last: rapid.Bool().Draw(g.rt, "last")}
		g.push(term{Value: g.Op(rapid.SampledFrom([]ir.Kind{ir.ArgMax, ir.ArgMin}).Draw(g.rt, "kind"), a, x.Value), mag: 4})
	}
}

func stepMatMul(g *graphMaker) {
	x, _ := g.find(func(t term) bool { return t.Type.DType == ir.F32 && len(t.Type.Shape) > 1 })
	n := sizes(x.Value)[len(x.Type.Shape)-1]
	y, ok := g.find(func(t term) bool {
		s := sizes(t.Value)
		return t.Type.DType == ir.F32 && len(s) == 2 && s[0] == n
	})
	if k := float64(n); ok && k*x.mag*y.mag < maxTerm {
		g.result(g.Op(ir.MatMul, nil, x.Value, y.Value), k*x.mag*y.mag, k*(x.mag*y.err+y.mag*x.err+x.err*y.err), x.bits+y.bits, k)
	}
}

// stepSoftmax: an error of e in every logit multiplies each probability by at most exp(2e), and logits that differ by up to
// 2·mag are rounded when the largest is taken off.
func stepSoftmax(g *graphMaker) {
	x, ok := g.find(func(t term) bool { return t.Type.DType == ir.F32 && len(t.Type.Shape) > 0 })
	if ok {
		g.push(term{g.Op(ir.Softmax, &ir.AxisAttrs{Axis: int64(len(x.Type.Shape) - 1)}, x.Value), 1, math.Expm1(2*x.err+4*x.mag*rounding) + 32*rounding, 0})
	}
}

func stepTranspose(g *graphMaker) {
	x := g.number()
	perm := make([]int64, len(x.Type.Shape))
	for i := range perm {
		perm[i] = int64(i)
	}
	g.push(moved(g.Op(ir.Transpose, &ir.PermAttrs{Perm: rapid.Permutation(perm).Draw(g.rt, "perm")}, x.Value), x))
}

func stepReshape(g *graphMaker) {
	x := g.number()
	n := int64(elements(sizes(x.Value)))
	shape := rapid.SampledFrom([][]int64{{n}, {1, n}, {n, 1}}).Draw(g.rt, "shape")
	g.push(moved(g.Op(ir.Reshape, &ir.ReshapeAttrs{}, x.Value, g.Ints(shape...)), x))
}

func stepConcat(g *graphMaker) {
	x, axis := g.ranked()
	if n := elements(sizes(x.Value)); n <= 128 {
		y, _ := g.find(func(t term) bool {
			return t.Type.DType == x.Type.DType && slices.Equal(sizes(t.Value), sizes(x.Value))
		})
		g.result(g.Op(ir.Concat, &ir.AxisAttrs{Axis: axis}, x.Value, y.Value), max(x.mag, y.mag), max(x.err, y.err), max(x.bits, y.bits), 0)
	}
}

// stepSlice takes one element or more, forwards or backwards.
func stepSlice(g *graphMaker) {
	x, axis := g.ranked()
	n := int64(sizes(x.Value)[axis])
	start, step := rapid.Int64Range(0, n-1).Draw(g.rt, "start"), rapid.SampledFrom([]int64{1, 2, -1, -2}).Draw(g.rt, "by")
	end := n
	if step < 0 {
		end = -n - 1
	}
	g.push(moved(g.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{axis}, Steps: []int64{step}}, x.Value, g.Ints(start), g.Ints(end)), x))
}

func stepGather(g *graphMaker) {
	x, axis := g.ranked()
	n := int64(sizes(x.Value)[axis])
	index := rapid.SliceOfN(rapid.Int64Range(-n, n-1), 1, 4).Draw(g.rt, "index")
	g.push(moved(g.Op(ir.Gather, &ir.AxisAttrs{Axis: axis}, x.Value, g.Ints(index...)), x))
}
