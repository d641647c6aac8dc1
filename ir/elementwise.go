package ir

// unary gives the operand's shape with a dtype.
func (c *Infer) unary(ok bool, want string, d DType) {
	if c.dtype("unary_c1", 0, ok, want) {
		c.tensor(d, c.arg(0).Shape())
	}
}

func inferFloatUnary(c *Infer) {
	d := c.arg(0).DType()
	c.unary(d.IsFloat(), "a float", d)
}

// inferGelu: gelu_c1 the approximation.
func inferGelu(c *Infer) {
	if c.approximates("gelu_c1", c.op.Attrs.(*GeluAttrs).Approximate) {
		inferFloatUnary(c)
	}
}

// approximates reports whether there is such an approximation of gelu.
func (c *Infer) approximates(label, approximate string) bool {
	switch approximate {
	case "", "tanh", "sigmoid":
		return true
	}
	c.fail(AttrError, label, "approximate is %q", approximate)
	return false
}

func inferNumericUnary(c *Infer) {
	d := c.arg(0).DType()
	c.unary(d.IsNumeric(), "a number", d)
}

func inferNeg(c *Infer) {
	x := c.arg(0)
	if c.dtype("unary_c1", 0, x.DType().IsNumeric(), "a number") {
		c.result(x.Type, mapSym(func(a Dim) Dim { return Size(-1).Mul(a) }, x.Sym))
	}
}

func inferIntUnary(c *Infer) {
	d := c.arg(0).DType()
	c.unary(d.IsInt(), "an integer", d)
}

func inferNot(c *Infer) {
	x := c.arg(0)
	if c.dtype("unary_c1", 0, x.DType() == Bool, "bool") {
		c.result(x.Type, mapSym(func(a Dim) Dim { return Size(1).Sub(a) }, x.Sym))
	}
}

func inferFloatTest(c *Infer) {
	c.unary(c.arg(0).DType().IsFloat(), "a float", Bool)
}

func mapSym(f func(Dim) Dim, in []Dim) []Dim {
	if in == nil {
		return nil
	}
	out := make([]Dim, len(in))
	for i, d := range in {
		out[i] = f(d)
	}
	return out
}

// inferCast: cast_c1 a target dtype; cast_c2 complex converts to complex only.
func inferCast(c *Infer) {
	x, to := c.arg(0), c.op.Attrs.(*CastAttrs).To
	if to == Invalid || to >= NumDTypes {
		c.fail(AttrError, "cast_c1", "cast to %s", to)
		return
	}
	if (to.Category() == Complex) != (x.DType().Category() == Complex) {
		c.fail(DTypeError, "cast_c2", "cast from %s to %s", x.DType(), to)
		return
	}
	c.result(Type{Kind: TensorType, DType: to, Shape: x.Shape()}, castSym(x, to))
}

// castSym keeps elements that fit the target: sizes fit i64, u64, i32 and u32, known values only where they do.
func castSym(x *Value, to DType) []Dim {
	return mapSym(func(d Dim) Dim {
		n, known := d.Value()
		switch {
		case to == I64:
			return d
		case to == Bool && known:
			return boolDim(n != 0)
		case to == Bool && d != Unknown:
			if lo, hi := d.Bounds(); lo > 0 || hi < 0 {
				return Size(1)
			}
			return Unknown
		case to == I32 && (!known || n == int64(int32(n))), to == U64 && known && n >= 0:
			return d
		}
		return Unknown
	}, x.Sym)
}

// inferStopGradient: the operand, of any dtype.
func inferStopGradient(c *Infer) { c.result(c.arg(0).Type, c.arg(0).Sym) }

// inferBitCast: bit_cast_c1 a target dtype of the operand's width; strings have none.
func inferBitCast(c *Infer) {
	x, to := c.arg(0), c.op.Attrs.(*BitCastAttrs).To
	if to == Invalid || to >= NumDTypes || to == String || to.Bits() != x.DType().Bits() {
		c.fail(AttrError, "bit_cast_c1", "bit_cast from %s to %s", x.DType(), to)
		return
	}
	c.tensor(to, x.Shape())
}

