package grad

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
)

// replay copies the ops of region from, without its yield, to the end of region to, where params stand for its parameters. It
// returns a tape over the copies, and what they yield.
func (t *tape) replay(from, to *ir.Region, params []*ir.Value) (*tape, []*ir.Value) {
	values := map[*ir.Value]*ir.Value{}
	for i, p := range from.Params {
		values[p] = params[i]
	}
	for _, f := range from.Facts.List {
		to.AddFact(f)
	}
	for _, op := range from.Ops {
		if op.Kind != ir.Yield {
			to.Ops = append(to.Ops, op.CopyTo(to, values))
		}
	}
	out := make([]*ir.Value, len(from.Results()))
	for i, v := range from.Results() {
		out[i] = values[v]
	}
	b := ir.NewBuilder(to)
	b.Loc = t.b.Loc
	return newTape(b, t.rules), out
}

// activate makes the values active that are, and all that depends on them.
func (t *tape) activate(values []*ir.Value) {
	for _, v := range values {
		t.active[v] = true
	}
	t.mark(t.b.Region().Ops)
}

// back runs over what the region holds so far, from the cotangents of what it yields.
func (t *tape) back(yields, cots []*ir.Value) {
	ops := slices.Clone(t.b.Region().Ops)
	for i, v := range yields {
		if v != nil && cots[i] != nil {
			t.add(v, cots[i])
		}
	}
	t.run(ops)
}

// cotangent is that of v, zeros where there is none.
func (t *tape) cotangent(v *ir.Value) *ir.Value {
	if d := t.cot[v]; d != nil {
		return d
	}
	return t.zeros(v)
}

// prune removes from r the ops whose results have no user; those stay that name a size.
func prune(r *ir.Region) {
	known := map[ir.Dim]bool{}
	for _, p := range r.Params {
		for _, d := range p.Type.Shape {
			d.Symbols(func(s ir.Dim) { known[s] = true })
		}
	}
	names := func(v *ir.Value) bool {
		return len(v.Uses()) > 0 || slices.ContainsFunc(v.Type.Shape, func(d ir.Dim) bool { return d.Op() == ir.DimSym && !known[d] })
	}
	kept := make([]*ir.Op, 0, len(r.Ops))
	for _, op := range slices.Backward(r.Ops) {
		if op.Kind != ir.Yield && !slices.ContainsFunc(op.Results, names) {
			op.Detach()
			continue
		}
		kept = append(kept, op)
	}
	slices.Reverse(kept)
	r.Ops = kept
}

// gradIf: an if of the same condition, whose branches run again and then back.
func gradIf(t *tape) {
	op := t.op
	args := slices.Clone(op.Args)
	at := make([]int, len(op.Results)) // of a result's cotangent among the parameters, -1 for none
	for i := range op.Results {
		if at[i] = -1; t.d(i) != nil {
			at[i] = len(args) - 1
			args = append(args, t.d(i))
		}
	}
	var wanted []int
	for i := range op.Args {
		if t.wants(i) {
			wanted = append(wanted, i)
		}
	}
	regions := make([]*ir.Region, len(op.Regions))
	for i, branch := range op.Regions {
		r := t.b.Region().NewRegion()
		params := bound(r, args[1:])
		in, yields := t.replay(branch, r, params[:len(op.Args)-1])
		var active []*ir.Value
		for _, k := range wanted {
			active = append(active, params[k-1])
		}
		cots := make([]*ir.Value, len(yields))
		for k, p := range at {
			if p >= 0 {
				cots[k] = params[p]
			}
		}
		in.activate(active)
		in.back(yields, cots)
		grads := make([]*ir.Value, len(active))
		for k, v := range active {
			grads[k] = in.cotangent(v)
		}
		if !t.close(in, grads) {
			return
		}
		regions[i] = r
	}
	results := t.b.Ops(ir.If, nil, regions, args...)
	for k, i := range wanted {
		t.give(i, func() *ir.Value { return t.result(results, k) })
	}
}

