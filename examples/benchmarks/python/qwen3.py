"""Qwen3: mlx-lm's model and KV cache, with the weights of an ONNX graph."""

import importlib.util
import sys
import types

import mlx.core as mx
from layers import fill

# The package's own start-up imports transformers, which its models do not need.
if "mlx_lm" not in sys.modules:
    package = types.ModuleType("mlx_lm")
    package.__path__ = importlib.util.find_spec("mlx_lm").submodule_search_locations
    sys.modules["mlx_lm"] = package

from mlx_lm.models import qwen3  # noqa: E402
from mlx_lm.models.cache import KVCache  # noqa: E402


def build(w, eps=1e-6):
    words, layers = w.table(), w.left("scale") // 4
    norms = [[w.scale() for _ in range(4)] for _ in range(layers)]
    products = [[w.linear()[0] for _ in range(7)] for _ in range(layers)]
    (q, k, _, _, gate, _, _), head = products[0], len(norms[0][1])
    model = qwen3.Model(
        qwen3.ModelArgs(
            model_type="qwen3", hidden_size=words.shape[1], num_hidden_layers=layers, intermediate_size=len(gate),
            num_attention_heads=len(q) // head, num_key_value_heads=len(k) // head, head_dim=head, rms_norm_eps=eps,
            vocab_size=len(words), max_position_embeddings=40960, rope_theta=w.rope_theta(head // 2), tie_word_embeddings=True,
        )
    )
    fill(model.model.embed_tokens, words)
    for layer, n, p in zip(model.layers, norms, products):
        a, m = layer.self_attn, layer.mlp
        for part, weight in zip((layer.input_layernorm, a.q_norm, a.k_norm, layer.post_attention_layernorm), n):
            fill(part, weight)
        for part, weight in zip((a.q_proj, a.k_proj, a.v_proj, a.o_proj, m.gate_proj, m.up_proj, m.down_proj), p):
            fill(part, weight)
    fill(model.model.norm, w.scale())
    return model


class Model:
    """Takes the inputs of the ONNX graph. The past enters mlx-lm's cache once; every call is the step after it."""

    def __init__(self, w):
        self.model, self.cache = build(w), None

    def parameters(self):
        return self.model.parameters()

    def update(self, parameters):
        self.model.update(parameters)

    def start(self, past):
        self.cache = [KVCache() for _ in self.model.layers]
        for i, c in enumerate(self.cache):
            k, v = past[f"past_key_values.{i}.key"], past[f"past_key_values.{i}.value"]
            if k.shape[2]:
                c.update_and_fetch(k, v)
        self.length = self.cache[0].offset
        mx.eval([c.state for c in self.cache if self.length])

    def __call__(self, input_ids, attention_mask, position_ids, **past):
        if self.cache is None:
            self.start(past)
        for c in self.cache:
            c.trim(c.offset - self.length)
        return self.model(input_ids, cache=self.cache)
