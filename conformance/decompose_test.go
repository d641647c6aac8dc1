package conformance

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes"
	"github.com/emilyc/emily/passes/decompose"
	"github.com/emilyc/emily/passes/rewrite"
)

// TestDefinitions: every composite, and nothing else, has a definition, which gives the results that the op's cases record.
func TestDefinitions(t *testing.T) {
	for k := range ir.NumKinds {
		if has := decompose.Definitions[k] != nil; has != k.Is(ir.Composite) {
			t.Errorf("%s: composite %v, has a definition %v", k, k.Is(ir.Composite), has)
		}
		if !k.Is(ir.Composite) {
			continue
		}
		t.Run(k.String(), func(t *testing.T) {
			funcs, err := readOps(filepath.Join("testdata", "ops", k.String()+".txtar"))
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range funcs {
				checkDefinition(t, k, f)
			}
		})
	}
}

func checkDefinition(t *testing.T, k ir.Kind, f opFunc) {
	m := f.module.Clone()
	c := &rewrite.Context{}
	c.Begin("decompose")
	if err := decompose.Run(m, c); err != nil {
		t.Fatal(err)
	}
	if err := ir.Verify(m); err != nil {
		t.Fatalf("%v\n%s", err, m)
	}
	m.Main().Body.Walk(func(op *ir.Op) {
		if op.Kind == k {
			t.Errorf("%s is left: refused %v\n%s", k, c.Refused, m)
		}
	})
	for _, c := range f.cases {
		out, err := interp.Run(context.Background(), m.Main(), c.in)
		if err != nil {
			t.Errorf("%s: %v\n%s", c.name, err, m)
			continue
		}
		if d := Compare(m.Main().Outputs, out, c.out, Lanes); d != nil {
			t.Errorf("%s: %s\n%s", c.name, cmp.Diff(nil, d), m)
		}
	}
}

// unfused are the composites that fuse has no pattern for.
var unfused = map[ir.Kind]string{
	ir.BatchNorm: "exporters keep it whole",
}

// TestFuseFindsDefinitions: a composite that is taken apart is put together again.
func TestFuseFindsDefinitions(t *testing.T) {
	apart, err := passes.Pipeline("decompose")
	if err != nil {
		t.Fatal(err)
	}
	for k := range ir.NumKinds {
		if !k.Is(ir.Composite) || unfused[k] != "" {
			continue
		}
		funcs, err := readOps(filepath.Join("testdata", "ops", k.String()+".txtar"))
		if err != nil {
			t.Fatal(err)
		}
		for i, f := range funcs {
			if f.module.Main().Results()[0].DType() != ir.F32 || strings.Contains(f.module.String(), `empty = "zero"`) {
				continue // exporters write the guard of empty rows by isnan, which hides NaN from elsewhere too
			}
			m := f.module.Clone()
			if _, err := passes.Run(m, append(apart, passes.Default...), passes.Options{Eval: interp.EvalOp, Verify: true}); err != nil {
				t.Fatal(err)
			}
			found := false
			m.Main().Body.Walk(func(op *ir.Op) { found = found || op.Kind == k })
			if !found {
				t.Errorf("%s, function %d, is not found again:\n%s", k, i, m)
			}
		}
	}
}
