// A primitive for the CPU: steps of elementwise arithmetic in one pass over memory.
#pragma once
#include <future>

#include "mlx/allocator.h"
#include "mlx/backend/cpu/encoder.h"
#include "mlx/primitives.h"
#include "plan.h"
#include "vector.h"

// CLONES compiles a function for the vector instructions that the processor may have, of which the system takes the best.
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define CLONES __attribute__((target_clones("arch=skylake-avx512", "arch=haswell", "default")))
#else
#define CLONES
#endif

namespace emily {

// Step is an instruction: a and b are places among the operands and the results of the steps before.
struct Step {
  enum Op : int { Add, Subtract, Multiply, Divide, Maximum, Minimum, Sqrt, Square, Negative, Reciprocal, Exp, Sigmoid, Tanh, Erf, Count } op;
  int a, b;
};

// blockSize is how many elements the steps are applied to at a time: 2 KB an array, so that tens of them stay in the cache.
constexpr size_t blockSize = 512;

template <class F>
[[gnu::always_inline]] inline void eachOf(const float* __restrict a, const float* __restrict b, float* __restrict out, F f) {
  for (size_t i = 0; i < blockSize; i++) out[i] = f(a[i], b[i]);
}

CLONES static void apply(Step::Op op, const float* a, const float* b, float* out) {
  switch (op) {
    case Step::Add: return eachOf(a, b, out, [](float x, float y) { return x + y; });
    case Step::Subtract: return eachOf(a, b, out, [](float x, float y) { return x - y; });
    case Step::Multiply: return eachOf(a, b, out, [](float x, float y) { return x * y; });
    case Step::Divide: return eachOf(a, b, out, [](float x, float y) { return x / y; });
    case Step::Maximum: return eachOf(a, b, out, [](float x, float y) { return x != x || x > y ? x : y; });
    case Step::Minimum: return eachOf(a, b, out, [](float x, float y) { return x != x || x < y ? x : y; });
    case Step::Sqrt: return eachOf(a, b, out, [](float x, float) { return __builtin_sqrtf(x); });
    case Step::Square: return eachOf(a, b, out, [](float x, float) { return x * x; });
    case Step::Negative: return eachOf(a, b, out, [](float x, float) { return -x; });
    case Step::Reciprocal: return eachOf(a, b, out, [](float x, float) { return 1 / x; });
    case Step::Exp: return eachOf(a, b, out, [](float x, float) { return expOf(x); });
    case Step::Sigmoid: return eachOf(a, b, out, [](float x, float) { return sigmoidOf(x); });
    case Step::Tanh: return eachOf(a, b, out, [](float x, float) { return tanhOf(x); });
    case Step::Erf: return eachOf(a, b, out, [](float x, float) { return erfOf(x); });
    case Step::Count: break;
  }
}

// Operand is where an operand lies; one of a single element does not move on.
struct Operand {
  const float* data;
  bool single;
};

// runBlocks applies the steps to n elements, block by block. An output may lie where an operand does: blocks are written when all
// steps have read them.
inline void runBlocks(const std::vector<Step>& steps, const std::vector<int>& results, const std::vector<Operand>& in, const std::vector<float*>& out, size_t n) {
  size_t places = in.size() + steps.size();
  std::vector<float> scratch(places * blockSize);
  std::vector<const float*> at(places);
  for (size_t i = 0; i < places; i++) at[i] = &scratch[i * blockSize];
  for (size_t i = 0; i < in.size(); i++)
    if (in[i].single) std::fill_n(&scratch[i * blockSize], blockSize, *in[i].data);
  for (size_t begin = 0; begin < n; begin += blockSize) {
    size_t length = std::min(blockSize, n - begin);
    for (size_t i = 0; i < in.size(); i++) {
      if (in[i].single) continue;
      if (length == blockSize) at[i] = in[i].data + begin;
      else at[i] = static_cast<const float*>(std::memcpy(&scratch[i * blockSize], in[i].data + begin, length * sizeof(float)));
    }
    for (size_t i = 0; i < steps.size(); i++) apply(steps[i].op, at[steps[i].a], at[steps[i].b], &scratch[(in.size() + i) * blockSize]);
    for (size_t i = 0; i < results.size(); i++) std::memcpy(out[i] + begin, at[in.size() + results[i]], length * sizeof(float));
  }
}

// longWait is how many elements are worth a wait until all before is done. MLX makes results up to a hundred calls ahead, and of calls as long as
// these that would be most of a program, its memory with it: all gradients of a training step.
constexpr size_t longWait = 1 << 18;

inline void drain(mx::Stream s) {
  std::promise<void> done;
  mx::cpu::get_command_encoder(s).dispatch([&done] { done.set_value(); });
  done.get_future().wait();
}

// Blockwise is the primitive, of row-contiguous arrays of one shape and arrays of one element.
class Blockwise : public mx::Primitive {
 public:
  Blockwise(mx::Stream s, std::vector<Step> steps, std::vector<int> results) : Primitive(s), steps(std::move(steps)), results(std::move(results)) {}

  void eval_cpu(const std::vector<array>& inputs, std::vector<array>& outputs) override {
    for (auto& o : outputs) // every output holds the operands, which could not be reused then
      if (&o.inputs() != &inputs) o.inputs().clear();
    std::vector<Operand> in;
    std::vector<float*> out;
    for (auto& a : inputs) in.push_back({a.data<float>(), a.size() == 1});
    size_t next = 0, n = outputs[0].size();
    if (n >= longWait) drain(stream());
    for (auto& o : outputs) {
      while (next < inputs.size() && (in[next].single || !inputs[next].is_donatable() || inputs[next].data_size() != o.size())) next++;
      if (next < inputs.size()) o.copy_shared_buffer(inputs[next++]);
      else o.set_data(mx::allocator::malloc(o.nbytes()));
      out.push_back(o.data<float>());
    }
    mx::cpu::get_command_encoder(stream()).dispatch([steps = steps, results = results, in = std::move(in), out = std::move(out), n] { runBlocks(steps, results, in, out, n); });
  }

  void eval_gpu(const std::vector<array>&, std::vector<array>&) override { throw std::runtime_error("blockwise calls are for the CPU"); }

  const char* name() const override { return "Blockwise"; }

 private:
  std::vector<Step> steps;
  std::vector<int> results;
};

// inBlocks makes arrays of the steps on operands of f32, of one shape or one element.
inline std::vector<array> inBlocks(std::vector<array> operands, const Shape& shape, std::vector<Step> steps, std::vector<int> results, mx::Stream s) {
  for (auto& a : operands)
    if (a.size() > 1) a = mx::contiguous(a, false, s);
  size_t n = results.size();
  auto p = std::make_shared<Blockwise>(s, std::move(steps), std::move(results));
  return array::make_arrays(std::vector<Shape>(n, shape), std::vector<mx::Dtype>(n, mx::float32), std::move(p), operands);
}

// fitsBlocks reports whether a may be an operand.
inline bool fitsBlocks(const Ctx& c, const array& a) { return c.s.device == mx::Device::cpu && a.dtype() == mx::float32 && !a.is_tracer(); }

using Unary = array (*)(const array&, mx::StreamOrDevice);

// vectorised is the step of x on the CPU, which is many times faster than MLX's function f there.
inline array vectorised(const Ctx& c, const array& x, Step::Op op, Unary f) {
  if (!fitsBlocks(c, x) || x.size() < 2) return f(x, c.s);
  return inBlocks({x}, x.shape(), {{op, 0, 0}}, {0}, c.s)[0];
}

}  // namespace emily
