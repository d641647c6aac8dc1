package ir

// Kind is what an op does. The constants are ordered by family; the table Kinds describes them.
type Kind uint16

// The kinds. Semantics, shapes and constraints: docs/ir/<family>.md.
const (
	// structure
	NoKind Kind = iota
	Const
	Yield
	// elementwise, one operand
	Abs
	Neg
	Sign
	Ceil
	Floor
	Round
	Sqrt
	Rsqrt
	Reciprocal
	Exp
	Log
	Sin
	Cos
	Tan
	Asin
	Acos
	Atan
	Sinh
	Cosh
	Tanh
	Asinh
	Acosh
	Atanh
	Erf
	Not
	BitNot
	IsNaN
	IsInf
	Sigmoid
	Relu
	Softplus
	Gelu
	Silu
	LeakyRelu
	Elu
	HardSigmoid
	HardSwish
	Mish
	Cast
	BitCast
	StopGradient
	// elementwise, two operands or three
	Add
	Sub
	Mul
	Div
	Pow
	Mod
	Min
	Max
	And
	Or
	Xor
	BitAnd
	BitOr
	BitXor
	ShiftLeft
	ShiftRight
	GLU
	Equal
	Less
	LessEqual
	Where
	// reduce
	ReduceSum
	ReduceMean
	ReduceMax
	ReduceMin
	ReduceProd
	ArgMax
	ArgMin
	CumSum
	CumProd
	// shape
	ShapeOf
	Dims
	Reshape
	Transpose
	Expand
	Unsqueeze
	Squeeze
	Concat
	Slice
	Split
	Pad
	Tile
	Range
	Trilu
	// index
	Gather
	GatherElements
	GatherND
	ScatterElements
	ScatterND
	TopK
	NonZero
	Unique
	// matmul
	MatMul
	Linear
	Det
	// conv
	Conv
	MaxPool
	AveragePool
	// norm
	Softmax
	LogSoftmax
	LayerNorm
	RMSNorm
	BatchNorm
	// attention
	Attention
	Rope
	// text
	StringNormalize
	StringConcat
	StringSplit
	RegexMatch
	Ngrams
	// sequence
	MakeSequence
	SequenceInsert
	SequenceErase
	SequenceAt
	SequenceLength
	SplitToSequence
	ConcatFromSequence
	MakeOptional
	OptionalHas
	OptionalGet
	ZipMaps
	MapLookup
	MapValues
	// random
	RandomUniform
	// image
	DecodeImage
	// control
	If
	Loop
	Scan
	Assert
	Depends
	NumKinds
)

// Family is the group of kinds that share a file in every layer.
type Family string

// The families.
const (
	StructureFamily   Family = "structure"
	ElementwiseFamily Family = "elementwise"
	ReduceFamily      Family = "reduce"
	ShapeFamily       Family = "shape"
	IndexFamily       Family = "index"
	MatMulFamily      Family = "matmul"
	ConvFamily        Family = "conv"
	NormFamily        Family = "norm"
	AttentionFamily   Family = "attention"
	ControlFamily     Family = "control"
	SequenceFamily    Family = "sequence"
	RandomFamily      Family = "random"
	ImageFamily       Family = "image"
	TextFamily        Family = "text"
)

// KindInfo is the row of a kind.
type KindInfo struct {
	Name     string // in the text form
	Family   Family
	MinArgs  int
	MaxArgs  int          // -1: any number
	Attrs    func() Attrs // makes the zero attributes; nil where the kind has none
	Trait    Trait        // what rewrites may rely on
	Optional uint32       // bit i: operand i may be nil
}

// Trait is a set of properties of a kind.
type Trait uint8

// The traits.
const (
	Commutative Trait = 1 << iota // of the first two operands
	Composite                     // has a decomposition into primitives, its oracle
	Elementwise                   // result element i depends on the operands' elements i only, after broadcasting
	HasRegions
)

func attrs[T any]() func() Attrs { return func() Attrs { return new(T) } }

// Kinds is the table of all kinds.
var Kinds = kindTable()

