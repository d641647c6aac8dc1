// Package jpeg decodes JPEG files (ITU-T T.81: baseline, extended and progressive, Huffman codes, 8 bits a sample) to the very bytes of
// libjpeg-turbo's defaults, which Pillow and most recorded images come from: its integer cosine transform, its interpolation of
// chroma and its tables of colours. Go's own decoder rounds otherwise.
package jpeg

import (
	"errors"
	"fmt"
	"image"
	"io"
)

// Markers of T.81, table B.1.
const (
	sof0, sof1, sof2 = 0xc0, 0xc1, 0xc2
	dht, dqt         = 0xc4, 0xdb
	rst0, rst7       = 0xd0, 0xd7
	soi, eoi, sos    = 0xd8, 0xd9, 0xda
	dri              = 0xdd
	app0, app14      = 0xe0, 0xee
	tem              = 0x01
)

// mostScans bounds the work for a short file: a progressive file has some ten scans.
const mostScans = 500

var errTruncated = errors.New("the file is truncated")

type decoder struct {
	data []byte
	pos  int

	width, height int
	progressive   bool
	comps         []*component
	hmax, vmax    int
	scans         int

	quant    [4]*[64]int32 // in zigzag order
	huff     [2][4]*huffman
	interval int // of restarts, in MCUs; 0 for none

	jfif, adobe    bool
	adobeTransform byte
}

// component is one plane: blocks of 8 × 8 coefficients in zigzag order, then samples.
type component struct {
	id         byte
	h, v       int
	tableIndex byte
	quant      *[64]int32 // the table there was at the first scan

	width, height int // in samples
	across, down  int // blocks, padded to whole MCUs
	blocks        [][64]int16
	plane         []uint8 // across*8 samples a row
}

// DecodeConfig gives the size of an image without decoding it.
func DecodeConfig(r io.Reader) (image.Config, error) {
	d, err := newDecoder(r)
	if err == nil {
		err = d.segments(true)
	}
	if err != nil {
		return image.Config{}, err
	}
	return image.Config{Width: d.width, Height: d.height}, nil
}

// Decode gives an *image.Gray, *image.NRGBA or *image.CMYK.
func Decode(r io.Reader) (image.Image, error) {
	d, err := newDecoder(r)
	if err == nil {
		err = d.segments(false)
	}
	if err != nil {
		return nil, err
	}
	for _, c := range d.comps {
		if c.quant == nil {
			return nil, fmt.Errorf("component %d is in no scan", c.id)
		}
		c.samples()
	}
	return d.image()
}

func newDecoder(r io.Reader) (*decoder, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	if len(data) < 2 || data[0] != 0xff || data[1] != soi {
		return nil, errors.New("it does not begin as a JPEG file does")
	}
	return &decoder{data: data, pos: 2}, nil
}

// segments reads to the end of the image, or through the frame's head.
func (d *decoder) segments(headOnly bool) error {
	for {
		marker, err := d.marker()
		if err != nil {
			return err
		}
		if marker == eoi {
			if d.scans == 0 {
				return errors.New("it has no image")
			}
			return nil
		}
		if marker == tem || rst0 <= marker && marker <= rst7 {
			continue
		}
		seg, err := d.segment()
		if err != nil {
			return err
		}
		switch marker {
		case sof0, sof1, sof2:
			d.progressive = marker == sof2
			if err = d.frame(seg); err == nil && headOnly {
				return nil
			}
		case dht:
			err = d.huffmanTables(seg)
		case dqt:
			err = d.quantTables(seg)
		case dri:
			if len(seg) != 2 {
				return errors.New("restart interval of a wrong length")
			}
			d.interval = be16(seg)
		case sos:
			err = d.scan(seg)
		case app0:
			d.jfif = d.jfif || len(seg) >= 5 && string(seg[:5]) == "JFIF\x00"
		case app14:
			if len(seg) >= 12 && string(seg[:5]) == "Adobe" {
				d.adobe, d.adobeTransform = true, seg[11]
			}
		default:
			if 0xc3 <= marker && marker <= 0xcf && marker != 0xc8 {
				err = fmt.Errorf("coding process %#x is not known: baseline, extended and progressive Huffman are", marker)
			}
		}
		if err != nil {
			return err
		}
	}
}

