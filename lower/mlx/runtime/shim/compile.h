// The main program under mx::compile.
#pragma once
#include "mlx/compile.h"
#include "plan.h"

namespace emily {

// mostCompiled bounds the sets of sizes whose compiled programs a plan keeps; the least recently used goes.
constexpr size_t mostCompiled = 8;

// traced has MLX compile main. Claims become results after its own.
inline void traced(const Ctx& c, Compiled& e) {
  e.symbols = c.symbols;
  e.fn = mx::compile([&plan = c.plan, &e, s = c.s, cpu = c.cpu](const std::vector<array>& args) {
    Ctx c(plan, s, cpu, e.symbols, nullptr);
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

// compiledFor finds the program for c's symbols.
inline Compiled& compiledFor(const Ctx& c, std::list<Compiled>& cache) {
  auto it = std::find_if(cache.begin(), cache.end(), [&](auto& e) { return e.symbols == c.symbols; });
  if (it != cache.end()) {
    cache.splice(cache.begin(), cache, it);
    return cache.front();
  }
  if (cache.size() == mostCompiled) cache.pop_back();
  traced(c, cache.emplace_front());
  return cache.front();
}

// runCompiled is run of main. It must be called on one thread only, as MLX keeps what it compiled by thread.
inline Values runCompiled(Ctx& c, std::list<Compiled>& cache, Values args) {
  auto arrays = leaves(args);
  args.clear();
  auto& e = compiledFor(c, cache);
  e.where = {};
  std::vector<array> out;
  try {
    out = e.fn(arrays);
  } catch (...) {
    c.where = e.where;
    throw;
  }
  size_t own = out.size() - e.claims.size();
  for (size_t i = 0; i < e.claims.size(); i++) c.claims.push_back({out[own + i], e.claims[i].first, *e.claims[i].second});
  return Values(out.begin(), out.begin() + own);
}

}  // namespace emily
