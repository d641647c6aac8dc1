package onnx

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// Options say what is fixed when a model is imported.
type Options struct {
	// Func names the function that Import makes; "" is "main".
	Func string
	// Dims binds sizes: of a symbol ("batch"), or of an input's axis ("input_ids.1").
	Dims map[string]int64
	// Values binds inputs to constants; they are then no longer inputs. An initializer that is
	// also an input is a constant already, which a value replaces.
	Values map[string]*ir.Tensor
	// Eval computes an op of known operands, as interp does. With it, operands that must be known
	// at compile time may be computed by any op; nil leaves it at what ir follows by itself.
	Eval func(op *ir.Op, args []ir.Datum) ([]ir.Datum, error)
	// Gradient emits at the end of b's region the gradients of y with respect to xs, as grad.Append does; the seed is nil.
	// Without it the operator Gradient of ai.onnx.preview.training is unsupported.
	Gradient func(b *ir.Builder, y, seed *ir.Value, xs []*ir.Value) ([]*ir.Value, error)
}

// Import makes an ir.Module with one function of the model's graph: inputs and outputs keep their
// names, functions are inlined, initializers become constants that view f's mappings, so that the
// module must not be used after f is closed. Model-local functions come before operators.
//
// Errors: *Error, which names the node. Unsupported for an operator, a type or a form of them that
// Emily does not do; Invalid for a graph or a node against the specification, and for options that
// do not fit the model; Missing for absent tensors, operands and attributes; TooDeep and TooLarge
// for functions that recur or grow beyond bounds. Where an operand must be known, *NeedsValue is the cause.
func Import(f *File, opts Options) (*ir.Module, error) {
	im := &importer{
		file:   f,
		opts:   opts,
		rows:   index(),
		base:   filepath.Base(f.Path),
		blobs:  map[*Mapping]*ir.Blob{},
		origin: map[*ir.Value]*ir.Value{},
		dims:   map[ir.Dim]ir.Dim{},
	}
	if err := im.model(); err != nil {
		return nil, Locate(err, Error{File: f.Path})
	}
	return im.module, nil
}

// importer is one run of Import.
type importer struct {
	file      *File
	opts      Options
	rows      *rowIndex
	base      string // of the file, for locations
	module    *ir.Module
	fn        *ir.Func
	blobs     map[*Mapping]*ir.Blob
	functions map[funcKey]*function
	origin    map[*ir.Value]*ir.Value // region parameter → the operand that it is bound to
	dims      map[ir.Dim]ir.Dim       // symbol → what Options bind it to
	budget    int64                   // nodes that may still be imported
	open      int                     // subgraphs and functions
}

func (im *importer) model() error {
	m := im.file.Model
	ops, err := opsets(m)
	if err != nil {
		return err
	}
	if im.functions, err = indexFunctions(m.Functions); err != nil {
		return err
	}
	if err := im.checkCalls(m.Graph.Node); err != nil {
		return err
	}
	name := im.opts.Func
	if name == "" {
		name = "main"
	}
	im.module = ir.NewModule(im.base)
	im.fn = im.module.NewFunc(name)
	s := newScope(im, im.fn.Body, ops)
	if err := s.open(m.Graph); err != nil {
		return err
	}
	if err := im.inputs(s, m.Graph); err != nil {
		return err
	}
	if err := s.importNodes(m.Graph.Node); err != nil {
		return err
	}
	return im.outputs(s, m.Graph)
}

// inputs makes the function's parameters, and constants of the inputs that have values.
func (im *importer) inputs(s *scope, g *pb.GraphProto) error {
	free, err := im.freeInputs(s, g)
	if err != nil {
		return err
	}
	if err := im.bindDims(g, free); err != nil {
		return err
	}
	for _, in := range free {
		t, err := typeOf(in.Type, in.GetName())
		if err != nil {
			return Locate(err, Error{Tensor: in.GetName()})
		}
		for i, d := range t.Shape {
			t.Shape[i] = im.bound(d)
		}
		s.values[in.GetName()] = im.fn.Body.AddParam(strings.Clone(in.GetName()), t)
	}
	return nil
}

// freeInputs are the inputs that remain: those without an initializer or a value.
func (im *importer) freeInputs(s *scope, g *pb.GraphProto) ([]*pb.ValueInfoProto, error) {
	var free []*pb.ValueInfoProto
	seen := map[string]bool{}
	for i, in := range g.Input {
		name := in.GetName()
		if name == "" {
			return nil, errf(Invalid, remedyExport, "graph input %d has no name", i)
		}
		if seen[name] {
			return nil, errf(Invalid, remedyExport, "graph input %q is declared twice", name)
		}
		seen[name] = true
		if v := im.opts.Values[name]; v != nil {
			if err := im.bindValue(s, in, v); err != nil {
				return nil, Locate(err, Error{Tensor: name})
			}
			continue
		}
		init, ok := s.stored[name]
		if !ok {
			free = append(free, in)
			continue
		}
		if err := checkDefault(in, init.dense); err != nil {
			return nil, Locate(err, Error{Tensor: name})
		}
	}
	for name := range im.opts.Values {
		if !seen[name] {
			return nil, errf(Invalid, "name one of the inputs: "+ir.NameList(inputNames(g)), "a value for %q, which is no input", name)
		}
	}
	return free, nil
}

