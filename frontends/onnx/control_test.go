package onnx

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

func branches(then, els *pb.GraphProto) []*pb.AttributeProto {
	return []*pb.AttributeProto{attr("then_branch", then), attr("else_branch", els)}
}

func boolScalar(name string, v byte) *pb.TensorProto {
	return withRaw(tensorOf(name, pb.TensorProto_BOOL), v)
}

// controlCases show regions: testdata/control.txtar has their text.
var controlCases = []struct {
	name  string
	opset int64
	graph *pb.GraphProto
}{
	{"captures", 17, with(graph(values(value("c", "bool"), value("x", "f32", "n", 3)), untyped("y"),
		node("Exp", "x", "e"),
		node("If", "c", "y", branches(
			graph(nil, untyped("p"), node("Mul", "e,w", "p")),
			graph(nil, untyped("q"), node("Neg", "x", "t"), node("Add", "t,e", "q")))...)), floats32("w", 1, 2, 3))},
	{"a branch yields what it captures", 17, graph(values(value("c", "bool"), value("x", "f32", "n")), untyped("y"),
		node("If", "c", "y", branches(graph(nil, untyped("p"), node("Identity", "x", "p")), graph(nil, untyped("q"), node("Relu", "x", "q")))...))},
	{"nested captures", 17, graph(values(value("c", "bool"), value("d", "bool"), value("x", "f32", "n")), untyped("y"),
		node("Exp", "x", "w"),
		node("If", "c", "y", branches(
			graph(nil, untyped("p"), node("Sin", "x", "s"), node("If", "d", "p", branches(
				graph(nil, untyped("pp"), node("Mul", "w,s", "pp")),
				graph(nil, untyped("pq"), node("Neg", "w", "pq")))...)),
			graph(nil, untyped("q"), node("Neg", "x", "q")))...))},
	{"sizes differ", 17, graph(values(value("c", "bool"), value("x", "f32", "n")), untyped("y"),
		node("If", "c", "y", branches(graph(nil, untyped("p"), node("Concat", "x,x", "p", attr("axis", 0))), graph(nil, untyped("q"), node("Neg", "x", "q")))...))},
	{"condition known", 17, with(graph(values(value("x", "f32", 1, "n")), untyped("y"),
		node("Shape", "x", "s"), node("Gather", "s,zero", "d"), node("Equal", "d,one", "c"),
		node("If", "c", "y", branches(
			graph(nil, untyped("p"), node("Squeeze", "x,axes", "p")),
			graph(nil, untyped("q"), node("Identity", "x", "q")))...)), ints("zero", 0), ints("one", 1), ints("axes", 0))},
	{"symbolic values are captured", 17, with(graph(values(value("c", "bool"), value("x", "f32", "n", 4)), untyped("y"),
		node("Shape", "x", "s"), node("Gather", "s,zero", "d"), node("Concat", "d,two", "t", attr("axis", 0)),
		node("If", "c", "y", branches(
			graph(nil, untyped("p"), node("Reshape", "x,t", "p")),
			graph(nil, untyped("q"), node("Neg", "x", "m"), node("Reshape", "m,t", "q")))...)), ints("zero", 0), ints("two", 2, 2))},
	{"counted loop", 17, with(graph(values(value("x", "f32", 3)), untyped("y,all"),
		node("Loop", "trip,yes,x", "y,all", attr("body", graph(values(value("i", "i64"), value("ci", "bool"), value("a", "f32", 3)), untyped("co,b,o"),
			node("Constant", "", "co", attr("value", boolScalar("", 1))), node("Cast", "i", "f", attr("to", 1)), node("Mul", "x,f", "m"), node("Add", "a,m", "b"), node("Neg", "b", "o"))))),
		scalarInt("trip", 5), boolScalar("yes", 1))},
	{"loop with a condition", 17, with(graph(values(value("x", "f32")), untyped("y"),
		node("Loop", ",yes,x", "y", attr("body", graph(values(value("i", "i64"), value("ci", "bool"), value("a", "f32")), untyped("co,b"),
			node("Add", "a,a", "b"), node("Less", "b,limit", "co"))))), boolScalar("yes", 1), withDims(floats32("limit", 100)))},
	{"loop that grows", 17, graph(values(value("n", "i64"), value("x", "f32", 1, 3)), untyped("y"),
		node("Loop", "n,,x", "y", attr("body", graph(values(value("i", "i64"), value("ci", "bool"), value("a", "f32", "k", 3)), untyped("co,b"),
			node("Identity", "ci", "co"), node("Concat", "a,x", "b", attr("axis", 0))))))},
	{"loop with counter of rank 1", 11, graph(values(value("n", "i64", 1), value("c", "bool", 1), value("x", "f32", 2)), untyped("y"),
		node("Loop", "n,c,x", "y", attr("body", graph(values(value("i", "i64", 1), value("ci", "bool", 1), value("a", "f32", 2)), untyped("co,b"),
			node("Identity", "ci", "co"), node("Cast", "i", "f", attr("to", 1)), node("Add", "a,f", "b")))))},
	{"scan", 11, graph(values(value("s", "f32", 2), value("x", "f32", 2, "t"), value("z", "f32", "t", 2)), untyped("y,all"),
		node("Scan", "s,x,z", "y,all", attr("num_scan_inputs", 2), attr("scan_input_axes", []int64{1, -2}), attr("scan_input_directions", []int64{1, 0}),
			attr("scan_output_axes", []int64{-1}), attr("body", graph(values(value("a", "f32", 2), value("e", "f32", 2), value("f", "f32", 2)), untyped("b,o"),
				node("Mul", "e,f", "m"), node("Add", "a,m", "b"), node("Add", "b,s", "o")))))},
	{"Scan-8", 8, graph(values(value("s", "f32", "n", 2), value("x", "f32", "n", "t", 2)), untyped("y,all"),
		node("Scan", ",s,x", "y,all", attr("num_scan_inputs", 1), attr("directions", []int64{1}), attr("body", graph(values(value("a", "f32", 2), value("e", "f32", 2)), untyped("b,o"),
			node("Add", "a,e", "b"), node("Identity", "b", "o")))))},
}

