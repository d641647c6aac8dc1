package onnxgo

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	upstream "github.com/owulveryck/onnx-go"
	"gonum.org/v1/gonum/graph"
	gorgonia "gorgonia.org/tensor"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

// TestDecoders decodes the same files with onnx-go's decoder and with Emily's, and compares what both give: the nodes
// with operands, outputs and attributes, the names of inputs and outputs, and initializers.
func TestDecoders(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, glob string
		read       int // that onnx-go can read, at least
		skip       string
	}{
		{"zoo", "../../../conformance/testdata/zoo/*/model.onnx", 3, ""},
		{"onnx", filepath.Join(cache, "emily/suites/onnx-1.22.0/*/*/model.onnx"), 1500, "not fetched: emilyc conformance onnx"},
	} {
		t.Run(c.name, func(t *testing.T) {
			paths, err := filepath.Glob(c.glob)
			if err != nil {
				t.Fatal(err)
			}
			if len(paths) == 0 && c.skip != "" {
				t.Skip(c.skip)
			}
			tally := map[string]int{}
			for _, path := range paths {
				reason, err := crossCheck(path)
				if err != nil {
					t.Errorf("%s: %v", path, err)
				}
				tally[reason]++
			}
			for _, reason := range slices.Sorted(maps.Keys(tally)) {
				t.Logf("%4d %s", tally[reason], reason)
			}
			if tally["read"] < c.read {
				t.Errorf("onnx-go read %d, want %d at least", tally["read"], c.read)
			}
		})
	}
}

// limits are what onnx-go's decoder says of files that it cannot read, or reads wrongly.
var limits = regexp.MustCompile(`Unknown input type|Not Yet Implemented|AttributeProto_\w+ not handled|undefined attributeproto type|` +
	`Unknown type|datatype is undefined|No data found|Graph have no input|Graph is empty|Unable to decode data|panic`)

// recorder takes any operator.
type recorder struct{ *Backend }

func (r *recorder) ApplyOperation(op upstream.Operation, results ...graph.Node) error {
	return r.apply(op, results)
}

// crossCheck says what became of a file, and how the decoders differ.
func crossCheck(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	theirs := New()
	model := upstream.NewModel(&recorder{theirs})
	if err := unmarshal(model, data); err != nil {
		reason := limits.FindString(err.Error())
		if reason == "" {
			return "refused", fmt.Errorf("onnx-go: %w", err)
		}
		return reason, nil
	}
	ours, err := onnx.FromBytes(path, data)
	if err != nil {
		return "", err
	}
	return "read", compareGraphs(theirs, model, ours)
}

func unmarshal(m *upstream.Model, data []byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return m.UnmarshalBinary(data)
}

// asRead is what both decoders give of a node.
type asRead struct {
	Op      string
	In, Out []string
	Attrs   map[string]any
}

func compareGraphs(b *Backend, m *upstream.Model, f *onnx.File) error {
	g := f.Model.Graph
	var theirs, ours []asRead
	for _, p := range b.ops {
		n, err := readNode(p, onnx.FromModel("", nil))
		if err != nil {
			return err
		}
		theirs = append(theirs, n)
	}
	for _, p := range g.Node {
		n, err := readNode(p, f)
		if err != nil {
			return err
		}
		ours = append(ours, n)
	}
	same := cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateNaNs()}
	if d := cmp.Diff(ours, theirs, same); d != "" {
		return fmt.Errorf("nodes (-ours +theirs):\n%.2000s", d)
	}
	if d := cmp.Diff(portNames(g.Output), nodeNames(b, m.Output), same); d != "" {
		return fmt.Errorf("outputs (-ours +theirs):\n%s", d)
	}
	stored := map[string]bool{}
	for _, p := range g.Initializer {
		stored[p.GetName()] = true
		if err := compareInitializer(b, f, p); err != nil {
			return fmt.Errorf("initializer %q: %w", p.GetName(), err)
		}
	}
	free := slices.DeleteFunc(portNames(g.Input), func(name string) bool { return stored[name] })
	if d := cmp.Diff(free, nodeNames(b, m.Input), same); d != "" {
		return fmt.Errorf("inputs (-ours +theirs):\n%s", d)
	}
	return nil
}

func portNames(list []*pb.ValueInfoProto) (names []string) {
	for _, v := range list {
		names = append(names, v.GetName())
	}
	return names
}

func nodeNames(b *Backend, ids []int64) (names []string) {
	for _, id := range ids {
		names = append(names, b.node(id).GetName())
	}
	return names
}

