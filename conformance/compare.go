package conformance

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/emilyc/emily/ir"
)

// Difference says how two values differ: in type, or in elements.
type Difference struct {
	Output string // name of the output, with [i] for an element of a sequence
	Msg    string // of values that cannot be compared element by element
	Index  []int  // of the first differing element
	Got    string
	Want   string
	Count  int // of differing elements
	Total  int
	Worst  Worst
	Tol    Tolerance
}

// Worst is the element with the largest error in units of its tolerance.
type Worst struct {
	Index     []int
	Got, Want string
	Error     float64 // absolute
	Ratio     float64 // error / tolerance; +Inf where nothing is tolerated
}

func (d *Difference) Error() string {
	if d.Msg != "" {
		return fmt.Sprintf("output %s: %s", d.Output, d.Msg)
	}
	s := fmt.Sprintf("output %s: %d of %d elements differ, first at %s: got %s, want %s",
		d.Output, d.Count, d.Total, indexText(d.Index), d.Got, d.Want)
	if d.Count > 1 {
		s += fmt.Sprintf("; worst at %s: got %s, want %s, error %.3g, %.3g× the tolerance",
			indexText(d.Worst.Index), d.Worst.Got, d.Worst.Want, d.Worst.Error, d.Worst.Ratio)
	}
	return s
}

