// The native form of a Plan: decoded once, then run many times. The byte form is described in
// lower/mlx/encode.go; calls are matched by name against the rows of ops_*.h and control.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <cstring>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unordered_map>
#include <variant>
#include <vector>

#include "mlx/mlx.h"
#include "mlx/version.h"

namespace emily {

namespace mx = mlx::core;
using mx::array;
using mx::Shape;

// Value is what a register holds: an array, or a list of values. Lists are shared and never change; an optional is a list of
// at most one.
struct Value;
using Values = std::vector<Value>;
using List = std::shared_ptr<const Values>;
struct Value : std::variant<array, List> {
  using variant::variant;
};

inline const array& asArray(const Value& v) {
  if (auto a = std::get_if<array>(&v)) return *a;
  throw std::logic_error("a list where an array is due");
}

inline const Values& asList(const Value& v) {
  if (auto l = std::get_if<List>(&v)) return **l;
  throw std::logic_error("an array where a list is due");
}

// leaves appends the arrays in v.
inline void leaves(const Values& v, std::vector<array>& to) {
  for (auto& x : v)
    if (auto a = std::get_if<array>(&x)) to.push_back(*a);
    else leaves(asList(x), to);
}

inline std::vector<array> leaves(const Values& v) {
  std::vector<array> out;
  leaves(v, out);
  return out;
}

// Int is a constant or the index of an expression.
struct Int {
  bool expr;
  int64_t v;
};

struct Expr {
  enum Op : uint8_t { Const, Sym, Add, Mul, FloorDiv, Mod, Min, Max } op;
  int64_t a, b;
};

struct Param {
  std::vector<Int> ints;  // int, ints, symbols and program parameters
  double f = 0;
  bool b = false;
  mx::Dtype dtype = mx::float32;
  std::string s;
};

struct Ctx;
struct Call;
using Fn = void (*)(Ctx&, const Call&);

struct Row {
  const char* name;
  Fn fn;
};

struct Call {
  Fn fn;
  std::vector<int32_t> in, out, free;
  std::vector<Param> params;
};

struct Program {
  int32_t regs;
  std::vector<int32_t> params, results;
  std::vector<Call> calls;
};

// Where is the innermost call that failed.
struct Where {
  int32_t program = -1, call = -1;
};

// Compiled is a program as MLX compiled it, for those of its operands that have the same key; see compile.h.
struct Compiled {
  std::vector<int64_t> key;
  std::vector<std::pair<Where, const std::string*>> claims;  // their arrays are the last results
  Where where;                                               // of the call that failed while MLX traced
  std::function<std::vector<array>(const std::vector<array>&)> fn;
};

// StateInfo is a state of a plan: a cache that grows, or a value that a run replaces.
struct StateInfo {
  mx::Dtype dtype;
  bool grows;
};

struct Plan {
  std::vector<Expr> exprs;
  std::vector<array> consts;
  std::vector<mx::Dtype> inputs;  // of the arrays in each
  std::vector<Program> programs;
  int32_t main = 0, setup = -1;
  std::vector<StateInfo> states;  // parameters of main after the inputs, and its last results
  int64_t symbols = 0;
  Values prepared;       // results of the setup program, the last parameters of main
  bool compile = false;  // main runs under mx::compile
  std::list<Compiled> compiled;
  mutable std::unordered_map<int32_t, std::list<Compiled>> stretches;  // by program
};

// maxDepth bounds the nesting of programs, which takes native stack.
constexpr int maxDepth = 1000;

struct Cancelled : std::runtime_error {
  Cancelled() : std::runtime_error("cancelled") {}
};

// What becomes of a run, which its caller and, where it replaces values, the run itself decide; runtime.go has the same.
enum Fate : int32_t { Undecided, GivenUp, Kept };

// Claim is an array that must turn out true, and where that is claimed.
struct Claim {
  array ok;
  Where at;
  const std::string& what;
};

using Frame = std::vector<std::optional<Value>>;

// Profile is nanoseconds and runs of each call, program by program. The time of programs that a call runs is not its own.
struct Profile {
  int64_t* spans;
  std::vector<size_t> first;  // call of each program
  int64_t nested = 0;         // time of calls inside the one that runs
  Profile(const std::vector<Program>& programs, int64_t* spans) : spans(spans) {
    size_t n = 0;
    for (auto& g : programs) {
      first.push_back(n);
      n += g.calls.size();
    }
  }
};

// Ctx is one run: the bound symbols and the registers of the innermost program.
struct Ctx {
  const Plan& plan;
  mx::Stream s, cpu;  // cpu is for what MLX has on the CPU only
  std::vector<int64_t> symbols;
  std::atomic<int32_t>* fate;  // may be null
  Frame* frame = nullptr;
  int depth = 0;
  Where where;      // of the call that failed
  Where at;         // of the call that runs
  std::vector<Claim> claims;
  Profile* profile = nullptr;
  int64_t capacity = 0;  // that buffers of states begin with

