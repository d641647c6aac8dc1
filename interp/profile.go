package interp

import (
	"context"
	"time"

	"github.com/emilyc/emily/ir"
)

// timer measures kernels. The time of what runs in an op's regions is not its own.
type timer struct {
	each   func(op *ir.Op, own time.Duration)
	nested time.Duration // of kernels inside the one that runs
}

// Profile is Run, and calls each after every op with the time that its kernel took, without the ops in its regions.
func (p *Program) Profile(ctx context.Context, inputs []ir.Datum, each func(op *ir.Op, own time.Duration)) ([]ir.Datum, error) {
	e := newEnv(ctx, p)
	e.timer = &timer{each: each}
	return e.start(inputs)
}

// run is the kernel of op, timed.
func (t *timer) run(e *Env, k Kernel, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	outer := t.nested
	t.nested = 0
	start := time.Now()
	results, err := k(e, op, args)
	took := time.Since(start)
	t.each(op, took-t.nested)
	t.nested = outer + took
	return results, err
}
