package main

import (
	"math"
	"math/rand/v2"

	"github.com/emilyc/emily/ir"
)

// images are of samples f32[shape] that belong to classes: n of them, class after class.
func images(sample func(r *rand.Rand, class int, x []float32), classes int, shape ...int) func(*rand.Rand, int) (x, labels *ir.Tensor) {
	return func(r *rand.Rand, n int) (x, labels *ir.Tensor) {
		x, labels = ir.NewTensor(ir.F32, append([]int{n}, shape...)...), ir.NewTensor(ir.I64, n)
		size := x.Len() / n
		for i := range n {
			class := i % classes
			ir.View[int64](labels)[i] = int64(class)
			sample(r, class, ir.View[float32](x)[i*size:(i+1)*size])
		}
		return x, labels
	}
}

// spiral is a point of one of two spirals that wind about each other.
func spiral(r *rand.Rand, class int, x []float32) {
	radius := r.Float64()
	angle := 4*radius + math.Pi*float64(class)
	x[0] = float32(radius*math.Cos(angle) + .02*r.NormFloat64())
	x[1] = float32(radius*math.Sin(angle) + .02*r.NormFloat64())
}

// lines is an image of lines that run across, down, or aslant, with noise.
func lines(r *rand.Rand, class int, x []float32) {
	start := r.IntN(3)
	for i := range x {
		across, down := i/8, i%8
		if []int{across, down, across + down}[class]%3 == start {
			x[i] = 1
		}
		x[i] += float32(.2 * r.NormFloat64())
	}
}

// reversed are n sequences of tokens, and as labels the same from the end.
func reversed(r *rand.Rand, n int) (x, labels *ir.Tensor) {
	x, labels = ir.NewTensor(ir.I64, n, length), ir.NewTensor(ir.I64, n, length)
	for i := range n {
		for at := range length {
			token := r.Int64N(vocabulary)
			ir.View[int64](x)[i*length+at] = token
			ir.View[int64](labels)[i*length+length-1-at] = token
		}
	}
	return x, labels
}
