package runtime

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/google/go-cmp/cmp"
)

// needMLX skips the test where the native side is not set up.
func needMLX(t testing.TB) {
	t.Helper()
	if _, err := open(); err != nil {
		t.Skipf("skipped: %v", err)
	}
}

var (
	batch = ir.Sym("batch")
	seq   = ir.Sym("seq")
)

// build makes a plan by hand.
func build(t testing.TB, f func(b *mlx.Builder)) *mlx.Plan {
	t.Helper()
	b := mlx.NewBuilder(testModule())
	f(b)
	p, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func testModule() *ir.Module {
	m := ir.NewModule("test.onnx")
	m.AddLoc(ir.Loc{File: "test.onnx", Node: "/n1", OpType: "MatMul", Opset: 17})
	return m
}

func loaded1(t testing.TB, f func(b *mlx.Builder)) *Executable {
	t.Helper()
	needMLX(t)
	x, err := Load(build(t, f), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { x.Close() })
	return x
}

func f32(shape []int, v ...float32) *ir.Tensor { return ir.TensorFrom(v, shape...) }

func run(t testing.TB, x *Executable, in ...*ir.Tensor) []*ir.Tensor {
	t.Helper()
	data := make([]ir.Datum, len(in))
	for i, v := range in {
		data[i] = v
	}
	results, err := x.Run(context.Background(), data)
	if err != nil {
		t.Fatal(err)
	}
	out := make([]*ir.Tensor, len(results))
	for i, v := range results {
		out[i] = v.(*ir.Tensor)
	}
	return out
}

func same(t testing.TB, got, want []*ir.Tensor) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("outputs (-want +got):\n%s", d)
	}
}

func addPlan(b *mlx.Builder) {
	v := ir.TensorOf(ir.F32, batch)
	x, y := b.Input("x", v), b.Input("y", v)
	b.Output("z", v, b.Call(mlx.Add, x, y))
}

func TestAdd(t *testing.T) {
	x := loaded1(t, addPlan)
	same(t, run(t, x, f32([]int{2}, 1, 2), f32([]int{2}, 3, 4)), []*ir.Tensor{f32([]int{2}, 4, 6)})
	same(t, run(t, x, f32([]int{0}), f32([]int{0})), []*ir.Tensor{{DType: ir.F32, Shape: []int{0}, Data: nil}})
}

func TestTransposedOutputIsRowMajor(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		x := b.Input("x", ir.TensorOf(ir.F32, batch, seq))
		b.Output("y", ir.TensorOf(ir.F32, seq, batch), b.Call(mlx.Transpose, x, []int{1, 0}))
		b.Output("z", ir.TensorOf(ir.F32, ir.Size(2), ir.Size(2)), b.Call(mlx.BroadcastTo, b.Scalar(ir.F32, 7), []int{2, 2}))
	})
	same(t, run(t, x, f32([]int{2, 3}, 1, 2, 3, 4, 5, 6)),
		[]*ir.Tensor{f32([]int{3, 2}, 1, 4, 2, 5, 3, 6), f32([]int{2, 2}, 7, 7, 7, 7)})
}

// Inputs must survive a run even where MLX could reuse their buffers for results of the same size.
func TestInputsAreNotOverwritten(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		v := ir.TensorOf(ir.F32, batch)
		x := b.Input("x", v)
		b.Output("y", v, b.Call(mlx.Negative, b.Call(mlx.Reshape, b.Call(mlx.Exp, x), ir.Shape{batch})))
	})
	in := ir.NewTensor(ir.F32, 1<<16)
	run(t, x, in)
	for _, v := range ir.View[float32](in) {
		if v != 0 {
			t.Fatal("input changed")
		}
	}
}

