package interp

import (
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	gorgonia "gorgonia.org/tensor"

	"github.com/emilyc/emily/ir"
)

// ToGorgonia is t as a gorgonia tensor over the same memory: what one writes, the other sees. Gorgonia has f64,
// f32, the integers of 8 to 64 bits, bool, string and complex numbers; other dtypes are an error, and have to be cast.
// A tensor of rank 0 becomes a gorgonia scalar. Gorgonia has no tensors without elements.
func ToGorgonia(t *ir.Tensor) (*gorgonia.Dense, error) {
	if n, err := ir.NumElements(t.Shape); err != nil || n == 0 {
		return nil, fmt.Errorf("gorgonia has no tensor of %s%v", t.DType, t.Shape)
	}
	backing, err := gorgoniaBacking(t)
	if err != nil {
		return nil, err
	}
	return gorgonia.New(gorgonia.WithShape(t.Shape...), gorgonia.WithBacking(backing)), nil
}

func gorgoniaBacking(t *ir.Tensor) (any, error) {
	switch t.DType {
	case ir.F64:
		return ir.View[float64](t), nil
	case ir.F32:
		return ir.View[float32](t), nil
	case ir.I8:
		return ir.View[int8](t), nil
	case ir.I16:
		return ir.View[int16](t), nil
	case ir.I32:
		return ir.View[int32](t), nil
	case ir.I64:
		return ir.View[int64](t), nil
	case ir.U8:
		return t.Data, nil
	case ir.U16:
		return ir.View[uint16](t), nil
	case ir.U32:
		return ir.View[uint32](t), nil
	case ir.U64:
		return ir.View[uint64](t), nil
	case ir.Bool:
		return ir.View[bool](t), nil
	case ir.C64:
		return ir.View[complex64](t), nil
	case ir.C128:
		return ir.View[complex128](t), nil
	case ir.String:
		return t.Strings, nil
	}
	return nil, fmt.Errorf("gorgonia has no dtype %s: cast to f32 first", t.DType)
}

var gorgoniaDTypes = map[reflect.Kind]ir.DType{
	reflect.Float64: ir.F64, reflect.Float32: ir.F32,
	reflect.Int8: ir.I8, reflect.Int16: ir.I16, reflect.Int32: ir.I32, reflect.Int64: ir.I64, reflect.Int: ir.I64,
	reflect.Uint8: ir.U8, reflect.Uint16: ir.U16, reflect.Uint32: ir.U32, reflect.Uint64: ir.U64, reflect.Uint: ir.U64,
	reflect.Bool: ir.Bool, reflect.Complex64: ir.C64, reflect.Complex128: ir.C128, reflect.String: ir.String,
}

// FromGorgonia is d as a tensor over the same memory; only a view that is not dense and row-major (a slice, a lazy
// transpose) is copied.
func FromGorgonia(d *gorgonia.Dense) (*ir.Tensor, error) {
	kind := d.Dtype().Kind()
	dtype, ok := gorgoniaDTypes[kind]
	if !ok {
		return nil, fmt.Errorf("gorgonia tensor of %s", d.Dtype())
	}
	t := &ir.Tensor{DType: dtype, Shape: append([]int{}, d.Shape()...)}
	n, err := ir.NumElements(t.Shape)
	if err != nil {
		return nil, err
	}
	strides := d.Strides()
	dense := n <= 1 || slices.Equal(strides, rowMajor(t.Shape))
	held := len(d.Raw)
	if dtype.Size() > 0 {
		held /= dtype.Size()
	} else {
		held /= int(unsafe.Sizeof(""))
	}
	if d.IsMasked() || !dense && len(strides) != len(t.Shape) || dense && held < n {
		return nil, fmt.Errorf("gorgonia tensor of shape %v, strides %v, %d elements, masked %t", t.Shape, strides, held, d.IsMasked())
	}
	if dtype == ir.String {
		t.Strings = unsafe.Slice((*string)(unsafe.Pointer(unsafe.SliceData(d.Raw))), held)
	} else {
		t.Data = d.Raw
	}
	if dense {
		if t.Strings != nil {
			t.Strings = t.Strings[:n]
		} else {
			t.Data = t.Data[:n*dtype.Size()]
		}
		return t, nil
	}
	out := ir.NewTensor(dtype, t.Shape...)
	move(out, t, walk{shape: t.Shape, dst: rowMajor(t.Shape), src: strides})
	return out, nil
}
