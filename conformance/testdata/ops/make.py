"""Writes <op>.txtar for every kind of the IR: functions and cases whose results NumPy, or onnxruntime, gives.

Needs numpy, ml_dtypes, onnx and onnxruntime. Floats are computed in float64 and rounded once. A file is a comment, then functions (f.eir), each
followed by its cases: operands case_N/inI and results case_N/outI as `dtype[sizes] elements`.
"""
import math
import os

import ml_dtypes
import numpy as np
import onnxruntime
from onnx import TensorProto, helper

DTYPES = {
    "f64": np.float64, "f32": np.float32, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "i8": np.int8, "i16": np.int16, "i32": np.int32,
    "i64": np.int64, "u8": np.uint8, "u16": np.uint16, "u32": np.uint32, "u64": np.uint64, "bool": np.bool_,
}
NAMES = {np.dtype(v): k for k, v in DTYPES.items()}
HERE = os.path.dirname(os.path.abspath(__file__))
nan, inf = math.nan, math.inf


def text(x):
    x = np.asarray(x)
    name = NAMES[x.dtype]
    shown = {"f": lambda v: repr(float(v)) if name == "f64" else str(np.float32(v)), "b": lambda v: str(int(v))}
    one = shown["f"] if name in ("f64", "f32", "f16", "bf16") else shown["b"]
    return "%s[%s]%s" % (name, ",".join(map(str, x.shape)), "".join(" " + one(v) for v in x.reshape(-1)))


def arr(dtype, values, shape=None):
    x = np.array(values, dtype=DTYPES[dtype])
    return x if shape is None else x.reshape(shape)


class Op:
    """One file: f() starts a function, case() adds a case to it."""

    def __init__(self, name, comment):
        self.name, self.parts, self.n = name, [comment + "\n"], 0

    def f(self, params, body, outs):
        lines = "".join("  %s\n" % l for l in body.strip("\n").split("\n"))
        self.parts.append('-- f.eir --\nmodule "%s"\nfunc @main(%s) -> (%s) {\n%s}\n' % (self.name, params, outs, lines))
        return self

    def case(self, ins, outs):
        for kind, values in (("in", ins), ("out", outs)):
            for i, v in enumerate(values):
                self.parts.append("-- case_%d/%s%d --\n%s\n" % (self.n, kind, i, text(v)))
        self.n += 1
        return self

    def write(self):
        with open(os.path.join(HERE, self.name + ".txtar"), "w") as out:
            out.write("".join(self.parts))


def op1(name, call, comment, params, result, cases, ref):
    """A file of one function with one op and one result."""
    o = Op(name, comment)
    add1(o, name, call, params, result, cases, ref)
    o.write()


def add1(o, name, call, params, result, cases, ref):
    o.f(params, "%%0 = %s %s : %s\nyield %%0" % (name, call, result), "y: " + result)
    for ins in cases:
        with np.errstate(all="ignore"):
            o.case(ins, [ref(*ins)])


def wide(f):
    """f in float64, rounded to the dtype of its first operand."""
    return lambda *a: np.asarray(f(*[x.astype(np.float64) if x.dtype.kind in "fV" or x.dtype == ml_dtypes.bfloat16 else x for x in a])).astype(a[0].dtype)


each = lambda f: np.vectorize(f, otypes=[np.float64])
SPECIAL = arr("f32", [0.5, -1.5, 2.5, -0.0, nan, inf, -inf, 0.875], (2, 4))


def unary(name, comment, ref, attrs="", ints=None, values=SPECIAL):
    o = Op(name, comment)
    g = wide(ref)
    call = "%x" + (" " + attrs if attrs else "")
    add1(o, name, call, "%x: f32[n, m]", "f32[n, m]", [[values], [np.zeros((0, 3), np.float32)]], g)
    add1(o, name, call, "%x: f32[]", "f32[]", [[arr("f32", 0.75)]], g)
    add1(o, name, call, "%x: f16[n]", "f16[n]", [[arr("f16", [0.25, 0.75, -0.5])]], g)
    if ints is not None:
        add1(o, name, call, "%x: i32[n]", "i32[n]", [[arr("i32", [-7, 0, 5])]], ints)
        add1(o, name, call, "%x: i8[n]", "i8[n]", [[arr("i8", [-127, 0, 127])]], ints)
    o.write()


def softplus(x):
    return np.logaddexp(0, x)


def guarded(f):
    def g(v):
        try:
            return f(v)
        except (ValueError, OverflowError):
            return nan
    return each(g)


sigmoid = lambda x: 1 / (1 + np.exp(-x))
erf = each(math.erf)
unary("abs", "ONNX Abs-13.", np.abs, ints=np.abs)
unary("neg", "ONNX Neg-13.", np.negative, ints=np.negative)
unary("sign", "ONNX Sign-13; NaN of NaN.", np.sign, ints=np.sign)
unary("relu", "ONNX Relu-14; NaN of NaN.", lambda x: np.where(x > 0, x, np.where(np.isnan(x), x, 0)), ints=lambda x: np.maximum(x, 0).astype(x.dtype))
unary("ceil", "ONNX Ceil-13.", np.ceil)
unary("floor", "ONNX Floor-13.", np.floor)
unary("round", "ONNX Round-22: halves to even.", np.round, values=arr("f32", [0.5, -1.5, 2.5, -0.0, nan, inf, -inf, 3.4999], (2, 4)))
unary("sqrt", "ONNX Sqrt-13.", np.sqrt)
unary("rsqrt", "1/sqrt(x), MLX rsqrt.", lambda x: 1 / np.sqrt(x), values=arr("f32", [0.5, -1.5, 4, 0.0, nan, inf], (2, 3)))
unary("reciprocal", "ONNX Reciprocal-13.", lambda x: 1 / x)
unary("exp", "ONNX Exp-13.", np.exp)
unary("log", "ONNX Log-13.", np.log, values=arr("f32", [0.5, -1.5, 4, 0.0, nan, inf], (2, 3)))
for fn, ref, version in [("sin", np.sin, 22), ("cos", np.cos, 22), ("tan", np.tan, 22), ("asin", np.arcsin, 22), ("acos", np.arccos, 22), ("atan", np.arctan, 22),
                         ("sinh", np.sinh, 22), ("cosh", np.cosh, 22), ("tanh", np.tanh, 13), ("asinh", np.arcsinh, 22), ("atanh", np.arctanh, 22), ("erf", erf, 13)]:
    unary(fn, "ONNX %s-%d." % (fn.capitalize(), version), ref, values=arr("f32", [0.5, -1.5, 0.9, 0.0, nan, inf, -inf, 0.0625], (2, 4)) if fn not in ("sin", "cos", "tan") else arr("f32", [0.5, -1.5, 9, 0.0, nan, 100], (2, 3)))
o = Op("acosh", "ONNX Acosh-22: NaN below 1.")
add1(o, "acosh", "%x", "%x: f32[n, m]", "f32[n, m]", [[arr("f32", [1, 1.5, 9, 0.5, nan, inf], (2, 3))], [np.zeros((0, 3), np.float32)]], wide(np.arccosh))
add1(o, "acosh", "%x", "%x: f16[]", "f16[]", [[arr("f16", 2.5)]], wide(np.arccosh))
o.write()
FINITE = arr("f32", [0.5, -1.5, 2.5, -0.0, nan, 30, -30, 0.875], (2, 4))
unary("sigmoid", "ONNX Sigmoid-13.", sigmoid)
unary("softplus", "ONNX Softplus-22.", softplus)
unary("gelu", "ONNX Gelu-20, the tanh approximation.", lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))), '{approximate = "tanh"}', values=FINITE)
o = Op("gelu", "ONNX Gelu-20, with erf and with its tanh approximation; com.microsoft QuickGelu.")
gelu = wide(lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2))))
gelu_tanh = wide(lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))))
add1(o, "gelu", "%x", "%x: f32[n, m]", "f32[n, m]", [[FINITE], [np.zeros((0, 3), np.float32)]], gelu)
add1(o, "gelu", '%x {approximate = "tanh"}', "%x: f32[n, m]", "f32[n, m]", [[FINITE], [np.zeros((2, 0), np.float32)]], gelu_tanh)
add1(o, "gelu", "%x", "%x: f16[]", "f16[]", [[arr("f16", -0.5)]], gelu)
quick_gelu = wide(lambda x: x * sigmoid(1.702 * x))
add1(o, "gelu", '%x {approximate = "sigmoid"}', "%x: f32[n, m]", "f32[n, m]", [[FINITE], [np.zeros((0, 3), np.float32)]], quick_gelu)
add1(o, "gelu", '%x {approximate = "sigmoid"}', "%x: f16[n]", "f16[n]", [[arr("f16", [0.25, 0.75, -0.5])]], quick_gelu)
o.write()
unary("silu", "x·sigmoid(x): ONNX Swish-24 with alpha 1.", lambda x: x * sigmoid(x), values=FINITE)
unary("hard_swish", "ONNX HardSwish-22.", lambda x: x * np.clip(x / 6 + 0.5, 0, 1), values=FINITE)
unary("mish", "ONNX Mish-22.", lambda x: x * np.tanh(softplus(x)), values=FINITE)
unary("stop_gradient", "mx.stop_gradient: the operand.", lambda x: x)
unary("leaky_relu", "ONNX LeakyRelu-16.", lambda x: np.where(x < 0, 0.1 * x, x), "{alpha = 0.1}")
unary("elu", "ONNX Elu-22.", lambda x: np.where(x < 0, 1.5 * np.expm1(x), x), "{alpha = 1.5}")
unary("hard_sigmoid", "ONNX HardSigmoid-22.", lambda x: np.clip(0.2 * x + 0.5, 0, 1), "{alpha = 0.2, beta = 0.5}")

op1("not", "%x", "ONNX Not-1.", "%x: bool[n]", "bool[n]", [[arr("bool", [0, 1])], [np.zeros(0, bool)]], np.logical_not)
o = Op("bit_not", "ONNX BitwiseNot-18.")
add1(o, "bit_not", "%x", "%x: u8[n]", "u8[n]", [[arr("u8", [0, 1, 255])], [np.zeros(0, np.uint8)]], np.invert)
add1(o, "bit_not", "%x", "%x: i64[]", "i64[]", [[arr("i64", -5)]], np.invert)
o.write()
o = Op("isnan", "ONNX IsNaN-20.")
add1(o, "isnan", "%x", "%x: f32[n, m]", "bool[n, m]", [[SPECIAL], [np.zeros((0, 3), np.float32)]], np.isnan)
add1(o, "isnan", "%x", "%x: bf16[]", "bool[]", [[arr("bf16", nan)]], np.isnan)
o.write()
o = Op("isinf", "ONNX IsInf-20, either infinity, one, or none.")
for neg, pos in [(True, True), (True, False), (False, True), (False, False)]:
    ref = lambda x, neg=neg, pos=pos: (np.isneginf(x) & neg) | (np.isposinf(x) & pos)
    add1(o, "isinf", "%%x {negative = %s, positive = %s}" % (str(neg).lower(), str(pos).lower()), "%x: f32[n, m]", "bool[n, m]", [[SPECIAL], [np.zeros((3, 0), np.float32)]], ref)
