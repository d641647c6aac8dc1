package main

import (
	"fmt"
	"io"
	"math"

	"github.com/emilyc/emily"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

const plotWidth, plotHeight = 16 * vg.Centimeter, 10 * vg.Centimeter

// plotLosses draws the losses of steps from first on as a PNG, which replaces path when all of it is written. Those that are not finite are left out.
func plotLosses(path string, first int, losses []float64) error {
	p := plot.New()
	p.X.Label.Text, p.Y.Label.Text = "step", "loss"
	p.Add(plotter.NewGrid())
	points := finitePoints(first, losses)
	if n := len(losses) - len(points); n > 0 {
		p.Title.Text = fmt.Sprintf("without %d losses that are not finite", n)
	}
	if len(points) > 0 { // a line wants some
		line, err := plotter.NewLine(points)
		if err != nil {
			return err
		}
		p.Add(line)
	}
	canvas := vgimg.New(plotWidth, plotHeight)
	p.Draw(draw.New(canvas))
	return emily.WriteFile(path, func(w io.Writer) error {
		_, err := vgimg.PngCanvas{Canvas: canvas}.WriteTo(w)
		return err
	})
}

func finitePoints(first int, losses []float64) plotter.XYs {
	var points plotter.XYs
	for i, l := range losses {
		if finite(l) {
			points = append(points, plotter.XY{X: float64(first + i), Y: l})
		}
	}
	return points
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
