package interp

import (
	"image"
	"image/color"
	"io"

	"golang.org/x/image/webp"
)

// decodeWebP is Go's decoder with colours as libwebp makes them, which recorded images come from: chroma is interpolated between the
// four samples around a pixel, 9 to 3 to 3 to 1.
func decodeWebP(r io.Reader) (image.Image, error) {
	img, err := webp.Decode(r)
	y, ok := img.(*image.YCbCr)
	if err != nil || !ok || y.Bounds().Min != (image.Point{}) {
		return img, err
	}
	w, h := y.Bounds().Dx(), y.Bounds().Dy()
	out := image.NewNRGBA(y.Bounds())
	for row := range h {
		for x := range w {
			luma := int32(y.Y[row*y.YStride+x])
			cb, cr := chromaAround(y, y.Cb, x, row), chromaAround(y, y.Cr, x, row)
			base := luma * 19077 >> 8
			out.SetNRGBA(x, row, color.NRGBA{
				R: clamp8((base + cr*26149>>8 - 14234) >> 6),
				G: clamp8((base - cb*6419>>8 - cr*13320>>8 + 8708) >> 6),
				B: clamp8((base + cb*33050>>8 - 17685) >> 6),
				A: 255,
			})
		}
	}
	return out, nil
}

func clamp8(v int32) uint8 { return uint8(min(max(v, 0), 255)) }

// chromaAround is the chroma of a pixel, with the roundings of libwebp, which averages two by two.
func chromaAround(img *image.YCbCr, plane []uint8, x, y int) int32 {
	w, h := (img.Bounds().Dx()+1)/2, (img.Bounds().Dy()+1)/2
	cx, cy := x/2, y/2
	nx, ny := min(max(cx-1+x%2*2, 0), w-1), min(max(cy-1+y%2*2, 0), h-1)
	at := func(x, y int) int32 { return int32(plane[y*img.CStride+x]) }
	a, b, c, d := at(cx, cy), at(nx, cy), at(cx, ny), at(nx, ny)
	if nx == cx {
		return (3*a + c + 2) >> 2
	}
	return ((a+b+c+d+8+2*(b+c))>>3 + a) >> 1
}
