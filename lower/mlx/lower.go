package mlx

import (
	"fmt"

	"github.com/emilyc/emily/ir"
)

// Device is the kind of device that a plan is for.
type Device string

// The devices. A GPU has no float64, no 64-bit scatter and no integer matmul.
const (
	CPU Device = "cpu"
	GPU Device = "gpu"
)

// Fallback says what becomes of ops that MLX cannot run.
type Fallback string

// The policies. Warn and Silent make the same stages; whoever prints the islands tells them apart.
const (
	FallbackWarn   Fallback = "warn"
	FallbackError  Fallback = "error"
	FallbackSilent Fallback = "silent"
)

// Options of Lower and LowerStages. The zero Options are for the CPU, with host islands allowed.
type Options struct {
	Device   Device
	Fallback Fallback
	Tuning   Tuning
}

// Switch says whether a step of lowering is taken.
type Switch uint8

// The positions. WherePays is the default: a step is taken for the device for which it is made.
const (
	WherePays Switch = iota
	On
	Off
)

// Tuning are steps that change the speed of a plan, and its results by roundings only. See docs/lowering.md. All but the last are made
// for GPUs, where launches of kernels cost what they do not on a CPU.
type Tuning struct {
	Stretches Switch // stretches of elementwise calls are compiled
	Columns   Switch // matrices of weights are turned, when a plan is loaded, so that their columns are contiguous
	Packing   Switch // products of one operand become one product
	Vectors   Switch // a product of a single row and the sum behind it are two calls
	Blocks    Switch // on a CPU, stretches of elementwise calls on large arrays are one pass over memory; not where Stretches are taken
}

func (o Options) takes(s Switch, on Device) bool { return s == On || s == WherePays && o.Device == on }

// Rule makes the MLX calls for ops of one kind.
type Rule struct {
	Lower func(l *lowering, op *ir.Op)
	// Layout: the rule asks arg, set and axis for everything, so that it may run with channels last.
	Layout bool
	// Moves: the rule only moves elements, of any dtype that MLX can store.
	Moves bool
	// Limit says why this op cannot be lowered, "" when it can; nil means that every op can.
	Limit func(op *ir.Op, opts Options) string
}

