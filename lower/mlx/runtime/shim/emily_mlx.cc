// The shim: a C ABI over MLX's C++ API that runs Plans. Exceptions never cross it: every entry that can fail
// reports a message. One call runs a whole plan. See plan.h for the data and control.h for control flow.
#include <sys/mman.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include <future>

#include "compile.h"
#include "control.h"
#include "ops_blockwise.h"
#include "ops_nn.h"
#include "ops_sequence.h"
#include "session.h"
#include "ops_shape.h"

namespace emily {

constexpr uint64_t formatVersion = 3;

// dtypes by the codes of lower/mlx/encode.go.
static const mx::Dtype dtypes[] = {mx::bool_, mx::uint8,  mx::uint16,  mx::uint32,   mx::uint64,  mx::int8,    mx::int16,
                                   mx::int32, mx::int64,  mx::float16, mx::bfloat16, mx::float32, mx::float64, mx::complex64};

static int dtypeCode(mx::Dtype d) {
  for (int i = 0; i < static_cast<int>(std::size(dtypes)); i++)
    if (dtypes[i] == d) return i;
  return -1;
}

static const std::unordered_map<std::string_view, Fn>& table() {
  static const auto* m = [] {
    auto* t = new std::unordered_map<std::string_view, Fn>;
    auto add = [t](const Row* rows, size_t n) {
      for (size_t i = 0; i < n; i++) t->emplace(rows[i].name, rows[i].fn);
    };
    add(blockwiseRows, std::size(blockwiseRows));
    add(mathRows, std::size(mathRows));
    add(shapeRows, std::size(shapeRows));
    add(nnRows, std::size(nnRows));
    add(controlRows, std::size(controlRows));
    add(sequenceRows, std::size(sequenceRows));
    add(sessionRows, std::size(sessionRows));
    add(compiledRows, std::size(compiledRows));
    return t;
  }();
  return *m;
}

// Reader decodes the byte form; every read is bounds-checked.
struct Reader {
  const uint8_t *p, *end;

  uint8_t byte() {
    if (p == end) throw std::runtime_error("plan bytes end early");
    return *p++;
  }
  uint64_t uint() {
    uint64_t v = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      uint8_t b = byte();
      v |= static_cast<uint64_t>(b & 0x7f) << shift;
      if (b < 0x80) return v;
    }
    throw std::runtime_error("plan bytes: number too long");
  }
  int64_t sint() {
    uint64_t u = uint();
    return static_cast<int64_t>(u >> 1) ^ -static_cast<int64_t>(u & 1);
  }
  // count reads the length of a list of elements of at least one byte each.
  size_t count() {
    uint64_t n = uint();
    if (n > static_cast<uint64_t>(end - p)) throw std::runtime_error("plan bytes: list too long");
    return n;
  }
  std::string_view str() {
    size_t n = count();
    std::string_view s(reinterpret_cast<const char*>(p), n);
    p += n;
    return s;
  }
  double f64() {
    uint64_t u = 0;
    for (int i = 0; i < 8; i++) u |= static_cast<uint64_t>(byte()) << (8 * i);
    double d;
    std::memcpy(&d, &u, 8);
    return d;
  }
  mx::Dtype dtype() {
    uint8_t c = byte();
    if (c >= std::size(dtypes)) throw std::runtime_error("plan bytes: dtype " + std::to_string(c));
    return dtypes[c];
  }
  std::vector<int32_t> regs() {
    std::vector<int32_t> v(count());
    for (auto& r : v) r = static_cast<int32_t>(uint()) - 1;
    return v;
  }
  Int integer() {
    if (byte()) return {true, static_cast<int64_t>(uint())};
    return {false, sint()};
  }
};

// The kinds of parameters, as in lower/mlx/calls.go.
enum Kind : uint8_t { KInt, KInts, KFloat, KDType, KBool, KString, KProgram, KSymbols };

