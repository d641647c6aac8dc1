package onnx

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// attrKinds has an attribute of every kind, with a reader for it.
var attrKinds = []struct {
	attr *pb.AttributeProto
	want any
	read func(*Attrs) any
	zero any // the reader's answer for an absent attribute
}{
	{&pb.AttributeProto{F: ptr(float32(1.5))}, float32(1.5), func(a *Attrs) any { return a.Float("x", 7) }, float32(7)},
	{&pb.AttributeProto{I: ptr(int64(-3))}, int64(-3), func(a *Attrs) any { return a.Int("x", 7) }, int64(7)},
	{&pb.AttributeProto{S: []byte("NOTSET")}, "NOTSET", func(a *Attrs) any { return a.String("x", "d") }, "d"},
	{&pb.AttributeProto{T: tensorOf("t", 1)}, tensorOf("t", 1), func(a *Attrs) any { return a.Tensor("x") }, (*pb.TensorProto)(nil)},
	{&pb.AttributeProto{G: &pb.GraphProto{Name: ptr("g")}}, &pb.GraphProto{Name: ptr("g")}, func(a *Attrs) any { return a.Graph("x") }, (*pb.GraphProto)(nil)},
	{&pb.AttributeProto{SparseTensor: &pb.SparseTensorProto{Dims: []int64{2}}}, &pb.SparseTensorProto{Dims: []int64{2}}, func(a *Attrs) any { return a.SparseTensor("x") }, (*pb.SparseTensorProto)(nil)},
	{&pb.AttributeProto{Tp: &pb.TypeProto{Denotation: ptr("d")}}, &pb.TypeProto{Denotation: ptr("d")}, func(a *Attrs) any { return a.Type("x") }, (*pb.TypeProto)(nil)},
	{&pb.AttributeProto{Floats: []float32{1, 2}}, []float32{1, 2}, func(a *Attrs) any { return a.Floats("x", 9) }, []float32{9}},
	{&pb.AttributeProto{Ints: []int64{1, 2}}, []int64{1, 2}, func(a *Attrs) any { return a.Ints("x", 9) }, []int64{9}},
	{&pb.AttributeProto{Strings: [][]byte{[]byte("a"), nil}}, []string{"a", ""}, func(a *Attrs) any { return a.Strings("x") }, []string(nil)},
}

// same compares messages by their wire form: reflection would mark them as changed.
func same(a, b any) bool {
	x, ok := a.(proto.Message)
	y, ok2 := b.(proto.Message)
	if ok && ok2 {
		return proto.Equal(x, y)
	}
	return cmp.Equal(a, b)
}

// attrsOf is the attributes of a node that went through the wire.
func attrsOf(t *testing.T, list ...*pb.AttributeProto) *Attrs {
	t.Helper()
	var n pb.NodeProto
	if err := n.UnmarshalVTUnsafe(marshal(t, &pb.NodeProto{Attribute: list})); err != nil {
		t.Fatal(err)
	}
	return NewAttrs(n.Attribute)
}

func TestAttrKinds(t *testing.T) {
	for i, k := range attrKinds {
		typ := setFields(k.attr)[0]
		t.Run(typ.String(), func(t *testing.T) {
			k.attr.Name = ptr("x")
			for _, declared := range []*pb.AttributeProto_AttributeType{typ.Enum(), nil, pb.AttributeProto_UNDEFINED.Enum()} {
				k.attr.Type = declared
				a := attrsOf(t, k.attr)
				if got := k.read(a); !same(k.want, got) || a.Err() != nil {
					t.Errorf("declared %v: got %v, %v, want %v", declared, got, a.Err(), k.want)
				}
				if u := a.Unused(); u != nil {
					t.Errorf("unused %v", u)
				}
			}
			if a := NewAttrs(nil); !same(k.zero, k.read(a)) || a.Err() != nil {
				t.Errorf("absent: got %v, %v, want %v", k.read(a), a.Err(), k.zero)
			}
			other := attrKinds[(i+1)%len(attrKinds)]
			a := attrsOf(t, k.attr)
			if got := other.read(a); !same(other.zero, got) && other.zero != 0 {
				t.Errorf("read as another type: got %v, want the default", got)
			}
			wantError(t, Locate(a.Err(), Error{File: "m"}), Invalid, fmt.Sprintf(`attribute "x" is %s, must be `, typ))
		})
	}
}

func TestAttrLists(t *testing.T) {
	// An empty list has no field to tell its type by.
	for _, typ := range []*pb.AttributeProto_AttributeType{pb.AttributeProto_INTS.Enum(), nil} {
		a := attrsOf(t, &pb.AttributeProto{Name: ptr("x"), Type: typ})
		if got := a.Ints("x", 1, 2); got == nil || len(got) != 0 || a.Err() != nil {
			t.Errorf("empty list: got %v, %v", got, a.Err())
		}
	}
	// Writers of proto3 leave out zeros.
	a := attrsOf(t, &pb.AttributeProto{Name: ptr("x"), Type: pb.AttributeProto_INT.Enum()})
	if got := a.Int("x", 5); got != 0 || a.Err() != nil {
		t.Errorf("int without value: got %d, %v, want 0", got, a.Err())
	}
}

