package conformance

import (
	"math"
	"strings"
	"testing"

	"github.com/emilyc/emily/ir"
	"github.com/google/go-cmp/cmp"
)

func f32s(v ...float32) ir.Datum { return ir.TensorFrom(v) }

func TestCompare(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	f16 := func(v float64) ir.Datum {
		x := ir.NewTensor(ir.F16, 1)
		ir.View[uint16](x)[0] = ir.EncodeFloat(ir.F16, v, false)
		return x
	}
	seq := func(items ...ir.Datum) ir.Datum {
		return &ir.Sequence{Elem: ir.TensorOf(ir.F32, ir.Sym("n")), Items: items}
	}
	some := func(v ir.Datum) ir.Datum { return &ir.Optional{Elem: ir.TensorOf(ir.F32), Item: v} }
	text := func(s string) ir.Datum { return &ir.Tensor{DType: ir.String, Shape: []int{1}, Strings: []string{s}} }
	for _, test := range []struct {
		name      string
		got, want ir.Datum
		diff      string // in the message; empty where they agree
	}{
		{"equal", f32s(1, 2), f32s(1, 2), ""},
		{"within", f32s(1.0009), f32s(1), ""},
		{"outside", f32s(1, 1.002), f32s(1, 1), "1 of 2 elements differ, first at [1]: got 1.002, want 1"},
		{"near zero", f32s(5e-8), f32s(0), ""},
		{"not near zero", f32s(2e-7), f32s(0), "first at [0]"},
		{"nan", f32s(nan), f32s(nan), ""},
		{"nan for a number", f32s(nan), f32s(1), "got NaN, want 1"},
		{"a number for nan", f32s(1), f32s(nan), "got 1, want NaN"},
		{"inf", f32s(inf), f32s(inf), ""},
		{"-inf for inf", f32s(-inf), f32s(inf), "got -Inf, want +Inf"},
		{"large for inf", f32s(math.MaxFloat32), f32s(inf), "want +Inf"},
		{"zero signs", f32s(float32(math.Copysign(0, -1))), f32s(0), ""},
		{"worst", f32s(2, 5), f32s(1, 1), "worst at [1]: got 5, want 1, error 4"},
		{"f16", f16(1.008), f16(1), ""},
		{"f16 outside", f16(1.02), f16(1), "first at [0]"},
		{"dtype", ir.TensorFrom([]int32{1}), ir.TensorFrom([]int64{1}), "got i32[1], want i64[1]"},
		{"shape", ir.TensorFrom([]int32{1}, 1, 1), ir.TensorFrom([]int32{1}), "got i32[1, 1], want i32[1]"},
		{"scalar", ir.Scalar(float32(1)), ir.Scalar(float32(2)), "first at []"},
		{"empty", f32s(), f32s(), ""},
		{"ints", ir.TensorFrom([]int64{1 << 60}), ir.TensorFrom([]int64{1<<60 + 1}), "got 1152921504606846976, want 1152921504606846977"},
		{"unsigned", ir.TensorFrom([]uint64{math.MaxUint64}), ir.TensorFrom([]uint64{0}), "got 18446744073709551615, want 0"},
		{"bool", ir.TensorFrom([]bool{true}), ir.TensorFrom([]bool{false}), "got true, want false"},
		{"complex", ir.TensorFrom([]complex64{1 + 2i}), ir.TensorFrom([]complex64{1 + 3i}), "got (1+2i), want (1+3i)"},
		{"strings", text("a"), text("a"), ""},
		{"other strings", text("a"), text("b"), `got "a", want "b"`},
		{"sequence", seq(f32s(1), f32s(2)), seq(f32s(1), f32s(3)), `output "y"[1]: 1 of 1`},
		{"short sequence", seq(f32s(1)), seq(f32s(1), f32s(3)), "got one of 1, want a sequence of 2"},
		{"no sequence", f32s(1), seq(f32s(1)), "want a sequence"},
		{"optional for its element", some(f32s(1)), f32s(1), ""},
		{"empty optional", some(nil), some(nil), ""},
		{"full optional", some(f32s(1)), some(nil), "want none"},
		{"nothing", (*ir.Tensor)(nil), f32s(1), "no tensor"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := Compare([]string{"y"}, []ir.Datum{test.got}, []ir.Datum{test.want}, Golden)
			if (d == nil) != (test.diff == "") || d != nil && !strings.Contains(d.Error(), test.diff) {
				t.Errorf("got %v, want %q", d, test.diff)
			}
		})
	}
	if d := Compare(nil, nil, []ir.Datum{f32s(1)}, Golden); d == nil || !strings.Contains(d.Error(), "got 0 outputs, want 1") {
		t.Errorf("count: %v", d)
	}
}

func TestScaled(t *testing.T) {
	want := f32s(100, -100, 0, float32(math.Inf(1)))
	got := Scaled(Lanes, want)[ir.F32]
	if d := cmp.Diff(Tolerance{1e-3, 1e-5 * math.Sqrt(2e4/3)}, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(Lanes[ir.F32], Scaled(Lanes, f32s(1e-3))[ir.F32]); d != "" {
		t.Error(d)
	}
}
