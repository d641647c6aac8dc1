package runtime_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
)

// A diffCase is a small function that runs on MLX and in the interpreter, whose results must agree. Each runs with sizes
// known, with sizes that are symbols, and with all operands but the first constant.
type diffCase struct {
	name   string
	in     []*ir.Tensor
	build  func(b *ir.Builder, x []*ir.Value) []*ir.Value
	static bool // the op needs known sizes
}

// op is a case of a single op.
func op(k ir.Kind, a ir.Attrs, in ...*ir.Tensor) diffCase {
	return diffCase{name: k.String(), in: in, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
		return b.Ops(k, a, nil, x...)
	}}
}

// form is how a case's operands are given.
type form string

const (
	staticSizes form = "static"
	symbols     form = "symbolic"
	constants   form = "const"
)

func (c *diffCase) module(f form) (*ir.Module, []*ir.Tensor, error) {
	m := ir.NewModule(c.name)
	m.AddLoc(ir.Loc{File: "diff.onnx", Node: c.name, OpType: "Test", Opset: 1})
	fn := m.NewFunc("main")
	b := ir.NewBuilder(fn.Body)
	b.Loc = 1
	var x []*ir.Value
	var in []*ir.Tensor
	for i, t := range c.in {
		switch {
		case t == nil:
			x = append(x, nil)
			continue
		case f == constants && i > 0:
			x = append(x, b.Const(t))
			continue
		}
		typ := t.Type()
		if f == symbols {
			for k, d := range typ.Shape {
				if n, _ := d.Value(); n != 1 {
					typ.Shape[k] = ir.Sym(fmt.Sprintf("n%d", n))
				}
			}
		}
		x, in = append(x, fn.Body.AddParam(fmt.Sprintf("x%d", i), typ)), append(in, t)
	}
	out := c.build(b, x)
	for i := range out {
		fn.Outputs = append(fn.Outputs, fmt.Sprintf("y%d", i))
	}
	b.Yield(out...)
	if b.Err() != nil {
		return nil, nil, b.Err()
	}
	return m, in, ir.Verify(m)
}

// runDiff runs the case in one form on both lanes.
func runDiff(t *testing.T, c diffCase, f form) {
	m, in, err := c.module(f)
	var bad *ir.Error
	if errors.As(err, &bad) && (bad.Kind == ir.UnknownValue && f == symbols || bad.Kind == ir.ValueError && f == constants) {
		return // the op needs known sizes, or constants that are right
	}
	if err != nil {
		t.Fatal(err)
	}
	want, wantErr := interp.Run(context.Background(), m.Main(), data(in))
	staged, err := mlx.LowerStages(m, mlx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := runStaged(staged, data(in))
	if wantErr != nil {
		if err == nil {
			t.Errorf("no error, the interpreter has: %v\n%s", wantErr, text(staged))
		}
		return
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, text(staged))
	}
	for i := range want {
		if d := differ(got[i].(*ir.Tensor), want[i].(*ir.Tensor)); d != "" {
			t.Errorf("output %d: %s\nof %v\n%s", i, d, brief(in), text(staged))
		}
	}
}

func data(in []*ir.Tensor) []ir.Datum {
	out := make([]ir.Datum, len(in))
	for i, x := range in {
		out[i] = x
	}
	return out
}

// runStaged runs Plans on MLX and islands in the interpreter.
func runStaged(s *mlx.Staged, in []ir.Datum) ([]ir.Datum, error) {
	ctx := context.Background()
	return s.Run(in, func(stage int, in []ir.Datum) ([]ir.Datum, error) {
		if host := s.Stages[stage].Host; host != nil {
			return interp.Run(ctx, host.Main(), in)
		}
		x, err := runtime.Load(s.Stages[stage].Plan, runtime.Options{Device: runtime.CPU})
		if err != nil {
			return nil, err
		}
		defer x.Close()
		return x.Run(ctx, in)
	})
}

func text(s *mlx.Staged) string {
	b := ""
	for i := range s.Stages {
		if s.Stages[i].Host != nil {
			b += s.Stages[i].Host.String()
		} else {
			b += s.Stages[i].Plan.String()
		}
	}
	return b
}

func brief(in []*ir.Tensor) (s string) {
	for _, t := range in {
		s += fmt.Sprintf("%s%v ", t.DType, t.Shape)
		if t.Len() <= 24 {
			s += fmt.Sprint(values(t)) + " "
		}
	}
	return s
}

