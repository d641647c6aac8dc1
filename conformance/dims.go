package conformance

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/emilyc/emily/ir"
)

// Sizes says which sizes the symbols of a function's inputs have.
type Sizes struct {
	Of       map[ir.Dim]int64
	Defaults []ir.Dim // the symbols that nobody named and no fact decided, in order
}

// The sizes that unbound symbols get.
const (
	defaultBatch = 1
	defaultSize  = 8
	maxSearch    = 1 << 12 // how far a size is raised to make a fact true
)

// ChooseSizes gives every symbol in the types of f's inputs a size: the known one where there is one. What f's facts decide follows from them
// (s53 = s0 + s70); of the rest, a leading axis gets 1, any other 8, raised where a fact demands more. A symbol that
// no result's shape speaks of, such as the length of an attention mask over past and present tokens, is made as long as the
// longest symbolic size of inputs and results, so that what indexes it stays inside. It fails where no sizes satisfy the facts.
func ChooseSizes(f *ir.Func, known map[ir.Dim]int64) (*Sizes, error) {
	c := &chooser{f: f, Sizes: Sizes{Of: map[ir.Dim]int64{}}}
	maps.Copy(c.Of, known)
	c.symbols()
	c.facts = slices.Concat(f.Body.Facts.List, indexFacts(f.Body))
	for c.settle(); ; c.settle() {
		s, ok := c.next()
		if !ok {
			break
		}
		c.Of[s] = c.defaultOf(s)
		c.Defaults = append(c.Defaults, s)
	}
	if err := c.satisfy(); err != nil {
		return nil, err
	}
	return &c.Sizes, nil
}

// Shape evaluates a shape.
func (s *Sizes) Shape(shape ir.Shape) ([]int, error) {
	out := make([]int, len(shape))
	for i, d := range shape {
		n, ok := d.Eval(s.Of)
		if !ok || n < 0 {
			return nil, fmt.Errorf("size %s has no value that makes sense (%d): bind its symbols with -d", d, n)
		}
		out[i] = int(n)
	}
	return out, nil
}

// String lists the defaults: batch=1 sequence=8.
func (s *Sizes) String() string {
	parts := make([]string, len(s.Defaults))
	for i, d := range s.Defaults {
		parts[i] = fmt.Sprintf("%s=%d", d, s.Of[d])
	}
	return strings.Join(parts, " ")
}

type chooser struct {
	Sizes
	f     *ir.Func
	facts []ir.Fact
	order []ir.Dim        // the symbols, as inputs mention them; those of the results' shapes first
	sized map[ir.Dim]bool // those of the results' shapes
	batch map[ir.Dim]bool // those that are only ever leading axes
}

func (c *chooser) symbols() {
	c.batch, c.sized = map[ir.Dim]bool{}, map[ir.Dim]bool{}
	for _, out := range c.f.Results() {
		for _, d := range out.Type.Shape {
			d.Symbols(func(s ir.Dim) { c.sized[s] = true })
		}
	}
	for _, in := range c.f.Inputs() {
		for axis, d := range in.Type.Shape {
			d.Symbols(func(s ir.Dim) {
				leading := axis == 0 && in.Rank() > 1
				if !slices.Contains(c.order, s) {
					c.order = append(c.order, s)
					c.batch[s] = leading
				}
				c.batch[s] = c.batch[s] && leading
			})
		}
	}
	slices.SortStableFunc(c.order, func(a, b ir.Dim) int {
		switch {
		case c.sized[a] == c.sized[b]:
			return 0
		case c.sized[a]:
			return -1
		}
		return 1
	})
}

func (c *chooser) defaultOf(s ir.Dim) int64 {
	if c.batch[s] || strings.Contains(strings.ToLower(s.Name()), "batch") {
		return defaultBatch
	}
	if !c.sized[s] {
		return max(defaultSize, c.longest())
	}
	return defaultSize
}

// longest is the greatest symbolic size of the inputs and results, as far as it is known.
func (c *chooser) longest() int64 {
	var n int64
	for _, v := range slices.Concat(c.f.Inputs(), c.f.Results()) {
		for _, d := range v.Type.Shape {
			if size, ok := d.Eval(c.Of); ok && !d.IsConst() {
				n = max(n, size)
			}
		}
	}
	return n
}

