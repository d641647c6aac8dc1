package mlx

// ParamKind is the kind of a call's parameter.
type ParamKind uint8

// The kinds of parameters; their numbers are part of the byte form.
const (
	IntParam     ParamKind = iota // ir.Dim
	IntsParam                     // []ir.Dim
	FloatParam                    // float64
	DTypeParam                    // ir.DType, one that MLX has
	BoolParam                     // bool
	StringParam                   // string
	ProgramParam                  // Prog
	SymbolsParam                  // []ir.Dim: symbols that the call binds
)

// Param is a parameter of a call.
type Param struct {
	Name string
	Kind ParamKind
}

// CallInfo is a row of Calls.
type CallInfo struct {
	Name   string // the same in the text form and on the native side
	Min    int    // operands that must be there
	Max    int    // operands at most, -1 when there is no limit
	Out    int    // results, -1 when the caller says how many
	Params []Param
	// Python is the call in the emitted program: {0} is operand 0 (or None), {2*} are the operands from 2 on,
	// {axis} is a parameter. Names that start with _ are helpers in python_prelude.go.
	Python string
	Effect bool // binds symbols or checks sizes, so that it may be live without a use of its results
}

// CallID is an index into Calls.
type CallID uint16

// The calls. Where no comment says otherwise they mean what mlx.core's function of that name means.
const (
	// elementwise
	Abs CallID = iota
	Negative
	Sign
	LogicalNot
	BitwiseInvert
	Exp
	Expm1
	Log
	Log2
	Log10
	Log1p
	Sin
	Cos
	Tan
	Arcsin
	Arccos
	Arctan
	Sinh
	Cosh
	Tanh
	Arcsinh
	Arccosh
	Arctanh
	Sqrt
	Rsqrt
	Square
	Reciprocal
	Floor
	Ceil
	Round
	Sigmoid
	Erf
	Erfinv
	IsNaN
	IsInf
	IsPosInf
	IsNegInf
	IsFinite
	Real
	Imag
	Conjugate
	Degrees
	Radians
	Copy
	Add
	Subtract
	Multiply
	Divide
	FloorDivide
	Remainder
	Power
	Maximum
	Minimum
	LogAddExp
	Arctan2
	Equal
	NotEqual
	Less
	LessEqual
	Greater
	GreaterEqual
	LogicalAnd
	LogicalOr
	BitwiseAnd
	BitwiseOr
	BitwiseXor
	LeftShift
	RightShift
	Where
	Clip // x, low?, high?
	NaNToNum
	AsType
	View // reinterprets bytes; the last axis changes where the widths differ
	// reductions; axes are listed, and an empty list reduces nothing; of no elements, max is the least value, min the
	// greatest, and logsumexp -inf; long sums, means and cumsums of f32 are added in f64 on the CPU
	Sum
	Mean
	Max
	Min
	Prod
	All
	Any
	LogSumExp
	Median
	Var
	Std
	ArgMax
	ArgMin
	// along an axis
	CumSum
	CumProd
	CumMax
	CumMin
	LogCumSumExp
	Sort
	ArgSort
	Partition
	ArgPartition
	TopK
	// creation
	Full // of a scalar operand
	Zeros
	Ones
	Arange // of integers
	Linspace
	Eye
	Tri
	Tril
	Triu
	Hanning
	Hamming
	Bartlett
	Blackman
	// shapes
	Transpose
	Reshape
	BroadcastTo
	ExpandDims
	Squeeze
	Flatten
	Unflatten
	Concatenate
	Stack
	Split              // at indices; one result more than indices
	Slice              // start, stop and strides of every axis, as in Python: x[start:stop:stride]
	SliceUpdate        // x, update
	SliceDynamic       // x, start: a 1-D integer tensor with an entry for each of axes; size of every axis
	SliceUpdateDynamic // x, update, start
	Pad                // x, value; low and high of every axis, not negative
	Tile
	Repeat
	Roll
	MoveAxis
	SwapAxes
	Diagonal
	Diag
	Contiguous
	StopGradient
	Depends // the first operand, not before the second is computed
	AsStrided
	// indices; nothing checks their range
	Take
	TakeAlongAxis
	PutAlongAxis // x, indices, values
	Gather       // x, i, j, …: x[i, j, …] on the leading axes, index tensors broadcast
	Scatter      // x, updates, i, j, …: x[i, j, …] = updates; of the same element, any may win
	ScatterAdd
	ScatterProd
	ScatterMax
	ScatterMin
	// contractions and networks
	MatMul
	Inner
	Outer
	Kron
	AddMM  // c, a, b: beta·c + alpha·(a @ b)
	Linear // c, a, b: c + a @ b; of a single row, product and sum are made apart: MLX on CUDA has a kernel for the product, which addmm does not use
	Einsum
	TensorDot
	Softmax
	LayerNorm                 // x, weight?, bias?: over the last axis
	RMSNorm                   // x, weight?
	Rope                      // x, offset?, freqs?; base 0 when there are freqs
	ScaledDotProductAttention // q, k, v, mask?, sinks?; mask_mode "", "array" or "causal"
	ConvGeneral               // x N…C, w O…I
	ConvTranspose             // x N…C, w O…I; every list has an entry per spatial axis
	Quantize
	Dequantize      // w, scales, biases?
	QuantizedMatMul // x, w, scales, biases?
	GatherMM        // a, b, lhs?, rhs?
	BlockMaskedMM   // a, b, out?, lhs?, rhs?
	SegmentedMM
	ToFP8
	FromFP8
	FFTN
	IFFTN
	RFFTN
	IRFFTN
	// linear algebra, on a CPU stream
	Inv
	PInv
	Cholesky
	Solve
	SolveTriangular
	QR
	SVD
	LU
	Eigh
	Eigvalsh
	Cross
	// random numbers
	RandomKey
	RandomSplit
	RandomUniform     // low, high, key?
	RandomNormal      // key?
	RandomRandint     // low, high, key?
	RandomBernoulli   // p, key?
	RandomGumbel      // key?
	RandomCategorical // logits, key?
	// constants, sizes and control flow
	Const     // a Constant of the plan
	DimScalar // a 0-D tensor of one integer
	Dims      // a 1-D tensor of integers
	ReadInts  // evaluates an integer tensor and binds symbols to its elements, in row-major order; entries that are no symbols are skipped
	BindShape // binds symbols to the sizes of an operand; -1 skips an axis, another entry is checked
	Check     // relation "eq", "le" or "divides" between two integers
	Assert    // of a bool tensor: the run fails, when its outputs are evaluated, unless it is true everywhere
	If        // cond, then's operands, else's operands
	Loop      // trip?, cond?, carried, empties, captures; body(i, cond, carried, captures) -> cond, carried, scanned
	Compiled  // the operands of program, whose calls are all elementwise: mx::compile makes a kernel of them
	Blockwise // the operands of program, whose calls are all elementwise, on f32 of one shape or one element: one pass over memory
	Scan      // states, sequences, empties, captures; body(states, elements, captures) -> states, scanned
	// lists, which are sequences and, of at most one element, optionals; positions count from the end where they are negative,
	// and one that is out of range fails the run
	NewList    // of the operands
	ListAppend // list, x
	ListInsert // list, x: before the position, which may be the length
	ListErase
	ListAt
	ListLength // a 0-D i64
	ListSplit  // x, sizes?: into parts of these sizes, or all of one; of size 1, without the axis where squeeze is set
	ListJoin   // concatenated, or stacked
	Reserve    // a state: the buffer with room for shape, which keeps its first length elements on axis; made anew where length is 0
	NumCalls
)

