package ir

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// ParseOptions say where a text's blobs come from.
type ParseOptions struct {
	// Blob finds the blob that the text describes as a file of that size. Without it, a text that names files
	// is an error.
	Blob func(name, path string, size int64) (*Blob, error)
}

// Parse reads the text form that Print writes. It infers every op again and refuses types that do not follow.
// Errors name the line.
func Parse(text string, opts ParseOptions) (*Module, error) {
	p := &parser{scanner: scanner{s: text, line: 1}, opts: opts}
	p.module()
	if p.err != nil {
		return nil, p.err
	}
	if err := Verify(p.m); err != nil {
		return nil, err
	}
	return p.m, nil
}

type parser struct {
	scanner
	opts   ParseOptions
	m      *Module
	f      *Func
	blobs  map[string]*Blob
	values map[string]*Value
	locs   map[string]LocID
	depth  int
}

// maxRegionDepth bounds how deep regions nest in a text.
const maxRegionDepth = 128

func (p *parser) module() {
	p.want("module")
	p.m = NewModule(p.str())
	p.locs, p.blobs = map[string]LocID{}, map[string]*Blob{}
	for p.err == nil && !p.end() {
		switch {
		case p.word("blob"):
			p.blob()
		case p.word("func"):
			p.function()
		default:
			p.fail("expected blob or func")
		}
	}
}

func (p *parser) blob() {
	p.want("@")
	name := p.name()
	p.want("=")
	b := &Blob{Name: name}
	switch {
	case p.blobs[name] != nil:
		p.fail("blob %q twice", name)
	case p.word("hex"):
		b.Data = p.hex()
	default:
		p.want("file")
		path := p.str()
		size := p.int()
		if p.opts.Blob == nil {
			p.fail("blob %q is in a file, which is not at hand here", path)
			return
		}
		found, err := p.opts.Blob(name, path, size)
		if err != nil {
			p.fail("blob %q: %v", path, err)
			return
		}
		b = found
	}
	p.blobs[name] = b
	p.m.Blobs = append(p.m.Blobs, b)
}

func (p *parser) hex() []byte {
	b, err := hex.DecodeString(p.str())
	if err != nil {
		p.fail("bad hex: %v", err)
	}
	return b
}

func (p *parser) function() {
	p.want("@")
	p.f = p.m.NewFunc(p.name())
	p.values = map[string]*Value{}
	p.want("(")
	p.params(p.f.Body)
	p.want("->")
	p.want("(")
	var types []Type
	for p.err == nil && !p.eat(")") {
		p.f.Outputs = append(p.f.Outputs, p.name())
		p.want(":")
		types = append(types, p.typ())
		p.comma(")")
	}
	p.want("{")
	p.body(p.f.Body)
	if p.err != nil {
		return
	}
	rs := p.f.Results()
	if len(rs) != len(types) {
		p.fail("func @%s yields %d values, declares %d", p.f.Name, len(rs), len(types))
		return
	}
	for i, t := range types {
		if rs[i] == nil || !rs[i].Type.Equal(t) {
			p.fail("output %q is declared %s", p.f.Outputs[i], t)
		}
	}
}

// params reads %name: type, … ) into r.
func (p *parser) params(r *Region) {
	for p.err == nil && !p.eat(")") {
		id, name := p.valueName()
		p.want(":")
		p.setValue(id, r.AddParam(name, p.typ()))
		p.comma(")")
	}
}

// valueName reads %12, %name or %"name": the key of the value, and the name where it is one.
func (p *parser) valueName() (id, name string) {
	p.want("%")
	if p.peekDigit() {
		return strconv.FormatInt(p.int(), 10), ""
	}
	name = p.name()
	return "%" + name, name
}

func (p *parser) setValue(id string, v *Value) {
	if p.values[id] != nil {
		p.fail("%%%s is defined twice", strings.TrimPrefix(id, "%"))
		return
	}
	p.values[id] = v
	for _, d := range v.Type.Shape {
		d.Symbols(p.f.reserve)
	}
}

// reserve keeps Fresh from making a symbol of the form u<n> that is in use.
func (f *Func) reserve(d Dim) {
	if n, err := strconv.Atoi(strings.TrimPrefix(d.Name(), "u")); err == nil && d.Name()[0] == 'u' && n >= f.fresh {
		f.fresh = n + 1
	}
}

