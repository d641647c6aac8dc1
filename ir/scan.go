package ir

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// scanner reads the text form's tokens. After an error it is at the end and every read gives zero values.
type scanner struct {
	s    string
	i    int
	line int
	err  error
}

func (p *scanner) fail(format string, args ...any) {
	if p.err == nil {
		p.err = &Error{Kind: Malformed, Label: "text_c1", Msg: fmt.Sprintf("line %d: %s", p.line, fmt.Sprintf(format, args...))}
	}
	p.i = len(p.s)
}

// failWith fails with a broken constraint of what was read.
func (p *scanner) failWith(err error) {
	var e *Error
	if p.err == nil && errors.As(err, &e) {
		at := *e
		at.Msg = fmt.Sprintf("line %d: %s", p.line, e.Msg)
		p.err = &at
	}
	p.fail("%v", err)
}

// space skips white space and comments, which run from // to the end of the line.
func (p *scanner) space() {
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case c == '\n':
			p.line++
		case c == '/' && strings.HasPrefix(p.s[p.i:], "//"):
			if k := strings.IndexByte(p.s[p.i:], '\n'); k >= 0 {
				p.i += k - 1
			} else {
				p.i = len(p.s) - 1
			}
		case c != ' ' && c != '\t' && c != '\r':
			return
		}
		p.i++
	}
}

func (p *scanner) end() bool {
	p.space()
	return p.i >= len(p.s)
}

func (p *scanner) peek(c byte) bool {
	p.space()
	return p.i < len(p.s) && p.s[p.i] == c
}

func (p *scanner) peekDigit() bool {
	return p.i < len(p.s) && '0' <= p.s[p.i] && p.s[p.i] <= '9'
}

func (p *scanner) eat(tok string) bool {
	p.space()
	if !strings.HasPrefix(p.s[p.i:], tok) {
		return false
	}
	p.i += len(tok)
	return true
}

func (p *scanner) want(tok string) {
	if !p.eat(tok) && p.err == nil {
		p.fail("expected %s", tok)
	}
}

// comma wants a comma unless the list ends next.
func (p *scanner) comma(closing string) {
	if !p.eat(",") && !p.peek(closing[0]) && p.err == nil {
		p.fail("expected , or %s", closing)
	}
}

func (p *scanner) ident() string {
	p.space()
	return p.s[p.i : p.i+identLen(p.s[p.i:])]
}

func (p *scanner) peekWord(w string) bool { return p.ident() == w }

func (p *scanner) word(w string) bool {
	if p.ident() != w {
		return false
	}
	p.i += len(w)
	return true
}

// name is an identifier or a quoted string.
func (p *scanner) name() string {
	if p.peek('"') {
		return p.str()
	}
	id := p.ident()
	if id == "" {
		p.fail("expected a name")
	}
	p.i += len(id)
	return id
}

func (p *scanner) str() string {
	p.space()
	q, err := strconv.QuotedPrefix(p.s[p.i:])
	if err != nil {
		p.fail("expected a quoted string")
		return ""
	}
	p.i += len(q)
	s, _ := strconv.Unquote(q)
	return s
}

func (p *scanner) int() int64 {
	p.space()
	j := p.i
	if j < len(p.s) && p.s[j] == '-' {
		j++
	}
	for j < len(p.s) && '0' <= p.s[j] && p.s[j] <= '9' {
		j++
	}
	n, err := strconv.ParseInt(p.s[p.i:j], 10, 64)
	if err != nil {
		p.fail("expected an integer")
		return 0
	}
	p.i = j
	return n
}

// until is the text up to one of the closing characters, outside of parentheses and quotes, trimmed.
func (p *scanner) until(closing string) string {
	p.space()
	depth, j := 0, p.i
	for ; j < len(p.s); j++ {
		c := p.s[j]
		switch {
		case depth == 0 && strings.IndexByte(closing, c) >= 0:
			text := strings.TrimSpace(p.s[p.i:j])
			p.i = j
			return text
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == '"':
			q, err := strconv.QuotedPrefix(p.s[j:])
			if err != nil {
				p.fail("unfinished string")
				return ""
			}
			j += len(q) - 1
		case c == '\n':
			p.fail("unfinished line")
			return ""
		}
	}
	p.fail("unexpected end")
	return ""
}

