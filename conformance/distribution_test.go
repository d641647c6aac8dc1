package conformance

import (
	"testing"

	"github.com/emilyc/emily/ir"
)

func TestCompareBernoulli(t *testing.T) {
	vector := func(v float64, n int) *ir.Tensor {
		list := make([]float64, n)
		for i := range list {
			list[i] = v
		}
		return ir.TensorFrom(list, n)
	}
	for _, test := range []struct {
		how   drawing
		got   *ir.Tensor
		agree bool
	}{
		{drawn, vector(1, 100), true},
		{drawn, vector(0, 100), false},
		{otherwise, vector(0, 100), true},
		{otherwise, vector(1, 100), false},
		{drawn, vector(0.5, 100), false},
		{drawn, vector(1, 99), false},
		{drawn, ir.NewTensor(ir.I64, 100), false},
	} {
		d := compareBernoulli("y", test.how, test.got, vector(0, 100), vector(0.99, 100))
		if (d == nil) != test.agree {
			t.Errorf("%v of %s: %v", test.how, test.got.Type(), d)
		}
	}
}
