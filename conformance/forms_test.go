package conformance

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes"
)

// The shapes in which exporters, function bodies and optimisers leave composites: testdata/forms/make.py writes the models.
const (
	formsArchive = "testdata/forms.tar.gz"
	formsFile    = "testdata/forms/forms.txt"
)

var update = flag.Bool("update", false, "write forms.txt anew")

// TestForms: the optimiser leaves what testdata/forms/forms.txt says: a line for each form, with its ops but constants.
func TestForms(t *testing.T) {
	cases := forms(t)
	var got strings.Builder
	for _, c := range cases {
		fmt.Fprintf(&got, "%s: %s\n", c.Name, census(t, c.Model))
	}
	if *update {
		if err := os.WriteFile(formsFile, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(formsFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFormsAgree: what is fused computes what was imported, through the text form, ONNX and on MLX where it is set up. Forms in
// halves are left out: fusing rounds them less often.
func TestFormsAgree(t *testing.T) {
	cases := slices.DeleteFunc(forms(t), func(c Case) bool { return strings.HasPrefix(c.Name, "transformers16/") })
	lanes := slices.DeleteFunc(slices.Clone(available(t)), func(l Lane) bool { return l.Name == "mlx-compiled" || l.Name == "python" })
	results := Run(t.Context(), cases, Options{Lanes: lanes, Rel: -1, Abs: -1, Timeout: time.Minute, Lane: LaneOptions{Fallback: "error"}})
	check(t, results, len(cases))
}

func forms(t *testing.T) []Case {
	t.Helper()
	root := filepath.Join(t.TempDir(), "forms")
	if err := unpackArchive(formsArchive, root); err != nil {
		t.Fatal(err)
	}
	cases, err := Find(root)
	if err != nil {
		t.Fatal(err)
	}
	return cases
}

// census counts the ops that are left, by kind.
func census(t *testing.T, path string) string {
	t.Helper()
	model, err := emily.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	defer model.Close()
	m, err := model.Module()
	if err != nil {
		t.Fatal(err)
	}
	m = m.Clone()
	if _, err := passes.Run(m, passes.Default, passes.Options{Eval: interp.EvalOp, Verify: true}); err != nil {
		t.Fatal(err)
	}
	count := map[ir.Kind]int{}
	m.Main().Body.Walk(func(op *ir.Op) { count[op.Kind]++ })
	var out []string
	for _, k := range slices.Sorted(maps.Keys(count)) {
		switch {
		case k == ir.Const || k == ir.Dims || k == ir.Yield:
		case count[k] == 1:
			out = append(out, k.String())
		default:
			out = append(out, fmt.Sprintf("%d×%s", count[k], k))
		}
	}
	return strings.Join(out, " ")
}
