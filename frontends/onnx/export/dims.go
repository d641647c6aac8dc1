package export

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emilyc/emily/ir"
)

// source is where a symbol's value can be read.
type source struct {
	value string
	axis  int
}

// learn notes the symbols that v tells.
func (g *graph) learn(v *ir.Value) {
	name := g.names[v]
	if name == "" || !v.Type.IsTensor() {
		return
	}
	for i, d := range v.Shape() {
		if d.Op() != ir.DimSym {
			continue
		}
		if _, known := g.source(d); !known {
			g.symbols[d] = source{name, i}
		}
	}
}

func (g *graph) source(d ir.Dim) (source, bool) {
	for o := g; o != nil; o = o.outer {
		if s, ok := o.symbols[d]; ok {
			return s, true
		}
	}
	return source{}, false
}

// vector is a 1-D i64 tensor of sizes.
func (g *graph) vector(dims ...ir.Dim) string {
	var known []int64
	for _, d := range dims {
		if n, ok := d.Value(); ok {
			known = append(known, n)
		}
	}
	if len(known) == len(dims) {
		return g.ints(known...)
	}
	keys := make([]string, len(dims))
	for i, d := range dims {
		keys[i] = d.String()
	}
	return g.made("["+strings.Join(keys, ", ")+"]", func() string {
		parts := make([]string, len(dims))
		for i, d := range dims {
			parts[i] = g.dim(d)
		}
		if len(parts) == 1 {
			return parts[0]
		}
		return g.one("Concat", parts, intAttr("axis", 0))
	})
}

// scalar is a size as an i64 scalar.
func (g *graph) scalar(d ir.Dim) string {
	if n, ok := d.Value(); ok {
		return g.value(ir.Scalar(n))
	}
	return g.made("scalar "+d.String(), func() string { return g.one("Squeeze", []string{g.dim(d), g.ints(0)}) })
}

// made is what make gave before for the key, here or around.
func (g *graph) made(key string, make func() string) string {
	for o := g; o != nil; o = o.outer {
		if name := o.dims[key]; name != "" {
			return name
		}
	}
	name := make()
	g.dims[key] = name
	return name
}

// dim is a size as a tensor of shape [1].
func (g *graph) dim(d ir.Dim) string {
	if n, ok := d.Value(); ok {
		return g.ints(n)
	}
	return g.made(d.String(), func() string {
		switch d.Op() {
		case ir.DimSym:
			return g.symbol(d)
		case ir.DimSum:
			return g.sum(d)
		case ir.DimMin:
			return g.one("Min", g.dimArgs(d))
		case ir.DimMax:
			return g.one("Max", g.dimArgs(d))
		case ir.DimMod:
			return g.one("Mod", g.dimArgs(d))
		case ir.DimDiv:
			return g.floorDiv(d)
		}
		return g.fail("a size is not known")
	})
}

func (g *graph) dimArgs(d ir.Dim) []string {
	return []string{g.dim(d.Args()[0]), g.dim(d.Args()[1])}
}

func (g *graph) symbol(d ir.Dim) string {
	s, ok := g.source(d)
	if !ok {
		return g.fail(fmt.Sprintf("no value before it has the size %s", d))
	}
	return g.one("Shape", []string{s.value}, intAttr("start", int64(s.axis)), intAttr("end", int64(s.axis)+1))
}

// sum adds products up.
func (g *graph) sum(d ir.Dim) string {
	total := ""
	for _, t := range d.Terms() {
		term := ""
		if t.Coef != 1 || len(t.Factors) == 0 {
			term = g.ints(t.Coef)
		}
		for _, f := range t.Factors {
			if term == "" {
				term = g.dim(f)
			} else {
				term = g.one("Mul", []string{term, g.dim(f)})
			}
		}
		if total == "" {
			total = term
		} else {
			total = g.one("Add", []string{total, term})
		}
	}
	return total
}

// floorDiv rounds down, where ONNX's Div truncates.
func (g *graph) floorDiv(d ir.Dim) string {
	args := g.dimArgs(d)
	if lo, _ := d.Args()[0].Bounds(); lo < 0 {
		args[0] = g.one("Sub", []string{args[0], g.one("Mod", slices.Clone(args))})
	}
	return g.one("Div", args)
}
