package grad_test

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/grad"
)

// kinks are official cases, by the beginning of their names, whose data lie where there is no derivative, or no difference.
var kinks = map[string]string{
	"test_acosh_example": "at 1, where the derivative is infinite", "test_pow": "a negative base",
	"test_adam": "0/0 in what is not selected, at step 0", "test_ai_onnx_ml_tree": "at thresholds",
	"test_attention_4d_with_past_and_present_qk_matmul_bias": "an output of -inf", "test_basic_deform_conv": "at grid points", "test_deform_conv": "at grid points",
	"test_bernoulli": "steps", "test_cast": "NaN and infinity", "test_elu": "at 0", "test_selu": "at 0", "test_leakyrelu": "at 0", "test_thresholdedrelu": "at the threshold",
	"test_floor": "steps", "test_round": "steps", "test_sign": "steps", "test_gridsample": "at grid points", "test_hardmax": "steps", "test_l2normalization_axis_0": "a norm of 0",
	"test_maxpool_3d_dilations": "ties", "test_onehot": "the depth is a float", "test_range_float": "the number of elements changes", "test_reduce_log_sum": "log 0",
	"test_reduce_max_empty_set": "infinite", "test_reduce_min_empty_set": "infinite", "test_reduce_min_default_axes_keepdims": "ties",
	"test_roialign": "at the regions' edges", "test_unique": "the number of elements changes",
	"test_loop11": "a carried value whose size has a name of its own", "test_bitcast": "no f64 of 32 bits", "test_tfidf": "f32 alone",
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
		if !isNode || kinked(name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			m, in := officialCase(t, c)
			y, err := run(m, in)
			if err != nil {
				t.Fatal(err)
			}
			for k := range y {
				if y[k] != nil && y[k].DType == ir.F64 && y[k].Len() < 1<<14 && alongDirection(t, m, in, y[k], k) {
					passed++
				}
			}
		})
	}
	const least = 1300
	if all := !strings.Contains(flag.Lookup("test.run").Value.String(), "/"); all && passed < least {
		t.Errorf("%d outputs have gradients that were checked, want %d", passed, least)
	}
}

func kinked(name string) bool {
	for prefix := range kinks {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
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
	m = widened(t, m)
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
func widened(t *testing.T, m *ir.Module) *ir.Module {
	t.Helper()
	m.Main().Body.Walk(func(op *ir.Op) {
		a, ok := op.Attrs.(*ir.ConstAttrs)
		if !ok || a.Type.DType != ir.F32 {
			return
		}
		v, err := a.Tensor()
		if err != nil {
			t.Fatal(err)
		}
		wide := asF64(v)
		op.Attrs = &ir.ConstAttrs{Type: wide.Type(), Inline: wide.Data}
		op.Result().Type.DType = ir.F64
	})
	text := strings.ReplaceAll(m.String(), "f32", "f64")
	wide, err := ir.Parse(text, ir.ParseOptions{Blob: func(name, _ string, _ int64) (*ir.Blob, error) { return m.Blob(name), nil }})
	if err != nil {
		t.Fatal(err)
	}
	return wide
}

// alongDirection compares the gradient of result k with the difference along a random direction. It is false where m has no float inputs.
func alongDirection(t *testing.T, m *ir.Module, in []*ir.Tensor, y *ir.Tensor, k int) bool {
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
		return false
	}
	g, err := grad.Build(m, grad.Options{Loss: m.Main().Outputs[k], Wrt: wrt, Cotangent: "d loss"})
	if err != nil {
		t.Fatal(err)
	}
	sound(t, g)
	seed := normal(y.Shape...)
	grads, err := run(g, append(append([]*ir.Tensor{}, in...), seed))
	if err != nil {
		t.Fatal(err)
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
		central := func(h float64) float64 {
			return (moved(t, m, in, move, h, seed, k) - moved(t, m, in, move, -h, seed, k)) / (2 * h)
		}
		want := (4*central(h/2) - central(h)) / 3
		if math.Abs(got-want) <= 1e-5*max(scale, math.Abs(got)) {
			return true
		}
		tried = append(tried, want)
	}
	t.Errorf("result %d changes by %v, differences give %v", k, got, tried)
	return false
}

// moved is seed·y at in + h·move.
func moved(t *testing.T, m *ir.Module, in, move []*ir.Tensor, h float64, seed *ir.Tensor, k int) float64 {
	t.Helper()
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
		t.Fatal(err)
	}
	sum := 0.0
	for e, v := range floats(y[k]) {
		sum += v * floats(seed)[e]
	}
	return sum
}