func boolDim(b bool) Dim {
	if b {
		return Size(1)
	}
	return Size(0)
}

// binaryShape: binary_c1 equal dtypes, binary_c2 shapes that broadcast.
func (c *Infer) binaryShape() Shape {
	a, b := c.arg(0), c.arg(1)
	if a.DType() != b.DType() {
		c.fail(DTypeError, "binary_c1", "operand dtypes differ: %s", c.operands())
		return nil
	}
	return c.broadcast("binary_c2", a.Shape(), b.Shape())
}

// Gate is the kind of a glu's activation, with its attributes.
func (a *GLUAttrs) Gate() (Kind, Attrs) {
	if a.Activation == "silu" {
		return Silu, nil
	}
	return Gelu, &GeluAttrs{Approximate: a.Approximate}
}

// inferGLU: glu_c1 floats, glu_c2 the activation.
func inferGLU(c *Infer) {
	x, a := c.arg(0), c.op.Attrs.(*GLUAttrs)
	if a.Activation != "gelu" && (a.Activation != "silu" || a.Approximate != "") {
		c.fail(AttrError, "glu_c2", "activation is %q, approximate %q", a.Activation, a.Approximate)
	}
	if !c.dtype("glu_c1", 0, x.DType().IsFloat(), "a float") || !c.approximates("glu_c2", a.Approximate) {
		return
	}
	c.tensor(x.DType(), c.binaryShape())
}

var symArith = map[Kind]func(a, b Dim) Dim{
	Add: Dim.Add, Sub: Dim.Sub, Mul: Dim.Mul, Min: Dim.Min, Max: Dim.Max, Div: symDiv, Mod: symMod,
}

// symDiv is ONNX's integer division, which truncates: FloorDiv of what is not negative, and for a known positive divisor
// of either sign, ⌊max(a, 0)/b⌋ - ⌊max(-a, 0)/b⌋.
func symDiv(a, b Dim) Dim {
	alo, _ := a.Bounds()
	blo, _ := b.Bounds()
	switch {
	case a == Unknown || b == Unknown || blo < 0:
		return Unknown
	case alo >= 0:
		return a.FloorDiv(b)
	case b.IsConst() && blo > 0:
		return a.Max(Size(0)).FloorDiv(b).Sub(Size(0).Sub(a).Max(Size(0)).FloorDiv(b))
	}
	return Unknown
}

// symMod is ONNX's remainder where the sign of neither operand matters.
func symMod(a, b Dim) Dim {
	alo, _ := a.Bounds()
	blo, _ := b.Bounds()
	if a == Unknown || b == Unknown || alo < 0 || blo < 0 {
		return Unknown
	}
	return a.Mod(b)
}

func inferArith(c *Infer) {
	shape := c.binaryShape()
	d := c.arg(0).DType()
	if c.err != nil || !c.dtype("binary_c3", 0, d.IsNumeric(), "numbers") {
		return
	}
	var sym []Dim
	if d == I64 || d == I32 {
		sym = c.zipSym(shape, symArith[c.op.Kind])
	}
	c.result(TensorOf(d, shape...), sym)
}

// zipSym applies f to the elements of two broadcast operands whose shapes are known.
func (c *Infer) zipSym(shape Shape, f func(a, b Dim) Dim) []Dim {
	a, b := c.arg(0), c.arg(1)
	if f == nil {
		return nil
	}
	sa, sb := broadcastSym(a, shape), broadcastSym(b, shape)
	if sa == nil || sb == nil {
		return nil
	}
	out := make([]Dim, len(sa))
	for i := range out {
		out[i] = f(sa[i], sb[i])
	}
	return out
}

