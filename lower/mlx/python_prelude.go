package mlx

// pyHead starts every emitted program.
const pyHead = `
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
`

// pyTail ends every emitted program.
const pyTail = `

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
`

// pyHelpers are what calls need beyond one expression; each mirrors a function of the shim.
var pyHelpers = map[string]string{
	"_nan_to_num": `
def _nan_to_num(x, nan, posinf, neginf):
    return mx.nan_to_num(x, nan, None if posinf != posinf else posinf, None if neginf != neginf else neginf)`,
	"_arange": `
def _arange(start, stop, step, dtype):
    a = mx.arange(len(range(start, stop, step)), dtype=mx.int64)
    if step != 1:
        a = a * mx.array(step, mx.int64)
    if start != 0:
        a = a + mx.array(start, mx.int64)
    return a.astype(dtype)`,
	"_wide": `
def _wide(f, x, n):  # mirrors longSum of the shim
    if x.dtype == mx.float32 and n >= 1 << 16 and mx.default_device() == mx.cpu:
        return f(x.astype(mx.float64)).astype(mx.float32)
    return f(x)`,
	"_sum": `
def _sum(f, x, axes, keepdims):
    n = 1
    for i in axes:
        n *= x.shape[i]
    if x.size == 0:  # MLX gives what is in memory where its axes are transposed
        x = mx.zeros(x.shape, x.dtype)
    return _wide(lambda x: f(x, axis=axes, keepdims=keepdims), x, n)`,
	"_cumsum": `
def _cumsum(x, axis, reverse, inclusive):
    return _wide(lambda x: mx.cumsum(x, axis=axis, reverse=reverse, inclusive=inclusive), x, x.shape[axis])`,
	"_reduced": `
def _reduced(x, axes, keepdims):
    return [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]`,
	"_limit": `
def _limit(dtype, greatest):
    if dtype == mx.bool_:
        return greatest
    if mx.issubdtype(dtype, mx.integer):
        return mx.array(getattr(mx.iinfo(dtype), "max" if greatest else "min"), dtype)
    return float("inf") if greatest else -float("inf")`,
	"_reduce_or": `
def _reduce_or(how, x, axes, keepdims):
    if x.size:
        return getattr(mx, how)(x, axis=axes, keepdims=keepdims)
    return mx.full(_reduced(x, axes, keepdims), _limit(x.dtype, how == "min"), x.dtype)`,
	"_winner": `
def _winner(f, x, axis, keepdims):
    if x.size or x.shape[axis] == 0:
        return f(x, axis=axis, keepdims=keepdims)
    return mx.zeros(_reduced(x, [axis], keepdims), mx.uint32)`,
	"_slices": `
def _slices(start, stop, strides):
    return tuple(slice(*s) for s in zip(start, stop, strides))`,
	"_slice": `
def _slice(x, start, stop, strides):
    return x[_slices(start, stop, strides)] if start else x`,
	"_slice_update": `
def _slice_update(x, update, start, stop, strides):
    x = mx.array(x)
    x[_slices(start, stop, strides)] = update
    return x`,
	"_scatter": `
def _scatter(x, updates, how, *indices):
    if updates.size == 0:
        return x
    if how == "set":
        x = mx.array(x)
        x[indices] = updates
        return x
    return getattr(x.at[indices], how)(updates)`,
	"_rope": `
def _rope(x, at, freqs, dims, traditional, base, scale, offset):
    if x.size == 0:
        return x
    return mx.fast.rope(x, dims, traditional=traditional, base=base or None, scale=scale,
                        offset=offset if at is None else at, freqs=freqs)`,
	"_attention": `
def _attention(q, k, v, mask, sinks, scale, mode):
    return mx.fast.scaled_dot_product_attention(q, k, v, scale=scale, mask="causal" if mode == "causal" else mask, sinks=sinks)`,
	"_conv_transpose": `
def _conv_transpose(x, w, stride, padding, dilation, output_padding, groups):
    n = x.ndim - 2
    if n == 1:
        return mx.conv_transpose1d(x, w, stride[0], padding[0], dilation[0], output_padding[0], groups)
    f = mx.conv_transpose2d if n == 2 else mx.conv_transpose3d
    return f(x, w, tuple(stride), tuple(padding), tuple(dilation), tuple(output_padding), groups)`,
	"_read_ints": `
def _read_ints(x):
    return x.reshape(-1).tolist()`,
	"_check": `
def _check(relation, a, b, what):
    if not {"eq": a == b, "le": a <= b, "divides": a != 0 and b % a == 0}[relation]:
        raise ValueError(f"sizes {a} and {b} break the rule {relation}: {what}")`,
	"_assert": `
_claims = []


def _assert(ok, what):
    _claims.append((mx.all(ok), what))`,
	"_settle": `
def _settle(arrays):
    mx.eval(arrays, [ok for ok, _ in _claims])
    broken = [what for ok, what in _claims if not ok.item()]
    _claims.clear()
    if broken:
        raise ValueError(broken[0])`,
	"_if": `
def _if(cond, then, otherwise, n, rest):
    return then(*rest[:n]) if cond.item() else otherwise(*rest[n:])`,
	"_stacked": `
def _stacked(rows, empties):
    return [mx.stack(r) if r else e for r, e in zip(rows, empties)]`,
	"_loop": `
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
    return state + _stacked(rows, empties)`,
	"_scan": `
def _scan(body, states, sequences, scans, rest):
    state, seqs, rest = rest[:states], rest[states:states + sequences], rest[states + sequences:]
    rows = [[] for _ in range(scans)]
    for i in range(seqs[0].shape[0]):
        out = body(*state, *[s[i] for s in seqs], *rest[scans:])
        state = out[:states]
        for row, o in zip(rows, out[states:]):
            row.append(o)
        mx.eval(state, [row[-1] for row in rows])
    return state + _stacked(rows, rest[:scans])`,
	"_linear": `
def _linear(c, a, b):
    return a @ b + c if a.size == a.shape[-1] else mx.addmm(c, a, b)`,
	"_compiled": `
_compiled = functools.cache(mx.compile)`,
	"_reserve": `
def _reserve(buffer, shape, axis, length, dtype):
    if length == 0:
        return mx.zeros(shape, dtype)
    if buffer.shape[axis] >= shape[axis]:
        return buffer
    shape = list(shape)
    shape[axis] = max(shape[axis], 2 * buffer.shape[axis])
    part = tuple(slice(length if i == axis else None) for i in range(len(shape)))
    grown = mx.zeros(shape, dtype)
    grown[part] = buffer[part]
    return grown`,
	"_lu": `
def _lu(x):
    if x.size:
        return mx.linalg.lu(x, stream=mx.cpu)
    *batch, n, m = x.shape
    return [mx.zeros([*batch, n], mx.uint32), mx.zeros([*batch, n, min(n, m)], x.dtype), mx.zeros([*batch, min(n, m), m], x.dtype)]`,
	"_list_insert": `
def _list_insert(items, x, at):
    if not -len(items) <= at <= len(items):
        raise IndexError(at)
    return items[:at] + [x] + items[at:]`,
	"_list_erase": `
def _list_erase(items, at):
    items = list(items)
    del items[at]
    return items`,
	"_list_split": `
def _list_split(x, sizes, axis, squeeze):
    n = x.shape[axis]
    size = 1 if sizes is None else sizes.tolist()
    if isinstance(size, int):
        size = [min(size, n - i) for i in range(0, n, size)]
    if min(size, default=0) < 0 or sum(size) != n:
        raise ValueError(f"parts of {size} of an axis of size {n}")
    if not size:
        return []
    parts = mx.split(x, np.cumsum(size)[:-1].tolist(), axis=axis)
    return [mx.squeeze(p, axis) for p in parts] if squeeze else parts`,
}
