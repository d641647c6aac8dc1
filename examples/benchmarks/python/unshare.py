"""Gives every use of a parameter in an ONNX graph an initializer of its own.

usage: unshare.py FROM.onnx TO.onnx      both in one folder, where weights are external

Exporters keep one of equal initializers, such as biases of zeros, which would then be trained as one. Initializers come in the
order in which they are used, as exporters write those of a model that was trained.
"""

import sys

import onnx


def unshare(path, target):
    model = onnx.load(path, load_external_data=False)
    graph, used, order = model.graph, {}, {}
    shared = {t.name: t for t in graph.initializer if t.dims and t.data_type == onnx.TensorProto.FLOAT}
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name not in shared:
                continue
            used[name] = used.get(name, 0) + 1
            if used[name] > 1:
                node.input[i] = f"{name}.{used[name]}"
                graph.initializer.add().CopyFrom(shared[name])
                graph.initializer[-1].name = node.input[i]
            order[node.input[i]] = len(order)
    graph.initializer.sort(key=lambda t: order.get(t.name, -1))
    onnx.save(model, target)


if __name__ == "__main__":
    unshare(*sys.argv[1:])
