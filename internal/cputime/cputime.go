// Package cputime measures tests that hold how cost grows.
package cputime

import (
	"syscall"
	"testing"
	"time"
)

// Used is the processor time of the process so far, the system's included: other work on the machine changes it least.
func Used(t testing.TB) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
