package export

import "github.com/emilyc/emily/ir"

// Rule makes the nodes of an op, by g.emit or g.identity for its results and g.one for what comes between.
type Rule func(g *graph, op *ir.Op)

// Rules is the table of all rules.
var Rules = [ir.NumKinds]Rule{
	ir.Const: exportConst,

	ir.Abs: simple("Abs"), ir.Neg: exportNeg, ir.Sign: simple("Sign"),
	ir.Ceil: simple("Ceil"), ir.Floor: simple("Floor"), ir.Round: simple("Round"),
	ir.Sqrt: simple("Sqrt"), ir.Rsqrt: exportRsqrt, ir.Reciprocal: simple("Reciprocal"),
	ir.Exp: simple("Exp"), ir.Log: simple("Log"), ir.Sin: simple("Sin"), ir.Cos: simple("Cos"), ir.Tan: simple("Tan"),
	ir.Asin: simple("Asin"), ir.Acos: simple("Acos"), ir.Atan: simple("Atan"),
	ir.Sinh: simple("Sinh"), ir.Cosh: simple("Cosh"), ir.Tanh: simple("Tanh"),
	ir.Asinh: simple("Asinh"), ir.Acosh: simple("Acosh"), ir.Atanh: simple("Atanh"),
	ir.Erf: simple("Erf"), ir.Not: simple("Not"), ir.BitNot: simple("BitwiseNot"),
	ir.IsNaN: simple("IsNaN"), ir.IsInf: exportIsInf, ir.Sigmoid: simple("Sigmoid"),
	ir.Relu: exportRelu, ir.Softplus: simple("Softplus"), ir.Gelu: exportActivation,
	ir.Silu: exportActivation, ir.LeakyRelu: alpha("LeakyRelu"), ir.Elu: alpha("Elu"),
	ir.HardSigmoid: exportHardSigmoid, ir.HardSwish: simple("HardSwish"), ir.Mish: simple("Mish"),
	ir.Cast: exportCast, ir.BitCast: exportBitCast,

	ir.Add: simple("Add"), ir.Sub: simple("Sub"), ir.Mul: simple("Mul"), ir.Div: simple("Div"),
	ir.Pow: simple("Pow"), ir.Mod: exportMod, ir.Min: simple("Min"), ir.Max: simple("Max"),
	ir.And: simple("And"), ir.Or: simple("Or"), ir.Xor: simple("Xor"),
	ir.BitAnd: simple("BitwiseAnd"), ir.BitOr: simple("BitwiseOr"), ir.BitXor: simple("BitwiseXor"),
	ir.ShiftLeft: shift("LEFT"), ir.ShiftRight: shift("RIGHT"),
	ir.GLU:   exportGLU,
	ir.Equal: simple("Equal"), ir.Less: simple("Less"), ir.LessEqual: simple("LessOrEqual"), ir.Where: simple("Where"),

	ir.ReduceSum: reduction("ReduceSum"), ir.ReduceMean: reduction("ReduceMean"), ir.ReduceProd: reduction("ReduceProd"),
	ir.ReduceMax: reduction("ReduceMax"), ir.ReduceMin: reduction("ReduceMin"),
	ir.ArgMax: argument("ArgMax"), ir.ArgMin: argument("ArgMin"), ir.CumSum: cumulative("CumSum"), ir.CumProd: cumulative("CumProd"),

	ir.ShapeOf: simple("Shape"), ir.Dims: exportDims, ir.Reshape: exportReshape,
	ir.Transpose: exportTranspose, ir.Expand: simple("Expand"), ir.Unsqueeze: axes("Unsqueeze"),
	ir.Squeeze: axes("Squeeze"), ir.Concat: axis("Concat"), ir.Slice: exportSlice,
	ir.Split: exportSplit, ir.Pad: exportPad, ir.Tile: simple("Tile"), ir.Range: simple("Range"), ir.Trilu: exportTrilu,

	ir.Gather: axis("Gather"), ir.GatherElements: axis("GatherElements"), ir.GatherND: exportGatherND,
	ir.ScatterElements: exportScatterElements, ir.ScatterND: exportScatterND,
	ir.TopK: exportTopK, ir.NonZero: simple("NonZero"), ir.Unique: exportUnique,

	ir.MatMul: simple("MatMul"), ir.Linear: exportLinear, ir.Det: simple("Det"),

	ir.Conv: exportConv, ir.MaxPool: exportMaxPool, ir.AveragePool: exportAveragePool,

	ir.Softmax: axis("Softmax"), ir.LogSoftmax: axis("LogSoftmax"), ir.LayerNorm: exportLayerNorm,
	ir.RMSNorm: exportRMSNorm, ir.BatchNorm: exportBatchNorm,

	ir.Attention: exportAttention, ir.Rope: exportRope,

	ir.StringNormalize: exportStringNormalize, ir.StringConcat: simple("StringConcat"),
	ir.StringSplit: exportStringSplit, ir.RegexMatch: exportRegexMatch, ir.Ngrams: exportNgrams,

	ir.MakeSequence: exportMakeSequence, ir.SequenceInsert: simple("SequenceInsert"), ir.SequenceErase: simple("SequenceErase"),
	ir.SequenceAt: simple("SequenceAt"), ir.SequenceLength: simple("SequenceLength"), ir.SplitToSequence: exportSplitToSequence,
	ir.ConcatFromSequence: exportConcatFromSequence, ir.MakeOptional: exportMakeOptional,
	ir.OptionalHas: simple("OptionalHasElement"), ir.OptionalGet: simple("OptionalGetElement"),
	ir.ZipMaps: exportZipMaps, ir.MapLookup: exportMapLookup, ir.MapValues: exportMapValues,

	ir.RandomUniform: exportRandomUniform, ir.DecodeImage: exportDecodeImage,

	ir.If: exportIf, ir.Loop: exportLoop, ir.Scan: exportScan,

	ir.StopGradient: simple("Identity"), ir.Depends: exportDepends,
}

// Exempt says why a kind has no rule.
var Exempt = [ir.NumKinds]string{
	ir.NoKind: "no op",
	ir.Yield:  "the end of a region, whose results the region's rule takes",
	ir.Assert: "no operator raises an error of its own",
}
