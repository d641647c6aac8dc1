package simplify_test

import (
	"testing"

	"github.com/emilyc/emily/passes/internal/golden"
	"github.com/emilyc/emily/passes/simplify"
)

func TestGolden(t *testing.T) { golden.Run(t, simplify.Run, nil) }