o.write()
o = Op("cast", "ONNX Cast-25.")
for frm, to, values in [("f32", "i64", [0.5, -1.5, 2.5, -0.0, 1e9]), ("f32", "bool", [0, -0.0, nan, inf, 0.1]), ("i64", "i8", [-1, 127, 128, 300]), ("i32", "f32", [1, -2, 16777217]),
                        ("f32", "f16", [1.0009765625, 65519, 65520, -inf, nan]), ("f32", "bf16", [1.00390625, 3.14159, nan]), ("bool", "f32", [0, 1]), ("f64", "f32", [0.1, 1e300, -0.0]), ("u8", "i32", [0, 255]), ("i64", "bool", [0, -3])]:
    add1(o, "cast", "%%x {to = %s}" % to, "%%x: %s[n]" % frm, "%s[n]" % to, [[arr(frm, values)], [arr(frm, [])]], lambda x, to=to: x.astype(DTYPES[to]))
add1(o, "cast", "%x {to = i32}", "%x: f32[]", "i32[]", [[arr("f32", -7.9)]], lambda x: x.astype(np.int32))
o.write()


def binary(name, comment, ref, cases, result=None):
    """cases: dtype, x and y."""
    o = Op(name, comment)
    for dtype, x, y in cases:
        r = result or dtype
        g = wide(ref) if result is None and dtype in ("f32", "f16") else ref
        add1(o, name, "%x, %y", "%%x: %s[n, m], %%y: %s[m]" % (dtype, dtype), "%s[n, m]" % r, [[arr(dtype, x, (2, -1)), arr(dtype, y)], [arr(dtype, [], (0, len(y))), arr(dtype, y)]], g)
        add1(o, name, "%x, %y", "%%x: %s[], %%y: %s[n, 1]" % (dtype, dtype), "%s[n, 1]" % r, [[arr(dtype, x[0]), arr(dtype, y, (-1, 1))]], g)
    o.write()


FX, FY = [0.5, -1.5, inf, nan, -0.0, 7], [2, -3, 0.25]
IX, IY = [7, -7, 100, -100, 0, 9], [2, -3, 4]
BX, BY = [1, 0, 1, 0, 1, 0], [1, 1, 0]
UX, UY = [7, 250, 100, 3, 0, 9], [2, 9, 200]
number = [("f32", FX, FY), ("i32", IX, IY), ("f16", [0.5, 1.5, 3, 4, 5, 6], FY)]
trunc = lambda x, y: (np.abs(x) // np.abs(y) * np.sign(x) * np.sign(y)).astype(x.dtype) if x.dtype.kind in "iu" else x / y
binary("add", "ONNX Add-14; u8 wraps.", np.add, number + [("u8", UX, UY)])
binary("sub", "ONNX Sub-14; u8 wraps.", np.subtract, number + [("u8", UX, UY)])
binary("mul", "ONNX Mul-14; u8 wraps.", np.multiply, number + [("u8", UX, UY)])
binary("div", "ONNX Div-14: integers truncate.", trunc, number + [("i64", IX, IY)])
binary("min", "ONNX Min-13: NaN wins.", np.minimum, number)
binary("max", "ONNX Max-13: NaN wins.", np.maximum, number)
o = Op("glu", "activation(x)·y: silu is ONNX SwiGLU-28.")
for attrs, ref in [('{activation = "silu"}', lambda x: x * sigmoid(x)), ('{activation = "gelu"}', lambda x: 0.5 * x * (1 + erf(x / math.sqrt(2)))),
                   ('{activation = "gelu", approximate = "tanh"}', lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))),
                   ('{activation = "gelu", approximate = "sigmoid"}', lambda x: x * sigmoid(1.702 * x))]:
    g = wide(lambda x, y, ref=ref: ref(x) * y)
    add1(o, "glu", "%x, %y " + attrs, "%x: f32[n, m], %y: f32[n, m]", "f32[n, m]",
         [[FINITE, arr("f32", [2, -3, 0.25, 1, 1, 1, nan, 0], (2, 4))], [np.zeros((0, 3), np.float32)] * 2], g)
    add1(o, "glu", "%x, %y " + attrs, "%x: f32[n, m], %y: f32[m]", "f32[n, m]", [[FINITE, arr("f32", [2, -3, 0.25, nan])]], g)
    add1(o, "glu", "%x, %y " + attrs, "%x: f16[], %y: f16[]", "f16[]", [[arr("f16", -0.5), arr("f16", 3)]], g)
o.write()
o = Op("pow", "ONNX Pow-15: the exponent may have another dtype.")
for dx, dy, x, y in [("f32", "f32", [2, 0.5, 9, 0, 1, nan], [3, -1, 0.5]), ("f32", "i64", [2, -0.5, 9, 0, -1, 3], [3, 2, 0]), ("i32", "i32", [2, -3, 9, 0, -1, 1], [3, 3, 0])]:
    add1(o, "pow", "%x, %y", "%%x: %s[n, m], %%y: %s[m]" % (dx, dy), "%s[n, m]" % dx, [[arr(dx, x, (2, 3)), arr(dy, y)], [arr(dx, [], (0, 3)), arr(dy, y)]],
         lambda x, y: np.power(x.astype(np.float64), y.astype(np.float64)).astype(x.dtype))
add1(o, "pow", "%x, %y", "%x: f32[], %y: f32[]", "f32[]", [[arr("f32", 2), arr("f32", 10)]], np.power)
o.write()
o = Op("mod", "ONNX Mod-13: the sign of the divisor, or of the dividend with fmod.")
for dtype, attrs, ref in [("i32", "", np.mod), ("i32", " {fmod = true}", np.fmod), ("f32", " {fmod = true}", np.fmod), ("u8", "", np.mod)]:
    x, y = (UX, [2, 9, 7]) if dtype == "u8" else ([7, -7, 9, -9, 0, 5], [3, -3, 4])
    if dtype == "f32":
        x = [7.5, -7.5, 9.25, -9, -0.0, 5]
    add1(o, "mod", "%x, %y" + attrs, "%%x: %s[n, m], %%y: %s[m]" % (dtype, dtype), "%s[n, m]" % dtype, [[arr(dtype, x, (2, 3)), arr(dtype, y)], [arr(dtype, [], (0, 3)), arr(dtype, y)]], ref)
add1(o, "mod", "%x, %y", "%x: i64[], %y: i64[]", "i64[]", [[arr("i64", -7), arr("i64", 3)]], np.mod)
o.write()
for name, ref in [("and", np.logical_and), ("or", np.logical_or), ("xor", np.logical_xor)]:
    binary(name, "ONNX %s-7." % name.capitalize(), ref, [("bool", BX, BY)])
for name, ref, onnx_name in [("bit_and", np.bitwise_and, "And"), ("bit_or", np.bitwise_or, "Or"), ("bit_xor", np.bitwise_xor, "Xor")]:
    binary(name, "ONNX Bitwise%s-18." % onnx_name, ref, [("u8", UX, UY), ("i32", IX, IY)])
shift = lambda f: lambda x, y: np.where(y < 8 * x.dtype.itemsize, f(x, np.minimum(y, 8 * x.dtype.itemsize - 1)), 0).astype(x.dtype)
binary("shift_left", "ONNX BitShift-11, LEFT.", shift(np.left_shift), [("u8", UX, [1, 3, 7]), ("u32", UX, [1, 3, 31])])
binary("shift_right", "ONNX BitShift-11, RIGHT.", shift(np.right_shift), [("u8", UX, [1, 3, 7]), ("u32", UX, [1, 3, 31])])
compared = [("f32", [0.5, -3, inf, nan, -0.0, 0.25], [0.5, -0.0, 0.25]), ("i64", [2, -3, 5, 1, 2, 4], IY)]
binary("equal", "ONNX Equal-19.", np.equal, compared + [("bool", BX, BY)], "bool")
binary("less", "ONNX Less-13.", np.less, compared, "bool")
binary("less_equal", "ONNX LessOrEqual-16.", np.less_equal, compared, "bool")
o = Op("where", "ONNX Where-16.")
add1(o, "where", "%c, %x, %y", "%c: bool[n, 1], %x: f32[m], %y: f32[n, m]", "f32[n, m]",
     [[arr("bool", [1, 0], (2, 1)), arr("f32", [nan, 2, 3]), arr("f32", [4, inf, 6, 7, 8, -0.0], (2, 3))], [np.zeros((0, 1), bool), arr("f32", [1, 2]), np.zeros((0, 2), np.float32)]], np.where)
add1(o, "where", "%c, %x, %y", "%c: bool[], %x: i64[], %y: i64[n]", "i64[n]", [[arr("bool", 0), arr("i64", 3), arr("i64", [1, 2])]], np.where)
o.write()

X23 = arr("f32", [1, -2, 3.5, 0.25, 7, -6], (2, 3))
NAN23 = arr("f32", [1, nan, 3, 4, inf, -inf], (2, 3))
E03, E30 = np.zeros((0, 3), np.float32), np.zeros((3, 0), np.float32)


def reduce(name, comment, ref, empty, ints=True, nans=True):
    o = Op(name, comment)
    for axes, keep, result in [([1], True, "[n, 1]"), ([0], False, "[m]"), ([0, 1], False, "[]"), ([], False, "[n, m]")]:
        call = "%%x {axes = %s%s}" % (axes, ", keepdims = true" if keep else "")
        g = lambda x: ref(x.astype(np.float64), axis=tuple(axes), keepdims=keep).astype(x.dtype) if x.size or not axes or 0 in ref_shape(x, axes, keep) else np.full(ref_shape(x, axes, keep), empty, x.dtype)
        add1(o, name, call, "%x: f32[n, m]", "f32" + result, [[X23]] + ([[NAN23]] if nans else []) + [[E03], [E30]], g)
        if ints:
            add1(o, name, call, "%x: i32[n, m]", "i32" + result, [[arr("i32", [1, -2, 3, 4, 50, -6], (2, 3))]], lambda x: ref(x, axis=tuple(axes), keepdims=keep).astype(x.dtype))
    add1(o, name, "%x {axes = []}", "%x: f32[]", "f32[]", [[arr("f32", 3)]], lambda x: x)
    o.write()


def ref_shape(x, axes, keep):
    return tuple(1 if i in axes else d for i, d in enumerate(x.shape) if keep or i not in axes)


reduce("reduce_sum", "ONNX ReduceSum-13; 0 of nothing.", np.sum, 0)
reduce("reduce_prod", "ONNX ReduceProd-18; 1 of nothing.", np.prod, 1)
reduce("reduce_mean", "ONNX ReduceMean-18; NaN of nothing.", np.mean, nan, ints=False)
reduce("reduce_max", "ONNX ReduceMax-20: NaN wins; -inf of nothing.", np.max, -inf)
reduce("reduce_min", "ONNX ReduceMin-20: NaN wins; inf of nothing.", np.min, inf)


