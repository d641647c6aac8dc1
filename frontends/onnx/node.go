package onnx

import (
	"fmt"
	"slices"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/frontends/onnx/schema"
	"github.com/emilyc/emily/ir"
)

// Node is the node that is being imported, as a row sees it: attributes, operands, and what emits ops. Errors
// stick, so that a row needs no checks between ops; a value made after an error has no type.
type Node struct {
	*Attrs
	Opset  int64          // that the model imports for the node's domain
	since  int64          // version of the operator
	schema *schema.Schema // of that version; nil for operators that have none
	in     []*ir.Value
	proto  *pb.NodeProto
	s      *scope
	b      *ir.Builder
}

// operands finds the values of the inputs; nil is an absent one.
func (n *Node) operands() error {
	n.in = make([]*ir.Value, len(n.proto.Input))
	for i, name := range n.proto.Input {
		if name == "" {
			continue
		}
		v, ok := n.s.lookup(name)
		if err := n.b.Err(); err != nil {
			return err
		}
		if !ok {
			return n.s.undefined(name)
		}
		n.in[i] = v
	}
	return nil
}

// run emits the node's ops and defines its outputs.
func (n *Node) run(r *row) error {
	if n.since < 6 {
		n.Get("consumed_inputs") // a hint that operands may be overwritten
	}
	results := r.emit(n)
	if err := n.Err(); err != nil {
		return err
	}
	if err := n.b.Err(); err != nil {
		return n.explain(err)
	}
	if extra := n.Unused(); extra != nil {
		return errf(Unsupported, "export without it", "attribute %q is not done", clip(extra[0]))
	}
	for i, name := range n.proto.Output {
		if i >= len(results) {
			if name != "" {
				return errf(Unsupported, "do not use the output", "output %d (%q) is not done", i, clip(name))
			}
			continue
		}
		if err := n.s.define(name, results[i]); err != nil {
			return err
		}
	}
	return nil
}

// explain makes an *Error of what the builder found, without the place that it has too.
func (n *Node) explain(err error) error {
	e, ok := err.(*ir.Error)
	if !ok {
		return err
	}
	if e.Kind == ir.UnknownValue && e.Arg != nil {
		return n.needs(e.Arg, e.Msg)
	}
	bare := *e
	bare.Loc, bare.Remedy = ir.Loc{}, ""
	remedy := e.Remedy
	if remedy == "" {
		remedy = "check the node's operands and attributes"
	}
	return &Error{Kind: Invalid, Err: &bare, Remedy: remedy}
}

// fail makes an error the node's, unless it has one.
func (n *Node) fail(kind ErrorKind, remedy, format string, args ...any) *ir.Value {
	return n.b.Fail(errf(kind, remedy, format, args...))
}

// ok reports whether no error has occurred: only then do values have types.
func (n *Node) ok() bool { return n.b.Err() == nil && n.Err() == nil }

// arg is operand i, nil when it is absent.
func (n *Node) arg(i int) *ir.Value {
	if i >= len(n.in) {
		return nil
	}
	return n.in[i]
}

// outputs is how many outputs the node names, with unused ones between them.
func (n *Node) outputs() int { return len(n.proto.Output) }

// wants reports whether output i is used.
func (n *Node) wants(i int) bool { return i < len(n.proto.Output) && n.proto.Output[i] != "" }

// op emits an op with one result.
func (n *Node) op(k ir.Kind, a ir.Attrs, args ...*ir.Value) *ir.Value { return n.b.Op(k, a, args...) }

// one is the result list of most rows.
func one(v *ir.Value) []*ir.Value { return []*ir.Value{v} }

// size is the dim of axis i of v; 0 after an error.
func size(v *ir.Value, i int) ir.Dim {
	if i < 0 || i >= v.Rank() {
		return ir.Dim{}
	}
	return v.Shape()[i]
}

// number is a scalar constant of a numeric dtype.
func (n *Node) number(d ir.DType, x float64) *ir.Value {
	if !d.IsNumeric() {
		return n.fail(Invalid, "check the node's operands", "operand of %s, must be a number", d)
	}
	return n.b.Float(d, x)
}

// axis is attribute name as an axis of a tensor of that rank, counted from the front.
func (n *Node) axis(name string, def int64, rank int) int64 {
	return n.normalAxis(n.Int(name, def), rank)
}

// normalAxis counts a from the front.
func (n *Node) normalAxis(a int64, rank int) int64 {
	r := int64(rank)
	if a < -r || a >= r {
		if n.ok() {
			n.fail(Invalid, fmt.Sprintf("axes of rank %d go from %d to %d", r, -r, r-1), "axis %d of a tensor of rank %d", a, r)
		}
		return 0
	}
	if a < 0 {
		return a + r
	}
	return a
}

