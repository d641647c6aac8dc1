package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

var controlRows = []row{
	{"", "If", since(1, 11, 13, 16, 19, 21, 23, 24, 25), importIf},
	{"", "Loop", since(1, 11, 13, 16, 19, 21, 23, 24, 25), importLoop},
	{"", "Scan", since(8), importScan8},
	{"", "Scan", since(9, 11, 16, 19, 21, 23, 24, 25), importScan},
}

// build imports graph g into the scope and gives the values of its outputs.
func (s *scope) build(g *pb.GraphProto) ([]*ir.Value, error) {
	defer s.im.leave()
	if err := s.im.enter(); err != nil {
		return nil, err
	}
	if err := s.open(g); err != nil {
		return nil, err
	}
	if err := s.importNodes(g.Node); err != nil {
		return nil, err
	}
	return s.outputs(g)
}

// importIf: where the condition is known only the branch taken is imported, in place. That also makes branches of
// different ranks possible, which exporters write for shapes.
func importIf(n *Node) []*ir.Value {
	then, els := n.Graph("then_branch"), n.Graph("else_branch")
	if !n.ok() {
		return nil
	}
	for _, g := range []*pb.GraphProto{then, els} {
		if len(g.Output) != n.outputs() || len(g.Input) > 0 {
			return one(n.fail(Invalid, remedyExport, "a branch has %d inputs and %d outputs, must have none and %d", len(g.Input), len(g.Output), n.outputs()))
		}
	}
	if known, ok := n.settled(n.in[0]).KnownInts(); ok && len(known) == 1 {
		if known[0] == 0 {
			then = els
		}
		return n.took(n.s.inner(n.s.region).build(then))
	}
	return n.branches(then, els)
}

// took is a row's result where an error may have come from inside a subgraph.
func (n *Node) took(results []*ir.Value, err error) []*ir.Value {
	if err != nil {
		n.b.Fail(err)
	}
	return results
}

// branches makes both regions: each has a parameter for whatever one of them captures.
func (n *Node) branches(then, els *pb.GraphProto) []*ir.Value {
	a, b := n.s.inner(n.b.Region().NewRegion()), n.s.inner(n.b.Region().NewRegion())
	yield := func(in *scope, g *pb.GraphProto) []*ir.Value {
		results, err := in.build(g)
		if err != nil {
			n.b.Fail(n.branchError(err))
		}
		return results
	}
	ra := yield(a, then)
	for _, v := range a.captures {
		b.addCapture(v)
	}
	rb := yield(b, els)
	for _, v := range b.captures[len(a.captures):] {
		a.addCapture(v)
	}
	if !n.ok() {
		return nil
	}
	for i := range ra {
		if ra[i].Rank() != rb[i].Rank() {
			n.b.Fail(n.needs(n.in[0], fmt.Sprintf("output %d is %s in one branch and %s in the other: the condition must be known when the model is compiled",
				i, ra[i].Type, rb[i].Type)))
			return nil
		}
	}
	a.b.Yield(ra...)
	b.b.Yield(rb...)
	return n.b.Ops(ir.If, nil, []*ir.Region{a.region, b.region}, append([]*ir.Value{n.in[0]}, b.captures...)...)
}

// branchError is err, or that the condition must be known: a branch that cannot be right for the sizes at hand may be
// the one that is never taken.
func (n *Node) branchError(err error) error {
	var broken *ir.Error
	var at *Error
	if !(errors.As(err, &broken) && broken.Kind == ir.ShapeError || errors.As(err, &at) && at.Kind == Shape) {
		return err
	}
	inputs, sizes := n.s.im.sources(n.in[0])
	if len(inputs)+len(sizes) == 0 {
		return err
	}
	return needing(inputs, sizes, fmt.Sprintf("the condition must be known when the model is compiled, since a branch is wrong for these sizes: %v", err))
}

// addCapture makes a parameter for a value that another region captures.
func (s *scope) addCapture(v *ir.Value) {
	p := s.region.AddParam(v.Name, v.Type)
	p.Sym = v.Sym
	s.bindCapture(v, p)
}

// loop is a body that is run again and again.
type loop struct {
	graph   *pb.GraphProto
	params  []ir.Type   // of the region, before captures
	origins []*ir.Value // what a parameter is computed from, for diagnostics; nil for none
	first   int         // index of the first carried parameter
	carried int         // how many there are
	yields  int         // index of the first carried result
	symbols []ir.Dim    // sizes that iterations change
}

// body builds the region of a loop. A carried value starts as it is given; where an iteration changes one of its
// sizes, that becomes a symbol of the body, and the body is built again.
func (s *scope) body(l *loop) (*scope, []*ir.Value, error) {
	g := l.graph
	if len(g.Input) != len(l.params) || len(g.Output) < l.yields+l.carried {
		return nil, nil, errf(Invalid, remedyExport, "the body takes %d operands and gives %d, must take %d and give at least %d",
			len(g.Input), len(g.Output), len(l.params), l.yields+l.carried)
	}
	for {
		in, results, err := s.iteration(l)
		if err != nil {
			return nil, nil, err
		}
		changed, err := s.widen(l, in.region, results)
		if err != nil || !changed {
			return in, results, err
		}
	}
}

