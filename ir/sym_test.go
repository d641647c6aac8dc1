package ir_test

import (
	"context"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

// TestSymbolicValues holds that the elements that inference follows are those that the interpreter computes: random shape
// arithmetic, run with random sizes.
func TestSymbolicValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSymProgram(t)
		for range rapid.IntRange(1, 12).Draw(t, "ops") {
			s.step(t)
		}
		s.b.Yield(s.made...)
		if s.b.Err() != nil {
			t.Fatal(s.b.Err())
		}
		for range s.made {
			s.f.Outputs = append(s.f.Outputs, "y")
		}
		if err := ir.Verify(s.f.Module); err != nil {
			t.Fatalf("%v\n%s", err, s.f)
		}
		s.check(t)
	})
}

// symProgram is a function of shape arithmetic over the sizes of its one input.
type symProgram struct {
	f    *ir.Func
	b    *ir.Builder
	made []*ir.Value
	size []int
}

func newSymProgram(t *rapid.T) *symProgram {
	f := ir.NewModule("m").NewFunc("f")
	s := &symProgram{f: f, b: ir.NewBuilder(f.Body)}
	x := f.Body.AddParam("x", ir.TensorOf(ir.F32, ir.Sym("a"), ir.Sym("b"), ir.Size(3)))
	s.made = append(s.made, s.b.Op(ir.ShapeOf, nil, x), s.b.Ints(rapid.SliceOfN(rapid.Int64Range(-3, 5), 3, 3).Draw(t, "constants")...),
		s.b.Const(ir.Scalar(rapid.Int64Range(-2, 4).Draw(t, "scalar"))))
	s.size = []int{rapid.IntRange(0, 4).Draw(t, "a"), rapid.IntRange(0, 4).Draw(t, "b"), 3}
	return s
}

// pick draws a value of the dtype that keep accepts; nil when there is none.
func (s *symProgram) pick(t *rapid.T, d ir.DType, keep func(v *ir.Value) bool) *ir.Value {
	var from []*ir.Value
	for _, v := range s.made {
		if v.DType() == d && keep(v) {
			from = append(from, v)
		}
	}
	if from == nil {
		return nil
	}
	return rapid.SampledFrom(from).Draw(t, "value")
}

func any1(v *ir.Value) bool { return v.Rank() <= 1 }

func vector(v *ir.Value) bool { return v.Rank() == 1 }

// length is the number of elements of a vector, which is always known here.
func length(v *ir.Value) int64 {
	n, _ := v.Shape()[0].Value()
	return n
}

// fits reports whether the shapes of v and w broadcast.
func fits(v *ir.Value) func(w *ir.Value) bool {
	return func(w *ir.Value) bool {
		return any1(w) && (v.Rank() == 0 || w.Rank() == 0 || length(v) == length(w) || length(v) == 1 || length(w) == 1)
	}
}

// step appends a random op, or nothing where what was drawn does not go together.
func (s *symProgram) step(t *rapid.T) {
	k := rapid.SampledFrom([]ir.Kind{ir.Add, ir.Sub, ir.Mul, ir.Div, ir.Mod, ir.Min, ir.Max, ir.Equal, ir.Less, ir.LessEqual,
		ir.Neg, ir.Not, ir.And, ir.Or, ir.Where, ir.Cast, ir.Concat, ir.Gather, ir.Slice, ir.Split, ir.Unsqueeze, ir.Squeeze, ir.Reshape, ir.Expand,
		ir.ReduceSum, ir.ReduceProd, ir.ReduceMax, ir.ReduceMin}).Draw(t, "kind")
	x := s.pick(t, ir.I64, any1)
	switch k {
	case ir.Not, ir.And, ir.Or, ir.Where:
		s.logic(t, k)
	case ir.Div, ir.Mod: // by what cannot be 0
		y := s.b.Const(ir.Scalar(rapid.SampledFrom([]int64{1, 2, 3, -2}).Draw(t, "divisor")))
		if k == ir.Div {
			s.add(s.b.Op(k, nil, x, y))
		} else {
			s.add(s.b.Op(k, &ir.ModAttrs{Fmod: rapid.Bool().Draw(t, "fmod")}, x, y))
		}
	case ir.Neg:
		s.add(s.b.Op(k, nil, x))
	case ir.Cast:
		to := rapid.SampledFrom([]ir.DType{ir.I64, ir.I32, ir.Bool, ir.U8, ir.F32}).Draw(t, "to")
		v := s.b.Op(k, &ir.CastAttrs{To: to}, x)
		if to != ir.Bool {
			v = s.b.Op(k, &ir.CastAttrs{To: ir.I64}, v)
		}
		s.add(v)
	case ir.Unsqueeze:
		if x.Rank() == 0 {
			s.add(s.b.Op(k, &ir.AxesAttrs{Axes: []int64{0}}, x))
		}
	case ir.Squeeze:
		if x.Rank() == 1 && length(x) == 1 {
			s.add(s.b.Op(k, &ir.AxesAttrs{Axes: []int64{0}}, x))
		}
	case ir.Concat, ir.Gather, ir.Slice, ir.Split, ir.Reshape, ir.Expand, ir.ReduceSum, ir.ReduceProd, ir.ReduceMax, ir.ReduceMin:
		if v := s.pick(t, ir.I64, vector); v != nil {
			s.vector(t, k, v)
		}
	default:
		s.add(s.b.Op(k, nil, x, s.pick(t, ir.I64, fits(x))))
	}
}

