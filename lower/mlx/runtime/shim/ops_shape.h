// Calls that move elements: shapes, slices, indices.
#pragma once
#include "ops_math.h"

namespace emily {

// leading drops the one-sized axes that mx::gather leaves for the first n axes, after the index dims.
inline std::vector<int> leading(int at, int n) {
  std::vector<int> axes;
  for (int i = 0; i < n; i++) axes.push_back(at + i);
  return axes;
}

inline int indexRank(const std::vector<array>& idx) {
  size_t r = 0;
  for (auto& i : idx) r = std::max(r, i.ndim());
  return static_cast<int>(r);
}

// gather: operand 0 indexed by the others on its leading axes, index arrays broadcast: a[i, j, …].
inline array gather(Ctx& c, const Call& k) {
  auto& a = c.in(k, 0);
  auto idx = c.rest(k, 1);
  int n = static_cast<int>(idx.size());
  Shape sizes = a.shape();
  for (int i = 0; i < n; i++) sizes[i] = 1;
  auto g = mx::gather(a, idx, leading(0, n), sizes, c.s);
  return mx::squeeze(g, leading(indexRank(idx), n), c.s);
}

using Scatter = array (*)(const array&, const std::vector<array>&, const array&, const std::vector<int>&, mx::StreamOrDevice);

// scatter: a[i, j, …] op= updates, where updates have the index dims and then the other axes of a. MLX divides by zero, and ends
// the process, where there are none.
inline array scatter(Ctx& c, const Call& k, Scatter f) {
  auto& a = c.in(k, 0);
  auto& u = c.in(k, 1);
  if (u.size() == 0) return a;
  auto idx = c.rest(k, 2);
  int n = static_cast<int>(idx.size());
  auto wide = mx::expand_dims(u, leading(indexRank(idx), n), c.s);
  return f(a, idx, wide, leading(0, n), c.s);
}

#define SCATTER(f) {#f, OUT(scatter(c, k, static_cast<Scatter>(mx::f)))}

// parts are slices: of a part with gaps, mx::split says that it spans its own elements alone, and the kernel of rope on CUDA, which gives its result
// the strides of its operand, would write past the end.
inline std::vector<array> parts(Ctx& c, const Call& k) {
  auto& x = c.in(k, 0);
  auto ends = c.ints(k, 0);
  int axis = c.i32(k, 1);
  Shape start(x.ndim(), 0), stop = x.shape();
  ends.push_back(stop.at(axis));
  std::vector<array> out;
  for (int end : ends) {
    stop[axis] = end;
    out.push_back(mx::slice(x, start, stop, c.s));
    start[axis] = end;
  }
  return out;
}

inline const Row shapeRows[] = {
    {"transpose", OUT(mx::transpose(c.in(k, 0), c.ints(k, 0), c.s))},
    {"reshape", OUT(mx::reshape(c.in(k, 0), c.shape(k, 0), c.s))},
    {"broadcast_to", OUT(mx::broadcast_to(c.in(k, 0), c.shape(k, 0), c.s))},
    {"expand_dims", OUT(mx::expand_dims(c.in(k, 0), c.ints(k, 0), c.s))},
    {"squeeze", OUT(mx::squeeze(c.in(k, 0), c.ints(k, 0), c.s))},
    {"flatten", OUT(mx::flatten(c.in(k, 0), c.i32(k, 0), c.i32(k, 1), c.s))},
    {"unflatten", OUT(mx::unflatten(c.in(k, 0), c.i32(k, 0), c.shape(k, 1), c.s))},
    {"concatenate", OUT(mx::concatenate(c.rest(k, 0), c.i32(k, 0), c.s))},
    {"stack", OUT(mx::stack(c.rest(k, 0), c.i32(k, 0), c.s))},
    {"split", OUTS(parts(c, k))},
    {"slice", OUT(mx::slice(c.in(k, 0), c.shape(k, 0), c.shape(k, 1), c.shape(k, 2), c.s))},
    {"slice_update", OUT(mx::slice_update(c.in(k, 0), c.in(k, 1), c.shape(k, 0), c.shape(k, 1), c.shape(k, 2), c.s))},
    {"slice_dynamic", OUT(mx::slice(c.in(k, 0), c.in(k, 1), c.ints(k, 0), c.shape(k, 1), c.s))},
    {"slice_update_dynamic", OUT(mx::slice_update(c.in(k, 0), c.in(k, 1), c.in(k, 2), c.ints(k, 0), c.s))},
    {"pad", OUT(mx::pad(c.in(k, 0), leading(0, static_cast<int>(c.in(k, 0).ndim())), c.shape(k, 0), c.shape(k, 1), c.in(k, 1), "constant", c.s))},
    {"tile", OUT(mx::tile(c.in(k, 0), c.ints(k, 0), c.s))},
    {"repeat", OUT(mx::repeat(c.in(k, 0), c.i32(k, 0), c.i32(k, 1), c.s))},
    {"roll", OUT(mx::roll(c.in(k, 0), c.shape(k, 0), c.ints(k, 1), c.s))},
    {"moveaxis", OUT(mx::moveaxis(c.in(k, 0), c.i32(k, 0), c.i32(k, 1), c.s))},
    {"swapaxes", OUT(mx::swapaxes(c.in(k, 0), c.i32(k, 0), c.i32(k, 1), c.s))},
    {"diagonal", OUT(mx::diagonal(c.in(k, 0), c.i32(k, 0), c.i32(k, 1), c.i32(k, 2), c.s))},
    {"diag", OUT(mx::diag(c.in(k, 0), c.i32(k, 0), c.s))},
    {"contiguous", OUT(mx::contiguous(c.in(k, 0), false, c.s))},
    {"stop_gradient", OUT(mx::stop_gradient(c.in(k, 0), c.s))},
    {"depends", OUT(mx::depends({c.in(k, 0)}, {c.in(k, 1)})[0])},
    {"as_strided", [](Ctx& c, const Call& k) {
       mx::Strides strides;
       for (auto& i : k.params[1].ints) strides.push_back(c.eval(i));
       c.out(k, mx::as_strided(c.in(k, 0), c.shape(k, 0), strides, static_cast<size_t>(c.i64(k, 2)), c.s));
     }},

    {"take", OUT(mx::take(c.in(k, 0), c.in(k, 1), c.i32(k, 0), c.s))},
    {"take_along_axis", OUT(mx::take_along_axis(c.in(k, 0), c.in(k, 1), c.i32(k, 0), c.s))},
    {"put_along_axis", OUT(mx::put_along_axis(c.in(k, 0), c.in(k, 1), c.in(k, 2), c.i32(k, 0), c.s))},
    {"gather", OUT(gather(c, k))},
    SCATTER(scatter), SCATTER(scatter_add), SCATTER(scatter_prod), SCATTER(scatter_max), SCATTER(scatter_min),
};

}  // namespace emily
