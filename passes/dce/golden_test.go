package dce_test

import (
	"testing"

	"github.com/emilyc/emily/passes/dce"
	"github.com/emilyc/emily/passes/internal/golden"
)

func TestGolden(t *testing.T) { golden.Run(t, dce.Run, nil) }
