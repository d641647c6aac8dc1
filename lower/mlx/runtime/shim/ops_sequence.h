// Lists: the sequences and optionals of a plan.
#pragma once
#include "control.h"

namespace emily {

// maxItems bounds the length of a list, which a loop may make without end.
constexpr size_t maxItems = 1 << 24;

inline List listOf(Values items) {
  if (items.size() > maxItems) throw std::length_error("a list of " + std::to_string(items.size()) + " elements, at most " + std::to_string(maxItems) + " are allowed");
  return std::make_shared<const Values>(std::move(items));
}

// place is the position at, from the end where it is negative, below n.
inline size_t place(int64_t at, size_t n) {
  auto size = static_cast<int64_t>(n);
  if (at < -size || at >= size) throw std::out_of_range("position " + std::to_string(at) + " in a list of " + std::to_string(n) + " elements");
  return static_cast<size_t>(at < 0 ? at + size : at);
}

inline List append(const Values& items, const Value& x) {
  Values out = items;
  out.push_back(x);
  return listOf(std::move(out));
}

inline List insert(const Values& items, const Value& x, int64_t at) {
  if (at == static_cast<int64_t>(items.size())) return append(items, x);
  Values out = items;
  out.insert(out.begin() + place(at, items.size()), x);
  return listOf(std::move(out));
}

inline List erase(const Values& items, int64_t at) {
  Values out = items;
  out.erase(out.begin() + place(at, items.size()));
  return listOf(std::move(out));
}

// cuts are where an axis of size n is cut into the given sizes, or into parts of one size, the last of which may be smaller.
inline Shape cuts(int n, const std::vector<int64_t>& sizes, bool parts) {
  auto fail = [&] {
    std::string what = "parts of";
    for (auto s : sizes) what += " " + std::to_string(s);
    throw std::invalid_argument(what + " of an axis of size " + std::to_string(n));
  };
  Shape at;
  if (!parts) {
    int64_t size = sizes.at(0);
    if (size < 1 || n / size > static_cast<int64_t>(maxItems)) fail();
    for (int64_t i = size; i < n; i += size) at.push_back(static_cast<int>(i));
    return at;
  }
  int64_t sum = 0;
  for (auto s : sizes) {
    if (s < 0 || s > n - sum) fail();
    at.push_back(static_cast<int>(sum += s));
  }
  if (sum != n) fail();
  if (!at.empty()) at.pop_back();
  return at;
}

// split: operands x, sizes?; one size is that of every part, and without any it is 1.
inline List split(Ctx& c, const Call& k) {
  auto& x = c.in(k, 0);
  int axis = c.i32(k, 0);
  bool squeeze = k.params[1].b;
  auto sizes = c.opt(k, 1);
  bool parts = sizes && sizes->ndim() > 0;
  auto at = cuts(x.shape(axis), sizes ? values(c, *sizes) : std::vector<int64_t>{1}, parts);
  if (x.shape(axis) == 0 && (!parts || sizes->size() == 0)) return listOf({});
  Values out;
  for (auto& part : mx::split(x, at, axis, c.s)) out.emplace_back(squeeze ? mx::squeeze(part, axis, c.s) : part);
  return listOf(std::move(out));
}

inline array joined(Ctx& c, const Call& k) {
  auto items = leaves(c.list(k, 0));
  if (items.empty()) throw std::invalid_argument("an empty list is joined");
  int axis = c.i32(k, 0);
  return k.params[1].b ? mx::stack(items, axis, c.s) : mx::concatenate(items, axis, c.s);
}

inline const Row sequenceRows[] = {
    {"list", OUT(listOf(c.restValues(k, 0)))},
    {"list_append", OUT(append(c.list(k, 0), c.reg(k.in[1])))},
    {"list_insert", OUT(insert(c.list(k, 0), c.reg(k.in[1]), c.i64(k, 0)))},
    {"list_erase", OUT(erase(c.list(k, 0), c.i64(k, 0)))},
    {"list_at", OUT(c.list(k, 0)[place(c.i64(k, 0), c.list(k, 0).size())])},
    {"list_length", OUT(array(static_cast<int64_t>(c.list(k, 0).size()), mx::int64))},
    {"list_split", OUT(split(c, k))},
    {"list_join", OUT(joined(c, k))},
};

}  // namespace emily
