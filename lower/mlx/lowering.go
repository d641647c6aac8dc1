package mlx

import (
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
)

// lowering is the state of Lower: where values are, and which symbols are bound.
type lowering struct {
	b         *Builder
	rules     *[ir.NumKinds]Rule // the table, which refers to rules that refer to this
	opts      Options
	homes     map[*ir.Value]*home
	multiples map[*ir.Value]multiple // of values that are in no home yet
	bound     map[ir.Dim]bool
	facts     map[ir.Dim][]ir.Fact // that wait for a symbol
	layout    layout               // in which the current rule works
	count     int                  // of made-up names
	shared    map[any][]Reg        // what ops of a kind make together, by what it is made of
	caches    map[*ir.Op]*cache    // that a session keeps, by the concat, and the cast before it
	packOf    map[packKey]*pack
	ahead     map[*ir.Op]bool // ops that were lowered before their turn
}

// layout is an order of axes. MLX convolves with channels last, ONNX first; values stay as they come out of a
// convolution for as long as those who use them do not care, so that transposes between convolutions cancel.
type layout uint8

const (
	channelsFirst layout = iota // as the ir has it
	channelsLast                // axis 1 moved to the end
)

// home is where a value is: in none, one or both layouts.
type home struct{ regs [2]Reg }

func newLowering(m *ir.Module, opts Options) *lowering {
	b := NewBuilder(m)
	b.stretch = opts.stretches()
	return &lowering{
		b: b, rules: &Rules, opts: opts,
		homes: map[*ir.Value]*home{}, multiples: map[*ir.Value]multiple{}, bound: map[ir.Dim]bool{}, facts: map[ir.Dim][]ir.Fact{}, shared: map[any][]Reg{},
		caches: map[*ir.Op]*cache{}, packOf: map[packKey]*pack{}, ahead: map[*ir.Op]bool{},
	}
}

// once makes registers that later ops of the region ask for by the same key, which names the region.
func (l *lowering) once(key any, f func() []Reg) []Reg {
	r, ok := l.shared[key]
	if !ok {
		r = f()
		l.shared[key] = r
	}
	return r
}

// inputs starts the main program: inputs bind the symbols in their shapes.
func (l *lowering) inputs(values []*ir.Value, facts []ir.Fact) {
	for _, v := range values {
		l.define(v, l.b.Input(v.Name, v.Type))
		for _, d := range v.Type.Shape {
			l.bind(d)
		}
	}
	for _, f := range facts {
		l.addFact(f, true)
	}
}

// enter starts a region whose parameters are defined: sizes that they are the first to name become bound, and its facts
// checked as soon as their symbols are.
func (l *lowering) enter(r *ir.Region) {
	for _, p := range r.Params {
		l.bindShape(p)
	}
	for _, f := range r.Facts.List {
		l.addFact(f, false)
	}
}

func (l *lowering) bind(d ir.Dim) {
	if d.Op() != ir.DimSym || l.bound[d] {
		return
	}
	l.bound[d] = true
	waiting := l.facts[d]
	delete(l.facts, d)
	for _, f := range waiting {
		l.addFact(f, false)
	}
}

// addFact checks f here, or with the inputs, or when the symbol it lacks gets bound.
func (l *lowering) addFact(f ir.Fact, inputs bool) {
	lacks := ir.Dim{}
	need := func(d ir.Dim) {
		if !l.bound[d] {
			lacks = d
		}
	}
	f.A.Symbols(need)
	f.B.Symbols(need)
	switch {
	case !lacks.IsConst():
		l.facts[lacks] = append(l.facts[lacks], f)
	case inputs:
		l.b.Facts(f)
	default:
		l.b.At(f.Loc)
		l.b.Call(Check, f.Rel.String(), f.A, f.B, "sizes that this op relies on")
	}
}

// bindShape binds the symbols that v's type is the first to name.
func (l *lowering) bindShape(v *ir.Value) {
	h := l.homes[v]
	if h == nil || !slices.ContainsFunc(v.Type.Shape, l.isNew) {
		return
	}
	at := channelsFirst
	if h.regs[at] == Absent {
		at = channelsLast
	}
	sizes := make([]ir.Dim, v.Rank())
	for i, d := range permuted(v.Shape(), at) {
		sizes[i] = ir.Size(-1)
		if l.isNew(d) && !slices.Contains(sizes[:i], d) {
			sizes[i] = d
		}
	}
	l.b.Call(BindShape, h.regs[at], sizes)
	for _, d := range sizes {
		l.bind(d)
	}
}

