package train

import (
	"fmt"
	"math"

	"github.com/emilyc/emily/ir"
)

// Scaling multiplies the loss before it is differentiated, so that small gradients do not vanish in f16, by a scale that grows until gradients overflow.
// A step whose gradients hold inf or NaN is skipped: it changes neither parameters nor the optimiser's state. Source: Micikevicius and others,
// Mixed Precision Training (2018); torch.amp.GradScaler.
type Scaling struct {
	Init     float64 // the scale of the first step
	Growth   float64 // what the scale is multiplied by after Interval steps with none skipped
	Backoff  float64 // what the scale is multiplied by after a step that is skipped
	Interval int
}

// DefaultScaling is that of torch.amp.GradScaler.
func DefaultScaling() Scaling {
	return Scaling{Init: 65536, Growth: 2, Backoff: 0.5, Interval: 2000}
}

// Names of the states of scaling, which are f32[].
const (
	LossScale = "loss_scale"
	GoodSteps = "loss_scale.steps" // since the scale changed
	Skipped   = "skipped_steps"
)

// The bounds of the scale. One that has fallen to MinScale shrinks gradients below what f16 holds, so that something else is wrong.
const (
	MinScale = 0x1p-14
	maxScale = 0x1p126
)

func (s Scaling) on() bool { return s != Scaling{} }

func (s Scaling) check() error {
	switch {
	case !s.on():
		return nil
	case !(s.Init >= MinScale && s.Init <= maxScale):
		return fmt.Errorf("a loss scale of %v: give a number from %v up", s.Init, MinScale)
	case !(s.Growth >= 1) || math.IsInf(s.Growth, 1) || !(s.Backoff > 0 && s.Backoff <= 1):
		return fmt.Errorf("a loss scale that grows by %v and backs off by %v: give a number from 1 up, and one from above 0 to 1", s.Growth, s.Backoff)
	case s.Interval < 1:
		return fmt.Errorf("a loss scale that grows every %d steps: give a number from 1 up", s.Interval)
	}
	return nil
}

// Overflow is the error of a step that was skipped and left that scale, nil where the scale may yet fall.
func (s *Step) Overflow(scale, good float64) error {
	if scale > MinScale || good > 0 {
		return nil
	}
	return failure(s.Module, ir.ValueError, "look for inf or NaN in the data, lower the learning rate, clip gradients, or train in bf16 or f32",
		"gradients hold inf or NaN however small the loss is scaled: the scale fell to %v", scale)
}

// scaler is Scaling in a step.
type scaler struct {
	*emitter
	o                            Scaling
	value, good, skipped, finite *ir.Value
}

// scaled adds the states of scaling to f, whose input scale is there already.
func scaled(b *emitter, f *ir.Func, scale *ir.Value, o Scaling) *scaler {
	t := ir.TensorOf(ir.F32)
	return &scaler{emitter: b, o: o, value: scale, good: f.Body.AddParam(GoodSteps, t), skipped: f.Body.AddParam(Skipped, t)}
}

// unscaled are the gradients of the loss itself; they are finite where each times 0 is 0.
func (s *scaler) unscaled(grads []*ir.Value) []*ir.Value {
	by, sum := s.Op(ir.Reciprocal, nil, s.value), s.number(0)
	out := make([]*ir.Value, len(grads))
	for i, g := range grads {
		out[i] = s.Mul(g, by)
		sum = s.Add(sum, s.all(ir.ReduceSum, s.scale(out[i], 0)))
	}
	s.finite = s.Op(ir.Equal, nil, sum, s.number(0))
	return out
}

// kept are the next values, or the old ones in a step that is skipped.
func (s *scaler) kept(old, next []*ir.Value) []*ir.Value {
	out := make([]*ir.Value, len(next))
	for i := range next {
		out[i] = s.ifFinite(next[i], old[i])
	}
	return out
}

func (s *scaler) ifFinite(x, y *ir.Value) *ir.Value { return s.Op(ir.Where, nil, s.finite, x, y) }

// states are scale, good and skipped, and the next of each.
func (s *scaler) states() (old, next []*ir.Value) {
	zero, one := s.number(0), s.number(1)
	good := s.Add(s.good, one)
	grows := s.Op(ir.Equal, nil, good, s.number(float64(s.o.Interval)))
	up := s.Op(ir.Where, nil, grows, s.Op(ir.Min, nil, s.scale(s.value, s.o.Growth), s.number(maxScale)), s.value)
	down := s.Op(ir.Max, nil, s.scale(s.value, s.o.Backoff), s.number(MinScale))
	return []*ir.Value{s.value, s.good, s.skipped}, []*ir.Value{
		s.ifFinite(up, down),
		s.ifFinite(s.Op(ir.Where, nil, grows, zero, good), zero),
		s.ifFinite(s.skipped, s.Add(s.skipped, one)),
	}
}
