package interp

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/emilyc/emily/ir"
)

// TestGolden runs the cases of testdata/*.txt, which testdata/golden.py writes from NumPy and onnx's reference. The op is
// parsed from text, inferred and run; results must have the stated dtype and shape.
func TestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases: ", err)
	}
	tested := map[ir.Kind]bool{ir.Const: true, ir.Yield: true, ir.If: true, ir.Loop: true, ir.Scan: true, ir.Assert: true} // control_test.go
	for k, info := range ir.Kinds {
		if info.Family == ir.SequenceFamily { // sequence_test.go
			tested[ir.Kind(k)] = true
		}
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
			name := strings.TrimSuffix(filepath.Base(file), ".txt")
			t.Run(fmt.Sprintf("%s/%d", name, i), func(t *testing.T) { runGolden(t, block, tested) })
		}
	}
	for k := ir.NoKind + 1; k < ir.NumKinds; k++ {
		if !tested[k] {
			t.Errorf("no golden case for %s", k)
		}
	}
}

type golden struct {
	op       string
	names    []string
	operands []ir.Datum
	want     []*ir.Tensor
}

func parseGolden(block string) (golden, error) {
	lines := strings.Split(block, "\n")
	g := golden{op: lines[0]}
	for _, line := range lines[1:] {
		name, rest, _ := strings.Cut(line, " ")
		if name == "#" {
			continue
		}
		x, err := parseTensor(rest)
		switch {
		case err != nil:
			return g, fmt.Errorf("%s: %w", line, err)
		case name == "=":
			g.want = append(g.want, x)
		default:
			g.names, g.operands = append(g.names, name), append(g.operands, x)
		}
	}
	return g, nil
}

// parseTensor reads `f32[2, 3] 1.0 2.0 …`.
func parseTensor(s string) (*ir.Tensor, error) {
	head, values, ok := strings.Cut(s, "]")
	name, dims, ok2 := strings.Cut(head, "[")
	if !ok || !ok2 {
		return nil, fmt.Errorf("no shape")
	}
	d, err := ir.ParseDType(name)
	if err != nil {
		return nil, err
	}
	shape := []int{}
	for _, f := range strings.Split(dims, ", ") {
		if f != "" {
			n, err := strconv.Atoi(f)
			if err != nil {
				return nil, err
			}
			shape = append(shape, n)
		}
	}
	t := ir.NewTensor(d, shape...)
	fields := strings.Fields(values)
	if len(fields) != t.Len() {
		return nil, fmt.Errorf("%d values for %v", len(fields), shape)
	}
	for i, f := range fields {
		if err := setValue(t, i, f); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func setValue(t *ir.Tensor, i int, s string) (err error) {
	switch d := t.DType; {
	case d == ir.String:
		t.Strings[i], err = strconv.Unquote(s)
	case d.IsFloat():
		var v float64
		v, err = strconv.ParseFloat(s, 64)
		storeFloats(t, i, []float64{v})
	case d == ir.U64:
		var v uint64
		v, err = strconv.ParseUint(s, 10, 64)
		storeInts(t, i, []int64{int64(v)})
	default:
		var v int64
		v, err = strconv.ParseInt(s, 10, 64)
		storeInts(t, i, []int64{v})
	}
	return err
}

// module is the text of a function of the case's op.
func (g golden) module() string {
	var params, results, types, outs []string
	for i, x := range g.operands {
		params = append(params, fmt.Sprintf("%%%s: %s", g.names[i], x.Type()))
	}
	for i, w := range g.want {
		results = append(results, fmt.Sprintf("%%%d", i))
		types = append(types, w.Type().String())
		outs = append(outs, fmt.Sprintf("o%d: %s", i, w.Type()))
	}
	return fmt.Sprintf("module \"test\"\nfunc @main(%s) -> (%s) {\n  %s = %s : %s\n  yield %s\n}\n", strings.Join(params, ", "), strings.Join(outs, ", "),
		strings.Join(results, ", "), g.op, strings.Join(types, ", "), strings.Join(results, ", "))
}

func runGolden(t *testing.T, block string, tested map[ir.Kind]bool) {
	g, err := parseGolden(block)
	if err != nil {
		t.Fatal(err)
	}
	m, err := ir.Parse(g.module(), ir.ParseOptions{})
	if err != nil {
		t.Fatalf("%v in\n%s", err, g.module())
	}
	tested[m.Main().Body.Ops[0].Kind] = true
	got, err := Run(t.Context(), m.Main(), g.operands)
	if err != nil {
		t.Fatalf("%v in\n%s", err, block)
	}
	for i, w := range g.want {
		if d := diff(w, got[i].(*ir.Tensor), tolerance(w.DType)); d != "" {
			t.Errorf("result %d (-want +got):\n%s\n%s", i, d, block)
		}
	}
}

// tolerance is an ulp or two where a value passed through another library's float64 or float32.
func tolerance(d ir.DType) float64 {
	switch d {
	case ir.F32:
		return 2e-6
	case ir.F64:
		return 1e-14
	}
	return 0
}

// TestParseTensor checks the test.s own reader.
func TestParseTensor(t *testing.T) {
	x, err := parseTensor("f16[2] nan -0.0")
	if err != nil || !math.IsNaN(floats(x)[0]) || !math.Signbit(floats(x)[1]) {
		t.Fatal(x, err)
	}
}