func TestControl(t *testing.T) {
	g := openGolden(t, "control.txtar")
	for _, c := range controlCases {
		t.Run(c.name, func(t *testing.T) {
			g.check(t, c.name, body(imported(t, modelFile(t, c.opset, c.graph), Options{})))
		})
	}
}

func TestControlErrors(t *testing.T) {
	in := values(value("c", "bool"), value("x", "f32", "n", 3))
	neg := graph(nil, untyped("q"), node("Neg", "x", "q"))
	loop := func(body *pb.GraphProto) *pb.GraphProto {
		return graph(values(value("n", "i64"), value("x", "f32", 3)), untyped("y"), node("Loop", "n,,x", "y", attr("body", body)))
	}
	params := values(value("i", "i64"), value("ci", "bool"), value("a", "f32", 3))
	for _, c := range []struct {
		name  string
		graph *pb.GraphProto
		kind  ErrorKind
		want  []string
	}{
		{"unknown name in a branch", graph(in, untyped("y"), node("If", "c", "y", branches(graph(nil, untyped("p"), node("Neg", "w", "p")), neg)...)), Missing, []string{`"Neg_p"`, `"w"`}},
		{"own output in a branch", graph(in, untyped("y"), node("If", "c", "y", branches(graph(nil, untyped("p"), node("Neg", "y", "p")), neg)...)), Invalid, []string{`"Neg_p"`, "cycle"}},
		{"shadowing", graph(in, untyped("y"), node("If", "c", "y", branches(graph(nil, untyped("x"), node("Neg", "c", "x")), neg)...)), Invalid, []string{"Neg_x", "bool"}},
		{"name of an outer tensor", graph(in, untyped("y"), node("If", "c", "y", branches(graph(nil, untyped("x"), node("Exp", "x", "x")), neg)...)), Invalid, []string{"Exp_x", "name of another tensor"}},
		{"branches of other dtypes", graph(in, untyped("y"), node("If", "c", "y", branches(graph(nil, untyped("p"), node("Identity", "c", "p")), graph(nil, untyped("q"), node("IsNaN", "x", "q")))...)), Unsupported, []string{"bool[] in one branch", `"c"`}},
		{"outputs", graph(in, untyped("y"), node("If", "c", "y", branches(graph(nil, untyped("p,r"), node("Neg", "x", "p"), node("Neg", "x", "r")), neg)...)), Invalid, []string{"If_y", "2 outputs"}},
		{"no branch", graph(in, untyped("y"), node("If", "c", "y", attr("then_branch", neg))), Missing, []string{"else_branch"}},
		{"condition", graph(in, untyped("y"), node("If", "x", "y", branches(neg, graph(nil, untyped("r"), node("Exp", "x", "r")))...)), Invalid, []string{"If_y", "f32"}},
		{"body operands", loop(graph(params[:2], untyped("ci,x"))), Invalid, []string{"Loop_y", "takes 2 operands"}},
		{"body operands of one name", loop(graph(values(params[0], params[0], params[2]), untyped("i,a"))), Invalid, []string{"Loop_y", `"i"`}},
		{"body results", loop(graph(params, untyped("ci"))), Invalid, []string{"Loop_y", "gives 1"}},
		{"rank changes", loop(graph(params, untyped("ci,b"), node("Unsqueeze", "a,zero", "b"))), Missing, []string{"zero"}},
		{"dtype changes", loop(graph(params, untyped("ci,b"), node("Cast", "a", "b", attr("to", 11)))), Unsupported, []string{"Loop_y", "f32[3]", "f64[3]"}},
		{"absent initial value", graph(values(value("n", "i64")), untyped("y"), node("Loop", "n,,,n", "y,z", attr("body", graph(params, untyped("ci,a"))))), Missing, []string{"initial value 0"}},
		{"scan without inputs", graph(in, untyped("y"), node("Scan", "x", "y", attr("num_scan_inputs", 0), attr("body", neg))), Invalid, []string{"num_scan_inputs"}},
		{"scan axes", graph(in, untyped("y"), node("Scan", "x", "y", attr("num_scan_inputs", 1), attr("scan_input_axes", []int64{2}), attr("body", graph(values(value("e", "f32", 3)), untyped("e"))))), Invalid, []string{"Scan_y", "axis 2"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var err error
			bounded(t, func() { _, err = Import(modelFile(t, 17, c.graph), Options{}) })
			wantError(t, err, c.kind, c.want...)
		})
	}
}

