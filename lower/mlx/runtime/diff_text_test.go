package runtime_test

import "github.com/emilyc/emily/ir"

func textCases() []diffCase {
	var cs []diffCase
	pool := ir.NgramAttrs{Counts: []int64{0, 3, 9}, Ints: []int64{2, 3, 5, 2, 2, 2, 3, 2, 2, 5, 2, 3, 3, 3, 3}, Indexes: []int64{6, 0, 2, 1, 3, 4, 0, 5},
		Weights: []float64{0.5, 2, 3, -1, 0.25, 1, 7}}
	for _, x := range []*ir.Tensor{tensorOf(ir.I32, []float64{2, 3, 2, 2, 5, 3, 3, 3, 2, 2, 2, 2}, 2, 6), ints(2, 3, 3, 2, 2), ints(2), random(ir.I64, 0), random(ir.I64, 0, 4), random(ir.I64, 3, 0), scalar(ir.I64, 5)} {
		for _, mode := range []string{"tf", "idf", "tfidf"} {
			for _, skip := range []int64{0, 2, 9} {
				a := pool
				a.Mode, a.Skip, a.Least, a.Most = mode, skip, 1+skip%2, 3
				cs = append(cs, op(ir.Ngrams, &a, x))
			}
		}
	}
	return cs
}
