package interp

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/emilyc/emily/ir"
)

// TestRoundingExhaustive: the quick conversions of f16 and bf16 are those of ir, for every value, for the midpoints between
// neighbours, and next to them.
func TestRoundingExhaustive(t *testing.T) {
	for _, d := range []ir.DType{ir.F16, ir.BF16} {
		for b := range 1 << 16 {
			bits := uint16(b)
			x := &ir.Tensor{DType: d, Shape: []int{1}, Data: []byte{byte(b), byte(b >> 8)}}
			want, got := ir.DecodeFloat(d, bits), floats(x)[0]
			if math.Float64bits(want) != math.Float64bits(got) && !(want != want && got != got) {
				t.Fatalf("%s %#x decodes to %v, want %v", d, bits, got, want)
			}
			if want != want {
				continue
			}
			mid := (want + ir.DecodeFloat(d, bits+1)) / 2
			for _, v := range []float64{want, mid, math.Nextafter(mid, 0), math.Nextafter(mid, math.Inf(1))} {
				if got, want := narrow16(d, v), ir.EncodeFloat(d, v, false); got != want {
					t.Fatalf("%s: %v encodes to %#x, want %#x", d, v, got, want)
				}
			}
		}
	}
}

// TestIntegersRoundOnce: an i64 or u64 becomes a narrow float without a detour through float64's own rounding.
func TestIntegersRoundOnce(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 10000 {
		v := int64(r.Uint64() >> (r.Uint64() % 60))
		got := mustEval(t, ir.Cast, &ir.CastAttrs{To: ir.F32}, i64(nil, v, -v, v|1<<62))
		if s := diff(f32(nil, float32(v), float32(-v), float32(v|1<<62)), got, 0); s != "" {
			t.Fatal(s)
		}
		u := r.Uint64()
		if s := diff(f32(nil, float32(u)), mustEval(t, ir.Cast, &ir.CastAttrs{To: ir.F32}, tensorOf(nil, u)), 0); s != "" {
			t.Fatal(s)
		}
	}
}

// TestMatMulSizes compares products round the block sizes with the definition; every block and panel edge is met.
func TestMatMulSizes(t *testing.T) {
	sizes := [][3]int{{1, 1, 1}, {3, 5, 7}, {8, 128, 24}, {9, 129, 25}, {129, 3, 241}, {130, 260, 250}, {257, 1, 1}, {1, 300, 500}, {4, 129, 3000}, {3, 2, 7}, {1, 3, 4200}, {2, 2, 9000}}
	for _, kernelOf := range kernels() {
		old := kernel
		kernel = kernelOf
		for _, s := range sizes {
			m, k, n := s[0], s[1], s[2]
			a, b := randomF32(m, k), randomF32(k, n)
			got := mustEval(t, ir.MatMul, nil, a, b)
			want := ir.NewTensor(ir.F32, m, n)
			for i := range m {
				for j := range n {
					sum := 0.0
					for p := range k {
						sum += float64(ir.View[float32](a)[i*k+p]) * float64(ir.View[float32](b)[p*n+j])
					}
					ir.View[float32](want)[i*n+j] = float32(sum)
				}
			}
			if d := diff(want, got, 1e-7); d != "" {
				t.Errorf("%d×%d: %v: %s", kernel.mr, kernel.nr, s, d)
			}
		}
		kernel = old
	}
}

// TestTransposedOperand: a transpose that only matmuls read is not made, and changes nothing.
func TestTransposedOperand(t *testing.T) {
	for _, s := range [][3]int{{1, 1, 1}, {1, 2100, 50}, {4, 9, 1100}, {5, 7, 9}, {130, 260, 250}} {
		m, k, n := s[0], s[1], s[2]
		f := parse(t, fmt.Sprintf(`func @main(%%x: f32[2, %[1]d, %[2]d], %%w: f32[%[3]d, %[2]d]) -> (y: f32[2, %[1]d, %[3]d], z: f32[2, %[1]d, %[3]d], t: f32[%[2]d, %[3]d]) {
  %%0 = transpose %%w {perm = [1, 0]} : f32[%[2]d, %[3]d]
  %%1 = matmul %%x, %%0 : f32[2, %[1]d, %[3]d]
  %%2 = transpose %%w {perm = [1, 0]} : f32[%[2]d, %[3]d]
  %%3 = matmul %%x, %%2 : f32[2, %[1]d, %[3]d]
  yield %%1, %%3, %%2
}
`, m, k, n))
		out, err := Run(t.Context(), f, datums(randomF32(2, m, k), randomF32(n, k)))
		if err != nil {
			t.Fatal(err)
		}
		if d := diff(out[1].(*ir.Tensor), out[0].(*ir.Tensor), 1e-7); d != "" {
			t.Errorf("%v: %s", s, d)
		}
	}
}

// TestWidenNarrow compares the vector conversions with Go's, at lengths round a vector.
func TestWidenNarrow(t *testing.T) {
	in := []float32{1.5, -0, float32(math.Inf(1)), 1e-45, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17}
	for n := range in {
		wide, back := make([]float64, n), make([]float32, n)
		widenFloats(wide, in)
		narrowFloats(back, wide)
		for i := range n {
			if wide[i] != float64(in[i]) || back[i] != in[i] {
				t.Fatalf("length %d: element %d is %v, then %v, want %v", n, i, wide[i], back[i], in[i])
			}
		}
	}
	one := []float32{0}
	narrowFloats(one, []float64{1 + 0x1p-24})
	if one[0] != 1 {
		t.Error("ties do not go to even")
	}
}

