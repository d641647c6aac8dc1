package conformance

import (
	"slices"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/emilyc/emily/passes"
)

// TestWithoutPadding: steps of a decoder that makes its mask and positions itself give what those with a mask of ones and
// positions that count on give in the interpreter as imported.
func TestWithoutPadding(t *testing.T) {
	unfused, err := passes.Pipeline("shapes,simplify,fold,cse,dce")
	if err != nil {
		t.Fatal(err)
	}
	tokens := []int{5, 1, 3, 1, 9, 1}
	for _, name := range decoders {
		steps := explicitSteps(t, name, tokens, withoutPadding(tokens)...)
		for i := range steps {
			steps[i].in = map[string]ir.Datum{"input_ids": steps[i].in["input_ids"]}
		}
		for _, c := range []struct {
			name string
			tol  Tolerances
			opts []emily.CompileOption
		}{
			{"interp", Lanes, []emily.CompileOption{emily.WithBackend(emily.Interpreter)}},
			{"interp unfused", Lanes, []emily.CompileOption{emily.WithBackend(emily.Interpreter), emily.WithPipeline(unfused...)}},
			{"mlx", Lanes, []emily.CompileOption{emily.WithBackend(emily.MLX)}},
			{"mlx bf16", Tolerances{ir.F32: Lanes[ir.BF16]}, []emily.CompileOption{emily.WithBackend(emily.MLX), emily.WithPrecision(ir.BF16)}},
		} {
			t.Run(name+"/"+c.name, func(t *testing.T) {
				if _, _, err := runtime.Version(); err != nil && c.name[0] == 'm' {
					t.Skip("MLX is not set up: ", err)
				}
				compareSteps(t, loadDecoder(t, name, emily.WithoutPadding()), steps, c.tol, 0, c.opts...)
			})
		}
	}
}

// withoutPadding are the masks and positions of steps of that many tokens.
func withoutPadding(tokens []int) (list []map[string]ir.Datum) {
	var mask []int64
	for _, n := range tokens {
		positions := make([]int64, n)
		for i := range positions {
			positions[i] = int64(len(mask))
			mask = append(mask, 1)
		}
		list = append(list, map[string]ir.Datum{
			"attention_mask": ir.TensorFrom(slices.Clone(mask), 1, len(mask)), "position_ids": ir.TensorFrom(positions, 1, n),
		})
	}
	return list
}

// TestUnpaddedPlan: attention is causal without a mask, and rope takes one offset, in its own shape.
func TestUnpaddedPlan(t *testing.T) {
	for _, name := range decoders {
		m, err := loadDecoder(t, name, emily.WithoutPadding()).Module()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := passes.Run(m, passes.Default, passes.Options{Eval: interp.EvalOp}); err != nil {
			t.Fatal(err)
		}
		if in := m.Main().Inputs(); slices.ContainsFunc(in, func(v *ir.Value) bool { return v.Name == "attention_mask" || v.Name == "position_ids" }) {
			t.Errorf("%s: the inputs are %v", name, in)
		}
		attentions, ropes := 0, 0
		m.Main().Body.Walk(func(op *ir.Op) {
			switch op.Kind {
			case ir.Attention:
				if attentions++; op.Arg(3) != nil || !op.Attrs.(*ir.AttentionAttrs).Causal {
					t.Errorf("%s: %s has a mask", name, op.Location())
				}
			case ir.Rope:
				if ropes++; op.Args[1].Rank() != 0 {
					t.Errorf("%s: %s has an offset of %s", name, op.Location(), op.Args[1].Type)
				}
			}
		})
		if attentions == 0 || ropes == 0 {
			t.Errorf("%s: %d attentions, %d ropes", name, attentions, ropes)
		}
		if _, err := mlx.LowerSession(m, mlx.Options{Fallback: mlx.FallbackError}); err != nil {
			t.Error(err)
		}
	}
}
