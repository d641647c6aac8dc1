package ir

import (
	"fmt"
	"reflect"
	"slices"
)

// Infer is one run of type inference over an op whose operands, attributes and regions are set.
// Builder and verifier share it: what the verifier accepts is what the builder makes.
type Infer struct {
	op      *Op
	want    []Type // types that results already have; their dims name what is only known at run time
	verify  bool   // no new facts: what op relies on must be recorded
	results []Inferred
	err     *Error
}

// Inferred is the type of one result, and its symbolic elements where some are known.
type Inferred struct {
	Type Type
	Sym  []Dim
}

// InferTypes computes the results of op. Sizes that only a run can tell take the dims of want where it has a
// type for the result, and fresh symbols elsewhere. Facts that inference relies on are added to op.Region.
func InferTypes(op *Op, want []Type) ([]Inferred, error) {
	return (&Infer{op: op, want: want}).run()
}

func (c *Infer) run() ([]Inferred, error) {
	if c.checkForm(); c.err == nil {
		inferences[c.op.Kind](c)
	}
	if c.err != nil {
		return nil, c.err
	}
	return c.results, nil
}

// checkForm holds what is common to all kinds: op_c0 a kind, op_c1 arity, op_c2 absent operands, op_c3 attributes,
// op_c4 regions, op_c5 tensor operands outside control flow.
func (c *Infer) checkForm() {
	op := c.op
	if op.Kind == NoKind || op.Kind >= NumKinds {
		c.fail(Malformed, "op_c0", "an op of no kind")
		return
	}
	info := &Kinds[op.Kind]
	if n := len(op.Args); n < info.MinArgs || info.MaxArgs >= 0 && n > info.MaxArgs {
		c.fail(Malformed, "op_c1", "%s has %d operands, wants %s", op.Kind, n, arityText(info))
		return
	}
	for i, a := range op.Args {
		if a == nil && (i > 31 || info.Optional>>i&1 == 0) {
			c.fail(Malformed, "op_c2", "%s lacks operand %d", op.Kind, i)
			return
		}
		if a != nil && !a.Type.IsTensor() && info.Family != ControlFamily && info.Family != SequenceFamily && info.Family != StructureFamily {
			c.fail(DTypeError, "op_c5", "%s operand %d is %s, wants a tensor", op.Kind, i, a.Type)
			return
		}
		if a != nil && a.Def == nil { // a parameter, whose type nothing has checked yet
			c.wellFormed(a.Type)
		}
	}
	if v := reflect.ValueOf(op.Attrs); reflect.TypeOf(op.Attrs) != attrTypes[op.Kind] || v.IsValid() && v.IsNil() {
		c.fail(AttrError, "op_c3", "%s has attributes of type %T", op.Kind, op.Attrs)
	}
	if info.Trait&HasRegions == 0 && len(op.Regions) > 0 {
		c.fail(Malformed, "op_c4", "%s has no regions", op.Kind)
	}
}

// attrTypes is the type of each kind's attributes; nil where it has none.
var attrTypes = func() (types [NumKinds]reflect.Type) {
	for k, info := range Kinds {
		if info.Attrs != nil {
			types[k] = reflect.TypeOf(info.Attrs())
		}
	}
	return types
}()

// wellFormed holds type_c1: a tensor has a dtype and a rank of at most MaxRank, and its sizes are known expressions, none
// a negative number.
func (c *Infer) wellFormed(t Type) bool {
	if err := t.wellFormed(); err != "" {
		c.fail(ShapeError, "type_c1", "%s: %s", t, err)
		return false
	}
	return true
}

func arityText(k *KindInfo) string {
	switch {
	case k.MaxArgs < 0:
		return fmt.Sprintf("at least %d", k.MinArgs)
	case k.MaxArgs == k.MinArgs:
		return fmt.Sprint(k.MinArgs)
	}
	return fmt.Sprintf("%d to %d", k.MinArgs, k.MaxArgs)
}

// fail records the first broken constraint.
func (c *Infer) fail(kind ErrorKind, label, format string, args ...any) {
	if c.err != nil {
		return
	}
	c.err = &Error{Kind: kind, Label: label, Op: c.op.Kind, Msg: fmt.Sprintf(format, args...)}
	if c.op.Region != nil {
		c.err.Loc = c.op.Location()
	}
}

// needs records that operand i must be known for the result's rank to be known.
func (c *Infer) needs(i int, label, what string) {
	c.fail(UnknownValue, label, "%s must be known when the model is compiled", what)
	c.err.Arg = c.op.Args[i]
	c.err.Remedy = "make it an initializer, or bind the input to a value"
}

