package main

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/emilyc/emily/conformance"
	"github.com/emilyc/emily/ir"
	"github.com/spf13/cobra"
)

// opRow is the coverage of an ONNX operator, or of a kind of the IR.
type opRow struct {
	Domain   string  `json:"domain,omitempty"`
	Op       string  `json:"op"`
	Versions []int64 `json:"since_versions,omitempty"` // imported
	Missing  []int64 `json:"missing_versions,omitempty"`
	Kind     string  `json:"kind,omitempty"` // of the same name, or composed
	Interp   string  `json:"interp"`
	MLX      string  `json:"mlx"`
	Grad     string  `json:"grad"`
}

func newOps(o *options) *cobra.Command {
	var kinds bool
	var totals string
	cmd := &cobra.Command{
		Use:   "ops [NAME…]",
		Short: "Show which operators are covered",
		Long: `Ops prints the coverage table, made from the operator schemas and from the tables that the importer, the interpreter, the
lowering and the gradients work by: a row for each operator of ONNX and of com.microsoft with the since_versions that are imported and
those that are missing, or with --kinds for each kind of the IR.

An operator without a kind of its own is composed of others, and runs wherever they do.`,
		Args: needs(0, -1, "NAME"),
		Example: `emilyc ops
emilyc ops Softmax Gather
emilyc ops --kinds --json
emilyc ops --markdown conformance/testdata/totals/onnx.txt > docs/status.md`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if totals != "" {
				return printStatus(cmd, totals)
			}
			rows := onnxRows()
			if kinds {
				rows = kindRows()
			}
			if len(args) > 0 {
				rows = slices.DeleteFunc(rows, func(r opRow) bool {
					return !slices.ContainsFunc(args, func(a string) bool { return strings.EqualFold(a, r.Op) })
				})
			}
			return o.print(cmd, rows, func(w *writer) { printOpRows(w, rows) })
		},
	}
	cmd.Flags().BoolVar(&kinds, "kinds", false, "list the kinds of the IR instead")
	cmd.Flags().StringVar(&totals, "markdown", "", "print docs/status.md, with what emilyc conformance --totals wrote to this `FILE`")
	return cmd
}

// composed is the kind of an operator that is composed of others.
const composed = "(composed)"

func printOpRows(w *writer, rows []opRow) {
	table := [][]string{{"op", "since", "missing", "kind", "interp", "mlx", "grad"}}
	for _, r := range rows {
		name := r.Op
		if r.Domain != "" {
			name = r.Domain + "." + name
		}
		table = append(table, []string{name, orDash(conformance.Versions(r.Versions)), orDash(conformance.Versions(r.Missing)), orDash(r.Kind), r.Interp, r.MLX, r.Grad})
	}
	w.table(table)
	w.printf("%d rows\n", len(rows))
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

func onnxRows() []opRow {
	var rows []opRow
	for _, c := range conformance.Covered() {
		r := opRow{Domain: c.Domain, Op: c.Op, Versions: c.Imported, Missing: c.Missing, Interp: c.Interp(), MLX: c.MLX(), Grad: c.Grad()}
		switch {
		case c.Kind != ir.NoKind:
			r.Kind = c.Kind.String()
		case len(c.Imported) > 0:
			r.Kind = composed
		}
		rows = append(rows, r)
	}
	return rows
}

func kindRows() []opRow {
	var rows []opRow
	for k := ir.NoKind + 1; k < ir.NumKinds; k++ {
		rows = append(rows, kindRow(k))
	}
	return rows
}

func kindRow(k ir.Kind) opRow {
	return opRow{Op: k.String(), Kind: k.String(), Interp: conformance.KindInterp(k), MLX: conformance.KindMLX(k), Grad: conformance.KindGrad(k)}
}

// printStatus writes docs/status.md. The totals' file is named after the suite.
func printStatus(cmd *cobra.Command, totals string) error {
	t, err := conformance.ReadTotals(totals)
	if err != nil {
		return err
	}
	suite := strings.TrimSuffix(filepath.Base(totals), filepath.Ext(totals))
	return conformance.WriteStatus(cmd.OutOrStdout(), conformance.Covered(), suite, t)
}
