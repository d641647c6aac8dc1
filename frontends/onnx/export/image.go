package export

import "github.com/emilyc/emily/ir"

var imageFormats = map[string]string{"rgb": "RGB", "bgr": "BGR", "grayscale": "Grayscale"}

func exportDecodeImage(g *graph, op *ir.Op) {
	g.emit("ImageDecoder", g.args(), stringAttr("pixel_format", imageFormats[op.Attrs.(*ir.ImageAttrs).Format]))
}
