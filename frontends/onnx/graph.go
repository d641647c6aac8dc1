package onnx

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/emilyc/emily/frontends/onnx/pb"
	"github.com/emilyc/emily/frontends/onnx/schema"
	"github.com/emilyc/emily/ir"
)

// scope is a graph, or the body of a function, that is being imported: its names, and the region that its
// nodes go to. A function's body has names of its own and the region of its caller.
type scope struct {
	im     *importer
	outer  *scope // whose names it may use: nil for the main graph and for functions
	region *ir.Region
	b      *ir.Builder
	call   *call            // of the function that it is in, nil for none
	opsets map[string]int64 // version by domain

	values   map[string]*ir.Value    // defined here; nil for an absent optional operand of a function
	stored   map[string]stored       // initializers, made into constants where they are used
	captured map[string]*ir.Value    // names of outer scopes, as values of region
	params   map[*ir.Value]*ir.Value // outer value → the region's parameter bound to it
	captures []*ir.Value             // outer values in the order of their parameters
	declared map[string]*pb.ValueInfoProto

	nodes []*pb.NodeProto
	at    int // index of the node that is being imported
}

// stored is an initializer.
type stored struct {
	dense  *pb.TensorProto
	sparse *pb.SparseTensorProto
}

func newScope(im *importer, r *ir.Region, opsets map[string]int64) *scope {
	return &scope{im: im, region: r, b: ir.NewBuilder(r), opsets: opsets, values: map[string]*ir.Value{}}
}

// inner is a scope for a subgraph in region r, which may be s's own.
func (s *scope) inner(r *ir.Region) *scope {
	in := newScope(s.im, r, s.opsets)
	in.outer, in.call = s, s.call
	in.b.Loc = s.b.Loc
	return in
}

// open takes the names that g declares.
func (s *scope) open(g *pb.GraphProto) error {
	s.stored = make(map[string]stored, len(g.Initializer)+len(g.SparseInitializer))
	for _, t := range g.Initializer {
		if err := s.store(t.GetName(), stored{dense: t}); err != nil {
			return err
		}
	}
	for _, t := range g.SparseInitializer {
		if err := s.store(t.GetValues().GetName(), stored{sparse: t}); err != nil {
			return err
		}
	}
	s.declare(g.ValueInfo)
	return nil
}

func (s *scope) declare(infos []*pb.ValueInfoProto) {
	s.declared = make(map[string]*pb.ValueInfoProto, len(infos))
	for _, info := range infos {
		s.declared[info.GetName()] = info
	}
}

func (s *scope) store(name string, t stored) error {
	if name == "" {
		return errf(Invalid, remedyExport, "an initializer has no name")
	}
	if _, twice := s.stored[name]; twice {
		return Locate(errf(Invalid, remedyExport, "two initializers have this name"), Error{Tensor: name})
	}
	s.stored[name] = t
	return nil
}

// lookup finds the value of a name, making a constant or a capture where that is needed.
func (s *scope) lookup(name string) (v *ir.Value, ok bool) {
	if v, ok = s.values[name]; ok {
		return v, true
	}
	if v, ok = s.captured[name]; ok {
		return v, true
	}
	for o := s; o != nil; o = o.outer {
		if o != s {
			if _, defined := o.values[name]; defined {
				break // hides initializers further out
			}
		}
		if t, here := o.stored[name]; here {
			v = s.initializer(name, t)
			s.remember(name, v)
			return v, true
		}
	}
	if s.outer == nil {
		return nil, false
	}
	if v, ok = s.outer.lookup(name); !ok {
		return nil, false
	}
	if v != nil && s.region != s.outer.region {
		v = s.capture(v)
	}
	s.remember(name, v)
	return v, true
}

func (s *scope) remember(name string, v *ir.Value) {
	if s.captured == nil {
		s.captured = map[string]*ir.Value{}
	}
	s.captured[name] = v
}

// capture makes an outer value one of s.region: constants are made again, others become parameters.
func (s *scope) capture(v *ir.Value) *ir.Value {
	if v.Def != nil && v.Def.Kind == ir.Const {
		return s.b.Op(ir.Const, v.Def.Attrs)
	}
	if ints, ok := v.KnownInts(); ok {
		if t := intTensor(v.Type, ints); t != nil {
			return s.b.Const(t)
		}
	}
	if p := s.params[v]; p != nil {
		return p
	}
	p := s.region.AddParam(v.Name, v.Type)
	p.Sym = v.Sym
	s.bindCapture(v, p)
	return p
}

// bindCapture notes that parameter p stands for outer value v.
func (s *scope) bindCapture(v, p *ir.Value) {
	if s.params == nil {
		s.params = map[*ir.Value]*ir.Value{}
	}
	s.params[v] = p
	s.captures = append(s.captures, v)
	s.im.origin[p] = v
}

