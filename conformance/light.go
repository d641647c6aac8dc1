package conformance

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/pb"
)

// lightFolder holds models of real architectures, whose weights are computed: the wheel has a model and its output, and
// makes the input when it runs them.
const lightFolder = "light"

// layOutLight brings the models in dir, NAME.onnx and NAME_output_0.pb, into the layout of the other cases.
func layOutLight(dir string) error {
	models, err := filepath.Glob(filepath.Join(escapeGlob(dir), "*.onnx"))
	if err != nil {
		return err
	}
	for _, m := range models {
		base := strings.TrimSuffix(m, ".onnx")
		set := filepath.Join(base, "test_data_set_0")
		if err := os.MkdirAll(set, 0o755); err != nil {
			return err
		}
		if err := writeLightInput(m, filepath.Join(set, "input_0.pb")); err != nil {
			return err
		}
		if err := os.Rename(base+"_output_0.pb", filepath.Join(set, "output_0.pb")); err != nil {
			return err
		}
		if err := os.Rename(m, filepath.Join(base, modelFile)); err != nil {
			return err
		}
	}
	return nil
}

// writeLightInput writes what the official runner feeds a model: arange(n)/n in the shape of its one input.
func writeLightInput(model, to string) error {
	f, err := onnx.Open(model)
	if err != nil {
		return err
	}
	defer f.Close()
	free := freeInputs(f.Model.Graph)
	if len(free) != 1 {
		return fmt.Errorf("%s: %d inputs, want 1", model, len(free))
	}
	dtype := int32(pb.TensorProto_FLOAT)
	t := &pb.TensorProto{DataType: &dtype}
	n := int64(1)
	for _, d := range free[0].GetType().GetTensorType().GetShape().GetDim() {
		t.Dims = append(t.Dims, max(d.GetDimValue(), 1))
		if n *= max(d.GetDimValue(), 1); n > 1<<24 {
			return fmt.Errorf("%s: an input of %v", model, t.Dims)
		}
	}
	for i := range n {
		t.RawData = binary.LittleEndian.AppendUint32(t.RawData, math.Float32bits(float32(float64(i)/float64(n))))
	}
	data, err := t.MarshalVT()
	if err != nil {
		return err
	}
	return os.WriteFile(to, data, 0o644)
}
