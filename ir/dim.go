package ir

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Dim is an integer known now or an expression over named symbols, such as batch or s0 + s70. Expressions
// are normalised to sums of products of atoms and hash-consed, so that == is algebraic equality as far as
// the normal form sees it. Symbols stand for sizes: they are never negative. The zero Dim is the size 0.
//
// A Dim serves both as a size in a Shape and as a symbolic element of a small integer tensor (Value.Sym),
// where it may be negative or Unknown.
type Dim struct {
	n int64
	x *expr
}

// expr is an interned expression: a polynomial, or one atom.
type expr struct {
	key   string // canonical text, also the identity
	op    DimOp
	name  string // of a symbol
	args  []Dim  // of an opaque function
	terms []term // of a polynomial, sorted by monomial key; the constant term is last
	lo    int64  // lower bound, math.MinInt64 when there is none
	hi    int64  // upper bound, math.MaxInt64 when there is none
}

// term is coef × atoms; no atoms make a constant.
type term struct {
	coef  int64
	atoms []*expr // sorted by key, repeated for powers
}

// DimOp is the outermost form of a Dim.
type DimOp uint8

// The forms of a Dim. Div and Mod round towards minus infinity.
const (
	DimConst DimOp = iota
	DimSym
	DimSum
	DimDiv
	DimMod
	DimMin
	DimMax
	DimUnknown
)

var dimFuncs = [...]string{DimDiv: "floordiv", DimMod: "mod", DimMin: "min", DimMax: "max"}

// The interner lives as long as the process: the number of distinct expressions of the models that a
// process loads is small beside the models.
var interner = struct {
	sync.RWMutex
	m map[string]*expr
}{m: map[string]*expr{}}

func intern(key string, make func() *expr) *expr {
	interner.RLock()
	e := interner.m[key]
	interner.RUnlock()
	if e != nil {
		return e
	}
	e = make()
	e.key = key
	interner.Lock()
	defer interner.Unlock()
	if old := interner.m[key]; old != nil {
		return old
	}
	interner.m[key] = e
	return e
}

// Unknown is a symbolic element whose value is not known at compile time. It is no size.
var Unknown = Dim{x: &expr{key: "?", op: DimUnknown, lo: math.MinInt64, hi: math.MaxInt64}}

// Size is the Dim of a known integer.
func Size(n int64) Dim { return Dim{n: n} }

// Sym is the symbol of that name. Names that are not identifiers are quoted in the text form.
func Sym(name string) Dim {
	key := name
	if !isIdent(name) || slices.Contains(dimFuncs[:], name) {
		key = strconv.Quote(name)
	}
	return Dim{x: intern(key, func() *expr {
		return &expr{op: DimSym, name: name, lo: 0, hi: math.MaxInt64}
	})}
}

func isIdent(s string) bool { return s != "" && identLen(s) == len(s) }

// identLen is the length of the identifier that s begins with, 0 where there is none.
func identLen(s string) int {
	for i := range len(s) {
		c := s[i]
		first := c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z'
		if !first && (i == 0 || c != '.' && c != '#' && (c < '0' || c > '9')) {
			return i
		}
	}
	return len(s)
}

// Value is the integer that d is, and false when d is symbolic.
func (d Dim) Value() (int64, bool) { return d.n, d.x == nil }

// IsConst reports whether d is a known integer.
func (d Dim) IsConst() bool { return d.x == nil }

// Is reports whether d is the known integer n.
func (d Dim) Is(n int64) bool { return d.x == nil && d.n == n }

// Op is the outermost form of d, for those who walk it with Args, Name and Terms.
func (d Dim) Op() DimOp {
	if d.x == nil {
		return DimConst
	}
	return d.x.op
}

// Name is the name of a symbol.
func (d Dim) Name() string {
	if d.x == nil {
		return ""
	}
	return d.x.name
}

// Args are the two operands of a DimDiv, DimMod, DimMin or DimMax.
func (d Dim) Args() []Dim {
	if d.x == nil {
		return nil
	}
	return d.x.args
}

// Term is one product of a DimSum: Coef times its Factors, which are symbols or functions.
type Term struct {
	Coef    int64
	Factors []Dim
}

