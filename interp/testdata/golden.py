"""Writes the golden cases of interp's kernel tests, one file per family, from NumPy and onnx's reference.

Needs numpy, ml_dtypes, onnx and onnxruntime. A case is the op's text over %a, %b, …, its operands, and after = its results.
"""
import os
import struct
import zlib

import ml_dtypes as ml
import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

rng = np.random.default_rng(7)
DTYPES = {
    np.float64: "f64", np.float32: "f32", np.float16: "f16", ml.bfloat16: "bf16",
    ml.float8_e4m3fn: "f8e4m3fn", ml.float8_e4m3fnuz: "f8e4m3fnuz", ml.float8_e5m2: "f8e5m2", ml.float8_e5m2fnuz: "f8e5m2fnuz",
    ml.float6_e2m3fn: "f6e2m3", ml.float6_e3m2fn: "f6e3m2", ml.float4_e2m1fn: "f4e2m1", ml.int2: "i2", ml.uint2: "u2", ml.int4: "i4", ml.uint4: "u4",
    np.int8: "i8", np.int16: "i16", np.int32: "i32", np.int64: "i64",
    np.uint8: "u8", np.uint16: "u16", np.uint32: "u32", np.uint64: "u64", np.bool_: "bool", np.str_: "string",
    np.complex64: "c64", np.complex128: "c128",
}
NAMES = {np.dtype(k): v for k, v in DTYPES.items() if k is not np.str_}


def name_of(x):
    return "string" if x.dtype.kind in "UO" else NAMES[x.dtype]


def value(v, d):
    if d == "string":
        return '"%s"' % v.encode("unicode_escape").decode()  # Go reads it back: nothing from U+80 to U+FF
    if d == "bool":
        return "1" if v else "0"
    if d[0] in "iu":
        return str(int(v))
    return repr(float(v))


def text(x):
    x = np.asarray(x)
    d = name_of(x)
    return "%s[%s] %s" % (d, ", ".join(map(str, x.shape)), " ".join(value(v, d) for v in x.reshape(-1)))


class Family:
    def __init__(self, name):
        self.name, self.out = name, []

    def case(self, op, args, *results, note=""):
        lines = ["# " + note] if note else []
        names = []
        for i, a in enumerate(args):
            if a is None:
                names.append("none")
                continue
            names.append("%" + chr(97 + i))
            lines.append("%s %s" % (chr(97 + i), text(a)))
        kind, _, attrs = op.partition(" ")
        head = kind + (" " + ", ".join(names) if names else "") + (" " + attrs if attrs else "")
        for r in results:
            lines.append("= " + text(r))
        self.out.append("\n".join([head] + lines))

    def write(self):
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), self.name + ".txt")
        with open(path, "w") as f:
            f.write("\n\n".join(self.out) + "\n")


def onnx_op(op, args, outputs=1, opset=21, ref=False, **attrs):
    names = ["" if a is None else chr(97 + i) for i, a in enumerate(args)]
    present = {n: np.asarray(a) for n, a in zip(names, args) if a is not None}
    outs = ["o%d" % i for i in range(outputs)]
    g = helper.make_graph(
        [helper.make_node(op, names, outs, **attrs)], "g",
        [helper.make_tensor_value_info(n, helper.np_dtype_to_tensor_dtype(a.dtype), a.shape) for n, a in present.items()],
        [helper.make_empty_tensor_value_info(o) for o in outs])
    m = helper.make_model(g, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    if ref:
        return ReferenceEvaluator(m).run(None, present)
    return ort.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, present)


def f32(*shape):
    return rng.normal(size=shape).astype(np.float32)


nan, inf = np.nan, np.inf


def cast64(f, *args):
    """f in float64, rounded once to the dtype of the first operand."""
    with np.errstate(all="ignore"):
        return f(*[a.astype(np.float64) if a.dtype.kind not in "iub" else a for a in args]).astype(args[0].dtype)


