package onnx

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

var update = flag.Bool("update", false, "write the golden files again; read the difference before you believe it")

// value declares a tensor: value("x", "f32", 2, "batch"). A dim of nil has neither size nor name.
func value(name, dtype string, dims ...any) *pb.ValueInfoProto {
	shape := &pb.TensorShapeProto{}
	for _, d := range dims {
		p := &pb.TensorShapeProto_Dimension{}
		switch d := d.(type) {
		case int:
			p.Value = &pb.TensorShapeProto_Dimension_DimValue{DimValue: int64(d)}
		case string:
			p.Value = &pb.TensorShapeProto_Dimension_DimParam{DimParam: d}
		}
		shape.Dim = append(shape.Dim, p)
	}
	return &pb.ValueInfoProto{Name: &name, Type: &pb.TypeProto{Value: &pb.TypeProto_TensorType{
		TensorType: &pb.TypeProto_Tensor{ElemType: ptr(int32(dtypeNumber(dtype))), Shape: shape}}}}
}

func dtypeNumber(name string) DType {
	for i := range dtypes {
		if dtypes[i].name == name {
			return DType(i)
		}
	}
	panic("no dtype " + name)
}

// untyped declares a name only, as outputs may be.
func untyped(names string) []*pb.ValueInfoProto {
	var list []*pb.ValueInfoProto
	for _, n := range split(names) {
		list = append(list, &pb.ValueInfoProto{Name: &n})
	}
	return list
}

func split(names string) []string {
	if names == "" {
		return nil
	}
	return strings.Split(names, ",")
}

// node makes a node called op_output; operands and outputs are separated by commas.
func node(op, in, out string, attrs ...*pb.AttributeProto) *pb.NodeProto {
	name := op + "_" + split(out + ",")[0]
	return &pb.NodeProto{OpType: &op, Name: &name, Input: split(in), Output: split(out), Attribute: attrs}
}

// of puts a node into a domain.
func of(domain string, p *pb.NodeProto) *pb.NodeProto {
	p.Domain = &domain
	return p
}

// attr makes an attribute of the type that v has.
func attr(name string, v any) *pb.AttributeProto {
	a := &pb.AttributeProto{Name: &name}
	set := func(t pb.AttributeProto_AttributeType) { a.Type = &t }
	switch v := v.(type) {
	case int:
		set(pb.AttributeProto_INT)
		a.I = ptr(int64(v))
	case float64:
		set(pb.AttributeProto_FLOAT)
		a.F = ptr(float32(v))
	case string:
		set(pb.AttributeProto_STRING)
		a.S = []byte(v)
	case []int64:
		set(pb.AttributeProto_INTS)
		a.Ints = v
	case []float32:
		set(pb.AttributeProto_FLOATS)
		a.Floats = v
	case []string:
		set(pb.AttributeProto_STRINGS)
		for _, s := range v {
			a.Strings = append(a.Strings, []byte(s))
		}
	case *pb.TensorProto:
		set(pb.AttributeProto_TENSOR)
		a.T = v
	case *pb.SparseTensorProto:
		set(pb.AttributeProto_SPARSE_TENSOR)
		a.SparseTensor = v
	case *pb.GraphProto:
		set(pb.AttributeProto_GRAPH)
		a.G = v
	default:
		panic(fmt.Sprintf("attribute of %T", v))
	}
	return a
}

// reference makes an attribute that refers to one of the enclosing function.
func reference(name, to string, t pb.AttributeProto_AttributeType) *pb.AttributeProto {
	return &pb.AttributeProto{Name: &name, RefAttrName: &to, Type: &t}
}

func graph(in []*pb.ValueInfoProto, out []*pb.ValueInfoProto, nodes ...*pb.NodeProto) *pb.GraphProto {
	return &pb.GraphProto{Name: ptr("g"), Input: in, Output: out, Node: nodes}
}

func values(list ...*pb.ValueInfoProto) []*pb.ValueInfoProto { return list }

