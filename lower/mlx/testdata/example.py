#!/usr/bin/env python3
"model.onnx: an MLX program emitted by emilyc."

import argparse, base64, ctypes, functools, json, os, time

if os.environ.get("EMILY_BLAS"):  # a BLAS to load before MLX, as the native runtime does
    ctypes.CDLL(os.environ["EMILY_BLAS"], mode=ctypes.RTLD_GLOBAL)

import numpy as np
import mlx.core as mx

_NP = {mx.bool_: np.bool_, mx.uint8: np.uint8, mx.uint16: np.uint16, mx.uint32: np.uint32, mx.uint64: np.uint64,
       mx.int8: np.int8, mx.int16: np.int16, mx.int32: np.int32, mx.int64: np.int64, mx.float16: np.float16,
       mx.bfloat16: np.uint16, mx.float32: np.float32, mx.float64: np.float64, mx.complex64: np.complex64}


def _from_numpy(a, dtype):
    if dtype == mx.float64:  # mx.array would make it float32
        return mx.array(a, mx.float64)
    a = mx.array(np.ascontiguousarray(a).reshape(a.shape))
    return a.view(mx.bfloat16) if dtype == mx.bfloat16 else a


def _to_numpy(a):
    return np.array(a.view(mx.uint16) if a.dtype == mx.bfloat16 else a, order="C")


def _load(path, dtype):  # a list is a folder
    if os.path.isdir(path):
        return [_load(os.path.join(path, str(i)), dtype) for i in range(len(os.listdir(path)))]
    return _from_numpy(np.load(path + ".npy"), dtype)


def _save(path, value):
    if not isinstance(value, list):
        np.save(path + ".npy", _to_numpy(value))
        return
    os.makedirs(path)
    for i, v in enumerate(value):
        _save(os.path.join(path, str(i)), v)


def _mapped(path, offset, size, shape, dtype):
    raw = np.memmap(path, np.uint8, "r", offset, (size,)) if size else np.zeros(0, np.uint8)
    return _from_numpy(raw.view(_NP[dtype]).reshape(shape), dtype)


def _bytes(text, shape, dtype):
    return _from_numpy(np.frombuffer(base64.b64decode(text), _NP[dtype]).reshape(shape), dtype)


def _loop(trip, cond, body, carried, scans, rest):
    state, empties, captures = rest[:carried], rest[carried:carried + scans], rest[carried + scans:]
    trip = float("inf") if trip is None else trip.item()
    cond = mx.array(True) if cond is None else cond
    rows = [[] for _ in range(scans)]
    i = 0
    while i < trip and cond.item():
        cond, *out = body(mx.array(i, mx.int64), cond, *state, *captures)
        state = out[:carried]
        for row, o in zip(rows, out[carried:]):
            row.append(o)
        mx.eval(cond, state, [row[-1] for row in rows])
        i += 1
    return state + _stacked(rows, empties)


def _slice(x, start, stop, strides):
    return x[_slices(start, stop, strides)] if start else x


def _slices(start, stop, strides):
    return tuple(slice(*s) for s in zip(start, stop, strides))


def _stacked(rows, empties):
    return [mx.stack(r) if r else e for r, e in zip(rows, empties)]

INPUTS = [  # name, dtype
    ("x", mx.float32),  # f32[batch, sequence, 4]
    ("trip", mx.int64),  # i64[]
]

OUTPUTS = [  # name, dtype
    ("y", mx.float32),  # f32[n, 3]
    ("s", mx.float32),  # f32[]
]

_c = [
    _mapped("/models/model.bin", 16, 48, [3, 4], mx.float32),  # 0
    mx.array(0, mx.float32),  # 1
]


def p_setup():
    r0 = _c[0]  # f32[3, 4] "/attn/MatMul"
    r1 = mx.transpose(r0, [1, 0])  # "/attn/MatMul"
    return [r1]


def p_body(_0, r0, r1, _3):
    r2 = _c[1]  # f32[]
    r3 = mx.maximum(r1, r2)
    r4 = mx.array((s_sequence) // (2), mx.float32)
    r5 = mx.add(r3, r4)
    return [r0, r5]


def p_main(r0, r1, r2):
    global s_n
    r3 = mx.matmul(r0, r2)  # f32[batch, sequence, 3] "/attn/MatMul"
    r4 = mx.reshape(r3, [s_batch * s_sequence, 3])
    r5, = _loop(r1, None, p_body, 1, 0, [r4, r0])
    [s_n, _] = r5.shape
    r6 = _slice(r5, [0, 0], [s_n, 3], [1, 1])
    r7 = _c[1]  # f32[]
    return [r6, r7]


_setup = None


def main(**inputs):
    global _setup, s_batch, s_sequence
    s_batch = inputs[INPUTS[0][0]].shape[0]
    s_sequence = inputs[INPUTS[0][0]].shape[1]
    if _setup is None:
        _setup = p_setup()
        mx.eval(_setup)
    outputs = p_main(*[inputs[n] for n, _ in INPUTS], *_setup)
    return outputs


if __name__ == "__main__":
    args = argparse.ArgumentParser()
    args.add_argument("dir", help="holds input_0.npy, input_1.npy, ...; gets output_0.npy, ...")
    args.add_argument("--bench", type=int, metavar="N", help="print seconds per run of N runs, as JSON")
    args.add_argument("--device", choices=["cpu", "gpu"])
    args = args.parse_args()
    if args.device:
        mx.set_default_device(getattr(mx, args.device))
    inputs = {n: _load(os.path.join(args.dir, f"input_{i}"), d) for i, (n, d) in enumerate(INPUTS)}
    outputs = main(**inputs)
    mx.eval(outputs)
    for i, o in enumerate(outputs):
        _save(os.path.join(args.dir, f"output_{i}"), o)
    if args.bench:
        times = []
        for _ in range(args.bench):
            start = time.perf_counter()
            mx.eval(main(**inputs))
            times.append(time.perf_counter() - start)
        times.sort()
        print(json.dumps({"min": times[0], "p50": times[len(times) // 2], "p90": times[len(times) * 9 // 10]}))
