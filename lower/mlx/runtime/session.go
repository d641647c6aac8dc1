package runtime

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/ebitengine/purego"
	"github.com/emilyc/emily/ir"
)

// Session keeps the states of a plan (mlx.Plan.States) on the device between runs. Its methods are safe for concurrent use; runs
// follow one another.
type Session struct {
	x        *Executable
	capacity int
	turn     chan struct{} // held until the native side is done with the states
	lengths  []int64       // of the states; whoever holds turn may touch it
	states   *sessionStates
}

// sessionStates is what the worker owns; it outlives the Session until it is freed.
type sessionStates struct{ handle uintptr }

// NewSession makes a session whose states hold nothing. Their buffers begin with room for that many elements, or what the first run
// needs, and double when they are full.
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
// fail to evaluate them they are lost, and later runs fail until Reset.
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
	if s.states.handle == 0 {
		s.states.handle, _, _ = purego.SyscallN(w.lib.sessionNew, s.x.state.handle, uintptr(s.capacity))
	}
	r.session = s.states.handle
	if r.native(w); r.err == nil && atomic.CompareAndSwapInt32(&r.cancel, undecided, kept) {
		s.lengths = next // else what the run wrote lies behind the elements that count
	}
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