// with adds initializers.
func with(g *pb.GraphProto, inits ...*pb.TensorProto) *pb.GraphProto {
	g.Initializer = append(g.Initializer, inits...)
	return g
}

func ints(name string, v ...int64) *pb.TensorProto {
	t := tensorOf(name, pb.TensorProto_INT64, int64(len(v)))
	t.Int64Data = v
	return t
}

func scalarInt(name string, v int64) *pb.TensorProto {
	t := tensorOf(name, pb.TensorProto_INT64)
	t.Int64Data = []int64{v}
	return t
}

func scalarInt32(name string, v int32) *pb.TensorProto {
	t := tensorOf(name, pb.TensorProto_INT32)
	t.Int32Data = []int32{v}
	return t
}

func floats32(name string, v ...float32) *pb.TensorProto {
	t := tensorOf(name, pb.TensorProto_FLOAT, int64(len(v)))
	t.FloatData = v
	return t
}

// modelFile sends a model through the wire.
func modelFile(t testing.TB, opset int64, g *pb.GraphProto, functions ...*pb.FunctionProto) *File {
	t.Helper()
	f, err := FromBytes("model.onnx", marshal(t, &pb.ModelProto{IrVersion: ptr(int64(10)), Graph: g, Functions: functions,
		OpsetImport: []*pb.OperatorSetIdProto{{Domain: ptr(""), Version: &opset}, {Domain: ptr("local"), Version: ptr(int64(1))},
			{Domain: ptr("com.microsoft"), Version: ptr(int64(1))}, {Domain: ptr("ai.onnx.preview"), Version: ptr(int64(1))}, {Domain: ptr(mlDomain), Version: ptr(int64(3))},
			{Domain: ptr(trainingDomain), Version: ptr(int64(1))}}}))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// imported is the verified import of f, which parses back from its text.
func imported(t testing.TB, f *File, opts Options) *ir.Module {
	t.Helper()
	m, err := Import(f, opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(m); err != nil {
		t.Fatalf("%v\n%s", err, m)
	}
	again, err := ir.Parse(m.String(), ir.ParseOptions{})
	if err != nil {
		t.Fatalf("%v\n%s", err, m)
	}
	if d := cmp.Diff(m.String(), again.String()); d != "" {
		t.Errorf("text does not round-trip (-printed +printed again):\n%s", d)
	}
	return m
}

var locations = regexp.MustCompile(` loc\("[^"]*", "[^"]*", \d+\)`)

// body is the text of the main function without locations, with the bytes of its constants where they are in the file.
func body(m *ir.Module) string {
	m.Main().Body.Walk(func(op *ir.Op) {
		if a, ok := op.Attrs.(*ir.ConstAttrs); ok && a.Blob != nil {
			op.Attrs = &ir.ConstAttrs{Type: a.Type, Inline: a.Bytes()}
		}
	})
	return locations.ReplaceAllString(m.Main().String(), "")
}

// golden compares sections of a txtar file of testdata, one for each name.
type golden struct {
	path string
	old  map[string]string
	now  txtar.Archive
}

func openGolden(t *testing.T, name string) *golden {
	g := &golden{path: filepath.Join("testdata", name), old: map[string]string{}}
	data, err := os.ReadFile(g.path)
	if err != nil && !*update {
		t.Fatal(err)
	}
	for _, f := range txtar.Parse(data).Files {
		g.old[f.Name] = string(f.Data)
	}
	t.Cleanup(func() {
		if *update && !t.Failed() {
			if err := os.WriteFile(g.path, txtar.Format(&g.now), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	})
	return g
}

func (g *golden) check(t *testing.T, name, got string) {
	t.Helper()
	if !strings.HasSuffix(got, "\n") {
		got += "\n"
	}
	g.now.Files = append(g.now.Files, txtar.File{Name: name, Data: []byte(got)})
	if !*update {
		if d := cmp.Diff(g.old[name], got); d != "" {
			t.Errorf("%s, section %q (-want +got):\n%s", g.path, name, d)
		}
	}
}
