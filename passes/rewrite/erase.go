package rewrite

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// dead reports whether op may go at once. An op that names a run-time size is left to the pass dce, which knows
// whether the name is used.
func (s *sweep) dead(op *ir.Op) bool {
	return Removable(op) && Unused(op) && !s.scope.names(op)
}

// erase removes op, whose results have no users, and what only served it. It appends where these came from to from.
func (s *sweep) erase(op *ir.Op, from []ir.LocID) []ir.LocID {
	stack := []*ir.Op{op}
	for len(stack) > 0 {
		o := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if erased(o) {
			continue
		}
		if o.Loc != 0 && o.Kind != ir.Const && !slices.Contains(from, o.Loc) {
			from = append(from, o.Loc)
		}
		args := slices.Clone(o.Args)
		o.Detach()
		o.Region = nil
		for _, a := range args {
			if a != nil && a.Def != nil && !erased(a.Def) && s.dead(a.Def) {
				stack = append(stack, a.Def)
			}
		}
	}
	return from
}

// keepOrigin gives the ops that were made at loc a location that also names what else they replace.
func keepOrigin(made []*ir.Op, loc ir.LocID, from []ir.LocID) {
	id := ir.LocID(0)
	for _, op := range made {
		if erased(op) || op.Kind == ir.Const || op.Loc != loc {
			continue
		}
		if id == 0 {
			id = joinLocs(op.Region.Func.Module, loc, from)
		}
		op.Loc = id
	}
}

// joinLocs is loc with the others as its origins. Origins that it has already stay one level down.
func joinLocs(m *ir.Module, loc ir.LocID, others []ir.LocID) ir.LocID {
	l := m.Locs[loc]
	if l.From == nil {
		others = slices.DeleteFunc(others, func(id ir.LocID) bool { return id == loc })
	}
	if len(others) == 0 || l.From != nil && len(others) == 1 && others[0] == loc {
		return loc
	}
	l.From = others
	return m.AddLoc(l)
}

// keep are the kinds that must not be removed even where nothing uses their results.
var keep = [ir.NumKinds]bool{ir.Yield: true}

// Removable reports whether op may be removed where nothing uses its results.
func Removable(op *ir.Op) bool { return !keep[op.Kind] }

// Unused reports whether no result of op has a user.
func Unused(op *ir.Op) bool {
	return !slices.ContainsFunc(op.Results, func(v *ir.Value) bool { return len(v.Uses()) > 0 })
}
