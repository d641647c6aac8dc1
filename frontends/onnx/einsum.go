package onnx

import (
	"slices"
	"strings"

	"github.com/emilyc/emily/ir"
)

var einsumRows = []row{
	{"", "Einsum", since(12, 28), importEinsum},
}

// label names an axis: a letter, or one of the axes of an ellipsis, counted from its end.
type label int

const dots label = 256 // and those after it are the ellipsis' axes

// term is an operand whose axes have labels, each once.
type term struct {
	v      *ir.Value
	labels []label
}

// importEinsum: operands are multiplied pair by pair, from the left, as matrix products over the labels that both have and
// nobody needs any more.
func importEinsum(n *Node) []*ir.Value {
	equation := strings.ReplaceAll(n.String("equation", ""), " ", "")
	if !n.present(n.in) {
		return nil
	}
	left, right, explicit := strings.Cut(equation, "->")
	specs := strings.Split(left, ",")
	if len(specs) != len(n.in) {
		return one(n.fail(Invalid, "give a term for each operand", "equation %q has %d terms, there are %d operands", clip(equation), len(specs), len(n.in)))
	}
	terms := make([]term, len(specs))
	ellipsis := 0
	for i, spec := range specs {
		labels, width := n.einsumLabels(spec, n.in[i].Rank())
		if !n.ok() {
			return nil
		}
		terms[i] = n.diagonals(term{n.in[i], labels})
		ellipsis = max(ellipsis, width)
	}
	out := implicitLabels(left, ellipsis)
	if explicit {
		out = n.outputLabels(right, ellipsis, terms)
	}
	if !n.ok() {
		return nil
	}
	acc := terms[0]
	for i := 1; i < len(terms); i++ {
		acc = n.contract(acc, terms[i], neededLabels(out, terms[i+1:]))
	}
	acc = n.reduceTo(acc, out)
	return one(n.orderAs(acc, out))
}

