package conformance

import (
	"path/filepath"
	"testing"
	"time"
)

// onnx-go's cases through its decoder, on the interpreter and on MLX where it is set up.
func TestONNXGo(t *testing.T) {
	root := filepath.Join(t.TempDir(), "cases")
	if err := unpackArchive(filepath.Join("..", onnxGoArchive), root); err != nil {
		t.Fatal(err)
	}
	cases, err := onnxGoCases(root)
	if err != nil {
		t.Fatal(err)
	}
	expected, err := ReadExpected("testdata/expected/onnx-go.txt")
	if err != nil {
		t.Fatal(err)
	}
	lanes := []Lane{}
	for _, l := range available(t) {
		if l.Name == "interp" || l.Name == "mlx" {
			lanes = append(lanes, l)
		}
	}
	results := Run(t.Context(), cases, Options{Lanes: lanes, Rel: -1, Abs: -1, Timeout: time.Minute, Lane: LaneOptions{Fallback: "silent"}})
	expected.Apply(results)
	check(t, results, 345)
}
