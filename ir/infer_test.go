package ir

import (
	"errors"
	"testing"

	"pgregory.net/rapid"
)

// instance is one op over operands whose sizes are symbols, expressions or numbers.
type instance struct {
	kind  Kind
	attrs Attrs
	args  []operand
}

// operand is a tensor of the shape, or where ints is not nil the 1-D i64 tensor of these values.
type operand struct {
	shape []*tree
	ints  []*tree
}

// build makes the op with each size made by size: a Dim over symbols, or its value.
func (in instance) build(size func(*tree) Dim) (*Region, []Inferred, error) {
	_, f, b := newFunc()
	var args []*Value
	for _, a := range in.args {
		if a.ints != nil {
			dims := make([]Dim, len(a.ints))
			for i, e := range a.ints {
				dims[i] = size(e)
			}
			args = append(args, b.Dims(dims...))
			continue
		}
		t := TensorOf(F32)
		for _, e := range a.shape {
			t.Shape = append(t.Shape, size(e))
		}
		args = append(args, f.Body.AddParam("", t))
	}
	if b.Err() != nil {
		return nil, nil, b.Err()
	}
	inferred, err := InferTypes(&Op{Kind: in.kind, Attrs: in.attrs, Args: args, Region: f.Body}, nil)
	return f.Body, inferred, err
}

// dimOf draws a size: a number, a symbol, or one of the given.
func dimOf(t *rapid.T, others ...*tree) *tree {
	pick := rapid.IntRange(0, 4+2*len(others)).Draw(t, "pick")
	switch {
	case pick < 2:
		return &tree{op: "n", n: rapid.Int64Range(0, 4).Draw(t, "size")}
	case pick < 4:
		return &tree{op: "sym", n: rapid.Int64Range(0, symbols-1).Draw(t, "symbol")}
	case pick == 4:
		return &tree{op: "add", a: &tree{op: "sym", n: 0}, b: &tree{op: "n", n: 1}}
	}
	return others[(pick-5)/2]
}

func shapeOf(t *rapid.T, rank int, others ...*tree) []*tree {
	s := make([]*tree, rank)
	for i := range s {
		s[i] = dimOf(t, others...)
	}
	return s
}

func signed(t *rapid.T, n int) []*tree {
	out := make([]*tree, n)
	for i := range out {
		if out[i] = dimOf(t); out[i].op == "n" && rapid.Bool().Draw(t, "negative") {
			out[i].n = -out[i].n
		}
	}
	return out
}

func positive(t *rapid.T, n int, most int64) []int64 {
	return rapid.SliceOfN(rapid.Int64Range(1, most), n, n).Draw(t, "positive")
}

