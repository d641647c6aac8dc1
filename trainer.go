package emily

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/train"
)

// Trainer trains a model step by step. A step is one program, run at once: loss, gradients, and what the optimiser makes of
// parameters and its own state, which the trainer keeps from a step to the next: on MLX where they are, replaced in place. Its methods are not
// safe for concurrent use.
//
//	optimizer, err := train.NewOptimizer("adamw")
//	t, err := emily.NewTrainer(ctx, model, train.Options{Loss: "mse", Optimizer: optimizer})
//	loss, err := t.Step(ctx, 1e-3, map[string]ir.Datum{"x": x, train.Labels: y})
//	err = emily.WriteONNX(trained, "trained.onnx") // of trained, err := t.Module()
type Trainer struct {
	model  *Model
	step   *Model // the program of a step
	plan   *train.Step
	exe    *Executable
	values carrier // of plan.Names
	count  int
	batch  []Port
}

// NewTrainer compiles the step of m. The trainer is closed for itself; m may be closed before it. Errors are those of Model.Module, train.Build and
// Model.Compile.
func NewTrainer(ctx context.Context, m *Model, o train.Options, opts ...CompileOption) (*Trainer, error) {
	module, err := m.Module()
	if err != nil {
		return nil, err
	}
	plan, err := train.Build(module, o)
	if err != nil {
		return nil, err
	}
	values := plan.Values
	plan.Values = nil // which the carrier need not keep
	t := &Trainer{model: m, plan: plan}
	if t.step, err = m.derived(plan.Module); err != nil {
		return nil, err
	}
	if t.exe, err = t.step.Compile(ctx, opts...); err != nil {
		return nil, errors.Join(err, t.step.Close())
	}
	if t.values, err = t.exe.carry(values); err != nil {
		return nil, errors.Join(err, t.exe.Close(), t.step.Close())
	}
	t.batch = t.step.inputs[len(values) : len(t.step.inputs)-2]
	return t, nil
}

// Inputs are what a step takes: those of the model, and the labels of a built-in loss.
func (t *Trainer) Inputs() []Port { return slices.Clone(t.batch) }

// Count is how many steps were made, with those of a checkpoint that was loaded.
func (t *Trainer) Count() int { return t.count }

// Step makes a step at the learning rate, and returns the loss before it. One that fails changes nothing; should MLX fail while it replaces values,
// out of memory for one, they are lost, and steps fail until Restore. When ctx ends, a step that MLX has begun to evaluate is completed. Errors
// are those of Executable.Run; and where the loss is scaled, that of a step which was skipped, and counts, but whose gradients are not finite
// however small the scale.
func (t *Trainer) Step(ctx context.Context, rate float64, batch map[string]ir.Datum) (float64, error) {
	list, err := order(t.model.Name(), t.batch, batch)
	if err != nil {
		return 0, err
	}
	outputs, err := t.values.run(ctx, append(list, ir.Scalar(float32(rate)), ir.Scalar(float32(t.count+1))))
	if err != nil {
		return 0, err
	}
	t.count++
	loss := float64(ir.View[float32](outputs[0].(*ir.Tensor))[0])
	if t.scaled() {
		return loss, t.plan.Overflow(t.LossScale(), t.state(train.GoodSteps))
	}
	return loss, nil
}

// LossScale is what the loss is multiplied by before it is differentiated, 1 where there is no scaling.
func (t *Trainer) LossScale() float64 {
	if !t.scaled() {
		return 1
	}
	return t.state(train.LossScale)
}

// Skipped is how many steps changed nothing, as their gradients held inf or NaN; 0 where there is no scaling.
func (t *Trainer) Skipped() int {
	if !t.scaled() {
		return 0
	}
	return int(t.state(train.Skipped))
}

func (t *Trainer) scaled() bool { return slices.Contains(t.plan.Names, train.LossScale) }

// state is the number of that name; 0 where values were lost.
func (t *Trainer) state(name string) float64 {
	v, err := t.values.get(slices.Index(t.plan.Names, name))
	if err != nil {
		return 0
	}
	return v.Floats()[0]
}

