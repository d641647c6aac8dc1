package mlx

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// finish is the work of Builder.Finish; each step is linear in the number of calls.
func finish(p *Plan, s *stretches) {
	needs := make([]symbolSet, len(p.Programs))
	for i := len(p.Programs) - 1; i >= 0; i-- { // programs come after those that use them
		needs[i] = sweep(p.Programs[i], needs)
	}
	hoist(p)
	if s != nil {
		s.make(p)
	}
	for _, g := range p.Programs {
		renumber(g)
		lastUses(g)
	}
}

type symbolSet map[ir.Dim]struct{}

// sweep removes dead calls and returns the symbols that g needs from outside or binds for itself.
func sweep(g *Program, needs []symbolSet) symbolSet {
	live := make([]bool, len(g.Types))
	for _, r := range g.Results {
		live[r] = true
	}
	need := symbolSet{}
	keep := make([]bool, len(g.Calls))
	for i := len(g.Calls) - 1; i >= 0; i-- {
		c := &g.Calls[i]
		if keep[i] = isLive(c, live, need); !keep[i] {
			continue
		}
		for _, r := range c.In {
			if r >= 0 {
				live[r] = true
			}
		}
		if Calls[c.Op].Effect && c.Op != Check && c.Op != Assert {
			continue
		}
		c.Dims(func(d ir.Dim) { d.Symbols(func(s ir.Dim) { need[s] = struct{}{} }) })
		for _, a := range c.Args {
			if sub, ok := a.(Prog); ok {
				for s := range needs[sub] {
					need[s] = struct{}{}
				}
			}
		}
	}
	kept := g.Calls[:0]
	for i := range g.Calls {
		if keep[i] {
			kept = append(kept, g.Calls[i])
		}
	}
	clear(g.Calls[len(kept):])
	g.Calls = kept
	for i, r := range g.Params {
		if r >= 0 && !live[r] && g.Name != "main" {
			g.Params[i] = Absent
		}
	}
	return need
}

func isLive(c *Call, live []bool, need symbolSet) bool {
	if c.Op == Check || c.Op == Assert {
		return true
	}
	if Calls[c.Op].Effect {
		found := false
		c.Dims(func(d ir.Dim) {
			d.Symbols(func(s ir.Dim) {
				_, ok := need[s]
				found = found || ok
			})
		})
		return found
	}
	return slices.ContainsFunc(c.Out, func(r Reg) bool { return live[r] })
}

// hoist moves the calls of main that depend on constants only into the setup program. Loading a constant is no
// work, so that a call for it stays where its users are.
func hoist(p *Plan) {
	main := p.Programs[p.Main]
	early := make([]bool, len(main.Types)) // computed in setup
	isConst := make([]bool, len(main.Types))
	var setup, rest []Call
	for _, c := range main.Calls {
		switch {
		case c.Op == Const:
			isConst[c.Out[0]] = true
			setup, rest = append(setup, c), append(rest, c)
		case fixed(&c, early, isConst):
			for _, r := range c.Out {
				early[r] = true
			}
			setup = append(setup, c)
		default:
			rest = append(rest, c)
		}
	}
	if !slices.Contains(early, true) {
		return
	}
	results := boundary(rest, main.Results, early)
	g := &Program{Name: "setup", Calls: setup, Results: results, Types: slices.Clone(main.Types)}
	main.Calls = rest
	main.Params = append(main.Params, results...)
	p.Setup = Prog(len(p.Programs))
	p.Programs = append(p.Programs, g)
	sweep(g, nil)
	sweep(main, slices.Repeat([]symbolSet{everySymbol(p)}, len(p.Programs)))
}

// everySymbol is what sub-programs may need, when that is not worth knowing better.
func everySymbol(p *Plan) symbolSet {
	all := symbolSet{}
	for _, s := range p.Symbols() {
		all[s] = struct{}{}
	}
	return all
}

// fixed reports whether c gives the same results in every run, and its operands are constants or early.
func fixed(c *Call, early, isConst []bool) bool {
	info := &Calls[c.Op]
	if info.Effect && c.Op != Assert || RandomKey <= c.Op && c.Op <= RandomCategorical {
		return false
	}
	for _, r := range c.In {
		if r >= 0 && !early[r] && !isConst[r] {
			return false
		}
	}
	ok := true
	c.Dims(func(d ir.Dim) { ok = ok && d.IsConst() })
	return ok && !slices.ContainsFunc(info.Params, func(p Param) bool { return p.Kind == ProgramParam })
}

// boundary lists the early registers that the calls or results read, in the order of first use.
func boundary(calls []Call, results []Reg, early []bool) []Reg {
	var out []Reg
	seen := map[Reg]bool{}
	use := func(r Reg) {
		if r >= 0 && early[r] && !seen[r] {
			seen[r] = true
			out = append(out, r)
		}
	}
	for i := range calls {
		for _, r := range calls[i].In {
			use(r)
		}
	}
	for _, r := range results {
		use(r)
	}
	return out
}

// renumber makes registers dense, in the order in which they are set.
func renumber(g *Program) {
	to := make([]Reg, len(g.Types))
	var types []ir.Type
	set := func(r Reg) Reg {
		if r < 0 {
			return r
		}
		to[r] = Reg(len(types))
		types = append(types, g.Types[r])
		return to[r]
	}
	for i, r := range g.Params {
		g.Params[i] = set(r)
	}
	for i := range g.Calls {
		c := &g.Calls[i]
		in := make([]Reg, len(c.In)) // operands may be shared with the caller of the Builder
		for k, r := range c.In {
			if in[k] = r; r >= 0 {
				in[k] = to[r]
			}
		}
		out := make([]Reg, len(c.Out))
		for k, r := range c.Out {
			out[k] = set(r)
		}
		c.In, c.Out = in, out
	}
	results := make([]Reg, len(g.Results))
	for i, r := range g.Results {
		results[i] = to[r]
	}
	g.Results, g.Types = results, types
}

// lastUses fills Free: every register that is not a result is freed by the last call that reads it, or by the call
// that sets it when nothing does.
func lastUses(g *Program) {
	done := make([]bool, len(g.Types))
	for _, r := range g.Results {
		done[r] = true
	}
	for i := len(g.Calls) - 1; i >= 0; i-- {
		c := &g.Calls[i]
		c.Free = nil
		for _, list := range [2][]Reg{c.In, c.Out} {
			for _, r := range list {
				if r >= 0 && !done[r] {
					done[r] = true
					c.Free = append(c.Free, r)
				}
			}
		}
	}
}
