// Programs under mx::compile: main as a whole, and stretches of elementwise calls. They must be called on one thread only, as MLX
// keeps what it compiled by thread.
#pragma once
#include "mlx/compile.h"
#include "control.h"

namespace emily {

// mostCompiled bounds the keys for which what MLX compiled is kept; the least recently used goes.
constexpr size_t mostCompiled = 8;

// compiledFor finds what was compiled for the key, or has trace compile it.
template <class F>
Compiled& compiledFor(std::list<Compiled>& cache, const std::vector<int64_t>& key, F trace) {
  auto it = std::find_if(cache.begin(), cache.end(), [&](auto& e) { return e.key == key; });
  if (it != cache.end()) {
    cache.splice(cache.begin(), cache, it);
    return cache.front();
  }
  if (cache.size() == mostCompiled) cache.pop_back();
  auto& e = cache.emplace_front();
  e.key = key;
  trace(e);
  return e;
}

// call calls what MLX compiled; e.where says which call failed while it was traced.
inline std::vector<array> call(Ctx& c, Compiled& e, const std::vector<array>& args) {
  e.where = {};
  try {
    return e.fn(args);
  } catch (...) {
    c.where = e.where;
    throw;
  }
}

// traced has MLX compile main for the symbols that its graph has built in. Claims become results after its own.
inline void traced(const Ctx& c, Compiled& e) {
  e.fn = mx::compile([&plan = c.plan, &e, s = c.s, cpu = c.cpu](const std::vector<array>& args) {
    Ctx c(plan, s, cpu, e.key, nullptr);
    try {
      auto out = leaves(run(c, plan.main, Values(args.begin(), args.end())));
      e.claims.clear();
      for (auto& k : c.claims) {
        out.push_back(k.ok);
        e.claims.emplace_back(k.at, &k.what);
      }
      return out;
    } catch (...) {
      e.where = c.where;
      throw;
    }
  });
}

// runCompiled is run of main.
inline Values runCompiled(Ctx& c, std::list<Compiled>& cache, Values args) {
  auto arrays = leaves(args);
  args.clear(); // of states: nothing else may hold them
  auto& e = compiledFor(cache, c.symbols, [&](auto& e) { traced(c, e); });
  auto out = call(c, e, arrays);
  size_t own = out.size() - e.claims.size();
  for (size_t i = 0; i < e.claims.size(); i++) c.claims.push_back({out[own + i], e.claims[i].first, *e.claims[i].second});
  return Values(out.begin(), out.begin() + own);
}

// pattern tells ranks, and on each axis, counted from the last, which operands have one element and which have the same number. MLX
// decides by no more than that what it broadcasts, so that a graph traced without shapes serves all operands of its pattern.
inline std::vector<int64_t> pattern(const std::vector<array>& args) {
  std::vector<int64_t> key;
  for (auto& a : args) {
    key.push_back(static_cast<int64_t>(a.ndim()));
    for (int axis = 1; axis <= static_cast<int>(a.ndim()); axis++) {
      int size = a.shape(-axis);
      auto same = [&](auto& b) { return axis <= static_cast<int>(b.ndim()) && b.shape(-axis) == size; };
      key.push_back(size == 1 ? -1 : std::find_if(args.begin(), args.end(), same) - args.begin());
    }
  }
  return key;
}

// stretch runs a program of elementwise calls, which MLX makes a kernel of. It is run as it is where each call is timed, inside of a
// program that is compiled as a whole, and on nothing, of which MLX would get the shape wrong.
inline Values stretch(Ctx& c, const Call& k) {
  auto args = c.rest(k, 0);
  auto id = program(k, 0);
  if (c.profile || c.plan.compile || std::any_of(args.begin(), args.end(), [](auto& a) { return a.size() == 0; }))
    return run(c, id, Values(args.begin(), args.end()));
  auto& e = compiledFor(c.plan.stretches[id], pattern(args), [&](auto& e) {
    auto trace = [&plan = c.plan, &e, id, s = c.s, cpu = c.cpu](const std::vector<array>& args) {
      Ctx c(plan, s, cpu, {}, nullptr);
      try {
        return leaves(run(c, id, Values(args.begin(), args.end())));
      } catch (...) {
        e.where = c.where;
        throw;
      }
    };
    e.fn = mx::compile(trace, /* shapeless */ true);
  });
  auto out = call(c, e, args);
  return Values(out.begin(), out.end());
}

inline const Row compiledRows[] = {{"compiled", OUTS(stretch(c, k))}};

}  // namespace emily
