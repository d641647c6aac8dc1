// Package grad is reverse-mode automatic differentiation as an IR-to-IR pass: the gradient of a function is a function, which
// is printed, verified, optimised, interpreted, lowered and differentiated like any other.
//
// There is one Rule for each kind that has a derivative, in the table Rules, in a file named after the kind's family; docs/autodiff.md
// gives the formulas.
package grad

import (
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
)

// Options say what Build differentiates.
type Options struct {
	Loss      string    // the output that is differentiated; "" is the only one
	Wrt       []string  // inputs, and constants by the names that Params lists; AllParams stands for these
	Reduce    Reduction // makes a scalar of the loss before it is differentiated
	Cotangent string    // an input to add, of the loss's type: its cotangent; "" is 1, of a scalar loss
	Outputs   bool      // keep the outputs of the function, before all else
	Value     bool      // give the loss, before the gradients
	Recompute int       // of how many segments of the function what is inside is computed again, to save memory; 0 keeps all
}

// AllParams in Options.Wrt stands for all Params, unless an input or a constant is called so.
const AllParams = "params"

// Build is a copy of m whose main function gives the gradients of an output. Its inputs are those of m's, then the cotangent; its
// results are the outputs and the loss, where these are asked for, and a gradient for each of Wrt, of its type and named as it is with ".grad"
// after it (and a number where an output that is kept has that name). A loss that is reduced is called "loss". What the loss does not depend on has a gradient of zeros.
//
// Errors are *ir.Error: of a name that is not there, of a target that is not a float tensor, of a loss that is
// no scalar while nothing says how it becomes one, and of an op on the way that cannot be differentiated, which is located.
func Build(m *ir.Module, o Options) (*ir.Module, error) {
	c := m.Clone()
	f := c.Main()
	if f == nil {
		return nil, failure(m, ir.ValueError, "", "the module holds no function to differentiate")
	}
	loss, err := lossOf(f, o.Loss)
	if err != nil {
		return nil, err
	}
	names := expand(f, o.Wrt)
	wrt, err := targets(f, names)
	if err != nil {
		return nil, err
	}
	outputs := slices.Clone(f.Results())
	last := f.Body.Terminator()
	f.Body.Ops = f.Body.Ops[:len(f.Body.Ops)-1]
	last.Detach()
	b := ir.NewBuilder(f.Body)
	y := reduced(b, outputs[loss], o.Reduce)
	if err := b.Err(); err != nil {
		return nil, err
	}
	seed, err := cotangentOf(f, y, o)
	if err != nil {
		return nil, err
	}
	grads, err := emit(b, y, seed, wrt, o.Recompute)
	if err != nil {
		return nil, err
	}
	var results []*ir.Value
	var called []string
	if o.Outputs {
		results, called = outputs, slices.Clone(f.Outputs)
	}
	if name := lossName(f, o, loss); o.Value && !slices.Contains(called, name) {
		results, called = append(results, y), append(called, name)
	}
	taken := make(map[string]bool, len(called)+len(grads))
	for _, name := range called {
		taken[name] = true
	}
	for i, g := range grads {
		results, called = append(results, g), append(called, distinct(names[i]+".grad", taken))
	}
	b.Loc = 0
	b.Yield(results...)
	f.Outputs = called
	return c, b.Err()
}

// distinct is the name, with a number after it where it is taken.
func distinct(name string, taken map[string]bool) string {
	free := name
	for i := 2; taken[free]; i++ {
		free = fmt.Sprintf("%s.%d", name, i)
	}
	taken[free] = true
	return free
}

// Append emits at the end of b's region the gradients of y with respect to each of wrt, all values of that region. Seed is the
// cotangent of y, of its type; nil stands for ones. A gradient has the type of its value. It may extend loops and scans of the region by results
// that hold what the gradient needs of every iteration.
//
// Errors are *ir.Error, and name the op that cannot be differentiated.
func Append(b *ir.Builder, y, seed *ir.Value, wrt []*ir.Value) ([]*ir.Value, error) {
	return emit(b, y, seed, wrt, 0)
}

func emit(b *ir.Builder, y, seed *ir.Value, wrt []*ir.Value, segments int) ([]*ir.Value, error) {
	t := newTape(b, &Rules)
	loc := b.Loc
	defer func() { b.Loc = loc }()
	for _, v := range append([]*ir.Value{y}, wrt...) {
		if !differentiable(v.Type) {
			return nil, &ir.Error{Kind: ir.DTypeError, Loc: origin(v), Msg: fmt.Sprintf("a gradient of or with respect to %s", v.Type),
				Remedy: "floats of 16, 32 and 64 bits have gradients: give one of these"}
		}
	}
	if seed != nil && !b.Region().SameType(seed.Type, y.Type) {
		return nil, &ir.Error{Kind: ir.DTypeError, Loc: origin(y), Msg: fmt.Sprintf("a cotangent of %s for %s", seed.Type, y.Type), Remedy: "give one of the same type"}
	}
	for _, v := range wrt {
		t.active[v], t.targets[v] = true, true
	}
	ops := slices.Clone(b.Region().Ops)
	t.mark(ops)
	if seed == nil {
		seed = t.full(y, 1)
	}
	t.cot[y] = seed
	if segments > 1 {
		t.runSegments(ops, segments)
	} else {
		t.run(ops)
	}
	out := make([]*ir.Value, len(wrt))
	for i, v := range wrt {
		if out[i] = t.cot[v]; out[i] == nil {
			out[i] = t.full(v, 0)
		}
	}
	return out, b.Err()
}

