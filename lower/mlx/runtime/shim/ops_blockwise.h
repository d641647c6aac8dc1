// Stretches of elementwise calls in one pass over memory, on the CPU: see lower/mlx/blockwise.go.
#pragma once
#include "control.h"
#include "ops_math.h"

namespace emily {

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
    const char* names[] = {"add", "subtract", "multiply", "divide", "maximum", "minimum", "sqrt", "square", "negative", "reciprocal", "exp", "sigmoid", "tanh", "erf"};
    static_assert(std::size(names) == Step::Count);
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
  bool fits = steps.has_value();
  for (auto& a : operands) {
    fits = fits && fitsBlocks(c, a);
    if (a.size() == 1) continue;
    fits = fits && (!whole || a.shape() == whole->shape());
    whole = &a;
  }
  for (auto& a : operands) fits = fits && whole && a.ndim() <= whole->ndim(); // a number of more axes would give its own to the result
  if (!fits || whole->size() == 0) return run(c, program(k, 0), Values(in.begin(), in.end()));
  Shape shape = whole->shape();
  auto out = inBlocks(std::move(operands), shape, std::move(steps->list), std::move(steps->results), c.s);
  return Values(out.begin(), out.end());
}

inline const Row blockwiseRows[] = {{"blockwise", OUTS(blockwise(c, k))}};

}  // namespace emily
