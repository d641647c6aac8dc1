package ir

import (
	"cmp"
	"slices"
	"strings"
)

// Relation is what a Fact states of its two sides.
type Relation uint8

// The relations.
const (
	EQ      Relation = iota // A = B
	LE                      // A ≤ B
	Divides                 // A divides B
)

var relations = [...]string{"eq", "le", "divides"}

func (r Relation) String() string { return relations[r] }

// Fact is something about sizes that inference relied on without a proof. Facts are checked when inputs are
// bound; a violated one is a ShapeError at Loc.
type Fact struct {
	Rel  Relation
	A, B Dim
	Loc  LocID
}

// Facts are the facts that hold in a region and in the regions inside it. What a conditional body relies on
// does not hold outside of it.
type Facts struct {
	List  []Fact
	seen  map[Fact]bool
	subst map[Dim]Dim // atom → what it equals, from EQ facts
	open  []Fact      // those that no substitution says in full
}

// Holds reports whether the fact is true for the sizes in env, and whether env decides it at all.
func (f Fact) Holds(env map[Dim]int64) (holds, known bool) {
	a, okA := f.A.Eval(env)
	b, okB := f.B.Eval(env)
	if !okA || !okB {
		return false, false
	}
	switch f.Rel {
	case EQ:
		return a == b, true
	case LE:
		return a <= b, true
	}
	return a != 0 && b%a == 0 || a == 0 && b == 0, true
}

// Reduce rewrites d by the equalities known in r and the regions around it.
func (r *Region) Reduce(d Dim) Dim {
	if d.IsConst() || d == Unknown {
		return d
	}
	done := map[Dim]Dim{}
	for range maxRounds {
		e := r.reduce(d, done, 0)
		if e == d {
			break
		}
		d = e
		for atom := range done { // is replaced in one round only: facts of an inner and an outer region may run in circles
			done[atom] = atom
		}
	}
	return d
}

// maxRounds bounds how often functions of replaced atoms are looked up again, maxChain how many equalities follow one another.
const (
	maxRounds = 8
	maxChain  = 256
)

// reduce replaces the atoms of d by what they are equal to, itself reduced; done has what was replaced so far.
func (r *Region) reduce(d Dim, done map[Dim]Dim, depth int) Dim {
	if depth > maxChain {
		return d
	}
	e := d.Subst(func(atom Dim) (Dim, bool) {
		if to, ok := done[atom]; ok {
			return to, true
		}
		to, ok := r.equal(atom)
		if !ok {
			return Dim{}, false
		}
		done[atom] = atom
		done[atom] = r.reduce(to, done, depth+1)
		return done[atom], true
	})
	if e == Unknown { // too large to write
		return d
	}
	return e
}

func (r *Region) equal(atom Dim) (Dim, bool) {
	for s := r; s != nil; s = s.enclosing() {
		if d, ok := s.Facts.subst[atom]; ok {
			return d, true
		}
	}
	return Dim{}, false
}

// SameDim reports whether a = b follows from the normal form and the facts.
func (r *Region) SameDim(a, b Dim) bool {
	return a == b || r.Reduce(a) == r.Reduce(b)
}

// SameType is Type.Equal under the facts.
func (r *Region) SameType(a, b Type) bool { return a.equal(b, r.SameDim) }

// Implied reports whether f follows from what r knows, or its opposite does.
func (r *Region) Implied(f Fact) (proved, refuted bool) {
	for s := r; s != nil; s = s.enclosing() {
		if s.Facts.seen[f.key()] {
			return true, false
		}
	}
	a, b := r.Reduce(f.A), r.Reduce(f.B)
	switch f.Rel {
	case EQ:
		diff := a.Sub(b)
		lo, hi := diff.Bounds()
		return diff.Is(0) || r.recorded(EQ, a, b), lo > 0 || hi < 0
	case LE:
		return a.AtMost(b) || r.Reduce(a.Max(b)) == b || r.recorded(LE, a, b), b.Add(Size(1)).AtMost(a)
	}
	if _, ok := b.ExactDiv(a); ok || r.recorded(Divides, a, b) {
		return true, false
	}
	na, okA := a.Value()
	nb, okB := b.Value()
	return false, okA && okB && (na == 0 && nb != 0 || na != 0 && nb%na != 0)
}

