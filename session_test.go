package emily_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
	"github.com/google/go-cmp/cmp"
)

const zooDecoder = "conformance/testdata/zoo/qwen3/model.onnx"

// A decoder takes a prompt, then token by token; the session keeps the keys and values.
func ExampleExecutable_NewSession() {
	model, err := emily.Load(zooDecoder)
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
	session, err := exe.NewSession()
	if err != nil {
		log.Fatal(err)
	}
	for _, ids := range [][]int64{{2, 7, 1, 8}, {2}, {8}} {
		outputs, err := session.Run(ctx, decoderInputs(session.Len(), ids))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(session.Len(), outputs["logits"].Type())
	}
	// Output:
	// 4 f32[1, 4, 1000]
	// 5 f32[1, 1, 1000]
	// 6 f32[1, 1, 1000]
}

// decoderInputs are those of a step on ids after that many tokens.
func decoderInputs(past int, ids []int64) map[string]ir.Datum {
	positions, mask := make([]int64, len(ids)), make([]int64, past+len(ids))
	for i := range positions {
		positions[i] = int64(past + i)
	}
	for i := range mask {
		mask[i] = 1
	}
	return map[string]ir.Datum{
		"input_ids": ir.TensorFrom(ids, 1, len(ids)), "position_ids": ir.TensorFrom(positions, 1, len(ids)), "attention_mask": ir.TensorFrom(mask, 1, len(mask)),
	}
}

func TestSessionErrors(t *testing.T) {
	ctx := context.Background()
	compiled := func(path string) *emily.Executable {
		t.Helper()
		model, err := emily.Load(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { model.Close() })
		exe, err := model.Compile(ctx)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { exe.Close() })
		return exe
	}
	want := func(err error, text string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %s", err, text)
		}
	}
	_, err := compiled("conformance/testdata/zoo/vit/model.onnx").NewSession()
	want(err, "there is no cache")
	exe := compiled(zooDecoder)
	s, err := exe.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	var inputs, outputs []string
	for _, p := range s.Inputs() {
		inputs = append(inputs, p.Name)
	}
	for _, p := range s.Outputs() {
		outputs = append(outputs, p.Name)
	}
	if d := cmp.Diff([][]string{{"input_ids", "attention_mask", "position_ids"}, {"logits"}}, [][]string{inputs, outputs}); d != "" {
		t.Errorf("ports (-want +got):\n%s", d)
	}
	in := decoderInputs(0, []int64{1, 2})
	in["past_key_values.0.key"] = ir.NewTensor(ir.F32, 1, 2, 0, 16)
	_, err = s.Run(ctx, in)
	want(err, `there is no input "past_key_values.0.key"`)
	in = decoderInputs(0, []int64{1, 2})
	in["attention_mask"] = ir.TensorFrom([]int64{1}, 1, 1)
	if _, err = s.Run(ctx, in); err == nil || s.Len() != 0 {
		t.Errorf("a mask that is too short: %v, %d positions", err, s.Len())
	}
	if _, err = s.Run(ctx, decoderInputs(0, []int64{1, 2})); err != nil || s.Len() != 2 {
		t.Errorf("%v, %d positions", err, s.Len())
	}
	exe.Close()
	if _, err = s.Run(ctx, decoderInputs(2, []int64{1})); !errors.Is(err, emily.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	s.Reset()
	if _, err = exe.NewSession(); !errors.Is(err, emily.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
