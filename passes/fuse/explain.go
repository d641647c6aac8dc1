package fuse

import (
	"fmt"
	"slices"
	"strings"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// Explanation collects why patterns did not match. Add is for rewrite.Context's Explain.
type Explanation struct {
	near map[nearKey]rewrite.Near
}

type nearKey struct {
	pattern string
	key     *ir.Op
}

// Add keeps the attempt that got farthest for each pattern and op.
func (e *Explanation) Add(n rewrite.Near) {
	if e.near == nil {
		e.near = map[nearKey]rewrite.Near{}
	}
	k := nearKey{n.Pattern, n.Key}
	if old, ok := e.near[k]; !ok || old.Depth <= n.Depth {
		e.near[k] = n
	}
}

// List says, for every op of m that tells a pattern from others and was not fused, where the pattern stopped and why. "all" is
// every pattern.
func (e *Explanation) List(m *ir.Module, pattern string) []rewrite.Near {
	var out []rewrite.Near
	for _, p := range Patterns {
		if pattern != "all" && p.Name != pattern {
			continue
		}
		for _, f := range m.Funcs {
			f.Body.Walk(func(op *ir.Op) {
				if n, ok := e.near[nearKey{p.Name, op}]; ok {
					out = append(out, n)
				} else if pattern != "all" && slices.Contains(p.Keys, op.Kind) {
					out = append(out, apart(p.Name, op))
				}
			})
		}
	}
	return out
}

// Nothing is the line for a pattern, or "all", of which List says nothing: what of it there is in m.
func Nothing(m *ir.Module, pattern string) string {
	if pattern == "all" {
		return "all: no pattern nearly matches"
	}
	n := 0
	for _, f := range m.Funcs {
		f.Body.Walk(func(op *ir.Op) {
			if op.Kind.String() == pattern {
				n++
			}
		})
	}
	if n == 0 {
		return pattern + ": there is none, and no op that could be part of one"
	}
	return fmt.Sprintf("%s: %d in the program, and no op is left that could be part of another", pattern, n)
}

// apart is of an op that no attempt came to, as what uses it is no part of the pattern.
func apart(pattern string, op *ir.Op) rewrite.Near {
	n := rewrite.Near{Pattern: pattern, Key: op, Loc: op.Location(), Value: rewrite.Describe(op.Result()), Reason: "nothing uses it"}
	var users []string
	for _, u := range op.Result().Uses() {
		if k := u.Op.Kind.String(); !slices.Contains(users, k) {
			users = append(users, k)
		}
	}
	if users != nil {
		n.Reason = "the pattern does not begin at what uses it: " + strings.Join(users, ", ")
	}
	return n
}

// Text is a line for each near miss.
func Text(list []rewrite.Near) string {
	var b strings.Builder
	for _, n := range list {
		fmt.Fprintf(&b, "%s: %s", n.Pattern, n.Key.Kind)
		if l := n.Key.Location().String(); l != "" {
			fmt.Fprintf(&b, " of %s", l)
		}
		fmt.Fprintf(&b, ": %d ops match; %s", n.Depth, n.Value)
		if l := n.Loc.String(); l != "" {
			fmt.Fprintf(&b, " of %s", l)
		}
		fmt.Fprintf(&b, ": %s\n", n.Reason)
	}
	return b.String()
}
