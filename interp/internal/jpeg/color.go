package jpeg

import "image"

// image puts the planes together.
func (d *decoder) image() (image.Image, error) {
	bounds := image.Rect(0, 0, d.width, d.height)
	rows := make([][]uint8, len(d.comps))
	for i := range rows {
		rows[i] = make([]uint8, d.width)
	}
	var pix []uint8
	var out image.Image
	var put func(p []uint8, x int)
	switch len(d.comps) {
	case 1:
		img := image.NewGray(bounds)
		pix, out = img.Pix, img
		put = func(p []uint8, x int) { p[x] = rows[0][x] }
	case 3:
		img := image.NewNRGBA(bounds)
		pix, out = img.Pix, img
		convert := d.rgb()
		put = func(p []uint8, x int) {
			r, g, b := convert(rows[0][x], rows[1][x], rows[2][x])
			copy(p[4*x:], []uint8{r, g, b, 255})
		}
	default:
		img := image.NewCMYK(bounds)
		pix, out = img.Pix, img
		put = d.cmyk(rows)
	}
	stride := len(pix) / d.height
	for y := range d.height {
		for i, c := range d.comps {
			d.row(rows[i], c, y)
		}
		for x := range d.width {
			put(pix[y*stride:], x)
		}
	}
	return out, nil
}

// rgb is the conversion of three components, which libjpeg chooses by the markers, else by the names of the components.
func (d *decoder) rgb() func(a, b, c uint8) (uint8, uint8, uint8) {
	c := d.comps
	named := c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B'
	if !d.jfif && (d.adobe && d.adobeTransform == 0 || !d.adobe && named) {
		return func(r, g, b uint8) (uint8, uint8, uint8) { return r, g, b }
	}
	return toRGB
}

// toRGB: ITU-T T.871, with 16 bits after the point.
func toRGB(luma, cb, cr uint8) (uint8, uint8, uint8) {
	y, b, r := int32(luma), int32(cb)-128, int32(cr)-128
	return clamp8(y + (91881*r+1<<15)>>16),
		clamp8(y + (-22554*b-46802*r+1<<15)>>16),
		clamp8(y + (116130*b+1<<15)>>16)
}

// cmyk puts four components, which Adobe's files have inverted.
func (d *decoder) cmyk(rows [][]uint8) func(p []uint8, x int) {
	return func(p []uint8, x int) {
		c, m, y, k := rows[0][x], rows[1][x], rows[2][x], rows[3][x]
		if d.adobe && d.adobeTransform == 2 {
			c, m, y = toRGB(c, m, y)
			c, m, y = 255-c, 255-m, 255-y
		}
		if d.adobe {
			c, m, y, k = 255-c, 255-m, 255-y, 255-k
		}
		copy(p[4*x:], []uint8{c, m, y, k})
	}
}

// row is a row of a component at the size of the image. What is halved is interpolated, each sample from the nearest in proportion
// 3 to 1, with a bias that goes up and down in turn; other ratios are repeated, and so are planes two samples wide.
func (d *decoder) row(dst []uint8, c *component, y int) {
	h, v := d.hmax/c.h, d.vmax/c.v
	at := func(x, y int) int32 { return int32(c.plane[y*c.across*8+x]) }
	near := y / v
	far := min(max(near-1+y%2*2, 0), c.height-1)
	switch {
	case h == 2 && v == 1 && c.width > 2:
		widen(dst, c.width, func(x int) int32 { return at(x, y) }, 2, 1, 2)
	case h == 2 && v == 2 && c.width > 2:
		widen(dst, c.width, func(x int) int32 { return 3*at(x, near) + at(x, far) }, 4, 8, 7)
	case h == 1 && v == 2:
		bias := int32(1 + y%2)
		for x := range dst {
			dst[x] = uint8((3*at(x, near) + at(x, far) + bias) >> 2)
		}
	default:
		for x := range dst {
			dst[x] = uint8(at(x/h, near))
		}
	}
}

// widen doubles a row of count samples.
func widen(dst []uint8, count int, at func(x int) int32, shift int, left, right int32) {
	for x := range dst {
		near, bias := x/2, left
		next := near - 1
		if x%2 == 1 {
			next, bias = near+1, right
		}
		next = min(max(next, 0), count-1)
		dst[x] = uint8((3*at(near) + at(next) + bias) >> shift)
	}
}
