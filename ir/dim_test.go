package ir

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

// tree is a dim expression that is evaluated in exact arithmetic, the reference of the properties below.
type tree struct {
	op   string // "n", "sym", or one of dimOps
	n    int64
	a, b *tree
}

var dimOps = map[string]struct {
	dim func(a, b Dim) Dim
	big func(a, b *big.Int) *big.Int // nil where it is not defined
}{
	"add": {Dim.Add, func(a, b *big.Int) *big.Int { return new(big.Int).Add(a, b) }},
	"sub": {Dim.Sub, func(a, b *big.Int) *big.Int { return new(big.Int).Sub(a, b) }},
	"mul": {Dim.Mul, func(a, b *big.Int) *big.Int { return new(big.Int).Mul(a, b) }},
	"div": {Dim.FloorDiv, floorDiv},
	"mod": {Dim.Mod, func(a, b *big.Int) *big.Int {
		if q := floorDiv(a, b); q != nil {
			return q.Sub(a, q.Mul(q, b))
		}
		return nil
	}},
	"ceil": {Dim.CeilDiv, func(a, b *big.Int) *big.Int {
		if b.Sign() <= 0 {
			return nil
		}
		q := floorDiv(new(big.Int).Neg(a), b)
		return q.Neg(q)
	}},
	"exact": {
		func(a, b Dim) Dim {
			if q, ok := a.ExactDiv(b); ok {
				return q
			}
			return Unknown
		},
		func(a, b *big.Int) *big.Int {
			if b.Sign() == 0 {
				return nil
			}
			return new(big.Int).Quo(a, b)
		},
	},
	"min": {Dim.Min, func(a, b *big.Int) *big.Int {
		if a.Cmp(b) < 0 {
			return a
		}
		return b
	}},
	"max": {Dim.Max, func(a, b *big.Int) *big.Int {
		if a.Cmp(b) > 0 {
			return a
		}
		return b
	}},
}

func floorDiv(a, b *big.Int) *big.Int {
	if b.Sign() == 0 {
		return nil
	}
	q, r := new(big.Int).QuoRem(a, b, new(big.Int))
	if r.Sign() != 0 && r.Sign() != b.Sign() {
		q.Sub(q, big.NewInt(1))
	}
	return q
}

func symbol(i int64) Dim { return Sym(fmt.Sprintf("s%d", i)) }

func (t *tree) dim() Dim {
	switch t.op {
	case "n":
		return Size(t.n)
	case "sym":
		return symbol(t.n)
	}
	return dimOps[t.op].dim(t.a.dim(), t.b.dim())
}

func (t *tree) eval(env map[Dim]int64) *big.Int {
	switch t.op {
	case "n":
		return big.NewInt(t.n)
	case "sym":
		return big.NewInt(env[symbol(t.n)])
	}
	a, b := t.a.eval(env), t.b.eval(env)
	if a == nil || b == nil {
		return nil
	}
	return dimOps[t.op].big(a, b)
}

const symbols = 4

// numbers are constants: small ones only, or extremes too.
func numbers(extreme bool) *rapid.Generator[int64] {
	if !extreme {
		return rapid.Int64Range(-9, 9)
	}
	return rapid.OneOf(rapid.Int64Range(-9, 9), rapid.Int64(),
		rapid.SampledFrom([]int64{math.MinInt64, math.MinInt64 + 1, math.MaxInt64, math.MaxInt64 - 1, 1 << 61, -1 << 61, 1 << 32}))
}

func trees(depth int, extreme bool) *rapid.Generator[*tree] {
	leaf := rapid.Custom(func(t *rapid.T) *tree {
		if rapid.Bool().Draw(t, "sym") {
			return &tree{op: "sym", n: rapid.Int64Range(0, symbols-1).Draw(t, "s")}
		}
		return &tree{op: "n", n: numbers(extreme).Draw(t, "n")}
	})
	if depth == 0 {
		return leaf
	}
	ops := rapid.SampledFrom([]string{"add", "sub", "mul", "div", "mod", "ceil", "exact", "min", "max"})
	inner := trees(depth-1, extreme)
	return rapid.OneOf(leaf, rapid.Custom(func(t *rapid.T) *tree {
		return &tree{op: ops.Draw(t, "op"), a: inner.Draw(t, "a"), b: inner.Draw(t, "b")}
	}))
}

// sizes gives every symbol a value, which is never negative.
func sizes(extreme bool) *rapid.Generator[map[Dim]int64] {
	return rapid.Custom(func(t *rapid.T) map[Dim]int64 {
		env := map[Dim]int64{}
		for i := range int64(symbols) {
			g := rapid.Int64Range(0, 12)
			if extreme {
				g = rapid.OneOf(g, rapid.Int64Min(0))
			}
			env[symbol(i)] = g.Draw(t, "size")
		}
		return env
	})
}

