package main

import (
	"slices"
	"strconv"
	"strings"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/spf13/cobra"
)

// opRow is the coverage of an ONNX operator, or of a kind of the IR.
type opRow struct {
	Domain   string  `json:"domain,omitempty"`
	Op       string  `json:"op"`
	Versions []int64 `json:"since_versions,omitempty"`
	Kind     string  `json:"kind,omitempty"` // of the same name; empty for an operator that is composed of others
	Interp   string  `json:"interp"`
	MLX      string  `json:"mlx"`
	Grad     string  `json:"grad"`
}

func newOps(o *options) *cobra.Command {
	var kinds bool
	cmd := &cobra.Command{
		Use:   "ops [NAME…]",
		Short: "Show which operators are covered",
		Long: `Ops prints the coverage table, made from the tables that the importer, the interpreter and the lowering work by: a row
for each ONNX operator with the since_versions that are imported, or with --kinds for each kind of the IR.

An operator without a kind of its own is composed of others, and runs wherever they do.`,
		Args: needs(0, -1, "NAME"),
		Example: `emilyc ops
emilyc ops Softmax Gather
emilyc ops --kinds --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
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
	return cmd
}

func printOpRows(w *writer, rows []opRow) {
	table := [][]string{{"op", "since", "kind", "interp", "mlx", "grad"}}
	for _, r := range rows {
		versions := make([]string, len(r.Versions))
		for i, v := range r.Versions {
			versions[i] = strconv.FormatInt(v, 10)
		}
		name, kind := r.Op, r.Kind
		if r.Domain != "" {
			name = r.Domain + "." + name
		}
		if kind == "" {
			kind = "(composed)"
		}
		table = append(table, []string{name, strings.Join(versions, ","), kind, r.Interp, r.MLX, r.Grad})
	}
	w.table(table)
	w.printf("%d rows\n", len(rows))
}

func onnxRows() []opRow {
	var rows []opRow
	at := map[string]int{}
	for _, op := range onnx.Ops() {
		key := op.Domain + "." + op.Op
		i, ok := at[key]
		if !ok {
			i = len(rows)
			at[key] = i
			r := opRow{Domain: op.Domain, Op: op.Op, Interp: "yes", MLX: "yes", Grad: "no"}
			if k, ok := kindOf(op.Op); ok {
				r = kindRow(k)
				r.Domain, r.Op = op.Domain, op.Op
			}
			rows = append(rows, r)
		}
		rows[i].Versions = append(rows[i].Versions, op.Since)
	}
	slices.SortFunc(rows, func(a, b opRow) int {
		if c := strings.Compare(a.Domain, b.Domain); c != 0 {
			return c
		}
		return strings.Compare(a.Op, b.Op)
	})
	for _, r := range rows {
		slices.Sort(r.Versions)
	}
	return rows
}

// kindOf finds the kind that has an operator's name: LayerNormalization is layer_norm.
func kindOf(op string) (ir.Kind, bool) {
	plain := func(s string) string {
		return strings.ToLower(strings.ReplaceAll(strings.Replace(s, "Normalization", "Norm", 1), "_", ""))
	}
	for k := ir.NoKind + 1; k < ir.NumKinds; k++ {
		if plain(k.String()) == plain(op) {
			return k, true
		}
	}
	return ir.NoKind, false
}

func kindRows() []opRow {
	var rows []opRow
	for k := ir.NoKind + 1; k < ir.NumKinds; k++ {
		rows = append(rows, kindRow(k))
	}
	return rows
}

func kindRow(k ir.Kind) opRow {
	r := opRow{Op: k.String(), Kind: k.String(), Interp: "no", MLX: "no", Grad: "no"}
	if interp.Kernels[k] != nil {
		r.Interp = "yes"
	}
	if mlx.Rules[k].Lower != nil {
		r.MLX = "yes"
	} else if why := mlx.Exempt[k]; why != "" {
		r.MLX = "no: " + why
	}
	return r
}
