package conformance

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/emilyc/emily/ir"
)

// Case is a model and the data recorded for it.
type Case struct {
	Name     string // its path below the folder that was searched
	Model    string
	DataSets []string // test_data_set_* folders; none for a bare model

	// Exec runs the model by another way than the façade, compiled by a lane; nil for most cases.
	Exec func(ctx context.Context, model string, inputs map[string]ir.Datum, compile func(context.Context, *ir.Module) (Runner, error)) ([]ir.Datum, error) `json:"-"`
}

// modelFile is the name of the model in a case folder.
const modelFile = "model.onnx"

var modelSuffixes = []string{".onnx", ".eir", ".safetensors"}

// Find lists the cases at path: a model file, a case folder in the layout of the ONNX backend tests (model.onnx and
// test_data_set_*/{input,output}_*.pb), or a folder of either at any depth. It fails where there is none.
func Find(path string) ([]Case, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		c, err := newCase(filepath.Base(path), path)
		if filepath.Base(path) == modelFile {
			c.Name = filepath.Base(filepath.Dir(absolute(path)))
		}
		return []Case{c}, err
	}
	var cases []Case
	err = filepath.WalkDir(path, func(dir string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return err
		}
		models, err := modelsIn(dir)
		if err != nil {
			return err
		}
		for _, m := range models {
			c, err := newCase(caseName(path, m), m)
			if err != nil {
				return err
			}
			cases = append(cases, c)
		}
		return nil
	})
	if err == nil && len(cases) == 0 {
		err = fmt.Errorf("%s: no model in this folder or below", path)
	}
	return cases, err
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// caseName is the folder of a model.onnx, relative to root, or the file of another.
func caseName(root, model string) string {
	if filepath.Base(model) == modelFile {
		model = filepath.Dir(model)
	}
	rel, err := filepath.Rel(root, model)
	if err != nil || rel == "." {
		return filepath.Base(absolute(model))
	}
	return filepath.ToSlash(rel)
}

// modelsIn lists the models that lie directly in dir: model.onnx alone, where there is one.
func modelsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var models []string
	for _, e := range entries {
		if e.IsDir() || !slices.Contains(modelSuffixes, filepath.Ext(e.Name())) {
			continue
		}
		if e.Name() == modelFile {
			return []string{filepath.Join(dir, modelFile)}, nil
		}
		models = append(models, filepath.Join(dir, e.Name()))
	}
	return models, nil
}

// newCase finds the data sets beside a model.onnx.
func newCase(name, model string) (Case, error) {
	c := Case{Name: name, Model: model}
	if filepath.Base(model) != modelFile {
		return c, nil
	}
	sets, err := filepath.Glob(filepath.Join(escapeGlob(filepath.Dir(model)), "test_data_set_*"))
	slices.SortFunc(sets, byNumber)
	c.DataSets = sets
	return c, err
}

// escapeGlob keeps characters of a path from being taken for a pattern.
func escapeGlob(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// byNumber orders paths by the number at their end: test_data_set_10 after test_data_set_9.
func byNumber(a, b string) int {
	na, errA := trailingNumber(a)
	nb, errB := trailingNumber(b)
	if errA == nil && errB == nil && na != nb {
		return na - nb
	}
	return strings.Compare(a, b)
}

func trailingNumber(path string) (int, error) {
	base := strings.TrimSuffix(filepath.Base(path), ".pb")
	at := strings.LastIndexByte(base, '_')
	if at < 0 {
		return 0, errors.New("no number")
	}
	return strconv.Atoi(base[at+1:])
}

// dataFiles are dir's input_0.pb, input_1.pb, … or output_0.pb, …, in order.
func dataFiles(dir, prefix string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(escapeGlob(dir), prefix+"_*.pb"))
	slices.SortFunc(files, byNumber)
	for i, f := range files {
		if n, err := trailingNumber(f); err != nil || n != i {
			return nil, fmt.Errorf("%s: expected %s_%d.pb", f, prefix, i)
		}
	}
	return files, err
}
