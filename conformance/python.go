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

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/emilyc/emily/passes"
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
func compilePython(_ context.Context, m *ir.Module, _ LaneOptions) (Runner, error) {
	if _, err := passes.Run(m, passes.Default, passes.Options{Eval: interp.EvalOp}); err != nil {
		return nil, err
	}
	plan, err := mlx.Lower(m, mlx.Options{Fallback: mlx.FallbackError})
	if err != nil {
		return nil, err
	}
	p := &pythonProgram{plan: plan}
	if p.python, p.env, err = findPython(); err != nil {
		return nil, err
	}
	if p.dir, err = os.MkdirTemp("", "emily-python"); err != nil {
		return nil, err
	}
	if err := emily.WriteFile(filepath.Join(p.dir, programFile), plan.EmitPython); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

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
	if _, err := p.exec(ctx); err != nil {
		return nil, err
	}
	return p.outputs()
}

// PythonTimes are seconds of a run of the emitted program.
type PythonTimes struct{ Min, P50, P90 float64 }

// BenchPython optimises m, which it changes, and times n runs of the emitted program under Python's MLX, with the same
// BLAS as the runtime's.
func BenchPython(ctx context.Context, m *ir.Module, inputs []ir.Datum, n int) (*PythonTimes, error) {
	r, err := compilePython(ctx, m, LaneOptions{})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	p := r.(*pythonProgram)
	if err := p.writeInputs(inputs); err != nil {
		return nil, err
	}
	for _, c := range runtime.Diagnose() {
		if c.Name == "BLAS" && c.OK && strings.Contains(c.Detail, "lib") {
			p.env = append(p.env, "EMILY_BLAS="+c.Detail)
		}
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
		t, ok := v.(*ir.Tensor)
		if !ok {
			return fmt.Errorf("input %d is %s: lane python takes tensors", i, v.Type())
		}
		storage, err := mlx.Storage(t.DType)
		if err != nil {
			return err
		}
		bits := *t
		if bits.DType = storage; storage == ir.BF16 { // numpy has none: the program takes its bits
			bits.DType = ir.U16
		}
		path := filepath.Join(p.dir, fmt.Sprintf("input_%d.npy", i))
		if err := emily.WriteFile(path, func(w io.Writer) error { return interp.WriteNPY(w, &bits) }); err != nil {
			return err
		}
	}
	return nil
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
		storage, err := mlx.Storage(port.Type.DType)
		if err != nil {
			return nil, err
		}
		f, err := os.Open(filepath.Join(p.dir, fmt.Sprintf("output_%d.npy", i)))
		if err != nil {
			return nil, err
		}
		t, err := interp.ReadNPYAs(f, storage)
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("output %q: %w", port.Name, err)
		}
		t.DType = port.Type.DType
		out[i] = t
	}
	return out, nil
}

// Close removes the folder.
func (p *pythonProgram) Close() error { return os.RemoveAll(p.dir) }
