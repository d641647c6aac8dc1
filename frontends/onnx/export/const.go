package export

import (
	"strconv"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

func exportConst(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.ConstAttrs)
	g.names[op.Result()] = g.x.initializer(g.base(), a)
}

// initializer stores a constant, once for equal ones: views of the same bytes, and short ones of the same contents.
func (x *exporter) initializer(base string, a *ir.ConstAttrs) string {
	const short = 256
	key := ""
	switch {
	case a.Blob != nil:
		key = a.Type.String() + "@" + a.Blob.Name + ":" + strconv.FormatInt(a.Off, 10)
	case len(a.Strings) == 0 && len(a.Inline) <= short:
		key = a.Type.String() + "=" + string(a.Inline)
	}
	if name := x.constants[key]; name != "" && key != "" {
		return name
	}
	name := x.name(base)
	x.constants[key] = name
	x.initializers = append(x.initializers, x.tensor(name, a))
	return name
}

// tensor is a constant, in the model or in the data file.
func (x *exporter) tensor(name string, a *ir.ConstAttrs) *pb.TensorProto {
	t := &pb.TensorProto{Name: new(name), DataType: new(dtypes[a.Type.DType])}
	for _, d := range a.Type.Shape {
		n, _ := d.Value()
		t.Dims = append(t.Dims, n)
	}
	switch {
	case a.Type.DType == ir.String:
		for _, s := range a.Strings {
			t.StringData = append(t.StringData, []byte(s))
		}
	case x.large && len(a.Bytes()) >= inlineOne:
		x.outside(t, a.Bytes())
	default:
		t.RawData = a.Bytes()
		if t.RawData == nil {
			t.RawData = []byte{}
		}
	}
	return t
}

// outside puts a constant into the data file.
func (x *exporter) outside(t *pb.TensorProto, data []byte) {
	at := (x.end + alignment - 1) / alignment * alignment
	x.external = append(x.external, piece{at, data})
	x.end = at + int64(len(data))
	entry := func(key, value string) {
		t.ExternalData = append(t.ExternalData, &pb.StringStringEntryProto{Key: new(key), Value: new(value)})
	}
	entry("location", x.opts.Data)
	entry("offset", strconv.FormatInt(at, 10))
	entry("length", strconv.Itoa(len(data)))
	t.DataLocation = new(pb.TensorProto_EXTERNAL)
}

// value stores a tensor.
func (g *graph) value(t *ir.Tensor) string {
	return g.x.initializer("const", &ir.ConstAttrs{Type: t.Type(), Inline: t.Pack(), Strings: t.Strings})
}

// ints is a vector of integers.
func (g *graph) ints(v ...int64) string { return g.value(ir.TensorFrom(v, len(v))) }

// number is a scalar of a dtype.
func (g *graph) number(d ir.DType, v float64) string { return g.value(ir.FloatScalar(d, v)) }

// numberOf is a scalar of the dtype of a value.
func (g *graph) numberOf(like *ir.Value, v float64) string { return g.number(like.DType(), v) }
