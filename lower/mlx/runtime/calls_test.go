package runtime

import (
	"fmt"
	"testing"

	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/lower/mlx"
)

// everyCall builds calls of every kind; covered collects which.
type everyCall struct {
	b       *mlx.Builder
	covered map[mlx.CallID]bool
}

// out makes an output of dtype d and any shape of the given rank.
func (e *everyCall) out(d ir.DType, rank int, op mlx.CallID, args ...any) {
	e.outs([]ir.DType{d}, []int{rank}, op, args...)
}

func (e *everyCall) outs(d []ir.DType, rank []int, op mlx.CallID, args ...any) {
	e.covered[op] = true
	for i, r := range e.b.CallN(op, len(d), args...) {
		shape := make(ir.Shape, rank[i])
		for k := range shape {
			shape[k] = ir.Sym(fmt.Sprintf("%s%d_%d", op, i, k))
		}
		e.b.Output(fmt.Sprintf("%s %d", op, i), ir.TensorOf(d[i], shape...), r)
	}
}

func (e *everyCall) elementwise(x, y, i, j, p mlx.Reg) {
	for op := mlx.Abs; op <= mlx.Copy; op++ {
		switch op {
		case mlx.BitwiseInvert:
			e.out(ir.I32, 2, op, i)
		case mlx.LogicalNot, mlx.IsNaN, mlx.IsInf, mlx.IsPosInf, mlx.IsNegInf, mlx.IsFinite:
			e.out(ir.Bool, 2, op, x)
		case mlx.Real, mlx.Imag:
			e.out(ir.F32, 2, op, e.b.Call(mlx.AsType, x, ir.C64))
		case mlx.Arccosh:
			e.out(ir.F32, 2, op, e.b.Call(mlx.Exp, p))
		default:
			e.out(ir.F32, 2, op, p)
		}
	}
	for op := mlx.Add; op <= mlx.RightShift; op++ {
		switch {
		case mlx.Equal <= op && op <= mlx.LogicalOr:
			e.out(ir.Bool, 2, op, x, y)
		case mlx.BitwiseAnd <= op && op <= mlx.RightShift:
			e.out(ir.I32, 2, op, i, j)
		default:
			e.out(ir.F32, 2, op, p, y)
		}
	}
	e.out(ir.F32, 2, mlx.Where, e.b.Call(mlx.Less, x, y), x, y)
	e.out(ir.F32, 2, mlx.Clip, x, mlx.Absent, y)
	e.out(ir.F32, 2, mlx.NaNToNum, e.b.Call(mlx.Log, x), 1.5, 9.0, -3.0)
	e.out(ir.I8, 2, mlx.AsType, i, ir.I8)
	e.out(ir.U16, 2, mlx.View, x, ir.U16)
}

func (e *everyCall) reductions(x, i mlx.Reg) {
	for op := mlx.Sum; op <= mlx.Median; op++ {
		d := ir.F32
		if op == mlx.All || op == mlx.Any {
			d = ir.Bool
		}
		e.out(d, 2, op, x, []int{1}, true)
	}
	e.out(ir.F32, 0, mlx.Var, x, []int{0, 1}, false, 1)
	e.out(ir.F32, 1, mlx.Std, x, []int{-1}, false, 0)
	e.out(ir.U32, 1, mlx.ArgMax, x, 1, false)
	e.out(ir.U32, 2, mlx.ArgMin, x, 0, true)
	for op := mlx.CumSum; op <= mlx.LogCumSumExp; op++ {
		e.out(ir.F32, 2, op, x, 1, true, op == mlx.CumSum)
	}
	e.out(ir.F32, 2, mlx.Sort, x, 1)
	e.out(ir.U32, 2, mlx.ArgSort, x, 1)
	e.out(ir.F32, 2, mlx.Partition, x, 1, 1)
	e.out(ir.U32, 2, mlx.ArgPartition, x, 1, 1)
	e.out(ir.F32, 2, mlx.TopK, x, 2, 1)
	_ = i
}

func (e *everyCall) creation(x mlx.Reg) {
	b := e.b
	e.out(ir.F16, 2, mlx.Full, b.Scalar(ir.F32, 2.5), []int{2, 2}, ir.F16)
	e.out(ir.I32, 1, mlx.Zeros, []int{3}, ir.I32)
	e.out(ir.BF16, 1, mlx.Ones, []int{3}, ir.BF16)
	e.out(ir.I64, 1, mlx.Arange, 7, -4, -3, ir.I64)
	e.out(ir.F32, 1, mlx.Linspace, 0.0, 1.0, 5, ir.F32)
	e.out(ir.F32, 2, mlx.Eye, 2, 3, 1, ir.F32)
	e.out(ir.F32, 2, mlx.Tri, 2, 3, -1, ir.F32)
	e.out(ir.F32, 2, mlx.Tril, x, 0)
	e.out(ir.F32, 2, mlx.Triu, x, 1)
	for op := mlx.Hanning; op <= mlx.Blackman; op++ {
		e.out(ir.F32, 1, op, 6)
	}
}

