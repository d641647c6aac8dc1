// Package interp is the oracle: a pure-Go interpreter of ir. It runs a function op by op, accumulates in
// float64, and rounds each result once to its dtype; every other way of running a model is judged by it.
//
// There is one Kernel for each ir.Kind, in the table Kernels, in a file named after the kind's family.
package interp

import (
	"context"
	"fmt"

	"github.com/emilyc/emily/ir"
)

// DefaultTensorLimit is the size in bytes past which a single tensor is refused.
const DefaultTensorLimit = 16 << 30

// EvalLimit is the same for EvalOp, which runs while a model is compiled.
const EvalLimit = 64 << 20

type options struct {
	tensorLimit int
}

// Option changes how a program runs.
type Option func(*options)

// WithTensorLimit bounds the bytes of a single tensor (default DefaultTensorLimit): a model that asks for
// more gets an error, not the machine's memory.
func WithTensorLimit(bytes int) Option { return func(o *options) { o.tensorLimit = bytes } }

// Program is a function made ready to run: liveness, constants and size checks are computed once.
// It is safe for concurrent use as long as the function is not changed.
type Program struct {
	fn     *ir.Func
	body   *block
	blocks map[*ir.Region]*block // of control flow
	opts   options
}

// New prepares f. Errors are those of constants that cannot be read, and of what the verifier refuses.
func New(f *ir.Func, opts ...Option) (*Program, error) {
	p := &Program{fn: f, blocks: map[*ir.Region]*block{}, opts: options{tensorLimit: DefaultTensorLimit}}
	for _, o := range opts {
		o(&p.opts)
	}
	var err error
	p.body, err = p.compile(f.Body, map[ir.Dim]bool{})
	return p, err
}

// Run prepares f and runs it once. See Program.Run.
func Run(ctx context.Context, f *ir.Func, inputs []ir.Datum, opts ...Option) ([]ir.Datum, error) {
	p, err := New(f, opts...)
	if err != nil {
		return nil, err
	}
	return p.Run(ctx, inputs)
}

// Run evaluates the function on inputs, one for each of its parameters and of its type: sizes may be
// anything that the parameter's symbols and the function's facts allow. It stops with ctx's error between
// ops and between iterations of loops. Other errors are *ir.Error and name the input or the node.
//
// Inputs are not changed. Results may share memory with inputs and constants, so they are to be read only.
func (p *Program) Run(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error) {
	return newEnv(ctx, p).start(inputs)
}

// start runs the function.
func (e *Env) start(inputs []ir.Datum) ([]ir.Datum, error) {
	p := e.prog
	if len(inputs) != len(p.body.region.Params) {
		return nil, p.inputError(ir.Malformed, "%d inputs, %s takes %d", len(inputs), p.fn.Name, len(p.body.region.Params))
	}
	for i, v := range p.body.region.Params {
		if err := checkDatum(inputs[i], v.Type); err != nil {
			return nil, p.inputError(ir.DTypeError, "input %q: %v", v.Name, err)
		}
	}
	if err := e.bindInputs(p.body.region.Params, inputs); err != nil {
		return nil, err
	}
	return e.run(p.body, inputs)
}

func (p *Program) inputError(kind ir.ErrorKind, format string, args ...any) error {
	return &ir.Error{Kind: kind, Loc: ir.Loc{File: p.fn.Module.Name}, Msg: fmt.Sprintf(format, args...)}
}

// bindInputs gives each symbol of the parameters' types its size, and checks every other size against it.
func (e *Env) bindInputs(params []*ir.Value, inputs []ir.Datum) error {
	for i, v := range params {
		t, ok := inputs[i].(*ir.Tensor)
		if !ok {
			continue
		}
		for k, d := range v.Type.Shape {
			if d.Op() != ir.DimSym {
				continue
			}
			if n, bound := e.syms[d]; bound && n != int64(t.Shape[k]) {
				return e.prog.inputError(ir.ShapeError, "input %q has size %d on axis %d, but %s is %d in an earlier input",
					v.Name, t.Shape[k], k, d, n)
			}
			e.syms[d] = int64(t.Shape[k])
		}
	}
	for i, v := range params {
		t, ok := inputs[i].(*ir.Tensor)
		if !ok {
			continue
		}
		if k, want := e.mismatch(v.Type.Shape, t.Shape); k >= 0 {
			return e.prog.inputError(ir.ShapeError, "input %q is %s%v, wants %s: axis %d has to be %d",
				v.Name, t.DType, t.Shape, v.Type, k, want)
		}
	}
	return nil
}