func TestConstantsAndSetup(t *testing.T) {
	blob := &ir.Blob{Name: "w", Data: ir.TensorFrom([]float32{0, 1, 2, 3, 4, 5, 6}).Data}
	var p *mlx.Plan
	x := loaded1(t, func(b *mlx.Builder) {
		x := b.Input("x", ir.TensorOf(ir.F32, batch, ir.Size(3)))
		w := b.Blob(blob, 4, ir.F32, []int{2, 3})
		wt := b.Call(mlx.Contiguous, b.Call(mlx.Transpose, w, []int{1, 0}))
		b.Output("y", ir.TensorOf(ir.F32, batch, ir.Size(2)), b.Call(mlx.MatMul, x, wt))
	})
	p = x.Plan()
	if p.Setup < 0 || len(p.Programs[p.Main].Calls) != 1 {
		t.Errorf("weights are laid out in every run:\n%s", p)
	}
	same(t, run(t, x, f32([]int{1, 3}, 1, 0, 1)), []*ir.Tensor{f32([]int{1, 2}, 4, 10)})
}

func TestDims(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		x := b.Input("x", ir.TensorOf(ir.F32, batch, seq))
		n := batch.Mul(seq)
		half := n.Add(ir.Size(1)).FloorDiv(ir.Size(2))
		b.Output("flat", ir.TensorOf(ir.F32, n), b.Call(mlx.Reshape, x, ir.Shape{n}))
		b.Output("dims", ir.TensorOf(ir.I64, ir.Size(4)),
			b.Call(mlx.Dims, []ir.Dim{n, half, batch.Min(seq), n.Mod(ir.Size(4)).Sub(seq)}, ir.I64))
		b.Output("rows", ir.TensorOf(ir.I32), b.Call(mlx.DimScalar, batch, ir.I32))
	})
	same(t, run(t, x, f32([]int{2, 3}, 1, 2, 3, 4, 5, 6)), []*ir.Tensor{
		f32([]int{6}, 1, 2, 3, 4, 5, 6), ir.TensorFrom([]int64{6, 3, 2, -1}), ir.Scalar(int32(2)),
	})
}

func TestBindShapeAndReadInts(t *testing.T) {
	n, m := ir.Sym("n"), ir.Sym("m")
	x := loaded1(t, func(b *mlx.Builder) {
		x := b.Input("x", ir.TensorOf(ir.F32, batch))
		k := b.Input("k", ir.TensorOf(ir.I64, ir.Size(1)))
		b.CallN(mlx.ReadInts, 0, k, []ir.Dim{n})
		head := b.Call(mlx.Slice, x, []int{0}, []ir.Dim{n}, []int{1})
		b.CallN(mlx.BindShape, 0, head, []ir.Dim{m})
		b.Output("rev", ir.TensorOf(ir.F32, m), b.Call(mlx.Slice, head, []ir.Dim{m.Sub(ir.Size(1))}, []ir.Dim{m.Mul(ir.Size(-1)).Sub(ir.Size(1))}, []int{-1}))
		b.Output("m", ir.TensorOf(ir.I64), b.Call(mlx.DimScalar, m, ir.I64))
	})
	same(t, run(t, x, f32([]int{4}, 1, 2, 3, 4), ir.TensorFrom([]int64{3})),
		[]*ir.Tensor{f32([]int{3}, 3, 2, 1), ir.Scalar(int64(3))})
}

func TestIf(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		c := b.Input("c", ir.TensorOf(ir.Bool))
		v := b.Input("v", ir.TensorOf(ir.F32, batch))
		then := b.Sub("then", 1, func(p []mlx.Reg) []mlx.Reg { return []mlx.Reg{b.Call(mlx.Negative, p[0])} })
		other := b.Sub("else", 1, func(p []mlx.Reg) []mlx.Reg {
			return []mlx.Reg{b.Call(mlx.Add, p[0], b.Scalar(ir.F32, 1))}
		})
		b.Output("y", ir.TensorOf(ir.F32, batch), b.Call(mlx.If, c, v, v, then, other, 1))
	})
	v := f32([]int{2}, 1, 2)
	same(t, run(t, x, ir.Scalar(true), v), []*ir.Tensor{f32([]int{2}, -1, -2)})
	same(t, run(t, x, ir.Scalar(false), v), []*ir.Tensor{f32([]int{2}, 2, 3)})
}

