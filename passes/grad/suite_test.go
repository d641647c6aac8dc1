package grad_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/grad"
)

// kinks are the official cases whose data lie where there is no derivative, or no difference. One that passes fails the test.
var kinks = reasons(map[string][]string{
	"at 1, where the derivative is infinite": {"test_acosh_example"},
	"0/0 in what is not selected, at step 0": {"test_adam", "test_adam_multiple"},
	"at thresholds":                          {"test_ai_onnx_ml_tree_ensemble_single_tree"},
	"an output of -inf": {
		"test_attention_4d_with_past_and_present_qk_matmul_bias_3d_mask_causal",
		"test_attention_4d_with_past_and_present_qk_matmul_bias_3d_mask_causal_expanded",
		"test_attention_4d_with_past_and_present_qk_matmul_bias_4d_mask_causal",
		"test_attention_4d_with_past_and_present_qk_matmul_bias_4d_mask_causal_expanded",
	},
	"at grid points": {
		"test_basic_deform_conv_with_padding", "test_basic_deform_conv_without_padding", "test_deform_conv_with_mask_bias",
		"test_deform_conv_with_multiple_offset_groups", "test_gridsample_aligncorners_true", "test_gridsample_bilinear",
		"test_gridsample_bilinear_align_corners_0_additional_1", "test_gridsample_bilinear_align_corners_1_additional_1", "test_gridsample_nearest",
		"test_gridsample_nearest_align_corners_0_additional_1", "test_gridsample_nearest_align_corners_1_additional_1", "test_gridsample_reflection_padding",
		"test_gridsample_volumetric_bilinear_align_corners_0", "test_gridsample_volumetric_bilinear_align_corners_1",
		"test_gridsample_volumetric_nearest_align_corners_0", "test_gridsample_volumetric_nearest_align_corners_1",
	},
	"steps": {
		"test_bernoulli_seed", "test_bernoulli_seed_expanded", "test_floor_example", "test_hardmax_one_hot", "test_round", "test_sign",
	},
	"NaN and infinity": {
		"test_cast_DOUBLE_to_FLOAT", "test_cast_FLOAT_to_DOUBLE", "test_castlike_BFLOAT16_to_FLOAT", "test_castlike_BFLOAT16_to_FLOAT_expanded",
		"test_castlike_DOUBLE_to_FLOAT", "test_castlike_DOUBLE_to_FLOAT_expanded", "test_castlike_FLOAT16_to_DOUBLE",
		"test_castlike_FLOAT16_to_DOUBLE_expanded", "test_castlike_FLOAT16_to_FLOAT", "test_castlike_FLOAT16_to_FLOAT_expanded",
		"test_castlike_FLOAT8E4M3FNUZ_to_FLOAT", "test_castlike_FLOAT8E4M3FNUZ_to_FLOAT_expanded", "test_castlike_FLOAT8E4M3FN_to_FLOAT",
		"test_castlike_FLOAT8E4M3FN_to_FLOAT_expanded", "test_castlike_FLOAT8E5M2FNUZ_to_FLOAT", "test_castlike_FLOAT8E5M2FNUZ_to_FLOAT_expanded",
		"test_castlike_FLOAT8E5M2_to_FLOAT", "test_castlike_FLOAT8E5M2_to_FLOAT_expanded", "test_castlike_FLOAT_to_DOUBLE",
		"test_castlike_FLOAT_to_DOUBLE_expanded",
	},
	"at 0": {
		"test_elu_example", "test_elu_example_expanded_ver18", "test_leakyrelu_example", "test_leakyrelu_example_expanded", "test_selu_example",
		"test_selu_example_expanded_ver18",
	},
	"a norm of 0": {"test_l2normalization_axis_0"},
	"a carried value whose size has a name of its own": {"test_loop11"},
	"ties": {
		"test_maxpool_3d_dilations", "test_maxpool_3d_dilations_use_ref_impl", "test_reduce_min_default_axes_keepdims_example",
	},
	"the depth is a float": {"test_onehot_negative_indices", "test_onehot_with_axis", "test_onehot_with_negative_axis"},
	"a negative base":      {"test_pow"},
	"the number of elements changes": {
		"test_range_float_type_positive_delta", "test_range_float_type_positive_delta_expanded", "test_unique_not_sorted_without_axis",
		"test_unique_sorted_with_axis", "test_unique_sorted_with_axis_3d", "test_unique_sorted_with_negative_axis", "test_unique_sorted_without_axis",
	},
	"the logarithm of 0": {
		"test_reduce_log_sum_empty_set", "test_reduce_log_sum_empty_set_expanded", "test_reduce_log_sum_exp_empty_set",
		"test_reduce_log_sum_exp_empty_set_expanded",
	},
	"infinite":                {"test_reduce_max_empty_set", "test_reduce_min_empty_set"},
	"at the edges of regions": {"test_roialign_aligned_false", "test_roialign_mode_max"},
	"at the threshold":        {"test_thresholdedrelu_example", "test_thresholdedrelu_example_expanded_ver18"},
})

