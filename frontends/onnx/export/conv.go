package export

import (
	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// channelsFirst moves the channels of a value from the last axis to the second, as ONNX has them.
func (g *graph) channelsFirst(x string, rank int) string {
	perm := []int64{0, int64(rank - 1)}
	for i := 1; i < rank-1; i++ {
		perm = append(perm, int64(i))
	}
	return g.transposed(x, perm...)
}

// channelsLast emits a node and moves the channels of its result back.
func (g *graph) channelsLast(name string, ins []string, rank int, attrs ...*pb.AttributeProto) {
	perm := []int64{0}
	for i := 2; i < rank; i++ {
		perm = append(perm, int64(i))
	}
	y := g.one(name, ins, attrs...)
	g.add("Transpose", g.first(), []string{y}, intsAttr("perm", append(perm, 1)))
}

func exportConv(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.ConvAttrs)
	attrs := []*pb.AttributeProto{
		intsAttr("strides", a.Strides), intsAttr("pads", a.Pads), intsAttr("dilations", a.Dilations), intAttr("group", a.Groups),
	}
	if !a.NHWC {
		g.emit("Conv", g.args(), attrs...)
		return
	}
	rank := op.Args[0].Rank()
	ins := []string{g.channelsFirst(g.arg(0), rank), g.channelsFirst(g.arg(1), rank), g.arg(2)}
	g.channelsLast("Conv", ins, rank, attrs...)
}

func poolAttrs(a *ir.PoolAttrs) []*pb.AttributeProto {
	return []*pb.AttributeProto{
		intsAttr("kernel_shape", a.Kernel), intsAttr("strides", a.Strides), intsAttr("pads", a.Pads),
		intsAttr("dilations", a.Dilations), boolAttr("ceil_mode", a.CeilMode),
	}
}

func exportAveragePool(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.PoolAttrs)
	g.pool("AveragePool", append(poolAttrs(a), boolAttr("count_include_pad", a.CountIncludePad)))
}

// exportMaxPool: places are left out where nothing uses them. With channels last they would count other neighbours.
func exportMaxPool(g *graph, op *ir.Op) {
	a := op.Attrs.(*ir.PoolAttrs)
	if places := op.Results[1]; len(places.Uses()) == 0 {
		g.pool("MaxPool", poolAttrs(a))
		return
	}
	if a.NHWC {
		g.fail("the places of maxima with channels last")
		return
	}
	g.emit("MaxPool", g.args(), append(poolAttrs(a), boolAttr("storage_order", a.ColumnMajor))...)
}

// pool emits a pool with one result.
func (g *graph) pool(name string, attrs []*pb.AttributeProto) {
	rank := g.op.Args[0].Rank()
	if g.op.Attrs.(*ir.PoolAttrs).NHWC {
		g.channelsLast(name, []string{g.channelsFirst(g.arg(0), rank)}, rank, attrs...)
		return
	}
	g.add(name, g.first(), g.args(), attrs...)
}