// EvalOp runs one op on args, nil where an operand is absent. Symbols that op's attributes speak of are bound by
// the types of its operands. It is what constant folding calls; results past EvalLimit bytes are an error.
func EvalOp(op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	if op.Kind == ir.NoKind || op.Kind >= ir.NumKinds || len(args) != len(op.Args) {
		return nil, opError(op, ir.Malformed, "op_c1", "%s with %d operands for %d", op.Kind, len(args), len(op.Args))
	}
	p := &Program{blocks: map[*ir.Region]*block{}, opts: options{tensorLimit: EvalLimit}}
	if op.Region != nil {
		p.fn = op.Region.Func
	}
	seen := map[ir.Dim]bool{}
	e := newEnv(context.Background(), p)
	for i, a := range op.Args {
		if a == nil && args[i] == nil {
			continue
		}
		if a == nil || args[i] == nil {
			return nil, opError(op, ir.Malformed, "op_c2", "%s: operand %d is absent", op.Kind, i)
		}
		if err := checkDatum(args[i], a.Type); err != nil {
			return nil, opError(op, ir.DTypeError, "", "%s operand %d: %v", op.Kind, i, err)
		}
		e.learn(a.Type, args[i])
		for _, d := range a.Type.Shape {
			d.Symbols(func(s ir.Dim) { seen[s] = true })
		}
	}
	for _, r := range op.Regions {
		if _, err := p.compile(r, seen); err != nil {
			return nil, err
		}
	}
	return Kernels[op.Kind](e, op, args)
}

// checkDatum checks form, dtype and rank, and that the data hold what the shape promises.
func checkDatum(v ir.Datum, t ir.Type) error {
	x, isTensor := v.(*ir.Tensor)
	switch {
	case Missing(v):
		return fmt.Errorf("is missing, wants %s", t)
	case !isTensor:
		if v.Type().Kind != t.Kind {
			return fmt.Errorf("is %s, wants %s", v.Type(), t)
		}
		return checkElements(v, t)
	case !t.IsTensor() || x.DType != t.DType || t.Ranks == ir.OneRank && len(x.Shape) != t.Rank():
		return fmt.Errorf("is %s, wants %s", v.Type(), t)
	}
	n, err := ir.NumElements(x.Shape)
	if err != nil {
		return err
	}
	held := len(x.Strings)
	if x.DType != ir.String {
		held = len(x.Data) / x.DType.Size()
	}
	if held != n {
		return fmt.Errorf("holds %d elements, its shape %v has %d", held, x.Shape, n)
	}
	return nil
}

// Missing reports whether there is no value, or one without what makes it up.
func Missing(v ir.Datum) bool {
	switch v := v.(type) {
	case *ir.Tensor:
		return v == nil
	case *ir.Sequence:
		return v == nil
	case *ir.Optional:
		return v == nil
	case *ir.Map:
		return v == nil || v.Keys == nil || Missing(v.Values)
	}
	return v == nil
}

// checkElements checks what a sequence, optional or map holds.
func checkElements(v ir.Datum, t ir.Type) error {
	var items []ir.Datum
	switch v := v.(type) {
	case *ir.Sequence:
		items = v.Items
	case *ir.Optional:
		if v.Item != nil {
			items = []ir.Datum{v.Item}
		}
	case *ir.Map:
		if err := checkDatum(v.Keys, ir.TensorOf(t.DType, ir.Unknown)); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
		if values, ok := v.Values.(*ir.Tensor); ok {
			return checkDatum(values, ir.TensorOf(t.Elem.DType, ir.Unknown))
		}
		return checkDatum(v.Values, ir.SequenceOf(*t.Elem))
	}
	for i, item := range items {
		if err := checkDatum(item, *t.Elem); err != nil {
			return fmt.Errorf("element %d %w", i, err)
		}
	}
	return nil
}
