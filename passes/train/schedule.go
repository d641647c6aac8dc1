package train

import (
	"fmt"
	"math"
)

// Schedule gives the learning rate of a step.
type Schedule struct {
	Rate   float64
	Warmup int  // steps over which the rate rises from Rate/Warmup to Rate
	Steps  int  // all steps, over which a cosine falls
	Cosine bool // half a cosine from Rate to 0 after the warm-up, else the rate is constant (Loshchilov and Hutter 2017)
}

// Check says what is wrong with s.
func (s Schedule) Check() error {
	switch {
	case !(s.Rate >= 0) || math.IsInf(s.Rate, 1):
		return fmt.Errorf("a learning rate of %v: give a number from 0 up", s.Rate)
	case s.Warmup < 0 || s.Cosine && s.Warmup >= s.Steps:
		return fmt.Errorf("%d steps of warm-up among %d steps", s.Warmup, s.Steps)
	}
	return nil
}

// At is the rate of a step, of which 1 is the first.
func (s Schedule) At(step int) float64 {
	switch {
	case step <= s.Warmup:
		return s.Rate * float64(step) / float64(s.Warmup)
	case s.Cosine:
		part := float64(step-1-s.Warmup) / float64(s.Steps-s.Warmup)
		return s.Rate * (1 + math.Cos(math.Pi*min(part, 1))) / 2
	}
	return s.Rate
}
