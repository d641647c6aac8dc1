package interp

import (
	"context"
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/emilyc/emily/ir"
)

// f32, i64 and the like make tensors; without a shape they are 1-D.
func tensorOf[E ir.Element](shape []int, v ...E) *ir.Tensor {
	if shape == nil {
		shape = []int{len(v)}
	}
	return ir.TensorFrom(v, shape...)
}

func f32(shape []int, v ...float32) *ir.Tensor { return tensorOf(shape, v...) }
func i64(shape []int, v ...int64) *ir.Tensor   { return tensorOf(shape, v...) }
func i32(shape []int, v ...int32) *ir.Tensor   { return tensorOf(shape, v...) }

func strs(shape []int, v ...string) *ir.Tensor {
	if shape == nil {
		shape = []int{len(v)}
	}
	return &ir.Tensor{DType: ir.String, Shape: shape, Strings: v}
}

// build makes a function of one op whose operands are parameters of the given types.
func build(k ir.Kind, a ir.Attrs, types ...ir.Type) (*ir.Func, error) {
	m := ir.NewModule("test.eir")
	f := m.NewFunc("main")
	args := make([]*ir.Value, len(types))
	for i, t := range types {
		if t.Kind != ir.NoType {
			args[i] = f.Body.AddParam(string(rune('a'+i)), t)
		}
	}
	b := ir.NewBuilder(f.Body)
	b.Loc = m.AddLoc(ir.Loc{File: "test.onnx", Node: "node", OpType: "Op", Opset: 21})
	results := b.Ops(k, a, nil, args...)
	b.Yield(results...)
	return f, b.Err()
}

// eval runs one op on tensors, nil for an absent operand.
func eval(k ir.Kind, a ir.Attrs, args ...*ir.Tensor) ([]ir.Datum, error) {
	types := make([]ir.Type, len(args))
	var inputs []ir.Datum
	for i, t := range args {
		if t != nil {
			types[i] = t.Type()
			inputs = append(inputs, t)
		}
	}
	f, err := build(k, a, types...)
	if err != nil {
		return nil, err
	}
	return Run(context.Background(), f, inputs)
}

func mustEval(t *testing.T, k ir.Kind, a ir.Attrs, args ...*ir.Tensor) *ir.Tensor {
	t.Helper()
	out, err := eval(k, a, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out[0].(*ir.Tensor)
}

// content is a tensor in a form that diffs well.
type content struct {
	DType  ir.DType
	Shape  []int
	Values any
}

func contentOf(t *ir.Tensor) content {
	c := content{DType: t.DType, Shape: t.Shape}
	switch {
	case t.DType == ir.String:
		c.Values = t.Strings
	case t.DType.IsFloat():
		c.Values = floats(t)
	case t.DType == ir.C64:
		c.Values = ir.View[complex64](t)
	case t.DType == ir.C128:
		c.Values = ir.View[complex128](t)
	default:
		c.Values = ints(t)
	}
	return c
}

// diff compares tensors; floats agree to tol, relative where they are above 1.
func diff(want, got *ir.Tensor, tol float64) string {
	return cmp.Diff(contentOf(want), contentOf(got), cmpopts.EquateEmpty(),
		cmp.Comparer(func(a, b float64) bool {
			return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= tol*max(1, math.Abs(a), math.Abs(b))
		}))
}
