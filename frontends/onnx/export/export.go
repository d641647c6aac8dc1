// Package export makes ONNX models of IR modules.
//
// A model has one node or a few for each op, from the table Rules; constants become initializers, small ones in the model and large
// ones in a data file beside it. Sizes that are expressions over symbols are computed from shapes.
package export

import (
	"bufio"
	"cmp"
	"fmt"
	"io"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// The versions that models declare: onnxruntime 1.32 loads them.
const (
	Opset     = 28
	IRVersion = 14
)

// Options of Export. With the zero Options everything is in the model.
type Options struct {
	// Data names the file that large constants go to, as the model refers to it: a path from the model's folder.
	// "" keeps them in the model, which protobuf bounds to 2 GB.
	Data string
}

// Model is an ONNX model and the contents of its data file.
type Model struct {
	Proto    *pb.ModelProto
	external []piece
}

// piece is a constant in the data file.
type piece struct {
	offset int64
	data   []byte
}

// Bounds of what goes to the data file: nothing where the constants are fewer bytes in all, and no constant smaller.
const (
	inlineAll = 1 << 20
	inlineOne = 1 << 10
	alignment = 64
)

// Export makes an ONNX model of m's main function, whose inputs and outputs keep their names (an output with the name of an input gets
// another). It views m's constants: neither m nor its files may change while the model is in use.
//
// Errors: *Error for an op that ONNX cannot express, with its node.
func Export(m *ir.Module, opts Options) (*Model, error) {
	f := m.Main()
	if f == nil {
		return nil, fmt.Errorf("%s: the module has no function", m.Name)
	}
	x := newExporter(m, opts)
	g := x.graph(nil, f.Name)
	g.inputs(f)
	outputs := g.outputNames(f)
	g.plan(f.Body, outputs)
	g.ops(f.Body)
	g.outputs(f.Body, outputs, allSizes)
	if x.err != nil {
		return nil, x.err
	}
	g.proto.Initializer = x.initializers
	p := &pb.ModelProto{
		IrVersion:    new(int64(IRVersion)),
		ProducerName: new("emily"),
		Graph:        g.proto,
		OpsetImport:  []*pb.OperatorSetIdProto{{Domain: new(""), Version: new(int64(Opset))}},
	}
	if x.usesML {
		p.OpsetImport = append(p.OpsetImport, &pb.OperatorSetIdProto{Domain: new(mlDomain), Version: new(int64(mlOpset))})
	}
	return &Model{p, x.external}, nil
}

// HasData reports whether the model needs its data file.
func (m *Model) HasData() bool { return len(m.external) > 0 }

// WriteData writes the data file.
func (m *Model) WriteData(w io.Writer) error {
	b := bufio.NewWriter(w)
	at := int64(0)
	for _, p := range m.external {
		if _, err := b.Write(make([]byte, p.offset-at)); err != nil {
			return err
		}
		if _, err := b.Write(p.data); err != nil {
			return err
		}
		at = p.offset + int64(len(p.data))
	}
	return b.Flush()
}

// mostBytes is protobuf's limit on a message.
const mostBytes = 1<<31 - 1

// Marshal is the model file.
func (m *Model) Marshal() ([]byte, error) {
	if n := m.Proto.SizeVT(); n > mostBytes {
		return nil, fmt.Errorf("a model of %d bytes in one file, past protobuf's limit of %d: keep its constants in a data file", n, mostBytes)
	}
	return m.Proto.MarshalVT()
}

// Error is an op that cannot be exported.
type Error struct {
	Op     *ir.Op
	Reason string
}

func (e *Error) Error() string {
	return fmt.Sprintf("%s: ONNX cannot express %s: %s", e.Op.Location(), e.Op.Kind, e.Reason)
}

// exporter is one run of Export.
type exporter struct {
	module       *ir.Module
	rules        *[ir.NumKinds]Rule // the table, which has rules that refer to this
	opts         Options
	used         map[string]int // names of values, and how often they were asked for
	nodes        map[string]int // names of nodes
	initializers []*pb.TensorProto
	constants    map[string]string // contents → initializer
	large        bool              // constants go to the data file
	external     []piece
	end          int64 // of the data file
	usesML       bool
	err          error
}

func newExporter(m *ir.Module, opts Options) *exporter {
	x := &exporter{module: m, rules: &Rules, opts: opts, used: map[string]int{}, nodes: map[string]int{}, constants: map[string]string{}}
	total := 0
	m.Main().Body.Walk(func(op *ir.Op) {
		if a, ok := op.Attrs.(*ir.ConstAttrs); ok {
			total += len(a.Bytes())
		}
	})
	x.large = opts.Data != "" && total > inlineAll
	return x
}

// name is a new name of a value.
func (x *exporter) name(base string) string { return unique(x.used, base) }

// unique is base, or base with a number where it is taken.
func unique(used map[string]int, base string) string {
	for {
		n := used[base]
		used[base]++
		if n == 0 {
			return base
		}
		base = fmt.Sprintf("%s_%d", base, n)
	}
}

// inputs declares the function's parameters.
func (g *graph) inputs(f *ir.Func) {
	for _, v := range f.Inputs() {
		name := g.x.name(cmp.Or(v.Name, "input"))
		g.names[v] = name
		g.proto.Input = append(g.proto.Input, port(name, v.Type, allSizes))
		g.learn(v)
	}
}

// outputNames are f's, with a number where another tensor has the name: an input, unless it is what the output gives.
func (g *graph) outputNames(f *ir.Func) []string {
	names := make([]string, len(f.Outputs))
	for i, v := range f.Results() {
		if names[i] = f.Outputs[i]; g.names[v] != names[i] {
			names[i] = g.x.name(names[i])
		}
	}
	return names
}
