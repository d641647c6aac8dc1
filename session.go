package emily

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
)

// Session runs a decoder step by step and keeps its key-value cache, so that what was seen once is not computed again. An input
// that an output continues, concat(past, new), belongs to the cache, whatever its name (past_key_values.0.key and present.0.key as
// Hugging Face's exporters call them): Run neither takes the one nor gives the other.
//
// On MLX the cache stays on the device, in buffers into which each step writes what is new, as a prompt cache of mlx-lm does. In the
// interpreter, and in a program with host islands, the last outputs are the next inputs.
//
// The methods are safe for concurrent use; runs follow one another.
type Session struct {
	exe     *Executable
	inputs  []Port
	outputs []Port
	steps   steps
}

// steps are the ways in which a session runs.
type steps interface {
	Run(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error)
	Len() int
	Reset()
}

type sessionOptions struct{ capacity int }

// SessionOption says how a session is made.
type SessionOption func(*sessionOptions)

// WithCapacity makes room for that many positions at once (default: for those of the first run). A cache that is full is moved to
// buffers of twice the size.
func WithCapacity(positions int) SessionOption {
	return func(o *sessionOptions) { o.capacity = positions }
}

// NewSession starts with an empty cache. It fails where the model has none, or is compiled when Run has values of inputs.
func (e *Executable) NewSession(opts ...SessionOption) (*Session, error) {
	var o sessionOptions
	for _, set := range opts {
		set(&o)
	}
	end, err := e.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	name := e.model.Name()
	if e.fixed == nil {
		return nil, fmt.Errorf("%s: values of inputs decide the program, so that it has no session: bind them with WithValues", name)
	}
	caches := ir.Caches(e.module.Main())
	if len(caches) == 0 {
		return nil, fmt.Errorf("%s: no output is an input with new elements behind it: there is no cache for a session to keep", name)
	}
	s := &Session{exe: e, inputs: slices.Clone(e.model.inputs), outputs: slices.Clone(e.model.outputs)}
	for _, c := range slices.Backward(sorted(caches, func(c ir.Cache) int { return c.Input })) {
		s.inputs = slices.Delete(s.inputs, c.Input, c.Input+1)
	}
	for _, c := range slices.Backward(sorted(caches, func(c ir.Cache) int { return c.Output })) {
		s.outputs = slices.Delete(s.outputs, c.Output, c.Output+1)
	}
	s.steps, err = e.steps(caches, o)
	return s, err
}

func sorted(list []ir.Cache, by func(ir.Cache) int) []ir.Cache {
	return slices.SortedFunc(slices.Values(list), func(a, b ir.Cache) int { return by(a) - by(b) })
}

func (e *Executable) steps(caches []ir.Cache, o sessionOptions) (steps, error) {
	if p := e.wholly(); p != nil {
		exe, err := p.decoder(e.module)
		if err != nil {
			return nil, err
		}
		return exe.NewSession(o.capacity), nil
	}
	return &handedOn{exe: e, caches: caches}, nil
}

// Inputs are what Run takes, in order.
func (s *Session) Inputs() []Port { return slices.Clone(s.inputs) }

// Outputs are what Run gives, in order.
func (s *Session) Outputs() []Port { return slices.Clone(s.outputs) }

// Run makes a step: the inputs are those of Executable.Run without the cache. The attention mask, where there is one, is as long as
// the cache and the new tokens together. A run that fails, or is cancelled, leaves the cache as it was; errors are those of
// Executable.Run.
func (s *Session) Run(ctx context.Context, inputs map[string]ir.Datum) (map[string]ir.Datum, error) {
	list, err := order(s.exe.model.Name(), s.inputs, inputs)
	if err != nil {
		return nil, err
	}
	outputs, err := s.RunOrdered(ctx, list)
	if err != nil {
		return nil, err
	}
	named := make(map[string]ir.Datum, len(outputs))
	for i, v := range outputs {
		named[s.outputs[i].Name] = v
	}
	return named, nil
}

// RunOrdered is Run for inputs and outputs in the order of Inputs and Outputs.
func (s *Session) RunOrdered(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error) {
	end, err := s.exe.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	if len(inputs) != len(s.inputs) {
		return nil, inputError(s.exe.model.Name(), ir.Malformed, "the inputs are "+names(s.inputs), "%d inputs, wants %d", len(inputs), len(s.inputs))
	}
	return s.steps.Run(ctx, inputs)
}

