package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"

	"github.com/emilyc/emily/lower/mlx/runtime"
)

// usage is the memory that an engine took at most, in bytes.
type usage struct {
	process int64 // 0 where the system does not say
	mlx     int64 // by MLX's allocator
}

// meter measures this process; python/memory.py does the same in others. Pages of mapped files do not count, as the system
// takes them back when it needs them, nor what the process had before the meter was made: before the model is loaded.
type meter struct{ base int64 }

func newMeter() (meter, error) {
	err := release()
	return meter{status("RssAnon")}, err
}

// release gives memory that nothing holds back to the system, and sets peaks to what is in use.
func release() error {
	debug.FreeOSMemory()
	err := runtime.ResetMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // resets VmHWM, where there is one
	return err
}

// peak is the most since the last call.
func (m meter) peak() (usage, error) {
	u := usage{process: max(0, status("VmHWM")-status("RssFile")-m.base)}
	stats, err := runtime.Memory()
	if err != nil {
		return u, err
	}
	u.mlx = stats.Peak
	return u, release()
}

// status is a size of this process, 0 outside of Linux.
func status(name string) int64 {
	text, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(text), "\n"+name+":")
	var kib int64
	fmt.Sscanf(rest, "%d kB", &kib)
	return kib << 10
}