// instances draws an op whose shapes are right more often than not.
var instances = rapid.Custom(func(t *rapid.T) instance {
	rank := rapid.IntRange(1, 3).Draw(t, "rank")
	x := shapeOf(t, rank)
	axis := rapid.Int64Range(0, int64(rank)-1).Draw(t, "axis")
	one := &tree{op: "n", n: 1}
	k := rapid.SampledFrom([]Kind{Add, Where, MatMul, Concat, Slice, Reshape, Expand, Split, Pad, Tile, Gather, Conv, MaxPool, ReduceSum, Squeeze, LayerNorm}).Draw(t, "kind")
	switch k {
	case Add:
		return instance{k, nil, []operand{{shape: x}, {shape: shapeOf(t, rapid.IntRange(0, 3).Draw(t, "rank 2"), append(x, one)...)}}}
	case MatMul:
		return instance{k, nil, []operand{{shape: x}, {shape: append(shapeOf(t, rapid.IntRange(0, 2).Draw(t, "rank 2"), x[0], one), x[rank-1], dimOf(t))}}}
	case Concat:
		y := append([]*tree(nil), x...)
		y[axis] = dimOf(t)
		return instance{k, &AxisAttrs{axis}, []operand{{shape: x}, {shape: y}, {shape: x}}}
	case Slice:
		step := rapid.SampledFrom([]int64{1, 2, 3, -1, -2}).Draw(t, "step")
		return instance{k, &SliceAttrs{[]int64{axis}, []int64{step}}, []operand{{shape: x}, {ints: signed(t, 1)}, {ints: signed(t, 1)}}}
	case Reshape:
		target := append([]*tree(nil), x...)
		if rapid.Bool().Draw(t, "-1") {
			target[axis] = &tree{op: "n", n: -1}
		}
		if rank > 1 && rapid.Bool().Draw(t, "merge") {
			target = append(target[:rank-2:rank-2], &tree{op: "mul", a: x[rank-2], b: x[rank-1]})
		}
		return instance{k, &ReshapeAttrs{AllowZero: true}, []operand{{shape: x}, {ints: target}}}
	case Expand:
		return instance{k, nil, []operand{{shape: x}, {ints: shapeOf(t, rapid.IntRange(0, 3).Draw(t, "rank 2"), append(x, one)...)}}}
	case Pad:
		return instance{k, &PadAttrs{"constant", []int64{axis}}, []operand{{shape: x}, {ints: signed(t, 2)}}}
	case Tile:
		return instance{k, nil, []operand{{shape: x}, {ints: shapeOf(t, rank)}}}
	case Conv:
		a := &ConvAttrs{positive(t, 1, 3), []int64{0, 1}, positive(t, 1, 2), 1, false}
		return instance{k, a, []operand{{shape: []*tree{x[0], one, dimOf(t)}}, {shape: []*tree{dimOf(t), one, {op: "n", n: rapid.Int64Range(1, 3).Draw(t, "kernel")}}}}}
	case MaxPool:
		a := &PoolAttrs{Kernel: positive(t, 1, 3), Strides: positive(t, 1, 3), Pads: []int64{1, 1}, Dilations: positive(t, 1, 2), CeilMode: rapid.Bool().Draw(t, "ceil")}
		return instance{k, a, []operand{{shape: []*tree{x[0], one, dimOf(t)}}}}
	case ReduceSum:
		return instance{k, &ReduceAttrs{[]int64{axis}, rapid.Bool().Draw(t, "keepdims")}, []operand{{shape: x}}}
	case Squeeze:
		x[axis] = dimOf(t, one, one)
		return instance{k, &AxesAttrs{[]int64{axis}}, []operand{{shape: x}}}
	case LayerNorm:
		return instance{k, &NormAttrs{axis, 1e-5}, []operand{{shape: x}, {shape: shapeOf(t, 1, x[rank-1], one)}}}
	}
	return instance{Add, nil, []operand{{shape: x}, {shape: x}}}
})

// TestInferSound holds that inference over symbols says of every binding of them what inference over the numbers does, unless
// a recorded fact does not hold for the binding.
func TestInferSound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in, env := instances.Draw(t, "op"), sizes(false).Draw(t, "env")
		number := func(e *tree) Dim { return Size(e.eval(env).Int64()) }
		_, concrete, concreteErr := in.build(number)
		region, symbolic, err := in.build((*tree).dim)
		var e *Error
		if errors.As(err, &e) && e.Kind == UnknownValue {
			return
		}
		if in.emptyRest(env) {
			return
		}
		if err != nil {
			if concreteErr == nil && !mayStretch(in, env) {
				t.Fatalf("%s is refused for symbols: %v; the numbers of %v give %v", in.kind, err, env, concrete)
			}
			return
		}
		for _, f := range region.Facts.List {
			if holds, known := f.Holds(env); known && !holds {
				return
			}
		}
		if concreteErr != nil {
			t.Fatalf("%s infers %v under %v, but at %v: %v", in.kind, symbolic, region.Facts.List, env, concreteErr)
		}
		for i, r := range concrete {
			for k, d := range r.Type.Shape {
				want, static := d.Value()
				got, known := symbolic[i].Type.Shape[k].Eval(env)
				if static && known && got != want {
					t.Fatalf("%s: result %d is %s, at %v %s", in.kind, i, symbolic[i].Type, env, r.Type)
				}
			}
		}
	})
}

// emptyRest reports whether in is a reshape to -1 beside a size that is 0 at env: any size would do, and ONNX says nothing.
func (in instance) emptyRest(env map[Dim]int64) bool {
	rest, infer := false, false
	if in.kind == Reshape {
		for _, e := range in.args[1].ints {
			v := e.eval(env)
			rest, infer = rest || v.Sign() == 0, infer || v.Sign() < 0
		}
	}
	return rest && infer
}

// mayStretch reports whether a symbolic size is 1 at env: there a shape may broadcast that is refused for the symbol.
func mayStretch(in instance, env map[Dim]int64) bool {
	for _, a := range in.args {
		for _, e := range append(a.shape, a.ints...) {
			if e.op != "n" && e.eval(env).IsInt64() && e.eval(env).Int64() == 1 {
				return true
			}
		}
	}
	return false
}