// Terms are the products that add up to d, for every form of d.
func (d Dim) Terms() []Term {
	var out []Term
	for _, t := range d.poly() {
		u := Term{Coef: t.coef}
		for _, a := range t.atoms {
			u.Factors = append(u.Factors, Dim{x: a})
		}
		out = append(out, u)
	}
	return out
}

func (d Dim) String() string {
	if d.x == nil {
		return strconv.FormatInt(d.n, 10)
	}
	return d.x.key
}

// poly is d as a sum of terms, the zero Dim as none.
func (d Dim) poly() []term {
	switch {
	case d.x == nil && d.n == 0:
		return nil
	case d.x == nil:
		return []term{{coef: d.n}}
	case d.x.op == DimSum:
		return d.x.terms
	}
	return []term{{1, []*expr{d.x}}}
}

func compareAtoms(a, b []*expr) int {
	if len(a) == 0 || len(b) == 0 { // constants last
		return len(b) - len(a)
	}
	return slices.CompareFunc(a, b, func(x, y *expr) int { return strings.Compare(x.key, y.key) })
}

// maxTerms and maxKey bound the size of an expression; past them the value counts as unknown.
const (
	maxTerms = 64
	maxKey   = 4096
)

// normal makes the Dim of a sum of terms: Unknown where a coefficient overflows or the sum is too large.
func normal(terms []term) Dim {
	slices.SortStableFunc(terms, func(a, b term) int { return compareAtoms(a.atoms, b.atoms) })
	out := terms[:0]
	for _, t := range terms {
		if n := len(out); n > 0 && compareAtoms(out[n-1].atoms, t.atoms) == 0 {
			s, ok := addInt(out[n-1].coef, t.coef)
			if !ok {
				return Unknown
			}
			out[n-1].coef = s
			continue
		}
		out = append(out, t)
	}
	out = slices.DeleteFunc(out, func(t term) bool { return t.coef == 0 })
	switch {
	case len(out) == 0:
		return Dim{}
	case len(out) == 1 && len(out[0].atoms) == 0:
		return Size(out[0].coef)
	case len(out) == 1 && out[0].coef == 1 && len(out[0].atoms) == 1:
		return Dim{x: out[0].atoms[0]}
	}
	tooSmall := func(t term) bool { return t.coef == math.MinInt64 } // has no absolute value
	if len(out) > maxTerms || slices.ContainsFunc(out, tooSmall) {
		return Unknown
	}
	kept := slices.Clone(out)
	key := sumKey(kept)
	if len(key) > maxKey {
		return Unknown
	}
	return Dim{x: intern(key, func() *expr {
		lo, hi := sumBounds(kept)
		return &expr{op: DimSum, terms: kept, lo: lo, hi: hi}
	})}
}

func sumKey(terms []term) string {
	var b strings.Builder
	for i, t := range terms {
		c := t.coef
		switch {
		case i > 0 && c < 0:
			b.WriteString(" - ")
			c = -c
		case i > 0:
			b.WriteString(" + ")
		}
		var parts []string
		if c != 1 || len(t.atoms) == 0 {
			parts = append(parts, strconv.FormatInt(c, 10))
		}
		for _, a := range t.atoms {
			parts = append(parts, a.key)
		}
		b.WriteString(strings.Join(parts, "*"))
	}
	return b.String()
}

func addInt(a, b int64) (int64, bool) {
	s := a + b
	return s, (s > a) == (b > 0)
}

func mulInt(a, b int64) (int64, bool) {
	if a == 0 || b == 0 {
		return 0, true
	}
	h, l := bits.Mul64(absU(a), absU(b))
	if h != 0 || l > math.MaxInt64 {
		return 0, false
	}
	return a * b, true
}

func absU(a int64) uint64 {
	if a < 0 {
		return -uint64(a)
	}
	return uint64(a)
}

// Add is a + b. An overflow of constants gives Unknown.
func (a Dim) Add(b Dim) Dim {
	if a.x == nil && b.x == nil {
		if s, ok := addInt(a.n, b.n); ok {
			return Size(s)
		}
		return Unknown
	}
	if a == Unknown || b == Unknown {
		return Unknown
	}
	return normal(append(slices.Clone(a.poly()), b.poly()...))
}

// Sub is a - b.
func (a Dim) Sub(b Dim) Dim { return a.Add(Size(-1).Mul(b)) }

