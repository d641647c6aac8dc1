// Constants, sizes that depend on data, and control flow.
#pragma once
#include "ops_math.h"

namespace emily {

// values evaluates a small integer tensor and reads it as int64.
inline std::vector<int64_t> values(Ctx& c, const array& a) {
  auto b = mx::contiguous(mx::astype(a, mx::int64, c.s), false, c.s);
  b.eval();
  auto p = b.data<int64_t>();
  return std::vector<int64_t>(p, p + b.size());
}

inline bool truth(Ctx& c, const array& a) {
  if (a.size() != 1) throw std::invalid_argument("condition has " + std::to_string(a.size()) + " elements, want 1");
  return values(c, mx::astype(a, mx::bool_, c.s))[0] != 0;
}

inline bool isSymbol(const Ctx& c, const Int& i) { return i.expr && c.plan.exprs[i.v].op == Expr::Sym; }

inline void readInts(Ctx& c, const Call& k) {
  auto v = values(c, c.in(k, 0));
  auto& syms = k.params[0].ints;
  if (v.size() != syms.size())
    throw std::invalid_argument("read_ints: " + std::to_string(v.size()) + " values for " + std::to_string(syms.size()) + " symbols");
  for (size_t i = 0; i < v.size(); i++)
    if (isSymbol(c, syms[i])) c.symbols[c.plan.exprs[syms[i].v].a] = v[i];
}

// bindShape binds the entries that are symbols, skips -1 and checks the rest.
inline void bindShape(Ctx& c, const Call& k) {
  auto& shape = c.in(k, 0).shape();
  auto& want = k.params[0].ints;
  if (shape.size() != want.size())
    throw std::invalid_argument("bind_shape: rank " + std::to_string(shape.size()) + ", want " + std::to_string(want.size()));
  for (size_t i = 0; i < want.size(); i++) {
    auto& w = want[i];
    if (isSymbol(c, w)) {
      c.symbols[c.plan.exprs[w.v].a] = shape[i];
    } else if (int64_t n = c.eval(w); n != -1 && n != shape[i]) {
      throw std::invalid_argument("axis " + std::to_string(i) + " has size " + std::to_string(shape[i]) + ", want " + std::to_string(n));
    }
  }
}

// check: a == b, a <= b or b divisible by a, of sizes.
inline void check(Ctx& c, const Call& k) {
  auto& op = k.params[0].s;
  int64_t a = c.i64(k, 1), b = c.i64(k, 2);
  bool ok = op == "eq" ? a == b : op == "le" ? a <= b : a != 0 && b % a == 0;
  if (!ok) throw std::invalid_argument("sizes " + std::to_string(a) + " and " + std::to_string(b) + " break the rule " + op + ": " + k.params[3].s);
}

// claim is checked when something is evaluated, so that it does not hold up the graph.
inline void claim(Ctx& c, const Call& k) { c.claims.push_back({mx::all(c.in(k, 0), c.s), c.at, k.params[0].s}); }

inline int32_t program(const Call& k, size_t p) { return static_cast<int32_t>(k.params[p].ints[0].v); }

inline array dims(Ctx& c, const Call& k) {
  std::vector<int64_t> v;
  for (auto& i : k.params[0].ints) v.push_back(c.eval(i));
  return array(v.begin(), Shape{static_cast<int>(v.size())}, k.params[1].dtype);
}

// counted checks the number of operands or results that control flow splits.
inline void counted(const Values& v, size_t least, const char* what) {
  if (v.size() < least) throw std::invalid_argument(std::to_string(v.size()) + " " + what + ", want " + std::to_string(least));
}

inline Values branch(Ctx& c, const Call& k) {
  auto args = c.restValues(k, 1);
  counted(args, c.i64(k, 2), "operands");
  auto split = args.begin() + c.i64(k, 2);
  if (truth(c, c.in(k, 0))) return run(c, program(k, 0), {args.begin(), split});
  return run(c, program(k, 1), {split, args.end()});
}

// lazyIterations bounds how many iterations of a loop without a condition pile up before they are evaluated.
constexpr int64_t lazyIterations = 8;

// Stacks collects the scan outputs of a loop.
struct Stacks {
  std::vector<std::vector<array>> rows;
  explicit Stacks(size_t n) : rows(n) {}
  void add(Values::const_iterator it) {
    for (auto& r : rows) r.push_back(asArray(*it++));
  }
  // tail lists the newest n rows of each output.
  void tail(size_t n, Values& to) const {
    for (auto& r : rows) to.insert(to.end(), r.end() - std::min(n, r.size()), r.end());
  }
  // finish appends the stacked outputs, or the given empties where the loop never ran.
  void finish(Ctx& c, const Value* empties, Values& to) const {
    for (size_t i = 0; i < rows.size(); i++) to.push_back(rows[i].empty() ? empties[i] : Value(mx::stack(rows[i], 0, c.s)));
  }
};

inline Values join(Values a, const Values& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// loop: operands trip?, cond?, carried…, empties…, captures…; body(i, cond, carried…, captures…) -> cond, carried…, scanned….
inline Values loop(Ctx& c, const Call& k) {
  size_t nc = c.i64(k, 1), ns = c.i64(k, 2);
  auto m = c.opt(k, 0), cond = c.opt(k, 1);
  int64_t trip = m ? values(c, *m).at(0) : INT64_MAX;
  auto rest = c.restValues(k, 2);
  counted(rest, nc + ns, "operands");
  Values carried(rest.begin(), rest.begin() + nc), empties(rest.begin() + nc, rest.begin() + nc + ns);
  Values captures(rest.begin() + nc + ns, rest.end());
  rest.clear();
  Stacks stacks(ns);
  bool go = !cond || truth(c, *cond), fixed = true;
  array flag = cond ? *cond : array(true);
  for (int64_t i = 0; go && i < trip; i++) {
    c.checkCancel();
    Values args{array(i, mx::int64), flag};
    for (auto& a : carried) args.push_back(std::move(a));
    carried.clear();
    auto r = run(c, program(k, 0), join(std::move(args), captures));
    counted(r, 1 + nc + ns, "results of the body");
    fixed = asArray(r[0]).id() == flag.id();
    flag = asArray(r[0]);
    carried.assign(r.begin() + 1, r.begin() + 1 + nc);
    stacks.add(r.begin() + 1 + nc);
    r.clear();
    if (fixed && i % lazyIterations != lazyIterations - 1) continue;
    Values live = carried;
    stacks.tail(lazyIterations, live);
    live.push_back(flag);
    c.settle(live);
    go = fixed || truth(c, flag);
  }
  stacks.finish(c, empties.data(), carried);
  return carried;
}

// row is a[i]; mx::take refuses arrays without elements.
inline array row(Ctx& c, const array& a, int i) {
  Shape start(a.ndim(), 0), stop = a.shape();
  start[0] = i;
  stop[0] = i + 1;
  return mx::squeeze(mx::slice(a, start, stop, c.s), 0, c.s);
}

// scan: operands states…, sequences…, empties…, captures…; body(states…, elements…, captures…) -> states…, scanned….
// Sequences run forwards over axis 0, and results are stacked on axis 0.
inline Values scan(Ctx& c, const Call& k) {
  size_t nst = c.i64(k, 1), nseq = c.i64(k, 2), nout = c.i64(k, 3);
  auto rest = c.restValues(k, 0);
  counted(rest, nst + nseq + nout, "operands");
  if (nseq == 0) throw std::invalid_argument("scan over no sequence");
  Values states(rest.begin(), rest.begin() + nst), empties(rest.begin() + nst + nseq, rest.begin() + nst + nseq + nout);
  Values captures(rest.begin() + nst + nseq + nout, rest.end());
  auto seqs = leaves(Values(rest.begin() + nst, rest.begin() + nst + nseq));
  rest.clear();
  int n = seqs.at(0).shape(0);
  for (auto& q : seqs)
    if (q.shape(0) != n) throw std::invalid_argument("scan: sequences of " + std::to_string(n) + " and " + std::to_string(q.shape(0)) + " elements");
  Stacks stacks(nout);
  for (int i = 0; i < n; i++) {
    c.checkCancel();
    Values args;
    for (auto& a : states) args.push_back(std::move(a));
    states.clear();
    for (auto& q : seqs) args.emplace_back(row(c, q, i));
    auto r = run(c, program(k, 0), join(std::move(args), captures));
    counted(r, nst + nout, "results of the body");
    states.assign(r.begin(), r.begin() + nst);
    stacks.add(r.begin() + nst);
    r.clear();
    if (i % lazyIterations != lazyIterations - 1) continue;
    Values live = states;
    stacks.tail(lazyIterations, live);
    c.settle(live);
  }
  stacks.finish(c, empties.data(), states);
  return states;
}

inline const Row controlRows[] = {
    {"const", OUT(c.plan.consts.at(c.i64(k, 0)))},
    {"dim", OUT(array(c.i64(k, 0), k.params[1].dtype))},
    {"dims", OUT(dims(c, k))},
    {"read_ints", readInts},
    {"bind_shape", bindShape},
    {"check", check},
    {"assert", claim},
    {"if", OUTS(branch(c, k))},
    {"loop", OUTS(loop(c, k))},
    {"scan", OUTS(scan(c, k))},
};

}  // namespace emily
