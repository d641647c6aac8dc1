package interp

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/emilyc/emily/ir"
)

// TestOddSizes runs the op of every golden case on operands of other sizes and with other indices, behind inference's
// back: the types have a symbol for every size, and EvalOp checks no facts. Whatever happens is a result or an error.
func TestOddSizes(t *testing.T) {
	files, _ := filepath.Glob("testdata/*.txt")
	r := rand.New(rand.NewPCG(13, 14))
	failed, done := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range strings.Split(strings.TrimSpace(string(text)), "\n\n") {
			g, err := parseGolden(block)
			if err != nil {
				t.Fatal(err)
			}
			op := symbolicOp(t, g)
			if op == nil {
				continue
			}
			for range 20 {
				if _, err := EvalOp(op, oddArgs(op, r)); err != nil {
					failed++
				}
				done++
			}
		}
	}
	t.Logf("%d of %d ops gave an error", failed, done)
	if done < 10000 || failed == 0 || failed == done {
		t.Error("the test does not reach what it is for")
	}
}

// symbolicOp is the op of a case with types whose sizes are symbols, but for the lengths of lists of sizes. nil where the op
// does not admit that.
func symbolicOp(t *testing.T, g golden) *ir.Op {
	m, err := ir.Parse(g.module(), ir.ParseOptions{})
	if err != nil {
		t.Fatal(err)
	}
	op := m.Main().Body.Ops[0]
	free := ir.NewModule("free").NewFunc("main")
	args := make([]*ir.Value, len(op.Args))
	for i, a := range op.Args {
		if a == nil {
			continue
		}
		shape := make(ir.Shape, a.Rank())
		for k, d := range a.Shape() {
			shape[k] = ir.Sym(fmt.Sprintf("%c%d", 'a'+i, k))
			if i > 0 && a.DType() == ir.I64 && op.Kind != ir.Gather && op.Kind != ir.GatherElements && op.Kind != ir.ScatterElements && k == a.Rank()-1 {
				shape[k] = d
			}
		}
		args[i] = free.Body.AddParam("", ir.TensorOf(a.DType(), shape...))
	}
	b := ir.NewBuilder(free.Body)
	if b.Ops(op.Kind, op.Attrs, nil, args...) == nil {
		return nil
	}
	return free.Body.Ops[0]
}

func oddArgs(op *ir.Op, r *rand.Rand) []ir.Datum {
	args := make([]ir.Datum, len(op.Args))
	for i, a := range op.Args {
		if a == nil {
			continue
		}
		shape := []int{}
		for _, d := range a.Shape() {
			n, fixed := d.Value()
			if !fixed {
				n = int64(r.IntN(4))
			}
			shape = append(shape, int(n))
		}
		x := ir.NewTensor(a.DType(), shape...)
		for k := range x.Data {
			if a.DType() != ir.Bool && a.DType().Bits() >= 8 {
				x.Data[k] = byte(r.Uint32())
			}
		}
		if a.DType() == ir.I64 && r.IntN(8) > 0 {
			for k := range ir.View[int64](x) {
				ir.View[int64](x)[k] = int64(r.IntN(9)) - 3
			}
		}
		args[i] = x
	}
	return args
}
