package conformance

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
)

// tuned has the steps of lowering that plans for a GPU have; there is one for each step, as well.
var tuned = mlx.Tuning{Stretches: mlx.On, Packing: mlx.On, Vectors: mlx.On}

var tunings = []Lane{
	AllLanes[0],
	{"tuned", "optimised, on MLX with every step of lowering", lane(emily.WithBackend(emily.MLX), emily.WithTuning(tuned))},
	{"stretches", "with stretches alone", lane(emily.WithBackend(emily.MLX), emily.WithTuning(mlx.Tuning{Stretches: mlx.On}))},
	{"tuned-compiled", "compiled as a whole", lane(emily.WithBackend(emily.MLX), emily.WithTuning(tuned), emily.WithMLXCompile())},
	{"tuned-python", "emitted as Python", func(_ context.Context, m *ir.Module, o LaneOptions) (Runner, error) { return tunedPython(m, o, tuned) }},
}

// callByCall is the lane of every step in which each call runs by itself, those inside of stretches too: it tries on any graph what goes into a
// stretch, without a compiler for each.
var callByCall = Lane{"call-by-call", "with every step of lowering, call by call", func(_ context.Context, m *ir.Module, o LaneOptions) (Runner, error) {
	if err := optimise(m, o); err != nil {
		return nil, err
	}
	plan, err := mlx.Lower(m, mlx.Options{Fallback: mlx.FallbackError, Tuning: tuned})
	if err != nil {
		return nil, err
	}
	exe, err := runtime.Load(plan, runtime.Options{})
	return profiled{exe}, err
}}

type profiled struct{ *runtime.Executable }

func (p profiled) RunOrdered(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error) {
	outputs, _, err := p.Profile(ctx, inputs)
	return outputs, err
}

func needMLX(t *testing.T) {
	t.Helper()
	if _, _, err := runtime.Version(); err != nil {
		t.Skip("MLX is not set up: ", err)
	}
}

// TestTunedZoo: what plans for a GPU do to be faster changes no result. It runs on the CPU here.
func TestTunedZoo(t *testing.T) {
	needMLX(t)
	cases, err := Find(zoo)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []ir.DType{ir.F32, ir.BF16} {
		o := Options{Lanes: tunings, Rel: -1, Abs: -1, Timeout: 5 * time.Minute, Lane: LaneOptions{Fallback: "error", Precision: d}}
		check(t, Run(t.Context(), cases, o), 17)
	}
}

// TestTunedRandomGraphs compiles the stretches of random graphs. On a CPU each takes a second.
func TestTunedRandomGraphs(t *testing.T) {
	needMLX(t)
	onRandomGraphs(t, tunings[:2], 15*time.Second)
}

// TestTunedSessions: nor does it in sessions, whose products are of one row and of many in turn.
func TestTunedSessions(t *testing.T) {
	needMLX(t)
	for _, name := range decoders {
		steps := explicitSteps(t, name, []int{5, 1, 3, 1, 1})
		for d, tol := range map[ir.DType]Tolerances{ir.F32: Lanes, ir.BF16: {ir.F32: Lanes[ir.BF16]}} {
			t.Run(fmt.Sprintf("%s/%s", name, d), func(t *testing.T) {
				compareSteps(t, loadDecoder(t, name), steps, tol, 0, emily.WithBackend(emily.MLX), emily.WithPrecision(d), emily.WithTuning(tuned))
			})
		}
	}
}
