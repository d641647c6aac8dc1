//go:build !amd64

package interp

func widenFloats(dst []float64, src []float32) {
	for i, v := range src[:len(dst)] {
		dst[i] = float64(v)
	}
}

func narrowFloats(dst []float32, src []float64) {
	for i, v := range src {
		dst[i] = float32(v)
	}
}

func addScaled(dst []float64, a float64, src []float64) {
	for i, v := range src[:len(dst)] {
		dst[i] += a * v
	}
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, v := range b[:len(a)] {
		sum += a[i] * v
	}
	return sum
}
