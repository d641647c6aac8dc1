package conformance

import (
	"math"
	"testing"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// TestQuantizeSpecials: NaN, which a scale of infinity makes of a mask of -inf, quantises to the least integer, and infinities saturate, on every
// lane. The numbers are onnxruntime's; those of NaN are the reference evaluator's too, where its i32 does not overflow.
func TestQuantizeSpecials(t *testing.T) {
	names := "interp,interp-opt,roundtrip"
	if len(available(t)) == len(AllLanes) {
		names += ",mlx,mlx-noopt,mlx-compiled"
	}
	lanes, err := SelectLanes(names)
	if err != nil {
		t.Fatal(err)
	}
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, c := range []struct {
		name        string
		dtype       pb.TensorProto_DataType
		scale       float32
		zero, wants *ir.Tensor
	}{
		{"i8", pb.TensorProto_INT8, 1, ir.Scalar(int8(0)), ir.TensorFrom([]int8{-128, 127, -128, 1}, 4)},
		{"i8 least zero point", pb.TensorProto_INT8, 1, ir.Scalar(int8(-128)), ir.TensorFrom([]int8{-128, 127, -128, -127}, 4)},
		{"i8 infinite scale", pb.TensorProto_INT8, inf, ir.Scalar(int8(3)), ir.TensorFrom([]int8{-128, -128, -128, 3}, 4)},
		{"u8", pb.TensorProto_UINT8, 1, ir.Scalar(uint8(7)), ir.TensorFrom([]uint8{0, 255, 0, 8}, 4)},
		{"i16", pb.TensorProto_INT16, 1, ir.Scalar(int16(5)), ir.TensorFrom([]int16{-32768, 32767, -32768, 6}, 4)},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := onnx.Import(quantizeModel(t, c.dtype), onnx.Options{})
			if err != nil {
				t.Fatal(err)
			}
			in := []ir.Datum{ir.TensorFrom([]float32{nan, inf, -inf, 1}, 4), ir.Scalar(c.scale), c.zero}
			for _, l := range lanes {
				out, err := runLane(t.Context(), l, m.Clone(), in, LaneOptions{Fallback: "error"})
				if err != nil {
					t.Fatalf("%s: %v", l.Name, err)
				}
				if d := CompareDatum("y", out[0], c.wants, Lanes); d != nil {
					t.Errorf("%s: %v", l.Name, d)
				}
			}
		})
	}
}

// quantizeModel is QuantizeLinear-21 of x[4] by a scalar scale and zero point.
func quantizeModel(t *testing.T, to pb.TensorProto_DataType) *onnx.File {
	t.Helper()
	ptr := func(s string) *string { return &s }
	value := func(name string, d pb.TensorProto_DataType, sizes ...int64) *pb.ValueInfoProto {
		elem, shape := int32(d), &pb.TensorShapeProto{}
		for _, n := range sizes {
			shape.Dim = append(shape.Dim, &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimValue{DimValue: n}})
		}
		typ := &pb.TypeProto_Tensor{ElemType: &elem, Shape: shape}
		return &pb.ValueInfoProto{Name: &name, Type: &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: typ}}}
	}
	float := pb.TensorProto_FLOAT
	g := &pb.GraphProto{Name: ptr("g"),
		Node:  []*pb.NodeProto{{OpType: ptr("QuantizeLinear"), Input: []string{"x", "s", "z"}, Output: []string{"y"}}},
		Input: []*pb.ValueInfoProto{value("x", float, 4), value("s", float), value("z", to)}, Output: []*pb.ValueInfoProto{{Name: ptr("y")}}}
	version, opset := int64(10), int64(21)
	data, err := (&pb.ModelProto{IrVersion: &version, Graph: g, OpsetImport: []*pb.OperatorSetIdProto{{Version: &opset}}}).MarshalVT()
	if err != nil {
		t.Fatal(err)
	}
	f, err := onnx.FromBytes("model.onnx", data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}