// Len is the number of positions in the cache.
func (s *Session) Len() int { return s.steps.Len() }

// Reset empties the cache and frees its memory. A session that is dropped is freed too, in time.
func (s *Session) Reset() { s.steps.Reset() }

// decoder is the program whose cache a session keeps; all sessions share it.
func (p *mlxProgram) decoder(m *ir.Module) (*runtime.Executable, error) {
	p.session.Lock()
	defer p.session.Unlock()
	if p.session.exe != nil {
		return p.session.exe, nil
	}
	opts := p.opts
	for _, s := range []*mlx.Switch{&opts.Tuning.Columns, &opts.Tuning.Packing} { // many steps are worth a copy of the weights
		if *s == mlx.WherePays {
			*s = mlx.On
		}
	}
	plan, err := mlx.LowerSession(m, opts)
	if err != nil {
		return nil, err
	}
	p.session.exe, err = runtime.Load(plan, runtime.Options{})
	return p.session.exe, err
}

// handedOn is a session whose cache goes through the host: the outputs of a step are inputs of the next.
type handedOn struct {
	exe    *Executable
	caches []ir.Cache

	mu     sync.Mutex
	values []ir.Datum // of the caches; nil before the first run
}

func (h *handedOn) Run(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	all, err := h.operands(inputs)
	if err != nil {
		return nil, err
	}
	if err := checkInputs(h.exe.model.Name(), h.exe.model.inputs, all); err != nil {
		return nil, err
	}
	results, err := h.exe.fixed.run(ctx, all, nil)
	if err != nil {
		return nil, err
	}
	h.values = make([]ir.Datum, len(h.caches))
	isCache := make([]bool, len(results))
	for i, c := range h.caches {
		h.values[i], isCache[c.Output] = results[c.Output], true
	}
	var out []ir.Datum
	for i, v := range results {
		if !isCache[i] {
			out = append(out, v)
		}
	}
	return out, nil
}

// operands puts the cache among the inputs.
func (h *handedOn) operands(inputs []ir.Datum) ([]ir.Datum, error) {
	all := make([]ir.Datum, len(h.exe.model.inputs))
	isCache := make([]bool, len(all))
	for i, c := range h.caches {
		if isCache[c.Input] = true; h.values != nil {
			all[c.Input] = h.values[i]
		}
	}
	sizes := map[ir.Dim]int64{}
	for i, k := 0, 0; i < len(all); i++ {
		if isCache[i] {
			continue
		}
		all[i] = inputs[k]
		k++
		if t, ok := all[i].(*ir.Tensor); ok {
			learnSizes(sizes, h.exe.model.inputs[i].Type.Shape, t)
		}
	}
	if h.values != nil {
		return all, nil
	}
	for _, c := range h.caches {
		var err error
		if all[c.Input], err = h.empty(&c, sizes); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func learnSizes(sizes map[ir.Dim]int64, shape ir.Shape, t *ir.Tensor) {
	for i, d := range shape {
		if d.Op() == ir.DimSym && i < len(t.Shape) {
			sizes[d] = int64(t.Shape[i])
		}
	}
}

// empty is a cache of no elements.
func (h *handedOn) empty(c *ir.Cache, sizes map[ir.Dim]int64) (ir.Datum, error) {
	port := h.exe.model.inputs[c.Input]
	shape := make([]int, len(port.Type.Shape))
	for i, d := range port.Type.Shape {
		n, ok := int64(0), i == c.Axis
		if !ok {
			n, ok = d.Eval(sizes)
		}
		if !ok {
			return nil, inputError(h.exe.model.Name(), ir.ShapeError, "", "size %s of the cache %q does not follow from the inputs", d, port.Name)
		}
		shape[i] = int(n)
	}
	if _, err := ir.NumElements(shape); err != nil {
		return nil, inputError(h.exe.model.Name(), ir.ShapeError, "", "the cache %q: %v", port.Name, err)
	}
	return ir.NewTensor(port.Type.DType, shape...), nil
}

// Len is the number of elements of the longest cache.
func (h *handedOn) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for i, v := range h.values {
		n = max(n, v.(*ir.Tensor).Shape[h.caches[i].Axis])
	}
	return n
}

func (h *handedOn) Reset() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.values = nil
}
