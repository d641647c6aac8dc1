package conformance

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExpected(t *testing.T) {
	expected, err := readExpected("list", strings.NewReader("# why\nfails it must\ndecided rounding: it may\n"))
	if err != nil {
		t.Fatal(err)
	}
	differs := &Difference{Output: "y", Msg: "differs"}
	run := func(name, lane string, err error) Result {
		return Result{Case: Case{Name: name}, Lanes: []LaneResult{{Lane: "interp-opt"}, {Lane: lane, Err: err}}}
	}
	results := []Result{
		run("fails", "mlx", errors.New("no")), run("fails", "mlx", nil), run("passes", "mlx", nil),
		run("decided", "mlx", differs), run("decided", "mlx", nil), run("decided", "interp", differs), run("decided", "mlx", errors.New("no")),
	}
	expected.Apply(results)
	var got []string
	for _, r := range results {
		switch {
		case r.Expected != "":
			got = append(got, r.Expected)
		case r.Passed():
			got = append(got, "passed")
		default:
			got = append(got, "failed")
		}
	}
	if d := cmp.Diff([]string{"it must", "failed", "passed", "rounding: it may", "passed", "failed", "failed"}, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if s := Summarise(results); s != (Summary{Passed: 2, Failed: 3, Expected: 2}) {
		t.Errorf("%+v", s)
	}
	total := Total(results)
	if sum := total.Sum(); sum.Passed[1] != 4 {
		t.Errorf("%d passed in the second lane, want 3 and the one that rounding decides", sum.Passed[1])
	}
}