// Mul is a × b.
func (a Dim) Mul(b Dim) Dim {
	if a.x == nil && b.x == nil {
		if p, ok := mulInt(a.n, b.n); ok {
			return Size(p)
		}
		return Unknown
	}
	if a.Is(0) || b.Is(0) {
		return Dim{}
	}
	if a == Unknown || b == Unknown {
		return Unknown
	}
	if a.Is(1) {
		return b
	}
	if b.Is(1) {
		return a
	}
	pa, pb := a.poly(), b.poly()
	if len(pa)*len(pb) > maxTerms {
		return Unknown
	}
	var out []term
	for _, s := range pa {
		for _, t := range pb {
			c, ok := mulInt(s.coef, t.coef)
			if !ok || len(s.atoms)+len(t.atoms) > maxTerms {
				return Unknown
			}
			atoms := append(slices.Clone(s.atoms), t.atoms...)
			slices.SortFunc(atoms, func(x, y *expr) int { return strings.Compare(x.key, y.key) })
			out = append(out, term{c, atoms})
		}
	}
	return normal(out)
}

func floorDivInt(a, b int64) int64 {
	q := a / b
	if a%b != 0 && (a < 0) != (b < 0) {
		q--
	}
	return q
}

// FloorDiv is a / b rounded towards minus infinity; division by a known 0 gives Unknown.
func (a Dim) FloorDiv(b Dim) Dim {
	if a == Unknown || b == Unknown || b.Is(0) {
		return Unknown
	}
	if b.Is(1) {
		return a
	}
	if a.x == nil && b.x == nil {
		if a.n == math.MinInt64 && b.n == -1 {
			return Unknown
		}
		return Size(floorDivInt(a.n, b.n))
	}
	if q, ok := a.ExactDiv(b); ok {
		return q
	}
	if n, ok := b.Value(); ok && n > 0 { // take out what divides: (n*q + r) / n = q + r/n
		var whole, rest []term
		for _, t := range a.poly() {
			if t.coef%n == 0 {
				whole = append(whole, term{t.coef / n, t.atoms})
			} else {
				rest = append(rest, t)
			}
		}
		if len(whole) > 0 {
			return normal(whole).Add(normal(rest).FloorDiv(b))
		}
		if lo, hi := a.Bounds(); lo >= 0 && hi < n {
			return Dim{}
		}
	}
	if g := gcd(content(a), content(b)); g > 1 {
		return a.over(g).FloorDiv(b.over(g))
	}
	return function(DimDiv, a, b)
}

// content is the greatest common divisor of the coefficients of d.
func content(d Dim) int64 {
	var g int64
	for _, t := range d.poly() {
		g = gcd(g, t.coef)
	}
	return g
}

// gcd is 0 or positive, but for the least integer, whose coefficients stay as they are.
func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return max(a, -a)
}

// over divides every coefficient by g, which divides them all.
func (d Dim) over(g int64) Dim {
	out := slices.Clone(d.poly())
	for i := range out {
		out[i].coef /= g
	}
	return normal(out)
}

// ExactDiv is a / b where b is a factor of a: the quotient of polynomials without a remainder.
func (a Dim) ExactDiv(b Dim) (Dim, bool) {
	if a == Unknown || b == Unknown || b.Is(0) {
		return Dim{}, false
	}
	lead := leading(b.poly())
	quotient, rest := Dim{}, a
	for range maxTerms {
		if rest.Is(0) {
			return quotient, true
		}
		q, ok := divideTerm(leading(rest.poly()), lead)
		if !ok {
			return Dim{}, false
		}
		quotient, rest = quotient.Add(q), rest.Sub(q.Mul(b))
		if rest == Unknown || quotient == Unknown {
			return Dim{}, false
		}
	}
	return Dim{}, false
}

// leading is the term of the highest degree, and among those the first by its atoms: a graded monomial order, which
// polynomial division needs to end.
func leading(p []term) term {
	return slices.MinFunc(p, func(s, t term) int {
		if len(s.atoms) != len(t.atoms) {
			return len(t.atoms) - len(s.atoms)
		}
		return compareAtoms(s.atoms, t.atoms)
	})
}

func divideTerm(t, by term) (Dim, bool) {
	if t.coef%by.coef != 0 || t.coef == math.MinInt64 && by.coef == -1 {
		return Dim{}, false
	}
	atoms := slices.Clone(t.atoms)
	for _, f := range by.atoms {
		i := slices.Index(atoms, f)
		if i < 0 {
			return Dim{}, false
		}
		atoms = slices.Delete(atoms, i, i+1)
	}
	return normal([]term{{t.coef / by.coef, atoms}}), true
}

