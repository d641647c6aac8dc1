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
	switch d := t.DType; {
	case d == ir.F64:
		return ir.View[float64](t)[0]
	case d == ir.F32:
		return float64(ir.View[float32](t)[0])
	case d.IsFloat() && d.Bits() == 16:
		return ir.DecodeFloat(d, ir.View[uint16](t)[0])
	case d.IsFloat():
		return ir.DecodeFloat(d, uint16(t.Data[0]))
	}
	one := *t
	one.Data, one.Shape = t.Data[:t.DType.Size()], []int{}
	return float64(one.Ints()[0])
}
