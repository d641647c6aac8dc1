package grad_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/grad"
)

// gradCase is a function whose gradients are compared with finite differences: with respect to all its f64 operands, of all
// its f64 results, with sizes known and with sizes that are symbols.
type gradCase struct {
	name   string
	in     []*ir.Tensor
	build  func(b *ir.Builder, x []*ir.Value) []*ir.Value
	node   *pb.NodeProto // in place of build: what the importer composes
	second bool          // second derivatives too
	static bool          // the op needs known sizes
	known  []int         // operands whose sizes must be known
}

// of is a case of a single op.
func of(k ir.Kind, a ir.Attrs, in ...*ir.Tensor) gradCase {
	return gradCase{name: k.String(), in: in, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value { return b.Ops(k, a, nil, x...) }}
}

func (c gradCase) twice() gradCase { c.second = true; return c }

func (c gradCase) called(name string) gradCase { c.name = name; return c }

var rng = rand.New(rand.NewPCG(1, 2))

// between makes random elements in a range.
func between(lo, hi float64, shape ...int) *ir.Tensor {
	t := ir.NewTensor(ir.F64, shape...)
	for i := range ir.View[float64](t) {
		ir.View[float64](t)[i] = lo + (hi-lo)*rng.Float64()
	}
	return t
}

// normal makes random elements around 0.
func normal(shape ...int) *ir.Tensor { return between(-2, 2, shape...) }

// apart makes elements that differ by 0.1 at least, in random order, so that no step of a difference exchanges two.
func apart(shape ...int) *ir.Tensor {
	t := ir.NewTensor(ir.F64, shape...)
	for i, k := range rng.Perm(t.Len()) {
		ir.View[float64](t)[i] = 0.1*float64(k) - 0.05*float64(t.Len()) + 0.033
	}
	return t
}

func f64s(v ...float64) *ir.Tensor { return ir.TensorFrom(v) }

func ints(shape []int, v ...int64) *ir.Tensor { return ir.TensorFrom(v, shape...) }

func floats(t *ir.Tensor) []float64 { return ir.View[float64](t) }

// module builds the case's function; integer operands are constants where sizes are known.
func (c gradCase) module(t *testing.T, symbolic bool) (*ir.Module, []*ir.Tensor) {
	t.Helper()
	if c.node != nil {
		return c.imported(t, symbolic)
	}
	m := ir.NewModule("grad.onnx")
	f := m.NewFunc("main")
	b := ir.NewBuilder(f.Body)
	b.Loc = m.AddLoc(ir.Loc{File: "grad.onnx", Node: c.name, OpType: "Test", Opset: 1})
	types := c.types(symbolic)
	var x []*ir.Value
	var in []*ir.Tensor
	for i, v := range c.in {
		switch {
		case v == nil:
			x = append(x, nil)
		case v.DType != ir.F64 && !symbolic:
			x = append(x, b.Const(v))
		default:
			x, in = append(x, f.Body.AddParam(fmt.Sprintf("x%d", i), types[i])), append(in, v)
		}
	}
	out := c.build(b, x)
	if err := b.Err(); err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	b.Yield(out...)
	for i := range out {
		f.Outputs = append(f.Outputs, fmt.Sprintf("y%d", i))
	}
	return m, in
}

// types are those of the operands; equal sizes of floats are the same symbol.
func (c gradCase) types(symbolic bool) []ir.Type {
	types := make([]ir.Type, len(c.in))
	for i, v := range c.in {
		if v == nil {
			continue
		}
		types[i] = v.Type()
		if !symbolic || v.DType != ir.F64 || slices.Contains(c.known, i) {
			continue
		}
		for k, n := range v.Shape {
			if n != 1 {
				types[i].Shape[k] = ir.Sym(fmt.Sprintf("s%d", n))
			}
		}
	}
	return types
}

// run evaluates m's main function.
func run(m *ir.Module, in []*ir.Tensor) ([]*ir.Tensor, error) {
	data := make([]ir.Datum, len(in))
	for i, v := range in {
		data[i] = v
	}
	out, err := interp.Run(context.Background(), m.Main(), data)
	if err != nil {
		return nil, err
	}
	tensors := make([]*ir.Tensor, len(out))
	for i, v := range out {
		tensors[i], _ = v.(*ir.Tensor)
	}
	return tensors, nil
}

// check compares the gradients of result k of m with differences; depth more derivatives are taken of each.
func check(t *testing.T, m *ir.Module, in []*ir.Tensor, k, depth int) {
	t.Helper()
	out, err := run(m, in)
	if err != nil {
		t.Fatalf("forward: %v\n%s", err, m)
	}
	if out[k].DType != ir.F64 {
		return
	}
	f := m.Main()
	var wrt []string
	var at []int
	for i, p := range f.Inputs() {
		if in[i].DType == ir.F64 {
			wrt, at = append(wrt, p.Name), append(at, i)
		}
	}
	seedName := fmt.Sprintf("seed%d", depth)
	g, err := grad.Build(m, grad.Options{Loss: f.Outputs[k], Wrt: wrt, Cotangent: seedName})
	if err != nil {
		t.Fatalf("build: %v\n%s", err, m)
	}
	sound(t, g)
	seed := normal(out[k].Shape...)
	grads, err := run(g, append(append([]*ir.Tensor{}, in...), seed))
	if err != nil {
		t.Fatalf("gradient: %v\n%s", err, g)
	}
	for n, i := range at {
		want := differences(t, m, in, i, k, seed)
		for e, w := range want {
			if got := floats(grads[n])[e]; !(math.Abs(got-w) <= 1e-6*max(1e-2, math.Abs(w))) {
				t.Errorf("d y%d / d %s[%d] is %v, differences give %v\n%s", k, wrt[n], e, got, w, g)
				return
			}
		}
	}
	if depth > 0 {
		more := append(append([]*ir.Tensor{}, in...), seed)
		for n := range grads {
			check(t, g, more, n, depth-1)
		}
	}
}

// sound holds that a gradient is a function like any other: verified, printed and parsed.
func sound(t *testing.T, g *ir.Module) {
	t.Helper()
	if err := ir.Verify(g); err != nil {
		t.Fatalf("%v\n%s", err, g)
	}
	back, err := ir.Parse(g.String(), ir.ParseOptions{})
	if err != nil {
		t.Fatalf("%v\n%s", err, g)
	}
	if back.String() != g.String() {
		t.Fatalf("another text after parsing:\n%s\n%s", g, back)
	}
}

// differences are those of seed·y with respect to each element of input i.
func differences(t *testing.T, m *ir.Module, in []*ir.Tensor, i, k int, seed *ir.Tensor) []float64 {
	t.Helper()
	move := make([]*ir.Tensor, len(in))
	out := make([]float64, in[i].Len())
	for e := range out {
		move[i] = ir.NewTensor(ir.F64, in[i].Shape...)
		floats(move[i])[e] = 1
		var err error
		if out[e], err = extrapolated(1e-3, func(h float64) (float64, error) { return moved(m, in, move, h, seed, k) }); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestAgainstDifferences(t *testing.T) {
	for _, family := range families {
		for _, c := range family() {
			for _, symbolic := range []bool{false, true} {
				if symbolic && c.static {
					continue
				}
				t.Run(fmt.Sprintf("%s/symbolic=%t", c.name, symbolic), func(t *testing.T) {
					m, in := c.module(t, symbolic)
					depth := 0
					if c.second {
						depth = 1
					}
					for k := range m.Main().Outputs {
						check(t, m, in, k, depth)
					}
				})
			}
		}
	}
}