func un(name string) CallInfo { return fn(name, 1, "mx."+name+"({0})") }

func bin(name string) CallInfo { return fn(name, 2, "mx."+name+"({0}, {1})") }

// fn is a call with n operands and one result.
func fn(name string, n int, python string, params ...Param) CallInfo {
	return CallInfo{Name: name, Min: n, Max: n, Out: 1, Params: params, Python: python}
}

// opt is a call with min to max operands.
func opt(name string, min, max int, python string, params ...Param) CallInfo {
	c := fn(name, min, python, params...)
	c.Max = max
	return c
}

// multi is a call with several results, or -1.
func multi(out int, c CallInfo) CallInfo {
	c.Out = out
	return c
}

func reduce(name string) CallInfo {
	return fn(name, 1, "mx."+name+"({0}, axis={axes}, keepdims={keepdims})", ints("axes"), boolean("keepdims"))
}

func sum(name string) CallInfo {
	return fn(name, 1, "_sum(mx."+name+", {0}, {axes}, {keepdims})", ints("axes"), boolean("keepdims"))
}

// reduceOr is a reduction that in MLX throws where there are no elements.
func reduceOr(name string) CallInfo {
	return fn(name, 1, "_reduce_or(\""+name+"\", {0}, {axes}, {keepdims})", ints("axes"), boolean("keepdims"))
}