// recorded reports whether a fact says so of sizes that were reduced to a and b since.
func (r *Region) recorded(rel Relation, a, b Dim) bool {
	for s := r; s != nil; s = s.enclosing() {
		for _, f := range s.Facts.open {
			if f.Rel == rel && r.Reduce(f.A) == a && r.Reduce(f.B) == b {
				return true
			}
		}
	}
	return false
}

// Assume records a fact where it is not implied, and returns false where it cannot be true.
func (r *Region) Assume(f Fact) bool {
	proved, refuted := r.Implied(f)
	if !proved && !refuted {
		r.AddFact(f)
	}
	return !refuted
}

// AddFact records a fact without asking whether it follows from others.
func (r *Region) AddFact(f Fact) {
	r.Facts.List = append(r.Facts.List, f)
	if r.Facts.seen == nil {
		r.Facts.seen, r.Facts.subst = map[Fact]bool{}, map[Dim]Dim{}
	}
	r.Facts.seen[f.key()] = true
	a, b := r.Reduce(f.A), r.Reduce(f.B)
	if f.Rel == EQ && r.learn(a.Sub(b)) {
		return
	}
	if f.Rel == LE {
		r.learnLE(a, b)
	}
	r.Facts.open = append(r.Facts.open, f)
}

// key is f without its location.
func (f Fact) key() Fact {
	f.Loc = 0
	return f
}

// learn solves diff = 0 for one of its atoms, where one occurs alone with coefficient ±1.
func (r *Region) learn(diff Dim) bool {
	if diff == Unknown {
		return false
	}
	var best candidate
	for _, t := range diff.Terms() {
		if len(t.Factors) != 1 || t.Coef != 1 && t.Coef != -1 || occursElsewhere(diff, t.Factors[0]) {
			continue
		}
		atom := t.Factors[0]
		c := candidate{atom, Size(-t.Coef).Mul(diff.Sub(Size(t.Coef).Mul(atom)))}
		if c.is != Unknown && (best.atom.IsConst() || best.worse(c)) {
			best = c
		}
	}
	if best.atom.IsConst() {
		return false
	}
	r.equate(best.atom, best.is)
	return true
}

// candidate is an atom that could be eliminated, and what it is equal to.
type candidate struct{ atom, is Dim }

// worse reports whether d is the better elimination: one that keeps the knowledge that sizes are not negative
// (s53 = s0 + s70, not s70 = s53 - s0), then of a symbol for a run-time size, then of a function before a symbol, then
// of the symbol named later.
func (c candidate) worse(d candidate) bool {
	lc, _ := c.is.Bounds()
	ld, _ := d.is.Bounds()
	if (lc >= 0) != (ld >= 0) {
		return ld >= 0
	}
	if fc, fd := isFresh(c.atom), isFresh(d.atom); fc != fd {
		return fd
	}
	if fc, fd := c.atom.Op() != DimSym, d.atom.Op() != DimSym; fc != fd {
		return fd
	}
	return compareNames(c.atom.String(), d.atom.String()) < 0
}

// isFresh reports whether d has a name that Func.Fresh makes.
func isFresh(d Dim) bool {
	digits, ok := strings.CutPrefix(d.Name(), "u")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// learnLE notes that min(a, b) is a and max(a, b) is b.
func (r *Region) learnLE(a, b Dim) {
	if m := a.Min(b); m.Op() == DimMin {
		r.equate(m, a)
	}
	if m := a.Max(b); m.Op() == DimMax {
		r.equate(m, b)
	}
}

func (r *Region) equate(atom, d Dim) { r.Facts.subst[atom] = d }

// compareNames orders s9 before s10.
func compareNames(a, b string) int {
	return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b))
}

func occursElsewhere(d, atom Dim) bool {
	n := 0
	for _, t := range d.Terms() {
		for _, f := range t.Factors {
			if f == atom || f.Op() != DimSym && mentions(f, atom) {
				n++
			}
		}
	}
	return n > 1
}

func mentions(d, atom Dim) bool {
	return slices.ContainsFunc(d.Args(), func(a Dim) bool {
		found := false
		a.Subst(func(x Dim) (Dim, bool) {
			found = found || x == atom
			return x, x == atom
		})
		return found
	})
}
