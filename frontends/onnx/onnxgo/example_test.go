package onnxgo_test

import (
	"fmt"
	"log"
	"os"

	upstream "github.com/owulveryck/onnx-go"
	"gorgonia.org/tensor"

	"github.com/emilyc/emily/frontends/onnx/onnxgo"
)

// A model that onnx-go decodes runs on Emily. It was exported with opset 17, which onnx-go does not tell.
func Example() {
	data, err := os.ReadFile("../../../conformance/testdata/zoo/vit_ts/model.onnx")
	if err != nil {
		log.Fatal(err)
	}
	backend := onnxgo.New(onnxgo.WithOpset(17))
	defer backend.Close()
	model := upstream.NewModel(backend)
	if err := model.UnmarshalBinary(data); err != nil {
		log.Fatal(err)
	}
	image := tensor.New(tensor.Of(tensor.Float32), tensor.WithShape(1, 3, 32, 32))
	if err := model.SetInput(0, image); err != nil {
		log.Fatal(err)
	}
	if err := backend.Run(); err != nil {
		log.Fatal(err)
	}
	outputs, err := model.GetOutputTensors()
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(outputs[0].Shape())
	// Output:
	// (1, 10)
}
