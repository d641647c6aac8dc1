package conformance

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
)

// pythonProgram is the emitted program in a folder of its own, and the Python to run it with.
type pythonProgram struct {
	dir    string
	python string
	env    []string
	plan   *mlx.Plan
}

const programFile = "program.py"

// compilePython optimises m and emits it as Python. The Python is $EMILY_PYTHON or python3, with the MLX that
// `emilyc setup` found or fetched.
func compilePython(_ context.Context, m *ir.Module, o LaneOptions) (Runner, error) {
	return tunedPython(m, o, mlx.Tuning{})
}

func tunedPython(m *ir.Module, o LaneOptions, t mlx.Tuning) (Runner, error) {
	if err := optimise(m, o); err != nil {
		return nil, err
	}
	plan, err := mlx.Lower(m, mlx.Options{Fallback: mlx.FallbackError, Tuning: t})
	if err != nil {
		return nil, err
	}
	p := &pythonProgram{plan: plan}
	if p.python, p.env, err = findPython(); err != nil {
		return nil, err
	}
	p.env = append(p.env, blasEnv()...)
	if p.dir, err = os.MkdirTemp("", "emily-python"); err != nil {
		return nil, err
	}
	if err := emily.WriteFile(filepath.Join(p.dir, programFile), plan.EmitPython); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// blasEnv makes the program load the BLAS that the runtime has, so that the two round alike.
var blasEnv = sync.OnceValue(func() []string {
	for _, c := range runtime.Diagnose() {
		if c.Name == "BLAS" && c.OK && strings.Contains(c.Detail, "lib") {
			return []string{"EMILY_BLAS=" + c.Detail}
		}
	}
	return nil
})

// findPython is the interpreter, and the environment in which it finds MLX.
func findPython() (python string, env []string, err error) {
	env = os.Environ()
	if python = os.Getenv("EMILY_PYTHON"); python != "" {
		return python, env, nil
	}
	if python, err = exec.LookPath("python3"); err != nil {
		return "", nil, fmt.Errorf("lane python: no python3: install it, or let EMILY_PYTHON name a Python that has mlx")
	}
	inst, err := runtime.Find()
	if err != nil {
		return "", nil, err
	}
	if dir := inst.SitePackages(); dir != "" {
		env = append(env, "PYTHONPATH="+strings.TrimSuffix(dir+string(os.PathListSeparator)+os.Getenv("PYTHONPATH"), string(os.PathListSeparator)))
	}
	return python, env, nil
}

// RunOrdered runs the program as a process: inputs and outputs are .npy files.
func (p *pythonProgram) RunOrdered(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error) {
	if err := p.writeInputs(inputs); err != nil {
		return nil, err
	}
	for i := range p.plan.Outputs { // the program makes folders for lists
		if err := os.RemoveAll(p.output(i)); err != nil {
			return nil, err
		}
	}
	if _, err := p.exec(ctx); err != nil {
		return nil, err
	}
	return p.outputs()
}

// PythonTimes are seconds of a run of the emitted program.
type PythonTimes struct{ Min, P50, P90 float64 }

// BenchPython optimises m, which it changes, and times n runs of the emitted program under Python's MLX.
func BenchPython(ctx context.Context, m *ir.Module, precision ir.DType, inputs []ir.Datum, n int) (*PythonTimes, error) {
	r, err := compilePython(ctx, m, LaneOptions{Precision: precision})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	p := r.(*pythonProgram)
	if err := p.writeInputs(inputs); err != nil {
		return nil, err
	}
	out, err := p.exec(ctx, "--bench", strconv.Itoa(n))
	if err != nil {
		return nil, err
	}
	t := &PythonTimes{}
	if err := json.Unmarshal(out, t); err != nil {
		return nil, fmt.Errorf("the program printed %q: %w", clip(string(out)), err)
	}
	return t, nil
}

func (p *pythonProgram) writeInputs(inputs []ir.Datum) error {
	for i, v := range inputs {
		if err := writeNPY(filepath.Join(p.dir, fmt.Sprintf("input_%d", i)), v); err != nil {
			return err
		}
	}
	return nil
}

// writeNPY writes a tensor as path.npy, and a list as the folder path of its elements.
func writeNPY(path string, v ir.Datum) error {
	t, ok := v.(*ir.Tensor)
	if !ok {
		if err := remake(path); err != nil {
			return err
		}
		for i, item := range mlx.Items(v) {
			if err := writeNPY(filepath.Join(path, strconv.Itoa(i)), item); err != nil {
				return err
			}
		}
		return nil
	}
	storage, err := mlx.Storage(t.DType)
	if err != nil {
		return err
	}
	bits := *t
	if bits.DType = storage; storage == ir.BF16 { // numpy has none: the program takes its bits
		bits.DType = ir.U16
	}
	return emily.WriteFile(path+".npy", func(w io.Writer) error { return interp.WriteNPY(w, &bits) })
}

// remake makes path an empty folder.
func remake(path string) error {
	if err := os.RemoveAll(path); err != nil {
		return err
	}
	return os.Mkdir(path, 0o755)
}

// exec runs the program and returns what it prints.
func (p *pythonProgram) exec(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, p.python, append([]string{filepath.Join(p.dir, programFile), p.dir}, args...)...)
	cmd.Env = p.env
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %s", p.python, err, lastLine(stderr.String()))
	}
	return out, nil
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return clip(lines[len(lines)-1])
}

func (p *pythonProgram) outputs() ([]ir.Datum, error) {
	out := make([]ir.Datum, len(p.plan.Outputs))
	for i, port := range p.plan.Outputs {
		var err error
		if out[i], err = readNPY(p.output(i), port.Type); err != nil {
			return nil, fmt.Errorf("output %q: %w", port.Name, err)
		}
	}
	return out, nil
}

// output is where output i lies, as writeNPY would write it.
func (p *pythonProgram) output(i int) string {
	return filepath.Join(p.dir, fmt.Sprintf("output_%d", i))
}

// readNPY reads a value of type t, of the form that writeNPY writes.
func readNPY(path string, t ir.Type) (ir.Datum, error) {
	if !t.IsTensor() {
		return readList(path, t)
	}
	storage, err := mlx.Storage(t.DType)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path + ".npy")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	x, err := interp.ReadNPYAs(f, storage)
	if err != nil {
		return nil, err
	}
	x.DType = t.DType
	return x, nil
}

func readList(path string, t ir.Type) (ir.Datum, error) {
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, err
	}
	items := make([]ir.Datum, len(entries))
	for i := range items {
		if items[i], err = readNPY(filepath.Join(path, strconv.Itoa(i)), *t.Elem); err != nil {
			return nil, err
		}
	}
	if t.Kind == ir.SequenceType {
		return &ir.Sequence{Elem: *t.Elem, Items: items}, nil
	}
	v := &ir.Optional{Elem: *t.Elem}
	if len(items) > 0 {
		v.Item = items[0]
	}
	return v, nil
}

// Close removes the folder.
func (p *pythonProgram) Close() error { return os.RemoveAll(p.dir) }
