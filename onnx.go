package emily

import (
	"io"
	"os"
	"path/filepath"

	"github.com/emilyc/emily/frontends/onnx/export"
	"github.com/emilyc/emily/ir"
)

// WriteONNX writes m's main function as an ONNX model to path, with large constants in path.data beside it. Either file is
// replaced when all of it is written.
//
// Errors: *export.Error for an op that ONNX cannot express, and those of the file system.
func WriteONNX(m *ir.Module, path string) error {
	data := filepath.Base(path) + ".data"
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		data = "" // a pipe has no file beside it
	}
	model, err := export.Export(m, export.Options{Data: data})
	if err != nil {
		return err
	}
	file, err := model.Marshal()
	if err != nil {
		return err
	}
	if model.HasData() {
		if err := WriteFile(path+".data", model.WriteData); err != nil {
			return err
		}
	}
	return WriteFile(path, func(w io.Writer) error {
		_, err := w.Write(file)
		return err
	})
}