// reasons turns lists of names round.
func reasons(lists map[string][]string) map[string]string {
	out := map[string]string{}
	for why, names := range lists {
		for _, name := range names {
			out[name] = why
		}
	}
	return out
}

// TestSuite: of every official case of one operator that takes and gives floats, widened to f64, the gradient along a random direction is the
// difference along it. It covers what the importer composes: recurrent networks, Einsum, Resize and the rest.
func TestSuite(t *testing.T) {
	suite, _ := conformance.FindSuite("onnx")
	cases, err := suite.Fetch(context.Background(), io.Discard)
	if err != nil {
		t.Skipf("the official cases are not at hand: %v", err)
	}
	passed := 0
	for _, c := range cases {
		name, isNode := strings.CutPrefix(c.Name, "node/")
		if !isNode {
			continue
		}
		t.Run(name, func(t *testing.T) {
			n, err := officialGradients(t, c)
			switch why, kinked := kinks[name]; {
			case !kinked && err != nil:
				t.Error(err)
			case kinked && err == nil:
				t.Errorf("exempted (%s), but its gradients are those of differences: take it from the list", why)
			case !kinked:
				passed += n
			}
		})
	}
	const least = 1440
	if all := !strings.Contains(flag.Lookup("test.run").Value.String(), "/"); all && passed < least {
		t.Errorf("%d outputs have gradients that were checked, want %d", passed, least)
	}
}

// officialGradients is how many outputs of a case have gradients that are those of differences.
func officialGradients(t *testing.T, c conformance.Case) (int, error) {
	t.Helper()
	rng = rand.New(rand.NewPCG(1, 2)) // the same directions whichever cases run
	m, in := officialCase(t, c)
	y, err := run(m, in)
	if err != nil {
		return 0, err
	}
	passed := 0
	for k := range y {
		if y[k] == nil || y[k].DType != ir.F64 || y[k].Len() >= 1<<14 {
			continue
		}
		has, err := alongDirection(t, m, in, y[k], k)
		if err != nil {
			return 0, err
		}
		if has {
			passed++
		}
	}
	return passed, nil
}

// officialCase is a case's program and inputs, floats in f64. It skips what has inputs that are no tensors.
func officialCase(t *testing.T, c conformance.Case) (*ir.Module, []*ir.Tensor) {
	t.Helper()
	model, err := emily.Load(c.Model)
	if err != nil {
		t.Skip(err)
	}
	t.Cleanup(func() { _ = model.Close() })
	given := map[string]ir.Datum{}
	for i, p := range model.Inputs() {
		path := filepath.Join(filepath.Dir(c.Model), "test_data_set_0", fmt.Sprintf("input_%d.pb", i))
		if given[p.Name], err = conformance.ReadDatum(path, p.Type); err != nil {
			t.Skip(err)
		}
	}
	m, _, err := model.Specialise(given)
	if err != nil {
		t.Skip(err)
	}
	if m, err = widened(m); err != nil {
		t.Skipf("no program in f64: %v", err)
	}
	var in []*ir.Tensor
	for _, p := range m.Main().Inputs() {
		v, ok := given[p.Name].(*ir.Tensor)
		if !ok {
			t.Skip("an input that is no tensor")
		}
		if v.DType == ir.F32 {
			v = asF64(v)
		}
		in = append(in, v)
	}
	return m, in
}

