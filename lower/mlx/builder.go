package mlx

import (
	encbin "encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
)

// Builder makes a Plan call by call. Misuse (a wrong number of operands, a parameter of the wrong kind) is kept as
// an error, with the location of the call, that Finish returns; what calls return after it is of no use.
type Builder struct {
	plan    *Plan
	cur     *Program
	loc     ir.LocID
	kind    ir.Kind
	consts  map[constKey]int
	stretch *stretches // that Finish makes, or nil
	err     error
}

type constKey struct {
	blob   *ir.Blob
	offset int64
	dtype  ir.DType
	shape  string
	lit    string
}

// NewBuilder starts a plan for the module, whose name and locations it shares.
func NewBuilder(m *ir.Module) *Builder {
	main := &Program{Name: "main"}
	return &Builder{
		plan:   &Plan{Name: m.Name, Programs: []*Program{main}, Locs: m.Locs, Setup: -1},
		cur:    main,
		consts: map[constKey]int{},
	}
}

// At sets the location of the calls that follow, which belong to no op.
func (b *Builder) At(loc ir.LocID) { b.loc, b.kind = loc, ir.NoKind }

// For says which op the calls that follow belong to.
func (b *Builder) For(op *ir.Op) { b.loc, b.kind = op.Loc, op.Kind }

// Errorf records an error at the current location, unless there is one already.
func (b *Builder) Errorf(format string, args ...any) {
	if b.err != nil {
		return
	}
	b.err = fmt.Errorf(format, args...)
	if l := b.plan.Loc(b.loc).String(); l != "" {
		b.err = fmt.Errorf("%s: %w", l, b.err)
	}
}

// Err is the first error so far.
func (b *Builder) Err() error { return b.err }

// Input adds an input of the plan; its arrays come as Storage of their dtype.
func (b *Builder) Input(name string, t ir.Type) Reg {
	if canHold(t) != nil {
		b.Errorf("input %q: MLX cannot hold %s", name, t)
	}
	b.plan.Inputs = append(b.plan.Inputs, Port{name, t})
	r := b.reg(t)
	b.cur.Params = append(b.cur.Params, r)
	return r
}

// Output adds an output of the plan, which r holds.
func (b *Builder) Output(name string, t ir.Type, r Reg) {
	if canHold(t) != nil {
		b.Errorf("output %q: MLX cannot hold %s", name, t)
	}
	b.plan.Outputs = append(b.plan.Outputs, Port{name, t})
	b.cur.Results = append(b.cur.Results, r)
}

// State adds a state, once all inputs are there. The register of a cache holds a list of nothing before the first run, for
// Reserve to read.
func (b *Builder) State(s State) Reg {
	if err := s.check(); err != nil {
		b.Errorf("%v", err)
		return Absent
	}
	b.plan.States = append(b.plan.States, s)
	t := ir.Type{}
	if !s.Grows() {
		t = s.In.Type
	}
	r := b.reg(t)
	b.cur.Params = append(b.cur.Params, r)
	return r
}

// KeepState gives what becomes of the next state in the run, once all outputs are there.
func (b *Builder) KeepState(r Reg) { b.cur.Results = append(b.cur.Results, r) }

// Facts adds facts that are checked when inputs are bound. Those over symbols that calls bind belong in a Check.
func (b *Builder) Facts(facts ...ir.Fact) { b.plan.Facts = append(b.plan.Facts, facts...) }

func (b *Builder) reg(t ir.Type) Reg {
	b.cur.Types = append(b.cur.Types, t)
	return Reg(len(b.cur.Types) - 1)
}

// SetType notes the type of r for readers of the plan.
func (b *Builder) SetType(r Reg, t ir.Type) {
	if r >= 0 && int(r) < len(b.cur.Types) {
		b.cur.Types[r] = t
	}
}

// Type is the type noted for r, the zero Type where there is none.
func (b *Builder) Type(r Reg) ir.Type {
	if r >= 0 && int(r) < len(b.cur.Types) {
		return b.cur.Types[r]
	}
	return ir.Type{}
}

