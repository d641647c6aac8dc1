package runtime_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/google/go-cmp/cmp"
)

func sequenceCases() []diffCase {
	rows := []*ir.Tensor{random(ir.F32, 3, 2), random(ir.F32, 5, 2), random(ir.F32, 0, 2)}
	joined := func(b *ir.Builder, list *ir.Value) []*ir.Value {
		return []*ir.Value{b.Op(ir.ConcatFromSequence, &ir.ConcatFromSequenceAttrs{}, list), b.Op(ir.SequenceLength, nil, list)}
	}
	list := func(b *ir.Builder, x []*ir.Value) *ir.Value {
		return b.Op(ir.MakeSequence, &ir.SequenceAttrs{}, x[:3]...)
	}
	cs := []diffCase{
		{name: "list", in: rows, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value { return joined(b, list(b, x)) }},
		{name: "append", in: rows, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			return joined(b, b.Op(ir.SequenceInsert, nil, list(b, x), x[0]))
		}},
		{name: "erase-last", in: rows, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			return joined(b, b.Op(ir.SequenceErase, nil, list(b, x)))
		}},
	}
	for at := -5.0; at <= 4; at++ { // out of range at both ends
		in := append(rows[:3:3], scalar(ir.I32, at))
		cs = append(cs,
			diffCase{name: "insert", in: in, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				return joined(b, b.Op(ir.SequenceInsert, nil, list(b, x), x[1], x[3]))
			}},
			diffCase{name: "erase", in: in, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				return joined(b, b.Op(ir.SequenceErase, nil, list(b, x), x[3]))
			}},
			diffCase{name: "at", in: in, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				y := b.Op(ir.SequenceAt, nil, list(b, x), x[3])
				return []*ir.Value{y, b.Op(ir.ShapeOf, nil, y), b.Op(ir.Add, nil, y, y)}
			}})
	}
	for _, sizes := range []*ir.Tensor{nil, scalar(ir.I64, 2), scalar(ir.I64, 9), scalar(ir.I64, 0), ints(2, 0, 3), ints(2, 2), ints(7, -2), ints(5)} {
		in := []*ir.Tensor{random(ir.I64, 5, 2), sizes}
		for _, axis := range []int64{0, 1} {
			cs = append(cs, diffCase{name: "split", in: in, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
				parts := b.Op(ir.SplitToSequence, &ir.SplitToSequenceAttrs{Axis: axis}, x...)
				return append(joined(b, b.Op(ir.SequenceErase, nil, parts)), b.Op(ir.SequenceAt, nil, parts, b.Const(ir.Scalar(int64(-1)))))
			}})
		}
	}
	for _, n := range []int{0, 1, 4} {
		cs = append(cs, diffCase{name: "split-squeeze-stack", in: []*ir.Tensor{random(ir.F16, n, 3)}, build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			parts := b.Op(ir.SplitToSequence, &ir.SplitToSequenceAttrs{Squeeze: true}, x...)
			return []*ir.Value{b.Op(ir.ConcatFromSequence, &ir.ConcatFromSequenceAttrs{Axis: 1, Stack: true}, parts)}
		}})
	}
	return append(cs, diffCase{name: "optional", in: rows[:1], build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
		some := b.Op(ir.MakeOptional, &ir.SequenceAttrs{}, x[0])
		none := b.Op(ir.MakeOptional, &ir.SequenceAttrs{Elem: ir.TensorOf(ir.F32)})
		return []*ir.Value{b.Op(ir.OptionalHas, nil, some), b.Op(ir.OptionalHas, nil, none), b.Op(ir.OptionalGet, nil, some)}
	}})
}

// lists has lists as inputs, outputs, captures and carried values, one of them within another.
const lists = `module "lists"
func @main(%s: seq<f32[*]>, %o: optional<seq<i4[?]>>, %k: i64[], %x: f32[n]) -> (t: seq<f32[*]>, p: optional<seq<i4[?]>>, q: optional<f32[?]>, d: seq<f32[?]>) {
  %0 = loop %k, none, %s, %x {carried = 1} : seq<f32[*]> region(%i: i64[], %go: bool[], %l: seq<f32[*]>, %c: f32[n]) {
    %1 = sequence_insert %l, %c, %i : seq<f32[*]>
    yield %go, %1
  }
  %2 = optional_has %o : bool[]
  %3, %4 = if %2, %o, %x : optional<seq<i4[?]>>, optional<f32[?]> region(%5: optional<seq<i4[?]>>, %6: f32[n]) {
    %7 = optional_get %5 : seq<i4[?]>
    %8 = sequence_erase %7 : seq<i4[?]>
    %9 = make_optional %8 : optional<seq<i4[?]>>
    %10 = make_optional %6 : optional<f32[?]>
    yield %9, %10
  } region(%11: optional<seq<i4[?]>>, %12: f32[n]) {
    %13 = make_optional {elem = f32[?]} : optional<f32[?]>
    yield %11, %13
  }
  %14 = relu %x : f32[n]
  %15 = make_sequence %14, %14 : seq<f32[?]>
  yield %0, %3, %4, %15
}
`