func (c *Infer) arg(i int) *Value { return c.op.Arg(i) }

func (c *Infer) region() *Region { return c.op.Region }

// result appends a result; its dims are reduced by the facts known here.
func (c *Infer) result(t Type, sym []Dim) {
	if c.err != nil {
		return
	}
	if len(t.Shape) > 0 {
		t.Shape = slices.Clone(t.Shape)
		for i, d := range t.Shape {
			t.Shape[i] = c.size(i, d)
			if lo, _ := d.Bounds(); lo < 0 { // facts may turn max(0, n-1) into n-1, of which less can be proved
				c.notNegative(t.Shape[i])
			}
		}
	}
	if c.wellFormed(t) {
		c.results = append(c.results, Inferred{t, c.elements(t, sym)})
	}
}

// notNegative makes sure that a size that is a difference is one: by proof, as a fact, or since an operand has it.
func (c *Infer) notNegative(d Dim) {
	if lo, _ := d.Bounds(); lo >= 0 || d.IsConst() {
		return
	}
	same := func(e Dim) bool { return c.region().SameDim(d, e) }
	for _, a := range c.op.Args {
		if a != nil && slices.ContainsFunc(a.Type.Shape, same) {
			return
		}
	}
	if !c.assume(LE, Size(0), d) {
		c.fail(ShapeError, "type_c1", "%s has a size %s, which is negative", c.op.Kind, d)
	}
}

// elements are the symbolic elements that a result of type t keeps: nil where none is known or their number is not, Unknown
// for one that the dtype cannot hold, as arithmetic wraps there.
func (c *Infer) elements(t Type, sym []Dim) []Dim {
	if len(sym) > MaxSym || !slices.ContainsFunc(sym, func(e Dim) bool { return e != Unknown }) {
		return nil
	}
	if !t.Shape.NumElements().Is(int64(len(sym))) {
		return nil
	}
	sym = slices.Clone(sym)
	for i, e := range sym {
		sym[i] = c.region().Reduce(e)
		if n, ok := sym[i].Value(); ok && !t.DType.holds(n) {
			sym[i] = Unknown
		}
	}
	return sym
}

// size is d for axis i of the next result, or a name for it where d is unknown.
func (c *Infer) size(axis int, d Dim) Dim {
	name := Unknown
	if n := len(c.results); n < len(c.want) && axis < len(c.want[n].Shape) {
		name = c.want[n].Shape[axis]
	}
	switch {
	case isFresh(name) && (c.op.Kind.Is(HasRegions) || c.mayBe(d, name)): // facts that came later may say more of a size, or of what regions yield
		return name
	case d != Unknown:
		return c.region().Reduce(d)
	case name != Unknown:
		return name
	}
	return c.region().Func.Fresh()
}

// mayBe reports whether d, an expression, is neither proved to be name nor refuted.
func (c *Infer) mayBe(d, name Dim) bool {
	if d == Unknown || c.region().Reduce(d).IsConst() {
		return d == Unknown
	}
	proved, refuted := c.region().Implied(Fact{EQ, d, name, c.op.Loc})
	return !proved && !refuted
}

// MaxSym is the largest number of elements that are followed symbolically.
const MaxSym = 64

// tensor appends a tensor result without symbolic elements.
func (c *Infer) tensor(d DType, shape Shape) {
	c.result(Type{Kind: TensorType, DType: d, Shape: shape}, nil)
}

// same makes sure that a = b, by proof or as a fact.
func (c *Infer) same(label string, a, b Dim, what string) {
	if c.err == nil && !c.assume(EQ, a, b) {
		c.fail(ShapeError, label, "%s differ: %s", what, c.operands())
	}
}

// assume records what cannot be proved; it is false where that cannot be.
func (c *Infer) assume(rel Relation, a, b Dim) bool {
	if a == Unknown || b == Unknown {
		return true
	}
	f := Fact{rel, a, b, c.op.Loc}
	if !c.verify {
		return c.region().Assume(f)
	}
	proved, refuted := c.region().Implied(f)
	if !proved && !refuted {
		c.fail(ShapeError, "op_c6", "%s relies on the unrecorded fact %s %s, %s", c.op.Kind, rel, a, b)
	}
	return !refuted
}

// operands is the operand types as diagnostics show them: f32[8, 64] × f32[32, 8].
func (c *Infer) operands() string {
	s := ""
	for i, a := range c.op.Args {
		if i > 0 {
			s += " × "
		}
		if a == nil {
			s += "none"
			continue
		}
		s += a.Type.String()
	}
	return s
}

