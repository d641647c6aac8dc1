"""Writes schemas.txt: the operator schemas of the onnx package, and onnxruntime's of com.microsoft.

    pip install onnx onnxruntime && python3 gen.py

doc.go describes the form.
"""

import re
from pathlib import Path

import numpy
import onnx
import onnxruntime
from onnx import AttributeProto, defs, helper
from onnxruntime.capi import onnxruntime_pybind11_state as ort

# What Emily and its text form call the element types.
DTYPES = {
    "double": "f64", "float": "f32", "float16": "f16", "bfloat16": "bf16", "float8e4m3fn": "f8e4m3fn",
    "float8e4m3fnuz": "f8e4m3fnuz", "float8e5m2": "f8e5m2", "float8e5m2fnuz": "f8e5m2fnuz", "float8e8m0": "f8e8m0",
    "float6e2m3": "f6e2m3", "float6e3m2": "f6e3m2", "float4e2m1": "f4e2m1", "int2": "i2", "int4": "i4", "int8": "i8",
    "int16": "i16", "int32": "i32", "int64": "i64", "uint2": "u2", "uint4": "u4", "uint8": "u8", "uint16": "u16",
    "uint32": "u32", "uint64": "u64", "bool": "bool", "string": "string", "complex64": "c64", "complex128": "c128",
}
ORDER = list(DTYPES.values())


def spell(t):
    """tensor(float) is f32, map(int64, tensor(float)) is map(i64,f32)."""
    t = re.sub(r"\btensor\((\w+)\)", r"\1", t.replace(" ", ""))
    return re.sub(r"\w+", lambda m: DTYPES.get(m[0], m[0]), t)


def types(list_):
    def key(t):
        dtype = re.findall(r"\w+", t)[-1]
        return t.count("("), t[: -len(dtype)], ORDER.index(dtype)

    return " ".join(sorted(dict.fromkeys(map(spell, list_)), key=key))


def text(x):
    s = x.decode() if isinstance(x, bytes) else x
    assert '"' not in s and "\\" not in s and "\n" not in s, s
    return f'"{s}"'


def number(x):
    return str(numpy.float32(x))  # the shortest text that is the same float32


SHOW = {
    AttributeProto.FLOAT: number, AttributeProto.INT: str, AttributeProto.STRING: text,
    AttributeProto.FLOATS: number, AttributeProto.INTS: str, AttributeProto.STRINGS: text,
}


def default(a):
    raw = getattr(a, "_default_value", None)
    p = AttributeProto.FromString(raw) if raw is not None else a.default_value
    if p.type == AttributeProto.UNDEFINED:
        return ""
    v = helper.get_attribute_value(p)
    return " = " + " ".join(SHOW[p.type](x) for x in (v if isinstance(v, list) else [v]))


def attribute(a):
    kind = a.type.name
    return f"attr {a.name} {kind}" + (" required" if a.required else default(a))


def param(way, i, p, least):
    line = f"{way} {p.name} {spell(getattr(p, 'type_str', None) or p.typeStr)}"
    option = p.option.name
    if option == "Optional":
        line += " optional"
    if option == "Variadic":
        line += f" variadic {max(0, least - i)}"
        if not getattr(p, "is_homogeneous", getattr(p, "isHomogeneous", True)):
            line += " mixed"
    return line


def version(s):
    yield f"version {s.since_version}" + (" deprecated" if s.deprecated else "")
    yield from (param("in", i, p, s.min_input) for i, p in enumerate(s.inputs))
    yield from (param("out", i, p, s.min_output) for i, p in enumerate(s.outputs))
    yield from (attribute(a) for _, a in sorted(s.attributes.items()))
    yield from (f"type {c.type_param_str} {types(c.allowed_type_strs)}" for c in s.type_constraints)


def contrib(s):
    return s.domain == "com.microsoft" or (s.domain, s.name, s.since_version) in OWN


# What onnxruntime adds to ONNX's own domain, and its optimiser writes there.
OWN = {("", "SimplifiedLayerNormalization", 1), ("", "LayerNormalization", 1)}


def main():
    ops = {}
    for s in defs.get_all_schemas_with_history() + list(filter(contrib, ort.get_all_operator_schema())):
        ops.setdefault((s.domain, s.name), []).append(s)
    lines = [f"# Made by gen.py from onnx {onnx.__version__} and onnxruntime {onnxruntime.__version__}. Do not edit."]
    for (domain, name), versions in sorted(ops.items()):
        lines += ["", f"op {domain or 'ai.onnx'} {name}"]
        for s in sorted(versions, key=lambda s: s.since_version):
            lines += version(s)
    Path(__file__).with_name("schemas.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
