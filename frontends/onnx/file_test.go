package onnx

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

func TestOpenInvalid(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		path  string
		kind  ErrorKind
		parts []string
	}{
		{filepath.Join(dir, "nothing.onnx"), Missing, []string{"nothing.onnx: no such file", "check the path"}},
		{dir, Invalid, []string{"is a directory", "name the model file in it"}},
		{fifo, Invalid, []string{"not a regular file"}},
		{os.DevNull, Invalid, []string{"not a regular file"}},
		{writeFile(t, dir, "empty.onnx", nil), Truncated, []string{"empty.onnx: the file is empty"}},
	} {
		bounded(t, func() {
			_, err := Open(tc.path)
			wantError(t, err, tc.kind, tc.parts...)
		})
	}
	_, err := Open(filepath.Join(dir, "nothing.onnx"))
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
}

func TestClose(t *testing.T) {
	path := writeFile(t, t.TempDir(), "model.onnx", marshal(t, modelOf()))
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if f.Model != nil || f.Mapping().Data != nil {
		t.Error("views of an unmapped file remain")
	}
}

// TestLargeModelIsNotRead opens a sparse file of 2 GB and counts its pages in memory.
func TestLargeModelIsNotRead(t *testing.T) {
	const size = 2 << 30
	path := filepath.Join(t.TempDir(), "large.onnx")
	large := tensorOf("w", pb.TensorProto_UINT8, size)
	writeSparse(t, path, large, size)
	var f *File
	bounded(t, func() {
		var err error
		if f, err = Open(path); err != nil {
			t.Skip(err) // no room for the address range or the file
		}
		p, err := f.Tensor(f.Model.Graph.Initializer[0])
		if err != nil {
			t.Fatal(err)
		}
		if p.Len != size || p.Map != f.Mapping() {
			t.Errorf("got %d bytes of %v", p.Len, p.Map.Path)
		}
	})
	defer f.Close()
	if n := residentKiB(t, f.Mapping().Data); n > 4096 {
		t.Errorf("%d KiB of the file were read, want at most 4096", n)
	}
}

// writeSparse writes a model whose one tensor has size bytes of raw data, a hole on disk.
func writeSparse(t *testing.T, path string, tp *pb.TensorProto, size int) {
	t.Helper()
	head := func(num byte, n int) []byte {
		b := []byte{num<<3 | 2}
		for ; n >= 0x80; n >>= 7 {
			b = append(b, byte(n)|0x80)
		}
		return append(b, byte(n))
	}
	raw, meta := head(9, size), marshal(t, tp)
	tensor := head(5, len(meta)+len(raw)+size)
	graph := head(7, len(tensor)+len(meta)+len(raw)+size)
	data := append(append(append(graph, tensor...), meta...), raw...)
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, int64(len(data)+size)); err != nil {
		t.Skip(err)
	}
}

// TestZoo decodes real models where the project's machine has them.
func TestZoo(t *testing.T) {
	paths, _ := filepath.Glob("../../../shared/models/*/*/model.onnx")
	if len(paths) == 0 {
		t.Skip("no models beside the project")
	}
	for _, path := range paths {
		t.Run(filepath.Base(filepath.Dir(path)), func(t *testing.T) {
			f, err := Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			checkModel(t, f)
			inputs, _ := filepath.Glob(filepath.Join(filepath.Dir(path), "test_data_set_*", "*.pb"))
			for _, in := range inputs {
				if _, err := ReadTensorPB(in); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// checkModel resolves all tensors and attributes of the main graph. The weights of some models
// are made on demand: their absence is fine.
func checkModel(t *testing.T, f *File) {
	var e *Error
	for _, tp := range f.Model.Graph.Initializer {
		if _, err := f.Tensor(tp); err != nil && !(errors.As(err, &e) && errors.Is(err, fs.ErrNotExist)) {
			t.Error(err)
		}
	}
	for _, n := range f.Model.Graph.Node {
		a := NewAttrs(n.Attribute)
		for _, p := range n.Attribute {
			if typ, err := AttrType(p); err != nil || typ == pb.AttributeProto_UNDEFINED {
				t.Errorf("%s: attribute %s: %v, %v", n.GetName(), p.GetName(), typ, err)
			}
			a.Get(p.GetName())
			if p.T != nil {
				if _, err := f.Tensor(p.T); err != nil {
					t.Error(err)
				}
			}
		}
		if err := a.Err(); err != nil || len(a.Unused()) > 0 {
			t.Errorf("%s: %v, unused %v", n.GetName(), err, a.Unused())
		}
	}
}
