package emily

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// mapping is a file in memory, read-only.
type mapping struct {
	data   []byte
	mapped bool
}

// mapFile maps the regular file at path, and reads it where it cannot be mapped.
func mapFile(path string) (*mapping, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if n := st.Size(); n > 0 && n == int64(int(n)) {
		if data, err := unix.Mmap(int(f.Fd()), 0, int(n), unix.PROT_READ, unix.MAP_PRIVATE); err == nil {
			return &mapping{data, true}, nil
		}
	}
	data, err := io.ReadAll(f)
	return &mapping{data: data}, err
}

func (m *mapping) close() error {
	if !m.mapped {
		return nil
	}
	data := m.data
	m.data, m.mapped = nil, false
	return unix.Munmap(data)
}
