package main

import (
	"io"
	"slices"

	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/spf13/cobra"
)

func newSetup(o *options) *cobra.Command {
	var backend string
	var rebuild bool
	cmd := &cobra.Command{
		Use:   "setup",
		Short: "Fetch MLX where it is missing, and build the shim",
		Long: `Setup makes the mlx lane ready: it finds MLX or has pip fetch it into the user's cache, sees to a fast BLAS on Linux, and
builds the shim with the C++ compiler. What is there is kept, so that it may be run at any time.

EMILY_MLX names the folder of another MLX; CXX the compiler.`,
		Args: needs(0, 0, "argument"),
		Example: `emilyc setup
emilyc setup --mlx cuda12
EMILY_MLX=/opt/mlx emilyc setup --rebuild`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !slices.Contains([]string{"cpu", "cuda12", "cuda13"}, backend) {
				return wrongUse(cmd, "--mlx %s: use cpu, cuda12 or cuda13", backend)
			}
			var log io.Writer = cmd.OutOrStdout()
			if o.json {
				log = cmd.ErrOrStderr()
			}
			r, err := runtime.Setup(cmd.Context(), runtime.SetupOptions{Log: log, Backend: backend, Rebuild: rebuild})
			if err != nil {
				return err
			}
			return o.print(cmd, map[string]any{
				"mlx": r.MLX.Version, "dir": r.MLX.Dir, "shim": r.Shim, "blas": r.BLAS, "built_seconds": r.Built.Seconds(),
			}, func(w *writer) { w.printf("ready\n") })
		},
	}
	cmd.Flags().StringVar(&backend, "mlx", "cpu", "which MLX to fetch on Linux: cpu, cuda12 or cuda13")
	cmd.Flags().BoolVar(&rebuild, "rebuild", false, "build the shim even where it is there")
	return cmd
}
