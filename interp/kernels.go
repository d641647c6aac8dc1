package interp

import "github.com/emilyc/emily/ir"

// Kernel computes the results of an op from its operands, nil where one is absent. Operands have the dtypes and ranks
// of the op's types, and their sizes are what they are: a kernel checks what it relies on, and never changes an operand.
type Kernel func(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error)

// Kernels has a kernel for every kind.
var Kernels [ir.NumKinds]Kernel

// The table is filled here and not where it is declared, since control flow runs kernels.
func init() { Kernels = kernelTable() }

func kernelTable() [ir.NumKinds]Kernel {
	return [ir.NumKinds]Kernel{
		ir.Const: evalConst,
		ir.Yield: evalYield,

		ir.Abs:         evalUnary,
		ir.Neg:         evalUnary,
		ir.Sign:        evalUnary,
		ir.Ceil:        evalUnary,
		ir.Floor:       evalUnary,
		ir.Round:       evalUnary,
		ir.Sqrt:        evalUnary,
		ir.Rsqrt:       evalUnary,
		ir.Reciprocal:  evalUnary,
		ir.Exp:         evalUnary,
		ir.Log:         evalUnary,
		ir.Sin:         evalUnary,
		ir.Cos:         evalUnary,
		ir.Tan:         evalUnary,
		ir.Asin:        evalUnary,
		ir.Acos:        evalUnary,
		ir.Atan:        evalUnary,
		ir.Sinh:        evalUnary,
		ir.Cosh:        evalUnary,
		ir.Tanh:        evalUnary,
		ir.Asinh:       evalUnary,
		ir.Acosh:       evalUnary,
		ir.Atanh:       evalUnary,
		ir.Erf:         evalUnary,
		ir.Not:         evalUnary,
		ir.BitNot:      evalUnary,
		ir.IsNaN:       evalIsNaN,
		ir.IsInf:       evalIsInf,
		ir.Sigmoid:     evalUnary,
		ir.Relu:        evalUnary,
		ir.Softplus:    evalUnary,
		ir.Gelu:        evalGelu,
		ir.Silu:        evalUnary,
		ir.LeakyRelu:   evalAlpha,
		ir.Elu:         evalAlpha,
		ir.HardSigmoid: evalAlpha,
		ir.HardSwish:   evalUnary,
		ir.Cast:        evalCast,

		ir.Add:        evalBinary,
		ir.Sub:        evalBinary,
		ir.Mul:        evalBinary,
		ir.Div:        evalDiv,
		ir.Pow:        evalPow,
		ir.Mod:        evalMod,
		ir.Min:        evalBinary,
		ir.Max:        evalBinary,
		ir.And:        evalBinary,
		ir.Or:         evalBinary,
		ir.Xor:        evalBinary,
		ir.BitAnd:     evalBinary,
		ir.BitOr:      evalBinary,
		ir.BitXor:     evalBinary,
		ir.ShiftLeft:  evalShift,
		ir.ShiftRight: evalShift,
		ir.Equal:      evalCompare,
		ir.Less:       evalCompare,
		ir.LessEqual:  evalCompare,
		ir.Where:      evalWhere,

		ir.ReduceSum:  evalReduce,
		ir.ReduceMean: evalReduce,
		ir.ReduceMax:  evalReduce,
		ir.ReduceMin:  evalReduce,
		ir.ReduceProd: evalReduce,
		ir.ArgMax:     evalArg,
		ir.ArgMin:     evalArg,
		ir.CumSum:     evalCumSum,

		ir.ShapeOf:   evalShapeOf,
		ir.Dims:      evalDims,
		ir.Reshape:   evalReshape,
		ir.Transpose: evalTranspose,
		ir.Expand:    evalExpand,
		ir.Unsqueeze: evalUnsqueeze,
		ir.Squeeze:   evalSqueeze,
		ir.Concat:    evalConcat,
		ir.Slice:     evalSlice,
		ir.Split:     evalSplit,
		ir.Pad:       evalPad,
		ir.Tile:      evalTile,
		ir.Range:     evalRange,
		ir.Trilu:     evalTrilu,

		ir.Gather:          evalGather,
		ir.GatherElements:  evalGatherElements,
		ir.GatherND:        evalGatherND,
		ir.ScatterElements: evalScatterElements,
		ir.ScatterND:       evalScatterND,

		ir.MatMul: evalMatMul,

		ir.Conv:        evalConv,
		ir.MaxPool:     evalMaxPool,
		ir.AveragePool: evalAveragePool,

		ir.Softmax:    evalSoftmax,
		ir.LogSoftmax: evalSoftmax,
		ir.LayerNorm:  evalLayerNorm,
		ir.RMSNorm:    evalLayerNorm,
		ir.BatchNorm:  evalBatchNorm,

		ir.If:   evalIf,
		ir.Loop: evalLoop,
		ir.Scan: evalScan,
	}
}