// broadcast joins two shapes as NumPy does. A symbolic size never counts as 1 here: where it meets another
// size than 1 the two are taken as equal, or one that cannot be past 1 as 1, which is a fact.
func (c *Infer) broadcast(label string, a, b Shape) Shape {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := slices.Clone(a)
	for i, d := range b {
		k := len(a) - len(b) + i
		out[k] = c.broadcastDim(label, a[k], d)
	}
	return out
}

func (c *Infer) broadcastDim(label string, a, b Dim) Dim {
	switch {
	case a == b || b.Is(1):
		return a
	case a.Is(1):
		return b
	case a.mayBeOne() && !b.mayBeOne():
		c.same(label, a, Size(1), "sizes to broadcast")
		return b
	case b.mayBeOne() && !a.mayBeOne():
		c.same(label, b, Size(1), "sizes to broadcast")
		return a
	}
	c.same(label, a, b, "sizes to broadcast")
	if b.IsConst() {
		return b
	}
	return a
}

// mayBeOne reports whether 1 is the most that d can be, and not all.
func (d Dim) mayBeOne() bool {
	_, hi := d.Bounds()
	return hi == 1 && !d.IsConst()
}

// axis checks an attribute that names an axis of a tensor of that rank.
func (c *Infer) axis(label string, axis int64, rank int) bool {
	if axis < 0 || axis >= int64(rank) {
		c.fail(AttrError, label, "axis %d of a tensor of rank %d", axis, rank)
		return false
	}
	return true
}

// axes checks that the axes are in range, sorted and distinct.
func (c *Infer) axes(label string, axes []int64, rank int) bool {
	for i, a := range axes {
		if !c.axis(label, a, rank) {
			return false
		}
		if i > 0 && axes[i-1] >= a {
			c.fail(AttrError, label, "axes %v are not sorted and distinct", axes)
			return false
		}
	}
	return true
}

// dtype checks operand i's dtype.
func (c *Infer) dtype(label string, i int, ok bool, want string) bool {
	if !ok {
		c.fail(DTypeError, label, "%s of %s, wants %s", c.op.Kind, c.arg(i).DType(), want)
	}
	return ok
}

func inferNothing(*Infer) {}

func inferConst(c *Infer) {
	a := c.op.Attrs.(*ConstAttrs)
	shape, ok := a.Type.Shape.Static()
	if !ok || !a.Type.IsTensor() {
		c.fail(ShapeError, "const_c1", "constant of type %s", a.Type)
		return
	}
	n, err := NumElements(shape)
	if err != nil {
		c.fail(ShapeError, "const_c1", "constant: %v", err)
		return
	}
	if a.Type.DType == String {
		if len(a.Strings) != n || a.Blob != nil || a.Inline != nil {
			c.fail(ValueError, "const_c2", "%d strings for %s", len(a.Strings), a.Type)
		}
		c.result(a.Type, nil)
		return
	}
	size := int64(len(a.Inline))
	if a.Blob != nil {
		size = a.Len
		if a.Off < 0 || a.Len < 0 || a.Off > int64(len(a.Blob.Data))-a.Len {
			c.fail(ValueError, "const_c3", "constant at [%d:+%d] of blob %s, which has %d bytes", a.Off, a.Len, a.Blob.Name, len(a.Blob.Data))
			return
		}
	}
	if want := PackedSize(a.Type.DType, n); size != int64(want) {
		c.fail(ValueError, "const_c2", "%d bytes for %s, which needs %d", size, a.Type, want)
		return
	}
	c.result(a.Type, constSym(a, n))
}

// constSym is the elements of a small integer or bool constant.
func constSym(a *ConstAttrs, n int) []Dim {
	if n > MaxSym || !a.Type.DType.IsInt() && a.Type.DType != Bool {
		return nil
	}
	t, err := a.Tensor()
	if err != nil {
		return nil
	}
	out := make([]Dim, n)
	for i, v := range t.Ints() {
		out[i] = Size(v)
	}
	return out
}

