// Package golden runs a pass over .eir texts and compares what it leaves with golden texts.
package golden

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Run runs the pass over every case in testdata/*.txtar. A case is a section NAME with a module, followed by a section
// NAME.out with the module after the pass, headed by the rules that applied. One without NAME.out is a near miss: the pass must
// leave it alone. Input and output must verify, and the output must survive print and parse.
func Run(t *testing.T, pass func(*ir.Module, *rewrite.Context) error, eval rewrite.EvalFunc) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range files {
		runFile(t, file, pass, eval)
	}
}

func runFile(t *testing.T, file string, pass func(*ir.Module, *rewrite.Context) error, eval rewrite.EvalFunc) {
	ar, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	outs := map[string]string{}
	for _, f := range ar.Files {
		if name, ok := strings.CutSuffix(f.Name, ".out"); ok {
			outs[name] = string(f.Data)
		}
	}
	fresh := &txtar.Archive{Comment: ar.Comment}
	for _, f := range ar.Files {
		if strings.HasSuffix(f.Name, ".out") {
			continue
		}
		name := filepath.Base(file) + "/" + f.Name
		fresh.Files = append(fresh.Files, f)
		t.Run(name, func(t *testing.T) {
			got := apply(t, string(f.Data), pass, eval)
			if got != "" {
				fresh.Files = append(fresh.Files, txtar.File{Name: f.Name + ".out", Data: []byte(got)})
			}
			if diff := cmp.Diff(outs[f.Name], got); diff != "" && !*update {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if *update {
		if err := os.WriteFile(file, txtar.Format(fresh), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// apply is the module after the pass under a line of the rules that applied, or "" where none did.
func apply(t *testing.T, text string, pass func(*ir.Module, *rewrite.Context) error, eval rewrite.EvalFunc) string {
	t.Helper()
	m, err := ir.Parse(text, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	before := m.String()
	c := &rewrite.Context{Eval: eval}
	c.Begin("test")
	if err := pass(m, c); err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(m); err != nil {
		t.Fatalf("after the pass: %v\n%s", err, m)
	}
	after := m.String()
	again, err := ir.Parse(after, ir.ParseOptions{})
	if err != nil {
		t.Fatalf("the pass's text does not parse: %v\n%s", err, after)
	}
	if diff := cmp.Diff(after, again.String()); diff != "" {
		t.Fatalf("print, parse, print (-want +got):\n%s", diff)
	}
	if len(c.Refused) > 0 {
		t.Errorf("refused: %v", c.Refused)
	}
	if c.Steps() == 0 {
		if diff := cmp.Diff(before, after); diff != "" {
			t.Errorf("changed without a step (-want +got):\n%s", diff)
		}
		return ""
	}
	var rules []string
	for _, r := range slices.Sorted(maps.Keys(c.Rules)) {
		rules = append(rules, fmt.Sprintf("%s %d", r, c.Rules[r]))
	}
	return "// " + strings.Join(rules, ", ") + "\n" + after
}