func listModule(t *testing.T) *ir.Module {
	m, err := ir.Parse(lists, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestLists: lists cross into a run and out of it as they are.
func TestLists(t *testing.T) {
	if _, _, err := runtime.Version(); err != nil {
		t.Skipf("MLX is not set up: %v", err)
	}
	m := listModule(t)
	s, err := mlx.LowerStages(m, mlx.Options{Fallback: mlx.FallbackError})
	if err != nil {
		t.Fatal(err)
	}
	floats, small := *m.Main().Inputs()[0].Type.Elem, *m.Main().Inputs()[1].Type.Elem
	nibbles := &ir.Sequence{Elem: *small.Elem, Items: []ir.Datum{tensorOf(ir.I4, []float64{-8, 7}), tensorOf(ir.I4, nil, 0)}}
	for _, in := range [][]ir.Datum{
		{&ir.Sequence{Elem: floats}, &ir.Optional{Elem: small}, ir.Scalar(int64(0)), random(ir.F32, 3)},
		{&ir.Sequence{Elem: floats, Items: []ir.Datum{random(ir.F32), random(ir.F32, 2, 3), random(ir.F32, 0)}},
			&ir.Optional{Elem: small, Item: nibbles}, ir.Scalar(int64(20)), random(ir.F32, 2)},
		{&ir.Sequence{Elem: floats}, &ir.Optional{Elem: small, Item: &ir.Sequence{Elem: *small.Elem, Items: nibbles.Items[:1]}}, ir.Scalar(int64(2)), random(ir.F32, 0)},
	} {
		want, err := interp.Run(context.Background(), m.Main(), in)
		if err != nil {
			t.Fatal(err)
		}
		got, err := runStaged(s, in)
		if err != nil {
			t.Fatal(err)
		}
		empty := cmp.Transformer("bytes", func(b []byte) string { return string(b) })
		items := cmp.Transformer("items", func(l []ir.Datum) []ir.Datum { return append([]ir.Datum{}, l...) })
		dims := cmp.Comparer(func(a, b ir.Dim) bool { return a == b })
		ignore := cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Elem" }, cmp.Ignore())
		if d := cmp.Diff(want, got, empty, dims, ignore, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".Items" }, items)); d != "" {
			t.Errorf("-interp +mlx:\n%s", d)
		}
	}
}

// TestBadLists: what does not fit a list is an error that names the input and the element; so is a position at its node.
func TestBadLists(t *testing.T) {
	if _, _, err := runtime.Version(); err != nil {
		t.Skipf("MLX is not set up: %v", err)
	}
	m := listModule(t)
	plan, err := mlx.Lower(m, mlx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := runtime.Load(plan, runtime.Options{Device: runtime.CPU})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	floats, small := *m.Main().Inputs()[0].Type.Elem, *m.Main().Inputs()[1].Type.Elem
	none, no, zero, vec := &ir.Sequence{Elem: floats}, &ir.Optional{Elem: small}, ir.Scalar(int64(0)), random(ir.F32, 2)
	for _, c := range []struct {
		want string
		in   []ir.Datum
	}{
		{`input "s" is f32[2], want seq<f32[*]>`, []ir.Datum{vec, no, zero, vec}},
		{`input "s" is nothing`, []ir.Datum{(*ir.Sequence)(nil), no, zero, vec}},
		{`input "s" element 1 is i64, want f32[*]`, []ir.Datum{&ir.Sequence{Elem: floats, Items: []ir.Datum{vec, zero}}, no, zero, vec}},
		{`input "o" element 0 element 0 has shape [2 1], want i4[?]`, []ir.Datum{none,
			&ir.Optional{Elem: small, Item: &ir.Sequence{Elem: *small.Elem, Items: []ir.Datum{ir.NewTensor(ir.I4, 2, 1)}}}, zero, vec}},
		{`input "x" is a map, want f32[n]`, []ir.Datum{none, no, zero, &ir.Map{}}},
	} {
		_, err := x.Run(context.Background(), c.in)
		var e *ir.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	empty := &ir.Optional{Elem: small, Item: &ir.Sequence{Elem: *small.Elem}}
	_, err = x.Run(context.Background(), []ir.Datum{none, empty, zero, vec})
	var e *runtime.MLXError
	if !errors.As(err, &e) || e.Msg != "position -1 in a list of 0 elements" || !strings.Contains(e.Call, "list_erase") {
		t.Errorf("got %v", err)
	}
}
