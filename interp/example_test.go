package interp_test

import (
	"context"
	"fmt"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

func Example() {
	m := ir.NewModule("example")
	f := m.NewFunc("main")
	x := f.Body.AddParam("x", ir.TensorOf(ir.F32, ir.Sym("batch"), ir.Size(2)))
	b := ir.NewBuilder(f.Body)
	w := b.Const(ir.TensorFrom([]float32{1, 2, 3, 4}, 2, 2))
	b.Yield(b.Op(ir.Relu, nil, b.Op(ir.MatMul, nil, x, w)))

	p, err := interp.New(f)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, in := range []*ir.Tensor{
		ir.TensorFrom([]float32{1, -1}, 1, 2),
		ir.TensorFrom([]float32{1, 0, 0, 1}, 2, 2),
		ir.TensorFrom([]float32{1, 2, 3}, 1, 3),
	} {
		out, err := p.Run(context.Background(), []ir.Datum{in})
		if err != nil {
			fmt.Println(err)
			continue
		}
		y := out[0].(*ir.Tensor)
		fmt.Println(y.Shape, ir.View[float32](y))
	}
	// Output:
	// [1 2] [0 0]
	// [2 2] [1 2 3 4]
	// example: input "x" is f32[1 3], wants f32[batch, 2]: axis 1 has to be 2
}
