package ir

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// TestKindsComplete holds that every kind has a row, an inference, attributes that print, and an entry in the docs.
func TestKindsComplete(t *testing.T) {
	seen := map[string]Kind{}
	docs := docEntries(t)
	for k := NoKind + 1; k < NumKinds; k++ {
		info := Kinds[k]
		if info.Name == "" || info.Family == "" || inferences[k] == nil {
			t.Errorf("kind %d lacks a name, a family or an inference: %+v", k, info)
			continue
		}
		if info.Name != strings.ToLower(info.Name) || !isIdent(info.Name) {
			t.Errorf("%s is no name for the text form", info.Name)
		}
		if other, ok := seen[info.Name]; ok {
			t.Errorf("kinds %d and %d are both called %s", other, k, info.Name)
		}
		seen[info.Name] = k
		if back, ok := ParseKind(info.Name); !ok || back != k {
			t.Errorf("%s parses as %s", info.Name, back)
		}
		if docs[info.Name] != string(info.Family) {
			t.Errorf("%s is not in docs/ir/%s.md, but in %q", info.Name, info.Family, docs[info.Name])
		}
		if info.MaxArgs >= 0 && info.MinArgs > info.MaxArgs {
			t.Errorf("%s has %d to %d operands", info.Name, info.MinArgs, info.MaxArgs)
		}
		checkAttrs(t, k)
	}
	for name, family := range docs {
		if _, ok := seen[name]; !ok {
			t.Errorf("docs/ir/%s.md describes %s, which is no kind", family, name)
		}
	}
}

// checkAttrs holds that every field of a kind's attributes has a tag, and a type that prints and parses.
func checkAttrs(t *testing.T, k Kind) {
	if Kinds[k].Attrs == nil || k == Const { // a constant has a text form of its own
		return
	}
	a := Kinds[k].Attrs()
	s := reflect.TypeOf(a).Elem()
	names := map[string]bool{}
	for i := range s.NumField() {
		name, opt, _ := strings.Cut(s.Field(i).Tag.Get("ir"), ",")
		if !isIdent(name) || names[name] || opt != "" && opt != "always" {
			t.Errorf("%s: bad tag of field %s", k, s.Field(i).Name)
		}
		names[name] = true
	}
	fill(reflect.ValueOf(a).Elem())
	p := scanner{s: strings.TrimPrefix(FormatAttrs(a), "{")}
	back := Kinds[k].Attrs()
	p.attrs(back)
	if p.err != nil || !EqualAttrs(a, back) {
		t.Errorf("%s: %s reads back as %s, %v", k, FormatAttrs(a), FormatAttrs(back), p.err)
	}
}

// fill gives every field another value than zero.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		switch f := v.Field(i).Addr().Interface().(type) {
		case *int64:
			*f = -7
		case *float64:
			*f = 0.1
		case *bool:
			*f = true
		case *string:
			*f = "a \"b\""
		case *DType:
			*f = F8E5M2FNUZ
		case *Type:
			*f = SequenceOf(TensorOf(I64, Sym("n")))
		case *Dim:
			*f = Sym("n").Add(Size(1))
		case *[]int64:
			*f = []int64{1, -2}
		case *[]float64:
			*f = []float64{0.5, -1}
		case *[]string:
			*f = []string{"", ","}
		case *[]Dim:
			*f = []Dim{Sym("n"), Size(2)}
		}
	}
}

// docEntries are the kinds that the pages of docs/ir describe, in headings such as ### concat, with the page's name.
func docEntries(t *testing.T) map[string]string {
	t.Helper()
	pages, err := filepath.Glob("../docs/ir/*.md")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	heading := regexp.MustCompile(`(?m)^### (.+)$`)
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range heading.FindAllStringSubmatch(string(text), -1) {
			for _, name := range strings.FieldsFunc(h[1], func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
				out[name] = strings.TrimSuffix(filepath.Base(page), ".md")
			}
		}
	}
	return out
}

// TestDocExamples holds that every example of the docs is a function that the parser and the verifier accept, in the form
// that the printer gives.
func TestDocExamples(t *testing.T) {
	pages, err := filepath.Glob("../docs/ir/*.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[Kind]bool{}
	for _, page := range append(pages, "../docs/ir.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range regexp.MustCompile("(?ms)^```eir\n(.*?)^```").FindAllStringSubmatch(string(text), -1) {
			checkExample(t, page, e[1], shown)
		}
	}
	for k := NoKind + 1; k < NumKinds; k++ {
		if !shown[k] {
			t.Errorf("no example of %s", k)
		}
	}
}

func checkExample(t *testing.T, page, text string, shown map[Kind]bool) {
	t.Helper()
	if !strings.HasPrefix(text, "module") {
		text = "module \"doc\"\n" + text
	}
	m, err := Parse(text, ParseOptions{})
	if err != nil {
		t.Errorf("%s: %v\n%s", page, err, text)
		return
	}
	if diff := cmp.Diff(text, m.String()); diff != "" {
		t.Errorf("%s: %s", page, diff)
	}
	for _, f := range m.Funcs {
		f.Body.Walk(func(op *Op) { shown[op.Kind] = true })
	}
}

func TestDTypes(t *testing.T) {
	for d := Invalid + 1; d < NumDTypes; d++ {
		if back, err := ParseDType(d.String()); err != nil || back != d || d.Category() == OtherCategory {
			t.Errorf("%s parses as %s, %v; category %d", d, back, err, d.Category())
		}
	}
	if _, err := ParseDType("invalid"); err == nil {
		t.Error("invalid is a dtype")
	}
}
