// Package dce removes what no result depends on: ops, and the results, loop-carried values and captures of ops that
// hold regions. It is exact.
package dce

import (
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// Run removes dead code from m. Users come after what they use, so that one walk backwards finds all.
func Run(m *ir.Module, c *rewrite.Context) error {
	for _, f := range m.Funcs {
		region(f.Body, newNames(f.Body, nil), c)
	}
	return nil
}

func region(r *ir.Region, n *names, c *rewrite.Context) {
	removed := false
	for _, op := range slices.Backward(r.Ops) {
		if rewrite.Removable(op) && rewrite.Unused(op) && !n.wanted(op) && c.Step("remove", op) {
			op.Detach()
			op.Region = nil
			removed = true
			continue
		}
		trim(op, n, c)
		for _, sub := range op.Regions {
			region(sub, newNames(sub, n), c)
		}
		prune(op, n, c) // after the bodies, where captures lost their users
		n.use(op)
	}
	if removed {
		r.Ops = slices.DeleteFunc(r.Ops, func(op *ir.Op) bool { return op.Region == nil })
	}
}

// names follows the symbols that name run-time sizes: an op that gives one its value is needed by whatever speaks of it.
type names struct {
	first map[ir.Dim]*ir.Op // the op that a symbol gets its value from, nil for a parameter
	used  map[ir.Dim]bool
	outer *names
}

func newNames(r *ir.Region, outer *names) *names {
	n := &names{map[ir.Dim]*ir.Op{}, map[ir.Dim]bool{}, outer}
	for _, p := range r.Params {
		n.define(p, nil)
	}
	for _, op := range r.Ops {
		for _, v := range op.Results {
			n.define(v, op)
		}
	}
	return n
}

func (n *names) define(v *ir.Value, op *ir.Op) {
	for _, d := range v.Type.Shape {
		if _, ok := n.first[d]; !ok && d.Op() == ir.DimSym {
			n.first[d] = op
		}
	}
}

// use notes the symbols that op speaks of without giving them a value itself.
func (n *names) use(op *ir.Op) {
	switch a := op.Attrs.(type) {
	case *ir.DimsAttrs:
		n.mention(a.Values)
	case *ir.SplitAttrs:
		n.mention(a.Sizes)
	}
	for _, v := range op.Results {
		for _, d := range v.Type.Shape {
			if d.Op() != ir.DimSym {
				d.Symbols(n.mark)
			}
		}
	}
}

func (n *names) mention(dims []ir.Dim) {
	for _, d := range dims {
		d.Symbols(n.mark)
	}
}

func (n *names) mark(d ir.Dim) {
	for ; n != nil; n = n.outer {
		n.used[d] = true
	}
}

func (n *names) wanted(op *ir.Op) bool {
	return slices.ContainsFunc(op.Results, func(v *ir.Value) bool {
		return slices.ContainsFunc(v.Type.Shape, func(d ir.Dim) bool { return n.used[d] && n.first[d] == op })
	})
}
