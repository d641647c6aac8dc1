package main

import (
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"testing"
)

// A straight fall has ink in the upper left and the lower right, and none in the other corners; what cannot be drawn is left out.
func TestPlotLosses(t *testing.T) {
	falling := make([]float64, 100)
	for i := range falling {
		falling[i] = float64(100 - i)
	}
	img := plotted(t, 1, falling)
	size := img.Bounds().Size()
	corner := func(x, y int) bool { // one of the four, away from the axes
		at := image.Pt(size.X*(1+2*x)/5, size.Y*(1+2*y)/5)
		return black(img, image.Rectangle{at, at.Add(size.Div(5))}) > 0
	}
	if got, want := [2][2]bool{{corner(0, 0), corner(1, 0)}, {corner(0, 1), corner(1, 1)}}, [2][2]bool{{true, false}, {false, true}}; got != want {
		t.Errorf("lines in the corners: %v, want %v", got, want)
	}
	for name, losses := range map[string][]float64{
		"none": nil, "one": {3}, "equal": {2, 2, 2}, "nan": {math.NaN()}, "some": {1, math.Inf(1), .5}, "huge": {math.MaxFloat32, 0},
	} {
		t.Run(name, func(t *testing.T) { plotted(t, 7, losses) })
	}
	if n := len(finitePoints(7, []float64{1, math.NaN(), math.Inf(-1), 2})); n != 2 {
		t.Errorf("%d finite points, want 2", n)
	}
}

// black counts the pixels of lines and text in r.
func black(img image.Image, r image.Rectangle) int {
	n := 0
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			if color.GrayModel.Convert(img.At(x, y)).(color.Gray).Y < 64 {
				n++
			}
		}
	}
	return n
}

func plotted(t *testing.T, first int, losses []float64) image.Image {
	t.Helper()
	path := filepath.Join(t.TempDir(), "loss.png")
	if err := plotLosses(path, first, losses); err != nil {
		t.Fatal(err)
	}
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	img, err := png.Decode(file)
	if err != nil {
		t.Fatal(err)
	}
	return img
}
