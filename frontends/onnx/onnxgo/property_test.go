package onnxgo

import (
	"maps"
	"testing"

	upstream "github.com/owulveryck/onnx-go"
	"gonum.org/v1/gonum/graph"
	gorgonia "gorgonia.org/tensor"
	"pgregory.net/rapid"
)

// usages are operators as they are used; TestAnyGraph spoils some of them.
var usages = []struct {
	op            string
	operands, out int
	attrs         map[string]any
}{
	{"Add", 2, 1, nil}, {"Mul", 2, 1, nil}, {"Neg", 1, 1, nil}, {"Softmax", 1, 1, map[string]any{"axis": int64(0)}},
	{"Concat", 2, 1, map[string]any{"axis": int64(0)}}, {"Reshape", 2, 1, nil}, {"Clip", 3, 1, nil},
	{"Split", 1, 2, map[string]any{"axis": int64(0)}}, {"Slice", 3, 1, nil},
	{"Slice", 1, 1, map[string]any{"starts": []int64{0}, "ends": []int64{1}}},
	{"Constant", 1, 1, map[string]any{"value": dense([]float32{1, 2}, 2)}}, {"Scan", 2, 1, nil}, {"Nope", 1, 1, nil},
}

// Whatever graph is built, legal or not, a run ends with results or an error.
func TestAnyGraph(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := New()
		defer b.Close()
		declare(t, b)
		for range rapid.IntRange(1, 4).Draw(t, "operations") {
			operate(t, b)
		}
		for range rapid.IntRange(0, 4).Draw(t, "inputs") {
			if n := b.node(rapid.Int64Range(-1, 4).Draw(t, "node")); n != nil {
				_ = n.SetTensor(tensors.Draw(t, "input"))
			}
		}
		b.err = nil // what was misused does not hide the rest
		_ = b.Run()
		for it := b.Nodes(); it.Next(); {
			it.Node().(*node).GetTensor()
		}
	})
}

var tensors = rapid.OneOf(
	rapid.Map(rapid.SliceOfN(rapid.Float32(), 4, 4), func(v []float32) *gorgonia.Dense { return dense(v, 2, 2) }),
	rapid.Map(rapid.SliceOfN(rapid.Float32(), 2, 2), func(v []float32) *gorgonia.Dense { return dense(v, 2) }),
	rapid.Map(rapid.SliceOfN(rapid.Int64Range(-3, 3), 1, 3), func(v []int64) *gorgonia.Dense { return dense(v, len(v)) }),
	rapid.Map(rapid.Bool(), func(v bool) *gorgonia.Dense { return gorgonia.New(gorgonia.FromScalar(v)) }),
)

var attributeValues = rapid.OneOf(
	rapid.Map(rapid.Int64Range(-3, 3), func(v int64) any { return v }),
	rapid.Map(rapid.Float32(), func(v float32) any { return v }),
	rapid.Map(rapid.SliceOfN(rapid.Int64Range(-3, 3), 0, 3), func(v []int64) any { return v }),
	rapid.Map(tensors, func(v *gorgonia.Dense) any { return v }),
	rapid.Just[any](struct{}{}),
	rapid.Just[any](nil),
)

// spoil is rarely true.
func spoil(t *rapid.T, what string) bool { return rapid.IntRange(0, 9).Draw(t, what) == 0 }

func declare(t *rapid.T, b *Backend) {
	for i := range 6 {
		name := string(rune('a' + i))
		if spoil(t, "name") {
			name = rapid.SampledFrom([]string{"", "a", "n/input"}).Draw(t, "another name")
		}
		n := b.NewNode().(*node)
		n.SetName(name)
		b.AddNode(n)
		if !spoil(t, "no type") {
			_ = n.SetTensor(tensors.Draw(t, "type"))
		}
	}
}

// operate adds an operation; the tensors from d on are results.
func operate(t *rapid.T, b *Backend) {
	use := rapid.SampledFrom(usages).Draw(t, "usage")
	operands := use.operands
	if spoil(t, "arity") {
		operands = rapid.IntRange(0, 4).Draw(t, "operands")
	}
	var results []graph.Node
	for range use.out {
		r := b.Node(rapid.Int64Range(3, 5).Draw(t, "result"))
		if spoil(t, "result") {
			r = b.Node(rapid.Int64Range(-1, 5).Draw(t, "any result"))
		}
		for i := range operands {
			b.SetWeightedEdge(b.NewWeightedEdge(r, b.Node(rapid.Int64Range(0, 3).Draw(t, "operand")), float64(i)))
		}
		results = append(results, r)
	}
	attrs := maps.Clone(use.attrs)
	if spoil(t, "attribute") {
		attrs = map[string]any{"axis": attributeValues.Draw(t, "attribute"), "value": attributeValues.Draw(t, "value")}
	}
	_ = b.ApplyOperation(upstream.Operation{Name: use.op, Attributes: attrs}, results...)
}
