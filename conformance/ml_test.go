package conformance

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
)

// TestML runs the operators of ai.onnx.ml, 6-bit floats and other things that onnxruntime does not run, and a loop over a list, of which make.py in these folders records results.
func TestML(t *testing.T) {
	names := []string{"interp", "interp-opt", "roundtrip"}
	if _, _, err := runtime.Version(); err == nil {
		names = append(names, "mlx")
	}
	dirs := []string{"testdata/sequence"}
	for _, name := range []string{"ml", "reference"} {
		root := filepath.Join(t.TempDir(), name)
		if err := unpackArchive(filepath.Join("testdata", name, "cases.tar.gz"), root); err != nil {
			t.Fatal(err)
		}
		dirs = append(dirs, root)
	}
	var cases []Case
	for _, dir := range dirs {
		found, err := Find(dir)
		if err != nil {
			t.Fatal(err)
		}
		cases = append(cases, found...)
	}
	var lanes []Lane
	for _, name := range names {
		l, err := SelectLanes(name)
		if err != nil {
			t.Fatal(err)
		}
		lanes = append(lanes, l...)
	}
	for _, r := range Run(context.Background(), cases, Options{Lanes: lanes, Rel: -1, Abs: -1, Lane: LaneOptions{Fallback: mlx.FallbackSilent}}) {
		for _, l := range r.Lanes {
			if l.Err != nil {
				t.Errorf("%s, %s: %v", r.Case.Name, l.Lane, l.Err)
			}
		}
		if len(r.Lanes) == 0 {
			t.Errorf("%s did not run", r.Case.Name)
		}
	}
}
