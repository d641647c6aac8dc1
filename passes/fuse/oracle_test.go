package fuse_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/fuse"
	"github.com/emilyc/emily/passes/rewrite"
	"github.com/google/go-cmp/cmp"
)

// roundings is how many roundings of a dtype, of the largest element, fusing may change a result by: docs/passes.md.
var roundings = map[ir.DType]float64{ir.F64: 32, ir.F32: 32, ir.F16: 8, ir.BF16: 8}

var unit = map[ir.DType]float64{ir.F64: 0x1p-53, ir.F32: 0x1p-24, ir.F16: 0x1p-11, ir.BF16: 0x1p-8}

// TestOracle: each case computes the same before and after, in every float dtype, of random and special numbers and of nothing.
func TestOracle(t *testing.T) {
	names, texts := golds(t)
	for _, name := range names {
		fused := false
		for _, d := range []ir.DType{ir.F32, ir.F64, ir.F16, ir.BF16} {
			text := texts[name]
			if mixed := strings.Contains(text, "f16"); mixed && d != ir.F32 {
				continue
			}
			text = inHex(strings.ReplaceAll(text, "f32", d.String()))
			t.Run(name+"/"+d.String(), func(t *testing.T) {
				if steps := checkOracle(t, text); d == ir.F32 {
					fused = steps > 0
				} else if d != ir.F64 && fused != (steps > 0) { // constants that are rounded to f32 are others in f64
					t.Errorf("%d rewrites, unlike in f32", steps)
				}
			})
		}
	}
}

var halfConst = regexp.MustCompile(`const \[([^]]*)\] : (b?f16)`)

// inHex writes constants of halves as the text form wants them.
func inHex(text string) string {
	return halfConst.ReplaceAllStringFunc(text, func(s string) string {
		list := halfConst.FindStringSubmatch(s)
		d := map[string]ir.DType{"f16": ir.F16, "bf16": ir.BF16}[list[2]]
		var data []byte
		for e := range strings.SplitSeq(list[1], ", ") {
			v, _ := strconv.ParseFloat(e, 64)
			data = append(data, ir.FloatScalar(d, v).Data...)
		}
		return fmt.Sprintf("const hex \"%x\" : %s", data, d)
	})
}

// checkOracle returns the number of rewrites.
func checkOracle(t *testing.T, text string) int {
	before, after := parse(t, text), parse(t, text)
	c := &rewrite.Context{}
	c.Begin("fuse")
	if err := fuse.Run(after, c); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []int{5, 1, 0} {
		for _, special := range specials(t.Name()) {
			in := inputs(t, before, size, special, rng)
			want, err := interp.Run(context.Background(), before.Main(), in)
			if err != nil {
				t.Fatal(err)
			}
			got, err := interp.Run(context.Background(), after.Main(), in)
			if err != nil {
				t.Fatal(err)
			}
			for i := range want {
				if d := differs(want[i].(*ir.Tensor), got[i].(*ir.Tensor)); d != "" {
					t.Errorf("size %d, special %v, result %d: %s", size, special, i, d)
				}
			}
		}
	}
	return c.Steps()
}

// specials are what else than normal numbers there is among inputs. Of an attention, hidden scores that are not finite matter to
// sums with a mask only, and a score's rounding grows with it.
func specials(name string) [][]float64 {
	if strings.HasPrefix(name, "TestOracle/attention/") {
		return [][]float64{nil, {0, 1e-3, math.Copysign(0, -1)}}
	}
	return [][]float64{nil, {math.NaN()}, {math.Inf(1)}, {math.Inf(-1)}, {0}, {1e-3, -8, 8, math.Copysign(0, -1)}}
}

// inputs are normal numbers, with special ones here and there; integers are small, bools either. Symbols are all of one size.
func inputs(t *testing.T, m *ir.Module, size int, special []float64, rng *rand.Rand) []ir.Datum {
	var out []ir.Datum
	for _, p := range m.Main().Inputs() {
		shape := make([]int, p.Rank())
		for i, d := range p.Shape() {
			n, ok := d.Value()
			if !ok {
				n = int64(size)
			}
			shape[i] = int(n)
		}
		x := ir.NewTensor(p.DType(), shape...)
		width := p.DType().Size()
		for i := range x.Len() {
			v := rng.NormFloat64()
			switch {
			case special != nil && rng.IntN(4) == 0:
				v = special[rng.IntN(len(special))]
			case p.DType().IsInt() || p.DType() == ir.Bool:
				v = float64(rng.IntN(2))
			}
			copy(x.Data[i*width:], ir.FloatScalar(p.DType(), v).Data)
		}
		out = append(out, x)
	}
	return out
}

func differs(want, got *ir.Tensor) string {
	if want.DType != got.DType || fmt.Sprint(want.Shape) != fmt.Sprint(got.Shape) {
		return fmt.Sprintf("%s, got %s", want.Type(), got.Type())
	}
	if !want.DType.IsFloat() {
		return cmp.Diff(want, got)
	}
	a, b, top := want.Floats(), got.Floats(), 1.0
	for _, v := range a {
		if !math.IsInf(v, 0) && !math.IsNaN(v) {
			top = max(top, math.Abs(v))
		}
	}
	for i, v := range a {
		same := v == b[i] || math.IsNaN(v) && math.IsNaN(b[i])
		if !same && !(math.Abs(v-b[i]) <= roundings[want.DType]*unit[want.DType]*top) {
			return fmt.Sprintf("element %d is %v, got %v: %.1f roundings", i, v, b[i], math.Abs(v-b[i])/unit[want.DType]/top)
		}
	}
	return ""
}