func compareInitializer(b *Backend, f *onnx.File, p *pb.TensorProto) error {
	want, err := tensorOf(f, p)
	if err != nil {
		return err
	}
	v := b.values[p.GetName()]
	if v == nil || v.tensor == nil {
		return fmt.Errorf("onnx-go has none")
	}
	got, err := interp.FromGorgonia(v.tensor)
	if err != nil {
		return err
	}
	if want.DType == got.DType && slices.Equal(want.Shape, got.Shape) && bytes.Equal(want.Data, got.Data) {
		return nil // cmp is slow on large ones
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		return fmt.Errorf("(-ours +theirs):\n%.1000s", d)
	}
	return nil
}

func tensorOf(f *onnx.File, p *pb.TensorProto) (*ir.Tensor, error) {
	data, err := f.Tensor(p)
	if err != nil {
		return nil, err
	}
	return irTensor(data)
}

func irTensor(data onnx.Payload) (*ir.Tensor, error) {
	d, err := ir.ParseDType(data.DType.String())
	if err != nil {
		return nil, err
	}
	shape := make([]int, len(data.Dims))
	for i, n := range data.Dims {
		shape[i] = int(n)
	}
	if d == ir.String {
		return &ir.Tensor{DType: d, Shape: shape, Strings: data.Strings}, nil
	}
	return ir.Unpack(d, shape, data.Data())
}

// readNode leaves out absent operands and outputs at the end.
func readNode(p *pb.NodeProto, f *onnx.File) (asRead, error) {
	n := asRead{Op: p.GetOpType(), In: trimmed(p.Input), Out: trimmed(p.Output), Attrs: map[string]any{}}
	for _, a := range p.Attribute {
		v, err := attrValue(a, f)
		if err != nil {
			return n, err
		}
		n.Attrs[strings.Clone(a.GetName())] = v
	}
	return n, nil
}

func trimmed(names []string) []string {
	for len(names) > 0 && names[len(names)-1] == "" {
		names = names[:len(names)-1]
	}
	return names
}

func attrValue(a *pb.AttributeProto, f *onnx.File) (any, error) {
	switch a.GetType() {
	case pb.AttributeProto_FLOAT:
		return a.GetF(), nil
	case pb.AttributeProto_INT:
		return a.GetI(), nil
	case pb.AttributeProto_STRING:
		return string(a.GetS()), nil
	case pb.AttributeProto_TENSOR:
		return tensorOf(f, a.T)
	case pb.AttributeProto_FLOATS:
		return a.Floats, nil
	case pb.AttributeProto_INTS:
		return a.Ints, nil
	case pb.AttributeProto_STRINGS:
		return a.Strings, nil
	}
	return nil, fmt.Errorf("attribute %q of type %s", a.GetName(), a.GetType())
}

// TestZoo runs the models of the zoo that onnx-go can read, against their recorded outputs.
func TestZoo(t *testing.T) {
	paths, err := filepath.Glob("../../../conformance/testdata/zoo/*/model.onnx")
	if err != nil {
		t.Fatal(err)
	}
	ran := 0
	for _, path := range paths {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b := New(WithName(path))
		m := upstream.NewModel(b)
		if unmarshal(m, data) != nil {
			continue // TestDecoders says why
		}
		ran++
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			defer b.Close()
			dir := filepath.Join(filepath.Dir(path), "test_data_set_0")
			for i := range m.Input {
				if err := m.SetInput(i, readGolden(t, dir, "input", i)); err != nil {
					t.Fatal(err)
				}
			}
			if err := b.Run(); err != nil {
				t.Fatal(err)
			}
			got, err := m.GetOutputTensors()
			if err != nil {
				t.Fatal(err)
			}
			for i := range got {
				if err := sameTensor(got[i], readGolden(t, dir, "output", i)); err != nil {
					t.Errorf("output %d: %v", i, err)
				}
			}
		})
	}
	if ran < 3 {
		t.Errorf("onnx-go read %d models, want 3 at least", ran)
	}
}

func readGolden(t *testing.T, dir, prefix string, i int) gorgonia.Tensor {
	t.Helper()
	p, err := onnx.ReadTensorPB(filepath.Join(dir, fmt.Sprintf("%s_%d.pb", prefix, i)))
	if err != nil {
		t.Fatal(err)
	}
	v, err := irTensor(p)
	if err != nil {
		t.Fatal(err)
	}
	d, err := interp.ToGorgonia(v)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
