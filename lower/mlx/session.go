package mlx

import (
	"fmt"

	"github.com/emilyc/emily/ir"
)

// cache is one that the plan keeps as a state.
type cache struct {
	ir.Cache
	buffer Reg // before the run, then after it
}

// LowerSession makes a Plan of m's main function whose caches (ir.Caches) are states: they are neither inputs nor outputs, and each
// is written in place, by one slice_update in a run. It fails where there are none; other errors are those of Lower.
func LowerSession(m *ir.Module, opts Options) (*Plan, error) {
	f, err := lowerable(m, opts)
	if err != nil {
		return nil, err
	}
	found := ir.Caches(f)
	if len(found) == 0 {
		return nil, fmt.Errorf("%s: no output is an input with new elements behind it: there is no cache for a session to keep", m.Name)
	}
	l := newLowering(m, opts)
	caches, kept := make([]cache, len(found)), make([]Carry, len(found))
	for i, c := range found {
		caches[i].Cache, kept[i] = c, Carry{c.Input, c.Output}
		l.caches[c.Concat] = &caches[i]
		if cast := c.Concat.Args[0].Def; cast != nil {
			l.caches[cast] = &caches[i]
		}
	}
	l.without(f, kept, func() {
		for i := range caches {
			l.state(f, &caches[i])
		}
	})
	for i := range caches {
		l.b.KeepState(caches[i].buffer)
	}
	return l.b.Finish()
}

// Carry is an input of a function, and the output that is its value in the next run.
type Carry struct{ Input, Output int }

// LowerCarried makes a Plan of m's main function whose carried inputs are states, which are neither inputs nor outputs: parameters
// that a training step replaces, say. Their types have known sizes. Errors are those of Lower.
func LowerCarried(m *ir.Module, carries []Carry, opts Options) (*Plan, error) {
	f, err := lowerable(m, opts)
	if err != nil {
		return nil, err
	}
	l := newLowering(m, opts)
	l.without(f, carries, func() {
		for _, c := range carries {
			in, out := f.Inputs()[c.Input], f.Results()[c.Output]
			l.define(in, l.b.State(State{In: Port{in.Name, in.Type}, Out: Port{f.Outputs[c.Output], out.Type}, Axis: Carried}))
		}
	})
	for _, c := range carries {
		l.b.KeepState(l.reg(f.Results()[c.Output]))
	}
	return l.b.Finish()
}

// without lowers f but for the inputs and outputs that are kept as states, which the function given makes after the other inputs.
func (l *lowering) without(f *ir.Func, kept []Carry, states func()) {
	isInput, isOutput := map[int]bool{}, map[int]bool{}
	for _, c := range kept {
		isInput[c.Input], isOutput[c.Output] = true, true
	}
	var inputs []*ir.Value
	for i, v := range f.Inputs() {
		if !isInput[i] {
			inputs = append(inputs, v)
		}
	}
	l.inputs(inputs, nil)
	states()
	for _, fact := range f.Body.Facts.List {
		l.addFact(fact, true)
	}
	for _, op := range f.Body.Ops {
		l.lower(op)
	}
	for i, v := range f.Results() {
		if !isOutput[i] {
			l.b.Output(f.Outputs[i], v.Type, l.reg(v))
		}
	}
}

func (l *lowering) state(f *ir.Func, c *cache) {
	past, present := f.Inputs()[c.Input], f.Results()[c.Output]
	c.buffer = l.b.State(State{In: Port{past.Name, past.Type}, Out: Port{f.Outputs[c.Output], present.Type}, Axis: c.Axis})
	l.bind(c.Length())
}

// grow writes the new elements behind those that are there, in a buffer that has room for them. What reads the present elements gets
// a view of the buffer.
func (l *lowering) grow(c *cache) {
	present := c.Concat.Result()
	buffer := l.b.Call(Reserve, c.buffer, present.Shape(), c.Axis, c.Length(), present.DType())
	s := wholeSlice(present.Shape())
	s.start[c.Axis] = c.Length()
	c.buffer = l.b.Call(SliceUpdate, buffer, l.reg(c.Concat.Args[1]), s.start, s.stop, s.step)
	s = wholeSlice(present.Shape())
	l.define(present, l.slice(c.buffer, s))
}