// Blob is a constant in a blob: packed elements of dtype d from offset on. Sub-byte elements are unpacked here,
// one byte each; all else stays a view of the blob. The register has dtype Storage(d).
func (b *Builder) Blob(blob *ir.Blob, offset int64, d ir.DType, shape []int) Reg {
	n, err := ir.NumElements(shape)
	size := int64(ir.PackedSize(d, n))
	if err != nil || offset < 0 || offset > int64(len(blob.Data)) || size > int64(len(blob.Data))-offset {
		b.Errorf("constant %s%v does not lie within @%s", d, shape, blob.Name)
		return Absent
	}
	data := blob.Data[offset : offset+size : offset+size]
	if d.Bits() < 8 {
		t, err := ir.Unpack(d, shape, data)
		if err != nil {
			b.Errorf("%w", err)
			return Absent
		}
		return b.Tensor(t)
	}
	return b.constant(Constant{Blob: blob, Offset: offset, Data: data, DType: d, Shape: shape})
}

// Tensor is a literal constant; its bytes become a part of the plan. The register has dtype Storage(t.DType).
func (b *Builder) Tensor(t *ir.Tensor) Reg {
	return b.constant(Constant{Data: t.Data, DType: t.DType, Shape: t.Shape})
}

// Scalar is a literal 0-D constant, v rounded to d. Booleans are true for v ≠ 0.
func (b *Builder) Scalar(d ir.DType, v float64) Reg {
	if _, ok := dtypeCode[d]; !ok {
		b.Errorf("no scalar of dtype %s", d)
		return Absent
	}
	return b.Tensor(ir.FloatScalar(d, v))
}

// Int is a literal 0-D constant of an integer dtype.
func (b *Builder) Int(d ir.DType, v int64) Reg {
	data := encbin.LittleEndian.AppendUint64(nil, uint64(v))
	if !d.IsInt() {
		b.Errorf("%s is no integer dtype", d)
		return Absent
	}
	return b.constant(Constant{Data: data[:d.Size()], DType: d, Shape: []int{}})
}

// literalKey bounds the size of literals that are looked for among those that exist.
const literalKey = 1 << 12

func (b *Builder) constant(c Constant) Reg {
	s, err := Storage(c.DType)
	if err != nil {
		b.Errorf("%w", err)
		return Absent
	}
	c.DType = s
	key := constKey{c.Blob, c.Offset, s, fmt.Sprint(c.Shape), ""}
	if c.Blob == nil && len(c.Data) <= literalKey {
		key.lit = string(c.Data)
	}
	i, ok := b.consts[key]
	if !ok || c.Blob == nil && len(c.Data) > literalKey {
		i = len(b.plan.Consts)
		b.plan.Consts = append(b.plan.Consts, c)
		b.consts[key] = i
	}
	r := b.Call(Const, i)
	b.SetType(r, ir.TensorOf(s, shapeDims(c.Shape)...))
	return r
}

func shapeDims(shape []int) ir.Shape {
	s := make(ir.Shape, len(shape))
	for i, n := range shape {
		s[i] = ir.Size(int64(n))
	}
	return s
}

// Call appends a call with one result. Arguments of type Reg and []Reg are the operands, in order; the others are
// the parameters in the row's order: int, int64 or ir.Dim for an int; []int, []int64, []ir.Dim or ir.Shape for ints
// and symbols; float64 or float32; ir.DType; bool; string; Prog.
func (b *Builder) Call(op CallID, args ...any) Reg {
	n := Calls[op].Out
	if n < 0 {
		n = 1
	}
	out := b.CallN(op, n, args...)
	if len(out) == 0 {
		return Absent
	}
	return out[0]
}

// CallN is Call with n results; n is checked where the row fixes it.
func (b *Builder) CallN(op CallID, n int, args ...any) []Reg {
	c := Call{Op: op, Loc: b.loc, Kind: b.kind}
	for _, a := range args {
		switch a := a.(type) {
		case Reg:
			c.In = append(c.In, a)
		case []Reg:
			c.In = append(c.In, a...)
		default:
			c.Args = append(c.Args, a)
		}
	}
	if err := b.check(&c, n); err != nil {
		b.Errorf("%s: %w", op, err)
	}
	c.Out = make([]Reg, n)
	for i := range c.Out {
		c.Out[i] = b.reg(ir.Type{})
	}
	b.cur.Calls = append(b.cur.Calls, c)
	return c.Out
}

