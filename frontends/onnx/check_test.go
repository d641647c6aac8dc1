package onnx

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/frontends/onnx/schema"
	"github.com/emilyc/emily/ir"
)

// TestCheck: what a node has against its operator's schema is said whole: file, node, operator, opset, what is
// allowed, and what to do.
func TestCheck(t *testing.T) {
	in := values(value("x", "f32", "n", 3), value("i", "i64", 2), value("d", "f64", 3), value("b", "bf16", 2), value("u", "u8", 1))
	for _, c := range []struct {
		name  string
		opset int64
		node  *pb.NodeProto
		kind  ErrorKind
		want  string // after the place
	}{
		{"unknown attribute", 13, node("Softmax", "x", "y", attr("axes", 1)), Invalid,
			`attribute "axes" is not one of Softmax-13: axis; remove it`},
		{"attribute where there is none", 14, node("Relu", "x", "y", attr("alpha", 1.0)), Invalid,
			`attribute "alpha" is not one of Relu-14: none; remove it`},
		{"attribute of an older version", 18, node("ReduceMean", "x", "y", attr("axes", []int64{1})), Invalid,
			`attribute "axes" is not one of ReduceMean-18: keepdims, noop_with_empty_axes; remove it, or import opset 17, which has it`},
		{"attribute of a newer version", 13, node("Reshape", "x,i", "y", attr("allowzero", 1)), Invalid,
			`attribute "allowzero" is not one of Reshape-13: none; remove it, or import opset 14, which has it`},
		{"attribute of another type", 13, node("Softmax", "x", "y", attr("axis", []int64{1})), Invalid,
			`attribute "axis" of Softmax-13 is INTS, must be INT; give it as INT`},
		{"attribute that is required", 13, node("Concat", "x,x", "y"), Missing,
			`attribute "axis" of Concat-13 is required; give it as INT`},
		{"too few operands", 14, node("Add", "x", "y"), Invalid,
			`1 operands, it takes 2 (Add-14: A, B); add what is missing`},
		{"too many operands", 13, node("Clip", "x,d,d,d", "y"), Invalid,
			`4 operands, it takes 1 to 3 (Clip-13: input, min, max); remove what is too much`},
		{"operands where there are none", 13, node("Constant", "x", "y", attr("value_int", 1)), Invalid,
			`1 operands, it takes 0 (Constant-13: none); remove what is too much`},
		{"no operands of a variadic operator", 13, node("Concat", "", "y", attr("axis", 0)), Invalid,
			`0 operands, it takes at least 1 (Concat-13: inputs); add what is missing`},
		{"too many outputs", 14, node("Relu", "x", "y,z"), Invalid,
			`2 outputs, it gives 1 (Relu-14: Y); remove what is too much`},
		{"absent operand", 14, node("Add", ",x", "y"), Missing,
			`operand 0 is absent, but required (A of Add-14); export the model again`},
		{"absent operand among many", 13, node("Concat", "x,,x", "y", attr("axis", 0)), Missing,
			`operand 1 is absent, but required (inputs of Concat-13); export the model again`},
		{"dtype", 13, node("Gather", "x,d", "y"), Invalid,
			`operand 1 (indices) is f64[3], Gather-13 takes i32 i64; cast it`},
		{"dtype of a newer version", 11, node("Gather", "b,i", "y"), Invalid,
			`operand 0 (data) is bf16[2], Gather-11 takes f64 f32 f16 i8 i16 i32 i64 u8 u16 u32 u64 bool string c64 c128; cast it, or import opset 13, which has it`},
		{"dtypes differ", 14, node("Add", "x,d", "y"), Invalid,
			`dtypes differ: operand 1 (B) is f64[3], operand 0 (A) is f32[n, 3], and Add-14 takes one type for both (T); cast one of them`},
		{"dtypes differ among many", 13, node("Concat", "x,x,i", "y", attr("axis", 0)), Invalid,
			`dtypes differ: operand 2 (inputs) is i64[2], operand 0 (inputs) is f32[n, 3], and Concat-13 takes one type for both (T); cast one of them`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Import(modelFile(t, c.opset, graph(in, untyped("y"), c.node)), Options{})
			e, ok := err.(*Error)
			if !ok {
				t.Fatalf("got %v, want an *Error", err)
			}
			want := &Error{File: "model.onnx", Node: c.node.GetName(), Op: c.node.GetOpType(), Opset: c.opset, Kind: c.kind}
			if diff := cmp.Diff(want, &Error{File: e.File, Node: e.Node, Op: e.Op, Opset: e.Opset, Kind: e.Kind}); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if diff := cmp.Diff(c.want, e.Msg+"; "+e.Remedy); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestCheckAllows: what the specification leaves open is not refused.
func TestCheckAllows(t *testing.T) {
	in := values(value("x", "f32", "n", 3), value("i", "i64", 2))
	for _, c := range []struct {
		name  string
		opset int64
		node  *pb.NodeProto
	}{
		{"absent operands at the end", 13, node("Clip", "x,,", "y")},
		{"more than there are, all absent", 14, node("Relu", "x,,", "y")},
		{"absent outputs at the end", 14, node("Relu", "x", "y,,")},
		{"attributes of tools", 14, node("Relu", "x", "y", attr("__note", "fused"))},
		{"a list that is empty, without its type", 13, node("Transpose", "s", "y", &pb.AttributeProto{Name: ptr("perm")})},
		{"an operator that is deprecated", 18, node("GroupNormalization", "g,k,k", "y", attr("num_groups", 1))},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := graph(append(in, value("s", "f32"), value("g", "f32", 1, 2, 3), value("k", "f32", 1)), untyped("y"), c.node)
			if _, err := Import(modelFile(t, c.opset, g), Options{}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRowTypes: rows give results of the types that the schema allows, the same as the operands' where it says so.
func TestRowTypes(t *testing.T) {
	for _, c := range rowCases {
		s, ok := schema.Lookup(c.node.GetDomain(), c.node.GetOpType(), c.opset)
		if !ok {
			t.Errorf("%s: no schema", c.name)
			continue
		}
		outs := untyped("")
		for _, name := range c.node.Output {
			outs = append(outs, untyped(name)...)
		}
		m := imported(t, modelFile(t, c.opset, with(graph(c.in, outs, c.node), c.inits...)), Options{})
		vars := map[string]string{}
		for _, v := range c.in {
			for i, name := range c.node.Input {
				if p := schema.At(s.Inputs, i); name == v.GetName() && p.Var != "" && !p.Mixed {
					vars[p.Var] = DType(v.GetType().GetTensorType().GetElemType()).String()
				}
			}
		}
		for i, v := range m.Main().Results() {
			checkResult(t, c.name, schema.At(s.Outputs, i), v, vars)
		}
	}
}

func checkResult(t *testing.T, name string, p *schema.Param, v *ir.Value, vars map[string]string) {
	t.Helper()
	got := typeName(v.Type)
	allowed := map[string]bool{}
	for _, typ := range p.Types {
		allowed[typ] = true
	}
	if !allowed[got] {
		t.Errorf("%s: output %s is %s, allowed are %v", name, p.Name, got, p.Types)
	}
	if want := vars[p.Var]; want != "" && !p.Mixed && got != want {
		t.Errorf("%s: output %s is %s, the operands of %s are %s", name, p.Name, got, p.Var, want)
	}
}

// BenchmarkCheck is the cost of a node's checks.
func BenchmarkCheck(b *testing.B) {
	p := node("Gather", "x,i", "y", attr("axis", 1))
	f32, i64 := ir.TensorOf(ir.F32, ir.Size(2)), ir.TensorOf(ir.I64, ir.Size(2))
	r := ir.NewModule("m").NewFunc("main").Body
	n := &Node{Attrs: NewAttrs(p.Attribute), proto: p, Opset: 17, in: []*ir.Value{r.AddParam("x", f32), r.AddParam("i", i64)}}
	for b.Loop() {
		if err := n.checkForm(""); err != nil {
			b.Fatal(err)
		}
		if err := n.checkTypes(); err != nil {
			b.Fatal(err)
		}
	}
}

// TestUnknownOperator tells apart what ONNX has not, what its opset has not, and what Emily does not do.
func TestUnknownOperator(t *testing.T) {
	for _, c := range []struct {
		domain, op string
		version    int64
		kind       ErrorKind
		want       string
	}{
		{"", "Frobnicate", 20, Unsupported, "the operator is not known"},
		{"acme", "Relu", 1, Unsupported, `no operators of domain "acme" are known`},
		{"com.microsoft", "Snpe", 1, Unsupported, "Emily does not do this operator yet"},
		{"com.microsoft", "Snpe", 0, Invalid, "there is no such operator in opset 0; it came with 1"},
		{"", "Gelu", 19, Invalid, "there is no such operator in opset 19; it came with 20"},
	} {
		_, err := index().find(c.domain, c.op, c.version)
		e, ok := err.(*Error)
		if !ok || e.Kind != c.kind || e.Msg != c.want || e.Remedy == "" {
			t.Errorf("%s.%s, version %d: %v, want %q", c.domain, c.op, c.version, err, c.want)
		}
	}
}
