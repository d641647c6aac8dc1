package mlx

import (
	encbin "encoding/binary"
	"fmt"
	"math"

	"github.com/emilyc/emily/ir"
)

// The byte form, little-endian; numbers are varints, signed ones zigzag; regs are register+1, so that 0 is Absent.
//
//	"EMLP" version
//	names of calls          n {string}
//	symbols                 n {string}
//	expressions             n {op, operands}: each refers to earlier ones only
//	constants               n {dtype, shape}
//	inputs                  n {dtype of storage of the arrays}
//	states                  n {dtype of storage, 1 where it grows}
//	main, setup+1
//	programs                n {registers, params, results, calls: n {name, in, out, free, params: n {kind, value}}}
//
// The native side stops here. What follows serves Decode: where constants lie, types, names, facts, locations.
const formatVersion = 3

var planMagic = [4]byte{'E', 'M', 'L', 'P'}

// Encode is the byte form of p: all but the bytes of blobs.
func (p *Plan) Encode() ([]byte, error) {
	e := newEncoder(p)
	if err := e.encode(); err != nil {
		return nil, err
	}
	e.rest()
	return e.out, nil
}

// EncodeNative is the part of the byte form that the native side reads.
func (p *Plan) EncodeNative() ([]byte, error) {
	e := newEncoder(p)
	err := e.encode()
	return e.out, err
}

func newEncoder(p *Plan) *encoder {
	return &encoder{plan: p, exprs: map[ir.Dim]int{}, atoms: map[string]int{}, names: map[CallID]int{}, symbols: map[ir.Dim]int{}}
}

// encoder writes the body first, because that collects the names and expressions which precede it.
type encoder struct {
	plan    *Plan
	out     []byte
	exprs   map[ir.Dim]int
	atoms   map[string]int // encoded expression → its index
	nodes   []byte         // of the expressions so far
	names   map[CallID]int
	order   []CallID
	symbols map[ir.Dim]int
}

func (e *encoder) encode() error {
	syms := e.plan.Symbols()
	for i, s := range syms {
		e.symbols[s] = i
	}
	for _, g := range e.plan.Programs {
		if err := e.program(g); err != nil {
			return err
		}
	}
	programs := e.out
	e.out = append([]byte{}, planMagic[:]...)
	e.uint(formatVersion)
	e.uint(len(e.order))
	for _, op := range e.order {
		e.str(op.String())
	}
	e.uint(len(syms))
	for _, s := range syms {
		e.str(s.Name())
	}
	e.uint(len(e.atoms))
	e.out = append(e.out, e.nodes...)
	e.uint(len(e.plan.Consts))
	for i := range e.plan.Consts {
		c := &e.plan.Consts[i]
		e.out = append(e.out, dtypeCode[c.DType])
		e.sizes(c.Shape)
	}
	e.uint(len(e.plan.Inputs))
	for _, in := range e.plan.Inputs {
		d, err := Storage(ElementDType(in.Type))
		if err != nil {
			return err
		}
		e.out = append(e.out, dtypeCode[d])
	}
	e.uint(len(e.plan.States))
	for i := range e.plan.States {
		d, err := Storage(e.plan.States[i].In.Type.DType)
		if err != nil {
			return err
		}
		e.out = append(e.out, dtypeCode[d])
		e.bool(e.plan.States[i].Grows())
	}
	e.uint(int(e.plan.Main))
	e.uint(int(e.plan.Setup + 1))
	e.uint(len(e.plan.Programs))
	e.out = append(e.out, programs...)
	return nil
}

func (e *encoder) uint(n int)   { e.out = encbin.AppendUvarint(e.out, uint64(n)) }
func (e *encoder) sint(n int64) { e.out = encbin.AppendVarint(e.out, n) }

func (e *encoder) bool(v bool) {
	b := byte(0)
	if v {
		b = 1
	}
	e.out = append(e.out, b)
}

func (e *encoder) str(s string) {
	e.uint(len(s))
	e.out = append(e.out, s...)
}

