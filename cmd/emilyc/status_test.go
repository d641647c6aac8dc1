package main

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestStatus: docs/status.md is what the tables and the recorded totals make. `make status` writes it again.
func TestStatus(t *testing.T) {
	want, err := os.ReadFile("../../docs/status.md")
	if err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	cmd := newOps(&options{})
	cmd.SetOut(&got)
	cmd.SetArgs([]string{"--markdown", "../../conformance/testdata/totals/onnx.txt"})
	if err := cmd.Execute(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("docs/status.md is not current: run make status (-file +made now)\n%s", diff)
	}
}
