package interp

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// evalConst gives the constant itself.
func evalConst(_ *Env, op *ir.Op, _ []ir.Datum) ([]ir.Datum, error) {
	t, err := op.Attrs.(*ir.ConstAttrs).Tensor()
	if err != nil {
		return nil, opError(op, ir.ValueError, "const_c2", "%v", err)
	}
	return []ir.Datum{t}, nil
}

// evalYield gives its operands: the results of the region.
func evalYield(_ *Env, _ *ir.Op, args []ir.Datum) ([]ir.Datum, error) { return args, nil }

// truth is a bool operand of one element.
func truth(op *ir.Op, label string, v ir.Datum) (bool, error) {
	t, ok := v.(*ir.Tensor)
	if !ok || t.DType != ir.Bool || t.Len() != 1 {
		return false, opError(op, ir.ShapeError, label, "%s: condition %s, wants one bool", op.Kind, v.Type())
	}
	return t.Data[0] != 0, nil
}

// evalIf: if(cond, captures…) runs one of two regions. ONNX If.
func evalIf(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	yes, err := truth(op, "if_c1", args[0])
	if err != nil {
		return nil, err
	}
	branch := op.Regions[0]
	if !yes {
		branch = op.Regions[1]
	}
	return e.call(op, branch, args[1:])
}

// evalLoop: loop(trip?, cond?, carried…, captures…). Scanned values are stacked on a new first axis. ONNX Loop.
func evalLoop(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	n := int(op.Attrs.(*ir.LoopAttrs).Carried)
	trip, going := int64(-1), true
	if t := tensor(args, 0); t != nil {
		if t.Len() != 1 {
			return nil, opError(op, ir.ShapeError, "loop_c1", "loop: trip count of shape %v", t.Shape)
		}
		trip = max(ints(t)[0], 0)
	}
	if args[1] != nil {
		var err error
		if going, err = truth(op, "loop_c1", args[1]); err != nil {
			return nil, err
		}
	}
	body := op.Regions[0]
	carried, captured := slices.Clone(args[2:2+n]), args[2+n:]
	scanned := newStacks(e, op, body.Results()[1+n:])
	for i := int64(0); going && (trip < 0 || i < trip); i++ {
		if err := e.ctx.Err(); err != nil {
			return nil, err
		}
		in := slices.Concat([]ir.Datum{ir.Scalar(i), ir.Scalar(true)}, carried, captured)
		out, err := e.call(op, body, in)
		if err != nil {
			return nil, err
		}
		if args[1] != nil { // without a condition, what the body says of it is ignored
			if going, err = truth(op, "loop_c2", out[0]); err != nil {
				return nil, err
			}
		}
		carried = out[1 : 1+n]
		if err := scanned.push(out[1+n:]); err != nil {
			return nil, err
		}
	}
	return scanned.results(carried, nil, nil)
}

// evalScan: scan(carried…, inputs…, captures…) runs its region on one element of each input at a time. ONNX Scan.
func evalScan(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	a := op.Attrs.(*ir.ScanAttrs)
	n, m := int(a.Carried), len(a.InputAxes)
	inputs := make([]*ir.Tensor, m) // the scanned axis first
	for i, axis := range a.InputAxes {
		x := tensor(args, n+i)
		t, err := e.transposed(op, x, axisFirst(len(x.Shape), int(axis)))
		if err != nil {
			return nil, err
		}
		if inputs[i] = t; t.Shape[0] != inputs[0].Shape[0] {
			return nil, opError(op, ir.ShapeError, "scan_c2", "scan over %d and %d elements", inputs[0].Shape[0], t.Shape[0])
		}
	}
	body := op.Regions[0]
	carried, captured := slices.Clone(args[:n]), args[n+m:]
	scanned := newStacks(e, op, body.Results()[n:])
	for i := range inputs[0].Shape[0] {
		if err := e.ctx.Err(); err != nil {
			return nil, err
		}
		in := slices.Clone(carried)
		for k, t := range inputs {
			at := i
			if a.InputReverse[k] != 0 {
				at = t.Shape[0] - 1 - i
			}
			in = append(in, element(t, at))
		}
		out, err := e.call(op, body, append(in, captured...))
		if err != nil {
			return nil, err
		}
		carried = out[:n]
		if err := scanned.push(out[n:]); err != nil {
			return nil, err
		}
	}
	return scanned.results(carried, a.OutputAxes, a.OutputRev)
}