def arg(name, comment, ref):
    o = Op(name, comment)
    x = arr("f32", [1, 5, 5, 1, -2, -2, -1, -2], (2, 4))
    for keep, last in [(False, False), (True, True)]:
        def g(x, keep=keep, last=last):
            r = x.shape[1] - 1 - ref(x[:, ::-1], axis=1) if last else ref(x, axis=1)
            return (r[:, None] if keep else r).astype(np.int64)
        attrs = "{axis = 1%s%s}" % (", keepdims = true" if keep else "", ", last = true" if last else "")
        add1(o, name, "%x " + attrs, "%x: f32[n, m]", "i64[n, 1]" if keep else "i64[n]", [[x], [np.zeros((0, 3), np.float32)]], g)
        add1(o, name, "%x " + attrs, "%x: i64[n, m]", "i64[n, 1]" if keep else "i64[n]", [[x.astype(np.int64)]], g)
    o.write()


arg("argmax", "ONNX ArgMax-13: the first or the last of equals.", np.argmax)
arg("argmin", "ONNX ArgMin-13: the first or the last of equals.", np.argmin)
o = Op("cumsum", "ONNX CumSum-14.")
for exclusive, reverse in [(False, False), (True, False), (False, True), (True, True)]:
    for axis in (0, 1):
        def g(x):
            r = np.flip(x, axis) if reverse else x
            s = np.cumsum(r, axis=axis, dtype=x.dtype)
            s = s - r if exclusive else s
            return (np.flip(s, axis) if reverse else s).astype(x.dtype)
        attrs = "{axis = %d%s%s}" % (axis, ", exclusive = true" if exclusive else "", ", reverse = true" if reverse else "")
        add1(o, "cumsum", "%x " + attrs, "%x: f32[n, m]", "f32[n, m]", [[arr("f32", [1, 2, 3, 4, 5, -6], (2, 3))], [E03], [E30]], g)
    add1(o, "cumsum", "%x " + attrs, "%x: i32[n, m]", "i32[n, m]", [[arr("i32", [1, 2, 3, 4, 5, -6], (2, 3))]], g)
o.write()

