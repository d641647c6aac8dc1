package runtime

import (
	"context"
	"os"
	"runtime"
	"testing"

	"github.com/ebitengine/purego"
)

// TestSetup builds into a cache of its own. It is slow, so it runs only where asked for.
func TestSetup(t *testing.T) {
	if os.Getenv("EMILY_TEST_SETUP") == "" {
		t.Skip("skipped: set EMILY_TEST_SETUP=1 to build the shim anew")
	}
	r, err := Setup(context.Background(), SetupOptions{Log: os.Stderr})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", r)
	for _, c := range Diagnose() {
		t.Logf("%+v", c)
		if !c.OK {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
}

// TestBLASStub fetches OpenBLAS as on a machine without one and looks for the symbols that MLX needs.
func TestBLASStub(t *testing.T) {
	if os.Getenv("EMILY_TEST_SETUP") == "" || runtime.GOOS != "linux" {
		t.Skip("skipped: set EMILY_TEST_SETUP=1, on Linux, to fetch OpenBLAS")
	}
	inst, err := Find()
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	defer func(s []string) { systemBLAS = s }(systemBLAS)
	systemBLAS = nil
	cache := t.TempDir()
	if err := setupBLAS(context.Background(), inst, cache, os.Stderr); err != nil {
		t.Fatal(err)
	}
	h, err := purego.Dlopen(stubPath(cache), purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"cblas_sgemm", "cblas_dgemm", "sgetrf_", "dgesdd_", "ssyevd_"} {
		if _, err := purego.Dlsym(h, name); err != nil {
			t.Error(err)
		}
	}
}
