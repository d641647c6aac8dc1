package fuse

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// A product in normal form is c · ∏ vᵢ^eᵢ: so mul, div, neg, reciprocal, sqrt, rsqrt and pow by a constant are all one, and a
// pattern need not say in which order and by which of them it was written.
type product struct {
	c       float64
	consts  int // that c is made of
	factors []factor
}

// factor is a value to a power.
type factor struct {
	v *ir.Value
	e float64
}

// maxFactors bounds a product, maxLevels how deep its ops are nested.
const (
	maxFactors = 8
	maxLevels  = 5
)

// multiply adds v^e to the product.
func (p *product) multiply(v *ir.Value, e float64) {
	if c, ok := rewrite.Splat(v); ok {
		p.c *= math.Pow(c, e)
		p.consts++
		return
	}
	whole := func(f factor) bool { return f.v == v && f.e+e == math.Trunc(f.e+e) && e == math.Trunc(e) } // √x·√x is no x below 0
	if i := slices.IndexFunc(p.factors, whole); i >= 0 {
		p.factors[i].e += e
		return
	}
	p.factors = append(p.factors, factor{v, e})
}

// expand takes one op of the factor f apart into p, false where it is no product.
func (p *product) expand(f factor) bool {
	o := f.v.Def
	if o == nil || !f.v.DType().IsFloat() {
		return false
	}
	one := math.Abs(f.e) == 1 || f.e == math.Trunc(f.e) // (ab)^½ is a^½ b^½ for positive a and b only
	switch {
	case o.Kind == ir.Mul && one:
		p.multiply(o.Args[0], f.e)
		p.multiply(o.Args[1], f.e)
	case o.Kind == ir.Div && one:
		p.multiply(o.Args[0], f.e)
		p.multiply(o.Args[1], -f.e)
	case o.Kind == ir.Neg && one:
		p.c *= math.Pow(-1, f.e)
		p.multiply(o.Args[0], f.e)
	case o.Kind == ir.Reciprocal:
		p.multiply(o.Args[0], -f.e)
	case o.Kind == ir.Sqrt:
		p.multiply(o.Args[0], f.e/2)
	case o.Kind == ir.Rsqrt:
		p.multiply(o.Args[0], -f.e/2)
	case o.Kind == ir.Pow && one:
		e, ok := rewrite.Splat(o.Args[1])
		if !ok || !o.Args[1].DType().IsFloat() && !o.Args[1].DType().IsInt() {
			return false
		}
		p.multiply(o.Args[0], f.e*e)
	default:
		return false
	}
	return true
}

// level takes every factor that is none of stop apart once; nil where none is a product.
func (p product) level(stop []*ir.Value) *product {
	out, changed := product{c: p.c, consts: p.consts}, false
	for _, f := range p.factors {
		if !slices.Contains(stop, f.v) && out.expand(f) {
			changed = true
			continue
		}
		out.multiply(f.v, f.e)
	}
	if !changed || len(out.factors) > maxFactors {
		return nil
	}
	return &out
}

// to is a factor of a product: a pattern to a power.
type to struct {
	e float64
	p pat
}

// times is a product of c and of values that match, in any order and by whichever ops. The first pattern is looked for
// first, and what it binds is not taken apart any more: it should be the one that tells most.
func times(c float64, want ...to) pat {
	return func(m *match, v *ir.Value) bool {
		n, depth := len(m.bound), m.depth
		p := &product{c: 1, factors: []factor{{v, 1}}}
		for range maxLevels {
			for _, f := range p.factors {
				if f.e == want[0].e && m.find(want[0].p, f.v) && m.rest(v, f.v, c, want) {
					return true
				}
				m.bound, m.depth = m.bound[:n], depth
			}
			if p = p.level(nil); p == nil {
				break
			}
		}
		return false
	}
}

// rest matches all that is in v besides the factor first.
func (m *match) rest(v, first *ir.Value, c float64, want []to) bool {
	stop := []*ir.Value{first}
	for _, b := range m.bound {
		stop = append(stop, b.v)
	}
	p := &product{c: 1, factors: []factor{{v, 1}}}
	for range maxLevels {
		next := p.level(stop)
		if next == nil {
			break
		}
		p = next
	}
	if !near(p.c, c, v.DType(), p.consts) {
		return m.no(v, "has the factor %v, want %v", p.c, c)
	}
	left := slices.DeleteFunc(p.factors, func(f factor) bool { return f.v == first && f.e == want[0].e })
	return m.assign(v, left, want[1:])
}

// assign gives each pattern a factor of its own.
func (m *match) assign(v *ir.Value, left []factor, want []to) bool {
	if len(left) != len(want) {
		return m.no(v, "is a product of %d factors more, want %d", len(left), len(want))
	}
	if len(want) == 0 {
		return true
	}
	n, depth := len(m.bound), m.depth
	for i, f := range left {
		others := slices.Delete(slices.Clone(left), i, i+1)
		if f.e == want[0].e && m.find(want[0].p, f.v) && m.assign(v, others, want[1:]) {
			return true
		}
		m.bound, m.depth = m.bound[:n], depth
	}
	return m.no(v, "its factor %s fits nothing of the pattern", rewrite.Describe(left[0].v))
}

// near reports whether c is want, but for the rounding of n constants of dtype d.
func near(c, want float64, d ir.DType, n int) bool {
	return math.Abs(c-want) <= float64(n+1)*rounding(d)*math.Abs(want)
}

// rounding is what one rounding to d may change, relative to the value.
func rounding(d ir.DType) float64 {
	switch d {
	case ir.F16:
		return 0x1p-11
	case ir.BF16:
		return 0x1p-8
	case ir.F64:
		return 0x1p-53
	}
	return 0x1p-24
}