// einsumLabels are those of a term for an operand of that rank, and how many axes its ellipsis stands for. A rank below 0 is that
// of the output: there the ellipsis is -rank - 1 axes.
func (n *Node) einsumLabels(spec string, rank int) (list []label, ellipsis int) {
	before, after, has := strings.Cut(spec, "...")
	letters := before + after
	if i := strings.IndexFunc(letters, func(r rune) bool { return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') }); i >= 0 {
		n.fail(Invalid, "give letters, and one ellipsis at most", "term %q of the equation", clip(spec))
		return nil, 0
	}
	ellipsis = rank - len(letters)
	if rank < 0 {
		ellipsis = -rank - 1
	}
	if ellipsis < 0 || !has && ellipsis != 0 && rank >= 0 {
		n.fail(Invalid, "give a letter for each axis, or an ellipsis", "term %q of the equation for an operand of rank %d", clip(spec), rank)
		return nil, 0
	}
	for _, r := range before {
		list = append(list, label(r))
	}
	if has {
		list = append(list, ellipsisLabels(ellipsis)...)
	}
	for _, r := range after {
		list = append(list, label(r))
	}
	return list, ellipsis
}

// ellipsisLabels label the axes of an ellipsis: the last one is always the same.
func ellipsisLabels(count int) []label {
	var list []label
	for i := count; i > 0; i-- {
		list = append(list, dots+label(i))
	}
	return list
}

// implicitLabels, where the equation has no output: the ellipsis, then the letters that occur once, in the order of ASCII.
func implicitLabels(left string, ellipsis int) []label {
	list := ellipsisLabels(ellipsis)
	for r := 'A'; r <= 'z'; r++ {
		if (r <= 'Z' || r >= 'a') && strings.Count(left, string(r)) == 1 {
			list = append(list, label(r))
		}
	}
	return list
}

func (n *Node) outputLabels(spec string, ellipsis int, terms []term) []label {
	list, _ := n.einsumLabels(spec, -1-ellipsis)
	for i, l := range list {
		if slices.Contains(list[:i], l) || !slices.ContainsFunc(terms, func(t term) bool { return slices.Contains(t.labels, l) }) {
			n.fail(Invalid, "give each letter of the output once, and in a term before", "output %q of the equation", clip(spec))
			return nil
		}
	}
	return list
}

// neededLabels are those of the output and of operands that are still to come.
func neededLabels(out []label, rest []term) []label {
	list := slices.Clone(out)
	for _, t := range rest {
		list = append(list, t.labels...)
	}
	return list
}

// diagonals makes labels that repeat one axis: the elements whose indices are equal.
func (n *Node) diagonals(t term) term {
	for i := 0; i < len(t.labels); i++ {
		j := slices.Index(t.labels[i+1:], t.labels[i]) + i + 1
		if j == i {
			continue
		}
		var rest []int64
		for a := range t.labels {
			if a != i && a != j {
				rest = append(rest, int64(a))
			}
		}
		at := n.unsqueeze(n.count(n.dim(size(t.v, i))), 1)
		n.sameSize(size(t.v, i), size(t.v, j))
		x := n.transpose(t.v, append([]int64{int64(i), int64(j)}, rest...)...)
		x = n.op(ir.GatherND, &ir.GatherNDAttrs{}, x, n.op(ir.Concat, &ir.AxisAttrs{Axis: 1}, at, at))
		labels := []label{t.labels[i]}
		for _, a := range rest {
			labels = append(labels, t.labels[a])
		}
		t, i = term{x, labels}, -1
	}
	return t
}

// sameSize notes that two sizes are equal.
func (n *Node) sameSize(a, b ir.Dim) {
	switch {
	case !n.ok() || n.b.Region().SameDim(a, b):
	case a.IsConst() && b.IsConst():
		n.fail(Invalid, "give axes of one label equal sizes", "sizes differ: %s and %s", a, b)
	default:
		n.b.Region().Assume(ir.Fact{Rel: ir.EQ, A: a, B: b, Loc: n.b.Loc})
	}
}

// reduceTo sums the axes whose labels are not needed.
func (n *Node) reduceTo(t term, needed []label) term {
	var axes []int64
	var kept []label
	for i, l := range t.labels {
		if slices.Contains(needed, l) {
			kept = append(kept, l)
		} else {
			axes = append(axes, int64(i))
		}
	}
	if axes == nil {
		return t
	}
	return term{n.op(ir.ReduceSum, &ir.ReduceAttrs{Axes: axes}, t.v), kept}
}

// contract multiplies two terms, and sums over the labels that are not needed. An axis of size 1 broadcasts.
func (n *Node) contract(a, b term, needed []label) term {
	a, b = n.withoutOnes(a, b), n.withoutOnes(b, a)
	a, b = n.reduceTo(a, append(slices.Clone(needed), b.labels...)), n.reduceTo(b, append(slices.Clone(needed), a.labels...))
	var batch, inner, onlyA, onlyB []label
	for _, l := range a.labels {
		switch {
		case !slices.Contains(b.labels, l):
			onlyA = append(onlyA, l)
		case slices.Contains(needed, l):
			batch = append(batch, l)
		default:
			inner = append(inner, l)
		}
	}
	for _, l := range b.labels {
		if !slices.Contains(a.labels, l) {
			onlyB = append(onlyB, l)
		}
	}
	if !n.ok() {
		return a
	}
	outer := slices.Concat(batch, onlyA, onlyB)
	if inner == nil {
		return term{n.op(ir.Mul, nil, n.spread(a, outer), n.spread(b, outer)), outer}
	}
	y := n.op(ir.MatMul, nil, n.matrices(a, batch, onlyA, inner), n.matrices(b, batch, inner, onlyB))
	if !n.ok() {
		return a
	}
	return term{n.reshape(y, slices.Concat(y.Shape()[:len(batch)], n.sizes(a, onlyA), n.sizes(b, onlyB))...), outer}
}

// withoutOnes drops axes of size 1 of t, where the other term has the label with another size.
func (n *Node) withoutOnes(t, other term) term {
	var axes []int64
	var kept []label
	for i, l := range t.labels {
		j := slices.Index(other.labels, l)
		if j >= 0 && size(t.v, i).Is(1) && !size(other.v, j).Is(1) {
			axes = append(axes, int64(i))
		} else {
			kept = append(kept, l)
		}
	}
	if axes == nil {
		return t
	}
	return term{n.squeeze(t.v, axes...), kept}
}

// sizes are those of the axes with these labels.
func (n *Node) sizes(t term, labels []label) []ir.Dim {
	dims := make([]ir.Dim, len(labels))
	for i, l := range labels {
		dims[i] = size(t.v, slices.Index(t.labels, l))
	}
	return dims
}

// orderAs transposes a term to labels that are its own.
func (n *Node) orderAs(t term, labels []label) *ir.Value {
	perm := make([]int64, len(labels))
	for i, l := range labels {
		perm[i] = int64(slices.Index(t.labels, l))
	}
	if slices.IsSorted(perm) {
		return t.v
	}
	return n.transpose(t.v, perm...)
}

// spread gives t the axes of all labels, of size 1 where it has them not.
func (n *Node) spread(t term, labels []label) *ir.Value {
	var has []label
	var missing []int64
	for i, l := range labels {
		if slices.Contains(t.labels, l) {
			has = append(has, l)
		} else {
			missing = append(missing, int64(i))
		}
	}
	v := n.orderAs(t, has)
	if missing == nil {
		return v
	}
	return n.unsqueeze(v, missing...)
}

// matrices are t as [batch…, rows, columns].
func (n *Node) matrices(t term, batch, rows, columns []label) *ir.Value {
	v := n.orderAs(t, slices.Concat(batch, rows, columns))
	product := func(labels []label) ir.Dim { return ir.Shape(n.sizes(t, labels)).NumElements() }
	return n.reshape(v, append(n.sizes(t, batch), product(rows), product(columns))...)
}