// TestDimEvaluates holds that normalisation keeps the value, that bounds hold and that the text form reads back. Near the
// extremes of int64 a Dim may have no value, but never a wrong one.
func TestDimEvaluates(t *testing.T) {
	for _, extreme := range []bool{false, true} {
		rapid.Check(t, func(t *rapid.T) {
			e, env := trees(4, extreme).Draw(t, "e"), sizes(extreme).Draw(t, "env")
			d, want := e.dim(), e.eval(env)
			if back, err := ParseDim(d.String()); err != nil || back != d {
				t.Fatalf("%s reads back as %s, %v", d, back, err)
			}
			got, ok := d.Eval(env)
			if want == nil || d == Unknown {
				return
			}
			if !ok && !extreme && want.IsInt64() {
				t.Fatalf("%s has no value at %v", d, env)
			}
			if !ok {
				return
			}
			if want.Cmp(big.NewInt(got)) != 0 {
				t.Fatalf("%s = %d at %v, want %s", d, got, env, want)
			}
			if lo, hi := d.Bounds(); got < lo || got > hi {
				t.Fatalf("%s = %d at %v, out of its bounds %d to %d", d, got, env, lo, hi)
			}
		})
	}
}

// TestDimOrder holds that == and AtMost say nothing false.
func TestDimOrder(t *testing.T) {
	for _, extreme := range []bool{false, true} {
		rapid.Check(t, func(t *rapid.T) {
			env := sizes(extreme).Draw(t, "env")
			x, y := trees(3, extreme).Draw(t, "x"), trees(3, extreme).Draw(t, "y")
			a, b := x.dim(), y.dim()
			va, vb := x.eval(env), y.eval(env)
			if va == nil || vb == nil || a == Unknown || b == Unknown {
				return
			}
			if a == b && va.Cmp(vb) != 0 {
				t.Fatalf("%s is %s and %s at %v", a, va, vb, env)
			}
			if a.AtMost(b) && va.Cmp(vb) > 0 {
				t.Fatalf("%s ≤ %s, but %s > %s at %v", a, b, va, vb, env)
			}
		})
	}
}

// TestFactsSound holds that what follows from facts that are true is true.
func TestFactsSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		env := sizes(false).Draw(t, "env")
		outer := NewModule("").NewFunc("f").Body
		inner := outer.NewRegion()
		value := func(name string) (Dim, int64) {
			e := trees(3, false).Draw(t, name)
			v := e.eval(env)
			if d := e.dim(); v != nil && d != Unknown {
				return d, v.Int64()
			}
			return symbol(0), env[symbol(0)]
		}
		for range rapid.IntRange(0, 6).Draw(t, "facts") {
			a, va := value("a")
			b, vb := value("b")
			f := Fact{Rel: EQ, A: a, B: b.Add(Size(va - vb))}
			if rapid.Bool().Draw(t, "le") {
				f = Fact{Rel: LE, A: a, B: b.Add(Size(max(0, va-vb)))}
			}
			r := rapid.SampledFrom([]*Region{outer, inner}).Draw(t, "region")
			if f.B != Unknown && !r.Assume(f) {
				t.Fatalf("fact %v is refuted at %v", f, env)
			}
		}
		d, want := value("d")
		r := inner.Reduce(d)
		if got, ok := r.Eval(env); !ok || got != want {
			t.Fatalf("%s = %d reduces to %s = %d, %v at %v under %v", d, want, r, got, ok, env, outer.Facts.List)
		}
		e, ve := value("e")
		if inner.SameDim(d, e) && want != ve {
			t.Fatalf("%s and %s are the same, %d and %d at %v", d, e, want, ve, env)
		}
		for _, rel := range []Relation{EQ, LE, Divides} {
			f := Fact{Rel: rel, A: d, B: e}
			proved, refuted := inner.Implied(f)
			if holds, known := f.Holds(env); known && (proved && !holds || refuted && holds) {
				t.Fatalf("%v is proved %v, refuted %v, and holds %v at %v", f, proved, refuted, holds, env)
			}
		}
	})
}

// TestFactChains holds that equalities are followed however they were learned.
func TestFactChains(t *testing.T) {
	const n = 100
	for _, order := range []string{"forward", "backward"} {
		r := NewModule("").NewFunc("f").Body
		for i := range n {
			k := i
			if order == "backward" {
				k = n - 1 - i
			}
			r.AddFact(Fact{Rel: EQ, A: Sym(fmt.Sprint("past", k)), B: Sym(fmt.Sprint("past", k+1))})
		}
		if !r.SameDim(Sym("past0"), Sym(fmt.Sprint("past", n))) {
			t.Errorf("%s chain is not followed", order)
		}
	}
}

