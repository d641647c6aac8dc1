package ir

import "slices"

// Ranks says what is known of the rank of the tensors that a sequence or an optional holds.
type Ranks uint8

// What is known of ranks.
const (
	OneRank Ranks = iota // that of the shape: of all tensors outside sequences and optionals
	AnyRank              // nothing, f32[*]
	NoRank               // there are no tensors, f32[none]: the elements of an empty sequence
)

// SequenceAttrs is the element type of a sequence without operands, or of an absent optional.
type SequenceAttrs struct {
	Elem Type `ir:"elem"`
}

// SplitToSequenceAttrs: parts along Axis, which a part of size 1 loses where Squeeze is set.
type SplitToSequenceAttrs struct {
	Axis    int64 `ir:"axis"`
	Squeeze bool  `ir:"squeeze"`
}

// ConcatFromSequenceAttrs: along Axis, which is new where Stack is set.
type ConcatFromSequenceAttrs struct {
	Axis  int64 `ir:"axis"`
	Stack bool  `ir:"stack"`
}

// ElemOf is t as the type of an element: sizes that are not numbers may differ from element to element.
func ElemOf(t Type) Type {
	t.Shape = slices.Clone(t.Shape)
	for i, d := range t.Shape {
		if !d.IsConst() {
			t.Shape[i] = Unknown
		}
	}
	if t.Elem != nil {
		e := ElemOf(*t.Elem)
		t.Elem = &e
	}
	return t
}

// JoinElems is the type that covers elements of types a and b; ok is false where their dtypes or forms differ.
func JoinElems(a, b Type) (t Type, ok bool) {
	a, b = ElemOf(a), ElemOf(b)
	switch {
	case a.Kind != b.Kind || a.DType != b.DType:
		return Type{}, false
	case a.Elem != nil && b.Elem != nil:
		e, ok := JoinElems(*a.Elem, *b.Elem)
		a.Elem = &e
		return a, ok
	case a.Ranks == NoRank:
		return b, true
	case b.Ranks == NoRank:
		return a, true
	case a.Ranks == AnyRank || b.Ranks == AnyRank || len(a.Shape) != len(b.Shape):
		return Type{Kind: a.Kind, DType: a.DType, Ranks: AnyRank}, true
	}
	for i, d := range b.Shape {
		if a.Shape[i] != d {
			a.Shape[i] = Unknown
		}
	}
	return a, true
}

// list makes sure that operand i is a sequence and gives its element type.
func (c *Infer) list(label string, i int) (Type, bool) {
	t := c.arg(i).Type
	if t.Kind != SequenceType {
		c.fail(DTypeError, label, "%s of %s, wants a sequence", c.op.Kind, t)
		return Type{}, false
	}
	return *t.Elem, true
}

// position checks operand i, the index of an element, where it is there.
func (c *Infer) position(label string, i int) bool {
	v := c.arg(i)
	if v != nil && (!v.Type.IsTensor() || v.DType() != I64 && v.DType() != I32 || v.Rank() > 1) {
		c.fail(DTypeError, label, "position of %s, wants one i64 or i32", v.Type)
		return false
	}
	return true
}

// inferMakeSequence: make_sequence(elements…). make_sequence_c1 elements of one form and dtype, or the element type as an attribute.
func inferMakeSequence(c *Infer) {
	elem := c.op.Attrs.(*SequenceAttrs).Elem
	if (elem.Kind == NoType) != (len(c.op.Args) > 0) {
		c.fail(AttrError, "make_sequence_c1", "sequence of %d elements with element type %s", len(c.op.Args), elem)
		return
	}
	for i, a := range c.op.Args {
		if i == 0 {
			elem = ElemOf(a.Type)
			continue
		}
		var ok bool
		if elem, ok = JoinElems(elem, a.Type); !ok {
			c.fail(DTypeError, "make_sequence_c1", "elements differ: %s", c.operands())
			return
		}
	}
	c.result(SequenceOf(elem), nil)
}

