package ir

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
)

// broken wraps a section of constraints.txtar, parameters and body, in a module.
func broken(section string) string {
	params, body, _ := strings.Cut(strings.TrimSpace(section), "\n")
	return "module \"t\"\nblob @b = hex \"0001020304\"\nfunc @f" + params + " -> () {\n" + body + "\nyield\n}\n"
}

// TestConstraints breaks every constraint that a text can break.
func TestConstraints(t *testing.T) {
	for _, s := range archive(t, "constraints.txtar") {
		t.Run(s.Name, func(t *testing.T) {
			label, kind, _ := strings.Cut(s.Name, " ")
			wantError(t, parseError(broken(string(s.Data))), label, kind)
		})
	}
}

func archive(t testing.TB, name string) []txtar.File {
	t.Helper()
	a, err := txtar.ParseFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return a.Files
}

func parseError(text string) error {
	_, err := Parse(text, ParseOptions{})
	return err
}

func wantError(t *testing.T, err error, label, kind string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v, want an error with label %s", err, label)
	}
	if diff := cmp.Diff([]string{label, kind}, []string{e.Label, e.Kind.String()}); diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
}

// tampered are modules that only a program can break: each changes the module of tamperText.
var tampered = []struct {
	label  string
	change func(m *Module, f *Func)
}{
	{"module_c1", func(m *Module, f *Func) { m.Funcs = append(m.Funcs, f) }},
	{"module_c2", func(m *Module, _ *Func) { m.Blobs = append(m.Blobs, &Blob{Name: "b"}) }},
	{"module_c3", func(m *Module, _ *Func) { m.AddLoc(Loc{From: []LocID{LocID(len(m.Locs))}}) }},
	{"func_c1", func(_ *Module, f *Func) { f.Outputs = nil }},
	{"func_c1", func(_ *Module, f *Func) { f.Module = NewModule("other") }},
	{"func_c2", func(_ *Module, f *Func) { f.Inputs()[1].Name = f.Inputs()[0].Name }},
	{"region_c1", func(_ *Module, f *Func) { f.Body.Ops[2].Regions[0].Parent = nil }},
	{"region_c1", func(_ *Module, f *Func) { f.Inputs()[0].Index = 7 }},
	{"region_c2", func(_ *Module, f *Func) { f.Body.Ops[4].Kind = Abs }},
	{"region_c2", func(_ *Module, f *Func) { f.Body.Ops = nil }},
	{"region_c3", func(_ *Module, f *Func) { f.Body.Ops[0].Region = nil }},
	{"value_c1", func(_ *Module, f *Func) { f.Body.Ops[1].Results[0].Index = 1 }},
	{"value_c2", func(_ *Module, f *Func) { f.Body.Ops[3].Args[0] = f.Inputs()[0] }},
	{"value_c3", func(_ *Module, f *Func) { f.Inputs()[0].Sym = []Dim{Size(1)} }},
	{"type_c1", func(_ *Module, f *Func) { f.Inputs()[0].Type = Type{} }},
	{"type_c1", func(_ *Module, f *Func) { f.Inputs()[0].Type = TensorOf(NumDTypes) }},
	{"type_c1", func(_ *Module, f *Func) { f.Inputs()[0].Type = Type{Kind: SequenceType} }},
	{"op_c0", func(_ *Module, f *Func) { f.Body.Ops[1].Kind = NumKinds }},
	{"op_c0", func(_ *Module, f *Func) { f.Body.Ops[1].Kind = NoKind }},
	{"op_c3", func(_ *Module, f *Func) { f.Body.Ops[1].Attrs = &PermAttrs{} }},
	{"op_c3", func(_ *Module, f *Func) { f.Body.Ops[0].Attrs = (*ConstAttrs)(nil) }},
	{"op_c6", func(_ *Module, f *Func) { f.Body.Facts = Facts{} }},
	{"op_c7", func(_ *Module, f *Func) { f.Body.Ops[0], f.Body.Ops[1] = f.Body.Ops[1], f.Body.Ops[0] }},
	{"op_c8", func(_ *Module, f *Func) { f.Body.Ops[1].place = nil }},
	{"op_c9", func(_ *Module, f *Func) { f.Body.Ops[1].Results = nil }},
	{"op_c10", func(m *Module, f *Func) { f.Body.Ops[1].Loc = LocID(len(m.Locs)) }},
	{"const_c4", func(m *Module, f *Func) {
		f.Body.Ops[0].Attrs.(*ConstAttrs).Blob = &Blob{Name: "b", Data: m.Blobs[0].Data}
	}},
}

