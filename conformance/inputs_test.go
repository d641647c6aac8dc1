package conformance

import (
	"strings"
	"testing"

	"github.com/emilyc/emily/ir"
	"github.com/google/go-cmp/cmp"
)

func parse(t *testing.T, text string) *ir.Func {
	t.Helper()
	m, err := ir.Parse("module \"m\"\n"+text, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m.Main()
}

// sizesOf is a function over inputs of the given shapes, with facts.
func sizesOf(t *testing.T, shapes []string, facts ...string) *ir.Func {
	t.Helper()
	var params, names []string
	for i, s := range shapes {
		name := string(rune('a' + i))
		params = append(params, "%"+name+": f32"+s)
		names = append(names, name)
	}
	text := "func @main(" + strings.Join(params, ", ") + ") -> (y: f32" + shapes[0] + ") {\n"
	for _, f := range facts {
		text += "  fact " + f + "\n"
	}
	return parse(t, text+"  yield %"+names[0]+"\n}\n")
}

func TestChooseSizes(t *testing.T) {
	for _, test := range []struct {
		name        string
		shapes      []string
		facts       []string
		known       map[string]int64
		want        map[string]int64
		defaults    string
		unsatisfied bool
	}{
		{name: "batch is 1, others 8", shapes: []string{"[b, s, 3]"}, want: map[string]int64{"b": 1, "s": 8}, defaults: "b=1 s=8"},
		{name: "a vector is no batch", shapes: []string{"[n]"}, want: map[string]int64{"n": 8}, defaults: "n=8"},
		{name: "leading here, not there", shapes: []string{"[n, 2]", "[2, n]"}, want: map[string]int64{"n": 8}, defaults: "n=8"},
		{
			name: "what facts decide", shapes: []string{"[s10, s70]", "[s43, s53]", "[s10, 2, s15, 4]", "[s10, 2, s89, 4]"},
			facts: []string{"eq s43, s10", "eq s53, s15 + s70", "eq s89, s15"},
			want:  map[string]int64{"s10": 1, "s43": 1, "s70": 8, "s15": 8, "s89": 8, "s53": 16}, defaults: "s10=1 s70=8 s15=8",
		},
		{
			name: "known sizes decide others", shapes: []string{"[b, s]", "[b, total]", "[b, past, 4]"}, facts: []string{"eq total, past + s"},
			known: map[string]int64{"total": 33, "s": 1}, want: map[string]int64{"b": 1, "s": 1, "total": 33, "past": 32}, defaults: "b=1",
		},
		{name: "raised", shapes: []string{"[1, n]"}, facts: []string{"le 16, n"}, want: map[string]int64{"n": 16}, defaults: "n=16"},
		{name: "divisible", shapes: []string{"[1, n]"}, facts: []string{"divides 12, n"}, want: map[string]int64{"n": 12}, defaults: "n=12"},
		{name: "impossible", shapes: []string{"[1, n]"}, facts: []string{"le 100000, n"}, unsatisfied: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			f := sizesOf(t, test.shapes, test.facts...)
			known := map[ir.Dim]int64{}
			for s, n := range test.known {
				known[ir.Sym(s)] = n
			}
			sizes, err := ChooseSizes(f, known)
			if test.unsatisfied {
				if err == nil || !strings.Contains(err.Error(), "-d name=N") {
					t.Fatalf("error %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]int64{}
			for d, n := range sizes.Of {
				got[d.Name()] = n
			}
			if d := cmp.Diff(test.want, got); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(test.defaults, sizes.String()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestMakeInputs(t *testing.T) {
	f := parse(t, `func @main(%ids: i64[b, s], %mask: i64[b, s], %x: f32[s]) -> (y: f32[b, s, 2], z: f32[b, s]) {
  %0 = const [0.0, 1.0, 2.0, 3.0, 4.0, 5.0] : f32[3, 2]
  %1 = cast %ids {to = i32} : i32[b, s]
  %2 = gather %0, %1 {axis = 0} : f32[b, s, 2]
  %3 = cast %mask {to = f32} : f32[b, s]
  %4 = mul %3, %x : f32[b, s]
  yield %2, %4
}
`)
	inputs, sizes, err := MakeInputs(f, InputOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff("b=1 s=8", sizes.String()); d != "" {
		t.Error(d)
	}
	again, _, err := MakeInputs(f, InputOptions{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(inputs, again); d != "" {
		t.Errorf("the same seed gives other inputs: %s", d)
	}
	seen := map[int64]bool{}
	for seed := range uint64(20) {
		inputs, _, err := MakeInputs(f, InputOptions{Seed: seed})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range inputs[0].(*ir.Tensor).Ints() {
			seen[v] = true
		}
		mask := inputs[1].(*ir.Tensor).Ints()
		if mask[0] != 1 {
			t.Errorf("mask %v begins with 0", mask)
		}
		for _, v := range mask {
			if v != 0 && v != 1 {
				t.Errorf("mask %v", mask)
			}
		}
	}
	if d := cmp.Diff(map[int64]bool{0: true, 1: true, 2: true}, seen); d != "" {
		t.Errorf("indices into an axis of 3: %s", d)
	}
	x := ir.TensorFrom([]float32{1, 2, 3})
	inputs, _, err = MakeInputs(f, InputOptions{Given: map[string]ir.Datum{"x": x}, Zeros: map[string]bool{"mask": true}})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int{1, 3}, inputs[0].(*ir.Tensor).Shape); d != "" {
		t.Errorf("the size of a given input: %s", d)
	}
	if d := cmp.Diff([]int64{0, 0, 0}, inputs[1].(*ir.Tensor).Ints()); d != "" {
		t.Error(d)
	}
}
