"""mlx.nn layers that take their weights from an ONNX graph, for the twins."""

import mlx.core as mx
import mlx.nn as nn


def fill(module, weight, bias=None):
    """module with these parameters; without a bias it has none."""
    module.weight = mx.array(weight)
    if bias is not None:
        module.bias = mx.array(bias)
    elif "bias" in module:
        del module["bias"]
    return module


def linear(w):
    weight, bias = w.linear()
    return fill(nn.Linear(1, 1), weight, bias)


def norm(w, eps):
    scale, bias = w.norm()
    return fill(nn.LayerNorm(1, eps=eps), scale, bias)


def table(weight):
    return fill(nn.Embedding(1, 1), weight)


class Attention(nn.Module):
    """Multi-head attention, its projections taken in the order q, k, v, out."""

    def __init__(self, w, heads):
        super().__init__()
        self.q, self.k, self.v, self.out = (linear(w) for _ in range(4))
        self.heads = heads

    def __call__(self, x, memory=None, mask=None):
        memory = x if memory is None else memory
        split = lambda y: y.reshape(*y.shape[:2], self.heads, -1).transpose(0, 2, 1, 3)
        q, k, v = split(self.q(x)), split(self.k(memory)), split(self.v(memory))
        y = mx.fast.scaled_dot_product_attention(q, k, v, scale=q.shape[-1] ** -0.5, mask=mask)
        return self.out(y.transpose(0, 2, 1, 3).reshape(x.shape))


class MLP(nn.Module):
    def __init__(self, w):
        super().__init__()
        self.fc1, self.fc2 = linear(w), linear(w)

    def __call__(self, x):
        return self.fc2(nn.gelu(self.fc1(x)))
