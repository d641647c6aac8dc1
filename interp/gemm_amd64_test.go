package interp

import "golang.org/x/sys/cpu"

// kernels are the microkernels that this machine can run.
func kernels() []microkernel {
	list := []microkernel{portable}
	if hasFMA {
		list = append(list, microkernel{4, 12, multiplyFMA})
	}
	if cpu.X86.HasAVX512F {
		list = append(list, microkernel{8, 24, multiplyAVX512})
	}
	return list
}
