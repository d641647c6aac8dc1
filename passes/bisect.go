package passes

import (
	"sort"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// Bisect finds the first rewrite after which a module is wrong. It runs the pipeline on clones of m, each stopped
// after another number of rewrites, and asks bad about the outcome. found is false where the whole pipeline is not bad. An
// error is one of a pass or of bad.
//
// It takes about log2 of the number of rewrites, and relies on a module staying wrong once it is.
func Bisect(m *ir.Module, pipeline []Pass, o Options, bad func(*ir.Module) (bool, error)) (step rewrite.Step, found bool, err error) {
	try := func(n int) (Stats, bool) {
		if err != nil {
			return Stats{}, false
		}
		o.StopAfter = n
		c := m.Clone()
		st, e := Run(c, pipeline, o)
		if e != nil {
			err = e
			return st, false
		}
		wrong, e := bad(c)
		if e != nil {
			err = e
		}
		return st, wrong
	}
	st, wrong := try(0)
	if err != nil || !wrong {
		return rewrite.Step{}, false, err
	}
	n := 1 + sort.Search(st.Steps, func(i int) bool { _, wrong := try(i + 1); return wrong })
	if err != nil || n > st.Steps {
		return rewrite.Step{}, false, err
	}
	st, _ = try(n)
	return st.Last, err == nil, err
}