func (l *lowering) isNew(d ir.Dim) bool { return d.Op() == ir.DimSym && !l.bound[d] }

// lower runs the rule of op. Results whose elements are known integers get a register only when someone asks.
func (l *lowering) lower(op *ir.Op) {
	if op.Kind == ir.Yield || l.b.Err() != nil || l.ahead[op] || op.Kind != ir.Const && l.known(op.Results) {
		return
	}
	l.b.For(op)
	if c := l.caches[op]; c != nil {
		if op == c.Concat {
			l.grow(c)
		}
		return
	}
	rule := &l.rules[op.Kind]
	l.layout = channelsFirst
	if rule.Layout {
		l.layout = l.choose(op)
	}
	rule.Lower(l, op)
	l.layout = channelsFirst
	for _, v := range op.Results {
		l.bindShape(v)
	}
}

func (l *lowering) known(results []*ir.Value) bool {
	for _, v := range results {
		if _, ok := v.KnownDims(); !ok {
			return false
		}
	}
	return len(results) > 0
}

// choose is channelsLast when an operand of the result's rank is there in that layout only, or all are in both.
func (l *lowering) choose(op *ir.Op) layout {
	rank := op.Result().Rank()
	if rank < 3 {
		return channelsFirst
	}
	all, only := true, false
	for _, v := range op.Args {
		if v == nil || v.Rank() != rank {
			continue
		}
		h := l.homes[v]
		last := h != nil && h.regs[channelsLast] != Absent
		only = only || last && h.regs[channelsFirst] == Absent
		all = all && last
	}
	if only || all && len(op.Args) > 0 && op.Args[0].Rank() == rank {
		return channelsLast
	}
	return channelsFirst
}

// toLast and toFirst are the permutations between the layouts, for Transpose.
func toLast(rank int) []int64 {
	perm := []int64{0}
	for i := 2; i < rank; i++ {
		perm = append(perm, int64(i))
	}
	return append(perm, 1)
}

func toFirst(rank int) []int64 {
	perm := []int64{0, int64(rank - 1)}
	for i := 1; i < rank-1; i++ {
		perm = append(perm, int64(i))
	}
	return perm
}

// permuted is the list with an entry for each axis in layout at.
func permuted[E any](list []E, at layout) []E {
	if at == channelsFirst || len(list) < 3 {
		return list
	}
	out := make([]E, len(list))
	for i, p := range toLast(len(list)) {
		out[i] = list[p]
	}
	return out
}

// axis is where the ir's axis is in the current layout.
func (l *lowering) axis(axis int64, rank int) int64 {
	switch {
	case l.layout == channelsFirst || axis == 0:
		return axis
	case axis == 1:
		return int64(rank - 1)
	}
	return axis - 1
}

// shape is v's shape in the current layout.
func (l *lowering) shape(v *ir.Value) []ir.Dim { return permuted([]ir.Dim(v.Shape()), l.layout) }

// define says that v is in r, in the ir's order of axes.
func (l *lowering) define(v *ir.Value, r Reg) { l.place(v, channelsFirst, r) }

// place says that v is in r, in that layout.
func (l *lowering) place(v *ir.Value, at layout, r Reg) {
	h := l.homes[v]
	if h == nil {
		h = &home{[2]Reg{Absent, Absent}}
		l.homes[v] = h
	}
	h.regs[at] = r
	if t := l.b.Type(r); t.Kind == ir.NoType {
		t = v.Type
		t.Shape = permuted(t.Shape, at)
		l.b.SetType(r, t)
	}
}

// set gives op's first result, in the current layout.
func (l *lowering) set(op *ir.Op, r Reg) { l.place(op.Result(), l.layout, r) }

// reg is the register of v in the ir's order of axes.
func (l *lowering) reg(v *ir.Value) Reg {
	h := l.homes[v]
	if h == nil {
		l.define(v, l.materialise(v))
		return l.homes[v].regs[channelsFirst]
	}
	if h.regs[channelsFirst] == Absent {
		l.place(v, channelsFirst, l.b.Call(Transpose, h.regs[channelsLast], toFirst(v.Rank())))
	}
	return h.regs[channelsFirst]
}

// last is the register of v with channels last.
func (l *lowering) last(v *ir.Value) Reg {
	if h := l.homes[v]; h == nil || h.regs[channelsLast] == Absent {
		l.place(v, channelsLast, l.b.Call(Transpose, l.reg(v), toLast(v.Rank())))
	}
	return l.homes[v].regs[channelsLast]
}