func values(t *ir.Tensor) []float64 {
	out := make([]float64, t.Len())
	switch {
	case t.DType.IsFloat():
		return t.Floats()
	case t.DType == ir.U64:
		for i, v := range ir.View[uint64](t) {
			out[i] = float64(v)
		}
	default:
		for i, v := range t.Ints() {
			out[i] = float64(v)
		}
	}
	return out
}

// differ says where got is not want: integers and bools exactly, f32 within 1e-3 and 1e-5, f16 within 1e-2, bf16 within
// 4e-2, as docs/lanes.md has it. Halves get an absolute slack of their unit in the last place at the output's scale.
func differ(got, want *ir.Tensor) string {
	if got.DType != want.DType || fmt.Sprint(got.Shape) != fmt.Sprint(want.Shape) {
		return fmt.Sprintf("is %s%v, want %s%v", got.DType, got.Shape, want.DType, want.Shape)
	}
	rtol, atol := 0.0, 0.0
	switch want.DType {
	case ir.F64, ir.F32:
		rtol, atol = 1e-3, 1e-5
	case ir.F16:
		rtol, atol = 1e-2, 1e-3
	case ir.BF16:
		rtol, atol = 4e-2, 8e-3
	}
	g, w := values(got), values(want)
	if want.DType == ir.F16 || want.DType == ir.BF16 {
		atol *= scale(w)
	}
	for i := range w {
		if want.DType.IsFloat() && want.DType.Bits() <= 8 && g[i] == g[i] && got.Data[i] != want.Data[i] { // by their bits
			return fmt.Sprintf("element %d is %#x, want %#x", i, got.Data[i], want.Data[i])
		}
		same := g[i] == w[i] || math.IsNaN(g[i]) && math.IsNaN(w[i])
		if !same && !(math.Abs(g[i]-w[i]) <= atol+rtol*math.Abs(w[i]) && !math.IsInf(w[i], 0)) {
			return fmt.Sprintf("element %d is %v, want %v", i, g[i], w[i])
		}
	}
	return ""
}

// scale is the root of the mean square of the finite values, and at least 1.
func scale(v []float64) float64 {
	sum, n := 0.0, 0.0
	for _, x := range v {
		if !math.IsNaN(x) && !math.IsInf(x, 0) {
			sum, n = sum+x*x, n+1
		}
	}
	return math.Sqrt(max(1, sum/max(1, n)))
}

var rng = rand.New(rand.NewPCG(1, 2))

