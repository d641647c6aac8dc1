package schema

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		domain, op   string
		opset, since int64 // since 0: not found
	}{
		{"", "Softmax", 1, 1}, {"", "Softmax", 12, 11}, {"", "Softmax", 13, 13}, {"", "Softmax", 99, 13},
		{"ai.onnx", "Softmax", 13, 13}, {"", "Gelu", 19, 0}, {"", "NoSuchOp", 20, 0}, {"no.such.domain", "Softmax", 13, 0},
		{"ai.onnx.ml", "LabelEncoder", 3, 2}, {"com.microsoft", "GroupQueryAttention", 1, 1}, {"", "SimplifiedLayerNormalization", 1, 1},
	} {
		s, ok := Lookup(c.domain, c.op, c.opset)
		if ok != (c.since != 0) || ok && s.Since != c.since {
			t.Errorf("Lookup(%q, %q, %d) = %+v, %v; want version %d", c.domain, c.op, c.opset, s, ok, c.since)
		}
	}
}

func TestSchema(t *testing.T) {
	for _, c := range []struct {
		op   string
		want *Schema
	}{
		{"Clip", &Schema{Op: "Clip", Since: 6,
			Inputs: []Param{{Name: "input", Var: "T", Types: []string{"f64", "f32", "f16"}}}, Outputs: []Param{{Name: "output", Var: "T", Types: []string{"f64", "f32", "f16"}}},
			Attrs: []Attr{{Name: "max", Type: pb.AttributeProto_FLOAT, Default: float32(3.4028235e+38)}, {Name: "min", Type: pb.AttributeProto_FLOAT, Default: float32(-3.4028235e+38)}},
			Vars:  []TypeVar{{"T", []string{"f64", "f32", "f16"}}}}},
		{"Concat", &Schema{Op: "Concat", Since: 4,
			Inputs: []Param{{Name: "inputs", Var: "T", Types: everything, Option: Variadic, Least: 1}}, Outputs: []Param{{Name: "concat_result", Var: "T", Types: everything}},
			Attrs: []Attr{{Name: "axis", Type: pb.AttributeProto_INT, Required: true}}, Vars: []TypeVar{{"T", everything}}}},
		{"MeanVarianceNormalization", &Schema{Op: "MeanVarianceNormalization", Since: 9,
			Inputs: []Param{{Name: "X", Var: "T", Types: []string{"f64", "f32", "f16"}}}, Outputs: []Param{{Name: "Y", Var: "T", Types: []string{"f64", "f32", "f16"}}},
			Attrs: []Attr{{Name: "axes", Type: pb.AttributeProto_INTS, Default: []int64{0, 2, 3}}}, Vars: []TypeVar{{"T", []string{"f64", "f32", "f16"}}}}},
		{"Shape", &Schema{Op: "Shape", Since: 1,
			Inputs: []Param{{Name: "data", Var: "T", Types: everything}}, Outputs: []Param{{Name: "shape", Var: "T1", Types: []string{"i64"}}},
			Vars: []TypeVar{{"T", everything}, {"T1", []string{"i64"}}}}},
	} {
		got, _ := Lookup("", c.op, c.want.Since)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", c.op, diff)
		}
	}
}

// everything is the type list of operators that move elements, before ONNX 1.8.
var everything = []string{"f64", "f32", "f16", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "bool", "string", "c64", "c128"}

// TestTable reads all of the table, and holds what its readers rely on.
func TestTable(t *testing.T) {
	count := map[string]int{}
	var last *Schema
	for s := range All() {
		count[s.Domain]++
		if last != nil && last.Domain == s.Domain && last.Op == s.Op && last.Since >= s.Since {
			t.Errorf("%s: version %d after %d", s.Op, s.Since, last.Since)
		}
		last = s
		for _, list := range [][]Param{s.Inputs, s.Outputs} {
			for i, p := range list {
				if p.Option == Variadic && i != len(list)-1 {
					t.Errorf("%s-%d: %s is variadic, but not the last", s.Op, s.Since, p.Name)
				}
				if len(p.Types) == 0 || slices.Contains(p.Types, "tensor") {
					t.Errorf("%s-%d: %s has types %v", s.Op, s.Since, p.Name, p.Types)
				}
			}
		}
		if !slices.IsSortedFunc(s.Attrs, func(a, b Attr) int { return strings.Compare(a.Name, b.Name) }) {
			t.Errorf("%s-%d: attributes are not sorted", s.Op, s.Since)
		}
	}
	want := map[string]int{"": 631, "ai.onnx.ml": 25, "ai.onnx.preview": 1, "ai.onnx.preview.training": 4, "com.microsoft": 150}
	if diff := cmp.Diff(want, count); diff != "" {
		t.Errorf("versions by domain: -want +got\n%s", diff)
	}
}

func TestArity(t *testing.T) {
	for _, c := range []struct {
		op          string
		since       int64
		least, most int
	}{{"Add", 7, 2, 2}, {"Clip", 11, 1, 3}, {"Concat", 4, 1, Many}, {"Loop", 11, 0, Many}, {"Constant", 1, 0, 0}, {"Resize", 11, 3, 4}} {
		s, _ := Lookup("", c.op, c.since)
		if least, most := Arity(s.Inputs); least != c.least || most != c.most {
			t.Errorf("%s-%d takes %d to %d, want %d to %d", c.op, c.since, least, most, c.least, c.most)
		}
	}
}

// TestFirstUse: a model with few operators must not wait for the table.
func TestFirstUse(t *testing.T) {
	const most = 5 * time.Millisecond
	best := time.Hour // of some: a busy machine spoils many
	for try := 0; try < 50 && best > most; try++ {
		start := time.Now()
		x := buildIndex()
		parse("", "Softmax", x[key{"", "Softmax"}].text)
		best = min(best, time.Since(start))
	}
	if best > most {
		t.Errorf("first use takes %v, at most %v", best, most)
	}
}
