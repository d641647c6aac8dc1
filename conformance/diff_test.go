package conformance

import (
	"path/filepath"
	"testing"
	"time"
)

// The differential cases, on the interpreter, through the text form and on MLX where it is set up.
func TestDiff(t *testing.T) {
	root := filepath.Join(t.TempDir(), "cases")
	if err := unpackArchive(filepath.Join("..", diffArchive), root); err != nil {
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
	check(t, Run(t.Context(), cases, Options{Lanes: lanes, Rel: -1, Abs: -1, Timeout: time.Minute, Lane: LaneOptions{Fallback: "silent"}}), len(cases))
	if len(cases) < 3000 {
		t.Errorf("%d cases, want 3000 or more", len(cases))
	}
}
