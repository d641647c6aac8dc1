package conformance

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/emilyc/emily/ir"
)

// drawing says whether a case's recorded outputs were drawn by another generator: then any draw of their distribution is right.
type drawing int

const (
	notDrawn  drawing = iota
	drawn             // 1 with the probability that the input says
	otherwise         // 0 with it: the function that Bernoulli stands for tests that the random number is the greater
)

// drawingOf tells the official Bernoulli cases by their names.
func drawingOf(name string) drawing {
	switch {
	case !strings.Contains(name, "test_bernoulli"):
		return notDrawn
	case strings.HasSuffix(name, "_expanded"):
		return otherwise
	}
	return drawn
}

// compareBernoulli holds a draw against the probabilities that it was made of: dtype and shape are those recorded, elements 0 or 1,
// and their sum lies within four standard deviations of what is expected.
func compareBernoulli(name string, how drawing, got, want, probability ir.Datum) *Difference {
	g, ok := got.(*ir.Tensor)
	w, ok2 := want.(*ir.Tensor)
	p, ok3 := probability.(*ir.Tensor)
	if !ok || !ok2 || !ok3 || g.DType != w.DType || !slices.Equal(g.Shape, w.Shape) || g.Len() != p.Len() {
		return &Difference{Output: name, Msg: fmt.Sprintf("got %s, want %s", got.Type(), want.Type())}
	}
	at, chance := func(i int) float64 { return integer(g, i) }, floats(p)
	if g.DType.IsFloat() {
		at = floats(g)
	}
	sum, mean, variance := 0.0, 0.0, 0.0
	for i := range g.Len() {
		if v := at(i); v != 0 && v != 1 {
			return &Difference{Output: name, Msg: fmt.Sprintf("element %d is %g, must be 0 or 1", i, v)}
		}
		q := chance(i)
		if how == otherwise {
			q = 1 - q
		}
		sum, mean, variance = sum+at(i), mean+q, variance+q*(1-q)
	}
	if limit := 4 * math.Sqrt(variance); math.Abs(sum-mean) > limit {
		return &Difference{Output: name, Msg: fmt.Sprintf("%g of %d elements are 1, expected %.3g ± %.3g", sum, g.Len(), mean, limit)}
	}
	return nil
}