// checkDefault compares an initializer with the declared type of the input that has its name.
func checkDefault(in *pb.ValueInfoProto, t *pb.TensorProto) error {
	declared, err := typeOf(in.Type, in.GetName())
	if err != nil || t == nil {
		return nil // of no use, as the initializer takes its place
	}
	same := declared.DType.String() == DType(t.GetDataType()).String() && len(declared.Shape) == len(t.Dims)
	for i := 0; same && i < len(t.Dims); i++ {
		n, known := declared.Shape[i].Value()
		same = !known || n == t.Dims[i]
	}
	if !same {
		return errf(Invalid, remedyExport, "the input is declared as %s, its initializer is %s", declared, shapeString(DType(t.GetDataType()), t.Dims))
	}
	return nil
}

// bindValue makes a constant of an input, and sizes of the symbols in its type.
func (im *importer) bindValue(s *scope, in *pb.ValueInfoProto, v *ir.Tensor) error {
	name := in.GetName()
	delete(s.stored, name)
	t, err := typeOf(in.Type, name)
	if err != nil {
		return err
	}
	if !t.IsTensor() || t.DType != v.DType || len(t.Shape) != len(v.Shape) {
		return errf(Invalid, "give a value of the input's type", "the value is %s, the input %s", v.Type(), t)
	}
	for i, d := range t.Shape {
		if err := im.bind(d, int64(v.Shape[i]), fmt.Sprintf("axis %d of the value", i)); err != nil {
			return err
		}
	}
	b := ir.NewBuilder(s.region)
	s.values[name] = b.Const(v)
	return b.Err()
}

// bindDims applies Options.Dims.
func (im *importer) bindDims(g *pb.GraphProto, free []*pb.ValueInfoProto) error {
	if len(im.opts.Dims) == 0 {
		return nil
	}
	known := map[string]ir.Dim{}
	for _, in := range g.Input {
		t, err := typeOf(in.Type, in.GetName())
		if err != nil {
			continue // said where the input is made, if it is one
		}
		for i, d := range t.Shape {
			known[fmt.Sprintf("%s.%d", in.GetName(), i)] = d
			d.Symbols(func(s ir.Dim) { known[s.Name()] = s })
		}
	}
	for _, name := range slices.Sorted(maps.Keys(im.opts.Dims)) {
		d, ok := known[name]
		if !ok {
			return errf(Invalid, "name one of "+ir.NameList(slices.Sorted(maps.Keys(known))), "a size for %q, which is neither a symbol nor an axis of an input", name)
		}
		if err := im.bind(d, im.opts.Dims[name], fmt.Sprintf("the size given for %q", name)); err != nil {
			return err
		}
	}
	return nil
}

// bind makes d the size n wherever it occurs.
func (im *importer) bind(d ir.Dim, n int64, what string) error {
	now := im.bound(d)
	if n < 0 {
		return errf(Invalid, "give a size from 0 up", "%s is %d", what, n)
	}
	if now.Op() == ir.DimSym {
		im.dims[now] = ir.Size(n)
		return nil
	}
	if !im.fn.Body.Assume(ir.Fact{Rel: ir.EQ, A: now, B: ir.Size(n)}) {
		return errf(Invalid, "give sizes that fit the model", "%s is %d, the model says %s", what, n, now)
	}
	return nil
}

// bound is d with the symbols replaced that have sizes.
func (im *importer) bound(d ir.Dim) ir.Dim {
	return d.Subst(func(atom ir.Dim) (ir.Dim, bool) {
		v, ok := im.dims[atom]
		return v, ok
	})
}

// declares reports whether the inputs' types have all symbols of d: it can be bound then.
func (im *importer) declares(d ir.Dim) bool {
	symbols := map[ir.Dim]bool{}
	for _, p := range im.fn.Inputs() {
		for _, axis := range p.Type.Shape {
			axis.Symbols(func(s ir.Dim) { symbols[s] = true })
		}
	}
	all := true
	d.Symbols(func(s ir.Dim) { all = all && symbols[s] })
	return all
}

// outputs checks the declared types of the results and ends the function.
func (im *importer) outputs(s *scope, g *pb.GraphProto) error {
	if len(g.Output) == 0 {
		return errf(Invalid, remedyExport, "the graph has no outputs")
	}
	results, err := s.outputs(g)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for i, out := range g.Output {
		name := out.GetName()
		if seen[name] {
			return errf(Invalid, remedyExport, "graph output %q is declared twice", name)
		}
		seen[name] = true
		if err := s.checkDeclared(out, results[i]); err != nil {
			return err
		}
		im.fn.Outputs = append(im.fn.Outputs, strings.Clone(name))
	}
	s.b.Yield(results...)
	return s.b.Err()
}

func inputNames(g *pb.GraphProto) []string {
	names := make([]string, len(g.Input))
	for i, in := range g.Input {
		names[i] = in.GetName()
	}
	return names
}
