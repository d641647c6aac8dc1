package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/passes"
	"github.com/emilyc/emily/passes/fuse"
	"github.com/emilyc/emily/passes/rewrite"
	"github.com/spf13/cobra"
)

func newOpt(o *options) *cobra.Command {
	var f modelFlags
	var pipeline, out, explain string
	var precision ir.DType
	var stopAfter int
	var printAfter, disable []string
	var trace, verify bool
	cmd := &cobra.Command{
		Use:   "opt MODEL",
		Short: "Run passes over a model and print its IR",
		Long: `Opt imports a model, runs passes over it, and prints the IR that comes out.

Rewrites are numbered over all passes: --stop-after N makes no more than N of them, which is how a wrong one
is found by hand; 'emilyc verify --bisect' finds it by itself. --explain PATTERN says, for each op that might have become part of
a PATTERN, where that stopped and why; --explain all for every pattern that nearly matched.

Passes:
`,
		Args: needs(1, 1, "MODEL"),
		Example: `emilyc opt model.onnx
emilyc opt model.onnx --passes shapes,simplify,dce -o small.eir
emilyc opt model.eir --trace --stop-after 12 --print-after fold`,
		RunE: func(cmd *cobra.Command, args []string) error {
			pipe, err := pipelineOf(cmd, pipeline, precision)
			if err != nil {
				return err
			}
			form, err := programForm(cmd, out)
			if err != nil {
				return err
			}
			opts := passes.Options{
				Eval: interp.EvalOp, StopAfter: stopAfter, Disable: disable, Verify: verify, PrintAfter: map[string]io.Writer{},
			}
			if stopAfter < 0 {
				return wrongUse(cmd, "--stop-after %d: wants a number from 0 up", stopAfter)
			}
			if err := knownPasses(cmd, append(append([]string{}, printAfter...), disable...)); err != nil {
				return err
			}
			for _, name := range printAfter {
				opts.PrintAfter[name] = cmd.ErrOrStderr()
			}
			if trace {
				opts.Trace = func(s rewrite.Step) { cmd.PrintErrln(s) }
			}
			var why fuse.Explanation
			if explain != "" {
				if err := knownPattern(cmd, explain); err != nil {
					return err
				}
				opts.Explain = why.Add
			}
			l, err := f.load(cmd, args[0])
			if err != nil {
				return err
			}
			defer l.close()
			if stopAfter == 0 && cmd.Flags().Changed("stop-after") {
				pipe = nil // no rewrite at all
			}
			stats, err := passes.Run(l.module, pipe, opts)
			if err != nil {
				return err
			}
			if o.verbose {
				cmd.PrintErr(stats)
			}
			if explain != "" {
				list := why.List(l.module, explain)
				return o.print(cmd, nearJSON(list), func(w *writer) {
					if w.printf("%s", fuse.Text(list)); len(list) == 0 {
						w.printf("%s\n", fuse.Nothing(l.module, explain))
					}
				})
			}
			if out != "" {
				return form.write(l.module, out, mlx.Options{})
			}
			if o.json {
				return o.print(cmd, optJSON(stats), nil)
			}
			return printModule(cmd.OutOrStdout(), l.module)
		},
	}
	for _, p := range passes.All {
		cmd.Long += fmt.Sprintf("  %-9s %s\n", p.Name, p.Doc)
	}
	f.add(cmd)
	cmd.Flags().StringVar(&pipeline, "passes", "default", "comma-separated passes")
	addPrecision(cmd, &precision)
	cmd.Flags().StringVarP(&out, "output", "o", "", "write it to this file: .eir, .safetensors or .onnx")
	cmd.Flags().IntVar(&stopAfter, "stop-after", 0, "make no rewrite past the Nth")
	cmd.Flags().StringSliceVar(&printAfter, "print-after", nil, "print the IR after this pass, or after 'all', to standard error")
	cmd.Flags().StringSliceVar(&disable, "disable", nil, "passes to leave out")
	cmd.Flags().StringVar(&explain, "explain", "", "print why this pattern, or 'all', did not match, and not the IR")
	cmd.Flags().BoolVar(&trace, "trace", false, "print each rewrite to standard error")
	cmd.Flags().BoolVar(&verify, "verify", true, "run the verifier after every pass")
	return cmd
}

func knownPasses(cmd *cobra.Command, names []string) error {
	for _, n := range names {
		if _, err := passes.Pipeline(n); err != nil && n != "all" {
			return wrongUse(cmd, "%v", err)
		}
	}
	return nil
}

func knownPattern(cmd *cobra.Command, pattern string) error {
	names := []string{"all"}
	for _, p := range fuse.Patterns {
		names = append(names, p.Name)
	}
	if !slices.Contains(names, pattern) {
		return wrongUse(cmd, "--explain: unknown pattern %q: there are %s", pattern, strings.Join(names, ", "))
	}
	return nil
}

func printModule(w io.Writer, m *ir.Module) error { return m.Print(w) }

type missJSON struct {
	Pattern string `json:"pattern"`
	Op      string `json:"op"`
	Node    string `json:"node"`
	Matched int    `json:"ops_matched"`
	Stopped string `json:"stopped_at"`
	At      string `json:"stopped_at_node"`
	Reason  string `json:"reason"`
}

func nearJSON(list []rewrite.Near) []missJSON {
	out := []missJSON{}
	for _, n := range list {
		out = append(out, missJSON{n.Pattern, n.Key.Kind.String(), n.Key.Location().String(), n.Depth, n.Value, n.Loc.String(), n.Reason})
	}
	return out
}

type passJSON struct {
	Pass    string         `json:"pass"`
	Before  int            `json:"ops_before"`
	After   int            `json:"ops_after"`
	Seconds float64        `json:"seconds"`
	Rules   map[string]int `json:"rules,omitempty"`
}

func optJSON(s passes.Stats) []passJSON {
	out := []passJSON{}
	for _, p := range s.Passes {
		out = append(out, passJSON{p.Pass, p.Before, p.After, p.Time.Seconds(), p.Rules})
	}
	return out
}
