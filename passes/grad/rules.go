package grad

import "github.com/emilyc/emily/ir"

// Rules are the kinds that have a derivative; a rule gives cotangents to the operands that want one.
var Rules = [ir.NumKinds]Rule{
	ir.Abs: gradAbs, ir.Neg: gradNeg,
	ir.Sqrt: gradSqrt, ir.Rsqrt: gradRsqrt, ir.Reciprocal: gradReciprocal,
	ir.Exp: gradExp, ir.Log: gradLog,
	ir.Sin: gradSin, ir.Cos: gradCos, ir.Tan: gradTan,
	ir.Asin: gradAsin, ir.Acos: gradAcos, ir.Atan: gradAtan,
	ir.Sinh: gradSinh, ir.Cosh: gradCosh, ir.Tanh: gradTanh,
	ir.Asinh: gradAsinh, ir.Acosh: gradAcosh, ir.Atanh: gradAtanh, ir.Erf: gradErf,
	ir.Sigmoid: gradSigmoid, ir.Relu: gradRelu, ir.Softplus: gradSoftplus,
	ir.Gelu: gradGelu, ir.Silu: gradSilu, ir.Mish: gradMish,
	ir.LeakyRelu: gradLeakyRelu, ir.Elu: gradElu,
	ir.HardSigmoid: gradHardSigmoid, ir.HardSwish: gradHardSwish,
	ir.GLU:  gradGLU,
	ir.Cast: gradCast,
	ir.Add:  gradAdd, ir.Sub: gradSub, ir.Mul: gradMul, ir.Div: gradDiv,
	ir.Pow: gradPow, ir.Mod: gradMod, ir.Min: gradExtreme, ir.Max: gradExtreme, ir.Where: gradWhere,

	ir.ReduceSum: gradReduceSum, ir.ReduceMean: gradReduceMean,
	ir.ReduceMax: gradReduceExtreme, ir.ReduceMin: gradReduceExtreme, ir.ReduceProd: gradReduceProd,
	ir.CumSum: gradCumSum, ir.CumProd: gradCumProd,

	ir.Reshape: gradReshape, ir.Transpose: gradTranspose, ir.Expand: gradExpand,
	ir.Unsqueeze: gradUnsqueeze, ir.Squeeze: gradSqueeze,
	ir.Concat: gradConcat, ir.Slice: gradSlice, ir.Split: gradSplit, ir.Pad: gradPad, ir.Tile: gradTile,
	ir.Range: gradRange, ir.Trilu: gradTrilu,

	ir.Gather: gradGather, ir.GatherElements: gradGatherElements, ir.GatherND: gradGatherND,
	ir.ScatterElements: gradScatterElements, ir.ScatterND: gradScatterND,
	ir.TopK: gradTopK, ir.Unique: gradUnique,

	ir.MatMul: gradMatMul, ir.Linear: gradLinear, ir.Det: gradDet,
	ir.Conv: gradConv, ir.MaxPool: gradMaxPool, ir.AveragePool: gradAveragePool,

	ir.Softmax: gradSoftmax, ir.LogSoftmax: gradLogSoftmax,
	ir.LayerNorm: gradLayerNorm, ir.RMSNorm: gradLayerNorm, ir.BatchNorm: gradBatchNorm,

	ir.Attention: gradAttention, ir.Rope: gradRope,

	ir.MakeSequence: gradMakeSequence, ir.SequenceInsert: gradSequenceInsert, ir.SequenceErase: gradSequenceErase,
	ir.SequenceAt: gradSequenceAt, ir.SplitToSequence: gradSplitToSequence, ir.ConcatFromSequence: gradConcatFromSequence,
	ir.MakeOptional: gradMakeOptional, ir.OptionalGet: gradOptionalGet,

	ir.If: gradIf, ir.Loop: gradLoop, ir.Scan: gradScan,
	ir.Assert: gradAssert, ir.Depends: gradDepends,
}

// The reasons of Exempt.
const (
	discrete = "its results are integers, bools or strings"
	steps    = "piecewise constant: the derivative is 0 where there is one"
	noInput  = "no float operands"
	maps     = "maps have no cotangents"
)

// Exempt are the kinds without a rule, and why: a gradient does not pass through them.
var Exempt = [ir.NumKinds]string{
	ir.Const: noInput, ir.Yield: "ends a region; what holds the region has the rule",
	ir.Sign: steps, ir.Ceil: steps, ir.Floor: steps, ir.Round: steps,
	ir.Not: discrete, ir.BitNot: discrete, ir.IsNaN: discrete, ir.IsInf: discrete,
	ir.BitCast:      "speaks of bits, not of numbers",
	ir.StopGradient: "that is what it is for",
	ir.And:          discrete, ir.Or: discrete, ir.Xor: discrete,
	ir.BitAnd: discrete, ir.BitOr: discrete, ir.BitXor: discrete, ir.ShiftLeft: discrete, ir.ShiftRight: discrete,
	ir.Equal: discrete, ir.Less: discrete, ir.LessEqual: discrete,
	ir.ArgMax: discrete, ir.ArgMin: discrete,
	ir.ShapeOf: discrete, ir.Dims: discrete, ir.NonZero: discrete,
	ir.StringNormalize: discrete, ir.StringConcat: discrete, ir.StringSplit: discrete, ir.RegexMatch: discrete,
	ir.Ngrams:  steps,
	ir.ZipMaps: maps, ir.MapLookup: maps, ir.MapValues: maps,
	ir.SequenceLength: discrete, ir.OptionalHas: discrete,
	ir.RandomUniform: noInput, ir.DecodeImage: discrete,
}
