package interp

import "unsafe"

// widenAVX and narrowAVX convert n elements, a multiple of 8.
//
//go:noescape
func widenAVX(dst *float64, src *float32, n int)

//go:noescape
func narrowAVX(dst *float32, src *float64, n int)

// addScaledAVX adds a × src to dst, n elements, a multiple of 8.
//
//go:noescape
func addScaledAVX(dst *float64, a float64, src *float64, n int)

func addScaled(dst []float64, a float64, src []float64) {
	src = src[:len(dst)]
	i := 0
	if hasFMA && len(dst) >= 8 {
		i = len(dst) &^ 7
		addScaledAVX(unsafe.SliceData(dst), a, unsafe.SliceData(src), i)
	}
	for ; i < len(dst); i++ {
		dst[i] += a * src[i]
	}
}

func widenFloats(dst []float64, src []float32) {
	src = src[:len(dst)]
	i := 0
	if hasFMA && len(dst) >= 8 {
		i = len(dst) &^ 7
		widenAVX(unsafe.SliceData(dst), unsafe.SliceData(src), i)
	}
	for ; i < len(dst); i++ {
		dst[i] = float64(src[i])
	}
}

func narrowFloats(dst []float32, src []float64) {
	dst = dst[:len(src)]
	i := 0
	if hasFMA && len(src) >= 8 {
		i = len(src) &^ 7
		narrowAVX(unsafe.SliceData(dst), unsafe.SliceData(src), i)
	}
	for ; i < len(src); i++ {
		dst[i] = float32(src[i])
	}
}

// dotAVX is the sum of products of n elements, a multiple of 8.
//
//go:noescape
func dotAVX(a, b *float64, n int) float64

func dot(a, b []float64) float64 {
	b = b[:len(a)]
	i, sum := 0, 0.0
	if hasFMA && len(a) >= 8 {
		i = len(a) &^ 7
		sum = dotAVX(unsafe.SliceData(a), unsafe.SliceData(b), i)
	}
	for ; i < len(a); i++ {
		sum += a[i] * b[i]
	}
	return sum
}
