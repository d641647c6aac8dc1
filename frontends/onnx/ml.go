package onnx

import (
	"math"

	"github.com/emilyc/emily/ir"
)

const mlDomain = "ai.onnx.ml"

var mlRows = []row{
	{mlDomain, "ArrayFeatureExtractor", since(1), importArrayFeatureExtractor},
	{mlDomain, "Binarizer", since(1), importBinarizer},
	{mlDomain, "LabelEncoder", since(1), importLabelEncoder1},
	{mlDomain, "LabelEncoder", since(2, 4), importLabelEncoder},
	{mlDomain, "CategoryMapper", since(1), importCategoryMapper},
	{mlDomain, "Scaler", since(1), importScaler},
	{mlDomain, "LinearRegressor", since(1), importLinearRegressor},
	{mlDomain, "Normalizer", since(1), importNormalizer},
	{mlDomain, "FeatureVectorizer", since(1), importFeatureVectorizer},
	{mlDomain, "Imputer", since(1), importImputer},
	{mlDomain, "OneHotEncoder", since(1), importOneHotEncoder},
	{mlDomain, "TreeEnsemble", since(5), importTreeEnsemble},
	{mlDomain, "TreeEnsembleRegressor", since(1, 3, 5), importTreeRegressor},
}

// importArrayFeatureExtractor: elements of the last axis; of a list too there is a row.
func importArrayFeatureExtractor(n *Node) []*ir.Value {
	x, at := n.in[0], n.in[1]
	if x.Rank() == 0 {
		return one(n.fail(Invalid, "give it an axis", "operand 0 is %s", x.Type))
	}
	if x.Rank() == 1 {
		x = n.unsqueeze(x, 0)
	}
	return one(n.op(ir.Gather, &ir.AxisAttrs{Axis: int64(x.Rank() - 1)}, x, n.reshape(at, ir.Unknown)))
}

func importBinarizer(n *Node) []*ir.Value {
	x := n.in[0]
	t := n.number(x.DType(), n.double("threshold", 0))
	return one(n.cast(n.op(ir.Less, nil, t, x), x.DType()))
}

// importScaler: (x - offset)·scale, each of them one for all or one for each feature.
func importScaler(n *Node) []*ir.Value {
	x := n.cast(n.in[0], ir.F32)
	for _, p := range []struct {
		attr string
		kind ir.Kind
	}{{"offset", ir.Sub}, {"scale", ir.Mul}} {
		if list := n.Floats(p.attr); len(list) > 0 {
			x = n.op(p.kind, nil, x, n.b.Const(ir.TensorFrom(list, len(list))))
		}
	}
	return one(x)
}

func importLinearRegressor(n *Node) []*ir.Value {
	x, targets := n.cast(n.in[0], ir.F32), n.Int("targets", 1)
	w, b := n.Floats("coefficients"), n.Floats("intercepts")
	if x.Rank() == 1 {
		x = n.unsqueeze(x, 0)
	}
	if targets < 1 || len(w) == 0 || int64(len(w))%targets != 0 || len(b) > 0 && int64(len(b)) != targets {
		return one(n.fail(Invalid, remedyExport, "%d coefficients and %d intercepts for %d targets", len(w), len(b), targets))
	}
	weights := n.b.Const(ir.TensorFrom(w, int(targets), len(w)/int(targets)))
	y := n.op(ir.MatMul, nil, x, n.transpose(weights, 1, 0))
	if len(b) > 0 {
		y = n.op(ir.Add, nil, y, n.b.Const(ir.TensorFrom(b, len(b))))
	}
	return one(n.postTransform(y, n.String("post_transform", "NONE")))
}

