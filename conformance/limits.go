package conformance

import "github.com/emilyc/emily/ir"

// indexFacts are what must hold of sizes for the gathers in r to stay within their operands, where the indices are
// computed from sizes: exporters index a mask by ranges over the sequence, and only that ties its length to it.
func indexFacts(r *ir.Region) []ir.Fact {
	var facts []ir.Fact
	w := &limits{known: map[*ir.Value]ir.Dim{}}
	for _, op := range r.Ops {
		axes := indexedAxes(op)
		for i, limit := range w.components(op, len(axes)) {
			if limit != ir.Unknown && !limit.IsConst() || limit.IsConst() && !axes[i].IsConst() {
				facts = append(facts, ir.Fact{Rel: ir.LE, A: limit, B: axes[i], Loc: op.Loc})
			}
		}
	}
	return facts
}

// limits computes what all elements of an integer value are less than.
type limits struct{ known map[*ir.Value]ir.Dim }

// components are the limits of an op's indices into each of n axes: those of gather_nd lie along the last axis of
// operand 1.
func (w *limits) components(op *ir.Op, n int) []ir.Dim {
	if n == 0 {
		return nil
	}
	out := make([]ir.Dim, n)
	index := op.Args[1]
	def := index.Def
	if def != nil && def.Kind == ir.Concat && len(def.Args) == n && int(def.Attrs.(*ir.AxisAttrs).Axis) == index.Rank()-1 {
		for i, a := range def.Args {
			out[i] = w.of(a)
		}
		return out
	}
	for i := range out {
		out[i] = w.of(index)
	}
	return out
}

// of is Unknown where nothing is known.
func (w *limits) of(v *ir.Value) ir.Dim {
	if d, ok := w.known[v]; ok {
		return d
	}
	w.known[v] = ir.Unknown
	d := w.compute(v)
	w.known[v] = d
	return d
}

func (w *limits) compute(v *ir.Value) ir.Dim {
	if sym, ok := v.KnownDims(); ok && len(sym) > 0 {
		most := sym[0]
		for _, d := range sym[1:] {
			most = most.Max(d)
		}
		return most.Add(ir.Size(1))
	}
	op := v.Def
	if op == nil {
		return ir.Unknown
	}
	switch op.Kind {
	case ir.Cast, ir.Reshape, ir.Unsqueeze, ir.Squeeze, ir.Transpose, ir.Expand, ir.Slice, ir.Split, ir.Tile, ir.Gather:
		return w.of(op.Args[0])
	case ir.Range:
		return rangeLimit(op)
	case ir.Add:
		return both(w.of(op.Args[0]), w.of(op.Args[1]), func(a, b ir.Dim) ir.Dim { return a.Add(b).Sub(ir.Size(1)) })
	case ir.Where:
		return both(w.of(op.Args[1]), w.of(op.Args[2]), ir.Dim.Max)
	case ir.Max, ir.Concat:
		most := w.of(op.Args[0])
		for _, a := range op.Args[1:] {
			most = both(most, w.of(a), ir.Dim.Max)
		}
		return most
	}
	return ir.Unknown
}

func both(a, b ir.Dim, f func(a, b ir.Dim) ir.Dim) ir.Dim {
	if a == ir.Unknown || b == ir.Unknown {
		return ir.Unknown
	}
	return f(a, b)
}

// rangeLimit is the limit of an ascending range.
func rangeLimit(op *ir.Op) ir.Dim {
	limit, ok := op.Args[1].KnownDims()
	step, known := op.Args[2].KnownInts()
	if !ok || !known || len(limit) != 1 || len(step) != 1 || step[0] <= 0 {
		return ir.Unknown
	}
	return limit[0]
}
