package emily

import (
	"context"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/emilyc/emily/lower/mlx/runtime"
)

// carrier runs a program some of whose outputs are inputs of its next run, and keeps their values in between. A run takes the other inputs and gives
// the other outputs; one that fails replaces nothing.
type carrier interface {
	run(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error)
	get(i int) (*ir.Tensor, error)
	set(i int, v *ir.Tensor) error
	close() error
}

// carry keeps the first inputs of e, as many as there are values, which begin with these, as outputs 1 and on give them.
// On MLX they stay on the device, where a run writes into their memory.
func (e *Executable) carry(values []*ir.Tensor) (carrier, error) {
	var c carrier = &onHost{exe: e, values: make([]ir.Datum, len(values))}
	if p := e.wholly(); p != nil {
		var err error
		if c, err = p.carry(e, len(values)); err != nil {
			return nil, err
		}
	}
	for i, v := range values {
		if err := c.set(i, v); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// onHost hands the outputs of a run on as inputs of the next.
type onHost struct {
	exe    *Executable
	values []ir.Datum
}

func (h *onHost) run(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error) {
	all := append(append(make([]ir.Datum, 0, len(h.values)+len(inputs)), h.values...), inputs...)
	outputs, err := h.exe.RunOrdered(ctx, all)
	if err != nil {
		return nil, err
	}
	n := copy(h.values, outputs[1:])
	return append(outputs[:1], outputs[1+n:]...), nil
}

func (h *onHost) get(i int) (*ir.Tensor, error) { return h.values[i].(*ir.Tensor), nil }

func (h *onHost) set(i int, v *ir.Tensor) error {
	h.values[i] = v
	return nil
}

func (h *onHost) close() error { return nil }

// onDevice is a session of a plan whose states are the values.
type onDevice struct {
	exe     *Executable
	native  *runtime.Executable
	session *runtime.Session
}

func (p *mlxProgram) carry(e *Executable, n int) (carrier, error) {
	carries := make([]mlx.Carry, n)
	for i := range carries {
		carries[i] = mlx.Carry{Input: i, Output: 1 + i}
	}
	plan, err := mlx.LowerCarried(e.module, carries, p.opts)
	if err != nil {
		return nil, err
	}
	native, err := runtime.Load(plan, p.load)
	if err != nil {
		return nil, err
	}
	return &onDevice{e, native, native.NewSession(0)}, nil
}

func (d *onDevice) run(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error) {
	end, err := d.exe.begin()
	if err != nil {
		return nil, err
	}
	defer end()
	return d.session.Run(ctx, inputs)
}

func (d *onDevice) get(i int) (*ir.Tensor, error) { return d.session.Get(i) }

func (d *onDevice) set(i int, v *ir.Tensor) error { return d.session.Set(i, v) }

func (d *onDevice) close() error {
	d.session.Reset()
	return d.native.Close()
}
