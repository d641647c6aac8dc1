package onnx

import (
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// mlMapRows make maps of tensors, and tensors of maps. Maps are from integers or strings to scalars.
var mlMapRows = []row{
	{mlDomain, "ZipMap", since(1), importZipMap},
	{mlDomain, "DictVectorizer", since(1), importDictVectorizer},
	{mlDomain, "CastMap", since(1), importCastMap},
}

// importZipMap: a list of maps, one for each row of scores[N, C], or for a list of scores.
func importZipMap(n *Node) []*ir.Value {
	labels, x := n.classLabels("classlabels_int64s"), n.in[0]
	if x.Rank() == 1 {
		x = n.unsqueeze(x, 0)
	}
	return one(n.op(ir.ZipMaps, nil, n.b.Const(labels), x))
}

// importDictVectorizer: the values of the vocabulary's keys, 0 or "" for those that are not there, as a row.
func importDictVectorizer(n *Node) []*ir.Value {
	numbers, names, x := n.Ints("int64_vocabulary"), n.Strings("string_vocabulary"), n.in[0]
	keys := &ir.Tensor{DType: ir.String, Shape: []int{len(names)}, Strings: names}
	if len(names) == 0 {
		keys = ir.TensorFrom(numbers, len(numbers))
	}
	if n.ok() && (len(numbers) > 0 == (len(names) > 0) || keys.DType != x.Type.DType) {
		return one(n.fail(Invalid, "give one vocabulary, of the keys' type", "%d int64_vocabulary and %d string_vocabulary for %s", len(numbers), len(names), x.Type))
	}
	return one(n.unsqueeze(n.found(x, n.b.Const(keys)), 0))
}

// found are the values of keys in a map, 0 or "" where it has none.
func (n *Node) found(x, keys *ir.Value) *ir.Value {
	if !n.ok() {
		return x
	}
	return n.op(ir.MapLookup, nil, x, keys, n.b.Const(ir.NewTensor(x.Type.Elem.DType)))
}

// importCastMap: the values in the order of their keys, or SPARSE, each at the place that its key says, as a row.
func importCastMap(n *Node) []*ir.Value {
	x, form, to, length := n.in[0], n.String("map_form", "DENSE"), n.String("cast_to", "TO_FLOAT"), n.Int("max_map", 1)
	d, known := map[string]ir.DType{"TO_FLOAT": ir.F32, "TO_STRING": ir.String, "TO_INT64": ir.I64}[to]
	if !n.ok() {
		return nil
	}
	if !known || form != "DENSE" && form != "SPARSE" || form == "SPARSE" && (length < 1 || length > maxInts) {
		return one(n.fail(Invalid, "give DENSE or SPARSE with a length, and TO_FLOAT, TO_STRING or TO_INT64", "map_form %q, max_map %d and cast_to %q", clip(form), length, clip(to)))
	}
	var y *ir.Value
	if form == "DENSE" {
		y = n.cast(n.op(ir.MapValues, nil, x), d)
	} else {
		y = n.sparseMap(x, length, d)
	}
	return one(n.unsqueeze(y, 0))
}

// sparseMap has 0 at places that are no keys.
func (n *Node) sparseMap(x *ir.Value, length int64, d ir.DType) *ir.Value {
	zero := ir.NewTensor(x.Type.Elem.DType)
	if zero.DType == ir.String {
		zero.Strings[0] = "0"
	}
	return n.cast(n.op(ir.MapLookup, nil, x, n.intTable(ir.Axes(0, int(length))), n.b.Const(zero)), d)
}

// mapType is a declared map. Its elements are scalars, whose shape may be left out.
func mapType(t *pb.TypeProto_Map) (ir.Type, error) {
	key, err := irDType(DType(t.GetKeyType()))
	if err != nil {
		return ir.Type{}, err
	}
	value := t.GetValueType().GetTensorType()
	if value == nil || len(value.GetShape().GetDim()) > 0 {
		return ir.Type{}, errf(Unsupported, "export with maps to numbers or strings", "a map to anything but scalars is not done")
	}
	d, err := irDType(DType(value.GetElemType()))
	if err == nil && !key.IsInt() && key != ir.String {
		err = errf(Invalid, remedyExport, "a map with keys of %s", key)
	}
	return ir.MapOf(key, ir.TensorOf(d)), err
}
