package runtime

import (
	"context"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"github.com/emilyc/emily/lower/mlx"
)

// Check is one finding of Diagnose.
type Check struct {
	Name   string
	OK     bool
	Detail string
	Remedy string // what to do when it is not OK
}

// Diagnose looks at all that the mlx lane needs, and at what setup would need to make it.
func Diagnose() []Check {
	var list []Check
	add := func(name string, err error, detail string) {
		c := Check{Name: name, OK: err == nil, Detail: detail}
		if s, ok := err.(*SetupError); ok {
			c.Detail, c.Remedy = s.Missing, s.Remedy
		} else if err != nil {
			c.Detail = err.Error()
		}
		list = append(list, c)
	}
	cache, err := CacheDir()
	add("cache", err, cache)
	cxx, err := findCompiler()
	add("C++ compiler", err, compilerVersion(cxx))
	pip, err := findPip(context.Background())
	add("pip", err, strings.Join(pip, " "))
	inst, err := Find()
	add("MLX", err, fmt.Sprintf("%s (%s) %s", inst.Version, inst.Source, inst.Dir))
	if err != nil {
		return list
	}
	lib, err := open()
	add("shim", err, inst.shimPath())
	if err != nil {
		return list
	}
	add("calls", missingCalls(lib), fmt.Sprintf("%d", mlx.NumCalls))
	add("BLAS", blasError(lib), blasName(lib.blas))
	gpu := "none: plans run on the CPU"
	if lib.hasGPU() {
		gpu = "available"
	}
	add("GPU", nil, gpu)
	return list
}

func compilerVersion(cxx string) string {
	if cxx == "" {
		return ""
	}
	out, _ := exec.Command(cxx, "--version").Output()
	line, _, _ := strings.Cut(string(out), "\n")
	return cxx + ": " + line
}

func missingCalls(lib *library) error {
	var names []string
	for i := range mlx.NumCalls {
		if name := mlx.Calls[i].Name; !lib.has(name) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return &SetupError{Missing: "the shim lacks " + strings.Join(names, ", "), Remedy: "run `emilyc setup` again"}
}

func blasError(lib *library) error {
	if runtime.GOOS != "linux" || lib.blas != "" || lib.hasGPU() {
		return nil
	}
	return &SetupError{Missing: "MLX's own reference BLAS, some 40 times slower than OpenBLAS", Remedy: "run `emilyc setup`, or install OpenBLAS (Debian: `apt install libopenblas0-pthread`)"}
}
