package ir

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
)

// Verify checks a module: that its regions are closed and in order, that use lists are right, and that inference
// gives every op the types it has. It returns all errors, joined; each is an *Error.
func Verify(m *Module) error {
	v := &verifier{}
	for i, f := range m.Funcs {
		if m.Func(f.Name) != f || slices.Index(m.Funcs, f) != i {
			v.fail(f.Body, nil, "module_c1", "two functions are called %q", f.Name)
		}
		if f.Body.Terminator() == nil || len(f.Outputs) != len(f.Body.Results()) {
			v.fail(f.Body, nil, "func_c1", "func @%s: %d output names, %d results", f.Name, len(f.Outputs), len(f.Body.Results()))
		}
		v.region(f.Body, nil)
	}
	return errors.Join(v.errs...)
}

// maxErrors bounds what one Verify reports.
const maxErrors = 20

type verifier struct{ errs []error }

func (v *verifier) fail(r *Region, op *Op, label, format string, args ...any) {
	if len(v.errs) >= maxErrors {
		return
	}
	e := &Error{Kind: Malformed, Label: label, Msg: fmt.Sprintf(format, args...)}
	if op != nil {
		e.Op, e.Loc = op.Kind, r.Func.Module.Locs[op.Loc]
	}
	v.errs = append(v.errs, e)
}

// region: region_c1 parameters, region_c2 one yield, at the end, region_c3 owner of the ops.
func (v *verifier) region(r *Region, parent *Op) {
	if r.Parent != parent {
		v.fail(r, parent, "region_c1", "a region does not know the op that holds it")
	}
	defined := make(map[*Value]bool, len(r.Params)+len(r.Ops))
	for i, p := range r.Params {
		if p.Region != r || p.Def != nil || int(p.Index) != i {
			v.fail(r, parent, "region_c1", "parameter %d does not know its place", i)
		}
		defined[p] = true
		v.uses(r, p)
	}
	for i, op := range r.Ops {
		if (op.Kind == Yield) != (i == len(r.Ops)-1) {
			v.fail(r, op, "region_c2", "a region has one yield, at its end")
		}
		if op.Region != r {
			v.fail(r, op, "region_c3", "%s does not know its region", op.Kind)
			continue
		}
		v.op(op, defined)
		for j, res := range op.Results {
			if res.Def != op || int(res.Index) != j {
				v.fail(r, op, "value_c1", "result %d of %s does not know its place", j, op.Kind)
			}
			defined[res] = true
			v.uses(r, res)
		}
	}
	if len(r.Ops) == 0 {
		v.fail(r, parent, "region_c2", "a region has one yield, at its end")
	}
}

// uses: value_c2 every entry of a use list is an operand slot that holds the value.
func (v *verifier) uses(r *Region, x *Value) {
	for _, u := range x.uses {
		if u.Index >= len(u.Op.Args) || u.Op.Args[u.Index] != x {
			v.fail(r, u.Op, "value_c2", "stale use of a value by %s", u.Op.Kind)
		}
	}
}

// op: op_c7 operands are defined before, in the same region; op_c8 their use lists know the op;
// op_c9 inferred types.
func (v *verifier) op(op *Op, defined map[*Value]bool) {
	r := op.Region
	if op.Kind == NoKind || op.Kind >= NumKinds || int(op.Loc) >= len(r.Func.Module.Locs) {
		v.fail(r, nil, "op_c0", "an op of no kind, or of an unknown location")
		return
	}
	if want := Kinds[op.Kind].Attrs; want != nil && reflect.TypeOf(op.Attrs) != reflect.TypeOf(want()) {
		v.fail(r, op, "op_c3", "%s has attributes of type %T", op.Kind, op.Attrs)
		return
	}
	for i, a := range op.Args {
		if a == nil {
			continue
		}
		if !defined[a] {
			v.fail(r, op, "op_c7", "operand %d of %s is not defined before it, in its region", i, op.Kind)
			return
		}
		if k := int(op.place[i]); k < 0 || k >= len(a.uses) || a.uses[k] != (Use{op, i}) {
			v.fail(r, op, "op_c8", "operand %d of %s does not know its user", i, op.Kind)
		}
	}
	for _, sub := range op.Regions {
		v.region(sub, op)
	}
	v.types(op)
}

func (v *verifier) types(op *Op) {
	have := make([]Type, len(op.Results))
	for i, r := range op.Results {
		have[i] = r.Type
	}
	inferred, err := (&Infer{op: op, want: have, verify: true}).run()
	if err != nil {
		if len(v.errs) < maxErrors {
			v.errs = append(v.errs, err)
		}
		return
	}
	if len(inferred) != len(have) {
		v.fail(op.Region, op, "op_c9", "%s has %d results, wants %d", op.Kind, len(have), len(inferred))
		return
	}
	for i, r := range inferred {
		if !op.Region.SameType(r.Type, have[i]) {
			v.fail(op.Region, op, "op_c9", "result %d of %s is %s, inference gives %s", i, op.Kind, have[i], r.Type)
		}
	}
}
