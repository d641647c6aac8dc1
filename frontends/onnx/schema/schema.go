package schema

import (
	_ "embed"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/emilyc/emily/frontends/onnx/pb"
)

// Schema is one version of an operator.
type Schema struct {
	Domain     string // "" is ai.onnx
	Op         string
	Since      int64 // the opset that it came with
	Deprecated bool  // from here on
	Inputs     []Param
	Outputs    []Param
	Attrs      []Attr    // by name
	Vars       []TypeVar // in the order of the specification
}

// Option says whether a Param may be left out.
type Option uint8

const (
	Single Option = iota
	Optional
	Variadic // the last one, any number of times
)

// Param is an operand or an output.
type Param struct {
	Name   string
	Var    string   // the type variable, "" for a type of its own
	Types  []string // that are allowed
	Option Option
	Least  int  // of a variadic one, how many there must be
	Mixed  bool // of a variadic one, whether types may differ
}

// Attr is an attribute.
type Attr struct {
	Name     string
	Type     pb.AttributeProto_AttributeType
	Required bool
	Default  any // int64, float32, string, a slice of them, or nil for none
}

// TypeVar is a type variable: all operands and outputs of a node that have it are of one type.
type TypeVar struct {
	Name  string
	Types []string
}

// Many is the number of operands that variadic operators take.
const Many = int(^uint(0) >> 1)

// Lookup finds the version of an operator that an opset of its domain has: the last one that is not newer. "" and
// "ai.onnx" are the same domain. It returns false for operators that are not in the table, or newer than the opset.
func Lookup(domain, op string, opset int64) (*Schema, bool) {
	var found *Schema
	for _, s := range Versions(domain, op) {
		if s.Since <= opset {
			found = s
		}
	}
	return found, found != nil
}

// Versions are all versions of an operator, the oldest first; nil for one that is not in the table. They are shared:
// do not change them.
func Versions(domain, op string) []*Schema {
	if domain == "ai.onnx" {
		domain = ""
	}
	e := index()[key{domain, op}]
	if e == nil {
		return nil
	}
	// Copies: the names may be views of a mapped model, which the table outlives.
	e.once.Do(func() { e.versions = parse(strings.Clone(domain), strings.Clone(op), e.text) })
	return e.versions
}

// Newest is the newest version of a domain that the table knows: the last in which one of its operators changed. It
// is 0 for a domain that the table lacks.
func Newest(domain string) int64 {
	if domain == "ai.onnx" {
		domain = ""
	}
	return newest()[domain]
}

var newest = sync.OnceValue(func() map[string]int64 {
	last := map[string]int64{}
	for k, e := range index() {
		for line := range strings.Lines(e.text) {
			if v, ok := strings.CutPrefix(line, "version "); ok {
				digits, _, _ := strings.Cut(strings.TrimSpace(v), " ")
				if n, err := strconv.ParseInt(digits, 10, 64); err == nil {
					last[k.domain] = max(last[k.domain], n)
				}
			}
		}
	}
	return last
})

// All yields every version of every operator, by domain, name and version.
func All() iter.Seq[*Schema] {
	return func(yield func(*Schema) bool) {
		keys := make([]key, 0, len(index()))
		for k := range index() {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, func(a, b key) int {
			if c := strings.Compare(a.domain, b.domain); c != 0 {
				return c
			}
			return strings.Compare(a.op, b.op)
		})
		for _, k := range keys {
			for _, s := range Versions(k.domain, k.op) {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// Attr finds an attribute by its name.
func (s *Schema) Attr(name string) (*Attr, bool) { return find(s.Attrs, name) }

func find(attrs []Attr, name string) (*Attr, bool) {
	for i := range attrs {
		if attrs[i].Name == name {
			return &attrs[i], true
		}
	}
	return nil, false
}

// At is the param that item i of a list belongs to, nil past the end: a variadic one takes all that follow.
func At(list []Param, i int) *Param {
	if n := len(list); i >= n {
		if n == 0 || list[n-1].Option != Variadic {
			return nil
		}
		i = n - 1
	}
	return &list[i]
}

// Arity is how few and how many items a list of params takes.
func Arity(list []Param) (least, most int) {
	for i, p := range list {
		switch p.Option {
		case Single:
			least = i + 1
		case Variadic:
			if p.Least > 0 {
				least = i + p.Least
			}
			return least, Many
		}
	}
	return least, len(list)
}

//go:embed schemas.txt
var table string

type key struct{ domain, op string }

// entry is an operator's paragraph, parsed when it is first asked for.
type entry struct {
	text     string
	once     sync.Once
	versions []*Schema
}

// index finds the paragraphs.
var index = sync.OnceValue(buildIndex)

func buildIndex() map[key]*entry {
	x := make(map[key]*entry, 512)
	for rest := table; rest != ""; {
		var paragraph string
		paragraph, rest, _ = strings.Cut(rest, "\n\n")
		head, text, _ := strings.Cut(paragraph, "\n")
		words := strings.Fields(head)
		if len(words) != 3 || words[0] != "op" {
			continue // the comment at the top
		}
		domain := words[1]
		if domain == "ai.onnx" {
			domain = ""
		}
		x[key{domain, words[2]}] = &entry{text: text}
	}
	return x
}
