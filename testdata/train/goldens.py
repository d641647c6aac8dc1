"""Writes MODEL.onnx and losses.txt: small networks as PyTorch exports them, and the loss of each step of training them in PyTorch.

Weights are f32 and in the models; PyTorch trains in float64. A batch is made by formulas of whole numbers, which trainer_golden_test.go has too. Needs numpy, onnx and torch:

    python3 goldens.py
"""
import math
import os

import torch
from torch import nn
from torch.nn import functional as F

HERE = os.path.dirname(os.path.abspath(__file__))


class Perceptron(nn.Module):
    def __init__(self):
        super().__init__()
        self.up, self.mid, self.down = nn.Linear(6, 24), nn.Linear(24, 24), nn.Linear(24, 2)

    def forward(self, x):
        return self.down(torch.tanh(self.mid(F.relu(self.up(x)))))


class Convolutional(nn.Module):
    """The batch norm is in inference form: its statistics stay as they are."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(1, 6, 3, padding=1), nn.Conv2d(6, 8, 3, stride=2)
        self.norm, self.head = nn.BatchNorm2d(6), nn.Linear(8, 3)
        with torch.no_grad():
            self.norm.running_mean.copy_(torch.linspace(-0.25, 0.25, 6))
            self.norm.running_var.copy_(torch.linspace(0.25, 1.5, 6))

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.first(x))), 2)
        return self.head(F.relu(self.second(x)).mean((2, 3)))


class Block(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x, hidden):
        b, n, width = x.shape
        q, k, v = self.qkv(self.before(x)).reshape(b, n, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        scores = (q @ k.transpose(-1, -2)) / math.sqrt(width // self.heads)
        mixed = scores.masked_fill(hidden, float("-inf")).softmax(-1) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(b, n, width))
        return x + self.down(F.gelu(self.up(self.between(x))))


class Transformer(nn.Module):
    """Logits [batch, classes, sequence] of causal blocks."""

    def __init__(self, vocabulary=13, length=10, width=16, heads=2, blocks=2):
        super().__init__()
        self.tokens, self.places = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(blocks))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, vocabulary)
        self.register_buffer("hidden", torch.ones(length, length).triu(1).bool())
        for m in self.modules():
            if isinstance(m, nn.LayerNorm):  # the exporter makes one of parameters that are equal
                nn.init.uniform_(m.weight, 0.75, 1.25)
                nn.init.uniform_(m.bias, -0.25, 0.25)

    def forward(self, x):
        x = self.tokens(x) + self.places.weight
        for block in self.blocks:
            x = block(x, self.hidden)
        return self.head(self.norm(x)).transpose(1, 2)


def points(step):
    x = [[((step * 7 + r * 5 + c * 3) * (c + 2) % 17 - 8) / 8 for c in range(6)] for r in range(8)]
    y = [[row[0] * row[1], (row[2] + row[3] - row[4]) / 2] for row in x]
    return torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)


def lines(step):
    """Lines across, down and aslant."""
    def pixel(r, i, j):
        return int((i, j, i + j)[r % 3] % 3 == (step + r // 3) % 3) + (i * 5 + j * 7 + r + step) % 4 / 16
    x = [[[[pixel(r, i, j) for j in range(8)] for i in range(8)]] for r in range(6)]
    return torch.tensor(x, dtype=torch.float64), torch.arange(6) % 3


def tokens(step):
    """The token after each, of sequences that count by their row's stride."""
    x = torch.tensor([[(step * 3 + r + c * (r % 3 + 1)) % 13 for c in range(11)] for r in range(6)])
    return x[:, :-1].contiguous(), x[:, 1:].contiguous()


TASKS = {
    "mlp": (Perceptron, points, F.mse_loss, 50, lambda p: torch.optim.SGD(p, 0.05, momentum=0.9), 0.5),
    "cnn": (Convolutional, lines, F.cross_entropy, 30, lambda p: torch.optim.SGD(p, 0.03, momentum=0.9, nesterov=True), None),
    "transformer": (Transformer, tokens, F.cross_entropy, 50, lambda p: torch.optim.AdamW(p, 0.01), None),
}


def export(model, name, x):
    """The first axis of inputs and outputs is the batch, of any size."""
    path = os.path.join(HERE, name + ".onnx")
    x = x.float() if x.is_floating_point() else x
    torch.onnx.export(model.eval(), (x,), path, dynamo=False, opset_version=17, training=torch.onnx.TrainingMode.PRESERVE,
                      input_names=["x"], output_names=["logits"], dynamic_axes={"x": {0: "batch"}, "logits": {0: "batch"}})


def losses(model, batch, criterion, steps, optimizer, clip):
    model = model.double()
    optimizer = optimizer(model.parameters())
    for step in range(steps):
        x, labels = batch(step)
        loss = criterion(model(x), labels)
        optimizer.zero_grad()
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        yield loss.item()


def main():
    rows = ["# Made by goldens.py with PyTorch %s. MODEL LOSS…" % torch.__version__.split("+")[0]]
    for name, (network, batch, *training) in TASKS.items():
        torch.manual_seed(1)
        model = network()
        export(model, name, batch(0)[0])
        rows.append(" ".join([name] + ["%.9g" % v for v in losses(model, batch, *training)]))
    with open(os.path.join(HERE, "losses.txt"), "w") as out:
        out.write("\n".join(rows) + "\n")


main()
