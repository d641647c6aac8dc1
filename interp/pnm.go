package interp

import (
	"bufio"
	"fmt"
	"image"
	"image/color"
	"io"
)

// pnm is the head of a portable any-map: gray (P2, P5) or colours (P3, P6), as text (P2, P3) or bytes.
type pnm struct {
	kind          byte
	width, height int
	most          int // value of white
}

// maxSide bounds the sides of an image.
const maxSide = 1 << 16

func pnmHead(r *bufio.Reader) (h pnm, err error) {
	if _, err = r.Discard(1); err != nil {
		return h, err
	}
	if h.kind, err = r.ReadByte(); err != nil {
		return h, err
	}
	for _, field := range []*int{&h.width, &h.height, &h.most} {
		if *field, err = pnmInt(r); err != nil {
			return h, err
		}
	}
	if h.width < 1 || h.height < 1 || h.width > maxSide || h.height > maxSide || h.most < 1 || h.most > 65535 {
		return h, fmt.Errorf("%d × %d of values up to %d", h.width, h.height, h.most)
	}
	return h, nil
}

// pnmInt reads a number and the one white space after it; # starts a comment.
func pnmInt(r *bufio.Reader) (int, error) {
	n, digits := 0, 0
	for {
		c, err := r.ReadByte()
		switch {
		case err == io.EOF && digits > 0:
			return n, nil
		case err != nil:
			return 0, io.ErrUnexpectedEOF
		case c >= '0' && c <= '9' && digits < 9:
			n, digits = n*10+int(c-'0'), digits+1
		case c == '#' && digits == 0:
			if _, err := r.ReadString('\n'); err != nil {
				return 0, io.ErrUnexpectedEOF
			}
		case (c == ' ' || c >= '\t' && c <= '\r') && digits > 0:
			return n, nil
		case c == ' ' || c >= '\t' && c <= '\r':
		default:
			return 0, fmt.Errorf("byte %q in a number", c)
		}
	}
}

func pnmConfig(r io.Reader) (image.Config, error) {
	h, err := pnmHead(bufio.NewReader(r))
	return image.Config{ColorModel: color.NRGBAModel, Width: h.width, Height: h.height}, err
}

func decodePNM(r io.Reader) (image.Image, error) {
	in := bufio.NewReader(r)
	h, err := pnmHead(in)
	if err != nil {
		return nil, err
	}
	img := image.NewNRGBA(image.Rect(0, 0, h.width, h.height))
	samples := 1
	if h.kind == '3' || h.kind == '6' {
		samples = 3
	}
	for i := 0; i < len(img.Pix); i += 4 {
		for k := range samples {
			v, err := h.sample(in)
			if err != nil {
				return nil, err
			}
			img.Pix[i+k] = v
		}
		if samples == 1 {
			img.Pix[i+1], img.Pix[i+2] = img.Pix[i], img.Pix[i]
		}
		img.Pix[i+3] = 255
	}
	return img, nil
}

func (h pnm) sample(r *bufio.Reader) (uint8, error) {
	v, err := 0, error(nil)
	switch {
	case h.kind < '4':
		v, err = pnmInt(r)
	case h.most > 255:
		var b [2]byte
		_, err = io.ReadFull(r, b[:])
		v = int(b[0])<<8 | int(b[1])
	default:
		var b byte
		b, err = r.ReadByte()
		v = int(b)
	}
	if err != nil {
		return 0, err
	}
	if v > h.most {
		return 0, fmt.Errorf("value %d of at most %d", v, h.most)
	}
	return uint8((v*255 + h.most/2) / h.most), nil
}
