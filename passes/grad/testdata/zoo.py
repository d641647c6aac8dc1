"""Writes zoo.txt: PyTorch's gradients of the zoo's models with respect to all float initializers of rank 1 and more.

There are two losses of the first output y: the mean of its squares, and its product with cos 0, cos 1, …. A model's graph is run by PyTorch in float64, node by node, and differentiated by
autograd. Of each gradient there are its Euclidean norm and up to SAMPLES elements, evenly spaced. Needs numpy, onnx and torch:

    python3 zoo.py ../../../conformance/testdata/zoo
"""
import os
import sys

import numpy as np
import onnx
import torch
from onnx import numpy_helper

SAMPLES = 6
HERE = os.path.dirname(os.path.abspath(__file__))
FLOATS = {onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE, onnx.TensorProto.FLOAT16}
DTYPES = {onnx.TensorProto.INT64: torch.int64, onnx.TensorProto.INT32: torch.int32, onnx.TensorProto.BOOL: torch.bool}


def tensor(array):
    t = torch.from_numpy(np.array(array))
    return t.double() if t.is_floating_point() else t


def ints(t):
    return [int(v) for v in t.reshape(-1)]


def reshape(x, shape):
    return x.reshape([x.shape[i] if n == 0 else n for i, n in enumerate(ints(shape))])


def slice_(x, starts, ends, axes=None, steps=None):
    starts, ends = ints(starts), ints(ends)
    axes = ints(axes) if axes is not None else list(range(len(starts)))
    steps = ints(steps) if steps is not None else [1] * len(starts)
    for s, e, axis, step in zip(starts, ends, axes, steps):
        x = x.index_select(axis, torch.tensor(range(x.shape[axis])[s:e:step], dtype=torch.int64))
    return x


def gather(x, i, axis):
    i = torch.where(i < 0, i + x.shape[axis], i)
    return x.index_select(axis, i.reshape(-1)).reshape(x.shape[:axis] + i.shape + x.shape[axis + 1:])


def gather_nd(x, i, batch):
    assert batch == 0
    return x[tuple(i.movedim(-1, 0))]


def unsqueeze(x, axes):
    rank = x.dim() + len(axes)
    for a in sorted(a % rank for a in axes):
        x = x.unsqueeze(a)
    return x


def expand(x, shape):
    return x.expand(torch.broadcast_shapes(x.shape, tuple(ints(shape))))


def layer_norm(x, w, b, a):
    axis = a.get("axis", -1) % x.dim()
    return torch.nn.functional.layer_norm(x, x.shape[axis:], w.expand(x.shape[axis:]), b if b is None else b.expand(x.shape[axis:]), a.get("epsilon", 1e-5))


def conv(x, w, b, a):
    axes = w.dim() - 2
    pads = a.get("pads", [0] * (2 * axes))
    flat = [p for i in reversed(range(axes)) for p in (pads[i], pads[axes + i])]
    f = {1: torch.nn.functional.conv1d, 2: torch.nn.functional.conv2d}[axes]
    return f(torch.nn.functional.pad(x, flat), w, b, stride=a.get("strides", [1] * axes), dilation=a.get("dilations", [1] * axes), groups=a.get("group", 1))


def gemm(x, y, c, a):
    x = x.T if a.get("transA") else x
    y = y.T if a.get("transB") else y
    out = a.get("alpha", 1.0) * (x @ y)
    return out if c is None else out + a.get("beta", 1.0) * c


def cast(x, to):
    return x.double() if to in FLOATS else x.to(DTYPES[to])


def constant_of_shape(shape, a):
    v = tensor(numpy_helper.to_array(a["value"])) if "value" in a else torch.zeros(1, dtype=torch.float64)
    return v.reshape(()).expand(tuple(ints(shape)))


