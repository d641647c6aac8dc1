package grad_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/grad"
)

// branchy uses the parameter w in its body, in a branch and in a loop in that branch; each has a constant of its own, as importers make them.
const branchy = `module "branchy"
func @main(%c: bool[], %x: f64[2]) -> (y: f64[2]) {
  %0 = const [0.5] : f64[] loc("epsilon", "", 0)
  %1 = const [2.0, 3.0] : f64[2] loc("w", "", 0)
  %2 = mul %x, %1 : f64[2]
  %3 = if %c, %2 : f64[2] region(%4: f64[2]) {
    %5 = const [2.0, 3.0] : f64[2] loc("w", "", 0)
    %6 = const [3] : i64[]
    %7 = loop %6, none, %4 {carried = 1} : f64[2] region(%8: i64[], %9: bool[], %10: f64[2]) {
      %11 = const [2.0, 3.0] : f64[2] loc("w", "", 0)
      %12 = mul %10, %11 : f64[2]
      %13 = sin %12 : f64[2]
      yield %9, %13
    }
    %14 = add %7, %5 : f64[2]
    yield %14
  } region(%15: f64[2]) {
    %16 = neg %15 : f64[2]
    yield %16
  }
  %17 = add %3, %0 : f64[2]
  yield %17
}
`

// TestParams: a parameter is one, wherever it is used; scalars are none, unless they are named.
func TestParams(t *testing.T) {
	m, err := ir.Parse(branchy, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"w"}, grad.Params(m)); diff != "" {
		t.Error(diff)
	}
	lifted := m.Clone()
	values, err := grad.Lift(lifted, []string{"w", "epsilon"})
	if err != nil {
		t.Fatal(err)
	}
	sound(t, lifted)
	if diff := cmp.Diff([]float64{2, 3}, floats(values[0])); diff != "" {
		t.Error(diff)
	}
	for _, yes := range []byte{0, 1} {
		in := []*ir.Tensor{{DType: ir.Bool, Shape: []int{}, Data: []byte{yes}}, f64s(0.3, -0.4)}
		check(t, lifted, append(in, values...), 0, 1)
		given, err := grad.Build(lifted, grad.Options{Wrt: []string{"w", "epsilon", "x"}, Reduce: grad.MeanSquare})
		if err != nil {
			t.Fatal(err)
		}
		inside, err := grad.Build(m, grad.Options{Wrt: []string{grad.AllParams, "epsilon", "x"}, Reduce: grad.MeanSquare})
		if err != nil {
			t.Fatal(err)
		}
		sound(t, inside)
		want, err := run(given, append(in, values...))
		if err != nil {
			t.Fatal(err)
		}
		got, err := run(inside, in)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-lifted +inside:\n%s", diff)
		}
	}
	if m.String() != branchy {
		t.Errorf("the module was changed:\n%s", m)
	}
}

// TestOutputs: what a gradient gives, and in which order.
func TestOutputs(t *testing.T) {
	m, err := ir.Parse(`module "outputs"
func @main(%x: f32[n]) -> (y: f32[n], x.grad: f32[n], loss: f32[]) {
  %0 = mul %x, %x : f32[n]
  %1 = reduce_sum %0 {axes = [0]} : f32[]
  yield %0, %x, %1
}
`, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    grad.Options
		want []string
	}{
		{grad.Options{Loss: "loss"}, []string{"x.grad"}},
		{grad.Options{Loss: "loss", Value: true}, []string{"loss", "x.grad"}},
		{grad.Options{Loss: "y", Reduce: grad.Mean, Value: true}, []string{"loss", "x.grad"}},
		{grad.Options{Loss: "loss", Value: true, Outputs: true}, []string{"y", "x.grad", "loss", "x.grad.2"}},
		{grad.Options{Loss: "y", Reduce: grad.Mean, Value: true, Outputs: true}, []string{"y", "x.grad", "loss", "y.mean", "x.grad.2"}},
	} {
		c.o.Wrt = []string{"x"}
		g, err := grad.Build(m, c.o)
		if err != nil {
			t.Fatal(err)
		}
		sound(t, g)
		if diff := cmp.Diff(c.want, g.Main().Outputs); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.o, diff)
		}
	}
}

// TestErrors: each names what is wrong and the way out.
func TestErrors(t *testing.T) {
	m, err := ir.Parse(`module "errors"
func @main(%x: f32[n], %i: i64[n], %l: seq<f32[?]>, %s: string[n]) -> (y: f32[n], j: i64[n], t: string[n]) {
  %0 = mul %x, %x : f32[n]
  %1 = add %i, %i : i64[n]
  yield %0, %1, %s
}
`, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    grad.Options
		want string
	}{
		{grad.Options{Wrt: []string{"x"}}, `which of the 3 outputs is the loss is not said; name one of the outputs with --loss: "y", "j", "t"`},
		{grad.Options{Loss: "j", Wrt: []string{"x"}}, `the loss "j" is i64[n], which has no gradient; name a float output: there are "y"`},
		{grad.Options{Loss: "t", Wrt: []string{"x"}}, `the loss "t" is string[n]`},
		{grad.Options{Loss: "y"}, "nothing to differentiate with respect to"},
		{grad.Options{Loss: "y", Wrt: []string{"params"}}, "nothing to differentiate with respect to"},
		{grad.Options{Loss: "y", Wrt: []string{"l"}}, `"l" is seq<f32[?]>, which has no gradient`},
		{grad.Options{Loss: "y", Wrt: []string{"s"}}, `"s" is string[n], which has no gradient`},
		{grad.Options{Loss: "y", Wrt: []string{"x", "x"}}, `"x" twice`},
		{grad.Options{Loss: "y", Wrt: []string{"x"}}, "gradients are those of a scalar; reduce it"},
		{grad.Options{Loss: "y", Wrt: []string{"x"}, Cotangent: "i"}, `there is an input "i" already`},
	} {
		_, err := grad.Build(m, c.o)
		var e *ir.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %s", c.o, err, c.want)
		}
	}
	grows, err := ir.Parse(`module "grows"
func @main(%x: f32[n]) -> (y: f32[u0]) {
  %0 = const [3] : i64[]
  %1 = loop %0, none, %x {carried = 1} : f32[u0] loc("/grow", "Loop", 17) region(%2: i64[], %3: bool[], %4: f32[m]) {
    %5 = concat %4, %4 {axis = 0} : f32[2*m]
    %6 = mul %5, %5 : f32[2*m]
    yield %3, %6
  }
  yield %1
}
`, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const want = `node "/grow" (Loop, opset 17): the gradient of a loop that carries f32[m], whose shape may change from one iteration to the next; give the value one shape`
	if _, err := grad.Build(grows, grad.Options{Wrt: []string{"x"}, Reduce: grad.Sum}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := grad.Build(ir.NewModule("empty"), grad.Options{}); err == nil {
		t.Error("the gradient of nothing")
	}
	if _, err := grad.Lift(m, []string{"w"}); err == nil || !strings.Contains(err.Error(), `no constant is called "w"`) {
		t.Error(err)
	}
}