// loopPlan sums i·step while the sum is below limit, at most trip times, and scans the sums.
func loopPlan(b *mlx.Builder) {
	s := ir.TensorOf(ir.F32)
	trip, limit, step := b.Input("trip", ir.TensorOf(ir.I64)), b.Input("limit", s), b.Input("step", s)
	body := b.Sub("body", 5, func(p []mlx.Reg) []mlx.Reg { // i, cond, sum, limit, step
		i := b.Call(mlx.AsType, p[0], ir.F32)
		sum := b.Call(mlx.Add, p[2], b.Call(mlx.Multiply, i, p[4]))
		return []mlx.Reg{b.Call(mlx.Less, sum, p[3]), sum, sum}
	})
	zero := b.Scalar(ir.F32, 0)
	empty := b.Call(mlx.Zeros, []int{0}, ir.F32)
	out := b.CallN(mlx.Loop, 2, trip, mlx.Absent, zero, empty, limit, step, body, 1, 1)
	b.Output("sum", s, out[0])
	b.Output("sums", ir.TensorOf(ir.F32, ir.Sym("n")), out[1])
}

func TestLoop(t *testing.T) {
	x := loaded1(t, loopPlan)
	for _, c := range []struct {
		trip  int64
		limit float32
		want  []float32
	}{{3, 100, []float32{0, 2, 6}}, {10, 5, []float32{0, 2, 6}}, {0, 5, nil}} {
		out := run(t, x, ir.Scalar(c.trip), ir.Scalar(c.limit), ir.Scalar(float32(2)))
		last := float32(0)
		if len(c.want) > 0 {
			last = c.want[len(c.want)-1]
		}
		same(t, out, []*ir.Tensor{ir.Scalar(last), f32([]int{len(c.want)}, c.want...)})
	}
}

func TestScan(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		xs := b.Input("xs", ir.TensorOf(ir.F32, seq, ir.Size(2)))
		body := b.Sub("body", 2, func(p []mlx.Reg) []mlx.Reg { // state, element
			s := b.Call(mlx.Add, p[0], p[1])
			return []mlx.Reg{s, b.Call(mlx.Multiply, s, s)}
		})
		init := b.Call(mlx.Zeros, []int{2}, ir.F32)
		empty := b.Call(mlx.Zeros, []int{0, 2}, ir.F32)
		out := b.CallN(mlx.Scan, 2, init, xs, empty, body, 1, 1, 1)
		b.Output("sum", ir.TensorOf(ir.F32, ir.Size(2)), out[0])
		b.Output("squares", ir.TensorOf(ir.F32, seq, ir.Size(2)), out[1])
	})
	same(t, run(t, x, f32([]int{2, 2}, 1, 2, 3, 4)), []*ir.Tensor{f32([]int{2}, 4, 6), f32([]int{2, 2}, 1, 4, 16, 36)})
	same(t, run(t, x, f32([]int{0, 2})), []*ir.Tensor{f32([]int{2}, 0, 0), {DType: ir.F32, Shape: []int{0, 2}}})
}

// A long loop must not keep what its iterations made.
func TestLoopMemoryIsBounded(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		v := b.Input("v", ir.TensorOf(ir.F32, batch))
		trip := b.Input("trip", ir.TensorOf(ir.I64))
		body := b.Sub("body", 3, func(p []mlx.Reg) []mlx.Reg {
			return []mlx.Reg{p[1], b.Call(mlx.Add, p[2], b.Call(mlx.Sin, p[2]))}
		})
		b.Output("y", ir.TensorOf(ir.F32, batch), b.Call(mlx.Loop, trip, mlx.Absent, v, body, 1, 0))
	})
	if err := ResetMemory(); err != nil {
		t.Fatal(err)
	}
	before, _ := Memory()
	run(t, x, ir.NewTensor(ir.F32, 1<<16), ir.Scalar(int64(2000)))
	after, err := Memory()
	if err != nil || after.Peak-before.Active > 16<<20 {
		t.Errorf("2000 iterations over 256 KiB took %d bytes, %v", after.Peak-before.Active, err)
	}
}

