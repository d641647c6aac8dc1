package passes_test

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes"
	"github.com/emilyc/emily/passes/rewrite"
)

// wrong makes a relu of an exp.
var wrong = rewrite.Rule{Name: "wrong", Kinds: []ir.Kind{ir.Exp}, Rewrite: func(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	if d := op.Args[0].Def; d == nil || d.Kind != ir.Tanh {
		return nil
	}
	return rewrite.One(rw.Op(ir.Relu, nil, op.Args[0]))
}}

func TestBisect(t *testing.T) {
	text := `module "t.onnx"
func @main(%x: f32[3]) -> (y: f32[3]) {
  %0 = neg %x : f32[3]
  %1 = neg %0 : f32[3]
  %2 = exp %1 : f32[3] loc("right", "Exp", 13)
  %3 = tanh %2 : f32[3]
  %4 = abs %3 : f32[3]
  %5 = abs %4 : f32[3]
  %6 = tanh %5 : f32[3]
  %7 = exp %6 : f32[3] loc("culprit", "Exp", 13)
  %8 = neg %7 : f32[3]
  %9 = neg %8 : f32[3]
  yield %9
}
`
	bad := passes.Pass{Name: "bad", Run: func(m *ir.Module, c *rewrite.Context) error {
		return rewrite.Apply(m, c, []rewrite.Rule{wrong})
	}}
	m := parse(t, text)
	pipeline, err := passes.Pipeline("simplify,dce")
	if err != nil {
		t.Fatal(err)
	}
	x := []ir.Datum{ir.TensorFrom([]float32{-1, 0, 2})}
	want, err := interp.Run(context.Background(), m.Main(), x)
	if err != nil {
		t.Fatal(err)
	}
	differs := func(m *ir.Module) (bool, error) {
		got, err := interp.Run(context.Background(), m.Main(), x)
		return !cmp.Equal(want, got), err
	}
	step, found, err := passes.Bisect(m, append([]passes.Pass{pipeline[0], bad}, pipeline...), passes.Options{Verify: true}, differs)
	if err != nil || !found || step.Rule != "wrong" || step.Loc.Node != "culprit" {
		t.Errorf("%v, found %v: %s", err, found, step)
	}
	const say = `step 4: bad/wrong rewrites exp(f32[3]) : f32[3] of t.onnx: node "culprit" (Exp, opset 13)`
	if diff := cmp.Diff(say, step.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, found, err := passes.Bisect(m, pipeline, passes.Options{}, differs); err != nil || found {
		t.Errorf("a right pipeline: found %v, %v", found, err)
	}
	if diff := cmp.Diff(text, m.String()); diff != "" {
		t.Errorf("bisection changed its module (-want +got):\n%s", diff)
	}
}

// TestBisectInexact: among rewrites that may round, one that is wrong is found by comparing with a tolerance. Here a
// rule makes a silu of the gelu that follows another.
func TestBisectInexact(t *testing.T) {
	text := `module "t.onnx"
func @main(%x: f32[3]) -> (y: f32[3]) {
  %0 = const [1.4142135] : f32[]
  %1 = const [1.0] : f32[]
  %2 = const [0.5] : f32[]
  %3 = div %x, %0 : f32[3]
  %4 = erf %3 : f32[3]
  %5 = add %4, %1 : f32[3]
  %6 = mul %x, %5 : f32[3]
  %7 = mul %6, %2 : f32[3] loc("right", "Mul", 17)
  %8 = div %7, %0 : f32[3]
  %9 = erf %8 : f32[3]
  %10 = add %9, %1 : f32[3]
  %11 = mul %7, %10 : f32[3]
  %12 = mul %11, %2 : f32[3] loc("culprit", "Mul", 17)
  yield %12
}
`
	wrong := rewrite.Rule{Name: "wrong", Kinds: []ir.Kind{ir.Gelu}, Rewrite: func(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
		if op.Args[0].Def == nil {
			return nil
		}
		return rewrite.One(rw.Op(ir.Silu, nil, op.Args[0]))
	}}
	pipeline := append(slices.Clone(passes.Default), passes.Pass{Name: "bad", Run: func(m *ir.Module, c *rewrite.Context) error {
		return rewrite.Apply(m, c, []rewrite.Rule{wrong})
	}})
	m, x := parse(t, text), []ir.Datum{ir.TensorFrom([]float32{-1, 0, 2})}
	want, err := interp.Run(context.Background(), m.Main(), x)
	if err != nil {
		t.Fatal(err)
	}
	differs := func(m *ir.Module) (bool, error) {
		got, err := interp.Run(context.Background(), m.Main(), x)
		return err == nil && !cmp.Equal(want, got, cmp.Comparer(closeTensors)), err
	}
	step, found, err := passes.Bisect(m, pipeline, passes.Options{Eval: interp.EvalOp, Verify: true}, differs)
	if err != nil || !found || step.Rule != "wrong" || step.Loc.Node != "culprit" {
		t.Errorf("%v, found %v: %s", err, found, step)
	}
}

func closeTensors(a, b *ir.Tensor) bool {
	x, y := ir.View[float32](a), ir.View[float32](b)
	return slices.EqualFunc(x, y, func(v, w float32) bool { return math.Abs(float64(v-w)) <= 1e-6 })
}
