package runtime

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// SetupOptions of Setup; the zero value is the default.
type SetupOptions struct {
	Log     io.Writer // gets a line for each step; nil for none
	Backend string    // which MLX to fetch on Linux: "cpu" (the default), "cuda12" or "cuda13"
	Rebuild bool      // build the shim even where it is there
}

// SetupResult says what Setup found or made.
type SetupResult struct {
	MLX   Installation
	Shim  string
	BLAS  string        // the library that is loaded before MLX; empty for MLX's own
	Built time.Duration // how long the shim took; 0 when it was there
}

// compileFlags are those of the shim, beside paths.
const compileFlags = "-std=c++20 -O2 -ftree-vectorize -fno-math-errno -fPIC -shared -fvisibility=hidden"

// Setup finds or fetches MLX, sees to a fast BLAS on Linux, builds the shim and loads it. It is safe to call again
// and from several processes at once; what is there is kept. Errors that the user can mend are *SetupError.
func Setup(ctx context.Context, opts SetupOptions) (*SetupResult, error) {
	if opts.Log == nil {
		opts.Log = io.Discard
	}
	cache, err := CacheDir()
	if err != nil {
		return nil, err
	}
	unlock, err := lockDir(ctx, cache)
	if err != nil {
		return nil, err
	}
	defer unlock()
	inst, err := Find()
	if err != nil && os.Getenv("EMILY_MLX") == "" {
		if inst, err = fetchMLX(ctx, cache, opts); err == nil {
			inst, err = Find()
		}
	}
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(opts.Log, "MLX %s (%s): %s\n", inst.Version, inst.Source, inst.Dir)
	r := &SetupResult{MLX: inst, Shim: inst.shimPath()}
	if !isFile(r.Shim) || opts.Rebuild {
		start := time.Now()
		if err := buildShim(ctx, inst, opts.Log); err != nil {
			return nil, err
		}
		r.Built = time.Since(start)
	}
	fmt.Fprintf(opts.Log, "shim: %s\n", r.Shim)
	if err := setupBLAS(ctx, inst, cache, opts.Log); err != nil {
		fmt.Fprintf(opts.Log, "%v; matrix products will be slow\n", err)
	}
	lib, err := open()
	if err != nil {
		return nil, err
	}
	r.BLAS = lib.blas
	fmt.Fprintf(opts.Log, "BLAS: %s\n", blasName(r.BLAS))
	return r, nil
}

func blasName(path string) string {
	if path == "" {
		return "MLX's own"
	}
	return path
}

// lockDir makes setups of several processes follow one another.
func lockDir(ctx context.Context, dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, &SetupError{Missing: "cannot write the cache: " + err.Error(), Remedy: "let XDG_CACHE_HOME name a folder that can be written"}
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, &SetupError{Missing: "cannot write the cache: " + err.Error(), Remedy: "let XDG_CACHE_HOME name a folder that can be written"}
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			f.Close()
			return nil, err
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// fetchMLX installs MLX and numpy into the cache, which then serves as a PYTHONPATH too.
func fetchMLX(ctx context.Context, cache string, opts SetupOptions) (Installation, error) {
	pkg := "mlx==" + MLXVersion
	if runtime.GOOS == "linux" {
		backend := opts.Backend
		if backend == "" {
			backend = "cpu"
		}
		pkg = "mlx[" + backend + "]==" + MLXVersion
	}
	fmt.Fprintf(opts.Log, "fetching %s\n", pkg)
	target := filepath.Join(cache, sitePackages())
	if err := pipInstall(ctx, target, pkg, "numpy"); err != nil {
		return Installation{}, err
	}
	inst, ok := at(target, "cache")
	if !ok {
		return inst, &SetupError{Missing: pkg + " has no headers or library", Remedy: "let EMILY_MLX name another MLX"}
	}
	return inst, nil
}

// pipInstall installs into a temporary folder and renames it, so that target is there whole or not at all.
func pipInstall(ctx context.Context, target string, packages ...string) error {
	pip, err := findPip(ctx)
	if err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(target), filepath.Base(target)+".tmp")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	args := append(append(pip[1:len(pip):len(pip)], "install", "--target", tmp), packages...)
	if out, err := exec.CommandContext(ctx, pip[0], args...).CombinedOutput(); err != nil {
		return &SetupError{
			Missing: fmt.Sprintf("pip cannot install %s: %s", strings.Join(packages, " "), lastLines(out, 3)),
			Remedy:  "see that pip reaches its index, or let EMILY_MLX name the folder of an MLX",
		}
	}
	os.RemoveAll(target)
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	return os.Rename(tmp, target)
}

func findPip(ctx context.Context) ([]string, error) {
	for _, c := range [][]string{{"python3", "-m", "pip"}, {"pip3"}, {"pip"}, {"uv", "pip"}} {
		if exec.CommandContext(ctx, c[0], append(c[1:len(c):len(c)], "--version")...).Run() == nil {
			return c, nil
		}
	}
	return nil, &SetupError{Missing: "Python's pip is not here, and it is what fetches MLX", Remedy: "install Python 3 with pip (Debian: `apt install python3-pip`), or let EMILY_MLX name the folder of an MLX"}
}

func lastLines(out []byte, n int) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}

func findCompiler() (string, error) {
	names := []string{"c++", "g++", "clang++"}
	if cxx := os.Getenv("CXX"); cxx != "" {
		names = []string{cxx}
	}
	for _, n := range names {
		if path, err := exec.LookPath(n); err == nil {
			return path, nil
		}
	}
	return "", &SetupError{Missing: "no C++ compiler (" + strings.Join(names, ", ") + ")", Remedy: "install g++ 11 or clang 14, or newer (Debian: `apt install g++`, macOS: `xcode-select --install`)"}
}

// buildShim compiles into a temporary file beside the target and renames it.
func buildShim(ctx context.Context, inst Installation, log io.Writer) error {
	cxx, err := findCompiler()
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "building the shim with %s\n", cxx)
	src, err := os.MkdirTemp("", "emily-shim")
	if err != nil {
		return err
	}
	defer os.RemoveAll(src)
	if err := os.CopyFS(src, must(fs.Sub(shimSource, "shim"))); err != nil {
		return err
	}
	lib := filepath.Dir(inst.Library)
	args := append(strings.Fields(compileFlags), "-isystem", filepath.Join(inst.Dir, "include"),
		filepath.Join(src, "emily_mlx.cc"), "-L"+lib, "-lmlx", "-Wl,-rpath,"+lib)
	return compile(ctx, cxx, args, inst.shimPath(), "the shim")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // of an embedded file system
	}
	return v
}

// compile runs the compiler with its output in a temporary file that becomes target.
func compile(ctx context.Context, cxx string, args []string, target, what string) error {
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	tmp := fmt.Sprintf("%s.%d.tmp", target, os.Getpid())
	defer os.Remove(tmp)
	cmd := exec.CommandContext(ctx, cxx, append(args, "-o", tmp)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return &SetupError{Missing: fmt.Sprintf("%s cannot build %s: %s", cxx, what, firstError(out, err)), Remedy: "a C++20 compiler is needed: g++ 11 or clang 14, or newer; CXX names it"}
	}
	return os.Rename(tmp, target)
}

func firstError(out []byte, err error) string {
	for line := range bytes.Lines(out) {
		if bytes.Contains(line, []byte("error")) {
			return strings.TrimSpace(string(line))
		}
	}
	return err.Error()
}