// TestBranchRanks: branches of different ranks are an error that names the inputs to bind.
func TestBranchRanks(t *testing.T) {
	g := graph(values(value("c", "bool"), value("x", "f32", 1, 3)), untyped("y"), node("Not", "c", "d"),
		node("If", "d", "y", branches(graph(nil, untyped("p"), node("Flatten", "x", "p")), graph(nil, untyped("q"), node("ReduceMax", "x", "q", attr("keepdims", 0))))...))
	_, err := Import(modelFile(t, 17, g), Options{})
	var needs *NeedsValue
	if !errors.As(err, &needs) || !cmp.Equal(needs.Inputs, []string{"c"}) {
		t.Errorf("got %v", err)
	}
}

// TestLoopBudget: loops in loops that each change sizes are imported again and again, but not without end.
func TestLoopBudget(t *testing.T) {
	const depth = 40
	var build func(level int) *pb.GraphProto
	build = func(level int) *pb.GraphProto {
		i, c, a, b, d := fmt.Sprintf("i%d", level), fmt.Sprintf("c%d", level), fmt.Sprintf("a%d", level), fmt.Sprintf("b%d", level), fmt.Sprintf("d%d", level)
		in := values(value(i, "i64"), value(c, "bool"), value(a, "f32", "k"))
		if level == depth {
			return graph(in, untyped(c+","+b), node("Concat", a+","+a, b, attr("axis", 0)))
		}
		return graph(in, untyped(c+","+d), node("Concat", a+",x", b, attr("axis", 0)), node("Loop", "n,,"+b, d, attr("body", build(level+1))))
	}
	g := graph(values(value("n", "i64"), value("x", "f32", 1)), untyped("y"), node("Loop", "n,,x", "y", attr("body", build(0))))
	var err error
	bounded(t, func() { _, err = Import(modelFile(t, 17, g), Options{}) })
	wantError(t, err, TooLarge, "too many nodes")
}