// TestFactCircles holds that facts which an inner region learns before the outer one do not send Reduce in circles.
func TestFactCircles(t *testing.T) {
	outer := NewModule("").NewFunc("f").Body
	inner := outer.NewRegion()
	a, b, c := Sym("a"), Sym("b"), Sym("c")
	inner.AddFact(Fact{Rel: EQ, A: b, B: a})
	outer.AddFact(Fact{Rel: EQ, A: a, B: b.Sub(b.Mul(c))})
	env := map[Dim]int64{a: 0, b: 0, c: 3}
	for _, d := range []Dim{a, b, a.Mul(b), a.Min(c)} {
		r := inner.Reduce(d)
		if v, ok := r.Eval(env); !ok || v != 0 || len(r.Terms()) > 4 {
			t.Errorf("%s reduces to %s", d, r)
		}
	}
}

// onnxSlice counts what ONNX Slice takes of an axis of size n, one element after the other. The clamping is that of
// Slice-13's text, where a negative step has starts in [0, n-1]: NumPy differs for starts before the first element.
func onnxSlice(n, start, end, step int64) int64 {
	clamp := func(v, lo, hi int64) int64 {
		if v < 0 {
			v += n
		}
		return min(max(lo, v), hi)
	}
	count := int64(0)
	if step > 0 {
		for i, e := clamp(start, 0, n), clamp(end, 0, n); i < e; count++ {
			i += min(step, n+1)
		}
		return count
	}
	for i, e := clamp(start, 0, n-1), clamp(end, -1, n-1); i > e; count++ {
		i += max(step, -n-1)
	}
	return count
}

// TestSliceSize compares with brute force, for known and for symbolic sizes and bounds.
func TestSliceSize(t *testing.T) {
	bound := rapid.OneOf(rapid.Int64Range(-12, 12),
		rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64, math.MinInt32, math.MaxInt32, -math.MaxInt64, 1 << 40}))
	rapid.Check(t, func(t *rapid.T) {
		n, step := rapid.Int64Range(0, 9).Draw(t, "n"), bound.Filter(func(s int64) bool { return s != 0 }).Draw(t, "step")
		start, end := bound.Draw(t, "start"), bound.Draw(t, "end")
		want := onnxSlice(n, start, end, step)
		if got := SliceSize(Size(n), Size(start), Size(end), step); !got.Is(want) {
			t.Fatalf("[%d:%d:%d] of %d is %s, want %d", start, end, step, n, got, want)
		}
		env := map[Dim]int64{Sym("n"): n}
		operands := [3]Dim{Sym("n"), Size(start), Size(end)}
		if start >= 0 {
			operands[1], env[Sym("start")] = Sym("start"), start
		}
		if end >= 0 && rapid.Bool().Draw(t, "symbolic end") {
			operands[2], env[Sym("end")] = Sym("end"), end
		}
		d := SliceSize(operands[0], operands[1], operands[2], step)
		if got, ok := d.Eval(env); ok && got != want {
			t.Fatalf("[%d:%d:%d] of %d is %s = %d, want %d", start, end, step, n, d, got, want)
		}
	})
}

func TestParseDim(t *testing.T) {
	for text, want := range map[string]string{
		"batch": "batch", " 2 * s ": "2*s", "s + s": "2*s", "s - s": "0", "(a + b)*(a - b)": "a*a - b*b",
		"-7 // 2": "-4", "-(7 // 2)": "-3", "2**3": "8", "s**2": "s*s", "s**0": "1", "- - 3": "3", "3 - -s": "s + 3",
		"floordiv(4*s + 2, 4)": "s", "Min(3, 5, 4)": "3", "max(s, -1)": "s", `"a b" + 1`: `"a b" + 1`,
		"mod(6*s, 3)": "0", "min": `"min"`, "-9223372036854775808": "-9223372036854775808",
	} {
		if d, err := ParseDim(text); err != nil || d.String() != want {
			t.Errorf("%q is %s, %v; want %s", text, d, err, want)
		}
	}
	for _, bad := range []string{"", "a b", "1 +", "(a", "a)", "9223372036854775808", "a ** b", "a ** 99", "min()", "floordiv(1)", "é", "a/b", `"x`} {
		if d, err := ParseDim(bad); err == nil {
			t.Errorf("%q is %s, want an error", bad, d)
		}
	}
}