// gradDepends: of the value that waits.
func gradDepends(t *tape) {
	t.give(0, func() *ir.Value { return t.d(0) })
}

// gradAssert: of the value that is let through.
func gradAssert(t *tape) {
	t.give(0, func() *ir.Value { return t.d(0) })
}

// bound makes a parameter of r for each operand.
func bound(r *ir.Region, args []*ir.Value) []*ir.Value {
	params := make([]*ir.Value, len(args))
	for i, a := range args {
		params[i] = r.AddParam(a.Name, a.Type)
		params[i].Sym = a.Sym
	}
	return params
}

// close ends the region of in with what it yields.
func (t *tape) close(in *tape, yields []*ir.Value) bool {
	in.b.Yield(yields...)
	if err := in.b.Err(); err != nil {
		t.b.Fail(err)
		return false
	}
	prune(in.b.Region())
	return true
}

// iteration is a loop or a scan, in one form: carried values, elements of inputs, captures; scanned results.
type iteration struct {
	op       *ir.Op
	carried  int // how many values are carried
	first    int // operand and parameter that is carried first: a loop has two before
	inputs   int // how many operands are scanned
	axes     []int64
	reverse  []int64
	outAxes  []int64
	outRev   []int64
	captures []int // operands and parameters
}

func iterationOf(op *ir.Op) iteration {
	it := iteration{op: op}
	switch a := op.Attrs.(type) {
	case *ir.LoopAttrs:
		it.first, it.carried = 2, int(a.Carried)
		it.outAxes = make([]int64, len(op.Results)-it.carried)
		it.outRev = it.outAxes
	case *ir.ScanAttrs:
		it.carried, it.inputs = int(a.Carried), len(a.InputAxes)
		it.axes, it.reverse, it.outAxes, it.outRev = a.InputAxes, a.InputReverse, a.OutputAxes, a.OutputRev
	}
	for i := it.first + it.carried + it.inputs; i < len(op.Args); i++ {
		it.captures = append(it.captures, i)
	}
	return it
}

// yields is what the body gives of carried and scanned values.
func (it iteration) yields(results []*ir.Value) []*ir.Value {
	if it.first > 0 {
		return results[1:] // without the condition
	}
	return results
}

// gradLoop: see gradScan. The number of iterations must be bounded, as each leaves values behind.
func gradLoop(t *tape) {
	trip := t.x(0)
	n, known := int64(0), false
	if trip != nil && trip.Sym != nil {
		n, known = trip.Sym[0].Value()
	}
	if trip == nil || known && n >= math.MaxInt32 {
		t.fail(ir.UnknownValue, "give the loop a trip count, or write it as a Scan", "the gradient of a loop without a bound on its iterations")
		return
	}
	gradScan(t)
}

// gradScan: the loop keeps the carried values of every iteration; a scan over them, from the last to the first, runs the body
// again and then back. What it carries are the cotangents of the carried values, and sums of those of the captures.
func gradScan(t *tape) {
	it := iterationOf(t.op)
	active := t.activeParams(it)
	r := t.b.Region().NewRegion()
	back := &backScan{t: t, it: it, region: r, active: active, attrs: &ir.ScanAttrs{}}
	back.parameters()
	if back.body() {
		back.emit()
	}
}

// activeParams are the parameters of the body that are active in some iteration.
func (t *tape) activeParams(it iteration) []bool {
	body := it.op.Regions[0]
	active := make([]bool, len(body.Params))
	for i := range it.op.Args {
		active[i] = i >= it.first && t.wants(i)
	}
	for changed := true; changed; {
		changed = false
		in := newTape(t.b, t.rules)
		for i, p := range body.Params {
			if active[i] {
				in.active[p] = true
			}
		}
		in.mark(body.Ops)
		for k, v := range it.yields(body.Results())[:it.carried] {
			if i := it.first + k; !active[i] && in.active[v] {
				active[i], changed = true, true
			}
		}
	}
	return active
}

