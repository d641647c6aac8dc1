// Command emilyc compiles ONNX models to MLX programs, and proves each step. `emilyc help` lists its verbs; there is
// a file for each.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1 // it failed, or differs
	exitUsage  = 2 // wrong use
)

func main() { os.Exit(run(os.Args[1:])) }

// run is main for tests: it returns the exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "emilyc: %v\n", err)
		if usage.cmd != nil {
			fmt.Fprintf(os.Stderr, "usage: %s\nRun '%s --help' for flags and examples.\n", usage.cmd.UseLine(), usage.cmd.CommandPath())
		}
		return exitUsage
	case errors.Is(err, errDiffers):
		return exitFailed
	}
	fmt.Fprintf(os.Stderr, "emilyc: %v\n", err)
	return exitFailed
}

// usageError is a wrong use of the command.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func wrongUse(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd, fmt.Errorf(format, args...)}
}

// errDiffers is the outcome of a command that has said itself what failed.
var errDiffers = errors.New("differs")

// verbs are the commands, in the order of help.
var verbs = []func(*options) *cobra.Command{
	newVerify, newRun, newCompile, newInspect, newBench, newOpt, newGrad, newTrain, newOps, newConformance, newSetup, newDoctor, newVersion,
}

func newRoot() *cobra.Command {
	o := &options{}
	root := &cobra.Command{
		Use:   "emilyc VERB",
		Short: "Compile ONNX models to MLX programs, and prove each step",
		Long: `emilyc compiles ONNX models to MLX programs, and proves each step.

A MODEL is a .onnx file, the text of the IR (.eir), or a bundle made by 'emilyc compile'. Every verb exits with 0, with 1
where it failed or results differ, and with 2 on wrong use.`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return wrongUse(cmd, "unknown verb %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return wrongUse(cmd, "a verb is missing") },
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		if errors.Is(err, pflag.ErrHelp) {
			return err
		}
		return &usageError{cmd, err}
	})
	root.PersistentFlags().BoolVar(&o.json, "json", false, "print for machines")
	root.PersistentFlags().BoolVarP(&o.verbose, "verbose", "v", false, "say more")
	for _, verb := range verbs {
		cmd := verb(o)
		cmd.Example = indent(cmd.Example)
		root.AddCommand(cmd)
	}
	return root
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}

// needs demands between least and most arguments; most < 0 is any number.
func needs(least, most int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return wrongUse(cmd, "%s is missing", what)
		case most >= 0 && len(args) > most:
			return wrongUse(cmd, "%q is too many: one %s is enough", args[most], what)
		}
		return nil
	}
}

func newVersion(o *options) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Say which version this is",
		Args:    needs(0, 0, "argument"),
		Example: "emilyc version",
		RunE: func(cmd *cobra.Command, _ []string) error {
			version, goVersion := "(devel)", ""
			if info, ok := debug.ReadBuildInfo(); ok {
				version, goVersion = info.Main.Version, info.GoVersion
			}
			return o.print(cmd, map[string]string{"version": version, "go": goVersion},
				func(w *writer) { w.printf("emilyc %s (%s)\n", version, goVersion) })
		},
	}
}
