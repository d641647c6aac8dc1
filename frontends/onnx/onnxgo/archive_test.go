package onnxgo

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/owulveryck/onnx-go/backend/testbackend"
	gorgonia "gorgonia.org/tensor"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

var update = flag.Bool("update", false, "write the archive of onnx-go's cases again")

// archivePath is where the suite onnx-go of `emilyc conformance` takes its cases from. The package that holds them is not
// linked into emilyc: it comes with the testing package, an HTTP server and 350 generated files.
const archivePath = "../../../conformance/testdata/onnx-go.tar.gz"

// file is a file of the archive, in the layout of ONNX's backend tests.
type file struct {
	Name string
	Data []byte
}

func TestArchive(t *testing.T) {
	var want []file
	for _, c := range suiteCases() {
		files, err := caseFiles(c)
		if err != nil {
			t.Fatalf("%s: %v", c.Title, err)
		}
		want = append(want, files...)
	}
	if *update {
		if err := os.WriteFile(archivePath, packed(t, want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if d := cmp.Diff(want, unpacked(t)); d != "" {
		t.Errorf("%s is not the cases of onnx-go, make it with -update (-want +got):\n%.2000s", archivePath, d)
	}
}

// caseFiles has inputs as onnx-go's case has them, outputs in the dtype that the model declares.
func caseFiles(c *testbackend.TestCase) ([]file, error) {
	files := []file{{path.Join(c.Title, "model.onnx"), c.ModelB}}
	model, err := onnx.FromBytes(c.Title, c.ModelB)
	if err != nil {
		return nil, err
	}
	for i, in := range c.Input {
		f, err := tensorFile(path.Join(c.Title, fmt.Sprintf("test_data_set_0/input_%d.pb", i)), in, ir.Invalid)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	for i, out := range c.ExpectedOutput {
		declared := onnx.DType(model.Model.Graph.Output[i].GetType().GetTensorType().GetElemType())
		d, err := ir.ParseDType(declared.String())
		if err != nil {
			return nil, err
		}
		f, err := tensorFile(path.Join(c.Title, fmt.Sprintf("test_data_set_0/output_%d.pb", i)), out, d)
		if err != nil {
			return nil, err
		}
		files = append(files, f)
	}
	return files, nil
}

func tensorFile(name string, g gorgonia.Tensor, as ir.DType) (file, error) {
	t, err := interp.FromGorgonia(g.(*gorgonia.Dense))
	if err != nil {
		return file{}, err
	}
	if as != ir.Invalid && as != t.DType {
		cast := whole(t, as)
		if cast == nil {
			return file{}, fmt.Errorf("%s: %s, the model declares %s", name, t.DType, as)
		}
		t = cast
	}
	data, err := tensorProto("", t).MarshalVT()
	return file{name, data}, err
}

// packed is a tar.gz of the files; one that is the same as an earlier one is a link to it.
func packed(t *testing.T, files []file) []byte {
	var buf bytes.Buffer
	z, err := gzip.NewWriterLevel(&buf, gzip.BestCompression)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	const worthwhile = 1 << 10
	first := map[string]string{}
	for _, f := range files {
		h := &tar.Header{Name: f.Name, Mode: 0o644, Size: int64(len(f.Data)), Format: tar.FormatUSTAR}
		at := first[string(f.Data)]
		switch {
		case at != "":
			h.Typeflag, h.Linkname, h.Size = tar.TypeLink, at, 0
		case len(f.Data) >= worthwhile:
			first[string(f.Data)] = f.Name
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if at != "" {
			continue
		}
		if _, err := w.Write(f.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func unpacked(t *testing.T) []file {
	data, err := os.ReadFile(archivePath)
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var files []file
	byName := map[string][]byte{}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if h.Typeflag == tar.TypeLink {
			content = byName[h.Linkname]
		}
		byName[h.Name] = content
		files = append(files, file{h.Name, content})
	}
}