static Param readParam(Reader& r) {
  Param p;
  switch (r.byte()) {
    case KInt: p.ints.push_back(r.integer()); break;
    case KInts:
    case KSymbols:
      p.ints.resize(r.count());
      for (auto& i : p.ints) i = r.integer();
      break;
    case KFloat: p.f = r.f64(); break;
    case KDType: p.dtype = r.dtype(); break;
    case KBool: p.b = r.byte() != 0; break;
    case KString: p.s = r.str(); break;
    case KProgram: p.ints.push_back({false, static_cast<int64_t>(r.uint())}); break;
    default: throw std::runtime_error("plan bytes: unknown parameter kind");
  }
  return p;
}

static void checkParam(const Plan& plan, const Param& p) {
  for (auto& i : p.ints)
    if (i.expr && (i.v < 0 || i.v >= static_cast<int64_t>(plan.exprs.size()))) throw std::runtime_error("plan bytes: bad expression");
}

static void checkRegs(const std::vector<int32_t>& v, int32_t regs, int32_t least = 0) {
  for (auto r : v)
    if (r < least || r >= regs) throw std::runtime_error("plan bytes: bad register");
}

static Program readProgram(Reader& r, const Plan& plan, const std::vector<std::pair<std::string_view, Fn>>& fns) {
  Program g;
  g.regs = static_cast<int32_t>(r.uint());
  g.params = r.regs();
  g.results = r.regs();
  checkRegs(g.params, g.regs, -1);
  checkRegs(g.results, g.regs);
  g.calls.resize(r.count());
  for (auto& k : g.calls) {
    auto& [name, fn] = fns.at(r.uint());
    if (!fn) throw std::runtime_error("this build of the shim has no call " + std::string(name) + " (MLX " + mx::version() + ")");
    k.fn = fn;
    k.in = r.regs();
    k.out = r.regs();
    k.free = r.regs();
    k.params.resize(r.count());
    for (auto& p : k.params) checkParam(plan, p = readParam(r));
    checkRegs(k.in, g.regs, -1);
    checkRegs(k.out, g.regs);
    checkRegs(k.free, g.regs);
  }
  return g;
}

static void readExprs(Reader& r, Plan& plan) {
  plan.symbols = static_cast<int64_t>(r.count());
  for (int64_t i = 0; i < plan.symbols; i++) r.str();
  plan.exprs.resize(r.count());
  for (size_t i = 0; i < plan.exprs.size(); i++) {
    auto& e = plan.exprs[i];
    uint8_t op = r.byte();
    if (op > Expr::Max) throw std::runtime_error("plan bytes: bad expression");
    e.op = static_cast<Expr::Op>(op);
    if (op == Expr::Const) {
      e.a = r.sint();
      continue;
    }
    e.a = static_cast<int64_t>(r.uint());
    if (op == Expr::Sym) {
      if (e.a >= plan.symbols) throw std::runtime_error("plan bytes: bad symbol");
      continue;
    }
    e.b = static_cast<int64_t>(r.uint());
    if (e.a >= static_cast<int64_t>(i) || e.b >= static_cast<int64_t>(i)) throw std::runtime_error("plan bytes: expression refers forwards");
  }
}

// alienOK reports whether a Buffer can point at memory that MLX did not allocate: so on the CPU allocator, whose
// Buffers lie one size_t before their data and which never reads that header of a buffer with its own deleter.
static bool alienOK() {
  static const bool ok = [] {
    if (mx::is_available(mx::Device(mx::Device::gpu))) return false;
    auto b = mx::allocator::allocator().malloc(64);
    bool header = b.raw_ptr() == static_cast<char*>(b.ptr()) + sizeof(size_t) && *static_cast<size_t*>(b.ptr()) == 64;
    mx::allocator::allocator().free(b);
    return header;
  }();
  return ok;
}

// headerMapped reports whether MLX may read the size that its allocator keeps before p. Whatever lies there will do, as
// borrowed memory is never donated, but at the start of a mapping nothing does.
static bool headerMapped(void* p) {
  auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)), at = reinterpret_cast<uintptr_t>(p);
  if (at % page >= sizeof(size_t)) return true;
  unsigned char resident;
