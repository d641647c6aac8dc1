package onnx

import (
	"slices"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// Attrs reads the attributes of one node. A getter gives the default where an attribute is
// absent, and also after an error: the first error sticks, so that a row reads all it needs and
// then asks Err once.
//
//	axis := a.Int("axis", -1)
//	perm := a.Ints("perm")
//	if err := a.Err(); err != nil { … }
type Attrs struct {
	list  []*pb.AttributeProto
	index map[string]int // only for long lists
	used  []bool
	err   error
}

// NewAttrs wraps the attributes of a node. Err reports a duplicate or absent name.
func NewAttrs(list []*pb.AttributeProto) *Attrs {
	const long = 8
	a := &Attrs{list: list, used: make([]bool, len(list))}
	if len(list) > long {
		a.index = make(map[string]int, len(list))
	}
	for i, p := range list {
		name := p.GetName()
		switch {
		case name == "":
			a.fail(errf(Invalid, remedyExport, "attribute %d has no name", i))
		case a.find(name, i) >= 0:
			a.fail(errf(Invalid, remedyExport, "attribute %q is given twice", name))
		case a.index != nil:
			a.index[name] = i
		}
	}
	return a
}

// find gives the place of name among the first n attributes, or -1.
func (a *Attrs) find(name string, n int) int {
	if a.index != nil {
		if i, ok := a.index[name]; ok {
			return i
		}
		return -1
	}
	return slices.IndexFunc(a.list[:n], func(p *pb.AttributeProto) bool { return p.GetName() == name })
}

func (a *Attrs) fail(err error) {
	if a.err == nil {
		a.err = err
	}
}

// Err is the first error: a wrong type, a value that is absent, a duplicate. It is an *Error of
// kind Invalid or Missing without a place; see Locate.
func (a *Attrs) Err() error { return a.err }

// Has tells whether the attribute is given. It does not count as read.
func (a *Attrs) Has(name string) bool { return a.find(name, len(a.list)) >= 0 }

// Require makes it an error that one of the attributes is absent.
func (a *Attrs) Require(names ...string) {
	for _, name := range names {
		if !a.Has(name) {
			a.fail(errf(Missing, remedyExport, "attribute %q is required", name))
		}
	}
}

// Unused lists the attributes that no getter was asked for, in the order of the node.
func (a *Attrs) Unused() []string {
	var names []string
	for i, p := range a.list {
		if !a.used[i] {
			names = append(names, p.GetName())
		}
	}
	return names
}

// Get gives the attribute as it stands, nil if absent: for nodes such as Constant that take
// several types. AttrType tells its type.
func (a *Attrs) Get(name string) *pb.AttributeProto {
	i := a.find(name, len(a.list))
	if i < 0 {
		return nil
	}
	a.used[i] = true
	return a.list[i]
}

// typed gives the attribute if it is there and of type want.
func (a *Attrs) typed(name string, want pb.AttributeProto_AttributeType) *pb.AttributeProto {
	p := a.Get(name)
	if p == nil {
		return nil
	}
	got, err := AttrType(p)
	if err != nil {
		a.fail(err)
		return nil
	}
	emptyList := got == pb.AttributeProto_UNDEFINED && isList(want)
	if got == want || emptyList {
		return p
	}
	a.fail(errf(Invalid, remedyExport, "attribute %q is %s, must be %s", name, got, want))
	return nil
}

func isList(t pb.AttributeProto_AttributeType) bool {
	switch t {
	case pb.AttributeProto_FLOATS, pb.AttributeProto_INTS, pb.AttributeProto_STRINGS, pb.AttributeProto_TENSORS,
		pb.AttributeProto_GRAPHS, pb.AttributeProto_SPARSE_TENSORS, pb.AttributeProto_TYPE_PROTOS:
		return true
	}
	return false
}

// Int gives an INT attribute.
func (a *Attrs) Int(name string, def int64) int64 {
	if p := a.typed(name, pb.AttributeProto_INT); p != nil {
		return p.GetI()
	}
	return def
}

// Float gives a FLOAT attribute.
func (a *Attrs) Float(name string, def float32) float32 {
	if p := a.typed(name, pb.AttributeProto_FLOAT); p != nil {
		return p.GetF()
	}
	return def
}

// String gives a STRING attribute.
func (a *Attrs) String(name, def string) string {
	if p := a.typed(name, pb.AttributeProto_STRING); p != nil {
		return string(p.GetS())
	}
	return def
}

// Ints gives an INTS attribute: not nil if it is there, though it may be empty.
func (a *Attrs) Ints(name string, def ...int64) []int64 {
	if p := a.typed(name, pb.AttributeProto_INTS); p != nil {
		return append([]int64{}, p.Ints...)
	}
	return def
}

// Floats gives a FLOATS attribute: not nil if it is there, though it may be empty.
func (a *Attrs) Floats(name string, def ...float32) []float32 {
	if p := a.typed(name, pb.AttributeProto_FLOATS); p != nil {
		return append([]float32{}, p.Floats...)
	}
	return def
}

// Strings gives a STRINGS attribute: not nil if it is there, though it may be empty.
func (a *Attrs) Strings(name string, def ...string) []string {
	if p := a.typed(name, pb.AttributeProto_STRINGS); p != nil {
		return stringsOf(p.Strings)
	}
	return def
}

// Tensor gives a TENSOR attribute, nil if absent.
func (a *Attrs) Tensor(name string) *pb.TensorProto {
	return single(a, name, pb.AttributeProto_TENSOR, (*pb.AttributeProto).GetT)
}

// Graph gives a GRAPH attribute, nil if absent.
func (a *Attrs) Graph(name string) *pb.GraphProto {
	return single(a, name, pb.AttributeProto_GRAPH, (*pb.AttributeProto).GetG)
}

// SparseTensor gives a SPARSE_TENSOR attribute, nil if absent.
func (a *Attrs) SparseTensor(name string) *pb.SparseTensorProto {
	return single(a, name, pb.AttributeProto_SPARSE_TENSOR, (*pb.AttributeProto).GetSparseTensor)
}

// Type gives a TYPE_PROTO attribute, nil if absent.
func (a *Attrs) Type(name string) *pb.TypeProto {
	return single(a, name, pb.AttributeProto_TYPE_PROTO, (*pb.AttributeProto).GetTp)
}

// single gives a message attribute, which unlike a number has no value to stand for absence.
func single[T any](a *Attrs, name string, want pb.AttributeProto_AttributeType, get func(*pb.AttributeProto) *T) *T {
	p := a.typed(name, want)
	if p == nil {
		return nil
	}
	v := get(p)
	if v == nil {
		a.fail(errf(Invalid, remedyExport, "attribute %q is %s, but has no value", name, want))
	}
	return v
}

// AttrType is the type of an attribute. Files of the first ONNX versions leave it out: then the
// field that is set tells, and UNDEFINED remains if none is, as for an empty list.
//
// Errors: Invalid for an unknown type, for values of another type or of several, and for a
// reference to a function's attribute that was not resolved.
func AttrType(p *pb.AttributeProto) (pb.AttributeProto_AttributeType, error) {
	const undefined = pb.AttributeProto_UNDEFINED
	name, typ := p.GetName(), p.GetType()
	if ref := p.GetRefAttrName(); ref != "" {
		return undefined, errf(Invalid, remedyExport, "attribute %q refers to %q, an attribute of the enclosing function that has no value here", name, ref)
	}
	if _, known := pb.AttributeProto_AttributeType_name[int32(typ)]; !known {
		return undefined, errf(Invalid, remedyExport, "attribute %q has the unknown type %d", name, typ)
	}
	for _, got := range setFields(p) {
		if typ == undefined {
			typ = got
		}
		if got != typ {
			return undefined, errf(Invalid, remedyExport, "attribute %q is %s, but holds a value of %s", name, typ, got)
		}
	}
	return typ, nil
}

// setFields lists the types whose value fields are set.
func setFields(p *pb.AttributeProto) []pb.AttributeProto_AttributeType {
	var room [4]pb.AttributeProto_AttributeType
	set := room[:0]
	for _, f := range [...]struct {
		is  bool
		typ pb.AttributeProto_AttributeType
	}{
		{p.F != nil, pb.AttributeProto_FLOAT},
		{p.I != nil, pb.AttributeProto_INT},
		{p.S != nil, pb.AttributeProto_STRING},
		{p.T != nil, pb.AttributeProto_TENSOR},
		{p.G != nil, pb.AttributeProto_GRAPH},
		{p.SparseTensor != nil, pb.AttributeProto_SPARSE_TENSOR},
		{p.Tp != nil, pb.AttributeProto_TYPE_PROTO},
		{len(p.Floats) > 0, pb.AttributeProto_FLOATS},
		{len(p.Ints) > 0, pb.AttributeProto_INTS},
		{len(p.Strings) > 0, pb.AttributeProto_STRINGS},
		{len(p.Tensors) > 0, pb.AttributeProto_TENSORS},
		{len(p.Graphs) > 0, pb.AttributeProto_GRAPHS},
		{len(p.SparseTensors) > 0, pb.AttributeProto_SPARSE_TENSORS},
		{len(p.TypeProtos) > 0, pb.AttributeProto_TYPE_PROTOS},
	} {
		if f.is {
			set = append(set, f.typ)
		}
	}
	return set
}
