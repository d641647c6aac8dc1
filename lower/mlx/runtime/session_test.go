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

// walk carries w, from whose rows it takes those that k names, and p, which it counts up.
const walk = `module "walk"
func @main(%w: f32[4096, 64], %p: i64[], %k: i64[n], %s: f32[]) -> (y: f32[n, 64], w2: f32[4096, 64], p2: i64[]) {
  %0 = gather %w, %k {axis = 0} : f32[n, 64] loc("/Gather", "Gather", 17)
  %1 = mul %w, %s : f32[4096, 64]
  %2 = const [1] : i64[]
  %3 = add %p, %2 : i64[]
  yield %0, %1, %3
}
`

func walkSession(t *testing.T, opts Options) *Session {
	t.Helper()
	return carriedSession(t, walk, opts, mlx.Carry{Input: 0, Output: 1}, mlx.Carry{Input: 1, Output: 2})
}

func carriedSession(t *testing.T, text string, opts Options, carries ...mlx.Carry) *Session {
	t.Helper()
	needMLX(t)
	m, err := ir.Parse(text, ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	plan, err := mlx.LowerCarried(m, carries, mlx.Options{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := Load(plan, opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x.NewSession(0)
}

func setWalk(t *testing.T, s *Session) {
	t.Helper()
	w := ir.NewTensor(ir.F32, 4096, 64)
	for i := range ir.View[float32](w) {
		ir.View[float32](w)[i] = 1
	}
	if err := errors.Join(s.Set(0, w), s.Set(1, ir.Scalar(int64(0)))); err != nil {
		t.Fatal(err)
	}
	clear(w.Data) // Set copies
}

// wantWalk wants every w to be that, after so many runs.
func wantWalk(t *testing.T, s *Session, w float32, runs int64) {
	t.Helper()
	a, err := s.Get(0)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Get(1)
	if err != nil {
		t.Fatal(err)
	}
	v := ir.View[float32](a)
	if len(v) != 4096*64 || v[0] != w || v[len(v)-1] != w || p.Ints()[0] != runs {
		t.Errorf("%d of %v … %v after %d runs, want %v after %d", len(v), v[0], v[len(v)-1], p.Ints()[0], w, runs)
	}
}

func walkStep(k int64, s float32) []ir.Datum {
	return []ir.Datum{ir.TensorFrom([]int64{k}), ir.Scalar(s)}
}

func TestCarried(t *testing.T) {
	for _, opts := range []Options{{Device: CPU}, {Device: CPU, Compile: true}} {
		s := walkSession(t, opts)
		ctx := context.Background()
		if _, err := s.Run(ctx, walkStep(0, 1)); err == nil || !strings.Contains(err.Error(), "not set") {
			t.Errorf("a run before values are set: %v", err)
		}
		setWalk(t, s)
		for i := range 3 {
			out, err := s.Run(ctx, walkStep(0, 2))
			if err != nil {
				t.Fatal(err)
			}
			if y := ir.View[float32](out[0].(*ir.Tensor)); len(out) != 1 || y[0] != float32(int(1)<<i) {
				t.Errorf("run %d: %d outputs of %v", i, len(out), y[0])
			}
		}
		wantWalk(t, s, 8, 3)
		setWalk(t, s)
		wantWalk(t, s, 1, 0)
		if err := s.Set(0, ir.Scalar(float32(1))); err == nil || !strings.Contains(err.Error(), `state "w": f32[], want f32[4096, 64]`) {
			t.Errorf("a value of another type: %v", err)
		}
	}
}

// What fails, or is given up, replaces nothing.
func TestCarriedFailures(t *testing.T) {
	s := walkSession(t, Options{Device: CPU})
	setWalk(t, s)
	var e *MLXError
	if _, err := s.Run(context.Background(), walkStep(4096, 2)); !errors.As(err, &e) || e.Loc.Node != "/Gather" {
		t.Errorf("an index out of range: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Run(ctx, walkStep(0, 2)); !errors.Is(err, context.Canceled) {
		t.Errorf("a run that is given up: %v", err)
	}
	wantWalk(t, s, 1, 0)
	runs := int64(0)
	for range 50 { // given up at some moment, a run counts if and only if it gives no error
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Microsecond)
		if _, err := s.Run(ctx, walkStep(0, 1)); err == nil {
			runs++
		}
		cancel()
	}
	wantWalk(t, s, 1, runs)
}

// A run replaces a value in the memory that it has. Nothing else reads the value: MLX's threads might not be done with it yet.
func TestCarriedInPlace(t *testing.T) {
	s := carriedSession(t, `module "decay"
func @main(%w: f32[4096, 64], %s: f32[]) -> (y: f32[], w2: f32[4096, 64]) {
  %0 = mul %w, %s : f32[4096, 64]
  %1 = neg %s : f32[]
  yield %1, %0
}
`, Options{Device: CPU}, mlx.Carry{Input: 0, Output: 1})
	if err := s.Set(0, ir.NewTensor(ir.F32, 4096, 64)); err != nil {
		t.Fatal(err)
	}
	step := func() {
		if _, err := s.Run(context.Background(), []ir.Datum{ir.Scalar(float32(2))}); err != nil {
			t.Fatal(err)
		}
	}
	step()
	step()
	if err := ResetMemory(); err != nil {
		t.Fatal(err)
	}
	before, _ := Memory()
	step()
	after, _ := Memory()
	if size := int64(4096 * 64 * 4); before.Active < size || after.Peak-before.Active > size/8 {
		t.Errorf("%d bytes before, then up to %d, with a value of %d", before.Active, after.Peak, size)
	}
}
