package passes_test

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/emilyc/emily/internal/cputime"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes"
)

// chains are programs of n steps that keep the rules busy.
var chains = map[string]func(*ir.Builder, *ir.Value, int) *ir.Value{
	"nothing to do": func(b *ir.Builder, x *ir.Value, i int) *ir.Value { return b.Op([]ir.Kind{ir.Sin, ir.Exp}[i%2], nil, x) },
	"neg":           func(b *ir.Builder, x *ir.Value, _ int) *ir.Value { return b.Op(ir.Neg, nil, x) },
	"transpose": func(b *ir.Builder, x *ir.Value, _ int) *ir.Value {
		return b.Op(ir.Transpose, &ir.PermAttrs{Perm: []int64{1, 2, 0}}, x)
	},
	"reshape": func(b *ir.Builder, x *ir.Value, i int) *ir.Value {
		shape := [][]int64{{2, 3, 4}, {4, 3, 2}, {6, 4}}[i%3]
		return b.Op(ir.Reshape, &ir.ReshapeAttrs{}, x, b.Ints(shape...))
	},
	"cast": func(b *ir.Builder, x *ir.Value, i int) *ir.Value {
		return b.Op(ir.Cast, &ir.CastAttrs{To: []ir.DType{ir.F64, ir.F32}[i%2]}, x)
	},
	"shapes": func(b *ir.Builder, x *ir.Value, _ int) *ir.Value {
		sh := b.Op(ir.ShapeOf, nil, x)
		n := b.Op(ir.Gather, &ir.AxisAttrs{}, sh, b.Ints(0))
		return b.Op(ir.Reshape, &ir.ReshapeAttrs{}, b.Op(ir.Relu, nil, x), b.Op(ir.Concat, &ir.AxisAttrs{}, n, b.Ints(3, 4)))
	},
	"constants": func(b *ir.Builder, x *ir.Value, i int) *ir.Value {
		c := b.Op(ir.Add, nil, b.Float(ir.F32, float64(i)), b.Float(ir.F32, 1))
		return b.Op(ir.Mul, nil, x, c)
	},
	"products": func(b *ir.Builder, x *ir.Value, i int) *ir.Value {
		return b.Op([]ir.Kind{ir.Mul, ir.Div}[i%2], nil, x, b.Float(ir.F32, float64(i%7+2)))
	},
	"activations": func(b *ir.Builder, x *ir.Value, i int) *ir.Value {
		if i%2 == 0 {
			return b.Op(ir.Mul, nil, x, b.Op(ir.Sigmoid, nil, x))
		}
		f := b.Op(ir.Erf, nil, b.Op(ir.Div, nil, x, b.Float(ir.F32, math.Sqrt2)))
		return b.Op(ir.Mul, nil, b.Op(ir.Mul, nil, x, b.Op(ir.Add, nil, f, b.Float(ir.F32, 1))), b.Float(ir.F32, 0.5))
	},
	"norms": func(b *ir.Builder, x *ir.Value, _ int) *ir.Value {
		last := &ir.ReduceAttrs{Axes: []int64{2}, KeepDims: true}
		d := b.Op(ir.Sub, nil, x, b.Op(ir.ReduceMean, last, x))
		v := b.Op(ir.Add, nil, b.Op(ir.ReduceMean, last, b.Op(ir.Mul, nil, d, d)), b.Float(ir.F32, 1e-5))
		return b.Op(ir.Div, nil, d, b.Op(ir.Sqrt, nil, v))
	},
	"dead": func(b *ir.Builder, x *ir.Value, _ int) *ir.Value { b.Op(ir.Exp, nil, b.Op(ir.Sin, nil, x)); return x },
}

func build(t *testing.T, n int, step func(*ir.Builder, *ir.Value, int) *ir.Value) *ir.Module {
	m := ir.NewModule("t")
	f := m.NewFunc("main")
	x := f.Body.AddParam("x", ir.TensorOf(ir.F32, ir.Size(2), ir.Size(3), ir.Size(4)))
	b := ir.NewBuilder(f.Body)
	for i := range n {
		b.Loc = m.AddLoc(ir.Loc{Node: "n"})
		x = step(b, x, i)
	}
	b.Yield(x)
	f.Outputs = []string{"y"}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	return m
}

func compile(t *testing.T, n int, step func(*ir.Builder, *ir.Value, int) *ir.Value) time.Duration {
	m := build(t, n, step)
	start := cputime.Used(t)
	st, err := passes.Run(m, passes.Default, passes.Options{Eval: interp.EvalOp})
	if err != nil {
		t.Fatal(err)
	}
	took := cputime.Used(t) - start
	if err := ir.Verify(m); err != nil {
		t.Fatal(err)
	}
	for _, p := range st.Passes {
		if len(p.Refused) > 0 {
			t.Errorf("%s refused %v", p.Pass, p.Refused)
		}
	}
	return took
}

// TestLinear: 20,000 steps take about as long as ten times 2,000; what is quadratic takes ten times as long. Memory that is new
// to the process and other work on the machine cost up to twice the time, and spoil some measurements more.
func TestLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	const n = 2_000
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for name, step := range chains {
		t.Run(name, func(t *testing.T) {
			best := math.Inf(1)
			for try := 0; try < 4 && best > 3; try++ {
				runtime.GC()
				small := time.Millisecond // of the clock's ticks
				for range 10 {
					small += compile(t, n, step)
				}
				large := compile(t, 10*n, step)
				t.Logf("%d: %v, %d: %v", n, small/10, 10*n, large)
				best = min(best, float64(large)/float64(small))
			}
			if best > 3 {
				t.Errorf("%d steps take %.1f times as long as ten times %d", 10*n, best, n)
			}
		})
	}
}

// TestHundredThousand: a program of 100,000 ops of all sorts takes about ten times as long as one of 10,000, and seconds.
func TestHundredThousand(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	sorts := []string{"nothing to do", "shapes", "constants", "products", "activations", "norms"}
	mixed := func(b *ir.Builder, x *ir.Value, i int) *ir.Value {
		return chains[sorts[i%len(sorts)]](b, x, i/len(sorts))
	}
	const steps = 22_500
	if n := len(build(t, steps, mixed).Main().Body.Ops); n < 100_000 {
		t.Fatalf("%d ops", n)
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for try := range 3 {
		runtime.GC()
		small, large := compile(t, steps/10, mixed), compile(t, steps, mixed)
		t.Logf("10,000 ops take %v, 100,000 %v", small, large)
		if large < 30*small && large < 10*time.Second {
			return
		}
		if try == 2 {
			t.Errorf("10,000 ops take %v, 100,000 %v", small, large)
		}
	}
}