// postTransform is what the models of this domain do to scores[N, K].
func (n *Node) postTransform(y *ir.Value, name string) *ir.Value {
	switch name {
	case "NONE":
		return y
	case "SOFTMAX":
		return n.op(ir.Softmax, &ir.AxisAttrs{Axis: int64(y.Rank() - 1)}, y)
	case "LOGISTIC":
		return n.op(ir.Sigmoid, nil, y)
	case "SOFTMAX_ZERO":
		return n.softmaxZero(y)
	case "PROBIT":
		return n.probit(y)
	}
	return n.fail(Invalid, "give NONE, SOFTMAX, LOGISTIC, SOFTMAX_ZERO or PROBIT", "post_transform %q", clip(name))
}

// softmaxZero is a softmax that leaves out scores of 0, which stay 0; a row of nothing else becomes halves, as in ONNX's reference.
func (n *Node) softmaxZero(y *ir.Value) *ir.Value {
	over := &ir.ReduceAttrs{Axes: []int64{int64(y.Rank() - 1)}, KeepDims: true}
	number := func(x float64) *ir.Value { return n.number(y.DType(), x) }
	counts := n.op(ir.Less, nil, number(1e-7), n.op(ir.Abs, nil, y))
	e := n.op(ir.Exp, nil, n.op(ir.Sub, nil, y, n.op(ir.ReduceMax, over, y)))
	e = n.op(ir.Where, nil, counts, e, number(0))
	sum := n.op(ir.ReduceSum, over, e)
	return n.op(ir.Where, nil, n.op(ir.Equal, nil, sum, number(0)), number(0.5), n.op(ir.Div, nil, e, sum))
}

// probit is √2 × erf⁻¹(2y - 1), by Winitzki's formula, which ONNX's reference and onnxruntime have.
func (n *Node) probit(y *ir.Value) *ir.Value {
	const a = 0.147
	number := func(x float64) *ir.Value { return n.number(y.DType(), x) }
	x := n.op(ir.Sub, nil, n.op(ir.Mul, nil, y, number(2)), number(1))
	log := n.op(ir.Log, nil, n.op(ir.Mul, nil, n.op(ir.Sub, nil, number(1), x), n.op(ir.Add, nil, number(1), x)))
	v := n.op(ir.Add, nil, n.op(ir.Mul, nil, log, number(0.5)), number(2/(math.Pi*a)))
	root := n.op(ir.Sqrt, nil, n.op(ir.Sub, nil, n.op(ir.Mul, nil, v, v), n.op(ir.Mul, nil, log, number(1/a))))
	return n.op(ir.Mul, nil, n.op(ir.Sign, nil, x), n.op(ir.Mul, nil, n.op(ir.Sqrt, nil, n.op(ir.Sub, nil, root, v)), number(math.Sqrt2)))
}

// importLabelEncoder1: strings to their places among classes_strings, or places to strings.
func importLabelEncoder1(n *Node) []*ir.Value {
	classes := n.Strings("classes_strings")
	places := make([]int64, len(classes))
	for i := range places {
		places[i] = int64(i)
	}
	return one(n.mapCategories(places, classes))
}

// importCategoryMapper: strings to integers, or integers to strings.
func importCategoryMapper(n *Node) []*ir.Value {
	return one(n.mapCategories(n.Ints("cats_int64s"), n.Strings("cats_strings")))
}

func (n *Node) mapCategories(ints []int64, names []string) *ir.Value {
	numbers, none := ir.TensorFrom(ints, len(ints)), ir.Scalar(n.Int("default_int64", -1))
	text := &ir.Tensor{DType: ir.String, Shape: []int{len(names)}, Strings: names}
	unnamed := &ir.Tensor{DType: ir.String, Shape: []int{}, Strings: []string{n.String("default_string", "_Unused")}}
	if n.in[0].DType() == ir.String {
		return n.mapped(text, numbers, n.b.Const(none))
	}
	return n.mapped(numbers, text, n.b.Const(unnamed))
}

func importLabelEncoder(n *Node) []*ir.Value {
	keys, values := n.labels("keys"), n.labels("values")
	if !n.ok() {
		return nil
	}
	if keys == nil || values == nil {
		return one(n.fail(Missing, remedyExport, "keys and values are needed, each as one attribute"))
	}
	def := n.defaultLabel(values.DType)
	if !n.ok() {
		return nil
	}
	return one(n.mapped(keys, values, def))
}

