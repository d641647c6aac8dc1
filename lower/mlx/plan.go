// Package mlx lowers ir modules to Plans: flat lists of MLX calls over registers. A Plan is plain data; it prints
// as text, serialises to the bytes that the native runtime (lower/mlx/runtime) runs, and can be emitted as a
// stand-alone Python program.
//
// All three forms, and the checks of the Builder, derive from the table Calls.
package mlx

import (
	"fmt"
	"slices"

	"github.com/emilyc/emily/ir"
)

// Reg is a register of a Program; each is set once.
type Reg int32

// Absent stands for an optional operand that is not there.
const Absent Reg = -1

// Prog is the index of a Program in a Plan.
type Prog int

// Plan is a lowered function.
type Plan struct {
	Name     string  // of the model, for diagnostics
	Inputs   []Port  // the first parameters of Main
	States   []State // its next parameters, and its last results
	Outputs  []Port  // its first results
	Consts   []Constant
	Programs []*Program
	Main     Prog
	// Setup is run once when the plan is loaded; its results are the last parameters of Main. It holds
	// the calls that depend on constants only, such as weights laid out for MLX. -1 when there are none.
	Setup Prog
	Facts []ir.Fact // checked when inputs are bound; Loc indexes Locs
	Locs  []ir.Loc  // Locs[0] is the unknown location
}

// Port is an input or output: its register holds arrays of Storage of the dtype, one of them or lists.
type Port struct {
	Name string
	Type ir.Type
}

// State is a value that a session keeps between runs. In and Out are the input and the output that it stands for. A cache is a
// buffer that has room on the axis, in which a run writes the new elements behind those that are there. A carried value is
// replaced by the next, of the same type, into whose computation MLX may take its memory.
type State struct {
	In, Out Port
	Axis    int // of a cache; Carried for a carried value
}

// Carried stands for the axis of a state that does not grow.
const Carried = -1

// Grows reports whether s is a cache.
func (s *State) Grows() bool { return s.Axis != Carried }

// check says why no session can keep s.
func (s *State) check() error {
	in, out := s.In.Type, s.Out.Type
	switch {
	case !s.Grows() && (!in.Equal(out) || !in.IsTensor() || !static(in.Shape)):
		return fmt.Errorf("state %q: a carried value has one type of known sizes, not %s and then %s", s.In.Name, in, out)
	case s.Grows() && (s.Axis >= len(in.Shape) || s.Axis >= len(out.Shape) || s.Length().Op() != ir.DimSym):
		return fmt.Errorf("state %q: %s has no symbol on axis %d", s.In.Name, in, s.Axis)
	}
	return nil
}

func static(s ir.Shape) bool {
	_, ok := s.Static()
	return ok
}

// Length is the symbol for the number of elements on the axis before a run.
func (s *State) Length() ir.Dim { return s.In.Type.Shape[s.Axis] }

// Next is the number of elements on the axis after a run.
func (s *State) Next() ir.Dim { return s.Out.Type.Shape[s.Axis] }

// Constant is a view of a blob, or a literal where Blob is nil. Data is row-major and little-endian.
type Constant struct {
	Blob   *ir.Blob
	Offset int64 // into the blob
	Data   []byte
	DType  ir.DType
	Shape  []int
}

// Program is a straight line of calls. Programs are closed: what they read are their parameters.
type Program struct {
	Name    string
	Params  []Reg // Absent where a parameter is not used
	Calls   []Call
	Results []Reg
	Types   []ir.Type // of the registers where known, for readers; len(Types) is the number of registers
}

// Call is one row of Calls applied to registers.
type Call struct {
	Op   CallID
	In   []Reg // Absent where an optional operand is not there
	Out  []Reg
	Args []any // ir.Dim, []ir.Dim, float64, ir.DType, bool, string or Prog, as the row's parameters demand
	Free []Reg // registers that are not read after this call
	Loc  ir.LocID
	Kind ir.Kind // of the op that it is part of; NoKind for what belongs to none
}

// Storage is the dtype in which MLX holds elements of d: d itself where MLX has it, the integers of its bits
// for 8-bit and smaller floats, a byte an element for sub-byte integers. Its error says that MLX cannot hold d.
func Storage(d ir.DType) (ir.DType, error) {
	switch d {
	case ir.F8E4M3FN, ir.F8E4M3FNUZ, ir.F8E5M2, ir.F8E5M2FNUZ, ir.F8E8M0, ir.F6E2M3, ir.F6E3M2, ir.F4E2M1, ir.U2, ir.U4:
		return ir.U8, nil
	case ir.I2, ir.I4:
		return ir.I8, nil
	}
	if _, ok := dtypeCode[d]; ok {
		return d, nil
	}
	return ir.Invalid, fmt.Errorf("MLX has no dtype %s", d)
}