o = Op("const", "A constant of each of the forms that the text has.")
o.f("", '%0 = const [1.5, -0.0, inf] : f32[3]\n%1 = const hex "003c00c0" : f16[2]\n%2 = const [-1] : i64[]\n%3 = const [] : f32[0, 2]\nyield %0, %1, %2, %3', "a: f32[3], b: f16[2], c: i64[], d: f32[0, 2]")
o.case([], [arr("f32", [1.5, -0.0, inf]), arr("f16", [1, -2]), arr("i64", -1), np.zeros((0, 2), np.float32)])
o.f("", "%0 = const [-8, 7, 3] : i4[3]\n%1 = cast %0 {to = i32} : i32[3]\n%2 = const [0, 1] : bool[2]\nyield %1, %2", "a: i32[3], b: bool[2]")
o.case([], [arr("i32", [-8, 7, 3]), arr("bool", [0, 1])])
o.write()
o = Op("yield", "A function gives what it yields: an input, the same value twice, nothing at all.")
o.f("%x: f32[n], %b: bool[]", "yield %x, %x, %b", "y: f32[n], z: f32[n], c: bool[]")
o.case([arr("f32", [1, nan]), arr("bool", 1)], [arr("f32", [1, nan]), arr("f32", [1, nan]), arr("bool", 1)])
o.case([arr("f32", []), arr("bool", 0)], [arr("f32", []), arr("f32", []), arr("bool", 0)])
o.write()
o = Op("shape", "ONNX Shape-25.")
add1(o, "shape", "%x", "%x: f32[n, m]", "i64[2]", [[X23], [E03]], lambda x: np.array(x.shape, np.int64))
add1(o, "shape", "%x", "%x: f32[]", "i64[0]", [[arr("f32", 3)]], lambda x: np.array(x.shape, np.int64))
o.write()
o = Op("dims", "Sizes of the inputs, and expressions over them.")
o.f("%x: f32[n, m]", "%0 = dims {values = [n + 1, n*m, floordiv(n, 2), mod(n, 3), min(m, n), max(m, n), m - n]} : i64[7]\n%1 = dims {values = [2*n], scalar = true} : i64[]\nyield %0, %1", "y: i64[7], z: i64[]")
for x in (X23, E03, np.zeros((7, 2), np.float32)):
    n, m = x.shape
    o.case([x], [arr("i64", [n + 1, n * m, n // 2, n % 3, min(n, m), max(n, m), m - n]), arr("i64", 2 * n)])
o.write()
o = Op("reshape", "ONNX Reshape-25.")
o.f("%x: f32[n, m]", "%0 = const [-1] : i64[1]\n%1 = reshape %x, %0 : f32[m*n]\nyield %1", "y: f32[m*n]")
for x in (X23, E03):
    o.case([x], [x.reshape(-1)])
o.f("%x: f32[n, 4]", "%0 = const [0, 2, -1] : i64[3]\n%1 = reshape %x, %0 : f32[n, 2, 2]\nyield %1", "y: f32[n, 2, 2]")
for x in (np.arange(12, dtype=np.float32).reshape(3, 4),):
    o.case([x], [x.reshape(3, 2, 2)])
o.f("%x: i64[0, n]", "%0 = const [3, 0] : i64[2]\n%1 = reshape %x, %0 {allowzero = true} : i64[3, 0]\nyield %1", "y: i64[3, 0]")
o.case([np.zeros((0, 5), np.int64)], [np.zeros((3, 0), np.int64)])
o.f("%x: f32[]", "%0 = const [1, 1] : i64[2]\n%1 = reshape %x, %0 : f32[1, 1]\nyield %1", "y: f32[1, 1]")
o.case([arr("f32", 3)], [arr("f32", [[3]])])
o.f("%x: f32[6], %t: i64[2]", "%0 = reshape %x, %t : f32[u0, u1]\nyield %0", "y: f32[u0, u1]")
o.case([np.arange(6, dtype=np.float32), arr("i64", [3, 2])], [np.arange(6, dtype=np.float32).reshape(3, 2)])
o.write()
o = Op("transpose", "ONNX Transpose-25.")
add1(o, "transpose", "%x {perm = [1, 0]}", "%x: f32[n, m]", "f32[m, n]", [[X23], [E03]], np.transpose)
add1(o, "transpose", "%x {perm = [2, 0, 1]}", "%x: i32[n, m, k]", "i32[k, n, m]", [[np.arange(24, dtype=np.int32).reshape(2, 3, 4)]], lambda x: x.transpose(2, 0, 1))
add1(o, "transpose", "%x {perm = []}", "%x: f32[]", "f32[]", [[arr("f32", 3)]], lambda x: x)
o.write()
o = Op("expand", "ONNX Expand-13: broadcasting in both directions.")
o.f("%x: f32[n, 1]", "%0 = const [2, 1, 3] : i64[3]\n%1 = expand %x, %0 : f32[2, n, 3]\nyield %1", "y: f32[2, n, 3]")
for x in (arr("f32", [[1], [2]]), np.zeros((0, 1), np.float32)):
    o.case([x], [np.broadcast_to(x, (2, x.shape[0], 3))])
o.f("%x: f32[], %t: i64[2]", "%0 = expand %x, %t : f32[u0, u1]\nyield %0", "y: f32[u0, u1]")
o.case([arr("f32", 3), arr("i64", [2, 0])], [np.zeros((2, 0), np.float32)])
o.case([arr("f32", 3), arr("i64", [1, 2])], [arr("f32", [[3, 3]])])
o.write()
o = Op("unsqueeze", "ONNX Unsqueeze-25.")
add1(o, "unsqueeze", "%x {axes = [0, 2]}", "%x: f32[n, m]", "f32[1, n, 1, m]", [[X23], [E03]], lambda x: x[None, :, None, :])
add1(o, "unsqueeze", "%x {axes = [0]}", "%x: i64[]", "i64[1]", [[arr("i64", 3)]], lambda x: x[None])
o.write()
o = Op("squeeze", "ONNX Squeeze-25.")
add1(o, "squeeze", "%x {axes = [0, 2]}", "%x: f32[1, n, 1]", "f32[n]", [[arr("f32", [1, 2], (1, 2, 1))], [np.zeros((1, 0, 1), np.float32)]], lambda x: x[0, :, 0])
add1(o, "squeeze", "%x {axes = [0]}", "%x: bool[1]", "bool[]", [[arr("bool", [1])]], lambda x: x[0])
o.write()
o = Op("concat", "ONNX Concat-13.")
add1(o, "concat", "%x, %y, %x {axis = 1}", "%x: f32[n, m], %y: f32[n, k]", "f32[n, k + 2*m]", [[X23, arr("f32", [[8], [9]])], [E03, np.zeros((0, 1), np.float32)], [E30, arr("f32", [[1], [2], [3]])]], lambda x, y: np.concatenate([x, y, x], 1))
add1(o, "concat", "%x {axis = 0}", "%x: i64[n]", "i64[n]", [[arr("i64", [1, 2])]], lambda x: x)
o.write()
o = Op("slice", "ONNX Slice-13.")
for starts, ends, axes, steps, result, ref in [
        ([1], [-1], [1], [1], "f32[n, max(0, min(m, max(0, m - 1)) - min(1, m))]", lambda x: x[:, 1:-1]),
        ([0], [9223372036854775807], [0], [2], "f32[floordiv(n + 1, 2), m]", lambda x: x[::2]),
        ([-1], [-9223372036854775807], [1], [-1], "f32[n, m]", lambda x: x[:, ::-1])]:
    o.f("%x: f32[n, m]", "%%0 = const %s : i64[1]\n%%1 = const %s : i64[1]\n%%2 = slice %%x, %%0, %%1 {axes = %s, steps = %s} : %s\nyield %%2" % (starts, ends, axes, steps, result), "y: " + result)
    for x in (X23, np.arange(12, dtype=np.float32).reshape(3, 4), E03, E30):
        o.case([x], [ref(x)])
o.f("%x: i32[5, 4], %s: i64[2], %e: i64[2]", "%0 = slice %x, %s, %e {axes = [0, 1], steps = [2, -1]} : i32[u0, u1]\nyield %0", "y: i32[u0, u1]")
x = np.arange(20, dtype=np.int32).reshape(5, 4)
o.case([x, arr("i64", [1, 3]), arr("i64", [5, 0])], [x[1:5:2, 3:0:-1]])
o.case([x, arr("i64", [4, -100]), arr("i64", [2, 100])], [x[4:2:2, 0:100:-1]])
o.write()
o = Op("split", "ONNX Split-18.")
o.f("%x: f32[n, m]", "%0, %1, %2 = split %x {axis = 1, sizes = [1, m - 1, 0]} : f32[n, 1], f32[n, m - 1], f32[n, 0]\nyield %0, %1, %2", "a: f32[n, 1], b: f32[n, m - 1], c: f32[n, 0]")
for x in (X23, E03):
    o.case([x], [x[:, :1], x[:, 1:], x[:, :0]])
o.write()
o = Op("pad", "ONNX Pad-25: negative amounts cut.")
for mode, value in [("constant", None), ("constant", 9), ("reflect", None), ("edge", None), ("wrap", None)]:
    params = "%x: f32[n, m]" + (", %v: f32[]" if value else "")
    o.f(params, "%%0 = const [1, 0, 2, 1] : i64[4]\n%%1 = pad %%x, %%0%s {mode = \"%s\", axes = [1, 0]} : f32[n + 1, m + 3]\nyield %%1" % (", %v" if value else "", mode), "y: f32[n + 1, m + 3]")
    for x in (arr("f32", [1, 2, 3, 4, 5, 6], (2, 3)),) + ((E03,) if mode == "constant" else ()):
        kw = {"constant_values": value or 0} if mode == "constant" else {}
        o.case([x] + ([arr("f32", value)] if value else []), [np.pad(x, [(0, 1), (1, 2)], mode=mode, **kw)])
o.f("%x: i32[n]", '%0 = const [-1, 1] : i64[2]\n%1 = pad %x, %0 {mode = "constant", axes = [0]} : i32[n]\nyield %1', "y: i32[n]")
o.case([arr("i32", [1, 2, 3])], [arr("i32", [2, 3, 0])])
o.write()
o = Op("tile", "ONNX Tile-13.")
o.f("%x: f32[n, m]", "%0 = const [2, 3] : i64[2]\n%1 = tile %x, %0 : f32[2*n, 3*m]\nyield %1", "y: f32[2*n, 3*m]")
for x in (X23, E03):
    o.case([x], [np.tile(x, (2, 3))])
o.f("%x: i64[n], %r: i64[1]", "%0 = tile %x, %r : i64[u0]\nyield %0", "y: i64[u0]")
o.case([arr("i64", [1, 2]), arr("i64", [2])], [arr("i64", [1, 2, 1, 2])])
o.case([arr("i64", [1, 2]), arr("i64", [0])], [arr("i64", [])])
o.write()
o = Op("range", "ONNX Range-11.")
for d in ("i64", "i32", "f32"):
    o.f("%%s: %s[], %%l: %s[], %%d: %s[]" % (d, d, d), "%%0 = range %%s, %%l, %%d : %s[u0]\nyield %%0" % d, "y: %s[u0]" % d)
    for s, l, st in [(0, 5, 1), (10, 3, -2), (3, 3, 1), (5, 1, 1)] + ([(0.5, 2, 0.5)] if d == "f32" else []):
        o.case([arr(d, s), arr(d, l), arr(d, st)], [np.arange(s, l, st).astype(DTYPES[d])])
o.write()
o = Op("trilu", "ONNX Trilu-14.")
for upper, ref in [(False, np.tril), (True, np.triu)]:
    attrs = " {upper = true}" if upper else ""
    add1(o, "trilu", "%x" + attrs, "%x: f32[n, m]", "f32[n, m]", [[np.arange(1, 13, dtype=np.float32).reshape(3, 4)], [NAN23], [E03]], ref)
    add1(o, "trilu", "%x, %k" + attrs, "%x: i64[b, n, m], %k: i64[]", "i64[b, n, m]",
         [[np.arange(24, dtype=np.int64).reshape(2, 3, 4), arr("i64", k)] for k in (1, -1, 9, -9)], lambda x, k: ref(x, int(k)))
o.write()

TABLE = np.arange(12, dtype=np.float32).reshape(4, 3)
o = Op("gather", "ONNX Gather-13: negative indices count from the end.")
add1(o, "gather", "%x, %i {axis = 0}", "%x: f32[n, m], %i: i64[k, 1]", "f32[k, 1, m]", [[TABLE, arr("i64", [[3], [-4]])], [TABLE, np.zeros((0, 1), np.int64)]], lambda x, i: x[i])
add1(o, "gather", "%x, %i {axis = 1}", "%x: f32[n, m], %i: i32[]", "f32[n]", [[TABLE, arr("i32", -1)], [E03, arr("i32", 2)]], lambda x, i: x[:, i])
add1(o, "gather", "%x, %i {axis = 0}", "%x: bool[n], %i: i64[k]", "bool[k]", [[arr("bool", [1, 0]), arr("i64", [1, 0, 0])]], lambda x, i: x[i])
o.write()
o = Op("gather_elements", "ONNX GatherElements-13.")
for axis in (0, 1):
    add1(o, "gather_elements", "%%x, %%i {axis = %d}" % axis, "%x: f32[n, m], %i: i64[k, l]", "f32[k, l]", [[TABLE, arr("i64", [[0, -1], [2, 1]])], [TABLE, np.zeros((0, 2), np.int64)]], lambda x, i: np.take_along_axis(x[:, :2] if axis == 0 else x[:2] if len(i) else x[:0], i, axis))
o.write()


def gather_nd(x, i, b=0):
    out = [x[bi][tuple(t)] for bi in np.ndindex(*i.shape[:b]) for t in i[bi].reshape(-1, i.shape[-1])]
    return np.array(out, x.dtype).reshape(i.shape[:-1] + x.shape[b + i.shape[-1]:])


o = Op("gather_nd", "ONNX GatherND-13.")
add1(o, "gather_nd", "%x, %i", "%x: f32[n, m], %i: i64[k, 1]", "f32[k, m]", [[TABLE, arr("i64", [[3], [-1], [0]])], [TABLE, np.zeros((0, 1), np.int64)]], gather_nd)
add1(o, "gather_nd", "%x, %i", "%x: f32[n, m], %i: i64[k, 2]", "f32[k]", [[TABLE, arr("i64", [[3, 0], [-1, -1]])]], gather_nd)
add1(o, "gather_nd", "%x, %i {batch_dims = 1}", "%x: f32[n, m], %i: i64[n, 1]", "f32[n]", [[TABLE, arr("i64", [[0], [1], [2], [-1]])]], lambda x, i: gather_nd(x, i, 1))
o.write()
REDUCERS = {"none": lambda a, b: b, "add": lambda a, b: a + b, "mul": lambda a, b: a * b, "max": max, "min": min}


def scatter_elements(x, i, u, axis, red):
    y = x.copy()
    for at in np.ndindex(*i.shape):
        to = list(at)
        to[axis] = i[at]
        y[tuple(to)] = REDUCERS[red](y[tuple(to)], u[at])
    return y


def scatter_nd(x, i, u, red):
    y = x.copy()
    for at in np.ndindex(*i.shape[:-1]):
        to = tuple(i[at])
        y[to] = np.vectorize(REDUCERS[red], otypes=[x.dtype])(y[to], u[at])
    return y


o = Op("scatter_elements", "ONNX ScatterElements-18.")
for red in REDUCERS:
    for axis in (0, 1):
        i = arr("i64", [[1, 0], [-1, 2]]) if red == "none" else arr("i64", [[1, 0], [1, 2]])
        add1(o, "scatter_elements", '%%x, %%i, %%u {axis = %d, reduction = "%s"}' % (axis, red) if axis else '%%x, %%i, %%u {reduction = "%s"}' % red, "%x: f32[n, m], %i: i64[k, l], %u: f32[k, l]", "f32[n, m]",
             [[TABLE, i, arr("f32", [[50, -60], [0.5, 8]])], [TABLE, np.zeros((0, 2), np.int64), np.zeros((0, 2), np.float32)]], lambda x, i, u: scatter_elements(x, i, u, axis, red))
o.write()
o = Op("scatter_nd", "ONNX ScatterND-18.")
for red in REDUCERS:
    i = arr("i64", [[1], [-1]]) if red == "none" else arr("i64", [[1], [1]])
    add1(o, "scatter_nd", '%%x, %%i, %%u {reduction = "%s"}' % red, "%x: f32[n, m], %i: i64[k, 1], %u: f32[k, m]", "f32[n, m]",
         [[TABLE, i, arr("f32", [[50, -60, 0.5], [8, 9, 10]])], [TABLE, np.zeros((0, 1), np.int64), E03]], lambda x, i, u: scatter_nd(x, i, u, red))
add1(o, "scatter_nd", '%x, %i, %u {reduction = "add"}', "%x: i32[n, m], %i: i64[k, 2], %u: i32[k]", "i32[n, m]", [[TABLE.astype(np.int32), arr("i64", [[0, 0], [0, 0], [3, -1]]), arr("i32", [1, 2, 3])]], lambda x, i, u: scatter_nd(x, i, u, "add"))
o.write()

rng = np.random.default_rng(1)
rand = lambda *s: rng.integers(-8, 9, s).astype(np.float32) / 4
o = Op("matmul", "ONNX MatMul-13.")
matmul = wide(np.matmul)
for params, result, cases in [("%a: f32[n, k], %b: f32[k, m]", "f32[n, m]", [[rand(2, 3), rand(3, 4)], [np.zeros((2, 0), np.float32), np.zeros((0, 2), np.float32)], [np.zeros((0, 3), np.float32), rand(3, 2)]]),
                              ("%a: f32[b, 1, n, k], %b: f32[h, k, m]", "f32[b, h, n, m]", [[rand(2, 1, 2, 3), rand(3, 3, 2)]]),
                              ("%a: f32[k], %b: f32[k]", "f32[]", [[rand(3), rand(3)], [np.zeros(0, np.float32), np.zeros(0, np.float32)]]),
                              ("%a: f32[k], %b: f32[b, k, m]", "f32[b, m]", [[rand(3), rand(2, 3, 2)]]),
                              ("%a: f32[b, n, k], %b: f32[k]", "f32[b, n]", [[rand(2, 2, 3), rand(3)]]),
                              ("%a: f16[n, k], %b: f16[k, m]", "f16[n, m]", [[rand(2, 3).astype(np.float16), rand(3, 4).astype(np.float16)]]),
                              ("%a: i32[n, k], %b: i32[k, m]", "i32[n, m]", [[rng.integers(-99, 99, (2, 3)).astype(np.int32), rng.integers(-99, 99, (3, 2)).astype(np.int32)]])]:
    add1(o, "matmul", "%a, %b", params, result, cases, matmul if "i32" not in params else np.matmul)
o.write()

rng_linear = np.random.default_rng(2)
some = lambda *s: rng_linear.integers(-8, 9, s).astype(np.float32) / 4
o = Op("linear", "ONNX Gemm-13 with alpha and beta 1.")
linear = wide(lambda x, w, b: np.matmul(x, w) + b)
for params, result, cases in [("%x: f32[n, k], %w: f32[k, m], %b: f32[m]", "f32[n, m]", [[some(2, 3), some(3, 4), some(4)], [np.zeros((2, 0), np.float32), np.zeros((0, 2), np.float32), some(2)], [np.zeros((0, 3), np.float32), some(3, 2), some(2)], [np.array([[nan, 1], [inf, -1]], np.float32), some(2, 2), some(2)]]),
                              ("%x: f32[b, n, k], %w: f32[k, m], %b: f32[b, n, m]", "f32[b, n, m]", [[some(2, 2, 3), some(3, 2), some(2, 2, 2)]]),
                              ("%x: f32[n, k], %w: f32[k, m], %b: f32[]", "f32[n, m]", [[some(2, 3), some(3, 2), some()]]),
                              ("%x: f16[n, k], %w: f16[k, m], %b: f16[1, m]", "f16[n, m]", [[some(2, 3).astype(np.float16), some(3, 4).astype(np.float16), some(1, 4).astype(np.float16)]])]:
    add1(o, "linear", "%x, %w, %b", params, result, cases, linear)
o.write()


def onnx(op_type, ins, outputs=1, **attrs):
    names = ["i%d" % i for i in range(len(ins))]
    outs = ["o%d" % i for i in range(outputs)]
    infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, x.shape) for n, x in zip(names, ins)]
    graph = helper.make_graph([helper.make_node(op_type, names, outs, **attrs)], "g", infos,
                              [helper.make_tensor_value_info(n, TensorProto.INT64 if i else TensorProto.FLOAT, None) for i, n in enumerate(outs)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=9)
    return onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, dict(zip(names, ins)))


o = Op("conv", "ONNX Conv-22, by onnxruntime.")
for params, call, result, ins, attrs in [
        ("%x: f32[n, 2, h], %w: f32[3, 2, 2]", "%x, %w {strides = [1], pads = [0, 0], dilations = [1], groups = 1}", "f32[n, 3, max(0, h - 1)]", [rand(2, 2, 5), rand(3, 2, 2)], {}),
        ("%x: f32[n, 4, h, 6], %w: f32[4, 2, 3, 3], %b: f32[4]", "%x, %w, %b {strides = [1, 2], pads = [1, 0, 1, 1], dilations = [1, 2], groups = 2}", "f32[n, 4, h, 2]", [rand(1, 4, 3, 6), rand(4, 2, 3, 3), rand(4)],
         dict(strides=[1, 2], pads=[1, 0, 1, 1], dilations=[1, 2], group=2)),
        ("%x: f32[n, 3, 4, 4], %w: f32[3, 1, 2, 2]", "%x, %w {strides = [2, 2], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 3}", "f32[n, 3, 2, 2]", [rand(2, 3, 4, 4), rand(3, 1, 2, 2)], dict(strides=[2, 2], group=3)),
        ("%x: f32[n, 1, 3, 3, 3], %w: f32[2, 1, 2, 2, 2]", "%x, %w {strides = [1, 1, 1], pads = [0, 0, 0, 1, 1, 1], dilations = [1, 1, 1], groups = 1}", "f32[n, 2, 3, 3, 3]", [rand(1, 1, 3, 3, 3), rand(2, 1, 2, 2, 2)], dict(pads=[0, 0, 0, 1, 1, 1]))]:
    add1(o, "conv", call, params, result, [ins], lambda *a: onnx("Conv", a, **attrs)[0])
    empty = np.zeros((0,) + ins[0].shape[1:], np.float32)
    o.case([empty] + ins[1:], [np.zeros((0,) + onnx("Conv", ins, **attrs)[0].shape[1:], np.float32)])
nhwc = rand(1, 4, 4, 2), rand(3, 2, 2, 2)
add1(o, "conv", "%x, %w {strides = [1, 1], pads = [0, 0, 0, 0], dilations = [1, 1], groups = 1, nhwc = true}", "%x: f32[n, 4, 4, 2], %w: f32[3, 2, 2, 2]", "f32[n, 3, 3, 3]", [list(nhwc)],
     lambda x, w: onnx("Conv", [x.transpose(0, 3, 1, 2), w.transpose(0, 3, 1, 2)])[0].transpose(0, 2, 3, 1))
o.write()
o = Op("max_pool", "ONNX MaxPool-22, by onnxruntime: padding never wins.")
POOL = [("%x: f32[n, 2, 5]", "kernel = [2], strides = [1], pads = [0, 0], dilations = [1]", "[n, 2, 4]", (2, 2, 5), dict(kernel_shape=[2])),
        ("%x: f32[n, 1, 4, 5]", "kernel = [3, 3], strides = [2, 2], pads = [1, 1, 1, 1], dilations = [1, 1]", "[n, 1, 2, 3]", (1, 1, 4, 5), dict(kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])),
        ("%x: f32[n, 1, 5, 5]", "kernel = [2, 2], strides = [2, 2], pads = [0, 0, 0, 0], dilations = [1, 1], ceil_mode = true", "[n, 1, 3, 3]", (1, 1, 5, 5), dict(kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)),
        ("%x: f32[n, 1, 5, 5]", "kernel = [2, 2], strides = [1, 1], pads = [0, 0, 0, 0], dilations = [2, 2]", "[n, 1, 3, 3]", (1, 1, 5, 5), dict(kernel_shape=[2, 2], dilations=[2, 2]))]
for params, attrs, shape, size, kw in POOL:
    r = "f32%s, i64%s" % (shape, shape)
    o.f(params, "%%0, %%1 = max_pool %%x {%s} : %s\nyield %%0, %%1" % (attrs, r), "y: f32%s, i: i64%s" % (shape, shape))
    x = -np.abs(rng.permutation(int(np.prod(size))).astype(np.float32).reshape(size)) - 1
    y = onnx("MaxPool", [x], 2, **kw)
    o.case([x], y).case([np.zeros((0,) + size[1:], np.float32)], [np.zeros((0,) + y[0].shape[1:], d) for d in (np.float32, np.int64)])
o.write()
o = Op("average_pool", "ONNX AveragePool-22, by onnxruntime.")
for params, attrs, shape, size, kw in POOL[:2] + [POOL[1], POOL[2]]:
    if "pads = [1" in attrs and o.n > 2:
        attrs, kw = attrs + ", count_include_pad = true", dict(kw, count_include_pad=1)
    add1(o, "average_pool", "%%x {%s}" % attrs, params, "f32" + shape, [[rand(*size)]], lambda x: onnx("AveragePool", [x], **kw)[0])
    o.case([np.zeros((0,) + size[1:], np.float32)], [np.zeros((0,) + onnx("AveragePool", [rand(*size)], **kw)[0].shape[1:], np.float32)])
o.write()


rng_attention = np.random.default_rng(11)


def softmax(x, axis):
    e = np.exp(x - np.max(x, axis=axis, keepdims=True, initial=-inf))
    return e / e.sum(axis=axis, keepdims=True)


LARGE = arr("f32", [1, 2, 3, 1000, -1000, 0], (2, 3))
for name, f in [("softmax", softmax), ("log_softmax", lambda x, a: np.log(softmax(x, a)))]:
    o = Op(name, "ONNX %s-13." % ("Softmax" if name == "softmax" else "LogSoftmax"))
    for axis in (0, 1):
        add1(o, name, "%%x {axis = %d}" % axis if axis or True else "", "%x: f32[n, m]", "f32[n, m]", [[X23], [E03], [E30]] + ([[LARGE]] if name == "softmax" else []), wide(lambda x: f(x, axis)))
    add1(o, name, "%x {axis = 0}", "%x: f16[n]", "f16[n]", [[arr("f16", [1, 2, 3])], [arr("f16", [5])]], wide(lambda x: f(x, 0)))
    o.write()


def layer_norm(x, s, b, axis, eps):
    axes = tuple(range(axis, x.ndim))
    m = x.mean(axis=axes, keepdims=True)
    y = (x - m) / np.sqrt(((x - m) ** 2).mean(axis=axes, keepdims=True) + eps)
    return y * (1 if s is None else s) + (0 if b is None else b)


S3, B3 = arr("f32", [1, 0.5, -2]), arr("f32", [0.25, 0, 3])
o = Op("layer_norm", "ONNX LayerNormalization-17.")
add1(o, "layer_norm", "%x, %s, %b {axis = 1, epsilon = 1e-05}", "%x: f32[n, 3], %s: f32[3], %b: f32[3]", "f32[n, 3]", [[X23, S3, B3], [E03, S3, B3]], wide(lambda x, s, b: layer_norm(x, s, b, 1, 1e-5)))
add1(o, "layer_norm", "%x, %s {axis = 1, epsilon = 0.1}", "%x: f32[n, 2, 3], %s: f32[2, 3]", "f32[n, 2, 3]", [[rand(2, 2, 3), rand(2, 3)]], wide(lambda x, s: layer_norm(x, s, None, 1, 0.1)))
add1(o, "layer_norm", "%x, none, %b {axis = 1, epsilon = 1e-05}", "%x: f32[n, 3], %b: f32[3]", "f32[n, 3]", [[X23, B3]], wide(lambda x, b: layer_norm(x, None, b, 1, 1e-5)))
o.write()
def attention(q, k, v, mask=None, sinks=None, scale=0.5, causal=False, empty=nan):
    """In float64, and a bool or a float mask."""
    group = q.shape[1] // k.shape[1]
    s = np.einsum("bhld,bhsd->bhls", q, np.repeat(k, group, 1)) * scale
    if mask is not None:
        s = np.where(mask, s, -inf) if mask.dtype == bool else (s.astype(np.float32) + mask.astype(np.float32)).astype(np.float64)
    if causal:
        s = np.where(np.tri(s.shape[2], s.shape[3], s.shape[3] - s.shape[2], dtype=bool), s, -inf)
    sink = np.full((q.shape[1], 1, 1), -inf) if sinks is None else sinks.reshape(-1, 1, 1)
    top = np.maximum(np.max(s, -1, keepdims=True, initial=-inf), sink)
    e = np.exp(s - top)
    p = np.where(np.isneginf(top), empty, e / (e.sum(-1, keepdims=True) + np.exp(sink - top)))
    return np.einsum("bhls,bhse->bhle", p, np.repeat(v, group, 1))


Q, K, V = arr("f32", rng_attention.standard_normal((2, 4, 3, 4))), arr("f32", rng_attention.standard_normal((2, 2, 5, 4))), arr("f32", rng_attention.standard_normal((2, 2, 5, 3)))
SOME = arr("bool", rng_attention.random((2, 1, 3, 5)) < 0.6)
SOME[1, 0, 0] = False
qkv = "%q: {0}[b, 4, l, 4], %k: {0}[b, 2, s, 4], %v: {0}[b, 2, s, 3]"
y = "{0}[b, 4, l, 3]"
f32qkv, f32y = qkv.format("f32"), y.format("f32")
NOKEYS, NOBATCH = [Q, K[:, :, :0], V[:, :, :0]], [Q[:0], K[:0], V[:0]]
o = Op("attention", "Softmax(q·kᵀ·scale + mask)·v by NumPy.")
add1(o, "attention", "%q, %k, %v {scale = 0.5}", f32qkv, f32y, [[Q, K, V], NOKEYS, NOBATCH, [Q[:, :, :0], K, V]], wide(attention))
for empty, value in (("", nan), (', empty = "zero"', 0), (', empty = "mean"', 0.2)):
    add1(o, "attention", "%%q, %%k, %%v, %%m {scale = 0.5%s}" % empty, f32qkv + ", %m: bool[b, 1, l, s]", f32y, [[Q, K, V, SOME], NOKEYS + [SOME[..., :0]]], wide(lambda q, k, v, m: attention(q, k, v, m, empty=value)))
add1(o, "attention", '%q, %k, %v, %m {scale = 0.5, causal = true, empty = "zero"}', f32qkv + ", %m: bool[b, 1, l, s]", f32y, [[Q, K, V, SOME], [Q, K[:, :, :2], V[:, :, :2], SOME[..., 1:3]]], wide(lambda q, k, v, m: attention(q, k, v, m, causal=True, empty=0)))
add1(o, "attention", "%q, %k, %v {scale = 0.5, causal = true}", f32qkv, f32y, [[Q, K, V], [Q, K[:, :, :2], V[:, :, :2]]], wide(lambda q, k, v: attention(q, k, v, causal=True)))
HIDES = np.where(SOME, np.float32(0.5), np.float32(-inf))
for empty, value in (("", nan), (', empty = "zero"', 0)):
    add1(o, "attention", "%%q, %%k, %%v, %%m {scale = 0.5%s}" % empty, f32qkv + ", %m: f32[b, 1, l, s]", f32y, [[Q, K, V, HIDES]], wide(lambda q, k, v, m: attention(q, k, v, m, empty=value)))
add1(o, "attention", "%q, %k, %v, %m {scale = 0.5}", f32qkv + ", %m: f32[4, 1, s]", f32y, [[Q, K, V, arr("f32", rng_attention.standard_normal((4, 1, 5)))]], wide(attention))
add1(o, "attention", "%q, %k, %v, %m, %s {scale = 0.5}", f32qkv + ", %m: bool[b, 1, l, s], %s: f32[4]", f32y, [[Q, K, V, SOME, arr("f32", [0, 1, -1, 0.5])]], wide(attention))
add1(o, "attention", "%q, %k, %v, %m {scale = 0.5}", qkv.format("f64") + ", %m: bool[l, s]", y.format("f64"), [[x.astype(np.float64) for x in (Q, K, V)] + [SOME[1, 0]]], attention)
add1(o, "attention", "%q, %k, %v {scale = 0.5, causal = true}", qkv.format("f16"), y.format("f16"), [[x.astype(np.float16) for x in (Q, K, V)]], wide(lambda q, k, v: attention(q, k, v, causal=True)))
add1(o, "attention", "%q, %k, %v, none, %s {scale = 0.5, causal = true}", qkv.format("f64") + ", %s: f64[4]", y.format("f64"), [[x.astype(np.float64) for x in (Q, K, V)] + [arr("f64", [0, 1, -1, 0.5])]], lambda q, k, v, s: attention(q, k, v, None, s, causal=True))
o.write()


def rotated(x, cos, sin, interleaved):
    n, y = cos.shape[-1], np.array(x)
    a, b = (slice(0, 2 * n, 2), slice(1, 2 * n, 2)) if interleaved else (slice(0, n), slice(n, 2 * n))
    y[..., a], y[..., b] = x[..., a] * cos - x[..., b] * sin, x[..., a] * sin + x[..., b] * cos
    return y


def rope(interleaved):
    def f(x, at, freqs):
        places = np.asarray(at).reshape(-1, 1, 1, 1) + np.arange(x.shape[2]).reshape(1, 1, -1, 1)
        angles = (places.astype(np.float32) * freqs.astype(np.float32)).astype(np.float64)
        return rotated(x, np.cos(angles), np.sin(angles), interleaved)
    return f


FREQS = arr("f32", [1, 0.1])
o = Op("rope", "(a, b) becomes (a·cos - b·sin, a·sin + b·cos), by NumPy.")
for attrs, interleaved in (("", False), (" {interleaved = true}", True)):
    for d in ("f32", "f16", "f64"):
        X = Q.astype(DTYPES[d])
        add1(o, "rope", "%x, %at, %f" + attrs, "%%x: %s[b, 4, l, 4], %%at: i64[], %%f: f32[2]" % d, d + "[b, 4, l, 4]", [[X, arr("i64", 5), FREQS], [X[:, :, :0], arr("i64", 5), FREQS]], wide(rope(interleaved)))
    add1(o, "rope", "%x, %at, %f" + attrs, "%x: f32[b, 4, l, 4], %at: i32[b], %f: f32[1]", "f32[b, 4, l, 4]", [[Q, arr("i32", [3, -1]), FREQS[1:]], [Q[:0], arr("i32", []), FREQS[1:]]], wide(rope(interleaved)))
    COS, SIN = arr("f32", rng_attention.standard_normal((2, 1, 3, 2))), arr("f32", rng_attention.standard_normal((2, 1, 3, 2)))
    add1(o, "rope", "%x, %c, %s" + attrs, "%x: f32[b, 4, l, 4], %c: f32[b, 1, l, 2], %s: f32[b, 1, l, 2]", "f32[b, 4, l, 4]", [[Q, COS, SIN]], wide(lambda x, c, s: rotated(x, c, s, interleaved)))
    add1(o, "rope", "%x, %c, %s" + attrs, "%x: f32[b, 4, l, 4], %c: f32[l, 1], %s: f32[l, 1]", "f32[b, 4, l, 4]", [[Q, COS[0, 0, :, :1], SIN[0, 0, :, :1]]], wide(lambda x, c, s: rotated(x, c, s, interleaved)))
o.write()
rms = lambda x, s, axis, eps: x / np.sqrt((x * x).mean(axis=tuple(range(axis, x.ndim)), keepdims=True) + eps) * s
o = Op("rms_norm", "ONNX RMSNormalization-23.")
add1(o, "rms_norm", "%x, %s {axis = 1, epsilon = 1e-06}", "%x: f32[n, 3], %s: f32[3]", "f32[n, 3]", [[X23, S3], [E03, S3], [np.zeros((1, 3), np.float32), S3]], wide(lambda x, s: rms(x, s, 1, 1e-6)))
add1(o, "rms_norm", "%x, none {axis = 0, epsilon = 0.1}", "%x: f16[n]", "f16[n]", [[arr("f16", [1, 2, 3])]], wide(lambda x: rms(x, 1, 0, 0.1)))
o.write()
o = Op("batch_norm", "ONNX BatchNormalization-15, inference.")
at = lambda p, x: p.reshape((1, -1) + (1,) * (x.ndim - 2))
bn = wide(lambda x, s, b, m, v: (x - at(m, x)) / np.sqrt(at(v, x) + 1e-5) * at(s, x) + at(b, x))
V3 = arr("f32", [1, 4, 0.25])
for shape, x in [("[n, 3]", X23), ("[n, 3, m]", rand(2, 3, 2)), ("[n, 3, 2, m]", rand(1, 3, 2, 2))]:
    add1(o, "batch_norm", "%x, %s, %b, %m, %v {epsilon = 1e-05}", "%%x: f32%s, %%s: f32[3], %%b: f32[3], %%m: f32[3], %%v: f32[3]" % shape, "f32" + shape,
         [[x, S3, B3, arr("f32", [0, 1, -1]), V3], [x[:0], S3, B3, arr("f32", [0, 1, -1]), V3]], bn)
o.write()

o = Op("if", "ONNX If-25: a condition of rank 0 or 1, captures, branches of different sizes.")
for c in ("bool[]", "bool[1]"):
    o.f("%%c: %s, %%x: f32[n]" % c, """%0 = if %c, %x : f32[n] region(%1: f32[n]) {
  yield %1
} region(%2: f32[n]) {
  %3 = neg %2 : f32[n]
  yield %3
}
yield %0""", "y: f32[n]")
    for b in (True, False):
        for x in (arr("f32", [1, -2, nan]), arr("f32", [])):
            o.case([np.array(b) if c == "bool[]" else np.array([b]), x], [x if b else -x])
o.f("%c: bool[], %x: f32[n]", """%0 = if %c, %x : f32[u0] region(%1: f32[n]) {
  %2 = concat %1, %1 {axis = 0} : f32[2*n]
  yield %2
} region(%3: f32[n]) {
  yield %3
}
yield %0""", "y: f32[u0]")
o.case([np.array(True), arr("f32", [1, 2])], [arr("f32", [1, 2, 1, 2])])
o.case([np.array(False), arr("f32", [1, 2])], [arr("f32", [1, 2])])
o.write()
o = Op("loop", "ONNX Loop-25: a trip count, a condition, carried values whose size changes, scanned values.")
o.f("%k: i64[], %x: f32[n]", """%0, %1 = loop %k, none, %x {carried = 1} : f32[n], f32[u0, n] region(%i: i64[], %go: bool[], %acc: f32[n]) {
  %2 = add %acc, %acc : f32[n]
  yield %go, %2, %acc
}
yield %0, %1""", "y: f32[n], all: f32[u0, n]")
for k in (3, 1, 0, -2):
    for x in (arr("f32", [1, 2.5]), arr("f32", [])):
        steps = [x * 2**i for i in range(max(k, 0))]
        o.case([arr("i64", k), x], [x * 2 ** max(k, 0), np.array(steps, np.float32).reshape(len(steps), len(x))])
o.f("%c: bool[], %x: i64[], %limit: i64[]", """%0 = loop none, %c, %x, %limit {carried = 1} : i64[] region(%i: i64[], %go: bool[], %v: i64[], %l: i64[]) {
  %1 = add %v, %v : i64[]
  %2 = less %1, %l : bool[]
  yield %2, %1
}
yield %0""", "y: i64[]")
o.case([np.array(True), arr("i64", 3), arr("i64", 50)], [arr("i64", 96)])
o.case([np.array(False), arr("i64", 3), arr("i64", 50)], [arr("i64", 3)])
o.f("%k: i64[], %x: f32[n]", """%0 = loop %k, none, %x, %x {carried = 1} : f32[u0] region(%i: i64[], %go: bool[], %acc: f32[t], %one: f32[n]) {
  %1 = concat %acc, %one {axis = 0} : f32[n + t]
  yield %go, %1
}
yield %0""", "y: f32[u0]")
for k in (0, 2):
    o.case([arr("i64", k), arr("f32", [1, 2])], [np.tile(arr("f32", [1, 2]), k + 1)])
o.write()
o = Op("scan", "ONNX Scan-25: sums from either end, other axes, no iterations.")
for rev_in, rev_out in [(0, 0), (1, 0), (0, 1)]:
    o.f("%s: f32[3], %x: f32[n, 3]", """%%0, %%1 = scan %%s, %%x {carried = 1, input_axes = [0], input_reverse = [%d], output_axes = [0], output_reverse = [%d]} : f32[3], f32[n, 3] region(%%sum: f32[3], %%row: f32[3]) {
  %%2 = add %%sum, %%row : f32[3]
  yield %%2, %%2
}
yield %%0, %%1""" % (rev_in, rev_out), "last: f32[3], sums: f32[n, 3]")
    for x in (X23, E03):
        sums = S3 + np.cumsum(x[::-1] if rev_in else x, 0)
        o.case([S3, x], [S3 + x.sum(0), (sums[::-1] if rev_out else sums).astype(np.float32)])
o.f("%x: f32[2, n], %y: f32[n]", """%0 = scan %x, %y {carried = 0, input_axes = [1, 0], input_reverse = [0, 0], output_axes = [1], output_reverse = [0]} : f32[2, n] region(%a: f32[2], %b: f32[]) {
  %1 = mul %a, %b : f32[2]
  yield %1
}
yield %0""", "z: f32[2, n]")
o.case([X23, S3], [X23 * S3])
o.write()


def cumprod(axis, exclusive, reverse):
    def g(x):
        r = np.flip(x, axis) if reverse else x
        p = np.cumprod(r, axis=axis, dtype=x.dtype)
        if exclusive:
            p = np.concatenate([np.ones_like(np.take(r, range(min(1, r.shape[axis])), axis)), p[(slice(None),) * axis + (slice(0, -1),)]], axis)
        return (np.flip(p, axis) if reverse else p).astype(x.dtype)
    return g


o = Op("cumprod", "ONNX CumProd-26.")
for exclusive, reverse in [(False, False), (True, False), (False, True), (True, True)]:
    for axis in (0, 1):
        attrs = "{axis = %d%s%s}" % (axis, ", exclusive = true" if exclusive else "", ", reverse = true" if reverse else "")
        add1(o, "cumprod", "%x " + attrs, "%x: f32[n, m]", "f32[n, m]", [[arr("f32", [1, 2, 3, 4, 5, -6], (2, 3))], [E03], [E30]], cumprod(axis, exclusive, reverse))
    add1(o, "cumprod", "%x " + attrs, "%x: i32[n, m]", "i32[n, m]", [[arr("i32", [1, 2, 3, 4, 5, -6], (2, 3))]], cumprod(axis, exclusive, reverse))
o.write()
o = Op("bit_cast", "ONNX BitCast-26.")
add1(o, "bit_cast", "%x {to = i32}", "%x: f32[n, m]", "i32[n, m]", [[SPECIAL], [E03]], lambda x: x.view(np.int32))
add1(o, "bit_cast", "%x {to = f16}", "%x: i16[n]", "f16[n]", [[arr("i16", [0, -32768, 15360])]], lambda x: x.view(np.float16))
add1(o, "bit_cast", "%x {to = u8}", "%x: bool[n]", "u8[n]", [[arr("bool", [0, 1])]], lambda x: x.view(np.uint8))
add1(o, "bit_cast", "%x {to = f64}", "%x: i64[]", "f64[]", [[arr("i64", 4607182418800017408)]], lambda x: x.view(np.float64))
o.write()
o = Op("det", "ONNX Det-22.")
add1(o, "det", "%x", "%x: f32[n, m, m]", "f32[n]", [[arr("f32", [1, 2, 3, 4, 0, 1, 1, 0, 2, 4, 1, 2], (3, 2, 2))], [np.zeros((0, 2, 2), np.float32)], [arr("f32", [0, 0, 2, 0, 3, 1, 4, 1, 1], (1, 3, 3))]], lambda x: np.rint(np.linalg.det(x.astype(np.float64))).astype(np.float32))
add1(o, "det", "%x", "%x: f16[2, 2]", "f16[]", [[arr("f16", [1, 2, 3, 4], (2, 2))]], lambda x: np.float16(-2))
o.write()


def topk(x, k, smallest=False, axis=1):
    n = x.shape[axis]
    order = np.argsort(x if smallest else np.flip(x, axis), axis, kind="stable")
    i = (order if smallest else n - 1 - np.flip(order, axis)).take(range(int(k)), axis)
    return [np.take_along_axis(x, i, axis), i.astype(np.int64)]


o = Op("topk", "ONNX TopK-24: of equals the first; NaN is the greatest.")
for smallest in (False, True):
    for axis in (0, 1):
        o.f("%x: f32[n, m], %k: i64[]", "fact le u0, %s\n%%0, %%1 = topk %%x, %%k {axis = %d%s} : f32[%s], i64[%s]\nyield %%0, %%1" % (("nm"[axis], axis, ", smallest = true" if smallest else "") + (("u0, m", "n, u0")[axis],) * 2),
            "y: f32[%s], i: i64[%s]" % ((("u0, m", "n, u0")[axis],) * 2))
        for x, k in ((arr("f32", [3, nan, 1, 3, inf, -0.0, 0, -inf], (2, 4)), 2), (arr("f32", [1, 1, 1, 1], (2, 2)), 2), (arr("f32", [1, 2], (1, 2)), 0), (E03, 0)):
            o.case([x, arr("i64", k)], topk(x, k, smallest, axis))
o.f("%x: u64[4]", "%0 = const [3] : i64[]\n%1, %2 = topk %x, %0 {axis = 0} : u64[3], i64[3]\nyield %1, %2", "y: u64[3], i: i64[3]")
o.case([arr("u64", [1, 2**64 - 1, 0, 2**63])], topk(arr("u64", [1, 2**64 - 1, 0, 2**63]), 3, axis=0))
o.write()
o = Op("nonzero", "ONNX NonZero-13.")
add1(o, "nonzero", "%x", "%x: f32[n, m]", "i64[2, u0]", [[SPECIAL], [E03], [np.zeros((2, 2), np.float32)]], lambda x: np.array(np.nonzero(x)))
add1(o, "nonzero", "%x", "%x: bool[n]", "i64[1, u0]", [[arr("bool", [0, 1, 1])]], lambda x: np.array(np.nonzero(x)))
add1(o, "nonzero", "%x", "%x: i32[]", "i64[0, u0]", [[arr("i32", 3)], [arr("i32", 0)]], lambda x: np.zeros((0, int(x != 0)), np.int64))
o.write()


def unique(x, axis, ascending):
    y, first, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True, axis=axis)
    if not ascending:
        order = np.argsort(first)
        y, first, counts, inverse = y.take(order, axis or 0), first[order], counts[order], np.argsort(order)[inverse]
    return [y, first.astype(np.int64), inverse.reshape(-1).astype(np.int64), counts.astype(np.int64)]


