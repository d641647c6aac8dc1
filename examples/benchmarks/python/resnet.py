"""ResNet-50 (He et al. 2015) for inference: batch norms are folded into the convolutions, as exporters do."""

import mlx.nn as nn
from layers import fill, linear


def conv(w, stride=1):
    weight, bias = w.conv()
    return fill(nn.Conv2d(1, 1, 1, stride=stride, padding=weight.shape[1] // 2), weight, bias)


class Block(nn.Module):
    def __init__(self, w, stride, project):
        super().__init__()
        self.conv1, self.conv2, self.conv3 = conv(w), conv(w, stride), conv(w)
        self.project = conv(w, stride) if project else None

    def __call__(self, x):
        y = self.conv3(nn.relu(self.conv2(nn.relu(self.conv1(x)))))
        return nn.relu(y + (self.project(x) if self.project else x))


class Model(nn.Module):
    def __init__(self, w, layers=(3, 4, 6, 3)):
        super().__init__()
        self.stem = conv(w, 2)
        self.pool = nn.MaxPool2d(3, 2, padding=1)
        self.blocks = [Block(w, 2 if stage and not i else 1, not i) for stage, n in enumerate(layers) for i in range(n)]
        self.head = linear(w)

    def __call__(self, x):
        x = self.pool(nn.relu(self.stem(x.transpose(0, 2, 3, 1))))
        for block in self.blocks:
            x = block(x)
        return self.head(x.mean(axis=(1, 2)))
