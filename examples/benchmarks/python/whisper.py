"""Whisper (Radford et al. 2022): encoder and decoder, the latter without a cache."""

import mlx.core as mx
import mlx.nn as nn
from layers import MLP, Attention, fill, norm, table


class EncoderLayer(nn.Module):
    def __init__(self, w, heads):
        super().__init__()
        self.norm1, self.attention = norm(w, 1e-5), Attention(w, heads)
        self.norm2, self.mlp = norm(w, 1e-5), MLP(w)

    def __call__(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class Encoder(nn.Module):
    def __init__(self, w, heads):
        super().__init__()
        self.conv1 = fill(nn.Conv1d(1, 1, 3, padding=1), *w.conv())
        self.conv2 = fill(nn.Conv1d(1, 1, 3, stride=2, padding=1), *w.conv())
        self.positions = mx.array(w.table())
        self.layers = [EncoderLayer(w, heads) for _ in range(w.left("norm") // 2)]
        self.norm = norm(w, 1e-5)

    def __call__(self, input_features):
        x = nn.gelu(self.conv1(input_features.transpose(0, 2, 1)))
        x = nn.gelu(self.conv2(x)) + self.positions
        for layer in self.layers:
            x = layer(x)
        return self.norm(x)


class DecoderLayer(nn.Module):
    def __init__(self, w, heads):
        super().__init__()
        self.norm1, self.attention = norm(w, 1e-5), Attention(w, heads)
        self.norm2, self.cross = norm(w, 1e-5), Attention(w, heads)
        self.norm3, self.mlp = norm(w, 1e-5), MLP(w)

    def __call__(self, x, memory):
        x = x + self.attention(self.norm1(x), mask="causal")
        x = x + self.cross(self.norm2(x), memory)
        return x + self.mlp(self.norm3(x))


class Decoder(nn.Module):
    def __init__(self, w, heads):
        super().__init__()
        self.words = table(w.table())
        self.positions = mx.array(w.table())
        self.layers = [DecoderLayer(w, heads) for _ in range(w.left("norm") // 3)]
        self.norm = norm(w, 1e-5)

    def __call__(self, decoder_input_ids, encoder_hidden_states):
        x = self.words(decoder_input_ids) + self.positions[: decoder_input_ids.shape[1]]
        for layer in self.layers:
            x = layer(x, encoder_hidden_states)
        return self.words.as_linear(self.norm(x))
