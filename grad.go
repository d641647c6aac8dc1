package emily

import (
	"errors"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/grad"
)

// Grad is a model of the gradients of m, as passes/grad makes them: it has the inputs of m, and the outputs that o asks for.
// It is compiled and run like any other, and is closed for itself; m may be closed before it. Errors are those of
// Model.Module and of grad.Build.
//
//	g, err := emily.Grad(m, grad.Options{Loss: "loss", Wrt: []string{grad.AllParams}, Value: true})
func Grad(m *Model, o grad.Options) (*Model, error) {
	module, err := m.Module()
	if err != nil {
		return nil, err
	}
	g, err := grad.Build(module, o)
	if err != nil {
		return nil, err
	}
	return m.derived(g)
}

// derived is a model of a program that views m's file.
func (m *Model) derived(program *ir.Module) (*Model, error) {
	if err := m.retain(); err != nil {
		return nil, err
	}
	d, err := FromModule(program)
	if err != nil {
		return nil, errors.Join(err, m.release())
	}
	d.path, d.src = m.path, derivedSource{of: m}
	return d, nil
}

// derivedSource is a module in memory that views the file of another model.
type derivedSource struct {
	moduleSource
	of *Model
}

func (s derivedSource) close() error { return s.of.release() }
