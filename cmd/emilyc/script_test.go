package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"emilyc": main})
}

// TestScripts runs testdata/script/*.txtar. $ZOO is the small zoo, $BAD a case with a wrong result; the condition [mlx] holds where `emilyc setup` has
// been run.
func TestScripts(t *testing.T) {
	zoo, err := filepath.Abs("../../conformance/testdata/zoo")
	if err != nil {
		t.Fatal(err)
	}
	bad, err := filepath.Abs("testdata/bad") // y = x·x with a wrong recorded output
	if err != nil {
		t.Fatal(err)
	}
	ready := mlxReady()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("ZOO", zoo)
			e.Setenv("BAD", bad)
			e.Setenv("SAMPLES", filepath.Join(filepath.Dir(bad), "samples.npz")) // for train: x, labels
			for _, name := range []string{"HOME", "XDG_CACHE_HOME", "EMILY_MLX", "EMILY_PYTHON"} {
				if v, ok := os.LookupEnv(name); ok {
					e.Setenv(name, v)
				}
			}
			return nil
		},
		Condition: func(cond string) (bool, error) {
			return cond == "mlx" && ready, nil
		},
	})
}

func mlxReady() bool {
	for _, c := range runtime.Diagnose() {
		if !c.OK && (c.Name == "MLX" || c.Name == "shim" || c.Name == "calls") {
			return false
		}
	}
	return true
}
