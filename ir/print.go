package ir

import (
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
)

// String is the module's text form, .eir: see docs/ir.md for its grammar. Parse reads it back.
func (m *Module) String() string {
	var b strings.Builder
	_ = m.Print(&b)
	return b.String()
}

// Print writes the text form of m.
func (m *Module) Print(w io.Writer) error {
	p := &printer{w: w, m: m}
	p.line(0, "module %s", strconv.Quote(m.Name))
	for _, b := range m.Blobs {
		if b.Path != "" {
			p.line(0, "blob %s = file %s %d", blobName(b.Name), strconv.Quote(b.Path), len(b.Data))
		} else {
			p.line(0, "blob %s = hex %q", blobName(b.Name), hex.EncodeToString(b.Data))
		}
	}
	for _, f := range m.Funcs {
		p.function(f)
	}
	return p.err
}

// String is the text form of f alone.
func (f *Func) String() string {
	var b strings.Builder
	p := &printer{w: &b, m: f.Module}
	p.function(f)
	return b.String()
}

type printer struct {
	w     io.Writer
	m     *Module
	err   error
	names map[*Value]string
	taken map[string]bool
	next  int
}

func (p *printer) line(depth int, format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, "%s%s\n", strings.Repeat("  ", depth), fmt.Sprintf(format, args...))
	}
}

func (p *printer) function(f *Func) {
	p.names, p.taken, p.next = map[*Value]string{}, map[string]bool{}, 0
	outs := make([]string, len(f.Outputs))
	for i, name := range f.Outputs {
		t := "none"
		if rs := f.Results(); i < len(rs) {
			t = rs[i].Type.String()
		}
		outs[i] = identOrQuoted(name) + ": " + t
	}
	p.line(0, "func @%s(%s) -> (%s) {", identOrQuoted(f.Name), p.params(f.Body), strings.Join(outs, ", "))
	p.body(f.Body, 1)
	p.line(0, "}")
}

func identOrQuoted(s string) string {
	if isIdent(s) {
		return s
	}
	return strconv.Quote(s)
}

func blobName(s string) string { return "@" + identOrQuoted(s) }

func (p *printer) params(r *Region) string {
	parts := make([]string, len(r.Params))
	for i, v := range r.Params {
		parts[i] = p.define(v) + ": " + v.Type.String()
	}
	return strings.Join(parts, ", ")
}

// define names a value: parameters keep their name where it is free, everything else is numbered.
func (p *printer) define(v *Value) string {
	name := ""
	if v.Def == nil && v.Name != "" {
		name = "%" + identOrQuoted(v.Name)
	}
	if name == "" || p.taken[name] {
		name = "%" + strconv.Itoa(p.next)
		p.next++
	}
	p.taken[name] = true
	p.names[v] = name
	return name
}

func (p *printer) ref(v *Value) string {
	if v == nil {
		return "none"
	}
	if n, ok := p.names[v]; ok {
		return n
	}
	return "%undefined"
}

func (p *printer) body(r *Region, depth int) {
	for _, f := range r.Facts.List {
		p.line(depth, "fact %s %s, %s%s", f.Rel, f.A, f.B, p.loc(f.Loc))
	}
	for _, op := range r.Ops {
		p.op(op, depth)
	}
}

func (p *printer) op(op *Op, depth int) {
	var b strings.Builder
	args := make([]string, len(op.Args))
	for i, a := range op.Args {
		args[i] = p.ref(a)
	}
	if len(op.Results) > 0 {
		names := make([]string, len(op.Results))
		for i, r := range op.Results {
			names[i] = p.define(r)
		}
		b.WriteString(strings.Join(names, ", ") + " = ")
	}
	b.WriteString(op.Kind.String())
	if c, ok := op.Attrs.(*ConstAttrs); ok {
		b.WriteString(" " + formatConst(c))
	} else {
		if len(args) > 0 {
			b.WriteString(" " + strings.Join(args, ", "))
		}
		if a := FormatAttrs(op.Attrs); a != "" {
			b.WriteString(" " + a)
		}
	}
	for i, r := range op.Results {
		sep := ", "
		if i == 0 {
			sep = " : "
		}
		b.WriteString(sep + r.Type.String())
	}
	b.WriteString(p.loc(op.Loc))
	for i, r := range op.Regions {
		p.line(depth, "%s region(%s) {", b.String(), p.params(r))
		p.body(r, depth+1)
		b.Reset()
		b.WriteString("}")
		if i == len(op.Regions)-1 {
			break
		}
	}
	p.line(depth, "%s", b.String())
}

// loc is ` loc("node", "OpType", opset)`, with file and origins where there is more to say.
func (p *printer) loc(id LocID) string {
	if id == 0 || int(id) >= len(p.m.Locs) {
		return ""
	}
	return " " + p.formatLoc(p.m.Locs[id], 0)
}

// maxLocDepth bounds how far origins of origins are printed.
const maxLocDepth = 4

func (p *printer) formatLoc(l Loc, depth int) string {
	op := l.OpType
	if l.Domain != "" {
		op = l.Domain + "::" + op
	}
	s := fmt.Sprintf("loc(%s, %s, %d", strconv.Quote(l.Node), strconv.Quote(op), l.Opset)
	if l.File != p.m.Name {
		s += ", file = " + strconv.Quote(l.File)
	}
	if len(l.From) > 0 && depth < maxLocDepth {
		parts := make([]string, len(l.From))
		for i, id := range l.From {
			parts[i] = p.formatLoc(p.m.Locs[id], depth+1)
		}
		s += ", from = [" + strings.Join(parts, ", ") + "]"
	}
	return s + ")"
}

// inlineElements is how many elements a constant may have to be printed as a list.
const inlineElements = 64

func formatConst(a *ConstAttrs) string {
	switch {
	case a.Blob != nil:
		return fmt.Sprintf("%s[%d:+%d]", blobName(a.Blob.Name), a.Off, a.Len)
	case a.Type.DType == String:
		return formatList(a.Strings)
	}
	if s, ok := formatElements(a); ok {
		return s
	}
	return "hex " + strconv.Quote(hex.EncodeToString(a.Inline))
}

// formatElements prints a small constant's elements, where text is exact: integers, bools, finite f32 and f64.
func formatElements(a *ConstAttrs) (string, bool) {
	t, err := a.Tensor()
	if err != nil || t.Len() > inlineElements || len(a.Inline) == 0 && t.Len() > 0 {
		return "", false
	}
	var parts []string
	switch d := t.DType; {
	case d == F32:
		for _, v := range View[float32](t) {
			parts = append(parts, floatText(float64(v), 32))
		}
	case d == F64:
		for _, v := range View[float64](t) {
			parts = append(parts, floatText(v, 64))
		}
	case d == U64:
		for _, v := range View[uint64](t) {
			parts = append(parts, strconv.FormatUint(v, 10))
		}
	case d.IsInt() || d == Bool && !strings.ContainsFunc(string(t.Data), func(r rune) bool { return r > 1 }):
		for _, v := range t.Ints() {
			parts = append(parts, strconv.FormatInt(v, 10))
		}
	default:
		return "", false
	}
	for _, s := range parts {
		if s == "nan" { // has a payload
			return "", false
		}
	}
	return "[" + strings.Join(parts, ", ") + "]", true
}

func floatText(v float64, bits int) string {
	switch {
	case math.IsNaN(v):
		return "nan"
	case math.IsInf(v, 0):
		return formatFloat(v)
	}
	s := strconv.FormatFloat(v, 'g', -1, bits)
	if !strings.ContainsAny(s, ".e") {
		s += ".0"
	}
	return s
}
