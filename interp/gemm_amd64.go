package interp

import "golang.org/x/sys/cpu"

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
