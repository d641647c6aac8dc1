package interp

import (
	"image"
	"image/color"
	"image/jpeg"
	"io"
)

// decodeJPEG is Go's decoder with colours as libjpeg makes them, which recorded images come from: chroma that is halved is
// interpolated, each pixel from the nearest samples in proportion 3 to 1.
func decodeJPEG(r io.Reader) (image.Image, error) {
	img, err := jpeg.Decode(r)
	y, ok := img.(*image.YCbCr)
	if err != nil || !ok || y.Bounds().Min != (image.Point{}) {
		return img, err
	}
	w, h := y.Bounds().Dx(), y.Bounds().Dy()
	out := image.NewNRGBA(y.Bounds())
	cb, cr := make([]int32, w), make([]int32, w)
	for row := range h {
		chromaRow(cb, y, y.Cb, row)
		chromaRow(cr, y, y.Cr, row)
		for x := range w {
			luma, b, r := int32(y.Y[row*y.YStride+x]), cb[x]-128, cr[x]-128
			out.SetNRGBA(x, row, color.NRGBA{
				R: clamp8(luma + (91881*r+1<<15)>>16),
				G: clamp8(luma + (-22554*b-46802*r+1<<15)>>16),
				B: clamp8(luma + (116130*b+1<<15)>>16),
				A: 255,
			})
		}
	}
	return out, nil
}

func clamp8(v int32) uint8 { return uint8(min(max(v, 0), 255)) }

// chromaRow is one row of a plane of chroma, at the size of the image.
func chromaRow(dst []int32, img *image.YCbCr, plane []uint8, row int) {
	width, height := img.Bounds().Dx(), img.Bounds().Dy()
	at := func(x, y int) int32 { return int32(plane[y*img.CStride+x]) }
	switch img.SubsampleRatio {
	case image.YCbCrSubsampleRatio420:
		w, h := (width+1)/2, (height+1)/2
		near := row / 2
		far := min(max(near-1+row%2*2, 0), h-1)
		column := func(x int) int32 { return 3*at(x, near) + at(x, far) }
		widen(dst, w, column, 4, 8, 7)
	case image.YCbCrSubsampleRatio422:
		widen(dst, (width+1)/2, func(x int) int32 { return at(x, row) }, 2, 1, 2)
	default:
		for x := range dst {
			dst[x] = int32(plane[img.COffset(x, row)])
		}
	}
}

// widen doubles a row of count samples: 3/4 of the nearest and 1/4 of the next, with a bias that goes up and down in turn.
func widen(dst []int32, count int, at func(x int) int32, shift int, left, right int32) {
	for x := range dst {
		near, bias := x/2, left
		next := near - 1
		if x%2 == 1 {
			next, bias = near+1, right
		}
		next = min(max(next, 0), count-1)
		dst[x] = (3*at(near) + at(next) + bias) >> shift
	}
}
