package jpeg2000

// synthesise undoes the wavelet, T.800 F.3, from the lowest resolution up. scale makes samples of what the code-blocks gave, and lift
// is the transform of a row whose first sample is low or high.
func synthesise[T int32 | float32](rs []*resolution, scale func(v int32, step float32) T, lift func(a []T, high bool)) []T {
	var out []T
	for r, res := range rs {
		w, h := res.area.Dx(), res.area.Dy()
		next := make([]T, w*h)
		if r == 0 {
			for i, v := range res.bands[0].data {
				next[i] = scale(v, res.bands[0].step)
			}
			out = next
			continue
		}
		low := rs[r-1].area
		put := func(x, y int, highX, highY bool, v T) {
			next[(2*y+btoi(highY)-res.area.Min.Y)*w+2*x+btoi(highX)-res.area.Min.X] = v
		}
		for i, v := range out {
			put(low.Min.X+i%low.Dx(), low.Min.Y+i/low.Dx(), false, false, v)
		}
		for _, b := range res.bands {
			for i, v := range b.data {
				put(b.area.Min.X+i%b.area.Dx(), b.area.Min.Y+i/b.area.Dx(), b.highX, b.highY, scale(v, b.step))
			}
		}
		for y := range h {
			lift(next[y*w:(y+1)*w], res.area.Min.X%2 == 1)
		}
		column := make([]T, h)
		for x := range w {
			for y := range column {
				column[y] = next[y*w+x]
			}
			lift(column, res.area.Min.Y%2 == 1)
			for y, v := range column {
				next[y*w+x] = v
			}
		}
		out = next
	}
	return out
}

// step changes each second sample by the sum of its neighbours; at the ends the signal is mirrored.
func step[T int32 | float32](a []T, first int, change func(v, sum T) T) {
	n := len(a)
	for i := first; i < n; i += 2 {
		left, right := i-1, i+1
		if left < 0 {
			left = right
		}
		if right >= n {
			right = left
		}
		a[i] = change(a[i], a[left]+a[right])
	}
}

// lift53 is the reversible transform, T.800 F.3.8.2.1.
func lift53(a []int32, high bool) {
	if len(a) == 1 {
		if high {
			a[0] /= 2
		}
		return
	}
	step(a, btoi(high), func(v, sum int32) int32 { return v - (sum+2)>>2 })
	step(a, 1-btoi(high), func(v, sum int32) int32 { return v + sum>>1 })
}

// Parameters of the transform that is not reversible, T.800 table F.4.
const (
	alpha = -1.586134342059924
	beta  = -0.052980118572961
	gamma = 0.882911075530934
	delta = 0.443506852043971
	scale = 1.230174104914001

	// unscale is 1/scale as OpenJPEG has it, off by 3e-5: images are recorded with that.
	unscale = 1.625732422 / 2
)

// lift97 is the transform that is not reversible, T.800 F.3.8.1.1.
func lift97(a []float32, high bool) {
	if len(a) == 1 {
		if high {
			a[0] /= 2
		}
		return
	}
	even, odd := btoi(high), 1-btoi(high)
	step(a, even, func(v, _ float32) float32 { return v * scale })
	step(a, odd, func(v, _ float32) float32 { return v * unscale })
	by := func(f float32) func(v, sum float32) float32 {
		return func(v, sum float32) float32 { return v - f*sum }
	}
	step(a, even, by(delta))
	step(a, odd, by(gamma))
	step(a, even, by(beta))
	step(a, odd, by(alpha))
}
