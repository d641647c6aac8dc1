package runtime

import (
	"context"
	"errors"
	"fmt"
	"runtime"
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
	// elementwise calls, once for each set of sizes (the last 8 are kept). Other plans run as without it.
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
	traced := opts.Compile && !needs
	w, err := nextWorker(lib, gpu, traced)
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
			if t.DType == ir.F64 {
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
func (x *Executable) Run(ctx context.Context, inputs []*ir.Tensor) ([]*ir.Tensor, error) {
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
	select {
	case x.worker.jobs <- r.run:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case <-r.done:
		return r.outputs, r.err
	case <-ctx.Done():
		atomic.StoreInt32(&r.cancel, 1)
		return nil, ctx.Err()
	}
}

// request is one run. The worker holds it until the native side is done, so that what it points to stays alive.
type request struct {
	x       *Executable
	inputs  []*ir.Tensor
	descs   []tensorDesc
	dims    []int64
	syms    []int64
	cancel  int32 // polled by the native side
	done    chan struct{}
	outputs []*ir.Tensor
	err     error
}

func newRequest(x *Executable, inputs []*ir.Tensor, syms []int64) *request {
	r := &request{x: x, inputs: inputs, done: make(chan struct{})}
	r.syms = append(syms, 0) // never empty, so that it has an address
	n := 1
	for _, t := range inputs {
		n += len(t.Shape)
	}
	r.descs, r.dims = make([]tensorDesc, len(inputs)+1), make([]int64, n)
	at := 0
	for i, t := range inputs {
		d := &r.descs[i]
		d.ndim, d.dims = int32(len(t.Shape)), unsafe.Pointer(&r.dims[at])
		for _, n := range t.Shape {
			r.dims[at] = int64(n)
			at++
		}
		if len(t.Data) > 0 {
			d.data = unsafe.Pointer(&t.Data[0])
		}
	}
	return r
}

// run is the worker's job.
func (r *request) run(w *worker) {
	defer close(r.done)
	if r.x.state.closed.Load() {
		r.err = ErrClosed
		return
	}
	if atomic.LoadInt32(&r.cancel) != 0 {
		r.err = context.Canceled
		return
	}
	var pin runtime.Pinner
	defer pin.Unpin()
	for i := range r.inputs {
		if p := r.descs[i].data; p != nil {
			pin.Pin(p)
		}
	}
	h, _, _ := purego.SyscallN(w.lib.run, w.handle, r.x.state.handle, uintptr(unsafe.Pointer(&r.descs[0])), uintptr(len(r.inputs)),
		uintptr(unsafe.Pointer(&r.syms[0])), uintptr(unsafe.Pointer(&r.cancel)))
	res := (*resultDesc)(pointer(h))
	r.finish(res)
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
func copyOutputs(plan *mlx.Plan, res *resultDesc) ([]*ir.Tensor, error) {
	out := make([]*ir.Tensor, res.count)
	for i, d := range unsafe.Slice((*tensorDesc)(res.tensors), res.count) {
		want := plan.Outputs[i].Type.DType
		storage, _ := mlx.Storage(want)
		if got, ok := mlx.DTypeOf(int(d.dtype)); !ok || got != storage {
			return nil, &MLXError{Plan: plan.Name, Msg: fmt.Sprintf("output %q is %s, want %s: a lowering rule is wrong", plan.Outputs[i].Name, got, storage)}
		}
		t := &ir.Tensor{DType: want, Shape: make([]int, d.ndim)}
		size := want.Size()
		for k, n := range unsafe.Slice((*int64)(d.dims), d.ndim) {
			t.Shape[k] = int(n)
			size *= int(n)
		}
		t.Data = append([]byte(nil), unsafe.Slice((*byte)(d.data), size)...) // append does not zero first
		out[i] = t
	}
	return out, nil
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
