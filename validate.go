package emily

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

// order puts named inputs into the order of the ports.
func order(file string, ports []Port, inputs map[string]ir.Datum) ([]ir.Datum, error) {
	out := make([]ir.Datum, len(ports))
	known := map[string]bool{}
	for i, p := range ports {
		known[p.Name] = true
		v, ok := inputs[p.Name]
		if !ok {
			return nil, inputError(file, ir.Malformed, "give a value of its type", "input %q (%s) is missing", p.Name, p.Type)
		}
		out[i] = v
	}
	for _, name := range slices.Sorted(maps.Keys(inputs)) {
		if !known[name] {
			return nil, inputError(file, ir.Malformed, "name one of "+names(ports), "there is no input %q", name)
		}
	}
	return out, nil
}

func names(ports []Port) string {
	parts := make([]string, len(ports))
	for i, p := range ports {
		parts[i] = fmt.Sprintf("%q", p.Name)
	}
	return strings.Join(parts, ", ")
}

func inputError(file string, kind ir.ErrorKind, remedy, format string, args ...any) error {
	return &ir.Error{Kind: kind, Loc: ir.Loc{File: file}, Msg: fmt.Sprintf(format, args...), Remedy: remedy}
}

// checkInputs compares inputs with ports: their number, kinds, dtypes, ranks and sizes, where a symbol has one
// size in all of them. Errors are *ir.Error.
func checkInputs(file string, ports []Port, inputs []ir.Datum) error {
	if len(inputs) != len(ports) {
		return inputError(file, ir.Malformed, "the inputs are "+names(ports), "%d inputs, wants %d", len(inputs), len(ports))
	}
	c := checker{file: file, sizes: map[ir.Dim]int64{}, from: map[ir.Dim]string{}}
	for i, p := range ports {
		if err := c.form(p, inputs[i]); err != nil {
			return err
		}
	}
	for i, p := range ports {
		if err := c.expressions(p, inputs[i]); err != nil {
			return err
		}
	}
	return nil
}

type checker struct {
	file  string
	sizes map[ir.Dim]int64
	from  map[ir.Dim]string // the input that a symbol has its size from
}

// form checks one input by itself, and symbols against those of earlier inputs.
func (c *checker) form(p Port, v ir.Datum) error {
	if interp.Missing(v) {
		return inputError(c.file, ir.Malformed, "give a value of its type", "input %q (%s) is missing", p.Name, p.Type)
	}
	t, ok := v.(*ir.Tensor)
	if !ok || !p.Type.IsTensor() {
		if got := v.Type().Kind; got != p.Type.Kind {
			return inputError(c.file, ir.DTypeError, "", "input %q is %s, wants %s", p.Name, v.Type(), p.Type)
		}
		return nil
	}
	if t.DType != p.Type.DType {
		return inputError(c.file, ir.DTypeError, "convert it to "+p.Type.DType.String(), "input %q is %s, wants %s", p.Name, t.Type(), p.Type)
	}
	if len(t.Shape) != p.Type.Rank() {
		return inputError(c.file, ir.ShapeError, fmt.Sprintf("give it %d axes", p.Type.Rank()), "input %q is %s, wants %s", p.Name, t.Type(), p.Type)
	}
	n, err := ir.NumElements(t.Shape)
	if err != nil {
		return inputError(c.file, ir.ShapeError, "", "input %q: %v", p.Name, err)
	}
	held, want := len(t.Data), n*t.DType.Size()
	if t.DType == ir.String {
		held, want = len(t.Strings), n
	}
	if held != want {
		return inputError(c.file, ir.ShapeError, "", "input %q holds %d bytes, %s needs %d", p.Name, held, t.Type(), want)
	}
	for axis, d := range p.Type.Shape {
		if d.Op() != ir.DimSym {
			continue
		}
		size, bound := c.sizes[d]
		if bound && size != int64(t.Shape[axis]) {
			return inputError(c.file, ir.ShapeError, "give inputs of sizes that agree", "input %q is %s, wants %s: axis %d has size %d, but %s is %d in input %q",
				p.Name, t.Type(), p.Type, axis, t.Shape[axis], d, size, c.from[d])
		}
		if !bound {
			c.sizes[d], c.from[d] = int64(t.Shape[axis]), p.Name
		}
	}
	return nil
}

// expressions checks the sizes that are numbers, or follow from symbols.
func (c *checker) expressions(p Port, v ir.Datum) error {
	t, ok := v.(*ir.Tensor)
	if !ok {
		return nil
	}
	for axis, d := range p.Type.Shape {
		if n, known := d.Eval(c.sizes); known && n != int64(t.Shape[axis]) {
			return inputError(c.file, ir.ShapeError, fmt.Sprintf("give it size %d there", n), "input %q is %s, wants %s: axis %d has size %d",
				p.Name, t.Type(), p.Type, axis, t.Shape[axis])
		}
	}
	return nil
}
