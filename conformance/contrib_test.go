package conformance

import (
	"path/filepath"
	"testing"
	"time"
)

// onnxruntime's own operators, on the interpreter, through the text form, and on MLX where it is set up.
func TestContrib(t *testing.T) {
	root := filepath.Join(t.TempDir(), "cases")
	if err := unpackArchive(filepath.Join("..", contribArchive), root); err != nil {
		t.Fatal(err)
	}
	cases, err := Find(root)
	if err != nil {
		t.Fatal(err)
	}
	lanes := []Lane{}
	for _, l := range available(t) {
		if l.Name == "interp" || l.Name == "roundtrip" || l.Name == "mlx" {
			lanes = append(lanes, l)
		}
	}
	results := Run(t.Context(), cases, Options{Lanes: lanes, Rel: -1, Abs: -1, Timeout: time.Minute, Lane: LaneOptions{Fallback: "error"}})
	check(t, results, len(cases))
}
