package interp

import (
	"math"

	"github.com/emilyc/emily/ir"
)

// evalSoftmax: softmax and log_softmax along an axis, the maximum subtracted first.
func evalSoftmax(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	f := softmax
	if op.Kind == ir.LogSoftmax {
		f = logSoftmax
	}
	axis := int(op.Attrs.(*ir.AxisAttrs).Axis)
	return e.alongAxis(op, tensor(args, 0), axis, func(out, rows *ir.Tensor, n int) { mapRows(out, rows, n, f) })
}

// mapRows runs f in place on rows of n elements.
func mapRows(out, x *ir.Tensor, n int, f func(row []float64)) {
	if x.Len() == 0 {
		return
	}
	parallelRows(x.Len()/n, n, func(lo, hi int) {
		row := make([]float64, n)
		for r := lo; r < hi; r++ {
			loadFloats(row, x, r*n)
			f(row)
			storeFloats(out, r*n, row)
		}
	})
}

func softmax(row []float64) {
	top, sum := foldMax(math.Inf(-1), row), 0.0
	for i, v := range row {
		row[i] = math.Exp(v - top)
		sum += row[i]
	}
	for i := range row {
		row[i] /= sum
	}
}

func logSoftmax(row []float64) {
	top, sum := foldMax(math.Inf(-1), row), 0.0
	for _, v := range row {
		sum += math.Exp(v - top)
	}
	shift := math.Log(sum)
	for i, v := range row {
		row[i] = v - top - shift
	}
}

// evalLayerNorm: layer_norm is (x - mean) / √(variance + ε) × scale + bias over the axes from Axis on, as ONNX
// LayerNormalization-17; rms_norm is x / √(mean(x²) + ε) × scale, as ONNX RMSNormalization-23.
func evalLayerNorm(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, a := tensor(args, 0), op.Attrs.(*ir.NormAttrs)
	out, err := e.newTensor(op, x.DType, cloneShape(x.Shape))
	if err != nil || x.Len() == 0 {
		return []ir.Datum{out}, err
	}
	var params [3]*reader
	for i := 1; i < len(args); i++ {
		p := tensor(args, i)
		if p == nil {
			continue
		}
		shape, err := broadcastShapes(op, "norm_c3", x.Shape, p.Shape)
		if err != nil || product(shape) != x.Len() {
			return nil, opError(op, ir.ShapeError, "norm_c3", "%s: %v does not broadcast to %v", op.Kind, p.Shape, x.Shape)
		}
		params[i] = newReader(p, x.Shape)
	}
	n := product(x.Shape[a.Axis:])
	parallelRows(x.Len()/n, n, func(lo, hi int) {
		row, param := make([]float64, n), make([]float64, n)
		for r := lo; r < hi; r++ {
			loadFloats(row, x, r*n)
			normalize(row, a.Epsilon, op.Kind == ir.LayerNorm)
			if params[1] != nil {
				read(params[1], param, r*n)
				zipMul(row, row, param)
			}
			if params[2] != nil {
				read(params[2], param, r*n)
				zipAdd(row, row, param)
			}
			storeFloats(out, r*n, row)
		}
	})
	return []ir.Datum{out}, nil
}

func normalize(row []float64, epsilon float64, center bool) {
	n := float64(len(row))
	if center {
		mean := foldSum(0, row) / n
		for i := range row {
			row[i] -= mean
		}
	}
	sum := 0.0
	for _, v := range row {
		sum += v * v
	}
	scale := 1 / math.Sqrt(sum/n+epsilon)
	for i := range row {
		row[i] *= scale
	}
}

// evalBatchNorm: inference, (x - mean) / √(variance + ε) × scale + bias for each channel. ONNX BatchNormalization-15.
func evalBatchNorm(e *Env, op *ir.Op, args []ir.Datum) ([]ir.Datum, error) {
	x, a := tensor(args, 0), op.Attrs.(*ir.NormAttrs)
	out, err := e.newTensor(op, x.DType, cloneShape(x.Shape))
	if err != nil || x.Len() == 0 {
		return []ir.Datum{out}, err
	}
	channels := 1
	if len(x.Shape) > 1 {
		channels = x.Shape[1]
	}
	var params [4][]float64 // scale, bias, mean, variance
	for i := range params {
		p := tensor(args, i+1)
		if p.Len() != channels {
			return nil, opError(op, ir.ShapeError, "batch_norm_c2", "%s: %v for %d channels of %v", op.Kind, p.Shape, channels, x.Shape)
		}
		params[i] = floats(p)
	}
	plane := 1
	if len(x.Shape) > 2 {
		plane = product(x.Shape[2:])
	}
	parallelRows(x.Len()/plane, plane, func(lo, hi int) {
		row := make([]float64, plane)
		for r := lo; r < hi; r++ {
			c := r % channels
			scale := params[0][c] / math.Sqrt(params[3][c]+a.Epsilon)
			loadFloats(row, x, r*plane)
			for i, v := range row {
				row[i] = (v-params[2][c])*scale + params[1][c]
			}
			storeFloats(out, r*plane, row)
		}
	})
	return []ir.Datum{out}, nil
}
