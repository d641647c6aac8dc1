package grad_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/grad"
)

// TestEveryOp: of every program of the suites of ops there is a sound gradient, or an error that says what cannot be differentiated.
func TestEveryOp(t *testing.T) {
	files, err := filepath.Glob("../../conformance/testdata/ops/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	built := 0
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range a.Files {
			if !strings.HasSuffix(f.Name, ".eir") {
				continue
			}
			m, err := ir.Parse(string(f.Data), ir.ParseOptions{})
			if err != nil {
				t.Fatal(err)
			}
			built += everyGradient(t, m)
		}
	}
	if built < 100 {
		t.Errorf("%d gradients", built)
	}
}

func everyGradient(t *testing.T, m *ir.Module) int {
	t.Helper()
	n := 0
	for _, out := range m.Main().Outputs {
		for _, p := range m.Main().Inputs() {
			g, err := grad.Build(m, grad.Options{Loss: out, Wrt: []string{p.Name}, Cotangent: "d loss", Value: true, Recompute: 2})
			var e *ir.Error
			if err != nil && (!errors.As(err, &e) || e.Msg == "") {
				t.Errorf("%v\n%s", err, m)
			}
			if err == nil {
				sound(t, g)
				n++
			}
		}
	}
	return n
}