func (e *everyCall) shapes(x, y mlx.Reg) {
	b := e.b
	at := func(v ...int32) mlx.Reg { return b.Tensor(ir.TensorFrom(v)) }
	e.out(ir.F32, 2, mlx.Transpose, x, []int{1, 0})
	e.out(ir.F32, 1, mlx.Reshape, x, ir.Shape{ir.Sym("n").Mul(ir.Sym("m"))})
	e.out(ir.F32, 3, mlx.BroadcastTo, x, []int{2, 2, 3})
	e.out(ir.F32, 4, mlx.ExpandDims, x, []int{0, 3})
	e.out(ir.F32, 1, mlx.Squeeze, b.Call(mlx.Slice, x, []int{0, 0}, []int{1, 3}, []int{1, 1}), []int{0})
	e.out(ir.F32, 1, mlx.Flatten, x, 0, 1)
	e.out(ir.F32, 3, mlx.Unflatten, x, 1, []int{3, 1})
	e.out(ir.F32, 2, mlx.Concatenate, x, y, x, 1)
	e.out(ir.F32, 3, mlx.Stack, []mlx.Reg{x, y}, 2)
	e.outs([]ir.DType{ir.F32, ir.F32}, []int{2, 2}, mlx.Split, x, []int{1}, 1)
	e.out(ir.F32, 2, mlx.Slice, x, []int{-1, 2}, []int{-3, -4}, []int{-1, -2})
	e.out(ir.F32, 2, mlx.SliceUpdate, x, b.Call(mlx.Zeros, []int{2, 2}, ir.F32), []int{0, 0}, []int{2, 3}, []int{1, 2})
	e.out(ir.F32, 2, mlx.SliceDynamic, x, at(1), []int{1}, []int{2, 2})
	e.out(ir.F32, 2, mlx.SliceUpdateDynamic, x, b.Call(mlx.Ones, []int{2, 1}, ir.F32), at(2), []int{1})
	e.out(ir.F32, 2, mlx.Pad, x, b.Scalar(ir.F32, 9), []int{1, 0}, []int{0, 2})
	e.out(ir.F32, 2, mlx.Tile, x, []int{2, 1})
	e.out(ir.F32, 2, mlx.Repeat, x, 2, 1)
	e.out(ir.F32, 2, mlx.Roll, x, []int{1, -1}, []int{0, 1})
	e.out(ir.F32, 2, mlx.MoveAxis, x, 0, 1)
	e.out(ir.F32, 2, mlx.SwapAxes, x, 0, 1)
	e.out(ir.F32, 1, mlx.Diagonal, x, 1, 0, 1)
	e.out(ir.F32, 1, mlx.Diag, x, 0)
	e.out(ir.F32, 2, mlx.Contiguous, b.Call(mlx.Transpose, x, []int{1, 0}))
	e.out(ir.F32, 2, mlx.StopGradient, x)
	e.out(ir.F32, 2, mlx.Depends, x, b.Call(mlx.Exp, x))
	e.out(ir.F32, 2, mlx.AsStrided, x, []int{2, 2}, []int{1, 2}, 1)

	e.out(ir.F32, 2, mlx.Take, x, at(2, 0), 1)
	e.out(ir.F32, 2, mlx.TakeAlongAxis, x, b.Call(mlx.Reshape, at(1, 0), []int{2, 1}), 1)
	e.out(ir.F32, 2, mlx.PutAlongAxis, x, b.Call(mlx.Reshape, at(1, 0), []int{2, 1}), b.Call(mlx.Zeros, []int{2, 1}, ir.F32), 1)
	e.out(ir.F32, 2, mlx.Gather, x, at(1, 0, 1))
	e.out(ir.F32, 1, mlx.Gather, x, at(1, 0, 1), at(2, 0, 0))
	for op := mlx.Scatter; op <= mlx.ScatterMin; op++ {
		e.out(ir.F32, 2, op, x, b.Call(mlx.Slice, y, []int{0, 0}, []int{1, 3}, []int{1, 1}), at(1))
		e.out(ir.F32, 2, op, x, b.Call(mlx.Flatten, b.Call(mlx.Slice, y, []int{0, 0}, []int{1, 2}, []int{1, 1}), 0, 1), at(1, 0), at(2, 2))
	}
}

