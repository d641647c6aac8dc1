package runtime

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
	"github.com/google/go-cmp/cmp"
)

// numpy has no bf16: emitted programs read and write its bits.
var npyDescr = map[ir.DType]string{
	ir.Bool: "|b1", ir.U8: "|u1", ir.I8: "|i1", ir.U16: "<u2", ir.I16: "<i2", ir.BF16: "<u2", ir.F16: "<f2",
	ir.U32: "<u4", ir.I32: "<i4", ir.F32: "<f4", ir.U64: "<u8", ir.I64: "<i8", ir.F64: "<f8", ir.C64: "<c8",
}

func writeNpy(t testing.TB, path string, x *ir.Tensor) {
	t.Helper()
	shape := strings.Trim(strings.ReplaceAll(fmt.Sprint(x.Shape), " ", ","), "[]")
	if len(x.Shape) == 1 {
		shape += ","
	}
	head := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", npyDescr[x.DType], shape)
	head += strings.Repeat(" ", 63-(10+len(head))%64) + "\n"
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(head)), byte(len(head)>>8))
	b = append(append(b, head...), x.Data...)
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

var npyShape = regexp.MustCompile(`'descr': '(\S+)'.*'shape': \(([^)]*)\)`)

func readNpy(t testing.TB, path string, d ir.DType) *ir.Tensor {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n := int(binary.LittleEndian.Uint16(b[8:]))
	m := npyShape.FindSubmatch(b[10 : 10+n])
	if m == nil || string(m[1]) != npyDescr[d] {
		t.Fatalf("%s: %s is no %s", path, b[10:10+n], d)
	}
	x := &ir.Tensor{DType: d, Shape: []int{}, Data: b[10+n:]}
	for _, s := range strings.FieldsFunc(string(m[2]), func(r rune) bool { return r == ',' || r == ' ' }) {
		k, _ := strconv.Atoi(s)
		x.Shape = append(x.Shape, k)
	}
	if len(x.Data) == 0 {
		x.Data = nil
	}
	return x
}

// runPython runs the emitted program of p.
func runPython(t testing.TB, p *mlx.Plan, in []*ir.Tensor, args ...string) ([]*ir.Tensor, []byte) {
	t.Helper()
	dir := t.TempDir()
	var src bytes.Buffer
	if err := p.EmitPython(&src); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(dir, "model.py")
	if err := os.WriteFile(script, src.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	for i, x := range in {
		writeNpy(t, filepath.Join(dir, fmt.Sprintf("input_%d.npy", i)), x)
	}
	cmd, err := PythonCommand(context.Background(), append([]string{script, dir}, args...)...)
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var res []*ir.Tensor
	for i, o := range p.Outputs {
		res = append(res, readNpy(t, filepath.Join(dir, fmt.Sprintf("output_%d.npy", i)), o.Type.DType))
	}
	return res, out
}

func needPython(t testing.TB) {
	t.Helper()
	needMLX(t)
	cmd, err := PythonCommand(context.Background(), "-c", "import numpy, mlx.core")
	if err == nil {
		err = cmd.Run()
	}
	if err != nil {
		t.Skipf("skipped: python3 cannot import numpy and mlx: %v", err)
	}
}

// agree runs p natively and in Python and wants the same bytes.
func agree(t *testing.T, p *mlx.Plan, in ...*ir.Tensor) {
	t.Helper()
	x, err := Load(p, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	got := run(t, x, in...)
	want, _ := runPython(t, p, in)
	for i := range got {
		if d := cmp.Diff(want[i], got[i]); d != "" && !rounded(want[i], got[i]) {
			t.Errorf("output %s (-python +native):\n%s", p.Outputs[i].Name, d)
		}
	}
}

// rounded reports whether f32 tensors differ by what MLX's exp, tanh, sigmoid and erf on the CPU may differ from the shim's: 16 units in the
// last place, as MLX's err by up to 8.5 and what is made of them in softmax and attention adds its own.
func rounded(want, got *ir.Tensor) bool {
	if want.DType != ir.F32 || !want.Type().Equal(got.Type()) {
		return false
	}
	w := want.Floats()
	for i, v := range got.Floats() {
		if v != w[i] && !(math.IsNaN(v) && math.IsNaN(w[i])) && !(math.Abs(v-w[i]) <= 16*0x1p-23*math.Abs(w[i])) {
			return false
		}
	}
	return true
}

func TestPythonControlFlow(t *testing.T) {
	needPython(t)
	agree(t, build(t, loopPlan), ir.Scalar(int64(5)), ir.Scalar(float32(7)), ir.Scalar(float32(1.5)))
	agree(t, build(t, loopPlan), ir.Scalar(int64(0)), ir.Scalar(float32(7)), ir.Scalar(float32(1.5)))
}

func TestPythonBench(t *testing.T) {
	needPython(t)
	_, out := runPython(t, build(t, addPlan), []*ir.Tensor{f32([]int{1}, 1), f32([]int{1}, 2)}, "--bench", "20")
	var r struct{ Min, P50, P90 float64 }
	if err := json.Unmarshal(out, &r); err != nil || r.P50 <= 0 || r.Min > r.P90 {
		t.Errorf("%s: %v", out, err)
	}
}

func TestPythonConstants(t *testing.T) {
	needPython(t)
	path := filepath.Join(t.TempDir(), "w.bin")
	data := make([]byte, 64)
	for i := range data {
		data[i] = byte(i * 7)
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
	blob := &ir.Blob{Name: "w", Path: path, Data: data}
	agree(t, build(t, func(b *mlx.Builder) {
		out := func(name string, d ir.DType, r mlx.Reg, shape ...int64) {
			b.Output(name, ir.TensorOf(d, ir.StaticShape(shape...)...), b.Call(mlx.Copy, r))
		}
		out("mapped bf16", ir.BF16, b.Blob(blob, 4, ir.BF16, []int{2, 3}), 2, 3)
		out("mapped i16", ir.I16, b.Blob(blob, 1, ir.I16, []int{3}), 3)
		out("packed", ir.I8, b.Blob(blob, 0, ir.I4, []int{5}), 5)
		out("nan", ir.F32, b.Tensor(f32([]int{3}, float32(math.NaN()), float32(math.Inf(-1)), 1)), 3)
		out("f16", ir.F16, b.Scalar(ir.F16, 1.0/3))
		out("bf16", ir.BF16, b.Scalar(ir.BF16, 1.0/3))
		out("f64", ir.F64, b.Scalar(ir.F64, 1.0/3))
		out("bools", ir.Bool, b.Tensor(ir.TensorFrom([]bool{true, false})), 2)
		out("long", ir.U8, b.Tensor(&ir.Tensor{DType: ir.U8, Shape: []int{64}, Data: data}), 64)
		out("u64", ir.U64, b.Int(ir.U64, -1))
		out("i64", ir.I64, b.Int(ir.I64, math.MinInt64+1))
	}))
}
