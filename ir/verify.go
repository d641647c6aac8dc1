package ir

import (
	"errors"
	"fmt"
)

// Verify checks a module: that its regions are closed and in order, that use lists are right, and that inference
// gives every op the types it has. It returns all errors, joined; each is an *Error.
func Verify(m *Module) error {
	v := &verifier{m: m, blobs: map[*Blob]bool{}}
	v.module()
	funcs := map[string]bool{}
	for _, f := range m.Funcs {
		if funcs[f.Name] {
			v.fail(nil, "module_c1", "two functions are called %q", f.Name)
		}
		funcs[f.Name] = true
		v.function(f)
	}
	return errors.Join(v.errs...)
}

// maxErrors bounds what one Verify reports.
const maxErrors = 20

type verifier struct {
	m     *Module
	blobs map[*Blob]bool
	errs  []error
}

func (v *verifier) fail(op *Op, label, format string, args ...any) {
	if len(v.errs) >= maxErrors {
		return
	}
	e := &Error{Kind: Malformed, Label: label, Msg: fmt.Sprintf(format, args...)}
	if op != nil {
		e.Op = op.Kind
		if int(op.Loc) < len(v.m.Locs) {
			e.Loc = v.m.Locs[op.Loc]
		}
	}
	v.errs = append(v.errs, e)
}

// module: module_c2 blob names differ, module_c3 origins of locations are earlier locations.
func (v *verifier) module() {
	names := map[string]bool{}
	for _, b := range v.m.Blobs {
		if names[b.Name] {
			v.fail(nil, "module_c2", "two blobs are called %q", b.Name)
		}
		names[b.Name], v.blobs[b] = true, true
	}
	for i, l := range v.m.Locs {
		for _, from := range l.From {
			if int(from) >= i {
				v.fail(nil, "module_c3", "location %d comes from location %d, which is not before it", i, from)
			}
		}
	}
}

// function: func_c1 a name for each result, func_c2 distinct names of inputs.
func (v *verifier) function(f *Func) {
	if f.Module != v.m || f.Body.Func != f || f.Body.Terminator() == nil || len(f.Outputs) != len(f.Body.Results()) {
		v.fail(nil, "func_c1", "func @%s: %d output names, %d results", f.Name, len(f.Outputs), len(f.Body.Results()))
	}
	names := map[string]bool{}
	for _, p := range f.Inputs() {
		if p.Name != "" && names[p.Name] {
			v.fail(nil, "func_c2", "func @%s: two inputs are called %q", f.Name, p.Name)
		}
		names[p.Name] = true
	}
	v.region(f.Body, nil)
}

// region: region_c1 it and its parameters know their place, region_c2 one yield, at the end, region_c3 owner of the ops.
func (v *verifier) region(r *Region, parent *Op) {
	if r.Parent != parent || parent != nil && r.Func != parent.Region.Func {
		v.fail(parent, "region_c1", "a region does not know the op that holds it")
	}
	defined := make(map[*Value]bool, len(r.Params)+len(r.Ops))
	for i, p := range r.Params {
		if p.Region != r || p.Def != nil || int(p.Index) != i {
			v.fail(parent, "region_c1", "parameter %d does not know its place", i)
		}
		v.define(p, parent, defined)
	}
	for i, op := range r.Ops {
		if (op.Kind == Yield) != (i == len(r.Ops)-1) {
			v.fail(op, "region_c2", "a region has one yield, at its end")
		}
		if op.Region != r {
			v.fail(op, "region_c3", "%s does not know its region", op.Kind)
			continue
		}
		v.op(op, defined)
		for j, res := range op.Results {
			if res.Def != op || int(res.Index) != j {
				v.fail(op, "value_c1", "result %d of %s does not know its place", j, op.Kind)
			}
			v.define(res, op, defined)
		}
	}
	if len(r.Ops) == 0 {
		v.fail(parent, "region_c2", "a region has one yield, at its end")
	}
}

// define: type_c1 a well-formed type, value_c1 one definition, value_c2 every entry of a use list is an operand slot that
// holds the value, value_c3 a symbolic element for each element.
func (v *verifier) define(x *Value, by *Op, defined map[*Value]bool) {
	if err := x.Type.wellFormed(); err != "" {
		v.fail(by, "type_c1", "%s: %s", x.Type, err)
	}
	if defined[x] {
		v.fail(by, "value_c1", "a value is defined twice")
	}
	defined[x] = true
	for _, u := range x.uses {
		if u.Index >= len(u.Op.Args) || u.Op.Args[u.Index] != x {
			v.fail(u.Op, "value_c2", "stale use of a value by %s", u.Op.Kind)
		}
	}
	if x.Sym != nil && !x.home().Reduce(x.Type.Shape.NumElements()).Is(int64(len(x.Sym))) {
		v.fail(by, "value_c3", "%d symbolic elements of %s", len(x.Sym), x.Type)
	}
}

// home is the region that defines x.
func (x *Value) home() *Region {
	if x.Def != nil {
		return x.Def.Region
	}
	return x.Region
}

// op: op_c7 operands are defined before, in the same region; op_c8 their use lists know the op;
// op_c9 inferred types; op_c10 a location of the module's; const_c4 a blob of the module's.
func (v *verifier) op(op *Op, defined map[*Value]bool) {
	if int(op.Loc) >= len(v.m.Locs) {
		v.fail(op, "op_c10", "%s has location %d of %d", op.Kind, op.Loc, len(v.m.Locs))
		return
	}
	for i, a := range op.Args {
		if a == nil {
			continue
		}
		if !defined[a] {
			v.fail(op, "op_c7", "operand %d of %s is not defined before it, in its region", i, op.Kind)
			return
		}
		if !op.knownTo(a, i) {
			v.fail(op, "op_c8", "operand %d of %s does not know its user", i, op.Kind)
		}
	}
	if c, ok := op.Attrs.(*ConstAttrs); ok && c != nil && c.Blob != nil && !v.blobs[c.Blob] {
		v.fail(op, "const_c4", "constant in a blob that is not the module's")
	}
	for _, sub := range op.Regions {
		v.region(sub, op)
	}
	v.types(op)
}

// knownTo reports whether the use list of a has operand slot i of o.
func (o *Op) knownTo(a *Value, i int) bool {
	if i >= len(o.place) {
		return false
	}
	k := int(o.place[i])
	return k >= 0 && k < len(a.uses) && a.uses[k] == (Use{o, i})
}

func (v *verifier) types(op *Op) {
	have := make([]Type, len(op.Results))
	for i, r := range op.Results {
		have[i] = r.Type
	}
	c := &Infer{op: op, want: have, verify: true}
	inferred, err := c.run()
	if err != nil {
		if len(v.errs) < maxErrors {
			v.errs = append(v.errs, err)
		}
		return
	}
	if len(inferred) != len(have) {
		v.fail(op, "op_c9", "%s has %d results, wants %d", op.Kind, len(have), len(inferred))
		return
	}
	for i, r := range inferred {
		if !op.Region.SameType(r.Type, have[i]) {
			v.fail(op, "op_c9", "result %d of %s is %s, inference gives %s", i, op.Kind, have[i], r.Type)
		}
	}
}