// random is a tensor of small values: floats around 0, integers around 0 or from 0 up.
func random(d ir.DType, shape ...int) *ir.Tensor {
	v := make([]float64, product(shape))
	for i := range v {
		switch {
		case d.IsFloat():
			v[i] = math.Round(rng.NormFloat64()*256) / 128
		case d.Category() == ir.Signed:
			v[i] = float64(rng.IntN(19) - 9)
		case d == ir.Bool:
			v[i] = float64(rng.IntN(2))
		default:
			v[i] = float64(rng.IntN(12))
		}
	}
	return tensorOf(d, v, shape...)
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// tensorOf makes a tensor of any dtype; floats beyond f64's integers are not needed.
func tensorOf(d ir.DType, v []float64, shape ...int) *ir.Tensor {
	if shape == nil {
		shape = []int{len(v)}
	}
	t := ir.NewTensor(d, shape...)
	size := d.Size()
	for i, x := range v {
		copy(t.Data[i*size:], ir.FloatScalar(d, x).Data)
	}
	return t
}

func floats(v ...float64) *ir.Tensor { return tensorOf(ir.F32, v) }
func ints(v ...float64) *ir.Tensor   { return tensorOf(ir.I64, v) }
func scalar(d ir.DType, v float64) *ir.Tensor {
	return ir.FloatScalar(d, v)
}

// edges are the values at which kernels go wrong.
func edges(d ir.DType) *ir.Tensor {
	switch {
	case d.IsFloat():
		return tensorOf(d, []float64{0, math.Copysign(0, -1), 1, -1, 0.5, -0.5, 1.5, 2.5, -2.5, 3, -7, 1e-3, -1e-3, 100, -100,
			math.Inf(1), math.Inf(-1), math.NaN(), 1e-30, 20, -20, 0.99, -0.99})
	case d == ir.Bool:
		return tensorOf(d, []float64{0, 1})
	case d.Category() == ir.Signed:
		least := -math.Ldexp(1, d.Bits()-1)
		return tensorOf(d, []float64{0, 1, -1, 2, 3, -3, 7, -7, least, least + 1, 100, -100})
	}
	return tensorOf(d, []float64{0, 1, 2, 3, 7, math.Ldexp(1, d.Bits()-1), 100, 9})
}

// pairs are all pairs of edge values.
func pairs(d, e ir.DType) []*ir.Tensor {
	a, b := edges(d), edges(e)
	a.Shape = []int{a.Len(), 1}
	return []*ir.Tensor{a, b}
}

var (
	floatTypes = []ir.DType{ir.F32, ir.F16, ir.BF16, ir.F64}
	intTypes   = []ir.DType{ir.I8, ir.I16, ir.I32, ir.I64, ir.U8, ir.U16, ir.U32, ir.U64}
)

// TestAgainstInterpreter is the differential test of the rules.
func TestAgainstInterpreter(t *testing.T) {
	if _, _, err := runtime.Version(); err != nil {
		t.Skipf("MLX is not set up: %v", err)
	}
	for _, family := range []struct {
		name  string
		cases []diffCase
	}{
		{"elementwise", elementwiseCases()}, {"reduce", reduceCases()}, {"shape", shapeCases()}, {"index", indexCases()},
		{"matmul", matmulCases()}, {"conv", convCases()}, {"norm", normCases()}, {"attention", attentionCases()}, {"control", controlCases()}, {"sequence", sequenceCases()}, {"text", textCases()},
	} {
		t.Run(family.name, func(t *testing.T) {
			for i, c := range family.cases {
				for _, f := range []form{staticSizes, symbols, constants} {
					if c.static && f == symbols {
						continue
					}
					t.Run(fmt.Sprintf("%s#%d/%s", c.name, i, f), func(t *testing.T) { runDiff(t, c, f) })
				}
			}
		})
	}
}

// rngReset makes constants that a case makes the same in all its forms.
func rngReset() { rng = rand.New(rand.NewPCG(1, 2)) }

// TestAssert: what a run finds out too late to give a result is an error of the node, in the main program and in a loop.
func TestAssert(t *testing.T) {
	if _, _, err := runtime.Version(); err != nil {
		t.Skipf("MLX is not set up: %v", err)
	}
	gather := diffCase{name: "gather", in: []*ir.Tensor{random(ir.F32, 3), ints(0, 3)}, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
		return b.Ops(ir.Gather, &ir.AxisAttrs{}, nil, x...)
	}}
	loop := diffCase{name: "loop", in: []*ir.Tensor{random(ir.F32, 3), ints(0, -4)}, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
		r := b.Region().NewRegion()
		r.AddParam("i", ir.TensorOf(ir.I64))
		cond := r.AddParam("c", ir.TensorOf(ir.Bool))
		p := []*ir.Value{r.AddParam("x", x[0].Type), r.AddParam("k", x[1].Type)}
		c := ir.NewBuilder(r)
		c.Loc = 1
		c.Yield(cond, c.Op(ir.Gather, &ir.AxisAttrs{}, p...))
		return b.Ops(ir.Loop, &ir.LoopAttrs{}, []*ir.Region{r}, b.Const(ir.Scalar(int64(30))), nil, x[0], x[1])
	}}
	for _, c := range []diffCase{gather, loop} {
		for _, f := range []form{staticSizes, symbols} {
			m, in, err := c.module(f)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := mlx.Lower(m, mlx.Options{})
			if err != nil {
				t.Fatal(err)
			}
			x, err := runtime.Load(plan, runtime.Options{Device: runtime.CPU})
			if err != nil {
				t.Fatal(err)
			}
			run := func() error {
				_, err := x.Run(context.Background(), data(in))
				return err
			}
			err = run()
			var e *runtime.MLXError
			if !errors.As(err, &e) || e.Loc.Node != c.name || e.Msg != "an index is out of range" {
				t.Errorf("%s: error %v", c.name, err)
			}
			in[1] = ints(0, -1)
			if err = run(); err != nil {
				t.Errorf("%s: %v", c.name, err)
			}
			x.Close()
		}
	}
}
