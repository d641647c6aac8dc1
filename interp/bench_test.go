package interp

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/emilyc/emily/ir"
)

func randomF32(shape ...int) *ir.Tensor {
	r := rand.New(rand.NewPCG(1, 2))
	t := ir.NewTensor(ir.F32, shape...)
	for i := range ir.View[float32](t) {
		ir.View[float32](t)[i] = float32(r.NormFloat64())
	}
	return t
}

func benchOp(b *testing.B, flop int, k ir.Kind, a ir.Attrs, args ...*ir.Tensor) {
	var types []ir.Type
	var inputs []ir.Datum
	for _, t := range args {
		types, inputs = append(types, t.Type()), append(inputs, t)
	}
	f, err := build(k, a, types...)
	if err != nil {
		b.Fatal(err)
	}
	p, err := New(f)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := p.Run(context.Background(), inputs); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(flop)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
}

func BenchmarkMatMul(b *testing.B) {
	for _, s := range [][3]int{{128, 768, 3072}, {1, 1024, 3072}, {16, 1024, 3072}, {512, 512, 512}} {
		m, k, n := s[0], s[1], s[2]
		b.Run(fmt.Sprintf("%dx%dx%d", m, k, n), func(b *testing.B) {
			benchOp(b, 2*m*k*n, ir.MatMul, nil, randomF32(m, k), randomF32(k, n))
		})
	}
}

func BenchmarkConv(b *testing.B) {
	for _, s := range []struct{ c, o, size, kernel, groups int }{{64, 64, 56, 3, 1}, {256, 64, 56, 1, 1}, {512, 512, 7, 3, 1}, {144, 144, 56, 3, 144}} {
		pad, k := int64(s.kernel/2), s.kernel
		b.Run(fmt.Sprintf("%d→%d,%d²,%d²,g%d", s.c, s.o, s.size, s.kernel, s.groups), func(b *testing.B) {
			a := &ir.ConvAttrs{Strides: []int64{1, 1}, Pads: []int64{pad, pad, pad, pad}, Dilations: []int64{1, 1}, Groups: int64(s.groups)}
			benchOp(b, 2*s.c*s.o*s.size*s.size*k*k/s.groups, ir.Conv, a, randomF32(1, s.c, s.size, s.size), randomF32(s.o, s.c/s.groups, k, k))
		})
	}
}

func BenchmarkElementwise(b *testing.B) {
	x, y := randomF32(128, 3072), randomF32(3072)
	b.Run("add", func(b *testing.B) { benchOp(b, x.Len(), ir.Add, nil, x, x) })
	b.Run("add_row", func(b *testing.B) { benchOp(b, x.Len(), ir.Add, nil, x, y) })
	b.Run("erf", func(b *testing.B) { benchOp(b, x.Len(), ir.Erf, nil, x) })
	b.Run("exp", func(b *testing.B) { benchOp(b, x.Len(), ir.Exp, nil, x) })
	b.Run("softmax", func(b *testing.B) { benchOp(b, x.Len(), ir.Softmax, &ir.AxisAttrs{Axis: 1}, x) })
	b.Run("transpose", func(b *testing.B) { benchOp(b, x.Len(), ir.Transpose, &ir.PermAttrs{Perm: []int64{1, 0}}, x) })
}