func (e *everyCall) networks(x, y mlx.Reg) {
	b := e.b
	rand := func(shape ...int) mlx.Reg {
		return b.Call(mlx.RandomNormal, b.Call(mlx.RandomKey, 3), shape, ir.F32, 0.0, 1.0)
	}
	yt := b.Call(mlx.Transpose, y, []int{1, 0})
	e.out(ir.F32, 2, mlx.MatMul, x, yt)
	e.out(ir.F32, 2, mlx.Inner, x, y)
	e.out(ir.F32, 2, mlx.Outer, x, y)
	e.out(ir.F32, 2, mlx.Kron, x, y)
	e.out(ir.F32, 2, mlx.Linear, x, x, b.Call(mlx.MatMul, yt, x))
	e.out(ir.F32, 2, mlx.Linear, x, b.Call(mlx.Slice, x, []int{0, 0}, []int{1, 3}, []int{1, 1}), b.Call(mlx.MatMul, yt, x))
	e.out(ir.F32, 2, mlx.AddMM, b.Call(mlx.MatMul, x, yt), x, yt, 0.5, 2.0)
	e.out(ir.F32, 2, mlx.Einsum, x, y, "ab,cb->ca")
	e.out(ir.F32, 2, mlx.TensorDot, x, y, []int{1}, []int{1})
	e.out(ir.F32, 2, mlx.Softmax, x, []int{1}, true)
	w := rand(3)
	e.out(ir.F32, 2, mlx.LayerNorm, x, w, mlx.Absent, 1e-5)
	e.out(ir.F32, 2, mlx.RMSNorm, x, w, 1e-5)
	q := rand(1, 2, 4, 8)
	e.out(ir.F32, 4, mlx.Rope, q, 8, false, 1e4, 1.0, 2)
	e.out(ir.F32, 4, mlx.ScaledDotProductAttention, q, q, q, 0.5, "causal")
	e.out(ir.F32, 4, mlx.ScaledDotProductAttention, q, q, q, b.Call(mlx.Tri, 4, 4, 0, ir.Bool), 0.5, "array")
	e.out(ir.F32, 4, mlx.ConvGeneral, rand(1, 5, 5, 4), rand(6, 3, 3, 2), []int{2, 1}, []int{1, 0}, []int{0, 1}, []int{1, 1}, []int{1, 1}, 2, false)
	e.out(ir.F32, 4, mlx.ConvTranspose, rand(1, 4, 4, 2), rand(3, 3, 3, 2), []int{2, 2}, []int{1, 1}, []int{1, 1}, []int{1, 0}, 1)
	e.out(ir.F32, 3, mlx.ConvTranspose, rand(1, 4, 2), rand(3, 3, 2), []int{2}, []int{1}, []int{1}, []int{0}, 1)
	m := rand(8, 64)
	e.outs([]ir.DType{ir.U32, ir.F32, ir.F32}, []int{2, 2, 2}, mlx.Quantize, m, 64, 4, "affine")
	z := b.CallN(mlx.Quantize, 3, m, 64, 4, "affine")
	e.out(ir.F32, 2, mlx.Dequantize, z, 64, 4, "affine", ir.F32)
	e.out(ir.F32, 2, mlx.QuantizedMatMul, rand(2, 64), z, true, 64, 4, "affine")
	one := b.Tensor(ir.TensorFrom([]uint32{0}))
	e.out(ir.F32, 3, mlx.GatherMM, rand(1, 2, 3), rand(1, 3, 2), one, one, false)
	e.out(ir.F32, 2, mlx.BlockMaskedMM, rand(32, 32), rand(32, 32), 32)
	e.out(ir.F32, 3, mlx.SegmentedMM, rand(2, 3), rand(3, 2), b.Tensor(ir.TensorFrom([]uint32{0, 2, 2, 3}, 2, 2)))
	f8 := b.Call(mlx.ToFP8, x)
	e.out(ir.U8, 2, mlx.ToFP8, x)
	e.out(ir.F32, 2, mlx.FromFP8, f8, ir.F32)
	e.out(ir.C64, 2, mlx.FFTN, x, []int{4}, []int{1})
	e.out(ir.C64, 2, mlx.IFFTN, b.Call(mlx.AsType, x, ir.C64), []int{3}, []int{1})
	e.out(ir.C64, 2, mlx.RFFTN, x, []int{3}, []int{1})
	e.out(ir.F32, 2, mlx.IRFFTN, b.Call(mlx.AsType, x, ir.C64), []int{4}, []int{1})
}