// axes are distinct axes of a tensor of that rank, counted from the front and sorted.
func (n *Node) axes(list []int64, rank int) []int64 {
	out := make([]int64, len(list))
	for i, a := range list {
		out[i] = n.normalAxis(a, rank)
	}
	slices.Sort(out)
	if len(slices.Compact(slices.Clone(out))) != len(out) && n.ok() {
		n.fail(Invalid, "give each axis once", "axes %v name an axis twice", list)
	}
	return out
}

// allAxes are the axes of v.
func allAxes(v *ir.Value) []int64 { return ir.Axes(0, v.Rank()) }

// squeeze removes axes of size 1.
func (n *Node) squeeze(v *ir.Value, axes ...int64) *ir.Value {
	return n.op(ir.Squeeze, &ir.AxesAttrs{Axes: axes}, v)
}

// unsqueeze adds axes of size 1, at these places of the result.
func (n *Node) unsqueeze(v *ir.Value, axes ...int64) *ir.Value {
	return n.op(ir.Unsqueeze, &ir.AxesAttrs{Axes: axes}, v)
}

// reshape gives v other dims. Unknown sizes stand for -1, of which there may be one.
func (n *Node) reshape(v *ir.Value, dims ...ir.Dim) *ir.Value {
	target := slices.Clone(dims)
	for i, d := range target {
		if d == ir.Unknown {
			target[i] = ir.Size(-1)
		}
	}
	return n.op(ir.Reshape, &ir.ReshapeAttrs{AllowZero: !slices.Contains(dims, ir.Unknown)}, v, n.b.Dims(target...))
}

// cast converts v to d, where it is not of d.
func (n *Node) cast(v *ir.Value, d ir.DType) *ir.Value {
	if v.DType() == d {
		return v
	}
	return n.op(ir.Cast, &ir.CastAttrs{To: d}, v)
}

// scalar is v without its axes: operands such as limits are scalars, but many writers give them one axis of size 1.
func (n *Node) scalar(v *ir.Value) *ir.Value {
	if v == nil || v.Rank() == 0 {
		return v
	}
	return n.squeeze(v, allAxes(v)...)
}

// vector is v as a list of i64, such as a shape.
func (n *Node) vector(v *ir.Value) *ir.Value {
	if v.DType() == ir.I32 {
		v = n.cast(v, ir.I64)
	}
	if v.Rank() == 0 && n.ok() {
		v = n.unsqueeze(v, 0)
	}
	return n.settled(v)
}

// maxInts bounds lists such as axes.
const maxInts = 1 << 16

// ints are the elements of v, which must be known when the model is compiled.
func (n *Node) ints(v *ir.Value, what string) []int64 {
	if !n.ok() {
		return nil
	}
	if v.Shape().NumElements().Is(0) {
		return []int64{}
	}
	v = n.settled(v)
	if list, ok := v.KnownInts(); ok {
		return list
	}
	if t := n.constOf(v); t != nil && t.Len() <= maxInts {
		if list, ok := wholeNumbers(t); ok {
			return list
		}
		n.fail(Invalid, "give whole numbers", "%s must be whole numbers", what)
	}
	n.b.Fail(n.needs(v, what+" must be known when the model is compiled"))
	return nil
}

// wholeNumbers are the elements of t as integers; the first operators had counts and axes as floats.
func wholeNumbers(t *ir.Tensor) ([]int64, bool) {
	switch {
	case t.DType.IsInt() || t.DType == ir.Bool:
		return t.Ints(), true
	case !t.DType.IsFloat():
		return nil, false
	}
	out := make([]int64, t.Len())
	for i, x := range t.Floats() {
		if out[i] = int64(x); float64(out[i]) != x {
			return nil, false
		}
	}
	return out, true
}

// constOf is the value of v where it is a constant or Options.Eval can compute it; nil where it is not known.
func (n *Node) constOf(v *ir.Value) *ir.Tensor {
	if v = n.settled(v); v.Def == nil || v.Def.Kind != ir.Const || !n.ok() {
		return nil
	}
	t, err := v.Def.Attrs.(*ir.ConstAttrs).Tensor()
	if err != nil {
		n.b.Fail(err)
	}
	return t
}

// dims are the elements of v, integers or expressions over symbols.
func (n *Node) dims(v *ir.Value, what string) []ir.Dim {
	if !n.ok() {
		return nil
	}
	v = n.settled(v)
	if list, ok := v.KnownDims(); ok {
		return list
	}
	ints := n.ints(v, what)
	list := make([]ir.Dim, len(ints))
	for i, k := range ints {
		list[i] = ir.Size(k)
	}
	return list
}

// flag is whether a scalar bool operand is true, which must be known; def where it is absent.
func (n *Node) flag(v *ir.Value, what string, def bool) bool {
	if v == nil {
		return def
	}
	list := n.ints(v, what)
	return len(list) == 1 && list[0] != 0
}

// inRegion is n for emitting ops into a new region of an op that n will emit. Errors are those of its own builder.
func (n *Node) inRegion() (*Node, *ir.Region) {
	r := n.b.Region().NewRegion()
	in := *n
	in.b = ir.NewBuilder(r)
	in.b.Loc = n.b.Loc
	return &in, r
}