func asF64(v *ir.Tensor) *ir.Tensor {
	out := ir.NewTensor(ir.F64, v.Shape...)
	for i, x := range ir.View[float32](v) {
		floats(out)[i] = float64(x)
	}
	return out
}

// widened is m with f64 for f32.
func widened(m *ir.Module) (*ir.Module, error) {
	var failed error
	m.Main().Body.Walk(func(op *ir.Op) {
		a, ok := op.Attrs.(*ir.ConstAttrs)
		if !ok || a.Type.DType != ir.F32 {
			return
		}
		v, err := a.Tensor()
		if err != nil {
			failed = err
			return
		}
		wide := asF64(v)
		op.Attrs = &ir.ConstAttrs{Type: wide.Type(), Inline: wide.Data}
		op.Result().Type.DType = ir.F64
	})
	if failed != nil {
		return nil, failed
	}
	text := strings.ReplaceAll(m.String(), "f32", "f64")
	return ir.Parse(text, ir.ParseOptions{Blob: func(name, _ string, _ int64) (*ir.Blob, error) { return m.Blob(name), nil }})
}

// alongDirection compares the gradient of result k with the difference along a random direction. It is false where m has no float inputs.
func alongDirection(t *testing.T, m *ir.Module, in []*ir.Tensor, y *ir.Tensor, k int) (bool, error) {
	t.Helper()
	var wrt []string
	move := make([]*ir.Tensor, len(in))
	for i, p := range m.Main().Inputs() {
		if p.DType() == ir.F64 {
			wrt = append(wrt, p.Name)
			move[i] = normal(in[i].Shape...)
		}
	}
	if wrt == nil {
		return false, nil
	}
	g, err := grad.Build(m, grad.Options{Loss: m.Main().Outputs[k], Wrt: wrt, Cotangent: "d loss"})
	if err != nil {
		return false, err
	}
	sound(t, g)
	seed := normal(y.Shape...)
	grads, err := run(g, append(append([]*ir.Tensor{}, in...), seed))
	if err != nil {
		return false, err
	}
	got, scale := 0.0, 1e-3
	for i, n := 0, 0; i < len(in); i++ {
		if move[i] == nil {
			continue
		}
		for e, v := range floats(move[i]) {
			got += v * floats(grads[n])[e]
			scale = max(scale, math.Abs(v*floats(grads[n])[e]))
		}
		n++
	}
	var tried []float64
	for _, h := range []float64{1e-3, 1e-4, 1e-5, 1e-6} { // a large step may reach a kink, a small one has rounding errors
		want, err := extrapolated(h, func(h float64) (float64, error) { return moved(m, in, move, h, seed, k) })
		if err != nil {
			return false, err
		}
		if math.Abs(got-want) <= 1e-5*max(scale, math.Abs(got)) {
			return true, nil
		}
		tried = append(tried, want)
	}
	return false, fmt.Errorf("result %d changes by %v, differences give %v", k, got, tried)
}

// extrapolated is the central difference of f, with one step of Richardson's extrapolation: of order h⁴.
func extrapolated(h float64, f func(h float64) (float64, error)) (float64, error) {
	var at [4]float64
	for i, h := range []float64{h, -h, h / 2, -h / 2} {
		var err error
		if at[i], err = f(h); err != nil {
			return 0, err
		}
	}
	return (4*(at[2]-at[3])/h - (at[0]-at[1])/(2*h)) / 3, nil
}

// moved is seed·y at in + h·move.
func moved(m *ir.Module, in, move []*ir.Tensor, h float64, seed *ir.Tensor, k int) (float64, error) {
	args := append([]*ir.Tensor{}, in...)
	for i, v := range move {
		if v == nil {
			continue
		}
		args[i] = ir.NewTensor(ir.F64, v.Shape...)
		for e, x := range floats(in[i]) {
			floats(args[i])[e] = x + h*floats(v)[e]
		}
	}
	y, err := run(m, args)
	if err != nil {
		return 0, err
	}
	if y[k].Len() != seed.Len() {
		return 0, fmt.Errorf("result %d has %d elements, then %d", k, seed.Len(), y[k].Len())
	}
	sum := 0.0
	for e, v := range floats(y[k]) {
		sum += v * floats(seed)[e]
	}
	return sum, nil
}