// Parameters are the values of what is trained, by name, as they are now. The error is that of values which were lost.
func (t *Trainer) Parameters() (map[string]*ir.Tensor, error) {
	named := map[string]*ir.Tensor{}
	for i, n := range t.plan.Names[:t.plan.Params] {
		var err error
		if named[n], err = t.values.get(i); err != nil {
			return nil, err
		}
	}
	return named, nil
}

// Module is the model with the parameters as they are now. It views the model's file, which must be open as long as it is used.
func (t *Trainer) Module() (*ir.Module, error) {
	m, err := t.model.Module()
	if err != nil {
		return nil, err
	}
	named, err := t.Parameters()
	if err != nil {
		return nil, err
	}
	return m, train.SetConstants(m, named)
}

// countName is what the number of steps is called in a checkpoint.
const countName = "step"

// Save writes parameters, the optimiser's state and the number of steps as a checkpoint, which replaces path when all of it is
// written. A checkpoint is a bundle (.safetensors) of a program that gives them.
func (t *Trainer) Save(path string) error {
	m := ir.NewModule(t.plan.Recipe)
	f := m.NewFunc("main")
	b := ir.NewBuilder(f.Body)
	var results []*ir.Value
	for i, n := range t.plan.Names {
		value, err := t.values.get(i)
		if err != nil {
			return err
		}
		v := b.Const(value)
		v.Name = n
		results = append(results, v)
	}
	results = append(results, b.Const(ir.Scalar(int64(t.count))))
	b.Yield(results...)
	f.Outputs = append(slices.Clone(t.plan.Names), countName)
	if err := b.Err(); err != nil {
		return err
	}
	return WriteBundle(m, path)
}

// Restore goes on from a checkpoint: the steps after it are bit for bit those of the trainer that saved it. The error says what of the checkpoint
// does not fit the model and the optimiser; the trainer is as it was then.
func (t *Trainer) Restore(path string) error {
	saved, err := Load(path)
	if err != nil {
		return err
	}
	defer saved.Close()
	m, err := saved.Module()
	if err != nil {
		return err
	}
	f := m.Main()
	if m.Name != t.plan.Recipe {
		return fmt.Errorf("%s: was saved by %s, not %s: train with the options that it was saved with", path, m.Name, t.plan.Recipe)
	}
	if want := append(slices.Clone(t.plan.Names), countName); !slices.Equal(f.Outputs, want) {
		return fmt.Errorf("%s: holds %d tensors, not the %d of this model: train the model that it was saved of", path, len(f.Outputs), len(want))
	}
	values := make([]*ir.Tensor, len(f.Outputs))
	for i, v := range f.Results() {
		if v.Def == nil || v.Def.Kind != ir.Const {
			return fmt.Errorf("%s: %q is no constant: not a checkpoint", path, f.Outputs[i])
		}
		want := ir.TensorOf(ir.I64)
		if i < len(t.plan.Names) {
			want = t.step.inputs[i].Type
		}
		if !v.Type.Equal(want) {
			return fmt.Errorf("%s: %q is %s, which does not fit the model", path, f.Outputs[i], v.Type)
		}
		c, err := v.Def.Attrs.(*ir.ConstAttrs).Tensor()
		if err != nil {
			return err
		}
		values[i] = &ir.Tensor{DType: c.DType, Shape: c.Shape, Data: slices.Clone(c.Data)}
	}
	last := len(values) - 1
	count := values[last].Ints()[0]
	if count < 0 {
		return fmt.Errorf("%s: %d steps: not a checkpoint", path, count)
	}
	for i, v := range values[:last] {
		if err := t.values.set(i, v); err != nil {
			return err
		}
	}
	t.count = int(count)
	return nil
}

// Close frees what steps use.
func (t *Trainer) Close() error { return errors.Join(t.values.close(), t.exe.Close(), t.step.Close()) }
