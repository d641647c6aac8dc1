// Softmax of f32 over the last axis, and attention with it, on the CPU.
#pragma once
#include <limits>

#include "blocks.h"

namespace emily {

// lanes are as many sums, or maxima, side by side as vector instructions take.
constexpr size_t lanes = 16;

CLONES static void softmaxRow(const float* x, float* y, size_t n) {
  float most[lanes], sum[lanes];
  std::fill_n(most, lanes, -INFINITY);
  std::fill_n(sum, lanes, 0.0f);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes)
    for (size_t j = 0; j < lanes; j++) most[j] = x[i + j] > most[j] ? x[i + j] : most[j];
  for (; i < n; i++) most[0] = x[i] > most[0] ? x[i] : most[0];
  float top = *std::max_element(most, most + lanes);
  for (i = 0; i + lanes <= n; i += lanes)
    for (size_t j = 0; j < lanes; j++) sum[j] += y[i + j] = expOf(x[i + j] - top);
  for (; i < n; i++) sum[0] += y[i] = expOf(x[i] - top);
  float by = 1 / std::accumulate(sum, sum + lanes, 0.0f);
  for (i = 0; i < n; i++) y[i] *= by;
}

class Softmax : public mx::Primitive {
 public:
  explicit Softmax(mx::Stream s) : Primitive(s) {}

  void eval_cpu(const std::vector<array>& inputs, std::vector<array>& outputs) override {
    auto& x = inputs[0];
    auto& y = outputs[0];
    if (x.is_donatable()) y.copy_shared_buffer(x);
    else y.set_data(mx::allocator::malloc(y.nbytes()));
    size_t n = x.shape(-1), rows = x.size() / n;
    mx::cpu::get_command_encoder(stream()).dispatch([from = x.data<float>(), to = y.data<float>(), n, rows] {
      for (size_t i = 0; i < rows; i++) softmaxRow(from + i * n, to + i * n, n);
    });
  }

  void eval_gpu(const std::vector<array>&, std::vector<array>&) override { throw std::runtime_error("softmax by rows is for the CPU"); }

  const char* name() const override { return "SoftmaxRows"; }
};

// softmax is over the last axis. MLX calls a scalar exp for each element on x86-64.
inline array softmax(const Ctx& c, const array& x, bool precise) {
  if (!fitsBlocks(c, x) || x.ndim() == 0 || x.size() == 0) return mx::softmax(x, -1, precise, c.s);
  return array(x.shape(), x.dtype(), std::make_shared<Softmax>(c.s), {mx::contiguous(x, false, c.s)});
}

// attend is what mx::fast::scaled_dot_product_attention is composed of where it has no kernel, without sinks: a query that sees no key gives
// the mean of the values, as hidden scores are the least number.
inline array attend(const Ctx& c, array q, array k, array v, float scale, bool causal, std::optional<array> mask) {
  auto s = c.s;
  int groups = k.shape(1), repeats = q.shape(1) / groups, rows = q.shape(2), columns = k.shape(2);
  q = mx::multiply(q, array(scale), s);
  if (causal) mask = mx::greater_equal(mx::expand_dims(mx::arange(columns - rows, columns, s), 1, s), mx::arange(0, columns, s), s);
  if (repeats > 1) {
    q = mx::unflatten(q, 1, {groups, repeats}, s);
    k = mx::expand_dims(k, 2, s);
    v = mx::expand_dims(v, 2, s);
    if (mask && mask->ndim() > 2) mask = mask->shape(-3) == 1 ? mx::expand_dims(*mask, -3, s) : mx::unflatten(*mask, -3, {groups, repeats}, s);
  }
  auto scores = mx::matmul(q, mx::swapaxes(k, -1, -2, s), s);
  if (mask) scores = mask->dtype() == mx::bool_ ? mx::where(*mask, scores, array(std::numeric_limits<float>::lowest()), s) : mx::add(scores, *mask, s);
  auto y = mx::matmul(softmax(c, scores, true), v, s);
  return repeats > 1 ? mx::flatten(y, 1, 2, s) : y;
}

}  // namespace emily
