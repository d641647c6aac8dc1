// States that live between runs.
#pragma once
#include "control.h"

namespace emily {

// nothing is a state before it is set, or after it was lost.
inline Value nothing() { return std::make_shared<const Values>(); }

inline bool isNothing(const Value& v) { return std::holds_alternative<List>(v); }

// owned copies the caller's elements into memory of MLX's own, which it may write into.
inline array owned(const void* data, Shape shape, mx::Dtype dtype, mx::Stream s) {
  auto as = [&](auto* p, mx::Dtype d) { return array(p, std::move(shape), d); };
  auto copy = [&] {
    switch (mx::size_of(dtype)) {
      case 1: return as(static_cast<const uint8_t*>(data), mx::uint8);
      case 2: return as(static_cast<const uint16_t*>(data), mx::uint16);
      case 4: return as(static_cast<const uint32_t*>(data), mx::uint32);
      default: return as(static_cast<const uint64_t*>(data), mx::uint64);
    }
  }();
  return mx::view(copy, dtype, s);
}

// Session holds the states of a plan.
struct Session {
  const std::vector<StateInfo>& infos;
  Values states;
  int64_t capacity;

  Session(const std::vector<StateInfo>& infos, int64_t capacity) : infos(infos), states(infos.size(), nothing()), capacity(capacity) {}

  // open appends the states to the operands of a run. They stay here until its graph is built, so that a run that fails before
  // it evaluates changes nothing.
  void open(Ctx& c, Values& args) const {
    for (size_t i = 0; i < states.size(); i++)
      if (!infos[i].grows && isNothing(states[i])) throw std::runtime_error("a state is not set, or was lost when an earlier run failed: set it");
    c.capacity = capacity;
    args.insert(args.end(), states.begin(), states.end());
  }

  // keep takes the new states off the results of a run, and evaluates both. Nothing else holds the old ones by then, so that MLX writes
  // into their buffers. Should evaluation fail, they are lost. Before values are replaced, claims must have turned out true, and the
  // caller can give the run up no more; what a cache gets lies behind what was there, so that both may come later.
  void keep(Ctx& c, Values& results) {
    Values next(results.end() - states.size(), results.end());
    results.erase(results.end() - states.size(), results.end());
    if (std::any_of(infos.begin(), infos.end(), [](auto& i) { return !i.grows; })) {
      if (!c.claims.empty()) c.settle({});
      c.commit();
    }
    auto arrays = leaves(results);
    leaves(next, arrays);
    for (auto& k : c.claims) arrays.push_back(k.ok);
    states.assign(states.size(), nothing());
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
  if (isNothing(state)) throw std::runtime_error("the cache was lost when an earlier run failed: reset the session");
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
