package mlx

import (
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
)

// maxNgramCalls bounds the comparisons of places that n-grams with skips become.
const maxNgramCalls = 1024

// limitNgrams: every length and every distance between neighbours has calls of its own.
func limitNgrams(op *ir.Op, _ Options) string {
	a := op.Attrs.(*ir.NgramAttrs)
	if a.Skip >= maxNgramCalls || a.Most >= maxNgramCalls || (a.Skip+1)*a.Most*(a.Most+1)/2 > maxNgramCalls {
		return fmt.Sprintf("n-grams of up to %d tokens with up to %d skips", a.Most, a.Skip)
	}
	return ""
}

// lowerNgrams: for each length, the places at which all tokens are those of an n-gram, [n-grams, rows, places], are counted. Single
// tokens have no neighbours, and count once.
func lowerNgrams(l *lowering, op *ir.Op) {
	a, x := op.Attrs.(*ir.NgramAttrs), op.Args[0]
	rows, width := ir.Size(1), x.Shape().NumElements()
	if x.Rank() == 2 {
		rows, width = x.Shape()[0], x.Shape()[1]
	}
	tokens := l.b.Call(Reshape, l.cast(l.reg(x), x.DType(), ir.I64), []ir.Dim{rows, width})
	y := l.b.Call(Zeros, []ir.Dim{ir.Size(a.Size()), rows}, ir.F32)
	for n := a.Least; n <= a.Most; n++ {
		grams, indexes := ngramsOf(a, n)
		if len(indexes) == 0 {
			continue
		}
		counts := l.b.Call(Zeros, []ir.Dim{ir.Size(int64(len(indexes))), rows}, ir.I32)
		for step := int64(1); step <= a.Skip+1 && (step == 1 || n > 1); step++ {
			counts = l.b.Call(Add, counts, l.ngramCounts(tokens, rows, width, grams, step))
		}
		y = l.b.Call(ScatterAdd, y, l.b.Call(AsType, counts, ir.F32), l.b.Tensor(ir.TensorFrom(indexes)))
	}
	y = l.b.Call(Reshape, l.b.Call(Transpose, y, []int{1, 0}), op.Result().Shape())
	if a.Mode == "idf" {
		y = l.b.Call(Minimum, y, l.b.Scalar(ir.F32, 1))
	}
	if a.Mode != "tf" && len(a.Weights) > 0 {
		weights := make([]float32, a.Size())
		for i := range weights {
			weights[i] = float32(a.Weights[i])
		}
		y = l.b.Call(Multiply, y, l.b.Tensor(ir.TensorFrom(weights)))
	}
	l.set(op, y)
}

// ngramsOf are the n-grams of length n in the pool, as a list for each of their places, and where they count in the result. Of
// equal ones the last has a place there.
func ngramsOf(a *ir.NgramAttrs, n int64) (tokens [][]int64, indexes []int32) {
	ends := append(slices.Clone(a.Counts), int64(len(a.Ints)))
	id := int64(0)
	for i := range n - 1 {
		id += (ends[i+1] - ends[i]) / (i + 1)
	}
	tokens = make([][]int64, n)
	at := map[string]int{}
	for from := ends[n-1]; from < ends[n]; from += n {
		gram := a.Ints[from : from+n]
		k, twice := at[fmt.Sprint(gram)]
		if !twice {
			k = len(indexes)
			at[fmt.Sprint(gram)] = k
			indexes = append(indexes, 0)
			for i, t := range gram {
				tokens[i] = append(tokens[i], t)
			}
		}
		indexes[k] = int32(a.Indexes[id])
		id++
	}
	return tokens, indexes
}

// ngramCounts is how often each of the n-grams is in each row, with that distance between neighbours.
func (l *lowering) ngramCounts(x Reg, rows, width ir.Dim, grams [][]int64, step int64) Reg {
	places := width.Sub(ir.Size(step * int64(len(grams)-1))).Max(ir.Size(0))
	found := Absent
	for i, tokens := range grams {
		from := ir.Size(step * int64(i))
		part := l.slice(x, slicing{[]ir.Dim{ir.Size(0), from}, []ir.Dim{rows, from.Add(places)}, []int64{1, 1}})
		equal := l.b.Call(Equal, part, l.b.Tensor(ir.TensorFrom(tokens, len(tokens), 1, 1)))
		if found != Absent {
			equal = l.b.Call(LogicalAnd, found, equal)
		}
		found = equal
	}
	return l.b.Call(Sum, l.b.Call(AsType, found, ir.I32), []int{2}, false)
}
