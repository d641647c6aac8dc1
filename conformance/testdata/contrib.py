"""Writes contrib.tar.gz: cases of onnxruntime's own operators, with the results that its CPU provider gives; contrib_more.py says where NumPy does.

Needs numpy, onnx and onnxruntime. A case is named OPERATOR/NAME (decoder is of several) and is laid out as ONNX's backend tests are."""

import gzip
import io
import itertools
import os
import tarfile
import zlib

import numpy as np
import onnx
import onnxruntime
from onnx import helper, numpy_helper

import contrib_more

DOMAIN = "com.microsoft"
HERE = os.path.dirname(os.path.abspath(__file__))
files = {}
rng = None


def floats(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def ints(below, *shape):
    return rng.integers(0, below, shape).astype(np.int32)


def i32(*values):
    return np.array(values, np.int32)


def case(op, name, operands, outputs=1, fixed=(), domain=DOMAIN, want=None, **attrs):
    """operands() makes them, None for an absent one; those of fixed are initializers. want is for what the provider cannot do."""
    global rng
    rng = np.random.default_rng(zlib.crc32(f"{op}/{name}".encode()))
    made = operands()
    values = {f"x{i}": np.asarray(v) for i, v in enumerate(made) if v is not None}
    inputs = {k: v for k, v in values.items() if int(k[1:]) not in fixed}
    node = helper.make_node(op, [f"x{i}" if v is not None else "" for i, v in enumerate(made)],
                            [f"y{i}" for i in range(outputs)], domain=domain, **attrs)
    def info(name, v):
        return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
    graph = helper.make_graph([node], op, [info(k, v) for k, v in inputs.items()],
                              [onnx.ValueInfoProto(name=o) for o in node.output],
                              [numpy_helper.from_array(values[f"x{i}"], f"x{i}") for i in fixed])
    model = helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, 1)])
    if callable(want):
        want = want(made)
    if want is None:
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        want = session.run(None, inputs)
    assert all(np.isfinite(w.astype(np.float64)).all() for w in want), f"{op}/{name}"
    del model.graph.output[:]
    model.graph.output.extend(info(k, v) for k, v in zip(node.output, want))
    root = f"{op}/{name}/"
    files[root + "model.onnx"] = model.SerializeToString()
    for i, (k, v) in enumerate(inputs.items()):
        files[f"{root}test_data_set_0/input_{i}.pb"] = numpy_helper.from_array(v, k).SerializeToString()
    for i, (k, v) in enumerate(zip(node.output, want)):
        files[f"{root}test_data_set_0/output_{i}.pb"] = numpy_helper.from_array(v, k).SerializeToString()


def activations():  # near their tails the provider approximates too roughly to be a golden
    x = lambda: floats(2, 3, 8)
    case("Gelu", "plain", lambda: [x()])
    case("Gelu", "large", lambda: [10 * x()])
    case("Gelu", "zero_size", lambda: [floats(2, 0)])
    case("BiasGelu", "plain", lambda: [x(), floats(8)])
    case("BiasGelu", "vector", lambda: [floats(8), floats(8)])
    case("BiasGelu", "wider", lambda: [2 * x(), floats(8)])
    case("FastGelu", "plain", lambda: [x()])
    case("FastGelu", "bias", lambda: [x(), floats(8)])
    case("FastGelu", "wider", lambda: [2 * x(), floats(8)])
    case("QuickGelu", "plain", lambda: [x()])
    case("QuickGelu", "alpha", lambda: [x()], alpha=0.7)
    case("QuickGelu", "wider", lambda: [3 * x()])


