package main

import (
	"bufio"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx/runtime"
)

// engine runs a benchmark again and again.
type engine interface {
	about() string
	run(n int) (seconds []float64, err error)
	memory() (usage, error)                // the most since the last call
	finish() (first *ir.Tensor, err error) // the first output; nil where there is nothing to compare
}

// local is Emily, in this process.
type local struct {
	exe    *emily.Executable
	model  *emily.Model
	inputs []ir.Datum
	last   *ir.Tensor
	meter  meter
}

func startEmily(ctx context.Context, path string, inputs []ir.Datum, load []emily.LoadOption, opts ...emily.CompileOption) (*local, error) {
	meter, err := newMeter()
	if err != nil {
		return nil, err
	}
	model, err := emily.Load(path, load...)
	if err != nil {
		return nil, err
	}
	exe, err := model.Compile(ctx, append(opts, emily.WithBackend(emily.MLX))...)
	if err != nil {
		return nil, errors.Join(err, model.Close())
	}
	return &local{exe: exe, model: model, inputs: inputs, meter: meter}, nil
}

func (l *local) about() string {
	version, gpu, _ := runtime.Version()
	return fmt.Sprintf("emily with mlx %s, GPU %v", version, gpu)
}

func (l *local) run(n int) ([]float64, error) {
	var seconds []float64
	for range n {
		start := time.Now()
		out, err := l.exe.RunOrdered(context.Background(), l.inputs)
		if err != nil {
			return nil, err
		}
		seconds = append(seconds, time.Since(start).Seconds())
		l.last = out[0].(*ir.Tensor)
	}
	return seconds, nil
}

func (l *local) memory() (usage, error) { return l.meter.peak() }

func (l *local) finish() (*ir.Tensor, error) {
	return l.last, errors.Join(l.exe.Close(), l.model.Close())
}

//go:embed python/*.py
var scripts embed.FS

// remote is an engine in a Python process: see python/worker.py.
type remote struct {
	name, folder, said string
	cmd                *exec.Cmd
	in                 io.WriteCloser
	out                *bufio.Reader
	stderr             strings.Builder
}

// startPython starts python/worker.py, with the MLX and the BLAS that Emily uses.
func startPython(ctx context.Context, name, twin, path, folder string, flags []string) (*remote, error) {
	cmd, err := runtime.PythonCommand(ctx, append([]string{filepath.Join(folder, "python", "worker.py"), name, twin, path, folder}, flags...)...)
	if err != nil {
		return nil, err
	}
	if python := os.Getenv("EMILY_PYTHON"); python != "" {
		cmd.Path, cmd.Args[0] = python, python
	}
	r := &remote{name: name, folder: folder, cmd: cmd}
	cmd.Stderr = &r.stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if r.in, err = cmd.StdinPipe(); err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	r.out = bufio.NewReader(out)
	return r, r.read(&r.said)
}

func (r *remote) about() string { return r.said }

func (r *remote) run(n int) (seconds []float64, err error) {
	fmt.Fprintln(r.in, n) // a broken pipe shows when the answer is read
	return seconds, r.read(&seconds)
}

func (r *remote) memory() (usage, error) {
	fmt.Fprintln(r.in, "memory")
	var peaks [2]int64
	err := r.read(&peaks)
	return usage{peaks[0], peaks[1]}, err
}

// read takes the next answer. A process that gives none has ended: the last line it wrote says why.
func (r *remote) read(v any) error {
	line, err := r.out.ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, v)
	}
	if err == nil {
		return nil
	}
	r.in.Close()
	_ = r.cmd.Wait() // what it wrote says more
	return fmt.Errorf("%s: %s", r.name, exception(r.stderr.String()))
}

// exception is what a Python process died of: the first line behind its last traceback, which hints may follow.
func exception(stderr string) string {
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	last := lines[len(lines)-1]
	for at, line := range lines {
		if !strings.HasPrefix(line, "Traceback ") {
			continue
		}
		if i := slices.IndexFunc(lines[at+1:], func(s string) bool { return s != "" && s[0] != ' ' }); i >= 0 {
			last = lines[at+1+i]
		}
	}
	return last
}

func (r *remote) finish() (*ir.Tensor, error) {
	r.in.Close()
	if err := r.cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%s: %w", r.name, err)
	}
	f, err := os.Open(filepath.Join(r.folder, r.name+".npy"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return interp.ReadNPY(f)
}

// writeFolder makes the folder that workers read: their scripts, and the inputs.
func writeFolder(names []string, inputs []ir.Datum) (string, error) {
	dir, err := os.MkdirTemp("", "emily-benchmark")
	if err != nil {
		return "", err
	}
	if err := os.CopyFS(dir, scripts); err != nil {
		return dir, err
	}
	files := map[string]string{}
	for i, v := range inputs {
		file := fmt.Sprintf("input_%d.npy", i)
		files[names[i]] = file
		write := func(w io.Writer) error { return interp.WriteNPY(w, v.(*ir.Tensor)) }
		if err := emily.WriteFile(filepath.Join(dir, file), write); err != nil {
			return dir, err
		}
	}
	index, err := json.Marshal(files)
	if err != nil {
		return dir, err
	}
	return dir, os.WriteFile(filepath.Join(dir, "inputs.json"), index, 0o644)
}
