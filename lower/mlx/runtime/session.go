package runtime

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"unsafe"

	"github.com/ebitengine/purego"
	"github.com/emilyc/emily/ir"
)

// Session keeps the states of a plan (mlx.Plan.States) on the device between runs: caches, which are empty before the first, and
// carried values, which must be set. Its methods are safe for concurrent use; runs follow one another.
type Session struct {
	x        *Executable
	capacity int
	turn     chan struct{} // held until the native side is done with the states
	lengths  []int64       // of the states; whoever holds turn may touch it
	states   *sessionStates
}

// sessionStates is what the worker owns; it outlives the Session until it is freed.
type sessionStates struct{ handle uintptr }

// NewSession makes a session whose states hold nothing. The buffers of caches begin with room for that many elements, or what the
// first run needs, and double when they are full.
func (x *Executable) NewSession(capacity int) *Session {
	s := &Session{x: x, capacity: max(capacity, 0), turn: make(chan struct{}, 1), lengths: make([]int64, len(x.plan.States)), states: &sessionStates{}}
	w := x.worker
	runtime.AddCleanup(s, func(k *sessionStates) { go w.call(k.free) }, s.states)
	return s
}

// free is a job.
func (k *sessionStates) free(w *worker) {
	if k.handle != 0 {
		purego.SyscallN(w.lib.sessionFree, k.handle)
		k.handle = 0
	}
}

// Run is Executable.Run without the inputs and outputs that are states. A run that fails leaves the states as they were; should MLX
// fail to evaluate them they are lost, and later runs fail until Reset, or Set. Where there are carried values, a run whose evaluation
// has begun is not given up when ctx ends: it replaces all of them or none.
func (s *Session) Run(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error) {
	if err := s.take(ctx); err != nil {
		return nil, err
	}
	r, next, err := s.request(inputs)
	if err != nil {
		<-s.turn
		return nil, err
	}
	job := func(w *worker) {
		defer close(r.done)
		defer func() { <-s.turn }()
		s.run(w, r, next)
	}
	select {
	case s.x.worker.jobs <- job:
		return r.wait(ctx)
	case <-ctx.Done():
		<-s.turn
		return nil, ctx.Err()
	}
}

func (s *Session) take(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// request is a run on inputs, and the lengths that the states have after it.
func (s *Session) request(inputs []ir.Datum) (*request, []int64, error) {
	syms, err := s.x.bind.Bind(inputs, s.lengths...)
	if err != nil {
		return nil, nil, err
	}
	next, err := s.x.bind.Next(syms)
	if err != nil {
		return nil, nil, err
	}
	return newRequest(s.x, inputs, syms), next, nil
}

func (s *Session) run(w *worker, r *request, next []int64) {
	if s.x.state.closed.Load() {
		r.err = ErrClosed
		return
	}
	s.open(w)
	r.session = s.states.handle
	r.native(w)
	if r.err == nil && (atomic.CompareAndSwapInt32(&r.fate, undecided, kept) || r.fate == kept) {
		s.lengths = next // else what the run wrote lies behind the elements that count
	}
}

func (s *Session) open(w *worker) {
	if s.states.handle == 0 {
		s.states.handle, _, _ = purego.SyscallN(w.lib.sessionNew, s.x.state.handle, uintptr(s.capacity))
	}
}

// Set gives the carried state i, in the order of the plan's states, a copy of v. The error is that of a v of another type.
func (s *Session) Set(i int, v *ir.Tensor) error {
	state := &s.x.plan.States[i]
	if !v.Type().Equal(state.In.Type) {
		return fmt.Errorf("state %q: %s, want %s", state.In.Name, v.Type(), state.In.Type)
	}
	r := &request{x: s.x}
	r.describe([]ir.Datum{v})
	return s.access(state.In.Name, func(w *worker) *resultDesc {
		var pin runtime.Pinner
		defer pin.Unpin()
		if p := r.descs[0].data; p != nil {
			pin.Pin(p)
		}
		h, _, _ := purego.SyscallN(w.lib.sessionSet, w.handle, s.states.handle, uintptr(i), uintptr(unsafe.Pointer(&r.descs[0])))
		return (*resultDesc)(pointer(h))
	}, nil)
}

// Get is a copy of the carried state i.
func (s *Session) Get(i int) (v *ir.Tensor, err error) {
	state := &s.x.plan.States[i]
	err = s.access(state.In.Name, func(w *worker) *resultDesc {
		h, _, _ := purego.SyscallN(w.lib.sessionGet, w.handle, s.states.handle, uintptr(i))
		return (*resultDesc)(pointer(h))
	}, func(res *resultDesc) error {
		v, err = copyTensor(state.In.Type.DType, (*tensorDesc)(res.tensors))
		return err
	})
	return v, err
}

// access makes a call on the states between two runs, and takes what it gives.
func (s *Session) access(name string, call func(*worker) *resultDesc, take func(*resultDesc) error) (err error) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.x.worker.call(func(w *worker) {
		if s.x.state.closed.Load() {
			err = ErrClosed
			return
		}
		s.open(w)
		res := call(w)
		defer purego.SyscallN(w.lib.resultFree, uintptr(unsafe.Pointer(res)))
		switch {
		case res.status != statusOK:
			err = &MLXError{Plan: s.x.plan.Name, Msg: fmt.Sprintf("state %q: %s", name, goString(res.err))}
		case take != nil:
			err = take(res)
		}
	})
	return err
}

// Len is the number of elements in the states: the most, where they differ.
func (s *Session) Len() int {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	n := int64(0)
	for _, k := range s.lengths {
		n = max(n, k)
	}
	return int(n)
}

// Reset empties the states and frees their buffers, once the run before has ended.
func (s *Session) Reset() {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.x.worker.call(s.states.free)
	clear(s.lengths)
}
