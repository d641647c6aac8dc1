package fuse

import (
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

var softmaxRules = []rewrite.Rule{
	fusion("softmax", "softmax", "e / sum(e) with e = exp(x - max(x)): softmax", softmax, ir.Div, ir.Mul),
	fusion("log_softmax", "log-softmax", "d - log(sum(exp(d))) with d = x - max(x): log_softmax", logSoftmax, ir.Sub),
}

// along is a reduction of one axis, which stays as an axis of size 1; it is named, for the axis to be looked up.
func along(name string, k ir.Kind, p pat) pat {
	return named(name, where(op(k, p), "is not over one axis, kept", func(_ *match, o *ir.Op) bool {
		a := o.Attrs.(*ir.ReduceAttrs)
		return a.KeepDims && len(a.Axes) == 1
	}))
}

// belowMax is x - max(x).
var belowMax = op(ir.Sub, is("x"), along("max", ir.ReduceMax, is("x")))

var (
	softmaxForm    = times(1, to{1, named("e", op(ir.Exp, belowMax))}, to{-1, along("sum", ir.ReduceSum, is("e"))})
	logSoftmaxForm = op(ir.Sub, named("d", belowMax), op(ir.Log, along("sum", ir.ReduceSum, op(ir.Exp, is("d")))))
)

func softmax(m *match, o *ir.Op) *ir.Value { return m.softmax(o, softmaxForm, ir.Softmax) }

func logSoftmax(m *match, o *ir.Op) *ir.Value { return m.softmax(o, logSoftmaxForm, ir.LogSoftmax) }

func (m *match) softmax(o *ir.Op, form pat, k ir.Kind) *ir.Value {
	if !m.find(form, o.Result()) {
		return nil
	}
	sum, top := m.get("sum"), m.get("max")
	if !ir.EqualAttrs(sum.Def.Attrs, top.Def.Attrs) {
		m.no(sum, "is over another axis than the maximum")
		return nil
	}
	return m.Op(k, &ir.AxisAttrs{Axis: sum.Def.Attrs.(*ir.ReduceAttrs).Axes[0]}, m.get("x"))
}
