package mlx

import (
	"slices"

	"github.com/emilyc/emily/ir"
)

// MLX's calls on a CPU each pass over memory for themselves. blockwise makes one call, Blockwise, of those on large f32 arrays of one shape
// that feed one another, which works through them in blocks that stay in the cache.

// blockCalls are the calls that round alike by themselves and in Blockwise, with their codes there.
var blockCalls = map[CallID]int64{Add: 0, Subtract: 1, Multiply: 2, Divide: 3, Sqrt: 4, Square: 5, Negative: 6}

const (
	longBlocks     = 1 << 15 // elements from which memory is what counts
	mostBlockCalls = 32      // calls in one
	notGrouped     = -1
)

// group is a run of calls that feed one another. It is made where its last is, so that it ends when another call reads its results.
type group struct {
	calls []int
	shape ir.Shape
}

// grouper is the state of blockwise: what is known of registers and calls on the way through a program.
type grouper struct {
	program *Program
	groups  []*group
	of      []int // the group of the call that sets a register and is not ended, or notGrouped
}

func blockwise(g *Program) {
	f := &grouper{program: g, of: slices.Repeat([]int{notGrouped}, len(g.Types))}
	for i := range g.Calls {
		f.visit(i)
	}
	last := map[int]*group{}
	gone := make([]bool, len(g.Calls))
	for _, k := range f.groups {
		if len(k.calls) < 2 {
			continue
		}
		for _, i := range k.calls {
			gone[i] = true
		}
		last[slices.Max(k.calls)] = k
	}
	if len(last) == 0 {
		return
	}
	users := usersOf(g)
	var calls []Call
	for i, c := range g.Calls {
		if k := last[i]; k != nil {
			calls = append(calls, k.call(g, users))
		} else if !gone[i] {
			calls = append(calls, c)
		}
	}
	g.Calls = calls
}

// visit puts call i in a group, or ends those that it reads.
func (f *grouper) visit(i int) {
	c := &f.program.Calls[i]
	shape, ok := f.long(c)
	var reads []int
	for _, r := range c.In {
		if r >= 0 && f.of[r] != notGrouped && !slices.Contains(reads, f.of[r]) {
			reads = append(reads, f.of[r])
		}
	}
	size := 1
	for _, at := range reads {
		size += len(f.groups[at].calls)
		ok = ok && slices.Equal(f.groups[at].shape, shape)
	}
	if !ok || size > mostBlockCalls {
		for _, at := range reads {
			f.end(at)
		}
		reads = nil
	}
	if _, fits := f.long(c); !fits {
		return
	}
	joined := &group{shape: shape}
	for _, at := range reads {
		joined.calls = append(joined.calls, f.groups[at].calls...)
		f.groups[at].calls = nil
	}
	joined.calls = append(joined.calls, i)
	slices.Sort(joined.calls)
	f.groups = append(f.groups, joined)
	for _, k := range joined.calls {
		f.of[f.program.Calls[k].Out[0]] = len(f.groups) - 1
	}
}

// end has no more calls join a group.
func (f *grouper) end(at int) {
	for _, k := range f.groups[at].calls {
		f.of[f.program.Calls[k].Out[0]] = notGrouped
	}
}

// long reports whether c may be in a group, and its shape.
func (f *grouper) long(c *Call) (ir.Shape, bool) {
	if _, ok := blockCalls[c.Op]; !ok {
		return nil, false
	}
	t := f.program.Types[c.Out[0]]
	if !t.IsTensor() || t.DType != ir.F32 {
		return nil, false
	}
	n, known := t.Shape.NumElements().Value()
	return t.Shape, known && n >= longBlocks
}

// usersOf are the calls that read each register; results of the program are read by none, -1.
func usersOf(g *Program) [][]int {
	users := make([][]int, len(g.Types))
	for i := range g.Calls {
		for _, r := range g.Calls[i].In {
			if r >= 0 {
				users[r] = append(users[r], i)
			}
		}
	}
	for _, r := range g.Results {
		users[r] = append(users[r], -1)
	}
	return users
}

// call is the Blockwise of the group. Its code is a triple for each call: what it is, and the places of its two operands among those of
// Blockwise and the results before, the first twice where there is one.
func (k *group) call(g *Program, users [][]int) Call {
	last := &g.Calls[k.calls[len(k.calls)-1]]
	out := Call{Op: Blockwise, Loc: last.Loc, Kind: last.Kind}
	inside := map[Reg]int{}
	for n, i := range k.calls {
		inside[g.Calls[i].Out[0]] = n
	}
	for _, i := range k.calls {
		for _, r := range g.Calls[i].In {
			if _, ok := inside[r]; !ok && !slices.Contains(out.In, r) {
				out.In = append(out.In, r)
			}
		}
	}
	place := func(r Reg) ir.Dim {
		if n, ok := inside[r]; ok {
			return ir.Size(int64(len(out.In) + n))
		}
		return ir.Size(int64(slices.Index(out.In, r)))
	}
	var code, results []ir.Dim
	for n, i := range k.calls {
		c := &g.Calls[i]
		code = append(code, ir.Size(blockCalls[c.Op]), place(c.In[0]), place(c.In[len(c.In)-1]))
		if slices.ContainsFunc(users[c.Out[0]], func(u int) bool { return !slices.Contains(k.calls, u) }) {
			out.Out = append(out.Out, c.Out[0])
			results = append(results, ir.Size(int64(n)))
		}
	}
	out.Args = []any{code, results}
	return out
}
