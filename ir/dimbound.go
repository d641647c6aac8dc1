package ir

import (
	"math"
	"slices"
)

// maxBound is the largest finite bound: what is proved beyond it is weakened, so that sums of bounds fit.
const maxBound = 1 << 61

// bounds weakens lo and hi to within maxBound; past it on the far side there is no bound.
func bounds(lo, hi int64) (int64, int64) {
	switch {
	case lo > maxBound:
		lo = maxBound
	case lo < -maxBound:
		lo = math.MinInt64
	}
	switch {
	case hi < -maxBound:
		hi = -maxBound
	case hi > maxBound:
		hi = math.MaxInt64
	}
	return lo, hi
}

// sumBounds adds the bounds of terms, where atoms are bounded by their own and products only from 0 up.
func sumBounds(terms []term) (lo, hi int64) {
	for _, t := range terms {
		tl, th := termBounds(t)
		lo, hi = bounds(addBound(lo, tl, math.MinInt64), addBound(hi, th, math.MaxInt64))
	}
	return lo, hi
}

// addBound is a + b where neither is none, which stands for the absence of a bound.
func addBound(a, b, none int64) int64 {
	if a == none || b == none {
		return none
	}
	return a + b
}

func termBounds(t term) (lo, hi int64) {
	lo, hi = 1, 1
	for _, a := range t.atoms {
		if a.lo < 0 && len(t.atoms) > 1 {
			return math.MinInt64, math.MaxInt64
		}
		lo, hi = bounds(satMul(lo, a.lo), satMul(hi, a.hi))
	}
	lo, hi = satMul(lo, t.coef), satMul(hi, t.coef)
	return bounds(min(lo, hi), max(lo, hi))
}

// satMul treats the extremes as infinities.
func satMul(a, b int64) int64 {
	if p, ok := mulInt(a, b); ok && a != math.MinInt64 && b != math.MinInt64 && a != math.MaxInt64 && b != math.MaxInt64 {
		return p
	}
	switch {
	case a == 0 || b == 0:
		return 0
	case (a < 0) == (b < 0):
		return math.MaxInt64
	}
	return math.MinInt64
}

// AtMost reports whether a ≤ b can be proved from the bounds of symbols.
func (a Dim) AtMost(b Dim) bool { return atMost(a, b, 0) }

// maxProof bounds how deep a proof looks into minima and maxima.
const maxProof = 4

func atMost(a, b Dim, depth int) bool {
	if a == Unknown || b == Unknown {
		return false
	}
	if a.x == nil && b.x == nil {
		return a.n <= b.n
	}
	if lo, _ := b.Sub(a).Bounds(); lo >= 0 {
		return true
	}
	if depth >= maxProof {
		return false
	}
	some := func(args []Dim, f func(Dim) bool) bool { return slices.ContainsFunc(args, f) }
	below := func(x Dim) bool { return atMost(x, b, depth+1) }
	above := func(x Dim) bool { return atMost(a, x, depth+1) }
	switch {
	case a.Op() == DimMin && some(a.Args(), below), b.Op() == DimMax && some(b.Args(), above):
		return true
	case a.Op() == DimMax:
		return below(a.Args()[0]) && below(a.Args()[1])
	case b.Op() == DimMin:
		return above(b.Args()[0]) && above(b.Args()[1])
	}
	return false
}

// Bounds are the least and greatest value that d can be proved to have.
func (d Dim) Bounds() (lo, hi int64) {
	if d.x == nil {
		return d.n, d.n
	}
	return d.x.lo, d.x.hi
}

func functionBounds(op DimOp, a, b Dim) (lo, hi int64) {
	alo, ahi := bounds(a.Bounds())
	blo, bhi := bounds(b.Bounds())
	switch {
	case op == DimMin:
		return min(alo, blo), min(ahi, bhi)
	case op == DimMax:
		return max(alo, blo), max(ahi, bhi)
	case blo <= 0:
		return math.MinInt64, math.MaxInt64
	case op == DimMod && bhi == math.MaxInt64:
		return 0, bhi
	case op == DimMod:
		return 0, bhi - 1
	}
	return quotientBound(alo, bhi, blo, math.MinInt64), quotientBound(ahi, blo, bhi, math.MaxInt64)
}

// quotientBound divides one bound of a dividend by the positive divisor that gives the weakest bound: up where the
// dividend is not negative, down where it is. The extremes are infinities; none is what no bound is.
func quotientBound(n, up, down, none int64) int64 {
	d := up
	if n < 0 {
		d = down
	}
	switch {
	case n == none:
		return none
	case d == math.MaxInt64 && n < 0:
		return -1
	case d == math.MaxInt64:
		return 0
	}
	return floorDivInt(n, d)
}
