// Package train makes the program of a training step: the loss, its gradients, and what an optimiser does with them, as one
// function of the IR, which is printed, optimised, interpreted and lowered like any other.
package train

import (
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/grad"
	"github.com/emilyc/emily/passes/precision"
	"github.com/emilyc/emily/passes/rewrite"
)

// Options say what a step does.
type Options struct {
	Loss      string    // "mse", "cross_entropy", or an output of the model: that loss itself, a scalar
	Output    string    // what mse and cross_entropy compare with the labels; "" is the only output
	Params    []string  // what is trained; none is all that the loss depends on but the running statistics of batch_norm
	Optimizer Optimizer // its hyperparameters
	ClipNorm  float64   // gradients are scaled down to this global norm; 0 leaves them (Pascanu and others 2013)
	Precision ir.DType  // f16 or bf16: the model and its gradients are computed in that; parameters, states and built-in losses stay f32. 0 is f32
	Scaling   Scaling   // of the loss; the zero value is DefaultScaling for f16, and none else
}

// recipe says what decides how a step goes on from the values of the last.
func (o Options) recipe() string {
	s := fmt.Sprintf("%s of the loss %s", o.Optimizer, o.Loss)
	if o.Output != "" {
		s += fmt.Sprintf(" of %s", o.Output)
	}
	if o.ClipNorm > 0 {
		s += fmt.Sprintf(", gradients clipped to %v", o.ClipNorm)
	}
	if o.Precision != ir.F32 {
		s += fmt.Sprintf(", in %s", o.Precision)
	}
	if o.Scaling.on() {
		s += fmt.Sprintf(", the loss scaled by %+v", o.Scaling)
	}
	return s
}

// Names of what Build adds to the inputs of a model.
const (
	Labels = "labels"        // of mse, of the output's type, and of cross_entropy, i64 without axis 1
	Rate   = "learning_rate" // f32[]
	Count  = "step"          // f32[], 1 in the first step
)

// Step is the program of a step, and what it starts from.
type Step struct {
	// Module's inputs are Values, then the model's own, the labels where the loss has some, the rate and the count. Its outputs are
	// the loss in f32, and the next Values.
	Module *ir.Module
	Names  []string     // of Values: parameters, then their states, named as these are with the slot after them, then LossScale, GoodSteps and Skipped where there is scaling
	Params int          // how many of Values are parameters
	Values []*ir.Tensor // of the model, and states of zeros; parameters view the model's file
	Recipe string       // the options that matter, for people, and for a checkpoint to tell whether it fits
}

// Build makes the step of m. m does not change.
//
// Errors are *ir.Error: of a name that is not there or taken, of a loss that is no scalar, of an op that has no gradient, of a parameter that is
// not f32; and of options that are out of range.
func Build(m *ir.Module, o Options) (*Step, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	c := m.Clone()
	if c.Main() == nil {
		return nil, failure(m, ir.ValueError, "", "the module holds no function to train")
	}
	names := o.Params
	if len(names) == 0 {
		var err error
		if names, err = trainable(m, o); err != nil {
			return nil, err
		}
	}
	if len(names) == 0 {
		return nil, failure(m, ir.ValueError, "name initializers of the model", "there are no parameters to train")
	}
	own := len(c.Main().Inputs())
	values, err := grad.Lift(c, names)
	if err != nil {
		return nil, err
	}
	if err := free(c.Main()); err != nil {
		return nil, err
	}
	if o.Precision != ir.F32 { // before the loss, which stays f32
		if err := precision.Run(o.Precision)(c, &rewrite.Context{}); err != nil {
			return nil, err
		}
	}
	loss, err := addLoss(c.Main(), o)
	if err != nil {
		return nil, err
	}
	options := grad.Options{Loss: loss, Wrt: names, Value: true}
	if o.Scaling.on() {
		options.Cotangent = LossScale
	}
	g, err := grad.Build(c, options)
	if err != nil {
		return nil, err
	}
	s := &Step{Module: g, Names: slices.Clone(names), Params: len(names), Values: values, Recipe: o.recipe()}
	return s, s.update(own, o)
}

