package shapes_test

import (
	"testing"

	"github.com/emilyc/emily/passes/internal/golden"
	"github.com/emilyc/emily/passes/shapes"
)

func TestGolden(t *testing.T) { golden.Run(t, shapes.Run, nil) }
