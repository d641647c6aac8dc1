package rewrite

import (
	"bytes"
	"slices"

	"github.com/emilyc/emily/ir"
)

// maxSplat bounds the bytes of a constant that is looked at. Weight matrices are not read at compile time.
const maxSplat = 4 << 10

// Def is the op of one of the kinds that makes v, nil where another does.
func Def(v *ir.Value, kinds ...ir.Kind) *ir.Op {
	if v == nil || v.Def == nil || !slices.Contains(kinds, v.Def.Kind) {
		return nil
	}
	return v.Def
}

// Splat is the value that all elements of a real or bool constant have.
func Splat(v *ir.Value) (float64, bool) {
	c := Def(v, ir.Const)
	if c == nil {
		return 0, false
	}
	a := c.Attrs.(*ir.ConstAttrs)
	d := a.Type.DType
	if data := a.Bytes(); len(data) == 0 || len(data) > maxSplat || !d.IsNumeric() && d != ir.Bool {
		return 0, false
	}
	t, err := a.Tensor()
	if err != nil || !uniform(t.Data, d.Size()) {
		return 0, false
	}
	return first(t), true
}

// uniform reports whether all elements of that size have the same bits.
func uniform(data []byte, size int) bool {
	return bytes.Equal(data[size:], data[:len(data)-size])
}

func first(t *ir.Tensor) float64 {
	one := ir.Tensor{DType: t.DType, Shape: []int{}, Data: t.Data[:t.DType.Size()]}
	if one.DType.IsFloat() {
		return one.Floats()[0]
	}
	return float64(one.Ints()[0])
}
