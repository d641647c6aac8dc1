package interp

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"github.com/emilyc/emily/interp/internal/jpeg"
	"github.com/emilyc/emily/interp/internal/jpeg2000"
	"github.com/emilyc/emily/ir"
)

// imageFormat is an encoding of images, known by how its bytes begin; ? is any byte.
type imageFormat struct {
	name   string
	magic  string
	head   func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

// imageFormats are those that decode_image knows.
var imageFormats = []imageFormat{
	{"PNG", "\x89PNG", png.DecodeConfig, png.Decode},
	{"JPEG", "\xff\xd8", jpeg.DecodeConfig, jpeg.Decode},
	{"JPEG 2000", "\x00\x00\x00\x0cjP  ", jpeg2000.DecodeConfig, jpeg2000.Decode},
	{"JPEG 2000", "\xff\x4f\xff\x51", jpeg2000.DecodeConfig, jpeg2000.Decode},
	{"BMP", "BM", bmp.DecodeConfig, bmp.Decode},
	{"TIFF", "II*\x00", tiff.DecodeConfig, tiff.Decode},
	{"TIFF", "MM\x00*", tiff.DecodeConfig, tiff.Decode},
	{"WebP", "RIFF????WEBP", webp.DecodeConfig, decodeWebP},
	{"GIF", "GIF8", gif.DecodeConfig, gif.Decode},
	{"PNM", "P2", pnmConfig, decodePNM},
	{"PNM", "P3", pnmConfig, decodePNM},
	{"PNM", "P5", pnmConfig, decodePNM},
	{"PNM", "P6", pnmConfig, decodePNM},
}

// imageFormatOf is the format of data, false where none is known.
func imageFormatOf(data []byte) (imageFormat, bool) {
	for _, f := range imageFormats {
		match := len(data) >= len(f.magic)
		for i := 0; match && i < len(f.magic); i++ {
			match = f.magic[i] == '?' || f.magic[i] == data[i]
		}
		if match {
			return f, true
		}
	}
	return imageFormat{}, false
}

// evalDecodeImage: ONNX ImageDecoder.
func evalDecodeImage(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	data, channels := tensor(args, 0).Data, 3
	format := op.Attrs.(*ir.ImageAttrs).Format
	if format == "grayscale" {
		channels = 1
	}
	f, ok := imageFormatOf(data)
	if !ok {
		return nil, opError(op, ir.ValueError, "decode_image_c3", "%d bytes that are no image of a kind that is known", len(data))
	}
	bad := func(err error) ([]ir.Datum, error) {
		return nil, opError(op, ir.ValueError, "decode_image_c3", "%s image: %v", f.name, err)
	}
	size, err := safely(f.head, data)
	if err != nil {
		return bad(err)
	}
	if size.Width < 1 || size.Height < 1 || size.Height > max(len(data)*mostPixels, alwaysPixels)/size.Width {
		return bad(fmt.Errorf("%d × %d pixels in %d bytes", size.Width, size.Height, len(data)))
	}
	out, err := e.newTensor(op, ir.U8, []int{size.Height, size.Width, channels})
	if err != nil {
		return nil, err
	}
	img, err := safely(f.decode, data)
	if err != nil {
		return bad(err)
	}
	b := img.Bounds()
	if b.Dx() != size.Width || b.Dy() != size.Height {
		return bad(fmt.Errorf("it is %d × %d, and its head says %d × %d", b.Dx(), b.Dy(), size.Width, size.Height))
	}
	dst := out.Data
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			p := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			switch format {
			case "rgb":
				dst[0], dst[1], dst[2] = p.R, p.G, p.B
			case "bgr":
				dst[0], dst[1], dst[2] = p.B, p.G, p.R
			default:
				dst[0] = uint8((19595*uint32(p.R) + 38470*uint32(p.G) + 7471*uint32(p.B) + 1<<15) >> 16)
			}
			dst = dst[channels:]
		}
	}
	return one(out, nil)
}

// mostPixels bounds the pixels for each byte of a file, so that a short file makes no large image. All but JPEG 2000 give fewer, which can
// say in a few bytes that an image is of one colour: an image of alwaysPixels is within the bound at any length.
const (
	mostPixels   = 1 << 14
	alwaysPixels = 1 << 24
)

// safely makes an error of a decoder's panic: the bytes come from anywhere.
func safely[T any](decode func(io.Reader) (T, error), data []byte) (result T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return decode(bytes.NewReader(data))
}
