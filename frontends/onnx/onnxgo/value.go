package onnxgo

import (
	"fmt"
	"math"
	"slices"
	"unsafe"

	gorgonia "gorgonia.org/tensor"

	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

// value is a tensor of the model, by name.
type value struct {
	name     string
	first    int64           // ID of its first node
	nodes    int             // with its name
	sets     int             // of a tensor, while the graph was built
	declared *gorgonia.Dense // the first of them: a declared type, or an initializer that is not declared
	tensor   *gorgonia.Dense // the last one set or computed
	data     *ir.Tensor      // of an input: tensor as it is run
	given    bool            // set as an input
	produced bool            // by a node
	computed bool            // by a run
	used     bool            // by a node
}

// stored reports whether v is an initializer. onnx-go sets a declared type and an initializer in the same way, so that
// they are told apart by their order: inputs, value_infos and outputs are declared first, one node and one tensor each;
// then come initializers. declared is the ID of the last node known to be declared.
func (v *value) stored(declared int64) bool {
	declarations := v.nodes
	if v.first > declared {
		declarations--
	}
	return !v.produced && v.sets > declarations
}

// lastDeclared is the highest ID of a node that is produced and has a type, as only declared nodes have both.
func (b *Backend) lastDeclared() int64 {
	last := int64(-1)
	for _, n := range b.nodes {
		if n.sets > 0 && n.val.produced {
			last = n.id
		}
	}
	return last
}

// conform is t with the declared dtype.
func (v *value) conform(t *ir.Tensor) (*ir.Tensor, error) {
	if v.produced {
		return nil, failf(onnx.Error{}, onnx.Invalid, "set inputs only", "a node of the model produces it")
	}
	if v.declared == nil {
		return t, nil
	}
	want, err := dtypeOf(v.declared)
	if err != nil {
		return nil, err
	}
	shape := v.declared.Shape()
	if !subsequence(shape, t.Shape) {
		return nil, failf(onnx.Error{}, onnx.Invalid, "give a tensor of the shape declared", "%s%v is set, the sizes declared are %v", t.DType, t.Shape, shape)
	}
	if t.DType == want {
		return t, nil
	}
	if out := whole(t, want); out != nil {
		return out, nil
	}
	return nil, failf(onnx.Error{}, onnx.Invalid, "give a tensor of the dtype declared", "%s%v is set, %s is declared", t.DType, t.Shape, want)
}

// subsequence reports whether the sizes declared occur in shape, in order: onnx-go drops the symbolic ones among them.
func subsequence(declared gorgonia.Shape, shape []int) bool {
	for _, n := range declared {
		i := slices.Index(shape, n)
		if i < 0 {
			return false
		}
		shape = shape[i+1:]
	}
	return true
}

// whole converts floats that are whole numbers to an integer dtype or bool; nil if they do not all fit.
func whole(t *ir.Tensor, to ir.DType) *ir.Tensor {
	if t.DType != ir.F32 && t.DType != ir.F64 || !to.IsInt() && to != ir.Bool {
		return nil
	}
	out := ir.NewTensor(to, t.Shape...)
	for i, f := range t.Floats() {
		lo, hi := bounds(to)
		if f != math.Trunc(f) || f < lo || f >= hi {
			return nil
		}
		if to == ir.U64 {
			ir.View[uint64](out)[i] = uint64(f)
			continue
		}
		put(out, i, int64(f))
	}
	return out
}

// bounds are the least value of an integer dtype, and the first beyond its greatest.
func bounds(d ir.DType) (lo, hi float64) {
	switch d.Category() {
	case ir.Signed:
		hi = math.Ldexp(1, d.Bits()-1)
		return -hi, hi
	case ir.BoolCategory:
		return 0, 2
	}
	return 0, math.Ldexp(1, d.Bits())
}

// put stores the low bytes of n as element i.
func put(t *ir.Tensor, i int, n int64) {
	for k := range t.DType.Size() {
		t.Data[i*t.DType.Size()+k] = byte(n >> (8 * k))
	}
}

func dtypeOf(d *gorgonia.Dense) (ir.DType, error) {
	t, err := interp.FromGorgonia(d)
	if err != nil {
		return ir.Invalid, err
	}
	return t.DType, nil
}

// carry gives v what a run computed.
func (b *Backend) carry(v *value, d ir.Datum) error {
	t, ok := d.(*ir.Tensor)
	if !ok {
		return failf(onnx.Error{}, onnx.Unsupported, "load the model with emily.Load", "the output is %s: onnx-go has tensors only", d.Type())
	}
	if b.shared(t) {
		t = &ir.Tensor{DType: t.DType, Shape: t.Shape, Data: slices.Clone(t.Data), Strings: slices.Clone(t.Strings)}
	}
	out, err := interp.ToGorgonia(t)
	if err != nil {
		return &onnx.Error{Kind: onnx.Unsupported, Err: err, Remedy: "load the model with emily.Load"}
	}
	v.tensor, v.computed = out, true
	return nil
}

// shared reports whether t's memory is that of an input or an initializer, which the user may write to.
func (b *Backend) shared(t *ir.Tensor) bool {
	at := uintptr(unsafe.Pointer(unsafe.SliceData(t.Data)))
	if t.DType == ir.String {
		at = uintptr(unsafe.Pointer(unsafe.SliceData(t.Strings)))
	}
	for _, v := range b.values {
		if v.tensor == nil || v.produced || len(v.tensor.Raw) == 0 {
			continue
		}
		start := uintptr(unsafe.Pointer(unsafe.SliceData(v.tensor.Raw)))
		if at >= start && at < start+uintptr(len(v.tensor.Raw)) {
			return true
		}
	}
	return false
}

func failf(at onnx.Error, kind onnx.ErrorKind, remedy, format string, args ...any) error {
	at.Kind, at.Remedy, at.Msg = kind, remedy, fmt.Sprintf(format, args...)
	return &at
}