// TestConvAgainstDefinition draws shapes and attributes, and sums under each window by the definition.
func TestConvAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 60 {
		groups, c, o := 1+r.IntN(3), 1+r.IntN(3), 1+r.IntN(3)
		h, w, kh, kw := 1+r.IntN(9), 1+r.IntN(300), 1+r.IntN(3), 1+r.IntN(4)
		draw := func(lo, n int) int64 { return int64(lo + r.IntN(n)) }
		a := &ir.ConvAttrs{
			Strides: []int64{draw(1, 3), draw(1, 3)}, Dilations: []int64{draw(1, 2), draw(1, 3)},
			Pads: []int64{draw(0, 3), draw(0, 4), draw(0, 3), draw(0, 4)}, Groups: int64(groups),
		}
		x, k := randomF32(2, c*groups, h, w), randomF32(o*groups, c, kh, kw)
		got := mustEval(t, ir.Conv, a, x, k)
		if d := diff(naiveConv(x, k, a), got, 1e-6); d != "" {
			t.Fatalf("%v * %v %+v: %s", x.Shape, k.Shape, a, d)
		}
	}
}

func naiveConv(x, k *ir.Tensor, a *ir.ConvAttrs) *ir.Tensor {
	out := func(i int) int {
		room := x.Shape[2+i] + int(a.Pads[i]+a.Pads[2+i]) - int(a.Dilations[i])*(k.Shape[2+i]-1) - 1
		if room < 0 {
			return 0
		}
		return room/int(a.Strides[i]) + 1
	}
	y := ir.NewTensor(ir.F32, x.Shape[0], k.Shape[0], out(0), out(1))
	at := func(t *ir.Tensor, n, c, i, j int) float64 {
		if i < 0 || j < 0 || i >= t.Shape[2] || j >= t.Shape[3] {
			return 0
		}
		return float64(ir.View[float32](t)[((n*t.Shape[1]+c)*t.Shape[2]+i)*t.Shape[3]+j])
	}
	pos := 0
	eachIndex(y.Shape, func(p []int) {
		first := p[1] / (k.Shape[0] / int(a.Groups)) * k.Shape[1]
		sum := 0.0
		eachIndex(k.Shape[1:], func(q []int) {
			i := p[2]*int(a.Strides[0]) + q[1]*int(a.Dilations[0]) - int(a.Pads[0])
			j := p[3]*int(a.Strides[1]) + q[2]*int(a.Dilations[1]) - int(a.Pads[1])
			sum += at(x, p[0], first+q[0], i, j) * at(k, p[1], q[0], q[1], q[2])
		})
		ir.View[float32](y)[pos] = float32(sum)
		pos++
	})
	return y
}

// TestBroadcastAgainstDefinition draws shapes with axes of size 1, past the size of a chunk.
func TestBroadcastAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 100 {
		rank := r.IntN(5)
		full := make([]int, rank)
		for i := range full {
			full[i] = 1 + r.IntN(9)
		}
		shape := func() []int {
			s := []int{}
			for _, n := range full[min(r.IntN(3), rank):] {
				s = append(s, []int{1, n, n}[r.IntN(3)])
			}
			return s
		}
		a, b := randomF32(shape()...), randomF32(shape()...)
		got := mustEval(t, ir.Sub, nil, a, b)
		pos := 0
		at := func(t *ir.Tensor, index []int) float32 {
			p := 0
			for i, s := range broadcastStrides(t.Shape, got.Shape) {
				p += index[i] * s
			}
			return ir.View[float32](t)[p]
		}
		eachIndex(got.Shape, func(index []int) {
			if want := at(a, index) - at(b, index); ir.View[float32](got)[pos] != want {
				t.Fatalf("%v - %v at %v: %v, want %v", a.Shape, b.Shape, index, ir.View[float32](got)[pos], want)
			}
			pos++
		})
	}
}

// TestReduceAgainstDefinition draws shapes and axes.
func TestReduceAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for range 60 {
		shape := []int{1 + r.IntN(5), 1 + r.IntN(40), 1 + r.IntN(60)}
		var axes []int64
		for i := range int64(3) {
			if r.IntN(2) == 0 {
				axes = append(axes, i)
			}
		}
		x := randomF32(shape...)
		got := mustEval(t, ir.ReduceSum, &ir.ReduceAttrs{Axes: axes, KeepDims: true}, x)
		sums := make([]float64, got.Len())
		strides := broadcastStrides(got.Shape, shape)
		pos := 0
		eachIndex(shape, func(index []int) {
			at := 0
			for i, k := range index {
				at += k * strides[i]
			}
			sums[at] += float64(ir.View[float32](x)[pos])
			pos++
		})
		want := ir.NewTensor(ir.F32, got.Shape...)
		storeFloats(want, 0, sums)
		if d := diff(want, got, 1e-7); d != "" {
			t.Fatalf("%v over %v: %s", shape, axes, d)
		}
	}
}

// TestTransposeAgainstDefinition draws permutations of sizes past a tile.
func TestTransposeAgainstDefinition(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	for range 40 {
		shape := []int{1 + r.IntN(70), 1 + r.IntN(4), 1 + r.IntN(70)}
		x := randomF32(shape...)
		perm := r.Perm(3)
		got := mustEval(t, ir.Transpose, &ir.PermAttrs{Perm: []int64{int64(perm[0]), int64(perm[1]), int64(perm[2])}}, x)
		strides, pos := rowMajor(shape), 0
		eachIndex(got.Shape, func(index []int) {
			at := 0
			for i, p := range perm {
				at += index[i] * strides[p]
			}
			if ir.View[float32](got)[pos] != ir.View[float32](x)[at] {
				t.Fatalf("%v by %v at %v", shape, perm, index)
			}
			pos++
		})
	}
}
