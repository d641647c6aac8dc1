"""DistilBERT (Sanh et al. 2019): token features."""

import mlx.core as mx
import mlx.nn as nn
from layers import MLP, Attention, norm, table


class Layer(nn.Module):
    def __init__(self, w, heads):
        super().__init__()
        self.attention, self.norm1 = Attention(w, heads), norm(w, 1e-12)
        self.mlp, self.norm2 = MLP(w), norm(w, 1e-12)

    def __call__(self, x, mask):
        x = self.norm1(x + self.attention(x, mask=mask))
        return self.norm2(x + self.mlp(x))


class Model(nn.Module):
    def __init__(self, w, heads):
        super().__init__()
        self.words, self.positions = table(w.table()), table(w.table())
        self.norm = norm(w, 1e-12)
        self.layers = [Layer(w, heads) for _ in range(w.left("norm") // 2)]

    def __call__(self, input_ids, attention_mask):
        x = self.norm(self.words(input_ids) + self.positions(mx.arange(input_ids.shape[1])))
        mask = attention_mask[:, None, None, :].astype(mx.bool_)
        for layer in self.layers:
            x = layer(x, mask)
        return x
