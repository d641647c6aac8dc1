"""Training steps of the twins: mlx, and the same under mx.compile."""

import mlx.core as mx
import mlx.nn as nn
import mlx.optimizers as optim
import twins
from mlx.utils import tree_flatten

LOSSES = {
    "mse": lambda y, labels: nn.losses.mse_loss(y, labels),
    "cross_entropy": lambda y, labels: nn.losses.cross_entropy(y, labels, reduction="mean"),
}


def mlx(args, inputs, compiled=False):
    model = twins.load(args)
    optimizer = optim.AdamW(learning_rate=args.rate, bias_correction=True)
    optimizer.init(model.trainable_parameters())
    loss = LOSSES[args.train]
    value_and_grad = nn.value_and_grad(model, lambda batch, labels: loss(model(**batch), labels))
    state = [model.state, optimizer.state]

    def step(batch, labels):
        value, grads = value_and_grad(batch, labels)
        optimizer.update(model, grads)
        return value

    if compiled:
        step = mx.compile(step, inputs=state, outputs=state)

    def run():
        batch = {name: mx.array(a) for name, a in inputs.items()}
        value = step(batch, batch.pop("labels"))
        mx.eval(state, value)
        return value.item()

    trained = [a for _, a in tree_flatten(model.trainable_parameters())]
    about = f"mlx {mx.__version__} on {mx.default_device()}, trains {sum(a.size for a in trained)} elements of {len(trained)} parameters"
    return about, run


def mlx_compile(args, inputs):
    return mlx(args, inputs, compiled=True)
