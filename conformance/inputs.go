package conformance

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/emilyc/emily/ir"
)

// InputOptions say what MakeInputs makes. The zero value is random inputs of seed 0.
type InputOptions struct {
	Seed  uint64
	Given map[string]ir.Datum // inputs that are there already; their sizes bind symbols
	Sizes map[ir.Dim]int64    // of symbols that are known besides
	Zeros map[string]bool     // inputs to fill with zeros
}

// MakeInputs makes the inputs of f, and the sizes that it chose for them: the same ones for the same seed.
//
// Floats are normal with mean 0 and deviation 1. Integers are chosen by what reads them: those that index an axis
// (through casts, reshapes and the like) are uniform within the smallest such axis, so that no gather leaves it;
// all others are 0 or 1, and 1 at the start of each row, so that one that serves as a mask hides no row
// whole. Bools are made like the latter.
func MakeInputs(f *ir.Func, o InputOptions) ([]ir.Datum, *Sizes, error) {
	known := map[ir.Dim]int64{}
	maps.Copy(known, o.Sizes)
	for _, in := range f.Inputs() {
		bindShape(known, in.Type, o.Given[in.Name])
	}
	sizes, err := ChooseSizes(f, known)
	if err != nil {
		return nil, nil, err
	}
	out := make([]ir.Datum, len(f.Inputs()))
	for i, in := range f.Inputs() {
		if d, ok := o.Given[in.Name]; ok {
			out[i] = d
			continue
		}
		g := &generator{sizes: sizes}
		if !o.Zeros[in.Name] {
			g.rng, g.bound = rand.New(rand.NewPCG(o.Seed, uint64(i))), indexBound(in, sizes)
		}
		if out[i], err = g.datum(in.Type); err != nil {
			return nil, nil, fmt.Errorf("input %q: %w", in.Name, err)
		}
	}
	return out, sizes, nil
}

// bindShape notes the sizes that a given input has for the symbols of its type.
func bindShape(known map[ir.Dim]int64, t ir.Type, v ir.Datum) {
	x, ok := v.(*ir.Tensor)
	if !ok || len(x.Shape) != t.Rank() {
		return // said when the model runs
	}
	for axis, d := range t.Shape {
		if d.Op() == ir.DimSym {
			known[d] = int64(x.Shape[axis])
		}
	}
}

// generator makes one input; without rng, of zeros.
type generator struct {
	sizes *Sizes
	rng   *rand.Rand
	bound int64 // of indices; 0 where the input is no index
}

// maxInputBytes bounds an input that is made up.
const maxInputBytes = 8 << 30

// randomItems is the length of random sequences and maps, and of their elements where that may differ.
const randomItems = 2

func (g *generator) datum(t ir.Type) (ir.Datum, error) {
	switch t.Kind {
	case ir.TensorType:
		shape, err := g.sizes.Shape(sized(t.Shape))
		if err != nil {
			return nil, err
		}
		if n, err := ir.NumElements(shape); err != nil || n > maxInputBytes/max(1, t.DType.Size()) {
			return nil, fmt.Errorf("%s%v is too large to be made up: bind its sizes with -d, or give it with -i", t.DType, shape)
		}
		x := ir.NewTensor(t.DType, shape...)
		if g.rng != nil {
			g.fill(x)
		}
		return x, nil
	case ir.SequenceType:
		s := &ir.Sequence{Elem: *t.Elem}
		for range randomItems {
			item, err := g.datum(*t.Elem)
			if err != nil {
				return nil, err
			}
			s.Items = append(s.Items, item)
		}
		return s, nil
	case ir.OptionalType:
		item, err := g.datum(*t.Elem)
		return &ir.Optional{Elem: *t.Elem, Item: item}, err
	case ir.MapType:
		return g.mapping(t)
	}
	return nil, fmt.Errorf("no inputs of type %s are made here: give one with -i", t)
}

// sized has randomItems for the sizes of a list's elements that may differ.
func sized(s ir.Shape) ir.Shape {
	s = slices.Clone(s)
	for i, d := range s {
		if d == ir.Unknown {
			s[i] = ir.Size(randomItems)
		}
	}
	return s
}

// mapping has the keys 0, 1, …, or a, b, ….
func (g *generator) mapping(t ir.Type) (ir.Datum, error) {
	keys := ir.NewTensor(t.DType, randomItems)
	for i := range randomItems {
		if t.DType == ir.String {
			keys.Strings[i] = string(rune('a' + i))
			continue
		}
		keys.Data[i*t.DType.Size()] = byte(i)
	}
	elem := *t.Elem
	elem.Shape = ir.StaticShape(randomItems)
	values, err := g.datum(elem)
	return &ir.Map{Keys: keys, Values: values}, err
}