// marker finds the next one; what stands before it is skipped, as libjpeg does.
func (d *decoder) marker() (byte, error) {
	for d.pos+1 < len(d.data) {
		a, b := d.data[d.pos], d.data[d.pos+1]
		d.pos++
		if a == 0xff && b != 0 && b != 0xff {
			d.pos++
			return b, nil
		}
	}
	return 0, errTruncated
}

func (d *decoder) segment() ([]byte, error) {
	if d.pos+2 > len(d.data) {
		return nil, errTruncated
	}
	n := be16(d.data[d.pos:])
	if n < 2 {
		return nil, fmt.Errorf("a segment of length %d", n)
	}
	if d.pos+n > len(d.data) {
		return nil, errTruncated
	}
	seg := d.data[d.pos+2 : d.pos+n]
	d.pos += n
	return seg, nil
}

func be16(b []byte) int { return int(b[0])<<8 | int(b[1]) }

// frame reads the head of the frame, T.81 B.2.2.
func (d *decoder) frame(seg []byte) error {
	if d.comps != nil {
		return errors.New("it has two frames")
	}
	if len(seg) < 6 || len(seg) != 6+3*int(seg[5]) {
		return errors.New("frame head of a wrong length")
	}
	if seg[0] != 8 {
		return fmt.Errorf("%d bits a sample: 8 are known", seg[0])
	}
	d.height, d.width = be16(seg[1:]), be16(seg[3:])
	n := int(seg[5])
	if d.width == 0 || d.height == 0 {
		return fmt.Errorf("%d × %d pixels", d.width, d.height)
	}
	if n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("%d components: 1, 3 and 4 are known", n)
	}
	for i := range n {
		s := seg[6+3*i:]
		c := &component{id: s[0], h: int(s[1] >> 4), v: int(s[1] & 15), tableIndex: s[2]}
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.tableIndex > 3 {
			return fmt.Errorf("component %d: sampling %d × %d, table %d", c.id, c.h, c.v, c.tableIndex)
		}
		for _, other := range d.comps {
			if other.id == c.id {
				return fmt.Errorf("two components %d", c.id)
			}
		}
		d.comps = append(d.comps, c)
		d.hmax, d.vmax = max(d.hmax, c.h), max(d.vmax, c.v)
	}
	for _, c := range d.comps {
		if d.hmax%c.h != 0 || d.vmax%c.v != 0 {
			return fmt.Errorf("component %d: sampling %d × %d does not divide %d × %d", c.id, c.h, c.v, d.hmax, d.vmax)
		}
		c.width, c.height = ceilDiv(d.width*c.h, d.hmax), ceilDiv(d.height*c.v, d.vmax)
		c.across = ceilDiv(d.width, 8*d.hmax) * c.h
		c.down = ceilDiv(d.height, 8*d.vmax) * c.v
	}
	return nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// quantTables reads tables of T.81 B.2.4.1.
func (d *decoder) quantTables(seg []byte) error {
	for len(seg) > 0 {
		wide, index := int(seg[0]>>4), seg[0]&15
		if wide > 1 || index > 3 || len(seg) < 1+64*(1+wide) {
			return errors.New("a quantisation table that is no such")
		}
		t := new([64]int32)
		for i := range t {
			if wide == 1 {
				t[i] = int32(be16(seg[1+2*i:]))
			} else {
				t[i] = int32(seg[1+i])
			}
		}
		d.quant[index] = t
		seg = seg[1+64*(1+wide):]
	}
	return nil
}
