package mlx

import (
	"fmt"
	"math"
	"slices"

	"github.com/emilyc/emily/ir"
)

// fuses lists the calls that mx::compile makes one kernel of: an element of the result comes from the elements at the same place, operands
// broadcast. Integer quotients, shifts and complex parts, which are rare and not all fused, are left out, as is what compares with infinity: MLX
// writes that into kernels by a macro that CUDA's compiler at run time may not have.
var fuses = func() (list [NumCalls]bool) {
	for _, c := range []CallID{
		Abs, Negative, Sign, LogicalNot, Exp, Expm1, Log, Log1p, Sin, Cos, Tan, Arcsin, Arccos, Arctan, Sinh, Cosh, Tanh,
		Arcsinh, Arccosh, Arctanh, Sqrt, Rsqrt, Square, Reciprocal, Floor, Ceil, Round, Sigmoid, Erf, IsNaN,
		Add, Subtract, Multiply, Divide, Power, Maximum, Minimum, LogAddExp, Equal, NotEqual, Less, LessEqual, Greater, GreaterEqual,
		LogicalAnd, LogicalOr, Where, Clip, AsType,
	} {
		list[c] = true
	}
	return list
}()

// stretches says which stretches there are on a device, and by which call they run.
type stretches struct {
	op   CallID
	most int // calls in one
	// fits reports whether c may be in a stretch, whose calls all have that shape: nil where they broadcast.
	fits func(g *Program, c *Call) (shape ir.Shape, ok bool)
	pays func(s *stretch) bool // nil where all of two calls do
}

// stretches are those that a plan gets; nil for none.
func (o Options) stretches() *stretches {
	switch {
	case o.takes(o.Tuning.Stretches, GPU):
		return &compiled
	case o.takes(o.Tuning.Blocks, CPU):
		return &inBlocks
	}
	return nil
}

// compiled are stretches for mx::compile. Making a kernel takes seconds on CUDA: without floats a stretch counts places or checks
// indices, which is soon done.
var compiled = stretches{
	op: Compiled, most: math.MaxInt,
	fits: func(_ *Program, c *Call) (ir.Shape, bool) { return nil, fuses[c.Op] },
	pays: func(s *stretch) bool { return s.floats },
}

// stretch is a set of connected calls that fuse. It stays open until something else reads one of its results: it runs in the place of
// its last call, so that whoever reads it must come later.
type stretch struct {
	calls  []int
	last   int
	shape  ir.Shape // of all calls
	floats bool     // some call reads or gives floats
	into   *stretch // that took it in
	closed bool
}

// now is the stretch that s has become a part of.
func (s *stretch) now() *stretch {
	for s != nil && s.into != nil {
		s = s.into
	}
	return s
}

func (s *stretch) size() int {
	if s == nil {
		return 0
	}
	return len(s.calls)
}

// join makes one stretch of two.
func join(a, b *stretch) *stretch {
	if len(a.calls) < len(b.calls) {
		a, b = b, a
	}
	a.calls, a.floats = append(a.calls, b.calls...), a.floats || b.floats
	b.into = a
	return a
}

// make makes one call of every stretch that pays, in all programs but setup, which runs once.
func (s *stretches) make(p *Plan) {
	for i, g := range slices.Clone(p.Programs) {
		if Prog(i) != p.Setup {
			(&fuser{stretches: s, plan: p, g: g}).fuse()
		}
	}
}

// fuser works on one program.
type fuser struct {
	*stretches
	plan    *Plan
	g       *Program
	maker   []int      // of each register: its call; -1 for parameters
	readers [][]int    // of each register: the calls that read it; the end of the program counts as one
	member  []*stretch // of each call
}

func (f *fuser) fuse() {
	f.find()
	var calls []Call
	for i, c := range f.g.Calls {
		switch s := f.in(i); {
		case s != nil && i == s.last:
			calls = append(calls, f.call(s))
		case s == nil && !f.isInside(&c):
			calls = append(calls, c)
		}
	}
	f.g.Calls = calls
}