// importNodes imports the nodes, each after those that it uses. They ought to be in such an order, and most are.
func (s *scope) importNodes(nodes []*pb.NodeProto) error {
	s.nodes = inOrder(nodes)
	for i, p := range s.nodes {
		s.at = i
		if err := s.importNode(p); err != nil {
			return err
		}
	}
	return nil
}

func (s *scope) importNode(p *pb.NodeProto) error {
	domain := canonical(p.GetDomain())
	err := s.emit(p, domain)
	if err == nil {
		return nil
	}
	return Locate(err, Error{File: s.im.file.Path, Node: s.nodeName(p), Op: strings.Clone(p.GetOpType()), Domain: strings.Clone(domain), Opset: s.opsets[domain]})
}

// nodeName is what diagnostics call a node: its name, or else that of its first output, after the calls that led to it.
func (s *scope) nodeName(p *pb.NodeProto) string {
	name := p.GetName()
	for _, out := range p.Output {
		if name == "" {
			name = out
		}
	}
	return strings.Clone(s.call.prefix() + clip(name)) // the file may be closed before this is printed
}

func (s *scope) emit(p *pb.NodeProto, domain string) error {
	if err := s.im.spend(); err != nil {
		return err
	}
	if p.GetOpType() == "" {
		return errf(Invalid, remedyExport, "the node has no op_type")
	}
	n := &Node{Attrs: NewAttrs(s.call.resolve(p.Attribute)), proto: p, s: s, b: s.b}
	if err := n.Err(); err != nil {
		return err
	}
	if f := s.im.functions[funcKey{domain, p.GetOpType(), p.GetOverload()}]; f != nil {
		return s.inline(n, f)
	}
	version, err := s.version(domain)
	if err != nil {
		return err
	}
	found, err := s.im.rows.find(domain, p.GetOpType(), version)
	if err != nil {
		return err
	}
	row := found.row
	n.Opset, n.since = version, found.since
	if err := n.checkForm(domain); err != nil {
		return err
	}
	s.b.Loc = s.loc(p, row, version)
	if err := n.operands(); err != nil {
		return err
	}
	if err := n.checkTypes(); err != nil {
		return err
	}
	return n.run(row)
}

// loc is the location of a node's ops.
func (s *scope) loc(p *pb.NodeProto, r *row, version int64) ir.LocID {
	return s.im.module.AddLoc(ir.Loc{File: s.im.base, Node: s.nodeName(p), OpType: r.op, Domain: r.domain, Opset: int(version)})
}

// define gives a node's output its value. Names are defined once, here and in the scopes around.
func (s *scope) define(name string, v *ir.Value) error {
	if name == "" {
		return nil
	}
	for o := s; o != nil; o = o.outer {
		_, value := o.values[name]
		_, init := o.stored[name]
		if value || init {
			return errf(Invalid, "give every tensor a name of its own", "output %q has the name of another tensor", clip(name))
		}
	}
	if v != nil && v.Type.IsTensor() {
		if shape, static := v.Shape().Static(); static {
			if _, err := ir.NumElements(shape); err != nil {
				return &Error{Kind: TooLarge, Remedy: "check the node's operands", Msg: "output of " + v.Type.String(), Err: err}
			}
		}
	}
	s.values[name] = v
	if info := s.declared[name]; info != nil {
		return s.checkDeclared(info, v)
	}
	return nil
}

// outputs are the values of the graph's outputs.
func (s *scope) outputs(g *pb.GraphProto) ([]*ir.Value, error) {
	results := make([]*ir.Value, len(g.Output))
	for i, out := range g.Output {
		name := out.GetName()
		if name == "" {
			return nil, errf(Invalid, remedyExport, "graph output %d has no name", i)
		}
		v, ok := s.lookup(name)
		if err := s.b.Err(); err != nil {
			return nil, err
		}
		if !ok || v == nil {
			return nil, errf(Missing, remedyExport, "graph output %q is produced by no node", clip(name))
		}
		results[i] = v
	}
	return results, nil
}

// inOrder is nodes with each moved after those that it uses; where they are in order, or a cycle allows none, as they are.
// onnxruntime's float16 converter appends the casts of inputs.
func inOrder(nodes []*pb.NodeProto) []*pb.NodeProto {
	producer := make(map[string]int, len(nodes))
	for i, p := range nodes {
		for _, out := range p.Output {
			if out != "" {
				producer[out] = i
			}
		}
	}
	users, missing := make([][]int, len(nodes)), make([]int, len(nodes))
	sorted := true
	for i, p := range nodes {
		visitInputs(p, func(name string) {
			if k, ok := producer[name]; ok {
				users[k], missing[i] = append(users[k], i), missing[i]+1
				sorted = sorted && k < i
			}
		})
	}
	if sorted {
		return nodes
	}
	var ready []int
	for i, n := range missing {
		if n == 0 {
			ready = append(ready, i)
		}
	}
	out := make([]*pb.NodeProto, 0, len(nodes))
	for len(ready) > 0 {
		k := ready[0]
		ready, out = ready[1:], append(out, nodes[k])
		for _, i := range users[k] {
			if missing[i]--; missing[i] == 0 {
				ready = append(ready, i)
			}
		}
	}
	if len(out) < len(nodes) {
		return nodes
	}
	return out
}

