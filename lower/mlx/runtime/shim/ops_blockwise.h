// Elementwise calls in one pass over memory, on the CPU: see lower/mlx/blockwise.go and stretch.go.
#pragma once
#include <future>

#include "mlx/allocator.h"
#include "mlx/backend/cpu/encoder.h"
#include "mlx/primitives.h"
#include "control.h"
#include "ops_math.h"

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

// Steps are the calls of a program in that form. Numbers that it loads follow its operands.
struct Steps {
  std::vector<Step> list;
  std::vector<int> results;
  std::vector<array> numbers;
};

// stepsOf is nothing for a program with other calls.
inline std::optional<Steps> stepsOf(const Plan& plan, const Program& g) {
  static const auto ops = [] {
    std::unordered_map<Fn, Step::Op> found;
    const char* names[] = {"add", "subtract", "multiply", "divide", "sqrt", "square", "negative"};
    for (auto& row : mathRows)
      for (int i = 0; i < Step::Count; i++)
        if (std::string_view(row.name) == names[i]) found[row.fn] = static_cast<Step::Op>(i);
    return found;
  }();
  static const Fn load = std::find_if(std::begin(controlRows), std::end(controlRows), [](auto& row) { return row.name == std::string_view("const"); })->fn;
  Steps out;
  std::vector<int> place(g.regs, -1);
  int next = 0;
  for (auto r : g.params) place.at(r) = next++;
  for (auto& k : g.calls)
    if (!ops.count(k.fn)) {
      if (k.fn != load) return std::nullopt;
      out.numbers.push_back(plan.consts.at(k.params.at(0).ints.at(0).v));
      place.at(k.out.at(0)) = next++;
    }
  int first = next;
  for (auto& k : g.calls) {
    auto op = ops.find(k.fn);
    if (op == ops.end()) continue;
    out.list.push_back({op->second, place.at(k.in.front()), place.at(k.in.back())});
    place.at(k.out.at(0)) = next++;
  }
  for (auto r : g.results) out.results.push_back(place.at(r) - first);
  return out;
}

// blockwise makes one pass of a program where all is f32 of one shape or one element, on the CPU; else it runs the calls one by one.
inline Values blockwise(Ctx& c, const Call& k) {
  auto in = c.rest(k, 0);
  auto steps = stepsOf(c.plan, c.plan.programs.at(program(k, 0)));
  auto operands = in;
  if (steps) operands.insert(operands.end(), steps->numbers.begin(), steps->numbers.end());
  const array* whole = nullptr;
  bool fits = steps && c.s.device == mx::Device::cpu;
  for (auto& a : operands) {
    fits = fits && a.dtype() == mx::float32 && !a.is_tracer();
    if (a.size() == 1) continue;
    fits = fits && (!whole || a.shape() == whole->shape());
    whole = &a;
  }
  if (!fits || !whole) return run(c, program(k, 0), Values(in.begin(), in.end()));
  Shape shape = whole->shape();
  for (auto& a : operands)
    if (a.size() > 1) a = mx::contiguous(a, false, c.s);
  size_t n = steps->results.size();
  auto out = array::make_arrays(std::vector<Shape>(n, shape), std::vector<mx::Dtype>(n, mx::float32),
                                std::make_shared<Blockwise>(c.s, std::move(steps->list), std::move(steps->results)), operands);
  return Values(out.begin(), out.end());
}

inline const Row blockwiseRows[] = {{"blockwise", OUTS(blockwise(c, k))}};

}  // namespace emily