// find puts every call that fuses into a stretch: that of the open ones that it reads.
func (f *fuser) find() {
	f.member = make([]*stretch, len(f.g.Calls)+1)
	f.maker = slices.Repeat([]int{-1}, len(f.g.Types))
	f.readers = make([][]int, len(f.g.Types))
	for i := range f.g.Calls {
		c := &f.g.Calls[i]
		shape, fits := f.fits(f.g, c)
		var own *stretch
		for _, r := range c.In {
			if r < 0 {
				continue
			}
			f.readers[r] = append(f.readers[r], i)
			switch s := f.of(r); {
			case s == nil || s == own:
			case s.closed || !fits || !slices.Equal(s.shape, shape) || own.size()+s.size() >= f.most:
				s.closed = true
			case own == nil:
				own = s
			default:
				own = join(own, s)
			}
		}
		if fits {
			if own == nil {
				own = &stretch{shape: shape}
			}
			own.calls, own.last = append(own.calls, i), i
			own.floats = own.floats || slices.ContainsFunc(slices.Concat(c.In, c.Out), f.isFloat)
			f.member[i] = own
		}
		for _, r := range c.Out {
			f.maker[r] = i
		}
	}
	for _, r := range f.g.Results {
		f.readers[r] = append(f.readers[r], len(f.g.Calls))
	}
}

// isFloat reports whether r is known to hold floats.
func (f *fuser) isFloat(r Reg) bool { return r >= 0 && ElementDType(f.g.Types[r]).IsFloat() }

// in is the stretch that call i is in; nil where there is none that pays.
func (f *fuser) in(i int) *stretch {
	s := f.member[i].now()
	if s.size() < 2 || f.pays != nil && !f.pays(s) {
		return nil
	}
	return s
}

// of is the stretch that makes r; nil where none does.
func (f *fuser) of(r Reg) *stretch {
	if r < 0 || f.maker[r] < 0 {
		return nil
	}
	return f.member[f.maker[r]].now()
}

// call makes the program of s and the call that runs it. Single numbers go inside, where MLX writes them into the kernel.
func (f *fuser) call(s *stretch) Call {
	slices.Sort(s.calls)
	id := Prog(len(f.plan.Programs))
	sub := &Program{Name: fmt.Sprintf("stretch%d", id)}
	last := &f.g.Calls[s.last]
	run := Call{Op: f.op, Args: []any{id}, Loc: last.Loc, Kind: last.Kind}
	to := map[Reg]Reg{Absent: Absent}
	set := func(r Reg) Reg {
		to[r] = Reg(len(sub.Types))
		sub.Types = append(sub.Types, f.g.Types[r])
		return to[r]
	}
	for _, i := range s.calls {
		c := f.g.Calls[i]
		in, out := make([]Reg, len(c.In)), make([]Reg, len(c.Out))
		for k, r := range c.In {
			if _, there := to[r]; !there {
				if from := f.maker[r]; from >= 0 && f.isNumber(&f.g.Calls[from]) {
					load := f.g.Calls[from]
					load.Out = []Reg{set(r)}
					sub.Calls = append(sub.Calls, load)
				} else {
					run.In, sub.Params = append(run.In, r), append(sub.Params, set(r))
				}
			}
			in[k] = to[r]
		}
		for k, r := range c.Out {
			if out[k] = set(r); f.leaves(r, s) {
				run.Out, sub.Results = append(run.Out, r), append(sub.Results, out[k])
			}
		}
		c.In, c.Out = in, out
		sub.Calls = append(sub.Calls, c)
	}
	f.plan.Programs = append(f.plan.Programs, sub)
	return run
}

// isNumber reports whether c loads a constant of one element, which is finite.
func (f *fuser) isNumber(c *Call) bool {
	if c.Op != Const {
		return false
	}
	at, _ := c.Args[0].(ir.Dim).Value()
	k := &f.plan.Consts[at]
	if n, err := ir.NumElements(k.Shape); err != nil || n != 1 {
		return false
	}
	if k.DType == ir.Bool || k.DType.IsInt() {
		return true
	}
	if !k.DType.IsFloat() {
		return false
	}
	t := ir.Tensor{DType: k.DType, Shape: k.Shape, Data: k.Data}
	v := t.Floats()[0]
	return !math.IsInf(v, 0) && !math.IsNaN(v)
}

// isInside reports whether c loads a number that stretches alone read.
func (f *fuser) isInside(c *Call) bool {
	return f.isNumber(c) && !slices.ContainsFunc(f.readers[c.Out[0]], func(i int) bool { return f.in(i) == nil })
}

// leaves reports whether something outside of s reads r.
func (f *fuser) leaves(r Reg, s *stretch) bool {
	return slices.ContainsFunc(f.readers[r], func(i int) bool { return f.in(i) != s })
}