// check fills in what is left out, and says what is out of range.
func (o *Options) check() error {
	if err := o.Optimizer.Check(); err != nil {
		return err
	}
	if !(o.ClipNorm >= 0) {
		return fmt.Errorf("a norm of %v to clip gradients to: give a positive number, or 0 for none", o.ClipNorm)
	}
	switch o.Precision {
	case ir.Invalid:
		o.Precision = ir.F32
	case ir.F32, ir.F16, ir.BF16:
	default:
		return fmt.Errorf("no training in %s: use f32, f16 or bf16", o.Precision)
	}
	if o.Scaling == (Scaling{}) && o.Precision == ir.F16 {
		o.Scaling = DefaultScaling()
	}
	return o.Scaling.check()
}

// update puts the optimiser behind the gradients, and inputs in the order that Step gives.
func (s *Step) update(own int, o Options) error {
	f := s.Module.Main()
	results := reopen(f)
	loss, grads := results[0], results[1:]
	params := slices.Clone(f.Body.Params[own : own+s.Params])
	rest := slices.Concat(f.Body.Params[:own], f.Body.Params[own+s.Params:])
	b := &emitter{Builder: ir.NewBuilder(f.Body)}
	rate, count := f.Body.AddParam(Rate, ir.TensorOf(ir.F32)), f.Body.AddParam(Count, ir.TensorOf(ir.F32))
	u := update{emitter: b, o: o.Optimizer, rate: rate, count: count}
	var sc *scaler
	if o.Scaling.on() { // the cotangent is the last of rest
		sc = scaled(b, f, rest[len(rest)-1], o.Scaling)
		rest, grads = rest[:len(rest)-1], sc.unscaled(grads)
		u.count = b.Sub(count, sc.skipped)
	}
	if o.ClipNorm > 0 {
		grads = b.clip(grads, o.ClipNorm)
	}
	old, next, err := s.optimise(&u, params, grads)
	if err != nil {
		return err
	}
	if sc != nil {
		scale, nextScale := sc.states()
		next = append(sc.kept(old, next), nextScale...)
		old = append(old, scale...)
		s.Names = append(s.Names, LossScale, GoodSteps, Skipped)
		s.Values = append(s.Values, ir.Scalar(float32(o.Scaling.Init)), ir.Scalar[float32](0), ir.Scalar[float32](0))
	}
	b.Yield(append([]*ir.Value{loss}, next...)...)
	f.Body.Params = slices.Concat(old, rest, []*ir.Value{rate, count})
	for i, p := range f.Body.Params {
		p.Index = int32(i)
	}
	f.Outputs = []string{f.Outputs[0]}
	for _, n := range s.Names {
		f.Outputs = append(f.Outputs, n+".next")
	}
	return b.Err()
}

// optimise has the rule make the next parameters and states, and gives those before them too.
func (s *Step) optimise(u *update, params, grads []*ir.Value) (old, next []*ir.Value, err error) {
	body, slots := s.Module.Main().Body, make([][]*ir.Value, len(params))
	for i, p := range params {
		if p.DType() != ir.F32 {
			return nil, nil, failure(s.Module, ir.DTypeError, "train a model in f32", "the parameter %q is %s", p.Name, p.Type)
		}
		for _, slot := range slotsOf[u.o.Name] {
			name := p.Name + "." + slot
			slots[i] = append(slots[i], body.AddParam(name, p.Type))
			s.Names = append(s.Names, name)
			s.Values = append(s.Values, ir.NewTensor(ir.F32, s.Values[i].Shape...))
		}
	}
	next, nextSlots := make([]*ir.Value, len(params)), make([][]*ir.Value, len(params))
	for _, i := range madeOrder(body, grads) {
		next[i], nextSlots[i] = rules[u.o.Name](u, params[i], grads[i], slots[i])
	}
	return append(params, slices.Concat(slots...)...), append(next, slices.Concat(nextSlots...)...), nil
}

