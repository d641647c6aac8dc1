package onnx

import (
	"fmt"
	"strings"
	"testing"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// call makes a node that calls a function of domain local.
func callNode(fn, in, out string, attrs ...*pb.AttributeProto) *pb.NodeProto {
	n := node(fn, in, out, attrs...)
	n.Domain = ptr("local")
	return n
}

func funcProto(name, in, out string, nodes ...*pb.NodeProto) *pb.FunctionProto {
	return &pb.FunctionProto{Name: &name, Domain: ptr("local"), Input: split(in), Output: split(out), Node: nodes,
		OpsetImport: []*pb.OperatorSetIdProto{{Domain: ptr(""), Version: ptr(int64(17))}, {Domain: ptr("local"), Version: ptr(int64(1))}}}
}

func TestFunctions(t *testing.T) {
	x := values(value("x", "f32", "n"))
	scale := funcProto("scale", "a", "c", node("Constant", "", "k", reference("value_float", "factor", pb.AttributeProto_FLOAT)), callNode("double", "a", "t"), node("Mul", "t,k", "c"))
	scale.AttributeProto = []*pb.AttributeProto{attr("factor", 0.5)}
	optional := funcProto("optional", "a,lo,hi", "c", node("Clip", "a,lo,hi", "c"))
	old := funcProto("old", "a", "c", node("Softmax", "a", "c"))
	old.OpsetImport[0].Version = ptr(int64(11))
	softmax := funcProto("axis", "a", "c", node("Softmax", "a", "c", reference("axis", "axis", pb.AttributeProto_INT)))
	softmax.Attribute = []string{"axis"}
	inBranch := funcProto("branch", "c,a", "r", node("Constant", "", "k", attr("value_float", 3.0)), node("If", "c", "r", branches(
		graph(nil, untyped("p"), node("Mul", "a,k", "p")),
		graph(nil, untyped("q"), callNode("double", "a", "q")))...))
	double := funcProto("double", "x", "y", node("Add", "x,x", "y")) // its x is not the graph's
	relu := funcProto("Relu", "x", "y", node("Neg", "x", "y"))
	relu.Domain = ptr("")
	all := []*pb.FunctionProto{scale, optional, old, softmax, inBranch, double}

	g := openGolden(t, "functions.txtar")
	for _, c := range []struct {
		name  string
		graph *pb.GraphProto
		extra *pb.FunctionProto
	}{
		{"attribute and default", graph(x, untyped("y,z"), callNode("scale", "x", "y", attr("factor", 2.0)), callNode("scale", "x", "z")), nil},
		{"absent operand", with(graph(x, untyped("y,z"), callNode("optional", "x,,hi", "y"), callNode("optional", "x", "z")), withDims(floats32("hi", 1))), nil},
		{"opset of its own", graph(values(value("x", "f32", 2, 3, 4)), untyped("y"), callNode("old", "x", "y")), nil},
		{"attribute left out", graph(values(value("x", "f32", 2, 3, 4)), untyped("y,z"), callNode("axis", "x", "y"), callNode("axis", "x", "z", attr("axis", 1))), nil},
		{"subgraph", graph(append(values(value("c", "bool")), x...), untyped("y"), callNode("branch", "c,x", "y")), nil},
		{"before an operator", graph(x, untyped("y"), node("Relu", "x", "y")), relu},
	} {
		t.Run(c.name, func(t *testing.T) {
			fns := all
			if c.extra != nil {
				fns = append(fns[:len(fns):len(fns)], c.extra)
			}
			m := imported(t, modelFile(t, 17, c.graph, fns...), Options{})
			g.check(t, c.name, body(m))
		})
	}
	t.Run("locations", func(t *testing.T) {
		m := imported(t, modelFile(t, 17, graph(x, untyped("y"), callNode("scale", "x", "y")), all...), Options{})
		if got := m.Main().Body.Ops[1].Location().Node; got != "scale_y/double_t/Add_y" {
			t.Errorf("got %q", got)
		}
	})
}

func TestFunctionErrors(t *testing.T) {
	x := values(value("x", "f32", "n"))
	main := graph(x, untyped("y"), callNode("f0", "x", "y"))
	chain := func(n int) []*pb.FunctionProto {
		var fns []*pb.FunctionProto
		for i := range n {
			fns = append(fns, funcProto(fmt.Sprintf("f%d", i), "a", "c", callNode(fmt.Sprintf("f%d", i+1), "a", "c")))
		}
		return append(fns, funcProto(fmt.Sprintf("f%d", n), "a", "c", node("Relu", "a", "c")))
	}
	doubling := func(n int) []*pb.FunctionProto {
		var fns []*pb.FunctionProto
		for i := range n {
			next := fmt.Sprintf("f%d", i+1)
			fns = append(fns, funcProto(fmt.Sprintf("f%d", i), "a", "c", callNode(next, "a", "b"), callNode(next, "b", "c")))
		}
		return append(fns, funcProto(fmt.Sprintf("f%d", n), "a", "c", node("Relu", "a", "c")))
	}
	viaAttr := funcProto("f0", "a", "c", node("Less", "a,a", "t"), node("If", "t", "c", reference("then_branch", "g", pb.AttributeProto_GRAPH), reference("else_branch", "g", pb.AttributeProto_GRAPH)))
	viaAttr.AttributeProto = []*pb.AttributeProto{attr("g", graph(nil, untyped("r"), callNode("f0", "a", "r")))}
	for _, c := range []struct {
		name  string
		graph *pb.GraphProto
		fns   []*pb.FunctionProto
		kind  ErrorKind
		want  []string
	}{
		{"recursion", main, []*pb.FunctionProto{funcProto("f0", "a", "c", callNode("f1", "a", "c")), funcProto("f1", "a", "c", callNode("f0", "a", "c"))}, TooDeep, []string{"f0", "calls itself"}},
		{"recursion in a branch", main, []*pb.FunctionProto{funcProto("f0", "a", "c", node("If", "a", "c", branches(graph(nil, untyped("p"), callNode("f0", "a", "p")), graph(nil, untyped("q"), node("Neg", "a", "q")))...))}, TooDeep, []string{"calls itself"}},
		{"recursion through an attribute", main, []*pb.FunctionProto{viaAttr}, TooDeep, []string{"nest"}},
		{"10,000 deep", main, chain(10_000), TooDeep, []string{"more than 128 deep"}},
		{"doubling", main, doubling(100), TooLarge, []string{"5000000 nodes"}},
		{"twice", main, append(chain(1), chain(1)...), Invalid, []string{`"f0"`, "twice"}},
		{"operands", graph(x, untyped("y"), callNode("f0", "x,x", "y")), chain(0), Invalid, []string{"f0_y", "2 operands"}},
		{"unknown attribute", graph(x, untyped("y"), callNode("f0", "x", "y", attr("alpha", 1))), chain(0), Invalid, []string{"f0_y", `"alpha"`}},
		{"unknown name", main, []*pb.FunctionProto{funcProto("f0", "a", "c", node("Add", "a,x", "c"))}, Missing, []string{`"f0_y/Add_c"`, `"x"`}},
		{"output not produced", main, []*pb.FunctionProto{funcProto("f0", "a", "c", node("Relu", "a", "b"))}, Missing, []string{"f0_y", `"c"`}},
		{"no opset", main, []*pb.FunctionProto{{Name: ptr("f0"), Domain: ptr("local"), Input: []string{"a"}, Output: []string{"c"}, Node: []*pb.NodeProto{node("Relu", "a", "c")}}}, Invalid, []string{"f0_y/Relu_c", "no version"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := modelFile(t, 17, c.graph, c.fns...)
			var err error
			bounded(t, func() { _, err = Import(f, Options{}) })
			wantError(t, err, c.kind, c.want...)
		})
	}
}

// TestFunctionLimit: calls may nest as deep as MaxDepth.
func TestFunctionLimit(t *testing.T) {
	var fns []*pb.FunctionProto
	for i := range MaxDepth {
		body := callNode(fmt.Sprintf("f%d", i+1), "a", "c")
		if i == MaxDepth-1 {
			body = node("Relu", "a", "c")
		}
		fns = append(fns, funcProto(fmt.Sprintf("f%d", i), "a", "c", body))
	}
	m := imported(t, modelFile(t, 17, graph(values(value("x", "f32", "n")), untyped("y"), callNode("f0", "x", "y")), fns...), Options{})
	if name := m.Main().Body.Ops[0].Location().Node; len(name) > 500 || !strings.HasSuffix(name, "Relu_c") {
		t.Errorf("name of %d bytes: %q", len(name), name)
	}
}