// backScan is the scan that runs an iteration backwards, as it is made.
type backScan struct {
	t      *tape
	it     iteration
	region *ir.Region
	active []bool
	attrs  *ir.ScanAttrs

	params []*ir.Value // what stands for the body's parameters
	sums   []*ir.Value // cotangents of carried values, then of captures, so far
	init   []*ir.Value // operands for sums
	of     []int       // operand that each of sums is for
	saved  []int       // parameters of the body that the loop must keep
	cots   []*ir.Value // of what the body yields, nil for none
	inputs []*ir.Value // operands that are scanned, after those for saved
	axes   []int64
	rev    []int64
}

// parameters makes those of the new region: carried, scanned and captured.
func (s *backScan) parameters() {
	t, it, body := s.t, s.it, s.it.op.Regions[0]
	s.params = make([]*ir.Value, len(body.Params))
	sum := func(i int, init *ir.Value) {
		s.sums = append(s.sums, s.region.AddParam("", body.Params[i].Type))
		s.init, s.of = append(s.init, init), append(s.of, i)
	}
	for k := range it.carried {
		if i := it.first + k; s.active[i] {
			d := t.d(k)
			if d == nil {
				d = t.zeros(it.op.Results[k])
			}
			sum(i, d)
		}
	}
	for _, i := range it.captures {
		if s.active[i] {
			sum(i, t.zeros(it.op.Args[i]))
		}
	}
	s.keep()
	for k := range it.inputs {
		i := it.first + it.carried + k
		s.params[i] = s.scanned(it.op.Args[i], body.Params[i].Type, it.axes[k], 1-it.reverse[k])
	}
	s.cots = make([]*ir.Value, it.carried+len(it.outAxes))
	n := 0
	for k := range it.carried {
		if s.active[it.first+k] {
			s.cots[k] = s.sums[n]
			n++
		}
	}
	for k, axis := range it.outAxes {
		if d := t.d(it.carried + k); d != nil {
			shape := slices.Delete(slices.Clone(d.Shape()), int(axis), int(axis)+1)
			s.cots[it.carried+k] = s.scanned(d, ir.TensorOf(d.DType(), shape...), axis, 1-it.outRev[k])
		}
	}
	for _, i := range it.captures {
		s.params[i] = s.region.AddParam("", body.Params[i].Type)
		s.params[i].Sym = body.Params[i].Sym
	}
}

// keep makes the parameters for the iteration's number and the carried values; which of them are used is known later.
func (s *backScan) keep() {
	body := s.it.op.Regions[0]
	if s.it.first > 0 {
		s.params[0] = s.region.AddParam("", body.Params[0].Type)
		s.saved = append(s.saved, 0)
		b := ir.NewBuilder(s.region)
		always := ir.NewTensor(ir.Bool)
		always.Data[0] = 1
		s.params[1] = b.Const(always)
	}
	for k := range s.it.carried {
		i := s.it.first + k
		s.params[i] = s.region.AddParam("", body.Params[i].Type)
		s.saved = append(s.saved, i)
	}
}

// scanned makes an operand that is scanned, and its parameter.
func (s *backScan) scanned(v *ir.Value, elem ir.Type, axis, reverse int64) *ir.Value {
	s.inputs, s.axes, s.rev = append(s.inputs, v), append(s.axes, axis), append(s.rev, reverse)
	return s.region.AddParam("", elem)
}

