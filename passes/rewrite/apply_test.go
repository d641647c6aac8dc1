package rewrite_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// TestRefused: what the applier does not let through.
func TestRefused(t *testing.T) {
	const head = "module \"t\"\nfunc @main(%x: f32[n, 2], %z: f32[m, 2], %k: i64[1]) -> (y: f32[n, 2], z: f32[u0, 2]) {\n" +
		"  %0 = const [0] : i64[1]\n  %1 = slice %x, %0, %k {axes = [0], steps = [1]} : f32[u0, 2]\n  %2 = neg %x : f32[n, 2]\n  yield %2, %1\n}\n"
	param := func(i int) func(*rewrite.Rewriter, *ir.Op) []*ir.Value {
		return func(_ *rewrite.Rewriter, op *ir.Op) []*ir.Value { return rewrite.One(op.Region.Params[i]) }
	}
	for _, c := range []struct {
		name string
		kind ir.Kind
		f    func(*rewrite.Rewriter, *ir.Op) []*ir.Value
	}{
		{"another shape", ir.Neg, param(1)},
		{"another dtype", ir.Neg, param(2)},
		{"too many values", ir.Neg, func(_ *rewrite.Rewriter, op *ir.Op) []*ir.Value { return op.Region.Params[:2] }},
		{"itself", ir.Neg, func(_ *rewrite.Rewriter, op *ir.Op) []*ir.Value { return op.Results }},
		{"an op that is wrong", ir.Neg, func(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
			return rewrite.One(rw.Op(ir.Concat, &ir.AxisAttrs{Axis: 5}, op.Args[0]))
		}},
		{"a new fact", ir.Neg, func(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
			return rewrite.One(rw.Op(ir.Add, nil, op.Region.Params[0], op.Region.Params[1]))
		}},
		{"loses the name of a size", ir.Slice, param(0)},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := ir.Parse(head, ir.ParseOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var ctx rewrite.Context
			ctx.Begin("test")
			if err := rewrite.Apply(m, &ctx, []rewrite.Rule{{Name: "bad", Kinds: []ir.Kind{c.kind}, Rewrite: c.f}}); err != nil {
				t.Fatal(err)
			}
			if err := ir.Verify(m); err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(head, m.String()); diff != "" || ctx.Refused["bad"] != 1 || ctx.Steps() != 0 {
				t.Errorf("%d refused, %d steps (-want +got):\n%s", ctx.Refused["bad"], ctx.Steps(), diff)
			}
		})
	}
}

// TestUndoingRules: rules that undo each other end, after a bounded number of sweeps.
func TestUndoingRules(t *testing.T) {
	turn := func(from, to ir.Kind) rewrite.Rule {
		return rewrite.Rule{Name: from.String(), Kinds: []ir.Kind{from}, Rewrite: func(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
			return rewrite.One(rw.Op(to, nil, op.Args...))
		}}
	}
	m, err := ir.Parse("module \"t\"\nfunc @main(%x: f32[2]) -> (y: f32[2]) {\n  %0 = sin %x : f32[2]\n  yield %0\n}\n", ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var c rewrite.Context
	if err := rewrite.Apply(m, &c, []rewrite.Rule{turn(ir.Sin, ir.Cos), turn(ir.Cos, ir.Sin)}); err != nil {
		t.Fatal(err)
	}
	if n := len(m.Main().Body.Ops); n != 2 || c.Steps() > 1000 {
		t.Errorf("%d ops after %d steps", n, c.Steps())
	}
}
