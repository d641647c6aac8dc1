package emily

import (
	"context"
	"time"

	"github.com/emilyc/emily/ir"
)

// OpTime is the time that a call of MLX took in a run, or an op in the interpreter, without what ran inside it.
type OpTime struct {
	Kind ir.Kind // of the op that it is, or is part of; ir.NoKind for what belongs to none
	Loc  ir.Loc  // of that op's node
	Call string  // MLX's name, empty in the interpreter
	Runs int
	Time time.Duration
}

// Profile runs the model once and lists where the time went, in the program's order. On MLX every call is evaluated by itself,
// so that the sum is more than a run takes.
//
// Errors are those of RunOrdered.
func (e *Executable) Profile(ctx context.Context, inputs []ir.Datum) ([]OpTime, error) {
	var times []OpTime
	_, err := e.run(ctx, inputs, func(t OpTime) { times = append(times, t) })
	return times, err
}
