package conformance

import (
	"archive/zip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Suite is a set of cases that everybody can get.
type Suite struct {
	Name, Doc string
	Fetch     func(ctx context.Context, log io.Writer) ([]Case, error)
}

// Suites are the suites there are.
var Suites = []Suite{
	{"onnx", "the backend tests of the onnx 1.22.0 wheel, fetched with pip on first use", fetchONNX},
	{"onnx-go", "the cases of github.com/owulveryck/onnx-go v0.5.0, through its decoder, in Emily's source tree", fetchONNXGo},
	{"diff", "generated cases of single operators and small graphs, judged by onnxruntime and onnx.reference, in Emily's source tree", fetchDiff},
	{"contrib", "onnxruntime's own operators with its results, in Emily's source tree", fetchContrib},
	{"zoo", "small exports of seven model families, in Emily's source tree", findZoo},
}

// FindSuite finds a suite by name.
func FindSuite(name string) (Suite, bool) {
	i := slices.IndexFunc(Suites, func(s Suite) bool { return s.Name == name })
	if i < 0 {
		return Suite{}, false
	}
	return Suites[i], true
}

// zooFolder is where the zoo lies in the source tree.
const zooFolder = "conformance/testdata/zoo"

func findZoo(context.Context, io.Writer) ([]Case, error) {
	path, err := inSourceTree(zooFolder)
	if err != nil {
		return nil, err
	}
	return Find(path)
}

// inSourceTree looks for the source tree, which has this path, from the current folder upwards.
func inSourceTree(path string) (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		at := filepath.Join(dir, filepath.FromSlash(path))
		if _, err := os.Stat(at); err == nil {
			return at, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no %s here or above: run this in Emily's source tree", path)
		}
		dir = parent
	}
}

// The wheel that still holds the node cases, and where in it they lie.
const (
	onnxWheel = "onnx==1.22.0"
	onnxData  = "onnx/backend/test/data/"
)

// onnxFolders are the folders of the data that hold cases.
var onnxFolders = []string{"node", "simple", "pytorch-converted", "pytorch-operator", lightFolder}

// fetchONNX has pip download the wheel into the cache, and unpacks the cases.
func fetchONNX(ctx context.Context, log io.Writer) ([]Case, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return nil, fmt.Errorf("no cache folder: %w; set HOME or XDG_CACHE_HOME", err)
	}
	root := filepath.Join(cache, "emily", "suites", strings.ReplaceAll(onnxWheel, "==", "-"))
	if !hasFolders(root) {
		if err := unpackWheel(ctx, root, log); err != nil {
			return nil, err
		}
	}
	var cases []Case
	for _, f := range onnxFolders {
		found, err := Find(filepath.Join(root, f))
		if err != nil {
			return nil, fmt.Errorf("%w; remove %s to have it fetched again", err, root)
		}
		for i := range found {
			found[i].Name = path.Join(f, found[i].Name)
		}
		cases = append(cases, found...)
	}
	return cases, nil
}

// hasFolders reports whether root has all folders: one that an older version unpacked may lack some.
func hasFolders(root string) bool {
	return !slices.ContainsFunc(onnxFolders, func(f string) bool {
		_, err := os.Stat(filepath.Join(root, f))
		return err != nil
	})
}

// unpackWheel fills a temporary folder, whose folders then move to root, where they are not there yet.
func unpackWheel(ctx context.Context, root string, log io.Writer) error {
	fmt.Fprintf(log, "fetching %s\n", onnxWheel)
	if err := os.MkdirAll(filepath.Dir(root), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(root), "fetch")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	if err := pipDownload(ctx, tmp); err != nil {
		return err
	}
	wheels, err := filepath.Glob(filepath.Join(escapeGlob(tmp), "*.whl"))
	if err != nil || len(wheels) != 1 {
		return fmt.Errorf("pip fetched no wheel of %s", onnxWheel)
	}
	data := filepath.Join(tmp, "data")
	if err := unzip(wheels[0], data); err != nil {
		return err
	}
	if err := layOutLight(filepath.Join(data, lightFolder)); err != nil {
		return err
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	for _, f := range onnxFolders {
		if err := os.Rename(filepath.Join(data, f), filepath.Join(root, f)); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
	}
	return nil
}

func pipDownload(ctx context.Context, dir string) error {
	tried := []string{}
	for _, pip := range [][]string{{"python3", "-m", "pip"}, {"pip3"}, {"pip"}} {
		args := append(pip[1:], "download", "--no-deps", "--only-binary=:all:", "-d", dir, onnxWheel)
		out, err := exec.CommandContext(ctx, pip[0], args...).CombinedOutput()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		tried = append(tried, fmt.Sprintf("%s: %v %s", strings.Join(pip, " "), err, lastLine(string(out))))
	}
	return fmt.Errorf("cannot fetch %s: %s; install Python 3 with pip and see that it reaches its index", onnxWheel, strings.Join(tried, "; "))
}

// unzip unpacks the folders with cases into root.
func unzip(wheel, root string) error {
	z, err := zip.OpenReader(wheel)
	if err != nil {
		return err
	}
	defer z.Close()
	for _, f := range z.File {
		rel, ok := strings.CutPrefix(f.Name, onnxData)
		folder, _, _ := strings.Cut(rel, "/")
		if !ok || !slices.Contains(onnxFolders, folder) || !filepath.IsLocal(rel) || strings.HasSuffix(rel, "/") {
			continue
		}
		if err := extract(f, filepath.Join(root, filepath.FromSlash(rel))); err != nil {
			return err
		}
	}
	return nil
}

func extract(f *zip.File, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	r, err := f.Open()
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	return errors.Join(err, w.Close())
}
