"""onnxruntime and PyTorch."""

import os

import numpy as np


def onnxruntime(args, inputs):
    import onnxruntime as ort

    session = ort.InferenceSession(args.model, providers=["CPUExecutionProvider"])
    return "onnxruntime " + ort.__version__, lambda: session.run(None, inputs)[0]


def torch_eager(args, inputs):
    return torch_model(args, inputs, lambda model: model)


def torch_compile(args, inputs):
    import torch

    return torch_model(args, inputs, torch.compile)


def torch_model(args, inputs, prepare):
    """The model that export.py exports, with random weights of the same sizes."""
    import torch
    from export import MODELS, past_of

    name = os.path.basename(os.path.dirname(os.path.abspath(args.model)))
    device = "cuda" if args.gpu else "cpu"
    torch.set_float32_matmul_precision("high")  # TF32 on a GPU, as MLX has it
    dtype = torch.bfloat16 if args.bf16 else torch.float32
    model = prepare(MODELS[name].module().eval().to(device, dtype))
    arrays = {n: torch.from_numpy(np.array(a)) for n, a in inputs.items()}
    place = lambda a: a.to(device, dtype) if a.is_floating_point() else a.to(device)
    given = {n: place(a) for n, a in arrays.items()}

    @torch.inference_mode()
    def run():
        given.update((n, place(a)) for n, a in arrays.items() if not n.startswith("past_"))
        out = model(**past_of(given))
        out = out[0] if isinstance(out, tuple) else out
        return out.float().cpu().numpy()

    return f"torch {torch.__version__} on {device}", run
