package mlx_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/emilyc/emily/lower/mlx"
	"github.com/google/go-cmp/cmp"
)

// TestDocExamples: the plans in docs/lowering.md are what the functions before them become.
func TestDocExamples(t *testing.T) {
	doc, err := os.ReadFile("../../docs/lowering.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```eir gpu\n(.*?)// becomes\n(.*?)```").FindAllStringSubmatch(string(doc), -1)
	if len(examples) < 2 {
		t.Errorf("%d examples", len(examples))
	}
	for _, e := range examples {
		plan, err := mlx.Lower(parseIR(t, "module \"m\"\n"+e[1]), mlx.Options{Device: mlx.GPU})
		if err != nil {
			t.Fatal(err)
		}
		text := plan.String()
		if d := cmp.Diff(e[2], text[strings.Index(text, "program"):]); d != "" {
			t.Errorf("-docs +plan:\n%s", d)
		}
	}
}