// inferences computes result types and symbolic values, for builder and verifier alike.
var inferences = [NumKinds]func(*Infer){
	NoKind:          inferNothing,
	Const:           inferConst,
	Yield:           inferNothing,
	Abs:             inferNumericUnary,
	Neg:             inferNeg,
	Sign:            inferNumericUnary,
	Ceil:            inferFloatUnary,
	Floor:           inferFloatUnary,
	Round:           inferFloatUnary,
	Sqrt:            inferFloatUnary,
	Rsqrt:           inferFloatUnary,
	Reciprocal:      inferFloatUnary,
	Exp:             inferFloatUnary,
	Log:             inferFloatUnary,
	Sin:             inferFloatUnary,
	Cos:             inferFloatUnary,
	Tan:             inferFloatUnary,
	Asin:            inferFloatUnary,
	Acos:            inferFloatUnary,
	Atan:            inferFloatUnary,
	Sinh:            inferFloatUnary,
	Cosh:            inferFloatUnary,
	Tanh:            inferFloatUnary,
	Asinh:           inferFloatUnary,
	Acosh:           inferFloatUnary,
	Atanh:           inferFloatUnary,
	Erf:             inferFloatUnary,
	Not:             inferNot,
	BitNot:          inferIntUnary,
	IsNaN:           inferFloatTest,
	IsInf:           inferFloatTest,
	Sigmoid:         inferFloatUnary,
	Relu:            inferNumericUnary,
	Softplus:        inferFloatUnary,
	Gelu:            inferGelu,
	Silu:            inferFloatUnary,
	LeakyRelu:       inferFloatUnary,
	Elu:             inferFloatUnary,
	HardSigmoid:     inferFloatUnary,
	HardSwish:       inferFloatUnary,
	Mish:            inferFloatUnary,
	Cast:            inferCast,
	BitCast:         inferBitCast,
	StopGradient:    inferStopGradient,
	Add:             inferArith,
	Sub:             inferArith,
	Mul:             inferArith,
	Div:             inferArith,
	Pow:             inferPow,
	Mod:             inferArith,
	Min:             inferArith,
	Max:             inferArith,
	And:             inferLogic,
	Or:              inferLogic,
	Xor:             inferLogic,
	BitAnd:          inferBits,
	BitOr:           inferBits,
	BitXor:          inferBits,
	ShiftLeft:       inferBits,
	ShiftRight:      inferBits,
	GLU:             inferGLU,
	Equal:           inferEqual,
	Less:            inferCompare,
	LessEqual:       inferCompare,
	Where:           inferWhere,
	ReduceSum:       inferReduce,
	ReduceMean:      inferReduce,
	ReduceMax:       inferReduceOrder,
	ReduceMin:       inferReduceOrder,
	ReduceProd:      inferReduce,
	ArgMax:          inferArg,
	ArgMin:          inferArg,
	CumSum:          inferCum,
	CumProd:         inferCum,
	ShapeOf:         inferShapeOf,
	Dims:            inferDims,
	Reshape:         inferReshape,
	Transpose:       inferTranspose,
	Expand:          inferExpand,
	Unsqueeze:       inferUnsqueeze,
	Squeeze:         inferSqueeze,
	Concat:          inferConcat,
	Slice:           inferSlice,
	Split:           inferSplit,
	Pad:             inferPad,
	Tile:            inferTile,
	Range:           inferRange,
	Trilu:           inferTrilu,
	Gather:          inferGather,
	GatherElements:  inferGatherElements,
	GatherND:        inferGatherND,
	ScatterElements: inferScatterElements,
	ScatterND:       inferScatterND,
	TopK:            inferTopK,
	NonZero:         inferNonZero,
	Unique:          inferUnique,
	MatMul:          inferMatMul,
	Linear:          inferLinear,
	Det:             inferDet,
	Conv:            inferConv,
	MaxPool:         inferMaxPool,
	AveragePool:     inferAveragePool,
	Softmax:         inferSoftmax,
	LogSoftmax:      inferSoftmax,
	LayerNorm:       inferLayerNorm,
	RMSNorm:         inferLayerNorm,
	BatchNorm:       inferBatchNorm,
	Attention:       inferAttention,
	Rope:            inferRope,

	StringNormalize: inferStringNormalize,
	StringConcat:    inferStringConcat,
	StringSplit:     inferStringSplit,
	RegexMatch:      inferRegexMatch,
	Ngrams:          inferNgrams,

	MakeSequence:       inferMakeSequence,
	SequenceInsert:     inferSequenceInsert,
	SequenceErase:      inferSequenceErase,
	SequenceAt:         inferSequenceAt,
	SequenceLength:     inferSequenceLength,
	SplitToSequence:    inferSplitToSequence,
	ConcatFromSequence: inferConcatFromSequence,
	MakeOptional:       inferMakeOptional,
	OptionalHas:        inferOptionalHas,
	OptionalGet:        inferOptionalGet,
	ZipMaps:            inferZipMaps,
	MapLookup:          inferMapLookup,
	MapValues:          inferMapValues,

	RandomUniform: inferRandomUniform,
	DecodeImage:   inferDecodeImage,

	If:     inferIf,
	Loop:   inferLoop,
	Scan:   inferScan,
	Assert: inferAssert, Depends: inferDepends,
}
