package emily

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
	"unsafe"

	"github.com/emilyc/emily/ir"
)

// Executable is a compiled model. Its methods are safe for concurrent use.
type Executable struct {
	model  *Model
	build  func(ctx context.Context, m *ir.Module, t *Timing) (program, error)
	timing Timing
	fixed  program    // nil where values of inputs decide the program
	module *ir.Module // that fixed runs
	cache  specialised

	life   sync.RWMutex // held by runs; Close waits for them
	closed bool
}

// program is a module made ready to run by a backend.
type program interface {
	// run calls each, where it is not nil, for every call or op.
	run(ctx context.Context, inputs []ir.Datum, each func(OpTime)) ([]ir.Datum, error)
	close() error
}

// Timing says how long the steps of compiling took, and which backend there is in the end. It is zero for a model that is
// compiled when Run has values of inputs.
type Timing struct {
	Backend             Backend
	Passes, Lower, Load time.Duration
}

// Timing is how long Compile's steps took.
func (e *Executable) Timing() Timing { return e.timing }

// Inputs are what Run takes, in order.
func (e *Executable) Inputs() []Port { return e.model.Inputs() }

// Outputs are what Run gives, in order.
func (e *Executable) Outputs() []Port { return e.model.Outputs() }

// Run runs the model on inputs by name. Sizes may be any that the symbols in the inputs' types and the model's
// facts allow. Where an operand that has to be known at compile time is computed from inputs, the model is
// compiled for their values, once for each of the last 16 sets of values.
//
// Errors are *ir.Error for inputs that do not fit, which name the input, what it should be, and the remedy; ctx's
// error when it ends first; and those of the backend. Inputs must not change during the run, nor after a cancelled one
// until Close: MLX may still read them. Results are the caller's own.
func (e *Executable) Run(ctx context.Context, inputs map[string]ir.Datum) (map[string]ir.Datum, error) {
	list, err := order(e.model.Name(), e.model.inputs, inputs)
	if err != nil {
		return nil, err
	}
	outputs, err := e.RunOrdered(ctx, list)
	if err != nil {
		return nil, err
	}
	named := make(map[string]ir.Datum, len(outputs))
	for i, v := range outputs {
		named[e.model.outputs[i].Name] = v
	}
	return named, nil
}

// RunOrdered is Run for inputs and outputs in the order of Inputs and Outputs.
func (e *Executable) RunOrdered(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error) {
	return e.run(ctx, inputs, nil)
}

func (e *Executable) run(ctx context.Context, inputs []ir.Datum, each func(OpTime)) ([]ir.Datum, error) {
	end, err := e.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := checkInputs(e.model.Name(), e.model.inputs, inputs); err != nil {
		return nil, err
	}
	if e.fixed != nil {
		return e.fixed.run(ctx, inputs, each)
	}
	return e.runSpecialised(ctx, inputs, each)
}

// begin keeps e open until end is called. The error is that of one that is closed.
func (e *Executable) begin() (end func(), err error) {
	e.life.RLock()
	if e.closed {
		e.life.RUnlock()
		return nil, fmt.Errorf("%s: the executable is %w", e.model.Name(), ErrClosed)
	}
	return e.life.RUnlock, nil
}

// wholly is the program of e where MLX runs all of it as one plan, else nil.
func (e *Executable) wholly() *mlxProgram {
	if o, ok := e.fixed.(owning); ok {
		if p, ok := o.program.(*mlxProgram); ok && p.staged.Plan() != nil {
			return p
		}
	}
	return nil
}

// Close waits for the runs that have begun and frees what they use.
func (e *Executable) Close() error {
	e.life.Lock()
	defer e.life.Unlock()
	if e.closed {
		return nil
	}
	e.closed = true
	err := e.cache.close()
	if e.fixed != nil {
		err = e.fixed.close()
	}
	if r := e.model.release(); err == nil {
		err = r
	}
	return err
}

// owning is a program whose results own their memory: those that view an input, or the model's file, which may be
// closed before they are dropped, are copied.
type owning struct {
	program
	blobs []*ir.Blob
}

func (p owning) run(ctx context.Context, inputs []ir.Datum, each func(OpTime)) ([]ir.Datum, error) {
	outputs, err := p.program.run(ctx, inputs, each)
	for i, v := range outputs {
		if t, ok := v.(*ir.Tensor); ok && p.views(t, inputs) {
			c := *t
			c.Data = slices.Clone(t.Data)
			outputs[i] = &c
		}
	}
	return outputs, err
}

// views reports whether t's elements lie in a blob or in an input.
func (p owning) views(t *ir.Tensor, inputs []ir.Datum) bool {
	return slices.ContainsFunc(p.blobs, func(b *ir.Blob) bool { return within(t.Data, b.Data) }) ||
		slices.ContainsFunc(inputs, func(v ir.Datum) bool {
			in, ok := v.(*ir.Tensor)
			return ok && within(t.Data, in.Data)
		})
}

// within reports whether part begins inside whole.
func within(part, whole []byte) bool {
	if len(part) == 0 || len(whole) == 0 {
		return false
	}
	at, start := uintptr(unsafe.Pointer(&part[0])), uintptr(unsafe.Pointer(&whole[0]))
	return at >= start && at < start+uintptr(len(whole))
}

// runSpecialised compiles for the values of the inputs that the import needs, and runs on the others.
func (e *Executable) runSpecialised(ctx context.Context, inputs []ir.Datum, each func(OpTime)) ([]ir.Datum, error) {
	for {
		keyed := e.cache.keyed(len(inputs))
		p, done, err := e.cache.find(keyOf(inputs, keyed), func() (program, []bool, error) { return e.specialise(ctx, inputs) })
		if err != nil && ctx.Err() == nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
			continue // another run, which compiled for the same values, was cancelled
		}
		if err != nil {
			return nil, err
		}
		if e.cache.widen(p, keyed) { // p depends on values that are not in its key
			done()
			continue
		}
		defer done()
		var rest []ir.Datum
		for i, v := range inputs {
			if !p.bound[i] {
				rest = append(rest, v)
			}
		}
		return p.run(ctx, rest, each)
	}
}

func (e *Executable) specialise(ctx context.Context, inputs []ir.Datum) (program, []bool, error) {
	named := map[string]ir.Datum{}
	for i, p := range e.model.inputs {
		named[p.Name] = inputs[i]
	}
	module, names, err := e.model.Specialise(named)
	if err != nil {
		return nil, nil, err
	}
	bound := make([]bool, len(inputs))
	for i, p := range e.model.inputs {
		bound[i] = slices.Contains(names, p.Name)
	}
	prog, err := e.build(ctx, module, &Timing{})
	return prog, bound, err
}

// keyOf identifies the shapes of all inputs, which sizes may have been bound to, and the values of those that are keyed.
func keyOf(inputs []ir.Datum, keyed []bool) cacheKey {
	h := sha256.New()
	fmt.Fprint(h, keyed)
	for i, v := range inputs {
		t, ok := v.(*ir.Tensor)
		if !ok {
			continue
		}
		fmt.Fprintf(h, "%s%v", t.DType, t.Shape)
		if keyed[i] {
			fmt.Fprintf(h, "%q", t.Strings)
			h.Write(t.Data)
		}
	}
	return cacheKey(h.Sum(nil))
}
