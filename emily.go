// Package emily compiles ONNX models and runs them: on MLX where it is set up, else in a pure-Go interpreter.
//
//	model, err := emily.Load("model.onnx")
//	exe, err := model.Compile(ctx)
//	outputs, err := exe.Run(ctx, map[string]ir.Datum{"ids": ir.TensorFrom(ids, 1, len(ids))})
//
// Load reads ONNX, the IR's text (.eir) and bundles that WriteBundle wrote. Weights are views of the mapped file.
package emily

import (
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"sync"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/ir"
)

// Model is a loaded model. Its methods are safe for concurrent use.
type Model struct {
	path string
	opts loadOptions
	src  source

	base    *ir.Module // as imported; nil where import needs values of inputs
	needs   error      // why base is nil
	inputs  []Port
	outputs []Port

	mu   sync.Mutex
	refs int // the model itself until Close, and its executables
}

// Port is an input or output. Types speak of symbols where sizes are free.
type Port struct {
	Name string
	Type ir.Type
}

type loadOptions struct {
	dims     map[string]int64
	values   map[string]*ir.Tensor
	unpadded bool
}

// LoadOption says how a model is loaded.
type LoadOption func(*loadOptions)

// WithDims fixes sizes: of a symbol in the types of inputs ("batch"), or of an input's axis ("input_ids.1").
func WithDims(dims map[string]int64) LoadOption { return func(o *loadOptions) { o.dims = dims } }

// WithValues turns inputs of an ONNX model into constants; they are then no longer inputs.
func WithValues(values map[string]*ir.Tensor) LoadOption {
	return func(o *loadOptions) { o.values = values }
}

// Load opens the model at path. An ONNX model whose shapes depend on the values of inputs is loaded too: it is
// compiled for the values that it gets, see Executable.Run.
//
// Errors are *onnx.Error and *ir.Error, which name file, node and remedy, and those of the file system.
func Load(path string, opts ...LoadOption) (*Model, error) {
	m := &Model{path: path, refs: 1}
	for _, o := range opts {
		o(&m.opts)
	}
	var err error
	if m.src, err = openSource(path); err != nil {
		return nil, err
	}
	if err := m.load(); err != nil {
		return nil, errors.Join(err, m.src.close())
	}
	return m, nil
}

func (m *Model) load() error {
	base, err := m.src.module(m.opts.dims, m.opts.values)
	if m.opts.unpadded {
		if err == nil {
			err = withoutPadding(base)
		}
		if err != nil {
			return err
		}
	}
	var needs *onnx.NeedsValue
	switch s, isONNX := m.src.(onnxSource); {
	case err == nil:
		m.base = base
		m.inputs, m.outputs = ports(base.Main())
		return nil
	case isONNX && errors.As(err, &needs) && len(needs.Inputs)+len(needs.Sizes) > 0:
		m.needs = err
		m.inputs, m.outputs, err = signature(s.file, m.opts.values)
		return err
	}
	return err
}

func ports(f *ir.Func) (in, out []Port) {
	for _, v := range f.Inputs() {
		in = append(in, Port{v.Name, v.Type})
	}
	for i, v := range f.Results() {
		out = append(out, Port{f.Outputs[i], v.Type})
	}
	return in, out
}

// Name is the base name of the model's file.
func (m *Model) Name() string { return filepath.Base(m.path) }

// Path is the model's file, as given to Load.
func (m *Model) Path() string { return m.path }

// Inputs are what Run takes, in order.
func (m *Model) Inputs() []Port { return slices.Clone(m.inputs) }

// Outputs are what Run gives, in order. Their types are unknown, of kind ir.NoType, while they depend on values of inputs.
func (m *Model) Outputs() []Port { return slices.Clone(m.outputs) }

// Module is a copy of the program as imported, for passes to change. It views the model's file: it must not be used
// after Close. The error is that of the import, with an *onnx.NeedsValue as its cause where WithValues would mend it.
func (m *Model) Module() (*ir.Module, error) {
	if m.base == nil {
		return nil, m.needs
	}
	return m.base.Clone(), nil
}

// Specialise is Module with those inputs and sizes bound that the import needs to know, from values by name. It returns
// the names of the bound inputs too; there are none where no value is needed.
func (m *Model) Specialise(values map[string]ir.Datum) (*ir.Module, []string, error) {
	if m.base != nil {
		return m.base.Clone(), nil, nil
	}
	s := specialisation{model: m, from: values, values: maps.Clone(m.opts.values), dims: maps.Clone(m.opts.dims)}
	return s.run()
}

// Close unmaps the file once the executables made from m are closed too.
func (m *Model) Close() error { return m.release() }

func (m *Model) retain() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refs == 0 {
		return fmt.Errorf("%s: %w", m.path, ErrClosed)
	}
	m.refs++
	return nil
}

func (m *Model) release() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refs == 0 {
		return nil
	}
	if m.refs--; m.refs > 0 {
		return nil
	}
	return m.src.close()
}

// ErrClosed is the cause of errors about a model or an executable that is closed.
var ErrClosed = errors.New("closed")

// FromModule is a model of a program in memory. m must not change as long as the model is used.
func FromModule(m *ir.Module) (*Model, error) {
	if m.Main() == nil {
		return nil, fmt.Errorf("%s: holds no function", m.Name)
	}
	model := &Model{path: m.Name, src: moduleSource{}, base: m, refs: 1}
	model.inputs, model.outputs = ports(m.Main())
	return model, nil
}
