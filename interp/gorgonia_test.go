package interp

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	gorgonia "gorgonia.org/tensor"

	"github.com/emilyc/emily/ir"
)

func TestGorgoniaSharesMemory(t *testing.T) {
	for _, shape := range [][]int{{2, 3}, {6}, {1, 6, 1}} {
		x := f32(shape, 1, 2, 3, 4, 5, 6)
		d, err := ToGorgonia(x)
		if err != nil {
			t.Fatal(err)
		}
		d.Set(4, float32(50))
		if got := ir.View[float32](x)[4]; got != 50 {
			t.Errorf("%v: a write to the gorgonia tensor is not seen: %v", shape, got)
		}
		back, err := FromGorgonia(d)
		if err != nil {
			t.Fatal(err)
		}
		ir.View[float32](back)[0] = -1
		if got := d.Get(0); got != float32(-1) {
			t.Errorf("%v: a write to the tensor is not seen: %v", shape, got)
		}
		if s := cmp.Diff(shape, back.Shape); s != "" {
			t.Error(s)
		}
	}
}

func TestGorgoniaDTypes(t *testing.T) {
	for d := ir.Invalid + 1; d < ir.NumDTypes; d++ {
		for _, shape := range [][]int{{}, {2, 2}} {
			x := ir.NewTensor(d, shape...)
			for i := range x.Data {
				x.Data[i] = byte(i & 1)
			}
			for i := range x.Strings {
				x.Strings[i] = string(rune('a' + i))
			}
			g, err := ToGorgonia(x)
			native := d == ir.String || d == ir.Bool || d.Category() == ir.Complex || d.IsInt() && d.Bits() >= 8 || d == ir.F32 || d == ir.F64
			if (err == nil) != native {
				t.Errorf("%s: %v", d, err)
			}
			if err != nil {
				continue
			}
			back, err := FromGorgonia(g)
			if err != nil {
				t.Fatal(err)
			}
			if s := diff(x, back, 0); s != "" {
				t.Errorf("%s%v: %s", d, shape, s)
			}
		}
	}
	if _, err := ToGorgonia(f32([]int{0, 2})); err == nil {
		t.Error("gorgonia took a tensor without elements")
	}
}

// TestFromGorgoniaViews: what is not row-major is put in order.
func TestFromGorgoniaViews(t *testing.T) {
	d := gorgonia.New(gorgonia.WithShape(2, 3), gorgonia.WithBacking([]int32{1, 2, 3, 4, 5, 6}))
	slice, err := d.Slice(nil, gorgonia.S(1, 3))
	if err != nil {
		t.Fatal(err)
	}
	lazy := d.Clone().(*gorgonia.Dense)
	if err := lazy.T(); err != nil {
		t.Fatal(err)
	}
	columns := gorgonia.New(gorgonia.WithShape(2, 2), gorgonia.AsFortran([]int32{1, 2, 3, 4}))
	for name, c := range map[string]struct {
		in   *gorgonia.Dense
		want *ir.Tensor
	}{
		"slice":     {slice.(*gorgonia.Dense), i32([]int{2, 2}, 2, 3, 5, 6)},
		"transpose": {lazy, i32([]int{3, 2}, 1, 4, 2, 5, 3, 6)},
		"columns":   {columns, i32([]int{2, 2}, 1, 2, 3, 4)},
	} {
		got, err := FromGorgonia(c.in)
		if err != nil {
			t.Fatal(name, err)
		}
		if s := diff(c.want, got, 0); s != "" {
			t.Errorf("%s: %s", name, s)
		}
	}
}
