package runtime

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
)

// Device is where a plan runs.
type Device uint8

// The devices. Auto is the GPU where MLX has one and the plan has no f64, which GPUs do not compute, else the CPU.
const (
	Auto Device = iota
	CPU
	GPU
)

// Options of Load; the zero value is the default.
type Options struct {
	Device Device
	// Compile runs the plan under mx::compile, where mlx.Plan.NeedsValues says that it can: MLX then fuses stretches of
	// elementwise calls, once for each set of sizes (the last 8 are kept). Other plans run as without it. On a GPU, plans
	// whose sizes are all known are compiled in any case: there it pays, and they are traced once.
	Compile bool
}

// Executable is a loaded plan. Its methods are safe for concurrent use; runs of one Executable follow one another on
// one MLX stream, runs of several may overlap.
type Executable struct {
	plan   *mlx.Plan
	bind   *mlx.Binder
	worker *worker
	state  *planState
	gpu    bool
	traced bool
}

// planState is what the worker owns; it outlives the Executable until the plan is freed.
type planState struct {
	handle uintptr
	consts *runtime.Pinner
	closed atomic.Bool
}

// ErrClosed is what Run returns after Close.
var ErrClosed = errors.New("executable is closed")

// MLXError is an error of MLX, or of the shim, while a plan was loaded or run.
type MLXError struct {
	Plan string
	Call string // the call in the plan's text form; empty when evaluation, not building the graph, failed
	Loc  ir.Loc
	Msg  string
}

func (e *MLXError) Error() string {
	where := e.Loc.String()
	if where == "" {
		where = e.Plan
	}
	if e.Call == "" {
		return fmt.Sprintf("%s: MLX: %s", where, e.Msg)
	}
	return fmt.Sprintf("%s: %s: MLX: %s", where, e.Call, e.Msg)
}

// Load hands the plan to MLX and runs its setup program. Constants are used in place where MLX can (on a CPU-only
// MLX when they are aligned to their elements, on Metal when they are aligned to pages) and copied else; their blobs
// must stay mapped until Close returns.
func Load(plan *mlx.Plan, opts Options) (*Executable, error) {
	lib, err := open()
	if err != nil {
		return nil, err
	}
	gpu := opts.Device == GPU || opts.Device == Auto && lib.hasGPU() && !usesF64(plan)
	_, needs := plan.NeedsValues()
	traced := !needs && (opts.Compile || gpu && len(plan.Symbols()) == 0)
	w, err := nextWorker(lib, gpu, traced || plan.Uses(mlx.Compiled))
	if err != nil {
		return nil, err
	}
	bytes, err := plan.EncodeNative()
	if err != nil {
		return nil, err
	}
	x := &Executable{plan: plan, bind: mlx.NewBinder(plan), worker: w, gpu: gpu, traced: traced}
	w.call(func(w *worker) { x.state, err = w.load(plan, bytes, traced) })
	if err != nil {
		return nil, err
	}
	runtime.AddCleanup(x, func(s *planState) { go w.free(s) }, x.state)
	return x, nil
}

func usesF64(p *mlx.Plan) bool {
	for _, g := range p.Programs {
		for _, t := range g.Types {
			if mlx.ElementDType(t) == ir.F64 {
				return true
			}
		}
		for i := range g.Calls {
			for _, a := range g.Calls[i].Args {
				if a == any(ir.F64) {
					return true
				}
			}
		}
	}
	return false
}

// load is a job.
func (w *worker) load(plan *mlx.Plan, bytes []byte, traced bool) (*planState, error) {
	s := &planState{consts: &runtime.Pinner{}}
	data := make([]unsafe.Pointer, len(plan.Consts)+1) // never empty, so that it has an address
	for i := range plan.Consts {
		if d := plan.Consts[i].Data; len(d) > 0 {
			data[i] = unsafe.Pointer(&d[0])
			s.consts.Pin(data[i])
		}
	}
	res := new(unsafe.Pointer)
	s.handle, _, _ = purego.SyscallN(w.lib.planNew, w.handle, uintptr(unsafe.Pointer(&bytes[0])), uintptr(len(bytes)),
		uintptr(unsafe.Pointer(&data[0])), uintptr(len(plan.Consts)), uintptr(unsafe.Pointer(res)))
	defer purego.SyscallN(w.lib.resultFree, uintptr(*res))
	if s.handle == 0 {
		s.consts.Unpin()
		return nil, planError(plan, (*resultDesc)(*res))
	}
	if traced {
		purego.SyscallN(w.lib.planCompile, s.handle)
	}
	return s, nil
}

