// Package onnxgo is a backend for github.com/owulveryck/onnx-go: a model that onnx-go decodes becomes an ir.Module,
// through the rows of frontends/onnx, and runs on Emily.
//
//	b := onnxgo.New()
//	m := upstream.NewModel(b)       // github.com/owulveryck/onnx-go
//	err := m.UnmarshalBinary(data)
//	err = m.SetInput(0, x)          // gorgonia.org/tensor
//	err = b.Run()
//	outputs, err := m.GetOutputTensors()
//
// onnx-go hides the opset, domains and node names, drops symbolic dims, and refuses subgraphs, functions and f16: models
// of today are better loaded with Emily's own decoder (emily.Load).
package onnxgo

import (
	"context"

	upstream "github.com/owulveryck/onnx-go"
	"github.com/owulveryck/onnx-go/backend"
	"gonum.org/v1/gonum/graph"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

var _ backend.ComputationBackend = (*Backend)(nil)

// Backend holds the graph of one model, which onnx-go builds. It is not safe for concurrent use.
type Backend struct {
	options
	nodes  []*node // by id
	values map[string]*value
	ops    []*pb.NodeProto
	inputs []*value // that are set, in the model's order
	linked bool     // the graph has edges: initializers are set, inputs follow
	err    error    // the first misuse of a method that returns none

	last *compiled
}

// Program is a module made ready to run; inputs and outputs are in the order of the module's function.
type Program interface {
	RunOrdered(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error)
	Close() error
}

// Compiler makes a module ready to run. It may change the module.
type Compiler func(ctx context.Context, m *ir.Module) (Program, error)

type options struct {
	name     string
	opset    int64
	outputs  []string
	compiler Compiler
}

// Option says how a model is run.
type Option func(*options)

// WithName says what diagnostics call the model (default "model").
func WithName(name string) Option { return func(o *options) { o.name = name } }

// WithOpset says which opset the model imports, as onnx-go does not tell. Without it the backend takes the newest one,
// from 10 down, in which every node is legal: onnx-go dates from that time. Where there is none, the oldest one from 11
// up. A model of opset 13 or newer should say so: Softmax, LogSoftmax and Hardmax were legal before with another meaning.
func WithOpset(version int64) Option { return func(o *options) { o.opset = version } }

// WithOutputs names the tensors that Run computes. Without it they are those that nodes produce and the model
// declares: its outputs, and intermediate tensors with a value_info.
func WithOutputs(names ...string) Option { return func(o *options) { o.outputs = names } }

// WithCompiler chooses what runs the model (default: the interpreter). emily.FromModule and Model.Compile make one that
// runs on MLX.
func WithCompiler(c Compiler) Option { return func(o *options) { o.compiler = c } }

// New makes the backend for one model.
func New(opts ...Option) *Backend {
	b := &Backend{options: options{name: "model", compiler: interpret}, values: map[string]*value{}}
	for _, set := range opts {
		set(&b.options)
	}
	return b
}

// ApplyOperation adds a node of the model, whose operands are what results have edges to.
//
// Errors: *ErrNotImplemented of onnx-go for an operator that Emily does not have, *onnx.Error for the rest.
func (b *Backend) ApplyOperation(op upstream.Operation, results ...graph.Node) error {
	if !hasOp(op.Name) {
		return &upstream.ErrNotImplemented{Operator: op.Name, Message: "give an equivalent of other operators"}
	}
	return b.apply(op, results)
}

func (b *Backend) apply(op upstream.Operation, results []graph.Node) error {
	p := &pb.NodeProto{OpType: &op.Name}
	var first *node
	for i, r := range results {
		n, err := b.own(r)
		if err != nil {
			return err
		}
		p.Output = append(p.Output, n.GetName())
		if first == nil && n.GetName() != "" {
			first = results[i].(*node)
		}
	}
	if first == nil {
		return nil // nothing uses what it computes
	}
	at := onnx.Error{File: b.name, Node: first.GetName(), Op: op.Name}
	if first.val.produced {
		return failf(at, onnx.Invalid, "give every tensor a name of its own", "two nodes produce %q", first.GetName())
	}
	attrs, err := attributes(op.Attributes)
	if err != nil {
		return onnx.Locate(err, at)
	}
	p.Attribute = attrs
	p.Input = operandNames(first)
	for _, r := range results {
		r.(*node).val.produced = true
	}
	b.ops = append(b.ops, p)
	b.last.close()
	b.last = nil
	return nil
}

// own is r as a node of this graph.
func (b *Backend) own(r graph.Node) (*node, error) {
	n, ok := r.(*node)
	if !ok || n.b != b {
		return nil, failf(onnx.Error{File: b.name}, onnx.Invalid, "make nodes with NewNode", "a node of another graph")
	}
	return n, nil
}

// Run computes the outputs from the inputs set; nodes then carry them. The first run, and one with inputs of other
// shapes, compiles the model.
//
// Errors: *onnx.Error for a model that cannot be imported, an input that is not set (Missing) and an output that gorgonia
// has no tensor for (Unsupported), and those of the compiler and its program.
func (b *Backend) Run() error { return b.RunContext(context.Background()) }

// RunContext is Run that stops when ctx ends.
func (b *Backend) RunContext(ctx context.Context) error {
	if b.err != nil {
		return b.err
	}
	c, err := b.compiled(ctx)
	if err != nil {
		return err
	}
	inputs := make([]ir.Datum, len(c.inputs))
	for i, v := range c.inputs {
		inputs[i] = v.data
	}
	results, err := c.program.RunOrdered(ctx, inputs)
	if err != nil {
		return err
	}
	for i, v := range c.outputs {
		if err := b.carry(v, results[i]); err != nil {
			return onnx.Locate(err, onnx.Error{File: b.name, Tensor: v.name})
		}
	}
	return nil
}

// Close frees what the last run compiled. The backend can be used again.
func (b *Backend) Close() error {
	err := b.last.close()
	b.last = nil
	return err
}

// interpret is the default compiler.
func interpret(_ context.Context, m *ir.Module) (Program, error) {
	p, err := interp.New(m.Main())
	if err != nil {
		return nil, err
	}
	return interpreted{p}, nil
}

type interpreted struct{ *interp.Program }

func (p interpreted) RunOrdered(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error) {
	return p.Run(ctx, inputs)
}

func (interpreted) Close() error { return nil }
