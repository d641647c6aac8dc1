// Package fuse turns what exporters write out op by op back into composites: layer_norm, gelu, attention and their like.
//
// A composite is computed in one go and rounded once, its parts are rounded one by one: results differ by that, and where
// a part overflows but the composite does not. docs/passes.md states the tolerance.
package fuse

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// Rules are the rules of the pass, by family.
var Rules = slices.Concat(activationRules, softmaxRules, normRules, linearRules, convRules, attentionRules, ropeRules)

// Patterns are what rules find, by the names under which they are explained, each with the kinds that tell it from others:
// such an op that is left was not fused.
var Patterns = []Pattern{
	{"gelu", []ir.Kind{ir.Erf, ir.Tanh, ir.Sigmoid}},
	{"silu", []ir.Kind{ir.Sigmoid}},
	{"glu", []ir.Kind{ir.Silu, ir.Gelu}},
	{"mish", []ir.Kind{ir.Softplus}},
	{"softplus", []ir.Kind{ir.Exp, ir.Softplus}},
	{"hard_swish", []ir.Kind{ir.HardSigmoid, ir.Min}},
	{"softmax", []ir.Kind{ir.Exp}},
	{"log_softmax", []ir.Kind{ir.Log}},
	{"layer_norm", []ir.Kind{ir.ReduceMean}},
	{"rms_norm", []ir.Kind{ir.ReduceMean}},
	{"linear", []ir.Kind{ir.MatMul}},
	{"batch_norm", []ir.Kind{ir.BatchNorm}},
	{"conv", []ir.Kind{ir.Conv}},
	{"attention", []ir.Kind{ir.Softmax}},
	{"rope", []ir.Kind{ir.Neg, ir.Sub}},
}

// grown are the composites that a pattern may be part of already, while more of it is left.
var grown = map[string][]ir.Kind{"layer_norm": {ir.LayerNorm, ir.RMSNorm}, "rope": {ir.Rope}}

// Pattern is a row of Patterns.
type Pattern struct {
	Name string
	Keys []ir.Kind
}

// Run applies Rules.
func Run(m *ir.Module, c *rewrite.Context) error { return rewrite.Apply(m, c, Rules) }

// fusion makes a rule of a function that gives what stands for op's result, or nil. The attempts that come as far as an op
// of the pattern's keys are near misses, and explained.
func fusion(pattern, name, doc string, f func(*match, *ir.Op) *ir.Value, kinds ...ir.Kind) rewrite.Rule {
	i := slices.IndexFunc(Patterns, func(p Pattern) bool { return p.Name == pattern })
	if i < 0 {
		panic("fuse: no row in Patterns for " + pattern)
	}
	keys := slices.Concat(Patterns[i].Keys, grown[pattern])
	return rewrite.Rule{Name: name, Doc: doc, Kinds: kinds, Rewrite: func(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
		m := &match{Rewriter: rw, keys: keys, at: op}
		m.far.Pattern = pattern
		v := f(m, op)
		if v != nil && !rw.SameType(v.Type, op.Result().Type) {
			m.no(op.Result(), "the result would be %s, not %s", v.Type, op.Result().Type)
			v = nil
		}
		if v == nil {
			m.explain()
			return nil
		}
		return rewrite.One(v)
	}}
}
