// Package jpeg2000 decodes JPEG 2000 (ITU-T T.800, part 1): JP2 files and bare codestreams, in any tiling, progression and number of
// quality layers, with both wavelets. Palettes, regions of interest, packed packet heads and changes of progression are
// errors that say so.
package jpeg2000

import (
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
)

var errTruncated = errors.New("the file is truncated")

// DecodeConfig gives the size of an image without decoding it.
func DecodeConfig(r io.Reader) (image.Config, error) {
	d, err := newDecoder(r)
	if err != nil {
		return image.Config{}, err
	}
	return image.Config{Width: d.bounds.Dx(), Height: d.bounds.Dy()}, nil
}

// Decode gives an *image.Gray for one or two components and an *image.NRGBA for three or four; the second and the fourth, which are
// opacity, are left out. Samples of other than 8 bits are shifted to 8.
func Decode(r io.Reader) (image.Image, error) {
	d, err := newDecoder(r)
	if err != nil {
		return nil, err
	}
	if n := len(d.comps); n > 4 {
		return nil, fmt.Errorf("%d components: 1 to 4 are known", n)
	}
	if err := d.tileParts(); err != nil {
		return nil, err
	}
	for _, c := range d.comps {
		c.plane = make([]uint8, c.area.Dx()*c.area.Dy())
	}
	for _, t := range d.tiles {
		if err := d.decodeTile(t); err != nil {
			return nil, err
		}
	}
	return d.image(), nil
}

// newDecoder reads up to the first tile.
func newDecoder(r io.Reader) (*decoder, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if len(data) >= 12 && string(data[4:8]) == "jP  " {
		if data, err = codestream(data); err != nil {
			return nil, err
		}
	}
	d := &decoder{data: data, tiles: map[int]*tile{}}
	return d, d.mainHead()
}

// codestream finds it among the boxes of a JP2 file, T.800 annex I.
func codestream(data []byte) ([]byte, error) {
	for len(data) >= 8 {
		size, kind, head := uint64(binary.BigEndian.Uint32(data)), string(data[4:8]), uint64(8)
		switch {
		case size == 1 && len(data) >= 16:
			size, head = binary.BigEndian.Uint64(data[8:]), 16
		case size == 0:
			size = uint64(len(data))
		}
		if size < head {
			return nil, fmt.Errorf("box %q of %d bytes", kind, size)
		}
		if size > uint64(len(data)) {
			return nil, errTruncated
		}
		switch kind {
		case "jp2c":
			return data[head:size], nil
		case "jp2h":
			if err := checkHeader(data[head:size]); err != nil {
				return nil, err
			}
		}
		data = data[size:]
	}
	return nil, errors.New("it has no codestream")
}

// checkHeader refuses what would give other colours.
func checkHeader(data []byte) error {
	for len(data) >= 8 {
		size, kind := int(binary.BigEndian.Uint32(data)), string(data[4:8])
		if size < 8 || size > len(data) {
			return fmt.Errorf("box %q of %d bytes", kind, size)
		}
		switch {
		case kind == "pclr":
			return errors.New("it has a palette, which is not known")
		case kind == "colr" && size >= 15 && data[8] == 1:
			if space := binary.BigEndian.Uint32(data[11:]); space != 16 && space != 17 {
				return fmt.Errorf("colour space %d: sRGB (16) and gray (17) are known", space)
			}
		}
		data = data[size:]
	}
	return nil
}

// image puts the planes together; a subsampled one is repeated.
func (d *decoder) image() image.Image {
	w, h := d.bounds.Dx(), d.bounds.Dy()
	at := func(c *component, x, y int) uint8 {
		cx := max((d.bounds.Min.X+x)/c.dx-c.area.Min.X, 0)
		cy := max((d.bounds.Min.Y+y)/c.dy-c.area.Min.Y, 0)
		return c.plane[cy*c.area.Dx()+cx]
	}
	if len(d.comps) < 3 {
		img := image.NewGray(image.Rect(0, 0, w, h))
		for i := range img.Pix {
			img.Pix[i] = at(d.comps[0], i%w, i/w)
		}
		return img
	}
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		x, y := i%w, i/w
		copy(img.Pix[4*i:], []uint8{at(d.comps[0], x, y), at(d.comps[1], x, y), at(d.comps[2], x, y), 255})
	}
	return img
}
