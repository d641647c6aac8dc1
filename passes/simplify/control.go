package simplify

import (
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

var controlRules = []rewrite.Rule{
	{Name: "if-of-constant", Doc: "if with a known condition: the body of the branch", Kinds: []ir.Kind{ir.If}, Rewrite: ifOfConstant, Refines: true},
}

func ifOfConstant(rw *rewrite.Rewriter, op *ir.Op) []*ir.Value {
	cond, ok := op.Args[0].KnownInts()
	if !ok || len(cond) != 1 {
		return nil
	}
	branch := op.Regions[1-int(cond[0])]
	return rw.Inline(branch, op.Args[1:])
}