func (e *everyCall) linearAlgebra(x, y mlx.Reg) {
	b := e.b
	g := b.Call(mlx.Add, b.Call(mlx.MatMul, x, b.Call(mlx.Transpose, x, []int{1, 0})), b.Call(mlx.Eye, 2, 2, 0, ir.F32))
	e.out(ir.F32, 2, mlx.Inv, g)
	e.out(ir.F32, 2, mlx.PInv, x)
	e.out(ir.F32, 2, mlx.Cholesky, g, true)
	e.out(ir.F32, 2, mlx.Solve, g, y)
	e.out(ir.F32, 2, mlx.SolveTriangular, b.Call(mlx.Tril, g, 0), y, false)
	two := []ir.DType{ir.F32, ir.F32}
	e.outs(two, []int{2, 2}, mlx.QR, g)
	e.outs([]ir.DType{ir.F32, ir.F32, ir.F32}, []int{2, 1, 2}, mlx.SVD, x)
	e.outs([]ir.DType{ir.U32, ir.F32, ir.F32}, []int{1, 2, 2}, mlx.LU, g)
	e.outs(two, []int{1, 2}, mlx.Eigh, g, "L")
	e.out(ir.F32, 1, mlx.Eigvalsh, g, "U")
	e.out(ir.F32, 2, mlx.Cross, x, y, 1)
}

func (e *everyCall) random(x mlx.Reg) {
	b := e.b
	key := b.Call(mlx.RandomKey, 42)
	lo, hi := b.Scalar(ir.F32, -1), b.Scalar(ir.F32, 1)
	e.out(ir.U32, 1, mlx.RandomKey, 7)
	e.out(ir.U32, 2, mlx.RandomSplit, key, 3)
	e.out(ir.F32, 1, mlx.RandomUniform, lo, hi, key, []int{4}, ir.F32)
	e.out(ir.F32, 1, mlx.RandomNormal, key, []int{4}, ir.F32, 1.0, 2.0)
	e.out(ir.I32, 1, mlx.RandomRandint, b.Int(ir.I32, 0), b.Int(ir.I32, 100), key, []int{4}, ir.I32)
	e.out(ir.Bool, 1, mlx.RandomBernoulli, b.Scalar(ir.F32, 0.5), key, []int{9})
	e.out(ir.F32, 1, mlx.RandomGumbel, key, []int{4}, ir.F32)
	e.out(ir.U32, 2, mlx.RandomCategorical, x, key, 1, 5)
}

func (e *everyCall) control(x, i mlx.Reg) {
	b := e.b
	u := ir.Sym("u")
	e.covered[mlx.Const] = true
	b.CallN(mlx.ReadInts, 0, b.Call(mlx.ArgMax, x, 1, false), []ir.Dim{u, ir.Size(0)})
	b.CallN(mlx.BindShape, 0, x, []ir.Dim{ir.Size(-1), ir.Sym("v")})
	b.CallN(mlx.Check, 0, "le", u, 2, "argmax")
	b.CallN(mlx.Assert, 0, b.Call(mlx.LessEqual, x, x), "x is no NaN")
	e.covered[mlx.ReadInts], e.covered[mlx.BindShape], e.covered[mlx.Check], e.covered[mlx.Assert] = true, true, true, true
	e.out(ir.I32, 0, mlx.DimScalar, u.Add(ir.Sym("v")), ir.I32)
	e.out(ir.I64, 1, mlx.Dims, []ir.Dim{u, ir.Sym("v").FloorDiv(ir.Size(2))}, ir.I64)
	neg := b.Sub("neg", 1, func(p []mlx.Reg) []mlx.Reg { return []mlx.Reg{b.Call(mlx.Negative, p[0])} })
	abs := b.Sub("abs", 1, func(p []mlx.Reg) []mlx.Reg { return []mlx.Reg{b.Call(mlx.Abs, p[0])} })
	e.out(ir.F32, 2, mlx.If, b.Call(mlx.Any, x, []int{0, 1}, false), x, x, neg, abs, 1)
	body := b.Sub("body", 3, func(p []mlx.Reg) []mlx.Reg {
		return []mlx.Reg{p[1], b.Call(mlx.Add, p[2], p[2]), p[2]}
	})
	empty := b.Call(mlx.Zeros, []int{0, 2, 3}, ir.F32)
	stretch := b.Sub("stretch", 2, func(p []mlx.Reg) []mlx.Reg {
		r := b.Call(mlx.Multiply, p[0], b.Scalar(ir.F32, 0.5))
		return []mlx.Reg{r, b.Call(mlx.AsType, b.Call(mlx.Less, r, p[1]), ir.I32)}
	})
	e.outs([]ir.DType{ir.F32, ir.I32}, []int{2, 2}, mlx.Compiled, x, b.Scalar(ir.F32, 1), stretch)
	e.outs([]ir.DType{ir.F32, ir.I32}, []int{2, 2}, mlx.Blockwise, x, b.Scalar(ir.F32, 1), stretch)
	e.outs([]ir.DType{ir.F32, ir.F32}, []int{2, 3}, mlx.Loop, b.Int(ir.I64, 11), mlx.Absent, x, empty, body, 1, 1)
	sum := b.Sub("sum", 2, func(p []mlx.Reg) []mlx.Reg {
		s := b.Call(mlx.Add, p[0], p[1])
		return []mlx.Reg{s, s}
	})
	zero := b.Call(mlx.Zeros, []int{3}, ir.F32)
	e.outs([]ir.DType{ir.F32, ir.F32}, []int{1, 2}, mlx.Scan, zero, x, b.Call(mlx.Zeros, []int{0, 3}, ir.F32), sum, 1, 1, 1)
	_ = i
}