func (s *symProgram) logic(t *rapid.T, k ir.Kind) {
	c := s.pick(t, ir.Bool, any1)
	switch {
	case c == nil:
	case k == ir.Not:
		s.add(s.b.Op(k, nil, c))
	case k == ir.Where:
		x := s.pick(t, ir.I64, fits(c))
		if x == nil {
			return
		}
		both := func(w *ir.Value) bool { return fits(c)(w) && fits(x)(w) }
		if y := s.pick(t, ir.I64, both); y != nil {
			s.add(s.b.Op(k, nil, c, x, y))
		}
	default:
		s.add(s.b.Op(k, nil, c, s.pick(t, ir.Bool, fits(c))))
	}
}

func (s *symProgram) vector(t *rapid.T, k ir.Kind, v *ir.Value) {
	n := length(v)
	switch k {
	case ir.Concat:
		s.add(s.b.Op(k, &ir.AxisAttrs{}, v, s.pick(t, ir.I64, vector)))
	case ir.Gather:
		if n > 0 {
			at := ir.Scalar(rapid.Int64Range(-n, n-1).Draw(t, "index"))
			s.add(s.b.Op(k, &ir.AxisAttrs{}, v, s.b.Const(at)))
		}
	case ir.Slice:
		bound := rapid.Int64Range(-5, 5)
		a := &ir.SliceAttrs{Axes: []int64{0}, Steps: []int64{rapid.SampledFrom([]int64{1, 2, -1, -3}).Draw(t, "step")}}
		s.add(s.b.Op(k, a, v, s.b.Ints(bound.Draw(t, "start")), s.b.Ints(bound.Draw(t, "end"))))
	case ir.Split:
		if n > 0 {
			first := rapid.Int64Range(0, n).Draw(t, "first")
			a := &ir.SplitAttrs{Sizes: []ir.Dim{ir.Size(first), ir.Size(n - first)}}
			for _, r := range s.b.Ops(k, a, nil, v) {
				s.add(r)
			}
		}
	case ir.Reshape:
		w := s.b.Op(k, &ir.ReshapeAttrs{AllowZero: true}, v, s.b.Ints(1, n))
		if n > 0 && n%2 == 0 { // what torch.onnx writes for the amounts of a pad
			w = s.b.Op(k, &ir.ReshapeAttrs{}, v, s.b.Ints(-1, 2))
			w = s.b.Op(ir.Slice, &ir.SliceAttrs{Axes: []int64{0}, Steps: []int64{-1}}, w, s.b.Ints(-1), s.b.Ints(math.MinInt64))
			w = s.b.Op(ir.Transpose, &ir.PermAttrs{Perm: []int64{1, 0}}, w)
		}
		s.add(s.b.Op(k, &ir.ReshapeAttrs{AllowZero: true}, w, s.b.Ints(n)))
	case ir.Expand:
		if n == 1 {
			s.add(s.b.Op(k, nil, v, s.b.Ints(rapid.Int64Range(0, 3).Draw(t, "to"))))
		}
	default:
		if n > 0 {
			s.add(s.b.Op(k, &ir.ReduceAttrs{Axes: []int64{0}, KeepDims: rapid.Bool().Draw(t, "keepdims")}, v))
		}
	}
}

func (s *symProgram) add(v *ir.Value) { s.made = append(s.made, v) }

// check runs the program and compares what is known of each value with what it is.
func (s *symProgram) check(t *rapid.T) {
	env := map[ir.Dim]int64{ir.Sym("a"): int64(s.size[0]), ir.Sym("b"): int64(s.size[1])}
	for _, f := range s.f.Body.Facts.List {
		if holds, known := f.Holds(env); known && !holds {
			return
		}
	}
	out, err := interp.Run(context.Background(), s.f, []ir.Datum{ir.NewTensor(ir.F32, s.size...)})
	if err != nil {
		t.Fatalf("%v\n%s", err, s.f)
	}
	for i, v := range s.made {
		got := out[i].(*ir.Tensor).Ints()
		for j, d := range v.Sym {
			if want, ok := d.Eval(env); d != ir.Unknown && ok && want != got[j] {
				t.Fatalf("element %d of result %d is %s = %d, runs as %d, at %v\n%s", j, i, d, want, got[j], env, s.f)
			}
		}
	}
}