func (e *encoder) sizes(shape []int) {
	e.uint(len(shape))
	for _, n := range shape {
		e.uint(n)
	}
}

func (e *encoder) regs(regs []Reg) {
	e.uint(len(regs))
	for _, r := range regs {
		e.uint(int(r + 1))
	}
}

func (e *encoder) program(g *Program) error {
	e.uint(len(g.Types))
	e.regs(g.Params)
	e.regs(g.Results)
	e.uint(len(g.Calls))
	for i := range g.Calls {
		c := &g.Calls[i]
		e.uint(e.name(c.Op))
		e.regs(c.In)
		e.regs(c.Out)
		e.regs(c.Free)
		e.uint(len(c.Args))
		for k, p := range Calls[c.Op].Params {
			if err := e.param(p.Kind, c.Args[k]); err != nil {
				return fmt.Errorf("%s: parameter %s: %w", c.Op, p.Name, err)
			}
		}
	}
	return nil
}

func (e *encoder) name(op CallID) int {
	i, ok := e.names[op]
	if !ok {
		i = len(e.order)
		e.names[op] = i
		e.order = append(e.order, op)
	}
	return i
}

func (e *encoder) param(k ParamKind, a any) error {
	e.out = append(e.out, byte(k))
	switch a := a.(type) {
	case ir.Dim:
		return e.dim(a)
	case []ir.Dim:
		e.uint(len(a))
		for _, d := range a {
			if err := e.dim(d); err != nil {
				return err
			}
		}
	case float64:
		e.out = encbin.LittleEndian.AppendUint64(e.out, math.Float64bits(a))
	case ir.DType:
		e.out = append(e.out, dtypeCode[a])
	case bool:
		e.bool(a)
	case string:
		e.str(a)
	case Prog:
		e.uint(int(a))
	default:
		return fmt.Errorf("unexpected %T", a)
	}
	return nil
}

// dim writes 0 and a constant, or 1 and the index of an expression.
func (e *encoder) dim(d ir.Dim) error {
	if n, ok := d.Value(); ok {
		e.out = append(e.out, 0)
		e.sint(n)
		return nil
	}
	i, err := e.expr(d)
	if err != nil {
		return err
	}
	e.out = append(e.out, 1)
	e.uint(i)
	return nil
}

// The forms of expressions on the native side.
const (
	exprConst = iota
	exprSym
	exprAdd
	exprMul
	exprFloorDiv
	exprMod
	exprMin
	exprMax
)

var exprOps = map[ir.DimOp]byte{ir.DimDiv: exprFloorDiv, ir.DimMod: exprMod, ir.DimMin: exprMin, ir.DimMax: exprMax}

// expr writes the nodes of d that are not there yet and returns the index of its root.
func (e *encoder) expr(d ir.Dim) (int, error) {
	if i, ok := e.exprs[d]; ok {
		return i, nil
	}
	i, err := e.newExpr(d)
	if err == nil {
		e.exprs[d] = i
	}
	return i, err
}

func (e *encoder) newExpr(d ir.Dim) (int, error) {
	switch d.Op() {
	case ir.DimConst:
		n, _ := d.Value()
		return e.node(encbin.AppendVarint([]byte{exprConst}, n)), nil
	case ir.DimSym:
		return e.node(encbin.AppendUvarint([]byte{exprSym}, uint64(e.symbols[d]))), nil
	case ir.DimUnknown:
		return 0, errUnknownDim
	case ir.DimSum:
		return e.sum(d)
	}
	args := d.Args()
	a, err := e.expr(args[0])
	if err != nil {
		return 0, err
	}
	b, err := e.expr(args[1])
	return e.pair(exprOps[d.Op()], a, b), err
}

func (e *encoder) sum(d ir.Dim) (int, error) {
	total := -1
	for _, t := range d.Terms() {
		product := -1
		if t.Coef != 1 || len(t.Factors) == 0 {
			product, _ = e.expr(ir.Size(t.Coef))
		}
		for _, f := range t.Factors {
			i, err := e.expr(f)
			if err != nil {
				return 0, err
			}
			product = e.join(exprMul, product, i)
		}
		total = e.join(exprAdd, total, product)
	}
	return total, nil
}