// arg is operand i in the current layout, ready to broadcast against op's result; Absent when it is not there.
func (l *lowering) arg(op *ir.Op, i int) Reg {
	v := op.Arg(i)
	switch rank := op.Result().Rank(); {
	case v == nil:
		return Absent
	case l.layout == channelsFirst || v.Rank() == 0:
		return l.reg(v)
	case v.Rank() == rank:
		return l.last(v)
	default:
		return l.lastOf(v, rank)
	}
}

// lastOf is v, which has fewer axes than rank, aligned with a value of that rank that has channels last.
func (l *lowering) lastOf(v *ir.Value, rank int) Reg {
	axes := make([]int, rank-v.Rank())
	for i := range axes {
		axes[i] = i
	}
	return l.b.Call(Transpose, l.b.Call(ExpandDims, l.reg(v), axes), toLast(rank))
}

// materialise makes a register for a multiple of another, or for a value whose elements are integers or expressions over sizes.
func (l *lowering) materialise(v *ir.Value) Reg {
	if m, ok := l.multiples[v]; ok {
		return l.b.Call(Multiply, m.r, l.b.Scalar(v.DType(), m.factor))
	}
	dims, ok := v.KnownDims()
	if !ok {
		l.b.Errorf("%s is used before it is defined", v.Type)
		return Absent
	}
	return l.sizes(v.Type, dims)
}

// sizes is a tensor of type t whose elements are dims.
func (l *lowering) sizes(t ir.Type, dims []ir.Dim) Reg {
	ints := make([]int64, len(dims))
	known := true
	for i, d := range dims {
		n, ok := d.Value()
		ints[i], known = n, known && ok
	}
	switch {
	case known:
		return l.intTensor(t, ints)
	case t.Rank() == 0:
		return l.b.Call(DimScalar, dims[0], t.DType)
	}
	r := l.b.Call(Dims, dims, t.DType)
	if t.Rank() > 1 {
		r = l.b.Call(Reshape, r, t.Shape)
	}
	return r
}

// intTensor is a literal of known integers or bools.
func (l *lowering) intTensor(t ir.Type, ints []int64) Reg {
	shape, ok := t.Shape.Static()
	if !ok {
		l.b.Errorf("%d elements of type %s", len(ints), t)
		return Absent
	}
	x := ir.NewTensor(t.DType, shape...)
	size := t.DType.Size()
	for i, n := range ints {
		for k := range size {
			x.Data[i*size+k] = byte(n >> (8 * k))
		}
	}
	return l.b.Tensor(x)
}

// symbol is a new symbol for a value that a run reads. It may be negative, unlike a size: it is a parameter of calls,
// and enters no arithmetic.
func (l *lowering) symbol() ir.Dim {
	l.count++
	return ir.Sym(fmt.Sprintf("%s%d", readPrefix, l.count))
}

const readPrefix = "read#"

// dims are the elements of operand i, an integer tensor, as parameters for calls: expressions where those are known at
// compile time, else symbols that the run reads.
func (l *lowering) dims(op *ir.Op, i int) []ir.Dim {
	v := op.Args[i]
	if d, ok := v.KnownDims(); ok {
		return d
	}
	n, ok := v.Shape().NumElements().Value()
	if !ok {
		l.b.Errorf("the length of operand %d of %s is not known", i, op.Kind)
		return nil
	}
	return l.read(l.reg(v), v.Sym, int(n))
}

// read binds symbols to the n elements of r, where sym does not know them.
func (l *lowering) read(r Reg, sym []ir.Dim, n int) []ir.Dim {
	out, symbols := make([]ir.Dim, n), make([]ir.Dim, n)
	for i := range out {
		if sym != nil && sym[i] != ir.Unknown {
			out[i], symbols[i] = sym[i], ir.Size(0)
			continue
		}
		out[i] = l.symbol()
		symbols[i] = out[i]
	}
	l.b.Call(ReadInts, r, symbols)
	return out
}

// cast converts r from one dtype to another, by MLX's astype, unless they are the same.
func (l *lowering) cast(r Reg, from, to ir.DType) Reg {
	if from == to {
		return r
	}
	return l.b.Call(AsType, r, to)
}

// isHalf reports whether d is a float of 16 bits, in which nothing should be accumulated.
func isHalf(d ir.DType) bool { return d == ir.F16 || d == ir.BF16 }

// inFloat32 computes f in f32 where d is a half, and rounds once.
func (l *lowering) inFloat32(r Reg, d ir.DType, f func(r Reg, d ir.DType) Reg) Reg {
	if !isHalf(d) {
		return f(r, d)
	}
	return l.cast(f(l.cast(r, d, ir.F32), ir.F32), ir.F32, d)
}
