package interp

var kernel = microkernel{4, 8, multiplyNEON}

// multiplyNEON is a 4 × 8 microkernel.
//
//go:noescape
func multiplyNEON(k int, a, b, c *float64, ldc int)