// Rules is the table of all rules.
var Rules = [ir.NumKinds]Rule{
	ir.Const: {Lower: lowerConst, Moves: true},

	ir.Abs: unary(Abs), ir.Neg: unary(Negative), ir.Sign: anyLayout(lowerSign),
	ir.Ceil: unary(Ceil), ir.Floor: unary(Floor), ir.Round: unary(Round),
	ir.Sqrt: unary(Sqrt), ir.Rsqrt: unary(Rsqrt), ir.Reciprocal: unary(Reciprocal),
	ir.Exp: anyLayout(lowerExp), ir.Log: unary(Log), ir.Sin: unary(Sin), ir.Cos: unary(Cos), ir.Tan: unary(Tan),
	ir.Asin: unary(Arcsin), ir.Acos: unary(Arccos), ir.Atan: unary(Arctan),
	ir.Sinh: unary(Sinh), ir.Cosh: unary(Cosh), ir.Tanh: unary(Tanh),
	ir.Asinh: unary(Arcsinh), ir.Acosh: unary(Arccosh), ir.Atanh: unary(Arctanh),
	ir.Erf: unary(Erf), ir.Not: unary(LogicalNot), ir.BitNot: unary(BitwiseInvert),
	ir.IsNaN: unary(IsNaN), ir.IsInf: anyLayout(lowerIsInf), ir.Sigmoid: unary(Sigmoid),
	ir.Relu: anyLayout(lowerRelu), ir.Softplus: anyLayout(lowerSoftplus), ir.Gelu: anyLayout(lowerGate),
	ir.Silu: anyLayout(lowerGate), ir.LeakyRelu: anyLayout(lowerLeakyRelu), ir.Elu: anyLayout(lowerElu),
	ir.HardSigmoid: anyLayout(lowerHardSigmoid), ir.HardSwish: anyLayout(lowerHardSwish),
	ir.Mish: anyLayout(lowerMish),
	ir.Cast: {Lower: lowerCast, Layout: true, Moves: true, Limit: limitCast}, ir.BitCast: {Lower: lowerBitCast, Layout: true, Moves: true},
	ir.StopGradient: {Lower: unary(StopGradient).Lower, Layout: true, Moves: true},

	ir.Add: binary(Add), ir.Sub: binary(Subtract), ir.Mul: binary(Multiply), ir.Div: anyLayout(lowerDiv),
	ir.Pow: {Lower: lowerPow, Layout: true, Limit: limitPow}, ir.Mod: anyLayout(lowerMod), ir.Min: binary(Minimum), ir.Max: binary(Maximum),
	ir.And: binary(LogicalAnd), ir.Or: binary(LogicalOr), ir.Xor: binary(NotEqual),
	ir.BitAnd: binary(BitwiseAnd), ir.BitOr: binary(BitwiseOr), ir.BitXor: binary(BitwiseXor),
	ir.ShiftLeft: anyLayout(lowerShift), ir.ShiftRight: anyLayout(lowerShift),
	ir.GLU:   anyLayout(lowerGLU),
	ir.Equal: binary(Equal), ir.Less: binary(Less), ir.LessEqual: binary(LessEqual),
	ir.Where: {Lower: lowerWhere, Layout: true, Moves: true},

	ir.ReduceSum: reduction(lowerSum), ir.ReduceMean: reduction(lowerMean), ir.ReduceProd: reduction(lowerSum),
	ir.ReduceMax: reduction(lowerMax), ir.ReduceMin: reduction(lowerMax),
	ir.ArgMax: {Lower: lowerArg}, ir.ArgMin: {Lower: lowerArg}, ir.CumSum: {Lower: lowerCum}, ir.CumProd: {Lower: lowerCum},

	ir.ShapeOf: moves(lowerShapeOf), ir.Dims: moves(lowerDims), ir.Reshape: moves(lowerReshape),
	ir.Transpose: moves(lowerTranspose), ir.Expand: moves(lowerExpand), ir.Unsqueeze: moves(lowerUnsqueeze),
	ir.Squeeze: moves(lowerSqueeze), ir.Concat: {Lower: lowerConcat, Layout: true, Moves: true}, ir.Slice: {Lower: lowerSlice, Layout: true, Moves: true},
	ir.Split: {Lower: lowerSplit, Layout: true, Moves: true}, ir.Pad: {Lower: lowerPad, Layout: true, Moves: true},
	ir.Tile: moves(lowerTile), ir.Range: {Lower: lowerRange}, ir.Trilu: moves(lowerTrilu),

	ir.Gather: {Lower: lowerGather, Layout: true, Moves: true}, ir.GatherElements: moves(lowerGatherElements), ir.GatherND: moves(lowerGatherND),
	ir.ScatterElements: {Lower: lowerScatterElements, Limit: limitScatter},
	ir.ScatterND:       {Lower: lowerScatterND, Limit: limitScatter},
	ir.TopK:            {Lower: lowerTopK}, ir.NonZero: {Lower: lowerNonZero, Limit: limitFlat}, ir.Unique: {Lower: lowerUnique, Limit: limitUnique},

	ir.MatMul: {Lower: lowerMatMul, Limit: limitMatMul}, ir.Linear: {Lower: lowerLinear}, ir.Det: {Lower: lowerDet},

	ir.Conv: {Lower: lowerConv}, ir.MaxPool: {Lower: lowerMaxPool, Limit: limitMaxPool}, ir.AveragePool: {Lower: lowerAveragePool},

	ir.Softmax: anyLayout(lowerSoftmax), ir.LogSoftmax: anyLayout(lowerLogSoftmax), ir.LayerNorm: {Lower: lowerLayerNorm},
	ir.RMSNorm: {Lower: lowerRMSNorm}, ir.BatchNorm: anyLayout(lowerBatchNorm),

	ir.Attention: {Lower: lowerAttention}, ir.Rope: {Lower: lowerRope},

	ir.MakeSequence: moves(lowerNewList), ir.SequenceInsert: moves(lowerSequenceInsert), ir.SequenceErase: moves(lowerSequenceErase),
	ir.SequenceAt: moves(lowerSequenceAt), ir.SequenceLength: moves(lowerSequenceLength), ir.SplitToSequence: moves(lowerSplitToSequence),
	ir.ConcatFromSequence: moves(lowerConcatFromSequence), ir.MakeOptional: moves(lowerNewList), ir.OptionalHas: moves(lowerOptionalHas),
	ir.OptionalGet: moves(lowerOptionalGet),

	ir.Ngrams: {Lower: lowerNgrams, Limit: limitNgrams},

	ir.Depends: moves(lowerDepends), ir.Assert: moves(lowerAssert), ir.If: moves(lowerIf), ir.Loop: moves(lowerLoop), ir.Scan: moves(lowerScan),
}

