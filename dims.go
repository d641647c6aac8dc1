package emily

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/emilyc/emily/ir"
)

// DimNames are the names that WithDims knows, sorted: symbols in the types of inputs, and input.axis.
func (m *Model) DimNames() []string { return slices.Sorted(maps.Keys(namedDims(m.inputs))) }

func namedDims(inputs []Port) map[string]ir.Dim {
	known := map[string]ir.Dim{}
	for _, in := range inputs {
		for axis, d := range in.Type.Shape {
			known[fmt.Sprintf("%s.%d", in.Name, axis)] = d
			d.Symbols(func(s ir.Dim) { known[s.Name()] = s })
		}
	}
	return known
}

// bindDims records as facts that sizes of f's inputs are those given, by symbol ("batch") or by input and axis
// ("input_ids.1").
func bindDims(f *ir.Func, given map[string]int64) error {
	inputs, _ := ports(f)
	known := namedDims(inputs)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		d, ok := known[name]
		if !ok {
			return &ir.Error{
				Kind: ir.ShapeError, Loc: ir.Loc{File: f.Module.Name}, Msg: fmt.Sprintf("no dimension %q", name),
				Remedy: "name one of " + strings.Join(slices.Sorted(maps.Keys(known)), ", "),
			}
		}
		n := given[name]
		if n < 0 || !f.Body.Assume(ir.Fact{Rel: ir.EQ, A: d, B: ir.Size(n)}) {
			return &ir.Error{
				Kind: ir.ShapeError, Loc: ir.Loc{File: f.Module.Name},
				Msg: fmt.Sprintf("dimension %q cannot be %d: it is %s", name, n, f.Body.Reduce(d)),
			}
		}
	}
	return nil
}
