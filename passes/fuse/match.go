package fuse

import (
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// match is one attempt to find a pattern at an op: what names stand for, and how far it got.
type match struct {
	*rewrite.Rewriter
	at    *ir.Op
	keys  []ir.Kind
	bound []binding
	depth int          // ops that match so far
	key   *ir.Op       // of the pattern, once one matched
	far   rewrite.Near // where the attempt that got farthest stopped
}

type binding struct {
	name string
	v    *ir.Value
}

// pat is a pattern of the ops that make a value. Patterns are built once and hold no state.
type pat func(m *match, v *ir.Value) bool

// find matches v, and forgets what a failed attempt bound.
func (m *match) find(p pat, v *ir.Value) bool {
	n, depth := len(m.bound), m.depth
	if v != nil && p(m, v) {
		return true
	}
	m.bound, m.depth = m.bound[:n], depth
	return false
}

// get is what the name stands for, nil where nothing is bound to it.
func (m *match) get(name string) *ir.Value {
	i := slices.IndexFunc(m.bound, func(b binding) bool { return b.name == name })
	if i < 0 {
		return nil
	}
	return m.bound[i].v
}

// scalar is the element of the constant that the name stands for.
func (m *match) scalar(name string) float64 {
	x, _ := rewrite.Splat(m.get(name))
	return x
}

// no notes why v does not match, if the attempt got farther than those before. It is always false.
func (m *match) no(v *ir.Value, reason string, args ...any) bool {
	if m.Explain == nil || m.far.Reason != "" && m.depth < m.far.Depth {
		return false
	}
	m.far.Depth, m.far.Value, m.far.Reason = m.depth, rewrite.Describe(v), fmt.Sprintf(reason, args...)
	if v != nil && v.Def != nil {
		m.far.Loc = v.Def.Location()
	}
	return false
}

// explain reports the near miss, if it was one.
func (m *match) explain() {
	if m.Explain == nil || m.key == nil || m.far.Reason == "" {
		return
	}
	m.far.Key = m.key
	m.Explain(m.far)
}

// sole reports whether each value has one use.
func (m *match) sole(vs ...*ir.Value) bool {
	for _, v := range vs {
		if !v.HasOneUse() {
			return m.no(v, "is used elsewhere too")
		}
	}
	return true
}

// meet counts an op that matches.
func (m *match) meet(op *ir.Op) {
	m.depth++
	if m.key == nil && slices.Contains(m.keys, op.Kind) {
		m.key = op
	}
}

// is names a value: any at first, the same one from then on.
func is(name string) pat {
	return func(m *match, v *ir.Value) bool {
		switch have := m.get(name); have {
		case nil:
			m.bound = append(m.bound, binding{name, v})
			return true
		case v:
			return true
		}
		return m.no(v, "is not the same as the %s before", name)
	}
}

// op is what an op of the kind makes of operands that match, which may be swapped where the kind is commutative.
func op(k ir.Kind, args ...pat) pat {
	return func(m *match, v *ir.Value) bool {
		o := rewrite.Def(v, k)
		if o == nil {
			return m.no(v, "want %s", k)
		}
		m.meet(o)
		if m.operands(o.Args, args) {
			return true
		}
		return k.Is(ir.Commutative) && len(args) == 2 && m.operands([]*ir.Value{o.Args[1], o.Args[0]}, args)
	}
}

func (m *match) operands(have []*ir.Value, want []pat) bool {
	n, depth := len(m.bound), m.depth
	for i, p := range want {
		if i >= len(have) || !m.find(p, have[i]) {
			m.bound, m.depth = m.bound[:n], depth
			return false
		}
	}
	return true
}

// named is p, and names what it matches.
func named(name string, p pat) pat {
	return func(m *match, v *ir.Value) bool { return p(m, v) && is(name)(m, v) }
}

// only is p where nothing else uses the value.
func only(p pat) pat {
	return func(m *match, v *ir.Value) bool {
		if !p(m, v) {
			return false
		}
		return v.HasOneUse() || m.no(v, "is used elsewhere too")
	}
}

// where is p with a condition on the op.
func where(p pat, why string, holds func(m *match, o *ir.Op) bool) pat {
	return func(m *match, v *ir.Value) bool {
		return p(m, v) && (holds(m, v.Def) || m.no(v, "%s", why))
	}
}

// either is the first of several that matches.
func either(ps ...pat) pat {
	return func(m *match, v *ir.Value) bool {
		return slices.ContainsFunc(ps, func(p pat) bool { return m.find(p, v) })
	}
}

// constant names a constant whose elements are all the same.
func constant(name string) pat {
	return func(m *match, v *ir.Value) bool {
		if _, ok := rewrite.Splat(v); !ok {
			return m.no(v, "want a constant")
		}
		return is(name)(m, v)
	}
}

// number is a constant whose elements are all x, rounded to its dtype.
func number(x float64) pat {
	return func(m *match, v *ir.Value) bool {
		c, ok := rewrite.Splat(v)
		if !ok {
			return m.no(v, "want the constant %v", x)
		}
		return near(c, x, v.DType(), 1) || m.no(v, "is %v, want %v", c, x)
	}
}
