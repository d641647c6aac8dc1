package emily_test

import (
	"fmt"
	"os/exec"
	"path"
	"strings"
	"testing"
)

const module = "github.com/emilyc/emily"

// layers say which of the project's packages each package may import; tests are exempt. A pattern that ends in /...
// covers the packages below too.
var layers = []struct {
	pkg  string
	uses []string
}{
	{"ir", nil},
	{"internal/...", nil}, // helps tests
	{"interp", []string{"ir"}},
	{"passes/...", []string{"ir", "passes/..."}},
	{"frontends/onnx/onnxgo", []string{"ir", "interp", "frontends/onnx/..."}}, // a backend that onnx-go runs models with
	{"frontends/onnx/...", []string{"ir", "frontends/onnx/..."}},
	{"lower/mlx", []string{"ir"}},
	{"lower/mlx/runtime", []string{"ir", "lower/mlx"}},
	{"conformance", []string{"..."}},
	{"cmd/emilyc", []string{"..."}},
	{"examples/...", []string{"..."}},
	{"", []string{"ir", "interp", "passes/...", "frontends/onnx/...", "lower/mlx", "lower/mlx/runtime"}}, // emily.go
}

func matches(pattern, pkg string) bool {
	if base, ok := strings.CutSuffix(pattern, "..."); ok {
		return strings.HasPrefix(pkg+"/", base)
	}
	return pattern == pkg
}

// TestImports holds the direction of imports: the layers know the IR and not one another.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-f", `{{.ImportPath}}{{range .Imports}} {{.}}{{end}}`, "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		fields := strings.Fields(line)
		pkg := own(fields[0])
		if path.Base(pkg) == "internal" || strings.Contains(pkg, "/internal/") {
			continue // the compiler holds these
		}
		uses, err := allowed(pkg)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, imported := range fields[1:] {
			if !strings.HasPrefix(imported+"/", module+"/") || strings.Contains(imported, "/internal/") {
				continue
			}
			ok := false
			for _, u := range uses {
				ok = ok || matches(u, own(imported))
			}
			if !ok {
				t.Errorf("%s must not import %s", pkg, own(imported))
			}
		}
	}
}

// own is the path of a package inside the module.
func own(pkg string) string { return strings.TrimPrefix(strings.TrimPrefix(pkg, module), "/") }

func allowed(pkg string) ([]string, error) {
	for _, l := range layers {
		if matches(l.pkg, pkg) {
			return l.uses, nil
		}
	}
	return nil, fmt.Errorf("package %q is in no layer", pkg)
}
