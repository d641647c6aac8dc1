package ir

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/emilyc/emily/internal/cputime"
)

// chain builds a function of n ops over symbolic shapes, with shape arithmetic, constants and locations in it.
func chain(t testing.TB, n int) *Module {
	m, f, b := newFunc()
	x := f.Body.AddParam("x", TensorOf(F32, Sym("batch"), Sym("seq")))
	for i := 0; len(f.Body.Ops) < n; i++ {
		b.Loc = m.AddLoc(Loc{File: m.Name, Node: fmt.Sprint("/node_", i), OpType: "Add", Opset: 17})
		y := f.Body.AddParam(fmt.Sprint("past_", i), TensorOf(F32, Sym(fmt.Sprint("past", i)), Sym("seq")))
		x = b.Op(Add, nil, x, y)
		shape := b.Op(ShapeOf, nil, x)
		x = b.Op(Mul, nil, x, b.Const(FloatScalar(F32, 2)))
		x = b.Op(Reshape, &ReshapeAttrs{}, x, shape)
		x = b.Op(Transpose, &PermAttrs{Perm: []int64{1, 0}}, x)
		x = b.Op(Transpose, &PermAttrs{Perm: []int64{1, 0}}, x)
	}
	b.Yield(x)
	f.Outputs = []string{"y"}
	if b.Err() != nil {
		t.Fatal(b.Err())
	}
	return m
}

var stages = []struct {
	name string
	run  func(t testing.TB, m *Module, text string)
}{
	{"build", func(t testing.TB, m *Module, _ string) { chain(t, len(m.Main().Body.Ops)) }},
	{"verify", func(t testing.TB, m *Module, _ string) {
		if err := Verify(m); err != nil {
			t.Fatal(err)
		}
	}},
	{"print", func(t testing.TB, m *Module, _ string) {
		if err := m.Print(io.Discard); err != nil {
			t.Fatal(err)
		}
	}},
	{"parse", func(t testing.TB, _ *Module, text string) { parse(t, text) }},
	{"clone", func(_ testing.TB, m *Module, _ string) { m.Clone() }},
}

// TestLinear holds that ten times as many ops take about as long as ten runs of fewer: in processor time without
// collections, which a busy machine changes least, and at the best of some tries. What is quadratic takes ten times as long.
func TestLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("takes seconds")
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	small, large := chain(t, 2_000), chain(t, 20_000)
	smallText, largeText := small.String(), large.String()
	const slack = 50 * time.Millisecond // the clock's ticks
	for _, s := range stages {
		t.Run(s.name, func(t *testing.T) {
			took := func(m *Module, text string, runs int) time.Duration {
				start := cputime.Used(t)
				for range runs {
					s.run(t, m, text)
				}
				return cputime.Used(t) - start
			}
			for try := range 4 {
				runtime.GC()
				a, b := took(small, smallText, 10), took(large, largeText, 1)
				t.Logf("2,000 ops ten times %v, 20,000 ops %v", a, b)
				if b <= 3*a+slack {
					return
				}
				if try == 3 {
					t.Errorf("2,000 ops take %v ten times, 20,000 take %v", a, b)
				}
			}
		})
	}
}

func BenchmarkOps(b *testing.B) {
	m := chain(b, 100_000)
	text := m.String()
	for _, s := range stages {
		b.Run(s.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.run(b, m, text)
			}
		})
	}
}
