package emily_test

import (
	"bytes"
	"cmp"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
)

// judged is an array as testdata/train/judge.py reads and writes it.
type judged struct {
	DType string `json:"dtype"`
	Shape []int  `json:"shape"`
	Data  any    `json:"data"`
}

// needOnnxruntime is a Python that has it: $EMILY_PYTHON or python3.
func needOnnxruntime(t *testing.T) string {
	t.Helper()
	python := cmp.Or(os.Getenv("EMILY_PYTHON"), "python3")
	if err := exec.Command(python, "-c", "import numpy, onnxruntime").Run(); err != nil {
		t.Skipf("%s does not import numpy and onnxruntime: %v", python, err)
	}
	return python
}

// onnxruntime runs the model at path.
func onnxruntime(t *testing.T, python, path string, x *ir.Tensor) (shape []int, data []float32) {
	t.Helper()
	in := judged{DType: "int64", Shape: x.Shape}
	if x.DType == ir.F32 {
		in.DType, in.Data = "float32", ir.View[float32](x)
	} else {
		in.Data = ir.View[int64](x)
	}
	stdin, err := json.Marshal(map[string]judged{"x": in})
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	command := exec.Command(python, "testdata/train/judge.py", path)
	command.Stdin, command.Stderr = bytes.NewReader(stdin), &stderr
	stdout, err := command.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	out := judged{Data: &data}
	if err := json.Unmarshal(stdout, &out); err != nil {
		t.Fatal(err)
	}
	return out.Shape, data
}

// The ONNX file that training writes gives in onnxruntime what it gives here.
func TestTrainedONNX(t *testing.T) {
	python := needOnnxruntime(t)
	for _, g := range trainGoldens {
		t.Run(g.name, func(t *testing.T) {
			trainer := g.trainer(t, emily.Interpreter, ir.BF16)
			g.losses(t, trainer, 5)
			m, err := trainer.Module()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "trained.onnx")
			if err := emily.WriteONNX(m, path); err != nil {
				t.Fatal(err)
			}
			x := g.batch(0)["x"].(*ir.Tensor)
			run := func(path string) *ir.Tensor {
				outputs, err := compile(t, load(t, path), emily.WithBackend(emily.Interpreter)).Run(t.Context(), map[string]ir.Datum{"x": x})
				if err != nil {
					t.Fatal(err)
				}
				return outputs["logits"].(*ir.Tensor)
			}
			want := run(path)
			shape, got := onnxruntime(t, python, path, x)
			if !slices.Equal(shape, want.Shape) {
				t.Fatalf("shape %v, want %v", shape, want.Shape)
			}
			for i, w := range ir.View[float32](want) {
				if !(math.Abs(float64(got[i]-w)) <= 1e-5+1e-3*math.Abs(float64(w))) {
					t.Errorf("element %d is %v, want %v", i, got[i], w)
				}
			}
			if slices.Equal(ir.View[float32](want), ir.View[float32](run("testdata/train/"+g.name+".onnx"))) {
				t.Error("training changed nothing")
			}
		})
	}
}
