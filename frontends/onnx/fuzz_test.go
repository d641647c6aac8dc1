package onnx

import (
	"testing"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// FuzzDecode decodes bytes as all that Emily decodes and resolves every tensor and attribute in
// them: errors are fine, panics and faults are not.
func FuzzDecode(f *testing.F) {
	for _, c := range dtypeCases {
		f.Add(marshal(f, modelOf(c.proto(true), c.proto(false))))
		f.Add(marshal(f, c.proto(false)))
	}
	m := modelOf(externalTensor("location", "../x", "offset", "-1"))
	m.Graph.SparseInitializer = []*pb.SparseTensorProto{{Values: tensorOf("v", 1), Indices: i64Tensor("i", 0), Dims: []int64{3}}}
	var node pb.NodeProto
	for i, k := range attrKinds {
		k.attr.Name = ptr(string(rune('a' + i)))
		node.Attribute = append(node.Attribute, k.attr)
	}
	m.Graph.Node = []*pb.NodeProto{&node}
	m.Functions = []*pb.FunctionProto{{Name: ptr("f"), Node: []*pb.NodeProto{&node}}}
	f.Add(marshal(f, m))
	f.Add(marshal(f, sequenceOf("s", i64Tensor("a", 1))))
	f.Add(marshal(f, &pb.OptionalProto{SequenceValue: sequenceOf("s")}))
	f.Add(graphs(3))
	f.Add(types(3))

	f.Fuzz(func(t *testing.T, data []byte) {
		if file, err := FromBytes("model.onnx", data); err == nil {
			walkGraph(file, file.Model.Graph)
			for _, fn := range file.Model.Functions {
				walkNodes(file, fn.Node)
			}
		}
		if p, err := DecodeTensor("input_0.pb", data); err == nil {
			checkPayload(t, p)
		}
		if v, err := DecodeSequence("input_0.pb", data); err == nil && v.Kind != SequenceValue {
			t.Errorf("a sequence is of kind %d", v.Kind)
		}
		DecodeOptional("input_0.pb", data)
	})
}

// checkPayload holds what every consumer relies on: data of exactly the shape's size.
func checkPayload(t *testing.T, p Payload) {
	n := p.NumElements()
	if p.DType.Bits() == 0 {
		if int64(len(p.Strings)) != n {
			t.Errorf("%d strings for %s", len(p.Strings), shapeString(p.DType, p.Dims))
		}
	} else if got, want := int64(len(p.Data())), (n*int64(p.DType.Bits())+7)/8; got != want {
		t.Errorf("%d bytes for %s, want %d", got, shapeString(p.DType, p.Dims), want)
	}
}

func walkGraph(f *File, g *pb.GraphProto) {
	for _, tp := range g.GetInitializer() {
		f.Tensor(tp)
	}
	for _, s := range g.GetSparseInitializer() {
		f.Sparse(s)
	}
	walkNodes(f, g.GetNode())
}

func walkNodes(f *File, nodes []*pb.NodeProto) {
	for _, n := range nodes {
		a := NewAttrs(n.Attribute)
		for _, p := range n.Attribute {
			name := p.GetName()
			AttrType(p)
			f.Tensor(a.Tensor(name))
			f.Sparse(a.SparseTensor(name))
			walkGraph(f, a.Graph(name))
		}
		a.Unused()
	}
}
