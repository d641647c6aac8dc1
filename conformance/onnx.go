package conformance

import (
	"context"

	"github.com/emilyc/emily"
	"github.com/emilyc/emily/frontends/onnx"
	"github.com/emilyc/emily/frontends/onnx/export"
	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
)

// throughONNX runs what the ONNX model of the optimised module is imported as.
func throughONNX(ctx context.Context, m *ir.Module, o LaneOptions) (Runner, error) {
	o.Precision = ir.F32 // the parts of composites that ONNX lacks would each be rounded to half
	if err := optimise(m, o); err != nil {
		return nil, err
	}
	return exported(ctx, m, o)
}

// exported runs what the ONNX model of the module is imported as.
func exported(ctx context.Context, m *ir.Module, o LaneOptions) (Runner, error) {
	again, err := reimport(m)
	if err != nil {
		return nil, err
	}
	return lane(emily.WithBackend(emily.Interpreter), emily.WithPipeline())(ctx, again, o)
}

// reimport is m, exported and imported again.
func reimport(m *ir.Module) (*ir.Module, error) {
	model, err := export.Export(m, export.Options{})
	if err != nil {
		return nil, err
	}
	data, err := model.Marshal()
	if err != nil {
		return nil, err
	}
	f, err := onnx.FromBytes(m.Name, data)
	if err != nil {
		return nil, err
	}
	return onnx.Import(f, onnx.Options{Eval: interp.EvalOp})
}