// ElementDType is the dtype of the arrays in values of type t, tensors or lists.
func ElementDType(t ir.Type) ir.DType {
	for t.Elem != nil {
		t = *t.Elem
	}
	return t.DType
}

// canHold says why registers have no values of type t, which are tensors and lists of them.
func canHold(t ir.Type) error {
	for e := t; e.Kind != ir.TensorType; e = *e.Elem {
		if e.Kind != ir.SequenceType && e.Kind != ir.OptionalType {
			return fmt.Errorf("MLX has no values of type %s", t)
		}
	}
	_, err := Storage(ElementDType(t))
	return err
}

// dtypeNames are the codes of dtypes in the byte form, with MLX's names; the shim has the same order.
var dtypeNames = []struct {
	dtype ir.DType
	name  string
}{
	{ir.Bool, "bool_"}, {ir.U8, "uint8"}, {ir.U16, "uint16"}, {ir.U32, "uint32"}, {ir.U64, "uint64"}, {ir.I8, "int8"},
	{ir.I16, "int16"}, {ir.I32, "int32"}, {ir.I64, "int64"}, {ir.F16, "float16"}, {ir.BF16, "bfloat16"},
	{ir.F32, "float32"}, {ir.F64, "float64"}, {ir.C64, "complex64"},
}

var dtypeCode = func() map[ir.DType]byte {
	m := map[ir.DType]byte{}
	for i, d := range dtypeNames {
		m[d.dtype] = byte(i)
	}
	return m
}()

// DTypeOf is the dtype that a code of the native side stands for.
func DTypeOf(code int) (ir.DType, bool) {
	if code < 0 || code >= len(dtypeNames) {
		return ir.Invalid, false
	}
	return dtypeNames[code].dtype, true
}

// Loc is the location of id.
func (p *Plan) Loc(id ir.LocID) ir.Loc {
	if int(id) < len(p.Locs) {
		return p.Locs[id]
	}
	return ir.Loc{}
}

// NumCalls counts the calls of all programs.
func (p *Plan) NumCalls() int {
	n := 0
	for _, g := range p.Programs {
		n += len(g.Calls)
	}
	return n
}

// Symbols lists the symbols of the plan: those of the inputs first, in order, then those bound by calls or only
// used. Their places are the slots of the native side.
func (p *Plan) Symbols() []ir.Dim {
	var list []ir.Dim
	seen := map[ir.Dim]bool{}
	add := func(s ir.Dim) {
		if !seen[s] {
			seen[s] = true
			list = append(list, s)
		}
	}
	for _, in := range p.Inputs {
		for _, d := range in.Type.Shape {
			d.Symbols(add)
		}
	}
	for i := range p.States {
		if s := &p.States[i]; s.Grows() {
			s.Length().Symbols(add)
			s.Next().Symbols(add)
		}
	}
	for _, g := range p.Programs {
		for i := range g.Calls {
			g.Calls[i].Dims(func(d ir.Dim) { d.Symbols(add) })
		}
	}
	return list
}

// Dims calls visit for every integer among the parameters of c.
func (c *Call) Dims(visit func(ir.Dim)) {
	for _, a := range c.Args {
		switch a := a.(type) {
		case ir.Dim:
			visit(a)
		case []ir.Dim:
			for _, d := range a {
				visit(d)
			}
		}
	}
}

// NeedsValues finds what keeps a plan from running under mx::compile, which traces it over arrays without values: a call for
// control flow, for sizes that depend on data, or on lists; or an input or output that is a list.
func (p *Plan) NeedsValues() (what string, needs bool) {
	for _, port := range slices.Concat(p.Inputs, p.Outputs) {
		if !port.Type.IsTensor() {
			return fmt.Sprintf("%q %s", port.Name, port.Type), true
		}
	}
	for _, g := range []Prog{p.Main, p.Setup} {
		if g < 0 {
			continue
		}
		for i := range p.Programs[g].Calls {
			switch c := &p.Programs[g].Calls[i]; c.Op {
			case ReadInts, If, Loop, Scan, NewList, ListAppend, ListInsert, ListErase, ListAt, ListLength, ListSplit, ListJoin:
				return p.CallText(c), true
			}
		}
	}
	return "", false
}
