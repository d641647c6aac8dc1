package conformance

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/schema"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
)

func totalsCases() []Result {
	lanes := func(a, b error) []LaneResult { return []LaneResult{{Lane: "interp", Err: a}, {Lane: "mlx", Err: b}} }
	op := &ir.Op{Kind: ir.Cast}
	host := func() error { return &mlx.Unsupported{Op: op, Reason: "MLX has no dtype string"} }
	missing := &onnx.Error{Kind: onnx.Unsupported, Op: "Scaler", Domain: "ai.onnx.ml", Node: "n1", Msg: "not known"}
	return []Result{
		{Op: "Cast", Lanes: lanes(nil, nil)},
		{Op: "Cast", Lanes: lanes(nil, host())},
		{Op: "Cast", Lanes: lanes(nil, host())},
		{Op: "ai.onnx.ml.Scaler", Lanes: lanes(missing, missing)},
		{Op: "", Lanes: lanes(&Difference{}, nil)},
		{Op: "Abs", Lanes: lanes(nil, errors.New("panic: 17"))},
	}
}

func TestTotals(t *testing.T) {
	want := Totals{
		Lanes: []string{"interp", "mlx"},
		Ops:   []OpTotal{{"(several)", 1, []int{0, 1}}, {"Abs", 1, []int{1, 0}}, {"Cast", 3, []int{3, 1}}, {"ai.onnx.ml.Scaler", 1, []int{0, 0}}},
		Why: []Reason{{"interp", 1, "the importer does not do ai.onnx.ml.Scaler"}, {"interp", 1, "the result differs from the recorded one"},
			{"mlx", 2, "cast: MLX has no dtype string"}, {"mlx", 1, "another error"}},
	}
	got := Total(totalsCases())
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if diff := cmp.Diff(OpTotal{Cases: 6, Passed: []int{4, 2}}, got.Sum()); diff != "" {
		t.Errorf("sum: -want +got\n%s", diff)
	}
	if o, ok := got.Op("Cast"); !ok || o.Cases != 3 {
		t.Errorf("Op finds %+v, %v", o, ok)
	}
	if _, ok := got.Op("Relu"); ok {
		t.Error("Op finds what is not there")
	}
}

// TestTotalsFile: what is written is read again, compared, and refused where it is wrong.
func TestTotalsFile(t *testing.T) {
	want := Total(totalsCases())
	var text strings.Builder
	if _, err := want.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "totals.txt")
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(text.String())
	got, err := ReadTotals(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if err := CheckTotals(path, totalsCases()); err != nil {
		t.Error(err)
	}
	if err := CheckTotals(path, totalsCases()[:3]); err == nil || !strings.Contains(err.Error(), "--update") {
		t.Errorf("a change is %v", err)
	}
	for _, bad := range []string{"lanes interp\nop Abs 1 x\n", "lanes interp\nop Abs\n", "why interp\n"} {
		write(bad)
		if _, err := ReadTotals(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// TestCovered: every operator of the schemas is listed once, with each of its versions imported or missing.
func TestCovered(t *testing.T) {
	versions, imported := 0, 0
	seen := map[string]bool{}
	for _, c := range Covered() {
		if seen[c.Name()] {
			t.Errorf("%s is listed twice", c.Name())
		}
		seen[c.Name()] = true
		versions += len(c.Imported) + len(c.Missing)
		imported += len(c.Imported)
		if done := len(c.Imported) > 0; done != (c.Interp() == "yes") || !done && c.MLX() != "no" {
			t.Errorf("%s: imported %v, interp %s, mlx %s", c.Name(), c.Imported, c.Interp(), c.MLX())
		}
	}
	all := 0
	for range schema.All() {
		all++
	}
	if versions != all || imported != len(onnx.Ops()) {
		t.Errorf("%d versions of %d, %d rows of %d", versions, all, imported, len(onnx.Ops()))
	}
}