func kindTable() [NumKinds]KindInfo {
	unary := func(name string) KindInfo {
		return KindInfo{Name: name, Family: ElementwiseFamily, MinArgs: 1, MaxArgs: 1, Trait: Elementwise}
	}
	alpha := func(name string) KindInfo {
		k := unary(name)
		k.Attrs = attrs[AlphaAttrs]()
		return k
	}
	binary := func(name string, t Trait) KindInfo {
		return KindInfo{Name: name, Family: ElementwiseFamily, MinArgs: 2, MaxArgs: 2, Trait: Elementwise | t}
	}
	reduce := func(name string) KindInfo {
		return KindInfo{Name: name, Family: ReduceFamily, MinArgs: 1, MaxArgs: 1, Attrs: attrs[ReduceAttrs]()}
	}
	op := func(name string, f Family, lo, hi int, a func() Attrs) KindInfo {
		return KindInfo{Name: name, Family: f, MinArgs: lo, MaxArgs: hi, Attrs: a}
	}
	with := func(k KindInfo, t Trait) KindInfo { k.Trait |= t; return k }
	withAttrs := func(k KindInfo, a func() Attrs) KindInfo { k.Attrs = a; return k }
	optional := func(k KindInfo, args ...int) KindInfo {
		for _, i := range args {
			k.Optional |= 1 << i
		}
		return k
	}
	return [NumKinds]KindInfo{
		NoKind: {Name: "none", Family: StructureFamily},
		Const:  op("const", StructureFamily, 0, 0, attrs[ConstAttrs]()),
		Yield:  op("yield", StructureFamily, 0, -1, nil),

		Abs: unary("abs"), Neg: unary("neg"), Sign: unary("sign"),
		Ceil: unary("ceil"), Floor: unary("floor"), Round: unary("round"),
		Sqrt: unary("sqrt"), Rsqrt: unary("rsqrt"), Reciprocal: unary("reciprocal"),
		Exp: unary("exp"), Log: unary("log"),
		Sin: unary("sin"), Cos: unary("cos"), Tan: unary("tan"),
		Asin: unary("asin"), Acos: unary("acos"), Atan: unary("atan"),
		Sinh: unary("sinh"), Cosh: unary("cosh"), Tanh: unary("tanh"),
		Asinh: unary("asinh"), Acosh: unary("acosh"), Atanh: unary("atanh"),
		Erf: unary("erf"), Not: unary("not"), BitNot: unary("bit_not"),
		IsNaN: unary("isnan"), IsInf: withAttrs(unary("isinf"), attrs[IsInfAttrs]()),
		Sigmoid: unary("sigmoid"), Relu: unary("relu"),
		Softplus: unary("softplus"),
		Gelu:     with(withAttrs(unary("gelu"), attrs[GeluAttrs]()), Composite),
		Silu:     with(unary("silu"), Composite), LeakyRelu: alpha("leaky_relu"), Elu: alpha("elu"),
		HardSigmoid: alpha("hard_sigmoid"), HardSwish: unary("hard_swish"),
		Mish: with(unary("mish"), Composite),
		Cast: withAttrs(unary("cast"), attrs[CastAttrs]()), BitCast: withAttrs(unary("bit_cast"), attrs[BitCastAttrs]()),
		StopGradient: unary("stop_gradient"),

		Add: binary("add", Commutative), Sub: binary("sub", 0),
		Mul: binary("mul", Commutative), Div: binary("div", 0),
		Pow: binary("pow", 0), Mod: withAttrs(binary("mod", 0), attrs[ModAttrs]()),
		Min: binary("min", Commutative), Max: binary("max", Commutative),
		And: binary("and", Commutative), Or: binary("or", Commutative), Xor: binary("xor", Commutative),
		BitAnd: binary("bit_and", Commutative), BitOr: binary("bit_or", Commutative), BitXor: binary("bit_xor", Commutative),
		ShiftLeft: binary("shift_left", 0), ShiftRight: binary("shift_right", 0),
		GLU:   withAttrs(binary("glu", Composite), attrs[GLUAttrs]()),
		Equal: binary("equal", Commutative), Less: binary("less", 0), LessEqual: binary("less_equal", 0),
		Where: with(op("where", ElementwiseFamily, 3, 3, nil), Elementwise),

		ReduceSum: reduce("reduce_sum"), ReduceMean: reduce("reduce_mean"),
		ReduceMax: reduce("reduce_max"), ReduceMin: reduce("reduce_min"),
		ReduceProd: reduce("reduce_prod"),
		ArgMax:     op("argmax", ReduceFamily, 1, 1, attrs[ArgAttrs]()), ArgMin: op("argmin", ReduceFamily, 1, 1, attrs[ArgAttrs]()),
		CumSum: op("cumsum", ReduceFamily, 1, 1, attrs[CumAttrs]()), CumProd: op("cumprod", ReduceFamily, 1, 1, attrs[CumAttrs]()),

		ShapeOf: op("shape", ShapeFamily, 1, 1, nil), Dims: op("dims", ShapeFamily, 0, 0, attrs[DimsAttrs]()),
		Reshape: op("reshape", ShapeFamily, 2, 2, attrs[ReshapeAttrs]()), Transpose: op("transpose", ShapeFamily, 1, 1, attrs[PermAttrs]()),
		Expand: op("expand", ShapeFamily, 2, 2, nil), Unsqueeze: op("unsqueeze", ShapeFamily, 1, 1, attrs[AxesAttrs]()),
		Squeeze: op("squeeze", ShapeFamily, 1, 1, attrs[AxesAttrs]()), Concat: op("concat", ShapeFamily, 1, -1, attrs[AxisAttrs]()),
		Slice: op("slice", ShapeFamily, 3, 3, attrs[SliceAttrs]()), Split: op("split", ShapeFamily, 1, 1, attrs[SplitAttrs]()),
		Pad: optional(op("pad", ShapeFamily, 2, 3, attrs[PadAttrs]()), 2), Tile: op("tile", ShapeFamily, 2, 2, nil),
		Range: op("range", ShapeFamily, 3, 3, nil), Trilu: optional(op("trilu", ShapeFamily, 1, 2, attrs[TriluAttrs]()), 1),

		Gather: op("gather", IndexFamily, 2, 2, attrs[AxisAttrs]()), GatherElements: op("gather_elements", IndexFamily, 2, 2, attrs[AxisAttrs]()),
		GatherND:        op("gather_nd", IndexFamily, 2, 2, attrs[GatherNDAttrs]()),
		ScatterElements: op("scatter_elements", IndexFamily, 3, 3, attrs[ScatterAttrs]()),
		ScatterND:       op("scatter_nd", IndexFamily, 3, 3, attrs[ScatterAttrs]()),
		TopK:            op("topk", IndexFamily, 2, 2, attrs[TopKAttrs]()),
		NonZero:         op("nonzero", IndexFamily, 1, 1, nil),
		Unique:          op("unique", IndexFamily, 1, 1, attrs[UniqueAttrs]()),

		MatMul: op("matmul", MatMulFamily, 2, 2, nil), Linear: with(op("linear", MatMulFamily, 3, 3, nil), Composite), Det: op("det", MatMulFamily, 1, 1, nil),

		Conv:        optional(op("conv", ConvFamily, 2, 3, attrs[ConvAttrs]()), 2),
		MaxPool:     op("max_pool", ConvFamily, 1, 1, attrs[PoolAttrs]()),
		AveragePool: op("average_pool", ConvFamily, 1, 1, attrs[PoolAttrs]()),

		Softmax:    with(op("softmax", NormFamily, 1, 1, attrs[AxisAttrs]()), Composite),
		LogSoftmax: with(op("log_softmax", NormFamily, 1, 1, attrs[AxisAttrs]()), Composite),
		LayerNorm:  with(optional(op("layer_norm", NormFamily, 2, 3, attrs[NormAttrs]()), 1, 2), Composite),
		RMSNorm:    with(optional(op("rms_norm", NormFamily, 2, 2, attrs[NormAttrs]()), 1), Composite),
		BatchNorm:  with(op("batch_norm", NormFamily, 5, 5, attrs[NormAttrs]()), Composite),

		Attention: with(optional(op("attention", AttentionFamily, 3, 5, attrs[AttentionAttrs]()), 3, 4), Composite),
		Rope:      with(op("rope", AttentionFamily, 3, 3, attrs[RopeAttrs]()), Composite),

		StringNormalize: op("string_normalize", TextFamily, 1, 1, attrs[StringNormalizeAttrs]()),
		StringConcat:    op("string_concat", TextFamily, 2, 2, nil),
		StringSplit:     op("string_split", TextFamily, 1, 1, attrs[StringSplitAttrs]()),
		RegexMatch:      op("regex_match", TextFamily, 1, 1, attrs[RegexAttrs]()),
		Ngrams:          op("ngrams", TextFamily, 1, 1, attrs[NgramAttrs]()),

		MakeSequence:       op("make_sequence", SequenceFamily, 0, -1, attrs[SequenceAttrs]()),
		SequenceInsert:     optional(op("sequence_insert", SequenceFamily, 2, 3, nil), 2),
		SequenceErase:      optional(op("sequence_erase", SequenceFamily, 1, 2, nil), 1),
		SequenceAt:         op("sequence_at", SequenceFamily, 2, 2, nil),
		SequenceLength:     op("sequence_length", SequenceFamily, 1, 1, nil),
		SplitToSequence:    optional(op("split_to_sequence", SequenceFamily, 1, 2, attrs[SplitToSequenceAttrs]()), 1),
		ConcatFromSequence: op("concat_from_sequence", SequenceFamily, 1, 1, attrs[ConcatFromSequenceAttrs]()),
		MakeOptional:       optional(op("make_optional", SequenceFamily, 0, 1, attrs[SequenceAttrs]()), 0),
		OptionalHas:        op("optional_has", SequenceFamily, 1, 1, nil),
		OptionalGet:        op("optional_get", SequenceFamily, 1, 1, nil),
		ZipMaps:            op("zip_maps", SequenceFamily, 2, 2, nil),
		MapLookup:          op("map_lookup", SequenceFamily, 3, 3, nil),
		MapValues:          op("map_values", SequenceFamily, 1, 1, nil),

		RandomUniform: op("random_uniform", RandomFamily, 1, 1, attrs[RandomAttrs]()),
		DecodeImage:   op("decode_image", ImageFamily, 1, 1, attrs[ImageAttrs]()),

		If:   with(op("if", ControlFamily, 1, -1, nil), HasRegions),
		Loop: with(optional(op("loop", ControlFamily, 2, -1, attrs[LoopAttrs]()), 0, 1), HasRegions),
		Scan: with(op("scan", ControlFamily, 1, -1, attrs[ScanAttrs]()), HasRegions),

		Assert: op("assert", ControlFamily, 2, 2, attrs[AssertAttrs]()), Depends: op("depends", ControlFamily, 2, 2, nil),
	}
}

func (k Kind) String() string {
	if k >= NumKinds {
		return "unknown"
	}
	return Kinds[k].Name
}

// Is reports whether k has all the given traits.
func (k Kind) Is(t Trait) bool { return Kinds[k].Trait&t == t }
