// Package train makes the program of a training step: the loss, its gradients, and what an optimiser does with them, as one
// function of the IR, which is printed, optimised, interpreted and lowered like any other.
package train

import (
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/grad"
)

// Options say what a step does.
type Options struct {
	Loss      string    // "mse", "cross_entropy", or an output of the model: that loss itself, a scalar
	Output    string    // what mse and cross_entropy compare with the labels; "" is the only output
	Params    []string  // what is trained; none is all that the loss depends on but the running statistics of batch_norm
	Optimizer Optimizer // its hyperparameters
	ClipNorm  float64   // gradients are scaled down to this global norm; 0 leaves them (Pascanu and others 2013)
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
	Names  []string     // of Values: parameters, then their states, named as these are with the slot after them
	Params int          // how many of Values are parameters
	Values []*ir.Tensor // of the model, and states of zeros; parameters view the model's file
}

// Build makes the step of m. m does not change.
//
// Errors are *ir.Error: of a name that is not there or taken, of a loss that is no scalar, of an op that has no gradient, of a parameter that is
// not f32; and of options that are out of range.
func Build(m *ir.Module, o Options) (*Step, error) {
	if err := o.Optimizer.check(); err != nil {
		return nil, err
	}
	if !(o.ClipNorm >= 0) {
		return nil, fmt.Errorf("a norm of %v to clip gradients to: give a positive number, or 0 for none", o.ClipNorm)
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
	loss, err := addLoss(c.Main(), o)
	if err != nil {
		return nil, err
	}
	g, err := grad.Build(c, grad.Options{Loss: loss, Wrt: names, Value: true})
	if err != nil {
		return nil, err
	}
	s := &Step{Module: g, Names: slices.Clone(names), Params: len(names), Values: values}
	return s, s.update(own, o)
}

// update puts the optimiser behind the gradients, and inputs in the order that Step gives.
func (s *Step) update(own int, o Options) error {
	f := s.Module.Main()
	if err := free(f); err != nil {
		return err
	}
	results := slices.Clone(f.Results())
	last := f.Body.Terminator()
	f.Body.Ops = f.Body.Ops[:len(f.Body.Ops)-1]
	last.Detach()
	inputs := slices.Clone(f.Body.Params)
	params := inputs[own : own+s.Params]
	rest := slices.Concat(inputs[:own], inputs[own+s.Params:])
	b := &emitter{Builder: ir.NewBuilder(f.Body)}
	grads := results[1:]
	if o.ClipNorm > 0 {
		grads = b.clip(grads, o.ClipNorm)
	}
	u := update{emitter: b, o: o.Optimizer}
	u.rate, u.count = f.Body.AddParam(Rate, ir.TensorOf(ir.F32)), f.Body.AddParam(Count, ir.TensorOf(ir.F32))
	rest = append(rest, u.rate, u.count)
	loss := results[0]
	if loss.DType() != ir.F32 {
		loss = b.Op(ir.Cast, &ir.CastAttrs{To: ir.F32}, loss)
	}
	next, states, nextStates := []*ir.Value{loss}, []*ir.Value{}, []*ir.Value{}
	for i, p := range params {
		if p.DType() != ir.F32 {
			return failure(s.Module, ir.DTypeError, "train a model in f32", "the parameter %q is %s", p.Name, p.Type)
		}
		var slots []*ir.Value
		for _, slot := range slotsOf[o.Optimizer.Name] {
			name := p.Name + "." + slot
			slots = append(slots, f.Body.AddParam(name, p.Type))
			s.Names = append(s.Names, name)
			s.Values = append(s.Values, ir.NewTensor(ir.F32, s.Values[i].Shape...))
		}
		q, now := rules[o.Optimizer.Name](&u, p, grads[i], slots)
		next, states, nextStates = append(next, q), append(states, slots...), append(nextStates, now...)
	}
	b.Yield(append(next, nextStates...)...)
	f.Body.Params = slices.Concat(params, states, rest)
	for i, p := range f.Body.Params {
		p.Index = int32(i)
	}
	f.Outputs = []string{f.Outputs[0]}
	for _, n := range s.Names {
		f.Outputs = append(f.Outputs, n+".next")
	}
	return b.Err()
}

// free checks that no input has a name that a step adds.
func free(f *ir.Func) error {
	for _, p := range f.Inputs() {
		if p.Name == Rate || p.Name == Count {
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
