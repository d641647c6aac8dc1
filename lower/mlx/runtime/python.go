package runtime

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
)

// PythonCommand is python3 with the given arguments, set up to import the MLX that the runtime uses, after the same
// BLAS. It runs what Plan.EmitPython writes.
func PythonCommand(ctx context.Context, args ...string) (*exec.Cmd, error) {
	lib, err := open()
	if err != nil {
		return nil, err
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return nil, &SetupError{Missing: "python3 is not here", Remedy: "install Python 3"}
	}
	cmd := exec.CommandContext(ctx, python, args...)
	cmd.Env = append(os.Environ(), "EMILY_BLAS="+lib.blas)
	if dir := lib.install.SitePackages(); dir != "" {
		path := dir
		if old := os.Getenv("PYTHONPATH"); old != "" {
			path += string(filepath.ListSeparator) + old
		}
		cmd.Env = append(cmd.Env, "PYTHONPATH="+path)
	}
	return cmd, nil
}
