package interp

import (
	"slices"
	"strconv"

	"github.com/emilyc/emily/ir"
)

// maxItems bounds the length of a sequence, which a loop may make without end.
const maxItems = 1 << 24

// list is operand i, a sequence.
func list(args []ir.Datum, i int) *ir.Sequence { return args[i].(*ir.Sequence) }

// newList is op's result: a sequence of items.
func newList(op *ir.Op, items []ir.Datum) ([]ir.Datum, error) {
	if len(items) > maxItems {
		return nil, opError(op, ir.ShapeError, "", "%s: a sequence of %d elements, at most %d are allowed", op.Kind, len(items), maxItems)
	}
	return []ir.Datum{&ir.Sequence{Elem: *op.Result().Type.Elem, Items: items}}, nil
}

// position is operand i as an index below n, from the end where it is negative; def where it is absent.
func position(op *ir.Op, args []ir.Datum, i, n, def int) (int, error) {
	t := tensor(args, i)
	if t == nil {
		t = ir.Scalar(int64(def))
	}
	if t.Len() != 1 {
		return 0, opError(op, ir.ShapeError, "", "%s: position of shape %v, wants one element", op.Kind, t.Shape)
	}
	at := ints(t)[0]
	if at < int64(-n) || at >= int64(n) {
		return 0, opError(op, ir.ValueError, "", "%s: position %d, wants one from %d to %d", op.Kind, at, -n, n-1)
	}
	if at < 0 {
		at += int64(n)
	}
	return int(at), nil
}

// evalMakeSequence: the operands as a list. ONNX SequenceConstruct, SequenceEmpty.
func evalMakeSequence(_ *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	return newList(op, slices.Clone(args))
}

// evalSequenceInsert: before the position, at the end where there is none. ONNX SequenceInsert, whose positions go from -n to n.
func evalSequenceInsert(_ *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	items := list(args, 0).Items
	n := len(items)
	at := n
	if t := tensor(args, 2); t != nil && !(t.Len() == 1 && ints(t)[0] == int64(n)) {
		var err error
		if at, err = position(op, args, 2, n, 0); err != nil {
			return nil, err
		}
	}
	return newList(op, slices.Insert(slices.Clone(items), at, args[1]))
}

// evalSequenceErase: without one element, the last where there is no position. ONNX SequenceErase.
func evalSequenceErase(_ *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	items := list(args, 0).Items
	at, err := position(op, args, 1, len(items), -1)
	if err != nil {
		return nil, err
	}
	return newList(op, slices.Delete(slices.Clone(items), at, at+1))
}

// evalSequenceAt: ONNX SequenceAt.
func evalSequenceAt(_ *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	items := list(args, 0).Items
	at, err := position(op, args, 1, len(items), 0)
	if err != nil {
		return nil, err
	}
	return []ir.Datum{items[at]}, nil
}

// evalSequenceLength: ONNX SequenceLength.
func evalSequenceLength(_ *Env, _ *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	return []ir.Datum{ir.Scalar(int64(len(list(args, 0).Items)))}, nil
}

// evalSplitToSequence: parts of the sizes that the operand lists, or of the one size that it is, the last one smaller where that
// does not divide the axis; of size 1 without it. ONNX SplitToSequence.
func evalSplitToSequence(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	a, x := op.Attrs.(*ir.SplitToSequenceAttrs), tensor(args, 0)
	axis := int(a.Axis)
	lens, err := partSizes(op, x.Shape[axis], tensor(args, 1))
	if err != nil {
		return nil, err
	}
	items, at, src := make([]ir.Datum, len(lens)), 0, rowMajor(x.Shape)
	for i, n := range lens {
		shape := cloneShape(x.Shape)
		shape[axis] = n
		part, err := e.newTensor(op, x.DType, shape)
		if err != nil {
			return nil, err
		}
		move(part, x, walk{shape: shape, dst: rowMajor(shape), src: src, srcStart: at * src[axis]})
		if at += n; a.Squeeze {
			part = reshaped(part, slices.Delete(shape, axis, axis+1))
		}
		items[i] = part
	}
	return newList(op, items)
}

// partSizes are the sizes of the parts of an axis of size n.
func partSizes(op *ir.Op, n int, sizes *ir.Tensor) ([]int, error) {
	bad := func(what any) error {
		return opError(op, ir.ValueError, "", "%s: sizes %v of an axis of size %d", op.Kind, what, n)
	}
	if sizes == nil {
		sizes = ir.Scalar(int64(1))
	}
	given := ints(sizes)
	if len(sizes.Shape) == 0 {
		size := given[0]
		if size < 1 {
			return nil, bad(size)
		}
		if n/int(min(size, int64(max(n, 1)))) > maxItems {
			return nil, bad(size)
		}
		var out []int
		for left := n; left > 0; left -= out[len(out)-1] {
			out = append(out, int(min(size, int64(left))))
		}
		return out, nil
	}
	out, left := make([]int, len(given)), int64(n)
	for i, k := range given {
		if k < 0 || k > left {
			return nil, bad(given)
		}
		out[i] = int(k)
		left -= k
	}
	if left != 0 {
		return nil, bad(given)
	}
	return out, nil
}