o = Op("unique", "ONNX Unique-11, in both orders; NaN equals NaN.")
for ascending in (False, True):
    flag = ", sorted = true" if ascending else ""
    o.f("%x: f32[n]", "%%0, %%1, %%2, %%3 = unique %%x {flat = true%s} : f32[u0], i64[u0], i64[n], i64[u0]\nyield %%0, %%1, %%2, %%3" % flag, "y: f32[u0], first: i64[u0], inverse: i64[n], counts: i64[u0]")
    for x in (arr("f32", [2, 1, 1, 3, 4, 3]), arr("f32", [nan, 1, nan, -inf, 0, -0.0]), np.zeros(0, np.float32)):
        o.case([x], unique(x, None, ascending))
    o.f("%x: i64[n, 3]", "%%0, %%1, %%2, %%3 = unique %%x%s : i64[u0, 3], i64[u0], i64[n], i64[u0]\nyield %%0, %%1, %%2, %%3" % (" {sorted = true}" if ascending else ""), "y: i64[u0, 3], first: i64[u0], inverse: i64[n], counts: i64[u0]")
    x = arr("i64", [2, 0, 1, 1, 5, 5, 2, 0, 1, 1, 5, 4, 2, 0, 0], (5, 3))
    o.case([x], unique(x, 0, ascending))
    o.f("%x: u8[2, m]", "%%0, %%1, %%2, %%3 = unique %%x {axis = 1%s} : u8[2, u0], i64[u0], i64[m], i64[u0]\nyield %%0, %%1, %%2, %%3" % flag, "y: u8[2, u0], first: i64[u0], inverse: i64[m], counts: i64[u0]")
    x = arr("u8", [1, 0, 1, 0, 2, 3, 2, 1], (2, 4))
    o.case([x], unique(x, 1, ascending))
