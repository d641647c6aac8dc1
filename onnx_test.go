package emily_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
)

// TestWriteONNX writes a model with a data file over itself, which its constants view.
func TestWriteONNX(t *testing.T) {
	m := ir.NewModule("m")
	f := m.NewFunc("main")
	b := ir.NewBuilder(f.Body)
	x := f.Body.AddParam("x", ir.TensorOf(ir.F32, ir.Sym("n"), ir.Size(1)))
	weight := ir.NewTensor(ir.F32, 1<<19)
	for i, v := range ir.View[float32](weight) {
		ir.View[float32](weight)[i] = v + float32(i)
	}
	b.Yield(b.Op(ir.Add, nil, x, b.Const(weight)))
	f.Outputs = []string{"y"}
	if err := b.Err(); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.onnx")
	if err := emily.WriteONNX(m, path); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		model, err := emily.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		module, err := model.Module()
		if err != nil {
			t.Fatal(err)
		}
		if err := emily.WriteONNX(module, path); err != nil {
			t.Fatal(err)
		}
		exe, err := model.Compile(t.Context(), emily.WithBackend(emily.Interpreter))
		if err != nil {
			t.Fatal(err)
		}
		out, err := exe.Run(t.Context(), map[string]ir.Datum{"x": ir.TensorFrom([]float32{0.5}, 1, 1)})
		if err != nil {
			t.Fatal(err)
		}
		if y := ir.View[float32](out["y"].(*ir.Tensor)); y[7] != 7.5 || y[1<<19-1] != 1<<19-0.5 {
			t.Errorf("y[7] is %v, the last %v", y[7], y[1<<19-1])
		}
		if err := exe.Close(); err != nil {
			t.Error(err)
		}
		if err := model.Close(); err != nil {
			t.Error(err)
		}
	}
	files, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, file := range files {
		names = append(names, file.Name())
	}
	if !slices.Equal(names, []string{"m.onnx", "m.onnx.data"}) {
		t.Errorf("left behind: %q", names)
	}
}
