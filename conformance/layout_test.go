package conformance

import (
	"testing"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
)

// convNet builds convolutional networks, whose channels come first in the IR and last on MLX.
type convNet struct{ *ir.Builder }

// weight is a constant with elements of its own, so that no two are merged.
func (n convNet) weight(shape ...int) *ir.Value {
	w := ir.NewTensor(ir.F32, shape...)
	for i := range ir.View[float32](w) {
		ir.View[float32](w)[i] = float32(i%7+len(n.Region().Ops)) / 100
	}
	return n.Const(w)
}

// conv has windows of size k, and batch normalisation after it.
func (n convNet) conv(x *ir.Value, out, k, stride, groups int) *ir.Value {
	in, _ := x.Shape()[1].Value()
	p, s := int64(k/2), int64(stride)
	a := &ir.ConvAttrs{Strides: []int64{s, s}, Pads: []int64{p, p, p, p}, Dilations: []int64{1, 1}, Groups: int64(groups)}
	y := n.Op(ir.Conv, a, x, n.weight(out, int(in)/groups, k, k), nil)
	return n.Op(ir.BatchNorm, &ir.NormAttrs{Epsilon: 1e-5}, y, n.weight(out), n.weight(out), n.weight(out), n.weight(out))
}

func (n convNet) relu(x *ir.Value) *ir.Value { return n.Op(ir.Relu, nil, x) }

func (n convNet) mean(x *ir.Value, keep bool) *ir.Value {
	return n.Op(ir.ReduceMean, &ir.ReduceAttrs{Axes: []int64{2, 3}, KeepDims: keep}, x)
}

// residual is a block of ResNet.
func (n convNet) residual(x *ir.Value, out, stride int) *ir.Value {
	y := n.conv(n.relu(n.conv(x, out, 3, stride, 1)), out, 3, 1, 1)
	if stride > 1 {
		x = n.conv(x, out, 1, stride, 1)
	}
	return n.relu(n.Op(ir.Add, nil, y, x))
}

// inverted is a block of MobileNet: wide, by single channels, with squeeze and excitation, narrow.
func (n convNet) inverted(x *ir.Value, wide int) *ir.Value {
	in, _ := x.Shape()[1].Value()
	y := n.Op(ir.HardSwish, nil, n.conv(x, wide, 1, 1, 1))
	y = n.Op(ir.HardSwish, nil, n.conv(y, wide, 3, 1, wide))
	gate := n.relu(n.conv(n.mean(y, true), wide/4, 1, 1, 1))
	gate = n.Op(ir.HardSigmoid, &ir.AlphaAttrs{Alpha: 1.0 / 6, Beta: 0.5}, n.conv(gate, wide, 1, 1, 1))
	return n.Op(ir.Add, nil, n.conv(n.Op(ir.Mul, nil, y, gate), int(in), 1, 1, 1), x)
}

func (n convNet) pool(kind ir.Kind, x *ir.Value) *ir.Value {
	return n.Op(kind, &ir.PoolAttrs{Kernel: []int64{2, 2}, Strides: []int64{2, 2}, Pads: []int64{0, 0, 0, 0}, Dilations: []int64{1, 1}}, x)
}

// TestConvTransposes: a convolutional network is turned at its two ends, and nowhere between; one that ends in a vector at the front alone.
func TestConvTransposes(t *testing.T) {
	for _, test := range []struct {
		name  string
		build func(n convNet, x *ir.Value) *ir.Value
		want  int
	}{
		{"residual blocks", func(n convNet, x *ir.Value) *ir.Value {
			x = n.pool(ir.MaxPool, n.relu(n.conv(x, 8, 7, 2, 1)))
			return n.residual(n.residual(n.residual(x, 8, 1), 16, 2), 16, 1)
		}, 2},
		{"residual blocks and a classifier", func(n convNet, x *ir.Value) *ir.Value {
			x = n.pool(ir.MaxPool, n.relu(n.conv(x, 8, 7, 2, 1)))
			x = n.residual(n.residual(n.residual(x, 8, 1), 16, 2), 16, 1)
			return n.Op(ir.Linear, nil, n.mean(x, false), n.weight(16, 10), n.weight(10))
		}, 1},
		{"single channels, squeeze and excitation", func(n convNet, x *ir.Value) *ir.Value {
			x = n.pool(ir.AveragePool, n.conv(x, 8, 3, 1, 1))
			return n.inverted(n.inverted(n.inverted(x, 16), 32), 16)
		}, 2},
		{"concatenated paths", func(n convNet, x *ir.Value) *ir.Value {
			for range 3 {
				x = n.Op(ir.Concat, &ir.AxisAttrs{Axis: 1}, n.relu(n.conv(x, 8, 3, 1, 1)), n.relu(n.conv(x, 8, 1, 1, 1)))
			}
			return x
		}, 2},
	} {
		for _, batch := range []ir.Dim{ir.Size(2), ir.Sym("batch")} {
			t.Run(test.name+"/"+batch.String(), func(t *testing.T) {
				m := ir.NewModule("conv.onnx")
				f := m.NewFunc("main")
				b := ir.NewBuilder(f.Body)
				x := f.Body.AddParam("x", ir.TensorOf(ir.F32, batch, ir.Size(3), ir.Size(32), ir.Size(32)))
				b.Yield(test.build(convNet{b}, x))
				f.Outputs = []string{"y"}
				if err := b.Err(); err != nil {
					t.Fatal(err)
				}
				if got := countCalls(optimisedPlan(t, m))[mlx.Transpose]; got != test.want {
					t.Errorf("%d transposes, want %d:\n%s", got, test.want, m)
				}
			})
		}
	}
}