o.write()

o = Op("random_uniform", "Source: NumPy's RandomState(seed).random_sample(shape).")
o.f("%s: i64[2]", "%0 = random_uniform %s {dtype = f64, seed = 5} : f64[u0, u1]\nyield %0", "y: f64[u0, u1]")
for shape in ((2, 3), (0, 4), (1, 700)):
    o.case([arr("i64", shape)], [np.random.RandomState(5).random_sample(shape)])
o.f("%s: i64[1]", "%0 = random_uniform %s {dtype = f32, seed = 0} : f32[u0]\nyield %0", "y: f32[u0]")
o.case([arr("i64", [9])], [(np.floor(np.random.RandomState(0).random_sample(9) * 2**24) / 2**24).astype(np.float32)])
o.write()

PIXELS = arr("u8", [[[0, 1, 2], [250, 7, 99]]])
PNM = np.frombuffer(b"P6 2 1 255\n" + PIXELS.tobytes(), np.uint8)
o = Op("decode_image", "ONNX ImageDecoder-20: a PNM file of two pixels.")
for form, pixels in (("rgb", PIXELS), ("bgr", PIXELS[:, :, ::-1])):
    o.f("%x: u8[n]", '%%0 = decode_image %%x {format = "%s"} : u8[u0, u1, 3]\nyield %%0' % form, "y: u8[u0, u1, 3]")
    o.case([PNM], [pixels])
