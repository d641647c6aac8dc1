package onnx

import (
	"reflect"
	"sync"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// message is what the pre-scan knows of one protobuf message type.
type message struct {
	id     int    // dense, to count nesting per type
	name   string // "GraphProto"
	size   int    // bytes of the Go struct
	fields []field
}

// field is one field; fields are indexed by number, and a nil name is an unknown one.
type field struct {
	name  string
	wire  protowire.Type // of one value, unpacked
	list  bool
	child *message // for messages
	alloc int      // bytes that decoding one value puts on the heap
}

// wireSchema holds the roots that Emily decodes.
type wireSchema struct {
	messages                                   int // how many types
	model, tensor, sequence, optional, mapping *message
}

// onnxWire is built from the generated descriptors, so that a new ONNX needs no edit here.
var onnxWire = sync.OnceValue(func() *wireSchema {
	b := builder{byName: map[protoreflect.FullName]*message{}}
	s := &wireSchema{
		model:    b.message((*pb.ModelProto)(nil).ProtoReflect().Type()),
		tensor:   b.message((*pb.TensorProto)(nil).ProtoReflect().Type()),
		sequence: b.message((*pb.SequenceProto)(nil).ProtoReflect().Type()),
		optional: b.message((*pb.OptionalProto)(nil).ProtoReflect().Type()),
		mapping:  b.message((*pb.MapProto)(nil).ProtoReflect().Type()),
	}
	s.messages = len(b.byName)
	return s
})

type builder struct {
	byName map[protoreflect.FullName]*message
}

func (b *builder) message(t protoreflect.MessageType) *message {
	d := t.Descriptor()
	if m := b.byName[d.FullName()]; m != nil {
		return m
	}
	m := &message{
		id:   len(b.byName),
		name: string(d.Name()),
		size: int(reflect.TypeOf(t.Zero().Interface()).Elem().Size()),
	}
	b.byName[d.FullName()] = m // before the fields: types recur
	for i := range d.Fields().Len() {
		b.field(m, t, d.Fields().Get(i))
	}
	return m
}

func (b *builder) field(m *message, t protoreflect.MessageType, d protoreflect.FieldDescriptor) {
	n := int(d.Number())
	for len(m.fields) <= n {
		m.fields = append(m.fields, field{})
	}
	f := &m.fields[n]
	f.name, f.list, f.wire = string(d.Name()), d.IsList(), wireType(d.Kind())
	if d.Message() != nil {
		f.child = b.message(messageType(t, d))
	}
	f.alloc = f.heap()
}

// messageType is the Go type of a message field.
func messageType(t protoreflect.MessageType, d protoreflect.FieldDescriptor) protoreflect.MessageType {
	if d.IsList() {
		return t.New().NewField(d).List().NewElement().Message().Type()
	}
	return t.New().NewField(d).Message().Type()
}

// heap bounds what one value costs: list elements twice, as append leaves a tail and garbage.
func (f *field) heap() int {
	const pointer, scalar, str, slice = 8, 8, 16, 24
	switch {
	case f.child != nil && f.list:
		return f.child.size + 2*pointer
	case f.child != nil:
		return f.child.size
	case f.list && f.wire == protowire.BytesType:
		return 2 * slice
	case f.list:
		return 2 * scalar
	case f.wire == protowire.BytesType:
		return str
	}
	return scalar
}

func wireType(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.MessageKind, protoreflect.StringKind, protoreflect.BytesKind:
		return protowire.BytesType
	case protoreflect.FloatKind, protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.Fixed32Type
	case protoreflect.DoubleKind, protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.Fixed64Type
	}
	return protowire.VarintType
}
