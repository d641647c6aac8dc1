package interp

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// scoreLimit bounds the scores that are held at a time, in elements.
const scoreLimit = 1 << 22

// attentionRun is one evaluation: the sizes, the operands, and the places of the current head.
type attentionRun struct {
	attrs            *ir.AttentionAttrs
	l, s             int // queries and keys
	mask             *reader
	allow            bool // the mask says which keys may be seen; else it is added
	sinks            *ir.Tensor
	q, k, v, out     *ir.Tensor
	d, e, heads, kvs int
	scores           []float64
}

// evalAttention: softmax(q·kᵀ·scale + mask)·v for each head, as mx.fast.scaled_dot_product_attention. Products and weights are
// not rounded.
func evalAttention(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	q, k, v := tensor(args, 0), tensor(args, 1), tensor(args, 2)
	a := &attentionRun{
		attrs: op.Attrs.(*ir.AttentionAttrs), q: q, k: k, v: v, sinks: tensor(args, 4),
		heads: q.Shape[1], kvs: k.Shape[1], l: q.Shape[2], s: k.Shape[2], d: q.Shape[3], e: v.Shape[3],
	}
	if k.Shape[0] != q.Shape[0] || v.Shape[0] != q.Shape[0] || k.Shape[3] != a.d || v.Shape[2] != a.s {
		return nil, opError(op, ir.ShapeError, "attention_c3", "attention of %v, %v and %v", q.Shape, k.Shape, v.Shape)
	}
	if v.Shape[1] != a.kvs || a.heads > 0 && (a.kvs == 0 || a.heads%a.kvs != 0) {
		return nil, opError(op, ir.ShapeError, "attention_c4", "%d heads of queries for %d of keys and %d of values", a.heads, a.kvs, v.Shape[1])
	}
	scores := []int{q.Shape[0], a.heads, a.l, a.s}
	if mask := tensor(args, 3); mask != nil {
		shape, err := broadcastShapes(op, "attention_c5", scores, mask.Shape)
		if err != nil || product(shape) != product(scores) {
			return nil, opError(op, ir.ShapeError, "attention_c5", "a mask of %v for scores of %v", mask.Shape, scores)
		}
		a.mask, a.allow = newReader(mask, scores), mask.DType == ir.Bool
	}
	if a.sinks != nil && a.sinks.Len() != a.heads {
		return nil, opError(op, ir.ShapeError, "attention_c6", "%d sinks for %d heads", a.sinks.Len(), a.heads)
	}
	out, err := e.newTensor(op, q.DType, []int{q.Shape[0], a.heads, a.l, a.e})
	if err != nil || out.Len() == 0 || a.s == 0 {
		return []ir.Datum{out}, err
	}
	a.out = out
	rows := min(a.l, max(1, scoreLimit/a.s))
	a.scores = make([]float64, rows*a.s)
	for h := range q.Shape[0] * a.heads {
		for from := 0; from < a.l; from += rows {
			if err := e.ctx.Err(); err != nil {
				return nil, err
			}
			a.block(h, from, min(rows, a.l-from))
		}
	}
	return []ir.Datum{out}, nil
}

// block computes n queries of a head, one of all in the batch.
func (a *attentionRun) block(head, from, n int) {
	row := head*a.l + from
	kv := head/a.heads*a.kvs + head%a.heads/(a.heads/a.kvs)
	scores := plane{a.scores, a.s}
	multiply(1, n, a.s, a.d, func(int) gemm {
		return gemm{dense{a.q, row * a.d, a.d}, dense{a.k, kv * a.s * a.d, a.d}, scores, true}
	})
	parallelRows(n, a.s, func(lo, hi int) {
		mask, allowed := make([]float64, a.s), make([]int64, a.s)
		for i := lo; i < hi; i++ {
			row := a.scores[i*a.s:][:a.s]
			for j := range row {
				row[j] *= a.attrs.Scale
			}
			switch at := (head*a.l + from + i) * a.s; {
			case a.mask == nil:
			case a.allow:
				read(a.mask, allowed, at)
				hide(row, allowed)
			default:
				read(a.mask, mask, at)
				a.add(row, mask)
			}
			if a.attrs.Causal {
				hideAfter(row, from+i+a.s-a.l)
			}
			a.weigh(row, head)
		}
	})
	multiply(1, n, a.e, a.s, func(int) gemm {
		return gemm{scores, dense{a.v, kv * a.s * a.e, a.e}, dense{a.out, row * a.e, a.e}, false}
	})
}

// add adds a mask to scores. Sums are rounded to f32, unless all is f64: with a large mask, that is what they are.
func (a *attentionRun) add(row, mask []float64) {
	for j, m := range mask {
		if a.q.DType == ir.F64 {
			row[j] += m
		} else {
			row[j] = float64(float32(row[j]) + float32(m))
		}
	}
}

