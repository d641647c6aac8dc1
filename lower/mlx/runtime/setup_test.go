package runtime

import (
	"context"
	"os"
	"testing"
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