// labels are the tensor, strings, integers or floats that the attributes of that prefix give.
func (n *Node) labels(prefix string) *ir.Tensor {
	var t *ir.Tensor
	if n.Has(prefix + "_tensor") {
		v := n.s.tensor(n.Tensor(prefix + "_tensor"))
		if t = n.constOf(v); t != nil {
			flat := *t
			flat.Shape = []int{t.Len()}
			t = &flat
		}
	}
	if list := n.Strings(prefix + "_strings"); len(list) > 0 {
		t = &ir.Tensor{DType: ir.String, Shape: []int{len(list)}, Strings: list}
	}
	if list := n.Ints(prefix + "_int64s"); len(list) > 0 {
		t = ir.TensorFrom(list, len(list))
	}
	if list := n.Floats(prefix + "_floats"); len(list) > 0 {
		t = ir.TensorFrom(list, len(list))
	}
	return t
}

// defaultLabel is what keys that are not there map to.
func (n *Node) defaultLabel(d ir.DType) *ir.Value {
	text, number, real := n.String("default_string", "_Unused"), n.Int("default_int64", -1), n.double("default_float", float32(math.Copysign(0, -1)))
	if n.Has("default_tensor") {
		return n.s.element(n.Tensor("default_tensor"))
	}
	switch {
	case d == ir.String:
		return n.b.Const(&ir.Tensor{DType: d, Shape: []int{}, Strings: []string{text}})
	case d.IsFloat():
		return n.number(d, real)
	}
	return n.cast(n.b.Const(ir.Scalar(number)), d)
}

// mapped is x with each element replaced by the value of the last key that it equals, or by def. A NaN equals a NaN.
func (n *Node) mapped(keys, values *ir.Tensor, def *ir.Value) *ir.Value {
	x := n.in[0]
	if x.DType() != keys.DType || keys.Len() == 0 || keys.Len() != values.Len() || def.DType() != values.DType {
		return n.fail(Invalid, "give a value for each key, and keys of the operand's dtype", "%d keys of %s and %d values of %s (default %s) for an operand of %s",
			keys.Len(), keys.DType, values.Len(), values.DType, def.DType(), x.DType())
	}
	list, each := n.b.Const(keys), n.unsqueeze(x, int64(x.Rank()))
	equal := n.op(ir.Equal, nil, each, list)
	if keys.DType.IsFloat() {
		equal = n.op(ir.Or, nil, equal, n.op(ir.And, nil, n.op(ir.IsNaN, nil, each), n.op(ir.IsNaN, nil, list)))
	}
	last := int64(x.Rank())
	hits := n.cast(equal, ir.I32)
	at := n.op(ir.ArgMax, &ir.ArgAttrs{Axis: last, Last: true}, hits)
	found := n.cast(n.op(ir.ReduceMax, &ir.ReduceAttrs{Axes: []int64{last}}, hits), ir.Bool)
	return n.op(ir.Where, nil, found, n.op(ir.Gather, &ir.AxisAttrs{}, n.b.Const(values), at), def)
}

// importNormalizer divides each row by its maximum, the sum of its magnitudes or its length, unless that is 0.
func importNormalizer(n *Node) []*ir.Value {
	x, norm := n.cast(n.in[0], ir.F32), n.String("norm", "MAX")
	if !n.ok() || x.Rank() == 0 {
		return one(n.fail(Invalid, "give it an axis", "operand 0 is %s", n.in[0].Type))
	}
	over := &ir.ReduceAttrs{Axes: []int64{int64(x.Rank() - 1)}, KeepDims: true}
	var by *ir.Value
	switch norm {
	case "MAX":
		by = n.op(ir.ReduceMax, over, x)
	case "L1":
		by = n.op(ir.ReduceSum, over, n.op(ir.Abs, nil, x))
	case "L2":
		by = n.op(ir.Sqrt, nil, n.op(ir.ReduceSum, over, n.op(ir.Mul, nil, x, x)))
	default:
		return one(n.fail(Invalid, "give MAX, L1 or L2", "norm %q", clip(norm)))
	}
	zero := n.op(ir.Equal, nil, by, n.number(ir.F32, 0))
	return one(n.op(ir.Div, nil, x, n.op(ir.Where, nil, zero, n.number(ir.F32, 1), by)))
}

