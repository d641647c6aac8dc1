package onnx

import "github.com/emilyc/emily/ir"

var constantRows = []row{
	{"", "Constant", since(1, 9, 11, 12, 13, 19, 21, 23, 24, 25), importConstant},
	{"", "Identity", since(1, 13, 14, 16, 19, 21, 23, 24, 25), importIdentity},
}

func importIdentity(n *Node) []*ir.Value { return one(n.in[0]) }

// constantForms are the attributes of which Constant has one. Constant-1 to 11 know fewer.
var constantForms = []struct {
	attr  string
	since int64
	make  func(n *Node) *ir.Value
}{
	{"value", 1, func(n *Node) *ir.Value { return n.s.tensor(n.Tensor("value")) }},
	{"sparse_value", 11, func(n *Node) *ir.Value { return n.s.sparse(n.SparseTensor("sparse_value")) }},
	{"value_int", 12, func(n *Node) *ir.Value { return n.b.Const(ir.Scalar(n.Int("value_int", 0))) }},
	{"value_ints", 12, func(n *Node) *ir.Value { return n.b.Ints(n.Ints("value_ints")...) }},
	{"value_float", 12, func(n *Node) *ir.Value { return n.b.Const(ir.Scalar(n.Float("value_float", 0))) }},
	{"value_floats", 12, func(n *Node) *ir.Value {
		list := n.Floats("value_floats")
		return n.b.Const(ir.TensorFrom(list, len(list)))
	}},
	{"value_string", 12, func(n *Node) *ir.Value {
		return n.b.Const(&ir.Tensor{DType: ir.String, Shape: []int{}, Strings: []string{n.String("value_string", "")}})
	}},
	{"value_strings", 12, func(n *Node) *ir.Value {
		list := n.Strings("value_strings")
		return n.b.Const(&ir.Tensor{DType: ir.String, Shape: []int{len(list)}, Strings: list})
	}},
}

func importConstant(n *Node) []*ir.Value {
	var v *ir.Value
	for _, form := range constantForms {
		if n.since < form.since || !n.Has(form.attr) {
			continue
		}
		if v != nil {
			return one(n.fail(Invalid, remedyExport, "a constant has one value: not %q also", form.attr))
		}
		if v = form.make(n); !n.ok() {
			return one(v)
		}
	}
	if v == nil {
		return one(n.fail(Missing, remedyExport, "the constant has no value"))
	}
	return one(v)
}
