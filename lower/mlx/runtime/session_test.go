package runtime

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/google/go-cmp/cmp"
)

// sums has a cache: it gives the sum over all rows so far for the column that k names.
const sums = `module "sums"
func @main(%past: f32[b, past, 4], %new: f32[b, new, 4], %k: i64[b]) -> (y: f32[b, b], present: f32[b, new + past, 4]) {
  %0 = concat %past, %new {axis = 1} : f32[b, new + past, 4]
  %1 = reduce_sum %0 {axes = [1]} : f32[b, 4]
  %2 = gather %1, %k {axis = 1} : f32[b, b] loc("/Gather", "Gather", 17)
  yield %2, %0
}
`

func sumsSession(t *testing.T, capacity int) *Session {
	t.Helper()
	needMLX(t)
	m, err := ir.Parse(sums, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := mlx.LowerSession(m, mlx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := Load(plan, Options{Device: CPU})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x.NewSession(capacity)
}

func ones(b, n int) *ir.Tensor {
	t := ir.NewTensor(ir.F32, b, n, 4)
	for i := range ir.View[float32](t) {
		ir.View[float32](t)[i] = 1
	}
	return t
}

// step adds n rows of ones and wants as many in the cache.
func (s *Session) step(t *testing.T, n, want int) {
	t.Helper()
	out, err := s.Run(context.Background(), []ir.Datum{ones(1, n), ir.TensorFrom([]int64{2})})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]ir.Datum{f32([]int{1, 1}, float32(want))}, out); d != "" || s.Len() != want {
		t.Errorf("%d elements, want %d; -want +got:\n%s", s.Len(), want, d)
	}
}

func TestSession(t *testing.T) {
	for _, capacity := range []int{0, 3, 100} {
		s := sumsSession(t, capacity)
		for range 2 {
			total := 0
			for _, n := range []int{3, 1, 1, 0, 7, 40, 1} {
				total += n
				s.step(t, n, total)
			}
			s.Reset()
		}
	}
}

// Two sessions of one executable do not see each other's states.
func TestSessionsApart(t *testing.T) {
	a := sumsSession(t, 0)
	b := a.x.NewSession(8)
	a.step(t, 2, 2)
	b.step(t, 5, 5)
	a.step(t, 1, 3)
	b.step(t, 1, 6)
}

// A step writes into the buffer: it takes no memory of the buffer's size.
func TestSessionInPlace(t *testing.T) {
	const rows = 1 << 20
	s := sumsSession(t, rows)
	s.step(t, 1, 1)
	s.step(t, 1, 2)
	if err := ResetMemory(); err != nil {
		t.Fatal(err)
	}
	before, _ := Memory()
	s.step(t, 1, 3)
	after, _ := Memory()
	if size := int64(rows * 16); before.Active < size || after.Peak-before.Active > size/8 {
		t.Errorf("%d bytes before, then up to %d, with a cache of %d", before.Active, after.Peak, size)
	}
}

// What fails leaves the cache as it was.
func TestSessionFailures(t *testing.T) {
	s := sumsSession(t, 2)
	ctx := context.Background()
	_, err := s.Run(ctx, []ir.Datum{ones(1, 2), ir.TensorFrom([]int64{4})})
	var e *MLXError
	if !errors.As(err, &e) || e.Loc.Node != "/Gather" || s.Len() != 0 {
		t.Errorf("an index out of range: %v, %d elements", err, s.Len())
	}
	s.step(t, 2, 2)
	if _, err = s.Run(ctx, []ir.Datum{ones(1, 9), ir.TensorFrom([]int64{4})}); !errors.As(err, &e) {
		t.Errorf("an index out of range: %v", err)
	}
	s.step(t, 1, 3)
	if _, err = s.Run(ctx, []ir.Datum{ones(2, 1), ir.TensorFrom([]int64{1, 2})}); err == nil || !strings.Contains(err.Error(), "reset the session") {
		t.Errorf("another batch: %v", err)
	}
	if _, err = s.Run(ctx, []ir.Datum{ones(1, 1)}); err == nil || !strings.Contains(err.Error(), "1 inputs, want 2") {
		t.Errorf("one input: %v", err)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err = s.Run(done, []ir.Datum{ones(1, 1), ir.TensorFrom([]int64{1})}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	s.step(t, 1, 4)
	s.Reset()
	if _, err = s.Run(ctx, []ir.Datum{ones(2, 1), ir.TensorFrom([]int64{1, 2})}); err != nil {
		t.Error(err)
	}
	if _, err := s.x.Run(ctx, []ir.Datum{ones(1, 1), ir.TensorFrom([]int64{1})}); err == nil || !strings.Contains(err.Error(), "runs in a session") {
		t.Errorf("without a session: %v", err)
	}
	s.x.Close()
	if _, err = s.Run(ctx, []ir.Datum{ones(2, 1), ir.TensorFrom([]int64{1, 2})}); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// A run whose context ends, at whatever moment, either counts and gives its outputs or leaves the cache as it was.
func TestSessionCancelled(t *testing.T) {
	s := sumsSession(t, 0)
	total, ended := 0, 0
	for i := range 300 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Duration(i)*2*time.Microsecond)
		_, err := s.Run(ctx, []ir.Datum{ones(1, 1), ir.TensorFrom([]int64{2})})
		cancel()
		switch {
		case err == nil:
			total++
		case errors.Is(err, context.DeadlineExceeded):
			ended++
		default:
			t.Fatal(err)
		}
	}
	s.step(t, 2, total+2)
	t.Logf("%d runs, %d ended early", total, ended)
}