// importFeatureVectorizer joins matrices [N, C], lists as one row, whose widths inputdimensions repeats.
func importFeatureVectorizer(n *Node) []*ir.Value {
	widths := n.Ints("inputdimensions")
	if !n.present(n.in) || len(widths) != len(n.in) {
		return one(n.fail(Invalid, remedyExport, "%d inputdimensions for %d operands", len(widths), len(n.in)))
	}
	parts := make([]*ir.Value, len(n.in))
	for i, x := range n.in {
		if x.Rank() == 1 {
			x = n.unsqueeze(x, 0)
		}
		if w, known := size(x, 1).Value(); x.Rank() != 2 || known && w != widths[i] {
			return one(n.fail(Invalid, "give [N, C] or [C]", "operand %d is %s, inputdimensions %v", i, x.Type, widths))
		}
		parts[i] = n.cast(x, ir.F32)
	}
	return one(n.op(ir.Concat, &ir.AxisAttrs{Axis: 1}, parts...))
}

// importImputer: elements that are the replaced value, NaN among them, become the imputed one of their feature.
func importImputer(n *Node) []*ir.Value {
	x := n.in[0]
	floats, ints := n.Floats("imputed_value_floats"), n.Ints("imputed_value_int64s")
	old, oldInt := n.double("replaced_value_float", 0), n.Int("replaced_value_int64", 0)
	if !n.ok() {
		return nil
	}
	imputed, replaced := n.b.Const(ir.TensorFrom(floats, len(floats))), n.b.Const(ir.Scalar(float32(old)))
	if x.DType().IsInt() {
		imputed, replaced = n.b.Const(ir.TensorFrom(ints, len(ints))), n.b.Const(ir.Scalar(oldInt))
	}
	if w, known := size(x, x.Rank()-1).Value(); x.Rank() == 0 || size(imputed, 0).Is(0) || known && !size(imputed, 0).Is(1) && !size(imputed, 0).Is(w) {
		return one(n.fail(Invalid, "give one value, or one for each feature", "%s imputed values for %s", size(imputed, 0), x.Type))
	}
	hit := n.op(ir.Equal, nil, x, n.cast(replaced, x.DType()))
	if math.IsNaN(old) && x.DType().IsFloat() {
		hit = n.op(ir.IsNaN, nil, x)
	}
	return one(n.op(ir.Where, nil, hit, n.cast(imputed, x.DType()), x))
}

// importOneHotEncoder: a new last axis with a 1 at the category that the element is. Categories that are not known are all zeros, or an error.
func importOneHotEncoder(n *Node) []*ir.Value {
	x, ints, names := n.in[0], n.Ints("cats_int64s"), n.Strings("cats_strings")
	strict := n.Int("zeros", 1) == 0
	list := n.b.Const(&ir.Tensor{DType: ir.String, Shape: []int{len(names)}, Strings: names})
	if x.DType() != ir.String {
		x, list = n.cast(x, ir.I64), n.intTable(ints)
	}
	if size(list, 0).Is(0) && n.ok() {
		return one(n.fail(Missing, remedyExport, "there are no categories for %s", x.Type))
	}
	last := int64(x.Rank())
	hits := n.cast(n.op(ir.Equal, nil, n.unsqueeze(x, last), list), ir.F32)
	if strict {
		known := n.cast(n.op(ir.ReduceMax, &ir.ReduceAttrs{Axes: []int64{last}}, hits), ir.Bool)
		hits = n.op(ir.Assert, &ir.AssertAttrs{Message: "a category that the encoder does not know"}, hits, known)
	}
	return one(hits)
}
