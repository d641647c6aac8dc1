package conformance

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/emilyc/emily/frontends/onnx/export"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
)

// opLanes run the op cases; those on MLX only where it is set up.
var opLanes = []struct {
	name string
	tol  Tolerances
}{
	{"interp", rounded}, {"interp-opt", rounded}, {"roundtrip", rounded}, {"onnx", Lanes},
	{"mlx", Lanes}, {"mlx-noopt", Lanes}, {"mlx-compiled", Lanes},
}

// rounded allows the last bit: results are computed in float64 on both sides, and rounded once.
var rounded = Tolerances{
	ir.F64: {1e-12, 1e-15}, ir.F32: {1.2e-7, 1e-37}, ir.F16: {1e-3, 1e-7}, ir.BF16: {8e-3, 1e-37},
}

// TestOps runs testdata/ops/<op>.txtar in every lane: for each function its cases, whose results NumPy or onnxruntime gave.
func TestOps(t *testing.T) {
	for k := ir.NoKind + 1; k < ir.NumKinds; k++ {
		t.Run(k.String(), func(t *testing.T) {
			funcs, err := readOps(filepath.Join("testdata", "ops", k.String()+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			cases, uses := 0, false
			for _, f := range funcs {
				cases += len(f.cases)
				f.module.Main().Body.Walk(func(op *ir.Op) { uses = uses || op.Kind == k })
			}
			if cases < 2 || !uses {
				t.Errorf("%d cases, op in use %v", cases, uses)
			}
			for _, l := range opLanes {
				t.Run(l.name, func(t *testing.T) {
					if why := notInONNX(k); l.name == "onnx" && why != "" {
						t.Skip(why)
					}
					runOps(t, l.name, funcs, l.tol)
				})
			}
		})
	}
}

// notInONNX says why the functions of k cannot be exported.
func notInONNX(k ir.Kind) string {
	switch k {
	case ir.ZipMaps, ir.MapLookup, ir.MapValues:
		return "ONNX's maps have constant keys"
	}
	return export.Exempt[k]
}

func runOps(t *testing.T, lane string, funcs []opFunc, tol Tolerances) {
	if strings.HasPrefix(lane, "mlx") {
		if _, _, err := runtime.Version(); err != nil {
			t.Skip("MLX is not set up: ", err)
		}
	}
	lanes, err := SelectLanes(lane)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	for _, f := range funcs {
		runner, err := lanes[0].Compile(ctx, f.module.Clone(), LaneOptions{Fallback: fallback(f.module)})
		if err != nil {
			t.Errorf("%v\n%s", err, f.module)
			continue
		}
		for _, c := range f.cases {
			out, err := runner.RunOrdered(ctx, c.in)
			if err != nil {
				t.Errorf("%s: %v\n%s", c.name, err, f.module)
				continue
			}
			if d := Compare(f.module.Main().Outputs, out, c.out, tol); d != nil {
				t.Errorf("%s: %v\n%s", c.name, d, f.module)
			}
		}
		if err := runner.Close(); err != nil {
			t.Error(err)
		}
	}
}

// fallback holds that MLX runs all of m but strings, the kinds that have no rule, and the loops and branches round these.
func fallback(m *ir.Module) mlx.Fallback {
	policy := mlx.FallbackError
	m.Main().Body.Walk(func(op *ir.Op) {
		text := slices.ContainsFunc(op.Results, func(v *ir.Value) bool { return v.Type.IsTensor() && v.DType() == ir.String })
		if op.Kind != ir.Yield && (text || mlx.Exempt[op.Kind] != "") {
			policy = mlx.FallbackSilent
		}
	})
	return policy
}

// opFunc is a function of an op file with its cases.
type opFunc struct {
	module *ir.Module
	cases  []opCase
}

type opCase struct {
	name    string
	in, out []ir.Datum
}

// readOps reads an op file: each f.eir is followed by case_N/inI and case_N/outI, in order.
func readOps(path string) ([]opFunc, error) {
	a, err := txtar.ParseFile(path)
	if err != nil {
		return nil, err
	}
	var funcs []opFunc
	for _, file := range a.Files {
		if file.Name == "f.eir" {
			m, err := ir.Parse(string(file.Data), ir.ParseOptions{})
			if err != nil {
				return nil, fmt.Errorf("%s: %w\n%s", path, err, file.Data)
			}
			funcs = append(funcs, opFunc{module: m})
			continue
		}
		name, role, ok := strings.Cut(file.Name, "/")
		x, err := parseTensor(strings.TrimSpace(string(file.Data)))
		if !ok || err != nil || len(funcs) == 0 {
			return nil, fmt.Errorf("%s: %s: %v", path, file.Name, err)
		}
		f := &funcs[len(funcs)-1]
		if n := len(f.cases); n == 0 || f.cases[n-1].name != name {
			f.cases = append(f.cases, opCase{name: name})
		}
		c := &f.cases[len(f.cases)-1]
		if strings.HasPrefix(role, "in") {
			c.in = append(c.in, x)
		} else {
			c.out = append(c.out, x)
		}
	}
	return funcs, nil
}

// parseTensor reads `f32[2,2] 1 2.5 nan -inf`. Bools are 0 and 1.
func parseTensor(s string) (*ir.Tensor, error) {
	head, elements, ok := strings.Cut(s, "]")
	name, sizes, ok2 := strings.Cut(head, "[")
	d, err := ir.ParseDType(name)
	if !ok || !ok2 || err != nil {
		return nil, fmt.Errorf("no tensor: %q", s)
	}
	shape := []int{}
	for _, f := range strings.FieldsFunc(sizes, func(r rune) bool { return r == ',' || r == ' ' }) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil, err
		}
		shape = append(shape, n)
	}
	n, err := ir.NumElements(shape)
	values := strings.Fields(elements)
	if err != nil || n != len(values) {
		return nil, fmt.Errorf("%d elements for %s, %v", len(values), head+"]", err)
	}
	x := ir.NewTensor(d, shape...)
	for i, v := range values {
		if err := setElement(x, i, v); err != nil {
			return nil, err
		}
	}
	return x, nil
}

func setElement(x *ir.Tensor, i int, text string) error {
	bits, err := elementBits(x.DType, text)
	n := x.DType.Size()
	for k := range n {
		x.Data[i*n+k] = byte(bits >> (8 * k))
	}
	return err
}

// elementBits is the element as x's Data holds it.
func elementBits(d ir.DType, text string) (uint64, error) {
	switch {
	case d.Category() == ir.Unsigned || d == ir.Bool:
		return strconv.ParseUint(text, 10, 64)
	case d.IsInt():
		v, err := strconv.ParseInt(text, 10, 64)
		return uint64(v), err
	case d == ir.F32:
		v, err := strconv.ParseFloat(text, 32)
		return uint64(math.Float32bits(float32(v))), err
	}
	v, err := strconv.ParseFloat(text, 64)
	if d == ir.F64 {
		return math.Float64bits(v), err
	}
	return uint64(ir.EncodeFloat(d, v, false)), err
}
