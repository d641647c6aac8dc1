package onnx

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

// residentKiB is how much of a mapping this process has touched; it skips the test where the
// system does not tell.
func residentKiB(t *testing.T, data []byte) int {
	t.Helper()
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Skip(err)
	}
	defer f.Close()
	start := fmt.Sprintf("%x-", uintptr(unsafe.Pointer(&data[0])))
	found := false
	for s := bufio.NewScanner(f); s.Scan(); {
		if strings.HasPrefix(s.Text(), start) {
			found = true
		}
		var n int
		if _, err := fmt.Sscanf(s.Text(), "Rss: %d kB", &n); found && err == nil {
			return n
		}
	}
	t.Skip("mapping not listed")
	return 0
}
