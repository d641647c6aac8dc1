"""Function bodies of ONNX's operators, written out as nodes."""

import numpy as np
import onnx
from onnx import helper, numpy_helper

rng = np.random.default_rng(1)
TYPES = {"f": onnx.TensorProto.FLOAT, "i": onnx.TensorProto.INT64, "b": onnx.TensorProto.BOOL}
WHOLE = {"Range", "CastLike", "HardSigmoid"}  # operators of the bodies that stay


def value(name, spec):
    kind, *shape = spec.split()
    return helper.make_tensor_value_info(name, TYPES[kind], [int(d) if d.isdigit() else d for d in shape])


def body(node, schema, opset, types):
    """The body as a function, None where the operator has none."""
    f = onnx.FunctionProto()
    latest = lambda versions: max(v for v in versions if v <= opset)
    if node.op_type in WHOLE:
        return None
    if schema.has_function:
        f.ParseFromString(schema.get_function_with_opset_version(latest(schema.function_opset_versions)))
    elif schema.has_context_dependent_function:
        args = [types.get(x, onnx.TypeProto()).SerializeToString() for x in node.input]
        version = latest(schema.context_dependent_function_opset_versions)
        f.ParseFromString(schema.get_context_dependent_function_with_opset_version(version, node.SerializeToString(), args))
    return f if f.node else None


def written_out(node, f, schema, n):
    """The nodes of f in place of node, with names of their own."""
    names = dict(zip(f.input, [*node.input, *[""] * len(f.input)]))
    names.update(zip(f.output, node.output))
    attrs = {k: a.default_value for k, a in schema.attributes.items() if a.default_value.type}
    attrs.update({a.name: a for a in [*f.attribute_proto, *node.attribute]})
    name = lambda x: names.get(x, f"{node.op_type}_{n}_{x}" if x else "")
    for inner in f.node:
        out = onnx.NodeProto(op_type=inner.op_type, domain=inner.domain, input=map(name, inner.input), output=map(name, inner.output))
        for a in inner.attribute:
            if not a.ref_attr_name:
                out.attribute.append(a)
            elif a.ref_attr_name in attrs:
                out.attribute.append(attrs[a.ref_attr_name])
                out.attribute[-1].name = a.name
        yield out


def inlined(model, opset):
    for _ in range(4):
        inferred = onnx.shape_inference.infer_shapes(model).graph
        types = {v.name: v.type for v in [*inferred.value_info, *inferred.input, *inferred.output]}
        types.update({t.name: helper.make_tensor_type_proto(t.data_type, list(t.dims)) for t in inferred.initializer})
        nodes = []
        for n, node in enumerate(model.graph.node):
            schema = onnx.defs.get_schema(node.op_type, opset, node.domain)
            f = body(node, schema, opset, types)
            nodes.extend(written_out(node, f, schema, len(nodes) + n) if f else [node])
        if len(nodes) == len(model.graph.node):
            break
        del model.graph.node[:]
        model.graph.node.extend(nodes)
    return model


def made():
    models = []

    def form(name, op, opset, ins, outs="y=f b 5 16", **attrs):
        """ins and outs are NAME=TYPE SIZES, NAME=- for an absent one; names with a capital are constants."""
        ins, outs = [dict(x.split("=") for x in s.split(", ")) for s in (ins, outs)]
        node = helper.make_node(op, [k if v != "-" else "" for k, v in ins.items()], list(outs), **attrs)
        inputs = [value(k, v) for k, v in ins.items() if v != "-" and not k[0].isupper()]
        shapes = {k: [int(d) for d in v.split()[1:]] for k, v in ins.items() if k[0].isupper()}
        constants = [numpy_helper.from_array(rng.random(shape, np.float32), k) for k, shape in shapes.items()]
        graph = helper.make_graph([node], "g", inputs, [value(k, v) for k, v in outs.items()], constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
        models.append((f"function/{name}", inlined(model, opset)))

    x = "x=f b 5 16"
    for name, op, opset, attrs in [("gelu", "Gelu", 20, {}), ("gelu tanh", "Gelu", 20, {"approximate": "tanh"}), ("swish", "Swish", 24, {}),
                                   ("swish 1.702", "Swish", 24, {"alpha": 1.702}), ("mish", "Mish", 18, {}), ("hardswish", "HardSwish", 14, {}),
                                   ("softplus", "Softplus", 22, {}), ("softmax", "Softmax", 13, {}), ("softmax of the middle", "Softmax", 18, {"axis": 1}),
                                   ("logsoftmax", "LogSoftmax", 13, {})]:
        form(name, op, opset, x, **attrs)
    form("swiglu", "SwiGLU", 28, "a=f b 5 16, c=f b 5 16")
    form("layer norm", "LayerNormalization", 17, x + ", W=f 16, C=f 16")
    form("rms norm", "RMSNormalization", 23, x + ", W=f 16")
    form("group norm", "GroupNormalization", 21, "x=f b 4 3 3, W=f 4, C=f 4", "y=f b 4 3 3", num_groups=2)
    q, k, y = "q=f b 4 5 8", "k=f b 4 7 8, v=f b 4 7 8", "y=f b 4 5 8"
    for name, ins, attrs in [("attention", k, {}), ("attention scale", k, {"scale": 0.3}), ("attention causal", k, {"is_causal": 1}),
                             ("attention mask", k + ", m=f b 1 5 7", {}), ("attention bool", k + ", m=b b 1 5 7", {}),
                             ("attention bool causal", k + ", m=b b 1 5 7", {"is_causal": 1}), ("attention gqa", "k=f b 2 7 8, v=f b 2 7 8", {}),
                             ("attention nonpad", k + ", m=-, pk=-, pv=-, n=i b", {})]:
        form(name, "Attention", 24, f"{q}, {ins}", y, **attrs)
    form("attention past", "Attention", 24, "q=f b 4 5 8, k=f b 4 5 8, v=f b 4 5 8, m=-, pk=f b 4 3 8, pv=f b 4 3 8", y + ", ok=f b 4 8 8, ov=f b 4 8 8", is_causal=1)
    form("attention softcap", "Attention", 24, f"{q}, {k}", y, softcap=5.0)
    form("attention 3d", "Attention", 24, "q=f b 5 32, k=f b 7 16, v=f b 7 16", "y=f b 5 32", q_num_heads=4, kv_num_heads=2)
    for i, pair in enumerate(("halves", "neighbours")):
        for name, ins, out, attrs in [("", f"{q}, c=f b 5 4, s=f b 5 4", y, {}), (" positions", f"{q}, C=f 9 4, S=f 9 4, p=i b 5", y, {}),
                                      (" 3d", "q=f b 5 32, C=f 9 4, S=f 9 4, p=i b 5", "y=f b 5 32", {"num_heads": 4}),
                                      (" part", f"{q}, C=f 9 2, S=f 9 2, p=i b 5", y, {"rotary_embedding_dim": 4})]:
            form(f"rope {pair}{name}", "RotaryEmbedding", 23, ins, out, interleaved=i, **attrs)
    return models