def norms():
    x, v = lambda: floats(2, 3, 8), lambda: floats(8)
    case("SkipLayerNormalization", "all", lambda: [x(), x(), v(), v(), v()], epsilon=1e-5)
    case("SkipLayerNormalization", "least", lambda: [x(), x(), v()])
    case("SkipLayerNormalization", "broadcast", lambda: [x(), floats(3, 8), v(), v()])
    case("SkipLayerNormalization", "broadcast_1", lambda: [x(), floats(1, 3, 8), v(), v()])
    case("SkipSimplifiedLayerNormalization", "bias", lambda: [x(), x(), v(), v()], epsilon=1e-6)
    case("SkipSimplifiedLayerNormalization", "least", lambda: [x(), x(), v()])
    case("SkipSimplifiedLayerNormalization", "epsilon", lambda: [x(), x(), v()], epsilon=0.5)
    case("SimplifiedLayerNormalization", "plain", lambda: [x(), v()], domain="", epsilon=1e-6)
    case("SimplifiedLayerNormalization", "epsilon", lambda: [x(), v()], domain="", epsilon=0.5)
    case("SimplifiedLayerNormalization", "matrix", lambda: [floats(4, 8), v()], domain="", axis=1)
    tables = lambda: [floats(9, 8), floats(5, 8), floats(2, 8), v(), v()]
    some = lambda: [floats(9, 8), floats(5, 8), None, v(), v()]
    case("EmbedLayerNormalization", "mask", lambda: [ints(9, 2, 4), ints(2, 2, 4), *tables(), i32([1, 1, 1, 0], [1, 1, 0, 0])], 2, epsilon=1e-5)
    case("EmbedLayerNormalization", "no_segments", lambda: [ints(9, 2, 4), None, *some()], 2)
    case("EmbedLayerNormalization", "places", lambda: [ints(9, 2, 4), ints(2, 2, 4), *tables(), None, ints(5, 2, 4)], 3)


def matmuls():
    for a, b in itertools.product((0, 1), (0, 1)):
        case("FusedMatMul", f"trans_{a}{b}", lambda: [floats(2, 4, 3) if a else floats(2, 3, 4), floats(2, 5, 4) if b else floats(2, 4, 5)],
             transA=a, transB=b, alpha=0.5)
    case("FusedMatMul", "batch_a", lambda: [floats(3, 2, 4), floats(2, 4, 5)], transBatchA=1)
    case("FusedMatMul", "batch_and_trans_a", lambda: [floats(4, 2, 3), floats(2, 4, 5)], transBatchA=1, transA=1)
    case("FusedMatMul", "batch_and_trans_b", lambda: [floats(2, 3, 4), floats(5, 2, 4)], transBatchB=1, transB=1)
    case("FusedMatMul", "vector", lambda: [floats(4), floats(2, 4, 5)], transA=1)


def rotary():
    places, caches = np.array([[0, 1, 2], [5, 6, 7]]), lambda: [floats(20, 4), floats(20, 4)]
    case("RotaryEmbedding", "packed", lambda: [floats(2, 3, 16), places, *caches()])
    case("RotaryEmbedding", "offset", lambda: [floats(2, 3, 16), np.array([4]), *caches()])
    case("RotaryEmbedding", "interleaved", lambda: [floats(2, 2, 3, 8), places, *caches()], interleaved=1)
    case("RotaryEmbedding", "packed_batching", lambda: [floats(2, 3, 16), places, *caches()], is_packed_batching=1)
    case("RotaryEmbedding", "partial", lambda: [floats(2, 3, 24), places, *caches()], num_heads=2, rotary_embedding_dim=8)


def attention():
    h, d, s, b, w = 2, 4, 3, 2, 6
    qkv = lambda: [floats(b, s, w), floats(w, 3 * h * d), floats(3 * h * d)]
    past = lambda: floats(2, b, h, 5, d)
    case("Attention", "plain", qkv, num_heads=h)
    case("Attention", "causal", qkv, num_heads=h, unidirectional=1)
    case("Attention", "mask", lambda: [*qkv(), i32([1, 1, 0], [1, 0, 0])], num_heads=h)
    case("Attention", "causal_left_padded", lambda: [*qkv(), i32([0, 0, 1], [1, 1, 1])], num_heads=h, unidirectional=1)
    case("Attention", "all_hidden", lambda: [*qkv(), i32([0, 0, 0], [1, 1, 1])], num_heads=h)
    case("Attention", "lengths", lambda: [*qkv(), i32(2, 3)], num_heads=h)
    case("Attention", "ends_and_starts", lambda: [*qkv(), i32(2, 3, 1, 0)], num_heads=h)
    case("Attention", "mask_of_queries", lambda: [*qkv(), ints(2, b, s, s)], num_heads=h)
    case("Attention", "past", lambda: [*qkv(), None, past()], 2, num_heads=h)
    case("Attention", "past_causal", lambda: [*qkv(), None, past()], 2, num_heads=h, unidirectional=1)
    case("Attention", "past_causal_mask", lambda: [*qkv(), ints(2, b, 8), past()], 2, num_heads=h, unidirectional=1)
    case("Attention", "bias", lambda: [*qkv(), None, None, floats(b, h, s, s)], num_heads=h, scale=0.4)
    case("Attention", "sizes", lambda: [floats(b, s, w), floats(w, 28), floats(28)], num_heads=h, qkv_hidden_sizes=[8, 8, 12])


