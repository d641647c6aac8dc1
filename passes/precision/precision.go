// Package precision makes programs of f32 compute in f16 or bf16. Inputs, outputs and integers keep their dtypes. It is
// not exact: docs/passes.md has its tolerance.
//
// Products and what is between them become half. In f32 stay reductions and functions that amplify rounding or overflow, what
// is computed of them up to the next product, and what comes from integers: positions, and the sizes that means are divided by.
package precision

import (
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/rewrite"
)

// Run is the pass to a dtype of 16 bits.
func Run(half ir.DType) func(*ir.Module, *rewrite.Context) error {
	return func(m *ir.Module, c *rewrite.Context) error {
		for _, f := range m.Funcs {
			p := &pass{Context: c, half: half, states: map[*ir.Value]state{}}
			p.narrow, p.wide, p.masks = map[*ir.Value]*ir.Value{}, map[*ir.Value]*ir.Value{}, map[*ir.Value]*ir.Value{}
			if err := p.function(f); err != nil {
				return err
			}
		}
		return nil
	}
}

// state is how an f32 value may be treated.
type state uint8

const (
	free  state = iota // may be rounded, for its own sake or another's: inputs, constants, flags, halves
	wide               // is worth more than 16 bits until a product uses it
	exact              // must not be rounded: of integers, or too large or too small for a half
)

// pass is one function. Regions inside ops are left as they are: they get and give f32.
type pass struct {
	*rewrite.Context
	half   ir.DType
	b      *ir.Builder
	states map[*ir.Value]state     // of f32 values; free where there is none
	narrow map[*ir.Value]*ir.Value // the half of an f32 value
	wide   map[*ir.Value]*ir.Value // the f32 of a value that became half, nil where none was needed yet
	masks  map[*ir.Value]*ir.Value // see finite
}

func (p *pass) function(f *ir.Func) error {
	ops := f.Body.Ops
	f.Body.Ops = make([]*ir.Op, 0, len(ops)+len(f.Body.Params))
	p.b = ir.NewBuilder(f.Body)
	for _, op := range ops {
		p.b.Loc = op.Loc
		if at := p.halves(op); at != nil && p.Step("half", op) {
			p.toHalf(op, at)
		} else {
			p.toFull(op)
		}
		f.Body.Ops = append(f.Body.Ops, op)
	}
	return p.b.Err()
}

// halves lists the operands of op that are to be half for it to compute in half; none, where it computes in f32.
func (p *pass) halves(op *ir.Op) []int {
	r := &rules[op.Kind]
	if r.use == never || !p.isFloat(op.Results[0]) || isSquare(op) {
		return nil
	}
	var at []int
	worst := free
	for i, v := range op.Args {
		if v == nil || !p.isFloat(v) || r.keeps != nil && r.keeps(op, i) {
			continue
		}
		at = append(at, i)
		if !(op.Kind == ir.Attention && i == mask) {
			worst = max(worst, p.state(v))
		}
	}
	if worst == exact || worst == wide && r.use == follows {
		return nil
	}
	return at
}

// isFloat reports whether v is f32, or was.
func (p *pass) isFloat(v *ir.Value) bool {
	_, was := p.wide[v]
	return v.Type.IsTensor() && (v.DType() == ir.F32 || was)
}

func isConst(v *ir.Value) bool { return v.Def != nil && v.Def.Kind == ir.Const }

func (p *pass) state(v *ir.Value) state {
	if s, ok := p.states[v]; ok || !isConst(v) {
		return s
	}
	s := free
	if !p.fits(v.Def.Attrs.(*ir.ConstAttrs)) {
		s = exact
	}
	p.states[v] = s
	return s
}

// maxRead bounds the bytes of constants that are looked at; weight matrices are not, and taken to fit.
const maxRead = 64 << 10

// fits reports whether rounding to half leaves no number infinite, and not all of them 0 that are not.
func (p *pass) fits(a *ir.ConstAttrs) bool {
	if len(a.Bytes()) > maxRead {
		return true
	}
	t, err := a.Tensor()
	if err != nil {
		return false
	}
	most := 0.0
	for _, x := range ir.View[float32](t) {
		if size := math.Abs(float64(x)); !math.IsInf(size, 0) {
			most = max(most, size)
		}
	}
	return most == 0 || most >= smallest[p.half] && most <= largest[p.half]
}

// The largest and the smallest normal numbers.
var (
	largest  = map[ir.DType]float64{ir.F16: 65504, ir.BF16: 0x1.fep127}
	smallest = map[ir.DType]float64{ir.F16: 0x1p-14, ir.BF16: 0x1p-126}
)

// toHalf has op compute in half: on halves of those operands.
func (p *pass) toHalf(op *ir.Op, at []int) {
	for i, v := range op.Args {
		switch {
		case v == nil || !p.isFloat(v):
		case !slices.Contains(at, i):
			op.SetArg(i, p.widened(v))
		case op.Kind == ir.Attention && i == mask:
			op.SetArg(i, p.narrowed(p.finite(v)))
		default:
			op.SetArg(i, p.narrowed(v))
		}
	}
	for _, v := range op.Results {
		if v.DType() == ir.F32 {
			v.Type.DType = p.half
			p.wide[v] = nil
		}
	}
}

// toFull gives op its operands in f32, and notes what its results are.
func (p *pass) toFull(op *ir.Op) {
	worst, least := free, exact
	for i, v := range op.Args {
		if v == nil || !p.isFloat(v) {
			continue
		}
		if s := p.state(v); s == exact || !isConst(v) {
			worst, least = max(worst, s), min(least, s)
		}
		op.SetArg(i, p.widened(v))
	}
	for _, v := range op.Results {
		if op.Kind != ir.Const && v.Type.IsTensor() && v.DType() == ir.F32 {
			p.states[v] = after(op, worst, least)
		}
	}
}

// after is the state of what op computes in f32 of operands between those states.
func after(op *ir.Op, worst, least state) state {
	switch {
	case op.Kind == ir.Cast && op.Args[0].DType() == ir.Bool:
		return free
	case op.Kind == ir.Cast && op.Args[0].DType().IsInt(), op.Kind == ir.Range:
		return exact
	case bounded[op.Kind] || len(op.Regions) > 0:
		return wide
	case worst == exact && least == exact:
		return exact
	}
	return wide
}

// narrowed is v in half.
func (p *pass) narrowed(v *ir.Value) *ir.Value {
	if _, is := p.wide[v]; is {
		return v
	}
	if p.narrow[v] == nil {
		p.narrow[v] = p.b.Op(ir.Cast, &ir.CastAttrs{To: p.half}, v)
	}
	return p.narrow[v]
}

// widened is v in f32.
func (p *pass) widened(v *ir.Value) *ir.Value {
	w, was := p.wide[v]
	if !was {
		return v
	}
	if w == nil {
		w = p.b.Op(ir.Cast, &ir.CastAttrs{To: ir.F32}, v)
		p.wide[v] = w
	}
	return w
}

// finite is a mask whose numbers stay finite in half, also where a score is added: the lowest f32 stands for something to
// be ignored, but a row of nothing else is averaged, where a row of -inf has no average.
func (p *pass) finite(v *ir.Value) *ir.Value {
	if p.state(v) == free {
		return v
	}
	if p.masks[v] == nil {
		lowest := p.b.Float(ir.F32, -largest[p.half]/2)
		infinite := p.b.Op(ir.Equal, nil, v, p.b.Float(ir.F32, math.Inf(-1)))
		p.masks[v] = p.b.Op(ir.Where, nil, infinite, v, p.b.Op(ir.Max, nil, v, lowest))
	}
	return p.masks[v]
}