func (g *generator) fill(x *ir.Tensor) {
	switch d := x.DType; d.Category() {
	case ir.Float:
		g.floats(x)
	case ir.Complex:
		g.floats(&ir.Tensor{DType: map[ir.DType]ir.DType{ir.C64: ir.F32, ir.C128: ir.F64}[d], Shape: []int{2 * x.Len()}, Data: x.Data})
	case ir.StringCategory:
		for i := range x.Strings {
			x.Strings[i] = string(rune('a' + g.rng.IntN(26)))
		}
	default:
		g.ints(x)
	}
}

func (g *generator) floats(x *ir.Tensor) {
	switch x.DType {
	case ir.F64:
		for i, v := 0, ir.View[float64](x); i < len(v); i++ {
			v[i] = g.rng.NormFloat64()
		}
	case ir.F32:
		for i, v := 0, ir.View[float32](x); i < len(v); i++ {
			v[i] = float32(g.rng.NormFloat64())
		}
	case ir.F16, ir.BF16:
		for i, v := 0, ir.View[uint16](x); i < len(v); i++ {
			v[i] = ir.EncodeFloat(x.DType, g.rng.NormFloat64(), true)
		}
	default:
		for i := range x.Data {
			x.Data[i] = byte(ir.EncodeFloat(x.DType, g.rng.NormFloat64(), true))
		}
	}
}

func (g *generator) ints(x *ir.Tensor) {
	row := 1
	if n := len(x.Shape); n > 0 {
		row = max(1, x.Shape[n-1])
	}
	size := x.DType.Size()
	for i := range x.Len() {
		v := int64(1)
		switch {
		case g.bound > 0 && x.DType != ir.Bool:
			v = g.rng.Int64N(min(g.bound, maxInt(x.DType)))
		case i%row != 0:
			v = g.rng.Int64N(2)
		}
		for k := range size {
			x.Data[i*size+k] = byte(v >> (8 * k))
		}
	}
}

// maxInt is a bound that all values of d below it can be told apart by.
func maxInt(d ir.DType) int64 {
	bits := d.Bits()
	if d.Category() == ir.Signed {
		bits--
	}
	if bits >= 63 {
		return math.MaxInt64
	}
	return 1 << bits
}

// indexBound is the size of the smallest axis that the elements of v are used to index, 0 if they index none.
func indexBound(v *ir.Value, sizes *Sizes) int64 {
	w := &indexWalk{sizes: sizes, seen: map[*ir.Value]bool{}}
	w.value(v)
	return w.bound
}

type indexWalk struct {
	sizes *Sizes
	seen  map[*ir.Value]bool
	bound int64
}

// carriers are the kinds whose result has elements of the operand with the index: -1 for all operands.
var carriers = map[ir.Kind]int{
	ir.Cast: 0, ir.Reshape: 0, ir.Unsqueeze: 0, ir.Squeeze: 0, ir.Transpose: 0, ir.Expand: 0, ir.Slice: 0,
	ir.Split: 0, ir.Gather: 0, ir.Tile: 0, ir.Concat: -1, ir.Where: -1,
}

func (w *indexWalk) value(v *ir.Value) {
	if w.seen[v] {
		return
	}
	w.seen[v] = true
	for _, u := range v.Uses() {
		w.use(u.Op, u.Index)
	}
}

func (w *indexWalk) use(op *ir.Op, operand int) {
	if at, ok := carriers[op.Kind]; ok && (at < 0 || at == operand) {
		for _, r := range op.Results {
			w.value(r)
		}
	}
	if operand == 1 {
		for _, d := range indexedAxes(op) {
			if n, ok := d.Eval(w.sizes.Of); ok && n > 0 && (w.bound == 0 || n < w.bound) {
				w.bound = n
			}
		}
	}
	for _, r := range op.Regions { // operand i is bound to parameter i, of an if after its condition
		at := operand
		if op.Kind == ir.If {
			at--
		}
		if at >= 0 && at < len(r.Params) {
			w.value(r.Params[at])
		}
	}
}

// indexedAxes are the sizes of the axes that operand 1 of op indexes.
func indexedAxes(op *ir.Op) ir.Shape {
	switch op.Kind {
	case ir.Gather, ir.GatherElements:
		axis := op.Attrs.(*ir.AxisAttrs).Axis
		return op.Args[0].Shape()[axis : axis+1]
	case ir.ScatterElements:
		axis := op.Attrs.(*ir.ScatterAttrs).Axis
		return op.Args[0].Shape()[axis : axis+1]
	case ir.GatherND:
		batch := op.Attrs.(*ir.GatherNDAttrs).BatchDims
		if n, ok := lastSize(op.Args[1]); ok {
			return op.Args[0].Shape()[batch : batch+n]
		}
	case ir.ScatterND:
		if n, ok := lastSize(op.Args[1]); ok {
			return op.Args[0].Shape()[:n]
		}
	}
	return nil
}

func lastSize(v *ir.Value) (int64, bool) {
	if v.Rank() == 0 {
		return 0, false
	}
	return v.Shape()[v.Rank()-1].Value()
}
