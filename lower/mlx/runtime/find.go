package runtime

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
)

//go:embed shim
var shimSource embed.FS

// MLXVersion is what Setup fetches; 0.31.1 and later work.
const MLXVersion = "0.32.4"

// SetupError says what of the native side is missing, and how to mend it.
type SetupError struct{ Missing, Remedy string }

func (e *SetupError) Error() string { return "MLX: " + e.Missing + "; " + e.Remedy }

// Installation is an MLX: headers and library.
type Installation struct {
	Dir     string // holds include/mlx and lib
	Library string // libmlx.so or libmlx.dylib
	Version string
	Source  string // how it was found: EMILY_MLX, cache, homebrew or python
}

// CacheDir is where Setup puts what it fetches and builds.
func CacheDir() (string, error) {
	d, err := os.UserCacheDir()
	if err != nil {
		return "", &SetupError{Missing: "no cache directory: " + err.Error(), Remedy: "set HOME or XDG_CACHE_HOME"}
	}
	return filepath.Join(d, "emily"), nil
}

func isFile(path string) bool {
	s, err := os.Stat(path)
	return err == nil && s.Mode().IsRegular()
}

func libraryName(base string) string {
	if runtime.GOOS == "darwin" {
		return "lib" + base + ".dylib"
	}
	return "lib" + base + ".so"
}

// Find looks for MLX: in $EMILY_MLX (a folder with include/ and lib/, or a Python site-packages), in the cache, in
// Homebrew's folders, and among the packages of python3.
func Find() (Installation, error) {
	if dir := os.Getenv("EMILY_MLX"); dir != "" {
		if inst, ok := at(dir, "EMILY_MLX"); ok {
			return inst, nil
		}
		return Installation{}, &SetupError{Missing: "no MLX in EMILY_MLX=" + dir, Remedy: "let it name a folder that holds include/mlx/mlx.h and lib/" + libraryName("mlx")}
	}
	for _, c := range candidates() {
		if inst, ok := at(c.dir, c.source); ok {
			return inst, nil
		}
	}
	if dir := pythonMLX(); dir != "" {
		if inst, ok := at(dir, "python"); ok {
			return inst, nil
		}
	}
	return Installation{}, &SetupError{Missing: "MLX is not here", Remedy: "run `emilyc setup`, or let EMILY_MLX name its folder"}
}

type candidate struct{ dir, source string }

func candidates() []candidate {
	var list []candidate
	if cache, err := CacheDir(); err == nil {
		list = append(list, candidate{filepath.Join(cache, sitePackages()), "cache"})
	}
	if runtime.GOOS == "darwin" {
		list = append(list, candidate{"/opt/homebrew/opt/mlx", "homebrew"}, candidate{"/usr/local/opt/mlx", "homebrew"})
	}
	return list
}

// sitePackages is the folder in the cache into which Setup has pip install.
func sitePackages() string { return "mlx-" + MLXVersion }

var versionLine = regexp.MustCompile(`#define MLX_VERSION_(MAJOR|MINOR|PATCH)\s+(\d+)`)

// at recognises an installation in dir or in dir/mlx.
func at(dir, source string) (Installation, bool) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return Installation{}, false
	}
	for _, d := range []string{dir, filepath.Join(dir, "mlx")} {
		header, err := os.ReadFile(filepath.Join(d, "include", "mlx", "version.h"))
		lib := filepath.Join(d, "lib", libraryName("mlx"))
		if err != nil || !isFile(lib) {
			continue
		}
		var v []string
		for _, m := range versionLine.FindAllSubmatch(header, -1) {
			v = append(v, string(m[2]))
		}
		return Installation{Dir: d, Library: lib, Version: strings.Join(v, "."), Source: source}, true
	}
	return Installation{}, false
}

// pythonMLX asks python3, without importing MLX, where its mlx lies.
func pythonMLX() string {
	const code = `import importlib.util as u; s = u.find_spec("mlx"); print(list(s.submodule_search_locations)[0] if s else "")`
	out, err := exec.Command("python3", "-c", code).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// SitePackages is the folder that a Python needs on PYTHONPATH to import the same MLX; empty when i is not from Python.
func (i Installation) SitePackages() string {
	if d := filepath.Dir(i.Dir); isFile(filepath.Join(i.Dir, "include", "mlx", "mlx.h")) && filepath.Base(i.Dir) == "mlx" && i.Source != "homebrew" {
		return d
	}
	return ""
}

// shimDir is named by all that the build depends on: the version and place of MLX, and the source.
func (i Installation) shimDir() string {
	h := sha256.New()
	fmt.Fprintln(h, i.Dir, i.Version, runtime.GOOS, runtime.GOARCH, compileFlags)
	fs.WalkDir(shimSource, ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			b, _ := shimSource.ReadFile(path)
			fmt.Fprintln(h, path, len(b))
			h.Write(b)
		}
		return err
	})
	cache, err := CacheDir()
	if err != nil {
		cache = filepath.Join(os.TempDir(), "emily")
	}
	return filepath.Join(cache, "mlx-"+i.Version+"-"+hex.EncodeToString(h.Sum(nil))[:16])
}

func (i Installation) shimPath() string { return filepath.Join(i.shimDir(), libraryName("emily_mlx")) }
