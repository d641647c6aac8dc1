package conformance

import (
	"slices"
	"strconv"
	"strings"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/schema"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/passes/grad"
)

// Coverage is what is done of an operator, as the tables say that do it.
type Coverage struct {
	Domain     string // "" is ai.onnx
	Op         string
	Imported   []int64 // since_versions that the importer has a row for
	Missing    []int64 // those that it has not
	Deprecated bool    // in its last version
	Kind       ir.Kind // of the same name; NoKind for an operator that is composed of others
}

// Covered lists the operators that there are, by domain and name: all that have a schema.
func Covered() []Coverage {
	rows := map[onnx.OpVersion]bool{}
	for _, v := range onnx.Ops() {
		rows[v] = true
	}
	var list []Coverage
	for s := range schema.All() {
		if n := len(list); n == 0 || list[n-1].Op != s.Op || list[n-1].Domain != s.Domain {
			list = append(list, Coverage{Domain: s.Domain, Op: s.Op})
		}
		c := &list[len(list)-1]
		c.Deprecated = s.Deprecated
		if rows[onnx.OpVersion{Domain: s.Domain, Op: s.Op, Since: s.Since}] {
			c.Imported = append(c.Imported, s.Since)
			c.Kind = kindOf(s.Op)
		} else {
			c.Missing = append(c.Missing, s.Since)
		}
	}
	return list
}

// kindOf finds the kind that has an operator's name: LayerNormalization is layer_norm.
func kindOf(op string) ir.Kind {
	plain := func(s string) string {
		return strings.ToLower(strings.ReplaceAll(strings.Replace(s, "Normalization", "Norm", 1), "_", ""))
	}
	for k := ir.NoKind + 1; k < ir.NumKinds; k++ {
		if plain(k.String()) == plain(op) {
			return k
		}
	}
	return ir.NoKind
}

// Name is the operator with its domain, unless that is ai.onnx.
func (c *Coverage) Name() string { return opName(c.Domain, c.Op) }

// Interp is "yes" where the interpreter runs the operator. One that is composed of others runs wherever they do.
func (c *Coverage) Interp() string { return c.unlessMissing(KindInterp) }

// MLX is "yes" where there is a rule for the operator, or "no: " with the reason.
func (c *Coverage) MLX() string { return c.unlessMissing(KindMLX) }

// Grad is "yes" where a gradient passes through the operator, or "no: " with the reason.
func (c *Coverage) Grad() string { return c.unlessMissing(KindGrad) }

func (c *Coverage) unlessMissing(of func(ir.Kind) string) string {
	switch {
	case len(c.Imported) == 0:
		return "no"
	case c.Kind == ir.NoKind:
		return "yes"
	}
	return of(c.Kind)
}

// KindInterp is "yes" for a kind with a kernel.
func KindInterp(k ir.Kind) string {
	if interp.Kernels[k] == nil {
		return "no"
	}
	return "yes"
}

// KindMLX is "yes" for a kind with a rule, or "no: " with the reason.
func KindMLX(k ir.Kind) string {
	switch {
	case mlx.Rules[k].Lower != nil:
		return "yes"
	case mlx.Exempt[k] != "":
		return "no: " + mlx.Exempt[k]
	}
	return "no"
}

// KindGrad is "yes" for a kind with a rule of differentiation, or "no: " with the reason.
func KindGrad(k ir.Kind) string {
	if grad.Rules[k] != nil {
		return "yes"
	}
	return "no: " + grad.Exempt[k]
}

// domains are those of the operators, in the order in which they are shown.
func domains(list []Coverage) []string {
	var names []string
	for i := range list {
		if !slices.Contains(names, list[i].Domain) {
			names = append(names, list[i].Domain)
		}
	}
	return names
}

// Versions lists since_versions for a table.
func Versions(list []int64) string {
	text := make([]string, len(list))
	for i, v := range list {
		text[i] = strconv.FormatInt(v, 10)
	}
	return strings.Join(text, ",")
}