def multi_head_attention():
    b, s, t, h, d = 2, 3, 5, 2, 4
    op = "MultiHeadAttention"
    of = lambda n: floats(b, n, h * d)
    qkv = lambda n=t: [of(s), of(n), of(n)]
    bias, past = lambda: floats(3 * h * d), lambda: [floats(b, h, 4, d), floats(b, h, 4, d)]
    case(op, "plain", qkv, num_heads=h)
    case(op, "bias", lambda: [*qkv(), bias()], num_heads=h)
    case(op, "mask", lambda: [*qkv(), bias(), i32([1, 1, 1, 0, 0], [1, 1, 1, 1, 0])], num_heads=h)
    case(op, "mask_of_queries", lambda: [*qkv(), bias(), ints(2, b, s, t)], num_heads=h)
    case(op, "lengths", lambda: [*qkv(), bias(), i32(3, 5)], num_heads=h)
    case(op, "attention_bias", lambda: [*qkv(), None, None, floats(1, h, s, t)], num_heads=h, scale=0.3)
    case(op, "attention_bias_of_batch", lambda: [*qkv(), None, None, floats(b, 1, s, t)], num_heads=h)
    case(op, "cross", lambda: [of(s), floats(b, h, t, d), floats(b, h, t, d)], num_heads=h)
    case(op, "causal", lambda: qkv(s), num_heads=h, unidirectional=1)
    case(op, "causal_left_padded", lambda: [*qkv(s), None, i32([0, 0, 1], [1, 1, 1])], num_heads=h, unidirectional=1)
    case(op, "past", lambda: [*qkv(s), None, None, None, *past()], 3, num_heads=h)
    case(op, "past_causal", lambda: [*qkv(s), bias(), None, None, *past()], 3, num_heads=h, unidirectional=1)
    for name, attrs in (("shared", {}), ("shared_causal", {"unidirectional": 1})):
        case(op, name, lambda: [*qkv(s), bias(), None, None, floats(b, h, 9, d), floats(b, h, 9, d), i32(4)], 3, num_heads=h, **attrs)
    case(op, "value_size", lambda: [of(s), of(t), floats(b, t, h * 6)], num_heads=h)


