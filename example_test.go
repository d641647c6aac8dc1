package emily_test

import (
	"context"
	"fmt"
	"log"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
)

func Example() {
	model, err := emily.Load("conformance/testdata/zoo/distilbert/model.onnx")
	if err != nil {
		log.Fatal(err)
	}
	defer model.Close()
	ctx := context.Background()
	exe, err := model.Compile(ctx, emily.WithBackend(emily.Interpreter))
	if err != nil {
		log.Fatal(err)
	}
	defer exe.Close()
	outputs, err := exe.Run(ctx, map[string]ir.Datum{
		"input_ids":      ir.TensorFrom([]int64{2, 7, 1, 8, 2, 8}, 1, 6),
		"attention_mask": ir.TensorFrom([]int64{1, 1, 1, 1, 1, 1}, 1, 6),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(outputs["last_hidden_state"].Type())
	// Output: f32[1, 6, 64]
}
