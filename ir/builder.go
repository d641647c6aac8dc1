package ir

// Builder appends ops to a region. The first error sticks: later calls do nothing and return values of no
// type, so that a chain of calls needs one check of Err.
type Builder struct {
	Loc    LocID // of the ops that are made
	region *Region
	err    error
}

// NewFunc adds an empty function to m.
func (m *Module) NewFunc(name string) *Func {
	f := &Func{Name: name, Module: m}
	f.Body = &Region{Func: f}
	m.Funcs = append(m.Funcs, f)
	return f
}

// NewRegion makes an empty region for an op that will be made in r.
func (r *Region) NewRegion() *Region { return &Region{Func: r.Func, outer: r} }

// NewBuilder makes a builder at the end of r.
func NewBuilder(r *Region) *Builder { return &Builder{region: r} }

// Region is where the ops go.
func (b *Builder) Region() *Region { return b.region }

// Err is the first error.
func (b *Builder) Err() error { return b.err }

// Fail makes err the builder's error, unless it has one.
func (b *Builder) Fail(err error) *Value {
	if b.err == nil {
		b.err = err
	}
	return &Value{}
}

// Op appends an op with one result and returns the result.
func (b *Builder) Op(k Kind, a Attrs, args ...*Value) *Value {
	if rs := b.Ops(k, a, nil, args...); len(rs) > 0 {
		return rs[0]
	}
	return &Value{}
}

// Ops appends an op and returns its results: nil after an error.
func (b *Builder) Ops(k Kind, a Attrs, regions []*Region, args ...*Value) []*Value {
	op := b.Insert(k, a, regions, nil, args...)
	if op == nil {
		return nil
	}
	return op.Results
}

// Insert appends an op. Results whose sizes only a run can tell take the dims of want, where given. It returns nil after
// an error.
func (b *Builder) Insert(k Kind, a Attrs, regions []*Region, want []Type, args ...*Value) *Op {
	if b.err != nil {
		return nil
	}
	op := &Op{Kind: k, Attrs: a, Loc: b.Loc, Args: args, Regions: regions, Region: b.region}
	inferred, err := InferTypes(op, want)
	if err != nil {
		b.err = err
		return nil
	}
	op.Args = make([]*Value, len(args))
	for i, v := range args {
		op.SetArg(i, v)
	}
	for _, r := range regions {
		r.Parent = op
	}
	op.Results = make([]*Value, len(inferred))
	values := make([]Value, len(inferred))
	for i, r := range inferred {
		values[i] = Value{Type: r.Type, Sym: r.Sym, Def: op, Index: int32(i)}
		op.Results[i] = &values[i]
	}
	b.region.Ops = append(b.region.Ops, op)
	return op
}

// Yield ends the region with its results.
func (b *Builder) Yield(results ...*Value) { b.Ops(Yield, nil, nil, results...) }

// Const appends an inline constant.
func (b *Builder) Const(t *Tensor) *Value {
	return b.Op(Const, &ConstAttrs{Type: t.Type(), Inline: t.Pack(), Strings: t.Strings})
}

// Ints appends a 1-D i64 constant.
func (b *Builder) Ints(v ...int64) *Value { return b.Const(TensorFrom(v, len(v))) }

// Dims appends the sizes as a 1-D i64 tensor: a constant where all are known.
func (b *Builder) Dims(dims ...Dim) *Value {
	ints := make([]int64, len(dims))
	for i, d := range dims {
		n, ok := d.Value()
		if !ok {
			return b.Op(Dims, &DimsAttrs{Values: dims})
		}
		ints[i] = n
	}
	return b.Ints(ints...)
}

// Float appends a scalar of float dtype d. It fails for other dtypes.
func (b *Builder) Float(d DType, v float64) *Value { return b.Const(FloatScalar(d, v)) }

// Add is x + y; operands of arithmetic broadcast.
func (b *Builder) Add(x, y *Value) *Value { return b.Op(Add, nil, x, y) }

// Sub is x - y.
func (b *Builder) Sub(x, y *Value) *Value { return b.Op(Sub, nil, x, y) }

// Mul is x · y.
func (b *Builder) Mul(x, y *Value) *Value { return b.Op(Mul, nil, x, y) }

// Div is x / y.
func (b *Builder) Div(x, y *Value) *Value { return b.Op(Div, nil, x, y) }

// Axes are the axes from first up to, not including, end.
func Axes(first, end int) []int64 {
	axes := make([]int64, max(end-first, 0))
	for i := range axes {
		axes[i] = int64(first + i)
	}
	return axes
}