// dim reads a Dim, as far as its text goes on one line.
func (p *scanner) dim() Dim {
	p.space()
	sub := dimParser{s: p.s[p.i:]}
	d := sub.sum()
	if sub.err != nil {
		p.fail("dim: %v", sub.err)
		return Dim{}
	}
	p.i += sub.i
	return d
}

func (p *scanner) dims(closing string) []Dim {
	out := []Dim{}
	for p.err == nil && !p.eat(closing) {
		out = append(out, p.dim())
		p.comma(closing)
	}
	return out
}

// typ reads f32[a, b], seq<T>, optional<T> or map<K, T>.
func (p *scanner) typ() Type { return p.typeAt(0) }

func (p *scanner) typeAt(depth int) Type {
	id := p.ident()
	p.i += len(id)
	if depth > 16 {
		p.fail("types nest too deep")
		return Type{}
	}
	switch id {
	case "none":
		return Type{}
	case "seq", "optional":
		p.want("<")
		elem := p.typeAt(depth + 1)
		p.want(">")
		if id == "seq" {
			return SequenceOf(elem)
		}
		return OptionalOf(elem)
	case "map":
		p.want("<")
		key := p.dtype()
		p.want(",")
		elem := p.typeAt(depth + 1)
		p.want(">")
		return MapOf(key, elem)
	}
	d := p.dtypeOf(id)
	p.want("[")
	for ranks, text := range map[Ranks]string{AnyRank: "*]", NoRank: "none]"} {
		if p.eat(text) {
			return Type{Kind: TensorType, DType: d, Ranks: ranks}
		}
	}
	return TensorOf(d, p.dims("]")...)
}

func (p *scanner) dtype() DType {
	id := p.ident()
	p.i += len(id)
	return p.dtypeOf(id)
}

func (p *scanner) dtypeOf(name string) DType {
	d, err := ParseDType(name)
	if err != nil {
		p.fail("%v", err)
	}
	return d
}

// attrs reads name = value, … } into the struct that a points to.
func (p *scanner) attrs(a Attrs) {
	var seen []string
	for p.err == nil && !p.eat("}") {
		name := p.name()
		p.want("=")
		f, ok := findAttr(a, name)
		if !ok || slices.Contains(seen, name) {
			p.fail("unknown or repeated attribute %q", name)
			return
		}
		seen = append(seen, name)
		p.attr(f)
		p.comma("}")
	}
}

func findAttr(a Attrs, name string) (reflect.Value, bool) {
	if a == nil {
		return reflect.Value{}, false
	}
	v := reflect.ValueOf(a).Elem()
	for _, f := range attrFields(v.Type()) {
		if f.name == name {
			return v.Field(f.index), true
		}
	}
	return reflect.Value{}, false
}

func (p *scanner) attr(f reflect.Value) {
	switch dst := f.Addr().Interface().(type) {
	case *int64:
		*dst = p.int()
	case *float64:
		*dst = p.float(p.until(",}"))
	case *bool:
		*dst = p.bool()
	case *string:
		*dst = p.str()
	case *DType:
		*dst = p.dtype()
	case *Type:
		*dst = p.typ()
	case *Dim:
		*dst = p.dim()
	case *[]int64:
		list(p, dst, p.int)
	case *[]float64:
		list(p, dst, func() float64 { return p.float(p.until(",]")) })
	case *[]string:
		list(p, dst, p.str)
	case *[]Dim:
		p.want("[")
		*dst = p.dims("]")
	default:
		p.fail("attribute of type %s", f.Type())
	}
}

func list[E any](p *scanner, dst *[]E, read func() E) {
	p.want("[")
	*dst = []E{}
	for p.err == nil && !p.eat("]") {
		*dst = append(*dst, read())
		p.comma("]")
	}
}

func (p *scanner) float(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		p.fail("bad number %q", text)
	}
	return v
}

func (p *scanner) bool() bool {
	switch {
	case p.word("true"):
		return true
	case p.word("false"):
		return false
	}
	p.fail("expected true or false")
	return false
}