// undefined says why a name has no value: the graph is out of order, or has a cycle, or lacks it.
func (s *scope) undefined(name string) error {
	for o := s; o != nil; o = o.outer {
		k := slices.IndexFunc(o.nodes, func(p *pb.NodeProto) bool { return slices.Contains(p.Output, name) })
		if k < 0 {
			continue
		}
		p := o.nodes[k]
		if o.leadsTo(k, o.at) {
			return errf(Invalid, "a graph must be acyclic: "+remedyExport,
				"operand %q is part of a cycle: it comes from node %q, which depends on this one", clip(name), o.nodeName(p))
		}
		return errf(Invalid, "sort the nodes topologically",
			"operand %q is used before it is defined by node %q", clip(name), o.nodeName(p))
	}
	return errf(Missing, remedyExport, "operand %q is not defined: no input, initializer or node output has this name", clip(name))
}

// leadsTo reports whether node from needs, directly or not, an output of node to.
func (s *scope) leadsTo(from, to int) bool {
	producer := make(map[string]int, len(s.nodes))
	for i, p := range s.nodes {
		for _, out := range p.Output {
			producer[out] = i
		}
	}
	seen := map[int]bool{}
	todo := []int{from}
	for len(todo) > 0 {
		k := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if k == to {
			return true
		}
		if seen[k] {
			continue
		}
		seen[k] = true
		visitInputs(s.nodes[k], func(name string) {
			if i, ok := producer[name]; ok {
				todo = append(todo, i)
			}
		})
	}
	return false
}

// visitInputs visits the names that a node uses, also in its subgraphs.
func visitInputs(p *pb.NodeProto, visit func(string)) {
	for _, name := range p.Input {
		visit(name)
	}
	for g := range subgraphs(p) {
		for _, in := range g.Node {
			visitInputs(in, visit)
		}
	}
}

// subgraphs yields the graphs among a node's attributes.
func subgraphs(p *pb.NodeProto) iter.Seq[*pb.GraphProto] {
	return func(yield func(*pb.GraphProto) bool) {
		for _, a := range p.Attribute {
			if a.G != nil && !yield(a.G) {
				return
			}
			for _, g := range a.Graphs {
				if !yield(g) {
					return
				}
			}
		}
	}
}

// opsets are the versions that the model imports.
func opsets(m *pb.ModelProto) (map[string]int64, error) {
	if v := m.GetIrVersion(); len(m.OpsetImport) == 0 && v > 0 && v < 3 {
		return map[string]int64{"": 1}, nil // before IR version 3 there was one
	}
	return opsetImports(m.OpsetImport)
}

func opsetImports(list []*pb.OperatorSetIdProto) (map[string]int64, error) {
	versions := make(map[string]int64, len(list))
	for _, o := range list {
		domain, v := canonical(o.GetDomain()), o.GetVersion()
		if v < 1 {
			return nil, errf(Invalid, remedyExport, "version %d of domain %q is imported; versions start at 1", v, domainName(domain))
		}
		if known := schema.Newest(domain); known > 0 && v > known {
			return nil, errf(Unsupported, fmt.Sprintf("export with version %d or older", known), "version %d of domain %q is imported; the newest that Emily knows is %d", v, domainName(domain), known)
		}
		if old, twice := versions[domain]; twice && old != v {
			return nil, errf(Invalid, remedyExport, "versions %d and %d of domain %q are imported", old, v, domainName(domain))
		}
		versions[domain] = v
	}
	return versions, nil
}

func (s *scope) version(domain string) (int64, error) {
	v, ok := s.opsets[domain]
	if !ok && domain == microsoft { // onnxruntime's tools leave it out
		return 1, nil
	}
	if !ok {
		return 0, errf(Invalid, "import a version of it (opset_import)", "no version of domain %q is imported", domainName(domain))
	}
	return v, nil
}

// canonical is the one spelling of a domain.
func canonical(domain string) string {
	if domain == "ai.onnx" {
		return ""
	}
	return domain
}

func domainName(domain string) string {
	if domain == "" {
		return "ai.onnx"
	}
	return clip(domain)
}
