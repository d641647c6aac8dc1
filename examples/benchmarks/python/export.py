"""Writes the benchmarks' ONNX graphs, with random weights: GRAPHS/NAME/model.onnx.

usage: export.py GRAPHS [NAME…]      needs: pip install torch transformers torchvision onnx onnxscript
"""

import pathlib
import sys
from typing import Callable, NamedTuple

import torch
from torch.export import Dim
from unshare import unshare


class Qwen3(torch.nn.Module):
    """A step of the decoder; past is a list of (key, value) by layer."""

    def __init__(self):
        super().__init__()
        from transformers import Qwen3Config, Qwen3ForCausalLM

        config = Qwen3Config(
            vocab_size=151936, hidden_size=1024, intermediate_size=3072, num_hidden_layers=28, num_attention_heads=16,
            num_key_value_heads=8, head_dim=128, max_position_embeddings=40960, rope_theta=1e6, tie_word_embeddings=True,
        )
        self.m = Qwen3ForCausalLM(config)

    def forward(self, input_ids, attention_mask, position_ids, past):
        from transformers import DynamicCache

        out = self.m(
            input_ids=input_ids, attention_mask=attention_mask, position_ids=position_ids,
            past_key_values=DynamicCache(past), use_cache=True,
        )
        return out.logits, [(layer.keys, layer.values) for layer in out.past_key_values.layers]


def past_of(inputs):
    """The inputs by name, those of the cache gathered in one list."""
    past = {n: a for n, a in inputs.items() if n.startswith("past_key_values.")}
    rest = {n: a for n, a in inputs.items() if n not in past}
    if past:
        layers = range(len(past) // 2)
        rest["past"] = [tuple(past[f"past_key_values.{i}.{part}"] for part in ("key", "value")) for i in layers]
    return rest


class First(torch.nn.Module):
    """The first output of a model of transformers."""

    def __init__(self, model):
        super().__init__()
        self.m = model

    def forward(self, **inputs):
        return self.m(**inputs)[0]


def distilbert():
    from transformers import DistilBertConfig, DistilBertModel

    return First(DistilBertModel(DistilBertConfig()))


def vit():
    from transformers import ViTConfig, ViTForImageClassification

    return First(ViTForImageClassification(ViTConfig(num_labels=1000)))


def whisper(part):
    from transformers import WhisperConfig, WhisperForConditionalGeneration

    model = WhisperForConditionalGeneration(WhisperConfig())
    return First(model.model.encoder) if part == "encoder" else Decoder(model)


class Decoder(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.m = model

    def forward(self, decoder_input_ids, encoder_hidden_states):
        out = self.m.model.decoder(input_ids=decoder_input_ids, encoder_hidden_states=encoder_hidden_states, use_cache=False)
        return self.m.proj_out(out[0])


class ResNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        from torchvision.models import resnet50

        self.m = resnet50()

    def forward(self, x):
        return self.m(x)


class Graph(NamedTuple):
    module: Callable
    inputs: Callable  # examples by name
    free: dict  # the axes whose sizes are free, by input
    outputs: list = None  # names, where they matter


def tokens(*shape):
    return torch.ones(shape, dtype=torch.int64)


def step():
    past = [(torch.randn(2, 8, 5, 128), torch.randn(2, 8, 5, 128)) for _ in range(28)]
    return {"input_ids": tokens(2, 3), "attention_mask": tokens(2, 8), "position_ids": torch.arange(5, 8).expand(2, 3), "past": past}


MODELS = {
    "distilbert-base": Graph(
        distilbert, lambda: {"input_ids": tokens(2, 9), "attention_mask": tokens(2, 9)},
        {"input_ids": {0: "batch", 1: "sequence"}, "attention_mask": {0: "batch", 1: "sequence"}}),
    "vit-base": Graph(vit, lambda: {"pixel_values": torch.randn(2, 3, 224, 224)}, {"pixel_values": {0: "batch"}}),
    "whisper-tiny-encoder": Graph(
        lambda: whisper("encoder"), lambda: {"input_features": torch.randn(2, 80, 3000)}, {"input_features": {0: "batch"}}),
    "whisper-tiny-decoder": Graph(
        lambda: whisper("decoder"), lambda: {"decoder_input_ids": tokens(2, 9), "encoder_hidden_states": torch.randn(2, 1500, 384)},
        {"decoder_input_ids": {0: "batch", 1: "sequence"}, "encoder_hidden_states": {0: "batch"}}),
    "resnet50": Graph(ResNet, lambda: {"x": torch.randn(2, 3, 224, 224)}, {"x": {0: "batch"}}),
    "qwen3-0.6b": Graph(
        Qwen3, step,
        {"input_ids": {0: "batch", 1: "sequence"}, "attention_mask": {0: "batch", 1: "total"}, "position_ids": {0: "batch", 1: "sequence"},
         "past": [({0: "batch", 2: "past"}, {0: "batch", 2: "past"})] * 28},
        ["logits"] + [f"present.{i}.{part}" for i in range(28) for part in ("key", "value")]),
}


def dynamic(spec):
    """Names of axes as torch.export takes them."""
    if isinstance(spec, str):
        return Dim.DYNAMIC
    if isinstance(spec, dict):
        return {k: dynamic(v) for k, v in spec.items()}
    return type(spec)(dynamic(v) for v in spec)


def names(inputs):
    for name, value in inputs.items():
        if name == "past":
            yield from (f"past_key_values.{i}.{part}" for i in range(len(value)) for part in ("key", "value"))
        else:
            yield name


def export(name, folder):
    graph = MODELS[name]
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(0)
    inputs, free = graph.inputs(), dynamic(graph.free)
    module = graph.module().eval()
    if isinstance(module, First):
        free = {"inputs": free}
    program = torch.onnx.export(
        module, (), kwargs=inputs, dynamic_shapes=free, input_names=list(names(inputs)),
        output_names=graph.outputs, opset_version=20, dynamo=True)
    program.save(folder / "model.onnx", external_data=True)
    unshare(folder / "model.onnx", folder / "model.onnx")


if __name__ == "__main__":
    target = pathlib.Path(sys.argv[1])
    for name in sys.argv[2:] or MODELS:
        export(name, target / name)
        print(target / name / "model.onnx")