o.write()

# Lists, optionals and strings: operands and results of a case are numbers, which a function makes lists and strings of.
WORDS = 'const ["a", "B", "a,b", ""] : string[4]'
EMPTY3 = [np.zeros((0, 3), np.float32)]
two = [np.array([1, 2], np.float32), np.array([3, 4, 5], np.float32)]
at = lambda i: arr("i64", i)

o = Op("make_sequence", "ONNX SequenceConstruct-11, SequenceEmpty-11.")
o.f("%a: f32[n], %b: f32[m]", "%0 = make_sequence %a, %b : seq<f32[?]>\n%1 = concat_from_sequence %0 : f32[u0]\nyield %1", "y: f32[u0]")
o.case(two, [np.concatenate(two)]).case([two[0], two[1][:0]], [two[0]])
o.f("%a: i64[]", "%0 = make_sequence {elem = i64[none]} : seq<i64[none]>\n%1 = sequence_insert %0, %a : seq<i64[]>\n%2 = sequence_at %1, %a : i64[]\nyield %2", "y: i64[]")
o.case([at(0)], [at(0)]).case([at(-1)], [at(-1)])
o.write()

o = Op("sequence_insert", "ONNX SequenceInsert-11: before a position, or at the end.")
o.f("%a: f32[n], %b: f32[m], %i: i64[]", "%0 = make_sequence %a, %b : seq<f32[?]>\n%1 = sequence_insert %0, %b, %i : seq<f32[?]>\n%2 = concat_from_sequence %1 : f32[u0]\nyield %2", "y: f32[u0]")
for i in (0, 1, 2, -1, -2):
    parts = list(two)
    parts.insert(i, two[1])
    o.case(two + [at(i)], [np.concatenate(parts)])
