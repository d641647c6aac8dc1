package mlx

import (
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
)

// region is a program for r, whose parameters and results are r's.
func (l *lowering) region(r *ir.Region, name string) Prog {
	l.count++
	return l.b.Sub(fmt.Sprintf("%s%d", name, l.count), len(r.Params), func(params []Reg) []Reg {
		for i, p := range r.Params {
			l.define(p, params[i])
		}
		l.enter(r)
		for _, op := range r.Ops {
			l.lower(op)
		}
		results := make([]Reg, len(r.Results()))
		for i, v := range r.Results() {
			results[i] = l.reg(v)
		}
		return results
	})
}

// list is the registers of values, Absent for those that are not there.
func (l *lowering) list(values []*ir.Value) []Reg {
	out := make([]Reg, len(values))
	for i, v := range values {
		if out[i] = Absent; v != nil {
			out[i] = l.reg(v)
		}
	}
	return out
}

// results gives all results of op.
func (l *lowering) results(op *ir.Op, regs []Reg) {
	for i, v := range op.Results {
		l.define(v, regs[i])
	}
}

// lowerIf: the condition is evaluated, and one of two programs run; both get all captures.
func lowerIf(l *lowering, op *ir.Op) {
	captures := l.list(op.Args[1:])
	cond := l.reg(op.Args[0])
	then, other := l.region(op.Regions[0], "then"), l.region(op.Regions[1], "else")
	l.b.For(op)
	l.results(op, l.b.CallN(If, len(op.Results), cond, captures, captures, then, other, len(captures)))
}

// lowerLoop: the native side iterates. What it stacks needs an empty tensor for the case that it never runs.
func lowerLoop(l *lowering, op *ir.Op) {
	n := int(op.Attrs.(*ir.LoopAttrs).Carried)
	in := l.list(op.Args[:2+n])
	empties := l.empties(op.Regions[0].Results()[1+n:])
	captures := l.list(op.Args[2+n:])
	body := l.region(op.Regions[0], "body")
	l.b.For(op)
	l.results(op, l.b.CallN(Loop, len(op.Results), in, empties, captures, body, n, len(empties)))
}

// empties are tensors of no elements, stacked on axis 0, for values that a body yields; sizes that only the body knows
// are 0.
func (l *lowering) empties(values []*ir.Value) []Reg {
	out := make([]Reg, len(values))
	for i, v := range values {
		shape := []ir.Dim{ir.Size(0)}
		for _, d := range v.Shape() {
			d.Symbols(func(s ir.Dim) {
				if !l.bound[s] {
					d = ir.Size(0)
				}
			})
			shape = append(shape, d)
		}
		out[i] = l.b.Call(Zeros, shape, v.DType())
	}
	return out
}

// lowerScan: the native side runs over axis 0, forwards.
func lowerScan(l *lowering, op *ir.Op) {
	a := op.Attrs.(*ir.ScanAttrs)
	n, m := int(a.Carried), len(a.InputAxes)
	states, sequences := l.list(op.Args[:n]), make([]Reg, m)
	for i := range sequences {
		sequences[i] = l.sequence(op.Args[n+i], a.InputAxes[i], a.InputReverse[i] != 0)
	}
	empties := l.empties(op.Regions[0].Results()[n:])
	captures := l.list(op.Args[n+m:])
	body := l.region(op.Regions[0], "body")
	l.b.For(op)
	out := slices.Clone(l.b.CallN(Scan, len(op.Results), states, sequences, empties, captures, body, n, m, len(empties)))
	for i := range a.OutputAxes {
		v := op.Results[n+i]
		out[n+i] = l.scanned(out[n+i], v.Shape(), a.OutputAxes[i], a.OutputRev[i] != 0)
	}
	l.results(op, out)
}

// sequence brings a scanned axis to the front, the way it is scanned.
func (l *lowering) sequence(v *ir.Value, axis int64, reverse bool) Reg {
	r := l.reg(v)
	if reverse {
		r = l.reverse(r, v.Shape(), axis)
	}
	if axis != 0 {
		r = l.b.Call(MoveAxis, r, axis, 0)
	}
	return r
}

// scanned brings the first axis to where the result of that shape has it.
func (l *lowering) scanned(r Reg, shape ir.Shape, axis int64, reverse bool) Reg {
	if axis != 0 {
		r = l.b.Call(MoveAxis, r, 0, axis)
	}
	if reverse {
		r = l.reverse(r, shape, axis)
	}
	return r
}

// lowerDepends: mx.depends.
func lowerDepends(l *lowering, op *ir.Op) {
	l.define(op.Result(), l.b.Call(Depends, l.reg(op.Args[0]), l.reg(op.Args[1])))
}

// lowerAssert: the run fails, when its outputs are evaluated, unless all is true. Which element is not, it does not say.
func lowerAssert(l *lowering, op *ir.Op) {
	l.assert(l.reg(op.Args[1]), op.Attrs.(*ir.AssertAttrs).Message)
	l.set(op, l.reg(op.Args[0]))
}
