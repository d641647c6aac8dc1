package fuse_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/fuse"
	"github.com/emilyc/emily/passes/internal/golden"
	"github.com/emilyc/emily/passes/rewrite"
)

func TestGolden(t *testing.T) { golden.Run(t, fuse.Run, nil) }

// golds are the cases of testdata, by file and name.
func golds(t *testing.T) (names []string, texts map[string]string) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	texts = map[string]string{}
	for _, file := range files {
		ar, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range ar.Files {
			if !strings.HasSuffix(f.Name, ".out") {
				name := strings.TrimSuffix(filepath.Base(file), ".txtar") + "/" + f.Name
				names, texts[name] = append(names, name), string(f.Data)
			}
		}
	}
	return names, texts
}

func parse(t *testing.T, text string) *ir.Module {
	t.Helper()
	m, err := ir.Parse(text, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestExplain: what nearly matches says where it stopped and why, as testdata/explain.golden has it for all cases.
func TestExplain(t *testing.T) {
	names, texts := golds(t)
	var got strings.Builder
	for _, name := range names {
		m := parse(t, texts[name])
		var e fuse.Explanation
		c := &rewrite.Context{Explain: e.Add}
		c.Begin("fuse")
		if err := fuse.Run(m, c); err != nil {
			t.Fatal(err)
		}
		list := e.List(m, "all")
		if len(list) == 0 && c.Steps() == 0 {
			for _, p := range fuse.Patterns {
				list = append(list, e.List(m, p.Name)...)
			}
		}
		if len(list) == 0 && c.Steps() == 0 {
			t.Errorf("%s: nothing says why it stays as it is", name)
		}
		if len(list) > 0 {
			fmt.Fprintf(&got, "# %s\n%s", name, fuse.Text(list))
		}
	}
	const file = "testdata/explain.golden"
	if flag.Lookup("update").Value.String() == "true" {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