// hostText is why ops on strings run in the interpreter.
const hostText = "host only: MLX has no strings"

// hostMaps is why maps run in the interpreter.
const hostMaps = "host only: MLX has no maps"

// Exempt says why a kind has no rule.
var Exempt = [ir.NumKinds]string{
	ir.NoKind: "no op",
	ir.Yield:  "the end of a region, whose results the region's rule takes",

	ir.StringNormalize: hostText,
	ir.StringConcat:    hostText,
	ir.StringSplit:     hostText,
	ir.RegexMatch:      hostText,

	ir.ZipMaps:   hostMaps,
	ir.MapLookup: hostMaps,
	ir.MapValues: hostMaps,

	ir.RandomUniform: "host only: MLX's generators give other numbers than ONNX's recorded cases have",
	ir.DecodeImage:   "host only: MLX decodes no images",
}

// anyLayout is a rule for an elementwise kind.
func anyLayout(f func(*lowering, *ir.Op)) Rule { return Rule{Lower: f, Layout: true} }

// moves is a rule that does no arithmetic.
func moves(f func(*lowering, *ir.Op)) Rule { return Rule{Lower: f, Moves: true} }

// Unsupported is an op that MLX cannot run.
type Unsupported struct {
	Op     *ir.Op
	Reason string
}

func (u *Unsupported) Error() string {
	return fmt.Sprintf("%s: MLX cannot run %s: %s; with another fallback than %q it runs in the interpreter",
		u.Op.Location(), u.Op.Kind, u.Reason, FallbackError)
}

// unsupported says why op cannot be lowered, "" when it can. An op with regions is as able as the ops in them.
func unsupported(op *ir.Op, opts Options) string {
	rule := &Rules[op.Kind]
	if rule.Lower == nil {
		return Exempt[op.Kind]
	}
	for _, list := range [2][]*ir.Value{op.Args, op.Results} {
		for _, v := range list {
			if v == nil {
				continue
			}
			if why := unsupportedType(v.Type, rule.Moves, opts); why != "" {
				return why
			}
		}
	}
	if rule.Limit != nil {
		if why := rule.Limit(op, opts); why != "" {
			return why
		}
	}
	for _, r := range op.Regions {
		for _, sub := range r.Ops {
			if sub.Kind == ir.Yield {
				continue
			}
			if why := unsupported(sub, opts); why != "" {
				return fmt.Sprintf("in its body, %s: %s", sub.Kind, why)
			}
		}
	}
	return ""
}

// unsupportedType says why MLX has no values of type t, or no arithmetic on them.
func unsupportedType(t ir.Type, moves bool, opts Options) string {
	if err := canHold(t); err != nil {
		return err.Error()
	}
	d := ElementDType(t)
	s, _ := Storage(d)
	switch {
	case s != d && !moves:
		return "MLX has no arithmetic on " + d.String()
	case d == ir.F64 && opts.Device == GPU:
		return "float64 is there on the CPU only"
	}
	return ""
}

// Lower makes the Plan of m's main function. An op that MLX cannot run is an *Unsupported error: LowerStages
// runs such ops elsewhere.
func Lower(m *ir.Module, opts Options) (*Plan, error) {
	f, err := lowerable(m, opts)
	if err != nil {
		return nil, err
	}
	l := newLowering(m, opts)
	l.inputs(f.Inputs(), f.Body.Facts.List)
	for _, op := range f.Body.Ops {
		l.lower(op)
	}
	for i, v := range f.Results() {
		l.b.Output(f.Outputs[i], v.Type, l.reg(v))
	}
	return l.b.Finish()
}

// lowerable is m's main function, of which MLX can run every op.
func lowerable(m *ir.Module, opts Options) (*ir.Func, error) {
	f := m.Main()
	if f == nil {
		return nil, fmt.Errorf("%s: the module has no function", m.Name)
	}
	for _, op := range f.Body.Ops {
		if op.Kind == ir.Yield {
			continue
		}
		if why := unsupported(op, opts); why != "" {
			return nil, &Unsupported{op, why}
		}
	}
	return f, nil
}
