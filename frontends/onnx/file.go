// Package onnx decodes ONNX models over a mapped file and imports them into the IR.
package onnx

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"unsafe"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// File is a decoded model. Names and tensor data in Model and in the payloads made from it are
// views of the file: they are read-only and must not be used after Close.
//
// Its methods may be called by several goroutines, except Close.
type File struct {
	Path  string // as given to Open, for messages
	Model *pb.ModelProto

	main *Mapping
	dir  string // where external data lies, "" if there is none

	mu       sync.Mutex
	root     *os.Root            // of dir, opened at first use
	external map[string]*Mapping // by location
}

// Open maps and decodes the model at path. It reads the structure only: tensor data stays on
// disk until somebody looks at it, and external files are opened when Tensor first needs them.
//
// Errors are of type *Error: Missing if there is no such file, Invalid if it is no regular file
// or holds no graph, Truncated, Malformed, TooDeep and TooLarge if it cannot be decoded.
func Open(path string) (*File, error) {
	m, err := openModel(path)
	if err != nil {
		return nil, Locate(err, Error{File: path})
	}
	f := &File{Path: path, main: m, dir: filepath.Dir(path)}
	if err := f.decode(); err != nil {
		f.Close()
		return nil, Locate(err, Error{File: path})
	}
	return f, nil
}

// FromBytes decodes a model in memory; name stands for the file in messages. The File has views
// of data, which must not change. It has no folder, so external data is an error.
//
// Errors: as Open's.
func FromBytes(name string, data []byte) (*File, error) {
	f := fromBytes(name, data)
	if err := f.decode(); err != nil {
		return nil, Locate(err, Error{File: name})
	}
	return f, nil
}

// FromModel is a model that was never a file: m, as built in memory. name stands for the file in messages. External
// data is an error.
func FromModel(name string, m *pb.ModelProto) *File {
	f := fromBytes(name, nil)
	f.Model = m
	return f
}

func fromBytes(name string, data []byte) *File {
	return &File{Path: name, main: &Mapping{Path: name, Data: data}}
}

// Close unmaps the model and its external files. Everything that views them becomes invalid:
// using it faults.
func (f *File) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.main.Close()
	for _, m := range f.external {
		err = errors.Join(err, m.Close())
	}
	if f.root != nil {
		err = errors.Join(err, f.root.Close())
	}
	f.external, f.root, f.Model = nil, nil, nil
	return err
}

// Mapping is the model file itself.
func (f *File) Mapping() *Mapping { return f.main }

func openModel(path string) (*Mapping, error) {
	m, err := MapFile(path)
	if err != nil {
		return nil, openError(err)
	}
	return m, nil
}

// openError says what to do about a model file that cannot be opened.
func openError(err error) error {
	e := &Error{Kind: Invalid, Err: err}
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		e.Err = p.Err // the path is in File already
	}
	switch {
	case errors.Is(err, errDirectory):
		e.Remedy = "name the model file in it"
	case errors.Is(err, errNotRegular):
		e.Remedy = "save the model to a file first: it is mapped, not streamed"
	case errors.Is(err, fs.ErrNotExist):
		e.Kind, e.Remedy = Missing, "check the path"
	case errors.Is(err, fs.ErrPermission):
		e.Remedy = "make it readable"
	}
	return e
}

// lfsPrefix starts the text that git leaves in the place of a large file it has not fetched.
var lfsPrefix = []byte("version https://git-lfs.github.com/spec/")

func (f *File) decode() error {
	data := f.main.Data
	if len(data) == 0 {
		return errf(Truncated, remedyDownload, "the file is empty")
	}
	if bytes.HasPrefix(data, lfsPrefix) {
		return errf(Malformed, "run git lfs pull", "a Git LFS pointer, not the model")
	}
	f.Model = new(pb.ModelProto)
	if err := unmarshal(data, onnxWire().model, f.Model); err != nil {
		return err
	}
	if f.Model.Graph == nil {
		return errf(Invalid, remedyExport, "holds no graph: not an ONNX model")
	}
	return nil
}

type unmarshaler interface{ UnmarshalVTUnsafe([]byte) error }

// unmarshal decodes data into m, of type root, once it is known to be harmless.
func unmarshal(data []byte, root *message, m unmarshaler) error {
	if err := scan(data, root); err != nil {
		return err
	}
	if err := m.UnmarshalVTUnsafe(data); err != nil {
		return &Error{Kind: Malformed, Msg: "not an ONNX model", Remedy: remedyDownload, Err: err}
	}
	return nil
}

// offset finds a decoded field in the mapped model. A message that was not decoded from this
// file is elsewhere.
func (f *File) offset(view []byte) (off int64, ok bool) {
	data := f.main.Data
	if len(view) == 0 || len(data) == 0 {
		return 0, false
	}
	start, base := uintptr(unsafe.Pointer(&view[0])), uintptr(unsafe.Pointer(&data[0]))
	if start < base || start-base > uintptr(len(data)-len(view)) || len(view) > len(data) {
		return 0, false
	}
	return int64(start - base), true
}
