package mlx

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// mostPacked is how many products become one at most: q, k, v and one more. A value that more of them read is no layer's input but, as what
// an encoder gives, that of all layers, which need their parts one after another.
const mostPacked = 4

// pack is a set of products of one operand with constant matrices, which are made as one: the matrices lie side by side. It saves
// launches, and fills the device better.
//
// The parts are views. Of a single row they are contiguous. Of more rows they are not, for which kernels of norms copy them once, where
// reshapes, transposes, attention, caches and stretches do not care: so little beside the products of so many rows that the size
// need not be known.
type pack struct {
	ops   []*ir.Op
	parts []Reg // nil until the first op is lowered
}

type packKey struct {
	x      *ir.Value
	biased bool
}

// packed is the result of a product as a part of a larger one; Absent where it stands alone.
func (l *lowering) packed(op *ir.Op) Reg {
	if !l.packs(op) {
		return Absent
	}
	key := packKey{op.Args[0], op.Kind == ir.Linear}
	p := l.packOf[key]
	if p == nil {
		p = &pack{}
		for _, u := range key.x.Uses() {
			if u.Index == 0 && u.Op.Kind == op.Kind && l.packs(u.Op) {
				p.ops = append(p.ops, u.Op)
			}
		}
		l.packOf[key] = p
	}
	if len(p.ops) < 2 || len(p.ops) > mostPacked {
		return Absent
	}
	if p.parts == nil {
		p.parts = l.pack(p.ops)
		l.b.For(op)
	}
	return p.parts[slices.Index(p.ops, op)]
}

// packs reports whether op may be a part: it is x·w, or x·w + b with a row b, of constants; nothing else reads w.
func (l *lowering) packs(op *ir.Op) bool {
	if !l.opts.takes(l.opts.Tuning.Packing, GPU) || op.Kind != ir.MatMul && op.Kind != ir.Linear || !op.Result().DType().IsFloat() {
		return false
	}
	x, w := op.Args[0], op.Args[1]
	if x.Rank() < 2 || isWeight(x) || w.Rank() != 2 || !isWeight(w) || !w.HasOneUse() {
		return false
	}
	if _, multiple := l.multiples[x]; multiple || l.wantedBy(op.Result()) != 1 {
		return false
	}
	return op.Kind == ir.MatMul || op.Args[2].Rank() == 1 && isWeight(op.Args[2]) && op.Region.SameDim(op.Args[2].Shape()[0], w.Shape()[1])
}

// pack makes the product of all ops, and its parts.
func (l *lowering) pack(ops []*ir.Op) []Reg {
	var columns, biases []Reg
	var ends []ir.Dim
	end := ir.Size(0)
	for _, op := range ops {
		columns = append(columns, l.b.Call(Transpose, l.early(op.Args[1]), []int{1, 0}))
		if op.Kind == ir.Linear {
			biases = append(biases, l.early(op.Args[2]))
		}
		end = end.Add(op.Args[1].Shape()[1])
		ends = append(ends, end)
	}
	l.b.For(ops[0])
	x := l.reg(ops[0].Args[0])
	w := l.b.Call(Transpose, l.b.Call(Concatenate, columns, 0), []int{1, 0}) // its columns are contiguous, as factor has them
	var r Reg
	if biases == nil {
		r = l.b.Call(MatMul, x, w)
	} else {
		r = l.addProduct(l.b.Call(Concatenate, biases, 0), x, w)
	}
	return l.b.CallN(Split, len(ops), r, ends[:len(ends)-1], ops[0].Result().Rank()-1)
}

// early is the register of a constant that may lie behind the op that asks for it.
func (l *lowering) early(v *ir.Value) Reg {
	if l.homes[v] == nil {
		for _, arg := range v.Def.Args {
			l.early(arg)
		}
		l.lower(v.Def)
		l.ahead[v.Def] = true
	}
	return l.reg(v)
}