#ifdef __APPLE__
  return mincore(reinterpret_cast<void*>(at - page & ~(page - 1)), page, reinterpret_cast<char*>(&resident)) == 0;
#else
  return mincore(reinterpret_cast<void*>(at - page & ~(page - 1)), page, &resident) == 0;
#endif
}

// over makes an array over a Buffer, whose constructor changed in MLX 0.32.
template <class A = array, class D>
A over(mx::allocator::Buffer b, Shape shape, mx::Dtype dtype, D free) {
  if constexpr (std::is_constructible_v<A, mx::allocator::Buffer, Shape, mx::Dtype, D>)
    return A(b, std::move(shape), dtype, free);
  else
    return A(typename A::Data(b, free), std::move(shape), dtype);
}

// longCopy is how many bytes it takes for copying on several threads to pay. Most of the time goes into first touches of pages, and on
// CUDA, whose managed memory comes back from the device page by page, much of it into waiting.
constexpr size_t longCopy = 4 << 20;
constexpr size_t mostCopiers = 8;

// copied makes an array of its own of n bytes.
static array copied(const char* p, size_t n, Shape shape, mx::Dtype dtype) {
  auto buffer = mx::allocator::allocator().malloc(n);
  auto to = static_cast<char*>(buffer.raw_ptr());
  array a = over(buffer, std::move(shape), dtype, [](mx::allocator::Buffer b) { mx::allocator::allocator().free(b); });
  size_t parts = std::clamp<size_t>(std::min<size_t>(n / longCopy, std::thread::hardware_concurrency()), 1, mostCopiers);
  std::vector<std::future<void>> others;  // they end before they are gone
  auto copy = [=](size_t i) { std::memcpy(to + n * i / parts, p + n * i / parts, n * (i + 1) / parts - n * i / parts); };
  for (size_t i = 1; i < parts; i++) others.push_back(std::async(std::launch::async, copy, i));
  copy(0);
  return a;
}

// wrap makes an array over the caller's memory, which must stay valid and unchanged as long as the array lives.
// No copy is made on a CPU-only MLX where the memory is aligned to its elements, nor on Metal where it is
// aligned to pages; all else is copied (CUDA reads only memory of its own, and unaligned vector loads fault).
static array wrap(const void* data, Shape shape, mx::Dtype dtype) {
  auto p = const_cast<void*>(data);
  size_t n = mx::size_of(dtype);
  for (auto d : shape) n *= d;
  if (n == 0) return array(static_cast<const float*>(nullptr), std::move(shape), dtype);  // mx::zeros would be bound to a stream
  bool aligned = reinterpret_cast<uintptr_t>(p) % mx::size_of(dtype) == 0;
  if (aligned && alienOK() && headerMapped(p)) {
    mx::allocator::Buffer b(static_cast<char*>(p) - sizeof(size_t));
    return over(b, std::move(shape), dtype, [](mx::allocator::Buffer) {});  // which MLX shall not free
  }
  if (n >= longCopy && !mx::metal::is_available()) return copied(static_cast<char*>(p), n, std::move(shape), dtype);
  return array(p, std::move(shape), dtype, [](void*) {});
}

static std::vector<size_t> madeOrder(const Plan& plan) {
  auto& g = plan.programs[plan.main];
  std::vector<size_t> at(g.regs), order(plan.states.size());
  for (size_t i = 0; i < g.calls.size(); i++)
    for (auto r : g.calls[i].out) at[r] = i;
  auto next = g.results.end() - order.size();
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return at[next[a]] < at[next[b]]; });
  return order;
}

