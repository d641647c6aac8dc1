package onnx

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Mapping is a file in memory, read-only: writing to Data faults. It is shared by all that views
// it and lives until its File is closed. A file that somebody cuts short while it is mapped
// faults too (SIGBUS); replace model files by renaming over them.
type Mapping struct {
	Path string // as the user can open it
	Data []byte

	start unsafe.Pointer // of what mmap gave; nil where Data was read or handed in
}

// Close unmaps the file. A File closes those that it mapped.
func (m *Mapping) Close() error {
	if m.start == nil {
		return nil
	}
	start, size := m.start, uintptr(os.Getpagesize()+len(m.Data))
	m.Data, m.start = nil, nil
	return unix.MunmapPtr(start, size)
}

// mmap maps size bytes of f behind a page of zeros, so that there is something to read before the first byte: where MLX's CPU
// allocator keeps a header of its buffers it then uses weights in place, also those at the start of the file.
func (m *Mapping) mmap(f *os.File, size int) error {
	page := os.Getpagesize()
	start, err := unix.MmapPtr(-1, 0, nil, uintptr(page+size), unix.PROT_READ, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return err
	}
	data := unsafe.Add(start, page)
	if _, err := unix.MmapPtr(int(f.Fd()), 0, data, uintptr(size), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_FIXED); err != nil {
		return errors.Join(err, unix.MunmapPtr(start, uintptr(page+size)))
	}
	m.start, m.Data = start, unsafe.Slice((*byte)(data), size)
	return nil
}

var (
	errNotRegular = errors.New("not a regular file")
	errDirectory  = errors.New("is a directory")
)

// openFlags keep a FIFO from blocking; what was opened is then looked at.
const openFlags = os.O_RDONLY | unix.O_NONBLOCK | unix.O_CLOEXEC

// mapFile maps f whole, and reads it where that cannot be done (an empty file, some network and
// FUSE file systems). It does not close f.
//
// Errors: errDirectory, errNotRegular, those of the system.
func mapFile(f *os.File, path string) (*Mapping, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if err := regular(st.Mode()); err != nil {
		return nil, err
	}
	m := &Mapping{Path: path}
	if size := st.Size(); size > 0 && size <= math.MaxInt-int64(os.Getpagesize()) && m.mmap(f, int(size)) == nil {
		return m, nil
	}
	m.Data, err = io.ReadAll(f)
	return m, err
}

// MapFile maps the regular file at path, and reads it where it cannot be mapped.
//
// Errors: *fs.PathError, of the system or for what is no regular file.
func MapFile(path string) (*Mapping, error) {
	f, err := os.OpenFile(path, openFlags, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m, err := mapFile(f, path)
	if err != nil && !errors.As(err, new(*fs.PathError)) {
		err = &fs.PathError{Op: "map", Path: path, Err: err}
	}
	return m, err
}

func regular(mode fs.FileMode) error {
	switch {
	case mode.IsDir():
		return errDirectory
	case !mode.IsRegular():
		return errNotRegular
	}
	return nil
}
