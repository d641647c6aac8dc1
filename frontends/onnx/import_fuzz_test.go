package onnx

import (
	"testing"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// FuzzImport imports bytes: an error is fine, a panic is not, and what is imported verifies.
func FuzzImport(f *testing.F) {
	add := func(opset int64, g *pb.GraphProto, functions ...*pb.FunctionProto) {
		f.Add(marshal(f, &pb.ModelProto{IrVersion: ptr(int64(10)), Graph: g, Functions: functions,
			OpsetImport: []*pb.OperatorSetIdProto{{Version: &opset}, {Domain: ptr("local"), Version: ptr(int64(1))}}}))
	}
	for _, c := range rowCases {
		var outs []*pb.ValueInfoProto
		for _, name := range c.node.Output {
			outs = append(outs, untyped(name)...)
		}
		add(c.opset, with(graph(c.in, outs, c.node), c.inits...))
	}
	for _, c := range controlCases {
		add(c.opset, c.graph)
	}
	add(17, graph(values(value("x", "f32", "n")), untyped("y"), callNode("f", "x", "y")), funcProto("f", "a", "c", node("Relu", "a", "c")))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := FromBytes("model.onnx", data)
		if err != nil {
			return
		}
		m, err := Import(file, Options{})
		if err != nil {
			return
		}
		if err := ir.Verify(m); err != nil {
			t.Errorf("%v\n%s", err, m)
		}
	})
}