const tamperText = `module "t"
blob @b = hex "0000803f"
func @f(%x: f32[n], %c: bool[], %y: f32[m]) -> (z: f32[n]) {
  fact eq n, m
  %0 = const @b[0:+4] : f32[1]
  %1 = add %0, %x : f32[n]
  %2 = if %c, %1, %y : f32[n] region(%3: f32[n], %4: f32[m]) {
    yield %3
  } region(%5: f32[n], %6: f32[m]) {
    yield %6
  }
  %7 = add %2, %y : f32[n]
  yield %7
}
`

// TestTampered breaks what a text cannot say.
func TestTampered(t *testing.T) {
	for _, c := range tampered {
		t.Run(c.label, func(t *testing.T) {
			m := parse(t, tamperText)
			c.change(m, m.Main())
			wantLabel(t, Verify(m), c.label)
		})
	}
}

func parse(t testing.TB, text string) *Module {
	t.Helper()
	m, err := Parse(text, ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// wantLabel looks for the label among all joined errors.
func wantLabel(t *testing.T, err error, label string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), "["+label+"]") {
		t.Errorf("got %v, want label %s", err, label)
	}
}

// TestLabels holds that the labels in the code, in the docs and in the tests above are the same. The docs also have those of
// the interpreter, whose tests have them.
func TestLabels(t *testing.T) {
	source := func(name string) bool { return !strings.HasSuffix(name, "_test.go") }
	tested := func(name string) bool { return strings.HasSuffix(name, "_test.go") }
	code := grep(t, `"([a-z_]+_c[0-9]+)"`, "*.go", source)
	docs := grep(t, "`([a-z_]+_c[0-9]+)`:", "../docs/ir/*.md", func(string) bool { return true })
	var tests []string
	for _, s := range archive(t, "constraints.txtar") {
		label, _, _ := strings.Cut(s.Name, " ")
		tests = append(tests, label)
	}
	for _, c := range tampered {
		tests = append(tests, c.label)
	}
	slices.Sort(tests)
	if diff := cmp.Diff(code, slices.Compact(tests)); diff != "" {
		t.Errorf("labels of the code and of the tests:\n%s", diff)
	}
	atRun := grep(t, `"([a-z_]+_c[0-9]+)"`, "../interp/*.go", source)
	ranTests := grep(t, `([a-z_]+_c[0-9]+)`, "../interp/*.go", tested)
	for _, label := range atRun {
		if !slices.Contains(code, label) && !slices.Contains(ranTests, label) {
			t.Errorf("no test of the interpreter breaks %s", label)
		}
	}
	all := slices.Concat(code, atRun)
	slices.Sort(all)
	if diff := cmp.Diff(slices.Compact(all), docs); diff != "" {
		t.Errorf("labels of the code and of docs/ir:\n%s", diff)
	}
}

// grep is the sorted, distinct first groups of pattern in the files that glob and keep select.
func grep(t *testing.T, pattern, glob string, keep func(string) bool) []string {
	t.Helper()
	names, err := filepath.Glob(glob)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	re := regexp.MustCompile(pattern)
	for _, name := range names {
		if !keep(name) {
			continue
		}
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range re.FindAllStringSubmatch(string(text), -1) {
			out = append(out, match[1])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
