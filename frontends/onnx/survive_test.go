package onnx

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/frontends/onnx/schema"
	"github.com/emilyc/emily/ir"
)

// TestRowsSurvive gives every row operands and attributes at random. Most of it is nonsense and must be an error, not a
// panic; what is imported verifies and parses back.
func TestRowsSurvive(t *testing.T) {
	const trials = 60
	imports := 0
	for k, v := range Ops() {
		for i := range trials {
			r := rand.New(rand.NewPCG(uint64(k), uint64(i)))
			f := randomModel(t, r, v)
			m, err := Import(f, Options{})
			if err != nil {
				if e, ok := err.(*Error); !ok || e.File == "" {
					t.Errorf("%s: %v (%T)", v.Op, err, err)
				}
				continue
			}
			imports++
			if err := ir.Verify(m); err != nil {
				t.Fatalf("%v\n%s", err, m)
			}
			if _, err := ir.Parse(m.String(), ir.ParseOptions{}); err != nil {
				t.Fatalf("%v\n%s", err, m)
			}
		}
	}
	if imports < len(Ops()) {
		t.Errorf("only %d imports succeed: the generator makes too much nonsense", imports)
	}
}

func pick[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

// randomModel has one node of an operator, most often with operands of one dtype.
func randomModel(t *testing.T, r *rand.Rand, v OpVersion) *File {
	s, ok := schema.Lookup(v.Domain, v.Op, v.Since)
	if !ok {
		t.Fatalf("no schema of %v", v)
	}
	least, most := schema.Arity(s.Inputs)
	_, outs := schema.Arity(s.Outputs)
	count := least + r.IntN(min(most-least, 3)+1)
	d := pick(r, "f32", "f32", "f32", "i64", "bool", "f16", "string")
	rank := r.IntN(5)
	g := &pb.GraphProto{Name: ptr("g")}
	var in []string
	for i := range count {
		name := fmt.Sprintf("x%d", i)
		in = append(in, randomOperand(r, g, name, d, rank))
	}
	n := node(v.Op, strings.Join(in, ","), strings.Join([]string{"y0", "y1", "y2"}[:1+r.IntN(min(outs, 3))], ","), randomAttrs(r)...)
	if len(in) == 1 && in[0] == "" {
		n.Input = []string{""}
	}
	g.Node = []*pb.NodeProto{n}
	for _, out := range n.Output {
		g.Output = append(g.Output, untyped(out)...)
	}
	return modelFile(t, v.Since, g)
}

func randomOperand(r *rand.Rand, g *pb.GraphProto, name, dtype string, rank int) string {
	switch r.IntN(10) {
	case 0:
		return ""
	case 1, 2: // a list of integers, as axes and shapes are
		var list []int64
		for range r.IntN(4) {
			list = append(list, randomInt(r))
		}
		with(g, ints(name, list...))
	case 3:
		with(g, scalarInt(name, randomInt(r)))
	case 4:
		g.Input = append(g.Input, value(name, pick(r, "i64", "i32", "f32", "bool"), pick[any](r, 1, 3, "n")))
	default:
		var dims []any
		for range rank {
			dims = append(dims, pick[any](r, 0, 1, 2, 2, 4, 4, "n", "m", "n*m", nil))
		}
		g.Input = append(g.Input, value(name, dtype, dims...))
	}
	return name
}

func randomInt(r *rand.Rand) int64 {
	return pick[int64](r, 0, 1, 1, 2, 2, 3, 4, -1, -1, -2, 7, 1<<31, math.MaxInt64, math.MinInt64)
}

// randomAttrs are a few attributes out of those that some operator has.
func randomAttrs(r *rand.Rand) []*pb.AttributeProto {
	axes := func(n int) []int64 {
		list := []int64{}
		for range r.IntN(n + 1) {
			list = append(list, randomInt(r))
		}
		return list
	}
	body := graph(values(value("i", "i64"), value("c", "bool"), value("a", "f32", 2))[:r.IntN(4)], untyped(pick(r, "x0", "c,x0", "c,a", "i")))
	all := []*pb.AttributeProto{
		attr("axis", int(randomInt(r))), attr("axes", axes(3)), attr("perm", axes(4)), attr("keepdims", r.IntN(2)), attr("broadcast", 1),
		attr("shape", axes(3)), attr("starts", axes(2)), attr("ends", axes(2)), attr("split", axes(3)), attr("pads", axes(4)), attr("paddings", axes(4)),
		attr("kernel_shape", axes(2)), attr("strides", axes(2)), attr("dilations", axes(2)), attr("group", int(randomInt(r))),
		attr("auto_pad", pick(r, "SAME_UPPER", "VALID", "x")), attr("ceil_mode", 1), attr("to", int(randomInt(r))), attr("num_groups", int(randomInt(r))),
		attr("blocksize", int(randomInt(r))), attr("mode", pick(r, "CRD", "edge", "x")), attr("num_outputs", int(randomInt(r))), attr("batch_dims", int(randomInt(r))),
		attr("start", int(randomInt(r))), attr("end", int(randomInt(r))), attr("value", ints("", axes(2)...)), attr("value_float", 1.0), attr("alpha", math.Inf(1)),
		attr("then_branch", body), attr("else_branch", body), attr("body", body), attr("num_scan_inputs", int(randomInt(r))), attr("reduction", pick(r, "add", "mean", "x")),
		attr("direction", "LEFT"), attr("k", int(randomInt(r))), attr("dtype", int(randomInt(r))), attr("spatial", 0), attr("training_mode", 1), attr("noop_with_empty_axes", 1),
	}
	var list []*pb.AttributeProto
	for range r.IntN(4) {
		list = append(list, pick(r, all...))
	}
	if len(list) > 1 && list[0].GetName() == list[1].GetName() {
		return list[:1]
	}
	return list
}