  Ctx(const Plan& plan, mx::Stream s, mx::Stream cpu, std::vector<int64_t> symbols, std::atomic<int32_t>* fate)
      : plan(plan), s(s), cpu(cpu), symbols(std::move(symbols)), fate(fate) {}

  const array& in(const Call& k, size_t i) const {
    if (i >= k.in.size() || k.in[i] < 0) throw std::invalid_argument("operand " + std::to_string(i) + " is absent");
    return asArray(reg(k.in[i]));
  }
  const Values& list(const Call& k, size_t i) const { return asList(reg(k.in.at(i))); }
  const Value& reg(int32_t r) const {
    auto& v = (*frame)[r];
    if (!v) throw std::logic_error("register %" + std::to_string(r) + " is read before it is set");
    return *v;
  }
  std::optional<array> opt(const Call& k, size_t i) const {
    if (i >= k.in.size() || k.in[i] < 0) return std::nullopt;
    return in(k, i);
  }
  // rest are the operands from i on.
  std::vector<array> rest(const Call& k, size_t i) const {
    std::vector<array> v;
    for (; i < k.in.size(); i++) v.push_back(in(k, i));
    return v;
  }
  // restValues are the operands from i on, of any form.
  Values restValues(const Call& k, size_t i) const {
    Values v;
    for (; i < k.in.size(); i++) v.push_back(reg(k.in[i]));
    return v;
  }
  void out(const Call& k, Value v) { (*frame)[k.out[0]] = std::move(v); }
  template <class V>
  void outs(const Call& k, std::vector<V> v) {
    if (v.size() != k.out.size())
      throw std::runtime_error("call gave " + std::to_string(v.size()) + " results, plan has " + std::to_string(k.out.size()));
    for (size_t i = 0; i < v.size(); i++) (*frame)[k.out[i]] = std::move(v[i]);
  }

  int64_t eval(const Int& i) const { return i.expr ? evalExpr(i.v) : i.v; }
  int64_t evalExpr(int64_t i) const;
  int64_t i64(const Call& k, size_t p) const { return eval(k.params[p].ints[0]); }
  int i32(const Call& k, size_t p) const { return narrow(i64(k, p)); }
  static int narrow(int64_t v) {
    if (v != static_cast<int32_t>(v)) throw std::out_of_range("size " + std::to_string(v) + " exceeds 32 bits");
    return static_cast<int>(v);
  }
  std::vector<int> ints(const Call& k, size_t p) const {
    std::vector<int> v;
    v.reserve(k.params[p].ints.size());
    for (auto& i : k.params[p].ints) v.push_back(narrow(eval(i)));
    return v;
  }
  Shape shape(const Call& k, size_t p) const {
    auto v = ints(k, p);
    return Shape(v.begin(), v.end());
  }
  // settle evaluates values together with the claims so far, and throws for the first that is false.
  void settle(const Values& values) {
    auto arrays = leaves(values);
    for (auto& k : claims) arrays.push_back(k.ok);
    mx::eval(arrays);
    checkClaims();
  }
  // checkClaims throws for the first claim that is false; all are evaluated.
  void checkClaims() {
    for (auto& k : claims)
      if (!k.ok.item<bool>()) {
        where = k.at;
        throw std::invalid_argument(k.what);
      }
    claims.clear();
  }
  void checkCancel() const {
    if (fate && fate->load(std::memory_order_relaxed) == GivenUp) throw Cancelled();
  }
  // commit decides that the run is kept, unless it was given up.
  void commit() const {
    int32_t undecided = Undecided;
    if (fate && !fate->compare_exchange_strong(undecided, Kept)) throw Cancelled();
  }
};

// run runs a program and returns its results, not yet evaluated.
Values run(Ctx& c, int32_t program, Values args);

inline int64_t floorDiv(int64_t a, int64_t b) {
  if (b == 0) throw std::domain_error("size divided by zero");
  if (b == -1) return static_cast<int64_t>(0 - static_cast<uint64_t>(a));
  int64_t q = a / b;
  return (a % b != 0 && (a < 0) != (b < 0)) ? q - 1 : q;
}

inline int64_t Ctx::evalExpr(int64_t i) const {
  auto& e = plan.exprs[i];
  if (e.op == Expr::Const) return e.a;
  if (e.op == Expr::Sym) return symbols[e.a];
  int64_t a = evalExpr(e.a), b = evalExpr(e.b), r;
  switch (e.op) {
    case Expr::Add:
      if (__builtin_add_overflow(a, b, &r)) throw std::overflow_error("size overflows");
      return r;
    case Expr::Mul:
      if (__builtin_mul_overflow(a, b, &r)) throw std::overflow_error("size overflows");
      return r;
    case Expr::FloorDiv: return floorDiv(a, b);
    case Expr::Mod: return a - b * floorDiv(a, b);
    case Expr::Min: return std::min(a, b);
    case Expr::Max: return std::max(a, b);
    default: return 0;
  }
}

}  // namespace emily
