package fold_test

import (
	"testing"

	"github.com/emilyc/emily/interp"
	"github.com/emilyc/emily/passes/fold"
	"github.com/emilyc/emily/passes/internal/golden"
)

func TestGolden(t *testing.T) { golden.Run(t, fold.Run, interp.EvalOp) }