// iteration builds the region once.
func (s *scope) iteration(l *loop) (*scope, []*ir.Value, error) {
	in := s.inner(s.region.NewRegion())
	for i, p := range l.graph.Input {
		name := p.GetName()
		if _, twice := in.values[name]; twice || name == "" {
			return nil, nil, errf(Invalid, remedyExport, "operand %d of the body is called %q: a name must be there, once", i, clip(name))
		}
		v := in.region.AddParam("", l.params[i])
		s.im.origin[v] = l.origins[i]
		in.values[name] = in.ranked(v, p)
	}
	results, err := in.build(l.graph)
	return in, results, err
}

// ranked is v with the axis of size 1 that the body declares it with, as some do for the counter and the condition.
func (s *scope) ranked(v *ir.Value, p *pb.ValueInfoProto) *ir.Value {
	shape := p.GetType().GetTensorType().GetShape()
	if shape == nil || v.Rank() != 0 || len(shape.Dim) != 1 {
		return v
	}
	return s.b.Op(ir.Unsqueeze, &ir.AxesAttrs{Axes: []int64{0}}, v)
}

// widen gives the sizes that an iteration changes symbols of their own.
func (s *scope) widen(l *loop, r *ir.Region, results []*ir.Value) (changed bool, err error) {
	for i := range l.carried {
		had, got := l.params[l.first+i], results[l.yields+i].Type
		if had.Elem != nil {
			wide, ok := coverLists(had, got)
			if !ok {
				return false, errf(Unsupported, "export the loop with carried values of one type", "carried value %d is %s, and after an iteration %s", i, had, got)
			}
			changed = changed || !wide.Equal(had)
			l.params[l.first+i] = wide
			continue
		}
		if had.Kind != got.Kind || had.DType != got.DType || len(had.Shape) != len(got.Shape) {
			return false, errf(Unsupported, "export the loop with carried tensors of one rank and dtype",
				"carried value %d is %s, and after an iteration %s", i, had, got)
		}
		shape := slices.Clone(had.Shape)
		for k, d := range got.Shape {
			if r.SameDim(d, shape[k]) || slices.Contains(l.symbols, shape[k]) {
				continue
			}
			shape[k] = s.im.fn.Fresh()
			l.symbols = append(l.symbols, shape[k])
			changed = true
		}
		l.params[l.first+i].Shape = shape
	}
	return changed, nil
}

// importLoop: an absent condition is true at first, and then what the body yields, as in onnxruntime and in ONNX's reference
// (its specification would ignore what the body yields). A condition that is always true is left out.
func importLoop(n *Node) []*ir.Value {
	g := n.Graph("body")
	trip, cond := n.arg(0), n.arg(1)
	var init []*ir.Value
	if len(n.in) > 2 {
		init = n.in[2:]
	}
	if !n.present(init) {
		return nil
	}
	l := &loop{graph: g, first: 2, carried: len(init), yields: 1,
		params: append([]ir.Type{ir.TensorOf(ir.I64), ir.TensorOf(ir.Bool)}, valueTypes(init)...), origins: append([]*ir.Value{nil, nil}, init...)}
	in, results, err := n.s.body(l)
	if err != nil {
		return n.took(nil, err)
	}
	if len(g.Output)-1 != n.outputs() {
		return one(n.fail(Invalid, remedyExport, "the body yields %d values after the condition, but there are %d outputs", len(g.Output)-1, n.outputs()))
	}
	was := asOptionals(in, l, results)
	if results[0].Rank() == 1 {
		results[0] = in.b.Op(ir.Squeeze, &ir.AxesAttrs{Axes: []int64{0}}, results[0])
	}
	starts := cond == nil || n.always(cond)
	switch {
	case starts && (results[0] == in.region.Params[1] || n.always(results[0])):
		cond, results[0] = nil, in.region.Params[1]
	case cond == nil:
		cond = n.ones(ir.Bool)
	}
	in.b.Yield(results...)
	if err := in.b.Err(); err != nil {
		return n.took(nil, err)
	}
	args := slices.Concat([]*ir.Value{trip, cond}, init, in.captures)
	out := slices.Clone(n.b.Ops(ir.Loop, &ir.LoopAttrs{Carried: int64(len(init))}, []*ir.Region{in.region}, args...))
	for i := range out {
		if i < len(was) && was[i] {
			out[i] = n.op(ir.OptionalGet, nil, out[i])
		}
	}
	return out
}

// always reports whether v is known to be true.
func (n *Node) always(v *ir.Value) bool {
	known, ok := v.KnownInts()
	return ok && len(known) == 1 && known[0] == 1
}

// present checks that variadic operands are there.
func (n *Node) present(list []*ir.Value) bool {
	if i := slices.Index(list, nil); i >= 0 {
		n.fail(Missing, remedyExport, "initial value %d is absent", i)
	}
	return n.ok()
}

