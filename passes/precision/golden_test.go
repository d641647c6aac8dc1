package precision_test

import (
	"testing"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/ir"
	"github.com/emilyc/emily/passes/internal/golden"
	"github.com/emilyc/emily/passes/precision"
)

func TestGolden(t *testing.T) { golden.Run(t, precision.Run(ir.F16), interp.EvalOp) }