// join is op over a and b, or b where there is no a.
func (e *encoder) join(op byte, a, b int) int {
	if a < 0 {
		return b
	}
	return e.pair(op, a, b)
}

func (e *encoder) pair(op byte, a, b int) int {
	n := encbin.AppendUvarint([]byte{op}, uint64(a))
	return e.node(encbin.AppendUvarint(n, uint64(b)))
}

func (e *encoder) node(n []byte) int {
	i, ok := e.atoms[string(n)]
	if !ok {
		i = len(e.atoms)
		e.atoms[string(n)] = i
		e.nodes = append(e.nodes, n...)
	}
	return i
}

// rest writes what only Decode reads.
func (e *encoder) rest() {
	p := e.plan
	e.str(p.Name)
	for _, ports := range [][]Port{p.Inputs, p.Outputs} {
		e.uint(len(ports))
		for _, port := range ports {
			e.port(port)
		}
	}
	for _, s := range p.States {
		for _, port := range []Port{s.In, s.Out} {
			e.port(port)
		}
		e.uint(s.Axis + 1)
	}
	e.blobs()
	for _, g := range p.Programs {
		e.str(g.Name)
		for _, t := range g.Types {
			e.typ(t)
		}
		for i := range g.Calls {
			e.uint(int(g.Calls[i].Loc))
			e.uint(int(g.Calls[i].Kind))
		}
	}
	e.uint(len(p.Facts))
	for _, f := range p.Facts {
		e.uint(int(f.Rel))
		e.str(f.A.String())
		e.str(f.B.String())
		e.uint(int(f.Loc))
	}
	e.uint(len(p.Locs))
	for _, l := range p.Locs {
		e.loc(l)
	}
}

func (e *encoder) port(p Port) {
	e.str(p.Name)
	e.typ(p.Type)
}

func (e *encoder) loc(l ir.Loc) {
	e.str(l.File)
	e.str(l.Node)
	e.str(l.OpType)
	e.str(l.Domain)
	e.uint(l.Opset)
	e.uint(len(l.From))
	for _, id := range l.From {
		e.uint(int(id))
	}
}

// The names of types beside those of dtypes. What is known of the rank of elements follows "seq" and "optional".
const (
	noTypeName   = ""
	sequenceName = "seq"
	optionalName = "optional"
)

// typ writes a type, or that there is none.
func (e *encoder) typ(t ir.Type) {
	switch t.Kind {
	case ir.SequenceType:
		e.elem(sequenceName, *t.Elem)
		return
	case ir.OptionalType:
		e.elem(optionalName, *t.Elem)
		return
	case ir.TensorType:
		e.str(t.DType.String())
	default:
		e.str(noTypeName)
		return
	}
	e.uint(len(t.Shape))
	for _, d := range t.Shape {
		e.str(d.String())
	}
}

func (e *encoder) elem(name string, t ir.Type) {
	e.str(name)
	e.uint(int(t.Ranks))
	e.typ(t)
}

// blobs writes the blobs' names and paths, and for each constant its place in one or its bytes.
func (e *encoder) blobs() {
	index := map[*ir.Blob]int{nil: 0}
	var list []*ir.Blob
	for i := range e.plan.Consts {
		if b := e.plan.Consts[i].Blob; b != nil && index[b] == 0 {
			list = append(list, b)
			index[b] = len(list)
		}
	}
	e.uint(len(list))
	for _, b := range list {
		e.str(b.Name)
		e.str(b.Path)
	}
	for i := range e.plan.Consts {
		c := &e.plan.Consts[i]
		e.uint(index[c.Blob])
		if c.Blob == nil {
			e.str(string(c.Data))
			continue
		}
		e.uint(int(c.Offset))
		e.uint(len(c.Data))
	}
}