func TestErrorsNameTheCall(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		x, y := b.Input("x", ir.TensorOf(ir.F32, batch)), b.Input("y", ir.TensorOf(ir.F32, seq))
		b.At(1)
		b.Output("z", ir.TensorOf(ir.F32, batch), b.Call(mlx.Add, x, y))
	})
	_, err := x.Run(context.Background(), []ir.Datum{f32([]int{2}, 1, 2), f32([]int{3}, 1, 2, 3)})
	var e *MLXError
	if !errors.As(err, &e) || e.Call != "%2 = add %0, %1" || e.Loc.Node != "/n1" {
		t.Errorf("got %v", err)
	}
	same(t, run(t, x, f32([]int{1}, 1), f32([]int{1}, 2)), []*ir.Tensor{f32([]int{1}, 3)})
}

func TestBadInputs(t *testing.T) {
	x := loaded1(t, addPlan)
	v := f32([]int{2}, 1, 2)
	for _, c := range []struct {
		want string
		in   []ir.Datum
	}{
		{"1 inputs, want 2", []ir.Datum{v}},
		{`input "y" is i64`, []ir.Datum{v, ir.TensorFrom([]int64{1, 2})}},
		{`input "y" is nothing`, []ir.Datum{v, nil}},
		{`input "y" has shape [1 2]`, []ir.Datum{v, f32([]int{1, 2}, 1, 2)}},
		{`input "y" has size 1 on axis 0, want batch = 2`, []ir.Datum{v, f32([]int{1}, 1)}},
		{`input "y" has 4 bytes of data`, []ir.Datum{v, &ir.Tensor{DType: ir.F32, Shape: []int{2}, Data: make([]byte, 4)}}},
	} {
		_, err := x.Run(context.Background(), c.in)
		var e *ir.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
}

func TestFacts(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		x, y := b.Input("x", ir.TensorOf(ir.F32, batch)), b.Input("y", ir.TensorOf(ir.F32, seq))
		b.Facts(ir.Fact{Rel: ir.EQ, A: batch, B: seq, Loc: 1})
		b.Output("z", ir.TensorOf(ir.F32, batch), b.Call(mlx.Add, x, y))
	})
	_, err := x.Run(context.Background(), []ir.Datum{f32([]int{1}, 1), f32([]int{2}, 1, 2)})
	var e *ir.Error
	if !errors.As(err, &e) || e.Kind != ir.ShapeError || e.Loc.Node != "/n1" {
		t.Errorf("got %v", err)
	}
}

func TestCheckCall(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		x := b.Input("x", ir.TensorOf(ir.F32, batch))
		b.CallN(mlx.Check, 0, "divides", 2, batch, "halves")
		b.Output("y", ir.TensorOf(ir.F32, batch), b.Call(mlx.Negative, x))
	})
	if _, err := x.Run(context.Background(), []ir.Datum{f32([]int{3}, 1, 2, 3)}); err == nil || !strings.Contains(err.Error(), "halves") {
		t.Errorf("got %v", err)
	}
}

func TestCancel(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		v := b.Input("v", ir.TensorOf(ir.F32, batch))
		body := b.Sub("body", 3, func(p []mlx.Reg) []mlx.Reg { return []mlx.Reg{p[1], b.Call(mlx.Sin, p[2])} })
		b.Output("y", ir.TensorOf(ir.F32, batch), b.Call(mlx.Loop, mlx.Absent, mlx.Absent, v, body, 1, 0))
	})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := x.Run(ctx, []ir.Datum{ir.NewTensor(ir.F32, 1024)})
	if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 20*time.Second {
		t.Errorf("endless loop: %v after %v", err, time.Since(start))
	}
	if err := x.Close(); err != nil { // returns only because the native side has stopped
		t.Error(err)
	}
	if _, err := x.Run(context.Background(), []ir.Datum{ir.NewTensor(ir.F32, 1)}); err != ErrClosed {
		t.Errorf("after Close: %v", err)
	}
}

