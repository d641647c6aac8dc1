"""Cases of com.microsoft operators for contrib.py: quantised ones, mixtures of experts, fused convolutions and what is packed.

Where onnxruntime has no CPU kernel (NhwcConv, PackedAttention, PackedMultiHeadAttention), or not for what a case is about (MoE and QMoE), NumPy
gives the results, from the operator's documentation: those are the cases with want=.
"""
import math

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

rng = np.random.default_rng(7)
f32 = np.float32
emit = None


def case(name, op, ins, attrs=None, outs=1, want=None, const=()):
    """One node. ins: arrays, None where absent; const: places of those that are initializers; outs: how many outputs."""
    emit(op, name, lambda: ins, outs, const, want=want, **(attrs or {}))


def r(*shape, dtype=f32, scale=1.0):
    return (rng.standard_normal(shape) * scale).astype(dtype)


def u8(*shape):
    return rng.integers(0, 256, shape, dtype=np.uint8)


def i8(*shape):
    return rng.integers(-128, 128, shape, dtype=np.int8)


def ints(lo, hi, *shape, dtype=np.int32):
    return rng.integers(lo, hi, shape, dtype=dtype)


def s(x, dtype=f32):
    return np.array(x, dtype=dtype)


def embeddings():
    ids, seg = ints(0, 20, 2, 4), ints(0, 2, 2, 4)
    mask = s([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32)
    op = "QEmbedLayerNormalization"
    for kind, q in (("u8", u8), ("i8", i8)):
        tables = [q(20, 8), q(6, 8), q(2, 8), q(8), q(8)]
        scales = [s(x) for x in (0.02, 0.01, 0.03, 0.01, 0.005)]
        zeros = [s(x, tables[0].dtype) for x in (100, 120, 7, 0, 90)]
        case(kind, op, [ids, seg] + tables + [mask] + scales + zeros, {"epsilon": 1e-5}, outs=2)
    case("no_segments", op, [ids, None] + tables[:2] + [None] + tables[3:] + [None] + scales[:2] + [None] + scales[3:] + zeros[:2] + [None] + zeros[3:], outs=2)


def matrices():
    case("2x2", "Inverse", [s([[1, 2], [3, 5]])])
    case("batch", "Inverse", [r(2, 3, 4, 4) + 2 * np.eye(4, dtype=f32)])
    case("pivot", "Inverse", [s([[[0, 2, 0], [0, 0, 4], [5, 0, 0]], [[1e-3, 1, 0], [1, 1, 0], [0, 0, 1]]])])
    case("f64", "Inverse", [rng.standard_normal((3, 3))])
    a, b = u8(3, 4), i8(4, 5)
    op = "MatMulIntegerToFloat"
    case("u8i8", op, [a, b, s(0.1), s(0.02)])
    case("zeros", op, [a, b, s(0.1), s(0.02), s(120, np.uint8), s(3, np.int8), r(5)])
    case("columns", op, [u8(2, 3, 4), u8(4, 5), s([0.1]), abs(r(5)), s([120], np.uint8), u8(5)])
    op = "DynamicQuantizeMatMul"
    case("i8", op, [r(3, 4), i8(4, 5), s(0.02), s(4, np.int8)])
    case("bias", op, [r(2, 3, 4), u8(4, 5), s(0.02), s(100, np.uint8), r(5)])
    case("columns", op, [r(3, 4), i8(4, 5), abs(r(5)), i8(5)])


def nbits():
    def weights(n, k, block, bits):
        blocks = -(-k // block)
        return u8(n, blocks, block * bits // 8), abs(r(n, blocks, scale=0.1)) + f32(0.01), blocks

    def pack(n, k, block, bits, name, zeros=None, bias=False, rows=(3,), flat=False, dtype=f32, groups=False):
        b, scale, blocks = weights(n, k, block, bits)
        scale = scale.astype(dtype)
        ins = [r(*rows, k, dtype=dtype), b, scale.reshape(-1) if flat else scale]
        if zeros == "packed":
            z = u8(n, -(-blocks * bits // 8))
            ins.append(z.reshape(-1) if flat else z)
        elif zeros == "float":
            ins.append((r(n, blocks) + 8).astype(dtype))
        if groups:  # as act-order quantisation leaves them
            ins += [None] * (4 - len(ins)) + [rng.permutation(np.arange(k) // block).astype(np.int32)]
        if bias:
            ins += [None] * (5 - len(ins)) + [r(n, dtype=dtype)]
        want = None
        if groups and zeros == "packed":  # the CPU kernel forgets the zero points
            nibbles = lambda x: np.stack([x & 15, x >> 4], -1).reshape(n, -1).astype(float)
            full = (nibbles(b)[:, :k] - nibbles(z)[:, ins[4]]) * scale[:, ins[4]]
            want = [(ins[0].astype(float) @ full.T + (ins[5] if bias else 0)).astype(dtype)]
        attrs = {"K": k, "N": n, "bits": bits, "block_size": block}
        case(name, "MatMulNBits", ins, attrs, want=want, const=[i for i, x in enumerate(ins) if i > 0 and x is not None])

    pack(8, 32, 16, 4, "4")
    pack(8, 32, 16, 4, "4_flat", zeros="packed", flat=True)
    pack(5, 40, 16, 4, "4_rest", zeros="packed", rows=(2, 3))
    pack(8, 96, 32, 4, "4_odd_zeros", zeros="packed", bias=True)
    pack(8, 64, 32, 4, "4_float_zeros", zeros="float")
    pack(8, 64, 32, 8, "8", zeros="packed")
    pack(8, 32, 16, 8, "8_plain")
    pack(8, 64, 32, 2, "2")
    pack(8, 32, 16, 4, "4_f16", zeros="packed", bias=True, dtype=np.float16)
    pack(8, 64, 64, 4, "4_vector", rows=())
    pack(8, 64, 16, 4, "4_groups", groups=True)
    pack(8, 64, 16, 4, "4_groups_zeros", zeros="packed", groups=True, bias=True)
    pack(8, 64, 32, 4, "4_groups_float_zeros", zeros="float", groups=True)


def convolutions():
    op, x, w = "FusedConv", r(1, 2, 5, 5), r(3, 2, 3, 3)
    case("relu", op, [x, w], {"activation": "Relu"})
    case("leaky", op, [x, w, r(3)], {"activation": "LeakyRelu", "activation_params": [0.2], "pads": [1, 1, 1, 1]})
    case("sum", op, [x, w, r(3), r(1, 3, 3, 3)], {"activation": "Relu"})
    case("clip", op, [x, w, r(3)], {"activation": "Clip", "activation_params": [-0.5, 0.5], "strides": [2, 2]})
    case("sigmoid", op, [x, w], {"activation": "Sigmoid"})
    case("tanh", op, [x, w], {"activation": "Tanh"})
    case("hardsigmoid", op, [x, w], {"activation": "HardSigmoid", "activation_params": [0.3, 0.4]})

    def nhwc(name, x, w, b, attrs):
        # There is no kernel: Conv's, between transpositions.
        t = np.moveaxis(x, -1, 1)
        node = helper.make_node("Conv", ["x", "w"] + (["b"] if b is not None else []), ["y"], **attrs)
        feeds = {"x": t, "w": w} | ({"b": b} if b is not None else {})
        g = helper.make_graph([node], "conv", [helper.make_tensor_value_info(n, TensorProto.FLOAT, v.shape) for n, v in feeds.items()],
                              [helper.make_empty_tensor_value_info("y")])
        m = helper.make_model(g, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        y = onnxruntime.InferenceSession(m.SerializeToString(), providers=["CPUExecutionProvider"]).run(None, feeds)[0]
        case(name, "NhwcConv", [x, w] + ([b] if b is not None else []), attrs, want=[np.ascontiguousarray(np.moveaxis(y, 1, -1))])

    nhwc("plain", r(1, 5, 5, 2), r(3, 2, 3, 3), None, {})
    nhwc("pads", r(2, 5, 4, 2), r(3, 2, 3, 2), r(3), {"pads": [1, 0, 1, 1], "strides": [2, 1]})
    nhwc("groups", r(1, 6, 6, 4), r(4, 1, 3, 3), r(4), {"group": 4, "dilations": [2, 2]})


def integers():
    for kind, q, z in (("u8", u8, (120, 90, 128)), ("i8", i8, (-3, 5, 10))):
        zero = [s(x, np.uint8 if kind == "u8" else np.int8) for x in z]
        for op in ("QLinearAdd", "QLinearMul"):
            case(kind, op, [q(2, 3, 4), s(0.013), zero[0], q(2, 3, 4), s(0.021), zero[1], s(0.037), zero[2]])
            case(kind + "_broadcast", op, [q(2, 3, 4), s(0.013), zero[0], q(4), s(0.021), zero[1], s(0.031), zero[2]])
        case(kind, "QLinearConcat", [s(0.03), zero[0], q(2, 3), s(0.02), zero[1], q(2, 4), s(0.041), zero[2]], {"axis": 1})
        case(kind, "QLinearGlobalAveragePool", [q(2, 3, 4, 5), s(0.02), zero[0], s(0.007), zero[1]])
        case(kind + "_last", "QLinearGlobalAveragePool", [q(2, 4, 5, 3), s(0.02), zero[0], s(0.007), zero[1]], {"channels_last": 1})
        case(kind, "QLinearLeakyRelu", [q(3, 20), s(0.02), zero[0], s(0.013), zero[1]], {"alpha": 0.1})
        case(kind, "QLinearSigmoid", [q(3, 20), s(0.03), zero[0], s(1 / 256), s(0 if kind == "u8" else -128, zero[0].dtype)])
        case(kind, "QLinearSoftmax", [q(2, 3, 8), s(0.03), zero[0], s(1 / 256), s(0 if kind == "u8" else -128, zero[0].dtype)], {"axis": -1, "opset": 13})
    case("three", "QLinearConcat", [s(0.03), s(128, np.uint8)] + sum([[u8(n, 3), s(0.01 * n), s(100 + n, np.uint8)] for n in (1, 2, 3)], []), {"axis": 0})
    case("alpha", "QLinearLeakyRelu", [i8(3, 20), s(0.02), s(4, np.int8), s(0.013), s(-100, np.int8)])
    case("wide", "QLinearSigmoid", [u8(3, 20), s(0.1), s(99, np.uint8), s(0.01), s(20, np.uint8)])
    case("old", "QLinearSoftmax", [u8(2, 3, 8), s(0.03), s(7, np.uint8), s(1 / 200), s(3, np.uint8)], {"axis": 1, "opset": 12})


def attentions():
    h = {"num_heads": 2}
    x, w, b = r(2, 4, 8), r(8, 24, scale=0.4), r(24)
    case("causal_left", "Attention", [x, w, b, s([[0, 0, 1, 1], [1, 1, 1, 1]], np.int32)], {**h, "unidirectional": 1})
    q, k, v = r(2, 3, 8), r(2, 5, 8), r(2, 5, 8)
    op = "MultiHeadAttention"
    case("causal_left", op, [q, r(2, 3, 8), r(2, 3, 8), None, s([[0, 0, 1], [1, 1, 1]], np.int32)], {**h, "unidirectional": 1})

    op = "QAttention"
    for kind, q, z in (("u8u8", u8, np.uint8), ("u8i8", i8, np.int8)):
        case(kind, op, [u8(2, 4, 8), q(8, 24), r(24), s(0.01), s(0.01), None, s(128, np.uint8), s(3, z)], h)
    case("lengths", op, [u8(2, 4, 8), i8(8, 24), r(24), s(0.01), s(0.01), s([4, 2], np.int32), s(128, np.uint8), s(0, np.int8)], h)
    case("columns", op, [u8(2, 4, 8), i8(8, 24), r(24), s(0.01), abs(r(24, scale=0.01)), None, s(128, np.uint8), np.zeros(24, np.int8)], h)
    case("past", op, [u8(2, 1, 8), i8(8, 24), r(24), s(0.01), s(0.01), None, s(128, np.uint8), s(0, np.int8), r(2, 2, 2, 3, 4)], {**h, "unidirectional": 1}, outs=2)


def packed_attentions():
    """There are no CPU kernels. Tokens of sequences of these lengths lie one after the other; each attends to its own sequence."""
    lengths, longest = [3, 1, 4], 4
    ends = np.cumsum([0] + lengths).astype(np.int32)
    valid = [b * longest + i for b, n in enumerate(lengths) for i in range(n)]
    offset = s(valid + [i for i in range(3 * longest) if i not in valid], np.int32).reshape(3, longest)

    def attend(q, k, v, heads, scale, bias=None):
        out = np.zeros((q.shape[0], v.shape[1]))
        d, e = q.shape[1] // heads, v.shape[1] // heads
        for b, (lo, hi) in enumerate(zip(ends, ends[1:])):
            for h in range(heads):
                p = q[lo:hi, h * d:h * d + d].astype(float) @ k[lo:hi, h * d:h * d + d].T.astype(float) * scale
                if bias is not None:
                    p = p + bias[b % bias.shape[0], h, :hi - lo, :hi - lo]
                p = np.exp(p - p.max(-1, keepdims=True))
                out[lo:hi, h * e:h * e + e] = p / p.sum(-1, keepdims=True) @ v[lo:hi, h * e:h * e + e]
        return [out.astype(f32)]

    x, w, b = r(8, 8), r(8, 24, scale=0.4), r(24)
    y, heads = x.astype(float) @ w + b, {"num_heads": 2}
    bias, half = r(1, 2, 4, 4), math.sqrt(0.25)
    case("plain", "PackedAttention", [x, w, b, offset, ends], heads, want=attend(y[:, :8], y[:, 8:16], y[:, 16:], 2, half))
    case("scale", "PackedAttention", [x, w, b, offset, ends], {**heads, "scale": 0.2}, want=attend(y[:, :8], y[:, 8:16], y[:, 16:], 2, 0.2))
    case("bias", "PackedAttention", [x, w, b, offset, ends, bias], heads, want=attend(y[:, :8], y[:, 8:16], y[:, 16:], 2, half, bias))
    q, k, v, op = r(8, 8), r(8, 8), r(8, 8), "PackedMultiHeadAttention"
    case("plain", op, [q, k, v, None, offset, ends], heads, want=attend(q, k, v, 2, half))
    case("biases", op, [q, k, v, b, offset, ends, bias], heads, want=attend(q + b[:8], k + b[8:16], v + b[16:], 2, half, bias))
    together = np.stack([z.reshape(8, 2, 4) for z in (q, k, v)], axis=2)
    case("packed", op, [together, None, None, None, offset, ends], heads, want=attend(q, k, v, 2, half))


def mixtures():
    """NumPy: the CPU kernels do not have all forms, and differ from the documentation where experts tie."""
    def act(x, kind, gate=None, alpha=1.0, beta=0.0, limit=math.inf, after=False):
        if kind == "swiglu":
            g = x if after else np.minimum(x, limit)
            g = np.minimum(g / (1 + np.exp(-alpha * g)), limit if after else math.inf)
            return g * (np.clip(gate, -limit, limit) + beta)
        y = {"relu": lambda: np.maximum(x, 0), "identity": lambda: x, "silu": lambda: x / (1 + np.exp(-x)),
             "gelu": lambda: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))), "relu2": lambda: np.maximum(x, 0) ** 2}[kind]()
        return y if gate is None else y * gate

    def mixer(l, hidden=-1):
        """SparseMixer's choice: the expert, and its part."""
        v = np.where(np.arange(len(l)) == hidden, -math.inf, l)
        e = np.where(v.max() - v > 0.02 * np.maximum(abs(l), v.max()), 0, np.exp(v - v.max()))
        return v.argmax(), e[v.argmax()] / e.sum()

    def moe(x, routes, w1, b1, w2, b2, w3=None, b3=None, k=1, normalize=0, fusion=0, kind="relu", mixing=None, mix=False, **rest):
        flat, out = x.reshape(-1, x.shape[-1]).astype(float), []
        for i, (t, route) in enumerate(zip(flat, routes.astype(float))):
            p = np.exp(route - route.max())
            p /= p.sum()
            top = np.argsort(-p)[:k]
            p = p if mixing is None else mixing[i].astype(float)
            if mix:
                a, pa = mixer(route)
                b, pb = mixer(route, a)
                top, p = [a, b], {a: pa, b: pb}
            total, y = p[top].sum() if normalize else 1.0, 0
            for e in top:
                a = w1[e].astype(float) @ t + (0 if b1 is None else b1[e])
                gate = None if w3 is None else w3[e].astype(float) @ t + (0 if b3 is None else b3[e])
                if fusion == 1:
                    a, gate = a[0::2], a[1::2]
                elif fusion == 2:
                    a, gate = np.split(a, 2)
                y = y + p[e] / total * (w2[e].astype(float) @ act(a, kind, gate, **rest) + (0 if b2 is None else b2[e]))
            out.append(y)
        return [np.stack(out).reshape(x.shape).astype(f32)]

    T, E, H, I = 5, 4, 8, 6
    x, routes = r(T, H), r(T, E)
    w1, w2, w3, b1, b2, b3 = r(E, I, H), r(E, H, I), r(E, I, H), r(E, I), r(E, H), r(E, I)
    case("relu", "MoE", [x, routes, w1, b1, w2, b2], {"k": 1}, want=moe(x, routes, w1, b1, w2, b2))
    case("no_tokens", "MoE", [x[:0], routes[:0], w1, b1, w2, b2], {"k": 2}, want=[x[:0]])
    case("onnxruntime", "MoE", [x, routes, w1, b1, w2, b2], {"k": 2, "activation_type": "silu", "normalize_routing_weights": 1})
    case("normalized", "MoE", [x.reshape(1, T, H), routes, w1, None, w2], {"k": 2, "normalize_routing_weights": 1, "activation_type": "gelu"},
         want=moe(x.reshape(1, T, H), routes, w1, None, w2, None, k=2, normalize=1, kind="gelu"))
    case("fc3", "MoE", [x, routes, w1, None, w2, None, w3], {"k": 2, "normalize_routing_weights": 1, "activation_type": "silu"},
         want=moe(x, routes, w1, None, w2, None, w3, k=2, normalize=1, kind="silu"))
    wide, bias = r(E, 2 * I, H), r(E, 2 * I)
    attrs = {"k": 2, "activation_type": "swiglu", "activation_alpha": 1.702, "activation_beta": 1.0, "swiglu_limit": 1.5}
    for fusion in (1, 2):
        case("swiglu_%d" % fusion, "MoE", [x, routes, wide, bias, w2, b2], {**attrs, "swiglu_fusion": fusion},
             want=moe(x, routes, wide, bias, w2, b2, k=2, fusion=fusion, kind="swiglu", alpha=1.702, beta=1.0, limit=1.5))
    case("swiglu_after", "MoE", [x, routes, wide, bias, w2, b2], {**attrs, "swiglu_fusion": 1, "swiglu_limit_after_activation": 1},
         want=moe(x, routes, wide, bias, w2, b2, k=2, fusion=1, kind="swiglu", alpha=1.702, beta=1.0, limit=1.5, after=True))
    for fusion in (1, 2):
        case("geglu_%d" % fusion, "MoE", [x, routes, wide, bias, w2, b2], {"k": 2, "activation_type": "geglu", "swiglu_fusion": fusion},
             want=moe(x, routes, wide, bias, w2, b2, k=2, fusion=fusion, kind="gelu"))
    case("relu2", "MoE", [x, routes, w1, b1, w2, b2], {"k": 2, "activation_type": "relu2"}, want=moe(x, routes, w1, b1, w2, b2, k=2, kind="relu2"))
    near = (4 + routes * 0.05).astype(f32)
    for name, scores in (("near", near), ("far", routes), ("negative", -near)):
        case("sparse_mixer_" + name, "MoE", [x, scores, w1, b1, w2, b2], {"k": 2, "use_sparse_mixer": 1}, want=moe(x, scores, w1, b1, w2, b2, k=2, mix=True))
    case("swiglu_0", "MoE", [x, routes, w1, b1, w2, b2, w3, b3], {"k": 2, "activation_type": "swiglu"}, want=moe(x, routes, w1, b1, w2, b2, w3, b3, k=2, kind="swiglu"))

    def quantised(rows, columns, bits, block=0, zeros=False):
        pack, blocks = 8 // bits, columns // block if block else 1
        q = rng.integers(0, 2 ** bits, (E, rows, columns))
        scale = (abs(r(E, rows, blocks, scale=0.05)) + 0.01).astype(f32)
        zero = rng.integers(0, 2 ** bits, (E, rows, blocks)) if zeros else np.full((E, rows, blocks), 2 ** (bits - 1))

        def packed(v):
            return sum(v[..., i::pack] << (bits * i) for i in range(pack)).astype(np.uint8)

        full = (q - np.repeat(zero, columns // blocks, -1)) * np.repeat(scale, columns // blocks, -1).astype(float)
        zp = packed(zero if block else zero[..., 0]) if zeros else None
        return packed(q), scale if block else scale[..., 0], zp, full

    def qmoe(name, bits, block=0, zeros=False, H=16, I=32, mixing=None, **attrs):
        fusion = attrs.get("swiglu_fusion", 0)
        x, routes = r(3, H), r(3, E)
        a, sa, za, wa = quantised(2 * I if fusion else I, H, bits, block, zeros)
        b, sb, zb, wb = quantised(H, I, bits, block, zeros)
        kind = attrs.get("activation_type", "relu")
        ins = [x, routes, a, sa, r(E, a.shape[1]), b, sb, None, None, None, None] + ([za, zb] if zeros else [])
        if mixing is not None:
            ins += [None] * (14 - len(ins)) + [mixing]
        want = moe(x, routes, wa, ins[4], wb, None, k=2, normalize=1, fusion=fusion, kind=kind, mixing=mixing)
        more = {"block_size": block} if block else {}
        case(name, "QMoE", ins, {"k": 2, "normalize_routing_weights": 1, "expert_weight_bits": bits, **more, **attrs}, want=want)

    qmoe("4", 4)
    qmoe("8", 8, activation_type="silu")
    qmoe("4_swiglu", 4, activation_type="swiglu", swiglu_fusion=1)
    qmoe("4_zeros", 4, zeros=True)
    qmoe("4_blocks", 4, block=16, H=32)
    qmoe("8_blocks_zeros", 8, block=16, zeros=True)
    qmoe("4_router_weights", 4, mixing=abs(r(3, E)))


def make(writer):
    """All cases, by contrib.py's case."""
    global emit
    emit = writer
    for family in (embeddings, matrices, nbits, convolutions, integers, attentions, packed_attentions, mixtures):
        family()
