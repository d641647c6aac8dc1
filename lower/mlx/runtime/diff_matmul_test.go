package runtime_test

import (
	"github.com/emilyc/emily/ir"
)

func matmulCases() []diffCase {
	var cs []diffCase
	for _, d := range append(append([]ir.DType{}, floatTypes...), intTypes...) {
		for _, s := range [][2][]int{{{3, 4}, {4, 2}}, {{4}, {4, 2}}, {{3, 4}, {4}}, {{4}, {4}}, {{2, 3, 4}, {4, 5}}, {{2, 1, 3, 4}, {5, 4, 2}}, {{2, 0}, {0, 3}}, {{0, 4}, {4, 2}}} {
			cs = append(cs, op(ir.MatMul, nil, random(d, s[0]...), random(d, s[1]...)))
		}
		if d.IsInt() {
			cs = append(cs, op(ir.MatMul, nil, tensorOf(d, values(edges(d))[:6], 2, 3), tensorOf(d, values(edges(d))[2:8], 3, 2)))
		}
	}
	for _, d := range floatTypes {
		for _, s := range [][3][]int{{{3, 4}, {4, 2}, {2}}, {{2, 3, 4}, {4, 5}, {5}}, {{2, 3, 4}, {4, 5}, {2, 3, 5}}, {{2, 1, 3, 4}, {4, 2}, {}}, {{2, 0}, {0, 3}, {3}}, {{0, 4}, {4, 2}, {2}}, {{1, 4}, {4, 2}, {1, 1}}} {
			cs = append(cs, op(ir.Linear, nil, random(d, s[0]...), random(d, s[1]...), random(d, s[2]...)))
		}
		for _, s := range [][]int{{1, 1}, {3, 3}, {2, 4, 4}, {0, 2, 2}, {5, 2, 2}, {0, 0}, {2, 0, 0}} {
			cs = append(cs, op(ir.Det, nil, random(d, s...)))
		}
		cs = append(cs, op(ir.Det, nil, tensorOf(d, []float64{0, 0, 2, 0, 3, 1, 4, 1, 1}, 3, 3)), op(ir.Det, nil, tensorOf(d, []float64{1, 2, 2, 4}, 2, 2)))
	}
	for _, d := range floatTypes {
		for _, tanh := range []bool{false, true} {
			for _, again := range []bool{false, true} { // the values in between are asked for too
				cs = append(cs, diffCase{name: "feed-forward", in: []*ir.Tensor{random(d, 2, 3, 4), random(d, 4, 5), random(d, 5), random(d, 5, 4), random(d, 4)},
					build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
						up := b.Op(ir.Linear, nil, x[0], x[1], x[2])
						act := b.Op(ir.Gelu, &ir.GeluAttrs{Tanh: tanh}, up)
						out := []*ir.Value{b.Op(ir.Linear, nil, act, x[3], x[4])}
						if again {
							out = append(out, act, up)
						}
						return out
					}})
			}
		}
	}
	return append(cs, diffCase{name: "transposed-weight", in: []*ir.Tensor{random(ir.F32, 2, 3, 4), random(ir.F32, 5, 4)},
		build: func(b *ir.Builder, x []*ir.Value) []*ir.Value {
			return b.Ops(ir.MatMul, nil, nil, x[0], b.Op(ir.Transpose, &ir.PermAttrs{Perm: []int64{1, 0}}, x[1]))
		}})
}
