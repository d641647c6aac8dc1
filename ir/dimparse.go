package ir

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ParseDim reads a Dim from its text, which is also what exporters write as dim_param: integers, names,
// + - * // ** and parentheses with Python's precedence, and the functions floordiv, mod, min, max (also FloorDiv,
// Mod, Min, Max).
func ParseDim(s string) (Dim, error) {
	p := dimParser{s: s}
	d := p.sum()
	p.space()
	if p.err == nil && p.i < len(p.s) {
		p.fail("unexpected %.20q", p.s[p.i:])
	}
	if p.err != nil {
		return Dim{}, fmt.Errorf("dim %.80q: %w", s, p.err)
	}
	return d, nil
}

type dimParser struct {
	s     string
	i     int
	depth int
	err   error
}

func (p *dimParser) fail(format string, args ...any) Dim {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
	p.i = len(p.s)
	return Unknown
}

func (p *dimParser) space() {
	for p.i < len(p.s) && p.s[p.i] == ' ' {
		p.i++
	}
}

func (p *dimParser) eat(tok string) bool {
	p.space()
	if !strings.HasPrefix(p.s[p.i:], tok) {
		return false
	}
	p.i += len(tok)
	return true
}

func (p *dimParser) sum() Dim {
	if p.depth++; p.depth > 100 {
		return p.fail("nested too deep")
	}
	defer func() { p.depth-- }()
	d := p.product()
	terms := slices.Clone(d.poly()) // normalised once: partial sums would all be interned
	known := d != Unknown
	for {
		switch {
		case p.eat("+"):
			d = p.product()
		case p.eat("-"):
			d = Size(-1).Mul(p.product())
		case known:
			return normal(terms)
		default:
			return Unknown
		}
		known = known && d != Unknown
		terms = append(terms, d.poly()...)
	}
}

func (p *dimParser) product() Dim {
	d := p.unary()
	for {
		switch {
		case p.eat("//"):
			d = d.FloorDiv(p.unary())
		case p.eat("*"):
			d = d.Mul(p.unary())
		default:
			return d
		}
	}
}

func (p *dimParser) unary() Dim {
	neg := false
	for p.eat("-") {
		neg = !neg
		if neg && strings.HasPrefix(p.s[p.i:], minIntDigits) { // has no positive counterpart
			p.i += len(minIntDigits)
			return Size(math.MinInt64)
		}
	}
	if d := p.power(); !neg {
		return d
	} else {
		return Size(-1).Mul(d)
	}
}

const minIntDigits = "9223372036854775808"

func (p *dimParser) power() Dim {
	d := p.atom()
	if !p.eat("**") {
		return d
	}
	n, ok := p.atom().Value()
	if !ok || n < 0 || n > maxTerms {
		return p.fail("exponent is not a small integer")
	}
	r := Size(1)
	for range n {
		r = r.Mul(d)
	}
	return r
}

var dimCalls = map[string]func(args []Dim) (Dim, bool){
	"floordiv": binaryDim(Dim.FloorDiv), "FloorDiv": binaryDim(Dim.FloorDiv),
	"mod": binaryDim(Dim.Mod), "Mod": binaryDim(Dim.Mod),
	"min": foldDim(Dim.Min), "Min": foldDim(Dim.Min), "max": foldDim(Dim.Max), "Max": foldDim(Dim.Max),
}

func binaryDim(f func(a, b Dim) Dim) func([]Dim) (Dim, bool) {
	return func(args []Dim) (Dim, bool) {
		if len(args) != 2 {
			return Dim{}, false
		}
		return f(args[0], args[1]), true
	}
}

func foldDim(f func(a, b Dim) Dim) func([]Dim) (Dim, bool) {
	return func(args []Dim) (Dim, bool) {
		d := args[0]
		for _, a := range args[1:] {
			d = f(d, a)
		}
		return d, true
	}
}

func (p *dimParser) atom() Dim {
	p.space()
	start := p.i
	switch {
	case p.eat("?"):
		return Unknown
	case p.eat("("):
		d := p.sum()
		if !p.eat(")") {
			return p.fail("missing )")
		}
		return d
	case p.eat(`"`):
		q, err := strconv.QuotedPrefix(p.s[start:])
		if err != nil {
			return p.fail("bad quoted name")
		}
		p.i = start + len(q)
		name, _ := strconv.Unquote(q)
		return Sym(name)
	}
	for p.i < len(p.s) && p.s[p.i] >= '0' && p.s[p.i] <= '9' {
		p.i++
	}
	if p.i > start {
		n, err := strconv.ParseInt(p.s[start:p.i], 10, 64)
		if err != nil {
			return p.fail("integer out of range")
		}
		return Size(n)
	}
	p.i += identLen(p.s[start:])
	name := p.s[start:p.i]
	if name == "" {
		return p.fail("expected a name or an integer at %.20q", p.s[start:])
	}
	if f := dimCalls[name]; f != nil && p.eat("(") {
		return p.call(f)
	}
	return Sym(name)
}

func (p *dimParser) call(f func([]Dim) (Dim, bool)) Dim {
	args := []Dim{p.sum()}
	for p.eat(",") {
		args = append(args, p.sum())
	}
	d, ok := f(args)
	if !p.eat(")") || !ok {
		return p.fail("bad function call")
	}
	return d
}