o.write()

o = Op("sequence_erase", "ONNX SequenceErase-11.")
o.f("%a: f32[n], %b: f32[m], %i: i32[1]", "%0 = make_sequence %a, %b, %a : seq<f32[?]>\n%1 = sequence_erase %0, %i : seq<f32[?]>\n%2 = concat_from_sequence %1 : f32[u0]\nyield %2", "y: f32[u0]")
for i in (0, 2, -2):
    parts = [two[0], two[1], two[0]]
    del parts[i]
    o.case(two + [arr("i32", [i])], [np.concatenate(parts)])
o.write()

o = Op("sequence_at", "ONNX SequenceAt-11.")
o.f("%a: f32[n], %b: f32[m], %i: i64[]", "%0 = make_sequence %a, %b : seq<f32[?]>\n%1 = sequence_at %0, %i : f32[u0]\nyield %1", "y: f32[u0]")
for i in (0, 1, -1, -2):
    o.case(two + [at(i)], [two[i]])
o.write()

o = Op("sequence_length", "ONNX SequenceLength-11: a loop that makes a list.")
o.f("%k: i64[], %x: f32[n]", "%0 = make_sequence {elem = f32[?]} : seq<f32[?]>\n%1 = loop %k, none, %0, %x {carried = 1} : seq<f32[?]> region(%i: i64[], %go: bool[], %l: seq<f32[?]>, %e: f32[n]) {\n"
    "  %2 = sequence_insert %l, %e : seq<f32[?]>\n  yield %go, %2\n}\n%3 = sequence_length %1 : i64[]\nyield %3", "y: i64[]")
o.case([at(0), two[0]], [at(0)]).case([at(5), two[0]], [at(5)])
o.write()

o = Op("split_to_sequence", "ONNX SplitToSequence-24.")
X53 = np.arange(15, dtype=np.float32).reshape(5, 3)
o.f("%x: f32[n, m], %s: i64[]", "%0 = split_to_sequence %x, %s : seq<f32[?, ?]>\n%1 = const -1 : i64[]\n%2 = sequence_at %0, %1 : f32[u0, u1]\nyield %2".replace("const -1", "const [-1]"), "y: f32[u0, u1]")
o.case([X53, at(2)], [X53[4:]]).case([X53, at(5)], [X53]).case([X53, at(9)], [X53])
o.f("%x: f32[n, m], %s: i64[2]", "%0 = split_to_sequence %x, %s : seq<f32[?, ?]>\n%1 = concat_from_sequence %0 {axis = 1} : f32[u0, u1]\nyield %1", "y: f32[u0, u1]")
o.case([X53[:4], arr("i64", [2, 2])], [np.hstack([X53[:2], X53[2:4]])])
o.f("%x: f32[n, m]", "%0 = split_to_sequence %x {axis = 1, squeeze = true} : seq<f32[?]>\n%1 = concat_from_sequence %0 {stack = true} : f32[u0, u1]\nyield %1", "y: f32[u0, u1]")
o.case([X53], [X53.T])
o.write()

o = Op("concat_from_sequence", "ONNX ConcatFromSequence-11.")
o.f("%a: f32[n], %b: f32[n]", "%0 = make_sequence %a, %b : seq<f32[?]>\n%1 = concat_from_sequence %0 {axis = 1, stack = true} : f32[u0, u1]\nyield %1", "y: f32[u0, u1]")
o.case([two[0], two[0]], [np.stack([two[0], two[0]], 1)]).case([two[0][:0]] * 2, [np.zeros((0, 2), np.float32)])
o.write()

o = Op("make_optional", "ONNX Optional-28.")
o.f("%a: f32[n]", "%0 = make_optional %a : optional<f32[?]>\n%1 = optional_get %0 : f32[u0]\nyield %1", "y: f32[u0]")
o.case([two[0]], [two[0]]).case([two[0][:0]], [two[0][:0]])
o.write()

o = Op("optional_has", "ONNX OptionalHasElement-28.")
o.f("%c: bool[], %a: f32[n]", "%0 = if %c, %a : optional<f32[?]> region(%1: f32[n]) {\n  %2 = make_optional %1 : optional<f32[?]>\n  yield %2\n} region(%3: f32[n]) {\n"
    "  %4 = make_optional {elem = f32[none]} : optional<f32[none]>\n  yield %4\n}\n%5 = optional_has %0 : bool[]\nyield %5", "y: bool[]")
o.case([arr("bool", 1), two[0]], [arr("bool", 1)]).case([arr("bool", 0), two[0]], [arr("bool", 0)])
o.write()

o = Op("optional_get", "ONNX OptionalGetElement-28: of a list.")
o.f("%a: f32[n], %b: f32[m]", "%0 = make_sequence %a, %b : seq<f32[?]>\n%1 = make_optional %0 : optional<seq<f32[?]>>\n%2 = optional_get %1 : seq<f32[?]>\n%3 = concat_from_sequence %2 : f32[u0]\nyield %3", "y: f32[u0]")
o.case(two, [np.concatenate(two)]).case(two[::-1], [np.concatenate(two[::-1])])
o.write()

ZIPPED = "%0 = zip_maps %k, %v : seq<map<i64, f32[]>>\n%1 = sequence_at %0, %i : map<i64, f32[]>\n"
KEYS, ROWS = arr("i64", [7, -2, 5]), np.arange(6, dtype=np.float32).reshape(2, 3)
o = Op("zip_maps", "ONNX-ML ZipMap-1: how many maps, and one's values in the order of its keys.")
o.f("%k: i64[c], %v: f32[n, c], %i: i64[]", ZIPPED + "%2 = sequence_length %0 : i64[]\n%3 = map_values %1 : f32[u0]\nyield %2, %3", "n: i64[], y: f32[u0]")
for i in (0, 1, -1):
    o.case([KEYS, ROWS, at(i)], [at(2), ROWS[i][[1, 2, 0]]])
o.case([KEYS[:0], ROWS[:, :0], at(1)], [at(2), ROWS[0, :0]])
o.write()

o = Op("map_values", "ONNX-ML CastMap-1, dense: in ascending order of the keys.")
o.f("%k: i64[c], %v: f32[n, c], %i: i64[]", ZIPPED + "%2 = map_values %1 : f32[u0]\nyield %2", "y: f32[u0]")
o.case([KEYS, ROWS, at(1)], [ROWS[1][[1, 2, 0]]]).case([KEYS[:1], ROWS[:, :1], at(0)], [ROWS[0, :1]])
o.write()

o = Op("map_lookup", "ONNX-ML DictVectorizer-1: the default for keys that are not there.")
o.f("%k: i64[c], %v: f32[n, c], %i: i64[], %a: i64[m], %d: f32[]", ZIPPED + "%2 = map_lookup %1, %a, %d : f32[m]\nyield %2", "y: f32[m]")
o.case([KEYS, ROWS, at(1), arr("i64", [5, 9, 7, 5]), arr("f32", nan)], [arr("f32", [5, nan, 3, 5])]).case([KEYS, ROWS, at(0), KEYS[:0], arr("f32", 1)], [ROWS[0, :0]])
o.write()


def words(name, comment, body, params, outs, cases):
    """A file of one function, whose strings are gathered from a list."""
    o = Op(name, comment)
    o.f("%i: i64[n]" + params, "%0 = " + WORDS + "\n%1 = gather %0, %i {axis = 0} : string[n]\n" + body, outs)
    for ins, out in cases:
        o.case(ins, out)
    o.write()


ids = arr("i64", [0, 1, 2, 3])
words("string_normalize", "ONNX StringNormalizer-10.", '%2 = string_normalize %1 {case = "lower", stopwords = ["A"]} : string[u0]\n%3 = const ["b"] : string[1]\n%4 = equal %2, %3 : bool[u0]\nyield %4', "", "y: bool[u0]",
      [([ids], [arr("bool", [1, 0, 0])]), ([ids[:1]], [arr("bool", [0])])])
words("string_concat", "ONNX StringConcat-20.", '%2 = const [",b"] : string[1]\n%3 = string_concat %1, %2 : string[n]\n%4 = const ["a,b"] : string[1]\n%5 = equal %3, %4 : bool[n]\nyield %5', "", "y: bool[n]",
      [([ids], [arr("bool", [1, 0, 0, 0])]), ([ids[:0]], [arr("bool", [])])])
words("string_split", "ONNX StringSplit-20.", '%2, %3 = string_split %1 {delimiter = ",", most = -1} : string[n, u0], i64[n]\n%4 = const [""] : string[1]\n%5 = equal %2, %4 : bool[n, u0]\nyield %5, %3', "", "y: bool[n, u0], z: i64[n]",
      [([ids], [arr("bool", [[0, 1], [0, 1], [0, 0], [1, 1]]), arr("i64", [1, 1, 2, 1])]), ([ids[:0]], [arr("bool", [], (0, 0)), arr("i64", [])])])
words("regex_match", "ONNX RegexFullMatch-20.", '%2 = regex_match %1 {pattern = "[a-z]|.*,b"} : bool[n]\nyield %2', "", "y: bool[n]", [([ids], [arr("bool", [1, 0, 1, 0])]), ([ids[:0]], [arr("bool", [])])])
words("ngrams", "ONNX TfIdfVectorizer-9.", '%2 = ngrams %1 {mode = "tfidf", least = 1, most = 2, skip = 1, counts = [0, 1], indexes = [1, 0], strings = ["a", "B", "a"], weights = [0.5, 2.0]} : f32[2]\nyield %2', "", "y: f32[2]",
      [([arr("i64", [0, 1, 0, 2, 0])], [arr("f32", [0.5, 6])]), ([arr("i64", [1, 2, 0])], [arr("f32", [0.5, 2])]), ([ids[:0]], [arr("f32", [0, 0])])])

o = Op("depends", "mx.depends: the first operand.")
o.f("%x: f32[n], %d: i64[]", "%0 = depends %x, %d : f32[n]\nyield %0", "y: f32[n]")
for v in ([1, math.nan], []):
    o.case([arr("f32", v), arr("i64", 3)], [arr("f32", v)])
o.f("%x: i64[], %d: f32[n]", "%0 = depends %x, %d : i64[]\nyield %0", "y: i64[]")
o.case([arr("i64", 3), arr("f32", [])], [arr("i64", 3)])
o.write()
o = Op("assert", "What passes; an error is TestAssert's, in package interp.")
o.f("%x: f32[n], %ok: bool[2]", '%0 = assert %x, %ok {message = "no"} : f32[n]\nyield %0', "y: f32[n]")
o.case([two[0], arr("bool", [1, 1])], [two[0]]).case([two[0][:0], arr("bool", [1, 1])], [two[0][:0]])
o.f("%x: i64[2], %y: i64[2]", '%0 = less %x, %y : bool[2]\n%1 = assert %x, %0 {message = "not less"} : i64[2]\nyield %1', "y: i64[2]")
o.case([arr("i64", [1, 2]), arr("i64", [2, 3])], [arr("i64", [1, 2])])
o.write()
