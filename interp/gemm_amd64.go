package interp

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

var kernel = func() microkernel {
	switch {
	case cpu.X86.HasAVX512F:
		return microkernel{8, 24, multiplyAVX512}
	case hasFMA:
		return microkernel{4, 12, multiplyFMA}
	}
	return portable
}()

var hasFMA = cpu.X86.HasAVX2 && cpu.X86.HasFMA

// multiplyAVX512 is an 8 × 24 microkernel, multiplyFMA one of 4 × 12.
//
//go:noescape
func multiplyAVX512(k int, a, b, c *float64, ldc int)

//go:noescape
func multiplyFMA(k int, a, b, c *float64, ldc int)

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
