package ir

import (
	"slices"
	"strings"
)

// TypeKind distinguishes the forms of a Type.
type TypeKind uint8

// The forms of a Type.
const (
	NoType TypeKind = iota
	TensorType
	SequenceType
	OptionalType
	MapType
)

// Type is the type of a Value: a tensor of known rank, or a sequence, optional or map of other types.
// The zero Type is no type.
type Type struct {
	Kind  TypeKind
	DType DType // of a tensor's elements, or of a map's keys
	Ranks Ranks // inside a sequence or an optional: whether Shape says the rank
	Shape Shape // of a tensor; nil and empty both mean a scalar
	Elem  *Type // of a sequence, optional or map
}

// Shape is the list of a tensor's dims, outermost first.
type Shape []Dim

// MaxRank is the highest rank of a tensor, NumPy's.
const MaxRank = 64

// TensorOf is the type of a tensor.
func TensorOf(d DType, shape ...Dim) Type { return Type{Kind: TensorType, DType: d, Shape: shape} }

// SequenceOf is the type of a list of elem.
func SequenceOf(elem Type) Type { return Type{Kind: SequenceType, Elem: &elem} }

// OptionalOf is the type of an elem that may be absent.
func OptionalOf(elem Type) Type { return Type{Kind: OptionalType, Elem: &elem} }

// MapOf is the type of a map from keys of dtype key to elem.
func MapOf(key DType, elem Type) Type { return Type{Kind: MapType, DType: key, Elem: &elem} }

// StaticShape makes a shape of constant dims.
func StaticShape(dims ...int64) Shape {
	s := make(Shape, len(dims))
	for i, d := range dims {
		s[i] = Size(d)
	}
	return s
}

// IsTensor reports whether t is a tensor type.
func (t Type) IsTensor() bool { return t.Kind == TensorType }

// Rank is the number of dims of a tensor type.
func (t Type) Rank() int { return len(t.Shape) }

// Equal reports structural equality; dims compare with ==.
func (t Type) Equal(u Type) bool {
	return t.equal(u, func(a, b Dim) bool { return a == b })
}

func (t Type) equal(u Type, same func(a, b Dim) bool) bool {
	if t.Kind != u.Kind || t.DType != u.DType || t.Ranks != u.Ranks || !slices.EqualFunc(t.Shape, u.Shape, same) {
		return false
	}
	if t.Elem == nil || u.Elem == nil {
		return t.Elem == u.Elem
	}
	return t.Elem.equal(*u.Elem, same)
}

// wellFormed says what is wrong with t, or nothing. Inside a sequence or optional a size may be Unknown: it may
// differ from element to element.
func (t Type) wellFormed() string {
	switch {
	case t.Kind == NoType || t.Kind > MapType:
		return "no type"
	case t.Kind == TensorType || t.Kind == MapType:
		if t.DType == Invalid || t.DType >= NumDTypes {
			return "no dtype"
		}
	}
	if t.Ranks != OneRank {
		return "the rank is not known"
	}
	if len(t.Shape) > MaxRank {
		return "the rank is too high"
	}
	for _, d := range t.Shape {
		if n, ok := d.Value(); d == Unknown || ok && n < 0 {
			return "sizes are known and not negative"
		}
	}
	if t.Kind == TensorType {
		return ""
	}
	if t.Elem == nil {
		return "no element type"
	}
	if t.Kind == MapType && !isMapKey(t.DType) {
		return "the keys of a map are integers or strings"
	}
	e := *t.Elem
	if e.Ranks != OneRank {
		e.Ranks, e.Shape = OneRank, nil
	}
	e.Shape = slices.DeleteFunc(slices.Clone(e.Shape), func(d Dim) bool { return d == Unknown })
	return e.wellFormed()
}

// isMapKey reports whether a map can have keys of d.
func isMapKey(d DType) bool { return d.IsInt() || d == String }

func (t Type) String() string {
	switch t.Kind {
	case TensorType:
		switch t.Ranks {
		case AnyRank:
			return t.DType.String() + "[*]"
		case NoRank:
			return t.DType.String() + "[none]"
		}
		return t.DType.String() + t.Shape.String()
	case SequenceType:
		return "seq<" + t.Elem.String() + ">"
	case OptionalType:
		return "optional<" + t.Elem.String() + ">"
	case MapType:
		return "map<" + t.DType.String() + ", " + t.Elem.String() + ">"
	}
	return "none"
}

func (s Shape) String() string {
	var b strings.Builder
	b.WriteByte('[')
	for i, d := range s {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(d.String())
	}
	b.WriteByte(']')
	return b.String()
}

// Static returns the sizes of s, and false when one of them is symbolic.
func (s Shape) Static() ([]int, bool) {
	out := make([]int, len(s))
	for i, d := range s {
		n, ok := d.Value()
		if !ok {
			return nil, false
		}
		out[i] = int(n)
	}
	return out, true
}

// NumElements is the product of the dims of s.
func (s Shape) NumElements() Dim {
	n := Size(1)
	for _, d := range s {
		n = n.Mul(d)
	}
	return n
}
