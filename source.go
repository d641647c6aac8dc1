package emily

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/grad"
)

// source is the file that a model comes from.
type source interface {
	// module imports or parses it, with inputs bound to values.
	module(dims map[string]int64, values map[string]*ir.Tensor) (*ir.Module, error)
	close() error
}

// textHead starts every .eir file.
var textHead = []byte("module ")

// openSource tells by its first bytes what the file is: a bundle, the IR's text, or else ONNX.
func openSource(path string) (source, error) {
	head, err := readHead(path, 16)
	switch {
	case err != nil:
		return nil, err
	case bytes.HasPrefix(head, textHead):
		return openText(path)
	case isBundle(head):
		return openBundle(path)
	}
	f, err := onnx.Open(path)
	if err != nil {
		return nil, err
	}
	return onnxSource{f}, nil
}

func readHead(path string, n int) ([]byte, error) {
	if st, err := os.Stat(path); err != nil || !st.Mode().IsRegular() {
		return nil, nil // onnx.Open says what is wrong, and how to mend it
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, n)
	k, err := io.ReadFull(f, head)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	return head[:k], err
}

type onnxSource struct{ file *onnx.File }

func (s onnxSource) module(dims map[string]int64, values map[string]*ir.Tensor) (*ir.Module, error) {
	return onnx.Import(s.file, onnx.Options{Dims: dims, Values: values, Eval: interp.EvalOp, Gradient: grad.Append})
}

func (s onnxSource) close() error { return s.file.Close() }

// textSource is a parsed module and the files that its constants view.
type textSource struct {
	path   string
	parsed *ir.Module
	files  []*onnx.Mapping
}

// openText reads a .eir file. The files it names are found relative to its folder.
func openText(path string) (source, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &textSource{path: path}
	s.parsed, err = ir.Parse(string(text), ir.ParseOptions{Blob: func(name, at string, size int64) (*ir.Blob, error) {
		file := at
		if !filepath.IsAbs(at) {
			file = filepath.Join(filepath.Dir(path), at)
		}
		m, err := onnx.MapFile(file)
		if err != nil {
			return nil, err
		}
		s.files = append(s.files, m)
		if int64(len(m.Data)) != size {
			return nil, fmt.Errorf("%s has %d bytes, the text was made for %d; compile the model again", file, len(m.Data), size)
		}
		return &ir.Blob{Name: name, Path: file, Data: m.Data}, nil
	}})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), s.close())
	}
	return s, s.check()
}

func (s *textSource) check() error {
	if s.parsed.Main() == nil {
		return errors.Join(fmt.Errorf("%s: holds no function", s.path), s.close())
	}
	return nil
}

func (s *textSource) module(dims map[string]int64, values map[string]*ir.Tensor) (*ir.Module, error) {
	if len(values) > 0 {
		return nil, fmt.Errorf("%s: inputs of a compiled model cannot be bound to values; bind them when it is compiled", s.path)
	}
	m := s.parsed.Clone()
	return m, bindDims(m.Main(), dims)
}

func (s *textSource) close() error {
	var errs []error
	for _, m := range s.files {
		errs = append(errs, m.Close())
	}
	s.files = nil
	return errors.Join(errs...)
}

// moduleSource is a module in memory, which is never read again.
type moduleSource struct{}

func (moduleSource) module(map[string]int64, map[string]*ir.Tensor) (*ir.Module, error) {
	return nil, errors.New("a program in memory has no source")
}

func (moduleSource) close() error { return nil }
