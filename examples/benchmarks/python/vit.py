"""ViT (Dosovitskiy et al. 2020): an image's class."""

import mlx.core as mx
import mlx.nn as nn
from layers import MLP, Attention, fill, linear, norm


class Layer(nn.Module):
    def __init__(self, w, heads):
        super().__init__()
        self.norm1, self.attention = norm(w, 1e-12), Attention(w, heads)
        self.norm2, self.mlp = norm(w, 1e-12), MLP(w)

    def __call__(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Model(nn.Module):
    def __init__(self, w, heads):
        super().__init__()
        weight, bias = w.conv()
        self.patches = fill(nn.Conv2d(1, 1, weight.shape[1:3], stride=weight.shape[1:3]), weight, bias)
        self.first = mx.array(w.named("cls_token"))
        self.positions = mx.array(w.named("position_embeddings"))
        self.layers = [Layer(w, heads) for _ in range(w.left("norm") // 2)]
        self.norm, self.head = norm(w, 1e-12), linear(w)

    def __call__(self, pixel_values):
        x = self.patches(pixel_values.transpose(0, 2, 3, 1)).flatten(1, 2)
        first = mx.broadcast_to(self.first, (x.shape[0], 1, x.shape[2]))
        x = mx.concatenate([first, x], axis=1) + self.positions
        for layer in self.layers:
            x = layer(x)
        return self.head(self.norm(x)[:, 0])
