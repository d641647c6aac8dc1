//go:build !amd64

package interp

func kernels() []microkernel { return []microkernel{portable, kernel} }
