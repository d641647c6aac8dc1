package onnx

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// addGraph is y = x + w with x: f32[n, 3].
func addGraph() *pb.GraphProto {
	g := graph(values(value("x", "f32", "n", 3)), values(value("y", "f32", "n", 3)), node("Add", "x,w", "y"))
	return with(g, floats32("w", 1, 2, 3))
}

// text is the imported function, without locations.
func text(t *testing.T, f *File, opts Options) string {
	t.Helper()
	return body(imported(t, f, opts))
}

func wantText(t *testing.T, got, want string) {
	t.Helper()
	if d := cmp.Diff(strings.TrimSpace(want), strings.TrimSpace(got)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestImportNames(t *testing.T) {
	m := imported(t, modelFile(t, 17, addGraph()), Options{Func: "f"})
	f := m.Main()
	if f.Name != "f" || f.Inputs()[0].Name != "x" || !cmp.Equal(f.Outputs, []string{"y"}) {
		t.Errorf("func %s, input %q, outputs %v", f.Name, f.Inputs()[0].Name, f.Outputs)
	}
	add := f.Results()[0].Def
	want := ir.Loc{File: "model.onnx", Node: "Add_y", OpType: "Add", Opset: 17}
	if d := cmp.Diff(want, add.Location()); d != "" {
		t.Errorf("location (-want +got):\n%s", d)
	}
	if got := add.Arg(1).Def.Location().Node; got != "w" {
		t.Errorf("the constant's location is %q, want the initializer's name", got)
	}
}

// TestImportConstants: initializers are views of the file, made where they are used and not otherwise.
func TestImportConstants(t *testing.T) {
	g := with(graph(values(value("x", "f32", 2)), untyped("y"), node("Add", "x,w", "y")),
		withRaw(tensorOf("w", pb.TensorProto_FLOAT, 2), 0, 0, 128, 63, 0, 0, 0, 64),
		withRaw(tensorOf("broken", pb.TensorProto_FLOAT, 1000), 1, 2, 3)) // not used: not looked at
	f := modelFile(t, 17, g)
	m := imported(t, f, Options{})
	if n := len(m.Main().Body.Ops); n != 3 {
		t.Fatalf("%d ops, want const, add, yield", n)
	}
	a := m.Main().Body.Ops[0].Attrs.(*ir.ConstAttrs)
	if a.Blob == nil || &a.Bytes()[0] != &f.Mapping().Data[a.Off] {
		t.Error("the constant does not view the file")
	}
}

func TestImportDims(t *testing.T) {
	g := func() *pb.GraphProto {
		return graph(values(value("x", "f32", "batch", "seq + 1", nil), value("z", "f32", "batch", "?", "a-b")), untyped("y,z2"), node("Neg", "x", "y"), node("Neg", "z", "z2"))
	}
	for _, c := range []struct {
		name string
		dims map[string]int64
		x, z string
	}{
		{"none", nil, "f32[batch, seq + 1, x.2]", `f32[batch, z.1, "a-b"]`},
		{"symbol", map[string]int64{"batch": 4}, "f32[4, seq + 1, x.2]", `f32[4, z.1, "a-b"]`},
		{"axis that is a symbol", map[string]int64{"z.0": 4, "x.2": 0}, "f32[4, seq + 1, 0]", `f32[4, z.1, "a-b"]`},
		{"symbol in an expression", map[string]int64{"seq": 7, "a-b": 2}, "f32[batch, 8, x.2]", `f32[batch, z.1, 2]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := imported(t, modelFile(t, 17, g()), Options{Dims: c.dims}).Main().Inputs()
			if got := in[0].Type.String() + in[1].Type.String(); got != c.x+c.z {
				t.Errorf("got %s, want %s", got, c.x+c.z)
			}
		})
	}
	t.Run("axis that is an expression", func(t *testing.T) {
		m := imported(t, modelFile(t, 17, g()), Options{Dims: map[string]int64{"x.1": 9}})
		if got := m.Main().Results()[0].Type.String(); got != "f32[batch, 9, x.2]" {
			t.Errorf("got %s", got)
		}
	})
	for _, c := range []struct {
		name string
		dims map[string]int64
		want []string
	}{
		{"unknown", map[string]int64{"btach": 4}, []string{"btach", "batch", "x.0"}},
		{"negative", map[string]int64{"batch": -1}, []string{"batch", "-1"}},
		{"contradiction", map[string]int64{"batch": 2, "x.0": 3}, []string{"x.0", "3", "2"}},
		{"impossible", map[string]int64{"x.1": 0}, []string{"x.1", "0"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Import(modelFile(t, 17, g()), Options{Dims: c.dims})
			wantError(t, err, Invalid, c.want...)
		})
	}
}

// TestImportFresh: symbols that torch calls u0 do not meet those that inference makes.
func TestImportFresh(t *testing.T) {
	g := graph(values(value("x", "f32", "u0"), value("n", "i64", 1)), untyped("y"), node("Expand", "one,n", "e"), node("Concat", "x,e", "y", attr("axis", 0)))
	m := imported(t, modelFile(t, 17, with(g, floats32("one", 1))), Options{})
	if got := m.Main().Results()[0].Type.String(); got != "f32[u0 + u1]" {
		t.Errorf("got %s", got)
	}
}

func TestImportValues(t *testing.T) {
	g := func() *pb.GraphProto {
		g := graph(values(value("x", "f32", "n"), value("shape", "i64", "k"), value("scale", "f32", 1)), untyped("y"), node("Reshape", "x,shape", "r"), node("Mul", "r,scale", "y"))
		return with(g, floats32("scale", 2))
	}
	shape := ir.TensorFrom([]int64{2, -1})
	t.Run("needed", func(t *testing.T) {
		_, err := Import(modelFile(t, 17, g()), Options{})
		var needs *NeedsValue
		wantError(t, err, Unsupported, "Reshape_r", "target shape", `"shape"`)
		if !errors.As(err, &needs) || !cmp.Equal(needs.Inputs, []string{"shape"}) {
			t.Errorf("needs %+v", needs)
		}
	})
	t.Run("given", func(t *testing.T) {
		wantText(t, text(t, modelFile(t, 17, g()), Options{Values: map[string]*ir.Tensor{"shape": shape}}), `
func @main(%x: f32[n]) -> (y: f32[2, floordiv(n, 2)]) {
  fact divides 2, n
  %0 = const [2, -1] : i64[2]
  %1 = reshape %x, %0 : f32[2, floordiv(n, 2)]
  %2 = const [2.0] : f32[1]
  %3 = mul %1, %2 : f32[2, floordiv(n, 2)]
  yield %3
}`)
	})
	t.Run("instead of a default", func(t *testing.T) {
		got := text(t, modelFile(t, 17, g()), Options{Values: map[string]*ir.Tensor{"shape": shape, "scale": ir.TensorFrom([]float32{5})}})
		if !strings.Contains(got, "[5.0]") || strings.Contains(got, "[2.0]") {
			t.Errorf("the default is used:\n%s", got)
		}
	})
	for _, c := range []struct {
		name  string
		value *ir.Tensor
		want  string
	}{
		{"shape", ir.TensorFrom([]int32{2, -1}), "i32[2]"},
		{"shape", ir.Scalar(int64(1)), "i64[]"},
		{"shpae", shape, "shpae"},
	} {
		t.Run("wrong "+c.want, func(t *testing.T) {
			_, err := Import(modelFile(t, 17, g()), Options{Values: map[string]*ir.Tensor{c.name: c.value}})
			wantError(t, err, Invalid, c.want)
		})
	}
	t.Run("binds symbols", func(t *testing.T) {
		g := graph(values(value("a", "f32", "n"), value("b", "f32", "n")), untyped("y"), node("Add", "a,b", "y"))
		m := imported(t, modelFile(t, 17, g), Options{Values: map[string]*ir.Tensor{"a": ir.TensorFrom([]float32{1, 2, 3})}})
		if got := m.Main().Inputs()[0].Type.String(); got != "f32[3]" {
			t.Errorf("b is %s", got)
		}
	})
}

// TestImportEval: a target that is computed in floats is followed with Options.Eval only.
func TestImportEval(t *testing.T) {
	g := func() *pb.GraphProto {
		g := graph(values(value("x", "f32", 4, 6)), untyped("y"), node("Shape", "x", "s"), node("Cast", "s", "f", attr("to", 1)), node("Mul", "f,half", "h"),
			node("Cast", "h", "i", attr("to", 7)), node("Unsqueeze", "x,i", "y"))
		return with(g, floats32("half", 0, 0.5))
	}
	eval := func(op *ir.Op, args []ir.Datum) ([]ir.Datum, error) { // as little as the test needs
		x := args[0].(*ir.Tensor)
		switch {
		case op.Kind == ir.Mul:
			y := args[1].(*ir.Tensor)
			return []ir.Datum{ir.TensorFrom([]float32{ir.View[float32](x)[0] * ir.View[float32](y)[0], ir.View[float32](x)[1] * ir.View[float32](y)[1]})}, nil
		case x.DType == ir.I64:
			return []ir.Datum{ir.TensorFrom([]float32{float32(x.Ints()[0]), float32(x.Ints()[1])})}, nil
		}
		return []ir.Datum{ir.TensorFrom([]int64{int64(ir.View[float32](x)[0]), int64(ir.View[float32](x)[1])})}, nil
	}
	if _, err := Import(modelFile(t, 17, g()), Options{}); err == nil {
		t.Error("import without Eval succeeds")
	}
	m := imported(t, modelFile(t, 17, g()), Options{Eval: eval})
	if got := m.Main().Results()[0].Type.String(); got != "f32[1, 4, 6, 1]" { // axes 0 and 3
		t.Errorf("got %s", got)
	}
}

// TestImportErrors: what is wrong with a model is said with file, node and remedy.
func TestImportErrors(t *testing.T) {
	x := values(value("x", "f32", "n", 3))
	relu := func(out string) *pb.NodeProto { return node("Relu", "x", out) }
	domain := func(n *pb.NodeProto, d string) *pb.NodeProto { n.Domain = &d; return n }
	for _, c := range []struct {
		name  string
		graph *pb.GraphProto
		opset int64
		kind  ErrorKind
		want  []string
	}{
		{"unknown op", graph(x, untyped("y"), node("Frobnicate", "x", "y")), 17, Unsupported, []string{`"Frobnicate_y"`, "(Frobnicate, opset 17)", "not known"}},
		{"op of a later opset", graph(x, untyped("y"), node("Gelu", "x", "y")), 17, Invalid, []string{"Gelu_y", "opset 17", "came with 20", "newer opset"}},
		{"unknown domain", graph(x, untyped("y"), domain(node("Relu", "x", "y"), "acme")), 17, Invalid, []string{"acme.Relu", "opset_import"}},
		{"domain without operators", graph(x, untyped("y"), domain(node("Relu", "x", "y"), "local")), 17, Unsupported, []string{"local.Relu", `no operators of domain "local"`}},
		{"opset 0", graph(x, untyped("y"), relu("y")), 0, Invalid, []string{"version 0", "ai.onnx"}},
		{"an opset newer than any", graph(x, untyped("y"), relu("y")), 999, Unsupported, []string{"version 999", "ai.onnx", "or older"}},
		{"no op_type", graph(x, untyped("y"), &pb.NodeProto{Input: []string{"x"}, Output: []string{"y"}}), 17, Invalid, []string{`"y"`, "op_type"}},
		{"cycle", graph(x, untyped("c"), node("Add", "x,c", "a"), node("Relu", "a", "b"), node("Neg", "b", "c")), 17, Invalid, []string{`"Add_a"`, "cycle", `"Neg_c"`}},
		{"self", graph(x, untyped("a"), node("Add", "x,a", "a")), 17, Invalid, []string{`"Add_a"`, "cycle"}},
		{"behind a cycle", graph(x, untyped("b"), node("Relu", "a", "b"), node("Add", "x,a", "a")), 17, Invalid, []string{`"Relu_b"`, `"a" is used before it is defined by node "Add_a"`, "sort"}},
		{"undefined", graph(x, untyped("y"), node("Add", "x,weight", "y")), 17, Missing, []string{`"Add_y"`, `"weight" is not defined`}},
		{"output not produced", graph(x, untyped("z"), relu("y")), 17, Missing, []string{`"z"`, "produced by no node"}},
		{"no outputs", graph(x, nil, relu("y")), 17, Invalid, []string{"no outputs"}},
		{"output twice", graph(x, untyped("y,y"), relu("y")), 17, Invalid, []string{`"y"`, "twice"}},
		{"name twice", graph(x, untyped("y"), relu("y"), relu("y")), 17, Invalid, []string{"Relu_y", "name of another tensor"}},
		{"name of an input", graph(x, untyped("x"), relu("x")), 17, Invalid, []string{"Relu_x", "name of another tensor"}},
		{"name of an initializer", with(graph(x, untyped("w"), relu("w")), floats32("w", 1)), 17, Invalid, []string{"Relu_w", "name of another tensor"}},
		{"input twice", graph(append(x, x...), untyped("y"), relu("y")), 17, Invalid, []string{`"x"`, "twice"}},
		{"input without a name", graph(values(value("", "f32")), untyped("y"), relu("y")), 17, Invalid, []string{"input 0", "no name"}},
		{"initializer twice", with(graph(x, untyped("y"), relu("y")), floats32("w", 1), floats32("w", 2)), 17, Invalid, []string{`"w"`, "two initializers"}},
		{"too few operands", graph(x, untyped("y"), node("Add", "x", "y")), 17, Invalid, []string{"Add_y", "1 operands"}},
		{"too many operands", graph(x, untyped("y"), node("Relu", "x,x", "y")), 17, Invalid, []string{"Relu_y", "2 operands"}},
		{"too many outputs", graph(x, untyped("y"), node("Relu", "x", "y,z")), 17, Invalid, []string{"Relu_y", "2 outputs"}},
		{"absent operand", graph(x, untyped("y"), node("Add", ",x", "y")), 17, Missing, []string{"operand 0", "absent"}},
		{"unknown attribute", graph(x, untyped("y"), node("Relu", "x", "y", attr("alpha", 1.0))), 17, Invalid, []string{"Relu_y", `"alpha"`}},
		{"attribute of a later version", with(graph(x, untyped("y"), node("Reshape", "x,s", "y", attr("allowzero", 1))), ints("s", 3, -1)), 13, Invalid, []string{`"allowzero"`}},
		{"attribute of another type", graph(x, untyped("y"), node("Softmax", "x", "y", attr("axis", "1"))), 17, Invalid, []string{`"axis"`, "STRING"}},
		{"axis out of range", graph(x, untyped("y"), node("Softmax", "x", "y", attr("axis", 2))), 17, Invalid, []string{"axis 2", "rank 2", "-2 to 1"}},
		{"axis twice", graph(x, untyped("y"), node("ReduceMax", "x", "y", attr("axes", []int64{1, -1}))), 13, Invalid, []string{"twice"}},
		{"shapes", with(graph(x, untyped("y"), node("MatMul", "x,w", "y")), withDims(floats32("w", 1, 2, 3, 4), 4, 1)), 17, Invalid, []string{"MatMul_y", "inner sizes", "f32[n, 3] × f32[4, 1]", "matmul_c3"}},
		{"dtypes", with(graph(x, untyped("y"), node("Add", "x,w", "y")), ints("w", 1)), 17, Invalid, []string{"Add_y", "i64", "f32"}},
		{"declared dtype", graph(x, values(value("y", "i64", "n", 3)), relu("y")), 17, Invalid, []string{`"y"`, "declared as i64", "f32[n, 3]"}},
		{"sequence", graph(values(&pb.ValueInfoProto{Name: ptr("x"), Type: &pb.TypeProto{Value: &pb.TypeProto_SequenceType{SequenceType: &pb.TypeProto_Sequence{}}}}), untyped("y"), relu("y")), 17, Unsupported, []string{`"x"`, "sequence"}},
		{"unknown rank", graph(untyped2("x"), untyped("y"), relu("y")), 17, Unsupported, []string{`"x"`, "rank"}},
		{"negative dim", graph(values(value("x", "f32", -2)), untyped("y"), relu("y")), 17, Invalid, []string{`"x"`, "-2"}},
		{"default of another type", with(graph(values(value("w", "f32", 2)), untyped("y"), node("Relu", "w", "y")), floats32("w", 1)), 17, Invalid, []string{`"w"`, "f32[2]", "f32[1]"}},
		{"broken initializer", with(graph(x, untyped("y"), node("Add", "x,w", "y")), withRaw(tensorOf("w", pb.TensorProto_FLOAT, 3), 1)), 17, Invalid, []string{"Add_y", `"w"`, "1 bytes"}},
		{"squeeze of unknown sizes", graph(x, untyped("y"), node("Squeeze", "x", "y")), 17, Unsupported, []string{"n", "bind"}},
		{"SAME of unknown sizes", graph(values(value("x", "f32", 1, 3, "h", 8), value("w", "f32", 4, 3, 3, 3)), untyped("y"),
			node("Conv", "x,w", "y", attr("auto_pad", "SAME_UPPER"), attr("strides", []int64{2, 2}))), 17, Unsupported, []string{"auto_pad", `bind the size of "h"`}},
		{"constant without a value", graph(nil, untyped("y"), node("Constant", "", "y")), 17, Missing, []string{"no value"}},
		{"constant with two values", graph(nil, untyped("y"), node("Constant", "", "y", attr("value_int", 1), attr("value_float", 1.0))), 17, Invalid, []string{"one value"}},
		{"axes that are computed", graph(append(x, value("a", "i64", 1)), untyped("y"), node("Neg", "a", "b"), node("ReduceSum", "x,b", "y")), 13, Unsupported, []string{"axes", `bind a value to "a"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var err error
			bounded(t, func() { _, err = Import(modelFile(t, c.opset, c.graph), Options{}) })
			wantError(t, err, c.kind, c.want...)
		})
	}
}

// TestImportDeclaredShapes: a shape declared of a result is not what the node gives, and does no harm.
func TestImportDeclaredShapes(t *testing.T) {
	for _, dims := range [][]any{{3}, {"m", 4}, {"x", "y"}} {
		m := imported(t, modelFile(t, 17, graph(values(value("x", "f32", "n", 3)), values(value("y", "f32", dims...)), node("Relu", "x", "y"))), Options{})
		if got := m.Main().Results()[0].Type.String(); got != "f32[n, 3]" {
			t.Errorf("declared as %v: %s", dims, got)
		}
	}
}

// TestImportOutOfOrder: nodes that come before those that they use, also in their subgraphs, are put after them.
func TestImportOutOfOrder(t *testing.T) {
	x := values(value("x", "f32", "n", 3), value("c", "bool"))
	branch := func(op string) *pb.GraphProto { return graph(nil, untyped("r"), node(op, "b", "r")) }
	m := imported(t, modelFile(t, 17, graph(x, untyped("y"),
		node("If", "c", "y", attr("then_branch", branch("Neg")), attr("else_branch", branch("Relu"))),
		node("Abs", "a", "b"), node("Exp", "x", "a"))), Options{})
	var kinds []ir.Kind
	for _, op := range m.Main().Body.Ops {
		kinds = append(kinds, op.Kind)
	}
	if d := cmp.Diff([]ir.Kind{ir.Exp, ir.Abs, ir.If, ir.Yield}, kinds); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// TestImportResizeAtRun: sizes that come of no size or list that could be bound are computed by the run.
func TestImportResizeAtRun(t *testing.T) {
	for _, mode := range []string{"nearest", "linear", "cubic"} {
		for operands, inputs := range map[string][]*pb.NodeProto{
			"x,,,to": {node("NonZero", "x", "p"), node("Shape", "p", "to")},
			"x,,to":  {node("ReduceSum", "x", "r", attr("keepdims", 0)), node("Unsqueeze", "r,first", "f"), node("Concat", "f,f", "to", attr("axis", 0))},
		} {
			g := graph(values(value("x", "f32", "h", "w")), untyped("y"), append(inputs, node("Resize", operands, "y", attr("mode", mode)))...)
			m := imported(t, modelFile(t, 19, with(g, ints("first", 0))), Options{})
			if y := m.Main().Results()[0]; y.Rank() != 2 {
				t.Errorf("%s of %s: %s", mode, operands, y.Type)
			}
		}
	}
}

func withDims(t *pb.TensorProto, dims ...int64) *pb.TensorProto {
	t.Dims = dims
	return t
}

// untyped2 declares a tensor of unknown rank.
func untyped2(name string) []*pb.ValueInfoProto {
	v := value(name, "f32")
	v.GetType().GetTensorType().Shape = nil
	return values(v)
}

func TestImportOpsetForms(t *testing.T) {
	model := func(irVersion int64, imports ...*pb.OperatorSetIdProto) *File {
		f, err := FromBytes("model.onnx", marshal(t, &pb.ModelProto{IrVersion: &irVersion, Graph: addGraph(), OpsetImport: imports}))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	set := func(domain string, v int64) *pb.OperatorSetIdProto {
		return &pb.OperatorSetIdProto{Domain: &domain, Version: &v}
	}
	for _, c := range []struct {
		name string
		file *File
		want string // of the error
	}{
		{"ai.onnx", model(8, set("ai.onnx", 17)), ""},
		{"the same twice", model(8, set("", 17), set("ai.onnx", 17)), ""},
		{"newer than any", model(8, set("", 1000)), "the newest that Emily knows"},
		{"two versions", model(8, set("", 17), set("ai.onnx", 18)), "versions 17 and 18"},
		{"none", model(8), "no version of domain"},
		{"none, before IR version 3", model(2), "shapes differ"}, // opset 1 does not broadcast unless told to
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Import(c.file, Options{})
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestImportAfterClose: errors and symbols do not view the file.
func TestImportAfterClose(t *testing.T) {
	g := graph(values(value("x", "f32", "a_symbol_of_this_test")), untyped("y"), node("Frobnicate", "x", "y"))
	path := writeFile(t, t.TempDir(), "model.onnx", marshal(t, &pb.ModelProto{IrVersion: ptr(int64(8)), Graph: g,
		OpsetImport: []*pb.OperatorSetIdProto{{Version: ptr(int64(17))}}}))
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Import(f, Options{})
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	wantError(t, err, Unsupported, "Frobnicate_y")
	if d := ir.Sym("a_symbol_of_this_test"); d.Name() != "a_symbol_of_this_test" {
		t.Error(d)
	}
}

// TestImportLinear imports a chain of 100,000 nodes: about ten times as long as a tenth of it.
func TestImportLinear(t *testing.T) {
	chain := func(n int) *File {
		g := graph(values(value("x0", "f32", "n", 3)), untyped(fmt.Sprintf("x%d", n)))
		for i := range n {
			op := []string{"Relu", "Neg", "Exp"}[i%3]
			g.Node = append(g.Node, node(op, fmt.Sprintf("x%d", i), fmt.Sprintf("x%d", i+1)))
		}
		return modelFile(t, 17, g)
	}
	took := func(f *File) time.Duration {
		start := time.Now()
		if _, err := Import(f, Options{}); err != nil {
			t.Fatal(err)
		}
		return time.Since(start)
	}
	small, large := took(chain(10_000)), took(chain(100_000))
	t.Logf("10,000 nodes: %v; 100,000: %v", small, large)
	if large > 100*small+time.Second {
		t.Errorf("10,000 nodes take %v, 100,000 take %v: not linear", small, large)
	}
}

// TestImportConcurrent: an open file may be imported by several goroutines.
func TestImportConcurrent(t *testing.T) {
	f := modelFile(t, 17, addGraph())
	errs := make(chan error)
	for i := range 4 {
		go func() {
			_, err := Import(f, Options{Dims: map[string]int64{"n": int64(i)}})
			errs <- err
		}()
	}
	for range 4 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}
