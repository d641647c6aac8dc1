"""The hand-written MLX models by architecture, and what it takes to run them."""

import mlx.core as mx
import numpy as np
from mlx.utils import tree_map
from weights import Weights


def build(architecture, w, heads):
    match architecture:
        case "distilbert":
            from distilbert import Model
        case "vit":
            from vit import Model
        case "whisper-encoder":
            from whisper import Encoder as Model
        case "whisper-decoder":
            from whisper import Decoder as Model
        case "resnet":
            from resnet import Model
        case "qwen3":
            from qwen3 import Model
    return Model(w, heads) if heads else Model(w)


def half(args):
    """What brings a float array to the precision of the run."""
    return lambda a: a.astype(mx.bfloat16) if args.bf16 and a.dtype == mx.float32 else a


def load(args):
    """The model with the graph's weights, on the device."""
    architecture, _, heads = args.architecture.partition(":")
    mx.set_default_device(mx.gpu if args.gpu else mx.cpu)
    model = build(architecture, Weights(args.model), int(heads or 0))
    model.update(tree_map(half(args), model.parameters()))
    mx.eval(model.parameters())
    return model


def mlx(args, inputs):
    model, cast = load(args), half(args)
    given = {name: cast(mx.array(a)) for name, a in inputs.items()}
    fed = [name for name in inputs if not name.startswith("past_")]

    def run():
        # inputs come from the host and the output goes there, as with Emily; a cache stays where it is
        given.update((name, cast(mx.array(inputs[name]))) for name in fed)
        out = model(**given)
        return np.array(out.astype(mx.float32))

    return f"mlx {mx.__version__} on {mx.default_device()}", run
