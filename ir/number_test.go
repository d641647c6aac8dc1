package ir

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var smallFloats = []DType{F16, BF16, F8E4M3FN, F8E4M3FNUZ, F8E5M2, F8E5M2FNUZ, F6E2M3, F6E3M2, F4E2M1}

// patterns are all values of a float dtype of at most 16 bits, by their bits.
func patterns(d DType) []float64 {
	out := make([]float64, 1<<d.Bits())
	for b := range out {
		out[b] = DecodeFloat(d, uint16(b))
	}
	return out
}

// TestFloatsRoundTrip holds that every value encodes to its own bits.
func TestFloatsRoundTrip(t *testing.T) {
	for _, d := range append(smallFloats, F8E8M0) {
		for b, v := range patterns(d) {
			got := EncodeFloat(d, v, false)
			if math.IsNaN(v) {
				if !math.IsNaN(DecodeFloat(d, got)) {
					t.Errorf("%s: NaN %#x becomes %#x", d, b, got)
				}
				continue
			}
			if int(got) != b {
				t.Errorf("%s: %v is %#x, encodes to %#x", d, v, b, got)
			}
		}
	}
}

// TestFloatsNearest holds that encoding gives the nearest value, and of two the one with an even last bit.
func TestFloatsNearest(t *testing.T) {
	for _, d := range smallFloats {
		values := patterns(d)
		largest := 0.0
		for _, v := range values {
			if v > largest && !math.IsInf(v, 1) {
				largest = v
			}
		}
		finite := rapid.OneOf(
			rapid.Custom(func(t *rapid.T) float64 { // between neighbours, and halfway
				b := rapid.IntRange(0, len(values)/2-2).Draw(t, "bits")
				lo, hi := values[b], values[b+1]
				return rapid.SampledFrom([]float64{(lo + hi) / 2, math.Nextafter((lo+hi)/2, lo), math.Nextafter((lo+hi)/2, hi), lo, hi}).Draw(t, "v")
			}).Filter(func(v float64) bool { return math.Abs(v) <= largest }),
			rapid.Float64Range(-largest, largest))
		rapid.Check(t, func(t *rapid.T) {
			v := finite.Draw(t, "v")
			got := EncodeFloat(d, v, false)
			err := math.Abs(DecodeFloat(d, got) - v)
			for b, w := range values {
				switch {
				case math.Abs(w-v) < err:
					t.Fatalf("%s: %v encodes to %v, but %v is nearer", d, v, DecodeFloat(d, got), w)
				case math.Abs(w-v) == err && w != values[got] && got&1 == 1 && b&1 == 0:
					t.Fatalf("%s: %v encodes to %v, but %v is as near and even", d, v, DecodeFloat(d, got), w)
				}
			}
		})
	}
}

// TestFloatsOverflow follows ONNX Cast's table for what is too large, and for NaN.
func TestFloatsOverflow(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		d                   DType
		v                   float64
		saturated, overflow float64
	}{
		{F8E4M3FN, 1e6, 448, nan}, {F8E4M3FN, -1e6, -448, nan}, {F8E4M3FN, inf, 448, nan}, {F8E4M3FN, 464, 448, 448}, {F8E4M3FN, 465, 448, nan},
		{F8E4M3FNUZ, 1e6, 240, nan}, {F8E4M3FNUZ, -inf, -240, nan}, {F8E4M3FNUZ, nan, nan, nan},
		{F8E5M2, 1e6, 57344, inf}, {F8E5M2, -1e6, -57344, -inf}, {F8E5M2, inf, 57344, inf},
		{F8E5M2FNUZ, 1e6, 57344, nan}, {F4E2M1, 100, 6, 6}, {F4E2M1, -inf, -6, -6}, {F4E2M1, nan, 0, 0},
		{F6E2M3, 100, 7.5, 7.5}, {F6E2M3, nan, 0, 0}, {F6E3M2, -inf, -28, -28}, {F6E3M2, 27, 28, 28},
		{F16, 65519, 65504, 65504}, {F16, 65520, 65504, inf}, {BF16, -math.MaxFloat64, -math.Float64frombits(0x47efe00000000000), -inf},
	} {
		got := [2]float64{DecodeFloat(c.d, EncodeFloat(c.d, c.v, true)), DecodeFloat(c.d, EncodeFloat(c.d, c.v, false))}
		for i, want := range []float64{c.saturated, c.overflow} {
			if got[i] != want && !(math.IsNaN(got[i]) && math.IsNaN(want)) {
				t.Errorf("%s of %v, saturate %v: %v, want %v", c.d, c.v, i == 0, got[i], want)
			}
		}
	}
}

// TestPack holds that packed elements unpack to themselves, for every dtype and odd numbers of elements.
func TestPack(t *testing.T) {
	for d := Invalid + 1; d < NumDTypes; d++ {
		for n := range 10 {
			x := sample(d, n)
			if d == String {
				continue
			}
			if len(x.Pack()) != PackedSize(d, n) {
				t.Errorf("%d of %s pack to %d bytes", n, d, len(x.Pack()))
			}
			back, err := Unpack(d, []int{n}, x.Pack())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(x.Data, back.Data); diff != "" {
				t.Errorf("%s: %s", d, diff)
			}
		}
	}
}

func TestNumElements(t *testing.T) {
	for _, c := range []struct {
		shape []int
		want  int
		ok    bool
	}{
		{nil, 1, true}, {[]int{2, 3}, 6, true}, {[]int{0, 1 << 40}, 0, true}, {[]int{1 << 40, 0}, 0, true}, {[]int{0, math.MaxInt}, 0, false},
		{[]int{-1}, 0, false}, {[]int{0, -1}, 0, false}, {[]int{1 << 20, 1 << 20}, 1 << 40, true}, {[]int{1 << 20, 1 << 21}, 0, false},
		{[]int{math.MaxInt, math.MaxInt}, 0, false},
	} {
		n, err := NumElements(c.shape)
		if n != c.want || (err == nil) != c.ok {
			t.Errorf("%v has %d elements, %v", c.shape, n, err)
		}
	}
}

// TestScalars holds the values of FloatScalar and Ints in every dtype that has them.
func TestScalars(t *testing.T) {
	for d := Invalid + 1; d < NumDTypes; d++ {
		if !d.IsInt() && d != Bool {
			continue
		}
		x := FloatScalar(d, 1)
		if got := x.Ints(); len(got) != 1 || got[0] != 1 || len(x.Shape) != 0 {
			t.Errorf("1 as %s is %v of %v", d, got, x.Shape)
		}
	}
	if x := FloatScalar(I4, -3); x.Ints()[0] != -3 {
		t.Errorf("-3 as i4 is %v", x.Ints())
	}
	for _, d := range smallFloats {
		x := FloatScalar(d, 0.5)
		bits := uint16(x.Data[0])
		if d.Size() == 2 {
			bits |= uint16(x.Data[1]) << 8
		}
		if got := DecodeFloat(d, bits); got != 0.5 {
			t.Errorf("0.5 as %s is %v", d, got)
		}
	}
}
