package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes"
	"github.com/emilyc/emily/passes/grad"
)

// TestJudges: of the models that are exported from the zoo, as imported, optimised and differentiated, onnx.checker says that they are valid, and
// onnxruntime computes what the interpreter does.
func TestJudges(t *testing.T) {
	python := os.Getenv("EMILY_PYTHON")
	if python == "" {
		python = "python3"
	}
	if err := exec.Command(python, "-c", "import numpy, onnx, onnxruntime").Run(); err != nil {
		t.Skip("needs a Python with onnx and onnxruntime: let EMILY_PYTHON name one")
	}
	paths, err := filepath.Glob(filepath.Join(zoo, "*"))
	if err != nil || len(paths) == 0 {
		t.Fatal("no models", err)
	}
	folder := t.TempDir()
	args := []string{"../frontends/onnx/export/testdata/judge.py", "-"}
	for _, path := range paths {
		name := filepath.Base(path)
		m := zooModule(t, name)
		g, err := grad.Build(m, grad.Options{Loss: m.Main().Outputs[0], Wrt: []string{grad.AllParams}, Reduce: grad.MeanSquare, Value: true})
		if err != nil {
			t.Fatal(err)
		}
		opt := m.Clone()
		for _, p := range []*ir.Module{opt, g} {
			if _, err := passes.Run(p, passes.Default, passes.Options{Eval: interp.EvalOp}); err != nil {
				t.Fatal(err)
			}
		}
		in, _, err := MakeInputs(m.Main(), InputOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for form, m := range map[string]*ir.Module{"imported": m, "optimised": opt, "gradient": g} {
			dir := filepath.Join(folder, name+"-"+form)
			writeCase(t, dir, m, in)
			args = append(args, dir)
		}
	}
	out, err := exec.CommandContext(t.Context(), python, args...).CombinedOutput()
	if want := fmt.Sprintf("%d passes", 3*len(paths)); err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("want %s: %v\n%s", want, err, out)
	}
}

// writeCase writes a case with the inputs, and the outputs that the interpreter gives.
func writeCase(t *testing.T, dir string, m *ir.Module, in []ir.Datum) {
	t.Helper()
	out, err := interp.Run(t.Context(), m.Main(), in)
	if err != nil {
		t.Fatal(err)
	}
	set := filepath.Join(dir, "test_data_set_0")
	if err := os.MkdirAll(set, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := emily.WriteONNX(m, filepath.Join(dir, modelFile)); err != nil {
		t.Fatal(err)
	}
	for prefix, list := range map[string][]ir.Datum{"input": in, "output": out} {
		for i, v := range list {
			f, err := os.Create(filepath.Join(set, fmt.Sprintf("%s_%d.npy", prefix, i)))
			if err != nil {
				t.Fatal(err)
			}
			if err := interp.WriteNPY(f, v.(*ir.Tensor)); err != nil {
				t.Fatal(err)
			}
			if err := f.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
