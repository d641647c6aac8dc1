package emily_test

import (
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
)

// BenchmarkAdd is the cost of a run: an addition of one element.
func BenchmarkAdd(b *testing.B) {
	for _, backend := range []emily.Backend{emily.Interpreter, emily.MLX} {
		b.Run(string(backend), func(b *testing.B) {
			m := ir.NewModule("add")
			f := m.NewFunc("main")
			x := f.Body.AddParam("x", ir.TensorOf(ir.F32, ir.Sym("n")))
			y := f.Body.AddParam("y", ir.TensorOf(ir.F32, ir.Sym("n")))
			build := ir.NewBuilder(f.Body)
			build.Yield(build.Op(ir.Add, nil, x, y))
			f.Outputs = []string{"z"}
			model, err := emily.FromModule(m)
			if err != nil {
				b.Fatal(err)
			}
			defer model.Close()
			exe, err := model.Compile(b.Context(), emily.WithBackend(backend))
			if err != nil {
				b.Skipf("no %s: %v", backend, err)
			}
			defer exe.Close()
			in := map[string]ir.Datum{"x": ir.TensorFrom([]float32{1}), "y": ir.TensorFrom([]float32{2})}
			for b.Loop() {
				if _, err := exe.Run(b.Context(), in); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
