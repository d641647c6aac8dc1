package mlx

import (
	encbin "encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
)

// Decode reads the byte form, as the shim does: a plan that was stored, or sent to another process, is a Plan again, to be printed or run. Emily itself stores
// programs, not plans; it holds with this that the byte form loses nothing. open gives the bytes of each blob, by its name and path.
func Decode(data []byte, open func(name, path string) (*ir.Blob, error)) (p *Plan, err error) {
	d := &decoder{in: data, plan: &Plan{}}
	defer func() {
		if r := recover(); r != nil {
			if e, ok := r.(decodeError); ok {
				p, err = nil, fmt.Errorf("plan: %w", e.error)
				return
			}
			panic(r)
		}
	}()
	d.decode(open)
	return d.plan, nil
}

// decodeError travels from the depth of the decoder to Decode as a panic.
type decodeError struct{ error }

type decoder struct {
	in    []byte
	plan  *Plan
	names []CallID
	exprs []ir.Dim
	depth int // of the type that is read
}

var callByName = func() map[string]CallID {
	m := make(map[string]CallID, NumCalls)
	for i := range NumCalls {
		m[Calls[i].Name] = i
	}
	return m
}()

func fail(format string, args ...any) { panic(decodeError{fmt.Errorf(format, args...)}) }

func (d *decoder) bytes(n int) []byte {
	if n < 0 || n > len(d.in) {
		panic(decodeError{errors.New("bytes end early")})
	}
	b := d.in[:n:n]
	d.in = d.in[n:]
	return b
}

func (d *decoder) uint() int {
	u, n := encbin.Uvarint(d.in)
	if n <= 0 || u > math.MaxInt64 {
		fail("bad number")
	}
	d.in = d.in[n:]
	return int(u)
}

func (d *decoder) sint() int64 {
	v, n := encbin.Varint(d.in)
	if n <= 0 {
		fail("bad number")
	}
	d.in = d.in[n:]
	return v
}

// count reads the length of a list of elements of at least one byte each.
func (d *decoder) count() int {
	n := d.uint()
	if n > len(d.in) {
		fail("list of %d elements in %d bytes", n, len(d.in))
	}
	return n
}

func (d *decoder) str() string { return string(d.bytes(d.count())) }

// index reads a number below n.
func (d *decoder) index(n int) int {
	i := d.uint()
	if i >= n {
		fail("index %d of %d", i, n)
	}
	return i
}

func (d *decoder) decode(open func(name, path string) (*ir.Blob, error)) {
	p := d.plan
	if string(d.bytes(4)) != string(planMagic[:]) {
		fail("not a plan")
	}
	if v := d.uint(); v != formatVersion {
		fail("format version %d, want %d; compile the model again", v, formatVersion)
	}
	for range d.count() {
		name := d.str()
		id, ok := callByName[name]
		if !ok {
			fail("unknown call %q", name)
		}
		d.names = append(d.names, id)
	}
	d.expressions()
	for range d.count() {
		c := Constant{DType: d.dtype(), Shape: make([]int, d.count())}
		for i := range c.Shape {
			c.Shape[i] = d.uint()
		}
		p.Consts = append(p.Consts, c)
	}
	inputs := d.count()
	d.bytes(inputs)
	p.States = make([]State, d.count())
	d.bytes(2 * len(p.States))
	p.Main = Prog(d.uint())
	p.Setup = Prog(d.uint() - 1)
	n := d.count()
	if int(p.Main) >= n || int(p.Setup) >= n {
		fail("no program %d or %d", p.Main, p.Setup)
	}
	for i := range n {
		p.Programs = append(p.Programs, d.program(i, n))
	}
	d.rest(open)
}

func (d *decoder) dtype() ir.DType {
	t, ok := DTypeOf(int(d.bytes(1)[0]))
	if !ok {
		fail("bad dtype")
	}
	return t
}

func (d *decoder) expressions() {
	var syms []ir.Dim
	for range d.count() {
		syms = append(syms, ir.Sym(d.str()))
	}
	for range d.count() {
		d.exprs = append(d.exprs, d.expression(syms))
	}
}

func (d *decoder) expression(syms []ir.Dim) ir.Dim {
	op := d.bytes(1)[0]
	switch op {
	case exprConst:
		return ir.Size(d.sint())
	case exprSym:
		return syms[d.index(len(syms))]
	}
	a := d.exprs[d.index(len(d.exprs))]
	b := d.exprs[d.index(len(d.exprs))]
	switch op {
	case exprAdd:
		return a.Add(b)
	case exprMul:
		return a.Mul(b)
	case exprFloorDiv:
		return a.FloorDiv(b)
	case exprMod:
		return a.Mod(b)
	case exprMin:
		return a.Min(b)
	case exprMax:
		return a.Max(b)
	}
	fail("bad expression")
	return ir.Dim{}
}

func (d *decoder) regs(n int) []Reg {
	var out []Reg
	for range d.count() {
		out = append(out, Reg(d.index(n+1)-1))
	}
	return out
}

// set reads registers that are there.
func (d *decoder) set(n int) []Reg {
	regs := d.regs(n)
	if slices.Contains(regs, Absent) {
		fail("absent register")
	}
	return regs
}

func (d *decoder) program(id, programs int) *Program {
	n := d.uint()
	if n > 8*len(d.in)+8 {
		fail("program of %d registers", n)
	}
	g := &Program{Types: make([]ir.Type, n)}
	g.Params = d.regs(n)
	g.Results = d.set(n)
	for range d.count() {
		g.Calls = append(g.Calls, d.call(n, id, programs))
	}
	return g
}

