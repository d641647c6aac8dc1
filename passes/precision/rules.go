package precision

import "github.com/emilyc/emily/ir"

// use says when ops of a kind compute in half.
type use uint8

const (
	never   use = iota
	follows     // where every operand may be rounded
	product     // and where operands are worth more: what it sums hides their rounding
)

type rule struct {
	use   use
	keeps func(op *ir.Op, i int) bool // operands that stay f32 nevertheless; nil for none
}

// mask is the operand of attention that is added to its scores.
const mask = 3

// rules say what becomes half. MLX sums products, norms, softmax and attention of halves in f32; where its call does not, the
// lowering casts. Kinds that are not here sum or amplify: exp, pow, rsqrt, log_softmax of which losses are means, reductions, scans.
var rules = [ir.NumKinds]rule{
	ir.MatMul: {use: product}, ir.Linear: {use: product}, ir.Conv: {use: product}, ir.Attention: {use: product},
	ir.Rope: {use: product, keeps: isFrequency},

	ir.Softmax: {use: follows}, ir.LayerNorm: {use: follows}, ir.RMSNorm: {use: follows},
	ir.BatchNorm: {use: follows, keeps: isStatistic},

	ir.Abs: {use: follows}, ir.Neg: {use: follows}, ir.Erf: {use: follows}, ir.Tanh: {use: follows}, ir.Sigmoid: {use: follows},
	ir.Relu: {use: follows}, ir.Gelu: {use: follows}, ir.Silu: {use: follows}, ir.GLU: {use: follows}, ir.LeakyRelu: {use: follows}, ir.Elu: {use: follows},
	ir.HardSigmoid: {use: follows}, ir.HardSwish: {use: follows}, ir.Mish: {use: follows}, ir.Softplus: {use: follows}, ir.StopGradient: {use: follows},
	ir.Add: {use: follows}, ir.Sub: {use: follows}, ir.Mul: {use: follows}, ir.Div: {use: follows}, ir.Min: {use: follows}, ir.Max: {use: follows},
	ir.Where: {use: follows},

	ir.Reshape: {use: follows}, ir.Transpose: {use: follows}, ir.Expand: {use: follows}, ir.Unsqueeze: {use: follows}, ir.Squeeze: {use: follows},
	ir.Concat: {use: follows}, ir.Slice: {use: follows}, ir.Split: {use: follows}, ir.Pad: {use: follows}, ir.Tile: {use: follows}, ir.Trilu: {use: follows},
	ir.Gather: {use: follows}, ir.GatherElements: {use: follows}, ir.GatherND: {use: follows},
	ir.ReduceMax: {use: follows}, ir.ReduceMin: {use: follows}, ir.MaxPool: {use: follows},
}

// bounded are the kinds whose results may be rounded however exact their operands are: positions end in sines and cosines.
var bounded = [ir.NumKinds]bool{ir.Sin: true, ir.Cos: true, ir.Tanh: true, ir.Sigmoid: true, ir.Softmax: true, ir.Erf: true}

// isFrequency: angles are offsets times frequencies.
func isFrequency(op *ir.Op, i int) bool { return i == 2 && op.Args[1].DType().IsInt() }

func isStatistic(_ *ir.Op, i int) bool { return i > 0 }

// isSquare: a square leaves the range of f16 for numbers past 255.
func isSquare(op *ir.Op) bool { return op.Kind == ir.Mul && op.Args[0] == op.Args[1] }