static Plan* readPlan(const uint8_t* bytes, size_t n, const void* const* data, size_t ndata) {
  Reader r{bytes, bytes + n};
  for (char c : std::string_view("EMLP"))
    if (r.byte() != static_cast<uint8_t>(c)) throw std::runtime_error("not a plan");
  if (r.uint() != formatVersion) throw std::runtime_error("plan of another version: compile the model again");
  auto plan = std::make_unique<Plan>();
  std::vector<std::pair<std::string_view, Fn>> fns(r.count());
  for (auto& [name, fn] : fns) {
    name = r.str();
    auto it = table().find(name);
    fn = it == table().end() ? nullptr : it->second;
  }
  readExprs(r, *plan);
  size_t nc = r.count();
  if (nc != ndata) throw std::runtime_error("plan has " + std::to_string(nc) + " constants, got " + std::to_string(ndata));
  for (size_t i = 0; i < nc; i++) {
    auto dtype = r.dtype();
    Shape shape(r.count(), 0);
    for (auto& d : shape) d = Ctx::narrow(static_cast<int64_t>(r.uint()));
    plan->consts.push_back(wrap(data[i], shape, dtype));
  }
  plan->inputs.resize(r.count(), mx::bool_);
  for (auto& d : plan->inputs) d = r.dtype();
  plan->states.resize(r.count(), {mx::bool_, false});
  for (auto& s : plan->states) {
    s.dtype = r.dtype();
    s.grows = r.byte() != 0;
  }
  plan->main = static_cast<int32_t>(r.uint());
  plan->setup = static_cast<int32_t>(r.uint()) - 1;
  size_t np = r.count();
  for (size_t i = 0; i < np; i++) plan->programs.push_back(readProgram(r, *plan, fns));
  if (plan->main >= static_cast<int32_t>(np) || plan->setup >= static_cast<int32_t>(np)) throw std::runtime_error("plan bytes: bad program");
  if (plan->programs.at(plan->main).results.size() < plan->states.size()) throw std::runtime_error("plan bytes: states without results");
  plan->made = madeOrder(*plan);
  return plan.release();
}

// dropConsumed lets go of the constants that nothing but the setup program, which has run, reads.
static void dropConsumed(Plan& plan) {
  Fn load = table().at("const");
  std::vector<bool> used(plan.consts.size());
  for (size_t i = 0; i < plan.programs.size(); i++) {
    if (static_cast<int32_t>(i) == plan.setup) continue;
    for (auto& k : plan.programs[i].calls)
      if (k.fn == load) used.at(k.params.at(0).ints.at(0).v) = true;
  }
  for (size_t i = 0; i < used.size(); i++)
    if (!used[i]) plan.consts[i] = array(0);
}

// timed runs a call and evaluates what it gives.
void timed(Ctx& c, const Call& k) {
  auto& p = *c.profile;
  auto at = c.at;
  int64_t outer = p.nested;
  p.nested = 0;
  auto start = std::chrono::steady_clock::now();
  k.fn(c, k);
  Values out;
  for (auto r : k.out) out.push_back(c.reg(r));
  auto arrays = leaves(out);
  if (!arrays.empty()) mx::eval(arrays);
  int64_t took = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now() - start).count();
  auto span = p.spans + 2 * (p.first[at.program] + at.call);
  span[0] += took - p.nested;
  span[1]++;
  p.nested = outer + took;
}

Values run(Ctx& c, int32_t program, Values args) {
  auto& g = c.plan.programs.at(program);
  if (c.depth > maxDepth) throw std::invalid_argument("programs are nested too deep");
  if (args.size() != g.params.size())
    throw std::logic_error("program takes " + std::to_string(g.params.size()) + " operands, got " + std::to_string(args.size()));
  Frame frame(g.regs), *outer = c.frame;
  c.frame = &frame;
  c.depth++;
  for (size_t i = 0; i < args.size(); i++)
    if (g.params[i] >= 0) frame[g.params[i]] = std::move(args[i]);
  args.clear();
  for (size_t i = 0; i < g.calls.size(); i++) {
    auto& k = g.calls[i];
    try {
      c.checkCancel();
      c.at = {program, static_cast<int32_t>(i)};
      c.profile ? timed(c, k) : k.fn(c, k);
    } catch (...) {
      if (c.where.program < 0) c.where = {program, static_cast<int32_t>(i)};
      c.frame = outer;
      c.depth--;
      throw;
    }
    for (auto r : k.free) frame[r].reset();
  }
  Values out;
  out.reserve(g.results.size());
  for (auto r : g.results) out.push_back(c.reg(r));
  c.frame = outer;
  c.depth--;
  return out;
}

}  // namespace emily

