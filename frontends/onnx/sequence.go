package onnx

import (
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

var sequenceRows = []row{
	{"", "SequenceConstruct", since(11), importSequenceConstruct},
	{"", "SequenceEmpty", since(11), importSequenceEmpty},
	{"", "SequenceAt", since(11), sequenceOp(ir.SequenceAt, 2)},
	{"", "SequenceInsert", since(11), sequenceOp(ir.SequenceInsert, 3)},
	{"", "SequenceErase", since(11), sequenceOp(ir.SequenceErase, 2)},
	{"", "SequenceLength", since(11), sequenceOp(ir.SequenceLength, 1)},
	{"", "SplitToSequence", since(11, 24), importSplitToSequence},
	{"", "ConcatFromSequence", since(11), importConcatFromSequence},
	{"", "SequenceMap", since(17), importSequenceMap},
	{"", "Optional", since(15, 28), importOptional},
	{"", "OptionalHasElement", since(15, 18, 28), importOptionalHas},
	{"", "OptionalGetElement", since(15, 18, 28), importOptionalGet},
}

// sequenceOp emits an op of kind k, which means what the operator does, with this many operands, the last of which may be absent.
func sequenceOp(k ir.Kind, operands int) func(*Node) []*ir.Value {
	return func(n *Node) []*ir.Value {
		args := make([]*ir.Value, operands)
		copy(args, n.in)
		for len(args) > 1 && args[len(args)-1] == nil {
			args = args[:len(args)-1]
		}
		return one(n.op(k, nil, args...))
	}
}

func importSequenceConstruct(n *Node) []*ir.Value {
	return one(n.op(ir.MakeSequence, &ir.SequenceAttrs{}, n.in...))
}

// emptySequence is one of tensors of dtype d.
func (n *Node) emptySequence(d ir.DType) *ir.Value {
	return n.op(ir.MakeSequence, &ir.SequenceAttrs{Elem: ir.Type{Kind: ir.TensorType, DType: d, Ranks: ir.NoRank}})
}

func importSequenceEmpty(n *Node) []*ir.Value {
	d, err := irDType(DType(n.Int("dtype", int64(pb.TensorProto_FLOAT))))
	if err != nil {
		return n.took(nil, err)
	}
	return one(n.emptySequence(d))
}

func importSplitToSequence(n *Node) []*ir.Value {
	x, sizes := n.in[0], n.arg(1)
	a := &ir.SplitToSequenceAttrs{Axis: n.axis("axis", 0, x.Rank()), Squeeze: n.Int("keepdims", 1) == 0 && sizes == nil}
	if sizes == nil {
		return one(n.op(ir.SplitToSequence, a, x))
	}
	return one(n.op(ir.SplitToSequence, a, x, sizes))
}

func importConcatFromSequence(n *Node) []*ir.Value {
	t := n.in[0].Type
	if t.Kind != ir.SequenceType || t.Elem.Ranks != ir.OneRank {
		return one(n.fail(Unsupported, "declare the shape of the sequence's elements", "the rank of the elements of %s is not known", t))
	}
	stack := n.Int("new_axis", 0)
	rank := len(t.Elem.Shape)
	if stack != 0 {
		rank++
	}
	return one(n.op(ir.ConcatFromSequence, &ir.ConcatFromSequenceAttrs{Axis: n.axis("axis", 0, rank), Stack: stack != 0}, n.in[0]))
}

// importSequenceMap: a loop over the positions of the first sequence, which every other sequence must have too. Results are
// carried sequences, to which an iteration adds one element each.
func importSequenceMap(n *Node) []*ir.Value {
	g := n.Graph("body")
	if !n.ok() || !n.present(n.in) {
		return nil
	}
	if len(g.Input) != len(n.in) || len(g.Output) != n.outputs() {
		return one(n.fail(Invalid, remedyExport, "the body takes %d operands and gives %d, must take %d and give %d", len(g.Input), len(g.Output), len(n.in), n.outputs()))
	}
	in, elems, err := n.s.mapped(n, g)
	if err != nil || !n.ok() {
		return n.took(nil, err)
	}
	carried := make([]*ir.Value, len(elems))
	types := make([]ir.Type, len(elems))
	for i, e := range elems {
		if !e.Type.IsTensor() {
			return one(n.fail(Invalid, "let the body give tensors", "output %d of the body is %s", i, e.Type))
		}
		types[i] = ir.SequenceOf(ir.ElemOf(e.Type))
		carried[i] = n.op(ir.MakeSequence, &ir.SequenceAttrs{Elem: *types[i].Elem})
	}
	return n.collect(in, carried, elems)
}

// mapped builds the body's region: the iteration, the condition, then captures, the operands among them.
func (s *scope) mapped(n *Node, g *pb.GraphProto) (*scope, []*ir.Value, error) {
	in := s.inner(s.region.NewRegion())
	at := in.region.AddParam("", ir.TensorOf(ir.I64))
	in.region.AddParam("", ir.TensorOf(ir.Bool))
	for i, p := range g.Input {
		name := p.GetName()
		if _, twice := in.values[name]; twice || name == "" {
			return nil, nil, errf(Invalid, remedyExport, "operand %d of the body is called %q: a name must be there, once", i, clip(name))
		}
		v := in.capture(n.in[i])
		if v.Type.Kind == ir.SequenceType {
			v = in.b.Op(ir.SequenceAt, nil, v, at)
		}
		in.values[name] = v
	}
	if err := in.b.Err(); err != nil {
		return nil, nil, err
	}
	elems, err := in.build(g)
	return in, elems, err
}

// collect ends the body: each element goes to the end of a carried sequence.
func (n *Node) collect(in *scope, carried, elems []*ir.Value) []*ir.Value {
	trip := n.op(ir.SequenceLength, nil, n.in[0])
	if !n.ok() {
		return nil
	}
	yields := []*ir.Value{in.region.Params[1]}
	captured := in.region.Params[2:]
	in.region.Params = in.region.Params[:2:2]
	for i, v := range carried {
		list := in.region.AddParam("", v.Type)
		yields = append(yields, in.b.Op(ir.SequenceInsert, nil, list, elems[i]))
	}
	for _, p := range captured {
		p.Index = int32(len(in.region.Params))
		in.region.Params = append(in.region.Params, p)
	}
	in.b.Yield(yields...)
	if err := in.b.Err(); err != nil {
		return n.took(nil, err)
	}
	args := append(append([]*ir.Value{trip, nil}, carried...), in.captures...)
	return n.b.Ops(ir.Loop, &ir.LoopAttrs{Carried: int64(len(carried))}, []*ir.Region{in.region}, args...)
}

func importOptional(n *Node) []*ir.Value {
	declared := n.Type("type")
	if x := n.arg(0); x != nil {
		return one(n.op(ir.MakeOptional, &ir.SequenceAttrs{}, x))
	}
	if declared == nil {
		return one(n.fail(Missing, remedyExport, "an optional without a value needs attribute %q", "type"))
	}
	t, err := heldType(declared)
	if err != nil {
		return n.took(nil, err)
	}
	return one(n.op(ir.MakeOptional, &ir.SequenceAttrs{Elem: t}))
}

// importOptionalHas: an operand that is no optional is there, and one that is left out is not.
func importOptionalHas(n *Node) []*ir.Value {
	x := n.arg(0)
	if x != nil && x.Type.Kind == ir.OptionalType {
		return one(n.op(ir.OptionalHas, nil, x))
	}
	return one(n.b.Const(ir.Scalar(x != nil)))
}

func importOptionalGet(n *Node) []*ir.Value {
	if x := n.in[0]; x.Type.Kind != ir.OptionalType {
		return one(x)
	}
	return one(n.op(ir.OptionalGet, nil, n.in[0]))
}

// heldType is the declared type of what a sequence or an optional holds. A symbol is no promise there that all elements have
// one size.
func heldType(t *pb.TypeProto) (ir.Type, error) {
	switch v := t.GetValue().(type) {
	case *pb.TypeProto_SequenceType:
		e, err := heldType(v.SequenceType.GetElemType())
		return ir.SequenceOf(e), err
	case *pb.TypeProto_OptionalType:
		e, err := heldType(v.OptionalType.GetElemType())
		return ir.OptionalOf(e), err
	case *pb.TypeProto_TensorType:
		if v.TensorType.Shape == nil {
			d, err := irDType(DType(v.TensorType.GetElemType()))
			return ir.Type{Kind: ir.TensorType, DType: d, Ranks: ir.AnyRank}, err
		}
	}
	e, err := typeOf(t, "")
	return ir.ElemOf(e), err
}

// coverLists is the type of a carried sequence or optional that had one type and got another. What is there covers an optional.
func coverLists(had, got ir.Type) (ir.Type, bool) {
	if had.Kind == ir.OptionalType && got.Kind != ir.OptionalType {
		got = ir.OptionalOf(got)
	}
	return ir.JoinElems(had, got)
}

// asOptionals makes optionals of what a loop's body yields for carried optionals, and tells for which it did.
func asOptionals(in *scope, l *loop, results []*ir.Value) []bool {
	was := make([]bool, l.carried)
	for i := range l.carried {
		if v := results[l.yields+i]; l.params[l.first+i].Kind == ir.OptionalType && v.Type.Kind != ir.OptionalType {
			results[l.yields+i], was[i] = in.b.Op(ir.MakeOptional, &ir.SequenceAttrs{}, v), true
		}
	}
	return was
}
