package ir

import "slices"

// imageFormats are the layouts of pixels.
var imageFormats = []string{"rgb", "bgr", "grayscale"}

// inferDecodeImage: decode_image_c1 bytes, decode_image_c2 a format. Height and width are what the bytes say.
func inferDecodeImage(c *Infer) {
	x, a := c.arg(0), c.op.Attrs.(*ImageAttrs)
	if x.DType() != U8 || x.Rank() != 1 {
		c.fail(DTypeError, "decode_image_c1", "an image in %s, wants a 1-D u8 tensor", x.Type)
		return
	}
	if !slices.Contains(imageFormats, a.Format) {
		c.fail(AttrError, "decode_image_c2", "format %q, wants one of %q", a.Format, imageFormats)
		return
	}
	channels := int64(3)
	if a.Format == "grayscale" {
		channels = 1
	}
	c.tensor(U8, Shape{Unknown, Unknown, Size(channels)})
}
