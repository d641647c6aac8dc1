package train

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestSchedule(t *testing.T) {
	s := Schedule{Rate: 2, Warmup: 2, Steps: 6, Cosine: true}
	var got []float64
	for step := 1; step <= 7; step++ {
		got = append(got, s.At(step))
	}
	want := []float64{1, 2, 2, 1.7071067811865475, 1, 0.2928932188134524, 0}
	if d := cmp.Diff(want, got, cmpopts.EquateApprox(0, 1e-12)); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if got := (Schedule{Rate: 3}).At(1000); got != 3 {
		t.Errorf("constant: %v", got)
	}
	for _, s := range []Schedule{{Rate: -1}, {Rate: 1, Warmup: -1}, {Rate: 1, Cosine: true}} {
		if s.Check() == nil {
			t.Errorf("%+v is no error", s)
		}
	}
}