func (p *parser) body(r *Region) {
	if p.depth++; p.depth > maxRegionDepth {
		p.fail("regions nest deeper than %d", maxRegionDepth)
	}
	for p.err == nil && !p.eat("}") {
		if p.word("fact") {
			p.fact(r)
			continue
		}
		p.op(r)
	}
	p.depth--
}

func (p *parser) fact(r *Region) {
	f := Fact{}
	switch {
	case p.word("eq"):
	case p.word("le"):
		f.Rel = LE
	case p.word("divides"):
		f.Rel = Divides
	default:
		p.fail("unknown relation")
	}
	f.A = p.dim()
	p.want(",")
	f.B = p.dim()
	f.Loc = p.loc()
	if f.A == Unknown || f.B == Unknown {
		p.fail("a fact of an unknown size")
	}
	if p.err == nil {
		r.AddFact(f)
	}
}

func (p *parser) op(r *Region) {
	var ids []string
	if p.peek('%') {
		for {
			id, name := p.valueName()
			if name != "" {
				p.fail("results are numbered: %%%s", name)
			}
			ids = append(ids, id)
			if !p.eat(",") {
				break
			}
		}
		p.want("=")
	}
	name := p.name()
	k, ok := kindByName[name]
	if !ok {
		p.fail("unknown op %q", name)
		return
	}
	attrs, args := p.operands(k)
	types := p.resultTypes()
	if c, ok := attrs.(*ConstAttrs); ok && p.err == nil {
		p.finishConst(c, types)
	}
	loc := p.loc()
	var regions []*Region
	for p.err == nil && p.word("region") {
		sub := r.NewRegion()
		p.want("(")
		p.params(sub)
		bindCaptures(sub, k, attrs, args)
		p.want("{")
		p.body(sub)
		regions = append(regions, sub)
	}
	if p.err != nil {
		return
	}
	p.insert(r, k, attrs, args, regions, loc, ids, types)
}

// bindCaptures gives the parameters that stand for captured operands their symbolic elements.
func bindCaptures(r *Region, k Kind, a Attrs, args []*Value) {
	from, to := captures(k, a)
	if from < 0 || from > len(args) || to > len(r.Params) {
		return
	}
	for i, v := range args[from:min(len(args), from+len(r.Params)-to)] {
		if p := r.Params[to+i]; v != nil && p.Type.Equal(v.Type) {
			p.Sym = v.Sym
		}
	}
}

func (p *parser) insert(r *Region, k Kind, attrs Attrs, args []*Value, regions []*Region, loc LocID, ids []string, types []Type) {
	b := NewBuilder(r)
	b.Loc = loc
	for _, t := range types { // before inference makes symbols of its own
		for _, d := range t.Shape {
			d.Symbols(p.f.reserve)
		}
	}
	op := b.Insert(k, attrs, regions, types, args...)
	switch {
	case b.err != nil:
		p.failWith(b.err)
	case len(op.Results) != len(ids) || len(ids) != len(types):
		p.fail("%s has %d results, the text %d names and %d types", k, len(op.Results), len(ids), len(types))
	default:
		for i, v := range op.Results {
			if !r.SameType(v.Type, types[i]) {
				p.failWith(&Error{Kind: ShapeError, Label: "op_c9", Op: k, Msg: fmt.Sprintf(
					"result %d of %s is declared %s, inference gives %s", i, k, types[i], v.Type)})
				return
			}
			v.Type = types[i]
			p.setValue(ids[i], v)
		}
	}
}

var kindByName = func() map[string]Kind {
	m := make(map[string]Kind, NumKinds)
	for k := NoKind + 1; k < NumKinds; k++ {
		m[k.String()] = k
	}
	return m
}()

// ParseKind is the inverse of Kind.String.
func ParseKind(name string) (Kind, bool) {
	k, ok := kindByName[name]
	return k, ok
}

