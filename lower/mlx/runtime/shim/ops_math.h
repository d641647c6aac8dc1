// Elementwise calls, reductions, scans, sorting and creation.
#pragma once
#include "blocks.h"

namespace emily {

#define OUT(expr) [](Ctx& c, const Call& k) { c.out(k, expr); }
#define OUTS(expr) [](Ctx& c, const Call& k) { c.outs(k, expr); }
#define UN(f) {#f, OUT(mx::f(c.in(k, 0), c.s))}
#define VECTOR(f, step) {#f, OUT(vectorised(c, c.in(k, 0), Step::step, mx::f))}
#define BIN(f) {#f, OUT(mx::f(c.in(k, 0), c.in(k, 1), c.s))}
#define RED(f) {#f, OUT(mx::f(c.in(k, 0), c.ints(k, 0), k.params[1].b, c.s))}
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

// reduced is the shape of a reduction over axes, which may count from the end.
inline Shape reduced(const array& a, const std::vector<int>& axes, bool keep) {
  Shape out;
  int rank = static_cast<int>(a.ndim());
  for (int i = 0; i < rank; i++) {
    bool gone = std::any_of(axes.begin(), axes.end(), [&](int axis) { return axis == i || axis + rank == i; });
    if (!gone) out.push_back(a.shape(i));
    else if (keep) out.push_back(1);
  }
  return out;
}

// limit is the greatest or least value of a dtype.
inline array limit(mx::Dtype d, bool greatest) {
  int bits = 8 * static_cast<int>(mx::size_of(d));
  switch (mx::kindof(d)) {
    case mx::Dtype::Kind::b: return array(greatest);
    case mx::Dtype::Kind::u: return array(greatest ? ~uint64_t(0) >> (64 - bits) : 0, d);
    case mx::Dtype::Kind::i: return array(static_cast<int64_t>((uint64_t(1) << (bits - 1)) - greatest), d);
    default: return array(greatest ? INFINITY : -INFINITY, d);
  }
}

using Reduce = array (*)(const array&, const std::vector<int>&, bool, mx::StreamOrDevice);

// reduceOr is f, but of nothing it is the given value: MLX throws there, or gives what is in memory where axes are transposed.
inline array reduceOr(Ctx& c, const Call& k, Reduce f, const array& none) {
  auto& a = c.in(k, 0);
  auto axes = c.ints(k, 0);
  if (a.size() != 0) return f(a, axes, k.params[1].b, c.s);
  return mx::full(reduced(a, axes, k.params[1].b), none, a.dtype(), c.s);
}

// longSum is the number of f32 terms from which the CPU, which adds them one after another, is given f64: the error of
// n terms is up to n / 2^24 of their sum of magnitudes.
constexpr int64_t longSum = 1 << 16;

// needsWide reports whether n elements of a are to be added in f64.
inline bool needsWide(Ctx& c, const array& a, int64_t n) {
  return a.dtype() == mx::float32 && n >= longSum && c.s.device == mx::Device(mx::Device::cpu);
}

// summed is a sum or a mean.
inline array summed(Ctx& c, const Call& k, Reduce f, float none) {
  auto& a = c.in(k, 0);
  if (a.size() == 0) return reduceOr(c, k, f, array(none));
  auto axes = c.ints(k, 0);
  bool keep = k.params[1].b;
  int64_t n = 1;
  for (int i : axes) n *= a.shape(i);
  if (!needsWide(c, a, n)) return f(a, axes, keep, c.s);
  return mx::astype(f(mx::astype(a, mx::float64, c.s), axes, keep, c.s), mx::float32, c.s);
}

inline array cumsum(Ctx& c, const Call& k) {
  auto& a = c.in(k, 0);
  int axis = c.i32(k, 0);
  bool reverse = k.params[1].b, inclusive = k.params[2].b;
  if (!needsWide(c, a, a.shape(axis))) return mx::cumsum(a, axis, reverse, inclusive, c.s);
  return mx::astype(mx::cumsum(mx::astype(a, mx::float64, c.s), axis, reverse, inclusive, c.s), mx::float32, c.s);
}

using Winner = array (*)(const array&, int, bool, mx::StreamOrDevice);

// winner is f, which throws for any operand without elements, though only an axis without elements has no winner.
inline array winner(Ctx& c, const Call& k, Winner f) {
  auto& a = c.in(k, 0);
  int axis = c.i32(k, 0);
  if (a.size() != 0 || a.shape(axis) == 0) return f(a, axis, k.params[1].b, c.s);
  return mx::zeros(reduced(a, {axis}, k.params[1].b), mx::uint32, c.s);
}

#define REDUCE_OR(f, none) {#f, OUT(reduceOr(c, k, static_cast<Reduce>(mx::f), none))}
#define WINNER(f) {#f, OUT(winner(c, k, static_cast<Winner>(mx::f)))}

inline const Row mathRows[] = {
    UN(abs), UN(negative), UN(sign), UN(logical_not), UN(bitwise_invert), VECTOR(exp, Exp), UN(expm1), UN(log), UN(log2),
    UN(log10), UN(log1p), UN(sin), UN(cos), UN(tan), UN(arcsin), UN(arccos), UN(arctan), UN(sinh), UN(cosh), VECTOR(tanh, Tanh),
    UN(arcsinh), UN(arccosh), UN(arctanh), UN(sqrt), UN(rsqrt), UN(square), UN(reciprocal), UN(floor), UN(ceil),
    UN(round), VECTOR(sigmoid, Sigmoid), VECTOR(erf, Erf), UN(erfinv), UN(isnan), UN(isinf), UN(isposinf), UN(isneginf), UN(isfinite),
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

    {"sum", OUT(summed(c, k, static_cast<Reduce>(mx::sum), 0))}, {"mean", OUT(summed(c, k, static_cast<Reduce>(mx::mean), NAN))}, RED(median),
    REDUCE_OR(prod, array(1)), REDUCE_OR(all, array(true)), REDUCE_OR(any, array(false)),
    REDUCE_OR(max, limit(c.in(k, 0).dtype(), false)), REDUCE_OR(min, limit(c.in(k, 0).dtype(), true)),
    REDUCE_OR(logsumexp, limit(c.in(k, 0).dtype(), false)),
    MOMENT(var), MOMENT(std), WINNER(argmax), WINNER(argmin),
    {"cumsum", OUT(cumsum(c, k))},
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
