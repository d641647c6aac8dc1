package main

import (
	"archive/zip"
	"fmt"
	"os"
	"strings"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

// readNPZ reads the array of p's name and dtype from a file that numpy.savez wrote.
func readNPZ(file *os.File, p emily.Port) (*ir.Tensor, error) {
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	z, err := zip.NewReader(file, info.Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w: write it with numpy.savez", file.Name(), err)
	}
	var names []string
	for _, entry := range z.File {
		name := strings.TrimSuffix(entry.Name, ".npy")
		names = append(names, fmt.Sprintf("%q", name))
		if name != p.Name {
			continue
		}
		r, err := entry.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", file.Name(), name, err)
		}
		defer r.Close()
		t, err := interp.ReadNPYAs(r, p.Type.DType)
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", file.Name(), name, err)
		}
		if t.DType != p.Type.DType || t.DType == ir.String {
			return nil, fmt.Errorf("%s: %q is %s, want %s", file.Name(), name, t.Type(), p.Type)
		}
		return t, nil
	}
	return nil, fmt.Errorf("%s: holds no array %q: there are %s", file.Name(), p.Name, strings.Join(names, ", "))
}