// madeOrder are the places of values in the order in which r makes them: gradients of the last layers come first, and the sooner one is used,
// the sooner its memory is free.
func madeOrder(r *ir.Region, values []*ir.Value) []int {
	at := make(map[*ir.Op]int, len(r.Ops))
	for i, op := range r.Ops {
		at[op] = i
	}
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return at[values[a].Def] - at[values[b].Def] })
	return order
}

// reopen takes the terminator off f, and returns its results.
func reopen(f *ir.Func) []*ir.Value {
	results := slices.Clone(f.Results())
	last := f.Body.Terminator()
	f.Body.Ops = f.Body.Ops[:len(f.Body.Ops)-1]
	last.Detach()
	return results
}

// free checks that no input has a name that a step adds.
func free(f *ir.Func) error {
	for _, p := range f.Inputs() {
		if slices.Contains([]string{Rate, Count, LossScale, GoodSteps, Skipped}, p.Name) {
			return failure(f.Module, ir.ValueError, "rename it", "the input %q has the name of one that a step adds", p.Name)
		}
	}
	return nil
}

// trainable are the parameters that the loss depends on without the running mean and variance of batch_norm. Others have no
// gradient, such as running statistics in its training form, and decay would still move them.
func trainable(m *ir.Module, o Options) ([]string, error) {
	m = m.Clone()
	all, fixed := grad.Params(m), map[string]bool{}
	loss, err := addLoss(m.Main(), o)
	if err != nil {
		return nil, err
	}
	f := m.Main()
	at := slices.Index(f.Outputs, loss)
	if at < 0 {
		return all, nil // grad.Build says that there is no such loss
	}
	used := influences(f.Results()[at])
	f.Body.Walk(func(op *ir.Op) {
		if op.Kind != ir.BatchNorm {
			return
		}
		for _, v := range op.Args[3:] {
			if v.Def != nil {
				fixed[v.Def.Location().Node] = true
			}
		}
	})
	return slices.DeleteFunc(all, func(n string) bool { return fixed[n] || !used[n] }), nil
}

// influences are the names of the constants that v is made of, and of those in the regions of what makes it.
func influences(v *ir.Value) map[string]bool {
	names, seen := map[string]bool{}, map[*ir.Op]bool{}
	note := func(op *ir.Op) {
		if op.Kind == ir.Const {
			names[op.Location().Node] = true
		}
	}
	for todo := []*ir.Value{v}; len(todo) > 0; {
		v, todo = todo[len(todo)-1], todo[:len(todo)-1]
		if v == nil || v.Def == nil || seen[v.Def] {
			continue
		}
		seen[v.Def] = true
		note(v.Def)
		for _, r := range v.Def.Regions {
			r.Walk(note)
		}
		todo = append(todo, v.Def.Args...)
	}
	return names
}

// SetConstants puts values in the place of the constants of m's main function that have their names.
func SetConstants(m *ir.Module, byName map[string]*ir.Tensor) error {
	var err error
	m.Main().Body.Walk(func(op *ir.Op) {
		l := op.Location()
		v := byName[l.Node]
		if op.Kind != ir.Const || l.OpType != "" || v == nil {
			return
		}
		if !op.Result().Type.Equal(v.Type()) && err == nil {
			err = failure(m, ir.ShapeError, "", "%s for the parameter %q, which is %s", v.Type(), l.Node, op.Result().Type)
		}
		op.Attrs = &ir.ConstAttrs{Type: v.Type(), Inline: v.Data}
	})
	return err
}

func failure(m *ir.Module, kind ir.ErrorKind, remedy, format string, args ...any) *ir.Error {
	return &ir.Error{Kind: kind, Loc: ir.Loc{File: m.Name}, Msg: fmt.Sprintf(format, args...), Remedy: remedy}
}
