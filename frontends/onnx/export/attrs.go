package export

import (
	"github.com/emilyc/emily/frontends/onnx/pb"
)

func attr(name string, t pb.AttributeProto_AttributeType) *pb.AttributeProto {
	return &pb.AttributeProto{Name: new(name), Type: new(t)}
}

func intAttr(name string, v int64) *pb.AttributeProto {
	a := attr(name, pb.AttributeProto_INT)
	a.I = new(v)
	return a
}

func boolAttr(name string, v bool) *pb.AttributeProto {
	if v {
		return intAttr(name, 1)
	}
	return intAttr(name, 0)
}

func intsAttr(name string, v []int64) *pb.AttributeProto {
	a := attr(name, pb.AttributeProto_INTS)
	a.Ints = v
	return a
}

func floatAttr(name string, v float64) *pb.AttributeProto {
	a := attr(name, pb.AttributeProto_FLOAT)
	a.F = new(float32(v))
	return a
}

func floatsAttr(name string, v []float64) *pb.AttributeProto {
	a := attr(name, pb.AttributeProto_FLOATS)
	for _, f := range v {
		a.Floats = append(a.Floats, float32(f))
	}
	return a
}

func stringAttr(name, v string) *pb.AttributeProto {
	a := attr(name, pb.AttributeProto_STRING)
	a.S = []byte(v)
	return a
}

func stringsAttr(name string, v []string) *pb.AttributeProto {
	a := attr(name, pb.AttributeProto_STRINGS)
	for _, s := range v {
		a.Strings = append(a.Strings, []byte(s))
	}
	return a
}

func graphAttr(name string, g *pb.GraphProto) *pb.AttributeProto {
	a := attr(name, pb.AttributeProto_GRAPH)
	a.G = g
	return a
}

func typeAttr(name string, t *pb.TypeProto) *pb.AttributeProto {
	a := attr(name, pb.AttributeProto_TYPE_PROTO)
	a.Tp = t
	return a
}
