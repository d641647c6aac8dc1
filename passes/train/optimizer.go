package train

import (
	"fmt"
	"maps"
	"slices"

	"github.com/emilyc/emily/ir"
)

// Optimizer is an update rule with its hyperparameters; NewOptimizer gives those of PyTorch.
type Optimizer struct {
	Name           string // sgd, momentum, nesterov, adam, adamw, adagrad or lion
	Momentum       float64
	Beta1, Beta2   float64
	Epsilon, Decay float64
}

// NewOptimizer is the optimiser of that name with the usual hyperparameters. The error is that of an unknown name.
func NewOptimizer(name string) (Optimizer, error) {
	o := Optimizer{Name: name, Momentum: 0.9, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8}
	switch name {
	case "adamw":
		o.Decay = 0.01
	case "adagrad":
		o.Epsilon = 1e-10
	case "lion":
		o.Beta2 = 0.99
	}
	return o, o.Check()
}

// String is the name with the hyperparameters that the rule reads.
func (o Optimizer) String() string {
	s := o.Name
	for _, h := range []struct {
		name  string
		value float64
		used  bool
	}{
		{"momentum", o.Momentum, o.Name == "momentum" || o.Name == "nesterov"},
		{"beta1", o.Beta1, o.Name == "adam" || o.Name == "adamw" || o.Name == "lion"},
		{"beta2", o.Beta2, o.Name == "adam" || o.Name == "adamw" || o.Name == "lion"},
		{"epsilon", o.Epsilon, o.Name == "adam" || o.Name == "adamw" || o.Name == "adagrad"},
		{"decay", o.Decay, o.Decay != 0},
	} {
		if h.used {
			s += fmt.Sprintf(" %s=%v", h.name, h.value)
		}
	}
	return s
}

// Check says what of the name and the hyperparameters is out of range.
func (o Optimizer) Check() error {
	if rules[o.Name] == nil {
		return fmt.Errorf("unknown optimiser %q: use one of %s", o.Name, ir.NameList(slices.Sorted(maps.Keys(rules))))
	}
	for _, v := range []float64{o.Momentum, o.Beta1, o.Beta2} {
		if !(v >= 0 && v < 1) {
			return fmt.Errorf("%s with a momentum or beta of %v: give one from 0 up to 1", o.Name, v)
		}
	}
	if !(o.Epsilon >= 0) || !(o.Decay >= 0) {
		return fmt.Errorf("%s with an epsilon of %v and a decay of %v: neither may be negative", o.Name, o.Epsilon, o.Decay)
	}
	return nil
}

// update is what a rule works with.
type update struct {
	*emitter
	o           Optimizer
	rate, count *ir.Value
}

type rule func(u *update, p, g *ir.Value, slots []*ir.Value) (next *ir.Value, nextSlots []*ir.Value)

// rules are those of torch.optim; Lion is that of Chen and others, Symbolic Discovery of Optimization Algorithms (2023).
var rules = map[string]rule{"sgd": sgd, "momentum": momentum, "nesterov": nesterov, "adam": adam, "adamw": adamW, "adagrad": adagrad, "lion": lion}

// slotsOf are the states that a rule keeps for each parameter.
var slotsOf = map[string][]string{
	"momentum": {"momentum"}, "nesterov": {"momentum"}, "adam": {"mean", "square"}, "adamw": {"mean", "square"}, "adagrad": {"square"}, "lion": {"mean"},
}

func sgd(u *update, p, g *ir.Value, _ []*ir.Value) (*ir.Value, []*ir.Value) {
	return u.step(p, u.decayed(p, g)), nil
}

func momentum(u *update, p, g *ir.Value, s []*ir.Value) (*ir.Value, []*ir.Value) {
	m := u.Add(u.scale(s[0], u.o.Momentum), u.decayed(p, g))
	return u.step(p, m), []*ir.Value{m}
}

func nesterov(u *update, p, g *ir.Value, s []*ir.Value) (*ir.Value, []*ir.Value) {
	g = u.decayed(p, g)
	m := u.Add(u.scale(s[0], u.o.Momentum), g)
	return u.step(p, u.Add(g, u.scale(m, u.o.Momentum))), []*ir.Value{m}
}

