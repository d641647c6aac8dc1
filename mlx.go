package emily

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
)

// mlxProgram runs native stages on MLX, and the host islands between them in the interpreter.
type mlxProgram struct {
	staged *mlx.Staged
	native []*runtime.Executable // by stage; nil for an island
	host   []*interp.Program     // by stage; nil for a plan

	opts    mlx.Options
	load    runtime.Options
	session struct { // the program of sessions, loaded for the first one
		sync.Mutex
		exe *runtime.Executable
	}
}

func buildMLX(m *ir.Module, o compileOptions, t *Timing) (program, error) {
	start := time.Now()
	t.Backend = MLX
	device, err := device()
	if err != nil {
		return nil, err
	}
	opts := mlx.Options{Fallback: o.fallback, Device: device, Tuning: o.tuning}
	staged, err := mlx.LowerStages(m, opts)
	if err != nil {
		return nil, err
	}
	if o.fallback == mlx.FallbackWarn {
		for _, island := range staged.Islands() {
			where := island.Op.Location().String()
			if where == "" {
				where = m.Name
			}
			o.warn(fmt.Sprintf("%s: %s runs in the interpreter: %s", where, island.Op.Kind, island.Reason))
		}
	}
	t.Lower = time.Since(start)
	p := &mlxProgram{staged: staged, opts: opts, load: runtime.Options{Compile: o.compiled}, native: make([]*runtime.Executable, len(staged.Stages)), host: make([]*interp.Program, len(staged.Stages))}
	for i := range staged.Stages {
		if s := &staged.Stages[i]; s.Plan != nil {
			p.native[i], err = runtime.Load(s.Plan, p.load)
		} else {
			p.host[i], err = interp.New(s.Host.Main())
		}
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
	}
	t.Load = time.Since(start) - t.Lower
	return p, nil
}

// device is what the runtime's Auto runs plans on: what a GPU lacks, such as f64, then becomes an island.
func device() (mlx.Device, error) {
	_, gpu, err := runtime.Version()
	if gpu {
		return mlx.GPU, err
	}
	return mlx.CPU, err
}

func (p *mlxProgram) run(ctx context.Context, inputs []ir.Datum, each func(OpTime)) ([]ir.Datum, error) {
	return p.staged.Run(inputs, func(stage int, inputs []ir.Datum) ([]ir.Datum, error) {
		if host := p.host[stage]; host != nil {
			return interpret(ctx, host, inputs, each)
		}
		if each == nil {
			return p.native[stage].Run(ctx, inputs)
		}
		outputs, times, err := p.native[stage].Profile(ctx, inputs)
		plan := p.staged.Stages[stage].Plan
		for _, t := range times {
			each(OpTime{Kind: t.Call.Kind, Loc: plan.Loc(t.Call.Loc), Call: t.Call.Op.String(), Runs: t.Runs, Time: t.Time})
		}
		return outputs, err
	})
}

func (p *mlxProgram) close() error {
	var errs []error
	for _, exe := range append(p.native, p.session.exe) {
		if exe != nil {
			errs = append(errs, exe.Close())
		}
	}
	return errors.Join(errs...)
}

// buildAuto takes MLX where it is set up.
func buildAuto(m *ir.Module, o compileOptions, t *Timing) (program, error) {
	p, err := buildMLX(m, o, t)
	var setup *runtime.SetupError
	if errors.As(err, &setup) {
		return buildInterp(m, o, t)
	}
	return p, err
}
