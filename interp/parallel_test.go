package interp

import (
	"runtime"
	"strings"
	"testing"
)

// TestParallelPanic: the caller can recover from a worker's panic, and learns where it was.
func TestParallelPanic(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	for range 20 {
		func() {
			defer func() {
				p, ok := recover().(*workerPanic)
				if !ok || !strings.Contains(p.String(), "part is bad") || !strings.Contains(p.String(), "TestParallelPanic") {
					t.Fatalf("recovered %v, want the worker's panic with its stack", p)
				}
			}()
			parallel(1000, 1, func(lo, hi int) {
				if lo <= 500 && 500 < hi {
					panic("part is bad")
				}
			})
			t.Fatal("parallel returned")
		}()
	}
}