def group_query_attention():
    b, h, k, d = 2, 4, 2, 16

    def gqa(name, s, p, lengths, total, more=lambda: [], packed=False, outputs=3, past=lambda p: floats(b, k, p, d), **attrs):
        def operands():
            qkv = [floats(b, s, (h + 2 * k) * d), None, None] if packed else [floats(b, s, h * d), floats(b, s, k * d), floats(b, s, k * d)]
            return [*qkv, past(p), past(p), i32(*lengths), np.array(total, np.int32), *more()]
        case("GroupQueryAttention", name, operands, outputs, fixed=(6,), num_heads=h, kv_num_heads=k, **attrs)

    caches = lambda: [floats(40, d // 2), floats(40, d // 2)]
    gqa("prompt", 5, 0, [4, 4], 5)
    gqa("prompt_rotary", 5, 0, [4, 4], 5, caches, do_rotary=1)
    gqa("prompt_interleaved", 5, 0, [4, 4], 5, caches, do_rotary=1, rotary_interleaved=1)
    gqa("prompt_window", 5, 0, [4, 4], 5, local_window_size=2)
    gqa("decode", 1, 6, [6, 6], 7, caches, do_rotary=1)
    gqa("decode_ragged", 1, 6, [6, 4], 7, caches, do_rotary=1)
    gqa("decode_packed", 1, 6, [6, 6], 7, caches, packed=True, do_rotary=1)
    gqa("decode_window", 1, 6, [6, 6], 7, local_window_size=3)
    gqa("decode_places", 1, 6, [6, 6], 7, lambda: [*caches(), np.array([[6], [6]])], do_rotary=1)
    gqa("softcap", 1, 6, [6, 6], 7, softcap=2.0, scale=0.7)
    gqa("smooth_softmax", 1, 6, [6, 6], 7, smooth_softmax=1)
    gqa("sink", 1, 6, [6, 6], 7, lambda: [None, None, None, None, floats(h)])
    gqa("bias", 1, 6, [6, 6], 7, lambda: [None, None, None, floats(b, 1, 1, 7)])
    gqa("prompt_bidirectional", 5, 0, [4, 4], 5, causal=0)
    gqa("ragged_bidirectional", 1, 6, [6, 3], 7, causal=0)
    for output in (1, 2):
        more = dict(outputs=4, qk_output=output)
        gqa(f"scores_{output}", 1, 6, [6, 6], 7, **more)
        gqa(f"scores_{output}_prompt", 5, 0, [4, 4], 5, lambda: [None, None, None, floats(b, 1, 5, 5)], local_window_size=3, softcap=2.0, **more)
        gqa(f"scores_{output}_smooth", 5, 0, [4, 4], 5, smooth_softmax=1, **more)
    for bits, dtype in ((8, np.int8), (4, np.uint8)):
        for kind, scales in (("PER_TENSOR", lambda: np.array([0.02 if bits == 8 else 0.3], np.float32)), ("PER_CHANNEL", lambda: (abs(floats(k * d)) + 0.2) * np.float32(0.02 if bits == 8 else 0.3))):
            of = dict(past=lambda p: np.random.default_rng(p).integers(*((-128, 128) if bits == 8 else (0, 256)), (b, k, p, d * bits // 8)).astype(dtype),
                      k_quant_type=kind, v_quant_type=kind, kv_cache_bit_width=bits)
            more = lambda: [*caches(), None, None, None, scales(), scales()]
            gqa(f"decode_{bits}_bits_{kind.lower()}", 1, 6, [6, 6], 7, more, do_rotary=1, **of)
            gqa(f"prompt_{bits}_bits_{kind.lower()}", 5, 0, [4, 4], 5, more, do_rotary=1, **of)
    # NumPy: the provider has no norms of queries and keys
    for name, p, length in (("prompt_norms", 0, 4), ("decode_norms", 6, 6)):
        s = length + 1 - p
        def operands():
            q, kk, v = floats(b, s, h * d), floats(b, s, k * d), floats(b, s, k * d)
            return [q, kk, v, floats(b, k, p, d), floats(b, k, p, d), i32(length, length), np.array(length + 1, np.int32), *[None] * 7, floats(d), floats(d)]
        case("GroupQueryAttention", name, operands, 3, fixed=(6,), want=lambda x: normed_attention(x, h, k, 0.5, 0.25), num_heads=h, kv_num_heads=k, q_norm_epsilon=0.5, qk_norm_epsilon=0.25)


def normed_attention(x, h, k, q_epsilon, k_epsilon):
    """Causal grouped attention in float64, of queries and keys whose heads have a root mean square of 1, times a weight."""
    heads = lambda v, n: v.astype(np.float64).reshape(*v.shape[:2], n, -1).transpose(0, 2, 1, 3)
    normed = lambda v, w, e: v / np.sqrt((v * v).mean(-1, keepdims=True) + e) * w
    q, fresh = normed(heads(x[0], h), x[14], q_epsilon), normed(heads(x[1], k), x[15], k_epsilon)
    keys, values = np.concatenate([x[3], fresh], 2), np.concatenate([x[4], heads(x[2], k)], 2)
    scores = q @ np.repeat(keys, h // k, 1).transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1])
    s, t = scores.shape[2:]
    scores = np.where(np.tril(np.ones((s, t)), t - s), scores, -np.inf)
    probs = np.exp(scores - scores.max(-1, keepdims=True))
    y = probs / probs.sum(-1, keepdims=True) @ np.repeat(values, h // k, 1)
    return [v.astype(np.float32) for v in (y.transpose(0, 2, 1, 3).reshape(*x[0].shape), keys, values)]


def decoder():
    """Grouped attention between the nodes that onnxruntime-genai's model builder writes: lengths come from the mask, queries, keys and values are
    packed, caches grow. A prompt, a token after it, and three tokens after four."""
    global rng
    rng = np.random.default_rng(zlib.crc32(b"decoder"))
    h, k, d, w = 4, 2, 16, 32
    node = helper.make_node
    nodes = [
        node("ReduceSum", ["mask", "list"], ["sum"]), node("Sub", ["sum", "list"], ["last"]), node("Cast", ["last"], ["lengths"], to=6),
        node("Shape", ["mask"], ["shape"]), node("Gather", ["shape", "scalar"], ["size"], axis=0), node("Cast", ["size"], ["total"], to=6),
        node("MatMul", ["x", "w"], ["qkv"]),
        node("GroupQueryAttention", ["qkv", "", "", "past_key", "past_value", "lengths", "total", "cos", "sin"], ["y", "key", "value"], domain=DOMAIN,
             num_heads=h, kv_num_heads=k, do_rotary=1, scale=0.25, local_window_size=-1, softcap=0.0, rotary_interleaved=0),
    ]
    angles = np.arange(64)[:, None] / 10000 ** (np.arange(0, d, 2) / d)
    stored = {"list": np.array([1]), "scalar": np.array(1), "w": floats(w, (h + 2 * k) * d) * np.float32(0.2), "cos": np.cos(angles), "sin": np.sin(angles)}
    value = helper.make_tensor_value_info
    cache = lambda length: ["b", k, length, d]
    ins = [value("x", 1, ["b", "s", w]), value("mask", 7, ["b", "t"]), value("past_key", 1, cache("p")), value("past_value", 1, cache("p"))]
    outs = [value("y", 1, ["b", "s", h * d]), value("key", 1, cache("t")), value("value", 1, cache("t"))]
    inits = [numpy_helper.from_array(v.astype(np.float32) if v.dtype == np.float64 else v, n) for n, v in stored.items()]
    model = helper.make_model(helper.make_graph(nodes, "decoder", ins, outs, inits), ir_version=10, opset_imports=[helper.make_opsetid("", 21), helper.make_opsetid(DOMAIN, 1)])
    files["decoder/model.onnx"] = model.SerializeToString()
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    for i, (s, p) in enumerate(((5, 0), (1, 5), (3, 4))):
        feeds = {"x": floats(1, s, w), "mask": np.ones((1, s + p), np.int64), "past_key": floats(1, k, p, d), "past_value": floats(1, k, p, d)}
        for kind, values in (("input", feeds.values()), ("output", session.run(None, feeds))):
            for j, v in enumerate(values):
                files[f"decoder/test_data_set_{i}/{kind}_{j}.pb"] = numpy_helper.from_array(v).SerializeToString()


def write(path):
    with open(path, "wb") as out, gzip.GzipFile("", "wb", 9, out, mtime=0) as z, tarfile.open(fileobj=z, mode="w") as tar:
        for name in sorted(files):
            info = tarfile.TarInfo(name)
            info.size = len(files[name])
            tar.addfile(info, io.BytesIO(files[name]))


for family in (activations, norms, matmuls, rotary, attention, multi_head_attention, group_query_attention, decoder):
    family()
contrib_more.make(case)
write(os.path.join(HERE, "contrib.tar.gz"))
print(len([f for f in files if f.endswith("model.onnx")]), "cases")
