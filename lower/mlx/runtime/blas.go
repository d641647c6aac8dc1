package runtime

import (
	"context"
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/ebitengine/purego"
)

// MLX's Linux wheels hold the reference BLAS, some 40 times slower than OpenBLAS. Symbols that are loaded globally
// before libmlx take precedence over those that it brings, so an OpenBLAS loaded first serves its matrix products.

// systemBLAS are the names under which distributions have OpenBLAS.
var systemBLAS = []string{"libopenblas.so.0", "libopenblas.so", "libopenblasp.so.0", "libopenblaso.so.0"}

// loadBLAS loads $EMILY_BLAS, else the system's OpenBLAS, else the one that Setup fetched, and returns its name. It
// returns "" where there is none, or none is needed: MLX uses Accelerate on macOS. EMILY_BLAS=none keeps MLX's own.
func loadBLAS() string {
	if runtime.GOOS != "linux" {
		return ""
	}
	names := systemBLAS
	if cache, err := CacheDir(); err == nil {
		names = append(slices.Clone(names), stubPath(cache))
	}
	if env := os.Getenv("EMILY_BLAS"); env != "" {
		names = []string{env}
	}
	for _, name := range names {
		if h, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_GLOBAL); err == nil {
			if _, err := purego.Dlsym(h, "cblas_sgemm"); err == nil {
				return name
			}
		}
	}
	return ""
}

// blasPackage holds OpenBLAS with the prefix scipy_ before every symbol.
const (
	blasPackage = "scipy-openblas32"
	blasPrefix  = "scipy_"
	blasFolder  = "openblas"
)

func stubPath(cache string) string { return filepath.Join(cache, blasFolder, "libemily_blas.so") }

// setupBLAS fetches OpenBLAS where the system has none, and builds a library that forwards the plain names to it.
func setupBLAS(ctx context.Context, inst Installation, cache string, log io.Writer) error {
	if runtime.GOOS != "linux" || os.Getenv("EMILY_BLAS") != "" || isFile(stubPath(cache)) || hasSystemBLAS() {
		return nil
	}
	fmt.Fprintf(log, "fetching %s\n", blasPackage)
	dir := filepath.Join(cache, blasFolder)
	if err := pipInstall(ctx, dir, blasPackage); err != nil {
		return err
	}
	found, _ := filepath.Glob(filepath.Join(dir, "scipy_openblas32", "lib", "libscipy_openblas*.so"))
	if len(found) == 0 {
		return &SetupError{Missing: blasPackage + " holds no library", Remedy: "install OpenBLAS (Debian: `apt install libopenblas0-pthread`)"}
	}
	return buildStub(ctx, inst.Library, found[0], stubPath(cache))
}

func hasSystemBLAS() bool {
	for _, name := range systemBLAS {
		if h, err := purego.Dlopen(name, purego.RTLD_LAZY|purego.RTLD_LOCAL); err == nil {
			purego.Dlclose(h)
			return true
		}
	}
	return false
}

// buildStub makes a library that exports what libmlx wants of BLAS and LAPACK as jumps to the prefixed symbols.
func buildStub(ctx context.Context, mlx, blas, target string) error {
	jump := map[string]string{"amd64": "jmp %s@PLT", "arm64": "b %s"}[runtime.GOARCH]
	if jump == "" {
		return fmt.Errorf("no BLAS stub for %s", runtime.GOARCH)
	}
	names, err := forwarded(mlx, blas)
	if err != nil {
		return err
	}
	cxx, err := findCompiler()
	if err != nil {
		return err
	}
	var b strings.Builder
	b.WriteString("asm(\".text\\n\"\n")
	for _, n := range names {
		fmt.Fprintf(&b, "\".globl %s\\n.type %s, %%function\\n%s:\\n\t%s\\n\"\n", n, n, n, fmt.Sprintf(jump, blasPrefix+n))
	}
	b.WriteString(");\n")
	src := target + ".cc"
	if err := os.WriteFile(src, []byte(b.String()), 0o644); err != nil {
		return err
	}
	args := []string{"-fPIC", "-shared", "-nostartfiles", src, blas, "-Wl,-rpath," + filepath.Dir(blas)}
	return compile(ctx, cxx, args, target, "the BLAS stub")
}

// forwarded lists the symbols that mlx imports and blas has with the prefix.
func forwarded(mlx, blas string) ([]string, error) {
	m, err := elf.Open(mlx)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	o, err := elf.Open(blas)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	have, err := o.DynamicSymbols()
	if err != nil {
		return nil, err
	}
	exports := map[string]bool{}
	for _, s := range have {
		exports[s.Name] = s.Section != elf.SHN_UNDEF
	}
	want, err := m.ImportedSymbols()
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range want {
		if exports[blasPrefix+s.Name] {
			names = append(names, s.Name)
		}
	}
	return names, nil
}