func adam(u *update, p, g *ir.Value, s []*ir.Value) (*ir.Value, []*ir.Value) {
	return u.adam(p, u.decayed(p, g), s)
}

// adamW takes the decay off the parameter, not through the gradient.
func adamW(u *update, p, g *ir.Value, s []*ir.Value) (*ir.Value, []*ir.Value) {
	return u.adam(u.shrunk(p), g, s)
}

// adam corrects the moments by numbers, of the step and of the root: on a CPU every pass over an array counts.
func (u *update) adam(p, g *ir.Value, s []*ir.Value) (*ir.Value, []*ir.Value) {
	m := u.mix(s[0], g, u.o.Beta1)
	v := u.mix(s[1], u.Mul(g, g), u.o.Beta2)
	by := u.Op(ir.Rsqrt, nil, u.correction(u.o.Beta2))
	root := u.Mul(u.Op(ir.Sqrt, nil, v), by)
	size := u.Div(u.rate, u.correction(u.o.Beta1))
	return u.Sub(p, u.Div(u.Mul(m, size), u.Add(root, u.number(u.o.Epsilon)))), []*ir.Value{m, v}
}

// correction is 1 − β^count.
func (u *update) correction(beta float64) *ir.Value {
	return u.Sub(u.number(1), u.Op(ir.Pow, nil, u.number(beta), u.count))
}

func adagrad(u *update, p, g *ir.Value, s []*ir.Value) (*ir.Value, []*ir.Value) {
	g = u.decayed(p, g)
	v := u.Add(s[0], u.Mul(g, g))
	return u.step(p, u.Div(g, u.Add(u.Op(ir.Sqrt, nil, v), u.number(u.o.Epsilon)))), []*ir.Value{v}
}

func lion(u *update, p, g *ir.Value, s []*ir.Value) (*ir.Value, []*ir.Value) {
	way := u.Op(ir.Sign, nil, u.mix(s[0], g, u.o.Beta1))
	return u.step(u.shrunk(p), way), []*ir.Value{u.mix(s[0], g, u.o.Beta2)}
}

// step is p − rate·d.
func (u *update) step(p, d *ir.Value) *ir.Value { return u.Sub(p, u.Mul(d, u.rate)) }

func (u *update) decayed(p, g *ir.Value) *ir.Value {
	if u.o.Decay == 0 {
		return g
	}
	return u.Add(g, u.scale(p, u.o.Decay))
}

func (u *update) shrunk(p *ir.Value) *ir.Value {
	if u.o.Decay == 0 {
		return p
	}
	return u.Mul(p, u.Sub(u.number(1), u.scale(u.rate, u.o.Decay)))
}

// emitter builds f32 arithmetic.
type emitter struct{ *ir.Builder }

func (b *emitter) number(v float64) *ir.Value { return b.Float(ir.F32, v) }

func (b *emitter) scale(x *ir.Value, by float64) *ir.Value { return b.Mul(x, b.number(by)) }

// mix is β·x + (1 − β)·y.
func (b *emitter) mix(x, y *ir.Value, beta float64) *ir.Value {
	return b.Add(b.scale(x, beta), b.scale(y, 1-beta))
}

// all reduces x over every axis.
func (b *emitter) all(k ir.Kind, x *ir.Value) *ir.Value {
	return b.Op(k, &ir.ReduceAttrs{Axes: ir.Axes(0, x.Rank())}, x)
}

// clip scales gradients by min(1, norm/(global norm + 1e-6)), as torch.nn.utils.clip_grad_norm_.
func (b *emitter) clip(grads []*ir.Value, norm float64) []*ir.Value {
	sum := b.number(0)
	for _, g := range grads {
		sum = b.Add(sum, b.all(ir.ReduceSum, b.Mul(g, g)))
	}
	by := b.Div(b.number(norm), b.Add(b.Op(ir.Sqrt, nil, sum), b.number(1e-6)))
	by = b.Op(ir.Min, nil, by, b.number(1))
	out := make([]*ir.Value, len(grads))
	for i, g := range grads {
		out[i] = b.Mul(g, by)
	}
	return out
}