def elementwise():
    fam = Family("elementwise")
    x = np.array([-2.5, -1.5, -0.5, -0.0, 0.0, 0.25, 0.5, 1.5, 2.5, 20, -20, inf, -inf, nan], np.float32)
    sig = lambda v: 1 / (1 + np.exp(-v))
    from math import erf
    verf = np.vectorize(erf)
    table = {
        "abs": np.abs, "neg": np.negative, "sign": np.sign, "ceil": np.ceil, "floor": np.floor, "round": np.rint,
        "sqrt": np.sqrt, "rsqrt": lambda v: 1 / np.sqrt(v), "reciprocal": lambda v: 1 / v, "exp": np.exp, "log": np.log,
        "sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan, "sinh": np.sinh,
        "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh, "atanh": np.arctanh, "erf": verf,
        "sigmoid": sig, "relu": lambda v: np.maximum(v, 0), "softplus": lambda v: np.logaddexp(v, 0),
        "leaky_relu {alpha = 0.1}": lambda v: np.where(v < 0, 0.1 * v, v), "elu {alpha = 0.5}": lambda v: np.where(v < 0, 0.5 * np.expm1(v), v),
        "hard_sigmoid {alpha = 0.2, beta = 0.5}": lambda v: np.clip(0.2 * v + 0.5, 0, 1),
    }
    for op, f in table.items():
        fam.case(op, [x], cast64(f, x))
    y = np.array([-30, -3, -0.5, -0.0, 0.5, 3, 30, nan], np.float32)
    gelu = {
        "gelu": lambda v: 0.5 * v * (1 + verf(v / np.sqrt(2))),
        'gelu {approximate = "tanh"}': lambda v: 0.5 * v * (1 + np.tanh(np.sqrt(2 / np.pi) * (v + 0.044715 * v**3))),
        'gelu {approximate = "sigmoid"}': lambda v: v * sig(1.702 * v),
        "mish": lambda v: v * np.tanh(np.logaddexp(v, 0)),
        "silu": lambda v: v * sig(v), "hard_swish": lambda v: v * np.clip(v / 6 + 0.5, 0, 1),
    }
    for op, f in gelu.items():
        fam.case(op, [y[1:]], cast64(f, y[1:]))
    for name, f in {"silu": "silu", "gelu": "gelu", 'gelu", approximate = "tanh': 'gelu {approximate = "tanh"}', 'gelu", approximate = "sigmoid': 'gelu {approximate = "sigmoid"}'}.items():
        fam.case('glu {activation = "%s"}' % name, [y[1:], x[:7]], cast64(lambda a, b: gelu[f](a) * b, y[1:], x[:7]))
    fam.case("stop_gradient", [y], y)
    fam.case("depends", [y, x], y)
    for d in (np.float64, np.float16, ml.bfloat16, ml.float8_e5m2):
        z = np.array([-2.5, 0.1, 3, 7, inf, nan]).astype(d)
        fam.case("exp", [z], cast64(np.exp, z))
        fam.case("sqrt", [z], cast64(np.sqrt, z))
    for d in (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64):
        info = np.iinfo(d)
        v = np.array([info.min, info.max, 0, 1, 5, info.max - 3], d)
        w = np.array([3, 2, 7, 1, 2, info.max], d)
        with np.errstate(all="ignore"):
            fam.case("abs", [v], np.abs(v))
            fam.case("neg", [v], np.negative(v))
            fam.case("sign", [v], np.sign(v))
            fam.case("relu", [v], np.maximum(v, 0))
            fam.case("bit_not", [v], np.invert(v))
            for op, f in {"add": np.add, "sub": np.subtract, "mul": np.multiply, "min": np.minimum, "max": np.maximum,
                          "bit_and": np.bitwise_and, "bit_or": np.bitwise_or, "bit_xor": np.bitwise_xor, "mod": np.mod,
                          "mod {fmod = true}": np.fmod, "div": lambda a, b: np.array([int(abs(int(p)) // abs(int(q))) * (1 if (int(p) < 0) == (int(q) < 0) else -1) for p, q in zip(a, b)]).astype(d)}.items():
                fam.case(op, [v, w], f(v, w))
            fam.case("equal", [v, w], v == w)
            fam.case("less", [v, w], v < w)
            fam.case("less_equal", [v, w], v <= w)
            if info.min == 0:
                s = np.array([0, 1, 2, 3, info.bits - 1, 1], d)
                fam.case("shift_left", [v, s], np.left_shift(v, s))
                fam.case("shift_right", [v, s], np.right_shift(v, s))
            p = np.array([0, 1, 2, 3, 5, 2], d)
            fam.case("pow", [v, p], np.power(v, p))
    v = np.array([-7, 7, -7, 7, -6], np.int32)
    w = np.array([3, -3, -3, 3, 3], np.int32)
    fam.case("mod", [v, w], np.mod(v, w))
    fam.case("mod {fmod = true}", [v, w], np.fmod(v, w))
    fam.case("mod", [v.astype(np.float32) + 0.5, w.astype(np.float32)], np.mod(v.astype(np.float32) + 0.5, w.astype(np.float32)))
    fam.case("mod {fmod = true}", [v.astype(np.float32) + 0.5, w.astype(np.float32)], np.fmod(v.astype(np.float32) + 0.5, w.astype(np.float32)))
    a, b = np.array([1, 2, nan, inf, 0, -0.0, -8], np.float32), np.array([2, nan, 1, inf, 0, 1, 1 / 3], np.float32)
    for op, f in {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide, "min": np.minimum, "max": np.maximum, "pow": np.power}.items():
        fam.case(op, [a, b], cast64(f, a, b))
        for d in (np.float16, ml.bfloat16, np.float64):
            fam.case(op, [a.astype(d), b.astype(d)], cast64(f, a.astype(d), b.astype(d)))
    fam.case("equal", [a, np.array([1, 2, nan, inf, -0.0, 0, 0], np.float32)], np.array([1, 1, 0, 1, 1, 1, 0], bool))
    fam.case("less", [a, b], a < b)
    fam.case("less_equal", [a, b], a <= b)
    fam.case("pow", [np.array([2, 3, -2], np.float32), np.array([3, -1, 3], np.int64)], np.array([8, 1 / 3, -8], np.float32))
    fam.case("pow", [np.array([2, 3, 9], np.int32), np.array([3, 0, 0.5], np.float32)], np.array([8, 1, 3], np.int32))
    fam.case("pow", [np.array([2, -1, -1], np.int32), np.array([-3, -3, -2], np.int32)], np.array([0, -1, 1], np.int32))
    for sa, sb in (((2, 3), (3,)), ((2, 1, 3), (4, 1)), ((), (2, 2)), ((0, 3), (1, 3)), ((1,), (0,)), ((5, 1), (1, 5)), ((), ())):
        a, b = f32(*sa), f32(*sb)
        fam.case("sub", [a, b], a - b, note="broadcast")
    t = np.array([True, True, False, False]), np.array([True, False, True, False])
    for op, f in {"and": np.logical_and, "or": np.logical_or, "xor": np.logical_xor, "equal": np.equal}.items():
        fam.case(op, list(t), f(*t))
    fam.case("not", [t[1]], ~t[1])
    fam.case("isnan", [x], np.isnan(x))
    for neg, pos in ((1, 1), (1, 0), (0, 1)):
        fam.case("isinf {negative = %s, positive = %s}" % (str(bool(neg)).lower(), str(bool(pos)).lower()), [x], (np.isposinf(x) & bool(pos)) | (np.isneginf(x) & bool(neg)))
    fam.case("equal", [np.array(["a", "b"]), np.array([["b"], ["a"]])], np.array([[False, True], [True, False]]))
    c = np.array([[True], [False]])
    fam.case("where", [c, np.arange(3, dtype=np.float32), np.arange(10, 16, dtype=np.float32).reshape(2, 3)],
             np.array([[0, 1, 2], [13, 14, 15]], np.float32))
    fam.case("where", [np.array(True), np.array(["a", "b"]), np.array("c")], np.array(["a", "b"]))
    fam.write()


def cast():
    fam = Family("cast")
    nums = [-300.7, -129, -128.5, -1.9, -0.5, -0.0, 0.5, 1.5, 2.5, 7.9, 100.4, 255.6, 300, 65504, 65520, 1e5, inf, -inf, nan]
    x = np.array(nums, np.float32)
    with np.errstate(all="ignore"):
        for d, n in DTYPES.items():
            if n in ("string", "c64", "c128"):
                continue
            if n[0] in "iu" and n not in ("i64",):
                v = np.array([v for v in nums if np.isfinite(v)], np.float32)
                if n[1] in "24":
                    fam.case("cast {to = %s}" % n, [v], v.astype(np.int64).astype(d))
                else:
                    fam.case("cast {to = %s}" % n, [v], v.astype(np.int64).astype(d))
                continue
            if n[:2] == "f8":
                m = {"f8e4m3fn": TensorProto.FLOAT8E4M3FN, "f8e4m3fnuz": TensorProto.FLOAT8E4M3FNUZ, "f8e5m2": TensorProto.FLOAT8E5M2, "f8e5m2fnuz": TensorProto.FLOAT8E5M2FNUZ}[n]
                for sat in (1, 0):
                    got = onnx_op("Cast", [x], to=m, saturate=sat, ref=True)[0]
                    fam.case("cast {to = %s%s}" % (n, ", saturate = true" if sat else ""), [x], np.asarray(got).view(d) if np.asarray(got).dtype != d else got)
                continue
            if n in ("f6e2m3", "f6e3m2", "f4e2m1"):  # have no NaN
                x4 = x[:-1]
                fam.case("cast {to = %s}" % n, [x4], x4.astype(d))
                continue
            fam.case("cast {to = %s}" % n, [x], x.astype(d) if n != "bool" else np.array([bool(v) for v in x]))
    big = np.array([2**53 + 1, 2**24 + 1, -2**63, 2**63 - 1, 0x7fffff8000000001 >> 1], np.int64)
    fam.case("cast {to = f32}", [big], big.astype(np.float32))
    fam.case("cast {to = f64}", [big], big.astype(np.float64))
    fam.case("cast {to = i8}", [np.array([127, 128, 255, 256, -129], np.int64)], np.array([127, 128, 255, 256, -129], np.int64).astype(np.int8))
    u = np.array([2**64 - 1, 2**63, 1], np.uint64)
    fam.case("cast {to = f32}", [u], u.astype(np.float32))
    fam.case("cast {to = i64}", [u], u.astype(np.int64))
    fam.case("cast {to = bool}", [u], u.astype(bool))
    fam.case("cast {to = f16}", [np.array([True, False])], np.array([1, 0], np.float16))
    fam.case("cast {to = i32}", [np.array([True, False])], np.array([1, 0], np.int32))
    s = np.array([0.47892547, 1e10, 1, -0.0, 1e-5, 1e16, 123456792, inf, -inf, nan, 0.0001], np.float32)
    fam.case("cast {to = string}", [s], s.astype(np.str_))
    fam.case("cast {to = string}", [s.astype(np.float64)], s.astype(np.float64).astype(np.str_))
    fam.case("cast {to = string}", [np.array([1, -5], np.int32)], np.array(["1", "-5"]))
    fam.case("cast {to = f32}", [np.array(["0.47892547", "1e3", "-INF", "NaN", "7"])], np.array([0.47892547, 1000, -inf, nan, 7], np.float32))
    fam.case("cast {to = i64}", [np.array(["-12", "9007199254740993"])], np.array([-12, 9007199254740993], np.int64))
    for v, to in ((np.array([1.5, -0.0, nan], np.float32), np.int32), (np.array([-1, 2], np.int64), np.float64), (np.array([200, 0, 1], np.uint8), np.int8), (np.array([-1, 1], np.int16), np.float16), (np.array([True, False]), np.uint8)):
        fam.case("bit_cast {to = %s}" % NAMES[np.dtype(to)], [v], v.view(to))
    fam.case("bit_cast {to = u4}", [np.array([-1, 7, -8], ml.int4)], np.array([15, 7, 8], ml.uint4))
    fam.case("bit_cast {to = i4}", [np.array([-6.0, 0.5, 1.0], ml.float4_e2m1fn)], np.array([-1, 1, 2], ml.int4))
    fam.case("bit_cast {to = bool}", [np.array([0, 2], np.uint8)], np.array([False, True]))
    fam.write()


def reduce():
    fam = Family("reduce")
    np_ops = {"reduce_sum": np.sum, "reduce_mean": np.mean, "reduce_max": np.max, "reduce_min": np.min, "reduce_prod": np.prod}
    x = f32(2, 3, 4)
    for op, f in np_ops.items():
        for axes in ((2,), (0,), (1,), (0, 2), (0, 1, 2)):
            for keep in (False, True):
                fam.case("%s {axes = [%s]%s}" % (op, ", ".join(map(str, axes)), ", keepdims = true" if keep else ""), [x],
                         f(x.astype(np.float64), axis=axes, keepdims=keep).astype(np.float32))
        fam.case("%s {axes = []}" % op, [x], x)
        for d in (np.int8, np.uint8, np.int64, np.uint64, np.float16, ml.bfloat16):
            v = (np.arange(6).reshape(2, 3) * 41 + 3).astype(d)
            if op == "reduce_mean" and v.dtype.kind in "iu":
                want = np.array([int(sum(map(int, r)) / 3) for r in v]).astype(d)
            elif v.dtype.kind in "iu":
                want = f(v, axis=1, dtype=d) if op in ("reduce_sum", "reduce_prod") else f(v, axis=1)
            else:
                want = f(v.astype(np.float64), axis=1).astype(d)
            fam.case("%s {axes = [1]}" % op, [v], want)
        n = x.copy()
        n[0, 0, 1] = nan
        fam.case("%s {axes = [2]}" % op, [n], f(n.astype(np.float64), axis=2).astype(np.float32), note="NaN")
    e = np.zeros((2, 0, 3), np.float32)
    for op, v in {"reduce_sum": 0, "reduce_mean": nan, "reduce_max": -inf, "reduce_min": inf, "reduce_prod": 1}.items():
        fam.case("%s {axes = [1]}" % op, [e], np.full((2, 3), v, np.float32), note="of nothing")
        fam.case("%s {axes = [0]}" % op, [e], np.zeros((0, 3), np.float32))
    z = np.zeros((0,), np.int32)
    for op, v in {"reduce_sum": 0, "reduce_max": -2**31, "reduce_min": 2**31 - 1, "reduce_prod": 1}.items():
        fam.case("%s {axes = [0]}" % op, [z], np.array(v, np.int32))
    b = np.array([[True, False], [False, False]])
    fam.case("reduce_max {axes = [1]}", [b], b.max(1))
    fam.case("reduce_min {axes = [0]}", [b], b.min(0))
    t = np.array([[1, 3, 3, 2], [nan, 1, nan, 5], [2, 2, 2, 2]], np.float32)
    for axis in (0, 1):
        fam.case("argmax {axis = %d}" % axis, [t], np.argmax(t, axis))
        fam.case("argmin {axis = %d, keepdims = true}" % axis, [t], np.argmin(t, axis, keepdims=True))
    last = lambda f, v: v.shape[1] - 1 - f(v[:, ::-1], 1)
    fam.case("argmax {axis = 1, last = true}", [t], last(np.argmax, t))
    fam.case("argmin {axis = 1, last = true}", [t], last(np.argmin, t))
    u = np.array([[2**64 - 1, 1], [0, 2**63]], np.uint64)
    fam.case("argmax {axis = 1}", [u], np.argmax(u, 1))
    fam.case("reduce_max {axes = [1]}", [u], np.max(u, 1))
    for axis in (0, 1, 2):
        fam.case("cumsum {axis = %d}" % axis, [x], np.cumsum(x.astype(np.float64), axis).astype(np.float32))
        for ex in (0, 1):
            for rev in (0, 1):
                flags = (", exclusive = true" if ex else "") + (", reverse = true" if rev else "")
                v = np.arange(24).reshape(2, 3, 4).astype(np.int32)
                fam.case("cumsum {axis = %d%s}" % (axis, flags), [v], onnx_op("CumSum", [v, np.array(axis)], exclusive=ex, reverse=rev)[0])
    for axis in (0, 1):
        for ex in (0, 1):
            for rev in (0, 1):
                flags = (", exclusive = true" if ex else "") + (", reverse = true" if rev else "")
                v = np.array([[2, -3, 0.5], [nan, 7, inf]], np.float32) if ex else np.array([[2, -3, 5], [0, 7, -1]], np.int32)
                r = np.flip(v, axis) if rev else v
                p = np.cumprod(r, axis, dtype=v.dtype)
                if ex:
                    one = np.ones_like(np.take(p, [0], axis))
                    p = np.concatenate([one, np.delete(p, -1, axis)], axis)
                fam.case("cumprod {axis = %d%s}" % (axis, flags), [v], np.flip(p, axis) if rev else p)
    fam.write()


def shape():
    fam = Family("shape")
    x = np.arange(24).reshape(2, 3, 4)
    I = lambda *v: np.array(v, np.int64)
    fam.case("shape", [x], I(2, 3, 4))
    fam.case("shape", [np.array(1.0)], np.zeros(0, np.int64))
    for t, r in ((I(4, 6), (4, 6)), (I(0, -1), (2, 12)), (I(-1), (24,)), (I(2, 0, 2, 2), (2, 3, 2, 2))):
        fam.case("reshape", [x, t], x.reshape(r))
    fam.case("reshape {allowzero = true}", [np.zeros((0, 3), np.float32), I(3, 0)], np.zeros((3, 0), np.float32))
    fam.case("reshape", [np.zeros((0, 3), np.float32), I(0, -1)], np.zeros((0, 0), np.float32), note="-1 of nothing is 0")
    fam.case("reshape", [np.array([5.0]), np.zeros(0, np.int64)], np.array(5.0))
    for p in ((2, 1, 0), (0, 2, 1), (1, 0, 2), (2, 0, 1), (0, 1, 2)):
        for d in (np.uint8, np.float16, np.float32, np.int64, np.complex128):
            if d == np.complex128:
                continue
            fam.case("transpose {perm = [%d, %d, %d]}" % p, [x.astype(d)], x.astype(d).transpose(p))
    fam.case("transpose {perm = []}", [np.array(3.0)], np.array(3.0))
    s = np.array([["a", "b"], ["c", "d"]])
    fam.case("transpose {perm = [1, 0]}", [s], s.T)
    fam.case("expand", [f32(3, 1) * 0 + np.array([[1], [2], [3]], np.float32), I(2, 1, 4)], np.broadcast_to(np.array([[1], [2], [3]], np.float32), (2, 3, 4)))
    fam.case("expand", [np.arange(3), I(1)], np.arange(3), note="both directions")
    fam.case("expand", [np.array(7), I(2, 2)], np.full((2, 2), 7))
    fam.case("expand", [np.zeros((1, 2)), I(0, 2)], np.zeros((0, 2)))
    fam.case("unsqueeze {axes = [0, 3]}", [np.arange(6).reshape(2, 3)], np.arange(6).reshape(1, 2, 3, 1))
    fam.case("squeeze {axes = [0, 2]}", [np.arange(3).reshape(1, 3, 1)], np.arange(3))
    a, b = np.arange(6).reshape(2, 3), np.arange(4).reshape(2, 2) + 10
    fam.case("concat {axis = 1}", [a, b, np.zeros((2, 0), np.int64)], np.concatenate([a, b], 1))
    fam.case("concat {axis = 0}", [a, a], np.concatenate([a, a], 0))
    fam.case("concat {axis = 0}", [np.array(["a"]), np.array(["b", "c"])], np.array(["a", "b", "c"]))
    y = np.arange(10)
    for st, en, step in ((1, 4, 1), (-3, 1000, 1), (0, -1, 3), (-1, -1000, -1), (8, 2, -2), (5, 2, 1), (20, 30, 1), (9, -11, -4), (-100, 3, 2)):
        fam.case("slice {axes = [0], steps = [%d]}" % step, [y, I(st), I(en)], onnx_op("Slice", [y, I(st), I(en), I(0), I(step)])[0])
    z = np.arange(24).reshape(4, 6)
    fam.case("slice {axes = [1, 0], steps = [2, -1]}", [z, I(1, 3), I(6, 0)], z[3:0:-1, 1:6:2])
    fam.case("split {axis = 1, sizes = [1, 0, 2]}", [a], a[:, :1], a[:, :0], a[:, 1:])
    v = np.arange(12, dtype=np.float32).reshape(3, 4)
    fam.case('pad {mode = "constant", axes = [0, 1]}', [v, I(1, 0, 0, 2), np.array(9, np.float32)], np.pad(v, ((1, 0), (0, 2)), constant_values=9))
    fam.case('pad {mode = "constant", axes = [1]}', [v, I(-1, 1)], np.pad(v[:, 1:], ((0, 0), (0, 1))))
    fam.case('pad {mode = "constant", axes = [1]}', [v, I(-3, -1)], v[:, 3:3])
    fam.case('pad {mode = "constant", axes = [1]}', [v, I(-5, 3)], np.zeros((3, 2), np.float32), note="nothing is left")
    for mode in ("reflect", "edge", "wrap"):
        fam.case('pad {mode = "%s", axes = [0, 1]}' % mode, [v, I(2, 3, 1, 2)], np.pad(v, ((2, 1), (3, 2)), mode=mode))
        fam.case('pad {mode = "%s", axes = [0]}' % mode, [np.arange(3), I(7, 5)], np.pad(np.arange(3), (7, 5), mode=mode))
    fam.case("tile", [a, I(2, 3)], np.tile(a, (2, 3)))
    fam.case("tile", [a, I(0, 1)], np.zeros((0, 3), np.int64))
    fam.case("tile", [np.array(["x", "y"]), I(2)], np.array(["x", "y", "x", "y"]))
    for r in ((0, 5, 2), (5, 0, -2), (3, 3, 1), (0, -3, 1)):
        fam.case("range", [np.array(v, np.int64) for v in r], np.arange(*r))
        fam.case("range", [np.array(v, np.float32) for v in r], np.arange(*r).astype(np.float32))
    fam.case("range", [np.array(v, np.float32) for v in (1, 2, 0.3)], np.array([1, 1.3, 1.6, 1.9], np.float32))
    for k in (-5, -1, 0, 1, 5):
        fam.case("trilu {upper = true}", [z, np.array(k)], np.triu(z, k))
        fam.case("trilu", [np.arange(12).reshape(2, 3, 2), np.array(k)], np.tril(np.arange(12).reshape(2, 3, 2), k))
    fam.case("trilu", [z], np.tril(z))
    fam.case("dims {values = [2, 3]}", [], I(2, 3))
    fam.case("dims {values = [7], scalar = true}", [], np.array(7))
    fam.write()


def index():
    fam = Family("index")
    x = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    for axis in (0, 1, 2):
        i = np.array([[0, 1], [-1, -2]])
        fam.case("gather {axis = %d}" % axis, [x, i], np.take(x, i, axis))
        fam.case("gather {axis = %d}" % axis, [x, np.array(-1, np.int32)], np.take(x, -1, axis))
        fam.case("gather {axis = %d}" % axis, [x, np.zeros((0,), np.int64)], np.take(x, np.zeros(0, int), axis))
    fam.case("gather {axis = 0}", [np.array(["a", "b"]), np.array([1, 1, 0])], np.array(["b", "b", "a"]))
    for axis in (0, 1, 2):
        i = rng.integers(-x.shape[axis], x.shape[axis], (2, 2, 3))
        fam.case("gather_elements {axis = %d}" % axis, [x, i], onnx_op("GatherElements", [x, i], axis=axis)[0])
        for red in ("none", "add", "mul", "max", "min"):
            j = np.array([[[0, -1], [0, 1]]]) if red != "none" else np.array([[[0, 1], [1, 0]]])
            u = f32(1, 2, 2)
            fam.case('scatter_elements {axis = %d, reduction = "%s"}' % (axis, red), [x, j, u], onnx_op("ScatterElements", [x, j, u], axis=axis, reduction=red)[0])
    for i, b in ((np.array([[0, 1], [1, -1]]), 0), (np.array([[0, 1, 2]]), 0), (np.array([[[0], [2]], [[1], [-1]]]), 1), (np.array([1]), 0)):
        fam.case("gather_nd%s" % (" {batch_dims = %d}" % b if b else ""), [x, i], onnx_op("GatherND", [x, i], batch_dims=b)[0])
    for red in ("none", "add", "mul", "max", "min"):
        i, u = np.array([[0, 1], [1, 2]]), f32(2, 4)
        fam.case('scatter_nd {reduction = "%s"}' % red, [x, i, u], onnx_op("ScatterND", [x, i, u], reduction=red)[0])
    i, u = np.array([[1], [1]]), np.array([5, 6], np.int32)
    y = np.arange(3, dtype=np.int32)
    fam.case('scatter_nd {reduction = "add"}', [y, i, u], np.array([0, 12, 2], np.int32), note="twice the same place")
    fam.case('scatter_nd {reduction = "none"}', [y, np.zeros((0, 1), np.int64), u[:0]], y)
    t = np.array([[3, nan, 1, 3], [inf, -0.0, 0, -inf]], np.float32)
    for v in (t, np.array([[2**64 - 1, 1, 2**63], [0, 5, 5]], np.uint64), np.array([["b", "a"]])[:0].astype(np.int8)):
        for axis in (0, 1):
            for small in (False, True):
                n = v.shape[axis]
                key = np.apply_along_axis(lambda r: np.argsort(r, kind="stable") if small else n - 1 - np.argsort(r[::-1], kind="stable")[::-1], axis, v) if v.size else np.zeros(v.shape, np.int64)
                for k in sorted({0, min(1, n), n}):
                    i = np.take(key, np.arange(k), axis).astype(np.int64)
                    fam.case("topk {axis = %d%s}" % (axis, ", smallest = true" if small else ""), [v, np.array(k)], np.take_along_axis(v, i, axis), i)
    for v in (t, np.array([[0, 3], [-1, 0]], np.int8), np.array([True, False, True]), np.array(["", "a"]), np.zeros((0, 3), np.float32), np.zeros(3, np.int32)):
        fam.case("nonzero", [v], np.array(np.nonzero(v)))
    fam.case("nonzero", [np.array(5.0)], np.zeros((0, 1), np.int64), note="a scalar has no axes")

    def unique(v, axis, is_sorted):
        y, first, inverse, counts = np.unique(v, return_index=True, return_inverse=True, return_counts=True, axis=axis)
        if not is_sorted:
            order = np.argsort(first)
            y, first, counts = np.take(y, order, axis or 0), first[order], counts[order]
            inverse = np.argsort(order)[inverse]
        a = ["axis = %d" % axis] if axis else [] if axis == 0 else ["flat = true"]
        a += ["sorted = true"] if is_sorted else []
        fam.case("unique" + (" {%s}" % ", ".join(a) if a else ""), [v], y, first, inverse.reshape(-1), counts)

    for is_sorted in (False, True):
        unique(np.array([[3, 1, 2], [1, 3, 3]], np.int64), None, is_sorted)
        unique(np.array([2, nan, -inf, 2, nan, 0], np.float32), None, is_sorted)
        unique(np.array(["b", "a", "b"]), None, is_sorted)
        unique(np.array([[[2, 1], [0, 1]], [[1, 0], [1, 0]], [[2, 1], [0, 1]]], np.float32), 0, is_sorted)
        unique(np.array([[1, 0, 1, 0], [2, 3, 2, 1]], np.uint64), 1, is_sorted)
    unique(np.zeros((0,), np.int32), None, True)
    fam.write()


def matmul():
    fam = Family("matmul")
    for sa, sb in (((2, 3), (3, 4)), ((3,), (3,)), ((3,), (3, 2)), ((2, 3), (3,)), ((2, 1, 2, 3), (4, 3, 2)), ((5, 2, 3), (3, 2)), ((2, 3), (5, 3, 2)), ((2, 0), (0, 3)), ((0, 3), (3, 2)), ((2, 0, 3, 2), (1, 2, 4)), ((3,), (2, 3, 1))):
        a, b = f32(*sa), f32(*sb)
        fam.case("matmul", [a, b], np.matmul(a.astype(np.float64), b.astype(np.float64)).astype(np.float32))
    a, b = f32(2, 5), f32(5, 3)
    for d in (np.float64, np.float16, ml.bfloat16):
        p, q = a.astype(d), b.astype(d)
        fam.case("matmul", [p, q], np.matmul(p.astype(np.float64), q.astype(np.float64)).astype(d))
    for d in (np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64):
        p, q = (a * 50).astype(np.int64).astype(d), (b * 50).astype(np.int64).astype(d)
        fam.case("matmul", [p, q], np.matmul(p, q))
    linear = np.random.default_rng(7)
    for sx, sb in (((2, 3), (4,)), ((2, 5, 3), (2, 5, 4)), ((5, 3), (1, 1)), ((2, 0), (4,)), ((0, 3), (4,)), ((300, 3), (300, 1))):
        for d in (np.float32, np.float64, np.float16, ml.bfloat16):
            p, q, b = (linear.standard_normal(s).astype(d) for s in (sx, (sx[-1], 4), sb))
            fam.case("linear", [p, q, b], (np.matmul(p.astype(np.float64), q.astype(np.float64)) + b.astype(np.float64)).astype(d))
    m = np.array([[[1, 2, 3], [4, 5, 6], [7, 8, 10]], [[0, 0, 2], [0, 3, 1], [4, 1, 1]], [[1, 2, 3], [2, 4, 6], [1, 0, 1]]])
    for d in (np.float32, np.float64, np.float16):
        fam.case("det", [m.astype(d)], np.rint(np.linalg.det(m)).astype(d))
    fam.case("det", [np.array([[nan, 1], [2, 3]], np.float32)], np.array(nan, np.float32))
    fam.case("det", [np.zeros((2, 0, 0), np.float32)], np.ones(2, np.float32), note="of nothing")
    fam.write()


def conv():
    fam = Family("conv")
    L = lambda v: "[" + ", ".join(map(str, v)) + "]"

    def conv_case(xs, ws, strides, pads, dil, groups=1, bias=False, nhwc=False):
        x, w = f32(*xs), f32(*ws)
        b = f32(ws[0]) if bias else None
        args = [x, w] + ([b] if bias else [])
        want = onnx_op("Conv", args, strides=strides, pads=pads, dilations=dil, group=groups)[0]
        if nhwc:
            last = lambda t: np.moveaxis(t, 1, -1)
            args, want = [last(x), last(w)] + args[2:], last(want)
        fam.case("conv {strides = %s, pads = %s, dilations = %s, groups = %d%s}" % (L(strides), L(pads), L(dil), groups, ", nhwc = true" if nhwc else ""), args, want)

    conv_case((1, 2, 5), (3, 2, 3), [1], [0, 0], [1])
    conv_case((2, 2, 5), (3, 2, 2), [2], [1, 0], [1], bias=True)
    conv_case((1, 2, 5, 6), (3, 2, 3, 3), [1, 1], [1, 1, 1, 1], [1, 1], bias=True)
    conv_case((1, 2, 7, 6), (2, 2, 3, 2), [2, 3], [0, 1, 2, 0], [1, 2])
    conv_case((2, 4, 4, 4), (4, 2, 3, 3), [1, 1], [1, 1, 1, 1], [1, 1], groups=2, bias=True)
    conv_case((1, 3, 4, 4), (3, 1, 3, 3), [2, 2], [1, 1, 1, 1], [1, 1], groups=3)
    conv_case((1, 3, 4, 4), (2, 3, 1, 1), [1, 1], [0, 0, 0, 0], [1, 1], bias=True)
    conv_case((1, 3, 4, 4), (2, 3, 1, 1), [2, 2], [0, 0, 0, 0], [1, 1])
    conv_case((1, 2, 3, 4, 3), (2, 2, 2, 2, 2), [1, 1, 1], [1, 0, 0, 0, 1, 0], [1, 1, 2])
    conv_case((1, 2, 5, 6), (4, 2, 3, 3), [1, 1], [1, 1, 1, 1], [1, 1], bias=True, nhwc=True)
    conv_case((1, 2, 2, 2), (1, 2, 3, 3), [1, 1], [3, 3, 3, 3], [1, 1])

    def pool_case(op, xs, kernel, strides, pads, dil, ceil=0, include=0, column=0, dtype=np.float32, nhwc=False):
        x = (f32(*xs) * 10).astype(dtype)
        n = len(kernel)
        if op == "max_pool":
            want = onnx_op("MaxPool", [x], outputs=2, kernel_shape=kernel, strides=strides, pads=pads, dilations=dil, ceil_mode=ceil, storage_order=column)
        else:
            want = onnx_op("AveragePool", [x], kernel_shape=kernel, strides=strides, pads=pads, dilations=dil, ceil_mode=ceil, count_include_pad=include)
        if nhwc:
            x, want = np.moveaxis(x, 1, -1), [np.moveaxis(w, 1, -1) for w in want]
        flags = "".join(", %s = true" % k for k, v in (("ceil_mode", ceil), ("count_include_pad", include), ("column_major", column), ("nhwc", nhwc)) if v)
        fam.case("%s {kernel = %s, strides = %s, pads = %s, dilations = %s%s}" % (op, L(kernel), L(strides), L(pads), L(dil), flags), [x], *want)

    for op in ("max_pool", "average_pool"):
        pool_case(op, (1, 2, 6), [3], [1], [0, 0], [1])
        pool_case(op, (2, 2, 5, 5), [3, 3], [2, 2], [1, 1, 1, 1], [1, 1])
        pool_case(op, (1, 1, 6, 5), [3, 2], [2, 2], [0, 0, 0, 0], [1, 1], ceil=1)
        pool_case(op, (1, 1, 7, 7), [2, 2], [2, 1], [0, 1, 1, 0], [2, 2])
        pool_case(op, (1, 1, 4, 4, 4), [2, 2, 2], [2, 1, 2], [0, 0, 0, 1, 1, 0], [1, 1, 1])
        pool_case(op, (1, 2, 4, 5), [2, 2], [1, 2], [0, 0, 0, 0], [1, 1], nhwc=op == "average_pool")
    pool_case("max_pool", (1, 2, 4, 5), [2, 2], [2, 2], [0, 0, 0, 0], [1, 1], column=1)
    pool_case("max_pool", (2, 1, 3, 4, 2), [2, 2, 1], [1, 2, 1], [0, 0, 0, 0, 0, 0], [1, 1, 1], column=1)
    pool_case("max_pool", (1, 1, 4, 4), [2, 2], [2, 2], [1, 1, 1, 1], [1, 1], dtype=np.int8)
    pool_case("average_pool", (1, 1, 5, 5), [3, 3], [2, 2], [1, 1, 1, 1], [1, 1], include=1)
    pool_case("average_pool", (1, 1, 6, 6), [3, 3], [2, 2], [1, 0, 0, 1], [1, 1], ceil=1, include=1)
    fam.write()


def norm():
    fam = Family("norm")
    x = f32(2, 3, 4)
    for axis in (0, 1, 2):
        e = np.exp(x.astype(np.float64) - x.max(axis, keepdims=True))
        s = e / e.sum(axis, keepdims=True)
        fam.case("softmax {axis = %d}" % axis, [x], s.astype(np.float32))
        fam.case("log_softmax {axis = %d}" % axis, [x], np.log(s).astype(np.float32))
    fam.case("softmax {axis = 0}", [np.array([1000, -inf, 1001], np.float32)], np.array([0.2689414213699951, 0, 0.7310585786300049], np.float32))
    fam.case("softmax {axis = 1}", [np.zeros((2, 0), np.float32)], np.zeros((2, 0), np.float32))
    h = f32(2, 5).astype(np.float16)
    e = np.exp(h.astype(np.float64))
    fam.case("softmax {axis = 1}", [h], (e / e.sum(1, keepdims=True)).astype(np.float16))
    for axis in (1, 2):
        n = x.shape[axis:]
        ax = tuple(range(axis, 3))
        w, b = f32(*n), f32(*n)
        d = x.astype(np.float64)
        ln = (d - d.mean(ax, keepdims=True)) / np.sqrt(d.var(ax, keepdims=True) + 1e-5)
        fam.case("layer_norm {axis = %d, epsilon = 1e-05}" % axis, [x, w, b], (ln * w + b).astype(np.float32))
        fam.case("layer_norm {axis = %d, epsilon = 1e-05}" % axis, [x, w], (ln * w).astype(np.float32))
        rms = d / np.sqrt((d * d).mean(ax, keepdims=True) + 1e-6)
        fam.case("rms_norm {axis = %d, epsilon = 1e-06}" % axis, [x, w], (rms * w).astype(np.float32))
    w = f32(1)
    fam.case("layer_norm {axis = 2, epsilon = 1e-05}", [x, w], (ln * w).astype(np.float32), note="scale broadcasts")
    fam.case("layer_norm {axis = 2, epsilon = 1e-05}", [x, None, w], (ln + w).astype(np.float32))
    s, b, m, v = f32(3), f32(3), f32(3), np.abs(f32(3))
    at = lambda p: p.reshape(1, 3, 1).astype(np.float64)
    fam.case("batch_norm {epsilon = 1e-05}", [x, s, b, m, v], ((x - at(m)) / np.sqrt(at(v) + 1e-5) * at(s) + at(b)).astype(np.float32))
    y = f32(4, 3)
    at = lambda p: p.reshape(1, 3).astype(np.float64)
    fam.case("batch_norm {epsilon = 1e-05}", [y, s, b, m, v], ((y - at(m)) / np.sqrt(at(v) + 1e-5) * at(s) + at(b)).astype(np.float32))
    fam.write()


def text_family():
    fam = Family("text")
    s = lambda *v: np.array(v)
    fam.case('string_normalize {case = "lower", stopwords = ["monday", "b"]}', [s("Monday", "A", "B", "Ž")], s("a", "ž"))
    fam.case('string_normalize {case = "upper", sensitive = true, stopwords = ["b"]}', [s("B", "b")], s("B"))
    fam.case('string_normalize {stopwords = ["b"]}', [s("B", "b").reshape(1, 2)], s("").reshape(1, 1))
    fam.case('string_normalize {case = "upper", locale = "tr_TR"}', [s("i")], s("İ"))
    fam.case("string_concat", [s("a", "b").reshape(2, 1), s("x", "", "z")], s("ax", "a", "az", "bx", "b", "bz").reshape(2, 3))
    fam.case('string_split {delimiter = ",", most = -1}', [s("a,b", "", ",")], s("a", "b", "", "", "", "").reshape(3, 2), np.array([2, 1, 2]))
    fam.case('string_split {delimiter = ",", most = 1}', [s("a,b,c")], s("a", "b,c").reshape(1, 2), np.array([2]))
    fam.case('string_split {delimiter = "xx"}', [s("axxb")], s("axxb").reshape(1, 1), np.array([1]))
    fam.case("string_split {most = -1}", [s("", "\u2003a\u2003\u2003b\u2003")], s("", "", "a", "b").reshape(2, 2), np.array([0, 2]))
    fam.case('regex_match {pattern = "a|ab"}', [s("a", "ab", "abc", "")], np.array([1, 1, 0, 0], bool))
    pool = "counts = [0, 4], indexes = [0, 1, 2, 3, 4, 5, 6], ints = [2, 3, 5, 4, 5, 6, 7, 8, 6, 7]}"
    x = np.array([1, 1, 3, 3, 3, 7, 8, 6, 7, 5, 6, 8])
    f = lambda *v: np.array(v, np.float32)
    fam.case('ngrams {mode = "tf", least = 2, most = 2, ' + pool, [x], f(0, 0, 0, 0, 1, 1, 1), note="the official cases of TfIdfVectorizer")
    fam.case('ngrams {mode = "tf", least = 1, most = 2, skip = 5, ' + pool, [x], f(0, 3, 1, 0, 1, 3, 1))
    fam.case('ngrams {mode = "idf", least = 1, most = 1, counts = [0], indexes = [1, 0], strings = ["a", "b"], weights = [0.5, 2.0]}', [s("a", "a", "c").reshape(1, 3)], f(0, 2).reshape(1, 2))
    fam.case('ngrams {mode = "tfidf", least = 1, most = 1, counts = [0], indexes = [1, 0], strings = ["a", "b"], weights = [0.5, 2.0]}', [s("a", "a", "c")], f(0, 4))
    fam.write()


def random():
    fam = Family("random")
    for seed, shape in ((0, (3, 4)), (7, (2, 0)), (2**32 - 1, (700,))):
        draws = np.random.RandomState(seed).random_sample(shape)
        fam.case("random_uniform {dtype = f64, seed = %d}" % seed, [np.array(shape)], draws)
        fam.case("random_uniform {dtype = f32, seed = %d}" % seed, [np.array(shape)], (np.floor(draws * 2**24) / 2**24).astype(np.float32))
    fam.write()


def png(pixels):
    """An RGB image, each line as it is."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    h, w, _ = pixels.shape
    lines = b"".join(b"\0" + pixels[i].tobytes() for i in range(h))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


def image():
    fam = Family("image")
    p = rng.integers(0, 256, (2, 3, 3)).astype(np.uint8)
    gray = ((p.astype(np.uint32) @ np.array([19595, 38470, 7471], np.uint32) + 2**15) >> 16).astype(np.uint8)[:, :, None]
    encoded = {"PNG": png(p), "PNM bytes": b"P6\n# a comment\n3 2\n255\n" + p.tobytes(), "PNM text": b"P3 3 2 255 " + " ".join(map(str, p.reshape(-1))).encode()}
    for note, data in encoded.items():
        data = np.frombuffer(data, np.uint8)
        fam.case('decode_image {format = "rgb"}', [data], p, note=note)
        fam.case('decode_image {format = "bgr"}', [data], p[:, :, ::-1], note=note)
        fam.case('decode_image {format = "grayscale"}', [data], gray, note=note)
    fam.case('decode_image {format = "rgb"}', [np.frombuffer(b"P5 2 1 255 \x07\xf0", np.uint8)], np.array([[[7] * 3, [240] * 3]], np.uint8), note="gray PNM")
    fam.write()


def attention():
    fam = Family("attention")
    scores = lambda q, k, scale: np.einsum("bhld,bhsd->bhls", q.astype(np.float64), np.repeat(k.astype(np.float64), q.shape[1] // k.shape[1], 1)) * scale

    def weighted(q, v, s, empty=np.nan):
        top = np.max(s, -1, keepdims=True, initial=-inf)
        with np.errstate(invalid="ignore"):
            e = np.exp(s - top)
            p = e / e.sum(-1, keepdims=True)
        p = np.where(np.isneginf(top), empty, p)
        return np.einsum("bhls,bhse->bhle", p, np.repeat(v.astype(np.float64), q.shape[1] // v.shape[1], 1)).astype(q.dtype)

    q, k, v = f32(2, 4, 3, 8), f32(2, 2, 5, 8), f32(2, 2, 5, 6)
    s = scores(q, k, 0.25)
    allowed = rng.random((2, 1, 3, 5)) < 0.6
    allowed[0, 0, 1] = False
    bias, before = f32(4, 1, 5), np.tri(3, 5, 2, dtype=bool)
    fam.case("attention {scale = 0.25}", [q, k, v], weighted(q, v, s))
    fam.case("attention {scale = 0.25, causal = true}", [q, k, v], weighted(q, v, np.where(before, s, -inf)))
    masked = np.where(allowed, s, -inf)
    fam.case("attention {scale = 0.25}", [q, k, v, allowed], weighted(q, v, masked))
    fam.case('attention {scale = 0.25, empty = "zero"}', [q, k, v, allowed], weighted(q, v, masked, 0))
    fam.case('attention {scale = 0.25, empty = "mean"}', [q, k, v, allowed], weighted(q, v, masked, 0.2))
    fam.case('attention {scale = 0.25, causal = true, empty = "zero"}', [q, k, v, allowed], weighted(q, v, np.where(before, masked, -inf), 0))
    fam.case("attention {scale = 0.25}", [q, k, v, bias], weighted(q, v, (s.astype(np.float32) + bias).astype(np.float64)))
    fam.case("attention {scale = 0.25}", [q, k, v, np.where(allowed, 0, -inf).astype(np.float32)], weighted(q, v, masked))
    fam.case("attention {scale = 0.25}", [q, k, v, np.where(allowed, 0, np.finfo(np.float32).min).astype(np.float32)], weighted(q, v, masked, 0.2), note="least numbers")
    sinks = f32(4)
    sunk = np.exp(masked) / (np.exp(masked).sum(-1, keepdims=True) + np.exp(sinks.astype(np.float64)).reshape(4, 1, 1))
    fam.case("attention {scale = 0.25}", [q, k, v, allowed, sinks], np.einsum("bhls,bhse->bhle", sunk, np.repeat(v, 2, 1)).astype(np.float32))
    few = weighted(q, v[:, :, :2], np.where(np.tri(3, 2, -1, dtype=bool), s[..., :2], -inf), 0.5)
    fam.case('attention {scale = 0.25, causal = true, empty = "mean"}', [q, k[:, :, :2], v[:, :, :2]], few, note="fewer keys than queries")
    fam.case("attention {scale = 0.25}", [q, k[:, :, :0], v[:, :, :0]], np.zeros((2, 4, 3, 6), np.float32), note="no keys")
    h = [x.astype(np.float16) for x in (q, k, v)]
    fam.case("attention {scale = 0.25}", h, weighted(h[0], h[2], scores(h[0], h[1], 0.25)))

    def rope(x, angles, interleaved=False):
        n, y = angles.shape[-1], x.astype(np.float64)
        a, b = (slice(0, 2 * n, 2), slice(1, 2 * n, 2)) if interleaved else (slice(0, n), slice(n, 2 * n))
        re, im = y[..., a] * np.cos(angles) - y[..., b] * np.sin(angles), y[..., a] * np.sin(angles) + y[..., b] * np.cos(angles)
        y[..., a], y[..., b] = re, im
        return y.astype(x.dtype)

    f = (1 / 100 ** (np.arange(4) / 4)).astype(np.float32)
    angles = lambda at: (at[..., None].astype(np.float32) * f).astype(np.float64)
    at = np.array([3, 0], np.int32)
    for attrs, interleaved in (("", False), (" {interleaved = true}", True)):
        fam.case("rope" + attrs, [q, np.array(7), f], rope(q, angles(7 + np.arange(3)), interleaved))
        fam.case("rope" + attrs, [q, at, f], rope(q, angles(at[:, None] + np.arange(3))[:, None], interleaved))
        fam.case("rope" + attrs, [v, np.array(-2), f[:2]], rope(v, angles(-2 + np.arange(5))[:, :2], interleaved), note="part of a head")
        cos, sin = np.cos(angles(np.arange(3))).astype(np.float32), np.sin(angles(np.arange(3))).astype(np.float32)
        fam.case("rope" + attrs, [q, cos, sin], rope(q, angles(np.arange(3)), interleaved))
    fam.write()


for family in (elementwise, cast, reduce, shape, index, matmul, conv, norm, text_family, random, image, attention):
    family()
