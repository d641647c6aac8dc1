package export

import (
	"slices"
	"strings"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/ir"
)

// graph is a graph that is being made: the main one, or the body of an op. It may use the names of those around it.
type graph struct {
	x       *exporter
	outer   *graph
	proto   *pb.GraphProto
	op      *ir.Op // whose nodes are made
	names   map[*ir.Value]string
	planned map[*ir.Value]string // names that results have to get
	symbols map[ir.Dim]source
	dims    map[string]string // what computes sizes
}

func (x *exporter) graph(outer *graph, name string) *graph {
	return &graph{x: x, outer: outer, proto: &pb.GraphProto{Name: new(name)}, names: map[*ir.Value]string{},
		planned: map[*ir.Value]string{}, symbols: map[ir.Dim]source{}, dims: map[string]string{}}
}

// plan gives results of ops that r yields the names of its outputs.
func (g *graph) plan(r *ir.Region, outputs []string) {
	for i, v := range r.Results() {
		if v.Def != nil && v.Def.Kind != ir.Const && g.planned[v] == "" {
			g.planned[v] = outputs[i]
		}
	}
}

func (g *graph) ops(r *ir.Region) {
	for _, op := range r.Ops {
		if g.x.err != nil {
			return
		}
		g.op = op
		switch rule := g.x.rules[op.Kind]; {
		case op.Kind == ir.Yield:
		case rule == nil:
			g.fail(Exempt[op.Kind])
		default:
			rule(g, op)
			for _, v := range op.Results {
				g.learn(v)
			}
		}
	}
}

// outputs declares what r yields. A value that is no node's result under the output's name gets a node that renames it.
func (g *graph) outputs(r *ir.Region, names []string, with sizes) {
	for i, v := range r.Results() {
		if g.x.err != nil {
			return
		}
		if g.names[v] != names[i] {
			g.add("Identity", []string{names[i]}, []string{g.names[v]})
		}
		g.proto.Output = append(g.proto.Output, port(names[i], v.Type, with))
	}
}

func (g *graph) fail(reason string) string {
	if g.x.err == nil {
		g.x.err = &Error{g.op, reason}
	}
	return ""
}

// arg is the name of operand i, "" for one that is absent.
func (g *graph) arg(i int) string {
	if v := g.op.Arg(i); v != nil {
		return g.names[v]
	}
	return ""
}

// args are the names of the operands.
func (g *graph) args() []string {
	out := make([]string, len(g.op.Args))
	for i := range out {
		out[i] = g.arg(i)
	}
	return out
}

// results are the names that the op's results get.
func (g *graph) results() []string { return g.named(g.op.Results) }

// first is the name of the only result that there is to be.
func (g *graph) first() []string { return g.named(g.op.Results[:1]) }

func (g *graph) named(values []*ir.Value) []string {
	out := make([]string, len(values))
	for i, v := range values {
		if out[i] = g.planned[v]; out[i] == "" {
			out[i] = g.x.name(g.base() + "_output")
		}
		g.names[v] = out[i]
	}
	return out
}

// base is what names of the op's nodes and values begin with: its node's name in the source.
func (g *graph) base() string {
	if node := g.op.Location().Node; node != "" {
		return node
	}
	return g.op.Kind.String()
}

// emit makes the node whose outputs are the op's results.
func (g *graph) emit(op string, ins []string, attrs ...*pb.AttributeProto) {
	g.add(op, g.results(), ins, attrs...)
}

// one makes a node in between, with one output.
func (g *graph) one(op string, ins []string, attrs ...*pb.AttributeProto) string {
	out := g.x.name(g.base() + "/" + op)
	g.add(op, []string{out}, ins, attrs...)
	return out
}

func (g *graph) add(op string, outs, ins []string, attrs ...*pb.AttributeProto) {
	for len(ins) > 0 && ins[len(ins)-1] == "" {
		ins = ins[:len(ins)-1]
	}
	n := &pb.NodeProto{
		OpType:    new(op),
		Name:      new(unique(g.x.nodes, g.base())),
		Input:     ins,
		Output:    outs,
		Attribute: slices.DeleteFunc(attrs, func(a *pb.AttributeProto) bool { return a == nil }),
	}
	if from := g.sources(); from != "" {
		n.MetadataProps = []*pb.StringStringEntryProto{{Key: new("emily.from"), Value: new(from)}}
	}
	g.proto.Node = append(g.proto.Node, n)
}

// sources are the nodes that a pass replaced by this op.
func (g *graph) sources() string {
	const most = 32
	var names []string
	for _, id := range g.op.Location().From {
		if node := g.x.module.Locs[id].Node; node != "" && len(names) < most && !slices.Contains(names, node) {
			names = append(names, node)
		}
	}
	return strings.Join(names, ", ")
}

// identity gives the op's result the value of a name.
func (g *graph) identity(name string) { g.emit("Identity", []string{name}) }

// simple is a rule for a kind that ONNX has under a name of its own, without attributes.
func simple(op string) Rule {
	return func(g *graph, _ *ir.Op) { g.emit(op, g.args()) }
}
