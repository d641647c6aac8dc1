package interp

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/ir"
)

// show is a value without its types: lists of integers, - for what is absent.
func show(v ir.Datum) string {
	switch v := v.(type) {
	case *ir.Sequence:
		parts := make([]string, len(v.Items))
		for i, item := range v.Items {
			parts[i] = show(item)
		}
		return "(" + strings.Join(parts, " ") + ")"
	case *ir.Optional:
		if v.Item == nil {
			return "-"
		}
		return "?" + show(v.Item)
	}
	if m, ok := v.(*ir.Map); ok {
		return show(m.Keys) + "→" + show(m.Values)
	}
	t := v.(*ir.Tensor)
	return fmt.Sprintf("%v%v", t.Shape, t.Ints())
}

// sequenceTests run an op on list = ([2][1 2] [1][3]), x = [3][4 5 6], at = a position. An error is named by a part of it.
var sequenceTests = []struct {
	op   string
	at   int64
	want string
}{
	{"make_sequence %x, %x : seq<i64[3]>", 0, "([3][4 5 6] [3][4 5 6])"},
	{"make_sequence {elem = i64[none]} : seq<i64[none]>", 0, "()"},
	{"make_sequence %list : seq<seq<i64[?]>>", 0, "(([2][1 2] [1][3]))"},
	{"sequence_insert %list, %x : seq<i64[?]>", 0, "([2][1 2] [1][3] [3][4 5 6])"},
	{"sequence_insert %list, %x, %at : seq<i64[?]>", 0, "([3][4 5 6] [2][1 2] [1][3])"},
	{"sequence_insert %list, %x, %at : seq<i64[?]>", -1, "([2][1 2] [3][4 5 6] [1][3])"},
	{"sequence_insert %list, %x, %at : seq<i64[?]>", 2, "([2][1 2] [1][3] [3][4 5 6])"},
	{"sequence_insert %list, %x, %at : seq<i64[?]>", 3, "position 3"},
	{"sequence_insert %list, %at, %at : seq<i64[*]>", -3, "position -3"},
	{"sequence_erase %list : seq<i64[?]>", 0, "([2][1 2])"},
	{"sequence_erase %list, %at : seq<i64[?]>", 0, "([1][3])"},
	{"sequence_erase %list, %at : seq<i64[?]>", 2, "position 2"},
	{"sequence_at %list, %at : i64[u0]", -2, "[2][1 2]"},
	{"sequence_at %list, %at : i64[u0]", 2, "position 2"},
	{"sequence_length %list : i64[]", 0, "[][2]"},
	{"split_to_sequence %x : seq<i64[1]>", 0, "([1][4] [1][5] [1][6])"},
	{"split_to_sequence %x {squeeze = true} : seq<i64[]>", 0, "([][4] [][5] [][6])"},
	{"split_to_sequence %x, %at : seq<i64[?]>", 2, "([2][4 5] [1][6])"},
	{"split_to_sequence %x, %at : seq<i64[?]>", 1 << 62, "([3][4 5 6])"},
	{"split_to_sequence %x, %at : seq<i64[?]>", 0, "sizes 0"},
	{"split_to_sequence %x, %x : seq<i64[?]>", 0, "sizes [4 5 6]"},
	{"concat_from_sequence %list : i64[u0]", 0, "[3][1 2 3]"},
	{"concat_from_sequence %list {stack = true} : i64[u0, u1]", 0, "[1 2] and [1 1]"},
	{"make_optional %x : optional<i64[3]>", 0, "?[3][4 5 6]"},
	{"make_optional {elem = i64[none]} : optional<i64[none]>", 0, "-"},
	{"optional_has %some : bool[]", 0, "[][1]"},
	{"optional_has %absent : bool[]", 0, "[][0]"},
	{"optional_get %some : i64[3]", 0, "[3][4 5 6]"},
	{"optional_get %absent : i64[3]", 0, "absent value"},
	{"zip_maps %x, %rows : seq<map<i64, i64[]>>", 0, "([3][4 5 6]→[3][0 1 2] [3][4 5 6]→[3][3 4 5])"},
	{"zip_maps %same, %rows : seq<map<i64, i64[]>>", 0, "key 4 is there twice"},
	{"map_lookup %map, %x, %at : i64[3]", 9, "[3][9 50 9]"},
	{"map_values %map : i64[u0]", 0, "[2][10 50]"},
}