func moment(name string) CallInfo {
	return fn(name, 1, "mx."+name+"({0}, axis={axes}, keepdims={keepdims}, ddof={ddof})",
		ints("axes"), boolean("keepdims"), integer("ddof"))
}

func argReduce(name string) CallInfo {
	return fn(name, 1, "_winner(mx."+name+", {0}, {axis}, {keepdims})", integer("axis"), boolean("keepdims"))
}

func cumulate(name string) CallInfo {
	return fn(name, 1, "mx."+name+"({0}, axis={axis}, reverse={reverse}, inclusive={inclusive})",
		integer("axis"), boolean("reverse"), boolean("inclusive"))
}

func window(name string) CallInfo { return fn(name, 0, "mx."+name+"({n})", integer("n")) }

func scatter(name, method string) CallInfo {
	return opt(name, 3, -1, "_scatter({0}, {1}, \""+method+"\", {2*})")
}

func fft(name string) CallInfo {
	return fn(name, 1, "mx.fft."+name+"({0}, s={n}, axes={axes})", ints("n"), ints("axes"))
}

func effect(name string, n int, python string, params ...Param) CallInfo {
	c := fn(name, n, python, params...)
	c.Out, c.Effect = 0, true
	return c
}

func integer(name string) Param { return Param{name, IntParam} }
func ints(name string) Param    { return Param{name, IntsParam} }
func float(name string) Param   { return Param{name, FloatParam} }
func dtype(name string) Param   { return Param{name, DTypeParam} }
func boolean(name string) Param { return Param{name, BoolParam} }
func text(name string) Param    { return Param{name, StringParam} }
func program(name string) Param { return Param{name, ProgramParam} }

