package onnxgo

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

// compiled is the program for inputs of certain shapes, and of certain values where the import needs them.
type compiled struct {
	program Program
	inputs  []*value // of the program, in order
	outputs []*value
	bound   []*value // inputs whose values are constants in the program
	key     [sha256.Size]byte
}

func (c *compiled) close() error {
	if c == nil {
		return nil
	}
	return c.program.Close()
}

// compiled is the last program where it fits the inputs, or else a new one.
func (b *Backend) compiled(ctx context.Context) (*compiled, error) {
	if b.last != nil && b.last.key == b.key(b.last.bound) {
		return b.last, nil
	}
	g, err := b.graph()
	if err != nil {
		return nil, onnx.Locate(err, onnx.Error{File: b.name})
	}
	module, bound, err := b.choose(g)
	if err != nil {
		return nil, err
	}
	c := &compiled{bound: bound, key: b.key(bound)}
	for _, in := range module.Main().Inputs() {
		c.inputs = append(c.inputs, b.values[in.Name])
	}
	for _, name := range module.Main().Outputs {
		c.outputs = append(c.outputs, b.values[name])
	}
	if c.program, err = b.compiler(ctx, module); err != nil {
		return nil, err
	}
	b.last.close()
	b.last = c
	return c, nil
}

// key identifies the types of the inputs, and the values of those bound.
func (b *Backend) key(bound []*value) (key [sha256.Size]byte) {
	h := sha256.New()
	for _, v := range b.inputs {
		fmt.Fprintf(h, "%q%s%v", v.name, v.data.DType, v.data.Shape)
	}
	for _, v := range bound {
		fmt.Fprintf(h, "%q%q", v.name, v.data.Strings)
		h.Write(v.data.Data)
	}
	h.Sum(key[:0])
	return key
}

// Module is the model as a module with one function, for inputs of the types set.
//
// Errors: as Run's.
func (b *Backend) Module() (*ir.Module, error) {
	if b.err != nil {
		return nil, b.err
	}
	g, err := b.graph()
	if err != nil {
		return nil, onnx.Locate(err, onnx.Error{File: b.name})
	}
	m, _, err := b.choose(g)
	return m, err
}

// graph is the model's graph as a message, its inputs those set.
func (b *Backend) graph() (*pb.GraphProto, error) {
	g := &pb.GraphProto{Name: &b.name, Node: b.ops}
	last := b.lastDeclared()
	for _, name := range slices.Sorted(maps.Keys(b.values)) {
		v := b.values[name]
		switch {
		case name == "" || !v.used || v.produced || v.given:
		case v.stored(last):
			t, err := interp.FromGorgonia(v.tensor)
			if err != nil {
				return nil, onnx.Locate(err, onnx.Error{Tensor: name})
			}
			g.Initializer = append(g.Initializer, tensorProto(name, t))
		case v.tensor != nil:
			return nil, failf(onnx.Error{Tensor: name}, onnx.Missing, fmt.Sprintf("call SetInput(%d, …)", v.first), "the input is not set")
		}
	}
	for _, v := range b.inputs {
		if v.used {
			g.Input = append(g.Input, inputProto(v.name, v.data))
		}
	}
	var err error
	g.Output, err = b.graphOutputs()
	return g, err
}

// graphOutputs are the tensors that a run computes.
func (b *Backend) graphOutputs() ([]*pb.ValueInfoProto, error) {
	var wanted []*value
	for _, name := range b.outputs {
		v := b.values[name]
		if v == nil || !v.produced {
			return nil, failf(onnx.Error{Tensor: name}, onnx.Invalid, "name tensors that nodes produce (WithOutputs)", "no node produces it")
		}
		wanted = append(wanted, v)
	}
	if b.outputs == nil {
		wanted = b.producedWhere(func(v *value) bool { return v.sets > 0 })
	}
	if wanted == nil { // outputs without a type
		wanted = b.producedWhere(func(v *value) bool { return !v.used })
	}
	var out []*pb.ValueInfoProto
	for _, v := range wanted {
		p, err := outputProto(v)
		if err != nil {
			return nil, onnx.Locate(err, onnx.Error{Tensor: v.name})
		}
		out = append(out, p)
	}
	return out, nil
}

func (b *Backend) producedWhere(is func(*value) bool) []*value {
	var out []*value
	for _, p := range b.ops {
		for _, name := range p.Output {
			if v := b.values[name]; name != "" && is(v) {
				out = append(out, v)
			}
		}
	}
	return out
}

// choose imports the graph in the first opset that takes it. Where none does, the error is of the one that came furthest.
func (b *Backend) choose(g *pb.GraphProto) (*ir.Module, []*value, error) {
	var worst error
	reached := -2
	for _, opset := range b.candidates() {
		m, bound, err := b.importAt(g, opset)
		if err == nil {
			return m, bound, nil
		}
		if at := b.place(err); at > reached {
			worst, reached = err, at
		}
	}
	if e := (*onnx.Error)(nil); b.opset == 0 && errors.As(worst, &e) && e.Opset != 0 {
		said := *e
		said.Remedy += "; or say which opset the model imports (WithOpset)"
		return nil, nil, &said
	}
	return nil, nil, worst
}

// place is the index of the node that err is about; that of no node is past them all.
func (b *Backend) place(err error) int {
	var e *onnx.Error
	if !errors.As(err, &e) || e.Op == "" {
		return len(b.ops)
	}
	return slices.IndexFunc(b.ops, func(p *pb.NodeProto) bool { return slices.Contains(p.Output, e.Node) })
}

// importAt imports the graph in an opset, with those inputs bound that must be known.
func (b *Backend) importAt(g *pb.GraphProto, opset int64) (*ir.Module, []*value, error) {
	irVersion := int64(8) // initializers need not be inputs
	model := &pb.ModelProto{IrVersion: &irVersion, Graph: g, OpsetImport: withDomains(g.Node, opset)}
	opts := onnx.Options{Values: map[string]*ir.Tensor{}, Eval: interp.EvalOp}
	var bound []*value
	for {
		m, err := onnx.Import(onnx.FromModel(b.name, model), opts)
		var needs *onnx.NeedsValue
		if err == nil || !errors.As(err, &needs) {
			return m, bound, err
		}
		before := len(bound)
		for _, name := range needs.Inputs {
			if v := b.values[name]; v != nil && v.given && opts.Values[name] == nil {
				opts.Values[name] = v.data
				bound = append(bound, v)
			}
		}
		if len(bound) == before {
			return nil, nil, err
		}
	}
}
