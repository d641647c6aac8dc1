package conformance

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

// TestDFTLengths compares DFT with its definition, in float64, over lengths of all sorts: short, products, primes, and long primes.
func TestDFTLengths(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 15, 28, 63, 64, 65, 67, 96, 121, 130, 131, 256, 521, 1042, 1009} {
		for parts := 1; parts <= 2; parts++ {
			for inverse := range int64(2) {
				t.Run(fmt.Sprintf("%d parts %d inverse %d", n, parts, inverse), func(t *testing.T) { testDFT(t, n, parts, inverse) })
			}
		}
	}
}

func testDFT(t *testing.T, n, parts int, inverse int64) {
	m, err := onnx.Import(dftModel(t, n, parts, inverse), onnx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(uint64(n), uint64(parts)))
	x := make([]float64, n*parts)
	for i := range x {
		x[i] = r.NormFloat64()
	}
	out, err := interp.Run(t.Context(), m.Main(), []ir.Datum{ir.TensorFrom(x, n, parts)})
	if err != nil {
		t.Fatal(err)
	}
	got := ir.View[float64](out[0].(*ir.Tensor))
	for k := range n {
		re, im := bin(x, n, parts, k, inverse != 0)
		if d := math.Hypot(got[2*k]-re, got[2*k+1]-im); d > 1e-11*math.Sqrt(float64(n)) {
			t.Fatalf("bin %d: %g, %g, want %g, %g", k, got[2*k], got[2*k+1], re, im)
		}
	}
}

// bin is one element of a transform by its definition.
func bin(x []float64, n, parts, k int, inverse bool) (re, im float64) {
	for i := range n {
		sin, cos := math.Sincos(-2 * math.Pi * float64(i*k%n) / float64(n))
		if inverse {
			sin = -sin
		}
		a, b := x[i*parts], 0.
		if parts == 2 {
			b = x[i*parts+1]
		}
		re, im = re+a*cos-b*sin, im+a*sin+b*cos
	}
	if inverse {
		re, im = re/float64(n), im/float64(n)
	}
	return re, im
}

func dftModel(t *testing.T, n, parts int, inverse int64) *onnx.File {
	t.Helper()
	ptr := func(s string) *string { return &s }
	version, opset := int64(10), int64(20)
	typ, double := pb.AttributeProto_INT, int32(pb.TensorProto_DOUBLE)
	dim := func(k int) *pb.TensorShapeProto_Dimension {
		return &pb.TensorShapeProto_Dimension{Value: &pb.TensorShapeProto_Dimension_DimValue{DimValue: int64(k)}}
	}
	shape := &pb.TensorShapeProto{Dim: []*pb.TensorShapeProto_Dimension{dim(n), dim(parts)}}
	in := &pb.TypeProto{Value: &pb.TypeProto_TensorType{TensorType: &pb.TypeProto_Tensor{ElemType: &double, Shape: shape}}}
	g := &pb.GraphProto{Name: ptr("g"),
		Node: []*pb.NodeProto{{OpType: ptr("DFT"), Input: []string{"x"}, Output: []string{"y"},
			Attribute: []*pb.AttributeProto{{Name: ptr("inverse"), Type: &typ, I: &inverse}}}},
		Input: []*pb.ValueInfoProto{{Name: ptr("x"), Type: in}}, Output: []*pb.ValueInfoProto{{Name: ptr("y")}}}
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