// free waits until the worker has freed the plan.
func (w *worker) free(s *planState) {
	if s.closed.Swap(true) {
		return
	}
	w.call(func(w *worker) {
		purego.SyscallN(w.lib.planFree, s.handle)
		s.consts.Unpin()
	})
}

// Close frees the plan on the native side. Runs that wait in the queue before it finish; later ones give ErrClosed.
func (x *Executable) Close() error {
	x.worker.free(x.state)
	runtime.KeepAlive(x)
	return nil
}

// Plan is the plan that x runs.
func (x *Executable) Plan() *mlx.Plan { return x.plan }

// OnGPU reports whether x runs on the GPU.
func (x *Executable) OnGPU() bool { return x.gpu }

// Compiled reports whether x runs under mx::compile.
func (x *Executable) Compiled() bool { return x.traced }

// Run runs the plan on inputs in the plan's order and returns its outputs, which own their memory. Errors are
// *ir.Error for inputs that do not fit the plan and *MLXError for what MLX refuses.
//
// Inputs are read in place where MLX can, see Load, and must not change during the run. When ctx ends, Run returns
// its error at once; the native side stops before its next call, and until then still reads the inputs.
func (x *Executable) Run(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error) {
	return x.run(ctx, inputs, nil)
}

// run fills spans, where there are any, with what each call took.
func (x *Executable) run(ctx context.Context, inputs []ir.Datum, spans []int64) ([]ir.Datum, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	syms, err := x.bind.Bind(inputs)
	if err != nil {
		return nil, err
	}
	if x.state.closed.Load() {
		return nil, ErrClosed
	}
	r := newRequest(x, inputs, syms)
	r.spans = spans
	select {
	case x.worker.jobs <- r.run:
		return r.wait(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// wait gives what the worker's job comes to, or ctx's error when that comes first.
func (r *request) wait(ctx context.Context) ([]ir.Datum, error) {
	select {
	case <-r.done:
		return r.outputs, r.err
	case <-ctx.Done():
		if atomic.CompareAndSwapInt32(&r.fate, undecided, givenUp) {
			return nil, ctx.Err()
		}
		<-r.done
		return r.outputs, r.err
	}
}

// request is one run. The worker holds it until the native side is done, so that what it points to stays alive.
type request struct {
	x       *Executable
	session uintptr // 0 for a plan without states
	inputs  []ir.Datum
	descs   []tensorDesc
	dims    [][]int64 // what descs point to
	syms    []int64
	spans   []int64 // see Profile; nil for none
	fate    int32   // undecided, givenUp or kept; polled by the native side
	done    chan struct{}
	outputs []ir.Datum
	err     error
}

// A run is undecided until its context ends it, or its session keeps what it did; the native side decides that of carried states.
const (
	undecided = iota
	givenUp
	kept
)

func newRequest(x *Executable, inputs []ir.Datum, syms []int64) *request {
	r := &request{x: x, inputs: inputs, done: make(chan struct{})}
	r.syms = append(syms, 0) // never empty, so that it has an address
	r.describe(inputs)
	return r
}

// describe appends what is in the values: a list is its length, then its elements.
func (r *request) describe(values []ir.Datum) {
	for _, v := range values {
		t, ok := v.(*ir.Tensor)
		if !ok {
			items := mlx.Items(v)
			r.desc(tensorDesc{ndim: listRank}, len(items))
			r.describe(items)
			continue
		}
		d := tensorDesc{ndim: int32(len(t.Shape))}
		if len(t.Data) > 0 {
			d.data = unsafe.Pointer(&t.Data[0])
		}
		r.desc(d, t.Shape...)
	}
}

func (r *request) desc(d tensorDesc, dims ...int) {
	list := make([]int64, len(dims)+1) // never empty, so that it has an address
	for i, n := range dims {
		list[i] = int64(n)
	}
	d.dims = unsafe.Pointer(&list[0])
	r.descs, r.dims = append(r.descs, d), append(r.dims, list)
}

// run is the worker's job.
func (r *request) run(w *worker) {
	defer close(r.done)
	if r.x.state.closed.Load() {
		r.err = ErrClosed
		return
	}
	r.native(w)
}

// native makes the one call of a run.
func (r *request) native(w *worker) {
	if atomic.LoadInt32(&r.fate) == givenUp {
		r.err = context.Canceled
		return
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	for i := range r.descs {
		if p := r.descs[i].data; p != nil {
			pin.Pin(p)
		}
	}
	h, _, _ := purego.SyscallN(w.lib.run, w.handle, r.x.state.handle, r.session, uintptr(unsafe.Pointer(unsafe.SliceData(r.descs))), uintptr(len(r.descs)),
		uintptr(unsafe.Pointer(&r.syms[0])), uintptr(unsafe.Pointer(&r.fate)), uintptr(unsafe.Pointer(unsafe.SliceData(r.spans))))
	r.finish((*resultDesc)(pointer(h)))
	purego.SyscallN(w.lib.resultFree, h)
	runtime.KeepAlive(r)
}

func (r *request) finish(res *resultDesc) {
	switch {
	case res.status == statusCancelled:
		r.err = context.Canceled
	case res.status != statusOK:
		r.err = planError(r.x.plan, res)
	default:
		r.outputs, r.err = copyOutputs(r.x.plan, res)
	}
}

// copyOutputs copies results into Go memory: the garbage collector then owns them like any other tensor, also where
// only a view of Data lives on. A copy costs 0.1 ms per MB; the results of a step are small beside its work.
func copyOutputs(plan *mlx.Plan, res *resultDesc) ([]ir.Datum, error) {
	descs := unsafe.Slice((*tensorDesc)(res.tensors), res.count)
	out := make([]ir.Datum, len(plan.Outputs))
	for i, port := range plan.Outputs {
		v, err := copyValue(port.Type, &descs)
		if err != nil {
			return nil, &MLXError{Plan: plan.Name, Msg: fmt.Sprintf("output %q %v: a lowering rule is wrong", port.Name, err)}
		}
		out[i] = v
	}
	return out, nil
}

// copyValue copies the first value of descs, of type t, and takes it off the list.
func copyValue(t ir.Type, descs *[]tensorDesc) (ir.Datum, error) {
	if len(*descs) == 0 {
		return nil, fmt.Errorf("is missing")
	}
	d := &(*descs)[0]
	*descs = (*descs)[1:]
	switch isList := d.ndim == listRank; {
	case isList == t.IsTensor():
		return nil, fmt.Errorf("is no %s", t)
	case isList:
		return copyList(t, int(*(*int64)(d.dims)), descs)
	}
	return copyTensor(t.DType, d)
}

func copyList(t ir.Type, n int, descs *[]tensorDesc) (ir.Datum, error) {
	if t.Kind == ir.OptionalType {
		v := &ir.Optional{Elem: *t.Elem}
		if n == 0 {
			return v, nil
		}
		var err error
		v.Item, err = copyValue(*t.Elem, descs)
		return v, err
	}
	v := &ir.Sequence{Elem: *t.Elem, Items: make([]ir.Datum, n)}
	for i := range v.Items {
		var err error
		if v.Items[i], err = copyValue(*t.Elem, descs); err != nil {
			return nil, err
		}
	}
	return v, nil
}

func copyTensor(want ir.DType, d *tensorDesc) (*ir.Tensor, error) {
	storage, _ := mlx.Storage(want)
	if got, ok := mlx.DTypeOf(int(d.dtype)); !ok || got != storage {
		return nil, fmt.Errorf("is %s, want %s", got, storage)
	}
	t := &ir.Tensor{DType: want, Shape: make([]int, d.ndim)}
	size := want.Size()
	for k, n := range unsafe.Slice((*int64)(d.dims), d.ndim) {
		t.Shape[k] = int(n)
		size *= int(n)
	}
	t.Data = copyBytes(unsafe.Slice((*byte)(d.data), size))
	return t, nil
}

// copyBytes copies large results on several threads: most of the time goes into first touches of fresh pages.
func copyBytes(src []byte) []byte {
	const chunk = 4 << 20
	if len(src) < 2*chunk {
		return append([]byte(nil), src...) // append does not zero first
	}
	out := make([]byte, len(src))
	var wg sync.WaitGroup
	limit := make(chan struct{}, runtime.GOMAXPROCS(0))
	for lo := 0; lo < len(src); lo += chunk {
		limit <- struct{}{}
		wg.Go(func() {
			copy(out[lo:], src[lo:min(lo+chunk, len(src))])
			<-limit
		})
	}
	wg.Wait()
	return out
}

func planError(plan *mlx.Plan, res *resultDesc) error {
	e := &MLXError{Plan: plan.Name, Msg: goString(res.err)}
	if res.program >= 0 && int(res.program) < len(plan.Programs) {
		if g := plan.Programs[res.program]; res.call >= 0 && int(res.call) < len(g.Calls) {
			c := &g.Calls[res.call]
			e.Call, e.Loc = plan.CallText(c), plan.Loc(c.Loc)
		}
	}
	return e
}
