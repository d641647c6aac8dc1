package main

import (
	"strings"
	"testing"
)

func TestEmbed(t *testing.T) {
	var out strings.Builder
	if err := embed(&out, "../../conformance/testdata/zoo/distilbert/model.onnx", []string{"1,2,3", "1,2,3", "4,5"}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(out.String(), "\n")
	if len(lines) != 4 || lines[0] != lines[1] || lines[0] == lines[2] || !strings.HasPrefix(lines[0], "64: [") {
		t.Errorf("%q", lines)
	}
	if err := embed(&out, "none.onnx", nil); err == nil {
		t.Error("a missing model is no error")
	}
	if err := embed(&out, "../../conformance/testdata/zoo/distilbert/model.onnx", []string{"x"}); err == nil {
		t.Error("a bad id is no error")
	}
}