// TestSequences checks what each op makes of lists, optionals and maps, and that what it cannot do is an error.
func TestSequences(t *testing.T) {
	elem := ir.TensorOf(ir.I64, ir.Unknown)
	x := ir.TensorFrom([]int64{4, 5, 6})
	list := &ir.Sequence{Elem: elem, Items: []ir.Datum{ir.TensorFrom([]int64{1, 2}), ir.TensorFrom([]int64{3})}}
	some, absent := &ir.Optional{Elem: x.Type(), Item: x}, &ir.Optional{Elem: x.Type()}
	rows, same := ir.TensorFrom([]int64{0, 1, 2, 3, 4, 5}, 2, 3), ir.TensorFrom([]int64{4, 5, 4})
	pairs := &ir.Map{Keys: ir.TensorFrom([]int64{5, -1}), Values: ir.TensorFrom([]int64{50, 10})}
	for _, c := range sequenceTests {
		_, typ, _ := strings.Cut(c.op, " : ")
		f := parse(t, fmt.Sprintf("func @main(%%x: i64[3], %%list: seq<i64[?]>, %%at: i64[], %%some: optional<i64[3]>, %%absent: optional<i64[3]>, %%rows: i64[2, 3], %%same: i64[3], %%map: map<i64, i64[]>) -> (y: %s) {\n  %%0 = %s\n  yield %%0\n}\n", typ, c.op))
		out, err := Run(t.Context(), f, []ir.Datum{x, list, ir.Scalar(c.at), some, absent, rows, same, pairs})
		if err != nil {
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s at %d: %v, want %s", c.op, c.at, err, c.want)
			}
			continue
		}
		if diff := cmp.Diff(c.want, show(out[0])); diff != "" {
			t.Errorf("%s at %d: %s", c.op, c.at, diff)
		}
	}
	if diff := cmp.Diff("([2][1 2] [1][3])", show(list)); diff != "" {
		t.Errorf("an op changed its operand: %s", diff)
	}
}

// TestSequenceInputs checks that elements are compared with the declared type.
func TestSequenceInputs(t *testing.T) {
	f := parse(t, "func @main(%l: seq<f32[*]>, %m: seq<f32[2]>) -> (y: seq<f32[*]>) {\n  yield %l\n}\n")
	mixed := &ir.Sequence{Elem: ir.TensorOf(ir.F32), Items: []ir.Datum{ir.TensorFrom([]float32{1, 2}), ir.Scalar(float32(1))}}
	bad := &ir.Sequence{Elem: ir.TensorOf(ir.I64), Items: []ir.Datum{ir.Scalar(int64(1))}}
	good := &ir.Sequence{Elem: ir.TensorOf(ir.F32, ir.Size(2)), Items: mixed.Items[:1]}
	if _, err := Run(t.Context(), f, []ir.Datum{mixed, good}); err != nil {
		t.Error(err)
	}
	for _, in := range [][]ir.Datum{{bad, good}, {mixed, mixed}, {mixed, bad}} {
		if _, err := Run(t.Context(), f, in); err == nil {
			t.Errorf("%v is taken", in)
		}
	}
}

// TestMapInputs checks that keys and values are compared with the declared type, and with each other.
func TestMapInputs(t *testing.T) {
	f := parse(t, "func @main(%m: map<string, f32[]>) -> (y: f32[u0]) {\n  %0 = map_values %m : f32[u0]\n  yield %0\n}\n")
	names := &ir.Tensor{DType: ir.String, Shape: []int{2}, Strings: []string{"b", "a"}}
	for _, c := range []struct {
		m    *ir.Map
		want string
	}{
		{&ir.Map{Keys: names, Values: ir.TensorFrom([]float32{1, 2})}, ""},
		{&ir.Map{Keys: ir.TensorFrom([]int64{1, 2}), Values: ir.TensorFrom([]float32{1, 2})}, "keys"},
		{&ir.Map{Keys: names, Values: ir.TensorFrom([]int64{1, 2})}, "is i64[2]"},
		{&ir.Map{Keys: names, Values: ir.TensorFrom([]float32{1})}, "map of string[2] to f32[1]"},
		{&ir.Map{Keys: names, Values: &ir.Sequence{Elem: ir.TensorOf(ir.F32)}}, "to seq<f32[]>"},
		{&ir.Map{Keys: names}, "is missing"},
	} {
		_, err := Run(t.Context(), f, []ir.Datum{c.m})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
