package runtime

import (
	"bufio"
	"context"
	"crypto/sha256"
	"debug/elf"
	_ "embed"
	"encoding/hex"
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
// before libmlx take precedence over those that it brings, so a BLAS loaded first serves its matrix products: a library that
// Setup builds, which is OpenBLAS but for products with vectors.

// systemBLAS are the names under which distributions have OpenBLAS.
var systemBLAS = []string{"libopenblas.so.0", "libopenblas.so", "libopenblasp.so.0", "libopenblaso.so.0"}

// loadBLAS loads $EMILY_BLAS, else what Setup built, else the system's OpenBLAS, and returns its name. It
// returns "" where there is none, or none is needed: MLX uses Accelerate on macOS. EMILY_BLAS=none keeps MLX's own.
func loadBLAS() string {
	if runtime.GOOS != "linux" {
		return ""
	}
	names := systemBLAS
	if cache, err := CacheDir(); err == nil {
		names = append([]string{stubPath(cache)}, names...)
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

//go:embed blas/gemv.cc
var gemvSource string

// stubPath names the library by its source, so that another version of it is built anew.
func stubPath(cache string) string {
	h := sha256.Sum256([]byte(gemvSource))
	return filepath.Join(cache, "blas-"+hex.EncodeToString(h[:])[:16], "libemily_blas.so")
}

// setupBLAS builds the library over the system's OpenBLAS, or over one that it fetches where there is none.
func setupBLAS(ctx context.Context, inst Installation, cache string, log io.Writer) error {
	if runtime.GOOS != "linux" || os.Getenv("EMILY_BLAS") != "" || isFile(stubPath(cache)) {
		return nil
	}
	blas, prefix := findSystemBLAS(), ""
	if blas == "" {
		var err error
		if blas, err = fetchBLAS(ctx, cache, log); err != nil {
			return err
		}
		prefix = blasPrefix
	}
	return buildStub(ctx, inst.Library, blas, prefix, stubPath(cache))
}

// findSystemBLAS is the file of the system's OpenBLAS, "" where it has none.
func findSystemBLAS() string {
	for _, name := range systemBLAS {
		h, err := purego.Dlopen(name, purego.RTLD_LAZY|purego.RTLD_LOCAL)
		if err != nil {
			continue
		}
		file := mappedFile("libopenblas")
		purego.Dlclose(h)
		if file != "" {
			return file
		}
	}
	return ""
}

// mappedFile is a file whose name begins with prefix among those that the process has mapped.
func mappedFile(prefix string) string {
	f, err := os.Open("/proc/self/maps")
	if err != nil {
		return ""
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
		if at := strings.IndexByte(s.Text(), '/'); at >= 0 && strings.HasPrefix(filepath.Base(s.Text()[at:]), prefix) {
			return s.Text()[at:]
		}
	}
	return ""
}

func fetchBLAS(ctx context.Context, cache string, log io.Writer) (string, error) {
	fmt.Fprintf(log, "fetching %s\n", blasPackage)
	dir := filepath.Join(cache, blasFolder)
	if err := pipInstall(ctx, dir, blasPackage); err != nil {
		return "", err
	}
	found, _ := filepath.Glob(filepath.Join(dir, "scipy_openblas32", "lib", "libscipy_openblas*.so"))
	if len(found) == 0 {
		return "", &SetupError{Missing: blasPackage + " holds no library", Remedy: "install OpenBLAS (Debian: `apt install libopenblas0-pthread`)"}
	}
	return found[0], nil
}

// buildStub makes a library of gemv.cc over blas, whose symbols begin with prefix. Where that is not empty, the rest of
// what libmlx wants of BLAS and LAPACK are jumps to the prefixed symbols.
func buildStub(ctx context.Context, mlx, blas, prefix, target string) error {
	cxx, err := findCompiler()
	if err != nil {
		return err
	}
	code := gemvSource
	if prefix != "" {
		jumps, err := jumps(mlx, blas, prefix)
		if err != nil {
			return err
		}
		code += jumps
	}
	src, err := os.CreateTemp("", "emily-blas-*.cc")
	if err != nil {
		return err
	}
	defer os.Remove(src.Name())
	if _, err := src.WriteString(code); err != nil {
		return err
	}
	if err := src.Close(); err != nil {
		return err
	}
	args := append(strings.Fields(compileFlags), "-DPREFIX="+prefix, src.Name(), blas, "-ldl", "-Wl,-rpath,"+filepath.Dir(blas))
	return compile(ctx, cxx, args, target, "the BLAS library")
}

// jumps is assembly that exports what mlx imports and blas has with the prefix.
func jumps(mlx, blas, prefix string) (string, error) {
	jump := map[string]string{"amd64": "jmp %s@PLT", "arm64": "b %s"}[runtime.GOARCH]
	if jump == "" {
		return "", fmt.Errorf("no BLAS stub for %s", runtime.GOARCH)
	}
	names, err := forwarded(mlx, blas, prefix)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString("asm(\".text\\n\"\n")
	for _, n := range names {
		fmt.Fprintf(&b, "\".globl %s\\n.type %s, %%function\\n%s:\\n\t%s\\n\"\n", n, n, n, fmt.Sprintf(jump, prefix+n))
	}
	b.WriteString(");\n")
	return b.String(), nil
}

// forwarded lists the symbols that mlx imports and blas has with the prefix, but for what gemv.cc defines.
func forwarded(mlx, blas, prefix string) ([]string, error) {
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
		if exports[prefix+s.Name] && s.Name != "cblas_sgemm" {
			names = append(names, s.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}
