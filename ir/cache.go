package ir

import "slices"

// Cache is an input of a function that an output continues: the output is the input with new elements behind it on an axis. So
// are the past and present keys and values of a decoder, which a caller passes from one step to the next. Both may be casts of what
// the function computes in a narrower float.
type Cache struct {
	Input, Output int // of the function
	Axis          int
	Past          *Value // the input
	Concat        *Op    // of the past and what is new
}

// Length is the symbol for the size of the input on the axis.
func (c *Cache) Length() Dim { return c.Past.Shape()[c.Axis] }

// Next is the size of the output on the axis: the input's in the next step.
func (c *Cache) Next() Dim { return c.Concat.Result().Shape()[c.Axis] }

// Caches finds the caches of f by what becomes of its inputs. One that is read in another way than by the concat, but for its shape,
// is none; nor is one of sizes that the other inputs and the lengths of caches do not tell. Caches of one length keep it.
func Caches(f *Func) []Cache {
	list := candidates(f)
	for {
		kept := sized(f, list)
		if len(kept) == len(list) {
			return list
		}
		list = kept // what is left out becomes an input, and a length may have lost its cache
	}
}

// candidates are the caches by the form of the function, without regard to sizes.
func candidates(f *Func) []Cache {
	input, outputs := map[*Value]int{}, map[*Value]int{}
	for i, v := range f.Inputs() {
		input[v] = i
	}
	for _, v := range f.Results() {
		outputs[v]++
	}
	var list []Cache
	for i, v := range f.Results() {
		op := widened(v).Def
		if op == nil || op.Kind != Concat || len(op.Args) != 2 || outputs[v] > 1 {
			continue
		}
		past, axis := op.Args[0], int(op.Attrs.(*AxisAttrs).Axis)
		from := past
		if cast := past.Def; cast != nil && cast.Kind == Cast && onlyRead(past, op) {
			from, op = cast.Args[0], cast
		}
		k, isInput := input[from]
		if isInput && from.DType() == v.DType() && onlyRead(from, op) && from.Shape()[axis].Op() == DimSym {
			list = append(list, Cache{k, i, axis, from, widened(v).Def})
		}
	}
	return list
}

// widened is what v is a cast of, to a float that holds every value of it; v itself where it is none.
func widened(v *Value) *Value {
	if v.Def == nil || v.Def.Kind != Cast {
		return v
	}
	from, to := v.Def.Args[0], v.DType()
	half := from.DType() == F16 || from.DType() == BF16
	if half && (to == F32 || to == F64) || from.DType() == F32 && to == F64 {
		return from
	}
	return v
}

// onlyRead reports whether nothing but op, once, reads the elements of v.
func onlyRead(v *Value, op *Op) bool {
	reads := 0
	for _, u := range v.Uses() {
		if u.Op == op {
			reads++
		} else if u.Op.Kind != ShapeOf {
			return false
		}
	}
	return reads == 1
}

// sized are those caches of list whose sizes are known when a step begins.
func sized(f *Func, list []Cache) []Cache {
	known, next := map[Dim]bool{}, map[Dim]Dim{}
	isCache := map[int]bool{}
	for i := range list {
		isCache[list[i].Input] = true
	}
	for i, v := range f.Inputs() {
		if isCache[i] {
			continue
		}
		for _, d := range v.Type.Shape {
			known[d] = true
		}
	}
	for i := range list {
		c := &list[i]
		known[c.Length()] = true
		if _, ok := next[c.Length()]; !ok {
			next[c.Length()] = c.Next()
		}
	}
	var kept []Cache
	for _, c := range list {
		ok := f.Body.SameDim(next[c.Length()], c.Next())
		for _, d := range slices.Concat(c.Concat.Result().Shape(), f.Results()[c.Output].Shape()) { // the input's sizes, but for the axis
			d.Symbols(func(s Dim) { ok = ok && known[s] })
		}
		if ok {
			kept = append(kept, c)
		}
	}
	return kept
}
