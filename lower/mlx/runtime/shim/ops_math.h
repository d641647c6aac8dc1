// Elementwise calls, reductions, scans, sorting and creation.
#pragma once
#include "plan.h"

namespace emily {

#define OUT(expr) [](Ctx& c, const Call& k) { c.out(k, expr); }
#define OUTS(expr) [](Ctx& c, const Call& k) { c.outs(k, expr); }
#define UN(f) {#f, OUT(mx::f(c.in(k, 0), c.s))}
#define BIN(f) {#f, OUT(mx::f(c.in(k, 0), c.in(k, 1), c.s))}
#define RED(f) {#f, OUT(mx::f(c.in(k, 0), c.ints(k, 0), k.params[1].b, c.s))}
#define ARG(f) {#f, OUT(mx::f(c.in(k, 0), c.i32(k, 0), k.params[1].b, c.s))}
#define MOMENT(f) {#f, OUT(mx::f(c.in(k, 0), c.ints(k, 0), k.params[1].b, c.i32(k, 2), c.s))}
#define CUM(f) {#f, OUT(mx::f(c.in(k, 0), c.i32(k, 0), k.params[1].b, k.params[2].b, c.s))}

inline std::optional<float> finite(double f) {
  if (std::isnan(f)) return std::nullopt;
  return static_cast<float>(f);
}

// aranges counts in int64, which keeps every integer exact, and casts.
inline array arange(Ctx& c, const Call& k) {
  auto dtype = k.params[3].dtype;
  int64_t start = c.i64(k, 0), stop = c.i64(k, 1), step = c.i64(k, 2);
  if (step == 0) throw std::invalid_argument("arange: step is 0");
  int64_t n = step > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
  n = std::max<int64_t>(n, 0);
  auto a = mx::arange(0.0, static_cast<double>(Ctx::narrow(n)), 1.0, mx::int64, c.s);
  if (step != 1) a = mx::multiply(a, array(step, mx::int64), c.s);
  if (start != 0) a = mx::add(a, array(start, mx::int64), c.s);
  return mx::astype(a, dtype, c.s);
}

inline const Row mathRows[] = {
    UN(abs), UN(negative), UN(sign), UN(logical_not), UN(bitwise_invert), UN(exp), UN(expm1), UN(log), UN(log2),
    UN(log10), UN(log1p), UN(sin), UN(cos), UN(tan), UN(arcsin), UN(arccos), UN(arctan), UN(sinh), UN(cosh), UN(tanh),
    UN(arcsinh), UN(arccosh), UN(arctanh), UN(sqrt), UN(rsqrt), UN(square), UN(reciprocal), UN(floor), UN(ceil),
    UN(round), UN(sigmoid), UN(erf), UN(erfinv), UN(isnan), UN(isinf), UN(isposinf), UN(isneginf), UN(isfinite),
    UN(real), UN(imag), UN(conjugate), UN(degrees), UN(radians), UN(copy),

    BIN(add), BIN(subtract), BIN(multiply), BIN(divide), BIN(floor_divide), BIN(remainder), BIN(power), BIN(maximum),
    BIN(minimum), BIN(logaddexp), BIN(arctan2), BIN(equal), BIN(not_equal), BIN(less), BIN(less_equal), BIN(greater),
    BIN(greater_equal), BIN(logical_and), BIN(logical_or), BIN(bitwise_and), BIN(bitwise_or), BIN(bitwise_xor),
    BIN(left_shift), BIN(right_shift), BIN(matmul), BIN(inner), BIN(outer), BIN(kron),

    {"where", OUT(mx::where(c.in(k, 0), c.in(k, 1), c.in(k, 2), c.s))},
    {"clip", OUT(mx::clip(c.in(k, 0), c.opt(k, 1), c.opt(k, 2), c.s))},
    {"nan_to_num", OUT(mx::nan_to_num(c.in(k, 0), static_cast<float>(k.params[0].f), finite(k.params[1].f), finite(k.params[2].f), c.s))},
    {"astype", OUT(mx::astype(c.in(k, 0), k.params[0].dtype, c.s))},
    {"view", OUT(mx::view(c.in(k, 0), k.params[0].dtype, c.s))},

    RED(sum), RED(mean), RED(max), RED(min), RED(prod), RED(all), RED(any), RED(logsumexp), RED(median),
    MOMENT(var), MOMENT(std), ARG(argmax), ARG(argmin),
    {"cumsum", OUT(mx::cumsum(c.in(k, 0), c.i32(k, 0), k.params[1].b, k.params[2].b, c.s))},
    {"cumprod", OUT(mx::cumprod(c.in(k, 0), c.i32(k, 0), k.params[1].b, k.params[2].b, c.s))},
    CUM(cummax), CUM(cummin), CUM(logcumsumexp),
    {"sort", OUT(mx::sort(c.in(k, 0), c.i32(k, 0), c.s))},
    {"argsort", OUT(mx::argsort(c.in(k, 0), c.i32(k, 0), c.s))},
    {"partition", OUT(mx::partition(c.in(k, 0), c.i32(k, 0), c.i32(k, 1), c.s))},
    {"argpartition", OUT(mx::argpartition(c.in(k, 0), c.i32(k, 0), c.i32(k, 1), c.s))},
    {"topk", OUT(mx::topk(c.in(k, 0), c.i32(k, 0), c.i32(k, 1), c.s))},

    {"full", OUT(mx::full(c.shape(k, 0), c.in(k, 0), k.params[1].dtype, c.s))},
    {"zeros", OUT(mx::zeros(c.shape(k, 0), k.params[1].dtype, c.s))},
    {"ones", OUT(mx::ones(c.shape(k, 0), k.params[1].dtype, c.s))},
    {"arange", OUT(arange(c, k))},
    {"linspace", OUT(mx::linspace(k.params[0].f, k.params[1].f, c.i32(k, 2), k.params[3].dtype, c.s))},
    {"eye", OUT(mx::eye(c.i32(k, 0), c.i32(k, 1), c.i32(k, 2), k.params[3].dtype, c.s))},
    {"tri", OUT(mx::tri(c.i32(k, 0), c.i32(k, 1), c.i32(k, 2), k.params[3].dtype, c.s))},
    {"tril", OUT(mx::tril(c.in(k, 0), c.i32(k, 0), c.s))},
    {"triu", OUT(mx::triu(c.in(k, 0), c.i32(k, 0), c.s))},
    {"hanning", OUT(mx::hanning(c.i32(k, 0), c.s))},
    {"hamming", OUT(mx::hamming(c.i32(k, 0), c.s))},
    {"bartlett", OUT(mx::bartlett(c.i32(k, 0), c.s))},
    {"blackman", OUT(mx::blackman(c.i32(k, 0), c.s))},
};

}  // namespace emily
