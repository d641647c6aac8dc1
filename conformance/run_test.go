package conformance

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx/runtime"
	"github.com/google/go-cmp/cmp"
)

const zoo = "testdata/zoo"

// available are the lanes that this machine has.
func available(t *testing.T) []Lane {
	t.Helper()
	for _, c := range runtime.Diagnose() {
		if !c.OK && c.Name != "BLAS" && c.Name != "C++ compiler" && c.Name != "pip" {
			t.Logf("without MLX: %s: %s; %s", c.Name, c.Detail, c.Remedy)
			return AllLanes[:4]
		}
	}
	return AllLanes
}

func check(t *testing.T, results []Result, want int) {
	t.Helper()
	var text bytes.Buffer
	PrintFailures(&text, results, true)
	if s := Summarise(results); s.Failed > 0 || s.Passed != want {
		t.Errorf("%s, want %d\n%s", s, want, text.String())
	}
}

// The seven families, against PyTorch's results, on every lane and without a host island.
func TestZoo(t *testing.T) {
	cases, err := Find(zoo)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Lanes: available(t), Rel: -1, Abs: -1, Timeout: 5 * time.Minute, Lane: LaneOptions{Fallback: "error"}}
	check(t, Run(t.Context(), cases, o), 17)
}

// The same in halves, within their tolerances; see docs/lanes.md.
func TestZooInHalf(t *testing.T) {
	cases, err := Find(zoo)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []ir.DType{ir.F16, ir.BF16} {
		t.Run(d.String(), func(t *testing.T) {
			quick := slices.DeleteFunc(slices.Clone(available(t)), func(l Lane) bool { return l.Name == "mlx-compiled" }) // fuses as in f32
			o := Options{Lanes: quick, Rel: -1, Abs: -1, Timeout: 5 * time.Minute, Lane: LaneOptions{Fallback: "error", Precision: d}}
			check(t, Run(t.Context(), cases, o), 17)
		})
	}
}

// The same at other sizes than the exported ones, lanes against each other.
func TestZooOtherSizes(t *testing.T) {
	for _, test := range []struct {
		model string
		dims  map[string]int64
	}{
		{"distilbert", map[string]int64{"input_ids.0": 3, "input_ids.1": 17}},
		{"modernbert_ts", map[string]int64{"batch": 2, "sequence": 1}},
		{"qwen3", map[string]int64{"s10": 1, "s70": 1, "s15": 32}},
		{"qwen3_ts", map[string]int64{"batch": 2, "sequence": 5, "past_sequence": 0, "total_sequence": 5}},
		{"vit", map[string]int64{"s10": 3}},
		{"whisper_decoder", map[string]int64{"s11": 2, "s28": 5, "s74": 2}},
	} {
		t.Run(test.model, func(t *testing.T) {
			cases, err := Find(filepath.Join(zoo, test.model))
			if err != nil {
				t.Fatal(err)
			}
			o := Options{Lanes: available(t), Rel: -1, Abs: -1, Dims: test.dims, Lane: LaneOptions{Fallback: "error"}}
			check(t, Run(t.Context(), cases, o), 1)
		})
	}
}

func TestFind(t *testing.T) {
	dir := t.TempDir()
	for _, f := range []string{
		"a/model.onnx", "a/other.onnx", "a/test_data_set_10/input_0.pb", "a/test_data_set_9/input_0.pb", "b/c/model.onnx", "b/x.eir", "b/readme.txt",
	} {
		path := filepath.Join(dir, f)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, nil, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	names := func(path string) []string {
		cases, err := Find(path)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, c := range cases {
			s := c.Name
			for _, d := range c.DataSets {
				s += " " + filepath.Base(d)
			}
			out = append(out, s)
		}
		return out
	}
	for _, test := range []struct {
		path string
		want []string
	}{
		{dir, []string{"a test_data_set_9 test_data_set_10", "b/x.eir", "b/c"}},
		{filepath.Join(dir, "a"), []string{"a test_data_set_9 test_data_set_10"}},
		{filepath.Join(dir, "a/model.onnx"), []string{"a test_data_set_9 test_data_set_10"}},
		{filepath.Join(dir, "b/x.eir"), []string{"x.eir"}},
	} {
		if d := cmp.Diff(test.want, names(test.path)); d != "" {
			t.Errorf("%s: %s", test.path, d)
		}
	}
	if _, err := Find(filepath.Join(dir, "a/test_data_set_9")); err == nil {
		t.Error("a folder without models is no error")
	}
}

type fakeRunner func(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error)

func (f fakeRunner) RunOrdered(ctx context.Context, inputs []ir.Datum) ([]ir.Datum, error) {
	return f(ctx, inputs)
}
func (fakeRunner) Close() error { return nil }

func fakeLane(name string, run fakeRunner) Lane {
	return Lane{Name: name, Compile: func(context.Context, *ir.Module, LaneOptions) (Runner, error) { return run, nil }}
}

// What a lane does wrong is a failure of that lane alone.
func TestRunFailures(t *testing.T) {
	cases, err := Find(filepath.Join(zoo, "vit"))
	if err != nil {
		t.Fatal(err)
	}
	hang := make(chan struct{})
	defer close(hang)
	for _, test := range []struct {
		run  fakeRunner
		want string
	}{
		{func(context.Context, []ir.Datum) ([]ir.Datum, error) { panic("ouch") }, "panic: ouch"},
		{func(context.Context, []ir.Datum) ([]ir.Datum, error) { return nil, errors.New("no way") }, "no way"},
		{func(context.Context, []ir.Datum) ([]ir.Datum, error) { return nil, nil }, "got 0 outputs"},
		{func(ctx context.Context, _ []ir.Datum) ([]ir.Datum, error) { <-ctx.Done(); return nil, ctx.Err() }, "deadline"},
	} {
		o := Options{Lanes: []Lane{AllLanes[0], fakeLane("bad", test.run)}, Rel: -1, Abs: -1, Timeout: 10 * time.Second}
		if test.want == "deadline" {
			o.Timeout = time.Second
		}
		r := Run(t.Context(), cases, o)[0]
		if r.Passed() || r.Lanes[0].Err != nil || r.Lanes[1].Err == nil || !strings.Contains(r.Lanes[1].Err.Error(), test.want) {
			t.Errorf("%+v, want %q", r.Lanes, test.want)
		}
		if test.want == "panic: ouch" && !strings.Contains(r.Lanes[1].Stack, "run_test.go") {
			t.Errorf("stack %q", r.Lanes[1].Stack)
		}
	}
}

func TestJUnit(t *testing.T) {
	results := []Result{{Case: Case{Name: "c"}, Lanes: []LaneResult{{Lane: "interp"}, {Lane: "mlx", Err: errors.New("a < b")}}}}
	var b bytes.Buffer
	if err := WriteJUnit(&b, "s", results); err != nil {
		t.Fatal(err)
	}
	var got junitSuite
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 2 || got.Failures != 1 || got.Cases[1].Failure.Message != "a < b" {
		t.Errorf("%s", b.String())
	}
}
