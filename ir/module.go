package ir

import (
	"fmt"
	"slices"
)

// Module is a program: functions over shared constants and locations.
type Module struct {
	Name  string
	Funcs []*Func
	Blobs []*Blob
	Locs  []Loc // LocID indexes it; Locs[0] is the unknown location
}

// NewModule makes an empty module. The name is the file that diagnostics name.
func NewModule(name string) *Module {
	return &Module{Name: name, Locs: []Loc{{}}}
}

// Func finds a function by name; nil when there is none.
func (m *Module) Func(name string) *Func {
	for _, f := range m.Funcs {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Main is the function that runs: the first one.
func (m *Module) Main() *Func {
	if len(m.Funcs) == 0 {
		return nil
	}
	return m.Funcs[0]
}

// Blob is a run of bytes that constants view: a mapped file, or bytes made here.
type Blob struct {
	Name string // in the text form: const @Name[off:+len]
	Path string // the file, empty for bytes without one
	Data []byte
}

// Blob finds a blob by name; nil when there is none.
func (m *Module) Blob(name string) *Blob {
	for _, b := range m.Blobs {
		if b.Name == name {
			return b
		}
	}
	return nil
}

// Loc says where an op comes from.
type Loc struct {
	File   string
	Node   string // name of the node in the source model
	OpType string // its operator
	Domain string
	Opset  int     // version of the operator set
	From   []LocID // locations of the ops that a pass replaced by this one
}

// LocID is an index into Module.Locs; 0 is unknown.
type LocID uint32

// AddLoc stores l and returns its ID.
func (m *Module) AddLoc(l Loc) LocID {
	m.Locs = append(m.Locs, l)
	return LocID(len(m.Locs) - 1)
}

// String is what diagnostics print: model.onnx: node "/attn/MatMul" (MatMul, opset 17).
func (l Loc) String() string {
	s := l.File
	if l.Node != "" || l.OpType != "" {
		if s != "" {
			s += ": "
		}
		s += fmt.Sprintf("node %q", l.Node)
	}
	if l.OpType != "" {
		op := l.OpType
		if l.Domain != "" {
			op = l.Domain + "." + op
		}
		if l.Opset > 0 {
			op += fmt.Sprintf(", opset %d", l.Opset)
		}
		s += " (" + op + ")"
	}
	return s
}

// Func is a function: a region whose parameters are the inputs and whose yielded values are the outputs.
type Func struct {
	Name    string
	Module  *Module
	Body    *Region
	Outputs []string // names of the results, as many as Body yields
	fresh   int      // number of symbols made by Fresh
}

// Inputs are the parameters.
func (f *Func) Inputs() []*Value { return f.Body.Params }

// Results are the values that f returns.
func (f *Func) Results() []*Value { return f.Body.Results() }

// Fresh makes a symbol for a size that is known only at run time; its name (u0, u1, …) is new in f.
func (f *Func) Fresh() Dim {
	d := Sym(fmt.Sprintf("u%d", f.fresh))
	f.fresh++
	return d
}

// Region is one straight-line block of ops that ends in a yield. It is closed: it uses only its parameters
// and the values it defines; what it captures from outside is an operand of the op that holds it.
type Region struct {
	Func   *Func
	Parent *Op // nil for a function's body
	Params []*Value
	Ops    []*Op
	Facts  Facts
	outer  *Region // that it is made in, while it has no Parent: see enclosing
}

// enclosing is the region around r, whose facts hold in r too.
func (r *Region) enclosing() *Region {
	if r.Parent != nil {
		return r.Parent.Region
	}
	return r.outer
}

// Terminator is the yield at the end, nil while the region is being built.
func (r *Region) Terminator() *Op {
	if n := len(r.Ops); n > 0 && r.Ops[n-1].Kind == Yield {
		return r.Ops[n-1]
	}
	return nil
}

// Results are the values that the region yields.
func (r *Region) Results() []*Value {
	if t := r.Terminator(); t != nil {
		return t.Args
	}
	return nil
}

// AddParam appends a parameter.
func (r *Region) AddParam(name string, t Type) *Value {
	v := &Value{Type: t, Region: r, Index: int32(len(r.Params)), Name: name}
	r.Params = append(r.Params, v)
	for _, d := range t.Shape {
		d.Symbols(r.Func.reserve)
	}
	return v
}

// Walk calls visit for every op in r and in the regions inside it, before the regions of the op.
func (r *Region) Walk(visit func(*Op)) {
	for _, op := range r.Ops {
		visit(op)
		for _, sub := range op.Regions {
			sub.Walk(visit)
		}
	}
}

// Op is one operation.
type Op struct {
	Kind    Kind
	Loc     LocID
	Attrs   Attrs    // *XAttrs of the kind, nil where it has none
	Args    []*Value // nil for an absent optional operand; change them by SetArg
	Results []*Value
	Regions []*Region
	Region  *Region // that holds it
	place   []int32 // of each operand slot in its value's use list
}

// Value is what an op or a region's parameter list defines.
type Value struct {
	Type   Type
	Def    *Op     // nil for a parameter
	Region *Region // of a parameter
	Index  int32   // among Def's results or the region's parameters
	Name   string  // a hint for the text form, or the name of an input
	Sym    []Dim   // elements of a small integer or bool tensor, Unknown where not known; nil when none is
	uses   []Use
}

// Use is one operand slot.
type Use struct {
	Op    *Op
	Index int
}

// Uses are the operand slots that hold v, in no particular order. The slice is v's own.
func (v *Value) Uses() []Use { return v.uses }

// HasOneUse reports whether exactly one operand slot holds v.
func (v *Value) HasOneUse() bool { return len(v.uses) == 1 }

// SetArg replaces operand i, keeping the use lists.
func (o *Op) SetArg(i int, v *Value) {
	for len(o.place) < len(o.Args) {
		o.place = append(o.place, -1)
	}
	if old := o.Args[i]; old != nil && o.place[i] >= 0 {
		old.dropUse(o.place[i])
	}
	o.Args[i] = v
	if v != nil {
		o.place[i] = int32(len(v.uses))
		v.uses = append(v.uses, Use{o, i})
	}
}

func (v *Value) dropUse(at int32) {
	last := len(v.uses) - 1
	moved := v.uses[last]
	v.uses[at] = moved
	moved.Op.place[moved.Index] = at
	v.uses = v.uses[:last]
}

// ReplaceUses makes every user of v use w instead.
func (v *Value) ReplaceUses(w *Value) {
	if v == w {
		return
	}
	for _, u := range v.uses {
		u.Op.Args[u.Index] = w
		u.Op.place[u.Index] = int32(len(w.uses))
		w.uses = append(w.uses, u)
	}
	v.uses = nil
}

// DropArgs shortens the operands of o to the first n.
func (o *Op) DropArgs(n int) {
	for i := n; i < len(o.Args); i++ {
		o.SetArg(i, nil)
	}
	o.Args, o.place = o.Args[:n], o.place[:min(n, len(o.place))]
}

// AddArg appends an operand.
func (o *Op) AddArg(v *Value) {
	o.Args = append(o.Args, nil)
	o.SetArg(len(o.Args)-1, v)
}

// Detach drops the operands of o and of all ops in its regions, before it is removed from its region.
func (o *Op) Detach() {
	for i := range o.Args {
		o.SetArg(i, nil)
	}
	for _, r := range o.Regions {
		for _, op := range r.Ops {
			op.Detach()
		}
	}
}

// Arg is operand i, nil when it is absent or past the end.
func (o *Op) Arg(i int) *Value {
	if i >= len(o.Args) {
		return nil
	}
	return o.Args[i]
}

// Result is the first result.
func (o *Op) Result() *Value { return o.Results[0] }

// Location is where o comes from.
func (o *Op) Location() Loc { return o.Region.Func.Module.Locs[o.Loc] }

// DType is the dtype of a tensor value.
func (v *Value) DType() DType { return v.Type.DType }

// Shape is the shape of a tensor value.
func (v *Value) Shape() Shape { return v.Type.Shape }

// Rank is the rank of a tensor value.
func (v *Value) Rank() int { return len(v.Type.Shape) }

// KnownInts are the elements of v where all are known at compile time.
func (v *Value) KnownInts() ([]int64, bool) {
	if v == nil || v.Sym == nil {
		return nil, false
	}
	out := make([]int64, len(v.Sym))
	for i, d := range v.Sym {
		n, ok := d.Value()
		if !ok {
			return nil, false
		}
		out[i] = n
	}
	return out, true
}

// KnownDims are the elements of v where each is an integer or an expression over symbols.
func (v *Value) KnownDims() ([]Dim, bool) {
	if v == nil || v.Sym == nil || slices.Contains(v.Sym, Unknown) {
		return nil, false
	}
	return v.Sym, true
}