func (d *decoder) call(regs, id, programs int) Call {
	c := Call{Op: d.names[d.index(len(d.names))]}
	c.In = d.regs(regs)
	c.Out = d.set(regs)
	c.Free = d.set(regs)
	info := &Calls[c.Op]
	if n := len(c.In); n < info.Min || info.Max >= 0 && n > info.Max {
		fail("%s: %d operands", c.Op, n)
	}
	if info.Out >= 0 && len(c.Out) != info.Out {
		fail("%s: %d results", c.Op, len(c.Out))
	}
	params := info.Params
	if d.uint() != len(params) {
		fail("%s: wrong number of parameters", c.Op)
	}
	for _, p := range params {
		if ParamKind(d.bytes(1)[0]) != p.Kind {
			fail("%s: parameter %s is of another kind", c.Op, p.Name)
		}
		a := d.arg(p.Kind, programs)
		if sub, ok := a.(Prog); ok && int(sub) <= id { // programs come after those that use them, so that none recurs
			fail("%s: program %d within %d", c.Op, sub, id)
		}
		c.Args = append(c.Args, a)
	}
	return c
}

func (d *decoder) arg(k ParamKind, programs int) any {
	switch k {
	case IntParam:
		return d.dim()
	case IntsParam, SymbolsParam:
		var dims []ir.Dim
		for range d.count() {
			dims = append(dims, d.dim())
		}
		return dims
	case FloatParam:
		return math.Float64frombits(encbin.LittleEndian.Uint64(d.bytes(8)))
	case DTypeParam:
		return d.dtype()
	case BoolParam:
		return d.bytes(1)[0] != 0
	case StringParam:
		return d.str()
	}
	return Prog(d.index(programs))
}

func (d *decoder) dim() ir.Dim {
	if d.bytes(1)[0] == 0 {
		return ir.Size(d.sint())
	}
	return d.exprs[d.index(len(d.exprs))]
}

func (d *decoder) rest(open func(name, path string) (*ir.Blob, error)) {
	p := d.plan
	p.Name = d.str()
	p.Inputs, p.Outputs = d.ports(), d.ports()
	for i := range p.States {
		p.States[i] = d.state()
	}
	d.blobs(open)
	for _, g := range p.Programs {
		g.Name = d.str()
		for i := range g.Types {
			g.Types[i] = d.typ()
		}
		for i := range g.Calls {
			g.Calls[i].Loc = ir.LocID(d.uint())
			g.Calls[i].Kind = ir.Kind(d.index(int(ir.NumKinds)))
		}
	}
	for range d.count() {
		p.Facts = append(p.Facts, ir.Fact{Rel: ir.Relation(d.uint()), A: d.textDim(), B: d.textDim(), Loc: ir.LocID(d.uint())})
	}
	for range d.count() {
		p.Locs = append(p.Locs, d.loc())
	}
}

func (d *decoder) loc() ir.Loc {
	l := ir.Loc{File: d.str(), Node: d.str(), OpType: d.str(), Domain: d.str(), Opset: d.uint()}
	for range d.count() {
		l.From = append(l.From, ir.LocID(d.uint()))
	}
	return l
}

func (d *decoder) ports() []Port {
	var out []Port
	for range d.count() {
		out = append(out, Port{d.str(), d.typ()})
	}
	return out
}

func (d *decoder) state() State {
	s := State{In: Port{d.str(), d.typ()}, Out: Port{d.str(), d.typ()}, Axis: d.uint() - 1}
	if err := s.check(); err != nil {
		panic(decodeError{err})
	}
	return s
}

func (d *decoder) textDim() ir.Dim {
	dim, err := ir.ParseDim(d.str())
	if err != nil {
		panic(decodeError{err})
	}
	return dim
}

func (d *decoder) typ() ir.Type {
	name := d.str()
	switch name {
	case noTypeName:
		return ir.Type{}
	case sequenceName:
		return ir.SequenceOf(d.elem())
	case optionalName:
		return ir.OptionalOf(d.elem())
	}
	t, err := ir.ParseDType(name)
	if err != nil {
		panic(decodeError{err})
	}
	shape := make(ir.Shape, d.count())
	for i := range shape {
		shape[i] = d.textDim()
	}
	return ir.Type{Kind: ir.TensorType, DType: t, Shape: shape}
}

// elem reads the type of a list's elements.
func (d *decoder) elem() ir.Type {
	if d.depth++; d.depth > maxTypeDepth {
		fail("types are nested too deep")
	}
	ranks := ir.Ranks(d.index(int(ir.NoRank) + 1))
	t := d.typ()
	d.depth--
	if t.Kind == ir.NoType {
		fail("a list of nothing")
	}
	t.Ranks = ranks
	return t
}

// maxTypeDepth bounds the nesting of lists.
const maxTypeDepth = 64

func (d *decoder) blobs(open func(name, path string) (*ir.Blob, error)) {
	blobs := []*ir.Blob{nil}
	for range d.count() {
		b, err := open(d.str(), d.str())
		if err != nil {
			panic(decodeError{err})
		}
		blobs = append(blobs, b)
	}
	for i := range d.plan.Consts {
		c := &d.plan.Consts[i]
		if c.Blob = blobs[d.index(len(blobs))]; c.Blob == nil {
			c.Data = slices.Clone(d.bytes(d.count()))
		} else {
			c.Offset = int64(d.uint())
			size := d.uint()
			if size > len(c.Blob.Data) || c.Offset > int64(len(c.Blob.Data)-size) {
				fail("constant @%d lies outside of @%s", i, c.Blob.Name)
			}
			c.Data = c.Blob.Data[c.Offset : int(c.Offset)+size : int(c.Offset)+size]
		}
		if n, err := ir.NumElements(c.Shape); err != nil || n*c.DType.Size() != len(c.Data) {
			fail("constant @%d: %d bytes for %s%v", i, len(c.Data), c.DType, c.Shape)
		}
	}
}