func (b *Builder) check(c *Call, n int) error {
	info := &Calls[c.Op]
	if info.Out >= 0 && n != info.Out {
		return fmt.Errorf("%d results, want %d", n, info.Out)
	}
	if len(c.In) < info.Min || info.Max >= 0 && len(c.In) > info.Max {
		return fmt.Errorf("%d operands, want %d to %d", len(c.In), info.Min, info.Max)
	}
	for _, r := range c.In {
		if r < Absent || int(r) >= len(b.cur.Types) {
			return fmt.Errorf("register %%%d is not of program %s", r, b.cur.Name)
		}
	}
	if len(c.Args) != len(info.Params) {
		return fmt.Errorf("%d parameters, want %d", len(c.Args), len(info.Params))
	}
	for i, p := range info.Params {
		v, err := normalise(p.Kind, c.Args[i])
		if err != nil {
			return fmt.Errorf("parameter %s: %w", p.Name, err)
		}
		c.Args[i] = v
	}
	return nil
}

var errUnknownDim = errors.New("a size is not known")

func normalise(k ParamKind, a any) (any, error) {
	switch k {
	case IntParam:
		d, err := toDims(a)
		if err != nil || len(d) != 1 {
			return nil, cmpErr(err, a)
		}
		return d[0], nil
	case IntsParam, SymbolsParam:
		return toDims(a)
	case FloatParam:
		switch v := a.(type) {
		case float64:
			return v, nil
		case float32:
			return float64(v), nil
		}
	case DTypeParam:
		if d, ok := a.(ir.DType); ok {
			return Storage(d)
		}
	case BoolParam:
		if v, ok := a.(bool); ok {
			return v, nil
		}
	case StringParam:
		if v, ok := a.(string); ok {
			return v, nil
		}
	case ProgramParam:
		if v, ok := a.(Prog); ok {
			return v, nil
		}
	}
	return nil, cmpErr(nil, a)
}

func cmpErr(err error, a any) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("unexpected %T", a)
}

func toDims(a any) ([]ir.Dim, error) {
	var out []ir.Dim
	switch v := a.(type) {
	case ir.Dim:
		out = []ir.Dim{v}
	case int:
		out = []ir.Dim{ir.Size(int64(v))}
	case int64:
		out = []ir.Dim{ir.Size(v)}
	case []ir.Dim:
		out = v
	case ir.Shape:
		out = v
	case []int:
		out = shapeDims(v)
	case []int64:
		for _, n := range v {
			out = append(out, ir.Size(n))
		}
	default:
		return nil, cmpErr(nil, a)
	}
	if slices.Contains(out, ir.Unknown) {
		return nil, errUnknownDim
	}
	return out, nil
}

// Sub builds a program of its own, for a region: f gets its n parameters and returns its results. Registers of
// programs outside are not visible in f.
func (b *Builder) Sub(name string, n int, f func(params []Reg) []Reg) Prog {
	outer, loc := b.cur, b.loc
	b.cur = &Program{Name: name}
	id := Prog(len(b.plan.Programs))
	b.plan.Programs = append(b.plan.Programs, b.cur)
	for range n {
		b.cur.Params = append(b.cur.Params, b.reg(ir.Type{}))
	}
	b.cur.Results = f(slices.Clone(b.cur.Params))
	for _, r := range b.cur.Results {
		if r < 0 || int(r) >= len(b.cur.Types) {
			b.Errorf("program %s returns register %%%d, which it does not have", name, r)
		}
	}
	b.cur, b.loc = outer, loc
	return id
}

func (p *Plan) resultName(i int) string {
	if k := i - len(p.Outputs); k >= 0 && k < len(p.States) {
		return fmt.Sprintf("state %q", p.States[k].In.Name)
	}
	return fmt.Sprintf("output %q", p.Outputs[min(i, len(p.Outputs)-1)].Name)
}

// Finish removes dead calls, moves what depends on constants only into the setup program, makes stretches of elementwise calls where
// Options say so, numbers the registers anew and notes their last uses.
func (b *Builder) Finish() (*Plan, error) {
	p := b.plan
	main := p.Programs[p.Main]
	if len(main.Results) != len(p.Outputs)+len(p.States) {
		b.Errorf("%d results, want %d outputs and %d states", len(main.Results), len(p.Outputs), len(p.States))
	}
	for i, r := range main.Results {
		if r < 0 || int(r) >= len(main.Types) {
			b.Errorf("%s has no register", p.resultName(i))
		}
	}
	if b.err != nil {
		return nil, b.err
	}
	finish(p, b.stretch)
	return p, nil
}