func TestConcurrentRuns(t *testing.T) {
	var exes []*Executable
	for range 3 {
		exes = append(exes, loaded1(t, addPlan))
	}
	runs := 200
	if testing.Short() {
		runs = 20
	}
	work := func() {
		var wg sync.WaitGroup
		for g := range 16 {
			wg.Go(func() {
				for i := range runs {
					n := 1 + (g+i)%7
					a, b, want := ir.NewTensor(ir.F32, n), ir.NewTensor(ir.F32, n), ir.NewTensor(ir.F32, n)
					for k := range n {
						ir.View[float32](a)[k], ir.View[float32](b)[k] = float32(g), float32(i)
						ir.View[float32](want)[k] = float32(g + i)
					}
					out, err := exes[(g+i)%len(exes)].Run(context.Background(), []ir.Datum{a, b})
					if err != nil || !cmp.Equal(out[0], want) {
						t.Errorf("goroutine %d run %d: %v %v", g, i, out, err)
						return
					}
				}
			})
		}
		wg.Wait()
	}
	work()
	before, _ := Memory()
	work()
	after, _ := Memory()
	if after.Active > before.Active+1<<16 {
		t.Errorf("active memory grew from %d to %d bytes", before.Active, after.Active)
	}
}

func TestDTypes(t *testing.T) {
	needMLX(t)
	for _, d := range []ir.DType{ir.Bool, ir.U8, ir.U16, ir.U32, ir.U64, ir.I8, ir.I16, ir.I32, ir.I64, ir.F16, ir.BF16,
		ir.F32, ir.F64, ir.C64, ir.F8E4M3FN, ir.I4, ir.U4} {
		x := loaded1(t, func(b *mlx.Builder) {
			v := ir.TensorOf(d, batch)
			b.Output("y", v, b.Call(mlx.Copy, b.Input("x", v)))
		})
		in := ir.NewTensor(d, 3)
		for i := range in.Data {
			in.Data[i] = byte(i % 2)
		}
		same(t, run(t, x, in), []*ir.Tensor{in})
	}
}

// A view that starts inside an element cannot be used in place.
func TestUnalignedConstant(t *testing.T) {
	data := append([]byte{0}, ir.TensorFrom([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9}).Data...)
	x := loaded1(t, func(b *mlx.Builder) {
		w := b.Blob(&ir.Blob{Name: "w", Data: data}, 1, ir.F32, []int{9})
		x := b.Input("x", ir.TensorOf(ir.F32))
		b.Output("y", ir.TensorOf(ir.F32, ir.Size(9)), b.Call(mlx.Add, x, w))
	})
	same(t, run(t, x, ir.Scalar(float32(1))), []*ir.Tensor{f32([]int{9}, 2, 3, 4, 5, 6, 7, 8, 9, 10)})
}

func TestEveryCallIsThere(t *testing.T) {
	needMLX(t)
	lib, _ := open()
	if err := missingCalls(lib); err != nil {
		t.Error(err)
	}
}

func TestFindSaysWhatIsMissing(t *testing.T) {
	t.Setenv("EMILY_MLX", t.TempDir())
	_, err := Find()
	var e *SetupError
	if !errors.As(err, &e) || e.Remedy == "" {
		t.Errorf("got %v", err)
	}
}

func TestSetupWithoutTools(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("CXX", "")
	if _, err := findCompiler(); err == nil || !strings.Contains(err.Error(), "apt install g++") {
		t.Errorf("got %v", err)
	}
	if _, err := findPip(context.Background()); err == nil || !strings.Contains(err.Error(), "pip") {
		t.Errorf("got %v", err)
	}
}

func TestCompileErrorIsShort(t *testing.T) {
	cxx, err := findCompiler()
	if err != nil {
		t.Skipf("skipped: %v", err)
	}
	src := t.TempDir() + "/a.cc"
	if err := os.WriteFile(src, []byte("int x = \"\";\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	err = compile(context.Background(), cxx, []string{"-c", src}, t.TempDir()+"/a.so", "the shim")
	if e, ok := err.(*SetupError); !ok || strings.Count(e.Missing, "\n") != 0 {
		t.Errorf("got %v", err)
	}
}

func BenchmarkAdd(b *testing.B) {
	x := loaded1(b, addPlan)
	in := []ir.Datum{f32([]int{1}, 1), f32([]int{1}, 2)}
	times := make([]time.Duration, 0, b.N)
	for b.Loop() {
		start := time.Now()
		if _, err := x.Run(context.Background(), in); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(start))
	}
	b.ReportMetric(float64(percentile(times, 50).Nanoseconds())/1e3, "p50-µs")
}

func percentile(d []time.Duration, p int) time.Duration {
	if len(d) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(d))
	return s[len(s)*p/100]
}

