// Elementwise calls in one pass over memory, on the CPU: see lower/mlx/blockwise.go.
#pragma once
#include <future>

#include "mlx/allocator.h"
#include "mlx/backend/cpu/encoder.h"
#include "mlx/primitives.h"
#include "plan.h"

namespace emily {

// Step is an instruction: a and b are places among the operands and the results of the steps before.
struct Step {
  enum Op : int { Add, Subtract, Multiply, Divide, Sqrt, Square, Negative, Count } op;
  int a, b;
};

// blockSize is how many elements the steps are applied to at a time: 2 KB an array, so that tens of them stay in the cache.
constexpr size_t blockSize = 512;

template <class F>
void eachOf(const float* __restrict a, const float* __restrict b, float* __restrict out, F f) {
  for (size_t i = 0; i < blockSize; i++) out[i] = f(a[i], b[i]);
}

inline void apply(Step::Op op, const float* a, const float* b, float* out) {
  switch (op) {
    case Step::Add: return eachOf(a, b, out, [](float x, float y) { return x + y; });
    case Step::Subtract: return eachOf(a, b, out, [](float x, float y) { return x - y; });
    case Step::Multiply: return eachOf(a, b, out, [](float x, float y) { return x * y; });
    case Step::Divide: return eachOf(a, b, out, [](float x, float y) { return x / y; });
    case Step::Sqrt: return eachOf(a, b, out, [](float x, float) { return __builtin_sqrtf(x); });
    case Step::Square: return eachOf(a, b, out, [](float x, float) { return x * x; });
    case Step::Negative: return eachOf(a, b, out, [](float x, float) { return -x; });
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

// stepwise makes the calls one by one.
inline array stepwise(const Step& k, const array& a, const array& b, mx::Stream s) {
  switch (k.op) {
    case Step::Add: return mx::add(a, b, s);
    case Step::Subtract: return mx::subtract(a, b, s);
    case Step::Multiply: return mx::multiply(a, b, s);
    case Step::Divide: return mx::divide(a, b, s);
    case Step::Sqrt: return mx::sqrt(a, s);
    case Step::Square: return mx::square(a, s);
    default: return mx::negative(a, s);
  }
}

inline std::vector<Step> steps(Ctx& c, const Call& k) {
  auto code = c.ints(k, 0);
  std::vector<Step> out;
  for (size_t i = 0; i + 2 < code.size(); i += 3) {
    int places = static_cast<int>(k.in.size() + out.size());
    Step s{static_cast<Step::Op>(code[i]), code[i + 1], code[i + 2]};
    if (code[i] < 0 || code[i] >= Step::Count || s.a < 0 || s.a >= places || s.b < 0 || s.b >= places) throw std::invalid_argument("blockwise: bad code");
    out.push_back(s);
  }
  return out;
}

// blockwise makes one pass where the operands are f32 of one shape or single elements, on the CPU; else the calls one by one.
inline std::vector<array> blockwise(Ctx& c, const Call& k) {
  auto code = steps(c, k);
  auto results = c.ints(k, 1);
  for (int r : results)
    if (r < 0 || r >= static_cast<int>(code.size())) throw std::invalid_argument("blockwise: bad code");
  auto in = c.rest(k, 0);
  const array* whole = nullptr;
  bool fits = c.s.device == mx::Device::cpu;
  for (auto& a : in) {
    fits = fits && a.dtype() == mx::float32;
    if (a.size() == 1) continue;
    fits = fits && (!whole || a.shape() == whole->shape());
    whole = &a;
  }
  if (fits && whole) {
    Shape shape = whole->shape();
    for (auto& a : in)
      if (a.size() > 1) a = mx::contiguous(a, false, c.s);
    return array::make_arrays(std::vector<Shape>(results.size(), shape), std::vector<mx::Dtype>(results.size(), mx::float32),
                              std::make_shared<Blockwise>(c.s, std::move(code), results), in);
  }
  for (auto& s : code) in.push_back(stepwise(s, in[s.a], in[s.b], c.s));
  std::vector<array> out;
  for (int r : results) out.push_back(in[k.in.size() + r]);
  return out;
}

inline const Row blockwiseRows[] = {
    {"blockwise", [](Ctx& c, const Call& k) { c.outs(k, blockwise(c, k)); }},
};

}  // namespace emily