func indexText(ix []int) string {
	parts := make([]string, len(ix))
	for i, n := range ix {
		parts[i] = strconv.Itoa(n)
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// Compare compares outputs with what they should be, in order: count, dtypes and shapes exactly, elements
// within tol; NaN equals NaN, and infinities equal themselves. It returns nil where they agree.
func Compare(names []string, got, want []ir.Datum, tol Tolerances) *Difference {
	if len(got) != len(want) {
		return &Difference{Output: "count", Msg: fmt.Sprintf("got %d outputs, want %d", len(got), len(want))}
	}
	for i := range want {
		name := strconv.Itoa(i)
		if i < len(names) && names[i] != "" {
			name = strconv.Quote(names[i])
		}
		if d := CompareDatum(name, got[i], want[i], tol); d != nil {
			return d
		}
	}
	return nil
}

// CompareDatum is Compare for one value.
func CompareDatum(name string, got, want ir.Datum, tol Tolerances) *Difference {
	mismatch := func(format string, args ...any) *Difference {
		return &Difference{Output: name, Msg: fmt.Sprintf(format, args...)}
	}
	if o, ok := want.(*ir.Optional); ok { // recorded data does not tell a full optional from its element
		if o.Item != nil {
			want = o.Item
		}
	}
	if o, ok := got.(*ir.Optional); ok && o.Item != nil {
		got = o.Item
	}
	switch want := want.(type) {
	case *ir.Tensor:
		got, ok := got.(*ir.Tensor)
		if !ok || got == nil {
			return mismatch("got %s, want %s", typeText(got), want.Type())
		}
		return compareTensor(name, got, want, tol)
	case *ir.Sequence:
		got, ok := got.(*ir.Sequence)
		if !ok || len(got.Items) != len(want.Items) {
			return mismatch("got %s, want a sequence of %d", lengthText(got, ok), len(want.Items))
		}
		for i := range want.Items {
			if d := CompareDatum(fmt.Sprintf("%s[%d]", name, i), got.Items[i], want.Items[i], tol); d != nil {
				return d
			}
		}
		return nil
	case *ir.Optional:
		if got, ok := got.(*ir.Optional); !ok || got.Item != nil {
			return mismatch("got a value, want none")
		}
		return nil
	case *ir.Map:
		got, ok := got.(*ir.Map)
		if !ok {
			return mismatch("got no map, want %s", want.Type())
		}
		got, want = byKeys(got), byKeys(want)
		if d := compareTensor(name+" keys", got.Keys, want.Keys, tol); d != nil {
			return d
		}
		return CompareDatum(name+" values", got.Values, want.Values, tol)
	}
	return mismatch("a value of type %T cannot be compared", want)
}

// byKeys is m in the order of its keys, which does not matter in a map.
func byKeys(m *ir.Map) *ir.Map {
	at := ir.KeyOrder(m.Keys)
	out := &ir.Map{Keys: pickElements(m.Keys, at), Values: m.Values}
	switch v := m.Values.(type) {
	case *ir.Tensor:
		out.Values = pickElements(v, at)
	case *ir.Sequence:
		s := &ir.Sequence{Elem: v.Elem}
		for _, i := range at {
			s.Items = append(s.Items, v.Items[i])
		}
		out.Values = s
	}
	return out
}

// pickElements are elements of a tensor of rank 1.
func pickElements(t *ir.Tensor, at []int) *ir.Tensor {
	out, size := ir.NewTensor(t.DType, len(at)), t.DType.Size()
	for k, i := range at {
		if t.DType == ir.String {
			out.Strings[k] = t.Strings[i]
			continue
		}
		copy(out.Data[k*size:(k+1)*size], t.Data[i*size:])
	}
	return out
}

func typeText(t *ir.Tensor) string {
	if t == nil {
		return "no tensor"
	}
	return t.Type().String()
}

func lengthText(s *ir.Sequence, ok bool) string {
	if !ok || s == nil {
		return "no sequence"
	}
	return fmt.Sprintf("one of %d", len(s.Items))
}

func compareTensor(name string, got, want *ir.Tensor, tol Tolerances) *Difference {
	if got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) {
		return &Difference{Output: name, Msg: fmt.Sprintf("got %s, want %s", got.Type(), want.Type())}
	}
	if a, b := got.Len(), want.Len(); a != b {
		return &Difference{Output: name, Msg: fmt.Sprintf("got %d elements, want %d", a, b)}
	}
	d := &Difference{Output: name, Total: want.Len(), Tol: tol[want.DType]}
	errorAt := elementErrors(got, want, d.Tol)
	first, worst := -1, -1
	for i := range d.Total {
		diff, ratio := errorAt(i)
		if ratio <= 1 {
			continue
		}
		d.Count++
		if first < 0 {
			first = i
		}
		if worst < 0 || ratio > d.Worst.Ratio {
			worst, d.Worst.Error, d.Worst.Ratio = i, diff, ratio
		}
	}
	if first < 0 {
		return nil
	}
	d.Index, d.Got, d.Want = unravel(first, want.Shape), elementText(got, first), elementText(want, first)
	d.Worst.Index, d.Worst.Got, d.Worst.Want = unravel(worst, want.Shape), elementText(got, worst), elementText(want, worst)
	return d
}

// elementErrors gives, for element i, the absolute error and the error in units of the tolerance: more than 1 differs.
func elementErrors(got, want *ir.Tensor, tol Tolerance) func(i int) (float64, float64) {
	switch want.DType.Category() {
	case ir.Float:
		g, w := floats(got), floats(want)
		return func(i int) (float64, float64) { return floatError(g(i), w(i), tol) }
	case ir.Complex:
		g, w := complexes(got), complexes(want)
		return func(i int) (float64, float64) {
			e1, r1 := floatError(real(g(i)), real(w(i)), tol)
			e2, r2 := floatError(imag(g(i)), imag(w(i)), tol)
			return max(e1, e2), max(r1, r2)
		}
	case ir.StringCategory:
		return func(i int) (float64, float64) { return exact(got.Strings[i] == want.Strings[i], 0) }
	}
	size := want.DType.Size()
	return func(i int) (float64, float64) {
		a, b := got.Data[i*size:(i+1)*size], want.Data[i*size:(i+1)*size]
		if string(a) == string(b) {
			return 0, 0
		}
		return exact(false, integer(got, i)-integer(want, i))
	}
}

func exact(equal bool, diff float64) (float64, float64) {
	if equal {
		return 0, 0
	}
	return math.Abs(diff), math.Inf(1)
}

func floatError(got, want float64, tol Tolerance) (diff, ratio float64) {
	if got == want || math.IsNaN(got) && math.IsNaN(want) {
		return 0, 0
	}
	diff = math.Abs(got - want)
	if math.IsNaN(diff) || math.IsInf(got, 0) || math.IsInf(want, 0) {
		return diff, math.Inf(1)
	}
	return diff, diff / (tol.Abs + tol.Rel*math.Abs(want))
}

// floats reads the elements of a float tensor as float64.
func floats(t *ir.Tensor) func(i int) float64 {
	switch t.DType {
	case ir.F64:
		v := ir.View[float64](t)
		return func(i int) float64 { return v[i] }
	case ir.F32:
		v := ir.View[float32](t)
		return func(i int) float64 { return float64(v[i]) }
	case ir.F16, ir.BF16:
		v := ir.View[uint16](t)
		return func(i int) float64 { return ir.DecodeFloat(t.DType, v[i]) }
	}
	return func(i int) float64 { return ir.DecodeFloat(t.DType, uint16(t.Data[i])) }
}

func complexes(t *ir.Tensor) func(i int) complex128 {
	if t.DType == ir.C64 {
		v := ir.View[complex64](t)
		return func(i int) complex128 { return complex128(v[i]) }
	}
	v := ir.View[complex128](t)
	return func(i int) complex128 { return v[i] }
}

// integer is element i of an integer or bool tensor, rounded where it is wide.
func integer(t *ir.Tensor, i int) float64 {
	s := t.DType.Size()
	one := &ir.Tensor{DType: t.DType, Shape: []int{1}, Data: t.Data[i*s : (i+1)*s]}
	n := one.Ints()[0]
	if t.DType == ir.U64 {
		return float64(uint64(n))
	}
	return float64(n)
}

func elementText(t *ir.Tensor, i int) string {
	switch t.DType.Category() {
	case ir.Float:
		bits := 32
		if t.DType == ir.F64 {
			bits = 64
		}
		return strconv.FormatFloat(floats(t)(i), 'g', -1, bits)
	case ir.Complex:
		return strconv.FormatComplex(complexes(t)(i), 'g', -1, 64)
	case ir.StringCategory:
		return strconv.Quote(t.Strings[i])
	}
	s := t.DType.Size()
	n := (&ir.Tensor{DType: t.DType, Shape: []int{1}, Data: t.Data[i*s : (i+1)*s]}).Ints()[0]
	switch t.DType {
	case ir.Bool:
		return strconv.FormatBool(n != 0)
	case ir.U64:
		return strconv.FormatUint(uint64(n), 10)
	}
	return strconv.FormatInt(n, 10)
}

// unravel is the index of row-major element i.
func unravel(i int, shape []int) []int {
	ix := make([]int, len(shape))
	for k := len(shape) - 1; k >= 0; k-- {
		ix[k] = i % shape[k]
		i /= shape[k]
	}
	return ix
}
