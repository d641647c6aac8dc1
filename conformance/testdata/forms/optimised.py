"""Layers of transformers, and a convolution, as onnxruntime's optimisers leave them."""

import os
import tempfile

import onnx
import onnxruntime
import torch
from onnxruntime.transformers import optimizer
from onnxruntime.transformers.fusion_options import FusionOptions
from torch import nn
from torch.nn import functional as F

from modules import Form, attend, by_script, conv, image, repeated, rms, turned, twice, x


def heads(x, n, size):
    return x.unflatten(-1, (n, size)).transpose(1, 2)


class Encoder(nn.Module):
    """A layer of BERT."""

    def __init__(self):
        super().__init__()
        self.q, self.k, self.v, self.o, self.up, self.down = (nn.Linear(16, 16) for _ in range(6))
        self.first, self.second = nn.LayerNorm(16), nn.LayerNorm(16)

    def forward(self, x):
        y = attend(heads(self.q(x), 2, 8), heads(self.k(x), 2, 8), heads(self.v(x), 2, 8))
        x = self.first(self.o(y.transpose(1, 2).flatten(2)) + x)
        return self.second(self.down(F.gelu(self.up(x))) + x)


class Decoder(nn.Module):
    """A layer of Llama, without its mask."""

    def __init__(self):
        super().__init__()
        self.q, self.o, self.gate, self.up, self.down = (nn.Linear(16, 16, bias=False) for _ in range(5))
        self.k, self.v = (nn.Linear(16, 8, bias=False) for _ in range(2))
        self.first, self.second = (nn.Parameter((torch.rand(16) + 0.5).half().float()) for _ in range(2))
        self.speed = nn.Buffer(torch.tensor([1.0, 0.1]))

    def forward(self, x):
        a = twice(torch.arange(5.0)[:, None] * self.speed)
        turn = lambda x: x * a.cos() + turned(x) * a.sin()
        y = rms(self.first, x)
        y = attend(turn(heads(self.q(y), 4, 4)), repeated(turn(heads(self.k(y), 2, 4))), repeated(heads(self.v(y), 2, 4)))
        x = self.o(y.transpose(1, 2).flatten(2)) + x
        y = rms(self.second, x)
        return self.down(F.silu(self.gate(y)) * self.up(y)) + x


layers = {"encoder": (Encoder(), x), "decoder": (Decoder(), x), "quick gelu": (Form(lambda s, x: x * torch.sigmoid(1.702 * x)), x),
          "conv bn relu": (conv(F.relu), image)}


def online(model, folder):
    path = os.path.join(folder, "optimised.onnx")
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.optimized_model_filepath = 4, path
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(path)


def offline(model, folder, half):
    path = os.path.join(folder, "model.onnx")
    onnx.save(model, path)
    options = FusionOptions("bert")
    options.use_multi_head_attention = True
    made = optimizer.optimize_model(path, model_type="bert", num_heads=4, hidden_size=16, opt_level=0, optimization_options=options, use_gpu=half)
    if half:
        made.convert_float_to_float16(keep_io_types=False)
    return made.model


def made():
    for name, (module, x) in layers.items():
        with tempfile.TemporaryDirectory() as folder:
            model = by_script(module, (x,))
            yield f"onnxruntime/{name}", online(model, folder)
            if name in ("encoder", "decoder"):
                yield f"transformers/{name}", offline(model, folder, False)
                yield f"transformers16/{name}", offline(model, folder, True)