// Reduction makes a scalar of a loss.
type Reduction string

// The reductions.
const (
	None       Reduction = ""
	Sum        Reduction = "sum"
	Mean       Reduction = "mean"
	MeanSquare Reduction = "mean-square"
)

// ParseReduction reads none, sum, mean or mean-square.
func ParseReduction(s string) (Reduction, error) {
	switch r := Reduction(s); r {
	case "none":
		return None, nil
	case None, Sum, Mean, MeanSquare:
		return r, nil
	}
	return None, fmt.Errorf("reduction %q: use none, sum, mean or mean-square", s)
}

func reduced(b *ir.Builder, y *ir.Value, r Reduction) *ir.Value {
	kind := ir.ReduceMean
	switch r {
	case None:
		return y
	case Sum:
		kind = ir.ReduceSum
	case MeanSquare:
		y = b.Mul(y, y)
	}
	return b.Op(kind, &ir.ReduceAttrs{Axes: ir.Axes(0, y.Rank())}, y)
}

// lossName is what the loss is called among the results.
func lossName(f *ir.Func, o Options, loss int) string {
	switch {
	case o.Reduce == None:
		return f.Outputs[loss]
	case o.Outputs && slices.Contains(f.Outputs, "loss"):
		return f.Outputs[loss] + "." + string(o.Reduce)
	}
	return "loss"
}

// lossOf is the place of the output of that name.
func lossOf(f *ir.Func, name string) (int, error) {
	i := slices.Index(f.Outputs, name)
	if name == "" && len(f.Outputs) == 1 {
		i = 0
	}
	switch {
	case i < 0 && name == "":
		return 0, failure(f.Module, ir.ValueError, "name one of the outputs with --loss: "+ir.NameList(f.Outputs), "which of the %d outputs is the loss is not said", len(f.Outputs))
	case i < 0:
		return 0, failure(f.Module, ir.ValueError, "name one of the outputs: "+ir.NameList(f.Outputs), "there is no output %q", name)
	}
	if v := f.Results()[i]; !differentiable(v.Type) {
		err := failure(f.Module, ir.DTypeError, "name a float output: there are "+ir.NameList(floats(f)), "the loss %q is %s, which has no gradient", f.Outputs[i], v.Type)
		if v.Def != nil {
			err.Loc = v.Def.Location()
		}
		return 0, err
	}
	return i, nil
}

func floats(f *ir.Func) []string {
	var names []string
	for i, v := range f.Results() {
		if differentiable(v.Type) {
			names = append(names, f.Outputs[i])
		}
	}
	return names
}

// cotangentOf adds the input that the cotangent is, or checks that none is needed.
func cotangentOf(f *ir.Func, y *ir.Value, o Options) (*ir.Value, error) {
	if o.Cotangent != "" {
		if slices.Contains(inputs(f), o.Cotangent) {
			return nil, failure(f.Module, ir.ValueError, "give the cotangent another name", "there is an input %q already", o.Cotangent)
		}
		return f.Body.AddParam(o.Cotangent, y.Type), nil
	}
	if n := f.Body.Reduce(y.Shape().NumElements()); !n.Is(1) {
		err := failure(f.Module, ir.ShapeError, "reduce it to a scalar (sum, mean, mean-square), or name an input to be its cotangent",
			"the loss is %s, and gradients are those of a scalar", y.Type)
		err.Loc = origin(y)
		return nil, err
	}
	return nil, nil
}

// differentiable reports whether values of the type have cotangents.
func differentiable(t ir.Type) bool {
	return t.IsTensor() && (t.DType == ir.F64 || t.DType == ir.F32 || t.DType == ir.F16 || t.DType == ir.BF16)
}

// origin is where v comes from, as far as that is known.
func origin(v *ir.Value) ir.Loc {
	r := v.Region
	if v.Def != nil {
		if l := v.Def.Location(); l.File != "" || l.Node != "" {
			return l
		}
		r = v.Def.Region
	}
	return ir.Loc{File: r.Func.Module.Name}
}

func failure(m *ir.Module, kind ir.ErrorKind, remedy, format string, args ...any) *ir.Error {
	return &ir.Error{Kind: kind, Loc: ir.Loc{File: m.Name}, Msg: fmt.Sprintf(format, args...), Remedy: remedy}
}
