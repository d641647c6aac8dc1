package grad_test

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/passes/grad"
)

// golden is what PyTorch says of one gradient.
type golden struct {
	name     string
	elements int
	norm     float64
	samples  []float64 // evenly spaced
}

// TestZoo: the gradients of all parameters of the zoo's models are PyTorch's, within rtol 1e-3 and atol 1e-5 (of the product with a
// cotangent, which is larger, 1e-5 of the gradient's norm), in the interpreter and on MLX.
func TestZoo(t *testing.T) {
	for _, c := range readZoo(t) {
		for _, backend := range []emily.Backend{emily.Interpreter, emily.MLX} {
			t.Run(fmt.Sprintf("%s/%s/%s", c.model, c.loss, backend), func(t *testing.T) { c.check(t, backend) })
		}
	}
}

type zooCase struct {
	model, loss string
	params      []golden
}

const zoo = "../../conformance/testdata/zoo"

func (c zooCase) check(t *testing.T, backend emily.Backend) {
	model, err := emily.Load(filepath.Join(zoo, c.model, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	o := grad.Options{Loss: model.Outputs()[0].Name, Wrt: []string{grad.AllParams}, Reduce: grad.MeanSquare}
	args := map[string]ir.Datum{}
	for i, p := range model.Inputs() {
		if args[p.Name], err = conformance.ReadDatum(filepath.Join(zoo, c.model, "test_data_set_0", fmt.Sprintf("input_%d.pb", i)), p.Type); err != nil {
			t.Fatal(err)
		}
	}
	if c.loss == "cotangent" {
		o.Reduce, o.Cotangent = grad.None, "cotangent"
		args["cotangent"] = cosines(t, filepath.Join(zoo, c.model, "test_data_set_0", "output_0.pb"), model.Outputs()[0].Type)
	}
	g, err := emily.Grad(model, o)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	module, err := g.Module()
	if err != nil {
		t.Fatal(err)
	}
	roundTrip(t, module)
	exe, err := g.Compile(context.Background(), emily.WithBackend(backend), emily.WithFallback(mlx.FallbackError))
	skipWithoutMLX(t, err)
	defer exe.Close()
	out, err := exe.Run(context.Background(), args)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != len(c.params) {
		t.Errorf("%d gradients, want %d", len(out), len(c.params))
	}
	for _, p := range c.params {
		p.compare(t, out[p.name+".grad"], c.loss == "cotangent")
	}
}

func (p golden) compare(t *testing.T, d ir.Datum, scaled bool) {
	v, ok := d.(*ir.Tensor)
	if !ok || v.Len() != p.elements {
		t.Errorf("%s: %v, want %d elements", p.name, d, p.elements)
		return
	}
	x := ir.View[float32](v)
	norm := 0.0
	for _, e := range x {
		norm += float64(e) * float64(e)
	}
	norm = math.Sqrt(norm)
	atol := 1e-5
	if scaled {
		atol *= p.norm
	}
	far := func(got, want float64) bool { return !(math.Abs(got-want) <= atol+1e-3*math.Abs(want)) }
	if far(norm, p.norm) {
		t.Errorf("%s: the norm is %v, PyTorch's %v", p.name, norm, p.norm)
	}
	for i, want := range p.samples {
		at := i * (len(x) - 1) / max(len(p.samples)-1, 1)
		if far(float64(x[at]), want) {
			t.Errorf("%s[%d] is %v, PyTorch's %v", p.name, at, x[at], want)
		}
	}
}

// cosines is cos 0, cos 1, … in the shape of a stored tensor.
func cosines(t *testing.T, path string, typ ir.Type) *ir.Tensor {
	like, err := conformance.ReadDatum(path, typ)
	if err != nil {
		t.Fatal(err)
	}
	c := ir.NewTensor(ir.F32, like.(*ir.Tensor).Shape...)
	for i := range ir.View[float32](c) {
		ir.View[float32](c)[i] = float32(math.Cos(float64(i)))
	}
	return c
}

// roundTrip holds that m verifies, and prints as what its text is parsed as.
func roundTrip(t *testing.T, m *ir.Module) {
	t.Helper()
	if err := ir.Verify(m); err != nil {
		t.Fatal(err)
	}
	back, err := ir.Parse(m.String(), ir.ParseOptions{Blob: func(name, _ string, _ int64) (*ir.Blob, error) { return m.Blob(name), nil }})
	if err != nil {
		t.Fatal(err)
	}
	if back.String() != m.String() {
		t.Error("another text after parsing")
	}
}

func readZoo(t *testing.T) []zooCase {
	f, err := os.Open("testdata/zoo.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var cases []zooCase
	for s := bufio.NewScanner(f); s.Scan(); {
		w := strings.Fields(s.Text())
		switch {
		case w[0] == "#":
		case w[0] == "model":
			cases = append(cases, zooCase{model: w[1], loss: w[2]})
		default:
			g := golden{name: w[0]}
			g.elements, _ = strconv.Atoi(w[1])
			g.norm, _ = strconv.ParseFloat(w[2], 64)
			for _, v := range w[3:] {
				x, err := strconv.ParseFloat(v, 64)
				if err != nil {
					t.Fatal(err)
				}
				g.samples = append(g.samples, x)
			}
			last := &cases[len(cases)-1]
			last.params = append(last.params, g)
		}
	}
	return cases
}
