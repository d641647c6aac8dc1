"""Writes cases.tar.gz beside this file, in the layout of the ONNX backend tests: what onnxruntime does not run and ONNX's reference evaluator does.
These are the 6-bit floats of opset 28 in Cast, QuantizeLinear, DequantizeLinear and constants, without NaN, which they have not, and Erf-9 and
Shrink of integers.

Needs numpy, ml_dtypes and onnx 1.23.
"""
import gzip
import io
import os
import tarfile

import numpy as np
from onnx import TensorProto, helper as h, numpy_helper as nh
from onnx.reference import ReferenceEvaluator

out = os.path.dirname(os.path.abspath(__file__))
tar = tarfile.open(fileobj=gzip.GzipFile(os.path.join(out, "cases.tar.gz"), "wb", 9, mtime=0), mode="w")
rng = np.random.default_rng(0)
x = np.concatenate([[0.0, -0.0, 1e9, -1e9, np.inf, -np.inf, 0.0625, 0.03125, 7.25, 7.75, 26, 30], rng.normal(size=37) * 4]).astype(np.float32)


def case(name, nodes, feeds, result, stored=(), opset=28):
    names = ["x%d" % i for i in range(len(feeds))]
    ins = [h.make_tensor_value_info(n, h.np_dtype_to_tensor_dtype(v.dtype), v.shape) for n, v in zip(names, feeds)]
    g = h.make_graph(nodes, "g", ins, [h.make_tensor_value_info("y", result, None)], list(stored))
    m = h.make_model(g, opset_imports=[h.make_opsetid("", opset)], ir_version=13)
    y = ReferenceEvaluator(m).run(None, dict(zip(names, feeds)))[0]
    m.graph.output[0].CopyFrom(h.make_tensor_value_info("y", result, y.shape))
    files = {"model.onnx": m, "test_data_set_0/output_0.pb": nh.from_array(y)}
    for i, v in enumerate(feeds):
        files["test_data_set_0/input_%d.pb" % i] = nh.from_array(v)
    for path, p in files.items():
        data = p.SerializeToString()
        entry = tarfile.TarInfo(name + "/" + path)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))


for code, name in ((TensorProto.FLOAT6E2M3, "e2m3"), (TensorProto.FLOAT6E3M2, "e3m2")):
    small = x.astype(h.tensor_dtype_to_np_dtype(code))
    cast = lambda to: h.make_node("Cast", ["x0"], ["y"], to=to)
    case("cast_to_" + name, [cast(code)], [x], code)
    case("cast_from_" + name, [cast(TensorProto.FLOAT)], [small], TensorProto.FLOAT)
    case("cast_f16_" + name, [cast(code)], [x.astype(np.float16)], code)
    scale = nh.from_array(np.array(0.5, np.float32), "s")
    zero = h.make_tensor("z", code, [], np.zeros(1, small.dtype).view(np.uint8).tobytes(), raw=True)
    case("quantize_" + name, [h.make_node("QuantizeLinear", ["x0", "s", "z"], ["y"])], [x], code, [scale, zero])
    case("dequantize_" + name, [h.make_node("DequantizeLinear", ["x0", "s"], ["y"])], [small], TensorProto.FLOAT, [scale])
    typed = h.make_tensor("w", code, [49], small.astype(np.float32))
    raw = nh.from_array(small, "w")
    for kind, w in (("typed", typed), ("raw", raw)):
        case("stored_%s_%s" % (kind, name), [h.make_node("DequantizeLinear", ["w", "s"], ["v"]), h.make_node("Add", ["v", "x0"], ["y"])], [np.ones(49, np.float32)], TensorProto.FLOAT, [scale, w])
whole = np.array([-128, -5, -4, -3, -1, 0, 1, 2, 3, 4, 5, 127])
for dtype in (np.int8, np.int32, np.int64, np.uint8, np.uint64):
    v = whole.astype(dtype) if np.iinfo(dtype).min < 0 else abs(whole).astype(dtype)
    code = h.np_dtype_to_tensor_dtype(v.dtype)
    case("erf_" + v.dtype.name, [h.make_node("Erf", ["x0"], ["y"])], [v], code, opset=9)
    case("shrink_" + v.dtype.name, [h.make_node("Shrink", ["x0"], ["y"], lambd=1.5, bias=0.75)], [v], code)
    case("shrink_negative_" + v.dtype.name, [h.make_node("Shrink", ["x0"], ["y"], lambd=-2.0, bias=-1.0)], [v // 2], code)
tar.close()
tar.fileobj.close()