func hide(row []float64, allowed []int64) {
	for j, ok := range allowed {
		if ok == 0 {
			row[j] = math.Inf(-1)
		}
	}
}

func hideAfter(row []float64, last int) {
	for j := max(last+1, 0); j < len(row); j++ {
		row[j] = math.Inf(-1)
	}
}

// weigh makes the weights of the values of a row of scores.
func (a *attentionRun) weigh(row []float64, head int) {
	top, sink := foldMax(math.Inf(-1), row), math.Inf(-1)
	if a.sinks != nil {
		var one [1]float64
		loadFloats(one[:], a.sinks, head%a.heads)
		sink = one[0]
		top = max(top, sink)
	}
	if math.IsInf(top, -1) {
		a.empty(row)
		return
	}
	sum := math.Exp(sink - top)
	for j, v := range row {
		row[j] = math.Exp(v - top)
		sum += row[j]
	}
	for j := range row {
		row[j] /= sum
	}
}

// empty is the weights of a query that sees no key.
func (a *attentionRun) empty(row []float64) {
	weight := math.NaN()
	switch a.attrs.Empty {
	case "zero":
		weight = 0
	case "mean":
		weight = 1 / float64(len(row))
	}
	for j := range row {
		row[j] = weight
	}
}

// plane is a matrix of float64, both operand and result.
type plane struct {
	data   []float64
	stride int
}

func (p plane) row(dst []float64, r, c int) { copy(dst, p.data[r*p.stride+c:]) }

func (p plane) put(r, c int, v []float64) { copy(p.data[r*p.stride+c:], v) }

// evalRope: pairs (a, b) of each head become (a·cos - b·sin, a·sin + b·cos). Angles are positions times frequencies, rounded to
// f32 as in graphs and in mx.fast.rope; the position of a row is its place plus the offset of its batch element.
func evalRope(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x := tensor(args, 0)
	size := x.Shape[3]
	n := tensor(args, 2).Shape[len(tensor(args, 2).Shape)-1]
	if 2*n > size {
		return nil, opError(op, ir.ShapeError, "rope_c4", "%d angles rotate more than %d elements", n, size)
	}
	angles, err := ropeAngles(op, args, n)
	if err != nil {
		return nil, err
	}
	out, err := e.newTensor(op, x.DType, cloneShape(x.Shape))
	if err != nil || out.Len() == 0 {
		return []ir.Datum{out}, err
	}
	first, second, step := 0, n, 1
	if op.Attrs.(*ir.RopeAttrs).Interleaved {
		second, step = 1, 2
	}
	parallelRows(x.Len()/size, size, func(lo, hi int) {
		row, cos, sin := make([]float64, size), make([]float64, n), make([]float64, n)
		for r := lo; r < hi; r++ {
			loadFloats(row, x, r*size)
			angles(cos, sin, r)
			for i := range n {
				p, q := first+i*step, second+i*step
				a, b := row[p], row[q]
				row[p], row[q] = a*cos[i]-b*sin[i], a*sin[i]+b*cos[i]
			}
			storeFloats(out, r*size, row)
		}
	})
	return []ir.Datum{out}, nil
}

// ropeAngles gives the cosines and sines of row r of x[B, H, L, D], seen as B·H·L rows.
func ropeAngles(op *ir.Op, args []ir.Datum, n int) (func(cos, sin []float64, r int), error) {
	x, a, b := tensor(args, 0), tensor(args, 1), tensor(args, 2)
	if a.DType.IsFloat() {
		want := []int{x.Shape[0], x.Shape[1], x.Shape[2], n}
		for _, t := range []*ir.Tensor{a, b} {
			shape, err := broadcastShapes(op, "rope_c3", want, t.Shape)
			if err != nil || product(shape) != product(want) || t.Shape[len(t.Shape)-1] != n {
				return nil, opError(op, ir.ShapeError, "rope_c3", "cosines or sines of %v for %v", t.Shape, x.Shape)
			}
		}
		cosines, sines := newReader(a, want), newReader(b, want)
		return func(cos, sin []float64, r int) {
			read(cosines, cos, r*n)
			read(sines, sin, r*n)
		}, nil
	}
	if len(a.Shape) == 1 && a.Shape[0] != x.Shape[0] {
		return nil, opError(op, ir.ShapeError, "rope_c3", "%d offsets for a batch of %d", a.Shape[0], x.Shape[0])
	}
	offsets, frequencies := ints(a), floats(b)
	each := x.Shape[1] * x.Shape[2]
	return func(cos, sin []float64, r int) {
		position := offsets[0]
		if len(a.Shape) == 1 {
			position = offsets[r/each]
		}
		position += int64(r % x.Shape[2])
		for i, f := range frequencies {
			angle := float64(position) * f
			if b.DType != ir.F64 {
				angle = float64(float32(position) * float32(f))
			}
			sin[i], cos[i] = math.Sincos(angle)
		}
	}, nil
}
