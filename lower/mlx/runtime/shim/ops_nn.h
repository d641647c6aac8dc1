// Contractions, normalisation, attention, convolution, quantisation, FFT, linear algebra, random numbers.
#pragma once
#include "mlx/primitives.h"
#include "ops_math.h"
#include "softmax.h"

namespace emily {

// convTranspose dispatches on the rank of NWC, NHWC or NDHWC input; parameters have one entry per axis.
inline array convTranspose(Ctx& c, const Call& k) {
  auto &x = c.in(k, 0), &w = c.in(k, 1);
  auto st = c.ints(k, 0), pd = c.ints(k, 1), dl = c.ints(k, 2), op = c.ints(k, 3);
  int g = c.i32(k, 4);
  auto n = x.ndim() - 2;
  if (st.size() != n || pd.size() != n || dl.size() != n || op.size() != n)
    throw std::invalid_argument("conv_transpose: parameters do not fit the rank");
  switch (n) {
    case 1: return mx::conv_transpose1d(x, w, st[0], pd[0], dl[0], op[0], g, c.s);
    case 2: return mx::conv_transpose2d(x, w, {st[0], st[1]}, {pd[0], pd[1]}, {dl[0], dl[1]}, {op[0], op[1]}, g, c.s);
    case 3:
      return mx::conv_transpose3d(x, w, {st[0], st[1], st[2]}, {pd[0], pd[1], pd[2]}, {dl[0], dl[1], dl[2]},
                                  {op[0], op[1], op[2]}, g, c.s);
  }
  throw std::invalid_argument("conv_transpose: 1 to 3 spatial axes");
}

// rope takes its offset from operand 1, else from the parameter; base 0 means that operand 2 holds the frequencies. MLX takes
// no empty list of offsets.
inline array rope(Ctx& c, const Call& k) {
  if (c.in(k, 0).size() == 0) return c.in(k, 0);
  int dims = c.i32(k, 0);
  bool traditional = k.params[1].b;
  auto base = k.params[2].f == 0 ? std::nullopt : std::optional<float>(k.params[2].f);
  float scale = static_cast<float>(k.params[3].f);
  if (auto off = c.opt(k, 1)) return mx::fast::rope(c.in(k, 0), dims, traditional, base, scale, *off, c.opt(k, 2), c.s);
  return mx::fast::rope(c.in(k, 0), dims, traditional, base, scale, c.i32(k, 4), c.opt(k, 2), c.s);
}

// sdpa hides that MLX 0.32 put a parameter before the stream.
template <class S>
array sdpa(const array& q, const array& k, const array& v, float scale, const std::string& mode, std::optional<array> mask,
           std::optional<array> sinks, S s) {
  if constexpr (requires { mx::fast::scaled_dot_product_attention(q, k, v, scale, mode, mask, sinks, false, s); })
    return mx::fast::scaled_dot_product_attention(q, k, v, scale, mode, mask, sinks, false, s);
  else
    return mx::fast::scaled_dot_product_attention(q, k, v, scale, mode, mask, sinks, s);
}

// onCUDA reports whether the stream is of a CUDA device.
inline bool onCUDA(const Ctx& c) {
  static const bool metal = mx::metal::is_available();
  return c.s.device == mx::Device::gpu && !metal;
}

// keys: on CUDA, MLX has no fused attention for f32 and more than three queries. It multiplies by the transposed keys, which it copies first
// where rows do not follow one another; copied here, before they are transposed, they are read row by row.
inline array keys(Ctx& c, const array& q, const array& k) {
  bool view = k.has_primitive() && std::string_view(k.primitive().name()) == "Transpose";
  if (!view || !onCUDA(c) || q.dtype() != mx::float32 || q.ndim() != 4 || q.shape(2) <= 3) return k;
  return mx::contiguous(k, false, c.s);
}

// attention: one query sees every key, so that "causal" says nothing; MLX's kernels for it are others than those without a mask.
inline array attention(Ctx& c, const Call& k) {
  auto &q = c.in(k, 0), &v = c.in(k, 2);
  bool all = q.ndim() == 4 && q.shape(2) == 1 && k.params[1].s == "causal";
  auto scale = static_cast<float>(k.params[0].f);
  auto mask = c.opt(k, 3), sinks = c.opt(k, 4);
  const std::string& mode = all ? "" : k.params[1].s;
  if (!sinks && q.ndim() == 4 && fitsBlocks(c, q) && fitsBlocks(c, v)) return attend(c, q, c.in(k, 1), v, scale, mode == "causal", mask);
  return sdpa(q, keys(c, q, c.in(k, 1)), v, scale, mode, mask, sinks, c.s);
}

// softmax over the last axis has a kernel for the CPU.
inline array softmax(Ctx& c, const Call& k) {
  auto& x = c.in(k, 0);
  auto axes = c.ints(k, 0);
  bool last = axes.size() == 1 && (axes[0] == -1 || axes[0] + 1 == static_cast<int>(x.ndim()));
  return last ? softmax(c, x, k.params[1].b) : mx::softmax(x, axes, k.params[1].b, c.s);
}

// linear is c + a·b. On CUDA, MLX has a kernel for the product of a single row, which addmm does not use. The CPU does as CUDA, for tests.
inline array linear(Ctx& c, const Call& k) {
  auto &bias = c.in(k, 0), &a = c.in(k, 1), &b = c.in(k, 2);
  bool row = (onCUDA(c) || c.s.device == mx::Device::cpu) && a.ndim() > 0 && a.size() == static_cast<size_t>(a.shape(-1));
  return row ? mx::add(mx::matmul(a, b, c.s), bias, c.s) : mx::addmm(bias, a, b, 1.0f, 1.0f, c.s);
}

inline std::vector<array> pair(std::pair<array, array> p) { return {p.first, p.second}; }

// FFTs take a norm before the stream from MLX 0.32 on; here it is always "backward".
#define DEFINE_FFT(f)                                                          \
  template <class S>                                                           \
  array f(const array& a, const Shape& n, const std::vector<int>& axes, S s) { \
    if constexpr (requires { mx::fft::f(a, n, axes, s); })                     \
      return mx::fft::f(a, n, axes, s);                                        \
    else                                                                       \
      return mx::fft::f(a, n, axes, {}, s);                                    \
  }
DEFINE_FFT(fftn)
DEFINE_FFT(ifftn)
DEFINE_FFT(rfftn)
DEFINE_FFT(irfftn)

#define FFT(f) {#f, OUT(emily::f(c.in(k, 0), c.shape(k, 0), c.ints(k, 1), c.s))}

// orDefault: a group size or a number of bits of 0 is the default of the mode.
inline std::optional<int> orDefault(int v) { return v == 0 ? std::nullopt : std::optional<int>(v); }

// lu: MLX divides by zero, and ends the process, where there are no elements.
inline std::vector<array> lu(Ctx& c, const array& a) {
  if (a.size() != 0 || a.ndim() < 2) return mx::linalg::lu(a, c.cpu);
  Shape pivots(a.shape().begin(), a.shape().end() - 1), lower = a.shape(), upper = a.shape();
  lower.back() = upper[a.ndim() - 2] = std::min(a.shape(-2), a.shape(-1));
  return {mx::zeros(pivots, mx::uint32, c.s), mx::zeros(lower, a.dtype(), c.s), mx::zeros(upper, a.dtype(), c.s)};
}

inline const Row nnRows[] = {
    {"addmm", OUT(mx::addmm(c.in(k, 0), c.in(k, 1), c.in(k, 2), static_cast<float>(k.params[0].f), static_cast<float>(k.params[1].f), c.s))},
    {"linear", OUT(linear(c, k))},
    {"einsum", OUT(mx::einsum(k.params[0].s, c.rest(k, 0), c.s))},
    {"tensordot", OUT(mx::tensordot(c.in(k, 0), c.in(k, 1), c.ints(k, 0), c.ints(k, 1), c.s))},
    {"softmax", OUT(softmax(c, k))},
    {"layer_norm", OUT(mx::fast::layer_norm(c.in(k, 0), c.opt(k, 1), c.opt(k, 2), static_cast<float>(k.params[0].f), c.s))},
    {"rms_norm", OUT(mx::fast::rms_norm(c.in(k, 0), c.opt(k, 1), static_cast<float>(k.params[0].f), c.s))},
    {"rope", OUT(rope(c, k))},
    {"scaled_dot_product_attention", OUT(attention(c, k))},
    {"conv_general", OUT(mx::conv_general(c.in(k, 0), c.in(k, 1), c.ints(k, 0), c.ints(k, 1), c.ints(k, 2), c.ints(k, 3), c.ints(k, 4), c.i32(k, 5), k.params[6].b, c.s))},
    {"conv_transpose", OUT(convTranspose(c, k))},

    {"quantize", OUTS(mx::quantize(c.in(k, 0), orDefault(c.i32(k, 0)), orDefault(c.i32(k, 1)), k.params[2].s, std::nullopt, c.s))},
    {"dequantize", OUT(mx::dequantize(c.in(k, 0), c.in(k, 1), c.opt(k, 2), orDefault(c.i32(k, 0)), orDefault(c.i32(k, 1)), k.params[2].s, std::nullopt, k.params[3].dtype, c.s))},
    {"quantized_matmul", OUT(mx::quantized_matmul(c.in(k, 0), c.in(k, 1), c.in(k, 2), c.opt(k, 3), k.params[0].b, orDefault(c.i32(k, 1)), orDefault(c.i32(k, 2)), k.params[3].s, c.s))},
    {"gather_mm", OUT(mx::gather_mm(c.in(k, 0), c.in(k, 1), c.opt(k, 2), c.opt(k, 3), k.params[0].b, c.s))},
    {"block_masked_mm", OUT(mx::block_masked_mm(c.in(k, 0), c.in(k, 1), c.i32(k, 0), c.opt(k, 2), c.opt(k, 3), c.opt(k, 4), c.s))},
    {"segmented_mm", OUT(mx::segmented_mm(c.in(k, 0), c.in(k, 1), c.in(k, 2), c.s))},
    {"to_fp8", OUT(mx::to_fp8(c.in(k, 0), c.s))},
    {"from_fp8", OUT(mx::from_fp8(c.in(k, 0), k.params[0].dtype, c.s))},

    FFT(fftn), FFT(ifftn), FFT(rfftn), FFT(irfftn),

    {"linalg_inv", OUT(mx::linalg::inv(c.in(k, 0), c.cpu))},
    {"linalg_pinv", OUT(mx::linalg::pinv(c.in(k, 0), c.cpu))},
    {"linalg_cholesky", OUT(mx::linalg::cholesky(c.in(k, 0), k.params[0].b, c.cpu))},
    {"linalg_solve", OUT(mx::linalg::solve(c.in(k, 0), c.in(k, 1), c.cpu))},
    {"linalg_solve_triangular", OUT(mx::linalg::solve_triangular(c.in(k, 0), c.in(k, 1), k.params[0].b, c.cpu))},
    {"linalg_qr", OUTS(pair(mx::linalg::qr(c.in(k, 0), c.cpu)))},
    {"linalg_svd", OUTS(mx::linalg::svd(c.in(k, 0), true, c.cpu))},
    {"linalg_lu", OUTS(lu(c, c.in(k, 0)))},
    {"linalg_eigh", OUTS(pair(mx::linalg::eigh(c.in(k, 0), k.params[0].s, c.cpu)))},
    {"linalg_eigvalsh", OUT(mx::linalg::eigvalsh(c.in(k, 0), k.params[0].s, c.cpu))},
    {"linalg_cross", OUT(mx::linalg::cross(c.in(k, 0), c.in(k, 1), c.i32(k, 0), c.s))},

    {"random_key", OUT(mx::random::key(static_cast<uint64_t>(c.i64(k, 0))))},
    {"random_split", OUT(mx::random::split(c.in(k, 0), c.i32(k, 0), c.s))},
    {"random_uniform", OUT(mx::random::uniform(c.in(k, 0), c.in(k, 1), c.shape(k, 0), k.params[1].dtype, c.opt(k, 2), c.s))},
    {"random_normal", OUT(mx::random::normal(c.shape(k, 0), k.params[1].dtype, static_cast<float>(k.params[2].f), static_cast<float>(k.params[3].f), c.opt(k, 0), c.s))},
    {"random_randint", OUT(mx::random::randint(c.in(k, 0), c.in(k, 1), c.shape(k, 0), k.params[1].dtype, c.opt(k, 2), c.s))},
    {"random_bernoulli", OUT(mx::random::bernoulli(c.in(k, 0), c.shape(k, 0), c.opt(k, 1), c.s))},
    {"random_gumbel", OUT(mx::random::gumbel(c.shape(k, 0), k.params[1].dtype, c.opt(k, 0), c.s))},
    {"random_categorical", OUT(mx::random::categorical(c.in(k, 0), c.i32(k, 0), c.i32(k, 1), c.opt(k, 1), c.s))},
};

}  // namespace emily