using namespace emily;

// The structures of the ABI; runtime/native.go has the same.
extern "C" {

// A list is a tensor of rank -1, whose one dim is its length, followed by its elements.
struct EmilyTensor {
  void* data;
  int64_t* dims;
  int32_t ndim;
  int32_t dtype;
};

enum EmilyStatus : int32_t { EmilyOK, EmilyError, EmilyCancelled };

struct EmilyResult {
  EmilyTensor* tensors;
  char* error;
  int32_t count;
  int32_t status;
  int32_t program, call;  // of the call that failed, -1 where it is not known
};
}

namespace {

struct Result : EmilyResult {
  Values values;
  std::vector<array> arrays;  // the leaves of values, row-contiguous
  std::vector<EmilyTensor> descs;
  std::vector<std::vector<int64_t>> dims;
  std::string message;
};

// anyThread makes a CPU stream that every thread may use, one at a time; nothing where MLX has none. The name is
// found through its argument, since it came with MLX 0.32.
template <class D>
std::optional<mx::Stream> anyThread(D cpu) {
  if constexpr (requires { new_thread_unsafe_stream(cpu); })
    return new_thread_unsafe_stream(cpu);
  else if (MLX_VERSION_NUMERIC < 31002)
    return mx::new_stream(cpu);
  return std::nullopt;
}

struct Worker {
  mx::Stream stream, cpu;
  Worker(mx::Stream stream, mx::Stream cpu) : stream(stream), cpu(cpu) {}
};

Worker* newWorker(bool gpu, bool pinned) {
  mx::Device cpu(mx::Device::cpu);
  if (!pinned) {
    auto s = anyThread(cpu);
    if (gpu || !s) return nullptr;
    return new Worker(*s, *s);
  }
  auto s = mx::new_stream(gpu ? mx::Device(mx::Device::gpu) : cpu);
#if MLX_VERSION_NUMERIC >= 31002
  mx::set_default_stream(s);  // of this thread only, from this version on
#endif
  return new Worker(s, gpu ? mx::new_stream(cpu) : s);
}

void fail(Result* r, EmilyStatus status, const char* what, Where w) {
  r->status = status;
  r->message = what;
  r->error = r->message.data();
  r->program = w.program;
  r->call = w.call;
}

// guard runs f and turns what it throws into the result's error.
template <class F>
void guard(Result* r, const Where& where, F f) {
  try {
    f();
  } catch (const Cancelled& e) {
    fail(r, EmilyCancelled, e.what(), where);
  } catch (const std::exception& e) {
    fail(r, EmilyError, e.what(), where);
  } catch (...) {
    fail(r, EmilyError, "unknown exception", where);
  }
}

// spinTime is how long evaluate polls before it sleeps: a small plan is done sooner than a thread wakes up.
constexpr auto spinTime = std::chrono::microseconds(50);

void evaluate(std::vector<array>& v) {
  mx::async_eval(v);
  auto end = std::chrono::steady_clock::now() + spinTime;
  for (auto& a : v) {
    while (!a.is_available() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    a.wait();
  }
}

// rows evaluates the arrays and makes those row-contiguous that are not.
void rows(std::vector<array>& v, mx::Stream s) {
  evaluate(v);
  std::vector<array> again;
  for (auto& a : v)
    if (!a.flags().row_contiguous) again.push_back(a = mx::contiguous(a, false, s));
  if (!again.empty()) mx::eval(again);
}

// describeAll appends what is in v; leaf counts arrays.
void describeAll(Result* r, const Values& v, size_t& leaf) {
  for (auto& x : v) {
    if (std::holds_alternative<List>(x)) {
      auto& items = asList(x);
      r->dims.push_back({static_cast<int64_t>(items.size())});
      r->descs.push_back({nullptr, nullptr, -1, -1});
      describeAll(r, items, leaf);
      continue;
    }
    auto& a = r->arrays[leaf++];
    r->dims.emplace_back(a.shape().begin(), a.shape().end());
    r->descs.push_back({a.size() ? a.data<void>() : nullptr, nullptr, static_cast<int32_t>(a.ndim()), dtypeCode(a.dtype())});
  }
}

void describe(Result* r) {
  size_t leaf = 0;
  describeAll(r, r->values, leaf);
  for (size_t i = 0; i < r->descs.size(); i++) r->descs[i].dims = r->dims[i].data();
  r->tensors = r->descs.data();
  r->count = static_cast<int32_t>(r->descs.size());
}

void setChars(char** err, const char* what) {
  if (err) *err = strdup(what);
}

Shape shapeOf(const EmilyTensor& t) {
  Shape shape;
  for (int32_t d = 0; d < t.ndim; d++) shape.push_back(Ctx::narrow(t.dims[d]));
  return shape;
}

// wrapValue reads one value and leaves in behind it.
Value wrapValue(const EmilyTensor*& in, const EmilyTensor* end, mx::Dtype dtype) {
  if (in == end) throw std::invalid_argument("inputs end early");
  auto& t = *in++;
  if (t.ndim < 0) {
    Values items;
    for (int64_t i = 0; i < t.dims[0]; i++) items.push_back(wrapValue(in, end, dtype));
    return std::make_shared<const Values>(std::move(items));
  }
  return wrap(t.data, shapeOf(t), dtype);
}

Values wrapInputs(const Plan& plan, const EmilyTensor* in, size_t n) {
  Values args;
  args.reserve(plan.inputs.size() + plan.prepared.size());
  auto end = in + n;
  for (auto dtype : plan.inputs) args.push_back(wrapValue(in, end, dtype));
  if (in != end) throw std::invalid_argument("wrong number of inputs");
  return args;
}

}  // namespace

#define EMILY_API extern "C" __attribute__((visibility("default")))

EMILY_API int32_t emily_abi() { return 2; }
EMILY_API const char* emily_version() { return mx::version(); }

EMILY_API int32_t emily_gpu_available() {
  try {
    return mx::is_available(mx::Device(mx::Device::gpu));
  } catch (...) {
    return 0;
  }
}

// emily_has_call reports whether the table has a call of that name.
EMILY_API int32_t emily_has_call(const char* name) { return table().count(name) != 0; }

// emily_worker_new makes a stream: of the calling thread, which alone may then run on it, or else of all threads, one
// at a time. It returns null without an error where there is no stream of all threads.
EMILY_API void* emily_worker_new(int32_t gpu, int32_t pinned, char** err) {
  try {
    return newWorker(gpu, pinned);
  } catch (const std::exception& e) {
    setChars(err, e.what());
  } catch (...) {
    setChars(err, "unknown exception");
  }
  return nullptr;
}

// emily_plan_new decodes a plan and runs its setup program on the worker. The constants' memory must outlive the plan.
EMILY_API void* emily_plan_new(void* worker, const uint8_t* bytes, int64_t n, const void* const* data, int64_t ndata, EmilyResult** out) {
  auto r = new Result();
  *out = r;
  std::unique_ptr<Plan> plan;
  Where where;
  guard(r, where, [&] {
    plan.reset(readPlan(bytes, n, data, ndata));
    if (plan->setup < 0) return;
    auto w = static_cast<Worker*>(worker);
    Ctx c(*plan, w->stream, w->cpu, std::vector<int64_t>(plan->symbols), nullptr);
    try {
      plan->prepared = run(c, plan->setup, {});
      c.settle(plan->prepared);
      dropConsumed(*plan);
    } catch (...) {
      where = c.where;
      throw;
    }
  });
  return r->status == EmilyOK ? plan.release() : nullptr;
}

// emily_plan_compile has runs of the plan use mx::compile. They, and emily_plan_free, must then all be on one thread.
EMILY_API void emily_plan_compile(void* plan) { static_cast<Plan*>(plan)->compile = true; }

EMILY_API void emily_plan_free(void* plan) { delete static_cast<Plan*>(plan); }

// emily_session_new makes the states of a plan, whose buffers begin with the given capacity.
EMILY_API void* emily_session_new(void* plan, int64_t capacity) { return new Session(static_cast<Plan*>(plan)->states, capacity); }

EMILY_API void emily_session_free(void* session) { delete static_cast<Session*>(session); }

// emily_session_set sets a state to a copy of the tensor.
EMILY_API EmilyResult* emily_session_set(void* worker, void* sessionp, int64_t i, const EmilyTensor* value) {
  auto r = new Result();
  auto& session = *static_cast<Session*>(sessionp);
  guard(r, {}, [&] {
    auto state = owned(value->data, shapeOf(*value), session.infos.at(i).dtype, static_cast<Worker*>(worker)->stream);
    mx::eval(state);
    session.states.at(i) = std::move(state);
  });
  return r;
}

// emily_session_get gives a state.
EMILY_API EmilyResult* emily_session_get(void* worker, void* session, int64_t i) {
  auto r = new Result();
  guard(r, {}, [&] {
    auto& state = static_cast<Session*>(session)->states.at(i);
    if (isNothing(state)) throw std::runtime_error("it is not set, or was lost when an earlier run failed");
    r->values = {state};
    r->arrays = leaves(r->values);
    rows(r->arrays, static_cast<Worker*>(worker)->stream);
    describe(r);
  });
  return r;
}

// emily_run runs the plan on nin tensors and lists, with the values of symbols in the plan's order, and on the states of the
// session, which is null for a plan without; *fate is polled, and decided where values are replaced. Where spans is not null, every call is evaluated by itself, and its
// nanoseconds and runs are added there.
EMILY_API EmilyResult* emily_run(void* worker, void* planp, void* sessionp, const EmilyTensor* in, int64_t nin, const int64_t* syms, int32_t* fate,
                                 int64_t* spans) {
  auto r = new Result();
  auto& plan = *static_cast<Plan*>(planp);
  auto w = static_cast<Worker*>(worker);
  auto session = static_cast<Session*>(sessionp);
  Ctx c(plan, w->stream, w->cpu, std::vector<int64_t>(syms, syms + plan.symbols), reinterpret_cast<std::atomic<int32_t>*>(fate));
  Profile profile(plan.programs, spans);
  if (spans) c.profile = &profile;
  guard(r, c.where, [&] {
    auto args = wrapInputs(plan, in, nin);
    Values held = args;  // keeps MLX from reusing the caller's memory for results
    if (session) session->open(c, args);
    args.insert(args.end(), plan.prepared.begin(), plan.prepared.end());
    r->values = plan.compile && !spans ? runCompiled(c, plan.compiled, std::move(args)) : run(c, plan.main, std::move(args));
    c.checkCancel();
    if (session) session->keep(c, r->values);
    else if (!c.claims.empty()) c.settle(r->values);
    r->arrays = leaves(r->values);
    rows(r->arrays, w->stream);
    describe(r);
  });
  return r;
}

EMILY_API void emily_result_free(EmilyResult* r) { delete static_cast<Result*>(r); }

// emily_memory fills active, peak and cached bytes of MLX's allocator.
EMILY_API void emily_memory(int64_t* out) {
  try {
    out[0] = static_cast<int64_t>(mx::get_active_memory());
    out[1] = static_cast<int64_t>(mx::get_peak_memory());
    out[2] = static_cast<int64_t>(mx::get_cache_memory());
  } catch (...) {
  }
}

EMILY_API void emily_memory_reset() {
  try {
    mx::reset_peak_memory();
    mx::clear_cache();
#ifdef __GLIBC__
    malloc_trim(0);
#endif
  } catch (...) {
  }
}

EMILY_API void emily_cache_limit(int64_t bytes) {
  try {
    mx::set_cache_limit(static_cast<size_t>(bytes));
  } catch (...) {
  }
}

EMILY_API void emily_string_free(char* s) { free(s); }
