package grad

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// Params are the names of m's parameters: the float constants of its main function that have a name, in program order. A name is
// that of the initializer in the source model, which the constant's location keeps (Loc.Node of a Loc without an operator); in a text it is
// loc("name", "", 0). Scalars are left out, as exporters store epsilons and factors that way; they too can be differentiated by name.
func Params(m *ir.Module) []string {
	var names []string
	seen := map[string]bool{}
	if f := m.Main(); f != nil {
		f.Body.Walk(func(op *ir.Op) {
			name := paramName(op)
			if name != "" && !seen[name] && op.Result().Rank() > 0 && differentiable(op.Result().Type) {
				seen[name] = true
				names = append(names, name)
			}
		})
	}
	return names
}

// Lift makes inputs of the constants of those names in m's main function, after its own inputs, and returns their values.
// Constants inside of regions become captures. The error is that of a name that no constant has.
func Lift(m *ir.Module, names []string) ([]*ir.Tensor, error) {
	f := m.Main()
	if f == nil {
		return nil, failure(m, ir.ValueError, "", "the module holds no function")
	}
	if err := once(m, names); err != nil {
		return nil, err
	}
	consts := hoist(f, names)
	values, lifted := make([]*ir.Tensor, len(names)), map[*ir.Op]bool{}
	for i, name := range names {
		c := consts[name]
		if c == nil {
			return nil, failure(m, ir.ValueError, "parameters: "+ir.NameList(Params(m)), "no constant is called %q", name)
		}
		t, err := c.Def.Attrs.(*ir.ConstAttrs).Tensor()
		if err != nil {
			return nil, err
		}
		values[i], lifted[c.Def] = t, true
		c.ReplaceUses(f.Body.AddParam(name, c.Type))
	}
	f.Body.Ops = slices.DeleteFunc(f.Body.Ops, func(op *ir.Op) bool { return lifted[op] })
	return values, nil
}

// once checks that no name is there twice.
func once(m *ir.Module, names []string) error {
	seen := make(map[string]bool, len(names))
	for _, name := range names {
		if seen[name] {
			return failure(m, ir.ValueError, "give each name once", "%q twice", name)
		}
		seen[name] = true
	}
	return nil
}

// paramName is the name of a constant, "" of what has none.
func paramName(op *ir.Op) string {
	if l := op.Location(); op.Kind == ir.Const && l.OpType == "" {
		return l.Node
	}
	return ""
}

// expand puts the names of all parameters in the place of AllParams.
func expand(f *ir.Func, names []string) []string {
	params := Params(f.Module)
	at := slices.Index(names, AllParams)
	if at < 0 || slices.Contains(inputs(f), AllParams) || slices.Contains(params, AllParams) {
		return names
	}
	params = slices.DeleteFunc(params, func(n string) bool { return slices.Contains(names, n) })
	return slices.Replace(slices.Clone(names), at, at+1, params...)
}

// targets are the values that names stand for: inputs first, then constants.
func targets(f *ir.Func, names []string) ([]*ir.Value, error) {
	byName := hoist(f, names)
	for _, p := range f.Inputs() {
		byName[p.Name] = p
	}
	if len(names) == 0 {
		return nil, failure(f.Module, ir.ValueError, "name inputs or parameters", "nothing to differentiate with respect to")
	}
	out := make([]*ir.Value, len(names))
	for i, name := range names {
		v := byName[name]
		if v == nil {
			return nil, failure(f.Module, ir.ValueError, "inputs: "+ir.NameList(inputs(f))+"; parameters: "+ir.NameList(Params(f.Module)), "no input and no parameter is called %q", name)
		}
		if !differentiable(v.Type) {
			return nil, failure(f.Module, ir.DTypeError, "floats of 16, 32 and 64 bits have gradients: there are "+ir.NameList(floatInputs(f)),
				"%q is %s, which has no gradient", name, v.Type)
		}
		out[i] = v
	}
	return out, once(f.Module, names)
}

func inputs(f *ir.Func) []string {
	var names []string
	for _, p := range f.Inputs() {
		names = append(names, p.Name)
	}
	return names
}

func floatInputs(f *ir.Func) []string {
	var names []string
	for _, p := range f.Inputs() {
		if differentiable(p.Type) {
			names = append(names, p.Name)
		}
	}
	return append(names, Params(f.Module)...)
}

// hoist brings the constants of those names to the beginning of f, one of each; regions that used one of their own capture it.
func hoist(f *ir.Func, names []string) map[string]*ir.Value {
	h := &hoister{names: map[string]bool{}, consts: map[string]*ir.Value{}}
	for _, n := range names {
		h.names[n] = true
	}
	h.region(f.Body, func(c *ir.Op) *ir.Value {
		name := paramName(c)
		if v := h.consts[name]; v != nil {
			return v
		}
		op := c.CopyTo(f.Body, map[*ir.Value]*ir.Value{})
		h.first = append(h.first, op)
		h.consts[name] = op.Result()
		return op.Result()
	})
	f.Body.Ops = append(h.first, f.Body.Ops...)
	return h.consts
}

type hoister struct {
	names  map[string]bool
	consts map[string]*ir.Value
	first  []*ir.Op
}

// region replaces the named constants of r by what value gives for them in r.
func (h *hoister) region(r *ir.Region, value func(c *ir.Op) *ir.Value) {
	kept := r.Ops[:0]
	for _, op := range r.Ops {
		if name := paramName(op); name != "" && h.names[name] {
			op.Result().ReplaceUses(value(op))
			continue
		}
		captured := map[string]int{}
		for _, sub := range op.Regions {
			h.region(sub, func(c *ir.Op) *ir.Value {
				name := paramName(c)
				at, ok := captured[name]
				if !ok {
					at = capture(op, value(c))
					captured[name] = at
				}
				return sub.Params[at]
			})
		}
		kept = append(kept, op)
	}
	r.Ops = kept
}

// capture makes v an operand of op that all its regions capture, and returns the place of the parameter.
func capture(op *ir.Op, v *ir.Value) int {
	op.AddArg(v)
	for _, r := range op.Regions {
		r.AddParam(v.Name, v.Type)
	}
	return len(op.Regions[0].Params) - 1
}