// inferSequenceInsert: sequence_insert(list, element, position?). sequence_insert_c1 a sequence, sequence_insert_c2 an
// element that fits, sequence_insert_c3 one position.
func inferSequenceInsert(c *Infer) {
	elem, ok := c.list("sequence_insert_c1", 0)
	if !ok {
		return
	}
	t, ok := JoinElems(elem, c.arg(1).Type)
	if !ok {
		c.fail(DTypeError, "sequence_insert_c2", "%s into %s", c.arg(1).Type, c.arg(0).Type)
		return
	}
	if c.position("sequence_insert_c3", 2) {
		c.result(SequenceOf(t), nil)
	}
}

// inferSequenceErase: sequence_erase(list, position?). sequence_erase_c1 a sequence, sequence_erase_c2 one position.
func inferSequenceErase(c *Infer) {
	if _, ok := c.list("sequence_erase_c1", 0); ok && c.position("sequence_erase_c2", 1) {
		c.result(c.arg(0).Type, nil)
	}
}

// inferSequenceAt: sequence_at(list, position). sequence_at_c1 a sequence, sequence_at_c2 one position, sequence_at_c3 elements of
// one rank.
func inferSequenceAt(c *Infer) {
	elem, ok := c.list("sequence_at_c1", 0)
	if !ok || !c.position("sequence_at_c2", 1) || !c.ranked("sequence_at_c3", elem) {
		return
	}
	c.result(ElemOf(elem), nil)
}

// ranked makes sure that the rank of a tensor element is known.
func (c *Infer) ranked(label string, elem Type) bool {
	if elem.Ranks != OneRank {
		c.fail(ShapeError, label, "the rank of the elements of %s is not known", c.arg(0).Type)
		if c.err != nil {
			c.err.Remedy = "declare the shape of the sequence's elements"
		}
		return false
	}
	return true
}

// inferSequenceLength: sequence_length(list). sequence_length_c1 a sequence.
func inferSequenceLength(c *Infer) {
	if _, ok := c.list("sequence_length_c1", 0); ok {
		c.tensor(I64, nil)
	}
}

// inferSplitToSequence: split_to_sequence(x, sizes?). split_to_sequence_c1 the axis, split_to_sequence_c2 sizes of an integer, of rank
// 0 or 1, split_to_sequence_c3 no sizes where the axis goes.
func inferSplitToSequence(c *Infer) {
	a := c.op.Attrs.(*SplitToSequenceAttrs)
	x, sizes := c.arg(0), c.arg(1)
	if !c.tensors() || !c.axis("split_to_sequence_c1", a.Axis, x.Rank()) {
		return
	}
	if sizes != nil && (sizes.DType() != I64 && sizes.DType() != I32 || sizes.Rank() > 1) {
		c.fail(DTypeError, "split_to_sequence_c2", "sizes of %s", sizes.Type)
		return
	}
	if sizes != nil && a.Squeeze {
		c.fail(AttrError, "split_to_sequence_c3", "an axis that is split into sizes stays")
		return
	}
	elem := ElemOf(x.Type)
	switch {
	case a.Squeeze:
		elem.Shape = slices.Delete(elem.Shape, int(a.Axis), int(a.Axis)+1)
	case sizes == nil:
		elem.Shape[a.Axis] = Size(1)
	default:
		elem.Shape[a.Axis] = Unknown
	}
	c.result(SequenceOf(elem), nil)
}

// lookupTable makes sure that operand i is a map to scalars and gives their type.
func (c *Infer) lookupTable(label string, i int) (Type, bool) {
	t := c.arg(i).Type
	if t.Kind != MapType || !t.Elem.IsTensor() || t.Elem.Ranks != OneRank || t.Elem.Rank() != 0 {
		c.fail(DTypeError, label, "%s of %s, wants a map to scalars", c.op.Kind, t)
		return Type{}, false
	}
	return *t.Elem, true
}

// inferZipMaps: zip_maps(keys, values). zip_maps_c1 keys of integers or strings, of rank 1, zip_maps_c2 values [N, C], one for each key.
func inferZipMaps(c *Infer) {
	keys, values := c.arg(0), c.arg(1)
	if !c.tensors() {
		return
	}
	if keys.Rank() != 1 || !isMapKey(keys.DType()) {
		c.fail(DTypeError, "zip_maps_c1", "keys of %s", keys.Type)
		return
	}
	if values.Rank() != 2 {
		c.fail(ShapeError, "zip_maps_c2", "values of %s", values.Type)
		return
	}
	c.same("zip_maps_c2", keys.Shape()[0], values.Shape()[1], "counts of keys and values")
	c.result(SequenceOf(MapOf(keys.DType(), TensorOf(values.DType()))), nil)
}

