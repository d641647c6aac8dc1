// States that live between runs.
#pragma once
#include "control.h"

namespace emily {

// Session holds the states of a plan: buffers, or lists of nothing before the first run.
struct Session {
  Values states;
  int64_t capacity;

  Session(size_t n, int64_t capacity) : states(n, std::make_shared<const Values>()), capacity(capacity) {}

  // open appends the states to the operands of a run. They stay here until its graph is built, so that a run that fails before
  // it evaluates changes nothing.
  void open(Ctx& c, Values& args) const {
    c.capacity = capacity;
    args.insert(args.end(), states.begin(), states.end());
  }

  // keep takes the new states off the results of a run, and evaluates both. Nothing else holds the old ones by then, so that MLX writes
  // into their buffers. Should evaluation fail, they are lost. A claim that is false is found when they are written, behind what was there.
  void keep(Ctx& c, Values& results) {
    Values next(results.end() - states.size(), results.end());
    results.erase(results.end() - states.size(), results.end());
    auto arrays = leaves(results);
    leaves(next, arrays);
    for (auto& k : c.claims) arrays.push_back(k.ok);
    states.assign(states.size(), std::make_shared<const Values>());
    mx::eval(std::move(arrays));
    states = std::move(next);
    c.checkClaims();
  }
};

// cacheStep is what lengths of buffers are multiples of on a GPU, as mlx-lm's are: for a single query, MLX takes cuDNN's attention on CUDA
// only where keys and values are slices of such buffers.
constexpr int64_t cacheStep = 256;

// roomy is the length of a buffer that has room for n elements.
inline int roomy(const Ctx& c, int64_t n) {
  return Ctx::narrow(c.s.device == mx::Device::gpu ? (n + cacheStep - 1) / cacheStep * cacheStep : n);
}

// reserve gives the buffer of a state room for shape; twice its size where it grows. length elements on the axis are there.
inline array reserve(Ctx& c, const Call& k) {
  auto shape = c.shape(k, 0);
  int axis = c.i32(k, 1), length = c.i32(k, 2);
  auto dtype = k.params[3].dtype;
  auto& state = c.reg(k.in[0]);
  if (length == 0) {
    shape[axis] = roomy(c, std::max<int64_t>(shape[axis], c.capacity));
    return mx::zeros(shape, dtype, c.s);
  }
  if (std::holds_alternative<List>(state)) throw std::runtime_error("the cache was lost when an earlier run failed: reset the session");
  auto& buffer = asArray(state);
  Shape start(shape.size(), 0), stop = buffer.shape();
  stop.at(axis) = shape[axis];
  if (stop != shape) throw std::invalid_argument("a cache of other sizes than in earlier runs: reset the session");
  if (buffer.shape(axis) >= shape[axis]) return buffer;
  shape[axis] = roomy(c, std::max<int64_t>(shape[axis], 2 * static_cast<int64_t>(buffer.shape(axis))));
  stop[axis] = length;
  return mx::slice_update(mx::zeros(shape, dtype, c.s), mx::slice(buffer, start, stop, c.s), start, stop, c.s);
}

inline const Row sessionRows[] = {{"reserve", OUT(reserve(c, k))}};

}  // namespace emily