func ExampleDiagnose() {
	for _, c := range Diagnose() {
		if !c.OK {
			fmt.Println(c.Name, c.Remedy)
			return
		}
	}
	fmt.Println("ready")
}

// BenchmarkMatMul shows whether a fast BLAS is there: 1024³ takes 25 ms with OpenBLAS on two cores, 1 s without.
func BenchmarkMatMul(b *testing.B) {
	x := loaded1(b, func(b *mlx.Builder) {
		v := ir.TensorOf(ir.F32, batch, batch)
		x := b.Input("x", v)
		b.Output("y", v, b.Call(mlx.MatMul, x, x))
	})
	in := []ir.Datum{ir.NewTensor(ir.F32, 1024, 1024)}
	for b.Loop() {
		if _, err := x.Run(context.Background(), in); err != nil {
			b.Fatal(err)
		}
	}
}

// A constant at the start of a mapping has no readable byte before it, and MLX keeps a header there for its own.
func TestConstantAtStartOfMapping(t *testing.T) {
	needMLX(t)
	page := os.Getpagesize()
	mem, err := syscall.Mmap(-1, 0, 2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mprotect(mem[:page], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	blob := &ir.Blob{Name: "w", Data: mem[page:]}
	v := ir.TensorOf(ir.F32, ir.Size(4), ir.Size(4))
	x := loaded1(t, func(b *mlx.Builder) {
		x, w := b.Input("x", v), b.Blob(blob, 0, ir.F32, []int{4, 4})
		for _, op := range []mlx.CallID{mlx.Add, mlx.MatMul, mlx.Maximum} {
			b.Output(op.String(), v, b.Call(op, x, w))
			b.Output(op.String()+" reversed", v, b.Call(op, b.Call(mlx.Reshape, w, []int{4, 4}), x))
		}
		b.Output("sum", ir.TensorOf(ir.F32), b.Call(mlx.Add, b.Call(mlx.Sum, w, []int{0, 1}, false), b.Call(mlx.Sum, x, []int{0, 1}, false)))
		b.Output("same", v, w)
	})
	in := &ir.Tensor{DType: ir.F32, Shape: []int{4, 4}, Data: mem[page : page+64]}
	for _, out := range run(t, x, in) {
		if !cmp.Equal(out.Data, make([]byte, len(out.Data))) {
			t.Errorf("%v", out)
		}
	}
}

// What fails while MLX evaluates, and not while the graph is built, is an error too.
func TestEvaluationError(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		v := ir.TensorOf(ir.F32, batch, batch)
		b.Output("y", v, b.Call(mlx.Inv, b.Input("x", v)))
	})
	if v := x.worker.lib.mlxVersion(); strings.HasPrefix(v, "0.31") || v == "0.32.0" {
		t.Skip("skipped: errors of evaluation end the process before MLX 0.32.1")
	}
	_, err := x.Run(context.Background(), []ir.Datum{f32([]int{2, 2}, 0, 0, 0, 0)})
	var e *MLXError
	if !errors.As(err, &e) || !strings.Contains(e.Msg, "LU factorization failed") {
		t.Errorf("got %v", err)
	}
	same(t, run(t, x, f32([]int{1, 1}, 4)), []*ir.Tensor{f32([]int{1, 1}, 0.25)})
}

// What cannot be used in place and is large is copied on several threads, in parts that fit together.
func TestLargeUnalignedInput(t *testing.T) {
	x := loaded1(t, func(b *mlx.Builder) {
		n := ir.Sym("n")
		b.Output("y", ir.TensorOf(ir.I32, n), b.Call(mlx.Negative, b.Input("x", ir.TensorOf(ir.I32, n))))
	})
	const n = 5<<20 + 3
	values, want := make([]int32, n), make([]int32, n)
	for i := range values {
		values[i], want[i] = int32(i), int32(-i)
	}
	data := append([]byte{0}, ir.TensorFrom(values, n).Data...)
	for range 2 {
		got := run(t, x, &ir.Tensor{DType: ir.I32, Shape: []int{n}, Data: data[1:]})
		if !slices.Equal(ir.View[int32](got[0]), want) {
			t.Error("the copy is not what was given")
		}
	}
}