// body makes the ops of the region: those of the loop's body, and their way back.
func (s *backScan) body() bool {
	in, yields := s.t.replay(s.it.op.Regions[0], s.region, s.params)
	yields = s.it.yields(yields)
	var active []*ir.Value
	for i, is := range s.active {
		if is {
			active = append(active, s.params[i])
		}
	}
	in.activate(active)
	in.back(yields, s.cots)
	var out []*ir.Value
	for n, i := range s.of {
		d := in.cot[s.params[i]]
		switch carried := i < s.it.first+s.it.carried; {
		case carried:
			d = in.cotangent(s.params[i])
		case d == nil:
			d = s.sums[n]
		default:
			d = in.total(s.sums[n], d)
		}
		out = append(out, d)
	}
	for k := range s.it.inputs {
		if i := s.it.first + s.it.carried + k; s.active[i] {
			out = append(out, in.cotangent(s.params[i]))
			s.attrs.OutputAxes = append(s.attrs.OutputAxes, s.it.axes[k])
			s.attrs.OutputRev = append(s.attrs.OutputRev, 1-s.it.reverse[k])
		}
	}
	return s.t.close(in, out)
}

// emit extends the loop by what must be kept, and makes the scan.
func (s *backScan) emit() {
	t, it := s.t, s.it
	var kept []int
	for _, i := range s.saved {
		if len(s.params[i].Uses()) > 0 || i == 0 && it.first > 0 && len(s.inputs) == 0 {
			kept = append(kept, i)
		}
	}
	if len(kept)+len(s.inputs) == 0 { // its length must be known from something
		kept = s.saved[:1]
	}
	s.region.Params = slices.DeleteFunc(s.region.Params, func(p *ir.Value) bool {
		at := slices.IndexFunc(s.saved, func(i int) bool { return s.params[i] == p })
		return at >= 0 && !slices.Contains(kept, s.saved[at])
	})
	for i, p := range s.region.Params {
		p.Index = int32(i)
	}
	stacks, ok := s.extend(kept)
	if !ok {
		return
	}
	s.attrs.Carried = int64(len(s.sums))
	s.attrs.InputAxes = append(make([]int64, len(kept)), s.axes...)
	s.attrs.InputReverse = append(slices.Repeat([]int64{1}, len(kept)), s.rev...)
	args := slices.Concat(s.init, stacks, s.inputs)
	for _, i := range it.captures {
		args = append(args, it.op.Args[i])
	}
	results := t.b.Ops(ir.Scan, s.attrs, []*ir.Region{s.region}, args...)
	for n, i := range s.of {
		t.give(i, func() *ir.Value { return t.result(results, n) })
	}
	n := len(s.sums)
	for k := range it.inputs {
		if i := it.first + it.carried + k; s.active[i] {
			t.give(i, func() *ir.Value { return t.result(results, n) })
			n++
		}
	}
}

// extend has the loop stack those parameters of its body on axis 0, in the order of iterations.
func (s *backScan) extend(kept []int) ([]*ir.Value, bool) {
	op, t := s.it.op, s.t
	body := op.Regions[0]
	for _, i := range kept {
		p := body.Params[i]
		if !p.Type.IsTensor() || i >= s.it.first && !t.sameShape(p, op.Args[i]) {
			t.fail(ir.ShapeError, "give the value one shape throughout, or unroll the loop", "the gradient of a loop that carries %s, whose shape may change from one iteration to the next", p.Type)
			return nil, false
		}
		body.Terminator().AddArg(p)
	}
	if a, ok := op.Attrs.(*ir.ScanAttrs); ok {
		a = ir.CloneAttrs(a)
		a.OutputAxes = append(slices.Clone(a.OutputAxes), make([]int64, len(kept))...)
		a.OutputRev = append(slices.Clone(a.OutputRev), make([]int64, len(kept))...)
		op.Attrs = a
	}
	have := make([]ir.Type, len(op.Results))
	for i, r := range op.Results {
		have[i] = r.Type
	}
	inferred, err := ir.InferTypes(op, have)
	if err != nil {
		t.b.Fail(err)
		return nil, false
	}
	first := len(op.Results)
	for i, r := range inferred[first:] {
		op.Results = append(op.Results, &ir.Value{Type: r.Type, Sym: r.Sym, Def: op, Index: int32(first + i)})
	}
	return op.Results[first:], true
}
