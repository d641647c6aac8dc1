package grad_test

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes"
	"github.com/emilyc/emily/passes/grad"
)

// TestRulesComplete holds that every kind has a rule or a reason for having none.
func TestRulesComplete(t *testing.T) {
	for k := ir.NoKind + 1; k < ir.NumKinds; k++ {
		if (grad.Rules[k] != nil) == (grad.Exempt[k] != "") {
			t.Errorf("%s needs a rule, or a reason for having none", k)
		}
	}
}

// What a kind cannot have, and why.
const (
	alongAxis = "it works along an axis"
	twoAxes   = "of matrices"
	channels  = "batch and channels are axes"
)

var noRank0 = map[ir.Kind]string{
	ir.CumSum: alongAxis, ir.CumProd: alongAxis, ir.Concat: alongAxis, ir.Split: alongAxis, ir.Softmax: alongAxis, ir.LogSoftmax: alongAxis, ir.TopK: alongAxis,
	ir.GatherElements: alongAxis, ir.ScatterElements: alongAxis, ir.Trilu: twoAxes, ir.Rope: "positions and pairs are axes", ir.Attention: "of batches of heads",
	ir.Conv: channels, ir.MaxPool: channels, ir.AveragePool: channels, ir.BatchNorm: channels,
}

var noEmpty = map[ir.Kind]string{ir.Range: "a run alone knows its length: 0 in one of the cases"}

// TestCasesComplete holds that every rule is compared with differences, also where a float operand or result has rank 0, where one has no elements, and
// where operands of an elementwise kind broadcast.
func TestCasesComplete(t *testing.T) {
	var seen, rank0, empty, broadcast [ir.NumKinds]bool
	for _, family := range families {
		for _, c := range family() {
			m, _ := c.module(t, false)
			m.Main().Body.Walk(func(op *ir.Op) {
				seen[op.Kind] = true
				shapes := floatShapes(op)
				for _, s := range shapes {
					rank0[op.Kind] = rank0[op.Kind] || len(s) == 0
					empty[op.Kind] = empty[op.Kind] || slices.ContainsFunc(s, func(d ir.Dim) bool { return d.Is(0) })
					broadcast[op.Kind] = broadcast[op.Kind] || !slices.Equal(s, shapes[0])
				}
			})
		}
	}
	for k, rule := range grad.Rules {
		if kind := ir.Kind(k); rule != nil {
			demand(t, kind, "case", seen[k], "")
			demand(t, kind, "case of rank 0", rank0[k], noRank0[kind])
			demand(t, kind, "case without elements", empty[k], noEmpty[kind])
			if info := ir.Kinds[k]; kind.Is(ir.Elementwise) && info.MaxArgs > 1 {
				demand(t, kind, "case that broadcasts", broadcast[k], "")
			}
		}
	}
}

// demand is an error where there is no case and no reason, or both.
func demand(t *testing.T, k ir.Kind, what string, has bool, reason string) {
	t.Helper()
	if has == (reason != "") {
		t.Errorf("%s: %s: there is one: %t, the reason for none: %q", k, what, has, reason)
	}
}

// floatShapes are those of the f64 operands and results, or of their elements.
func floatShapes(op *ir.Op) []ir.Shape {
	var out []ir.Shape
	for _, v := range slices.Concat(op.Args, op.Results) {
		if v == nil {
			continue
		}
		typ := v.Type
		for typ.Elem != nil {
			typ = *typ.Elem
		}
		if typ.IsTensor() && typ.DType == ir.F64 {
			out = append(out, typ.Shape)
		}
	}
	return out
}

// TestDTypes: gradients have the dtypes of their values in halves too, and the verifier accepts them.
func TestDTypes(t *testing.T) {
	for _, d := range []ir.DType{ir.F32, ir.F16, ir.BF16} {
		for _, family := range families {
			for _, c := range family() {
				m, _ := c.module(t, !c.static)
				retype(m, d)
				if err := ir.Verify(m); err != nil {
					t.Fatalf("%v\n%s", err, m)
				}
				var wrt []string
				for _, p := range m.Main().Inputs() {
					if p.DType().IsFloat() {
						wrt = append(wrt, p.Name)
					}
				}
				for i, y := range m.Main().Results() {
					if !y.DType().IsFloat() {
						continue
					}
					g, err := grad.Build(m, grad.Options{Loss: m.Main().Outputs[i], Wrt: wrt, Cotangent: "d"})
					if err != nil {
						t.Fatalf("%s of %s: %v", c.name, d, err)
					}
					sound(t, g)
					for k, v := range g.Main().Results() {
						if v.DType() != d {
							t.Errorf("%s: the gradient of %s is %s", c.name, wrt[k], v.Type)
						}
					}
				}
			}
		}
	}
}

