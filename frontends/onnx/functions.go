package onnx

import (
	"math"
	"strings"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// maxNodes bounds what inlining may make of a model. spareNodes are those, on top of what a model has, that may be
// imported again for loops whose sizes change; a large model may have spareFactor times its own.
const (
	maxNodes    = 5_000_000
	spareNodes  = 8_000
	spareFactor = 4
)

type funcKey struct{ domain, name, overload string }

// function is a model-local function. How deep calls nest in it, and how many nodes it makes when inlined, are
// known before anything is imported.
type function struct {
	proto  *pb.FunctionProto
	opsets map[string]int64
	state  walkState
	depth  int
	nodes  int64
}

type walkState uint8

const (
	unseen walkState = iota
	walking
	walked
)

func indexFunctions(list []*pb.FunctionProto) (map[funcKey]*function, error) {
	index := make(map[funcKey]*function, len(list))
	for _, p := range list {
		key := funcKey{canonical(p.GetDomain()), p.GetName(), p.GetOverload()}
		if index[key] != nil {
			return nil, errf(Invalid, remedyExport, "function %q of domain %q is defined twice", clip(key.name), domainName(key.domain))
		}
		versions, err := opsetImports(p.OpsetImport)
		if err != nil {
			return nil, err
		}
		index[key] = &function{proto: p, opsets: versions}
	}
	return index, nil
}

// checkCalls refuses recursion, calls that nest too deep, and functions that grow beyond all bounds. What it finds is
// the budget of nodes for the import.
func (im *importer) checkCalls(nodes []*pb.NodeProto) error {
	_, total, err := im.measure(nodes, 0)
	if err != nil {
		return err
	}
	if total > maxNodes {
		return errf(TooLarge, "export the model without functions", "inlining its functions makes more than %d nodes", maxNodes)
	}
	im.budget = total + max(spareNodes, spareFactor*total)
	return nil
}

// spend takes one node from the budget. It is exceeded by loops whose bodies are imported again and again, and by
// subgraphs that are handed to functions as attributes.
func (im *importer) spend() error {
	if im.budget--; im.budget < 0 {
		return errf(TooLarge, "export with loop-carried tensors of fixed sizes, and without functions",
			"loops in loops change their sizes, or functions repeat subgraphs: too many nodes")
	}
	return nil
}

// enter opens a subgraph or a function; the caller closes it.
func (im *importer) enter() error {
	if im.open++; im.open > 2*MaxDepth {
		return errf(TooDeep, "flatten the model's subgraphs and functions", "subgraphs and functions nest more than %d deep", 2*MaxDepth)
	}
	return nil
}

func (im *importer) leave() { im.open-- }

// measure finds how deep calls nest below nodes, and how many nodes they make.
func (im *importer) measure(nodes []*pb.NodeProto, open int) (depth int, total int64, err error) {
	for _, p := range nodes {
		d, n := 0, int64(1)
		if f := im.functions[funcKey{canonical(p.GetDomain()), p.GetOpType(), p.GetOverload()}]; f != nil {
			if d, n, err = im.measureCall(p, f, open); err != nil {
				return 0, 0, err
			}
		}
		depth, total = max(depth, d), addNodes(total, n)
		for g := range subgraphs(p) {
			if d, n, err = im.measure(g.Node, open); err != nil {
				return 0, 0, err
			}
			depth, total = max(depth, d), addNodes(total, n)
		}
	}
	return depth, total, nil
}

func (im *importer) measureCall(p *pb.NodeProto, f *function, open int) (int, int64, error) {
	at := Error{Node: clip(p.GetName()), Op: p.GetOpType(), Domain: p.GetDomain()}
	tooDeep := func() error {
		return Locate(errf(TooDeep, "export the model without functions", "functions call one another more than %d deep", MaxDepth), at)
	}
	switch {
	case f.state == walking:
		return 0, 0, Locate(errf(TooDeep, "functions must not recur: "+remedyExport, "function %q calls itself", clip(p.GetOpType())), at)
	case open >= MaxDepth:
		return 0, 0, tooDeep()
	case f.state == unseen:
		f.state = walking
		depth, nodes, err := im.measure(f.proto.Node, open+1)
		if err != nil {
			return 0, 0, err
		}
		f.depth, f.nodes, f.state = depth+1, nodes, walked
	}
	if open+f.depth > MaxDepth {
		return 0, 0, tooDeep()
	}
	return f.depth, f.nodes, nil
}

func addNodes(a, b int64) int64 {
	if a > math.MaxInt64/2-b {
		return math.MaxInt64 / 2
	}
	return a + b
}

// call is the use of a function that a scope is in.
type call struct {
	name  string // of the calling nodes
	attrs map[string]*pb.AttributeProto
}

// prefix is what node names begin with in a function.
func (c *call) prefix() string {
	if c == nil {
		return ""
	}
	return c.name + "/"
}

// resolve replaces references to the function's attributes by their values; one without a value is left out.
func (c *call) resolve(list []*pb.AttributeProto) []*pb.AttributeProto {
	if c == nil {
		return list
	}
	out := make([]*pb.AttributeProto, 0, len(list))
	for _, a := range list {
		ref := a.GetRefAttrName()
		if ref == "" {
			out = append(out, a)
			continue
		}
		if v := c.attrs[ref]; v != nil {
			bound := &pb.AttributeProto{Name: a.Name, Type: v.Type, F: v.F, I: v.I, S: v.S, T: v.T, G: v.G, SparseTensor: v.SparseTensor, Tp: v.Tp,
				Floats: v.Floats, Ints: v.Ints, Strings: v.Strings, Tensors: v.Tensors, Graphs: v.Graphs,
				SparseTensors: v.SparseTensors, TypeProtos: v.TypeProtos}
			out = append(out, bound)
		}
	}
	return out
}

// inline imports the body of f in the place of node n.
func (s *scope) inline(n *Node, f *function) error {
	p := f.proto
	if len(n.proto.Input) > len(p.Input) || len(n.proto.Output) > len(p.Output) {
		return errf(Invalid, remedyExport, "%d operands and %d outputs, the function takes %d and gives %d",
			len(n.proto.Input), len(n.proto.Output), len(p.Input), len(p.Output))
	}
	if err := n.operands(); err != nil {
		return err
	}
	attrs, err := bindAttrs(n.Attrs, p)
	if err != nil {
		return err
	}
	defer s.im.leave()
	if err := s.im.enter(); err != nil {
		return err
	}
	in := newScope(s.im, s.region, f.opsets)
	in.call = &call{name: s.callName(n.proto), attrs: attrs}
	in.declare(p.ValueInfo)
	for i, name := range p.Input {
		if _, twice := in.values[name]; twice || name == "" {
			return errf(Invalid, remedyExport, "operand %d of the function is called %q: a name must be there, once", i, clip(name))
		}
		in.values[name] = n.arg(i)
	}
	if err := in.importNodes(p.Node); err != nil {
		return err
	}
	return s.results(n, in, p.Output)
}

// results gives a call's outputs the values of the function's.
func (s *scope) results(n *Node, in *scope, names []string) error {
	for i, out := range n.proto.Output {
		v, ok := in.lookup(names[i])
		if !ok || v == nil {
			return errf(Missing, remedyExport, "the function does not produce its output %q", clip(names[i]))
		}
		if err := s.define(out, v); err != nil {
			return err
		}
	}
	return nil
}

// callName is the prefix of names in a call; the outermost calls are left out of a very long one.
func (s *scope) callName(p *pb.NodeProto) string {
	const most = 200
	name := s.nodeName(p)
	if len(name) > most {
		name = "…" + strings.ToValidUTF8(name[len(name)-most:], "")
	}
	return name
}

// bindAttrs are the values of the function's attributes in a call.
func bindAttrs(a *Attrs, p *pb.FunctionProto) (map[string]*pb.AttributeProto, error) {
	attrs := make(map[string]*pb.AttributeProto, len(p.Attribute)+len(p.AttributeProto))
	for _, def := range p.AttributeProto {
		attrs[def.GetName()] = def
		if v := a.Get(def.GetName()); v != nil {
			attrs[def.GetName()] = v
		}
	}
	for _, name := range p.Attribute {
		v := a.Get(name)
		if v == nil {
			continue // the nodes that refer to it do without
		}
		attrs[name] = v
	}
	if extra := a.Unused(); extra != nil {
		return nil, errf(Invalid, remedyExport, "the function has no attribute %q", clip(extra[0]))
	}
	return attrs, nil
}
