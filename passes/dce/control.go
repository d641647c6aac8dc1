package dce

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// layout is how the operands, results and yields of an op with regions belong together.
type layout struct {
	args    int // operands that are not bound to parameters: an if's condition
	carried int // results that belong to a loop-carried operand
	first   int // the operand of the first carried value
	yields  int // yields before that of the first result: a loop's condition
	capture int // the first captured operand
}

func layoutOf(op *ir.Op) layout {
	switch a := op.Attrs.(type) {
	case *ir.LoopAttrs:
		return layout{carried: int(a.Carried), first: 2, yields: 1, capture: 2 + int(a.Carried)}
	case *ir.ScanAttrs:
		return layout{carried: int(a.Carried), capture: int(a.Carried) + len(a.InputAxes)}
	}
	return layout{args: 1, capture: 1}
}

// trim removes the results of op that have no users, before its regions are cleaned. A carried value goes where
// only its own next value depends on it.
func trim(op *ir.Op, n *names, c *rewrite.Context) {
	if len(op.Regions) == 0 {
		return
	}
	l := layoutOf(op)
	for i := len(op.Results) - 1; i >= 0; i-- {
		v := op.Results[i]
		if len(v.Uses()) > 0 || n.defines(op, v) || i < l.carried && !idle(op, l, i, n) || !c.Step("result", op) {
			continue
		}
		for _, r := range op.Regions {
			dropArg(r.Terminator(), l.yields+i)
		}
		dropResult(op, i)
		forget(op, l, i)
		if i < l.carried {
			dropArg(op, l.first+i)
			dropParam(op.Regions[0], l.first+i)
			l = layoutOf(op)
		}
	}
}

// defines reports whether a symbol in use may get its value from v.
func (n *names) defines(op *ir.Op, v *ir.Value) bool {
	return slices.ContainsFunc(v.Type.Shape, func(d ir.Dim) bool { return n.used[d] && n.first[d] == op })
}

// idle reports whether carried value i is handed on as it is, or not read at all.
func idle(op *ir.Op, l layout, i int, n *names) bool {
	p := op.Regions[0].Params[l.first+i]
	yield := ir.Use{Op: op.Regions[0].Terminator(), Index: l.yields + i}
	return !slices.ContainsFunc(p.Uses(), func(u ir.Use) bool { return u != yield }) && !n.only(p)
}

// only reports whether a parameter alone gives a symbol its value: n, that of the region outside, does not know it.
func (n *names) only(p *ir.Value) bool {
	return slices.ContainsFunc(p.Type.Shape, func(d ir.Dim) bool { return d.Op() == ir.DimSym && !n.knows(d) })
}

func (n *names) knows(d ir.Dim) bool {
	for ; n != nil; n = n.outer {
		if _, ok := n.first[d]; ok {
			return true
		}
	}
	return false
}

// forget takes result i out of the attributes.
func forget(op *ir.Op, l layout, i int) {
	switch a := op.Attrs.(type) {
	case *ir.LoopAttrs:
		if i < l.carried {
			op.Attrs = &ir.LoopAttrs{Carried: a.Carried - 1}
		}
	case *ir.ScanAttrs:
		b := ir.CloneAttrs(a)
		if i < l.carried {
			b.Carried--
		} else {
			b.OutputAxes = slices.Delete(slices.Clone(a.OutputAxes), i-l.carried, i-l.carried+1)
			b.OutputRev = slices.Delete(slices.Clone(a.OutputRev), i-l.carried, i-l.carried+1)
		}
		op.Attrs = b
	}
}

// prune removes captures that no region reads.
func prune(op *ir.Op, n *names, c *rewrite.Context) {
	if len(op.Regions) == 0 {
		return
	}
	l := layoutOf(op)
	for i := len(op.Args) - 1; i >= l.capture; i-- {
		read := slices.ContainsFunc(op.Regions, func(r *ir.Region) bool {
			p := r.Params[i-l.args]
			return len(p.Uses()) > 0 || n.only(p)
		})
		if read || !c.Step("capture", op) {
			continue
		}
		for _, r := range op.Regions {
			dropParam(r, i-l.args)
		}
		dropArg(op, i)
	}
}

func dropArg(op *ir.Op, i int) {
	for k := i; k+1 < len(op.Args); k++ {
		op.SetArg(k, op.Args[k+1])
	}
	op.DropArgs(len(op.Args) - 1)
}

func dropResult(op *ir.Op, i int) {
	op.Results = slices.Delete(op.Results, i, i+1)
	for k, v := range op.Results {
		v.Index = int32(k)
	}
}

func dropParam(r *ir.Region, i int) {
	r.Params = slices.Delete(r.Params, i, i+1)
	for k, v := range r.Params {
		v.Index = int32(k)
	}
}
