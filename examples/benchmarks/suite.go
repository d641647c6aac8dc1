package main

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/ir"
)

// benchmark is a model with the sizes of its inputs.
type benchmark struct {
	name  string
	graph string           // folder of model.onnx; python/export.py makes it
	twin  string           // of python/twins.py: architecture, and number of heads
	sizes map[string]int64 // as emily.WithDims has them
}

var onCPU = []benchmark{
	{"distilbert-base 1×128", "distilbert-base", "distilbert:12", map[string]int64{"input_ids.0": 1, "input_ids.1": 128}},
	{"vit-base", "vit-base", "vit:12", map[string]int64{"pixel_values.0": 1}},
	{"whisper-tiny encoder", "whisper-tiny-encoder", "whisper-encoder:6", map[string]int64{"input_features.0": 1}},
	{"whisper-tiny decoder", "whisper-tiny-decoder", "whisper-decoder:6", map[string]int64{"decoder_input_ids.0": 1, "decoder_input_ids.1": 8, "encoder_hidden_states.0": 1}},
	{"qwen3-0.6b prefill 16", "qwen3-0.6b", "qwen3", decoder(16, 0)},
	{"qwen3-0.6b decode", "qwen3-0.6b", "qwen3", decoder(1, 32)},
	{"resnet50", "resnet50", "resnet", map[string]int64{"x.0": 1}},
}

var onGPU = []benchmark{
	{"distilbert-base 32×128", "distilbert-base", "distilbert:12", map[string]int64{"input_ids.0": 32, "input_ids.1": 128, "attention_mask.0": 32}},
	{"vit-base ×32", "vit-base", "vit:12", map[string]int64{"pixel_values.0": 32}},
	{"qwen3-0.6b prefill 512", "qwen3-0.6b", "qwen3", decoder(512, 0)},
	{"qwen3-0.6b decode", "qwen3-0.6b", "qwen3", decoder(1, 512)},
	{"resnet50 ×32", "resnet50", "resnet", map[string]int64{"x.0": 32}},
}

// decoder is a step of n tokens after past ones.
func decoder(n, past int64) map[string]int64 {
	return map[string]int64{"input_ids.0": 1, "input_ids.1": n, pastSize: past}
}

// pastSize is how many positions a decoder's cache holds.
const pastSize = "past_key_values.0.key.2"

func (b benchmark) path(graphs string) string { return filepath.Join(graphs, b.graph, "model.onnx") }

// inputs are random, but for masks, which hide nothing, and positions, which count on from the past.
func (b benchmark) inputs(path string) (names []string, inputs []ir.Datum, err error) {
	model, err := emily.Load(path, emily.WithDims(b.sizes))
	if err != nil {
		return nil, nil, err
	}
	defer model.Close()
	module, err := model.Module()
	if err != nil {
		return nil, nil, err
	}
	inputs, _, err = conformance.MakeInputs(module.Main(), conformance.InputOptions{})
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", b.name, err)
	}
	for i, in := range model.Inputs() {
		names = append(names, in.Name)
		t := inputs[i].(*ir.Tensor)
		switch {
		case strings.HasSuffix(in.Name, "_mask"):
			fill(t, func(int) int64 { return 1 })
		case in.Name == "position_ids":
			past := int(b.sizes[pastSize])
			fill(t, func(k int) int64 { return int64(past + k%t.Shape[1]) })
		}
	}
	return names, inputs, nil
}

func fill(t *ir.Tensor, value func(i int) int64) {
	v := make([]int64, t.Len())
	for i := range v {
		v[i] = value(i)
	}
	*t = *ir.TensorFrom(v, t.Shape...)
}