// axisFirst is the permutation that brings an axis to the front.
func axisFirst(rank, axis int) []int {
	perm := []int{axis}
	for i := range rank {
		if i != axis {
			perm = append(perm, i)
		}
	}
	return perm
}

// element is a view of element i along the first axis.
func element(t *ir.Tensor, i int) *ir.Tensor {
	v := &ir.Tensor{DType: t.DType, Shape: t.Shape[1:]}
	run := product(v.Shape)
	if t.DType == ir.String {
		v.Strings = t.Strings[i*run : (i+1)*run]
		return v
	}
	size := run * t.DType.Size()
	v.Data = t.Data[i*size : (i+1)*size]
	return v
}

// stacks collect the values that iterations yield.
type stacks struct {
	env    *Env
	op     *ir.Op
	values []*ir.Value // what the region yields, for their types
	parts  [][]*ir.Tensor
	bytes  int
}

func newStacks(e *Env, op *ir.Op, values []*ir.Value) *stacks {
	return &stacks{env: e, op: op, values: values, parts: make([][]*ir.Tensor, len(values))}
}

// push adds one iteration's values; all of one stack have one shape.
func (s *stacks) push(values []ir.Datum) error {
	for i, v := range values {
		t := v.(*ir.Tensor)
		if first := s.parts[i]; len(first) > 0 && !slices.Equal(first[0].Shape, t.Shape) {
			return opError(s.op, ir.ShapeError, "", "%s: scanned value %d is %v, then %v", s.op.Kind, i, first[0].Shape, t.Shape)
		}
		s.parts[i] = append(s.parts[i], t)
		if s.bytes += len(t.Data) + 64; s.bytes > s.env.prog.opts.tensorLimit {
			return opError(s.op, ir.ShapeError, "", "%s: scanned values pass the limit of %d bytes", s.op.Kind, s.env.prog.opts.tensorLimit)
		}
	}
	return nil
}

// results are the carried values and the stacks, on axis 0 in order unless axes and reverse say otherwise.
func (s *stacks) results(carried []ir.Datum, axes, reverse []int64) ([]ir.Datum, error) {
	out := slices.Clone(carried)
	for i, parts := range s.parts {
		if reverse != nil && reverse[i] != 0 {
			slices.Reverse(parts)
		}
		t, err := s.stack(i, parts)
		if err != nil {
			return nil, err
		}
		if axes != nil {
			perm := slices.Insert(ascending(1, len(t.Shape)), int(axes[i]), 0)
			if t, err = s.env.transposed(s.op, t, perm); err != nil {
				return nil, err
			}
		}
		out = append(out, t)
	}
	return out, nil
}

func ascending(from, to int) []int {
	var list []int
	for i := from; i < to; i++ {
		list = append(list, i)
	}
	return list
}

// stack joins parts on a new first axis. Without any, sizes that are not known are 0.
func (s *stacks) stack(i int, parts []*ir.Tensor) (*ir.Tensor, error) {
	if len(parts) == 0 {
		t := s.values[i].Type
		shape := make([]int, 1+len(t.Shape))
		for k, d := range t.Shape {
			if n, ok := s.env.eval(d); ok && n > 0 {
				shape[1+k] = int(n)
			}
		}
		return s.env.newTensor(s.op, t.DType, shape)
	}
	rows := make([]*ir.Tensor, len(parts))
	for k, p := range parts {
		rows[k] = reshaped(p, slices.Concat([]int{1}, p.Shape))
	}
	return s.env.concat(s.op, rows, 0)
}

// evalDepends gives its first operand; the other is computed by now.
func evalDepends(_ *Env, _ *ir.Op, args []ir.Datum) ([]ir.Datum, error) { return args[:1], nil }

// evalAssert: x, where ok is true throughout.
func evalAssert(_ *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	for i, ok := range tensor(args, 1).Data {
		if ok == 0 {
			return nil, opError(op, ir.ValueError, "", "%s (element %d)", op.Attrs.(*ir.AssertAttrs).Message, i)
		}
	}
	return args[:1], nil
}