func TestAttrUse(t *testing.T) {
	var list []*pb.AttributeProto
	for i := range 20 {
		list = append(list, &pb.AttributeProto{Name: ptr(fmt.Sprint("a", i)), I: ptr(int64(i))})
	}
	for _, n := range []int{3, 20} {
		a := attrsOf(t, list[:n]...)
		if got := a.Int("a1", -1); got != 1 || !a.Has("a2") || a.Has("b") {
			t.Errorf("%d attributes: a1 = %d", n, got)
		}
		if u := a.Unused(); len(u) != n-1 || u[0] != "a0" || u[1] != "a2" {
			t.Errorf("%d attributes: unused %v", n, u)
		}
		if a.Require("a0", "a2"); a.Err() != nil {
			t.Error(a.Err())
		}
	}
}

func TestAttrInvalid(t *testing.T) {
	x := func(edit func(*pb.AttributeProto)) []*pb.AttributeProto {
		p := &pb.AttributeProto{Name: ptr("x"), I: ptr(int64(1))}
		edit(p)
		return []*pb.AttributeProto{p}
	}
	many := x(func(*pb.AttributeProto) {})
	for i := range 100_000 {
		many = append(many, &pb.AttributeProto{Name: ptr(fmt.Sprint(i))})
	}
	for _, tc := range []struct {
		name string
		list []*pb.AttributeProto
		kind ErrorKind
		part string
	}{
		{"twice", append(x(func(*pb.AttributeProto) {}), x(func(*pb.AttributeProto) {})...), Invalid, `"x" is given twice`},
		{"twice among many", append(many, many[0]), Invalid, `"x" is given twice`},
		{"no name", x(func(p *pb.AttributeProto) { p.Name = nil }), Invalid, "attribute 0 has no name"},
		{"unknown type", x(func(p *pb.AttributeProto) { p.Type = pb.AttributeProto_AttributeType(77).Enum() }), Invalid, "unknown type 77"},
		{"type and value differ", x(func(p *pb.AttributeProto) { p.Type = pb.AttributeProto_FLOAT.Enum() }), Invalid, `"x" is FLOAT, but holds a value of INT`},
		{"two values", x(func(p *pb.AttributeProto) { p.S = []byte("s") }), Invalid, "holds a value of STRING"},
		{"reference", x(func(p *pb.AttributeProto) { p.RefAttrName = ptr("y") }), Invalid, `refers to "y"`},
		{"no value", x(func(p *pb.AttributeProto) { p.I, p.Type = nil, pb.AttributeProto_TENSOR.Enum() }), Invalid, ""},
		{"absent", nil, Missing, `attribute "x" is required`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			bounded(t, func() {
				a := NewAttrs(tc.list)
				a.Require("x")
				a.Int("x", 0)
				wantError(t, Locate(a.Err(), Error{File: "m"}), tc.kind, tc.part)
			})
		})
	}
	a := attrsOf(t, &pb.AttributeProto{Name: ptr("x"), Type: pb.AttributeProto_GRAPH.Enum()})
	a.Graph("x")
	wantError(t, Locate(a.Err(), Error{File: "m"}), Invalid, `"x" is GRAPH, but has no value`)
}

func TestErrorText(t *testing.T) {
	cause := errors.New("cause")
	for _, tc := range []struct {
		err  error
		want string
	}{
		{&Error{File: "model.onnx", Node: "/attn/MatMul_3", Op: "MatMul", Opset: 17, Msg: "inner sizes differ: f32[8,64] × f32[32,8]"},
			`model.onnx: node "/attn/MatMul_3" (MatMul, opset 17): inner sizes differ: f32[8,64] × f32[32,8]`},
		{&Error{File: "model.onnx", Tensor: "w", Msg: "raw data has 12 bytes, shape f32[2,3] needs 24", Remedy: "export the model again"},
			`model.onnx: tensor "w": raw data has 12 bytes, shape f32[2,3] needs 24; export the model again`},
		{&Error{File: "m", Op: "FusedMatMul", Domain: "com.microsoft", Opset: 1, Msg: "x"}, `m: node (com.microsoft.FusedMatMul, opset 1): x`},
		{&Error{File: "m", Node: "n", Op: "Add", Domain: "ai.onnx", Tensor: "t", Err: cause}, `m: node "n" (Add): tensor "t": cause`},
		{&Error{Msg: "m", Err: cause, Remedy: "r"}, "m: cause; r"},
		{Locate(cause, Error{File: "m", Node: "n"}), `m: node "n": cause`},
		{Locate(&Error{Node: "inner", Msg: "x"}, Error{File: "m", Node: "outer", Op: "If"}), `m: node "inner": x`},
	} {
		if got := tc.err.Error(); got != tc.want {
			t.Errorf("got  %s\nwant %s", got, tc.want)
		}
	}
	wrapped := fmt.Errorf("while x: %w", &Error{Msg: "y"})
	if got := Locate(wrapped, Error{File: "m"}); got != wrapped {
		t.Errorf("Locate changed the words of %v to %v", wrapped, got)
	}
	if Locate(nil, Error{File: "m"}) != nil || !errors.Is(Locate(cause, Error{}), cause) {
		t.Error("Locate loses nil or the cause")
	}
	if TooDeep.String() != "too deep" || ErrorKind(99).String() != "ErrorKind(99)" {
		t.Error("names of kinds")
	}
}
