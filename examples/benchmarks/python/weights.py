"""The weights of an ONNX graph, in the order in which the graph uses them.

Exporters fold transposes into weights and share equal ones, so that names say little; but a graph uses its weights in the
order in which the model's author called the layers.
"""

import os

import numpy as np
import onnx
from onnx import external_data_helper, numpy_helper


class Weights:
    """Each method takes the next weights of its kind, as float32 in MLX's layout."""

    def __init__(self, path):
        model = onnx.load(path, load_external_data=False)
        self.graph = model.graph
        self.folder = os.path.dirname(path)
        self.constants = {t.name: t for t in model.graph.initializer}
        for node in model.graph.node:
            if node.op_type == "Constant":
                t = next(a.t for a in node.attribute if a.name == "value")
                self.constants[node.output[0]] = t
        self.readers = {}
        for node in model.graph.node:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)
        self.queues = {"linear": [], "conv": [], "norm": [], "scale": [], "table": []}
        for node in model.graph.node:
            self._sort(node)

    def _sort(self, node):
        weight = [n for n in node.input if self._rank(n) > 0]
        match node.op_type:
            case "MatMul" if self._rank(node.input[1]) == 2:
                self.queues["linear"].append((node.input[1], self._bias(node), True))
            case "Gemm":
                attrs = {a.name: a.i for a in node.attribute}
                self.queues["linear"].append((node.input[1], (list(node.input) + [None])[2], not attrs.get("transB")))
            case "Conv":
                self.queues["conv"].append((node.input[1], (list(node.input) + [None])[2]))
            case "LayerNormalization":
                self.queues["norm"].append(tuple(node.input[1:3]))
            case "Mul" if weight and self._rank(weight[0]) == 1 and self._size(weight[0]) > 1 and not weight[0].endswith("inv_freq"):
                self.queues["scale"].append(weight[0])
            case "Add" if weight and self._rank(weight[0]) == 2:  # of positions, whose indices were constant
                self.queues["table"].append(weight[0])
            case "Gather" | "GatherND" if self._rank(node.input[0]) == 2:
                self.queues["table"].append(node.input[0])

    def _rank(self, name):
        """The rank of a float constant, -1 of all else."""
        t = self.constants.get(name)
        return len(t.dims) if t is not None and t.data_type in (1, 10, 16) else -1

    def _size(self, name):
        return int(np.prod(self.constants[name].dims))

    def _bias(self, matmul):
        """The vector that alone is added to the product."""
        readers = self.readers.get(matmul.output[0], [])
        if len(readers) != 1 or readers[0].op_type != "Add":
            return None
        return next((n for n in readers[0].input if self._rank(n) == 1), None)

    def array(self, name):
        t = self.constants[name]
        if external_data_helper.uses_external_data(t):
            external_data_helper.load_external_data_for_tensor(t, self.folder)
        return numpy_helper.to_array(t).astype(np.float32)

    def left(self, kind):
        """How many weights of a kind are still to be taken."""
        return len(self.queues[kind])

    def linear(self):
        """weight [out, in] and bias [out] or None, of the next MatMul or Gemm with a constant."""
        weight, bias, turn = self.queues["linear"].pop(0)
        w = self.array(weight)
        return np.ascontiguousarray(w.T) if turn else w, self.array(bias) if bias else None

    def conv(self):
        """weight [out, spatial…, in] and bias [out] or None."""
        weight, bias = self.queues["conv"].pop(0)
        return np.ascontiguousarray(np.moveaxis(self.array(weight), 1, -1)), self.array(bias) if bias else None

    def norm(self):
        """scale and bias of the next LayerNormalization."""
        scale, bias = self.queues["norm"].pop(0)
        return self.array(scale), self.array(bias)

    def scale(self):
        """The next vector that something is multiplied with: of an RMS norm."""
        return self.array(self.queues["scale"].pop(0))

    def table(self):
        """The next matrix whose rows are gathered or added: of an embedding."""
        return self.array(self.queues["table"].pop(0))

    def rope_theta(self, n):
        """theta of the frequencies theta^(-i/n), a constant of n elements."""
        known = (self.array(k).ravel() for k in self.constants if self._rank(k) > 0 and self._size(k) == n)
        return float(next(f[1] for f in known if f[0] == 1 and f[1] < 1)) ** -n

    def named(self, suffix):
        return self.array(next(n for n in self.constants if n.endswith(suffix)))