// retype makes d of every f64 in m.
func retype(m *ir.Module, d ir.DType) {
	var of func(t ir.Type) ir.Type
	of = func(t ir.Type) ir.Type {
		if t.Elem != nil {
			e := of(*t.Elem)
			t.Elem = &e
		}
		if t.DType == ir.F64 {
			t.DType = d
		}
		return t
	}
	params := func(r *ir.Region) {
		for _, p := range r.Params {
			p.Type = of(p.Type)
		}
	}
	params(m.Main().Body)
	m.Main().Body.Walk(func(op *ir.Op) {
		switch a := op.Attrs.(type) {
		case *ir.ConstAttrs:
			if v, err := a.Tensor(); err == nil && a.Type.DType == ir.F64 {
				narrow := &ir.ConstAttrs{Type: of(a.Type)}
				for _, x := range floats(v) {
					narrow.Inline = append(narrow.Inline, ir.FloatScalar(d, x).Data...)
				}
				op.Attrs = narrow
			}
		case *ir.CastAttrs:
			if a.To == ir.F64 {
				op.Attrs = &ir.CastAttrs{To: d}
			}
		case *ir.SequenceAttrs:
			op.Attrs = &ir.SequenceAttrs{Elem: of(a.Elem)}
		}
		for _, r := range op.Results {
			r.Type = of(r.Type)
		}
		for _, r := range op.Regions {
			params(r)
		}
	})
}

// TestStops: nothing passes stop_gradient, integers and steps; what is not reached has zeros, and costs one op.
func TestStops(t *testing.T) {
	m, err := ir.Parse(`module "stops"
func @main(%x: f32[n], %y: f32[n]) -> (z: f32[n]) {
  %0 = stop_gradient %x : f32[n]
  %1 = floor %x : f32[n]
  %2 = cast %x {to = i32} : i32[n]
  %3 = cast %2 {to = f32} : f32[n]
  %4 = mul %0, %y : f32[n]
  %5 = add %4, %1 : f32[n]
  %6 = add %5, %3 : f32[n]
  yield %6
}
`, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := grad.Build(m, grad.Options{Wrt: []string{"x", "y"}, Cotangent: "d"})
	if err != nil {
		t.Fatal(err)
	}
	want := `module "stops"
func @main(%x: f32[n], %y: f32[n], %d: f32[n]) -> (x.grad: f32[n], y.grad: f32[n]) {
  %0 = stop_gradient %x : f32[n]
  %1 = mul %d, %0 : f32[n]
  %2 = const [0.0] : f32[]
  %3 = dims {values = [n]} : i64[1]
  %4 = expand %2, %3 : f32[n]
  yield %4, %1
}
`
	if _, err := passes.Run(g, passes.Default, passes.Options{Eval: interp.EvalOp}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, g.String()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// TestDocExample: the program on the page is the gradient of its first ops.
func TestDocExample(t *testing.T) {
	page, err := os.ReadFile("../../docs/autodiff.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```eir\n")
	text, _, _ := strings.Cut(rest, "```")
	want, err := ir.Parse("module \"doc\"\n"+text, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	forward, _, _ := strings.Cut(text, "  %3")
	forward = strings.Replace(forward, ", w.grad: f32[3]", "", 1) + "  yield %2\n}\n"
	m, err := ir.Parse("module \"doc\"\n"+forward, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := grad.Build(m, grad.Options{Wrt: []string{"w"}, Value: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := passes.Run(got, passes.Default, passes.Options{Eval: interp.EvalOp}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), got.String()); diff != "" {
		t.Errorf("-page +got:\n%s", diff)
	}
}
