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
	caches := make([]cache, len(found))
	isInput, isOutput := map[int]bool{}, map[int]bool{}
	l := newLowering(m, opts)
	for i, c := range found {
		caches[i].Cache = c
		l.caches[c.Concat] = &caches[i]
		if cast := c.Concat.Args[0].Def; cast != nil {
			l.caches[cast] = &caches[i]
		}
		isInput[c.Input], isOutput[c.Output] = true, true
	}
	var inputs []*ir.Value
	for i, v := range f.Inputs() {
		if !isInput[i] {
			inputs = append(inputs, v)
		}
	}
	l.inputs(inputs, nil)
	for i := range caches {
		l.state(f, &caches[i])
	}
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
	for i := range caches {
		l.b.KeepState(caches[i].buffer)
	}
	return l.b.Finish()
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