func (p *parser) operands(k Kind) (Attrs, []*Value) {
	if k == Const {
		return p.constant(), nil
	}
	var args []*Value
	for p.err == nil && (p.peek('%') || p.peekWord("none")) {
		if p.word("none") {
			args = append(args, nil)
		} else {
			id, _ := p.valueName()
			v := p.values[id]
			if v == nil && p.err == nil {
				p.fail("%%%s is not defined before it is used", strings.TrimPrefix(id, "%"))
			}
			args = append(args, v)
		}
		if !p.eat(",") {
			break
		}
	}
	var attrs Attrs
	if Kinds[k].Attrs != nil {
		attrs = Kinds[k].Attrs()
	}
	if p.eat("{") {
		p.attrs(attrs)
	}
	return attrs, args
}

func (p *parser) resultTypes() []Type {
	var types []Type
	if p.eat(":") {
		for {
			types = append(types, p.typ())
			if !p.eat(",") {
				break
			}
		}
	}
	return types
}

// constant reads what follows `const`: @blob[off:+len], hex "…", or a list, which finishConst converts.
func (p *parser) constant() *ConstAttrs {
	a := &ConstAttrs{}
	switch {
	case p.eat("@"):
		name := p.name()
		if a.Blob = p.blobs[name]; a.Blob == nil {
			p.fail("unknown blob %q", name)
		}
		p.want("[")
		a.Off = p.int()
		p.want(":")
		p.want("+")
		a.Len = p.int()
		p.want("]")
	case p.word("hex"):
		a.Inline = p.hex()
	default:
		a.Strings = p.elements()
	}
	return a
}

// elements reads a list as the text of its elements; strings are unquoted.
func (p *parser) elements() []string {
	var out []string
	p.want("[")
	for p.err == nil && !p.eat("]") {
		if p.peek('"') {
			out = append(out, p.str())
		} else {
			out = append(out, p.until(",]"))
		}
		p.comma("]")
	}
	return out
}

func (p *parser) finishConst(a *ConstAttrs, types []Type) {
	if len(types) != 1 {
		p.fail("a constant has one type")
		return
	}
	a.Type = types[0]
	if a.Strings == nil || !a.Type.IsTensor() || a.Type.DType == String {
		return
	}
	t := NewTensor(a.Type.DType, len(a.Strings))
	for i, s := range a.Strings {
		if err := setElement(t, i, s); err != nil {
			p.fail("element %q of a constant of %s: %v", s, a.Type, err)
			return
		}
	}
	a.Inline, a.Strings = t.Pack(), nil
}

func setElement(t *Tensor, i int, s string) error {
	d := t.DType
	switch {
	case d == F32 || d == F64:
		v, err := strconv.ParseFloat(s, d.Bits())
		if d == F32 {
			View[float32](t)[i] = float32(v)
		} else {
			View[float64](t)[i] = v
		}
		return err
	case d.Category() == Unsigned || d == Bool:
		v, err := strconv.ParseUint(s, 10, d.Bits())
		putInt(t, i, v)
		return err
	case d.Category() == Signed:
		v, err := strconv.ParseInt(s, 10, d.Bits())
		putInt(t, i, uint64(v))
		return err
	}
	return fmt.Errorf("constants of %s are written in hex", d)
}

func putInt(t *Tensor, i int, v uint64) {
	n := t.DType.Size()
	for k := range n {
		t.Data[i*n+k] = byte(v >> (8 * k))
	}
}

// loc reads an optional location.
func (p *parser) loc() LocID {
	if !p.word("loc") {
		return 0
	}
	start := p.i
	l := p.location(0)
	key := p.s[start:p.i]
	if id, ok := p.locs[key]; ok {
		return id
	}
	id := p.m.AddLoc(l)
	p.locs[key] = id
	return id
}

func (p *parser) location(depth int) Loc {
	l := Loc{File: p.m.Name}
	p.want("(")
	l.Node = p.str()
	p.want(",")
	l.OpType = p.str()
	if domain, op, ok := strings.Cut(l.OpType, "::"); ok {
		l.Domain, l.OpType = domain, op
	}
	p.want(",")
	l.Opset = int(p.int())
	for p.err == nil && p.eat(",") {
		if p.word("file") {
			p.want("=")
			l.File = p.str()
			continue
		}
		p.want("from")
		p.want("=")
		p.want("[")
		for p.err == nil && depth < maxLocDepth && !p.eat("]") {
			p.want("loc")
			l.From = append(l.From, p.m.AddLoc(p.location(depth+1)))
			p.comma("]")
		}
	}
	p.want(")")
	return l
}