func valueTypes(list []*ir.Value) []ir.Type {
	out := make([]ir.Type, len(list))
	for i, v := range list {
		out[i] = v.Type
	}
	return out
}

// importScan: since opset 9, without a batch axis.
func importScan(n *Node) []*ir.Value {
	g, inputs := n.scanBody(n.in)
	if !n.ok() {
		return nil
	}
	states := len(n.in) - inputs
	outputs := len(g.Output) - states
	a := &ir.ScanAttrs{
		Carried:      int64(states),
		InputAxes:    n.Ints("scan_input_axes", repeated(0, inputs)...),
		InputReverse: n.Ints("scan_input_directions", repeated(0, inputs)...),
		OutputAxes:   n.Ints("scan_output_axes", repeated(0, max(outputs, 0))...),
		OutputRev:    n.Ints("scan_output_directions", repeated(0, max(outputs, 0))...),
	}
	if !n.ok() {
		return nil
	}
	return n.took(n.scan(n.s, g, a, n.in))
}

// scanBody reads the body and the number of scanned operands among these.
func (n *Node) scanBody(operands []*ir.Value) (g *pb.GraphProto, inputs int) {
	g = n.Graph("body")
	m := n.Int("num_scan_inputs", 1)
	if n.present(operands) && (m < 1 || m > int64(len(operands))) {
		n.fail(Invalid, remedyExport, "num_scan_inputs is %d of %d operands", m, len(operands))
	}
	if !n.ok() {
		return nil, 0
	}
	if states := len(operands) - int(m); len(g.Output) < states || len(g.Output) != n.outputs() {
		n.fail(Invalid, remedyExport, "the body yields %d values, but there are %d states and %d outputs", len(g.Output), states, n.outputs())
	}
	return g, int(m)
}

// scan emits a scan into scope s: states, then scanned operands.
func (n *Node) scan(s *scope, g *pb.GraphProto, a *ir.ScanAttrs, operands []*ir.Value) ([]*ir.Value, error) {
	states, inputs := int(a.Carried), len(operands)-int(a.Carried)
	if len(a.InputAxes) != inputs || len(a.InputReverse) != inputs || len(a.OutputAxes) != len(g.Output)-states || len(a.OutputRev) != len(a.OutputAxes) {
		return nil, errf(Invalid, remedyExport, "axes and directions do not fit %d scanned operands and %d scanned outputs", inputs, len(g.Output)-states)
	}
	l := &loop{graph: g, carried: states, params: valueTypes(operands), origins: operands}
	for i, x := range operands[states:] {
		a.InputAxes[i] = n.normalAxis(a.InputAxes[i], x.Rank())
		if !n.ok() {
			return nil, nil
		}
		l.params[states+i].Shape = slices.Delete(slices.Clone(x.Shape()), int(a.InputAxes[i]), int(a.InputAxes[i])+1)
	}
	in, results, err := s.body(l)
	if err != nil {
		return nil, err
	}
	for i, y := range results[states:] {
		a.OutputAxes[i] = n.normalAxis(a.OutputAxes[i], y.Rank()+1)
	}
	if !n.ok() {
		return nil, nil
	}
	in.b.Yield(results...)
	out := s.b.Ops(ir.Scan, a, []*ir.Region{in.region}, slices.Concat(operands, in.captures)...)
	if err := in.b.Err(); err != nil {
		return nil, err
	}
	return out, s.b.Err()
}

// importScan8: Scan-8 has a batch axis before everything: a scan over the batch around a scan over the sequence.
func importScan8(n *Node) []*ir.Value {
	operands := n.in[min(1, len(n.in)):]
	g, inputs := n.scanBody(operands)
	dirs := n.Ints("directions", repeated(0, inputs)...)
	if n.arg(0) != nil {
		n.fail(Unsupported, "export with opset 9 or newer", "scan with sequence_lens")
	}
	if !n.ok() {
		return nil
	}
	states := len(operands) - inputs
	mid := n.s.inner(n.b.Region().NewRegion())
	batched := make([]*ir.Value, len(operands))
	for i, x := range operands {
		if x.Rank() < 1 {
			return one(n.fail(Invalid, "give it a batch axis", "operand %d is %s", i+1, x.Type))
		}
		batched[i] = mid.region.AddParam("", ir.TensorOf(x.DType(), x.Shape()[1:]...))
		n.s.im.origin[batched[i]] = x
	}
	outputs := len(g.Output) - states
	inner := &ir.ScanAttrs{Carried: int64(states), InputAxes: repeated(0, inputs), InputReverse: dirs, OutputAxes: repeated(0, outputs), OutputRev: repeated(0, outputs)}
	results, err := n.scan(mid, g, inner, batched)
	if err != nil || !n.ok() {
		return n.took(nil, err)
	}
	mid.b.Yield(results...)
	over := &ir.ScanAttrs{InputAxes: repeated(0, len(operands)), InputReverse: repeated(0, len(operands)), OutputAxes: repeated(0, len(results)), OutputRev: repeated(0, len(results))}
	return n.b.Ops(ir.Scan, over, []*ir.Region{mid.region}, slices.Concat(operands, mid.captures)...)
}
