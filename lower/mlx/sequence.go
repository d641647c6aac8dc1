package mlx

import "github.com/emilyc/emily/ir"

// lowerNewList: the operands, as a sequence or an optional.
func lowerNewList(l *lowering, op *ir.Op) {
	l.set(op, l.b.Call(NewList, l.list(op.Args)))
}

// position is operand i, one integer: as an expression where that is known, else as the run reads it.
func (l *lowering) position(op *ir.Op, i int) ir.Dim {
	v := op.Args[i]
	if d, ok := v.KnownDims(); ok && len(d) == 1 {
		return d[0]
	}
	return l.read(l.reg(v), nil, 1)[0]
}

func lowerSequenceInsert(l *lowering, op *ir.Op) {
	list, x := l.reg(op.Args[0]), l.reg(op.Args[1])
	if op.Arg(2) == nil {
		l.set(op, l.b.Call(ListAppend, list, x))
		return
	}
	l.set(op, l.b.Call(ListInsert, list, x, l.position(op, 2)))
}

// lowerSequenceErase: without a position, the last goes.
func lowerSequenceErase(l *lowering, op *ir.Op) {
	at := ir.Size(-1)
	if op.Arg(1) != nil {
		at = l.position(op, 1)
	}
	l.set(op, l.b.Call(ListErase, l.reg(op.Args[0]), at))
}

func lowerSequenceAt(l *lowering, op *ir.Op) {
	l.set(op, l.b.Call(ListAt, l.reg(op.Args[0]), l.position(op, 1)))
}

func lowerSequenceLength(l *lowering, op *ir.Op) {
	l.set(op, l.b.Call(ListLength, l.reg(op.Args[0])))
}

func lowerSplitToSequence(l *lowering, op *ir.Op) {
	a := op.Attrs.(*ir.SplitToSequenceAttrs)
	l.set(op, l.b.Call(ListSplit, l.list(op.Args), a.Axis, a.Squeeze))
}

func lowerConcatFromSequence(l *lowering, op *ir.Op) {
	a := op.Attrs.(*ir.ConcatFromSequenceAttrs)
	l.set(op, l.b.Call(ListJoin, l.reg(op.Args[0]), a.Axis, a.Stack))
}

func lowerOptionalHas(l *lowering, op *ir.Op) {
	l.set(op, l.b.Call(AsType, l.b.Call(ListLength, l.reg(op.Args[0])), ir.Bool))
}

func lowerOptionalGet(l *lowering, op *ir.Op) {
	l.set(op, l.b.Call(ListAt, l.reg(op.Args[0]), 0))
}