// Calls describes every call.
var Calls = [NumCalls]CallInfo{
	Abs: un("abs"), Negative: un("negative"), Sign: un("sign"), LogicalNot: un("logical_not"),
	BitwiseInvert: un("bitwise_invert"), Exp: un("exp"), Expm1: un("expm1"), Log: un("log"),
	Log2: un("log2"), Log10: un("log10"), Log1p: un("log1p"), Sin: un("sin"), Cos: un("cos"),
	Tan: un("tan"), Arcsin: un("arcsin"), Arccos: un("arccos"), Arctan: un("arctan"), Sinh: un("sinh"),
	Cosh: un("cosh"), Tanh: un("tanh"), Arcsinh: un("arcsinh"), Arccosh: un("arccosh"),
	Arctanh: un("arctanh"), Sqrt: un("sqrt"), Rsqrt: un("rsqrt"), Square: un("square"),
	Reciprocal: un("reciprocal"), Floor: un("floor"), Ceil: un("ceil"), Round: un("round"),
	Sigmoid: un("sigmoid"), Erf: un("erf"), Erfinv: un("erfinv"), IsNaN: un("isnan"), IsInf: un("isinf"),
	IsPosInf: un("isposinf"), IsNegInf: un("isneginf"), IsFinite: un("isfinite"), Real: un("real"),
	Imag: un("imag"), Conjugate: un("conjugate"), Degrees: un("degrees"), Radians: un("radians"),
	Copy: fn("copy", 1, "mx.array({0})"),
	Add:  bin("add"), Subtract: bin("subtract"), Multiply: bin("multiply"), Divide: bin("divide"),
	FloorDivide: bin("floor_divide"), Remainder: bin("remainder"), Power: bin("power"),
	Maximum: bin("maximum"), Minimum: bin("minimum"), LogAddExp: bin("logaddexp"), Arctan2: bin("arctan2"),
	Equal: bin("equal"), NotEqual: bin("not_equal"), Less: bin("less"), LessEqual: bin("less_equal"),
	Greater: bin("greater"), GreaterEqual: bin("greater_equal"), LogicalAnd: bin("logical_and"),
	LogicalOr: bin("logical_or"), BitwiseAnd: bin("bitwise_and"), BitwiseOr: bin("bitwise_or"),
	BitwiseXor: bin("bitwise_xor"), LeftShift: bin("left_shift"), RightShift: bin("right_shift"),
	Where:    fn("where", 3, "mx.where({0}, {1}, {2})"),
	Clip:     opt("clip", 2, 3, "mx.clip({0}, {1}, {2})"),
	NaNToNum: fn("nan_to_num", 1, "_nan_to_num({0}, {nan}, {posinf}, {neginf})", float("nan"), float("posinf"), float("neginf")),
	AsType:   fn("astype", 1, "{0}.astype({dtype})", dtype("dtype")),
	View:     fn("view", 1, "{0}.view({dtype})", dtype("dtype")),

	Sum: sum("sum"), Mean: sum("mean"), Max: reduceOr("max"), Min: reduceOr("min"), Prod: reduce("prod"),
	All: reduce("all"), Any: reduce("any"), LogSumExp: reduceOr("logsumexp"), Median: reduce("median"), Var: moment("var"),
	Std: moment("std"), ArgMax: argReduce("argmax"), ArgMin: argReduce("argmin"),
	CumSum: fn("cumsum", 1, "_cumsum({0}, {axis}, {reverse}, {inclusive})", integer("axis"), boolean("reverse"), boolean("inclusive")), CumProd: cumulate("cumprod"), CumMax: cumulate("cummax"), CumMin: cumulate("cummin"),
	LogCumSumExp: cumulate("logcumsumexp"),
	Sort:         fn("sort", 1, "mx.sort({0}, axis={axis})", integer("axis")),
	ArgSort:      fn("argsort", 1, "mx.argsort({0}, axis={axis})", integer("axis")),
	Partition:    fn("partition", 1, "mx.partition({0}, {kth}, axis={axis})", integer("kth"), integer("axis")),
	ArgPartition: fn("argpartition", 1, "mx.argpartition({0}, {kth}, axis={axis})", integer("kth"), integer("axis")),
	TopK:         fn("topk", 1, "mx.topk({0}, {k}, axis={axis})", integer("k"), integer("axis")),

	Full:     fn("full", 1, "mx.full({shape}, {0}.astype({dtype}))", ints("shape"), dtype("dtype")),
	Zeros:    fn("zeros", 0, "mx.zeros({shape}, {dtype})", ints("shape"), dtype("dtype")),
	Ones:     fn("ones", 0, "mx.ones({shape}, {dtype})", ints("shape"), dtype("dtype")),
	Arange:   fn("arange", 0, "_arange({start}, {stop}, {step}, {dtype})", integer("start"), integer("stop"), integer("step"), dtype("dtype")),
	Linspace: fn("linspace", 0, "mx.linspace({start}, {stop}, {num}, dtype={dtype})", float("start"), float("stop"), integer("num"), dtype("dtype")),
	Eye:      fn("eye", 0, "mx.eye({n}, {m}, {k}, {dtype})", integer("n"), integer("m"), integer("k"), dtype("dtype")),
	Tri:      fn("tri", 0, "mx.tri({n}, {m}, {k}, {dtype})", integer("n"), integer("m"), integer("k"), dtype("dtype")),
	Tril:     fn("tril", 1, "mx.tril({0}, {k})", integer("k")),
	Triu:     fn("triu", 1, "mx.triu({0}, {k})", integer("k")),
	Hanning:  window("hanning"), Hamming: window("hamming"), Bartlett: window("bartlett"), Blackman: window("blackman"),

	Transpose:   fn("transpose", 1, "mx.transpose({0}, {axes})", ints("axes")),
	Reshape:     fn("reshape", 1, "mx.reshape({0}, {shape})", ints("shape")),
	BroadcastTo: fn("broadcast_to", 1, "mx.broadcast_to({0}, {shape})", ints("shape")),
	ExpandDims:  fn("expand_dims", 1, "mx.expand_dims({0}, {axes})", ints("axes")),
	Squeeze:     fn("squeeze", 1, "mx.squeeze({0}, {axes})", ints("axes")),
	Flatten:     fn("flatten", 1, "mx.flatten({0}, {start}, {end})", integer("start"), integer("end")),
	Unflatten:   fn("unflatten", 1, "mx.unflatten({0}, {axis}, {shape})", integer("axis"), ints("shape")),
	Concatenate: opt("concatenate", 1, -1, "mx.concatenate([{0*}], axis={axis})", integer("axis")),
	Stack:       opt("stack", 1, -1, "mx.stack([{0*}], axis={axis})", integer("axis")),
	Split:       multi(-1, fn("split", 1, "mx.split({0}, {indices}, axis={axis})", ints("indices"), integer("axis"))),
	Slice:       fn("slice", 1, "_slice({0}, {start}, {stop}, {strides})", ints("start"), ints("stop"), ints("strides")),
	SliceUpdate: fn("slice_update", 2, "_slice_update({0}, {1}, {start}, {stop}, {strides})", ints("start"), ints("stop"), ints("strides")),
	SliceDynamic: fn("slice_dynamic", 2, "mx.slice({0}, {1}, {axes}, {size})",
		ints("axes"), ints("size")),
	SliceUpdateDynamic: fn("slice_update_dynamic", 3, "mx.slice_update({0}, {1}, {2}, {axes})", ints("axes")),
	Pad:                fn("pad", 2, "mx.pad({0}, list(zip({low}, {high})), constant_values={1})", ints("low"), ints("high")),
	Tile:               fn("tile", 1, "mx.tile({0}, {reps})", ints("reps")),
	Repeat:             fn("repeat", 1, "mx.repeat({0}, {n}, axis={axis})", integer("n"), integer("axis")),
	Roll:               fn("roll", 1, "mx.roll({0}, tuple({shift}), tuple({axes}))", ints("shift"), ints("axes")),
	MoveAxis:           fn("moveaxis", 1, "mx.moveaxis({0}, {from}, {to})", integer("from"), integer("to")),
	SwapAxes:           fn("swapaxes", 1, "mx.swapaxes({0}, {a}, {b})", integer("a"), integer("b")),
	Diagonal:           fn("diagonal", 1, "mx.diagonal({0}, {offset}, {axis1}, {axis2})", integer("offset"), integer("axis1"), integer("axis2")),
	Diag:               fn("diag", 1, "mx.diag({0}, {k})", integer("k")),
	Contiguous:         un("contiguous"),
	StopGradient:       un("stop_gradient"),
	Depends:            fn("depends", 2, "mx.depends([{0}], [{1}])[0]"),
	AsStrided:          fn("as_strided", 1, "mx.as_strided({0}, {shape}, {strides}, {offset})", ints("shape"), ints("strides"), integer("offset")),

	Take:          fn("take", 2, "mx.take({0}, {1}, axis={axis})", integer("axis")),
	TakeAlongAxis: fn("take_along_axis", 2, "mx.take_along_axis({0}, {1}, axis={axis})", integer("axis")),
	PutAlongAxis:  fn("put_along_axis", 3, "mx.put_along_axis({0}, {1}, {2}, axis={axis})", integer("axis")),
	Gather:        opt("gather", 2, -1, "{0}[({1*},)]"),
	Scatter:       scatter("scatter", "set"), ScatterAdd: scatter("scatter_add", "add"),
	ScatterProd: scatter("scatter_prod", "multiply"), ScatterMax: scatter("scatter_max", "maximum"),
	ScatterMin: scatter("scatter_min", "minimum"),

	MatMul: bin("matmul"), Inner: bin("inner"), Outer: bin("outer"), Kron: bin("kron"),
	AddMM:     fn("addmm", 3, "mx.addmm({0}, {1}, {2}, {alpha}, {beta})", float("alpha"), float("beta")),
	Linear:    fn("linear", 3, "_linear({0}, {1}, {2})"),
	Einsum:    opt("einsum", 1, -1, "mx.einsum({subscripts}, {0*})", text("subscripts")),
	TensorDot: fn("tensordot", 2, "mx.tensordot({0}, {1}, [{a}, {b}])", ints("a"), ints("b")),
	Softmax:   fn("softmax", 1, "mx.softmax({0}, axis={axes}, precise={precise})", ints("axes"), boolean("precise")),
	LayerNorm: opt("layer_norm", 1, 3, "mx.fast.layer_norm({0}, {1}, {2}, {eps})", float("eps")),
	RMSNorm:   opt("rms_norm", 1, 2, "mx.fast.rms_norm({0}, {1}, {eps})", float("eps")),
	Rope: opt("rope", 1, 3, "_rope({0}, {1}, {2}, {dims}, {traditional}, {base}, {scale}, {offset})",
		integer("dims"), boolean("traditional"), float("base"), float("scale"), integer("offset")),
	ScaledDotProductAttention: opt("scaled_dot_product_attention", 3, 5,
		"_attention({0}, {1}, {2}, {3}, {4}, {scale}, {mask_mode})", float("scale"), text("mask_mode")),
	ConvGeneral: fn("conv_general", 2,
		"mx.conv_general({0}, {1}, {stride}, ({low}, {high}), {kernel_dilation}, {input_dilation}, {groups}, {flip})",
		ints("stride"), ints("low"), ints("high"), ints("kernel_dilation"), ints("input_dilation"), integer("groups"), boolean("flip")),
	ConvTranspose: fn("conv_transpose", 2, "_conv_transpose({0}, {1}, {stride}, {padding}, {dilation}, {output_padding}, {groups})",
		ints("stride"), ints("padding"), ints("dilation"), ints("output_padding"), integer("groups")),
	Quantize: multi(-1, fn("quantize", 1, "mx.quantize({0}, {group_size} or None, {bits} or None, {mode})",
		integer("group_size"), integer("bits"), text("mode"))),
	Dequantize: opt("dequantize", 2, 3, "mx.dequantize({0}, {1}, {2}, {group_size} or None, {bits} or None, {mode}, dtype={dtype})",
		integer("group_size"), integer("bits"), text("mode"), dtype("dtype")),
	QuantizedMatMul: opt("quantized_matmul", 3, 4, "mx.quantized_matmul({0}, {1}, {2}, {3}, {transpose}, {group_size} or None, {bits} or None, {mode})",
		boolean("transpose"), integer("group_size"), integer("bits"), text("mode")),
	GatherMM: opt("gather_mm", 2, 4, "mx.gather_mm({0}, {1}, {2}, {3}, sorted_indices={sorted})", boolean("sorted")),
	BlockMaskedMM: opt("block_masked_mm", 2, 5, "mx.block_masked_mm({0}, {1}, {block}, {2}, {3}, {4})",
		integer("block")),
	SegmentedMM: fn("segmented_mm", 3, "mx.segmented_mm({0}, {1}, {2})"),
	ToFP8:       un("to_fp8"),
	FromFP8:     fn("from_fp8", 1, "mx.from_fp8({0}, {dtype})", dtype("dtype")),
	FFTN:        fft("fftn"), IFFTN: fft("ifftn"), RFFTN: fft("rfftn"), IRFFTN: fft("irfftn"),

	Inv:             fn("linalg_inv", 1, "mx.linalg.inv({0}, stream=mx.cpu)"),
	PInv:            fn("linalg_pinv", 1, "mx.linalg.pinv({0}, stream=mx.cpu)"),
	Cholesky:        fn("linalg_cholesky", 1, "mx.linalg.cholesky({0}, {upper}, stream=mx.cpu)", boolean("upper")),
	Solve:           fn("linalg_solve", 2, "mx.linalg.solve({0}, {1}, stream=mx.cpu)"),
	SolveTriangular: fn("linalg_solve_triangular", 2, "mx.linalg.solve_triangular({0}, {1}, upper={upper}, stream=mx.cpu)", boolean("upper")),
	QR:              multi(2, fn("linalg_qr", 1, "mx.linalg.qr({0}, stream=mx.cpu)")),
	SVD:             multi(3, fn("linalg_svd", 1, "mx.linalg.svd({0}, stream=mx.cpu)")),
	LU:              multi(3, fn("linalg_lu", 1, "_lu({0})")),
	Eigh:            multi(2, fn("linalg_eigh", 1, "mx.linalg.eigh({0}, {uplo}, stream=mx.cpu)", text("uplo"))),
	Eigvalsh:        fn("linalg_eigvalsh", 1, "mx.linalg.eigvalsh({0}, {uplo}, stream=mx.cpu)", text("uplo")),
	Cross:           fn("linalg_cross", 2, "mx.linalg.cross({0}, {1}, {axis})", integer("axis")),

	RandomKey:       fn("random_key", 0, "mx.random.key({seed})", integer("seed")),
	RandomSplit:     fn("random_split", 1, "mx.random.split({0}, {num})", integer("num")),
	RandomUniform:   opt("random_uniform", 2, 3, "mx.random.uniform({0}, {1}, {shape}, {dtype}, {2})", ints("shape"), dtype("dtype")),
	RandomNormal:    opt("random_normal", 0, 1, "mx.random.normal({shape}, {dtype}, {loc}, {scale}, {0})", ints("shape"), dtype("dtype"), float("loc"), float("scale")),
	RandomRandint:   opt("random_randint", 2, 3, "mx.random.randint({0}, {1}, {shape}, {dtype}, {2})", ints("shape"), dtype("dtype")),
	RandomBernoulli: opt("random_bernoulli", 1, 2, "mx.random.bernoulli({0}, {shape}, {1})", ints("shape")),
	RandomGumbel:    opt("random_gumbel", 0, 1, "mx.random.gumbel({shape}, {dtype}, {0})", ints("shape"), dtype("dtype")),
	RandomCategorical: opt("random_categorical", 1, 2, "mx.random.categorical({0}, {axis}, num_samples={num}, key={1})",
		integer("axis"), integer("num")),

	Const:     fn("const", 0, "_c[{index}]", integer("index")),
	DimScalar: fn("dim", 0, "mx.array({value}, {dtype})", integer("value"), dtype("dtype")),
	Dims:      fn("dims", 0, "mx.array({values}, {dtype})", ints("values"), dtype("dtype")),
	ReadInts:  effect("read_ints", 1, "{symbols} = _read_ints({0})", Param{"symbols", SymbolsParam}),
	BindShape: effect("bind_shape", 1, "{symbols} = {0}.shape", Param{"symbols", SymbolsParam}),
	Check:     effect("check", 0, "_check({relation}, {a}, {b}, {what})", text("relation"), integer("a"), integer("b"), text("what")),
	Assert:    effect("assert", 1, "_assert({0}, {what})", text("what")),
	If: multi(-1, opt("if", 1, -1, "_if({0}, {then}, {else}, {n}, [{1*}])",
		program("then"), program("else"), integer("n"))),
	Loop: multi(-1, opt("loop", 2, -1, "_loop({0}, {1}, {body}, {carried}, {scans}, [{2*}])",
		program("body"), integer("carried"), integer("scans"))),
	Compiled:  multi(-1, opt("compiled", 0, -1, "_compiled({program})({0*})", program("program"))),
	Blockwise: multi(-1, opt("blockwise", 0, -1, "{program}({0*})", program("program"))),
	Scan: multi(-1, opt("scan", 1, -1, "_scan({body}, {states}, {sequences}, {scans}, [{0*}])",
		program("body"), integer("states"), integer("sequences"), integer("scans"))),

	NewList:    opt("list", 0, -1, "[{0*}]"),
	ListAppend: fn("list_append", 2, "{0} + [{1}]"),
	ListInsert: fn("list_insert", 2, "_list_insert({0}, {1}, {at})", integer("at")),
	ListErase:  fn("list_erase", 1, "_list_erase({0}, {at})", integer("at")),
	ListAt:     fn("list_at", 1, "{0}[{at}]", integer("at")),
	ListLength: fn("list_length", 1, "mx.array(len({0}), mx.int64)"),
	ListSplit:  opt("list_split", 1, 2, "_list_split({0}, {1}, {axis}, {squeeze})", integer("axis"), boolean("squeeze")),
	ListJoin:   fn("list_join", 1, "(mx.stack if {stack} else mx.concatenate)({0}, axis={axis})", integer("axis"), boolean("stack")),
	Reserve:    fn("reserve", 1, "_reserve({0}, {shape}, {axis}, {length}, {dtype})", ints("shape"), integer("axis"), integer("length"), dtype("dtype")),
}

// String is the call's name.
func (c CallID) String() string { return Calls[c].Name }
