// Package simplify holds the algebraic rules: identities, and chains of casts, transposes, reshapes and slices.
//
// All are exact: the result has the same bits. NaN payloads are outside of that, as everywhere. So x + 0.0 stays (it turns
// -0 into 0) while x + -0.0 goes; x * 0 stays (NaN, -0); a cast through a narrower dtype stays.
package simplify

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// Rules are the rules of the pass, by family.
var Rules = slices.Concat(elementwiseRules, castRules, reduceRules, shapeRules, controlRules)

// Run applies Rules.
func Run(m *ir.Module, c *rewrite.Context) error { return rewrite.Apply(m, c, Rules) }

// when returns v as the replacement where it has op's type.
func when(rw *rewrite.Rewriter, op *ir.Op, v *ir.Value) []*ir.Value {
	if !rw.SameType(v.Type, op.Result().Type) {
		return nil
	}
	return rewrite.One(v)
}
