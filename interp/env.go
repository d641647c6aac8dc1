package interp

import (
	"context"
	"fmt"

	"github.com/emilyc/emily/ir"
)

// Env is one run: its context, and the sizes that symbols have in it.
type Env struct {
	ctx   context.Context
	prog  *Program
	syms  map[ir.Dim]int64
	timer *timer // nil but for Profile
}

func newEnv(ctx context.Context, p *Program) *Env {
	return &Env{ctx: ctx, prog: p, syms: map[ir.Dim]int64{}}
}

// eval is the value of d, and false where it speaks of a symbol that has none yet.
func (e *Env) eval(d ir.Dim) (int64, bool) {
	switch d.Op() {
	case ir.DimConst:
		return d.Value()
	case ir.DimSym:
		n, ok := e.syms[d]
		return n, ok
	}
	bound := true
	d.Symbols(func(s ir.Dim) {
		if _, ok := e.syms[s]; !ok {
			bound = false
		}
	})
	if !bound {
		return 0, false
	}
	return d.Eval(e.syms)
}

// learn binds the symbols that are sizes of t and have no value yet.
func (e *Env) learn(t ir.Type, v ir.Datum) {
	x, ok := v.(*ir.Tensor)
	if !ok || len(x.Shape) != len(t.Shape) {
		return
	}
	for k, d := range t.Shape {
		if d.Op() != ir.DimSym {
			continue
		}
		if _, bound := e.syms[d]; !bound {
			e.syms[d] = int64(x.Shape[k])
		}
	}
}

// mismatch is the first axis whose size is not what the type says, and what it says; -1 when there is none.
func (e *Env) mismatch(want ir.Shape, got []int) (axis int, size int64) {
	for k, d := range want {
		if n, ok := e.eval(d); ok && n != int64(got[k]) {
			return k, n
		}
	}
	return -1, 0
}

// conform binds the symbols that v's type introduces and checks its other sizes.
func (e *Env) conform(op *ir.Op, what string, t ir.Type, v ir.Datum) error {
	x, ok := v.(*ir.Tensor)
	if !ok || !t.IsTensor() {
		return nil
	}
	if x.DType != t.DType || len(x.Shape) != len(t.Shape) {
		return opError(op, ir.ShapeError, "", "%s of %s is %s, its type says %s", what, op.Kind, x.Type(), t)
	}
	e.learn(t, v)
	if k, n := e.mismatch(t.Shape, x.Shape); k >= 0 {
		return opError(op, ir.ShapeError, "", "%s of %s is %s, its type says %s: axis %d has to be %d", what, op.Kind, x.Type(), t, k, n)
	}
	return nil
}

// opError is an error at op.
func opError(op *ir.Op, kind ir.ErrorKind, label, format string, args ...any) error {
	err := &ir.Error{Kind: kind, Label: label, Op: op.Kind, Msg: fmt.Sprintf(format, args...)}
	if op.Region != nil {
		err.Loc = op.Location()
	}
	return err
}

// newTensor makes a tensor of zeros, unless it would pass the limit.
func (e *Env) newTensor(op *ir.Op, d ir.DType, shape []int) (*ir.Tensor, error) {
	n, err := ir.NumElements(shape)
	if err != nil {
		return nil, opError(op, ir.ShapeError, "", "%s: %v", op.Kind, err)
	}
	size := d.Size()
	if d == ir.String {
		size = 16
	}
	if n > e.prog.opts.tensorLimit/size {
		return nil, opError(op, ir.ShapeError, "", "%s makes %s%v of %d bytes, past the limit of %d",
			op.Kind, d, shape, n*size, e.prog.opts.tensorLimit)
	}
	return ir.NewTensor(d, shape...), nil
}

// one wraps the result of a kernel that has one.
func one(t *ir.Tensor, err error) ([]ir.Datum, error) {
	if err != nil {
		return nil, err
	}
	return []ir.Datum{t}, nil
}

// tensor is operand i, nil where it is absent.
func tensor(args []ir.Datum, i int) *ir.Tensor {
	if i >= len(args) || args[i] == nil {
		return nil
	}
	return args[i].(*ir.Tensor)
}