OPS = {
    "Identity": lambda x, a: x[0], "Add": lambda x, a: x[0] + x[1], "Sub": lambda x, a: x[0] - x[1], "Mul": lambda x, a: x[0] * x[1],
    "Div": lambda x, a: x[0] / x[1] if x[0].is_floating_point() else torch.div(x[0], x[1], rounding_mode="trunc"),
    "Pow": lambda x, a: x[0] ** x[1], "Sqrt": lambda x, a: x[0].sqrt(), "Neg": lambda x, a: -x[0], "Abs": lambda x, a: x[0].abs(),
    "Reciprocal": lambda x, a: 1 / x[0], "Sigmoid": lambda x, a: x[0].sigmoid(), "Erf": lambda x, a: x[0].erf(), "Cos": lambda x, a: x[0].cos(),
    "Sin": lambda x, a: x[0].sin(), "Max": lambda x, a: torch.maximum(x[0], x[1]), "IsNaN": lambda x, a: x[0].isnan(),
    "Gelu": lambda x, a: torch.nn.functional.gelu(x[0], approximate=a.get("approximate", b"none").decode()),
    "And": lambda x, a: x[0] & x[1], "Not": lambda x, a: ~x[0], "Equal": lambda x, a: x[0] == x[1], "Where": lambda x, a: torch.where(x[0], x[1], x[2]),
    "GreaterOrEqual": lambda x, a: x[0] >= x[1], "LessOrEqual": lambda x, a: x[0] <= x[1], "Cast": lambda x, a: cast(x[0], a["to"]),
    "MatMul": lambda x, a: x[0] @ x[1], "Gemm": lambda x, a: gemm(x[0], x[1], x[2] if len(x) > 2 else None, a),
    "Conv": lambda x, a: conv(x[0], x[1], x[2] if len(x) > 2 else None, a),
    "Softmax": lambda x, a: x[0].softmax(a.get("axis", -1)), "LayerNormalization": lambda x, a: layer_norm(x[0], x[1], x[2] if len(x) > 2 else None, a),
    "ReduceMean": lambda x, a: x[0].mean(ints(x[1]) if len(x) > 1 else a["axes"], keepdim=bool(a.get("keepdims", 1))),
    "CumSum": lambda x, a: x[0].cumsum(int(x[1])),
    "Shape": lambda x, a: torch.tensor(x[0].shape[a.get("start", 0):a.get("end", x[0].dim())], dtype=torch.int64),
    "Reshape": lambda x, a: reshape(x[0], x[1]), "Flatten": lambda x, a: x[0].reshape(int(np.prod(x[0].shape[:a.get("axis", 1)])), -1),
    "Transpose": lambda x, a: x[0].permute(a["perm"]), "Unsqueeze": lambda x, a: unsqueeze(x[0], ints(x[1])),
    "Squeeze": lambda x, a: x[0].squeeze(ints(x[1])) if len(x) > 1 else x[0].squeeze(), "Expand": lambda x, a: expand(x[0], x[1]),
    "Concat": lambda x, a: torch.cat(x, a["axis"]), "Split": lambda x, a: x[0].split(ints(x[1]) if len(x) > 1 else x[0].shape[a.get("axis", 0)] // a["num_outputs"], a.get("axis", 0)),
    "Slice": lambda x, a: slice_(*x), "Gather": lambda x, a: gather(x[0], x[1], a.get("axis", 0) % x[0].dim()),
    "GatherND": lambda x, a: gather_nd(x[0], x[1], a.get("batch_dims", 0)), "Tile": lambda x, a: x[0].repeat(ints(x[1])),
    "Range": lambda x, a: torch.arange(x[0].item(), x[1].item(), x[2].item(), dtype=x[0].dtype), "ConstantOfShape": lambda x, a: constant_of_shape(x[0], a),
}


def constant(a):
    for name, v in a.items():
        return tensor(numpy_helper.to_array(v)) if name == "value" else tensor(np.array(v, np.float32 if "float" in name else np.int64))


def run(model, feeds):
    """The first output, and the initializers by name."""
    env = {i.name: tensor(numpy_helper.to_array(i)) for i in model.graph.initializer}
    params = {n: t.requires_grad_() for n, t in env.items() if t.is_floating_point() and t.dim() > 0}
    env.update(feeds)
    for n in model.graph.node:
        a = {x.name: onnx.helper.get_attribute_value(x) for x in n.attribute}
        out = constant(a) if n.op_type == "Constant" else OPS[n.op_type]([env[i] for i in n.input], a)
        for name, v in zip(n.output, out if isinstance(out, tuple) else (out,)):
            env[name] = v
    return env[model.graph.output[0].name], params


def line(name, x, g):
    flat = (torch.zeros_like(x) if g is None else g).reshape(-1)
    at = [i * (len(flat) - 1) // max(SAMPLES - 1, 1) for i in range(SAMPLES)]
    return "%s %d %.7g %s" % (name, len(flat), flat.norm().item(), " ".join("%.7g" % flat[i].item() for i in at))


def main(zoo):
    lines = ["# Made by zoo.py with PyTorch. model NAME LOSS; PARAMETER ELEMENTS NORM SAMPLES…"]
    for name in sorted(os.listdir(zoo)):
        folder = os.path.join(zoo, name)
        model = onnx.load(os.path.join(folder, "model.onnx"))
        feeds = {}
        for i, v in enumerate(model.graph.input):
            data = onnx.load_tensor(os.path.join(folder, "test_data_set_0", "input_%d.pb" % i))
            feeds[v.name] = tensor(numpy_helper.to_array(data))
        y, params = run(model, feeds)
        want = numpy_helper.to_array(onnx.load_tensor(os.path.join(folder, "test_data_set_0", "output_0.pb")))
        np.testing.assert_allclose(y.detach().numpy(), want, rtol=1e-3, atol=1e-4)
        cotangent = torch.arange(y.numel(), dtype=torch.float64).cos().reshape(y.shape)
        for kind, loss in (("mean-square", (y * y).mean()), ("cotangent", (y * cotangent).sum())):
            grads = torch.autograd.grad(loss, list(params.values()), allow_unused=True, retain_graph=True)
            lines.append("model %s %s" % (name, kind))
            lines += [line(p, params[p], g) for p, g in zip(params, grads)]
    with open(os.path.join(HERE, "zoo.txt"), "w") as out:
        out.write("\n".join(lines) + "\n")


main(sys.argv[1])