// Mod is a - b × a.FloorDiv(b).
func (a Dim) Mod(b Dim) Dim {
	if a == Unknown || b == Unknown || b.Is(0) {
		return Unknown
	}
	if a.x == nil && b.x == nil {
		return Size(a.n - b.n*floorDivInt(a.n, b.n))
	}
	if _, ok := a.ExactDiv(b); ok {
		return Dim{}
	}
	return function(DimMod, a, b)
}

// CeilDiv is a / b rounded towards plus infinity, for a positive b.
func (a Dim) CeilDiv(b Dim) Dim {
	if a.x == nil && b.x == nil && b.n > 0 && a.n > 0 {
		return Size((a.n-1)/b.n + 1) // no overflow
	}
	return a.Add(b.Sub(Size(1))).FloorDiv(b)
}

// Min is the smaller of a and b.
func (a Dim) Min(b Dim) Dim {
	switch {
	case a == Unknown || b == Unknown:
		return Unknown
	case a.AtMost(b):
		return a
	case b.AtMost(a):
		return b
	}
	return function(DimMin, a, b)
}

// Max is the larger of a and b.
func (a Dim) Max(b Dim) Dim {
	switch {
	case a == Unknown || b == Unknown:
		return Unknown
	case a.AtMost(b):
		return b
	case b.AtMost(a):
		return a
	}
	return function(DimMax, a, b)
}

func function(op DimOp, a, b Dim) Dim {
	if (op == DimMin || op == DimMax) && b.String() < a.String() {
		a, b = b, a
	}
	key := fmt.Sprintf("%s(%s, %s)", dimFuncs[op], a, b)
	if len(key) > maxKey {
		return Unknown
	}
	return Dim{x: intern(key, func() *expr {
		lo, hi := functionBounds(op, a, b)
		return &expr{op: op, args: []Dim{a, b}, lo: lo, hi: hi}
	})}
}

// Symbols calls visit for every symbol in d, more than once where it occurs more than once.
func (d Dim) Symbols(visit func(Dim)) {
	if d.x == nil {
		return
	}
	switch d.x.op {
	case DimSym:
		visit(d)
	case DimSum:
		for _, t := range d.x.terms {
			for _, a := range t.atoms {
				Dim{x: a}.Symbols(visit)
			}
		}
	default:
		for _, a := range d.x.args {
			a.Symbols(visit)
		}
	}
}

// Subst replaces atoms (symbols and functions) of d by what f gives for them, and normalises again.
// f reports false to leave an atom; a function that is left has its operands replaced.
func (d Dim) Subst(f func(atom Dim) (Dim, bool)) Dim {
	if d.x == nil || d == Unknown {
		return d
	}
	if d.x.op != DimSum {
		return Dim{x: d.x}.substAtom(f)
	}
	sum := Dim{}
	for _, t := range d.x.terms {
		p := Size(t.coef)
		for _, a := range t.atoms {
			p = p.Mul(Dim{x: a}.substAtom(f))
		}
		sum = sum.Add(p)
	}
	return sum
}

func (d Dim) substAtom(f func(Dim) (Dim, bool)) Dim {
	if r, ok := f(d); ok {
		return r
	}
	if d.x.op == DimSym {
		return d
	}
	a, b := d.x.args[0].Subst(f), d.x.args[1].Subst(f)
	if a == d.x.args[0] && b == d.x.args[1] {
		return d
	}
	return Apply(d.x.op, a, b)
}

// Apply builds the Dim of a binary form.
func Apply(op DimOp, a, b Dim) Dim {
	switch op {
	case DimDiv:
		return a.FloorDiv(b)
	case DimMod:
		return a.Mod(b)
	case DimMin:
		return a.Min(b)
	case DimMax:
		return a.Max(b)
	}
	return Unknown
}

// Eval is the value of d where every symbol has one; ok is false otherwise, and on overflow or division by 0.
func (d Dim) Eval(env map[Dim]int64) (int64, bool) {
	r := d.Subst(func(a Dim) (Dim, bool) {
		n, ok := env[a]
		return Size(n), ok
	})
	return r.Value()
}
