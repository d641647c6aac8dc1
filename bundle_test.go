package emily_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
)

// TestBundleBlobs: a constant of a bundle lies in the file at its offset, where emitted programs look for it.
func TestBundleBlobs(t *testing.T) {
	module, err := load(t, distilbert).Module()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := emily.WriteBundle(module, path); err != nil {
		t.Fatal(err)
	}
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	again, err := load(t, path).Module()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	again.Main().Body.Walk(func(op *ir.Op) {
		if a, ok := op.Attrs.(*ir.ConstAttrs); ok && a.Blob != nil {
			seen++
			if a.Blob.Path != path || !bytes.Equal(file[a.Off:a.Off+a.Len], a.Bytes()) {
				t.Errorf("constant at %d of %s is not there", a.Off, a.Blob.Path)
			}
		}
	})
	if seen == 0 {
		t.Error("no constants in the file")
	}
}