// evalConcatFromSequence: joined on an axis, or stacked on a new one. ONNX ConcatFromSequence.
func evalConcatFromSequence(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	a, items := op.Attrs.(*ir.ConcatFromSequenceAttrs), list(args, 0).Items
	if len(items) == 0 {
		return nil, opError(op, ir.ValueError, "", "%s of an empty sequence", op.Kind)
	}
	parts := make([]*ir.Tensor, len(items))
	for i, item := range items {
		t, ok := item.(*ir.Tensor)
		if !ok || len(t.Shape) != len(items[0].(*ir.Tensor).Shape) || int(a.Axis) > len(t.Shape) || !a.Stack && int(a.Axis) == len(t.Shape) {
			return nil, opError(op, ir.ShapeError, "", "%s: element %d is %s, the first %s", op.Kind, i, item.Type(), items[0].Type())
		}
		if parts[i] = t; a.Stack {
			parts[i] = reshaped(t, slices.Insert(cloneShape(t.Shape), int(a.Axis), 1))
		}
	}
	return one(e.concat(op, parts, int(a.Axis)))
}

// evalMakeOptional: the operand, or nothing. ONNX Optional.
func evalMakeOptional(_ *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	out := &ir.Optional{Elem: *op.Result().Type.Elem}
	if len(args) > 0 {
		out.Item = args[0]
	}
	return []ir.Datum{out}, nil
}

// evalOptionalHas: ONNX OptionalHasElement.
func evalOptionalHas(_ *Env, _ *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	return []ir.Datum{ir.Scalar(args[0].(*ir.Optional).Item != nil)}, nil
}

// evalOptionalGet: ONNX OptionalGetElement.
func evalOptionalGet(_ *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	item := args[0].(*ir.Optional).Item
	if item == nil {
		return nil, opError(op, ir.ValueError, "", "%s of an absent value", op.Kind)
	}
	return []ir.Datum{item}, nil
}

// evalZipMaps: for each row of values a map from keys to its elements. ONNX-ML ZipMap.
func evalZipMaps(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	keys, values := tensor(args, 0), tensor(args, 1)
	rows, width := values.Shape[0], values.Shape[1]
	if keys.Len() != width || rows > maxItems {
		return nil, opError(op, ir.ShapeError, "zip_maps_c2", "%s: %d keys for values %v, of at most %d rows", op.Kind, keys.Len(), values.Shape, maxItems)
	}
	if twice := repeatedKey(keys); twice != "" {
		return nil, opError(op, ir.ValueError, "", "%s: key %s is there twice", op.Kind, twice)
	}
	items := make([]ir.Datum, rows)
	for i := range items {
		row, err := e.newTensor(op, values.DType, []int{width})
		if err != nil {
			return nil, err
		}
		move(row, values, walk{shape: row.Shape, dst: []int{1}, src: []int{1}, srcStart: i * width})
		items[i] = &ir.Map{Keys: keys, Values: row}
	}
	return newList(op, items)
}

// repeatedKey is a key that keys has twice, empty where there is none.
func repeatedKey(keys *ir.Tensor) string {
	seen := make(map[string]bool, keys.Len())
	for i := range keys.Len() {
		k := mapKey(keys, i)
		if seen[k] {
			return k
		}
		seen[k] = true
	}
	return ""
}

// mapKey is element i of keys, as text.
func mapKey(keys *ir.Tensor, i int) string {
	if keys.DType == ir.String {
		return strconv.Quote(keys.Strings[i])
	}
	size := keys.DType.Size()
	one := &ir.Tensor{DType: keys.DType, Shape: []int{1}, Data: keys.Data[i*size : (i+1)*size]}
	return strconv.FormatInt(one.Ints()[0], 10)
}

// entries are the keys and values of operand i, a map to scalars.
func entries(op *ir.Op, args []ir.Datum, i int) (keys, values *ir.Tensor, err error) {
	m := args[i].(*ir.Map)
	values, ok := m.Values.(*ir.Tensor)
	if !ok || len(m.Keys.Shape) != 1 || len(values.Shape) != 1 || m.Keys.Len() != values.Len() {
		return nil, nil, opError(op, ir.ShapeError, "", "%s: a map of %s to %s", op.Kind, m.Keys.Type(), m.Values.Type())
	}
	return m.Keys, values, nil
}

// evalMapLookup: the value of each key, the default where the map has none. ONNX-ML DictVectorizer, CastMap.
func evalMapLookup(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	keys, values, err := entries(op, args, 0)
	if err != nil {
		return nil, err
	}
	at := make(map[string]int, keys.Len())
	for i := range keys.Len() {
		at[mapKey(keys, i)] = i
	}
	asked, other := tensor(args, 1), tensor(args, 2)
	y, err := e.newTensor(op, values.DType, cloneShape(asked.Shape))
	if err != nil {
		return nil, err
	}
	for i := range asked.Len() {
		if k, ok := at[mapKey(asked, i)]; ok {
			copyElement(y, i, values, k)
		} else {
			copyElement(y, i, other, 0)
		}
	}
	return []ir.Datum{y}, nil
}

// evalMapValues: the values in the order of their keys, ascending. ONNX-ML CastMap.
func evalMapValues(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	keys, values, err := entries(op, args, 0)
	if err != nil {
		return nil, err
	}
	y, err := e.newTensor(op, values.DType, cloneShape(values.Shape))
	if err != nil {
		return nil, err
	}
	for i, k := range ir.KeyOrder(keys) {
		copyElement(y, i, values, k)
	}
	return []ir.Datum{y}, nil
}

// copyElement sets element i of y to element k of x, which has its dtype.
func copyElement(y *ir.Tensor, i int, x *ir.Tensor, k int) {
	if y.DType == ir.String {
		y.Strings[i] = x.Strings[k]
		return
	}
	n := y.DType.Size()
	copy(y.Data[i*n:(i+1)*n], x.Data[k*n:])
}