// settle derives sizes from equalities until nothing new follows.
func (c *chooser) settle() {
	for changed := true; changed; {
		changed = false
		for _, f := range c.facts {
			if f.Rel == ir.EQ && c.solve(f.A.Sub(f.B)) {
				changed = true
			}
		}
		for _, s := range c.order {
			if _, ok := c.Of[s]; ok {
				continue
			}
			if n, ok := c.f.Body.Reduce(s).Eval(c.Of); ok {
				c.Of[s], changed = n, true
			}
		}
	}
}

// solve finds the one unbound symbol of diff = 0 where it stands alone with coefficient ±1.
func (c *chooser) solve(diff ir.Dim) bool {
	var unbound []ir.Dim
	diff.Symbols(func(s ir.Dim) {
		if _, ok := c.Of[s]; !ok && !slices.Contains(unbound, s) {
			unbound = append(unbound, s)
		}
	})
	if len(unbound) != 1 {
		return false
	}
	s := unbound[0]
	at := func(n int64) (int64, bool) {
		c.Of[s] = n
		v, ok := diff.Eval(c.Of)
		delete(c.Of, s)
		return v, ok
	}
	zero, ok0 := at(0)
	one, ok1 := at(1)
	slope := one - zero
	if !ok0 || !ok1 || slope == 0 || zero%slope != 0 || -zero/slope < 0 {
		return false
	}
	n := -zero / slope
	if v, ok := at(n); !ok || v != 0 {
		return false
	}
	c.Of[s] = n
	return true
}

// next is the next symbol to get a default: first one that the facts' solutions speak of, so that the others follow from it.
func (c *chooser) next() (ir.Dim, bool) {
	for _, s := range c.order {
		if _, ok := c.Of[s]; ok {
			continue
		}
		free := s
		c.f.Body.Reduce(s).Symbols(func(t ir.Dim) {
			if _, ok := c.Of[t]; !ok && slices.Contains(c.order, t) {
				free = t
			}
		})
		return free, true
	}
	return ir.Dim{}, false
}

// satisfy raises defaults until the facts hold.
func (c *chooser) satisfy() error {
	var broken ir.Fact
	for range 8 {
		ok := true
		for _, f := range c.facts {
			if holds, known := f.Holds(c.Of); known && !holds {
				broken, ok = f, false
				c.search(f)
			}
		}
		if ok {
			return nil
		}
	}
	return &ir.Error{
		Kind: ir.ShapeError, Loc: c.location(broken.Loc),
		Msg:    fmt.Sprintf("no sizes found with %s %s %s (%s)", broken.A, broken.Rel, broken.B, c.text()),
		Remedy: "bind dimensions with -d name=N",
	}
}

func (c *chooser) location(id ir.LocID) ir.Loc {
	if locs := c.f.Module.Locs; int(id) < len(locs) {
		return locs[id]
	}
	return ir.Loc{}
}

// search sets one of the defaults that f speaks of to the least size that makes f true, and derives
// again what followed from it.
func (c *chooser) search(f ir.Fact) {
	for _, s := range c.Defaults {
		old := c.Of[s]
		for n := old; n <= maxSearch; n++ {
			c.Of[s] = n
			if holds, _ := f.Holds(c.Of); holds {
				c.derive()
				return
			}
		}
		c.Of[s] = old
	}
}

// derive computes anew everything that is neither given nor a default.
func (c *chooser) derive() {
	for _, s := range c.order {
		if slices.Contains(c.Defaults, s) {
			continue
		}
		if d := c.f.Body.Reduce(s); d != s {
			if n, ok := d.Eval(c.Of); ok {
				c.Of[s] = n
			}
		}
	}
}

func (c *chooser) text() string {
	parts := make([]string, len(c.order))
	for i, s := range c.order {
		parts[i] = fmt.Sprintf("%s=%d", s, c.Of[s])
	}
	return strings.Join(parts, " ")
}