// inferMapLookup: map_lookup(map, keys, default). map_lookup_c1 a map to scalars, map_lookup_c2 keys of its dtype, map_lookup_c3 a default of
// its elements' dtype, of rank 0.
func inferMapLookup(c *Infer) {
	elem, ok := c.lookupTable("map_lookup_c1", 0)
	if !ok {
		return
	}
	keys, other := c.arg(1), c.arg(2)
	if !keys.Type.IsTensor() || keys.DType() != c.arg(0).Type.DType {
		c.fail(DTypeError, "map_lookup_c2", "keys of %s for %s", keys.Type, c.arg(0).Type)
		return
	}
	if !other.Type.Equal(elem) {
		c.fail(DTypeError, "map_lookup_c3", "default of %s for %s", other.Type, c.arg(0).Type)
		return
	}
	c.tensor(elem.DType, keys.Shape())
}

// inferMapValues: map_values(map). map_values_c1 a map to scalars.
func inferMapValues(c *Infer) {
	if elem, ok := c.lookupTable("map_values_c1", 0); ok {
		c.tensor(elem.DType, Shape{Unknown})
	}
}

// tensors makes sure that all operands are tensors, in a family whose operands need not be.
func (c *Infer) tensors() bool {
	for i, a := range c.op.Args {
		if a != nil && !a.Type.IsTensor() {
			c.fail(DTypeError, "op_c5", "%s operand %d is %s, wants a tensor", c.op.Kind, i, a.Type)
			return false
		}
	}
	return true
}

// inferConcatFromSequence: concat_from_sequence(list). concat_from_sequence_c1 a sequence of tensors, concat_from_sequence_c2 of one
// rank, concat_from_sequence_c3 the axis.
func inferConcatFromSequence(c *Infer) {
	a := c.op.Attrs.(*ConcatFromSequenceAttrs)
	elem, ok := c.list("concat_from_sequence_c1", 0)
	if !ok {
		return
	}
	if !elem.IsTensor() {
		c.fail(DTypeError, "concat_from_sequence_c1", "concatenation of %s", c.arg(0).Type)
		return
	}
	if !c.ranked("concat_from_sequence_c2", elem) {
		return
	}
	rank := len(elem.Shape)
	if a.Stack {
		rank++
	}
	if !c.axis("concat_from_sequence_c3", a.Axis, rank) {
		return
	}
	shape := slices.Clone(ElemOf(elem).Shape)
	if a.Stack {
		shape = slices.Insert(shape, int(a.Axis), Unknown)
	}
	shape[a.Axis] = Unknown
	c.tensor(elem.DType, shape)
}

// inferMakeOptional: make_optional(value?). make_optional_c1 a tensor or sequence, or its type as an attribute.
func inferMakeOptional(c *Infer) {
	elem := c.op.Attrs.(*SequenceAttrs).Elem
	x := c.arg(0)
	if (elem.Kind == NoType) != (x != nil) {
		c.fail(AttrError, "make_optional_c1", "optional of %s with element type %s", c.operands(), elem)
		return
	}
	if x != nil {
		elem = ElemOf(x.Type)
	}
	if elem.Kind != TensorType && elem.Kind != SequenceType {
		c.fail(DTypeError, "make_optional_c1", "optional of %s", elem)
		return
	}
	c.result(OptionalOf(elem), nil)
}

// inferOptionalHas: optional_has(optional). optional_has_c1 an optional.
func inferOptionalHas(c *Infer) {
	if t := c.arg(0).Type; t.Kind != OptionalType {
		c.fail(DTypeError, "optional_has_c1", "optional_has of %s", t)
		return
	}
	c.tensor(Bool, nil)
}

// inferOptionalGet: optional_get(optional). optional_get_c1 an optional, optional_get_c2 a tensor of known rank.
func inferOptionalGet(c *Infer) {
	t := c.arg(0).Type
	if t.Kind != OptionalType {
		c.fail(DTypeError, "optional_get_c1", "optional_get of %s", t)
		return
	}
	if c.ranked("optional_get_c2", *t.Elem) {
		c.result(ElemOf(*t.Elem), nil)
	}
}
