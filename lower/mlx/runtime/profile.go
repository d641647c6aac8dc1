package runtime

import (
	"context"
	"time"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
)

// CallTime is how long a call took in one run, without the programs that it runs, and how often it ran.
type CallTime struct {
	Call *mlx.Call
	Runs int
	Time time.Duration
}

// Profile is Run with every call evaluated by itself, which takes longer than a run: nothing overlaps, and nothing is fused.
// It lists the calls that ran, in the plan's order.
func (x *Executable) Profile(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, []CallTime, error) {
	spans := make([]int64, 2*x.plan.NumCalls()+1) // nanoseconds and runs of each call; never empty, so that it has an address
	outputs, err := x.run(ctx, inputs, spans)
	if err != nil {
		return nil, nil, err
	}
	var times []CallTime
	for _, g := range x.plan.Programs {
		for i := range g.Calls {
			if runs := int(spans[1]); runs > 0 {
				times = append(times, CallTime{&g.Calls[i], runs, time.Duration(spans[0])})
			}
			spans = spans[2:]
		}
	}
	return outputs, times, nil
}