// broadcastSym is the symbolic elements of v expanded to shape, nil where it has none or shape is not small.
func broadcastSym(v *Value, shape Shape) []Dim {
	if v.Sym == nil {
		return nil
	}
	to, ok1 := shape.Static()
	from, ok2 := v.Shape().Static()
	n, err := NumElements(to)
	if !ok1 || !ok2 || err != nil || n > MaxSym {
		return nil
	}
	out := make([]Dim, n)
	for i := range out {
		k, stride, rest := 0, 1, i
		for j := len(to) - 1; j >= 0; j-- {
			at := rest % to[j]
			rest /= to[j]
			if f := j - (len(to) - len(from)); f >= 0 {
				if from[f] != 1 && from[f] != to[j] { // an error that was said already
					return nil
				}
				if from[f] != 1 {
					k += at * stride
				}
				stride *= from[f]
			}
		}
		out[i] = v.Sym[k]
	}
	return out
}

// inferPow: the exponent may have another dtype than the base, whose dtype the result has.
func inferPow(c *Infer) {
	a, b := c.arg(0), c.arg(1)
	if c.dtype("pow_c1", 0, a.DType().IsNumeric() && b.DType().IsNumeric(), "numbers") {
		c.tensor(a.DType(), c.broadcast("binary_c2", a.Shape(), b.Shape()))
	}
}

func inferLogic(c *Infer) {
	shape := c.binaryShape()
	if c.err == nil && c.dtype("binary_c4", 0, c.arg(0).DType() == Bool, "bool") {
		f := map[Kind]func(a, b Dim) Dim{And: Dim.Min, Or: Dim.Max}[c.op.Kind]
		c.result(TensorOf(Bool, shape...), c.zipSym(shape, f))
	}
}

func inferBits(c *Infer) {
	shape := c.binaryShape()
	if d := c.arg(0).DType(); c.err == nil && c.dtype("binary_c5", 0, d.IsInt(), "integers") {
		c.tensor(d, shape)
	}
}

func inferEqual(c *Infer) {
	shape := c.binaryShape()
	c.result(TensorOf(Bool, shape...), c.zipSym(shape, func(a, b Dim) Dim {
		if a == Unknown || b == Unknown {
			return Unknown
		}
		if c.region().SameDim(a, b) {
			return Size(1)
		}
		if lo, hi := a.Sub(b).Bounds(); lo > 0 || hi < 0 {
			return Size(0)
		}
		return Unknown
	}))
}

func inferCompare(c *Infer) {
	shape := c.binaryShape()
	if c.err != nil || !c.dtype("binary_c3", 0, c.arg(0).DType().IsNumeric(), "numbers") {
		return
	}
	strict := Size(0)
	if c.op.Kind == Less {
		strict = Size(1)
	}
	c.result(TensorOf(Bool, shape...), c.zipSym(shape, func(a, b Dim) Dim {
		switch {
		case a == Unknown || b == Unknown:
			return Unknown
		case a.Add(strict).AtMost(b):
			return Size(1)
		case b.Add(Size(1)).AtMost(a.Add(strict)):
			return Size(0)
		}
		return Unknown
	}))
}

// inferWhere: where_c1 a bool condition, where_c2 equal dtypes, where_c3 shapes that broadcast.
func inferWhere(c *Infer) {
	cond, a, b := c.arg(0), c.arg(1), c.arg(2)
	if !c.dtype("where_c1", 0, cond.DType() == Bool, "a bool condition") {
		return
	}
	if a.DType() != b.DType() {
		c.fail(DTypeError, "where_c2", "operand dtypes differ: %s", c.operands())
		return
	}
	shape := c.broadcast("where_c3", cond.Shape(), c.broadcast("where_c3", a.Shape(), b.Shape()))
	sc, sa, sb := broadcastSym(cond, shape), broadcastSym(a, shape), broadcastSym(b, shape)
	var sym []Dim
	if sc != nil && sa != nil && sb != nil {
		for i, k := range sc {
			switch {
			case k.Is(1) || sa[i] == sb[i]:
				sym = append(sym, sa[i])
			case k.Is(0):
				sym = append(sym, sb[i])
			default:
				sym = append(sym, Unknown)
			}
		}
	}
	c.result(TensorOf(a.DType(), shape...), sym)
}