func (e *everyCall) lists(x, y mlx.Reg) {
	b := e.b
	l := b.Call(mlx.NewList, x, y)
	for _, c := range []struct {
		op   mlx.CallID
		list mlx.Reg
	}{
		{mlx.ListAppend, b.Call(mlx.ListAppend, l, x)}, {mlx.ListInsert, b.Call(mlx.ListInsert, l, b.Call(mlx.Negative, x), -1)},
		{mlx.ListErase, b.Call(mlx.ListErase, l, 0)}, {mlx.ListSplit, b.Call(mlx.ListSplit, x, b.Tensor(ir.TensorFrom([]int32{1, 2})), 1, false)},
		{mlx.ListSplit, b.Call(mlx.ListSplit, x, b.Int(ir.I64, 2), 1, false)}, {mlx.ListSplit, b.Call(mlx.ListSplit, x, 0, false)},
	} {
		e.covered[c.op] = true
		e.out(ir.F32, 2, mlx.ListJoin, c.list, 1, false)
		e.out(ir.I64, 0, mlx.ListLength, c.list)
		e.out(ir.F32, 2, mlx.ListAt, c.list, -1)
	}
	e.out(ir.F32, 2, mlx.ListJoin, b.Call(mlx.ListSplit, x, 0, true), 0, true)
	for _, shape := range [][]int{{2, 3}, {2, 4}, {2, 9}} {
		e.out(ir.F32, 2, mlx.Reserve, x, shape, 1, 2, ir.F32)
	}
	e.out(ir.F32, 2, mlx.Reserve, x, []int{4, 4}, 0, 0, ir.F32)
	e.covered[mlx.NewList] = true
}

// TestCallsAgreeWithPython runs every call natively and in the emitted Python and wants the same bytes.
func TestCallsAgreeWithPython(t *testing.T) {
	needPython(t)
	e := &everyCall{covered: map[mlx.CallID]bool{}}
	p := build(t, func(b *mlx.Builder) {
		e.b = b
		shape := ir.Shape{ir.Sym("n"), ir.Sym("m")}
		x, y := b.Input("x", ir.TensorOf(ir.F32, shape...)), b.Input("y", ir.TensorOf(ir.F32, shape...))
		i, j := b.Input("i", ir.TensorOf(ir.I32, shape...)), b.Input("j", ir.TensorOf(ir.I32, shape...))
		p := b.Input("p", ir.TensorOf(ir.F32, shape...))
		e.elementwise(x, y, i, j, p)
		e.reductions(x, i)
		e.creation(x)
		e.shapes(x, y)
		e.networks(x, y)
		e.linearAlgebra(x, y)
		e.random(x)
		e.control(x, i)
		e.lists(x, y)
	})
	for op := range mlx.NumCalls {
		if !e.covered[op] {
			t.Errorf("no test of %s", op)
		}
	}
	agree(t, p, f32([]int{2, 3}, 0.5, -1.25, 2, 3, -0.75, 1), f32([]int{2, 3}, 1, 2, -3, 0.25, 5, -1),
		ir.TensorFrom([]int32{7, -3, 5, 100, 2, 1}, 2, 3), ir.TensorFrom([]int32{1, 2, 3, 4, 0, 2}, 2, 3),
		f32([]int{2, 3}, 0.1, 0.3, 0.5, 0.7, 0.9, 0.2))
}
