package passes_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/passes"
)

// TestDocs: docs/passes.md names every pass and rule, and its examples are true.
func TestDocs(t *testing.T) {
	data, err := os.ReadFile("../docs/passes.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(data)
	for _, p := range passes.All {
		if !strings.Contains(doc, "\n## "+p.Name+"\n") {
			t.Errorf("no section on pass %s", p.Name)
		}
		for _, r := range p.Rules {
			if !strings.Contains(doc, "`"+r.Name+"`") {
				t.Errorf("no row for rule %s of %s", r.Name, p.Name)
			}
		}
	}
	for _, m := range regexp.MustCompile("(?s)```eir (\\w+)\n(.*?)// becomes\n(.*?)```").FindAllStringSubmatch(doc, -1) {
		t.Run(m[1], func(t *testing.T) {
			pipeline, err := passes.Pipeline(m[1])
			if err != nil {
				t.Fatal(err)
			}
			const head = "module \"doc\"\n"
			got := parse(t, head+m[2])
			if _, err := passes.Run(got, pipeline, passes.Options{Eval: interp.EvalOp, Verify: true}); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(head+m[3], got.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
