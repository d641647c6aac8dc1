package ir_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

// mlp is relu(x·w) with the batch left symbolic.
func mlp() *ir.Module {
	m := ir.NewModule("mlp.onnx")
	f := m.NewFunc("main")
	x := f.Body.AddParam("x", ir.TensorOf(ir.F32, ir.Sym("batch"), ir.Size(2)))
	b := ir.NewBuilder(f.Body)
	w := b.Const(ir.TensorFrom([]float32{1, 0, -1, 2}, 2, 2))
	b.Loc = m.AddLoc(ir.Loc{File: "mlp.onnx", Node: "/fc", OpType: "MatMul", Opset: 17})
	b.Yield(b.Op(ir.Relu, nil, b.Op(ir.MatMul, nil, x, w)))
	f.Outputs = []string{"y"}
	if b.Err() != nil {
		log.Fatal(b.Err())
	}
	return m
}

// A module is built op by op, and prints as text.
func ExampleBuilder() {
	fmt.Print(mlp())
	// Output:
	// module "mlp.onnx"
	// func @main(%x: f32[batch, 2]) -> (y: f32[batch, 2]) {
	//   %0 = const [1.0, 0.0, -1.0, 2.0] : f32[2, 2]
	//   %1 = matmul %x, %0 : f32[batch, 2] loc("/fc", "MatMul", 17)
	//   %2 = relu %1 : f32[batch, 2] loc("/fc", "MatMul", 17)
	//   yield %2 loc("/fc", "MatMul", 17)
	// }
}

// The first error of a chain of calls sticks; it names the node, the shapes and the constraint.
func ExampleBuilder_Err() {
	m := ir.NewModule("model.onnx")
	f := m.NewFunc("main")
	b := ir.NewBuilder(f.Body)
	b.Loc = m.AddLoc(ir.Loc{File: "model.onnx", Node: "/attn/MatMul_3", OpType: "MatMul", Opset: 17})
	x := f.Body.AddParam("x", ir.TensorOf(ir.F32, ir.StaticShape(8, 64)...))
	y := f.Body.AddParam("y", ir.TensorOf(ir.F32, ir.StaticShape(32, 8)...))
	b.Yield(b.Op(ir.Relu, nil, b.Op(ir.MatMul, nil, x, y)))
	fmt.Println(b.Err())
	// Output:
	// model.onnx: node "/attn/MatMul_3" (MatMul, opset 17): inner sizes differ: f32[8, 64] × f32[32, 8] [matmul_c3]
}

// A text is checked as it is read: every type follows from the ops before it.
func ExampleParse() {
	_, err := ir.Parse(`module "m"
func @main(%x: f32[n, 3]) -> (y: f32[n]) {
  %0 = reduce_sum %x {axes = [2]} : f32[n]
  yield %0
}`, ir.ParseOptions{})
	var e *ir.Error
	fmt.Println(err)
	fmt.Println(errors.As(err, &e), e.Kind, e.Label)
	// Output:
	// line 4: axis 2 of a tensor of rank 2 [reduce_c2]
	// true attribute reduce_c2
}

// Verify holds after any change of a module; here a program forgets an operand's type.
func ExampleVerify() {
	m := mlp()
	fmt.Println(ir.Verify(m))
	m.Main().Inputs()[0].Type = ir.TensorOf(ir.F32, ir.Sym("batch"), ir.Size(3))
	fmt.Println(ir.Verify(m))
	// Output:
	// <nil>
	// mlp.onnx: node "/fc" (MatMul, opset 17): inner sizes differ: f32[batch, 3] × f32[2, 2] [matmul_c3]
}

// What cannot be proved when the module is built is a fact, which is checked when inputs are bound.
func ExampleRegion_Reduce() {
	f := ir.NewModule("m").NewFunc("main")
	x := f.Body.AddParam("x", ir.TensorOf(ir.F32, ir.Sym("batch"), ir.Sym("seq")))
	past := f.Body.AddParam("past", ir.TensorOf(ir.F32, ir.Sym("batch"), ir.Sym("past_seq")))
	b := ir.NewBuilder(f.Body)
	b.Op(ir.Add, nil, x, past)
	for _, fact := range f.Body.Facts.List {
		fmt.Println(fact.Rel, fact.A, fact.B)
	}
	fmt.Println(f.Body.Reduce(ir.Sym("past_seq").Mul(ir.Size(2))))
	// Output:
	// eq seq past_seq
	// 2*seq
}

// The interpreter runs a function as it is.
func Example_interpret() {
	x := ir.TensorFrom([]float32{1, 2, 3, -4, 0, 1}, 3, 2)
	out, err := interp.Run(context.Background(), mlp().Main(), []ir.Datum{x})
	if err != nil {
		log.Fatal(err)
	}
	y := out[0].(*ir.Tensor)
	fmt.Println(y.Type(), ir.View[float32](y))
	// Output:
	// f32[3, 2] [0 4 7 0 0 2]
}
